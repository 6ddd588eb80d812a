//! Finds out again what the database knew, from the trees in the store.
//!
//! A tree is in the store under its name only when it is complete, so every one of them is valid that
//! was not found to be damaged (`tree`).
//! Its digest and sizes follow from it. Its references are found as Nix finds them: an object
//! refers to those whose digest stands somewhere in its files or links. The first
//! [`SHORT`] digits count, because that much of it stands in the file names of crates, and with
//! them in the metadata that rustc writes. So every library that a view loads is found (views lead
//! to them by links), and every crate that a crate or link set names. What is only known to the
//! step that made an object is lost: the step itself, its isolation (taken for none, the weaker
//! claim), and references that left no trace; if gc takes the objects behind those, they are built
//! again when they are needed, under the same names. A record that only tells of objects, as that of
//! the borders does, refers to them afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use camino::Utf8Path;
use jiff::Timestamp;

use crate::database::Record;
use crate::derivation::Isolation;
use crate::digest;
use crate::disk;
use crate::error::{Context as _, StoreError};
use crate::path::StorePath;
use crate::share;
use crate::store::ObjectInfo;
use crate::tree::{self, Kind, Tree};

/// How many digits identify an object: those of [`StorePath::short`].
const SHORT: usize = 16;

/// Objects by the first digits of their digest.
type Known = BTreeMap<[u8; SHORT], BTreeSet<StorePath>>;

/// Returns a record of every tree in the store folder.
pub(crate) fn rebuild(folder: &Utf8Path, now: Timestamp) -> Result<Vec<Record>, StoreError> {
    let paths = trees(folder)?;
    let known = known(&paths);
    let mut records = Vec::new();
    for path in &paths {
        // What was found to be damaged is not what it was because somebody asks again.
        if !tree::is_trusted(&folder.join(path.to_string()))? {
            continue;
        }
        match record(folder, path, &known, now) {
            Ok(record) => records.push(record),
            // Not one of ours, or damaged: without a record it is absent, and made again if needed.
            Err(error) => tracing::warn!("{path} is left out: {error}"),
        }
    }
    Ok(records)
}

/// Returns a record of one tree in the store folder.
pub(crate) fn rebuild_one(
    folder: &Utf8Path,
    path: &StorePath,
    now: Timestamp,
) -> Result<Record, StoreError> {
    record(folder, path, &known(&trees(folder)?), now)
}

fn known(paths: &BTreeSet<StorePath>) -> Known {
    let mut known = Known::new();
    for path in paths {
        if let Some(short) = path.short().as_bytes().first_chunk() {
            known.entry(*short).or_default().insert(path.clone());
        }
    }
    known
}

/// Returns the names in the store folder that are those of objects, valid or not, but for those of
/// trees that are leaving: nothing refers to these.
pub(crate) fn trees(folder: &Utf8Path) -> Result<BTreeSet<StorePath>, StoreError> {
    let mut trees = BTreeSet::new();
    for name in disk::names(folder)? {
        let Ok(path) = name.parse() else { continue };
        if tree::stands(&folder.join(&name))? {
            trees.insert(path);
        }
    }
    Ok(trees)
}

fn record(
    folder: &Utf8Path,
    path: &StorePath,
    known: &Known,
    now: Timestamp,
) -> Result<Record, StoreError> {
    let object = folder.join(path.to_string());
    if !tree::stands(&object)? {
        return Err(StoreError::Absent { path: path.clone() });
    }
    let tree = Tree::read(&object)?;
    // The last step of adding may not have reached the disk. An object is one without it too.
    if let Err(error) = tree::seal_folder(&object) {
        tracing::warn!("{path}: {error}");
    }
    let mut references = BTreeSet::new();
    for entry in &tree.entries {
        let mut scan = Scan {
            known,
            found: &mut references,
            window: [0; SHORT],
            run: 0,
        };
        match &entry.kind {
            Kind::Folder => {}
            Kind::File(_) => scan.file(&object.join(&entry.path))?,
            Kind::Link { target } => scan.bytes(target.as_bytes()),
        }
    }
    references.remove(path);
    Ok(Record {
        info: ObjectInfo {
            path: path.clone(),
            content: tree.digest(),
            references,
            bytes: tree.files().map(|(_, content)| content.length).sum(),
            files: tree.files().count() as u64,
            registered: now,
            isolation: Isolation::None,
        },
        derivation: None,
        files: share::shareable(&tree),
    })
}

/// Looks for digests in a stream of bytes.
struct Scan<'a> {
    known: &'a Known,
    found: &'a mut BTreeSet<StorePath>,
    /// The last bytes, oldest first.
    window: [u8; SHORT],
    /// How many of the last bytes are digits of digests.
    run: usize,
}

impl Scan<'_> {
    fn file(&mut self, path: &Utf8Path) -> Result<(), StoreError> {
        let mut file = fs_err::File::open(path).context("open", path)?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            match file.read(&mut buffer).context("read", path)? {
                0 => return Ok(()),
                count => self.bytes(&buffer[..count]),
            }
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if !digest::is_digit(byte) {
                self.run = 0;
                continue;
            }
            self.window.rotate_left(1);
            self.window[SHORT - 1] = byte;
            self.run += 1;
            if self.run >= SHORT
                && let Some(paths) = self.known.get(&self.window)
            {
                self.found.extend(paths.iter().cloned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Home, path};

    #[test]
    fn references_are_found_in_files_and_links() {
        let home = Home::new();
        let store = home.open();
        let (linked, crated, named) = (home.add("a", &[]), home.add("b", &[]), home.add("c", &[]));
        let other = home.add("d", &[]);
        let object = path("object");
        let staged = store.stage().unwrap();
        let folder = staged.folder();
        disk::link(
            &folder.join("link"),
            format!("../{linked}/lib/x.so").as_str().into(),
        )
        .unwrap();
        let half: String = other.short().chars().take(15).collect();
        let text = format!("\0lib-{}.rlib\0{half}\0{object}", crated.short());
        // The last one lies across the border of two reads.
        let padding = " ".repeat((1 << 16) - text.len() - 7);
        testing::write_files(folder, &[("file", &format!("{text}{padding}{named}"))]);
        let registration = testing::registration(&[]);
        store.add(staged, &object, &registration).unwrap();
        let records = rebuild(&store.folder(), testing::now()).unwrap();
        let record = records
            .iter()
            .find(|record| record.info.path == object)
            .unwrap();
        assert_eq!(
            record.info.references,
            BTreeSet::from([linked, crated, named])
        );
        let mut known = store.info(&object).unwrap().unwrap();
        known.references = record.info.references.clone();
        known.isolation = Isolation::None;
        assert_eq!(record.info, known);
    }

    #[test]
    fn what_is_no_tree_is_left_out() {
        let home = Home::new();
        let store = home.open();
        let good = home.add("good", &[]);
        let outside = home.path().join("logs");
        disk::link(&store.object(&path("link")), &outside).unwrap();
        fs_err::write(store.object(&path("file")), "").unwrap();
        testing::write_files(&store.object(&path("odd")), &[("a\nb", "")]);
        let before = fs_err::metadata(&outside).unwrap().permissions();
        let records = rebuild(&store.folder(), testing::now()).unwrap();
        let paths: Vec<_> = records.into_iter().map(|record| record.info.path).collect();
        assert_eq!(paths, [good]);
        assert_eq!(fs_err::metadata(&outside).unwrap().permissions(), before);
        store.gc(&crate::GcOptions::default(), &mut |_| {}).unwrap();
        assert_eq!(disk::names(&store.folder()).unwrap(), [""; 0]);
        assert!(outside.exists());
    }

    #[test]
    fn strangers_in_the_store_folder_are_left_alone() {
        let home = Home::new();
        let store = home.open();
        fs_err::write(store.folder().join("notes.txt"), "mine").unwrap();
        assert_eq!(trees(&store.folder()).unwrap(), BTreeSet::new());
        store.gc(&crate::GcOptions::default(), &mut |_| {}).unwrap();
        assert!(store.folder().join("notes.txt").exists());
    }
}
