//! Cargo's rules for finding libraries, programs and build scripts.
//!
//! Packages published today name their targets; older ones leave it to the layout of their files,
//! and edition 2015 has rules of its own.

use std::collections::BTreeSet;

use orlop_recipes::PackageName;
use orlop_resolver::{BinaryTarget, LibraryTarget, ScriptTarget};

use super::toml::{TargetTable, TextOrBool};
use super::{FIRST_EDITION, check_edition, field};
use crate::error::ManifestError;

/// What targets are found on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) name: &'a PackageName,
    /// The edition of the package.
    pub(super) edition: &'a str,
    pub(super) files: &'a BTreeSet<String>,
}

impl Ground<'_> {
    pub(super) fn library(
        &self,
        written: Option<&TargetTable>,
        discover: Option<bool>,
    ) -> Result<Option<LibraryTarget>, ManifestError> {
        let usual = self
            .file("src/lib.rs")
            .filter(|_| written.is_some() || discover != Some(false));
        let default = TargetTable::default();
        let target = match (written, &usual) {
            (Some(target), _) => target,
            (None, Some(_)) => &default,
            (None, None) => return Ok(None),
        };
        let crate_name = target
            .name
            .clone()
            .unwrap_or_else(|| self.name.crate_name());
        if crate_name.is_empty() || !crate_name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return Err(field(
                "lib.name",
                &crate_name,
                "it is not a name in Rust code",
            ));
        }
        let legacy = || self.legacy(format!("src/{crate_name}.rs"));
        let path = match &target.path {
            Some(path) => relative("lib.path", path)?,
            None => usual.or_else(legacy).ok_or_else(|| ManifestError::NoFile {
                kind: "library",
                name: crate_name.clone(),
            })?,
        };
        let crate_types = crate_types(target);
        let proc_macro =
            target.proc_macro == Some(true) || crate_types.iter().any(|kind| kind == "proc-macro");
        let edition = self.edition_of(target)?;
        Ok(Some(LibraryTarget {
            crate_name,
            path,
            edition,
            proc_macro,
            crate_types,
        }))
    }

    pub(super) fn programs(
        &self,
        written: Option<&[TargetTable]>,
        discover: Option<bool>,
        has_library: bool,
    ) -> Result<Vec<BinaryTarget>, ManifestError> {
        let found = self.found_programs();
        let mut programs = Vec::new();
        for target in written.unwrap_or_default() {
            programs.push(self.program(target, &found, has_library)?);
        }
        // In edition 2015, naming one program means naming all.
        let usually = written.is_none() || self.edition != FIRST_EDITION;
        if discover.unwrap_or(usually) {
            for (name, path) in found {
                if !programs
                    .iter()
                    .any(|known| known.name == name || known.path == path)
                {
                    let edition = self.edition.to_owned();
                    programs.push(BinaryTarget {
                        name,
                        path,
                        edition,
                        required_features: vec![],
                    });
                }
            }
        }
        let mut names = BTreeSet::new();
        for program in &programs {
            check_program_name(&program.name)?;
            if !names.insert(&program.name) {
                return Err(ManifestError::TwoPrograms {
                    name: program.name.clone(),
                });
            }
        }
        Ok(programs)
    }

    pub(super) fn build_script(
        &self,
        written: Option<&TextOrBool>,
    ) -> Result<Option<ScriptTarget>, ManifestError> {
        let path = match written {
            Some(TextOrBool::Bool(false)) => None,
            Some(TextOrBool::Bool(true)) => Some("build.rs".to_owned()),
            Some(TextOrBool::Text(path)) => Some(relative("build", path)?),
            None => self.file("build.rs"),
        };
        Ok(path.map(|path| ScriptTarget {
            path,
            edition: self.edition.to_owned(),
        }))
    }

    fn program(
        &self,
        target: &TargetTable,
        found: &[(String, String)],
        has_library: bool,
    ) -> Result<BinaryTarget, ManifestError> {
        let Some(name) = target.name.clone() else {
            return Err(field("bin.name", "", "every program needs a name"));
        };
        let path = match &target.path {
            Some(path) => relative("bin.path", path)?,
            None => self.program_path(&name, found, has_library)?,
        };
        let required_features = target.required_features.clone();
        Ok(BinaryTarget {
            name,
            path,
            edition: self.edition_of(target)?,
            required_features,
        })
    }

    fn program_path(
        &self,
        name: &str,
        found: &[(String, String)],
        has_library: bool,
    ) -> Result<String, ManifestError> {
        let mut fitting = found
            .iter()
            .filter(|(other, _)| other == name)
            .map(|(_, path)| path);
        let legacy = || {
            let own = (!has_library).then(|| format!("src/{name}.rs"));
            let usual = ["src/main.rs", "src/bin/main.rs"].map(str::to_owned);
            own.into_iter()
                .chain(usual)
                .find_map(|path| self.legacy(path))
        };
        let name = name.to_owned();
        match (fitting.next(), fitting.next()) {
            (Some(path), None) => Ok(path.clone()),
            (None, _) => legacy().ok_or(ManifestError::NoFile {
                kind: "program",
                name,
            }),
            (Some(first), Some(second)) => legacy().ok_or_else(|| ManifestError::TwoFiles {
                name,
                first: first.clone(),
                second: second.clone(),
            }),
        }
    }

    /// Returns the programs that the layout of the files implies: names and paths.
    fn found_programs(&self) -> Vec<(String, String)> {
        let main = self
            .file("src/main.rs")
            .map(|path| (self.name.as_str().to_owned(), path));
        let others = self.files.iter().filter_map(|path| {
            let inside = path.strip_prefix("src/bin/")?;
            let name = match inside.split_once('/') {
                None => inside.strip_suffix(".rs")?,
                Some((folder, "main.rs")) => folder,
                Some(_) => return None,
            };
            (!name.is_empty() && !name.starts_with('.')).then(|| (name.to_owned(), path.clone()))
        });
        main.into_iter().chain(others).collect()
    }

    fn file(&self, path: &str) -> Option<String> {
        self.files.get(path).cloned()
    }

    /// Returns a file that only edition 2015 accepts in its place.
    fn legacy(&self, path: String) -> Option<String> {
        (self.edition == FIRST_EDITION && self.files.contains(&path)).then_some(path)
    }

    fn edition_of(&self, target: &TargetTable) -> Result<String, ManifestError> {
        let edition = target.edition.as_deref().unwrap_or(self.edition);
        check_edition(edition)?;
        Ok(edition.to_owned())
    }
}

fn crate_types(target: &TargetTable) -> Vec<String> {
    let one = |kind: &str| vec![kind.to_owned()];
    match &target.crate_type {
        Some(kinds) if !kinds.is_empty() => kinds.clone(),
        _ if target.plugin == Some(true) => one("dylib"),
        _ if target.proc_macro == Some(true) => one("proc-macro"),
        _ => one("lib"),
    }
}

/// A program's name becomes a file name in a folder of programs.
fn check_program_name(name: &str) -> Result<(), ManifestError> {
    let odd = |c: char| c == '/' || c == '\\' || c.is_control() || c.is_whitespace();
    if name.is_empty() || name.starts_with(['.', '-']) || name.contains(odd) {
        return Err(field(
            "bin.name",
            name,
            "it cannot be the name of a program",
        ));
    }
    Ok(())
}

/// Returns a path that stays inside the package, in its plainest form.
fn relative(field_name: &'static str, path: &str) -> Result<String, ManifestError> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" if parts.is_empty() => {
                return Err(field(field_name, path, "it is not inside the package"));
            }
            ".." if parts.pop().is_none() => {
                return Err(field(field_name, path, "it is not inside the package"));
            }
            "" | "." | ".." => {}
            _ if part.contains(char::is_control) => {
                return Err(field(field_name, path, "it holds control characters"));
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return Err(field(field_name, path, "it names no file"));
    }
    Ok(parts.join("/"))
}
