//! `recipe new`: an empty recipe.

use orlop_recipes::draft;

use crate::context::Context;
use crate::error::CommandError;
use crate::recipe_args::NewRecipe;

pub(super) fn new(context: &Context, arguments: &NewRecipe) -> Result<(), CommandError> {
    let text = draft::blank(arguments.kind, &arguments.name);
    super::write_new(context, &arguments.output, arguments.name.as_str(), &text)?;
    context
        .ui
        .hint("see what is left to do: `orlop recipe lint FILE`");
    Ok(())
}
