//! What packages say of themselves, on disk: reading an archive takes time.
//!
//! A file is a CRC of the rest, as text on a line of its own, and JSON.

use std::io;

use camino::Utf8PathBuf;
use flate2::Crc;
use orlop_resolver::{Checksum, Package, Release};
use serde::{Deserialize, Serialize};

use crate::files;

/// Version of the files' shape, and of the rules by which manifests are read.
const FORMAT: u32 = 3;

/// The folder of packages' facts.
#[derive(Debug)]
pub(crate) struct Facts {
    folder: Utf8PathBuf,
}

/// Returns what follows the first line if it is as it was written.
fn json(file: &[u8]) -> Option<&[u8]> {
    let end = file.iter().position(|byte| *byte == b'\n')?;
    let (line, json) = file.split_at(end + 1);
    (line == crc_line(json).as_bytes()).then_some(json)
}

fn crc_line(json: &[u8]) -> String {
    let mut crc = Crc::new();
    crc.update(json);
    format!("{:08x}\n", crc.sum())
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
        let file = json(&text).and_then(|json| serde_json::from_slice::<File<Package>>(json).ok());
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
        let json = serde_json::to_vec(&file)?;
        files::write(&self.path(release), &[crc_line(&json).as_bytes(), &json])
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
