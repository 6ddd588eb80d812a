//! What libraries for C are compiled from: their recipes name one version of a package, and the
//! `Cargo.lock` that it is published with decides on all others. So the answer is the same for
//! every app and every snapshot, and needs no entry in the lock file.

use std::error::Error as StdError;
use std::fmt;

use jiff::Timestamp;
use orlop_plan::Cdylibs;
use orlop_recipes::{CdylibRecipe, RecipeSet};
use orlop_resolver::published::LockTrouble;
use orlop_resolver::{Index, Request, Resolution, ResolveError, exactly, resolve, resolve_locked};
use orlop_store::Compiler;

use crate::error::{CommandError, Kind};
use crate::request::plain_request;

/// Resolves libraries for C, and those that these need.
pub(crate) fn resolved(
    mut open: Vec<CdylibRecipe>,
    compiler: &Compiler,
    snapshot: Timestamp,
    recipes: &RecipeSet,
    index: &dyn Index,
) -> Result<Cdylibs, CommandError> {
    let mut found = Cdylibs::new();
    while let Some(recipe) = open.pop() {
        if found.contains_key(&recipe) {
            continue;
        }
        let resolution = one(&recipe, compiler, snapshot, index)?;
        open.extend(orlop_plan::cdylibs(&resolution, recipes));
        found.insert(recipe, resolution);
    }
    Ok(found)
}

fn one(
    recipe: &CdylibRecipe,
    compiler: &Compiler,
    snapshot: Timestamp,
    index: &dyn Index,
) -> Result<Resolution, CommandError> {
    let requirement = exactly(&recipe.version);
    let request = Request {
        features: recipe.features.clone(),
        default_features: recipe.default_features,
        ..plain_request(&recipe.package, requirement, compiler, snapshot)?
    };
    resolve_locked(&request, index)
        .or_else(|error| without_lock(&request, error, index))
        .map_err(|error| failure(recipe, error))
}

/// Where nothing is to be chosen, no lock file is needed.
fn without_lock(
    request: &Request,
    error: ResolveError,
    index: &dyn Index,
) -> Result<Resolution, ResolveError> {
    match &error {
        ResolveError::PublishedLock(lock) if lock.trouble == LockTrouble::Missing => {
            let resolution = resolve(request, index)?;
            if resolution.packages.len() == 1 {
                return Ok(resolution);
            }
            Err(error)
        }
        _ => Err(error),
    }
}

/// Says which recipe it is about.
fn failure(recipe: &CdylibRecipe, error: ResolveError) -> CommandError {
    let hints = match &error {
        ResolveError::PublishedLock(_) => vec![format!(
            "let the recipe name a version of `{}` that is published with a whole `Cargo.lock`, or \
             build the library by a script (`[library]`)",
            recipe.package
        )],
        error => error.hints(),
    };
    let kind = Kind::of(&error);
    CommandError::new(
        kind,
        Unresolved {
            name: recipe.name.to_string(),
            source: error,
        },
    )
    .hints(hints)
}

/// A library for C that cannot be resolved.
#[derive(Debug)]
struct Unresolved {
    name: String,
    source: ResolveError,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the library for C `{}` cannot be resolved", self.name)
    }
}

impl StdError for Unresolved {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}
