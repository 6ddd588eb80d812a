//! What packages say of themselves, on disk: reading an archive takes time.

use std::io;

use camino::Utf8PathBuf;
use orlop_resolver::{Checksum, Package, Release};
use serde::{Deserialize, Serialize};

use crate::files;

/// Version of the files' shape, and of the rules by which manifests are read.
const FORMAT: u32 = 2;

/// The folder of packages' facts.
#[derive(Debug)]
pub(crate) struct Facts {
    folder: Utf8PathBuf,
}

#[derive(Serialize, Deserialize)]
struct File<P> {
    format: u32,
    checksum: Checksum,
    package: P,
}

impl Facts {
    pub(crate) fn new(folder: Utf8PathBuf) -> Self {
        Self { folder }
    }

    /// Returns the facts of a release; nothing if the file is missing, broken or of another format.
    pub(crate) fn load(&self, release: &Release) -> io::Result<Option<Package>> {
        let Some(text) = files::read(&self.path(release))? else {
            return Ok(None);
        };
        let file = serde_json::from_slice::<File<Package>>(&text).ok();
        let fits = |file: &File<Package>| {
            file.format == FORMAT
                && file.checksum == release.checksum
                && file.package.name == release.name
                && file.package.version == release.version
        };
        Ok(file.filter(fits).map(|file| file.package))
    }

    pub(crate) fn store(&self, release: &Release, package: &Package) -> io::Result<()> {
        let file = File {
            format: FORMAT,
            checksum: release.checksum,
            package,
        };
        files::write(&self.path(release), &[&serde_json::to_vec(&file)?])
    }

    fn path(&self, release: &Release) -> Utf8PathBuf {
        let Release {
            name,
            version,
            checksum,
            ..
        } = release;
        self.folder.join(format!(
            "{name}-{version}-{}.json",
            &checksum.to_string()[..16]
        ))
    }
}
