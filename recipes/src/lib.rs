//! Names, versions, features; the recipe and the manifest: TOML to types.
//!
//! | module | holds |
//! |---|---|
//! | [`name`] | [`PackageName`], [`FeatureName`] |
//!
//! This crate knows neither the store nor the resolver.

pub mod name;

pub use name::{FeatureName, NameError, PackageName};
pub use semver::{Version, VersionReq};
