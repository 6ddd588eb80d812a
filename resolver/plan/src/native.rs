//! What recipes add to crates: environment, native libraries built by scripts, and libraries for C
//! out of crates.

use std::collections::{BTreeMap, BTreeSet};

use orlop_recipes::{CdylibRecipe, LibraryRecipe, LibrarySource, PackageName, RecipeSet};
use orlop_resolver::{Resolution, Variant};
use orlop_store::StorePath;
use orlop_store::derivation::{NativeBuild, Origin, Source, Step, Tools};

use crate::derivations::Derivations;
use crate::lower::lower_cdylib;
use crate::{Cdylibs, PlanError, ToolSets, tools};

/// The native libraries lowered so far, for all apps.
pub(crate) struct Natives<'a> {
    pub(crate) tool_sets: &'a ToolSets,
    /// What libraries for C are compiled from.
    pub(crate) cdylibs: &'a Cdylibs,
    done: BTreeMap<(PackageName, Tools), StorePath>,
    /// Libraries for C that are being lowered.
    open: BTreeSet<PackageName>,
}

/// What a recipe adds to one crate.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) libraries: BTreeSet<StorePath>,
}

impl<'a> Natives<'a> {
    pub(crate) fn new(tool_sets: &'a ToolSets, cdylibs: &'a Cdylibs) -> Self {
        Self {
            tool_sets,
            cdylibs,
            done: BTreeMap::new(),
            open: BTreeSet::new(),
        }
    }

    /// Returns what recipes add to a crate, lowering the native libraries it needs.
    pub(crate) fn of_crate(
        &mut self,
        variant: &Variant,
        recipes: &RecipeSet,
        tools: &Tools,
        derivations: &mut Derivations,
    ) -> Result<Needs, PlanError> {
        let Some(recipe) = recipes.override_for(&variant.name, &variant.version) else {
            return Ok(Needs::default());
        };
        let user = format!("{} {}", variant.name, variant.version);
        let mut place = Place {
            recipes,
            tools,
            derivations,
        };
        let libraries = self.libraries(&recipe.native, &[&user], &mut place)?;
        Ok(Needs {
            environment: self.located(&recipe.environment, &recipe.native, &place),
            libraries,
        })
    }

    /// Lowers one native library that no crate asks for.
    pub(crate) fn alone(
        &mut self,
        name: &PackageName,
        recipes: &RecipeSet,
        tools: &Tools,
        derivations: &mut Derivations,
    ) -> Result<StorePath, PlanError> {
        let mut place = Place {
            recipes,
            tools,
            derivations,
        };
        self.library(name, &[""], &mut place)
    }

    /// Puts the objects of native libraries, which are lowered already, in place of their names in
    /// braces.
    fn located(
        &self,
        environment: &BTreeMap<String, String>,
        names: &BTreeSet<PackageName>,
        place: &Place<'_>,
    ) -> BTreeMap<String, String> {
        let path = |name: &PackageName| self.done.get(&(name.clone(), place.tools.clone()));
        let paths: Vec<_> = names
            .iter()
            .filter_map(|name| Some((name, path(name)?)))
            .collect();
        let located = |value: &String| {
            paths.iter().fold(value.clone(), |value, (name, path)| {
                value.replace(&format!("{{{name}}}"), &format!("{{{path}}}"))
            })
        };
        let environment = environment.iter();
        environment
            .map(|(name, value)| (name.clone(), located(value)))
            .collect()
    }

    /// Lowers native libraries; returns them and all that they need. `above` leads from the crate
    /// to whoever needs them.
    fn libraries(
        &mut self,
        names: &BTreeSet<PackageName>,
        above: &[&str],
        place: &mut Place<'_>,
    ) -> Result<BTreeSet<StorePath>, PlanError> {
        let mut paths = BTreeSet::new();
        for name in names {
            let path = self.library(name, above, place)?;
            // A library is used together with those it needs.
            match &place.derivations.by_path[&path].step {
                Step::Native(build) => paths.extend(build.natives.iter().cloned()),
                Step::Rustc(call) => paths.extend(call.natives.iter().cloned()),
                Step::Unpack(_) | Step::Script(_) => {}
            }
            paths.insert(path);
        }
        Ok(paths)
    }

    fn library(
        &mut self,
        name: &PackageName,
        above: &[&str],
        place: &mut Place<'_>,
    ) -> Result<StorePath, PlanError> {
        if above[1..].contains(&name.as_str()) || self.open.contains(name) {
            return Err(PlanError::NativeCycle {
                library: name.to_string(),
            });
        }
        let key = (name.clone(), place.tools.clone());
        if let Some(path) = self.done.get(&key) {
            return Ok(path.clone());
        }
        if let Some(recipe) = place.recipes.cdylib(name) {
            let path = self.cdylib(recipe, place)?;
            self.done.insert(key, path.clone());
            return Ok(path);
        }
        let recipe = place
            .recipes
            .library(name)
            .ok_or_else(|| PlanError::NoNativeRecipe {
                user: above[above.len() - 1].to_owned(),
                library: name.to_string(),
            })?;
        let chain: Vec<&str> = above.iter().copied().chain([name.as_str()]).collect();
        let natives = self.libraries(&recipe.native, &chain, place)?;
        let tools = tools::with(place.tools, &recipe.called(), self.tool_sets);
        let build = NativeBuild {
            tools,
            source: place.derivations.insert_source(source(recipe)),
            script: recipe.lines(),
            natives,
            environment: self.located(&recipe.environment, &recipe.native, place),
        };
        let name = format!("{}-{}", recipe.name, recipe.version);
        let step = Step::Native(Box::new(build));
        let path = place
            .derivations
            .insert_calling(name, step, recipe.called());
        self.done.insert(key, path.clone());
        Ok(path)
    }
}

impl Natives<'_> {
    fn cdylib(
        &mut self,
        recipe: &CdylibRecipe,
        place: &mut Place<'_>,
    ) -> Result<StorePath, PlanError> {
        let resolution = self.cdylibs.get(&recipe.name);
        let resolution = resolution.expect("`cdylibs` names every library for C");
        self.open.insert(recipe.name.clone());
        let package = (resolution, place.recipes, place.tools);
        let path = lower_cdylib(recipe, package, self, place.derivations);
        self.open.remove(&recipe.name);
        path
    }
}

/// Returns the recipes of the libraries for C that recipes give to crates of a resolution,
/// directly or through native libraries: what must be resolved before it can be planned.
pub fn cdylibs<'a>(resolution: &Resolution, recipes: &'a RecipeSet) -> Vec<&'a CdylibRecipe> {
    let variants = resolution.graph.node_weights();
    let changes =
        variants.filter_map(|variant| recipes.override_for(&variant.name, &variant.version));
    cdylibs_of(changes.flat_map(|change| &change.native), recipes)
}

/// Returns the recipes of the libraries for C among some native libraries and what these need.
pub fn cdylibs_of<'a>(
    names: impl Iterator<Item = &'a PackageName>,
    recipes: &'a RecipeSet,
) -> Vec<&'a CdylibRecipe> {
    let mut open: Vec<&PackageName> = names.collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    while let Some(name) = open.pop() {
        if seen.insert(name) {
            found.extend(recipes.cdylib(name));
            open.extend(
                recipes
                    .library(name)
                    .iter()
                    .flat_map(|recipe| &recipe.native),
            );
        }
    }
    found
}

/// Where derivations go, and what they are built with.
struct Place<'a> {
    recipes: &'a RecipeSet,
    tools: &'a Tools,
    derivations: &'a mut Derivations,
}

fn source(recipe: &LibraryRecipe) -> Source {
    match &recipe.source {
        LibrarySource::Crate {
            name,
            version,
            checksum,
            folder: _,
        } => Source {
            name: name.to_string(),
            version: version.to_string(),
            checksum: checksum.clone(),
            origin: Origin::Registry,
        },
        LibrarySource::Url {
            url,
            mirrors,
            sha256,
            folder: _,
        } => Source {
            name: recipe.name.to_string(),
            version: recipe.version.clone(),
            checksum: sha256.clone(),
            origin: if mirrors.is_empty() {
                Origin::Url(url.clone())
            } else {
                Origin::Mirrored {
                    url: url.clone(),
                    mirrors: mirrors.clone(),
                }
            },
        },
    }
}
