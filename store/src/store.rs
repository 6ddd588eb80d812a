//! [`Store`]: objects under a home folder.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;

use crate::add::Registration;
use crate::derivation::{Derivation, Isolation};
use crate::digest::Digest;
use crate::error::StoreError;
use crate::gc::{GcPlan, GcReport};
use crate::lock::{ObjectLock, UseGuard};
use crate::path::StorePath;
use crate::profile::Profile;
use crate::staging::{Scratch, Staged};

/// Everything under one home folder. Can be used from many threads and many processes at once.
#[derive(Debug)]
pub struct Store {
    home: Utf8PathBuf,
    now: Timestamp,
}

/// What is known of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The object.
    pub path: StorePath,
    /// The digest of its tree.
    pub content: Digest,
    /// The objects without which it is of no use.
    pub references: BTreeSet<StorePath>,
    /// The sum of its files' lengths.
    pub bytes: u64,
    /// How many files it has.
    pub files: u64,
    /// When it was added.
    pub registered: Timestamp,
    /// How far the step that made it was shut off from the machine.
    pub isolation: Isolation,
}

impl Store {
    /// Opens the store under `home`, making the folders that are missing. `now` is the time given
    /// to everything that is registered through it.
    pub fn open(home: &Utf8Path, now: Timestamp) -> Result<Self, StoreError> {
        todo!()
    }

    /// Returns the home folder.
    pub fn home(&self) -> &Utf8Path {
        &self.home
    }

    /// Returns the folder of objects.
    pub fn folder(&self) -> Utf8PathBuf {
        self.home.join("store")
    }

    /// Returns where an object is, or would be.
    pub fn object(&self, path: &StorePath) -> Utf8PathBuf {
        self.home.join("store").join(path.to_string())
    }

    /// Whether an object is there and complete.
    pub fn contains(&self, path: &StorePath) -> Result<bool, StoreError> {
        todo!()
    }

    /// Returns those of `paths` that are not there.
    pub fn missing(&self, paths: &BTreeSet<StorePath>) -> Result<BTreeSet<StorePath>, StoreError> {
        todo!()
    }

    /// Makes an empty folder for a new object.
    pub fn stage(&self) -> Result<Staged, StoreError> {
        todo!()
    }

    /// Makes a folder to work in, closed to other users.
    pub fn scratch(&self) -> Result<Scratch, StoreError> {
        todo!()
    }

    /// Adds a staged tree. If the object is there already, that one stays and the staged one goes.
    pub fn add(
        &self,
        staged: Staged,
        path: &StorePath,
        registration: &Registration,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Returns what is known of an object.
    pub fn info(&self, path: &StorePath) -> Result<Option<ObjectInfo>, StoreError> {
        todo!()
    }

    /// Returns the step that made an object, if one did and it is known.
    pub fn derivation(&self, path: &StorePath) -> Result<Option<Derivation>, StoreError> {
        todo!()
    }

    /// Returns what is known of every object, in the order of their paths.
    pub fn objects(&self) -> Result<Vec<ObjectInfo>, StoreError> {
        todo!()
    }

    /// Returns `roots` and everything they refer to, directly or not.
    pub fn closure(&self, roots: &BTreeSet<StorePath>) -> Result<BTreeSet<StorePath>, StoreError> {
        todo!()
    }

    /// Keeps gc away from all objects, also new ones, until the guard is dropped. Held by every
    /// command that adds objects or relies on them.
    pub fn use_store(&self) -> Result<UseGuard, StoreError> {
        todo!()
    }

    /// Keeps other processes and threads from making the same object, waiting if one is at it;
    /// `waiting` is told for whom: `process 4711`.
    pub fn lock_object(
        &self,
        path: &StorePath,
        waiting: &mut dyn FnMut(String),
    ) -> Result<ObjectLock, StoreError> {
        todo!()
    }

    /// Returns where the log of the step that makes an object goes.
    pub fn log_path(&self, path: &StorePath) -> Utf8PathBuf {
        self.home.join("logs").join(format!("{path}.log"))
    }

    /// Keeps an object and all it refers to alive under a name, in place of what had the name.
    /// The name may have one `/`: `compilers/1.95.0`.
    pub fn set_root(&self, name: &str, path: &StorePath) -> Result<(), StoreError> {
        todo!()
    }

    /// Returns all roots by name.
    pub fn roots(&self) -> Result<BTreeMap<String, StorePath>, StoreError> {
        todo!()
    }

    /// Removes a root; returns whether there was one.
    pub fn remove_root(&self, name: &str) -> Result<bool, StoreError> {
        todo!()
    }

    /// Returns a profile, which need not exist yet.
    pub fn profile(&self, name: &str) -> Result<Profile, StoreError> {
        todo!()
    }

    /// Returns the names of all profiles.
    pub fn profiles(&self) -> Result<Vec<String>, StoreError> {
        todo!()
    }

    /// Finds what [`Store::gc`] would remove, changing nothing.
    pub fn plan_gc(&self) -> Result<GcPlan, StoreError> {
        todo!()
    }

    /// Removes every object that no root and no generation reaches, waiting until nobody uses the
    /// store; `waiting` is told so.
    pub fn gc(&self, waiting: &mut dyn FnMut(String)) -> Result<GcReport, StoreError> {
        todo!()
    }
}
