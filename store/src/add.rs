//! How a tree becomes an object, and [`Registration`]: what is known of it then.
//!
//! 1. The staged tree gets its canonical form and is hashed (`tree`).
//! 2. Files that the store has already become links to those.
//! 3. Everything is written to disk, by one `syncfs`.
//! 4. The tree is renamed to its place, and the rename is written to disk.
//! 5. The object is registered. From now on it is valid.
//!
//! Many objects at once take these steps together: one `syncfs` before the renames, one after.
//!
//! Killed before 4 the tree is a leftover in `staging`; between 4 and 5 it is an unregistered tree
//! in the store, which the next attempt replaces and gc removes.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use camino::Utf8Path;

use crate::database::Record;
use crate::derivation::{Derivation, Isolation};
use crate::error::{Context as _, StoreError};
use crate::lock::StepLock;
use crate::path::StorePath;
use crate::staging::{Scratch, Staged};
use crate::store::{ObjectInfo, Store};
use crate::tree::{self, Tree};
use crate::{disk, failpoint, share};

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

/// See [`Store::add_all`].
pub(crate) fn add_all(
    store: &Store,
    new: Vec<(Staged, StorePath, Registration)>,
) -> Result<(), StoreError> {
    let _no_gc = store.use_store()?;
    let scratch = store.scratch()?;
    let mut seen = share::Seen::new();
    let mut together = BTreeSet::new();
    let mut ready = Vec::new();
    for (staged, path, registration) in new {
        if store.contains(&path)? || !together.insert(path.clone()) {
            continue;
        }
        let mut references = registration.references;
        references.remove(&path);
        let before = references.difference(&together).cloned().collect();
        if let Some(reference) = store.missing(&before)?.pop_first() {
            return Err(StoreError::AbsentReference { path, reference });
        }
        let tree = Tree::settle(staged.folder(), &scratch)?;
        failpoint::reached("add.settle")?;
        share::share(store, staged.folder(), &tree, &scratch, &mut seen)?;
        failpoint::reached("add.share")?;
        tree.seal(staged.folder())?;
        failpoint::reached("add.seal")?;
        let info = ObjectInfo {
            path,
            content: tree.digest(),
            references,
            bytes: tree.files().map(|(_, content)| content.length).sum(),
            files: tree.files().count() as u64,
            registered: store.now(),
            isolation: registration.isolation,
        };
        let record = Record {
            info,
            derivation: registration.derivation,
            files: share::shareable(&tree),
        };
        ready.push((staged, record));
    }
    if ready.is_empty() {
        return Ok(());
    }
    disk::sync_file_system(&store.folder())?;
    failpoint::reached("add.sync")?;
    publish(store, ready, &scratch)
}

/// Puts trees that are on disk in their places and registers them.
fn publish(
    store: &Store,
    ready: Vec<(Staged, Record)>,
    scratch: &Scratch,
) -> Result<(), StoreError> {
    // Two who add the same object must not register one's digest with the other's tree.
    let _only_one = only_one(store)?;
    let mut records = Vec::new();
    for (staged, record) in ready {
        let path = &record.info.path;
        if store.contains(path)? {
            continue;
        }
        let object = store.object(path);
        move_away(&object, scratch)?;
        failpoint::reached("add.replace")?;
        staged.move_to(&object)?;
        failpoint::reached("add.rename")?;
        // Only now: moving a folder to another one takes the permission to write to it.
        tree::seal_folder(&object)?;
        records.push(record);
    }
    match records.as_slice() {
        [] => return Ok(()),
        [one] => {
            disk::sync_folder(&store.object(&one.info.path))?;
            disk::sync_folder(&store.folder())?;
        }
        _ => disk::sync_file_system(&store.folder())?,
    }
    failpoint::reached("add.names")?;
    store.database()?.register(&records)?;
    failpoint::reached("add.register")
}

/// Keeps everybody else from giving the name of an object to another tree.
pub(crate) fn only_one(store: &Store) -> Result<StepLock, StoreError> {
    StepLock::new(store.home(), "add")
}

/// Moves what is in the way of an object to where it will be removed; nothing there is fine.
fn move_away(object: &Utf8Path, scratch: &Scratch) -> Result<(), StoreError> {
    let place = scratch.unique();
    match fs_err::rename(object, &place) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // Moving a folder to another one takes the permission to write to it.
        Err(error)
            if error.kind() == ErrorKind::PermissionDenied
                && fs_err::symlink_metadata(object).is_ok_and(|found| found.is_dir()) =>
        {
            disk::set_mode(object, 0o755)?;
            disk::rename(object, &place)
        }
        Err(error) => Err(error).context("rename to", &place),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::testing::{self, Home, path, registration, write_files};

    fn inode(store: &Store, object: &StorePath, file: &str) -> u64 {
        fs_err::metadata(store.object(object).join(file))
            .unwrap()
            .ino()
    }

    #[test]
    fn an_object_is_there_with_all_that_is_known_of_it() {
        let home = Home::new();
        let store = home.open();
        let library = home.add("library", &[]);
        let app = path("app");
        let files = [("bin/app*", "program"), ("share/man/man1/app.1", "page")];
        testing::add(&store, &app, &[&library, &app], &files).unwrap();
        assert!(store.contains(&app).unwrap());
        let info = store.info(&app).unwrap().unwrap();
        assert_eq!(info.references, BTreeSet::from([library.clone()]));
        assert_eq!((info.bytes, info.files), (11, 2));
        assert_eq!(info.registered, testing::now());
        assert_eq!(info.isolation, Isolation::Full);
        assert_eq!(
            info.content,
            Tree::read(&store.object(&app)).unwrap().digest()
        );
        let top = fs_err::metadata(store.object(&app)).unwrap();
        assert_eq!((top.mode() & 0o7777, top.mtime()), (0o555, 1));
        let paths: Vec<_> = store
            .objects()
            .unwrap()
            .into_iter()
            .map(|info| info.path)
            .collect();
        let sorted = BTreeSet::from([app.clone(), library.clone()]);
        assert_eq!(paths, sorted.iter().cloned().collect::<Vec<_>>());
        assert_eq!(store.closure(&BTreeSet::from([app])).unwrap(), sorted);
        assert_eq!(disk::names(&home.path().join("staging")).unwrap(), [""; 0]);
    }

    #[test]
    fn an_import_is_named_by_its_content() {
        let home = Home::new();
        let store = home.open();
        let import = |text: &str| {
            let staged = store.stage().unwrap();
            write_files(staged.folder(), &[("bin/rustc*", text)]);
            let content = store.content(&staged).unwrap();
            let object = StorePath::new(content, "rustc");
            store.add(staged, &object, &registration(&[])).unwrap();
            assert_eq!(store.info(&object).unwrap().unwrap().content, content);
            object
        };
        assert_eq!(import("one"), import("one"));
        assert_ne!(import("one"), import("other"));
    }

    #[test]
    fn a_present_object_stays_and_nothing_is_created() {
        let home = Home::new();
        let store = home.open();
        let object = path("a");
        testing::add(&store, &object, &[], &[("file", "first")]).unwrap();
        let before = (store.info(&object).unwrap(), inode(&store, &object, "file"));
        let staged = store.stage().unwrap();
        let folder = staged.folder().to_owned();
        write_files(&folder, &[("file", "second")]);
        store.add(staged, &object, &registration(&[])).unwrap();
        assert!(!folder.exists());
        assert_eq!(
            before,
            (store.info(&object).unwrap(), inode(&store, &object, "file"))
        );
        assert_eq!(disk::names(&store.folder()).unwrap().len(), 1);
    }

    #[test]
    fn references_come_first() {
        let home = Home::new();
        let store = home.open();
        let error = testing::add(&store, &path("a"), &[&path("b")], &[]).unwrap_err();
        assert!(
            matches!(error, StoreError::AbsentReference { .. }),
            "{error}"
        );
        assert!(!store.object(&path("a")).exists());
    }

    #[test]
    fn a_refused_tree_leaves_nothing() {
        let home = Home::new();
        let store = home.open();
        testing::add(&store, &path("a"), &[], &[("a\nb", "")]).unwrap_err();
        assert!(!store.contains(&path("a")).unwrap());
        assert_eq!(disk::names(&store.folder()).unwrap(), [""; 0]);
        assert_eq!(disk::names(&home.path().join("staging")).unwrap(), [""; 0]);
    }

    #[test]
    fn equal_files_share_an_inode() {
        let home = Home::new();
        let store = home.open();
        let long = "x".repeat(2000);
        let files = [
            ("one", &*long),
            ("two", &*long),
            ("run*", &*long),
            ("short", "x"),
        ];
        testing::add(&store, &path("a"), &[], &files).unwrap();
        testing::add(&store, &path("b"), &[], &files).unwrap();
        let inode = |object, file| inode(&store, &path(object), file);
        assert_eq!(inode("a", "one"), inode("a", "two"));
        assert_eq!(inode("a", "one"), inode("b", "one"));
        assert_eq!(inode("a", "run"), inode("b", "run"));
        assert_ne!(inode("a", "one"), inode("a", "run"));
        assert_ne!(inode("a", "short"), inode("b", "short"));
        let info = |object| store.info(&path(object)).unwrap().unwrap();
        assert_eq!(info("a").content, info("b").content);
        assert_eq!(
            Tree::read(&store.object(&path("b"))).unwrap().digest(),
            info("b").content
        );
    }

    #[test]
    fn a_changed_file_is_not_shared() {
        let home = Home::new();
        let store = home.open();
        let long = "x".repeat(2000);
        testing::add(&store, &path("a"), &[], &[("file", &*long)]).unwrap();
        let file = store.object(&path("a")).join("file");
        disk::set_mode(&file, 0o644).unwrap();
        fs_err::write(&file, "y".repeat(2000)).unwrap();
        disk::set_mode(&file, 0o444).unwrap();
        testing::add(&store, &path("b"), &[], &[("file", &*long)]).unwrap();
        let read = |name| fs_err::read_to_string(store.object(&path(name)).join("file")).unwrap();
        assert_eq!(read("b"), long);
        assert_ne!(
            inode(&store, &path("a"), "file"),
            inode(&store, &path("b"), "file")
        );
        // Also when the file was replaced by a link.
        fs_err::set_permissions(
            store.object(&path("a")),
            fs_err::metadata(home.path()).unwrap().permissions(),
        )
        .unwrap();
        fs_err::remove_file(&file).unwrap();
        disk::link(&file, "/etc/passwd".into()).unwrap();
        testing::add(&store, &path("c"), &[], &[("file", &*long)]).unwrap();
        assert_eq!(read("c"), long);
    }

    #[test]
    fn what_an_interrupted_add_left_is_replaced() {
        let home = Home::new();
        let store = home.open();
        let object = path("a");
        write_files(&store.object(&object), &[("file", "half"), ("other", "")]);
        tree::seal_folder(&store.object(&object)).unwrap();
        assert!(!store.contains(&object).unwrap());
        testing::add(&store, &object, &[], &[("file", "whole")]).unwrap();
        assert_eq!(disk::names(&store.object(&object)).unwrap(), ["file"]);
        let info = store.info(&object).unwrap().unwrap();
        assert_eq!(
            info.content,
            Tree::read(&store.object(&object)).unwrap().digest()
        );
    }

    #[test]
    fn an_object_that_somebody_deleted_is_absent_and_can_be_added_again() {
        let home = Home::new();
        let store = home.open();
        let object = home.add("a", &[]);
        tree::remove(&store.object(&object)).unwrap();
        assert!(!store.contains(&object).unwrap());
        assert_eq!(store.info(&object).unwrap(), None);
        assert_eq!(store.objects().unwrap(), []);
        let paths = BTreeSet::from([object.clone()]);
        assert_eq!(store.missing(&paths).unwrap(), paths);
        assert!(matches!(
            store.closure(&paths).unwrap_err(),
            StoreError::Absent { .. }
        ));
        home.add("a", &[]);
        assert!(store.contains(&object).unwrap());
    }

    #[test]
    fn two_who_add_the_same_object_agree() {
        let home = Home::new();
        for round in 0..10 {
            let object = path(&format!("object-{round}"));
            std::thread::scope(|scope| {
                for text in ["one", "other"] {
                    let (home, object) = (&home, &object);
                    scope.spawn(move || {
                        testing::add(&home.open(), object, &[], &[("file", text)]).unwrap();
                    });
                }
            });
            let store = home.open();
            let info = store.info(&object).unwrap().unwrap();
            assert_eq!(
                info.content,
                Tree::read(&store.object(&object)).unwrap().digest()
            );
        }
        assert_eq!(home.open().objects().unwrap().len(), 10);
        assert_eq!(disk::names(&home.path().join("staging")).unwrap(), [""; 0]);
    }
}
