//! What the tests of this crate build with: a store in a temporary folder, and processes, archives
//! and reports that are made up.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Barrier, Mutex};

use camino::{Utf8Path, Utf8PathBuf};
use flate2::Compression;
use flate2::write::GzEncoder;
use orlop_store::derivation::{
    Codegen, CrateKind, Extern, Isolation, Library, Origin, PackageTexts, RustcCall, ScriptRun,
    Source, Tools,
};
use orlop_store::{
    Compiler, Derivation, Digest, Event, ExitStatus, FetchError, Fetcher, Finished, Job, JobView,
    Plan, Registration, Reporter, RunError, Runner, Step, Store, StorePath,
};
use tempfile::TempDir;

use crate::{BuildError, Context, execute};

/// A store, and everything made up around it.
pub(crate) struct Lab {
    pub(crate) store: Store,
    pub(crate) runner: FakeRunner,
    pub(crate) fetcher: FakeFetcher,
    pub(crate) reports: Reports,
    pub(crate) keep_failed: bool,
    _home: TempDir,
}

impl Lab {
    /// Opens a store that holds a compiler and C tools.
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(home.path()).unwrap();
        let lab = Self {
            store: Store::open(folder, jiff::Timestamp::UNIX_EPOCH).unwrap(),
            runner: FakeRunner::default(),
            fetcher: FakeFetcher {
                folder: folder.join("downloads"),
            },
            reports: Reports::default(),
            keep_failed: false,
            _home: home,
        };
        let compiler = Compiler {
            release: "1.95.0".into(),
            commit: "unknown".into(),
            host: "x86_64-unknown-linux-gnu".into(),
            cfg: vec!["unix".into()],
            bundled_linker: None,
        };
        lab.add(
            "rust",
            "compiler.json",
            &serde_json::to_string(&compiler).unwrap(),
        );
        lab.add("c-tools", "bin/cc", "");
        lab
    }

    /// Adds an object with one file.
    pub(crate) fn add(&self, name: &str, file: &str, content: &str) {
        let staged = self.store.stage().unwrap();
        let file = staged.folder().join(file);
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(&file, content).unwrap();
        let registration = Registration {
            references: [].into(),
            derivation: None,
            isolation: Isolation::None,
        };
        self.store
            .add(staged, &object(name), &registration)
            .unwrap();
    }

    pub(crate) fn execute(&self, build: &[&Derivation]) -> Result<(), BuildError> {
        let plan = Plan {
            build: build.iter().map(|&derivation| derivation.clone()).collect(),
            ..Plan::default()
        };
        let context = Context {
            store: &self.store,
            runner: &self.runner,
            fetcher: &self.fetcher,
            reporter: &self.reports,
            jobs: 2,
            keep_failed: self.keep_failed,
        };
        execute(&plan, &context)
    }

    pub(crate) fn check(&self, steps: &[&Derivation]) -> Result<Vec<crate::Rebuilt>, BuildError> {
        let steps: Vec<_> = steps.iter().map(|&step| step.clone()).collect();
        let context = Context {
            store: &self.store,
            runner: &self.runner,
            fetcher: &self.fetcher,
            reporter: &self.reports,
            jobs: 2,
            keep_failed: false,
        };
        crate::check(&steps, &context)
    }

    /// Whether the output of a derivation is in the store.
    pub(crate) fn has(&self, derivation: &Derivation) -> bool {
        self.store.contains(&derivation.path()).unwrap()
    }

    /// Reads a file of an object.
    pub(crate) fn read(&self, derivation: &Derivation, file: &str) -> String {
        fs_err::read_to_string(self.store.object(&derivation.path()).join(file)).unwrap()
    }
}

/// Acts for rustc, build scripts and shells.
#[derive(Default)]
pub(crate) struct FakeRunner {
    /// What was run, in order of the beginning.
    pub(crate) jobs: Mutex<Vec<Job>>,
    /// By job: what it says on standard output.
    pub(crate) says: BTreeMap<&'static str, &'static str>,
    /// By job: how it ends.
    pub(crate) ends: BTreeMap<&'static str, ExitStatus>,
    /// By job: a file that it leaves in its output, beside the right one.
    pub(crate) leaves: BTreeMap<&'static str, &'static str>,
    /// By job: whether it leaves a folder in its output that nobody can look into.
    pub(crate) closes: Vec<&'static str>,
    /// By job: a link that it leaves in its output, and where it leads.
    pub(crate) links: BTreeMap<&'static str, (&'static str, Utf8PathBuf)>,
    /// What each leaves in its output; empty means its name.
    pub(crate) output: &'static str,
    /// By job: another job that it waits for, in the middle of both.
    pub(crate) meetings: BTreeMap<&'static str, Arc<Barrier>>,
    /// By job: whether it leaves its output empty.
    pub(crate) makes_nothing: Vec<&'static str>,
}

impl FakeRunner {
    pub(crate) fn names(&self) -> Vec<String> {
        self.jobs
            .lock()
            .unwrap()
            .iter()
            .map(|job| job.name.clone())
            .collect()
    }
}

impl Runner for FakeRunner {
    fn isolation(&self) -> Isolation {
        Isolation::Full
    }

    fn view(&self) -> JobView {
        JobView::full()
    }

    fn run(&self, job: &Job) -> Result<Finished, RunError> {
        self.jobs.lock().unwrap().push(Job {
            // Or reading from the pipe would not end.
            messages: None,
            ..job.clone()
        });
        let name = job.name.as_str();
        let staged = &job.output.as_ref().unwrap().staged;
        // Who fails does so at once, or after it has met another.
        let speaks = job.args.contains(&"--emit=metadata,link".into())
            && (!self.ends.contains_key(name) || self.meetings.contains_key(name));
        if let Some(pipe) = job.messages.as_ref().filter(|_| speaks) {
            let mut pipe = std::fs::File::from(pipe.try_clone().unwrap());
            let metadata = Utf8PathBuf::from(made(job)).with_extension("rmeta");
            fs_err::write(staged.join(&metadata), &job.name).unwrap();
            writeln!(
                pipe,
                "{{\"artifact\":\"{metadata}\",\"emit\":\"metadata\"}}"
            )
            .unwrap();
        }
        if let Some(meeting) = self.meetings.get(name) {
            meeting.wait();
        }
        if !self.makes_nothing.contains(&name) {
            let content = if self.output.is_empty() {
                name
            } else {
                self.output
            };
            fs_err::write(staged.join(made(job)), content).unwrap();
        }
        if let Some(file) = self.leaves.get(name) {
            fs_err::write(staged.join(file), "").unwrap();
        }
        if self.closes.contains(&name) {
            let folder = staged.join("closed");
            fs_err::create_dir_all(folder.join("deep")).unwrap();
            for folder in [folder.join("deep"), folder] {
                fs_err::set_permissions(folder, Permissions::from_mode(0o0)).unwrap();
            }
        }
        if let Some((link, target)) = self.links.get(name) {
            let link = staged.join(link);
            // The same job may run two processes.
            if !link.is_symlink() {
                fs_err::os::unix::fs::symlink(target, link).unwrap();
            }
        }
        let mut log = fs_err::OpenOptions::new()
            .append(true)
            .open(&job.log)
            .unwrap();
        writeln!(log, "{name} was here").unwrap();
        let stdout = self
            .says
            .get(name)
            .copied()
            .unwrap_or_default()
            .as_bytes()
            .to_vec();
        assert!(stdout.is_empty() || job.capture_stdout);
        Ok(Finished {
            status: self.ends.get(name).copied().unwrap_or(ExitStatus::Code(0)),
            stdout,
        })
    }
}

/// The file that a job makes.
fn made(job: &Job) -> String {
    let args: Vec<_> = job
        .args
        .iter()
        .map(|argument| argument.to_str().unwrap())
        .collect();
    let after = |option: &str| {
        args.iter()
            .position(|&argument| argument == option)
            .map(|position| args[position + 1])
    };
    let starting = |start: &str| {
        args.iter()
            .find_map(|argument| argument.strip_prefix(start))
    };
    match (
        after("--crate-type"),
        after("--crate-name"),
        starting("extra-filename="),
    ) {
        (Some("lib"), Some(name), Some(extra)) => format!("lib{name}{extra}.rlib"),
        (Some("proc-macro"), Some(name), Some(extra)) => format!("lib{name}{extra}.so"),
        (Some("cdylib"), Some(name), None) => format!("lib/lib{name}.so"),
        (Some("bin"), Some(name), Some(extra))
            if job.environment.contains_key("ORLOP_LINK_SET") =>
        {
            format!("{name}{extra}.json")
        }
        (Some("bin"), Some(name), Some(extra)) => format!("{name}{extra}"),
        _ if job.program.file_name() == Some("build-script") => "out/generated.rs".into(),
        _ => "made".into(),
    }
}

/// Makes archives: a well-formed one for every source, unless its name is `evil`.
pub(crate) struct FakeFetcher {
    folder: Utf8PathBuf,
}

impl FakeFetcher {
    /// Where an archive lies, if it does.
    pub(crate) fn archive(&self, source: &Source) -> Utf8PathBuf {
        self.folder.join(format!("{}.crate", source.name))
    }
}

impl Fetcher for FakeFetcher {
    fn cached(&self, source: &Source) -> Option<Utf8PathBuf> {
        Some(self.archive(source)).filter(|archive| archive.exists())
    }

    fn fetch(&self, source: &Source, _reporter: &dyn Reporter) -> Result<Utf8PathBuf, FetchError> {
        if source.name == "absent" {
            return Err(FetchError::Offline {
                name: source.name.clone(),
            });
        }
        let top = if source.name == "evil" {
            "elsewhere"
        } else {
            &source.name
        };
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (file, content) in [("Cargo.toml", "[package]"), ("src/lib.rs", "")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            let name = format!("{top}-{}/{file}", source.version);
            archive
                .append_data(&mut header, name, content.as_bytes())
                .unwrap();
        }
        let path = self.archive(source);
        fs_err::write(&path, archive.into_inner().unwrap().finish().unwrap()).unwrap();
        Ok(path)
    }
}

/// Remembers all events.
#[derive(Default)]
pub(crate) struct Reports(Mutex<Vec<Event>>);

impl Reports {
    pub(crate) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// Takes the events as lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |event| match event {
            Event::Planned { kind, count } => format!("planned {kind:?} {count}"),
            Event::Started { activity, .. } => format!("started {}", activity.name),
            Event::Finished { activity } => format!("finished {}", activity.name),
            Event::Failed { activity } => format!("failed {}", activity.name),
            Event::Waiting { activity, .. } => format!("waiting {}", activity.name),
            Event::Advanced { .. } | Event::Notice(_) => unreachable!("nobody reports this"),
        };
        self.take().into_iter().map(line).collect()
    }
}

impl Reporter for Reports {
    fn report(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// The path of an object that is not made here.
pub(crate) fn object(name: &str) -> StorePath {
    StorePath::new(Digest::of("test", name), name)
}

pub(crate) fn tools() -> Tools {
    Tools {
        compiler: object("rust"),
        c_tools: object("c-tools"),
        isolation: Isolation::Full,
    }
}

fn package(name: &str) -> PackageTexts {
    PackageTexts {
        name: name.into(),
        version: "1.0.0".into(),
        ..PackageTexts::default()
    }
}

pub(crate) fn source(name: &str) -> Derivation {
    let source = Source {
        name: name.into(),
        version: "1.0.0".into(),
        checksum: name.into(),
        origin: Origin::Registry,
    };
    Derivation {
        name: format!("{name}-1.0.0-src"),
        step: Step::Unpack(source),
    }
}

/// A call of rustc that uses libraries.
pub(crate) fn call(name: &str, kind: CrateKind, libraries: &[&Derivation]) -> RustcCall {
    let libraries: Vec<_> = libraries
        .iter()
        .map(|derivation| {
            let Step::Rustc(call) = &derivation.step else {
                panic!("not a library")
            };
            Library {
                object: derivation.path(),
                crate_name: call.crate_name.clone(),
                proc_macro: call.kind == CrateKind::ProcMacro,
            }
        })
        .collect();
    RustcCall {
        tools: tools(),
        source: source(name).path(),
        package: package(name),
        kind,
        crate_name: name.replace('-', "_"),
        path: "src/lib.rs".into(),
        edition: "2024".into(),
        features: [].into(),
        declared_features: [].into(),
        externs: libraries
            .iter()
            .map(|library| Extern {
                name: library.crate_name.clone(),
                library: library.clone(),
            })
            .collect(),
        libraries: libraries.into_iter().collect(),
        script: None,
        reachable_scripts: [].into(),
        natives: [].into(),
        has_library: false,
        codegen: Codegen::target(),
        environment: [].into(),
    }
}

pub(crate) fn rustc(call: RustcCall) -> Derivation {
    let output = match call.kind {
        CrateKind::Library | CrateKind::ProcMacro => "",
        CrateKind::BuildScript => "-script",
        CrateKind::Program { .. } | CrateKind::Plugin => "-link-set",
        CrateKind::CLibrary(_) => "-cdylib",
    };
    let name = format!("{}-1.0.0{output}", call.package.name);
    Derivation {
        name,
        step: Step::Rustc(Box::new(call)),
    }
}

/// The run of a compiled build script.
pub(crate) fn run(name: &str, program: &Derivation) -> ScriptRun {
    ScriptRun {
        tools: tools(),
        source: source(name).path(),
        package: package(name),
        program: program.path(),
        carried: [].into(),
        links: None,
        programs: [].into(),
        features: [].into(),
        dependencies: Vec::new(),
        codegen: Codegen::target(),
        natives: [].into(),
        helpers: [].into(),
        environment: [].into(),
    }
}

pub(crate) fn script(run: ScriptRun) -> Derivation {
    Derivation {
        name: format!("{}-1.0.0-run", run.package.name),
        step: Step::Script(Box::new(run)),
    }
}
