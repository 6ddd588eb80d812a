//! [`execute`]: one plan, one derivation at a time in each worker.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use orlop_store::derivation::{CrateKind, Isolation, Source};
use orlop_store::{
    Activity, ActivityKind, Derivation, Event, Fetcher, ObjectLock, Plan, Registration, Reporter,
    Runner, Staged, Step, Store, StorePath,
};

use crate::durations::{self, Durations};
use crate::error::BuildError;
use crate::schedule::{self, Lane, Moment, Task, Times, Work, Workers};
use crate::unpack::{self, Rules};
use crate::workplace::{Site, Workplace};
use crate::{native, rustc, script};

/// How many archives come at once: they wait for the network, not for a processor.
const FETCHES: usize = 16;

/// What a plan is executed with.
pub struct Context<'a> {
    /// Where objects go.
    pub store: &'a Store,
    /// Who runs processes.
    pub runner: &'a dyn Runner,
    /// Who brings archives.
    pub fetcher: &'a dyn Fetcher,
    /// Who wants to know.
    pub reporter: &'a dyn Reporter,
    /// How many builds run at once.
    pub jobs: usize,
    /// Whether the working folder of a build that fails stays, in `<home>/failed/<object>`.
    pub keep_failed: bool,
}

/// Makes every derivation of a plan true.
///
/// On the first failure nothing new is started; what runs ends, and what is finished stays in the
/// store. The caller holds the store's [`use_store`](Store::use_store) guard until something keeps
/// the new objects alive.
pub fn execute(plan: &Plan, context: &Context<'_>) -> Result<(), BuildError> {
    if plan.build.is_empty() && plan.fetch.is_empty() {
        return Ok(());
    }
    let paths: Vec<_> = plan.build.iter().map(Derivation::path).collect();
    check_inputs(&plan.build, &paths, context.store)?;
    report_planned(plan, context.reporter);
    let execution = Execution {
        build: &plan.build,
        paths: &paths,
        site: Site::new(context)?,
        durations: Durations::read(context.store),
    };
    let workers = Workers {
        fetch: FETCHES,
        build: context.jobs,
    };
    let tasks = execution.tasks();
    let result = schedule::run(&tasks, workers, &execution.site.slots, &execution);
    execution.durations.save();
    result
}

fn report_planned(plan: &Plan, reporter: &dyn Reporter) {
    let unpacked = plan
        .build
        .iter()
        .filter(|step| kind(step) == ActivityKind::Unpack)
        .count();
    for (kind, count) in [
        (ActivityKind::Fetch, plan.fetch.len()),
        (ActivityKind::Unpack, unpacked),
        (ActivityKind::Build, plan.build.len() - unpacked),
    ] {
        if count > 0 {
            reporter.report(Event::Planned { kind, count });
        }
    }
}

/// Makes sure, before any work, that nothing will be missing in the middle of it.
fn check_inputs(
    build: &[Derivation],
    paths: &[StorePath],
    store: &Store,
) -> Result<(), BuildError> {
    let mut made = BTreeSet::new();
    let mut needed: BTreeMap<StorePath, &Derivation> = BTreeMap::new();
    for (derivation, path) in build.iter().zip(paths) {
        for input in derivation.inputs() {
            if !made.contains(&input) {
                needed.entry(input).or_insert(derivation);
            }
        }
        made.insert(path.clone());
    }
    match store
        .missing(&needed.keys().cloned().collect())?
        .pop_first()
    {
        None => Ok(()),
        Some(input) => Err(BuildError::MissingInput {
            name: label(needed[&input]),
            input,
        }),
    }
}

/// A plan being made true.
struct Execution<'a> {
    build: &'a [Derivation],
    /// By position in the plan: the object.
    paths: &'a [StorePath],
    site: Site<'a>,
    durations: Durations,
}

/// An object on its way to the store.
struct Made {
    activity: Activity,
    /// Nothing if the object is in the store already.
    tree: Option<(Staged, Registration)>,
    /// Held until it is in the store.
    lock: ObjectLock,
}

impl Execution<'_> {
    /// Lets every derivation come after those earlier ones that it reads.
    fn tasks(&self) -> Vec<Task> {
        let mut made: BTreeMap<&StorePath, usize> = BTreeMap::new();
        let mut sources: BTreeMap<&StorePath, &Source> = BTreeMap::new();
        let mut tasks = Vec::with_capacity(self.build.len());
        for (position, (derivation, path)) in self.build.iter().zip(self.paths).enumerate() {
            let early = early_inputs(derivation);
            let moment = |input| early.get(input).copied().unwrap_or(Moment::Kept);
            let inputs = derivation.inputs();
            let lane = match &derivation.step {
                Step::Unpack(source) => {
                    sources.insert(path, source);
                    Lane::Fetch
                }
                Step::Rustc(_) | Step::Script(_) | Step::Native(_) => Lane::Build,
            };
            let guess = || durations::guess(derivation, &sources, self.site.context.fetcher);
            tasks.push(Task {
                after: inputs
                    .iter()
                    .filter_map(|input| Some((*made.get(input)?, moment(input))))
                    .collect(),
                lane,
                times: self.durations.known(derivation).unwrap_or_else(guess),
            });
            made.insert(path, position);
        }
        tasks
    }

    /// Makes an object unless another process does, or has.
    fn make_once(
        &self,
        task: usize,
        activity: &Activity,
        reached: &dyn Fn(Moment),
    ) -> Result<Made, BuildError> {
        let (derivation, path) = (&self.build[task], &self.paths[task]);
        let context = self.site.context;
        let lock = context.store.lock_object(path, &mut |holder| {
            context.reporter.report(Event::Waiting {
                activity: activity.clone(),
                holder,
            });
        })?;
        let tree = if context.store.contains(path)? {
            None
        } else {
            Some(self.make_timed(derivation, path, activity, reached)?)
        };
        Ok(Made {
            activity: activity.clone(),
            tree,
            lock,
        })
    }

    fn make_timed(
        &self,
        derivation: &Derivation,
        path: &StorePath,
        activity: &Activity,
        reached: &dyn Fn(Moment),
    ) -> Result<(Staged, Registration), BuildError> {
        let start = Instant::now();
        let early_time = std::cell::Cell::new(None::<Duration>);
        let tree = make(&self.site, (derivation, path), &activity.name, &|moment| {
            early_time.set(Some(start.elapsed()));
            reached(moment);
        })?;
        let whole = start.elapsed();
        let early = early_time.get().unwrap_or(whole);
        self.durations.note(derivation, Times { early, whole });
        Ok(tree)
    }
}

impl Work for Execution<'_> {
    type Made = Made;
    type Error = BuildError;

    fn make(&self, task: usize, reached: &dyn Fn(Moment)) -> Result<Made, BuildError> {
        let derivation = &self.build[task];
        let activity = Activity {
            kind: kind(derivation),
            name: label(derivation),
        };
        let reporter = self.site.context.reporter;
        reporter.report(Event::Started {
            activity: activity.clone(),
            bytes: None,
        });
        let made = self.make_once(task, &activity, reached);
        if made.is_err() {
            reporter.report(Event::Failed { activity });
        }
        made
    }

    fn keep(&self, made: Vec<(usize, Made)>) -> Result<(), BuildError> {
        let Context {
            store, reporter, ..
        } = self.site.context;
        let mut trees = Vec::new();
        let mut activities = Vec::new();
        let mut locks = Vec::new();
        for (task, made) in made {
            let path = &self.paths[task];
            let tree = made.tree.into_iter();
            trees.extend(tree.map(|(staged, registration)| (staged, path.clone(), registration)));
            activities.push((task, made.activity));
            locks.push(made.lock);
        }
        let result = store.add_all(trees);
        for (task, activity) in activities {
            self.site.unfinished.withdraw(&self.paths[task]);
            reporter.report(match result {
                Ok(()) => Event::Finished { activity },
                Err(_) => Event::Failed { activity },
            });
        }
        Ok(result?)
    }
}

/// Returns the inputs that need not be kept when a step starts, and how far they must be: libraries,
/// where they are compiled against. What is run, or really linked, must be whole.
fn early_inputs(derivation: &Derivation) -> BTreeMap<&StorePath, Moment> {
    let Step::Rustc(call) = &derivation.step else {
        return BTreeMap::new();
    };
    let moment = match &call.kind {
        CrateKind::Library => Moment::ForLibraries,
        _ if rustc::links_nothing(call) => Moment::ForPrograms,
        _ => return BTreeMap::new(),
    };
    let libraries = call.libraries.iter().filter(|library| !library.proc_macro);
    libraries.map(|library| (&library.object, moment)).collect()
}

/// Makes an object, all but its place in the store.
fn make(
    site: &Site<'_>,
    (derivation, path): (&Derivation, &StorePath),
    name: &str,
    reached: &dyn Fn(Moment),
) -> Result<(Staged, Registration), BuildError> {
    let store = site.context.store;
    let staged = store.stage()?;
    let isolation = match &derivation.step {
        Step::Unpack(source) => {
            unpack_source(source, staged.folder(), site.context)?;
            // No foreign code ran, and the checksum fixes the output.
            Isolation::Full
        }
        step => {
            let inputs = derivation.inputs();
            let mut place = Workplace::new(site, name, path, inputs, staged.folder())?;
            if matches!(step, Step::Rustc(call) if rustc::links_nothing(call)) {
                place.show_libraries()?;
            }
            run_step(step, &place, Some(reached))?
        }
    };
    let registration = Registration {
        references: derivation.references(),
        derivation: Some(derivation.clone()),
        isolation,
    };
    Ok((staged, registration))
}

/// Makes what a step makes. Calls `reached`, if given, when dependents can start.
pub(crate) fn run_step(
    step: &Step,
    place: &Workplace<'_>,
    reached: Option<&dyn Fn(Moment)>,
) -> Result<Isolation, BuildError> {
    let tools = match step {
        Step::Rustc(call) => &call.tools,
        Step::Script(run) => &run.tools,
        Step::Native(build) => &build.tools,
        Step::Unpack(_) => return Ok(Isolation::Full),
    };
    let isolation = place.isolation(tools)?;
    match step {
        Step::Rustc(call) => rustc::compile(call, place, reached)?,
        Step::Script(run) => script::run(run, place)?,
        Step::Native(build) => native::build(build, place)?,
        Step::Unpack(_) => {}
    }
    Ok(isolation)
}

fn unpack_source(
    source: &Source,
    folder: &camino::Utf8Path,
    context: &Context<'_>,
) -> Result<(), BuildError> {
    let archive = context.fetcher.fetch(source, context.reporter)?;
    unpack::unpack(&archive, folder, &Rules::of(source)).map_err(|error| BuildError::Unpack {
        archive: format!("{} {}", source.name, source.version),
        source: error,
    })
}

fn kind(derivation: &Derivation) -> ActivityKind {
    match derivation.step {
        Step::Unpack(_) => ActivityKind::Unpack,
        Step::Rustc(_) | Step::Script(_) | Step::Native(_) => ActivityKind::Build,
    }
}

/// Names a derivation for people.
pub(crate) fn label(derivation: &Derivation) -> String {
    match &derivation.step {
        Step::Unpack(source) => format!("{} {} (source)", source.name, source.version),
        Step::Rustc(call) => {
            let package = format!("{} {}", call.package.name, call.package.version);
            match &call.kind {
                CrateKind::Library | CrateKind::ProcMacro => package,
                CrateKind::BuildScript => format!("{package} (build script)"),
                CrateKind::Program { name } => format!("{package} (program {name})"),
                CrateKind::Plugin => format!("{package} (plugin)"),
                CrateKind::CLibrary(_) => format!("{package} (library for C)"),
            }
        }
        Step::Script(run) => {
            format!(
                "{} {} (build script run)",
                run.package.name, run.package.version
            )
        }
        Step::Native(_) => derivation.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier};
    use std::time::Duration;

    use orlop_store::ExitStatus;
    use orlop_store::derivation::{Lto, NativeBuild, Origin, RustcCall};

    use super::*;
    use crate::testing::{Lab, call, object, run, rustc, script, source, tools};

    /// A package with a build script, and a package that uses it.
    struct Packages {
        leaf_source: Derivation,
        script: Derivation,
        run: Derivation,
        leaf: Derivation,
        user_source: Derivation,
        user: Derivation,
    }

    impl Packages {
        fn new() -> Self {
            let script = rustc(call("leaf", CrateKind::BuildScript, &[]));
            let run = crate::testing::script(run("leaf", &script));
            let leaf = call("leaf", CrateKind::Library, &[]);
            let leaf = rustc(RustcCall {
                script: Some(run.path()),
                ..leaf
            });
            let user = RustcCall {
                reachable_scripts: [run.path()].into(),
                ..call("user", CrateKind::Library, &[&leaf])
            };
            Self {
                leaf_source: source("leaf"),
                script,
                run,
                leaf,
                user_source: source("user"),
                user: rustc(user),
            }
        }

        fn all(&self) -> [&Derivation; 6] {
            let Self {
                leaf_source,
                script,
                run,
                leaf,
                user_source,
                user,
            } = self;
            [leaf_source, script, run, leaf, user_source, user]
        }
    }

    fn args(lab: &Lab, name: &str) -> Vec<String> {
        let jobs = lab.runner.jobs.lock().unwrap();
        let job = jobs.iter().find(|job| job.name == name).unwrap();
        job.args
            .iter()
            .map(|argument| argument.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn a_plan_becomes_true() {
        let mut lab = Lab::new();
        let said = "cargo:rustc-cfg=from_script\ncargo:rustc-link-search=/elsewhere\n";
        lab.runner
            .says
            .insert("leaf 1.0.0 (build script run)", said);
        let packages = Packages::new();
        lab.execute(&packages.all()).unwrap();

        assert_eq!(lab.read(&packages.leaf_source, "Cargo.toml"), "[package]");
        assert_eq!(
            lab.read(&packages.script, "build-script"),
            "leaf 1.0.0 (build script)"
        );
        assert_eq!(
            lab.read(&packages.run, "out/generated.rs"),
            "leaf 1.0.0 (build script run)"
        );
        let library = format!("libuser-{}.rlib", packages.user.path().short());
        assert_eq!(lab.read(&packages.user, &library), "user 1.0.0");

        // What the script said reaches its own crate, and what uses it.
        assert!(args(&lab, "leaf 1.0.0").ends_with(&["--cfg".into(), "from_script".into()]));
        assert!(args(&lab, "user 1.0.0").ends_with(&["-L".into(), "/elsewhere".into()]));

        let info = lab.store.info(&packages.user.path()).unwrap().unwrap();
        assert_eq!(info.references, packages.user.references());
        assert_eq!(info.isolation, Isolation::Full);
        let log = fs_err::read_to_string(lab.store.log_path(&packages.run.path())).unwrap();
        assert!(
            log.contains("OUT_DIR=/orlop/store/") && log.contains("cargo:rustc-cfg"),
            "{log}"
        );

        let lines = lab.reports.lines();
        assert_eq!(lines[..2], ["planned Unpack 2", "planned Build 4"]);
        for (derivation, name) in packages.all().iter().zip([
            "leaf 1.0.0 (source)",
            "leaf 1.0.0 (build script)",
            "leaf 1.0.0 (build script run)",
            "leaf 1.0.0",
            "user 1.0.0 (source)",
            "user 1.0.0",
        ]) {
            assert_eq!(label(derivation), name);
            let started = lines
                .iter()
                .position(|line| *line == format!("started {name}"));
            let finished = lines
                .iter()
                .position(|line| *line == format!("finished {name}"));
            assert!(started.unwrap() < finished.unwrap());
        }
        assert_eq!(lines.len(), 14);
    }

    #[test]
    fn what_is_true_is_not_made_again() {
        let lab = Lab::new();
        let packages = Packages::new();
        lab.execute(&packages.all()).unwrap();
        let before = lab.runner.names();
        assert_eq!(before.len(), 4);
        lab.execute(&packages.all()).unwrap();
        assert_eq!(lab.runner.names(), before);
        // Nothing to do is nothing to tell.
        lab.reports.take();
        lab.execute(&[]).unwrap();
        assert_eq!(lab.reports.take(), []);
    }

    #[test]
    fn a_failure_names_the_build_and_keeps_what_is_finished() {
        let mut lab = Lab::new();
        lab.runner.ends.insert("leaf 1.0.0", ExitStatus::Code(1));
        let packages = Packages::new();
        let error = lab.execute(&packages.all()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "build `leaf 1.0.0`: `rustc` ended with exit code 1"
        );
        let BuildError::Failed(failed) = error else {
            panic!("{error:?}")
        };
        assert_eq!(failed.path, packages.leaf.path());
        assert_eq!(failed.log, lab.store.log_path(&packages.leaf.path()));
        assert_eq!(failed.last_lines, ["leaf 1.0.0 was here"]);
        let log = fs_err::read_to_string(&failed.log).unwrap();
        assert!(log.contains("bin/rustc --crate-name leaf"), "{log}");

        assert!(lab.has(&packages.script) && lab.has(&packages.run));
        assert!(!lab.has(&packages.leaf) && !lab.has(&packages.user));
        assert!(!lab.runner.names().contains(&"user 1.0.0".to_owned()));
        assert_eq!(lab.reports.lines().last().unwrap(), "failed leaf 1.0.0");
        let left = fs_err::read_dir(lab.store.home().join("staging"))
            .unwrap()
            .count();
        assert_eq!(left, 0);

        lab.runner.ends.clear();
        lab.execute(&packages.all()).unwrap();
        assert!(lab.has(&packages.user));
    }

    #[test]
    fn a_library_starts_when_the_metadata_of_others_is_there() {
        let mut lab = Lab::new();
        // Neither ends before both have begun.
        let meeting = Arc::new(Barrier::new(2));
        for name in ["leaf 1.0.0", "user 1.0.0"] {
            lab.runner.meetings.insert(name, meeting.clone());
        }
        let packages = Packages::new();
        lab.execute(&packages.all()).unwrap();
        for library in [&packages.leaf, &packages.user] {
            let folder = lab.store.object(&library.path());
            assert_eq!(fs_err::read_dir(folder).unwrap().count(), 1);
        }
        let jobs = lab.runner.jobs.lock().unwrap();
        let user = jobs.iter().find(|job| job.name == "user 1.0.0").unwrap();
        let leaf = packages.leaf.path();
        assert!(user.unfinished.contains_key(&leaf) && !user.inputs.contains(&leaf));
        let metadata = format!("leaf=/orlop/store/{leaf}/libleaf-{}.rmeta", leaf.short());
        assert!(user.args.contains(&metadata.into()), "{:?}", user.args);
        drop(jobs);

        // Now it is finished.
        let other = rustc(call("other", CrateKind::Library, &[&packages.leaf]));
        lab.execute(&[&source("other"), &other]).unwrap();
        let library = format!("leaf=/orlop/store/{leaf}/libleaf-{}.rlib", leaf.short());
        assert!(args(&lab, "other 1.0.0").contains(&library));
    }

    #[test]
    fn a_program_starts_when_the_metadata_of_its_libraries_is_there() {
        let mut lab = Lab::new();
        let meeting = Arc::new(Barrier::new(2));
        let program = CrateKind::Program { name: "app".into() };
        for name in ["leaf 1.0.0", "app 1.0.0 (program app)"] {
            lab.runner.meetings.insert(name, meeting.clone());
        }
        let library = rustc(call("leaf", CrateKind::Library, &[]));
        let app = call("app", program, &[&library]);
        let mut optimised_with_it = app.clone();
        optimised_with_it.codegen.lto = Lto::Fat;
        let app = rustc(app);
        lab.execute(&[&source("leaf"), &source("app"), &library, &app])
            .unwrap();
        let jobs = lab.runner.jobs.lock().unwrap();
        let path = library.path();
        assert!(jobs[1].unfinished.contains_key(&path) && !jobs[1].inputs.contains(&path));
        let whole = format!("leaf=/orlop/store/{path}/libleaf-{}.rlib", path.short());
        assert!(jobs[1].args.contains(&whole.into()), "{:?}", jobs[1].args);

        assert_eq!(early_inputs(&app), [(&path, Moment::ForPrograms)].into());
        assert_eq!(early_inputs(&rustc(optimised_with_it)), [].into());
    }

    #[test]
    fn what_is_linked_waits_for_whole_libraries() {
        let lab = Lab::new();
        let library = rustc(call("leaf", CrateKind::Library, &[]));
        let macros = rustc(call("macros", CrateKind::ProcMacro, &[&library]));
        let user = rustc(call("user", CrateKind::Library, &[&macros]));
        let sources = ["leaf", "macros", "user"].map(source);
        let mut build: Vec<_> = sources.iter().collect();
        build.extend([&library, &macros, &user]);
        lab.execute(&build).unwrap();
        let jobs = lab.runner.jobs.lock().unwrap();
        assert!(jobs.iter().all(|job| job.unfinished.is_empty()));
        let path = library.path();
        let whole = format!("leaf=/orlop/store/{path}/libleaf-{}.rlib", path.short());
        assert!(jobs[1].args.contains(&whole.into()));
    }

    #[test]
    fn what_used_the_metadata_of_a_failure_is_not_kept() {
        let mut lab = Lab::new();
        let meeting = Arc::new(Barrier::new(2));
        for name in ["leaf 1.0.0", "user 1.0.0"] {
            lab.runner.meetings.insert(name, meeting.clone());
        }
        lab.runner.ends.insert("leaf 1.0.0", ExitStatus::Code(1));
        let packages = Packages::new();
        lab.execute(&packages.all()).unwrap_err();
        assert!(lab.has(&packages.run));
        assert!(!lab.has(&packages.leaf) && !lab.has(&packages.user));
        let staging = lab.store.home().join("staging");
        assert_eq!(fs_err::read_dir(staging).unwrap().count(), 0);

        lab.runner.ends.clear();
        lab.runner.meetings.clear();
        lab.execute(&packages.all()).unwrap();
        assert!(lab.has(&packages.user));
    }

    #[track_caller]
    fn check_failure(lab: &Lab, build: &[&Derivation], expected: &str) {
        let error = lab.execute(build).unwrap_err().to_string();
        assert_eq!(error, expected);
        assert!(!lab.has(build.last().unwrap()));
    }

    #[test]
    fn a_build_script_may_fail_with_exit_code_0() {
        let packages = Packages::new();
        let run = "leaf 1.0.0 (build script run)";
        let mut lab = Lab::new();
        lab.runner.says.insert(run, "cargo::error=no cmake\n");
        check_failure(
            &lab,
            &packages.all()[..3],
            "build `leaf 1.0.0 (build script run)`: its build script reports: no cmake",
        );
        lab.runner.says.insert(run, "cargo::nonsense=1\n");
        check_failure(
            &lab,
            &packages.all()[..3],
            "build `leaf 1.0.0 (build script run)`: its build script is not understood: it says \
             `cargo::nonsense=1`, but there is no directive `nonsense`",
        );
        lab.runner.ends.insert(run, ExitStatus::Signal(11));
        check_failure(
            &lab,
            &packages.all()[..3],
            "build `leaf 1.0.0 (build script run)`: `build-script` ended with signal 11",
        );
    }

    #[test]
    fn an_output_is_exactly_what_was_asked_for() {
        let packages = Packages::new();
        let file = format!("libleaf-{}.rlib", packages.leaf.path().short());
        let mut lab = Lab::new();
        lab.runner.makes_nothing.push("leaf 1.0.0");
        let build = &packages.all()[..4];
        let asked =
            format!("build `leaf 1.0.0`: `rustc` should have made `{file}` alone, but made");
        check_failure(&lab, build, &format!("{asked} []"));
        lab.runner.leaves.insert("leaf 1.0.0", "smuggled");
        check_failure(&lab, build, &format!("{asked} [\"smuggled\"]"));

        lab.runner.makes_nothing = vec!["leaf 1.0.0 (build script)"];
        let script = rustc(RustcCall {
            edition: "2021".into(),
            ..call("leaf", CrateKind::BuildScript, &[])
        });
        let error = lab.execute(&[&packages.leaf_source, &script]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("build `leaf 1.0.0 (build script)`"),
            "{error}"
        );
    }

    #[test]
    fn a_program_is_its_link_set() {
        let program = rustc(call(
            "tool",
            CrateKind::Program {
                name: "tool".into(),
            },
            &[],
        ));
        let mut lab = Lab::new();
        lab.runner.makes_nothing.push("tool 1.0.0 (program tool)");
        check_failure(
            &lab,
            &[&source("tool"), &program],
            "build `tool 1.0.0 (program tool)`: `rustc` linked nothing, so that no link set was \
             recorded",
        );
        lab.runner.makes_nothing.clear();
        // Whoever links the program would read it for ever.
        let link = ("link.json", "/dev/zero".into());
        lab.runner.links.insert("tool 1.0.0 (program tool)", link);
        check_failure(
            &lab,
            &[&program],
            "build `tool 1.0.0 (program tool)`: `link.json` is no file: a macro left it in the link \
             set",
        );
        lab.runner.links.clear();
        lab.execute(&[&program]).unwrap();
        assert!(lab.has(&program));
    }

    #[test]
    fn archives_are_not_trusted() {
        let lab = Lab::new();
        let error = lab.execute(&[&source("evil")]).unwrap_err();
        assert_eq!(error.to_string(), "unpack `evil 1.0.0`");
        let reason = std::error::Error::source(&error).unwrap().to_string();
        assert!(
            reason.contains("is not below the folder `evil-1.0.0`"),
            "{reason}"
        );
        let error = lab.execute(&[&source("absent")]).unwrap_err();
        assert!(matches!(error, BuildError::Fetch(_)));
    }

    #[test]
    fn nothing_starts_when_something_will_be_missing() {
        let lab = Lab::new();
        let packages = Packages::new();
        let Packages {
            leaf_source,
            script,
            run: _,
            leaf,
            ..
        } = &packages;
        let error = lab.execute(&[leaf_source, script, leaf]).unwrap_err();
        let BuildError::MissingInput { name, input } = error else {
            panic!("{error:?}")
        };
        assert_eq!((name.as_str(), input), ("leaf 1.0.0", packages.run.path()));
        assert_eq!(lab.reports.take(), []);
        // An input that comes later in the plan comes too late.
        let mut wrong_order = packages.all();
        wrong_order.reverse();
        assert!(matches!(
            lab.execute(&wrong_order),
            Err(BuildError::MissingInput { .. })
        ));
    }

    #[test]
    fn isolation_is_never_lowered_silently() {
        let lab = Lab::new();
        let mut unconfined = call("leaf", CrateKind::Library, &[]);
        unconfined.tools.isolation = Isolation::None;
        check_failure(
            &lab,
            &[&source("leaf"), &rustc(unconfined)],
            "build `leaf 1.0.0`: it is planned with the isolation None, but builds run with Full \
             here",
        );
        assert_eq!(lab.runner.names(), [] as [&str; 0]);
    }

    #[test]
    fn what_another_process_makes_is_waited_for() {
        let lab = Lab::new();
        let library = rustc(call("leaf", CrateKind::Library, &[]));
        lab.execute(&[&source("leaf")]).unwrap();
        let lock = lab
            .store
            .lock_object(&library.path(), &mut |_| panic!("it is free"))
            .unwrap();
        lab.reports.take();
        std::thread::scope(|scope| {
            let build = scope.spawn(|| lab.execute(&[&library]));
            let mut lines = Vec::new();
            while !lines.contains(&"waiting leaf 1.0.0".to_owned()) {
                assert!(!build.is_finished(), "{lines:?}");
                lines.extend(lab.reports.lines());
                std::thread::sleep(Duration::from_millis(5));
            }
            // The other process ends well.
            let staged = lab.store.stage().unwrap();
            fs_err::write(staged.folder().join("theirs"), "").unwrap();
            let registration = Registration {
                references: [].into(),
                derivation: Some(library.clone()),
                isolation: Isolation::Full,
            };
            lab.store
                .add(staged, &library.path(), &registration)
                .unwrap();
            drop(lock);
            build.join().unwrap().unwrap();
        });
        assert_eq!(lab.runner.names(), [] as [&str; 0]);
        assert_eq!(lab.read(&library, "theirs"), "");
    }

    #[test]
    fn a_recipe_builds_in_a_copy_of_its_source() {
        let lab = Lab::new();
        let archive = Source {
            name: "zlib".into(),
            version: "1.0.0".into(),
            checksum: "zlib".into(),
            origin: Origin::Url("made up".into()),
        };
        let unpacked = Derivation {
            name: "zlib-src".into(),
            step: Step::Unpack(archive),
        };
        let build = NativeBuild {
            tools: tools(),
            source: unpacked.path(),
            script: "make DESTDIR=$out".into(),
            natives: [].into(),
            helpers: [].into(),
            environment: [("CFLAGS".into(), "-O2".into())].into(),
            outputs: orlop_store::derivation::Outputs::default(),
        };
        let zlib = Derivation {
            name: "zlib-1.3".into(),
            step: Step::Native(Box::new(build)),
        };
        lab.execute(&[&unpacked, &zlib]).unwrap();
        assert_eq!(lab.read(&zlib, "made"), "zlib-1.3");

        let jobs = lab.runner.jobs.lock().unwrap();
        assert_eq!(jobs[0].program, "/bin/sh");
        assert_eq!(jobs[0].args, ["-eu", "/orlop/build/script.sh"]);
        assert_eq!(jobs[0].folder, "/orlop/build/source");
        assert_eq!(jobs[0].environment["CFLAGS"], "-O2");
        assert_eq!(
            jobs[0].environment["out"],
            format!("/orlop/store/{}", zlib.path())
        );
        assert!(!jobs[0].environment.contains_key("CPATH"));
        let inputs = BTreeSet::from([object("c-tools"), unpacked.path()]);
        assert_eq!(jobs[0].inputs, inputs);
    }

    #[test]
    fn scripts_see_what_scripts_of_dependencies_say() {
        let mut lab = Lab::new();
        let said = "cargo:include=/z/include\n";
        lab.runner
            .says
            .insert("leaf 1.0.0 (build script run)", said);
        let Packages {
            leaf_source,
            script: program,
            run: leaf,
            ..
        } = Packages::new();
        let user_program = rustc(call("user", CrateKind::BuildScript, &[]));
        let mut user = run("user", &user_program);
        user.dependencies
            .push(orlop_store::derivation::DependencyScript {
                links: "z-ng".into(),
                run: leaf.path(),
            });
        let user = script(user);
        lab.execute(&[
            &leaf_source,
            &program,
            &leaf,
            &source("user"),
            &user_program,
            &user,
        ])
        .unwrap();
        let jobs = lab.runner.jobs.lock().unwrap();
        let job = jobs
            .iter()
            .find(|job| job.name == "user 1.0.0 (build script run)")
            .unwrap();
        assert_eq!(job.environment["DEP_Z_NG_INCLUDE"], "/z/include");
    }
}
