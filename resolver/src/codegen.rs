//! What a package asks of code generation where it is the root: Cargo's `[profile.release]`.

use std::collections::BTreeMap;

use orlop_recipes::{PackageName, Version};
use serde::{Deserialize, Serialize};

/// `[profile.release]` of a published package. Cargo heeds it only in the package that is
/// installed, never in a dependency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedCodegen {
    /// For every crate.
    pub all: CodegenOptions,
    /// For single packages: by name (`serde`), by name and version (`serde@1.0.0`, or a part of it,
    /// `serde@1`), or `*` for all but the root.
    pub packages: BTreeMap<String, CodegenOptions>,
    /// For build scripts, proc macros and what they use.
    pub build: CodegenOptions,
    /// Link-time optimisation of the programs.
    pub lto: PublishedLto,
    /// Whether a panic ends the process at once, rather than to unwind.
    pub panic_abort: bool,
}

/// Options that can differ from package to package; what is absent is as everywhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodegenOptions {
    /// `opt-level`: `0` to `3`, `s`, `z`.
    pub opt_level: Option<String>,
    /// `codegen-units`.
    pub codegen_units: Option<u64>,
    /// `overflow-checks`.
    pub overflow_checks: Option<bool>,
    /// `debug-assertions`.
    pub debug_assertions: Option<bool>,
}

/// The values of `lto`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PublishedLto {
    /// Within each crate, where rustc sees fit: Cargo's default, and `lto = false`.
    #[default]
    Local,
    /// None at all.
    Off,
    /// Over all crates, in parallel.
    Thin,
    /// Over all crates as one: also `lto = true`.
    Fat,
}

impl CodegenOptions {
    /// Returns these options, with those of `over` in their place where it has any.
    #[must_use]
    pub fn overlaid(&self, over: &Self) -> Self {
        Self {
            opt_level: over.opt_level.as_ref().or(self.opt_level.as_ref()).cloned(),
            codegen_units: over.codegen_units.or(self.codegen_units),
            overflow_checks: over.overflow_checks.or(self.overflow_checks),
            debug_assertions: over.debug_assertions.or(self.debug_assertions),
        }
    }
}

impl PublishedCodegen {
    /// Returns the options for one package on top of `base`, Cargo's way: `*` is for all but the
    /// root, and a name is stronger than it.
    pub fn of_package(
        &self,
        base: &CodegenOptions,
        name: &PackageName,
        version: &Version,
        is_root: bool,
    ) -> CodegenOptions {
        let others = self.packages.get("*").filter(|_| !is_root);
        let named = self.packages.get(name.as_str());
        let version = version.to_string();
        let of_version = self.packages.iter().filter(|(text, _)| {
            // The colon is the older way to write it.
            let rest = text.strip_prefix(name.as_str()).unwrap_or_default();
            let part = rest.strip_prefix(['@', ':']).unwrap_or_default();
            let rest = version.strip_prefix(part);
            !part.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        let all = others.into_iter().chain(named);
        all.chain(of_version.map(|(_, options)| options))
            .fold(base.clone(), |options, over| options.overlaid(over))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_meant_by_name_and_by_parts_of_versions() {
        let level = |level: &str| CodegenOptions {
            opt_level: Some(level.to_owned()),
            ..CodegenOptions::default()
        };
        let published = |spec: &str| PublishedCodegen {
            packages: [(spec.to_owned(), level("s"))].into(),
            ..PublishedCodegen::default()
        };
        let of = |spec: &str| {
            let (name, version) = ("rand".parse().unwrap(), "0.8.5".parse().unwrap());
            let options = published(spec).of_package(&level("3"), &name, &version, false);
            options.opt_level.unwrap() == "s"
        };
        for spec in [
            "*",
            "rand",
            "rand@0.8.5",
            "rand@0.8",
            "rand@0",
            "rand:0.8.5",
        ] {
            assert!(of(spec), "{spec}");
        }
        for spec in [
            "rand_core",
            "rand@0.8.50",
            "rand@0.80",
            "rand@1",
            "rand@",
            "ran",
        ] {
            assert!(!of(spec), "{spec}");
        }
    }
}
