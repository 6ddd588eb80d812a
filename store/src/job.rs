//! [`Job`]: one process to run shut off from the machine, and [`Runner`], who can.
//!
//! The trait lives here, below both its users: builds and links run the same way, and the sandbox
//! itself is a matter of `orlop-build`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

use crate::derivation::Isolation;
use crate::path::StorePath;

/// Where the store is seen inside a full sandbox, wherever it lies outside.
pub const SANDBOX_STORE: &str = "/orlop/store";
/// Where the running `orlop` program is seen inside a full sandbox, under the name by which it
/// acts as the recording linker.
pub const SANDBOX_RECORDER: &str = "/orlop/bin/orlop-linker";
/// The same program inside a full sandbox, under the name by which it answers for Cargo.
pub const SANDBOX_CARGO: &str = "/orlop/bin/cargo";
/// The variable that names the object a native build makes. A job that has it, and no other, sees
/// the program in place of its linkers.
pub const NATIVE_VARIABLE: &str = "ORLOP_NATIVE";
/// The folder inside a full sandbox with the same program under the names of linkers, for builds
/// of native libraries.
pub const SANDBOX_LINKERS: &str = "/orlop/ld";
/// The names of linkers for which the program stands where the C tools have them.
pub const LINKERS: [&str; 5] = ["ld", "ld.bfd", "ld.gold", "ld.lld", "ld.mold"];
/// The name, beside those, under which the program checks what a build of a native library made.
pub const COMPLETER: &str = "orlop-native";
/// The folder of a native library's object in which its shared libraries are by their SONAMEs alone:
/// what builds load them from. By their other names, such as `libz.so.1`, tools of the machine would
/// load them in place of what they need.
pub const LOADED_FOLDER: &str = "lib/sonames";
/// The writable working folder inside a full sandbox.
pub const SANDBOX_BUILD: &str = "/orlop/build";

/// One process to run. All paths in `program`, `args`, `environment` and `folder` are paths as the
/// process sees them: see [`Runner::view`].
#[derive(Debug, Clone)]
pub struct Job {
    /// For messages and the log: `serde 1.0.228 (build script)`.
    pub name: String,
    /// The program's path.
    pub program: Utf8PathBuf,
    /// Its arguments, without the program itself.
    pub args: Vec<OsString>,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// Its working folder.
    pub folder: Utf8PathBuf,
    /// C compiler, linker, shell and libc: seen at `/usr`.
    pub c_tools: StorePath,
    /// Objects it can read.
    pub inputs: BTreeSet<StorePath>,
    /// Inputs of which the job sees a writable copy, thrown away afterwards. Without a sandbox it
    /// sees the objects themselves.
    pub copies: Vec<JobOutput>,
    /// Folders on the host that it can read at the places of objects that are still being made.
    pub unfinished: BTreeMap<StorePath, Utf8PathBuf>,
    /// A writable folder on the host that is seen at the place of a store object.
    pub output: Option<JobOutput>,
    /// A writable folder on the host, seen as the working area ([`SANDBOX_BUILD`]).
    pub scratch: Utf8PathBuf,
    /// The file on the host that takes standard error (and standard output unless captured).
    pub log: Utf8PathBuf,
    /// Whether standard output is returned instead of logged.
    pub capture_stdout: bool,
    /// Takes standard error instead of the log.
    pub messages: Option<Arc<OwnedFd>>,
    /// Whether a person is with it: it has this process's own standard input, output and error, and
    /// may be part of a terminal's session.
    pub attended: bool,
    /// Who else uses the processors.
    pub slots: Option<JobSlots>,
}

/// A GNU make jobserver: each byte in a pipe is the right to keep one more processor busy. Who
/// takes one out puts the same one back when done.
///
/// Processes get it as two open files, which every make, rustc and Cargo crate understands; they
/// have known pipes with names only since 2023. Here it has a name, so that each job gets open
/// files of its own: some makes change the mode of theirs.
#[derive(Debug, Clone)]
pub struct JobSlots {
    /// The pipe, on the host.
    pub pipe: Utf8PathBuf,
    /// The variables that tell of it: [`JobSlots::CARGO`], [`JobSlots::MAKE`].
    pub variables: &'static [&'static str],
}

impl JobSlots {
    /// How Cargo tells compilers and build scripts.
    pub const CARGO: &[&str] = &["CARGO_MAKEFLAGS"];
    /// How one make tells the next.
    pub const MAKE: &[&str] = &["MAKEFLAGS"];

    /// Returns the variables for a process that has the pipe's ends open under these numbers. They
    /// are named twice, for makes before and after 4.2.
    pub fn environment(&self, read: i32, write: i32) -> BTreeMap<String, String> {
        let flags = format!("-j --jobserver-fds={read},{write} --jobserver-auth={read},{write}");
        let variables = self.variables.iter();
        variables
            .map(|&name| (name.to_owned(), flags.clone()))
            .collect()
    }
}

/// A writable folder that becomes a store object.
#[derive(Debug, Clone)]
pub struct JobOutput {
    /// Where it is on the host.
    pub staged: Utf8PathBuf,
    /// The object it will be: where the process sees it.
    pub path: StorePath,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// How the process ended.
    pub status: ExitStatus,
    /// Standard output, if captured.
    pub stdout: Vec<u8>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl ExitStatus {
    /// Whether it ended with code 0.
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// Runs jobs.
pub trait Runner: Sync {
    /// Returns how far jobs are shut off.
    fn isolation(&self) -> Isolation;

    /// Returns the paths that a job sees.
    fn view(&self) -> JobView;

    /// Runs a job to its end.
    fn run(&self, job: &Job) -> Result<Finished, RunError>;
}

/// Where things are, as a job sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobView {
    /// The folder of store objects.
    pub store: Utf8PathBuf,
    /// The program that records link sets.
    pub recorder: Utf8PathBuf,
    /// The program that answers for Cargo: `CARGO`.
    pub cargo: Utf8PathBuf,
    /// The folder in which the program stands for [`LINKERS`] and is [`COMPLETER`].
    pub linkers: Utf8PathBuf,
    /// The working area; none if a job's own `scratch` is seen at its real place.
    pub build: Option<Utf8PathBuf>,
}

impl JobView {
    /// Where they are in a full sandbox.
    pub fn full() -> Self {
        Self {
            store: SANDBOX_STORE.into(),
            recorder: SANDBOX_RECORDER.into(),
            cargo: SANDBOX_CARGO.into(),
            linkers: SANDBOX_LINKERS.into(),
            build: Some(SANDBOX_BUILD.into()),
        }
    }

    /// Returns where a job sees an object.
    pub fn object(&self, path: &StorePath) -> Utf8PathBuf {
        self.store.join(path.to_string())
    }

    /// Returns where a job sees its scratch folder.
    pub fn scratch(&self, scratch: &Utf8Path) -> Utf8PathBuf {
        self.build.clone().unwrap_or_else(|| scratch.to_owned())
    }
}

/// Why a job could not be run at all (a job that ran and failed is [`Finished`]).
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The sandbox could not be set up.
    #[error("set up the sandbox for {name}: {step}")]
    Sandbox {
        /// The job.
        name: String,
        /// The step that failed, with the system's reason.
        step: String,
    },
    /// A file could not be used.
    #[error("run {name}")]
    Io {
        /// The job.
        name: String,
        /// The system's reason, with the path.
        #[source]
        source: std::io::Error,
    },
}
