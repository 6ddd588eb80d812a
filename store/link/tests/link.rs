//! Real programs, compiled by the rustc of this machine, linked in every linkage by both linkers,
//! proved and run.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use orlop_link::{App, Context, Linkage, Role, View, link};
use orlop_store::derivation::Isolation;
use orlop_store::{
    Compiler, Digest, ExitStatus, Finished, Job, JobView, PlannedProgram, RunError, Runner, Silent,
    Store, StorePath,
};

/// State, thread-locals and generics.
const A: &str = r"
use std::cell::Cell;
use std::fmt::Display;
use std::sync::Mutex;
pub static WORDS: Mutex<Vec<String>> = Mutex::new(Vec::new());
thread_local! { pub static DEPTH: Cell<u32> = const { Cell::new(7) }; }
pub fn note<T: Display>(value: T) { WORDS.lock().unwrap().push(value.to_string()); }
pub fn deeper() -> u32 { DEPTH.with(|depth| { depth.set(depth.get() + 1); depth.get() }) }
";

/// A panic, and a C archive of which one function is hidden.
const B: &str = r#"
pub struct Loud(pub &'static str);
impl Drop for Loud { fn drop(&mut self) { a::note(format!("drop {}", self.0)); } }
pub fn boom(text: &str) -> u32 { let _loud = Loud("b"); panic!("boom {text}") }
unsafe extern "C" { fn native_seen(value: i32) -> i32; }
pub fn native(value: i32) -> i32 { unsafe { native_seen(value) } }
"#;

const NATIVE: &str = r#"
static int calls;
__attribute__((visibility("hidden"))) int native_hidden(int value) { return value * 2 + ++calls; }
int native_seen(int value) { return native_hidden(value) + 100; }
"#;

/// Calls the hidden function directly, and catches the panic of another crate.
const C: &str = r#"
unsafe extern "C" { fn native_hidden(value: i32) -> i32; }
pub fn hidden(value: i32) -> i32 { unsafe { native_hidden(value) } }
pub fn caught(text: &str) -> String {
    let text = text.to_owned();
    let caught = std::panic::catch_unwind(move || b::boom(&text)).unwrap_err();
    caught.downcast_ref::<String>().unwrap().clone()
}
"#;

/// Gathers what programs put into a section of that name, and what it puts there itself.
const GATHER: &str = r#"
#[repr(C)] pub struct Entry(pub u32);
#[used] #[unsafe(link_section = "gather_me")] static OWN: Entry = Entry(1);
unsafe extern "C" {
    #[link_name = "__start_gather_me"] static START: Entry;
    #[link_name = "__stop_gather_me"] static STOP: Entry;
}
pub fn sum() -> u32 {
    let (mut at, stop) = (&raw const START, &raw const STOP);
    let mut sum = 0;
    while at < stop { sum += unsafe { (*at).0 }; at = unsafe { at.add(1) }; }
    sum
}
"#;

/// Runs before `main`.
const EARLY: &str = r#"
use std::sync::atomic::{AtomicU32, Ordering};
static EARLY: AtomicU32 = AtomicU32::new(0);
extern "C" fn early() { EARLY.fetch_add(1, Ordering::Relaxed); }
#[used] #[unsafe(link_section = ".init_array")] static RUN: extern "C" fn() = early;
pub fn count() -> u32 { EARLY.load(Ordering::Relaxed) }
"#;

/// Uses everything: across threads, and catching a panic itself too.
const ONE: &str = r#"
#[used] #[unsafe(link_section = "gather_me")] static ENTRY: gather::Entry = gather::Entry(10);
fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    println!("{} {}", gather::sum(), early::count());
    a::note(1.5);
    println!("{} {} {}", b::native(1), c::hidden(10), b::native(2));
    println!("{}", c::caught("one"));
    let again = std::panic::catch_unwind(|| b::boom("again")).is_err();
    let other = std::thread::spawn(|| (a::deeper(), a::deeper())).join().unwrap();
    println!("{again} {other:?} {}", a::deeper());
    println!("{:?}", a::WORDS.lock().unwrap());
}
"#;

const ONE_SAYS: &str = r#"11 1
103 22 107
boom one
true (8, 9) 8
["1.5", "drop b", "drop b"]
"#;

/// Has an allocator of its own, which the libraries must use too.
const TWO: &str = r#"
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
struct Counting;
static COUNT: AtomicUsize = AtomicUsize::new(0);
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}
#[global_allocator]
static GLOBAL: Counting = Counting;
fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    println!("{} {}", gather::sum(), early::count());
    println!("{} {}", c::hidden(3), c::caught("two"));
    let before = COUNT.load(Ordering::Relaxed);
    a::note("text");
    println!("{} {:?}", COUNT.load(Ordering::Relaxed) > before, a::WORDS.lock().unwrap());
}
"#;

const TWO_SAYS: &str = r#"1 1
7 boom two
true ["drop b", "text"]
"#;

/// Runs jobs on this machine, and counts them.
struct Unconfined {
    store: Utf8PathBuf,
    runs: AtomicUsize,
}

impl Runner for Unconfined {
    fn isolation(&self) -> Isolation {
        Isolation::None
    }

    fn view(&self) -> JobView {
        JobView {
            cargo: "/unused".into(),
            store: self.store.clone(),
            recorder: Utf8PathBuf::new(),
            linkers: Utf8PathBuf::new(),
            build: None,
        }
    }

    fn run(&self, job: &Job) -> Result<Finished, RunError> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let log = fs_err::File::create(&job.log).unwrap().into_file();
        let status = command(job.program.as_str())
            .args(&job.args)
            .env_clear()
            .envs(&job.environment)
            .current_dir(&job.folder)
            .stderr(log)
            .status()
            .unwrap();
        let status = ExitStatus::Code(status.code().unwrap_or(-1));
        Ok(Finished {
            status,
            stdout: Vec::new(),
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests of real links start real compilers"
)]
fn command(program: &str) -> Command {
    Command::new(program)
}

/// Runs a program and returns what it says.
#[track_caller]
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?} ended with {}:\n{said}",
        output.status
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A store with a compiler, C tools, three crates and two programs.
struct Machine {
    #[expect(dead_code, reason = "held until the test ends")]
    folder: tempfile::TempDir,
    store: Store,
    runner: Unconfined,
    compiler: StorePath,
    c_tools: StorePath,
    programs: BTreeMap<&'static str, StorePath>,
}

fn path(name: &str) -> StorePath {
    StorePath::new(Digest::of("test", name), name)
}

impl Machine {
    fn new(bundled_linker: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Utf8PathBuf::from_path_buf(folder.path().canonicalize().unwrap()).unwrap();
        let store = Store::open(&home.join("home"), jiff::Timestamp::UNIX_EPOCH).unwrap();
        let runner = Unconfined {
            store: store.folder(),
            runs: AtomicUsize::new(0),
        };
        let mut machine = Self {
            folder,
            store,
            runner,
            compiler: path("rust"),
            c_tools: path("c-tools"),
            programs: BTreeMap::new(),
        };
        machine.import(bundled_linker);
        machine.compile(&home.join("work"));
        machine
    }

    /// Puts the parts of this machine's tools that a link needs at the places of objects.
    fn import(&self, bundled_linker: bool) {
        let sysroot = output(command("rustc").args(["--print", "sysroot"]));
        let host = "x86_64-unknown-linux-gnu";
        let rustlib = Utf8Path::new(sysroot.trim()).join("lib/rustlib").join(host);
        let object = self.store.object(&self.compiler);
        let own = object.join("lib/rustlib").join(host);
        fs_err::create_dir_all(own.join("lib")).unwrap();
        for entry in rustlib.join("lib").read_dir_utf8().unwrap() {
            let entry = entry.unwrap();
            if matches!(entry.path().extension(), Some("rlib" | "rmeta")) {
                fs_err::copy(entry.path(), own.join("lib").join(entry.file_name())).unwrap();
            }
        }
        fs_err::os::unix::fs::symlink(rustlib.join("bin"), own.join("bin")).unwrap();
        let compiler = Compiler {
            release: "1.95.0".into(),
            commit: "unknown".into(),
            host: host.into(),
            cfg: Vec::new(),
            bundled_linker: bundled_linker.then(|| format!("lib/rustlib/{host}/bin/gcc-ld")),
        };
        let text = serde_json::to_string(&compiler).unwrap();
        fs_err::write(object.join("compiler.json"), text).unwrap();
        let libraries = self.store.object(&self.c_tools).join("lib");
        fs_err::create_dir_all(&libraries).unwrap();
        for name in ["libc.so.6", "libgcc_s.so.1"] {
            let file = output(command("cc").arg(format!("-print-file-name={name}")));
            fs_err::copy(file.trim(), libraries.join(name)).unwrap();
        }
    }

    fn compile(&mut self, work: &Utf8Path) {
        fs_err::create_dir_all(work).unwrap();
        fs_err::write(work.join("native.c"), NATIVE).unwrap();
        output(
            command("cc")
                .args(["-c", "-O2", "-fPIC", "native.c"])
                .current_dir(work),
        );
        output(
            command("ar")
                .args(["rcs", "libnative.a", "native.o"])
                .current_dir(work),
        );
        self.library(work, "a", A, &[]);
        self.library(work, "b", B, &["-L", work.as_str(), "-lstatic=native"]);
        self.library(work, "c", C, &[]);
        self.library(work, "early", EARLY, &[]);
        self.library(work, "gather", GATHER, &[]);
        for (name, text) in [("one", ONE), ("two", TWO)] {
            let link_set = path(&format!("{name}-link-set"));
            let folder = self.store.object(&link_set);
            fs_err::create_dir_all(&folder).unwrap();
            let mut rustc = self.rustc(work, name, text);
            rustc.arg(format!("-Clinker={}", env!("CARGO_BIN_EXE_record-link")));
            rustc.args(["-Clinker-flavor=gcc", "--out-dir", work.as_str()]);
            output(rustc.env("ORLOP_LINK_SET", &folder));
            self.programs.insert(name, link_set);
        }
    }

    fn library(&self, work: &Utf8Path, name: &str, text: &str, args: &[&str]) {
        let folder = self.store.object(&path(name));
        fs_err::create_dir_all(&folder).unwrap();
        let mut rustc = self.rustc(work, name, text);
        output(
            rustc
                .args(args)
                .args(["--crate-type=rlib", "--out-dir", folder.as_str()]),
        );
    }

    fn rustc(&self, work: &Utf8Path, name: &str, text: &str) -> Command {
        let file = format!("{name}.rs");
        fs_err::write(work.join(&file), text).unwrap();
        let mut rustc = command("rustc");
        rustc.current_dir(work);
        rustc.arg(format!("--sysroot={}", self.store.object(&self.compiler)));
        rustc.args([
            file.as_str(),
            "--edition=2024",
            "-Copt-level=3",
            "-Cembed-bitcode=no",
        ]);
        rustc.args(["-Cstrip=debuginfo", &format!("-Cmetadata={name}")]);
        for other in ["a", "b", "c", "early", "gather"]
            .into_iter()
            .filter(|other| *other < name)
        {
            rustc.args([
                "-L",
                self.store.object(&path(other)).as_str(),
                "--extern",
                other,
            ]);
        }
        rustc
    }

    fn link(&self, linkage: Linkage) -> Vec<View> {
        let apps: Vec<_> = self
            .programs
            .iter()
            .map(|(name, link_set)| App {
                name: (*name).to_owned(),
                version: "1.0.0".to_owned(),
                linkage,
                programs: vec![PlannedProgram {
                    name: (*name).to_owned(),
                    link_set: link_set.clone(),
                }],
                compiler: self.compiler.clone(),
                role: Role::Alone,
                share: orlop_link::Share::default(),
            })
            .collect();
        let context = Context {
            store: &self.store,
            runner: &self.runner,
            c_tools: &self.c_tools,
            files: &orlop_link::NoFiles,
            reporter: &Silent,
            jobs: 2,
        };
        let linked = link(&apps, None, &context).unwrap_or_else(|error| {
            let mut text = String::new();
            let mut error: Option<&dyn std::error::Error> = Some(&error);
            while let Some(cause) = error {
                text.extend([cause.to_string(), "\n".to_owned()]);
                error = cause.source();
            }
            panic!("{text}")
        });
        linked.views
    }

    /// Runs the programs of views and returns the libraries each loads, glibc and GCC's aside.
    #[track_caller]
    fn check(&self, views: &[View]) -> BTreeMap<String, BTreeSet<String>> {
        let mut libraries = BTreeMap::new();
        for view in views {
            let program = self
                .store
                .object(&view.path)
                .join("bin")
                .join(&view.binaries[0]);
            let says = if view.app == "one" {
                ONE_SAYS
            } else {
                TWO_SAYS
            };
            assert_eq!(output(&mut command(program.as_str())), says, "{program}");
            let loaded = view.proofs[0]
                .objects
                .iter()
                .skip(1)
                .filter(|object| !object.glibc);
            let loaded: BTreeSet<_> = loaded.map(|object| object.name.clone()).collect();
            let stored: BTreeSet<_> = view
                .libraries
                .iter()
                .map(|object| object.name().to_owned())
                .collect();
            assert_eq!(loaded, stored, "what is loaded is what the view keeps");
            let ours = loaded.into_iter().filter(|name| name != "libgcc_s.so.1");
            libraries.insert(view.app.clone(), ours.collect());
        }
        libraries
    }
}

/// Returns the names of libraries without their keys.
fn labels(libraries: &BTreeSet<String>) -> Vec<&str> {
    libraries
        .iter()
        .map(|name| name.rsplit_once('-').unwrap().0)
        .collect()
}

fn every_linkage_gives_the_same_programs(bundled_linker: bool) {
    let machine = Machine::new(bundled_linker);
    for libraries in machine.check(&machine.link(Linkage::Static)).into_values() {
        assert!(libraries.is_empty(), "{libraries:?}");
    }
    let libraries = machine.check(&machine.link(Linkage::Shared));
    assert_eq!(labels(&libraries["one"]), ["libcrates"]);
    assert_eq!(libraries["one"], libraries["two"]);

    let views = machine.link(Linkage::Crate);
    let libraries = machine.check(&views);
    assert_eq!(
        labels(&libraries["one"]),
        ["liba", "libb", "libc", "libstd"]
    );
    assert_eq!(libraries["one"], libraries["two"]);

    let runs = machine.runner.runs.load(Ordering::Relaxed);
    let again: Vec<_> = machine
        .link(Linkage::Crate)
        .into_iter()
        .map(|view| view.path)
        .collect();
    assert_eq!(
        again,
        views.into_iter().map(|view| view.path).collect::<Vec<_>>()
    );
    assert_eq!(
        machine.runner.runs.load(Ordering::Relaxed),
        runs,
        "nothing is linked twice"
    );
}

#[test]
fn the_same_everywhere() {
    let content = || {
        let machine = Machine::new(true);
        let views = machine.link(Linkage::Shared);
        let paths = views
            .into_iter()
            .flat_map(|view| view.libraries.into_iter().chain([view.path]));
        let content = |path: &StorePath| machine.store.info(path).unwrap().unwrap().content;
        paths.map(|path| (content(&path), path)).collect::<Vec<_>>()
    };
    assert_eq!(content(), content());
}

#[test]
fn with_the_linker_of_the_compiler() {
    every_linkage_gives_the_same_programs(true);
}

#[test]
fn with_the_linker_of_the_c_tools() {
    every_linkage_gives_the_same_programs(false);
}
