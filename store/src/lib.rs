//! Facts: store objects, the steps that make them, and who keeps them alive.
//!
//! | module | holds |
//! |---|---|
//! | [`digest`] | [`Digest`] and the written rules of hashing, [`digest::ContentHash`] |
//! | [`path`] | [`StorePath`]: `<digest>-<name>` |
//! | [`derivation`] | [`Derivation`]: one exact step |
//! | [`plan`] | [`Plan`]: present, fetch, build |
//! | [`compiler`] | [`Compiler`]: an imported compiler |
//! | [`job`] | [`Job`], [`Runner`]: a process shut off from the machine |
//! | [`said`] | the end of what such a process has said |
//! | [`fetch`] | [`Fetcher`]: who brings archives |
//! | [`event`] | [`Event`], [`Reporter`]: what happens meanwhile |
//! | [`store`] | [`Store`]: objects under a home folder; start here |
//! | [`add`] | [`Registration`]: how a tree becomes an object |
//! | [`staging`] | [`Staged`], [`Scratch`]: folders that vanish by themselves |
//! | [`lock`] | locks between processes |
//! | [`gc`] | [`GcPlan`], [`GcReport`]: what nobody needs |
//! | [`live`] | [`Root`]: why objects are alive |
//! | [`profile`] | [`Profile`], [`Generation`]: what users see, and the way back |
//! | [`verify`] | [`Verification`]: whether everything is what it was when it was made |
//! | `restore` | an object from another home |
//! | [`share`] | [`Shared`]: identical files become one |
//! | `opening` | a folder of an object while a name in it is exchanged |
//! | [`question`] | [`Reason`], [`Ledger`]: why an object is there, and what it costs |
//! | [`error`] | [`StoreError`] |
//! | [`failpoint`] | named steps at which the fault harness strikes |
//! | `tree` | the canonical form of a tree, its digest, its removal |
//! | `database` | what is valid; the only module that knows `SQLite` |
//! | `reference` | what the database knew, found again in the trees |
//! | `root` | names that keep objects alive |
//! | `name`, `disk` | checked names; small steps on the file system |
//!
//! Nothing here knows of packages, features or registries, and nothing prints.

pub mod add;
pub mod compiler;
mod database;
pub mod derivation;
pub mod digest;
mod disk;
pub mod error;
pub mod event;
pub mod failpoint;
pub mod fetch;
pub mod gc;
pub mod job;
pub mod live;
pub mod lock;
mod name;
mod opening;
pub mod path;
pub mod plan;
pub mod profile;
pub mod question;
mod reference;
mod restore;
mod root;
pub mod said;
pub mod share;
pub mod staging;
pub mod store;
#[cfg(test)]
mod testing;
mod tree;
pub mod verify;

pub use add::Registration;
pub use compiler::{Compiler, ImportedCompiler};
pub use derivation::{Derivation, Step};
pub use digest::Digest;
pub use disk::replace_file;
pub use error::StoreError;
pub use event::{Activity, ActivityKind, Event, Reporter, Silent};
pub use fetch::{FetchError, Fetcher};
pub use gc::{GcOptions, GcPlan, GcReport};
pub use job::{ExitStatus, Finished, Job, JobOutput, JobSlots, JobView, RunError, Runner};
pub use live::Root;
pub use lock::{ObjectLock, ProfileLock, UseGuard};
pub use path::{StorePath, StorePathError};
pub use plan::{Plan, PlannedApp, PlannedProgram};
pub use profile::{
    Generation, GenerationApp, GenerationTest, Keep, Libraries, NewGeneration, Profile, TestNeed,
};
pub use question::{Ledger, Reason, Usage};
pub use share::Shared;
pub use staging::{Scratch, Staged};
pub use store::{ObjectInfo, Store};
pub use verify::{Finding, Subject, Verification};
