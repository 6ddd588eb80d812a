//! [`Staged`] and [`Scratch`]: folders that are gone when nobody needs them any more.

use camino::{Utf8Path, Utf8PathBuf};

/// An empty folder that becomes an object; removed with all it holds when dropped.
#[derive(Debug)]
pub struct Staged(Scratch);

impl Staged {
    /// Returns the folder.
    pub fn folder(&self) -> &Utf8Path {
        self.0.folder()
    }
}

/// A folder to work in; removed with all it holds when dropped.
#[derive(Debug)]
pub struct Scratch {
    folder: Utf8PathBuf,
}

impl Scratch {
    /// Returns the folder.
    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }
}
