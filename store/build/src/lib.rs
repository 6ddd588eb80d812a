//! Executes a plan: makes every derivation of it true.
//!
//! [`execute()`] is the only writer of objects and has no choices left to make: a [`Plan`] says what
//! is built and from what. Read it first.
//!
//! | module | holds |
//! |---|---|
//! | [`execute`](mod@execute) | [`execute()`], [`Context`]: one plan, one derivation |
//! | [`check`](mod@check) | [`check()`]: builds again and compares |
//! | `schedule` | in which order, and how many at once |
//! | `order` | what should start first |
//! | `slots` | how many processors all of it keeps busy |
//! | `durations` | how long builds took the last time |
//! | `unfinished` | what dependents read of libraries that are still being made |
//! | `workplace` | where one derivation is made: staged output, scratch folder, log |
//! | `visit` | the same place, for people: [`visit()`], [`describe()`] |
//! | `trial` | tests of native libraries: [`try_library()`] |
//! | [`unpack`] | archives of strangers to trees |
//! | `rustc` | a `RustcCall` to a command line and an environment |
//! | [`script`] | runs of build scripts and what they say: [`script::Directives`] |
//! | `native` | a recipe's shell script |
//! | `outputs` | the parts of what it makes |
//! | `environment` | the variables that all processes get |
//! | [`log`] | one file per build |
//! | [`error`] | [`BuildError`] |
//! | [`sandbox`] | [`Sandbox`](sandbox::Sandbox): how a process is shut off from the machine |
//! | [`compiler`] | imports of Rust compilers |
//! | [`archived`] | imports of Rust compilers out of archives |
//! | [`c_tools`] | the import of the host's C compiler, linker, shell and libc |
//! | `tree`, `libraries`, `imported` | what imports are made of |
//!
//! Nothing here knows of versions, features or registries, and nothing starts a process but
//! through a [`Runner`](orlop_store::Runner) (imports alone ask tools about themselves).
//!
//! [`Plan`]: orlop_store::Plan

pub mod archived;
pub mod c_tools;
pub mod check;
pub mod compiler;
mod durations;
mod environment;
pub mod error;
pub mod execute;
mod imported;
mod libraries;
pub mod log;
mod native;
mod order;
mod outputs;
mod rustc;
pub mod sandbox;
mod schedule;
pub mod script;
mod slots;
#[cfg(test)]
mod testing;
mod tree;
mod trial;
mod unfinished;
pub mod unpack;
mod visit;
mod workplace;

pub use check::{Rebuilt, check};
pub use error::BuildError;
pub use execute::{Context, execute};
pub use trial::{LibraryTest, Tried, try_library};
pub use visit::{Description, describe, visit};
