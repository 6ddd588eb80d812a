//! [`RootTarget`]: what the own package of an app, a plugin or a library for C is compiled to.

use std::collections::BTreeSet;

use orlop_recipes::CdylibRecipe;
use orlop_resolver::{BinaryTarget, Variant};
use orlop_store::derivation::{CLibrary, CrateKind};

use crate::PlanError;

/// A target of the root package: what all of it is compiled for.
pub(crate) struct RootTarget {
    /// What it is.
    pub(crate) kind: CrateKind,
    /// The file that is made.
    pub(crate) name: String,
    /// `--crate-name`.
    pub(crate) crate_name: String,
    /// Its root file.
    pub(crate) path: String,
    /// Its edition.
    pub(crate) edition: String,
}

/// Returns the programs of an app.
pub(crate) fn of_app(
    variant: &Variant,
    wanted: Option<&BTreeSet<String>>,
) -> Result<Vec<RootTarget>, PlanError> {
    let targets = programs(variant, wanted)?.into_iter();
    Ok(targets
        .map(|target| RootTarget {
            kind: CrateKind::Program {
                name: target.name.clone(),
            },
            name: target.name.clone(),
            crate_name: target.name.replace('-', "_"),
            path: target.path.clone(),
            edition: target.edition.clone(),
        })
        .collect())
}

/// Returns the library of a plugin.
pub(crate) fn of_plugin(variant: &Variant) -> Result<Vec<RootTarget>, PlanError> {
    let library = variant.package.library.as_ref();
    let Some(library) = library.filter(|library| !library.proc_macro) else {
        return Err(PlanError::NoLibrary {
            name: variant.name.to_string(),
        });
    };
    Ok(vec![RootTarget {
        kind: CrateKind::Plugin,
        name: format!("lib{}.so", library.crate_name),
        crate_name: library.crate_name.clone(),
        path: library.path.clone(),
        edition: library.edition.clone(),
    }])
}

/// Returns the library for C of a package.
pub(crate) fn of_cdylib(variant: &Variant, recipe: &CdylibRecipe) -> Result<RootTarget, PlanError> {
    let library = variant.package.library.as_ref();
    let Some(library) = library.filter(|library| !library.proc_macro) else {
        return Err(PlanError::NoCdylib {
            name: variant.name.to_string(),
        });
    };
    Ok(RootTarget {
        kind: CrateKind::CLibrary(Box::new(CLibrary {
            headers: recipe.headers.clone(),
            pkg_config: recipe.pkg_config().to_owned(),
        })),
        name: "cdylib".to_owned(),
        crate_name: library.crate_name.clone(),
        path: library.path.clone(),
        edition: library.edition.clone(),
    })
}

/// The programs to build: those whose required features are active, and of these the wanted ones.
fn programs<'a>(
    variant: &'a Variant,
    wanted: Option<&BTreeSet<String>>,
) -> Result<Vec<&'a BinaryTarget>, PlanError> {
    let name = variant.name.to_string();
    let all = &variant.package.binaries;
    if all.is_empty() {
        return Err(PlanError::NoPrograms { name });
    }
    if let Some(missing) = wanted
        .into_iter()
        .flatten()
        .find(|wanted| !all.iter().any(|target| target.name == **wanted))
    {
        return Err(PlanError::NoSuchProgram {
            name,
            program: missing.clone(),
            known: all.iter().map(|target| target.name.clone()).collect(),
        });
    }
    let active = |target: &&BinaryTarget| {
        target
            .required_features
            .iter()
            .all(|feature| variant.features.contains(feature.as_str()))
    };
    let chosen: Vec<_> = all
        .iter()
        .filter(|target| wanted.is_none_or(|wanted| wanted.contains(&target.name)))
        .filter(active)
        .collect();
    if chosen.is_empty() {
        let features = all
            .iter()
            .flat_map(|target| target.required_features.iter().cloned())
            .collect();
        return Err(PlanError::ProgramsNeedFeatures { name, features });
    }
    Ok(chosen)
}
