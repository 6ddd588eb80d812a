//! [`RootTarget`]: what the own package of an app, a plugin or a library for C is compiled to.

use std::collections::{BTreeMap, BTreeSet};

use orlop_recipes::CdylibRecipe;
use orlop_resolver::{BinaryTarget, Dependency, Resolution, Variant};
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
    resolution: &Resolution,
    wanted: Option<&BTreeSet<String>>,
) -> Result<Vec<RootTarget>, PlanError> {
    let targets = programs(resolution, wanted)?.into_iter();
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

/// The programs to build: the wanted ones, or else all whose required features are active.
fn programs<'a>(
    resolution: &'a Resolution,
    wanted: Option<&BTreeSet<String>>,
) -> Result<Vec<&'a BinaryTarget>, PlanError> {
    let variant = resolution.app();
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
    let mut chosen = Vec::new();
    let mut others = BTreeMap::new();
    for target in all {
        if wanted.is_some_and(|wanted| !wanted.contains(&target.name)) {
            continue;
        }
        let features = missing_features(resolution, target);
        if features.is_empty() {
            chosen.push(target);
        } else if wanted.is_some() {
            return Err(PlanError::ProgramNeedsFeatures {
                name,
                program: target.name.clone(),
                features,
            });
        } else {
            others.insert(target.name.clone(), features);
        }
    }
    if chosen.is_empty() {
        return Err(PlanError::ProgramsNeedFeatures {
            name,
            programs: others,
        });
    }
    Ok(chosen)
}

/// Returns the features that a program of an app needs and that are not active: the package's own,
/// and those of what it uses, `NAME/FEATURE`.
pub fn missing_features(resolution: &Resolution, target: &BinaryTarget) -> BTreeSet<String> {
    let is_active = |feature: &str| match feature.split_once('/') {
        None => resolution.app().features.contains(feature),
        Some((dependency, feature)) => {
            let used = resolution.dependencies(resolution.root).into_iter();
            used.map(|(node, edge)| (&resolution.graph[node], edge))
                .filter(|(used, edge)| is_called(used, edge, dependency))
                .any(|(used, _)| used.features.contains(feature))
        }
    };
    let required = target.required_features.iter();
    required
        .filter(|feature| !is_active(feature))
        .cloned()
        .collect()
}

/// Whether a manifest that uses a package calls it so.
fn is_called(used: &Variant, edge: &Dependency, name: &str) -> bool {
    let library = used.package.library.as_ref();
    let keeps_its_name = library.is_some_and(|library| library.crate_name == edge.extern_name);
    (keeps_its_name && used.name.as_str() == name) || edge.extern_name == name.replace('-', "_")
}
