//! The apps that apps start when they run. Each is an app of its own, solved and built by itself, in
//! the same generation: there its programs are beside those of whoever starts them.

use orlop_build::compiler;
use orlop_recipes::{AppRecipe, Manifest, Need, PackageRequest, RecipeSet};
use orlop_store::Compiler;

use crate::context::Context;
use crate::error::CommandError;
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
    let needs = &mut recipe.needs.run;
    if needs.values().any(|need| need.when.is_some()) {
        let platform = platform(&compiler_named(context, compiler)?);
        needs.retain(|_, need| need.when.as_ref().is_none_or(|when| platform.is(when)));
    }
    Ok(())
}

/// What is known of a compiler, or of the default one.
fn compiler_named(context: &Context, name: Option<&str>) -> Result<Compiler, CommandError> {
    let Some(name) = name else {
        return toolchain::known(context);
    };
    let known = compiler::list(&context.store()?)?.into_iter();
    let mut known = known.filter(|known| known.name == name);
    let found = known.next().map(|known| known.compiler);
    found.ok_or_else(|| toolchain::unknown(name))
}

/// Joins a request with what another app needs: versions and features are those of both.
fn joined(mut request: PackageRequest, need: Need) -> PackageRequest {
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
