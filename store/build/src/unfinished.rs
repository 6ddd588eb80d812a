//! [`Unfinished`]: what dependents may read of libraries that are still being made.
//!
//! rustc writes a library's metadata long before its code, and other libraries need no more to be
//! compiled. They see the metadata alone, in a folder of its own at the place of the future
//! object: neither does a half-written library show, nor does it matter to a dependent when the
//! object moves to the store. That a library comes out the same either way is tested
//! (`tests/pipelining.rs`); metadata says nothing of the file it was read from.
//!
//! The finished object holds the library alone. Its metadata is part of it, rustc maps it from
//! there as quickly, and a second copy would make objects bigger by a third.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use camino::Utf8Path;
use orlop_store::{Scratch, StorePath};

/// The folders with metadata of libraries that are not in the store yet.
#[derive(Debug, Default)]
pub(crate) struct Unfinished(Mutex<BTreeMap<StorePath, Arc<Metadata>>>);

/// A folder with the metadata of one library. It lasts as long as somebody holds it.
#[derive(Debug)]
pub(crate) struct Metadata(Scratch);

impl Metadata {
    pub(crate) fn folder(&self) -> &Utf8Path {
        self.0.folder()
    }
}

impl Unfinished {
    /// Offers the metadata of a library.
    pub(crate) fn offer(&self, path: &StorePath, folder: Scratch) {
        self.lock().insert(path.clone(), Arc::new(Metadata(folder)));
    }

    /// Ends an offer: from here on, the object is used.
    pub(crate) fn withdraw(&self, path: &StorePath) {
        self.lock().remove(path);
    }

    /// Returns the offer of a library that is not in the store yet.
    pub(crate) fn get(&self, path: &StorePath) -> Option<Arc<Metadata>> {
        self.lock().get(path).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<StorePath, Arc<Metadata>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
