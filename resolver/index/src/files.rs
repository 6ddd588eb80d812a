//! Atomic writes: a file is there whole or not at all.

use std::io::{self, Read as _, Write as _};

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

/// Writes all that is in the file system of a folder to the disk.
pub(crate) fn sync(folder: &Utf8Path) -> io::Result<()> {
    let folder = fs_err::File::open(folder)?;
    Ok(rustix::fs::syncfs(&folder)?)
}

/// Reads a file that may be missing.
///
/// Files here are replaced, never written to: what is there when one is opened is all of it. So
/// nobody has to look for its end, which over a thousand files takes time.
pub(crate) fn read(path: &Utf8Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}
