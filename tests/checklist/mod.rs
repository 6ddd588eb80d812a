//! The rows of the checklist "how Cargo drives rustc", each on small crates made for it. Where
//! Cargo has the answer, Cargo is asked: see [`parity`](crate::parity).
//!
//! | module | rows |
//! |---|---|
//! | [`environment`] | what rustc and build scripts find in their environment |
//! | [`directives`] | what build scripts say, and whom it concerns |
//! | [`targets`] | libraries, programs, editions, names, old manifests |
//! | [`graph`] | features, sides, renamed and doubled dependencies |
//! | [`stand_in`] | the program that answers for Cargo |

mod directives;
mod environment;
mod graph;
mod stand_in;
mod targets;
