//! Where what cannot be had is asked for: the place in the user's manifest, or in a recipe.

use camino::{Utf8Path, Utf8PathBuf};
use orlop_recipes::{Manifest, Wish};

use crate::context::Context;
use crate::error::CommandError;
use crate::request;

/// Shows in the user's files where an error comes from, if they ask for what cannot be had. What
/// only the command line asks for stands in none of them.
pub(crate) fn shown(
    context: &Context,
    (file, manifest): (&Utf8Path, &Manifest),
    error: CommandError,
) -> CommandError {
    let files = match error.wish() {
        None => return error,
        Some(Wish::Need { .. }) => recipes(context, manifest),
        Some(_) => vec![file.to_owned()],
    };
    files
        .iter()
        .fold(error, |error, file| shown_in(file, error))
}

/// Shows in one file where an error comes from.
pub(crate) fn shown_in(file: &Utf8Path, error: CommandError) -> CommandError {
    // It was read before; why it cannot be read now is not what is to be said.
    match fs_err::read_to_string(file) {
        Ok(text) => error.shown_in(file, &text),
        Err(_) => error,
    }
}

/// The files of the recipes that a manifest names, those that go first first.
fn recipes(context: &Context, manifest: &Manifest) -> Vec<Utf8PathBuf> {
    let own = manifest.recipes.values();
    let own = own.filter_map(|path| context.absolute(Utf8Path::new(path)).ok());
    let sources = manifest.recipe_sources.values().rev();
    let sources = sources.filter_map(|source| request::recipe_files(context, source).ok());
    own.chain(sources.flatten()).collect()
}
