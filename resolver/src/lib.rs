//! Wishes to variants: which packages, versions and features an app is compiled from.
//!
//! Read [`resolve()`] first, then [`Resolution`]. The crate is pure: no file, network, clock or
//! environment; what it knows of the world comes through [`Index`].

pub mod index;
pub mod package;
pub mod request;
pub mod resolution;

pub use index::{DependencyKind, Index, IndexError, Release, ReleaseDependency};
pub use package::{
    About, BinaryTarget, LibraryTarget, Package, ResolverVersion, ScriptTarget,
};
pub use request::{Platform, Request};
pub use resolution::{Dependency, Resolution, Side, Variant};
