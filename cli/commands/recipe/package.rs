//! What a registry, a folder or a repository says of the package of a recipe.

use std::collections::BTreeSet;

use orlop_index::{Archive, Registry};
use orlop_recipes::lint::PackageFacts;
use orlop_recipes::{AppRecipe, PackageName, RecipeSet, VersionReq};
use orlop_resolver::{Index, Package, Release};

use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::fetch::Fetching;
use crate::progress::Progress;

/// Returns the newest release that fits and is no pre-release, unless one is asked for.
pub(super) fn newest(
    index: &dyn Index,
    name: &PackageName,
    requirement: &VersionReq,
) -> Result<Release, CommandError> {
    let releases = index.releases(name)?;
    let fits = |release: &&Release| {
        !release.yanked
            && (requirement.matches(&release.version)
                || *requirement == VersionReq::STAR && releases.len() == 1)
    };
    releases.iter().rfind(fits).cloned().ok_or_else(|| {
        let similar = index.similar(name);
        let error = if releases.is_empty() {
            format!("there is no package `{name}` in the registry")
        } else {
            format!("no release of `{name}` fits `{requirement}`")
        };
        let error = CommandError::new(Kind::Unsatisfiable, error);
        match similar.first() {
            Some(similar) if releases.is_empty() => {
                error.hint(format!("did you mean `{similar}`?"))
            }
            _ => error,
        }
    })
}

/// Returns what the linter compares with.
pub(super) fn facts(context: &Context, app: &AppRecipe) -> Result<PackageFacts, CommandError> {
    let progress = Progress::new(context.ui.clone());
    let fetching = Fetching(&progress);
    let recipes = RecipeSet::shipped();
    let registry = context.registry(context.now, &recipes, &fetching)?;
    let locals = context
        .workshop()
        .pack(&app.package, app.source.as_ref(), &app.patch)?;
    let index = locals.over(&registry);
    let release = newest(&index, &app.package, &app.requirement)?;
    let package = index.package(&release.name, &release.version)?;
    progress.clear();
    Ok(PackageFacts {
        version: Some(release.version.clone()),
        binaries: binaries(&package),
        features: package.declared_features.clone(),
        license: package.about.license.clone(),
        files: files(&registry, &release)?,
    })
}

/// Returns the paths of the files of a release.
pub(super) fn files(
    registry: &Registry<'_>,
    release: &Release,
) -> Result<BTreeSet<String>, CommandError> {
    let version = release.version.to_string();
    let checksum = release.checksum.to_string();
    registry
        .files_of(&Archive {
            name: release.name.as_str(),
            version: &version,
            checksum: &checksum,
        })
        .map_err(|error| CommandError::new(Kind::Failed, error))
}

fn binaries(package: &Package) -> BTreeSet<String> {
    let names = package.binaries.iter().map(|binary| binary.name.clone());
    names.collect()
}
