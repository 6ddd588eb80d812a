//! Identical files become one: those of new objects when they are added, those of old ones by
//! [`Store::share_files`].
//!
//! Identical is what has the same bytes and can be executed or cannot; what the database says is
//! only where to look. One file becomes another name of the other's inode, or, where an inode
//! cannot have one more name, gets its blocks, if the file system can do that. Where it cannot, the
//! file stays what it is: sharing saves space, and no more.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use crate::error::{Context as _, StoreError};
use crate::lock::StepLock;
use crate::opening::Opening;
use crate::staging::Scratch;
use crate::store::Store;
use crate::tree::{self, Content, Tree};
use crate::{disk, failpoint};

/// Files below this length are not shared: a link saves less than the search for it costs.
const SHARED_LENGTH: u64 = 1024;

/// What `st_blocks` counts.
const BLOCK: u64 = 512;

/// What sharing saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Shared {
    /// How many files became names or copies of others.
    pub files: u64,
    /// The bytes on disk that this freed.
    pub bytes: u64,
}

/// Where files that are being added are, by hash and whether they can be executed.
pub(crate) type Seen = BTreeMap<([u8; 32], bool), Utf8PathBuf>;

/// How a file became one with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Became {
    /// Another name of the same inode.
    Name,
    /// An inode with the same blocks.
    Copy,
    /// Neither.
    Nothing,
}

/// Returns the files that are worth sharing.
pub(crate) fn shareable(tree: &Tree) -> Vec<(String, Content)> {
    tree.files()
        .filter(|(_, content)| content.length >= SHARED_LENGTH)
        .map(|(path, content)| (path.to_owned(), *content))
        .collect()
}

/// Replaces files of a tree that is being added by links to equal ones, in the store or among those
/// that are being added.
pub(crate) fn share(
    store: &Store,
    folder: &Utf8Path,
    tree: &Tree,
    scratch: &Scratch,
    seen: &mut Seen,
) -> Result<(), StoreError> {
    for (path, content) in shareable(tree) {
        let file = folder.join(path);
        let key = (*content.hash.as_bytes(), content.executable);
        let other = match seen.get(&key) {
            Some(first) => Some(first.clone()),
            None => store
                .database()?
                .file(&content)?
                .map(|(object, path)| store.object(&object).join(path)),
        };
        if let Some(other) = other {
            replace(&file, &other, &content, scratch)?;
        }
        seen.entry(key).or_insert(file);
    }
    Ok(())
}

/// Makes `file` one with `other`, if that has the expected content indeed.
fn replace(
    file: &Utf8Path,
    other: &Utf8Path,
    content: &Content,
    scratch: &Scratch,
) -> Result<Became, StoreError> {
    // What is checked is the link, not the other name, which somebody might exchange meanwhile.
    let link = scratch.unique();
    let linked = fs_err::hard_link(other, &link)
        .context("link", &link)
        .and_then(|()| failpoint::reached("share.link"));
    let mut became = Became::Name;
    if let Err(error) = linked {
        disk::remove_file(&link)?;
        if let Err(further) = tree::reflink(other, &link, content) {
            disk::remove_file(&link)?;
            tracing::debug!("{error}; {further}; {file} is not shared");
            return Ok(Became::Nothing);
        }
        became = Became::Copy;
    }
    if matches!(tree::is_intact(&link, content), Ok(true)) {
        disk::rename(&link, file)?;
        return Ok(became);
    }
    disk::remove_file(&link)?;
    tracing::warn!("{other} is not what it was when it was added");
    Ok(Became::Nothing)
}

impl Store {
    /// Makes identical files of all objects one; `waiting` is told for whom it waits. Others go on
    /// meanwhile: each file is exchanged in one step for one that is the same, and gc waits for one
    /// group of equal files at most.
    pub fn share_files(&self, waiting: &mut dyn FnMut(String)) -> Result<Shared, StoreError> {
        let _only_one = StepLock::telling(self.home(), "share", waiting)?;
        let scratch = self.scratch()?;
        let mut shared = Shared::default();
        for equal in self.database()?.repeated()? {
            let _no_gc = self.use_store()?;
            self.inodes(equal)?.share(self, &scratch, &mut shared)?;
        }
        if shared.files > 0 {
            disk::sync_file_system(&self.folder())?;
        }
        Ok(shared)
    }

    /// Returns what [`Store::share_files`] would save if every file is what it was when it was
    /// added, changing nothing.
    pub fn plan_sharing(&self) -> Result<Shared, StoreError> {
        let mut shared = Shared::default();
        for equal in self.database()?.repeated()? {
            for inode in self.inodes(equal)?.inodes.iter().skip(1) {
                shared.files += inode.names.len() as u64;
                // Another name of it may be one that nobody knows.
                if inode.metadata.nlink() == inode.names.len() as u64 {
                    shared.bytes += inode.metadata.blocks() * BLOCK;
                }
            }
        }
        Ok(shared)
    }

    /// Finds the inodes of files that are registered as equal; those with most names first.
    fn inodes(&self, (hash, executable): (blake3::Hash, bool)) -> Result<Equal, StoreError> {
        let mut inodes: BTreeMap<(u64, u64), Inode> = BTreeMap::new();
        for (object, path) in self.database()?.files((hash, executable))? {
            // What a gc that was killed has left is no object, and what is marked must not be
            // closed again.
            if !tree::is_trusted(&self.object(&object))? {
                continue;
            }
            let path = self.object(&object).join(path);
            match fs_err::symlink_metadata(&path) {
                Ok(metadata) if metadata.is_file() => {
                    let inode = inodes.entry((metadata.dev(), metadata.ino()));
                    let names = Vec::new();
                    let inode = inode.or_insert(Inode { metadata, names });
                    inode.names.push(path);
                }
                // Damaged or gone: that is for `verify` and gc.
                _ => {}
            }
        }
        let mut inodes: Vec<_> = inodes.into_values().collect();
        inodes.sort_by_key(|inode| std::cmp::Reverse(inode.names.len()));
        Ok(Equal {
            hash,
            executable,
            inodes,
        })
    }
}

/// Files of objects that are equal by what is registered.
struct Equal {
    hash: blake3::Hash,
    executable: bool,
    inodes: Vec<Inode>,
}

struct Inode {
    metadata: Metadata,
    names: Vec<Utf8PathBuf>,
}

impl Equal {
    /// Makes those one that are what they should be.
    fn share(
        &self,
        store: &Store,
        scratch: &Scratch,
        shared: &mut Shared,
    ) -> Result<(), StoreError> {
        let mut one: Option<&Utf8Path> = None;
        for inode in &self.inodes {
            let content = Content {
                executable: self.executable,
                length: inode.metadata.len(),
                hash: self.hash,
            };
            let mut names = inode.names.iter();
            if one.is_none() {
                one = names.next().map(Utf8PathBuf::as_path);
                continue;
            }
            for file in names {
                if !matches!(tree::is_intact(file, &content), Ok(true)) {
                    continue;
                }
                let Some(other) = one else { continue };
                let found = fs_err::symlink_metadata(file).context("look at", file)?;
                let became = replace_old(store, file, other, &content, scratch)?;
                if became != Became::Nothing {
                    shared.files += 1;
                    if found.nlink() == 1 {
                        shared.bytes += found.blocks() * BLOCK;
                    }
                }
                // The other one cannot have more names, or is damaged.
                if became != Became::Name {
                    one = Some(file);
                }
            }
        }
        Ok(())
    }
}

/// As [`replace`], in an object: its folders are closed, and are so again afterwards.
fn replace_old(
    store: &Store,
    file: &Utf8Path,
    other: &Utf8Path,
    content: &Content,
    scratch: &Scratch,
) -> Result<Became, StoreError> {
    let open = Opening::new(store.home(), file.parent().unwrap_or(file))?;
    let became = replace(file, other, content, scratch);
    open.close()?;
    became
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::path::StorePath;
    use crate::testing::{self, Home, path};

    fn file(store: &Store, object: &StorePath, name: &str) -> Utf8PathBuf {
        store.object(object).join(name)
    }

    /// Gives a file an inode of its own, as if it had been added before there was sharing.
    fn set_apart(file: &Utf8Path) {
        let folder = file.parent().unwrap();
        let metadata = fs_err::metadata(file).unwrap();
        let bytes = fs_err::read(file).unwrap();
        disk::set_mode(folder, 0o755).unwrap();
        fs_err::remove_file(file).unwrap();
        fs_err::write(file, bytes).unwrap();
        disk::set_mode(file, metadata.mode()).unwrap();
        let open = fs_err::File::open(file).unwrap().into_parts().0;
        open.set_modified(metadata.modified().unwrap()).unwrap();
        tree::seal_folder(folder).unwrap();
    }

    fn inode(file: &Utf8Path) -> u64 {
        fs_err::metadata(file).unwrap().ino()
    }

    fn share(store: &Store) -> Shared {
        store.share_files(&mut |_| {}).unwrap()
    }

    fn three() -> (Home, Store, [Utf8PathBuf; 3]) {
        let home = Home::new();
        let store = home.open();
        let text = "x".repeat(10_000);
        let files = ["a", "b", "c"].map(|name| {
            let object = path(name);
            let own = name.repeat(5000);
            let files = [("lib/same", &*text), ("lib/own", &*own)];
            testing::add(&store, &object, &[], &files).unwrap();
            let file = file(&store, &object, "lib/same");
            set_apart(&file);
            file
        });
        (home, store, files)
    }

    #[test]
    fn old_files_become_one_and_it_says_what_that_saved() {
        let (_home, store, files) = three();
        assert_eq!(store.verify().unwrap().findings, []);
        let blocks = fs_err::metadata(&files[0]).unwrap().blocks() * BLOCK;
        let expected = Shared {
            files: 2,
            bytes: 2 * blocks,
        };
        assert_eq!(store.plan_sharing().unwrap(), expected);
        assert_eq!(share(&store), expected);
        let inodes: BTreeSet<_> = files.iter().map(|file| inode(file)).collect();
        assert_eq!(inodes.len(), 1);
        let folder = fs_err::metadata(files[1].parent().unwrap()).unwrap();
        assert_eq!((folder.mode() & 0o7777, folder.mtime()), (0o555, 1));
        assert_eq!(store.verify().unwrap().findings, []);
        assert_eq!(share(&store), Shared::default());
        assert_eq!(store.plan_sharing().unwrap(), Shared::default());
    }

    #[test]
    fn only_what_is_the_same_is_shared() {
        let home = Home::new();
        let store = home.open();
        let text = "x".repeat(10_000);
        for (name, files) in [("a", [("file", &*text)]), ("b", [("file*", &*text)])] {
            testing::add(&store, &path(name), &[], &files).unwrap();
        }
        assert_eq!(share(&store), Shared::default());
        let (_home, store, files) = three();
        // The first has most names, and is damaged.
        disk::set_mode(&files[0], 0o644).unwrap();
        fs_err::write(&files[0], "y".repeat(10_000)).unwrap();
        assert_eq!(share(&store).files, 1);
        assert_eq!(inode(&files[1]), inode(&files[2]));
        assert_ne!(inode(&files[0]), inode(&files[1]));
        assert_eq!(store.verify().unwrap().findings.len(), 1);
    }

    #[test]
    fn others_add_and_remove_meanwhile() {
        let (home, store, _files) = three();
        store.set_root("a", &path("a")).unwrap();
        let text = "x".repeat(10_000);
        let home = &home;
        std::thread::scope(|scope| {
            let adding = scope.spawn(|| {
                let store = home.open();
                for number in 0..20 {
                    let _in_use = store.use_store().unwrap();
                    let object = path(&format!("new-{number}"));
                    testing::add(&store, &object, &[], &[("same", &text)]).unwrap();
                    set_apart(&file(&store, &object, "same"));
                    store
                        .set_root(&format!("new-{}", number % 3), &object)
                        .unwrap();
                }
            });
            let removing = scope.spawn(move || {
                let store = home.open();
                while !adding.is_finished() {
                    store.gc(&crate::GcOptions::default(), &mut |_| {}).unwrap();
                }
            });
            while !removing.is_finished() {
                share(&store);
            }
        });
        share(&store);
        assert_eq!(share(&store), Shared::default());
        assert_eq!(store.verify().unwrap().findings, []);
        let inodes: BTreeSet<_> = store
            .objects()
            .unwrap()
            .iter()
            .flat_map(|info| ["same", "lib/same"].map(|name| file(&store, &info.path, name)))
            .filter_map(|file| fs_err::metadata(&file).ok())
            .map(|metadata| metadata.ino())
            .collect();
        assert_eq!(inodes.len(), 1);
    }
}
