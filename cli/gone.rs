//! What a manifest names and is there no longer: who wants it, and how to do without.

use std::error::Error as StdError;
use std::fmt;

use camino::Utf8Path;
use orlop_recipes::{CrateSource, Manifest, PackageName, Recipe};
use orlop_store::Profile;

use crate::context::Context;
use crate::error::CommandError;
use crate::request;

/// What goes wrong with something that a manifest names.
#[derive(Debug)]
struct Named {
    action: String,
    source: Box<dyn StdError + Send + Sync>,
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.action)
    }
}

impl StdError for Named {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}

/// Says which app an error is about.
pub(crate) fn app(name: &PackageName) -> impl FnOnce(CommandError) -> CommandError {
    named(format!("read what the app `{name}` is built from"))
}

/// Says which recipe of a manifest an error is about.
pub(crate) fn recipe(name: &PackageName) -> impl FnOnce(CommandError) -> CommandError {
    named(format!("read the recipe `{name}` of the manifest"))
}

/// Says which source of recipes of a manifest an error is about.
pub(crate) fn source(name: &PackageName) -> impl FnOnce(CommandError) -> CommandError {
    named(format!(
        "read the source of recipes `{name}` of the manifest"
    ))
}

fn named(action: String) -> impl FnOnce(CommandError) -> CommandError {
    |error| error.within(|source| Named { action, source })
}

/// Adds to an error how the profile does without what its manifest names and is gone.
pub(crate) fn way_out(context: &Context, profile: &Profile, error: CommandError) -> CommandError {
    let path = profile.manifest_path();
    let text = fs_err::read_to_string(&path).unwrap_or_default();
    let Ok(manifest) = Manifest::parse(path.as_str(), &text) else {
        return error;
    };
    let apps = manifest.packages.iter().filter(|(_, request)| {
        let recipe = request.recipe.as_ref();
        recipe.is_some_and(|path| is_app_gone(context, path))
    });
    let recipes = manifest.recipes.iter();
    let recipes = recipes.filter(|(_, path)| is_gone(context, path));
    let names = apps.map(|(name, _)| name);
    let names: Vec<_> = names.chain(recipes.map(|(name, _)| name)).collect();
    let names: Vec<_> = names.iter().map(|name| name.as_str()).collect();
    let error = match names.as_slice() {
        [] => error,
        names => error.hint(format!(
            "do without what is gone: `orlop remove {}`",
            names.join(" ")
        )),
    };
    let sources = manifest.recipe_sources.iter();
    let sources = sources.filter(|(_, source)| is_source_gone(context, source));
    error.hints(sources.map(|(name, _)| {
        format!("do without the folder that is gone: `orlop recipe source remove {name}`")
    }))
}

/// Whether the recipe of an app, or a folder that it names, is gone.
fn is_app_gone(context: &Context, path: &str) -> bool {
    match request::read_recipe(context, path) {
        Ok(Recipe::App(recipe)) => {
            let mut sources = recipe.source.iter().chain(recipe.patch.values());
            sources.any(|source| is_source_gone(context, source))
        }
        _ => is_gone(context, path),
    }
}

fn is_source_gone(context: &Context, source: &CrateSource) -> bool {
    match source {
        CrateSource::Path { path } => is_gone(context, path),
        CrateSource::Git { .. } => false,
    }
}

fn is_gone(context: &Context, path: &str) -> bool {
    let path = context.absolute(Utf8Path::new(path));
    path.is_ok_and(|path| !path.exists())
}
