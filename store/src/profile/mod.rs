//! [`Profile`]: a row of generations, one of them current.

mod generation;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;

pub use generation::{Generation, GenerationApp, NewGeneration};

use crate::error::StoreError;
use crate::lock::ProfileLock;

/// A named row of generations.
#[derive(Debug, Clone)]
pub struct Profile {
    home: Utf8PathBuf,
    folder: Utf8PathBuf,
    name: String,
    now: Timestamp,
}

impl Profile {
    /// Returns its folder: `<home>/profiles/<name>`.
    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns where its manifest is, the file that `install` edits.
    pub fn manifest_path(&self) -> Utf8PathBuf {
        self.folder.join("orlop.toml")
    }

    /// Returns where its lock file is.
    pub fn lock_path(&self) -> Utf8PathBuf {
        self.folder.join("orlop.lock")
    }

    /// Returns the current generation; none if there has never been one.
    pub fn current(&self) -> Result<Option<Generation>, StoreError> {
        todo!()
    }

    /// Returns all complete generations, oldest first.
    pub fn generations(&self) -> Result<Vec<Generation>, StoreError> {
        todo!()
    }

    /// Returns one generation.
    pub fn generation(&self, number: u64) -> Result<Generation, StoreError> {
        todo!()
    }

    /// Makes a generation and switches to it. The caller holds [`Profile::lock`].
    pub fn commit(&self, new: NewGeneration) -> Result<Generation, StoreError> {
        todo!()
    }

    /// Makes another generation the current one. The caller holds [`Profile::lock`].
    pub fn switch(&self, number: u64) -> Result<Generation, StoreError> {
        todo!()
    }

    /// Removes a generation that is not the current one. The caller holds [`Profile::lock`].
    pub fn remove(&self, number: u64) -> Result<(), StoreError> {
        todo!()
    }

    /// Becomes the only writer of the profile, waiting if there is another; `waiting` is told for
    /// whom.
    pub fn lock(&self, waiting: &mut dyn FnMut(String)) -> Result<ProfileLock, StoreError> {
        todo!()
    }
}
