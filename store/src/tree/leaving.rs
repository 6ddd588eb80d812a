//! Trees that are leaving: objects that gc has taken, while they are deleted.
//!
//! Such a tree keeps its name until it is empty, and is absent from the moment on in which it is
//! marked, see [`super::mark`](mod@super::mark). To move it away instead would
//! take the file system ten times as long. The mark goes with the folder, not with the name: whoever
//! adds the object anew meanwhile moves the leaving tree away, and what takes its place is not
//! marked.

use std::ffi::CString;
use std::os::fd::{AsFd as _, OwnedFd};

use camino::Utf8Path;
use rustix::fs::{AtFlags, Stat};
use rustix::io::Errno;

use super::mark::LEAVING;
use super::remove::{open_folder, remove_emptied, remove_some};
use crate::error::{Context as _, StoreError};

/// Removes trees in a folder that are marked. `alone` keeps everybody else from giving their names to
/// other trees, as long as what it returns lives. Returns the bytes on disk that this freed.
pub(crate) fn remove_leaving<Alone>(
    parent: (&Utf8Path, &OwnedFd),
    names: &[String],
    alone: &dyn Fn() -> Result<Alone, StoreError>,
) -> Result<u64, StoreError> {
    let (place, parent) = parent;
    let mut freed = 0;
    let mut left = Vec::new();
    for name in names {
        left.extend(Leaving::open(parent, name).context("remove", &place.join(name))?);
    }
    while !left.is_empty() {
        for tree in &mut left {
            let emptied = tree.remove_some(&mut freed);
            emptied.context("remove", &place.join(tree.name))?;
        }
        let alone = alone()?;
        let (mut gone, mut full) = (Vec::new(), Vec::new());
        for tree in left {
            let removed = tree.remove_top(parent, &mut freed);
            let removed = removed.context("remove", &place.join(tree.name))?;
            if removed { &mut gone } else { &mut full }.push(tree);
        }
        // The file system frees them when they are closed, which takes longer than to take their names.
        drop(alone);
        drop(gone);
        left = full;
    }
    Ok(freed)
}

/// The open top of a tree that is leaving.
struct Leaving<'a> {
    name: &'a str,
    top: OwnedFd,
    found: Stat,
    /// How many names were removed at last.
    names: usize,
}

impl<'a> Leaving<'a> {
    /// Returns none if nothing of that name is leaving.
    fn open(parent: &OwnedFd, name: &'a str) -> Result<Option<Self>, Errno> {
        let top = match open_folder(parent.as_fd(), &c_name(name)?) {
            Ok(top) => top,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = rustix::fs::fstat(&top)?;
        let leaving = found.st_mode & 0o7777 == LEAVING.as_raw_mode();
        Ok(leaving.then_some(Self {
            name,
            top,
            found,
            names: 0,
        }))
    }

    fn remove_some(&mut self, freed: &mut u64) -> Result<(), Errno> {
        self.names = remove_some(&self.top, freed)?;
        Ok(())
    }

    /// Returns whether it is gone.
    fn remove_top(&self, parent: &OwnedFd, freed: &mut u64) -> Result<bool, Errno> {
        let named = match rustix::fs::statat(parent, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(named) => named,
            Err(Errno::NOENT) => return Ok(true),
            Err(error) => return Err(error),
        };
        // Whoever added the object anew has moved this one away, and removes it.
        if (named.st_dev, named.st_ino) != (self.found.st_dev, self.found.st_ino) {
            return Ok(true);
        }
        let top = (&self.top, &self.found);
        remove_emptied(parent, &c_name(self.name)?, top, self.names, freed)
    }
}

fn c_name(name: &str) -> Result<CString, Errno> {
    CString::new(name).map_err(|_| Errno::INVAL)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::{open_parent, stands};
    use super::*;
    use crate::path::StorePath;
    use crate::store::Store;
    use crate::testing::{self, Home, path};
    use crate::{GcOptions, add, disk, reference};

    fn mark(store: &Store, object: &StorePath) {
        let folder = open_parent(&store.folder()).unwrap();
        super::super::mark(&folder, &object.to_string()).unwrap();
    }

    fn remove(store: &Store, object: &StorePath) -> u64 {
        let folder = store.folder();
        let open = open_parent(&folder).unwrap();
        let alone = || add::only_one(store);
        remove_leaving((&folder, &open), &[object.to_string()], &alone).unwrap()
    }

    #[test]
    fn what_leaves_is_absent() {
        let home = Home::new();
        let store = home.open();
        let object = home.add("a", &[]);
        let user = home.add("b", &[&object]);
        store.set_root("b", &user).unwrap();
        mark(&store, &object);
        // As if a power cut had brought its registration back.
        assert!(store.database().unwrap().contains(&object).unwrap());
        assert!(!store.contains(&object).unwrap());
        assert_eq!(store.info(&object).unwrap(), None);
        assert_eq!(store.objects().unwrap().len(), 1);
        let trees = reference::trees(&store.folder()).unwrap();
        assert_eq!(trees, [user.clone()].into());
        assert!(store.set_root("a", &object).is_err());
        let findings = store.verify().unwrap().findings;
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].problem.contains("absent"), "{findings:?}");
        // Nor does it come back with a database that is made again from the store.
        drop(store);
        assert!(Store::discard_database(&home.path()).unwrap());
        let store = home.open();
        assert!(!store.contains(&object).unwrap());
        assert!(!store.register_again(&object).unwrap());
        // It can be added anew.
        testing::add(&store, &object, &[], &[("file", "a")]).unwrap();
        assert_eq!(store.verify().unwrap().findings, []);
        assert_eq!(remove(&store, &object), 0);
        assert!(store.contains(&object).unwrap());
    }

    #[test]
    fn gc_goes_on_where_another_was_killed() {
        let home = Home::new();
        let store = home.open();
        let object = path("a");
        let files = [("bin/app*", "program"), ("share/page", "text")];
        testing::add(&store, &object, &[], &files).unwrap();
        mark(&store, &object);
        let folder = store.object(&object);
        disk::set_mode(&folder.join("share"), 0o700).unwrap();
        fs_err::remove_file(folder.join("share/page")).unwrap();
        // Nobody closes it again.
        disk::link(
            &home.path().join("locks/open"),
            format!("store/{object}").as_str().into(),
        )
        .unwrap();
        let store = home.open();
        assert!(!stands(&folder).unwrap());
        let report = store.gc(&GcOptions::default(), &mut |_| {}).unwrap();
        assert_eq!(report.removed, [object].into());
        assert!(report.bytes > 0);
        assert_eq!(disk::names(&store.folder()).unwrap(), [""; 0]);
    }

    #[test]
    fn what_took_its_place_stays() {
        let home = Home::new();
        let store = home.open();
        let (object, empty) = (path("a"), path("empty"));
        for object in [&object, &empty] {
            testing::add(&store, object, &[], &[("d/file", "x")]).unwrap();
            mark(&store, object);
        }
        let folder = store.folder();
        let open = open_parent(&folder).unwrap();
        let names = [object.to_string(), empty.to_string()];
        // What is open and gone is emptied as well.
        let mut gone = Leaving::open(&open, &names[0]).unwrap().unwrap();
        let added = std::cell::Cell::new(false);
        let alone = || {
            // Between the emptying and the last step, the worst moment.
            if !added.replace(true) {
                testing::add(&store, &object, &[], &[("d/file", "x")]).unwrap();
                testing::add(&store, &empty, &[], &[]).unwrap();
            }
            add::only_one(&store)
        };
        remove_leaving((&folder, &open), &names, &alone).unwrap();
        gone.remove_some(&mut 0).unwrap();
        assert!(gone.remove_top(&open, &mut 0).unwrap());
        assert!(store.contains(&object).unwrap() && store.contains(&empty).unwrap());
        assert_eq!(store.verify().unwrap().findings, []);
        assert_eq!(disk::names(&home.path().join("staging")).unwrap(), [""; 0]);
    }

    #[test]
    fn folders_with_many_names_go() {
        let home = Home::new();
        let store = home.open();
        let names: Vec<_> = (0..1000).map(|number| format!("file-{number}")).collect();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
        testing::add(&store, &path("a"), &[], &files).unwrap();
        mark(&store, &path("a"));
        assert!(remove(&store, &path("a")) >= 1000 * 512);
        assert_eq!(disk::names(&store.folder()).unwrap(), [""; 0]);
    }

    #[test]
    fn marks_do_not_follow_links() {
        let home = Home::new();
        let store = home.open();
        let outside = home.path().with_file_name("outside");
        fs_err::create_dir(&outside).unwrap();
        disk::link(&store.object(&path("link")), &outside).unwrap();
        fs_err::write(store.object(&path("file")), "x").unwrap();
        let mode = || fs_err::metadata(&outside).unwrap().permissions().mode();
        let before = mode();
        mark(&store, &path("link"));
        mark(&store, &path("file"));
        mark(&store, &path("gone"));
        assert_eq!(mode(), before);
        assert_eq!(disk::names(&store.folder()).unwrap(), [""; 0]);
    }
}
