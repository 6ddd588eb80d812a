//! Index entries on disk: what the network said, and when.
//!
//! A file is one line of JSON, the [`Header`], followed by the body as it came. Whatever does not
//! fit its header is as good as missing.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use flate2::Crc;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::files;

/// Version of the files' shape.
const FORMAT: u32 = 1;

/// What is known of one file of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// A time before the request was made: everything published until then is in the body.
    pub(crate) fetched: Timestamp,
    /// What to ask with next time.
    pub(crate) validators: Validators,
    /// The body; nothing if the index has no such file.
    pub(crate) body: Option<Vec<u8>>,
}

/// What a server wants to hear to answer `not modified`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Validators {
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: u32,
    fetched: Timestamp,
    #[serde(flatten)]
    validators: Validators,
    exists: bool,
    bytes: usize,
    crc: u32,
}

/// The files of one index.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: Utf8PathBuf,
}

impl Cache {
    pub(crate) fn new(folder: Utf8PathBuf) -> Self {
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    /// Returns what is known of a file; nothing if its cache is missing or broken.
    pub(crate) fn load(&self, path: &str) -> io::Result<Option<Known>> {
        Ok(files::read(&self.folder.join(path))?.and_then(decode))
    }

    pub(crate) fn store(&self, path: &str, known: &Known) -> io::Result<()> {
        let body = known.body.as_deref().unwrap_or_default();
        let header = Header {
            format: FORMAT,
            fetched: known.fetched,
            validators: known.validators.clone(),
            exists: known.body.is_some(),
            bytes: body.len(),
            crc: crc(body),
        };
        let header = serde_json::to_vec(&header)?;
        files::write(&self.folder.join(path), &[&header, b"\n", body])
    }
}

/// Reads a cached file.
pub(crate) fn decode(mut file: Vec<u8>) -> Option<Known> {
    let end = file.iter().position(|byte| *byte == b'\n')?;
    let header: Header = serde_json::from_slice(&file[..end]).ok()?;
    file.drain(..=end);
    let fits = header.format == FORMAT && header.bytes == file.len() && header.crc == crc(&file);
    fits.then_some(Known {
        fetched: header.fetched,
        validators: header.validators,
        body: header.exists.then_some(file),
    })
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{folder, time};

    fn known(body: Option<&[u8]>) -> Known {
        Known {
            fetched: time("2026-01-02T03:04:05Z"),
            validators: Validators {
                etag: Some("\"a\"".to_owned()),
                last_modified: None,
            },
            body: body.map(<[u8]>::to_vec),
        }
    }

    #[test]
    fn what_was_stored_is_loaded() {
        let (_keep, home) = folder();
        let cache = Cache::new(home);
        for body in [None, Some(&b""[..]), Some(b"{\"a\":1}\n{\"b\":2}\n")] {
            cache.store("se/rd/serde", &known(body)).unwrap();
            assert_eq!(cache.load("se/rd/serde").unwrap(), Some(known(body)));
        }
        assert_eq!(cache.load("3/a/abc").unwrap(), None);
    }

    #[test]
    fn a_file_broken_anywhere_is_as_good_as_missing() {
        let (_keep, home) = folder();
        let cache = Cache::new(home.clone());
        cache
            .store("3/a/abc", &known(Some(b"{\"name\":\"abc\"}\n")))
            .unwrap();
        let path = home.join("3/a/abc");
        let whole = fs_err::read(&path).unwrap();
        let body = whole.iter().position(|byte| *byte == b'\n').unwrap();
        for at in 0..whole.len() {
            fs_err::write(&path, &whole[..at]).unwrap();
            assert_eq!(cache.load("3/a/abc").unwrap(), None, "cut at {at}");
        }
        for at in body..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 4;
            fs_err::write(&path, &flipped).unwrap();
            assert_eq!(cache.load("3/a/abc").unwrap(), None, "flipped at {at}");
        }
    }
}
