//! What the helper is told, [`Setup`], and what it answers, [`Report`].

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::io::Write as _;

use camino::Utf8PathBuf;
use orlop_store::{ExitStatus, StorePath};
use serde::{Deserialize, Serialize};

/// Everything the helper needs. All host paths are free of symbolic links: they are followed when
/// the host's root has already been moved elsewhere.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    /// This program, seen as the recorder and as Cargo.
    pub(super) program: Utf8PathBuf,
    /// The folder of store objects.
    pub(super) store: Utf8PathBuf,
    /// The job's working area.
    pub(super) scratch: Utf8PathBuf,
    /// Objects to show.
    pub(super) inputs: BTreeSet<StorePath>,
    /// Folders to show at the places of objects, read-only.
    pub(super) unfinished: BTreeMap<StorePath, Utf8PathBuf>,
    /// The object to show as `/usr`; none for a probe.
    pub(super) c_tools: Option<StorePath>,
    /// Writable copies of objects, and the objects in whose places they are shown.
    pub(super) copies: Vec<(Utf8PathBuf, StorePath)>,
    /// The writable folder, and the object in whose place it is shown.
    pub(super) output: Option<(Utf8PathBuf, StorePath)>,
    /// Whether a person is with the job.
    pub(super) attended: bool,
    /// What is run; nothing for a probe.
    pub(super) job: Option<Process>,
    /// Whether the program is shown in place of linkers.
    pub(super) linkers: bool,
}

/// The process to run, in paths of the sandbox.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Process {
    pub(super) program: Utf8PathBuf,
    pub(super) args: Vec<OsString>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) folder: Utf8PathBuf,
}

/// The helper's answer.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Report {
    /// The job ran to its end.
    Finished(Status),
    /// It was not started.
    Failed(Failure),
}

/// How the job ended: [`ExitStatus`], as it travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Status {
    Code(i32),
    Signal(i32),
}

impl From<Status> for ExitStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Code(code) => Self::Code(code),
            Status::Signal(signal) => Self::Signal(signal),
        }
    }
}

/// A step of the set-up that did not succeed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    /// What was tried: `mount /proc`.
    pub(super) step: String,
    /// The system's error number.
    pub(super) errno: Option<i32>,
    /// The same in words.
    pub(super) reason: String,
}

impl Failure {
    pub(super) fn new(step: impl Into<String>, error: &std::io::Error) -> Self {
        Self {
            step: step.into(),
            errno: error.raw_os_error(),
            reason: error.to_string(),
        }
    }

    pub(super) fn told(step: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            step: step.into(),
            errno: None,
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.reason)
    }
}

/// Writes a file. Unlike `fs_err`'s, the error keeps the system's number; the step names the path.
pub(super) fn write(path: &str, text: &str) -> Result<(), Failure> {
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .step(format!("write {path}"))
}

/// Names the step a system call belongs to.
pub(super) trait Step<T> {
    fn step(self, step: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: Into<std::io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(step, &error.into()))
    }
}
