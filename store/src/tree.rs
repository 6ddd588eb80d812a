//! [`Tree`]: what a folder holds, in the one form in which it can be an object.
//!
//! An object is a tree of folders (mode 0555), files (0444, or 0555 if they can be executed) and
//! links, all with the time 1. Nothing else of a file counts: not its owner, not other modes, not
//! which files are one inode. Links are kept as they are and never followed.
//!
//! A tree's digest is that of the list of its entries, without the top folder, in the order of the
//! bytes of their paths; of each its path (`/` between names) and then
//!
//! | kind | ordinal | fields |
//! |---|---|---|
//! | folder | 0 | |
//! | file | 1 | whether it can be executed, its whole BLAKE3 hash |
//! | link | 2 | the path it holds |
//!
//! The processes that made a tree have ended before it gets here, so nobody exchanges a folder for
//! a link between two steps; what is opened is opened without following links all the same.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use camino::Utf8Path;
use rayon::prelude::*;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;

use crate::digest::{ContentHash, Digest, Hasher};
use crate::disk;
use crate::error::{Context as _, StoreError};
use crate::staging::Scratch;

/// The time of everything in the store.
const TIME: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};
const TIMES: Timestamps = Timestamps {
    last_access: TIME,
    last_modification: TIME,
};

/// How deep [`remove`] descends before it moves what is deeper to the top.
const DEPTH: usize = 64;

/// What a folder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tree {
    /// In the order of their paths: a folder comes before what it holds.
    pub(crate) entries: Vec<Entry>,
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Relative to the top.
    pub(crate) path: String,
    /// What it is.
    pub(crate) kind: Kind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Folder,
    File(Content),
    Link { target: String },
}

/// What is in a file. Two files with equal contents can be one inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) executable: bool,
    pub(crate) length: u64,
    pub(crate) hash: blake3::Hash,
}

impl Tree {
    /// Reads a tree that is in canonical form already.
    pub(crate) fn read(folder: &Utf8Path) -> Result<Self, StoreError> {
        if !fs_err::symlink_metadata(folder)
            .context("look at", folder)?
            .is_dir()
        {
            return Err(refused(folder.as_str(), "it is not a folder"));
        }
        let listed = list(folder, &|_, _| Ok(()))?;
        Self::from_listed(folder, listed, &|path| {
            let (file, metadata) = open(path)?;
            content(&file, &metadata, path)
        })
    }

    /// Reads a staged tree and gives its files and links their canonical form. Its folders stay
    /// writable until [`Tree::seal`].
    pub(crate) fn settle(folder: &Utf8Path, scratch: &Scratch) -> Result<Self, StoreError> {
        let listed = list(folder, &make_readable)?;
        Self::from_listed(folder, listed, &|path| settle_file(path, scratch))
    }

    fn from_listed(
        folder: &Utf8Path,
        listed: Vec<Listed>,
        content: &(dyn Fn(&Utf8Path) -> Result<Content, StoreError> + Sync),
    ) -> Result<Self, StoreError> {
        let entries = listed
            .into_par_iter()
            .map(|Listed { path, kind }| {
                let kind = match kind {
                    ListedKind::Folder => Kind::Folder,
                    ListedKind::File => Kind::File(content(&folder.join(&path))?),
                    ListedKind::Link { target } => Kind::Link { target },
                };
                Ok(Entry { path, kind })
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(Self { entries })
    }

    /// Gives all folders and links but the top their canonical form.
    pub(crate) fn seal(&self, folder: &Utf8Path) -> Result<(), StoreError> {
        // Backwards: a folder after what it holds.
        for entry in self.entries.iter().rev() {
            let path = folder.join(&entry.path);
            match entry.kind {
                Kind::Folder => seal_folder(&path)?,
                Kind::Link { .. } => set_time(&path)?,
                Kind::File(_) => {}
            }
        }
        Ok(())
    }

    /// Returns the tree's digest.
    pub(crate) fn digest(&self) -> Digest {
        Digest::of("orlop-tree", &self.entries)
    }

    /// Returns the files.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &Content)> {
        self.entries.iter().filter_map(|entry| match &entry.kind {
            Kind::File(content) => Some((entry.path.as_str(), content)),
            Kind::Folder | Kind::Link { .. } => None,
        })
    }
}

impl ContentHash for Entry {
    fn hash(&self, hasher: &mut Hasher) {
        let Self { path, kind } = self;
        path.hash(hasher);
        match kind {
            Kind::Folder => hasher.integer(0),
            Kind::File(Content {
                executable,
                length: _,
                hash,
            }) => {
                hasher.integer(1);
                executable.hash(hasher);
                hasher.bytes(hash.as_bytes());
            }
            Kind::Link { target } => {
                hasher.integer(2);
                target.hash(hasher);
            }
        }
    }
}

/// Gives one folder its canonical form.
pub(crate) fn seal_folder(path: &Utf8Path) -> Result<(), StoreError> {
    disk::set_mode(path, 0o555)?;
    set_time(path)
}

fn set_time(path: &Utf8Path) -> Result<(), StoreError> {
    rustix::fs::utimensat(
        rustix::fs::CWD,
        path.as_str(),
        &TIMES,
        AtFlags::SYMLINK_NOFOLLOW,
    )
    .context("set the time of", path)
}

/// Opens a regular file for reading, and nothing else.
fn open(path: &Utf8Path) -> Result<(File, Metadata), StoreError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path.as_str(), flags, Mode::empty());
    let file = File::from(file.context("open", path)?);
    let metadata = file.metadata().context("look at", path)?;
    if !metadata.is_file() {
        return Err(refused(path.as_str(), "it is not a file, folder or link"));
    }
    Ok((file, metadata))
}

/// Hashes an open file.
fn content(file: &File, metadata: &Metadata, path: &Utf8Path) -> Result<Content, StoreError> {
    let mut hasher = blake3::Hasher::new();
    let mut reader = file;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&buffer[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("read", path),
        }
    }
    let executable = metadata.mode() & 0o100 != 0;
    Ok(Content {
        executable,
        length: hasher.count(),
        hash: hasher.finalize(),
    })
}

/// Gives a file its canonical form, and an inode of its own: what else is linked to it may be
/// outside the tree, and must not change its mode.
fn settle_file(path: &Utf8Path, scratch: &Scratch) -> Result<Content, StoreError> {
    let (mut file, metadata) = open(path)?;
    if metadata.nlink() > 1 {
        let copy = scratch.unique();
        let mut target = fs_err::File::create_new(&copy).context("create", &copy)?;
        io::copy(&mut file, &mut target).context("copy", path)?;
        disk::rename(&copy, path)?;
        file = open(path)?.0;
    }
    let content = content(&file, &metadata, path)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(file_mode(content.executable)))
        .context("set the mode of", path)?;
    rustix::fs::futimens(&file, &TIMES).context("set the time of", path)?;
    Ok(content)
}

fn file_mode(executable: bool) -> u32 {
    if executable { 0o555 } else { 0o444 }
}

/// Whether a file is what an object holds for `expected`: canonical form and all.
pub(crate) fn is_intact(path: &Utf8Path, expected: &Content) -> Result<bool, StoreError> {
    let (file, metadata) = open(path)?;
    Ok(metadata.len() == expected.length
        && metadata.mode() & 0o7777 == file_mode(expected.executable)
        && metadata.mtime() == TIME.tv_sec
        && content(&file, &metadata, path)? == *expected)
}

/// An entry before its content is read.
struct Listed {
    path: String,
    kind: ListedKind,
}

enum ListedKind {
    Folder,
    File,
    Link { target: String },
}

/// Lists a tree, sorted. `prepare` is called for every file and folder before it is opened.
fn list(
    top: &Utf8Path,
    prepare: &dyn Fn(&Utf8Path, &Metadata) -> Result<(), StoreError>,
) -> Result<Vec<Listed>, StoreError> {
    let mut listed = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let absolute = top.join(&folder);
        for entry in fs_err::read_dir(&absolute).context("read the folder", &absolute)? {
            let entry = entry.context("read the folder", &absolute)?;
            let name = valid_name(entry.file_name(), &folder)?;
            let path = if folder.is_empty() {
                name
            } else {
                format!("{folder}/{name}")
            };
            let absolute = top.join(&path);
            let metadata = fs_err::symlink_metadata(&absolute).context("look at", &absolute)?;
            let kind = if metadata.is_dir() {
                prepare(&absolute, &metadata)?;
                folders.push(path.clone());
                ListedKind::Folder
            } else if metadata.is_file() {
                prepare(&absolute, &metadata)?;
                ListedKind::File
            } else if metadata.is_symlink() {
                let target = fs_err::read_link(&absolute).context("read the link", &absolute)?;
                let target = target.into_os_string().into_string();
                let target = target.map_err(|_| refused(&path, "it leads to no UTF-8 path"))?;
                ListedKind::Link { target }
            } else {
                return Err(refused(&path, "it is not a file, folder or link"));
            };
            listed.push(Listed { path, kind });
        }
    }
    listed.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(listed)
}

/// Makes it possible to open what a build has closed to its own owner.
fn make_readable(path: &Utf8Path, metadata: &Metadata) -> Result<(), StoreError> {
    let mode = metadata.permissions().mode();
    if metadata.is_dir() && mode & 0o700 != 0o700 {
        disk::set_mode(path, 0o700)?;
    }
    // Other names of the file may be outside the tree: then it stays as it is.
    if metadata.is_file() && mode & 0o400 == 0 && metadata.nlink() == 1 {
        disk::set_mode(path, 0o400 | mode & 0o111)?;
    }
    Ok(())
}

fn valid_name(name: std::ffi::OsString, folder: &str) -> Result<String, StoreError> {
    let name = name.into_string().map_err(|name| {
        refused(
            &format!("{folder}/{}", name.to_string_lossy()),
            "its name is not UTF-8",
        )
    })?;
    if name.chars().any(char::is_control) {
        let path = format!("{folder}/{name}");
        return Err(refused(
            &path,
            "its name has a newline or control character",
        ));
    }
    Ok(name)
}

fn refused(path: &str, reason: &'static str) -> StoreError {
    StoreError::Refused {
        path: path.trim_start_matches('/').escape_debug().to_string(),
        reason,
    }
}

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
                self.bytes += metadata.blocks() * 512;
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
/// is fine. Works on open folders, so that it never leaves the tree.
pub(crate) fn remove(path: &Utf8Path) -> Result<(), StoreError> {
    match remove_tree(path) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error).context("remove", path),
    }
}

fn remove_tree(path: &Utf8Path) -> Result<(), Errno> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Errno::INVAL);
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = rustix::fs::open(parent.as_str(), flags, Mode::empty())?;
    let name = CString::new(name).map_err(|_| Errno::INVAL)?;
    if is_unlinked(parent.as_fd(), &name)? {
        return Ok(());
    }
    let top = open_folder(parent.as_fd(), &name)?;
    // What was too deep is moved to the top, and goes in a later round.
    loop {
        empty(&top, top.as_fd(), 0)?;
        if names_in(&top)?.is_empty() {
            return rustix::fs::unlinkat(&parent, &name, AtFlags::REMOVEDIR);
        }
    }
}

/// Removes all that a folder holds.
fn empty(folder: &OwnedFd, top: BorrowedFd<'_>, depth: usize) -> Result<(), Errno> {
    for name in names_in(folder)? {
        if is_unlinked(folder.as_fd(), &name)? {
            continue;
        }
        let inner = open_folder(folder.as_fd(), &name)?;
        if depth == DEPTH {
            move_to_top(folder, &name, top)?;
        } else {
            empty(&inner, top, depth + 1)?;
            rustix::fs::unlinkat(folder, &name, AtFlags::REMOVEDIR)?;
        }
    }
    Ok(())
}

fn move_to_top(folder: &OwnedFd, name: &CString, top: BorrowedFd<'_>) -> Result<(), Errno> {
    loop {
        match rustix::fs::renameat(folder, name, top, disk::unique_name()) {
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            result => return result,
        }
    }
}

/// Removes a name that is not a folder's; returns false for a folder's.
fn is_unlinked(parent: BorrowedFd<'_>, name: &CString) -> Result<bool, Errno> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::ISDIR) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Opens a folder whose content is to be removed.
fn open_folder(parent: BorrowedFd<'_>, name: &CString) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            // Closed to its owner. By name, for want of an open folder; what is not a folder
            // has been unlinked before.
            rustix::fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
            rustix::fs::openat(parent, name, flags, Mode::empty())?
        }
        result => result?,
    };
    rustix::fs::fchmod(&opened, Mode::RWXU)?;
    Ok(opened)
}

fn names_in(folder: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use super::*;
    use crate::testing::{Home, write_files};

    fn settle(folder: &Utf8Path, scratch: &Scratch) -> Result<Tree, StoreError> {
        let tree = Tree::settle(folder, scratch)?;
        tree.seal(folder)?;
        Ok(tree)
    }

    /// A settled folder as text: modes, times, paths.
    fn describe(folder: &Utf8Path) -> String {
        let mut text = String::new();
        for entry in walkdir::WalkDir::new(folder)
            .min_depth(1)
            .sort_by_file_name()
        {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let path = entry.path().strip_prefix(folder).unwrap().display();
            writeln!(text, "{:o} {} {path}", metadata.mode(), metadata.mtime()).unwrap();
        }
        text
    }

    #[test]
    fn canonical_form() {
        let home = Home::new();
        let store = home.open();
        let (staged, scratch) = (store.stage().unwrap(), store.scratch().unwrap());
        let folder = staged.folder();
        write_files(
            folder,
            &[("bin/tool*", "#!"), ("share/a.txt", "a"), ("empty", "")],
        );
        fs_err::create_dir(folder.join("closed")).unwrap();
        disk::link(&folder.join("closed/link"), Utf8Path::new("../../nowhere")).unwrap();
        disk::set_mode(&folder.join("closed"), 0).unwrap();
        disk::set_mode(&folder.join("bin/tool"), 0o6777).unwrap();
        disk::set_mode(&folder.join("share/a.txt"), 0o022).unwrap();
        let tree = settle(folder, &scratch).unwrap();
        insta::assert_snapshot!(describe(folder), @"
        40555 1 bin
        100555 1 bin/tool
        40555 1 closed
        120777 1 closed/link
        100444 1 empty
        40555 1 share
        100444 1 share/a.txt
        ");
        assert_eq!(Tree::read(folder).unwrap(), tree);
        insta::assert_snapshot!(tree.digest(), @"a0p8d8sl0vw06s64y068kvs4jmqhxyks");
    }

    #[test]
    fn the_digest_covers_what_counts_and_nothing_else() {
        let home = Home::new();
        let store = home.open();
        let digest = |files: &[(&str, &str)], change: &dyn Fn(&Utf8Path)| {
            let (staged, scratch) = (store.stage().unwrap(), store.scratch().unwrap());
            write_files(staged.folder(), files);
            change(staged.folder());
            settle(staged.folder(), &scratch).unwrap().digest()
        };
        let plain = digest(&[("a", "x"), ("b/c", "y")], &|_| {});
        let same = digest(&[("b/c", "y"), ("a", "x")], &|folder| {
            disk::set_mode(&folder.join("a"), 0o600).unwrap();
            disk::set_mode(&folder.join("b"), 0o700).unwrap();
        });
        assert_eq!(plain, same);
        let different = [
            digest(&[("a", "y"), ("b/c", "y")], &|_| {}),
            digest(&[("a*", "x"), ("b/c", "y")], &|_| {}),
            digest(&[("a", "x"), ("b/d", "y")], &|_| {}),
            digest(&[("a", "x"), ("b/c", "y"), ("b/d", "")], &|_| {}),
            digest(&[("a", "x")], &|folder| {
                disk::link(&folder.join("b"), "c".into()).unwrap();
            }),
            digest(&[("a", "x")], &|folder| {
                disk::create_folder(&folder.join("b")).unwrap();
            }),
            digest(&[("a", "x")], &|_| {}),
            digest(&[], &|_| {}),
        ];
        let all: BTreeSet<_> = different.iter().chain([&plain]).collect();
        assert_eq!(all.len(), different.len() + 1);
    }

    #[test]
    fn links_are_not_followed() {
        let home = Home::new();
        let store = home.open();
        let outside = home.path().join("logs/outside");
        fs_err::create_dir(&outside).unwrap();
        fs_err::write(outside.join("file"), "x").unwrap();
        let before = describe(&outside);
        let (staged, scratch) = (store.stage().unwrap(), store.scratch().unwrap());
        disk::link(&staged.folder().join("folder"), &outside).unwrap();
        disk::link(&staged.folder().join("file"), &outside.join("file")).unwrap();
        let tree = settle(staged.folder(), &scratch).unwrap();
        assert_eq!(tree.entries.len(), 2);
        drop(staged);
        assert_eq!(describe(&outside), before);
    }

    #[test]
    fn hard_links_to_the_outside_are_broken_up() {
        let home = Home::new();
        let store = home.open();
        let outside = home.path().join("logs/outside");
        fs_err::write(&outside, "x").unwrap();
        disk::set_mode(&outside, 0o640).unwrap();
        let (staged, scratch) = (store.stage().unwrap(), store.scratch().unwrap());
        fs_err::hard_link(&outside, staged.folder().join("one")).unwrap();
        fs_err::hard_link(&outside, staged.folder().join("two")).unwrap();
        settle(staged.folder(), &scratch).unwrap();
        let metadata = fs_err::metadata(&outside).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.nlink()), (0o640, 1));
        for name in ["one", "two"] {
            let file = staged.folder().join(name);
            assert_eq!(fs_err::read_to_string(&file).unwrap(), "x");
            assert_eq!(fs_err::metadata(&file).unwrap().nlink(), 1);
        }
    }

    #[test]
    fn what_may_not_be_in_an_object_is_refused() {
        use std::os::unix::ffi::OsStrExt as _;
        let home = Home::new();
        let store = home.open();
        let refusal = |make: &dyn Fn(&Utf8Path)| {
            let (staged, scratch) = (store.stage().unwrap(), store.scratch().unwrap());
            make(staged.folder());
            Tree::settle(staged.folder(), &scratch)
                .unwrap_err()
                .to_string()
        };
        let pipe = refusal(&|folder| {
            let kind = rustix::fs::FileType::Fifo;
            let path = folder.join("pipe");
            rustix::fs::mknodat(rustix::fs::CWD, path.as_str(), kind, Mode::RWXU, 0).unwrap();
        });
        let newline = refusal(&|folder| fs_err::write(folder.join("a\nb"), "").unwrap());
        let escape = refusal(&|folder| write_files(folder, &[("d/\u{1b}[2J", "")]));
        let bytes = refusal(&|folder| {
            let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
            fs_err::write(folder.as_std_path().join(name), "").unwrap();
        });
        insta::assert_snapshot!([pipe, newline, escape, bytes].join("\n"), @r#"
        `pipe` may not be in a store object: it is not a file, folder or link
        `a\nb` may not be in a store object: its name has a newline or control character
        `d/\u{1b}[2J` may not be in a store object: its name has a newline or control character
        `caf�` may not be in a store object: its name is not UTF-8
        "#);
    }

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
        scratch.remove().unwrap();
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
        assert!(freed(&["a", "b"]) >= 100_000, "{}", freed(&["a", "b"]));
    }
}
