//! What recipes add to crates: environment, and native libraries built by scripts.

use std::collections::{BTreeMap, BTreeSet};

use orlop_recipes::{LibraryRecipe, LibrarySource, PackageName, RecipeSet};
use orlop_resolver::Variant;
use orlop_store::StorePath;
use orlop_store::derivation::{NativeBuild, Origin, Source, Step, Tools};

use crate::lower::Derivations;
use crate::{PlanError, ToolSets, tools};

/// Overrides, and the native libraries lowered so far.
pub(crate) struct Natives<'a> {
    pub(crate) recipes: &'a RecipeSet,
    pub(crate) tool_sets: &'a ToolSets,
    done: BTreeMap<(PackageName, Tools), StorePath>,
}

/// What a recipe adds to one crate.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) libraries: BTreeSet<StorePath>,
}

impl<'a> Natives<'a> {
    pub(crate) fn new(recipes: &'a RecipeSet, tool_sets: &'a ToolSets) -> Self {
        Self {
            recipes,
            tool_sets,
            done: BTreeMap::new(),
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

    /// Lowers one native library that no crate asks for.
    pub(crate) fn alone(
        &mut self,
        name: &PackageName,
        tools: &Tools,
        derivations: &mut Derivations,
    ) -> Result<StorePath, PlanError> {
        let mut place = Place { tools, derivations };
        self.library(name, &[""], &mut place)
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
            if let Step::Native(build) = &place.derivations.by_path[&path].step {
                paths.extend(build.natives.iter().cloned());
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
        if above[1..].contains(&name.as_str()) {
            return Err(PlanError::NativeCycle {
                library: name.to_string(),
            });
        }
        let key = (name.clone(), place.tools.clone());
        if let Some(path) = self.done.get(&key) {
            return Ok(path.clone());
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
