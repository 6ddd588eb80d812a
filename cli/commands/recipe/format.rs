//! `recipe fmt`: the usual layout.

use orlop_build::log::quoted;

use crate::context::Context;
use crate::error::CommandError;
use crate::files;
use crate::recipe_args::FormatRecipes;

pub(super) fn format(context: &Context, arguments: &FormatRecipes) -> Result<(), CommandError> {
    let mut odd = Vec::new();
    for file in &arguments.files {
        let text = files::read(file)?;
        let tidy = orlop_recipes::format(file.as_str(), &text)?;
        if tidy == text {
            continue;
        }
        odd.push(file.as_str());
        if !arguments.check && !context.global.dry_run {
            super::write(context, file, &tidy)?;
        }
    }
    if context.global.json {
        context.ui.data_json(&odd)?;
    } else {
        for file in &odd {
            context.ui.data(file);
        }
    }
    if arguments.check && !odd.is_empty() {
        return Err(CommandError::failed(format!(
            "{} of {} recipes are laid out in another way",
            odd.len(),
            arguments.files.len()
        ))
        .hint(format!(
            "lay them out: `orlop recipe fmt {}`",
            odd.iter()
                .map(|file| quoted(file))
                .collect::<Vec<_>>()
                .join(" ")
        )));
    }
    Ok(())
}
