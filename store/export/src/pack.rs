//! A folder as a tar archive: in order of name, owned by root, with modes of its own and no time, so that the same files
//! are the same bytes whoever packs them, wherever and whenever.

use std::fmt::Write as _;
use std::fs::Metadata;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;

use camino::Utf8Path;
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};
use walkdir::WalkDir;

use crate::error::ExportError;

/// The time of all files, as in the store: of 0 some programs think that it is none.
const TIME: u64 = 1;
const OWNER: &str = "root";

/// Writes what a folder holds as a tar archive. In the archive it is below `above`, which may be
/// empty.
pub fn tar(folder: &Utf8Path, above: &str, out: impl Write) -> Result<(), ExportError> {
    let mut archive = Builder::new(out);
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = entry?;
        let path = Utf8Path::from_path(entry.path())
            .ok_or_else(|| io::Error::other(format!("{}: not UTF-8", entry.path().display())))?;
        let inside = path.strip_prefix(folder).expect("it was found in there");
        let name = Utf8Path::new(above).join(inside);
        if name == "" {
            continue;
        }
        let metadata = fs_err::symlink_metadata(path)?;
        add(&mut archive, &name, path, &metadata)?;
    }
    archive.into_inner()?.flush()?;
    Ok(())
}

/// The same, compressed by gzip.
pub fn tar_gz(folder: &Utf8Path, above: &str, out: impl Write) -> Result<(), ExportError> {
    let mut compressed = GzEncoder::new(out, Compression::best());
    tar(folder, above, &mut compressed)?;
    compressed.finish()?.flush()?;
    Ok(())
}

/// Writes a digest down, as tools for checksums do.
pub(crate) fn hex(digest: &[u8]) -> String {
    let mut text = String::with_capacity(2 * digest.len());
    for byte in digest {
        write!(text, "{byte:02x}").expect("a string takes everything");
    }
    text
}

fn add(
    archive: &mut Builder<impl Write>,
    name: &Utf8Path,
    path: &Utf8Path,
    metadata: &Metadata,
) -> Result<(), ExportError> {
    let kind = metadata.file_type();
    if kind.is_file() {
        let mut header = header(EntryType::Regular, metadata)?;
        header.set_size(metadata.len());
        archive.append_data(&mut header, name, fs_err::File::open(path)?)?;
    } else if kind.is_dir() {
        let mut header = header(EntryType::Directory, metadata)?;
        archive.append_data(&mut header, format!("{name}/"), io::empty())?;
    } else if kind.is_symlink() {
        let mut header = header(EntryType::Symlink, metadata)?;
        archive.append_link(&mut header, name, fs_err::read_link(path)?)?;
    } else {
        return Err(ExportError::Kind {
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Returns the mode of a file or folder, whatever the mask of who made it here: it tells what can be
/// run, and where everybody may leave something.
fn mode(kind: EntryType, mode: u32) -> u32 {
    match kind {
        EntryType::Directory if mode & 0o1000 != 0 => 0o1777,
        EntryType::Directory => 0o755,
        EntryType::Symlink => 0o777,
        _ if mode & 0o100 != 0 => 0o755,
        _ => 0o644,
    }
}

fn header(kind: EntryType, metadata: &Metadata) -> io::Result<Header> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode(kind, metadata.permissions().mode()));
    header.set_mtime(TIME);
    header.set_uid(0);
    header.set_gid(0);
    header.set_username(OWNER)?;
    header.set_groupname(OWNER)?;
    header.set_size(0);
    Ok(header)
}
