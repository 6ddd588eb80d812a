//! Atomic writes: a file is there whole or not at all.

use std::io::{self, Write as _};

use camino::Utf8Path;
use tempfile::NamedTempFile;

/// Writes a file by way of a temporary one beside it; makes its folder if need be.
pub(crate) fn write(path: &Utf8Path, parts: &[&[u8]]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Utf8Path::new("."));
    fs_err::create_dir_all(folder)?;
    let mut file = temporary(folder)?;
    for part in parts {
        file.write_all(part)?;
    }
    keep(file, path)
}

/// Returns a new file that disappears unless it is kept.
pub(crate) fn temporary(folder: &Utf8Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".part-")
        .tempfile_in(folder)
}

/// Gives a temporary file its name.
pub(crate) fn keep(file: NamedTempFile, path: &Utf8Path) -> io::Result<()> {
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Reads a file that may be missing.
pub(crate) fn read(path: &Utf8Path) -> io::Result<Option<Vec<u8>>> {
    match fs_err::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
