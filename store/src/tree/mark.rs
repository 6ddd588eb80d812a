//! Marks on trees in the store: the mode of the top folder, which is 0555 otherwise.
//!
//! | mark | mode | meaning |
//! |---|---|---|
//! | leaving | 1700 | gc has taken the object, and deletes the tree: it is absent |
//! | distrusted | 1555 | `verify` found the tree to be damaged: whoever adds the object puts a new one in its place, and until then the programs that use it go on to |
//!
//! A mark needs no room on a full disk, goes with the folder and not with its name, and is still
//! there if the database is lost. So nothing that is marked becomes good by being read again.

use std::ffi::CString;
use std::fs::Metadata;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;

use camino::Utf8Path;
use rustix::fs::Mode;
use rustix::io::Errno;

use super::remove::{open_folder, open_parent, unlink};
use crate::error::{Context as _, StoreError};

/// Open to its owner, so that it can be emptied; the sticky bit is what nothing else has.
pub(super) const LEAVING: Mode = Mode::RWXU.union(Mode::SVTX);

/// Closed as every folder of an object, but for that bit.
const DISTRUSTED: Mode = Mode::from_raw_mode(0o1555);

/// Whether this is the top of a tree that is marked, as one or the other.
pub(crate) fn is_marked(top: &Metadata) -> bool {
    is_leaving(top) || has(top, DISTRUSTED)
}

fn is_leaving(top: &Metadata) -> bool {
    has(top, LEAVING)
}

fn has(top: &Metadata, mark: Mode) -> bool {
    top.is_dir() && top.mode() & 0o7777 == mark.as_raw_mode()
}

/// Looks at the top of a tree; none if it is absent.
pub(crate) fn top(path: &Utf8Path) -> Result<Option<Metadata>, StoreError> {
    match fs_err::symlink_metadata(path) {
        Ok(found) => Ok((!is_leaving(&found)).then_some(found)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("look at", path),
    }
}

/// Whether a tree is not absent.
pub(crate) fn stands(path: &Utf8Path) -> Result<bool, StoreError> {
    Ok(top(path)?.is_some())
}

/// Whether a tree is neither absent nor distrusted.
pub(crate) fn is_trusted(path: &Utf8Path) -> Result<bool, StoreError> {
    Ok(top(path)?.is_some_and(|top| !is_marked(&top)))
}

/// Marks a tree as distrusted; nothing there is fine, and what is no folder is removed.
pub(crate) fn distrust(path: &Utf8Path) -> Result<(), StoreError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::INVAL).context("mark", path);
    };
    open_parent(parent)
        .and_then(|parent| set(&parent, name, DISTRUSTED))
        .context("mark", path)
        .map(drop)
}

/// Marks a tree as leaving; nothing there is fine, and what is no folder is removed. Returns the
/// bytes on disk that this freed.
pub(crate) fn mark(parent: &OwnedFd, name: &str) -> Result<u64, Errno> {
    set(parent, name, LEAVING)
}

fn set(parent: &OwnedFd, name: &str, mark: Mode) -> Result<u64, Errno> {
    let name = CString::new(name).map_err(|_| Errno::INVAL)?;
    let mut freed = 0;
    let marked = match open_folder(parent.as_fd(), &name) {
        Ok(top) => rustix::fs::fchmod(top, mark),
        Err(Errno::NOTDIR | Errno::LOOP) => unlink(parent, &name, &mut freed),
        Err(error) => Err(error),
    };
    match marked {
        Ok(()) | Err(Errno::NOENT) => Ok(freed),
        Err(error) => Err(error),
    }
}
