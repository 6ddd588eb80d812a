//! A question with all that its answer depends on, in a file: [`Case`].
//!
//! A failing solve can be saved, sent to somebody and played again without a registry.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use orlop_recipes::{PackageName, Version};
use serde::{Deserialize, Serialize};

use crate::index::{Index, IndexError, Release};
use crate::package::Package;
use crate::request::Request;

/// The shape of the file.
pub const SCHEMA: u32 = 2;

/// Questions, and what the index answered to the resolver.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Case {
    schema: u32,
    /// The version of Orlop that wrote it.
    orlop: String,
    /// What was asked, by app.
    pub requests: Vec<CaseRequest>,
    seen: Seen,
}

/// One question.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CaseRequest {
    /// `latest`, `locked` or `shared`.
    pub policy: String,
    /// The question.
    pub request: Request,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Seen {
    releases: BTreeMap<PackageName, Arc<[Release]>>,
    packages: Vec<Arc<Package>>,
    locks: Vec<(PackageName, Version, Option<String>)>,
    similar: BTreeMap<PackageName, Vec<PackageName>>,
}

/// Why a file is not a case.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// It is something else.
    #[error("read the case `{file}`")]
    Json {
        /// The file.
        file: String,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// Another Orlop wrote it.
    #[error("the case `{file}` has schema {schema}; this Orlop reads {SCHEMA}")]
    Schema {
        /// The file.
        file: String,
        /// Its schema.
        schema: u32,
    },
}

impl Case {
    /// Reads a case; `file` is its name for messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, CaseError> {
        #[derive(Deserialize)]
        struct Head {
            schema: u32,
        }
        let failed = |source| CaseError::Json {
            file: file.to_owned(),
            source,
        };
        let Head { schema } = serde_json::from_str(text).map_err(failed)?;
        if schema != SCHEMA {
            return Err(CaseError::Schema {
                file: file.to_owned(),
                schema,
            });
        }
        serde_json::from_str(text).map_err(failed)
    }

    /// Writes the case.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

fn unknown(action: String) -> IndexError {
    IndexError {
        action,
        source: "the case does not hold it".into(),
    }
}

/// Answers as the index did when the case was saved.
impl Index for Case {
    fn releases(&self, name: &PackageName) -> Result<Arc<[Release]>, IndexError> {
        let known = self.seen.releases.get(name).cloned();
        known.ok_or_else(|| unknown(format!("read the index entry of `{name}`")))
    }

    fn package(&self, name: &PackageName, version: &Version) -> Result<Arc<Package>, IndexError> {
        let packages = self.seen.packages.iter();
        let mut known = packages.filter(|one| one.name == *name && one.version == *version);
        known
            .next()
            .cloned()
            .ok_or_else(|| unknown(format!("read the manifest of `{name} {version}`")))
    }

    fn published_lock(
        &self,
        name: &PackageName,
        version: &Version,
    ) -> Result<Option<String>, IndexError> {
        let locks = self.seen.locks.iter();
        let mut known = locks.filter(|(a, b, _)| a == name && b == version);
        known
            .next()
            .map(|(.., lock)| lock.clone())
            .ok_or_else(|| unknown(format!("read the `Cargo.lock` of `{name} {version}`")))
    }

    fn expect(&self, _wanted: &[(PackageName, Version)]) -> Result<(), IndexError> {
        Ok(())
    }

    fn similar(&self, name: &PackageName) -> Vec<PackageName> {
        self.seen.similar.get(name).cloned().unwrap_or_default()
    }
}

/// An index that remembers what it was asked.
pub struct Recorder<'i> {
    index: &'i dyn Index,
    seen: RefCell<Seen>,
}

impl<'i> Recorder<'i> {
    /// Listens to an index.
    pub fn new(index: &'i dyn Index) -> Self {
        Self {
            index,
            seen: RefCell::default(),
        }
    }

    /// Remembers a package that another index has over this one.
    pub fn note(&self, over: &dyn Index, name: &PackageName, version: &Version) {
        if let (Ok(releases), Ok(package)) = (over.releases(name), over.package(name, version)) {
            let mut seen = self.seen.borrow_mut();
            seen.releases.insert(name.clone(), releases);
            seen.packages.push(package);
        }
    }

    /// Returns the case so far. `orlop` is the version of the program.
    pub fn case(&self, orlop: &str, requests: Vec<CaseRequest>) -> Case {
        Case {
            schema: SCHEMA,
            orlop: orlop.to_owned(),
            requests,
            seen: self.seen.borrow().clone(),
        }
    }
}

impl Index for Recorder<'_> {
    fn releases(&self, name: &PackageName) -> Result<Arc<[Release]>, IndexError> {
        let releases = self.index.releases(name)?;
        let mut seen = self.seen.borrow_mut();
        seen.releases.insert(name.clone(), Arc::clone(&releases));
        Ok(releases)
    }

    fn expect_releases(&self, names: &[PackageName]) -> Result<(), IndexError> {
        self.index.expect_releases(names)
    }

    fn package(&self, name: &PackageName, version: &Version) -> Result<Arc<Package>, IndexError> {
        let package = self.index.package(name, version)?;
        self.seen.borrow_mut().packages.push(Arc::clone(&package));
        Ok(package)
    }

    fn published_lock(
        &self,
        name: &PackageName,
        version: &Version,
    ) -> Result<Option<String>, IndexError> {
        let lock = self.index.published_lock(name, version)?;
        let entry = (name.clone(), version.clone(), lock.clone());
        self.seen.borrow_mut().locks.push(entry);
        Ok(lock)
    }

    fn expect(&self, wanted: &[(PackageName, Version)]) -> Result<(), IndexError> {
        self.index.expect(wanted)
    }

    fn similar(&self, name: &PackageName) -> Vec<PackageName> {
        let similar = self.index.similar(name);
        let mut seen = self.seen.borrow_mut();
        seen.similar.insert(name.clone(), similar.clone());
        similar
    }
}
