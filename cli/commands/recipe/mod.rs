//! `recipe …`: for those who write recipes.
//!
//! | module | verbs |
//! |---|---|
//! | [`new`] | `new` |
//! | [`import`] | `import` |
//! | [`lint`] | `lint` |
//! | [`mod@format`] | `fmt`, `schema` |
//! | [`mod@test`] | `test` |
//! | [`trial`] | what tests are run with |
//! | [`bump`] | `bump` |
//! | [`source`] | `source` |
//! | [`package`] | what a registry, a folder or a repository says of the package of a recipe |

mod bump;
mod format;
mod import;
mod lint;
mod new;
mod package;
mod source;
mod test;
mod trial;

use camino::{Utf8Path, Utf8PathBuf};

use crate::commands::change;
use crate::context::Context;
use crate::error::CommandError;
use crate::recipe_args::{Output, RecipeCommand};

pub(super) fn run(context: &Context, command: &RecipeCommand) -> Result<(), CommandError> {
    match command {
        RecipeCommand::New(arguments) => new::new(context, arguments),
        RecipeCommand::Import(arguments) => import::import(context, arguments),
        RecipeCommand::Lint(arguments) => lint::lint(context, arguments),
        RecipeCommand::Fmt(arguments) => format::format(context, arguments),
        RecipeCommand::Test(arguments) => test::test(context, arguments),
        RecipeCommand::Bump(arguments) => bump::bump(context, arguments),
        RecipeCommand::Source(command) => source::run(context, command),
        RecipeCommand::Schema => {
            context.ui.data(orlop_recipes::recipe_schema().trim_end());
            Ok(())
        }
    }
}

/// Replaces a file in one step.
fn write(context: &Context, file: &Utf8Path, text: &str) -> Result<(), CommandError> {
    change::write(&context.absolute(file)?, text)
}

/// Writes a recipe that did not exist yet, or prints it. Returns the file that was written.
fn write_new(
    context: &Context,
    output: &Output,
    name: &str,
    text: &str,
) -> Result<Option<Utf8PathBuf>, CommandError> {
    let file = match &output.output {
        Some(file) if file == "-" => {
            context.ui.data(text.trim_end());
            return Ok(None);
        }
        Some(file) => file.clone(),
        None => format!("{name}.toml").into(),
    };
    if file.exists() && !output.force {
        return Err(CommandError::failed(format!("`{file}` is there already"))
            .hint("write it elsewhere: `--output FILE`; print it: `--output -`")
            .hint("replace it: `--force`"));
    }
    if context.global.dry_run {
        context.ui.status(format!("Would write `{file}`"));
        return Ok(None);
    }
    write(context, &file, text)?;
    context.ui.success(format!("Wrote {file}"));
    Ok(Some(file))
}
