//! Archives on disk, checked.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use reqwest::Url;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::cache::Validators;
use crate::error::{DownloadError, HttpError};
use crate::files;
use crate::http::{Answer, Body, BodyError, Http};
use crate::progress::Progress;
use crate::template::Place;

/// The largest archive.
const LIMIT: u64 = 512 * 1024 * 1024;

/// An archive as its publisher names it; all three come from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archive<'a> {
    /// The package.
    pub name: &'a str,
    /// The version.
    pub version: &'a str,
    /// SHA-256 in lower-case hexadecimal.
    pub checksum: &'a str,
}

impl Archive<'_> {
    /// Returns what it is called in messages: name and version.
    pub fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
            .escape_debug()
            .take(160)
            .collect()
    }

    /// Returns its name among the downloads.
    pub(crate) fn file_name(&self) -> Result<String, DownloadError> {
        let Self {
            name,
            version,
            checksum,
        } = self;
        let invalid = |field| {
            Err(DownloadError::Invalid {
                name: self.title(),
                field,
            })
        };
        let fits = |text: &str, more: &str, longest: usize| {
            let good = |c: char| c.is_ascii_alphanumeric() || more.contains(c);
            !text.is_empty() && text.len() <= longest && text.chars().all(good)
        };
        if !fits(name, "-_", 64) {
            return invalid("name");
        }
        if !fits(version, "-.+", 100) {
            return invalid("version");
        }
        if checksum.len() != 64
            || !checksum
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        {
            return invalid("checksum");
        }
        Ok(format!("{name}-{version}-{}.crate", &checksum[..16]))
    }
}

/// The folder of archives.
#[derive(Debug)]
pub(crate) struct Downloads {
    folder: Utf8PathBuf,
    /// Files whose checksum this process has seen to be right.
    checked: Mutex<BTreeSet<Utf8PathBuf>>,
}

impl Downloads {
    pub(crate) fn new(folder: Utf8PathBuf) -> Self {
        Self {
            folder,
            checked: Mutex::default(),
        }
    }

    /// Returns the file of an archive if it is here and right; removes one that is not right.
    pub(crate) fn present(
        &self,
        archive: &Archive<'_>,
    ) -> Result<Option<Utf8PathBuf>, DownloadError> {
        let path = self.folder.join(archive.file_name()?);
        let failed = |source| DownloadError::File {
            name: archive.title(),
            source,
        };
        if self.is_checked(&path) && path.exists() {
            return Ok(Some(path));
        }
        let mut file = match fs_err::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut hasher = Sha256::new();
        copy(&mut file, &mut |bytes| {
            hasher.update(bytes);
            Ok(())
        })
        .map_err(failed)?;
        if hex(&hasher.finalize()) == archive.checksum {
            self.mark(&path);
            return Ok(Some(path));
        }
        // Another process may have replaced it while it was read.
        let looked_at = file.metadata().map_err(failed)?;
        let is_same = |now: &Metadata| (now.dev(), now.ino()) == (looked_at.dev(), looked_at.ino());
        if fs_err::metadata(&path).is_ok_and(|now| is_same(&now)) {
            tracing::warn!(%path, "damaged download removed");
            fs_err::remove_file(&path).map_err(failed)?;
            return Ok(None);
        }
        self.present(archive)
    }

    /// Brings an archive that is not here.
    pub(crate) fn bring(
        &self,
        archive: &Archive<'_>,
        place: &Place,
        http: &Http,
        progress: &dyn Progress,
    ) -> Result<Utf8PathBuf, DownloadError> {
        let path = self.folder.join(archive.file_name()?);
        let arrived = match place {
            Place::Address(address) => self.fetch(archive, address, http, progress),
            Place::File(from) => self.copy(archive, from, progress),
        };
        arrived
            .and_then(|arrived| self.accept(archive, arrived, path))
            .inspect_err(|_| {
                progress.failed(&archive.title());
            })
            .inspect(|_| progress.finished(&archive.title()))
    }

    fn fetch(
        &self,
        archive: &Archive<'_>,
        address: &Url,
        http: &Http,
        progress: &dyn Progress,
    ) -> Result<Arrived, DownloadError> {
        let title = archive.title();
        let mut tries = 0;
        let mut take = |body: Body| {
            tries += 1;
            if tries > 1 {
                progress.failed(&title);
            }
            progress.started(&title, body.announced());
            let mut arrived = self.arriving().map_err(BodyError::Keep)?;
            body.read(LIMIT, &mut |bytes| arrived.write(bytes, &title, progress))?;
            Ok(arrived)
        };
        let name = archive.title();
        match http.get(address, &Validators::default(), &mut take) {
            Ok(Answer::Found(arrived)) => Ok(arrived),
            // Nothing was asked that could be unchanged.
            Ok(Answer::Absent | Answer::Unchanged) => Err(DownloadError::Absent {
                name,
                address: address.to_string(),
            }),
            Err(HttpError::Keep { source, .. }) => Err(DownloadError::File { name, source }),
            Err(source) => Err(DownloadError::Transfer { name, source }),
        }
    }

    fn copy(
        &self,
        archive: &Archive<'_>,
        from: &Utf8Path,
        progress: &dyn Progress,
    ) -> Result<Arrived, DownloadError> {
        let name = archive.title();
        let failed = |source| DownloadError::File {
            name: archive.title(),
            source,
        };
        let mut file = match fs_err::File::open(from) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DownloadError::Absent {
                    name,
                    address: from.to_string(),
                });
            }
            Err(error) => return Err(failed(error)),
        };
        progress.started(&name, file.metadata().ok().map(|metadata| metadata.len()));
        let mut arrived = self.arriving().map_err(failed)?;
        copy(&mut file, &mut |bytes| {
            arrived.write(bytes, &name, progress)
        })
        .map_err(failed)?;
        Ok(arrived)
    }

    /// Gives a complete file its name if it is what was promised.
    fn accept(
        &self,
        archive: &Archive<'_>,
        arrived: Arrived,
        path: Utf8PathBuf,
    ) -> Result<Utf8PathBuf, DownloadError> {
        let actual = hex(&arrived.hasher.finalize());
        if actual != archive.checksum {
            let expected = archive.checksum.to_owned();
            return Err(DownloadError::Checksum {
                name: archive.title(),
                expected,
                actual,
            });
        }
        files::keep(arrived.file, &path).map_err(|source| DownloadError::File {
            name: archive.title(),
            source,
        })?;
        self.mark(&path);
        Ok(path)
    }

    fn arriving(&self) -> io::Result<Arrived> {
        fs_err::create_dir_all(&self.folder)?;
        Ok(Arrived {
            file: files::temporary(&self.folder)?,
            hasher: Sha256::new(),
        })
    }

    fn is_checked(&self, path: &Utf8Path) -> bool {
        self.checked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(path)
    }

    fn mark(&self, path: &Utf8Path) {
        self.checked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(path.to_owned());
    }
}

/// A file on its way.
struct Arrived {
    file: NamedTempFile,
    hasher: Sha256,
}

impl Arrived {
    fn write(&mut self, bytes: &[u8], title: &str, progress: &dyn Progress) -> io::Result<()> {
        self.hasher.update(bytes);
        self.file.write_all(bytes)?;
        progress.advanced(title, bytes.len() as u64);
        Ok(())
    }
}

fn copy(file: &mut fs_err::File, sink: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            count => sink(&buffer[..count])?,
        }
    }
}

/// Writes bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One process looks at a damaged file while another puts the right one in its place.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "only a pipe can be read half")]
    fn what_another_process_has_just_replaced_is_not_removed() {
        let (_keep, folder) = crate::testing::folder();
        let checksum = crate::testing::sha256(b"right");
        let archive = Archive {
            name: "demo",
            version: "1.0.0",
            checksum: &checksum,
        };
        let path = folder.join(archive.file_name().unwrap());
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let downloads = Downloads::new(folder.clone());
        std::thread::scope(|scope| {
            let found = scope.spawn(|| downloads.present(&archive).unwrap());
            // Waits until the other is at it.
            let mut pipe = fs_err::OpenOptions::new().write(true).open(&path).unwrap();
            files::write(&path, &[b"right"]).unwrap();
            pipe.write_all(b"damaged").unwrap();
            drop(pipe);
            assert_eq!(found.join().unwrap().as_deref(), Some(&*path));
        });
        assert_eq!(fs_err::read(&path).unwrap(), b"right");
    }

    #[test]
    fn only_valid_parts_become_a_file_name() {
        let sum = "0123456789abcdef".repeat(4);
        let name = |name, version, checksum| {
            Archive {
                name,
                version,
                checksum,
            }
            .file_name()
        };
        assert_eq!(
            name("a-b_c", "1.0.0-rc.1+x", &sum).unwrap(),
            "a-b_c-1.0.0-rc.1+x-0123456789abcdef.crate"
        );
        for (bad, version, checksum) in [
            ("../x", "1.0.0", sum.as_str()),
            ("", "1.0.0", &sum),
            ("a", "1.0.0/..", &sum),
            ("a", "1.0.0\u{1b}", &sum),
            ("a", "1.0.0", "0123"),
            ("a", "1.0.0", &sum.to_uppercase()),
        ] {
            let error = name(bad, version, checksum).unwrap_err();
            assert!(matches!(error, DownloadError::Invalid { .. }));
            assert!(!error.to_string().contains('\u{1b}'));
        }
    }
}
