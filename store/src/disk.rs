//! Small steps on the file system that more than one module takes.
//!
//! Durability follows one rule: what a name leads to is on disk before the name is, and the name
//! is on disk before anybody is told of it.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU64, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err::os::unix::fs::symlink;

use crate::error::{Context as _, StoreError};

/// Returns a file name that no other thread or process has.
pub(crate) fn unique_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    format!(
        "{}-{}",
        std::process::id(),
        COUNTER.fetch_add(1, Ordering::Relaxed)
    )
}

/// Makes a folder and those above it.
pub(crate) fn create_folder(path: &Utf8Path) -> Result<(), StoreError> {
    fs_err::create_dir_all(path).context("create the folder", path)
}

/// Renames a file, link or folder.
pub(crate) fn rename(from: &Utf8Path, to: &Utf8Path) -> Result<(), StoreError> {
    fs_err::rename(from, to).context("rename to", to)
}

/// Gives each of two the other's name, in one step.
pub(crate) fn exchange(one: &Utf8Path, other: &Utf8Path) -> Result<(), StoreError> {
    let (here, flags) = (rustix::fs::CWD, rustix::fs::RenameFlags::EXCHANGE);
    rustix::fs::renameat_with(here, one.as_str(), here, other.as_str(), flags)
        .context("exchange", other)
}

/// Sets a mode. Follows links: the caller knows that `path` is none.
pub(crate) fn set_mode(path: &Utf8Path, mode: u32) -> Result<(), StoreError> {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .context("set the mode of", path)
}

/// Returns the names in a folder, sorted; none if the folder does not exist. Names that are not
/// UTF-8 are none of ours and left out.
pub(crate) fn names(folder: &Utf8Path) -> Result<Vec<String>, StoreError> {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context("read the folder", folder),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.context("read the folder", folder)?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Whether something has this path: a broken link is something.
pub(crate) fn exists(path: &Utf8Path) -> Result<bool, StoreError> {
    match fs_err::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).context("look at", path),
    }
}

/// Returns where a link leads; none if there is nothing of that name.
pub(crate) fn read_link(path: &Utf8Path) -> Result<Option<Utf8PathBuf>, StoreError> {
    match fs_err::read_link(path) {
        Ok(target) => Utf8PathBuf::from_path_buf(target)
            .map(Some)
            .map_err(|target| StoreError::BrokenLink {
                path: path.to_owned(),
                target: target.to_string_lossy().into_owned(),
                expected: "a path in UTF-8",
            }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("read the link", path),
    }
}

/// Makes a link.
pub(crate) fn link(path: &Utf8Path, target: &Utf8Path) -> Result<(), StoreError> {
    symlink(target, path).context("create the link", path)
}

/// Makes a link in place of what was there: everybody sees the old one or the new one. It is on
/// disk on return.
pub(crate) fn replace_link(path: &Utf8Path, target: &Utf8Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Utf8Path::new("."));
    let new = folder.join(format!(".{}", unique_name()));
    link(&new, target)?;
    if let Err(error) = rename(&new, path) {
        remove_file(&new)?;
        return Err(error);
    }
    sync_folder(folder)
}

/// Writes a file in place of what was there: everybody sees the old one or the new one. It is on
/// disk on return.
pub fn replace_file(path: &Utf8Path, bytes: &[u8]) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Utf8Path::new("."));
    let new = folder.join(format!(".{}", unique_name()));
    let written = fs_err::write(&new, bytes)
        .and_then(|()| fs_err::File::open(&new)?.sync_all())
        .context("write", &new)
        .and_then(|()| rename(&new, path));
    if let Err(error) = written {
        remove_file(&new)?;
        return Err(error);
    }
    sync_folder(folder)
}

/// Removes a file or link; returns whether there was one.
pub(crate) fn remove_file(path: &Utf8Path) -> Result<bool, StoreError> {
    match fs_err::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).context("remove", path),
    }
}

/// Puts the names in a folder on disk.
pub(crate) fn sync_folder(path: &Utf8Path) -> Result<(), StoreError> {
    let folder = fs_err::File::open(path).context("open the folder", path)?;
    folder.sync_all().context("write to disk", path)
}

/// Puts everything on the file system that holds `path` on disk. One call for a whole tree: it
/// costs about a millisecond on an idle disk, whatever the number of files, where one `fsync` per
/// file would cost that for each; the price is that it waits for other programs' data as well.
pub(crate) fn sync_file_system(path: &Utf8Path) -> Result<(), StoreError> {
    let folder = fs_err::File::open(path).context("open the folder", path)?;
    rustix::fs::syncfs(&folder).context("write to disk", path)
}
