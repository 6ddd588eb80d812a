//! What one published package says of itself: the facts of its `Cargo.toml` that a builder needs.

use std::collections::BTreeSet;

use orlop_recipes::{PackageName, Version};
use serde::{Deserialize, Serialize};

use crate::codegen::PublishedCodegen;

/// The manifest of one published package, with autodiscovery of targets already done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: PackageName,
    /// Its version.
    pub version: Version,
    /// Which feature resolver its own dependencies are solved with when it is the root.
    pub resolver: ResolverVersion,
    /// The native library it links, `package.links`.
    pub links: Option<String>,
    /// Its library, if it has one.
    pub library: Option<LibraryTarget>,
    /// Its programs.
    pub binaries: Vec<BinaryTarget>,
    /// Its build script, if it has one.
    pub build_script: Option<ScriptTarget>,
    /// Every feature that can be named in `--cfg feature`, implicit ones included.
    pub declared_features: BTreeSet<String>,
    /// The texts that Cargo hands to the compiler as `CARGO_PKG_*`.
    pub about: About,
    /// How its programs want to be compiled.
    #[serde(default)]
    pub codegen: PublishedCodegen,
}

/// Which of Cargo's feature resolvers a root package asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ResolverVersion {
    /// One set of features per package for host and target together.
    One,
    /// Features of host and target, and of inactive platforms, kept apart.
    Two,
    /// As two; versions prefer the package's `rust-version`.
    Three,
}

/// A library target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryTarget {
    /// The name in Rust code (`--crate-name`).
    pub crate_name: String,
    /// The root file, relative to the package.
    pub path: String,
    /// The edition of this target.
    pub edition: String,
    /// Whether it runs inside the compiler.
    pub proc_macro: bool,
    /// The crate types as written, `["lib"]` by default.
    pub crate_types: Vec<String>,
}

impl LibraryTarget {
    /// Whether other crates can link it: `lib`, `rlib`, `dylib` or a proc macro.
    pub fn linkable(&self) -> bool {
        self.proc_macro
            || self
                .crate_types
                .iter()
                .any(|kind| matches!(kind.as_str(), "lib" | "rlib" | "dylib"))
    }
}

/// A program target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinaryTarget {
    /// The program's name, as it is run.
    pub name: String,
    /// The root file, relative to the package.
    pub path: String,
    /// The edition of this target.
    pub edition: String,
    /// The features without which it is not built.
    pub required_features: Vec<String>,
}

/// A build script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptTarget {
    /// The root file, relative to the package.
    pub path: String,
    /// The edition of this target.
    pub edition: String,
}

/// Descriptive fields; absent ones are empty, as in the environment Cargo gives to rustc.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// `package.authors`, joined by `:`.
    pub authors: String,
    /// `package.description`.
    pub description: String,
    /// `package.homepage`.
    pub homepage: String,
    /// `package.repository`.
    pub repository: String,
    /// `package.license`.
    pub license: String,
    /// `package.license-file`.
    pub license_file: String,
    /// `package.rust-version`.
    pub rust_version: String,
    /// `package.readme`.
    pub readme: String,
}
