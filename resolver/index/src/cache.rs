//! Files of an index on disk: what is known of them, and since when.
//!
//! A file is [`MAGIC`], a CRC of the rest, a [`Header`] in postcard, and the body: of an entry its
//! compact form, of `config.json` the text as it came. Whatever does not fit is as good as missing.

use std::io;
use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use flate2::Crc;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{compact, files};

/// How a file starts. The last byte is the version of the header's shape.
const MAGIC: &[u8; 8] = b"orlopix\x01";

/// How many bytes the CRC takes.
const CRC: usize = 4;

/// A file that changed so many seconds ago or less may change again without showing it.
const SETTLED: i64 = 2;

/// What is known of one file of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    /// A time before the request was made: everything published until then is in the body.
    pub(crate) fetched: Timestamp,
    /// What tells whether it is still the same.
    pub(crate) validators: Validators,
    /// The body; nothing if the index has no such file.
    pub(crate) body: Option<Vec<u8>>,
}

/// What tells whether a file is still the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Validators {
    /// For a server, to answer `not modified`.
    pub(crate) etag: Option<String>,
    /// The same.
    pub(crate) last_modified: Option<String>,
    /// For a file of a folder.
    pub(crate) stamp: Option<Stamp>,
}

/// What a file system says of a file: none of it stays when the file is written anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    bytes: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Returns the stamp of a file; nothing if there is none.
    pub(crate) fn of(path: &Utf8Path) -> io::Result<Option<Self>> {
        match fs_err::metadata(path) {
            Ok(data) => Ok(Some(Self {
                bytes: data.len(),
                inode: data.ino(),
                modified: (data.mtime(), data.mtime_nsec()),
                changed: (data.ctime(), data.ctime_nsec()),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the file has been left alone for long enough to rely on the stamp.
    pub(crate) fn is_settled(&self, now: Timestamp) -> bool {
        let settled = now.as_second() - SETTLED;
        self.modified.0 < settled && self.changed.0 < settled
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    /// The shape of an entry's body.
    entry: u32,
    /// Seconds since 1970 and nanoseconds.
    fetched: (i64, i32),
    validators: Validators,
    exists: bool,
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
            entry: compact::FORMAT,
            fetched: (known.fetched.as_second(), known.fetched.subsec_nanosecond()),
            validators: known.validators.clone(),
            exists: known.body.is_some(),
        };
        let header = postcard::to_allocvec(&header).map_err(io::Error::other)?;
        let crc = crc(&[&header, body]).to_le_bytes();
        files::write(&self.folder.join(path), &[MAGIC, &crc, &header, body])
    }
}

/// Reads a cached file.
pub(crate) fn decode(mut file: Vec<u8>) -> Option<Known> {
    let (sum, rest) = file.strip_prefix(MAGIC)?.split_at_checked(CRC)?;
    if sum != crc(&[rest]).to_le_bytes() {
        return None;
    }
    let (header, body) = postcard::take_from_bytes::<Header>(rest).ok()?;
    if header.entry != compact::FORMAT {
        return None;
    }
    let fetched = Timestamp::new(header.fetched.0, header.fetched.1).ok()?;
    let start = file.len() - body.len();
    file.drain(..start);
    Some(Known {
        fetched,
        validators: header.validators,
        body: header.exists.then_some(file),
    })
}

fn crc(parts: &[&[u8]]) -> u32 {
    let mut crc = Crc::new();
    for part in parts {
        crc.update(part);
    }
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
                stamp: None,
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
        for at in 0..whole.len() {
            fs_err::write(&path, &whole[..at]).unwrap();
            assert_eq!(cache.load("3/a/abc").unwrap(), None, "cut at {at}");
        }
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 4;
            fs_err::write(&path, &flipped).unwrap();
            assert_eq!(cache.load("3/a/abc").unwrap(), None, "flipped at {at}");
        }
    }
}
