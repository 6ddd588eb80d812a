//! The files of packages, by name: man pages and the like, which nothing but people read.

use std::collections::BTreeSet;

use crate::archive;
use crate::download::Archive;
use crate::error::{ArchiveError, DownloadError};
use crate::registry::Registry;

/// Why the files of a package cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// Its archive cannot be had.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// Its archive cannot be read.
    #[error("read the archive of {name}")]
    Archive {
        /// The package.
        name: String,
        /// Why.
        #[source]
        source: ArchiveError,
    },
}

impl Registry<'_> {
    /// Returns the paths of the files of a package.
    pub fn files_of(&self, package: &Archive<'_>) -> Result<BTreeSet<String>, ContentsError> {
        let path = self.download(package)?;
        archive::read(&path, &top(package))
            .map(|contents| contents.files)
            .map_err(|source| failed(package, source))
    }

    /// Returns the content of one file of a package; nothing if the package does not have it.
    pub fn file_of(
        &self,
        package: &Archive<'_>,
        name: &str,
    ) -> Result<Option<Vec<u8>>, ContentsError> {
        let path = self.download(package)?;
        archive::file(&path, &top(package), name).map_err(|source| failed(package, source))
    }
}

fn top(package: &Archive<'_>) -> String {
    format!("{}-{}", package.name, package.version)
}

fn failed(package: &Archive<'_>, source: ArchiveError) -> ContentsError {
    ContentsError::Archive {
        name: package.title(),
        source,
    }
}
