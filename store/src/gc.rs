//! Finds and removes the objects that nobody needs: [`GcPlan`], [`GcReport`].
//!
//! Live is what a root reaches, or any generation of any profile: its views and what it keeps. Who
//! uses objects that nothing reaches yet holds a [`crate::UseGuard`], and gc waits for all of
//! them. Others wait for gc only while it decides and renames; it deletes when they can go on.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;

use crate::error::StoreError;
use crate::lock::SweepLock;
use crate::path::StorePath;
use crate::staging::{self, Scratch};
use crate::store::Store;
use crate::{add, disk, profile, reference, tree};

/// What gc would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GcPlan {
    /// Objects that a root or a generation reaches.
    pub live: BTreeSet<StorePath>,
    /// Objects that nothing reaches, and trees whose adding was interrupted.
    pub dead: BTreeSet<StorePath>,
    /// Bytes on disk that removing the dead ones frees; files shared with a live object do not
    /// count.
    pub bytes: u64,
}

/// What gc did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GcReport {
    /// Objects that are no more.
    pub removed: BTreeSet<StorePath>,
    /// Bytes on disk that were freed.
    pub bytes: u64,
}

/// See [`Store::plan_gc`].
pub(crate) fn plan(store: &Store) -> Result<GcPlan, StoreError> {
    let mut roots: BTreeSet<StorePath> = store.roots()?.into_values().collect();
    for name in store.profiles()? {
        roots.extend(profile::kept(&store.profile(&name)?)?);
    }
    let live = store.reachable(roots)?;
    let mut all = store.database().paths()?;
    all.extend(reference::trees(&store.folder())?);
    let dead: BTreeSet<StorePath> = all.difference(&live).cloned().collect();
    let mut folders = BTreeSet::new();
    for path in &dead {
        let object = store.object(path);
        if disk::exists(&object)? {
            folders.insert(object);
        }
        let log = store.log_path(path);
        if disk::exists(&log)? {
            folders.insert(log);
        }
    }
    Ok(GcPlan {
        bytes: tree::freed_bytes(&folders)?,
        live,
        dead,
    })
}

/// See [`Store::gc`].
pub(crate) fn run(store: &Store, waiting: &mut dyn FnMut(String)) -> Result<GcReport, StoreError> {
    let staging = store.home().join("staging");
    staging::remove_leftovers(&staging)?;
    let nobody_else = SweepLock::new(store.home(), waiting)?;
    let GcPlan {
        live: _,
        dead,
        bytes,
    } = plan(store)?;
    let trees = trees(store, &dead)?;
    match unregister_and_move(store, &dead, &trees) {
        Ok(trash) => {
            drop(nobody_else);
            trash.remove()?;
        }
        // On a full disk the database cannot even forget. Trees without a registration and
        // registrations without a tree are equally invalid, so the other way round is as good;
        // only that everybody has to wait.
        Err(StoreError::DatabaseFull { .. }) => {
            for tree in &trees {
                tree::remove(tree)?;
            }
            store.database().unregister(&dead)?;
        }
        Err(error) => return Err(error),
    }
    for path in &dead {
        disk::remove_file(&store.log_path(path))?;
    }
    Ok(GcReport {
        removed: dead,
        bytes,
    })
}

fn trees(store: &Store, paths: &BTreeSet<StorePath>) -> Result<Vec<Utf8PathBuf>, StoreError> {
    let mut trees = Vec::new();
    for path in paths {
        let tree = store.object(path);
        if disk::exists(&tree)? {
            trees.push(tree);
        }
    }
    Ok(trees)
}

/// Makes objects invalid and moves their trees out of the store; they go when the folder returned
/// does.
fn unregister_and_move(
    store: &Store,
    dead: &BTreeSet<StorePath>,
    trees: &[Utf8PathBuf],
) -> Result<Scratch, StoreError> {
    store.database().unregister(dead)?;
    let trash = store.scratch()?;
    for tree in trees {
        add::move_away(tree, &trash)?;
    }
    Ok(trash)
}
