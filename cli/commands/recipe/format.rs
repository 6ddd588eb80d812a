//! `recipe fmt`: the usual layout.

use orlop_build::log::quoted;

use crate::context::Context;
use crate::error::CommandError;
use crate::files;
use crate::recipe_args::FormatRecipes;

pub(super) fn format(context: &Context, arguments: &FormatRecipes) -> Result<(), CommandError> {
    let mut texts = Vec::new();
    for file in &arguments.files {
        let text = files::read(file)?;
        let tidy = orlop_recipes::format(file.as_str(), &text)?;
        if tidy != text {
            texts.push((file, tidy));
        }
    }
    // Once all are understood.
    if !arguments.check && !context.global.dry_run {
        for (file, tidy) in &texts {
            super::write(context, file, tidy)?;
        }
    }
    let odd: Vec<_> = texts.iter().map(|(file, _)| file.as_str()).collect();
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
