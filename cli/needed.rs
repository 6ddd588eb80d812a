//! The apps that apps start when they run. Each is an app of its own, solved and built by itself, in
//! the same generation: there its programs are beside those of whoever starts them.

use std::collections::BTreeMap;
use std::error::Error as StdError;

use orlop_recipes::{
    AppRecipe, FeatureName, Manifest, Need, Needs, PackageName, PackageRequest, RecipeSet,
    VersionReq,
};
use orlop_store::{Compiler, TestNeed};

use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::request::{app_recipe, platform};
use crate::toolchain;

/// A manifest with the apps that its apps start. What it says itself of one of these must hold as
/// well.
pub(crate) fn with_needed(
    context: &Context,
    manifest: &Manifest,
    recipes: &RecipeSet,
) -> Result<Manifest, CommandError> {
    let mut all = manifest.clone();
    let mut open: Vec<_> = manifest.packages.keys().cloned().collect();
    while let Some(name) = open.pop() {
        let asked = all
            .request(&name)
            .expect("the name comes from the manifest");
        let Some(mut recipe) = app_recipe(context, &asked, recipes, &name)? else {
            continue;
        };
        keep_needed_here(context, &mut recipe, asked.compiler.as_deref())?;
        for (name, need) in recipe.needs.run {
            let known = all.packages.get(&name);
            let request = joined(known.cloned().unwrap_or_default(), need);
            if known != Some(&request) {
                all.packages.insert(name.clone(), request);
                open.push(name);
            }
        }
    }
    Ok(all)
}

/// Takes out of a recipe what is needed on other platforms.
pub(crate) fn keep_needed_here(
    context: &Context,
    recipe: &mut AppRecipe,
    compiler: Option<&str>,
) -> Result<(), CommandError> {
    for needs in [&mut recipe.needs.run, &mut recipe.needs.test] {
        keep_here(context, needs, compiler)?;
    }
    Ok(())
}

/// Takes out what is needed on other platforms than the one that a compiler compiles for.
pub(crate) fn keep_here(
    context: &Context,
    needs: &mut Needs,
    compiler: Option<&str>,
) -> Result<(), CommandError> {
    if needs.values().any(|need| need.when.is_some()) {
        let platform = platform(&compiler_named(context, compiler)?);
        needs.retain(|_, need| need.when.as_ref().is_none_or(|when| platform.is(when)));
    }
    Ok(())
}

/// What is known of a compiler, or of the default one; none is imported.
pub(crate) fn compiler_named(
    context: &Context,
    name: Option<&str>,
) -> Result<Compiler, CommandError> {
    match name {
        Some(name) => toolchain::known_as(context, name),
        None => toolchain::known(context),
    }
}

/// What a test needs, as it is recorded.
pub(crate) fn recorded(needs: &Needs) -> BTreeMap<String, TestNeed> {
    let needs = needs.iter().map(|(name, need)| {
        let need = TestNeed {
            version: need.requirement.to_string(),
            features: need.features.iter().map(ToString::to_string).collect(),
            default_features: need.default_features,
        };
        (name.to_string(), need)
    });
    needs.collect()
}

/// What a recorded test needs.
pub(crate) fn of_record(needs: &BTreeMap<String, TestNeed>) -> Result<Needs, CommandError> {
    let failed = |error: Box<dyn StdError + Send + Sync>| CommandError::new(Kind::Failed, error);
    let needs = needs.iter().map(|(name, need)| {
        let requirement = need.version.parse::<VersionReq>();
        let features = need
            .features
            .iter()
            .map(|feature| feature.parse::<FeatureName>());
        let features = features.collect::<Result<_, _>>();
        let need = Need {
            requirement: requirement.map_err(|error| failed(error.into()))?,
            features: features.map_err(|error| failed(error.into()))?,
            default_features: need.default_features,
            when: None,
        };
        let name = name.parse::<PackageName>();
        Ok((name.map_err(|error| failed(error.into()))?, need))
    });
    needs.collect()
}

/// Joins a request with what another app needs: versions and features are those of both.
pub(crate) fn joined(mut request: PackageRequest, need: Need) -> PackageRequest {
    for comparator in need.requirement.comparators {
        if !request.requirement.comparators.contains(&comparator) {
            request.requirement.comparators.push(comparator);
        }
    }
    for feature in need.features {
        if !request.features.contains(&feature) {
            request.features.push(feature);
        }
    }
    request.default_features &= need.default_features;
    request
}
