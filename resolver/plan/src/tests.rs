//! Plans by data: small registries in, derivations out.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use insta::assert_snapshot;
use jiff::Timestamp;
use orlop_recipes::{
    CdylibRecipe, Choice as _, CodegenChoice, PackageName, Recipe, RecipeSet, Tool,
};
use orlop_resolver::memory::{MemoryIndex, MemoryRelease, need, release};
use orlop_resolver::{CodegenOptions, PublishedCodegen, PublishedLto};
use orlop_store::derivation::{
    Codegen, CrateKind, Isolation, RustcCall, ScriptRun, Source, Step, Tools,
};
use orlop_store::{
    Derivation, Digest, FetchError, Fetcher, Plan, Registration, Reporter, Store, StorePath,
};

use super::{AppRequest, Cdylibs, PlanError, Product, Surroundings, cdylibs, plan, tool_sets};

struct NoFetcher;

impl Fetcher for NoFetcher {
    fn cached(&self, source: &Source) -> Option<Utf8PathBuf> {
        (source.name == "leaf").then(|| "leaf.crate".into())
    }

    fn fetch(&self, source: &Source, _: &dyn Reporter) -> Result<Utf8PathBuf, FetchError> {
        Err(FetchError::Offline {
            name: source.name.clone(),
        })
    }
}

struct World {
    _folder: tempfile::TempDir,
    store: Store,
    recipes: RecipeSet,
    tools: Tools,
    /// A tool that the machine has in another version.
    updated: Option<Tool>,
    /// What the apps have in common with their plugins.
    plugins: BTreeSet<PackageName>,
    /// The programs that are wanted, if not all.
    programs: Option<BTreeSet<String>>,
    codegen: CodegenChoice,
    alone: bool,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(folder.path()).unwrap().join("home");
        Self {
            _folder: folder,
            store: Store::open(&home, Timestamp::UNIX_EPOCH).unwrap(),
            recipes: RecipeSet::default(),
            tools: tools("rustc"),
            updated: None,
            plugins: BTreeSet::new(),
            programs: None,
            codegen: CodegenChoice::Shared,
            alone: false,
        }
    }

    fn plan(&self, index: &MemoryIndex, apps: &[&str]) -> Result<Plan, PlanError> {
        let resolutions: Vec<_> = apps
            .iter()
            .map(|app| orlop_resolver::resolve(&index.request(app), index).unwrap())
            .collect();
        let resolved = |recipe: CdylibRecipe| {
            let request = index.request(recipe.package.as_str());
            let resolution = orlop_resolver::resolve(&request, index).unwrap();
            (recipe, resolution)
        };
        let cdylibs: Vec<Cdylibs> = resolutions
            .iter()
            .map(|app| cdylibs(app, &self.recipes).into_iter().map(resolved))
            .map(Iterator::collect)
            .collect();
        let requests: Vec<_> = resolutions
            .iter()
            .zip(&cdylibs)
            .map(|(resolution, cdylibs)| AppRequest {
                cdylibs,
                resolution,
                recipes: &self.recipes,
                product: Product::App {
                    programs: self.programs.as_ref(),
                    plugins: &self.plugins,
                },
                tools: &self.tools,
                codegen: self.codegen,
                alone: self.alone,
            })
            .collect();
        let sets = resolutions
            .iter()
            .flat_map(|resolution| tool_sets(resolution, &self.recipes))
            .map(|set| (set.clone(), self.c_tools(&set)))
            .collect();
        let around = Surroundings {
            tool_sets: &sets,
            store: &self.store,
            fetcher: &NoFetcher,
        };
        plan(&requests, around)
    }

    fn add_recipe(&mut self, text: &str) {
        let text = format!("schema = 1\n{text}");
        self.recipes.add(Recipe::parse("x.toml", &text).unwrap());
    }

    /// Where the C tools with these extra ones would be.
    fn c_tools(&self, extras: &BTreeSet<Tool>) -> StorePath {
        if extras.is_empty() {
            return self.tools.c_tools.clone();
        }
        let names: Vec<_> = extras
            .iter()
            .map(|tool| (tool.as_str(), self.updated == Some(*tool)))
            .collect();
        let digest = Digest::of("test", &(self.tools.c_tools.clone(), names));
        StorePath::new(digest, "c-tools-extended")
    }

    /// Puts something at the place of an object.
    fn add(&self, derivation: &Derivation) {
        let staged = self.store.stage().unwrap();
        let registration = Registration {
            references: [].into(),
            derivation: Some(derivation.clone()),
            isolation: Isolation::Full,
        };
        self.store
            .add(staged, &derivation.path(), &registration)
            .unwrap();
    }
}

fn tools(compiler: &str) -> Tools {
    Tools {
        compiler: StorePath::new(Digest::of("test", compiler), compiler),
        c_tools: StorePath::new(Digest::of("test", "c"), "c-tools"),
        isolation: Isolation::Full,
    }
}

/// An app with a build script, a proc macro and two versions of one crate.
fn index() -> MemoryIndex {
    index_of(app("app"))
}

fn index_of(app: MemoryRelease) -> MemoryIndex {
    MemoryIndex::new([
        app,
        release("macro 1.0.0").needs([need("leaf ^2")]).proc_macro(),
        release("zed 1.0.0")
            .needs([need("leaf ^1")])
            .links("z")
            .script(),
        release("leaf 1.0.0"),
        release("leaf 2.0.0"),
    ])
}

fn app(name: &str) -> MemoryRelease {
    release(&format!("{name} 1.0.0"))
        .needs([need("macro ^1"), need("zed ^1"), need("leaf ^2").build()])
        .script()
        .binary(name)
}

fn names(plan: &Plan) -> String {
    plan.build
        .iter()
        .map(|step| step.name.clone() + "\n")
        .collect()
}

fn calls(plan: &Plan) -> impl Iterator<Item = (&str, &RustcCall)> {
    plan.build
        .iter()
        .filter_map(|derivation| match &derivation.step {
            Step::Rustc(call) => Some((derivation.name.as_str(), &**call)),
            _ => None,
        })
}

fn call<'a>(plan: &'a Plan, name: &str) -> &'a RustcCall {
    calls(plan).find(|(other, _)| *other == name).unwrap().1
}

fn run<'a>(plan: &'a Plan, name: &str) -> &'a ScriptRun {
    plan.build
        .iter()
        .find_map(|derivation| match &derivation.step {
            Step::Script(run) if derivation.name == name => Some(&**run),
            _ => None,
        })
        .unwrap()
}

#[test]
fn every_step_comes_after_what_it_reads() {
    let world = World::new();
    let plan = world.plan(&index(), &["app"]).unwrap();
    let mut made = vec![world.tools.compiler.clone(), world.tools.c_tools.clone()];
    for derivation in &plan.build {
        for input in derivation.inputs() {
            assert!(made.contains(&input), "{} reads {input}", derivation.name);
        }
        made.push(derivation.path());
    }
    assert!(made.contains(&plan.apps[0].programs[0].link_set));
}

/// An app with programs behind its own features and behind those of what it uses.
fn app_behind_features() -> MemoryIndex {
    MemoryIndex::new([
        release("app 1.0.0")
            .needs([
                need("leaf ^1").features(["color"]),
                need("leaf ^2").named("other-leaf").features(["shape"]),
                need("gen ^1").build().features(["fast"]),
            ])
            .script()
            .feature("a", [])
            .feature("b", [])
            .binary("plain")
            .binary("own")
            .requires(["a", "b"])
            .binary("color")
            .requires(["leaf/color"])
            .binary("shape")
            .requires(["other-leaf/shape"])
            .binary("fast")
            .requires(["gen/fast"])
            .binary("no-shape")
            .requires(["leaf/shape"]),
        release("leaf 1.0.0")
            .feature("color", [])
            .feature("shape", []),
        release("leaf 2.0.0")
            .feature("color", [])
            .feature("shape", []),
        release("gen 1.0.0").feature("fast", []),
    ])
}

#[test]
fn programs_are_built_whose_features_are_on_those_of_dependencies_included() {
    let world = World::new();
    let plan = world.plan(&app_behind_features(), &["app"]).unwrap();
    let programs = plan.apps[0].programs.iter();
    let programs: Vec<&str> = programs.map(|program| program.name.as_str()).collect();
    assert_eq!(programs, ["color", "fast", "plain", "shape"]);
}

#[test]
fn a_program_that_is_asked_for_is_not_left_out_without_a_word() {
    let mut world = World::new();
    world.programs = Some(["plain", "own"].map(str::to_owned).into());
    let error = world.plan(&app_behind_features(), &["app"]).unwrap_err();
    assert_snapshot!(error, @"the program `own` of `app` cannot be built with these features: it needs `a`, `b`");
}

#[test]
fn what_programs_need_is_told_of_each() {
    let world = World::new();
    let index = MemoryIndex::new([release("app 1.0.0")
        .feature("a", [])
        .feature("b", [])
        .binary("one")
        .requires(["a", "b"])
        .binary("two")
        .requires(["b"])]);
    let error = world.plan(&index, &["app"]).unwrap_err();
    assert_snapshot!(error, @"no program of `app` can be built with these features: `one` needs `a`, `b`; `two` needs `b`");
}

/// A crate that is a library for C, used by the app's own crate, which links `zed` as well.
#[test]
fn a_library_for_c_is_made_of_the_variants_of_apps() {
    let mut world = World::new();
    world.add_recipe(
        "[cdylib]\nname = \"tiny\"\ncrate = \"tiny-capi\"\nversion = \"1.0.0\"\n\
         headers = { \"tiny.h\" = \"include/tiny.h\" }",
    );
    world.add_recipe("[crate]\nname = \"zed\"\nnative = [\"tiny\"]");
    let index = MemoryIndex::new([
        app("app"),
        release("macro 1.0.0").needs([need("leaf ^2")]).proc_macro(),
        release("zed 1.0.0").needs([need("leaf ^1")]).script(),
        release("tiny-capi 1.0.0").needs([need("leaf ^1")]),
        release("leaf 1.0.0"),
        release("leaf 2.0.0"),
    ]);
    let plan = world.plan(&index, &["app"]).unwrap();
    let library = call(&plan, "tiny-1.0.0");
    let CrateKind::CLibrary(c) = &library.kind else {
        panic!("{library:?}")
    };
    assert_eq!(
        (c.pkg_config.as_str(), c.headers["tiny.h"].as_str()),
        ("tiny", "include/tiny.h")
    );
    let leaf = call(&plan, "zed-1.0.0").externs[0].library.clone();
    assert_eq!(library.libraries, BTreeSet::from([leaf]));
    let paths = |wanted: &str| -> Vec<StorePath> {
        let steps = plan.build.iter().filter(|step| step.name == wanted);
        steps.map(Derivation::path).collect()
    };
    let tiny = BTreeSet::from_iter(paths("tiny-1.0.0"));
    assert_eq!(run(&plan, "zed-1.0.0-run").natives, tiny);
    assert_eq!(call(&plan, "app-1.0.0-app-linkset").natives, tiny);
    // Another compiler, another library; other C tools, too, as it is linked with them.
    world.tools.c_tools = StorePath::new(Digest::of("test", "other"), "c-tools");
    let other = world.plan(&index, &["app"]).unwrap();
    let other = other.build.iter().find(|step| step.name == "tiny-1.0.0");
    assert!(!tiny.contains(&other.unwrap().path()));

    world.add_recipe("[crate]\nname = \"leaf\"\nversions = \"1\"\nnative = [\"tiny\"]");
    let error = world.plan(&index, &["app"]).unwrap_err();
    assert_snapshot!(error, @"the native library `tiny` needs itself");
}

#[test]
fn host_and_target_are_apart() {
    let world = World::new();
    let plan = world.plan(&index(), &["app"]).unwrap();
    let host = call(&plan, "macro-1.0.0-macro");
    assert_eq!(host.kind, CrateKind::ProcMacro);
    assert_eq!(host.codegen.opt_level, "0");
    let target = call(&plan, "zed-1.0.0");
    assert_eq!(target.codegen.opt_level, "3");
    let program = call(&plan, "app-1.0.0-app-linkset");
    // What is inside a proc macro is not linked by its users.
    let libraries: Vec<_> = program
        .libraries
        .iter()
        .map(|library| library.object.name())
        .collect();
    for expected in ["macro-1.0.0-macro", "zed-1.0.0", "leaf-1.0.0"] {
        assert!(libraries.contains(&expected), "{expected}: {libraries:?}");
    }
    assert!(!libraries.contains(&"leaf-2.0.0"), "{libraries:?}");
}

/// The index with an app that wants much of code generation.
fn demanding_index() -> MemoryIndex {
    let opt_level = |level: &str| CodegenOptions {
        opt_level: Some(level.into()),
        ..CodegenOptions::default()
    };
    let published = PublishedCodegen {
        all: CodegenOptions {
            codegen_units: Some(1),
            overflow_checks: Some(true),
            ..opt_level("z")
        },
        packages: [
            ("*".into(), opt_level("s")),
            ("leaf".into(), opt_level("2")),
            ("leaf@2.0.0".into(), opt_level("1")),
        ]
        .into(),
        build: CodegenOptions {
            codegen_units: Some(8),
            ..CodegenOptions::default()
        },
        lto: PublishedLto::Fat,
        panic_abort: true,
    };
    index_of(app("app").codegen(published))
}

fn codegen(plan: &Plan) -> String {
    let lines = calls(plan).map(|(name, call)| {
        let Codegen {
            opt_level,
            codegen_units,
            lto,
            panic_abort,
            overflow_checks,
            ..
        } = &call.codegen;
        let units = codegen_units.map_or("-".to_owned(), |units| units.to_string());
        format!("{name}: {opt_level} {units} {lto:?} abort={panic_abort} checks={overflow_checks}")
    });
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    lines.join("\n")
}

#[test]
fn what_an_app_publishes_for_code_generation_acts_on_its_programs() {
    let mut world = World::new();
    let plain = world.plan(&index(), &["app"]).unwrap();
    let plan = world.plan(&demanding_index(), &["app"]).unwrap();
    assert_snapshot!(codegen(&plan), @r"
    app-1.0.0-app-linkset: z 1 Local abort=false checks=true
    app-1.0.0-script: 0 - Local abort=false checks=false
    app-1.0.0: 3 - Local abort=false checks=false
    leaf-1.0.0: 3 - Local abort=false checks=false
    leaf-2.0.0: 0 - Local abort=false checks=false
    macro-1.0.0-macro: 0 - Local abort=false checks=false
    zed-1.0.0-script: 0 - Local abort=false checks=false
    zed-1.0.0: 3 - Local abort=false checks=false
    ");
    for (name, call) in calls(&plan).filter(|(name, _)| !name.ends_with("linkset")) {
        assert_eq!(
            Some(call),
            calls(&plain)
                .find(|(other, _)| *other == name)
                .map(|(_, call)| call)
        );
    }
    world.alone = true;
    let plan = world.plan(&demanding_index(), &["app"]).unwrap();
    assert!(call(&plan, "app-1.0.0-app-linkset").codegen.panic_abort);
}

#[test]
fn an_app_may_have_all_its_crates_compiled_its_way() {
    let mut world = World::new();
    let plain = world.plan(&demanding_index(), &["app"]).unwrap();
    world.codegen = CodegenChoice::App;
    let plan = world.plan(&demanding_index(), &["app"]).unwrap();
    assert_snapshot!(codegen(&plan), @r"
    app-1.0.0-app-linkset: z 1 Fat abort=true checks=true
    app-1.0.0-script: 0 8 Local abort=false checks=true
    app-1.0.0: z 1 Left abort=true checks=true
    leaf-1.0.0: 2 1 Left abort=true checks=true
    leaf-2.0.0: 1 8 Local abort=false checks=true
    macro-1.0.0-macro: s 8 Local abort=false checks=true
    zed-1.0.0-script: s 8 Local abort=false checks=true
    zed-1.0.0: s 1 Left abort=true checks=true
    ");
    // A script that is told nothing else is run once for all.
    let runs = |plan: &Plan| run(plan, "zed-1.0.0-run").codegen.clone();
    assert_eq!(runs(&plan).opt_level, "s");
    assert_eq!(
        Codegen {
            opt_level: "3".into(),
            ..runs(&plan)
        },
        runs(&plain)
    );
}

#[test]
fn a_build_script_sees_the_links_of_immediate_dependencies() {
    let world = World::new();
    let plan = world.plan(&index(), &["app"]).unwrap();
    let app = run(&plan, "app-1.0.0-run");
    assert_eq!(app.dependencies.len(), 1);
    assert_eq!(app.dependencies[0].links, "z");
    assert_eq!(app.links, None);
    assert_eq!(run(&plan, "zed-1.0.0-run").links.as_deref(), Some("z"));
    let program = call(&plan, "app-1.0.0-app-linkset");
    assert_eq!(program.script, Some(app_path(&plan, "app-1.0.0-run")));
    assert!(program.reachable_scripts.contains(&app.dependencies[0].run));
}

fn app_path(plan: &Plan, name: &str) -> StorePath {
    plan.build
        .iter()
        .find(|derivation| derivation.name == name)
        .unwrap()
        .path()
}

#[test]
fn two_apps_share_steps_and_what_is_there_is_not_built() {
    let world = World::new();
    let index = MemoryIndex::new([
        app("app"),
        app("other"),
        release("macro 1.0.0").needs([need("leaf ^2")]).proc_macro(),
        release("zed 1.0.0")
            .needs([need("leaf ^1")])
            .links("z")
            .script(),
        release("leaf 1.0.0"),
        release("leaf 2.0.0"),
    ]);
    let first = world.plan(&index, &["app"]).unwrap();
    assert!(first.present.is_empty());
    let fetched: Vec<_> = first
        .fetch
        .iter()
        .map(|source| source.name.as_str())
        .collect();
    assert_eq!(
        fetched,
        ["app", "macro", "zed"],
        "leaf is downloaded already"
    );
    for derivation in &first.build {
        world.add(derivation);
    }
    let again = world.plan(&index, &["app"]).unwrap();
    assert_eq!(again.present.len(), first.build.len());
    assert!(again.build.is_empty() && again.fetch.is_empty());
    let second = world.plan(&index, &["app", "other"]).unwrap();
    assert_snapshot!(names(&second), @r"
    other-1.0.0-src
    other-1.0.0-script
    other-1.0.0-run
    other-1.0.0
    other-1.0.0-other-linkset
    ");
}

#[test]
fn what_a_present_object_was_made_from_is_not_needed() {
    let world = World::new();
    let first = world.plan(&index(), &["app"]).unwrap();
    let link_set = first.build.last().unwrap();
    world.add(link_set);
    let again = world.plan(&index(), &["app"]).unwrap();
    assert!(again.build.is_empty(), "{}", names(&again));
}

#[test]
fn keys_are_golden() {
    let world = World::new();
    let plan = world.plan(&index(), &["app"]).unwrap();
    let paths: String = plan
        .build
        .iter()
        .map(|step| step.path().to_string() + "\n")
        .collect();
    assert_snapshot!(paths, @r"
    7rncwrhhbs6kp0kji6qh3hb6ncnqjh3a-leaf-1.0.0-src
    15217h327r5viwn35axr8ab0xmigjjjl-leaf-1.0.0
    yk9jh0bf76hpy6sfabk8fibckjgjw98z-leaf-2.0.0-src
    bf3s8gsn1bsww521j48fq3rahb90phia-leaf-2.0.0
    ih3cyrbi215ajshs9l1hrl9mjirhl5hc-macro-1.0.0-src
    pvd5g1ilzl0byah3zs6h5crgsm41337j-macro-1.0.0-macro
    82mf9a37xrbbpzx1pmn0sn4dhyzy3d9x-zed-1.0.0-src
    0drnnm93pya42wydbmqaf9r4607ylv86-zed-1.0.0-script
    zy6ixjv0z8nidqpq813kkgxza4jcvnx3-zed-1.0.0-run
    1fi5byzkqhn7kph3n6qn24fk78j3cs53-zed-1.0.0
    z463gryggxacg5yy5nh46ylp27slvv2q-app-1.0.0-src
    mh0jbg2pjb95k2fjdx68n47097hhx271-app-1.0.0-script
    inybcqg17q0sbm6pcqs3k2pijr7ivhaw-app-1.0.0-run
    d2n5lsyjnm1pjqxpldqi785hsh5makgy-app-1.0.0
    77j9rbxgc3cx8hfkxzsdazzi2s00r2d8-app-1.0.0-app-linkset
    ");
}

#[test]
fn another_compiler_means_other_keys_but_the_same_sources() {
    let mut world = World::new();
    let first = world.plan(&index(), &["app"]).unwrap();
    world.tools = tools("newer");
    let second = world.plan(&index(), &["app"]).unwrap();
    for (one, two) in first.build.iter().zip(&second.build) {
        let source = matches!(one.step, Step::Unpack(_));
        assert_eq!(one.path() == two.path(), source, "{}", one.name);
    }
}

#[test]
fn other_c_tools_change_only_what_is_linked_or_run() {
    let mut world = World::new();
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("leaf ^1")]).binary("app"),
        release("leaf 1.0.0"),
    ]);
    let first = world.plan(&index, &["app"]).unwrap();
    world.tools.c_tools = StorePath::new(Digest::of("test", "other"), "c-tools");
    let second = world.plan(&index, &["app"]).unwrap();
    assert_eq!(
        app_path(&first, "leaf-1.0.0"),
        app_path(&second, "leaf-1.0.0")
    );
}

#[test]
fn recipes_add_environment_and_native_libraries() {
    let mut world = World::new();
    for text in [
        "schema = 1\n[crate]\nname = \"zed\"\nnative = [\"z\"]\n\
         environment = { Z = \"1\", FILE = \"{z}/lib:y\" }\n",
        "schema = 1\n[library]\nname = \"z\"\nversion = \"1\"\nscript = \"make\"\nnative = [\"y\"]\n\
         source = { url = \"https://example.org/z.tar.gz\", sha256 = \
         \"0000000000000000000000000000000000000000000000000000000000000000\", folder = \"c\" }\n",
        "schema = 1\n[library]\nname = \"y\"\nversion = \"1\"\nscript = \"make\"\n\
         source = { url = \"https://example.org/y.tar.gz\", sha256 = \
         \"1111111111111111111111111111111111111111111111111111111111111111\" }\n",
    ] {
        world.recipes.add(Recipe::parse("x.toml", text).unwrap());
    }
    let plan = world.plan(&index(), &["app"]).unwrap();
    let natives = [app_path(&plan, "y-1"), app_path(&plan, "z-1")].into();
    assert_eq!(run(&plan, "zed-1.0.0-run").natives, natives);
    assert_eq!(run(&plan, "zed-1.0.0-run").environment["Z"], "1");
    // A library in braces is its object; one that the recipe does not name is nothing.
    assert_eq!(
        run(&plan, "zed-1.0.0-run").environment["FILE"],
        format!("{{{}}}/lib:y", app_path(&plan, "z-1"))
    );
    assert_eq!(call(&plan, "zed-1.0.0").natives, natives);
    assert_eq!(
        call(&plan, "app-1.0.0-app-linkset").natives,
        natives,
        "users link them too"
    );
    assert!(call(&plan, "macro-1.0.0-macro").natives.is_empty());
    assert!(run(&plan, "app-1.0.0-run").natives.is_empty());
}

#[test]
fn mistakes_are_named() {
    let mut world = World::new();
    let lines = |error: PlanError| error.to_string();
    let library = MemoryIndex::new([release("library 1.0.0")]);
    assert_snapshot!(
        lines(world.plan(&library, &["library"]).unwrap_err()),
        @"`library` has no programs to install: it is a library"
    );
    world.recipes.add(
        Recipe::parse(
            "x.toml",
            "schema = 1\n[crate]\nname = \"leaf\"\nnative = [\"none\"]\n",
        )
        .unwrap(),
    );
    assert_snapshot!(
        lines(world.plan(&index(), &["app"]).unwrap_err()),
        @"the recipe of leaf 1.0.0 needs the native library `none`, for which there is no recipe"
    );
}

#[test]
fn a_missing_tool_is_named_before_anything_is_built() {
    let mut world = World::new();
    world.add_recipe("[crate]\nname = \"zed\"\ntools = [\"cmake\", \"libclang\"]\n");
    assert_snapshot!(
        world.plan(&index(), &["app"]).unwrap_err(),
        @r"
    zed 1.0.0 cannot be built without `cmake`, which this machine does not have
    zed 1.0.0 cannot be built without `libclang`, which this machine does not have
    "
    );
    // They lie in the C tools of the machine.
    let c_tools = world.c_tools(&[Tool::Cmake, Tool::Libclang].into());
    for place in ["bin/cmake", "lib/libclang.so"] {
        let path = world.store.object(&c_tools).join(place);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, "").unwrap();
    }
    let plan = world.plan(&index(), &["app"]).unwrap();
    // What is built already needs no tools any more.
    world.updated = Some(Tool::Cmake);
    assert!(world.plan(&index(), &["app"]).is_err());
    world.updated = None;
    fs_err::remove_dir_all(world.store.object(&c_tools)).unwrap();
    for step in plan
        .build
        .iter()
        .filter(|step| step.name == "zed-1.0.0-run")
    {
        world.add(step);
    }
    world.plan(&index(), &["app"]).unwrap();
}

/// A library whose source a recipe gives, and the crate that is built against it.
const LIBRARY: &str = "[library]\nname = \"z\"\nversion = \"1\"\nscript = \"make\"\n\
    tools = [\"make\"]\n\
    source = { url = \"https://example.org/z.tar.gz\", sha256 = \
    \"0000000000000000000000000000000000000000000000000000000000000000\" }\n";

#[test]
fn a_native_library_names_its_missing_tools_too() {
    let mut world = World::new();
    world.add_recipe(LIBRARY);
    world.add_recipe("[crate]\nname = \"zed\"\nnative = [\"z\"]\n");
    assert_snapshot!(
        world.plan(&index(), &["app"]).unwrap_err(),
        @"z 1 cannot be built without `make`, which this machine does not have"
    );
}

/// `app` runs a build script with `maker` in it, which calls make through `tool`; `plain` has one
/// that calls nothing.
fn making() -> MemoryIndex {
    MemoryIndex::new([
        release("app 1.0.0")
            .needs([need("maker ^1").build(), need("plain ^1")])
            .script()
            .binary("app"),
        release("maker 1.0.0").needs([need("tool ^1")]),
        release("tool 1.0.0"),
        release("plain 1.0.0").script(),
    ])
}

#[test]
fn a_tool_is_in_the_keys_of_those_who_call_it() {
    let mut world = World::new();
    world.add_recipe("[crate]\nname = \"tool\"\nthrough = [\"make\", \"perl\"]\n");
    let extras = [Tool::Make, Tool::Perl].into();
    for tool in &extras {
        let path = world
            .store
            .object(&world.c_tools(&extras))
            .join(tool.place());
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, "").unwrap();
    }
    let plan = world.plan(&making(), &["app"]).unwrap();
    let c_tools = |plan: &Plan, name| run(plan, name).tools.c_tools.clone();
    assert_eq!(c_tools(&plan, "app-1.0.0-run"), world.c_tools(&extras));
    assert_eq!(c_tools(&plan, "plain-1.0.0-run"), world.tools.c_tools);
    // Who links is not who calls.
    let script = call(&plan, "app-1.0.0-script");
    assert_eq!(script.tools.c_tools, world.tools.c_tools);

    // A recipe may know better.
    world.add_recipe("[crate]\nname = \"app\"\nunused-tools = [\"make\", \"perl\"]\n");
    let plan = world.plan(&making(), &["app"]).unwrap();
    assert_eq!(c_tools(&plan, "app-1.0.0-run"), world.tools.c_tools);
}
