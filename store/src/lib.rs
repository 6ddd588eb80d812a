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
//! | [`fetch`] | [`Fetcher`]: who brings archives |
//! | [`event`] | [`Event`], [`Reporter`]: what happens meanwhile |
//!
//! Nothing here knows of packages, features or registries, and nothing prints.

pub mod compiler;
pub mod derivation;
pub mod digest;
pub mod event;
pub mod fetch;
pub mod job;
pub mod path;
pub mod plan;

pub use compiler::{Compiler, ImportedCompiler};
pub use derivation::{Derivation, Step};
pub use digest::Digest;
pub use event::{Activity, ActivityKind, Event, Reporter, Silent};
pub use fetch::{FetchError, Fetcher};
pub use job::{ExitStatus, Finished, Job, JobOutput, JobView, RunError, Runner};
pub use path::{StorePath, StorePathError};
pub use plan::{Plan, PlannedApp, PlannedProgram};
