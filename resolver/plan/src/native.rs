//! What recipes add to crates: environment, native libraries built by scripts, and libraries for C
//! out of crates.

use std::collections::{BTreeMap, BTreeSet};

use orlop_recipes::{
    CdylibRecipe, LibraryOutput, LibraryRecipe, LibrarySource, NativeRecipe, Need, Needs as Wants,
    PackageName, RecipeSet,
};
use orlop_resolver::{Resolution, Variant};
use orlop_store::StorePath;
use orlop_store::derivation::{Helpers, NativeBuild, Origin, Output, Outputs, Source, Step, Tools};

use crate::derivations::Derivations;
use crate::lower::lower_cdylib;
use crate::{Cdylibs, PlanError, ToolSets, tools};

/// The native libraries lowered so far, for all apps.
pub(crate) struct Natives<'a> {
    pub(crate) tool_sets: &'a ToolSets,
    /// What libraries for C are compiled from.
    pub(crate) cdylibs: &'a Cdylibs,
    done: BTreeMap<Known, StorePath>,
    /// Name and version of what is done.
    pub(crate) names: BTreeMap<StorePath, (PackageName, String)>,
    /// Libraries for C that are being lowered.
    open: BTreeSet<PackageName>,
}

/// Which native library it is, and with what it is built.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Known {
    name: PackageName,
    version: String,
    /// The features of a library for C are asked for by those who need it.
    cdylib: Option<CdylibRecipe>,
    tools: Tools,
}

/// Native libraries that are lowered.
#[derive(Debug, Default)]
struct Found {
    /// Those that are named.
    named: BTreeMap<PackageName, StorePath>,
    /// These and all that they need.
    all: BTreeSet<StorePath>,
}

/// What a recipe adds to one crate.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) libraries: BTreeSet<StorePath>,
    pub(crate) helpers: Helpers,
}

impl<'a> Natives<'a> {
    pub(crate) fn new(tool_sets: &'a ToolSets, cdylibs: &'a Cdylibs) -> Self {
        Self {
            tool_sets,
            cdylibs,
            done: BTreeMap::new(),
            names: BTreeMap::new(),
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
        let found = self.libraries(&recipe.native, &[&user], &mut place)?;
        let (_, helpers) = self.helpers(&recipe.needs.build, &[&user], &mut place)?;
        Ok(Needs {
            // It is also that of rustc, which does not see the programs.
            environment: located(&recipe.environment, &found.named, &BTreeMap::new()),
            libraries: found.all,
            helpers,
        })
    }

    /// Lowers one native library that no crate asks for, or a part of it.
    pub(crate) fn alone(
        &mut self,
        (name, output): (&PackageName, LibraryOutput),
        recipes: &RecipeSet,
        tools: &Tools,
        derivations: &mut Derivations,
    ) -> Result<StorePath, PlanError> {
        let mut place = Place {
            recipes,
            tools,
            derivations,
        };
        let path = self.library((name, &Need::any()), &[""], &mut place)?;
        let kept = match output {
            LibraryOutput::Dev => return Ok(path),
            LibraryOutput::Doc => Output::Doc,
            LibraryOutput::Man => Output::Man,
        };
        let called = derivations.called.get(&path).cloned();
        let Some(Step::Native(build)) = derivations.step(&path) else {
            return Err(PlanError::NoOutput {
                library: name.to_string(),
                output: output.to_string(),
            });
        };
        let mut build = build.clone();
        build.outputs.kept = kept;
        let label = format!("{}-{output}", path.name());
        Ok(derivations.insert_calling(label, Step::Native(build), called.unwrap_or_default()))
    }

    /// Lowers native libraries whose programs `user` starts.
    pub(crate) fn started(
        &mut self,
        (needs, user): (&Wants, &str),
        recipes: &RecipeSet,
        tools: &Tools,
        derivations: &mut Derivations,
    ) -> Result<Helpers, PlanError> {
        let mut place = Place {
            recipes,
            tools,
            derivations,
        };
        let (_, helpers) = self.helpers(needs, &[user], &mut place)?;
        Ok(helpers)
    }

    /// Lowers native libraries; returns them and all that they need. `above` leads from the crate
    /// to whoever needs them.
    fn libraries(
        &mut self,
        needs: &Wants,
        above: &[&str],
        place: &mut Place<'_>,
    ) -> Result<Found, PlanError> {
        let mut found = Found::default();
        for (name, need) in needs {
            let path = self.library((name, need), above, place)?;
            // A library is used together with those it needs.
            match &place.derivations.by_path[&path].step {
                Step::Native(build) => found.all.extend(build.natives.iter().cloned()),
                Step::Rustc(call) => found.all.extend(call.natives.iter().cloned()),
                Step::Unpack(_) | Step::Script(_) => {}
            }
            found.all.insert(path.clone());
            found.named.insert(name.clone(), path);
        }
        self.check_one_of_each(&found, above[above.len() - 1])?;
        Ok(found)
    }

    /// Lowers native libraries whose programs are started; returns them by name, and with what each
    /// of them loads.
    fn helpers(
        &mut self,
        needs: &Wants,
        above: &[&str],
        place: &mut Place<'_>,
    ) -> Result<(BTreeMap<PackageName, StorePath>, Helpers), PlanError> {
        let mut named = BTreeMap::new();
        let mut helpers = Helpers::new();
        for (name, need) in needs {
            let path = self.library((name, need), above, place)?;
            let Some(Step::Native(build)) = place.derivations.step(&path) else {
                return Err(PlanError::NoHelpers {
                    user: above[above.len() - 1].to_owned(),
                    library: name.to_string(),
                });
            };
            helpers.insert(path.clone(), build.natives.clone());
            named.insert(name.clone(), path);
        }
        Ok((named, helpers))
    }

    /// Two versions of a library have the same files: headers, `libz.so`, `zlib.pc`. Who is built
    /// against both would get the one or the other by chance.
    fn check_one_of_each(&self, found: &Found, user: &str) -> Result<(), PlanError> {
        let mut versions = BTreeMap::new();
        for path in &found.all {
            // Those of crates in a library for C have names here as well.
            let Some((name, version)) = self.names.get(path) else {
                continue;
            };
            if let Some(other) = versions.insert(name, version) {
                // Objects are in the order of their digests.
                let mut versions = [other.clone(), version.clone()];
                versions.sort();
                return Err(PlanError::NativeTwice {
                    user: user.to_owned(),
                    library: name.to_string(),
                    versions,
                });
            }
        }
        Ok(())
    }

    fn library(
        &mut self,
        (name, need): (&PackageName, &Need),
        above: &[&str],
        place: &mut Place<'_>,
    ) -> Result<StorePath, PlanError> {
        let recipe = place.recipes.native(name, need);
        let recipe = recipe.map_err(|unmet| PlanError::Unmet {
            user: above[above.len() - 1].to_owned(),
            unmet,
        })?;
        // One may be built with an older version of itself.
        let label = format!("{name} {}", recipe.version());
        let open = above[1..].iter().position(|open| *open == label);
        if open.is_some() || self.open.contains(name) {
            let through = open.map(|open| &above[1..][open + 1..]);
            let through = through.unwrap_or_default().iter();
            return Err(PlanError::NativeCycle {
                library: name.to_string(),
                through: through.map(ToString::to_string).collect(),
            });
        }
        let known = Known {
            name: name.clone(),
            version: recipe.version().into_owned(),
            cdylib: match &*recipe {
                NativeRecipe::Library(_) => None,
                NativeRecipe::Cdylib(cdylib) => Some(cdylib.clone()),
            },
            tools: place.tools.clone(),
        };
        if let Some(path) = self.done.get(&known) {
            return Ok(path.clone());
        }
        let path = match &*recipe {
            NativeRecipe::Library(recipe) => {
                let chain: Vec<&str> = above.iter().copied().chain([label.as_str()]).collect();
                self.built(recipe, &chain, place)?
            }
            NativeRecipe::Cdylib(recipe) => self.cdylib(recipe, place)?,
        };
        let named = (known.name.clone(), known.version.clone());
        self.names.insert(path.clone(), named);
        self.done.insert(known, path.clone());
        Ok(path)
    }

    /// Lowers a library that is built by a script.
    fn built(
        &mut self,
        recipe: &LibraryRecipe,
        chain: &[&str],
        place: &mut Place<'_>,
    ) -> Result<StorePath, PlanError> {
        let found = self.libraries(&recipe.native, chain, place)?;
        let (named, helpers) = self.helpers(&recipe.needs.build, chain, place)?;
        let tools = tools::with(place.tools, &recipe.called(), self.tool_sets);
        let build = NativeBuild {
            tools,
            source: place.derivations.insert_source(source(recipe)),
            script: recipe.lines(),
            environment: located(&recipe.environment, &found.named, &named),
            natives: found.all,
            helpers,
            outputs: Outputs {
                doc: recipe.outputs.doc.clone(),
                man: recipe.outputs.man.clone(),
                kept: Output::Dev,
            },
        };
        let name = format!("{}-{}", recipe.name, recipe.version);
        let step = Step::Native(Box::new(build));
        Ok(place
            .derivations
            .insert_calling(name, step, recipe.called()))
    }
}

/// Puts the objects of native libraries, or else of those whose programs are started, in place of
/// their names in braces.
fn located(
    environment: &BTreeMap<String, String>,
    natives: &BTreeMap<PackageName, StorePath>,
    helpers: &BTreeMap<PackageName, StorePath>,
) -> BTreeMap<String, String> {
    let located = |value: &String| {
        natives
            .iter()
            .chain(helpers)
            .fold(value.clone(), |value, (name, path)| {
                value.replace(&format!("{{{name}}}"), &format!("{{{path}}}"))
            })
    };
    let environment = environment.iter();
    environment
        .map(|(name, value)| (name.clone(), located(value)))
        .collect()
}

impl Natives<'_> {
    fn cdylib(
        &mut self,
        recipe: &CdylibRecipe,
        place: &mut Place<'_>,
    ) -> Result<StorePath, PlanError> {
        let resolution = self.cdylibs.get(recipe);
        let resolution = resolution.expect("`cdylibs` names every library for C");
        self.open.insert(recipe.name.clone());
        let package = (resolution, place.recipes, place.tools);
        let path = lower_cdylib(recipe, package, self, place.derivations);
        self.open.remove(&recipe.name);
        path
    }
}

/// Returns the native libraries that recipes give to crates of a resolution.
pub fn native_needs<'a>(
    resolution: &'a Resolution,
    recipes: &'a RecipeSet,
) -> impl Iterator<Item = (&'a PackageName, &'a Need)> {
    let variants = resolution.graph.node_weights();
    let changes =
        variants.filter_map(|variant| recipes.override_for(&variant.name, &variant.version));
    changes.flat_map(|change| change.native.iter().chain(&change.needs.build))
}

/// Returns the recipes of the libraries for C that recipes give to crates of a resolution,
/// directly or through native libraries: what must be resolved before it can be planned.
pub fn cdylibs(resolution: &Resolution, recipes: &RecipeSet) -> Vec<CdylibRecipe> {
    cdylibs_of(native_needs(resolution, recipes), recipes)
}

/// Returns the recipes of the libraries for C among some native libraries and what these need.
pub fn cdylibs_of<'a>(
    needs: impl Iterator<Item = (&'a PackageName, &'a Need)>,
    recipes: &'a RecipeSet,
) -> Vec<CdylibRecipe> {
    let natives = recipes.natives(needs);
    let cdylibs = natives.iter().filter_map(|native| match &**native {
        NativeRecipe::Library(_) => None,
        NativeRecipe::Cdylib(cdylib) => Some(cdylib.clone()),
    });
    cdylibs.collect()
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
        LibrarySource::Packed { checksum, .. } => Source {
            name: recipe.name.to_string(),
            version: recipe.version.clone(),
            checksum: checksum.clone(),
            origin: Origin::Packed,
        },
        LibrarySource::Git { .. } | LibrarySource::Path { .. } => {
            unreachable!("`RecipeSet::packed` comes before a plan")
        }
        LibrarySource::Url {
            url,
            mirrors,
            sha256,
            folder: _,
        } => Source {
            name: recipe.name.to_string(),
            version: recipe.version.clone(),
            checksum: sha256.clone(),
            origin: Origin::of_archive(url, mirrors),
        },
    }
}
