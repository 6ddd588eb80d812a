//! Tests against the truth: small libraries and programs in C, built by the host's compiler, run,
//! and compared with what this crate says of them.

mod broken;
mod clashes;
mod lab;
mod lookup;
mod plugins;
mod search;
mod system;
