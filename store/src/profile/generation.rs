//! [`Generation`]: one state of a profile; [`NewGeneration`]: one that is about to be.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::path::StorePath;

/// What a new generation is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGeneration {
    /// The command line that led to it, for `history`.
    pub command: String,
    /// Its apps, in the order in which they are listed.
    pub apps: Vec<GenerationApp>,
    /// Objects that it keeps alive beside the views: the link sets from which a later generation
    /// is linked.
    pub keep: BTreeSet<StorePath>,
    /// The manifest it was made from.
    pub manifest: String,
    /// The lock file it was made from.
    pub lock: String,
}

/// One app of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationApp {
    /// The package name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `shared`, `static` or `crate`.
    pub linkage: String,
    /// The name of the compiler.
    pub compiler: String,
    /// The app's own tree.
    pub view: StorePath,
    /// The names of its programs in the view's `bin/`.
    pub binaries: Vec<String>,
    /// The shared libraries in its view.
    pub libraries: BTreeSet<StorePath>,
    /// The link sets of its programs.
    pub link_sets: BTreeSet<StorePath>,
}

/// One complete state of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Its number in the profile.
    pub number: u64,
    /// The generation it was made from: where `rollback` goes.
    pub parent: Option<u64>,
    /// When it was made.
    pub created: Timestamp,
    /// The command line that led to it.
    pub command: String,
    /// Its apps.
    pub apps: Vec<GenerationApp>,
    /// Objects that it keeps alive beside the views.
    pub keep: BTreeSet<StorePath>,
    folder: Utf8PathBuf,
}

impl Generation {
    /// Returns its folder: `<home>/profiles/<profile>/<number>`.
    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    /// Returns the manifest it was made from.
    pub fn manifest(&self) -> Result<String, StoreError> {
        todo!()
    }

    /// Returns the lock file it was made from.
    pub fn lock(&self) -> Result<String, StoreError> {
        todo!()
    }
}
