//! Names, versions, features; the recipe and the manifest: TOML to types.
//!
//! | module | holds |
//! |---|---|
//! | [`name`] | [`PackageName`], [`FeatureName`] |
//! | [`spec`] | [`AppSpec`]: an app as a user names it, `ripgrep@14` |
//! | [`manifest`] | [`Manifest`]: what a user declares; [`ManifestEditor`] changes the file |
//! | [`recipe`] | [`Recipe`]: how a package is built; [`RecipeSet`]: the shipped ones and more |
//! | [`choice`] | words of which exactly one is meant: [`Choice`], [`ChoiceError`] |
//! | [`error`] | [`RecipeError`]: what is wrong in a file, and where |
//! | [`suggest`] | [`closest`]: "did you mean" |
//! | `text` | texts that must keep a rule: requirements, points in time, checksums, file names |
//! | `reader` | walks a TOML file, remembers where everything stands |
//!
//! This crate knows neither the store nor the resolver. It reads no file either: it gets texts.

pub mod choice;
pub mod error;
pub mod manifest;
pub mod name;
mod reader;
pub mod recipe;
pub mod spec;
pub mod suggest;
mod text;

pub use choice::{Choice, ChoiceError};
pub use error::{RecipeError, RecipeErrorKind};
pub use manifest::{
    CodegenChoice, LinkageChoice, Manifest, ManifestEditor, PackageRequest, Policy,
};
pub use name::{FeatureName, NameError, PackageName};
pub use recipe::{
    AppRecipe, CrateOverride, CrateSource, LibraryRecipe, LibrarySource, PluginRecipe, Recipe,
    RecipeKind, RecipeSet, Tool,
};
pub use semver::{Version, VersionReq};
pub use spec::{AppSpec, SpecError};
pub use suggest::closest;
pub use text::snapshot;
