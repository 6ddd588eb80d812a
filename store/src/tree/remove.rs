//! Removes trees, and says what that frees.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Mutex, PoisonError};

use camino::Utf8Path;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, SeekFrom, Stat};
use rustix::io::Errno;

use crate::disk;
use crate::error::{Context as _, StoreError};

/// How deep [`remove`] descends before it moves what is deeper to the top.
const DEPTH: usize = 64;

/// Room for the names of a small folder.
const LIST: usize = 4096;

/// What `st_blocks` counts.
const BLOCK: u64 = 512;

/// Counts the bytes on disk that are freed when trees are removed: a file that has a name
/// elsewhere stays.
#[derive(Debug, Default)]
pub(crate) struct Freed {
    /// By device and inode, how many names are left.
    names_left: BTreeMap<(u64, u64), u64>,
    bytes: u64,
}

impl Freed {
    /// Counts one more tree or file; nothing there is nothing freed.
    pub(crate) fn add(&mut self, top: &Utf8Path) -> Result<(), StoreError> {
        for entry in walkdir::WalkDir::new(top).follow_root_links(false) {
            let metadata = match entry
                .and_then(|entry| entry.metadata())
                .map_err(io::Error::from)
            {
                Ok(metadata) => metadata,
                // Closed to us, or just removed: what cannot be counted is not promised.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound
                    ) =>
                {
                    continue;
                }
                Err(error) => return Err(error).context("look into", top),
            };
            let names = if metadata.is_dir() {
                1
            } else {
                metadata.nlink()
            };
            let left = self
                .names_left
                .entry((metadata.dev(), metadata.ino()))
                .or_insert(names);
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.bytes += metadata.blocks() * BLOCK;
            }
        }
        Ok(())
    }

    /// Returns the bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Removes a file or a whole tree, whatever the modes in it and however deep it is; nothing there
/// is fine. Works on open folders, so that it never leaves the tree. Returns the bytes on disk that
/// this freed: those of a file go with its last name.
pub(crate) fn remove(path: &Utf8Path) -> Result<u64, StoreError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::INVAL).context("remove", path);
    };
    match open_parent(parent) {
        Ok(parent) => remove_in(&parent, name).context("remove", path),
        Err(Errno::NOENT) => Ok(0),
        Err(error) => Err(error).context("remove", path),
    }
}

/// Opens a folder in which there is something to remove.
pub(crate) fn open_parent(path: &Utf8Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path.as_str(), flags, Mode::empty())
}

/// As [`remove`], in an open folder.
fn remove_in(parent: &OwnedFd, name: &str) -> Result<u64, Errno> {
    let name = CString::new(name).map_err(|_| Errno::INVAL)?;
    let mut freed = 0;
    let removed = match open_folder(parent.as_fd(), &name) {
        Ok(top) => remove_top(parent, &name, &top, &mut freed),
        Err(Errno::NOTDIR | Errno::LOOP) => unlink(parent, &name, &mut freed),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) | Err(Errno::NOENT) => Ok(freed),
        Err(error) => Err(error),
    }
}

/// Where to put what is too deep.
#[derive(Clone, Copy)]
struct Depth<'a> {
    top: BorrowedFd<'a>,
    below: usize,
}

fn remove_top(parent: &OwnedFd, name: &CStr, top: &OwnedFd, freed: &mut u64) -> Result<(), Errno> {
    let found = rustix::fs::fstat(top)?;
    loop {
        let names = remove_some(top, freed)?;
        if remove_emptied(parent, name, (top, &found), names, freed)? {
            return Ok(());
        }
    }
}

/// Removes the first names in the top of a tree, and all that is below them; returns how many these
/// were. Most folders are small, and that is all of it; what was too deep is in the top afterwards.
pub(super) fn remove_some(top: &OwnedFd, freed: &mut u64) -> Result<usize, Errno> {
    let depth = Depth {
        top: top.as_fd(),
        below: 1,
    };
    remove_names(top, depth, freed)
}

/// Removes a folder if it is empty, after so many names in it were; if it is not, it is read from
/// the beginning the next time, and false is returned.
pub(super) fn remove_emptied(
    parent: &OwnedFd,
    name: &CStr,
    (folder, found): (&OwnedFd, &Stat),
    names: usize,
    freed: &mut u64,
) -> Result<bool, Errno> {
    match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOTEMPTY) if names > 0 => {
            rustix::fs::seek(folder, SeekFrom::Start(0))?;
            Ok(false)
        }
        Ok(()) => {
            *freed += bytes(found);
            Ok(true)
        }
        Err(error) => Err(error),
    }
}

/// Removes a folder inside a tree and all it holds.
fn remove_folder(
    parent: &OwnedFd,
    name: &CStr,
    depth: Depth<'_>,
    freed: &mut u64,
) -> Result<(), Errno> {
    let folder = permitted(parent, || open_folder(parent.as_fd(), name))?;
    if depth.below > DEPTH {
        // Closed to its owner it could not be moved.
        rustix::fs::fchmod(&folder, Mode::RWXU)?;
        return move_to_top(parent, name, depth.top);
    }
    let found = rustix::fs::fstat(&folder)?;
    let inner = Depth {
        below: depth.below + 1,
        ..depth
    };
    loop {
        let names = remove_names(&folder, inner, freed)?;
        let mut remove = || remove_emptied(parent, name, (&folder, &found), names, freed);
        if permitted(parent, &mut remove)? {
            return Ok(());
        }
    }
}

/// Removes as many names of a folder as are read at once, and all that is below them.
fn remove_names(folder: &OwnedFd, depth: Depth<'_>, freed: &mut u64) -> Result<usize, Errno> {
    let names = some_names(folder)?;
    for (name, kind) in &names {
        match remove_entry(folder, name, *kind, depth, freed) {
            // Somebody else removes it as well.
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(names.len())
}

fn remove_entry(
    folder: &OwnedFd,
    name: &CStr,
    kind: FileType,
    depth: Depth<'_>,
    freed: &mut u64,
) -> Result<(), Errno> {
    let is_folder = match kind {
        FileType::Unknown => {
            let found = permitted(folder, || stat(folder, name))?;
            FileType::from_raw_mode(found.st_mode).is_dir()
        }
        kind => kind.is_dir(),
    };
    if is_folder {
        remove_folder(folder, name, depth, freed)
    } else {
        permitted(folder, || unlink(folder, name, freed))
    }
}

fn move_to_top(folder: &OwnedFd, name: &CStr, top: BorrowedFd<'_>) -> Result<(), Errno> {
    loop {
        let new = disk::unique_name();
        match permitted(folder, || rustix::fs::renameat(folder, name, top, &*new)) {
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            result => return result,
        }
    }
}

/// Does something in a folder, opening it to its owner if it is not.
fn permitted<T>(folder: &OwnedFd, mut act: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    match act() {
        Err(Errno::ACCESS) => {
            rustix::fs::fchmod(folder, Mode::RWXU)?;
            act()
        }
        result => result,
    }
}

fn stat(parent: &OwnedFd, name: &CStr) -> Result<Stat, Errno> {
    rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
}

/// Removes a name that is not a folder's, and counts what that frees.
pub(super) fn unlink(parent: &OwnedFd, name: &CStr, freed: &mut u64) -> Result<(), Errno> {
    /// Of two who remove the last two names of a file at once, one must see that it was the last.
    static SHARED: Mutex<()> = Mutex::new(());
    let mut found = stat(parent, name)?;
    let _alone = if found.st_nlink > 1 {
        let alone = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        found = stat(parent, name)?;
        Some(alone)
    } else {
        None
    };
    rustix::fs::unlinkat(parent, name, AtFlags::empty())?;
    if found.st_nlink == 1 {
        *freed += bytes(&found);
    }
    Ok(())
}

fn bytes(stat: &Stat) -> u64 {
    stat.st_blocks.unsigned_abs() * BLOCK
}

/// Opens a folder whose content is to be removed, if it is one.
pub(super) fn open_folder(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    match open_unseen(parent, name) {
        Err(Errno::ACCESS) => {
            // Closed to its owner. By name, for want of an open folder; what is not a folder
            // does not come here.
            rustix::fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
            open_unseen(parent, name)
        }
        result => result,
    }
}

/// Opens a folder so that reading it is not noted in it, for it will be gone; that is for its owner
/// only.
fn open_unseen(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = |flags| rustix::fs::openat(parent, name, flags, Mode::empty());
    match open(flags | OFlags::NOATIME) {
        Err(Errno::PERM) => open(flags),
        result => result,
    }
}

/// Reads some names of an open folder, from where it was read last: as many as one call gives.
fn some_names(folder: &OwnedFd) -> Result<Vec<(CString, FileType)>, Errno> {
    let mut buffer = [MaybeUninit::uninit(); LIST];
    let mut entries = RawDir::new(folder, &mut buffer);
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = match entry {
            // Somebody else has removed the folder meanwhile.
            Err(Errno::NOENT) => break,
            entry => entry?,
        };
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push((name.to_owned(), entry.file_type()));
        }
        if entries.is_buffer_empty() {
            break;
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Home, write_files};

    #[test]
    fn removal_takes_closed_and_deep_trees() {
        let home = Home::new();
        let store = home.open();
        let scratch = store.scratch().unwrap();
        let top = scratch.folder().join("top");
        fs_err::create_dir(&top).unwrap();
        // Deeper than a path can be long, so it takes open folders to make it.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut folder = rustix::fs::open(top.as_str(), flags, Mode::empty()).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&folder, "folder", Mode::RWXU).unwrap();
            let inner = rustix::fs::openat(&folder, "folder", flags, Mode::empty()).unwrap();
            rustix::fs::fchmod(&folder, Mode::empty()).unwrap();
            folder = inner;
        }
        remove(&top).unwrap();
        assert!(!disk::exists(&top).unwrap());
        remove(&top).unwrap();
    }

    #[test]
    fn removal_does_not_follow_links() {
        let home = Home::new();
        let store = home.open();
        let outside = home.path().join("logs/outside");
        fs_err::create_dir(&outside).unwrap();
        fs_err::write(outside.join("file"), "x").unwrap();
        let scratch = store.scratch().unwrap();
        disk::link(&scratch.folder().join("link"), &outside).unwrap();
        let link = scratch.unique();
        disk::link(&link, &outside).unwrap();
        remove(&link).unwrap();
        drop(scratch);
        assert!(outside.join("file").exists());
    }

    #[test]
    fn bytes_of_shared_files_are_freed_with_their_last_name() {
        let home = Home::new();
        let _store = home.open();
        let folder = home.path().join("logs");
        write_files(&folder, &[("a/one", &"x".repeat(100_000))]);
        fs_err::create_dir(folder.join("b")).unwrap();
        fs_err::hard_link(folder.join("a/one"), folder.join("b/two")).unwrap();
        let freed = |names: &[&str]| {
            let mut freed = Freed::default();
            for name in names {
                freed.add(&folder.join(name)).unwrap();
            }
            freed.bytes()
        };
        assert!(freed(&["a"]) < 100_000, "{}", freed(&["a"]));
        assert!(freed(&["b"]) < 100_000, "{}", freed(&["b"]));
        let both = freed(&["a", "b"]);
        assert!(both >= 100_000, "{both}");
        let removed = ["a", "b"].map(|name| remove(&folder.join(name)).unwrap());
        assert_eq!(removed.iter().sum::<u64>(), both);
    }
}
