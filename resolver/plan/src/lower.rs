//! Variants to derivations: the only place that decides what goes into a key.
//!
//! | of a variant | goes into | as |
//! |---|---|---|
//! | name, version, checksum of the `.crate` | source | [`Source`]; everything below names the source by path |
//! | build script: path, edition | compiled script, hence run, hence library | [`RustcCall`] of kind `BuildScript` |
//! | `links`, features, runs of immediate dependencies with `links` | run | [`ScriptRun`] |
//! | library: crate name, path, edition, crate kind | library | [`RustcCall`] |
//! | active and declared features | compiled script, library, programs | `features`, `declared_features` |
//! | dependency variants with their extern names | compiled script (build), library and programs (normal) | `externs`, `libraries` |
//! | side, and what the app publishes where its codegen is its own | all rustc calls and the run | [`Codegen`], by [`CodegenRules`] |
//! | `CARGO_PKG_*` texts | all | [`PackageTexts`] |
//! | overrides of recipes: environment, native libraries | all of that crate; native libraries also in everything that links it | `environment`, `natives` |
//! | compiler, isolation | all | [`Tools`]; the C tools only where something is linked or run |
//! | programs that recipes say are built before and called | run, native libraries | `helpers` |
//! | programs of the machine that recipes say are called | run, native libraries | the C tools that have these as well |
//!
//! Not in any key: where the store lies, user, host, time, number of jobs, dev-dependencies,
//! inactive targets; of libraries shared by apps, any `[profile]`.
//!
//! [`HASH_FORMAT`](orlop_store::derivation::HASH_FORMAT) and
//! [`SANDBOX_CONTRACT`](orlop_store::derivation::SANDBOX_CONTRACT) are hashed with every
//! derivation; golden digests in the tests guard the encoding.

use std::collections::{BTreeMap, BTreeSet};

use orlop_recipes::{CdylibRecipe, CodegenChoice, PackageName, RecipeSet, Version};
use orlop_resolver::{
    DependencyKind, LibraryTarget, Package, Resolution, ScriptTarget, Side, Variant,
};
use orlop_store::derivation::{
    Codegen, CrateKind, DependencyScript, Extern, Helpers, Library, Origin, PackageTexts,
    RustcCall, ScriptRun, Source, Step, Tools,
};
use orlop_store::{PlannedApp, PlannedProgram, StorePath};
use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef as _;

use crate::codegen::CodegenRules;
use crate::derivations::Derivations;
use crate::native::Natives;
use crate::targets::{self, RootTarget};
use crate::tools::{self, Called};
use crate::{AppRequest, PlanError, Product};

/// What users of a lowered variant need to know of it.
#[derive(Debug, Clone, Default)]
struct Lowered {
    library: Option<Library>,
    /// The library and all it is linked with; of a proc macro only itself.
    libraries: BTreeSet<Library>,
    /// The run of its own build script.
    run: Option<StorePath>,
    /// Runs whose link-search paths apply to users, its own first, in Cargo's order.
    runs: Vec<StorePath>,
    /// Native libraries that users link too.
    natives: BTreeSet<StorePath>,
    /// The sources of the library and of all it is linked with.
    sources: BTreeSet<StorePath>,
}

/// What the user's code or build script uses directly, and all that comes with it.
#[derive(Debug, Clone, Default)]
struct Uses {
    /// Sorted by package: the order in which Cargo names them.
    externs: BTreeMap<(PackageName, Version, String), Library>,
    libraries: BTreeSet<Library>,
    runs: Vec<StorePath>,
    natives: BTreeSet<StorePath>,
    sources: BTreeSet<StorePath>,
}

impl Uses {
    fn add(&mut self, used: &Variant, name: String, library: &Library) {
        let key = (used.name.clone(), used.version.clone(), name);
        self.externs.insert(key, library.clone());
    }

    fn externs(&self) -> Vec<Extern> {
        let externs = self.externs.iter();
        externs
            .map(|((_, _, name), library)| Extern {
                name: name.clone(),
                library: library.clone(),
            })
            .collect()
    }
}

/// A package, lowered.
pub(crate) struct LoweredPackage {
    pub(crate) app: PlannedApp,
    /// The objects that are wanted of it.
    pub(crate) wanted: Vec<StorePath>,
}

/// Lowers one package.
pub(crate) fn lower(
    app: &AppRequest<'_>,
    natives: &mut Natives<'_>,
    derivations: &mut Derivations,
) -> Result<LoweredPackage, PlanError> {
    let resolution = app.resolution;
    let codegen = CodegenRules::new(resolution, app.codegen, app.alone);
    let package = (resolution, app.recipes, app.tools);
    let mut lowering = Lowering::new(package, codegen, natives, derivations)?;
    let (targets, open) = match app.product {
        Product::App { programs, plugins } => (
            targets::of_app(resolution, programs)?,
            lowering.in_common(plugins)?,
        ),
        Product::Plugin => (targets::of_plugin(resolution.app())?, BTreeSet::new()),
        Product::Crate => {
            let wanted = lowering.of_root();
            let targets = match wanted.as_slice() {
                [] => targets::of_app(resolution, None)?,
                _ => Vec::new(),
            };
            let mut lowered = lowering.app(targets, BTreeSet::new())?;
            lowered.wanted.extend(wanted);
            return Ok(lowered);
        }
    };
    lowering.app(targets, open)
}

/// Lowers a library for C; returns it, and the native libraries that come with it.
pub(crate) fn lower_cdylib(
    recipe: &CdylibRecipe,
    package: (&Resolution, &RecipeSet, &Tools),
    natives: &mut Natives<'_>,
    derivations: &mut Derivations,
) -> Result<StorePath, PlanError> {
    let (resolution, ..) = package;
    let target = targets::of_cdylib(resolution.app(), recipe)?;
    // Its panics end in it: nothing of it but functions of C is seen from outside.
    let codegen = CodegenRules::new(resolution, CodegenChoice::Shared, false);
    let mut lowering = Lowering::new(package, codegen, natives, derivations)?;
    let dependencies = lowering.uses(resolution.root, DependencyKind::Normal);
    let call = lowering.root_call(target, &dependencies)?;
    let name = format!("{}-{}", recipe.name, recipe.version);
    Ok(lowering
        .derivations
        .insert(name, Step::Rustc(Box::new(call))))
}

struct Lowering<'a, 'sets> {
    resolution: &'a Resolution,
    recipes: &'a RecipeSet,
    tools: &'a Tools,
    codegen: CodegenRules<'a>,
    /// The programs of the machine that build scripts call.
    called: BTreeMap<NodeIndex, Called>,
    natives: &'a mut Natives<'sets>,
    derivations: &'a mut Derivations,
    done: BTreeMap<NodeIndex, Lowered>,
}

/// The parts of a variant that all its rustc calls share.
struct Common {
    source: StorePath,
    texts: PackageTexts,
    codegen: Codegen,
    environment: BTreeMap<String, String>,
    /// Native libraries that a recipe gives to this very crate.
    natives: BTreeSet<StorePath>,
    /// Programs that a recipe gives to its build script.
    helpers: Helpers,
    /// The run of the package's build script.
    run: Option<StorePath>,
}

impl<'a, 'sets> Lowering<'a, 'sets> {
    /// Lowers everything but what is made of the root.
    fn new(
        (resolution, recipes, tools): (&'a Resolution, &'a RecipeSet, &'a Tools),
        codegen: CodegenRules<'a>,
        natives: &'a mut Natives<'sets>,
        derivations: &'a mut Derivations,
    ) -> Result<Self, PlanError> {
        let mut lowering = Self {
            resolution,
            recipes,
            tools,
            codegen,
            called: tools::of_scripts(resolution, recipes),
            natives,
            derivations,
            done: BTreeMap::new(),
        };
        for node in resolution.order() {
            let lowered = lowering.variant(node)?;
            lowering.done.insert(node, lowered);
        }
        Ok(lowering)
    }

    fn variant(&mut self, node: NodeIndex) -> Result<Lowered, PlanError> {
        let variant = &self.resolution.graph[node];
        let package = &variant.package;
        let mut common = self.common(node)?;
        let uses = self.uses(node, DependencyKind::Normal);
        common.run = package
            .build_script
            .as_ref()
            .map(|script| self.script(node, script, &common));
        let runs = common.run.iter().chain(&uses.runs).cloned().collect();
        let mut natives = uses.natives.clone();
        natives.extend(common.natives.iter().cloned());
        let mut lowered = Lowered {
            run: common.run.clone(),
            runs,
            natives,
            ..Lowered::default()
        };
        let Some(target) = package
            .library
            .as_ref()
            .filter(|library| library.linkable())
        else {
            return Ok(lowered);
        };
        let library = self.library(variant, target, &common, &uses);
        if library.proc_macro {
            // The compiler loads it whole: users link nothing of what is inside.
            lowered.runs.clear();
            lowered.natives.clear();
        } else {
            lowered.libraries = uses.libraries;
            lowered.sources = uses.sources;
            lowered.sources.insert(common.source.clone());
        }
        lowered.libraries.insert(library.clone());
        lowered.library = Some(library);
        Ok(lowered)
    }

    fn common(&mut self, node: NodeIndex) -> Result<Common, PlanError> {
        let variant = &self.resolution.graph[node];
        let source = self.derivations.insert_source(Source {
            name: variant.name.to_string(),
            version: variant.version.to_string(),
            checksum: variant.checksum.clone(),
            origin: Origin::Registry,
        });
        let needs = self
            .natives
            .of_crate(variant, self.recipes, self.tools, self.derivations)?;
        Ok(Common {
            source,
            texts: texts(&variant.package, self.is_root(node)),
            codegen: self.codegen.library(variant, self.is_root(node)),
            environment: needs.environment,
            natives: needs.libraries,
            helpers: needs.helpers,
            run: None,
        })
    }

    /// Compiles and runs a build script; returns the run.
    fn script(&mut self, node: NodeIndex, target: &ScriptTarget, common: &Common) -> StorePath {
        let variant = &self.resolution.graph[node];
        let uses = self.uses(node, DependencyKind::Build);
        let carried = uses.sources.iter().chain(&uses.runs).cloned().collect();
        let call = RustcCall {
            kind: CrateKind::BuildScript,
            crate_name: script_name(&target.path),
            path: target.path.clone(),
            edition: target.edition.clone(),
            externs: uses.externs(),
            libraries: uses.libraries,
            script: None,
            reachable_scripts: uses.runs,
            natives: uses.natives,
            has_library: false,
            codegen: self.codegen.build_script(variant, self.is_root(node)),
            ..self.call(variant, common)
        };
        let label = label(variant);
        let program = self
            .derivations
            .insert(format!("{label}-script"), Step::Rustc(Box::new(call)));
        let called = self.called[&node].clone();
        let run = ScriptRun {
            tools: tools::with(self.tools, &called.seen, self.natives.tool_sets),
            source: common.source.clone(),
            package: common.texts.clone(),
            program,
            carried,
            links: variant.package.links.clone(),
            programs: variant
                .package
                .binaries
                .iter()
                .map(|program| program.name.clone())
                .collect(),
            features: features(variant),
            dependencies: self.linked_dependencies(node),
            codegen: common.codegen.of_script(),
            natives: common.natives.clone(),
            helpers: common.helpers.clone(),
            environment: common.environment.clone(),
        };
        let name = format!("{label}-run");
        self.derivations
            .insert_calling(name, Step::Script(Box::new(run)), called.needed)
    }

    /// The runs whose metadata the build script of `node` sees: those of its immediate normal
    /// dependencies with `links`.
    fn linked_dependencies(&self, node: NodeIndex) -> Vec<DependencyScript> {
        let mut found = BTreeMap::new();
        for edge in self
            .resolution
            .graph
            .edges_directed(node, Direction::Outgoing)
        {
            if edge.weight().kind != DependencyKind::Normal {
                continue;
            }
            let used = &self.resolution.graph[edge.target()];
            if let (Some(links), Some(run)) = (&used.package.links, &self.done[&edge.target()].run)
            {
                found.insert(links.clone(), run.clone());
            }
        }
        found
            .into_iter()
            .map(|(links, run)| DependencyScript { links, run })
            .collect()
    }

    fn library(
        &mut self,
        variant: &Variant,
        target: &LibraryTarget,
        common: &Common,
        uses: &Uses,
    ) -> Library {
        let kind = if target.proc_macro {
            CrateKind::ProcMacro
        } else {
            CrateKind::Library
        };
        let call = RustcCall {
            kind,
            crate_name: target.crate_name.clone(),
            path: target.path.clone(),
            edition: target.edition.clone(),
            ..self.call_with(variant, common, uses)
        };
        let suffix = if target.proc_macro { "-macro" } else { "" };
        let object = self.derivations.insert(
            format!("{}{suffix}", label(variant)),
            Step::Rustc(Box::new(call)),
        );
        Library {
            object,
            crate_name: target.crate_name.clone(),
            proc_macro: target.proc_macro,
        }
    }

    /// Returns the objects of the root package that others use.
    fn of_root(&self) -> Vec<StorePath> {
        let lowered = &self.done[&self.resolution.root];
        let library = lowered.library.iter().map(|library| &library.object);
        lowered.run.iter().chain(library).cloned().collect()
    }

    fn app(
        &mut self,
        targets: Vec<RootTarget>,
        open: BTreeSet<StorePath>,
    ) -> Result<LoweredPackage, PlanError> {
        let root = self.resolution.root;
        let variant = self.resolution.app();
        let lowered = self.done[&root].clone();
        let dependencies = self.uses(root, DependencyKind::Normal);
        let mut with_own = dependencies.clone();
        if let Some(library) = &lowered.library {
            let name = library.crate_name.clone();
            with_own.add(variant, name, library);
            with_own.libraries.insert(library.clone());
        }
        let mut planned = Vec::new();
        let mut libraries = BTreeSet::new();
        for target in targets {
            let uses = match target.kind {
                CrateKind::Plugin => &dependencies,
                _ => &with_own,
            };
            libraries.extend(uses.libraries.iter().cloned());
            let name = target.name.clone();
            let call = self.root_call(target, uses)?;
            let label = format!("{}-{name}-linkset", label(variant));
            let link_set = self.derivations.insert(label, Step::Rustc(Box::new(call)));
            planned.push(PlannedProgram { name, link_set });
        }
        planned.sort();
        let programs = planned.iter();
        let wanted = programs.map(|program| program.link_set.clone()).collect();
        let app = PlannedApp {
            name: variant.name.to_string(),
            version: variant.version.to_string(),
            programs: planned,
            compiler: self.tools.compiler.clone(),
            libraries: libraries
                .into_iter()
                .filter(|library| !library.proc_macro)
                .map(|library| library.object)
                .collect(),
            open,
        };
        Ok(LoweredPackage { app, wanted })
    }

    /// Returns the libraries of some packages, with all that these are linked with.
    fn in_common(
        &self,
        packages: &BTreeSet<PackageName>,
    ) -> Result<BTreeSet<StorePath>, PlanError> {
        let mut libraries = BTreeSet::new();
        for package in packages {
            let mut found = false;
            for (node, lowered) in &self.done {
                let variant = &self.resolution.graph[*node];
                if variant.name == *package && variant.side == Side::Target {
                    found = true;
                    let linked = lowered.libraries.iter();
                    let linked = linked.filter(|library| !library.proc_macro);
                    libraries.extend(linked.map(|library| library.object.clone()));
                }
            }
            if !found {
                return Err(PlanError::NotInCommon {
                    name: self.resolution.app().name.to_string(),
                    package: package.to_string(),
                });
            }
        }
        Ok(libraries)
    }

    /// The call that compiles a target of the root package.
    fn root_call(&mut self, target: RootTarget, uses: &Uses) -> Result<RustcCall, PlanError> {
        let root = self.resolution.root;
        let variant = self.resolution.app();
        let mut common = self.common(root)?;
        common.run.clone_from(&self.done[&root].run);
        Ok(RustcCall {
            kind: target.kind,
            crate_name: target.crate_name,
            path: target.path,
            edition: target.edition,
            codegen: self.codegen.program(variant),
            ..self.call_with(variant, &common, uses)
        })
    }

    fn call_with(&self, variant: &Variant, common: &Common, uses: &Uses) -> RustcCall {
        RustcCall {
            externs: uses.externs(),
            libraries: uses.libraries.clone(),
            reachable_scripts: uses.runs.clone(),
            natives: uses.natives.union(&common.natives).cloned().collect(),
            ..self.call(variant, common)
        }
    }

    /// The fields that follow from the package alone; the rest are for the caller to fill in.
    fn call(&self, variant: &Variant, common: &Common) -> RustcCall {
        RustcCall {
            tools: self.tools.clone(),
            source: common.source.clone(),
            package: common.texts.clone(),
            kind: CrateKind::Library,
            crate_name: String::new(),
            path: String::new(),
            edition: String::new(),
            features: features(variant),
            declared_features: variant.package.declared_features.clone(),
            externs: Vec::new(),
            libraries: BTreeSet::new(),
            script: common.run.clone(),
            reachable_scripts: Vec::new(),
            natives: BTreeSet::new(),
            has_library: variant.package.library.is_some(),
            codegen: common.codegen.clone(),
            environment: common.environment.clone(),
        }
    }

    fn is_root(&self, node: NodeIndex) -> bool {
        node == self.resolution.root
    }

    fn uses(&self, node: NodeIndex, kind: DependencyKind) -> Uses {
        let mut uses = Uses::default();
        let mut edges: Vec<_> = self
            .resolution
            .graph
            .edges_directed(node, Direction::Outgoing)
            .filter(|edge| edge.weight().kind == kind)
            .collect();
        // The order in which link-search paths of dependencies follow each other: Cargo's.
        edges.sort_by_key(|edge| {
            let used = &self.resolution.graph[edge.target()];
            (&used.name, &used.version)
        });
        for edge in edges {
            let used = &self.done[&edge.target()];
            let Some(library) = &used.library else {
                continue;
            };
            let name = edge.weight().extern_name.clone();
            uses.add(&self.resolution.graph[edge.target()], name, library);
            uses.libraries.extend(used.libraries.iter().cloned());
            for run in &used.runs {
                if !uses.runs.contains(run) {
                    uses.runs.push(run.clone());
                }
            }
            uses.natives.extend(used.natives.iter().cloned());
            uses.sources.extend(used.sources.iter().cloned());
        }
        uses
    }
}

/// Returns the crate name of a build script: `build_script_build` for `build.rs`.
fn script_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    format!("build_script_{}", stem.replace('-', "_"))
}

fn label(variant: &Variant) -> String {
    format!("{}-{}", variant.name, variant.version)
}

fn features(variant: &Variant) -> BTreeSet<String> {
    variant
        .features
        .iter()
        .map(|feature| feature.as_str().to_owned())
        .collect()
}

fn texts(package: &Package, primary: bool) -> PackageTexts {
    let about = package.about.clone();
    PackageTexts {
        name: package.name.to_string(),
        version: package.version.to_string(),
        authors: about.authors,
        description: about.description,
        homepage: about.homepage,
        repository: about.repository,
        license: about.license,
        license_file: about.license_file,
        rust_version: about.rust_version,
        readme: about.readme,
        primary,
    }
}
