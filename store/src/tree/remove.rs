//! Removes trees, and says what that frees.

use std::collections::BTreeMap;
use std::ffi::CString;
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
        for entry in walkdir::WalkDir::new(top) {
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
    let mut freed = 0;
    match remove_tree(path, &mut freed) {
        Ok(()) | Err(Errno::NOENT) => Ok(freed),
        Err(error) => Err(error).context("remove", path),
    }
}

fn remove_tree(path: &Utf8Path, freed: &mut u64) -> Result<(), Errno> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::INVAL);
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = rustix::fs::open(parent.as_str(), flags, Mode::empty())?;
    let name = CString::new(name).map_err(|_| Errno::INVAL)?;
    let stat = stat(parent.as_fd(), &name)?;
    if !is_folder(&stat) {
        return unlink(parent.as_fd(), &name, freed);
    }
    let top = open_folder(parent.as_fd(), &name, freed)?;
    // What was too deep is moved to the top, and goes in a later round.
    while empty(&top, top.as_fd(), 0, freed)? {
        rustix::fs::seek(&top, SeekFrom::Start(0))?;
    }
    rustix::fs::unlinkat(&parent, &name, AtFlags::REMOVEDIR)
}

/// Removes all that a folder holds; returns whether anything was moved to the top instead.
fn empty(
    folder: &OwnedFd,
    top: BorrowedFd<'_>,
    depth: usize,
    freed: &mut u64,
) -> Result<bool, Errno> {
    let mut moved = false;
    for (name, kind) in names_in(folder)? {
        let is_folder = match kind {
            FileType::Unknown => is_folder(&stat(folder.as_fd(), &name)?),
            kind => kind.is_dir(),
        };
        if !is_folder {
            unlink(folder.as_fd(), &name, freed)?;
        } else if depth == DEPTH {
            // Closed to its owner it could not be moved.
            drop(open_folder(folder.as_fd(), &name, &mut 0)?);
            move_to_top(folder, &name, top)?;
            moved = true;
        } else {
            let inner = open_folder(folder.as_fd(), &name, freed)?;
            moved |= empty(&inner, top, depth + 1, freed)?;
            rustix::fs::unlinkat(folder, &name, AtFlags::REMOVEDIR)?;
        }
    }
    Ok(moved)
}

fn move_to_top(folder: &OwnedFd, name: &CString, top: BorrowedFd<'_>) -> Result<(), Errno> {
    loop {
        match rustix::fs::renameat(folder, name, top, disk::unique_name()) {
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            result => return result,
        }
    }
}

fn stat(parent: BorrowedFd<'_>, name: &CString) -> Result<Stat, Errno> {
    rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
}

fn is_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode).is_dir()
}

/// Removes a name that is not a folder's, and counts what that frees.
fn unlink(parent: BorrowedFd<'_>, name: &CString, freed: &mut u64) -> Result<(), Errno> {
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

/// Opens a folder whose content is to be removed, and counts it as freed.
fn open_folder(parent: BorrowedFd<'_>, name: &CString, freed: &mut u64) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            // Closed to its owner. By name, for want of an open folder; what is not a folder
            // does not come here.
            rustix::fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
            rustix::fs::openat(parent, name, flags, Mode::empty())?
        }
        result => result?,
    };
    let found = rustix::fs::fstat(&opened)?;
    if !Mode::from_raw_mode(found.st_mode).contains(Mode::RWXU) {
        rustix::fs::fchmod(&opened, Mode::RWXU)?;
    }
    *freed += bytes(&found);
    Ok(opened)
}

/// Reads an open folder, from where it was read last.
fn names_in(folder: &OwnedFd) -> Result<Vec<(CString, FileType)>, Errno> {
    let mut buffer = [MaybeUninit::uninit(); LIST];
    let mut entries = RawDir::new(folder, &mut buffer);
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push((name.to_owned(), entry.file_type()));
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
        scratch.empty().unwrap();
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
