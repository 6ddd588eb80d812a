//! [`BuildError`]: why a plan could not be made true.

use camino::Utf8PathBuf;
use orlop_store::derivation::Isolation;
use orlop_store::{FetchError, RunError, StoreError, StorePath, said};

use crate::unpack::UnpackError;

/// Why a plan could not be made true. What was finished before stays in the store.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An archive did not arrive.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A process could not be started.
    #[error(transparent)]
    Run(#[from] RunError),
    /// An archive arrived as promised, and is not one that may be unpacked.
    #[error("unpack `{archive}`")]
    Unpack {
        /// The archive.
        archive: String,
        /// What is wrong with it.
        #[source]
        source: UnpackError,
    },
    /// A build ran and failed.
    #[error(transparent)]
    Failed(Box<FailedBuild>),
    /// A step needs an object that is neither in the store nor made before it.
    #[error("build `{name}`: its input `{input}` is neither in the store nor part of the plan")]
    MissingInput {
        /// The step.
        name: String,
        /// What it needs.
        input: StorePath,
    },
    /// The plan was made for another level of isolation than the one at hand.
    #[error(
        "build `{name}`: it is planned with the isolation {planned:?}, but builds run with \
         {actual:?} here"
    )]
    Isolation {
        /// The step.
        name: String,
        /// What its key says.
        planned: Isolation,
        /// What the runner gives.
        actual: Isolation,
    },
    /// The pipe through which jobs share the processors cannot be made.
    #[error("make the pipe of job slots")]
    Slots(#[source] std::io::Error),
    /// A record inside the store cannot be read.
    #[error("read `{path}`")]
    Record {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A file could not be used; the reason names it.
    #[error("build `{name}`")]
    Io {
        /// The step.
        name: String,
        /// The system's reason, with the path.
        #[source]
        source: std::io::Error,
    },
}

/// A build that ran and failed.
#[derive(Debug, thiserror::Error)]
#[error("build `{name}`: {end}")]
pub struct FailedBuild {
    /// The step, for people: `serde_core 1.0.228 (build script)`.
    pub name: String,
    /// The object that would have been made.
    pub path: StorePath,
    /// How it ended, with the program's name.
    pub end: String,
    /// The log.
    pub log: Utf8PathBuf,
    /// Where its working folder and its output stay, if that was wanted.
    pub kept: Option<Utf8PathBuf>,
    /// The end of the log.
    pub last_lines: Vec<String>,
}

impl FailedBuild {
    /// Whether it failed for want of room on the disk, by what it said at the end.
    pub fn lacks_room(&self) -> bool {
        self.last_lines.iter().any(|line| said::lacks_room(line))
    }
}
