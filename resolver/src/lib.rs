//! Wishes to variants: which packages, versions and features an app is compiled from.
//!
//! Read [`resolve()`] first, then [`Resolution`]. The crate is pure: no file, network, clock or
//! environment; what it knows of the world comes through [`Index`].
//!
//! | module | holds |
//! |---|---|
//! | [`case`] | a question with all that its answer depends on, in a file |
//! | [`codegen`] | what a package asks of code generation |
//! | [`error`] | why a request has no answer, with hints |
//! | `feature_values` | what the features of a release switch on |
//! | `features` | phase B: which features are active, by Cargo's rules |
//! | [`index`] | what the resolver asks of a registry |
//! | [`lock`] | answers written down: `orlop.lock` |
//! | [`memory`] | a registry in memory, for tests |
//! | [`package`] | what one published package says of itself |
//! | `platform` | whether a dependency is for a platform |
//! | [`plugin`] | the answer for a plugin, beside that of the app that loads it |
//! | [`published`] | policy `locked`: the `Cargo.lock` of the app |
//! | `remedy` | what can be had instead |
//! | [`request`] | what is asked |
//! | [`resolution`] | the answer |
//! | [`sharing`] | policy `shared`: answers of which more can be shared |
//! | `toolchain` | which releases a compiler is too old for |
//! | `variants` | from active features to the graph of variants |
//! | `versions` | phase A: which version of each package |

pub mod case;
pub mod codegen;
pub mod error;
mod feature_values;
mod features;
pub mod index;
pub mod lock;
pub mod memory;
pub mod package;
mod platform;
pub mod plugin;
pub mod published;
mod remedy;
pub mod request;
pub mod resolution;
pub mod sharing;
#[cfg(test)]
mod tests;
mod toolchain;
mod variants;
mod versions;

use crate::sharing::Extras;
pub use codegen::{CodegenOptions, PublishedCodegen, PublishedLto};
pub use error::ResolveError;
pub use index::{
    Checksum, DependencyKind, Features, Index, IndexError, Release, ReleaseDependency,
};
pub use lock::{Lock, LockError, LockedApp, LockedDependency, LockedVariant};
pub use package::{About, BinaryTarget, LibraryTarget, Package, ResolverVersion, ScriptTarget};
pub use platform::{Target, TargetError};
pub use plugin::{Mismatch, resolve_plugin};
pub use published::{exactly, resolve_locked};
pub use remedy::ways_out;
pub use request::{Platform, Request};
pub use resolution::{ChosenPackage, Dependency, Resolution, Side, Variant};
pub use sharing::{Cost, Shared, Votes, distinct_variants_by, share};
pub use toolchain::passed_over;

/// Finds the variants an app is compiled from: first a version of each package, as
/// `cargo install` picks them, then the features of each, as Cargo activates them.
///
/// The answer depends on the request and the index alone.
pub fn resolve(request: &Request, index: &dyn Index) -> Result<Resolution, ResolveError> {
    let selection = versions::solve(request, index)?;
    Ok(variants::build(&selection, request, index, &Extras::new())?.resolution)
}
