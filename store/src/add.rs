//! How a tree becomes an object, and [`Registration`]: what is known of it then.
//!
//! 1. The staged tree gets its canonical form and is hashed ([`crate::tree`]).
//! 2. Files that the store has already become links to those ([`share`]).
//! 3. Everything is written to disk, by one `syncfs`.
//! 4. The tree is renamed to its place, and the rename is written to disk.
//! 5. The object is registered. From now on it is valid.
//!
//! Killed before 4 the tree is a leftover in `staging`; between 4 and 5 it is an unregistered tree
//! in the store, which the next attempt replaces and gc removes.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use crate::database::Record;
use crate::derivation::{Derivation, Isolation};
use crate::disk;
use crate::error::{Context as _, StoreError};
use crate::lock::StepLock;
use crate::path::StorePath;
use crate::staging::{Scratch, Staged};
use crate::store::{ObjectInfo, Store};
use crate::tree::{self, Content, Tree};

/// Files below this length are not shared: a link saves less than the search for it costs.
const SHARED_LENGTH: u64 = 1024;

/// What is known of an object when it is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The objects without which it is of no use. All of them are in the store already.
    pub references: BTreeSet<StorePath>,
    /// The step that made it; none for imports and views.
    pub derivation: Option<Derivation>,
    /// How far that step was shut off from the machine.
    pub isolation: Isolation,
}

/// See [`Store::add`].
pub(crate) fn add(
    store: &Store,
    staged: &Staged,
    path: &StorePath,
    registration: &Registration,
) -> Result<(), StoreError> {
    let _no_gc = store.use_store()?;
    if store.contains(path)? {
        return Ok(());
    }
    let mut references = registration.references.clone();
    references.remove(path);
    if let Some(reference) = store.missing(&references)?.pop_first() {
        return Err(StoreError::AbsentReference {
            path: path.clone(),
            reference,
        });
    }

    let scratch = store.scratch()?;
    let tree = Tree::settle(staged.folder(), &scratch)?;
    share(store, staged.folder(), &tree, &scratch)?;
    tree.seal(staged.folder())?;
    disk::sync_file_system(staged.folder())?;

    let record = Record {
        info: ObjectInfo {
            path: path.clone(),
            content: tree.digest(),
            references,
            bytes: tree.files().map(|(_, content)| content.length).sum(),
            files: tree.files().count() as u64,
            registered: store.now(),
            isolation: registration.isolation,
        },
        derivation: registration.derivation.clone(),
        files: shareable(&tree),
    };
    publish(store, staged, &record, &scratch)
}

/// Puts a tree that is on disk in its place and registers it.
fn publish(
    store: &Store,
    staged: &Staged,
    record: &Record,
    scratch: &Scratch,
) -> Result<(), StoreError> {
    // Two who add the same object must not register one's digest with the other's tree.
    let _only_one = StepLock::new(store.home(), "add")?;
    let path = &record.info.path;
    if store.contains(path)? {
        return Ok(());
    }
    let object = store.object(path);
    if disk::exists(&object)? {
        move_away(&object, scratch)?;
    }
    disk::rename(staged.folder(), &object)?;
    // Only now: moving a folder to another one takes the permission to write to it.
    tree::seal_folder(&object)?;
    disk::sync_folder(&object)?;
    disk::sync_folder(&store.folder())?;
    store.database().register(record)
}

/// Moves what is in the way of an object, or is one no more, to where it will be removed.
pub(crate) fn move_away(object: &Utf8Path, scratch: &Scratch) -> Result<(), StoreError> {
    if fs_err::symlink_metadata(object)
        .context("look at", object)?
        .is_dir()
    {
        disk::set_mode(object, 0o755)?;
    }
    disk::rename(object, &scratch.unique())
}

/// Returns the files that are worth sharing.
pub(crate) fn shareable(tree: &Tree) -> Vec<(String, Content)> {
    tree.files()
        .filter(|(_, content)| content.length >= SHARED_LENGTH)
        .map(|(path, content)| (path.to_owned(), *content))
        .collect()
}

/// Replaces files by links to equal ones, in the store or in the tree itself.
fn share(
    store: &Store,
    folder: &Utf8Path,
    tree: &Tree,
    scratch: &Scratch,
) -> Result<(), StoreError> {
    let mut seen: BTreeMap<([u8; 32], bool), Utf8PathBuf> = BTreeMap::new();
    for (path, content) in shareable(tree) {
        let file = folder.join(path);
        let key = (*content.hash.as_bytes(), content.executable);
        let other = match seen.get(&key) {
            Some(first) => Some(first.clone()),
            None => store
                .database()
                .file(&content)?
                .map(|(object, path)| store.object(&object).join(path)),
        };
        if let Some(other) = other {
            replace_by_link(&file, &other, &content, scratch)?;
        }
        seen.entry(key).or_insert(file);
    }
    Ok(())
}

/// Makes `file` another name of `other`'s inode, if that has the expected content indeed. Where
/// that is not possible (too many links, another file system, a file that somebody changed), the
/// file stays what it is: sharing saves space, and no more.
fn replace_by_link(
    file: &Utf8Path,
    other: &Utf8Path,
    content: &Content,
    scratch: &Scratch,
) -> Result<(), StoreError> {
    // What is checked is the link, not the other name, which somebody might exchange meanwhile.
    let link = scratch.unique();
    if let Err(error) = fs_err::hard_link(other, &link) {
        tracing::debug!("{error}; {file} is not shared");
        return Ok(());
    }
    if matches!(tree::is_intact(&link, content), Ok(true)) {
        return disk::rename(&link, file);
    }
    tracing::warn!("{other} is not what it was when it was added");
    Ok(())
}
