//! [`Compiler`]: what is known of an imported Rust compiler.

use serde::{Deserialize, Serialize};

use crate::path::StorePath;

/// A Rust compiler in the store. Its object holds `bin/rustc`, `lib/` and this record in
/// `compiler.json`; the object's digest is that of its content, and is its identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compiler {
    /// `release` of `rustc -vV`: `1.95.0`, `1.97.0-nightly`.
    pub release: String,
    /// `commit-hash` of `rustc -vV`; `unknown` for some distributions.
    pub commit: String,
    /// `host` of `rustc -vV`.
    pub host: String,
    /// The lines of `rustc --print=cfg`.
    pub cfg: Vec<String>,
    /// The folder of the compiler's own linker (`gcc-ld`), relative to the object, if it has one.
    pub bundled_linker: Option<String>,
}

/// A compiler and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedCompiler {
    /// The name users give: `1.95.0`, `1.97.0-nightly-2026-11-20`.
    pub name: String,
    /// The object.
    pub path: StorePath,
    /// What it is.
    pub compiler: Compiler,
}
