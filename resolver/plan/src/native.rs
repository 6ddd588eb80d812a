//! What recipes add to crates: environment, and native libraries built by scripts.

use std::collections::{BTreeMap, BTreeSet};

use orlop_recipes::{LibraryRecipe, LibrarySource, PackageName, RecipeSet};
use orlop_resolver::Variant;
use orlop_store::StorePath;
use orlop_store::derivation::{NativeBuild, Origin, Source, Step, Tools};

use crate::PlanError;
use crate::lower::Derivations;

/// Overrides, and the native libraries lowered so far.
pub(crate) struct Natives<'a> {
    recipes: &'a RecipeSet,
    done: BTreeMap<(PackageName, Tools), StorePath>,
}

/// What a recipe adds to one crate.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) libraries: BTreeSet<StorePath>,
}

impl<'a> Natives<'a> {
    pub(crate) fn new(recipes: &'a RecipeSet) -> Self {
        Self {
            recipes,
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
        let libraries = self.libraries(&user, &recipe.native, tools, derivations, &[])?;
        Ok(Needs {
            environment: recipe.environment.clone(),
            libraries,
        })
    }

    /// Lowers native libraries and all that they need; `above` are those that are being lowered.
    fn libraries(
        &mut self,
        user: &str,
        names: &BTreeSet<PackageName>,
        tools: &Tools,
        derivations: &mut Derivations,
        above: &[&PackageName],
    ) -> Result<BTreeSet<StorePath>, PlanError> {
        let recipes = self.recipes;
        let mut paths = BTreeSet::new();
        for name in names {
            if above.contains(&name) {
                return Err(PlanError::NativeCycle {
                    library: name.to_string(),
                });
            }
            let key = (name.clone(), tools.clone());
            let path = match self.done.get(&key) {
                Some(path) => path.clone(),
                None => {
                    let recipe =
                        recipes
                            .library(name)
                            .ok_or_else(|| PlanError::NoNativeRecipe {
                                user: user.to_owned(),
                                library: name.to_string(),
                            })?;
                    let mut chain = above.to_vec();
                    chain.push(name);
                    let below =
                        self.libraries(name.as_str(), &recipe.native, tools, derivations, &chain)?;
                    insert(recipe, below, tools, derivations)
                }
            };
            self.done.insert(key, path.clone());
            // A library is used together with those it needs.
            if let Some(Step::Native(build)) = derivations
                .by_path
                .get(&path)
                .map(|derivation| &derivation.step)
            {
                paths.extend(build.natives.iter().cloned());
            }
            paths.insert(path);
        }
        Ok(paths)
    }
}

fn insert(
    recipe: &LibraryRecipe,
    natives: BTreeSet<StorePath>,
    tools: &Tools,
    derivations: &mut Derivations,
) -> StorePath {
    let source = derivations.insert_source(source(recipe));
    let script = match recipe.source.folder() {
        // Recipes allow no letter in it that a shell would want quoted.
        Some(folder) => format!("cd {folder}\n{}", recipe.script),
        None => recipe.script.clone(),
    };
    let build = NativeBuild {
        tools: tools.clone(),
        source,
        script,
        natives,
        environment: recipe.environment.clone(),
    };
    derivations.insert(
        format!("{}-{}", recipe.name, recipe.version),
        Step::Native(Box::new(build)),
    )
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
