//! [`CdylibRecipe`]: a crate of the registry that is a library for C.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::share;
use crate::Version;
use crate::error::RecipeErrorKind;
use crate::name::{FeatureName, PackageName};

/// A library for C, compiled from a crate. Crates use it as they use any native library.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields, extend("required" = ["name", "version"]))]
pub struct CdylibRecipe {
    /// The name by which recipes of crates ask for it.
    pub name: PackageName,
    /// The package of the registry.
    #[serde(rename = "crate")]
    pub package: PackageName,
    /// Its version. Those of what it is built from are in the `Cargo.lock` that it is published
    /// with.
    #[schemars(with = "String")]
    pub version: Version,
    /// Features beside the default ones.
    pub features: Vec<FeatureName>,
    /// Whether the default features are on.
    pub default_features: bool,
    /// Headers by their places below `include`: files of the package, or else of what its build
    /// script makes.
    pub headers: BTreeMap<String, String>,
    /// The name by which pkg-config finds it; none means that of the library.
    pub pkg_config: Option<String>,
}

impl CdylibRecipe {
    /// Returns the name by which pkg-config finds it.
    pub fn pkg_config(&self) -> &str {
        self.pkg_config.as_deref().unwrap_or(self.name.as_str())
    }
}

/// Reads the place of a header below `include`.
pub(super) fn header(text: &str) -> Result<String, RecipeErrorKind> {
    share::file(text)
}

/// Reads a name for pkg-config, which becomes the name of a file.
pub(super) fn pkg_config(text: &str) -> Result<String, RecipeErrorKind> {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || "._+-".contains(letter);
    let starts = text.starts_with(|first: char| first.is_ascii_alphanumeric());
    if starts && text.len() <= 100 && text.chars().all(letter) {
        return Ok(text.to_owned());
    }
    Err(RecipeErrorKind::Text {
        text: crate::error::literal(text),
        expected: "a name for pkg-config",
        reason: "it has letters, digits and `._+-`, and begins with a letter or digit".to_owned(),
        help: Some("write it without an ending: `hello-1.0`"),
    })
}
