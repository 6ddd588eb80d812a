//! The manifest as it is written: the fields we need, and no opinion on the others.
//!
//! `cargo_toml` knows all fields, and so refuses old packages whose unused fields are odd; and its
//! discovery of targets is not that of old editions. A published manifest inherits nothing.

use serde::Deserialize;

use super::Table;
use crate::error::ManifestError;

#[derive(Debug, Deserialize)]
pub(super) struct Manifest {
    pub(super) package: Option<PackageTable>,
    /// What `[package]` was called before Rust 1.0.
    pub(super) project: Option<PackageTable>,
    pub(super) lib: Option<TargetTable>,
    pub(super) bin: Option<Vec<TargetTable>>,
    #[serde(default)]
    pub(super) features: Table<Vec<String>>,
    #[serde(flatten)]
    pub(super) dependencies: DependencyTables,
    #[serde(default)]
    pub(super) target: Table<DependencyTables>,
    #[serde(default)]
    pub(super) profile: ProfileTables,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ProfileTables {
    #[serde(default)]
    pub(super) release: ProfileTable,
}

/// `[profile.release]`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ProfileTable {
    #[serde(flatten)]
    pub(super) all: CodegenTable,
    pub(super) lto: Option<TextOrBool>,
    pub(super) panic: Option<String>,
    #[serde(default)]
    pub(super) package: Table<CodegenTable>,
    #[serde(default)]
    pub(super) build_override: CodegenTable,
}

/// The keys of a profile that packages can have of their own.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct CodegenTable {
    pub(super) opt_level: Option<TextOrNumber>,
    pub(super) codegen_units: Option<u64>,
    pub(super) overflow_checks: Option<bool>,
    pub(super) debug_assertions: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum TextOrNumber {
    Text(String),
    Number(u64),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct PackageTable {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) edition: Option<String>,
    pub(super) resolver: Option<String>,
    pub(super) links: Option<String>,
    pub(super) build: Option<TextOrBool>,
    pub(super) autolib: Option<bool>,
    pub(super) autobins: Option<bool>,
    #[serde(default)]
    pub(super) authors: Vec<String>,
    pub(super) description: Option<String>,
    pub(super) homepage: Option<String>,
    pub(super) repository: Option<String>,
    pub(super) license: Option<String>,
    pub(super) license_file: Option<String>,
    pub(super) rust_version: Option<String>,
    pub(super) readme: Option<TextOrBool>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum TextOrBool {
    Text(String),
    Bool(bool),
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct TargetTable {
    pub(super) name: Option<String>,
    pub(super) path: Option<String>,
    pub(super) edition: Option<String>,
    #[serde(alias = "proc_macro")]
    pub(super) proc_macro: Option<bool>,
    pub(super) plugin: Option<bool>,
    #[serde(alias = "crate_type")]
    pub(super) crate_type: Option<Vec<String>>,
    #[serde(default)]
    pub(super) required_features: Vec<String>,
}

/// The tables of dependencies, of the package or of one platform. What is needed only for tests
/// cannot be optional.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct DependencyTables {
    #[serde(default)]
    dependencies: Table<Dependency>,
    #[serde(default, alias = "build_dependencies")]
    build_dependencies: Table<Dependency>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Dependency {
    Details {
        #[serde(default)]
        optional: bool,
    },
    Version(#[expect(dead_code, reason = "the index tells versions")] String),
}

impl Manifest {
    pub(super) fn parse(text: &str) -> Result<Self, ManifestError> {
        toml::from_str(text)
            .map_err(|error| ManifestError::Toml(error.to_string().trim_end().to_owned()))
    }
}

impl DependencyTables {
    /// Returns the names of the optional dependencies.
    pub(super) fn optional(&self) -> impl Iterator<Item = &String> {
        let all = self.dependencies.iter().chain(&self.build_dependencies);
        all.filter(|(_, dependency)| matches!(dependency, Dependency::Details { optional: true }))
            .map(|(name, _)| name)
    }
}
