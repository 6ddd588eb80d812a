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
//! | module | holds |
//! |---|---|
//! | `list` | the listing of a tree |
//! | `copy` | copying a tree |
//! | `form` | whether a tree still has that form |
//! | `mark` | marks on trees that are leaving, or damaged |
//! | `remove` | the removal of trees, and what it frees |
//! | `leaving` | the removal of trees in the store, which are absent before they are gone |
//!
//! The processes that made a tree have ended before it gets here, so nobody exchanges a folder for
//! a link between two steps; what is opened is opened without following links all the same.

mod copy;
mod form;
mod leaving;
mod list;
mod mark;
mod remove;

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;

pub(crate) use self::form::Deviations;
pub(crate) use self::leaving::remove_leaving;
use self::list::{Listed, ListedKind};
pub(crate) use self::mark::{distrust, is_marked, is_trusted, mark, stands, top};
pub(crate) use self::remove::{Freed, open_parent, remove};
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

/// How many files or folders are worth more than one thread: to wake another one takes as long as
/// a few of them, and longer where the processors are busy.
const SHARED_OUT: usize = 16;

/// How much of a file is read at once.
const BUFFER: usize = 1 << 16;

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

impl Content {
    /// Returns what a file with these bytes holds that cannot be executed.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self {
            executable: false,
            length: bytes.len() as u64,
            hash: blake3::hash(bytes),
        }
    }
}

impl Tree {
    /// Makes the tree that has these entries, in whatever order they come.
    pub(crate) fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        Self { entries }
    }

    /// Reads a tree that is in canonical form already.
    pub(crate) fn read(folder: &Utf8Path) -> Result<Self, StoreError> {
        let top = Top::open(folder)?;
        Self::from_listed(list::list(&top, None)?, &|path, buffer| {
            let (file, found) = top.file(path)?;
            top.content(path, &file, &found, buffer)
        })
    }

    /// Reads a staged tree and gives its files and links their canonical form. Its folders stay
    /// writable until [`Tree::seal`].
    pub(crate) fn settle(folder: &Utf8Path, scratch: &Scratch) -> Result<Self, StoreError> {
        let top = Top::open(folder)?;
        Self::from_listed(list::list(&top, Some(make_readable))?, &|path, buffer| {
            settle_file(&top, path, scratch, buffer)
        })
    }

    fn from_listed(listed: Vec<Listed>, read: &ReadFile<'_>) -> Result<Self, StoreError> {
        let buffer = || vec![0; BUFFER];
        let content = |buffer: &mut Vec<u8>, listed: &Listed| match listed.kind {
            ListedKind::File => read(&listed.path, buffer).map(Some),
            ListedKind::Folder | ListedKind::Link { .. } => Ok(None),
        };
        let files = listed
            .iter()
            .filter(|entry| matches!(entry.kind, ListedKind::File));
        let contents: Vec<_> = if files.count() < SHARED_OUT {
            let mut buffer = buffer();
            let listed = listed.iter();
            listed.map(|entry| content(&mut buffer, entry)).collect()
        } else {
            listed.par_iter().map_init(buffer, content).collect()
        };
        let mut entries = Vec::with_capacity(listed.len());
        for (Listed { path, kind }, content) in listed.into_iter().zip(contents) {
            let kind = match (kind, content?) {
                (ListedKind::Link { target }, _) => Kind::Link { target },
                (_, Some(content)) => Kind::File(content),
                (_, None) => Kind::Folder,
            };
            entries.push(Entry { path, kind });
        }
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

/// Finds out what is in a file: by its path in the tree, with room for a part of it.
type ReadFile<'a> = dyn Fn(&str, &mut [u8]) -> Result<Content, StoreError> + Sync + 'a;

/// An open folder: what is in it is opened from there, so that the way to it is walked once.
struct Top<'a> {
    path: &'a Utf8Path,
    open: OwnedFd,
}

impl<'a> Top<'a> {
    fn open(path: &'a Utf8Path) -> Result<Self, StoreError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::open(path.as_str(), flags, Mode::empty()) {
            Ok(open) => Ok(Self { path, open }),
            Err(Errno::NOTDIR | Errno::LOOP) => Err(refused(path.as_str(), "it is not a folder")),
            Err(error) => Err(error).context("open the folder", path),
        }
    }

    /// Opens a folder in it, or itself.
    fn folder(&self, inside: &str) -> Result<OwnedFd, StoreError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = if inside.is_empty() { "." } else { inside };
        match rustix::fs::openat(&self.open, path, flags, Mode::empty()) {
            Ok(folder) => Ok(folder),
            Err(error) => Err(error).context("open the folder", &self.path.join(inside)),
        }
    }

    /// Opens a regular file in it for reading, and nothing else.
    fn file(&self, inside: &str) -> Result<(File, Stat), StoreError> {
        open(self.open.as_fd(), inside, &|| self.path.join(inside))
    }

    /// Finds out what is in a file in it.
    fn content(
        &self,
        inside: &str,
        file: &File,
        found: &Stat,
        buffer: &mut [u8],
    ) -> Result<Content, StoreError> {
        match content(file, found, buffer) {
            Ok(content) => Ok(content),
            Err(error) => Err(error).context("read", &self.path.join(inside)),
        }
    }
}

/// Opens a regular file for reading, and nothing else; `name` tells which, if that fails.
fn open(
    folder: BorrowedFd<'_>,
    path: &str,
    name: &dyn Fn() -> Utf8PathBuf,
) -> Result<(File, Stat), StoreError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(folder, path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(error) => return Err(error).context("open", &name()),
    };
    let found = match rustix::fs::fstat(&file) {
        Ok(found) => found,
        Err(error) => return Err(error).context("look at", &name()),
    };
    if !FileType::from_raw_mode(found.st_mode).is_file() {
        return Err(refused(name().as_str(), "it is not a file, folder or link"));
    }
    Ok((file, found))
}

/// Hashes an open file.
fn content(mut file: &File, found: &Stat, buffer: &mut [u8]) -> io::Result<Content> {
    let mut hasher = blake3::Hasher::new();
    // Most files are small: one read gives all that the file is said to have.
    while hasher.count() == 0 || hasher.count() != length(found) {
        match file.read(buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&buffer[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let executable = found.st_mode & 0o100 != 0;
    Ok(Content {
        executable,
        length: hasher.count(),
        hash: hasher.finalize(),
    })
}

fn length(found: &Stat) -> u64 {
    found.st_size.unsigned_abs()
}

/// Gives a file its canonical form, and an inode of its own: what else is linked to it may be
/// outside the tree, and must not change its mode.
fn settle_file(
    top: &Top<'_>,
    inside: &str,
    scratch: &Scratch,
    buffer: &mut [u8],
) -> Result<Content, StoreError> {
    let (mut file, found) = top.file(inside)?;
    let path = top.path.join(inside);
    if found.st_nlink > 1 {
        let copy = scratch.unique();
        disk::copy(&file, &copy, &path)?;
        disk::rename(&copy, &path)?;
        file = top.file(inside)?.0;
    }
    let content = top.content(inside, &file, &found, buffer)?;
    make_canonical(&file, content.executable).context("set mode and time of", &path)?;
    Ok(content)
}

fn make_canonical(file: &File, executable: bool) -> Result<(), Errno> {
    rustix::fs::fchmod(file, Mode::from_raw_mode(file_mode(executable)))?;
    rustix::fs::futimens(file, &TIMES)
}

/// Makes a new file of the blocks of another, in canonical form.
pub(crate) fn reflink(from: &Utf8Path, to: &Utf8Path, as_is: &Content) -> Result<(), StoreError> {
    let (file, _) = open(rustix::fs::CWD, from.as_str(), &|| from.to_owned())?;
    let new = fs_err::File::create_new(to).context("create", to)?;
    rustix::fs::ioctl_ficlone(&new, &file)
        .and_then(|()| make_canonical(&new.into_parts().0, as_is.executable))
        .context("copy the blocks to", to)
}

fn file_mode(executable: bool) -> u32 {
    if executable { 0o555 } else { 0o444 }
}

/// Whether a file is what an object holds for `expected`: canonical form and all.
pub(crate) fn is_intact(path: &Utf8Path, expected: &Content) -> Result<bool, StoreError> {
    let (file, found) = open(rustix::fs::CWD, path.as_str(), &|| path.to_owned())?;
    Ok(length(&found) == expected.length
        && found.st_mode & 0o7777 == file_mode(expected.executable)
        && found.st_mtime == TIME.tv_sec
        && content(&file, &found, &mut vec![0; BUFFER]).context("read", path)? == *expected)
}

/// Makes it possible to open what a build has closed to its own owner.
fn make_readable(path: &Utf8Path, kind: FileType) -> Result<(), StoreError> {
    if !kind.is_dir() && !kind.is_file() {
        return Ok(());
    }
    let metadata = fs_err::symlink_metadata(path).context("look at", path)?;
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

fn refused(path: &str, reason: &'static str) -> StoreError {
    StoreError::Refused {
        path: path.trim_start_matches('/').escape_debug().to_string(),
        reason,
    }
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
}
