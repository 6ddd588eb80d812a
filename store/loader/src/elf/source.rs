//! The bytes of a file, read piece by piece: programs are large, and the loader looks at little of
//! them.

use std::borrow::Cow;
use std::io;
use std::os::unix::fs::FileExt as _;

use camino::Utf8Path;

use super::ReadError;

/// Why the bytes are refused.
pub(super) enum Reason {
    /// The file system refused.
    Io(io::Error),
    /// A fragment that follows "could not read … as a program or library:".
    Malformed(String),
}

/// What is read, or why it is not.
pub(super) type Parsed<T> = Result<T, Reason>;

/// Where the bytes are.
pub(crate) enum Source<'a> {
    /// In memory.
    Memory(&'a [u8]),
    /// In a file of a length.
    File(fs_err::File, u64),
}

/// A part of the bytes, such as the rest of a segment.
pub(super) struct Region<'a, 'b> {
    source: &'b Source<'a>,
    start: u64,
    end: u64,
    /// What is looked for in it, for errors.
    what: &'static str,
}

impl Source<'static> {
    /// Opens a file, which must be a regular one.
    pub(crate) fn open(path: &Utf8Path) -> Result<Self, ReadError> {
        let io = |source| ReadError::Io {
            path: path.to_owned(),
            source,
        };
        // Asked before it is opened: opening a pipe waits for a writer.
        if !fs_err::metadata(path).map_err(io)?.is_file() {
            return Err(ReadError::Malformed {
                path: path.to_owned(),
                reason: "it is not a regular file".to_owned(),
            });
        }
        let file = fs_err::File::open(path.as_std_path()).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        Ok(Self::File(file, length))
    }
}

impl<'a> Source<'a> {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(_, length) => *length,
        }
    }

    /// Reads a number of bytes; none if they are not all there.
    pub(super) fn read(&self, start: u64, length: usize) -> Parsed<Option<Cow<'a, [u8]>>> {
        // Before anything is allocated: the length may be anything.
        let end = start.checked_add(length as u64);
        if end.is_none_or(|end| end > self.length()) {
            return Ok(None);
        }
        match self {
            Self::Memory(bytes) => {
                let rest = usize::try_from(start)
                    .ok()
                    .and_then(|start| bytes.get(start..));
                Ok(rest.and_then(|rest| rest.get(..length)).map(Cow::Borrowed))
            }
            Self::File(file, _) => {
                let mut bytes = vec![0; length];
                let read = file.file().read_exact_at(&mut bytes, start);
                read.map_err(Reason::Io)?;
                Ok(Some(Cow::Owned(bytes)))
            }
        }
    }
}

impl<'a, 'b> Region<'a, 'b> {
    /// A part that begins inside the bytes; what it has beyond their end is cut off.
    pub(super) fn new(
        source: &'b Source<'a>,
        start: u64,
        end: u64,
        what: &'static str,
    ) -> Option<Self> {
        let end = end.min(source.length());
        (start <= end).then_some(Self {
            source,
            start,
            end,
            what,
        })
    }

    /// Returns how many bytes there are.
    pub(super) fn length(&self) -> u64 {
        self.end - self.start
    }

    /// Reads a number of bytes.
    pub(super) fn read(&self, at: u64, length: usize) -> Parsed<Cow<'a, [u8]>> {
        let lost = || Reason::from(format!("its {} lies outside the file", self.what));
        let start = self.start.checked_add(at).ok_or_else(lost)?;
        let end = start.checked_add(length as u64).ok_or_else(lost)?;
        if end > self.end {
            return Err(lost());
        }
        self.source.read(start, length)?.ok_or_else(lost)
    }

    /// Reads one 32-bit number.
    pub(super) fn word(&self, at: u64) -> Parsed<u32> {
        Ok(word(&self.read(at, 4)?, 0))
    }
}

/// Returns the 32-bit number at a place of bytes that are long enough.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes[at..].first_chunk();
    u32::from_le_bytes(*bytes.expect("as many bytes were read"))
}

/// Returns the 16-bit number at a place of bytes that are long enough.
pub(super) fn half(bytes: &[u8], at: usize) -> u16 {
    let bytes = bytes[at..].first_chunk();
    u16::from_le_bytes(*bytes.expect("as many bytes were read"))
}

impl From<String> for Reason {
    fn from(reason: String) -> Self {
        Self::Malformed(reason)
    }
}

impl From<&str> for Reason {
    fn from(reason: &str) -> Self {
        Self::Malformed(reason.to_owned())
    }
}

impl Reason {
    /// Names the file.
    pub(super) fn of(self, path: &Utf8Path) -> ReadError {
        let path = path.to_owned();
        match self {
            Self::Io(source) => ReadError::Io { path, source },
            Self::Malformed(reason) => ReadError::Malformed { path, reason },
        }
    }
}
