//! [`Tree`]: an object put together from files of the machine.
//!
//! First it is decided what goes where, then all is copied and hashed at once. What is hashed are
//! the copies: a file that somebody replaces meanwhile cannot make the digest a lie. The digest is
//! over the entries in the order of their paths; of each, as
//! [written](orlop_store::digest):
//!
//! | entry | fed |
//! |---|---|
//! | link | path, 0, where it leads |
//! | file | path, 1, whether it can be executed, its BLAKE3 hash |

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use orlop_store::Digest;
use orlop_store::digest::{ContentHash as _, Hasher};
use rayon::prelude::*;

/// What goes where.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    entries: BTreeMap<Utf8PathBuf, Entry>,
}

#[derive(Debug, PartialEq, Eq)]
enum Entry {
    /// A copy of this file, which can be executed if that one can.
    Copy(Utf8PathBuf),
    /// A symbolic link to this.
    Link(Utf8PathBuf),
    /// A file made here.
    Text { text: String, executable: bool },
}

impl Tree {
    /// Adds a copy of a file. Like the others, it changes nothing where something is already.
    pub(crate) fn copy(&mut self, path: impl Into<Utf8PathBuf>, from: impl Into<Utf8PathBuf>) {
        self.add(path.into(), Entry::Copy(from.into()));
    }

    /// Adds a link from one path of the tree to another; it is written as a relative one.
    pub(crate) fn link(&mut self, path: impl Into<Utf8PathBuf>, to: &Utf8Path) {
        let path = path.into();
        let to = relative(&path, to);
        self.add(path, Entry::Link(to));
    }

    /// Adds a file.
    pub(crate) fn text(&mut self, path: impl Into<Utf8PathBuf>, text: String, executable: bool) {
        self.add(path.into(), Entry::Text { text, executable });
    }

    fn add(&mut self, path: Utf8PathBuf, entry: Entry) {
        self.entries.entry(path).or_insert(entry);
    }

    pub(crate) fn contains(&self, path: &Utf8Path) -> bool {
        self.entries.contains_key(path)
    }

    /// Returns the files of the machine that are copied.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Utf8Path> {
        self.entries.values().filter_map(|entry| match entry {
            Entry::Copy(from) => Some(from.as_path()),
            Entry::Link(_) | Entry::Text { .. } => None,
        })
    }

    /// Makes the tree in a folder that is there, and returns its digest.
    pub(crate) fn write(&self, folder: &Utf8Path) -> io::Result<Digest> {
        let folders: BTreeSet<_> = self
            .entries
            .keys()
            .filter_map(|path| path.parent())
            .collect();
        for parent in folders {
            fs_err::create_dir_all(folder.join(parent))?;
        }
        let entries: Vec<_> = self.entries.iter().collect();
        let clones = AtomicBool::new(true);
        let hashes: Vec<Digest> = entries
            .into_par_iter()
            .map(|(path, entry)| entry.write(&folder.join(path), &clones))
            .collect::<io::Result<_>>()?;
        let list: Vec<_> = self
            .entries
            .keys()
            .map(|path| path.as_str())
            .zip(hashes)
            .collect();
        Ok(Digest::of("orlop-import", &list))
    }
}

impl Entry {
    /// Makes the entry and returns the digest of all but its path.
    fn write(&self, path: &Utf8Path, clones: &AtomicBool) -> io::Result<Digest> {
        let mut hasher = Hasher::new();
        match self {
            Self::Link(to) => {
                fs_err::os::unix::fs::symlink(to, path)?;
                hasher.integer(0);
                to.as_str().hash(&mut hasher);
            }
            Self::Copy(from) => {
                let executable = fs_err::metadata(from)?.permissions().mode() & 0o111 != 0;
                copy(from, path, clones)?;
                finish(path, executable, &mut hasher)?;
            }
            Self::Text { text, executable } => {
                fs_err::write(path, text)?;
                finish(path, *executable, &mut hasher)?;
            }
        }
        Ok(hasher.finish())
    }
}

/// Copies a file, sharing its blocks where the file system can. `clones` tells whether that is worth
/// trying: each failure costs a file that is made and removed, which some file systems are slow at.
fn copy(from: &Utf8Path, to: &Utf8Path, clones: &AtomicBool) -> io::Result<()> {
    if clones.load(Ordering::Relaxed) {
        if reflink_copy::reflink(from, to).is_ok() {
            return Ok(());
        }
        clones.store(false, Ordering::Relaxed);
    }
    fs_err::copy(from, to).map(|_length| ())
}

/// Sets the mode of a written file, and hashes it.
fn finish(path: &Utf8Path, executable: bool, hasher: &mut Hasher) -> io::Result<()> {
    let mode = if executable { 0o755 } else { 0o644 };
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    let mut content = blake3::Hasher::new();
    content.update_reader(fs_err::File::open(path)?)?;
    hasher.integer(1);
    executable.hash(hasher);
    hasher.bytes(content.finalize().as_bytes());
    Ok(())
}

/// Returns the path that leads from the folder of `path` to `to`.
fn relative(path: &Utf8Path, to: &Utf8Path) -> Utf8PathBuf {
    let from: Vec<_> = path
        .parent()
        .into_iter()
        .flat_map(Utf8Path::components)
        .collect();
    let to: Vec<_> = to.components().collect();
    let common = from
        .iter()
        .zip(&to)
        .take_while(|(one, other)| one == other)
        .count();
    let up = from.iter().skip(common).map(|_| "..");
    up.chain(to.iter().skip(common).map(Utf8Component::as_str))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_relative() {
        let check = |path: &str, to: &str, expected: &str| {
            assert_eq!(relative(path.into(), to.into()), expected);
        };
        check("bin/cc", "bin/gcc-12", "gcc-12");
        check("lib64/ld.so.2", "lib/x/ld.so.2", "../lib/x/ld.so.2");
        check("lib/a/b", "lib/c", "../c");
        check("a", "lib/c", "lib/c");
    }

    fn write(fill: impl Fn(&mut Tree)) -> (Digest, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let mut tree = Tree::default();
        fill(&mut tree);
        (
            tree.write(Utf8Path::from_path(folder.path()).unwrap())
                .unwrap(),
            folder,
        )
    }

    #[test]
    fn digest_is_of_what_was_written() {
        let source = tempfile::NamedTempFile::new().unwrap();
        let from = Utf8Path::from_path(source.path()).unwrap();
        fs_err::write(from, "text").unwrap();
        let (copied, folder) = write(|tree| tree.copy("a/b", from));
        assert_eq!(
            fs_err::read_to_string(folder.path().join("a/b")).unwrap(),
            "text"
        );
        let text =
            |text: &str, executable| write(|tree| tree.text("a/b", text.to_owned(), executable)).0;
        assert_eq!(copied, text("text", false));
        let linked = write(|tree| tree.link("a/b", "a/text".into())).0;
        let different = BTreeSet::from([
            copied,
            text("text", true),
            text("other", false),
            linked,
            write(|tree| tree.copy("a/c", from)).0,
        ]);
        assert_eq!(different.len(), 5);
    }

    #[test]
    fn first_entry_stays() {
        let (_, folder) = write(|tree| {
            tree.text("a", "first".to_owned(), false);
            tree.text("a", "second".to_owned(), false);
        });
        assert_eq!(
            fs_err::read_to_string(folder.path().join("a")).unwrap(),
            "first"
        );
    }
}
