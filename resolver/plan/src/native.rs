//! What recipes add to crates: environment, native libraries built by scripts, and libraries for C
//! out of crates.

use std::collections::{BTreeMap, BTreeSet};

use orlop_recipes::{CdylibRecipe, LibraryRecipe, LibrarySource, PackageName, RecipeSet};
use orlop_resolver::{Resolution, Variant};
use orlop_store::StorePath;
use orlop_store::derivation::{NativeBuild, Origin, Source, Step, Tools};

use crate::lower::{Derivations, lower_cdylib};
use crate::{Cdylibs, PlanError, ToolSets, tools};

/// Overrides, and the native libraries lowered so far.
pub(crate) struct Natives<'a> {
    pub(crate) recipes: &'a RecipeSet,
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
    pub(crate) fn new(
        recipes: &'a RecipeSet,
        tool_sets: &'a ToolSets,
        cdylibs: &'a Cdylibs,
    ) -> Self {
        Self {
            recipes,
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
        tools: &Tools,
        derivations: &mut Derivations,
    ) -> Result<Needs, PlanError> {
        let Some(recipe) = self.recipes.override_for(&variant.name, &variant.version) else {
            return Ok(Needs::default());
        };
        let user = format!("{} {}", variant.name, variant.version);
        let mut place = Place { tools, derivations };
        let libraries = self.libraries(&recipe.native, &[&user], &mut place)?;
        Ok(Needs {
            environment: recipe.environment.clone(),
            libraries,
        })
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
        if let Some(recipe) = self.recipes.cdylib(name) {
            let path = self.cdylib(recipe, place)?;
            self.done.insert(key, path.clone());
            return Ok(path);
        }
        let recipe = self
            .recipes
            .library(name)
            .ok_or_else(|| PlanError::NoNativeRecipe {
                user: above[above.len() - 1].to_owned(),
                library: name.to_string(),
            })?;
        let chain: Vec<&str> = above.iter().copied().chain([name.as_str()]).collect();
        let natives = self.libraries(&recipe.native, &chain, place)?;
        let tools = tools::with(place.tools, &recipe.tools, self.tool_sets);
        let path = insert(recipe, natives, tools, place.derivations);
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
        let path = lower_cdylib(recipe, resolution, place.tools, self, place.derivations);
        self.open.remove(&recipe.name);
        path
    }
}

/// Returns the recipes of the libraries for C that recipes give to crates of a resolution,
/// directly or through native libraries: what must be resolved before it can be planned.
pub fn cdylibs<'a>(resolution: &Resolution, recipes: &'a RecipeSet) -> Vec<&'a CdylibRecipe> {
    let mut open: Vec<&PackageName> = resolution
        .graph
        .node_weights()
        .filter_map(|variant| recipes.override_for(&variant.name, &variant.version))
        .flat_map(|change| &change.native)
        .collect();
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
    tools: &'a Tools,
    derivations: &'a mut Derivations,
}

fn insert(
    recipe: &LibraryRecipe,
    natives: BTreeSet<StorePath>,
    tools: Tools,
    derivations: &mut Derivations,
) -> StorePath {
    let source = derivations.insert_source(source(recipe));
    let script = match recipe.source.folder() {
        // Recipes allow no letter in it that a shell would want quoted.
        Some(folder) => format!("cd {folder}\n{}", recipe.script),
        None => recipe.script.clone(),
    };
    let build = NativeBuild {
        tools,
        source,
        script,
        natives,
        environment: recipe.environment.clone(),
    };
    let name = format!("{}-{}", recipe.name, recipe.version);
    derivations.insert_calling(name, Step::Native(Box::new(build)), recipe.tools.clone())
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
            sha256,
            folder: _,
        } => Source {
            name: recipe.name.to_string(),
            version: recipe.version.clone(),
            checksum: sha256.clone(),
            origin: Origin::Url(url.clone()),
        },
    }
}
