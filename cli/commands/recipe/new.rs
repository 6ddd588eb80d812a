//! `recipe new`: an empty recipe.

use orlop_build::log::quoted;
use orlop_recipes::draft;

use crate::context::Context;
use crate::error::CommandError;
use crate::recipe_args::NewRecipe;

pub(super) fn new(context: &Context, arguments: &NewRecipe) -> Result<(), CommandError> {
    let text = draft::blank(arguments.kind, &arguments.name);
    let name = arguments.name.as_str();
    if let Some(file) = super::write_new(context, &arguments.output, name, &text)? {
        let file = quoted(file.as_str());
        let lint = format!("see what is left to do: `orlop recipe lint {file}`");
        context.ui.hint(lint);
    }
    Ok(())
}
