//! [`Opening`]: a folder of an object while a name in it is exchanged.
//!
//! Folders of objects are closed to everybody. To give a file in one another inode, the folder has
//! to be open for a moment, and a note says which one it is: `<home>/locks/open` leads to it, as
//! seen from the home. The note is made before the folder is opened and goes after it is closed.
//! Who dies in between leaves the note, and whoever opens the store next closes the folder.
//!
//! One folder is open at a time: who has one holds a lock.

use std::io::ErrorKind;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use crate::error::{Context as _, StoreError};
use crate::lock::StepLock;
use crate::{disk, failpoint, tree};

/// The step of the lock.
const LOCK: &str = "exchange";

/// An open folder.
#[derive(Debug)]
pub(crate) struct Opening {
    folder: Utf8PathBuf,
    note: Utf8PathBuf,
    #[expect(dead_code, reason = "held for the lock")]
    only_one: StepLock,
}

impl Opening {
    /// Opens a folder of an object; waits for whoever has one open, which is a moment.
    pub(crate) fn new(home: &Utf8Path, folder: &Utf8Path) -> Result<Self, StoreError> {
        let only_one = StepLock::new(home, LOCK)?;
        close_noted(home)?;
        let note = note(home);
        disk::link(&note, folder.strip_prefix(home).unwrap_or(folder))?;
        failpoint::reached("open.note")?;
        disk::set_mode(folder, 0o755)?;
        Ok(Self {
            folder: folder.to_owned(),
            note,
            only_one,
        })
    }

    /// Closes the folder. If it is dropped without that, the note stays.
    pub(crate) fn close(self) -> Result<(), StoreError> {
        failpoint::reached("open.exchange")?;
        tree::seal_folder(&self.folder)?;
        failpoint::reached("open.close")?;
        disk::remove_file(&self.note).map(drop)
    }
}

/// Closes the folder that a dead process left open, if one did.
pub(crate) fn close_left(home: &Utf8Path) -> Result<(), StoreError> {
    if !disk::exists(&note(home))? {
        return Ok(());
    }
    // Who has it open is alive if the lock is taken, and closes it.
    match StepLock::try_new(home, LOCK)? {
        Some(_only_one) => close_noted(home),
        None => Ok(()),
    }
}

/// Closes the folder that a dead process left open, and waits for whoever is closing it. Nobody can
/// open one: the caller keeps them from using the store.
pub(crate) fn close_all(home: &Utf8Path) -> Result<(), StoreError> {
    if disk::exists(&note(home))? {
        drop(none_open(home)?);
    }
    Ok(())
}

/// Waits until nobody has a folder open.
pub(crate) fn none_open(home: &Utf8Path) -> Result<StepLock, StoreError> {
    let only_one = StepLock::new(home, LOCK)?;
    close_noted(home)?;
    Ok(only_one)
}

/// Closes the folder that the note leads to. The caller holds the lock.
fn close_noted(home: &Utf8Path) -> Result<(), StoreError> {
    let note = note(home);
    let Some(inside) = disk::read_link(&note)? else {
        return Ok(());
    };
    if is_of_an_object(&inside) {
        let folder = home.join(inside);
        match fs_err::symlink_metadata(&folder) {
            Ok(found) if tree::is_marked(&found) => {}
            Ok(found) if found.is_dir() => tree::seal_folder(&folder)?,
            Ok(_) => {}
            // gc may have taken it.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error).context("look at", &folder),
        }
    }
    disk::remove_file(&note)?;
    failpoint::reached("open.left")
}

/// Whether a path from the home leads to an object or into one. What is in a home is ours, but not
/// even a wrong note shall change the mode of what lies outside.
fn is_of_an_object(inside: &Utf8Path) -> bool {
    let mut components = inside.components();
    components.next() == Some(Utf8Component::Normal("store"))
        && components.clone().next().is_some()
        && components.all(|component| matches!(component, Utf8Component::Normal(_)))
}

fn note(home: &Utf8Path) -> Utf8PathBuf {
    home.join("locks/open")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::testing::{self, Home, path};

    fn form(folder: &Utf8Path) -> (u32, i64) {
        let metadata = fs_err::metadata(folder).unwrap();
        (metadata.mode() & 0o7777, metadata.mtime())
    }

    #[test]
    fn what_the_dead_left_open_is_closed_by_the_next_one() {
        let home = Home::new();
        let store = home.open();
        testing::add(&store, &path("a"), &[], &[("lib/file", "x")]).unwrap();
        let folder = store.object(&path("a")).join("lib");
        let opening = Opening::new(store.home(), &folder).unwrap();
        assert_eq!(form(&folder).0, 0o755);
        // Whoever opens the store meanwhile leaves it alone.
        drop(home.open());
        assert_eq!(form(&folder).0, 0o755);
        // As if it had died.
        drop(opening);
        drop(home.open());
        assert_eq!(form(&folder), (0o555, 1));
        assert!(!disk::exists(&note(store.home())).unwrap());
        let opening = Opening::new(store.home(), &folder).unwrap();
        drop(opening);
        // The next exchange does it as well.
        testing::add(&store, &path("b"), &[], &[("lib/file", "y")]).unwrap();
        let other = store.object(&path("b")).join("lib");
        Opening::new(store.home(), &other).unwrap().close().unwrap();
        assert_eq!((form(&folder), form(&other)), ((0o555, 1), (0o555, 1)));
    }

    #[test]
    fn a_note_leads_nowhere_else() {
        let home = Home::new();
        drop(home.open());
        let outside = home.path().with_file_name("outside");
        for (target, wrong) in [
            (outside.as_str(), true),
            ("../outside", true),
            ("store/../../outside", true),
            ("store", true),
            ("store/gone/lib", false),
        ] {
            fs_err::create_dir_all(&outside).unwrap();
            disk::set_mode(&outside, 0o700).unwrap();
            disk::link(&note(&home.path()), target.into()).unwrap();
            drop(home.open());
            assert_eq!(form(&outside).0, 0o700, "{target}");
            assert_ne!(form(&home.path().join("store")).0, 0o555, "{target}");
            assert_eq!(!is_of_an_object(target.into()), wrong, "{target}");
            assert!(!disk::exists(&note(&home.path())).unwrap(), "{target}");
        }
    }
}
