//! Reads a `.crate` file without unpacking it.
//!
//! The file is hostile until proved otherwise: nothing of it is written anywhere, names must stay
//! inside the package's folder, and there is a limit to what it may unpack to.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};

use camino::Utf8Path;
use flate2::read::GzDecoder;
use tar::EntryType;

use crate::error::{ArchiveError, NotText};

/// What any archive may unpack to. Cargo draws the same line.
const UNPACKED: u64 = 512 * 1024 * 1024;

/// How much larger than itself a big archive may be inside. Cargo draws the same line.
const RATIO: u64 = 20;

/// The largest manifest or lock file.
const TEXT: u64 = 16 * 1024 * 1024;

/// What a package consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    /// The text of its `Cargo.toml`.
    pub(crate) manifest: String,
    /// The text of its `Cargo.lock`, if it has one. One that is no text is in nobody's way who does
    /// not ask for it.
    pub(crate) lock: Option<Result<String, NotText>>,
    /// Its files, relative to its folder. Names that are not UTF-8 are left out: no manifest can
    /// refer to them.
    pub(crate) files: BTreeSet<String>,
}

/// Reads the archive of a package whose files must all be in `folder`.
pub(crate) fn read(path: &Utf8Path, folder: &str) -> Result<Contents, ArchiveError> {
    let file = fs_err::File::open(path).map_err(ArchiveError::Damaged)?;
    let size = file.metadata().map_err(ArchiveError::Damaged)?.len();
    read_stream(file, folder, UNPACKED.max(size.saturating_mul(RATIO)))
}

/// Returns the content of one file of a package; nothing if the package does not have it.
pub(crate) fn file(
    path: &Utf8Path,
    folder: &str,
    name: &str,
) -> Result<Option<Vec<u8>>, ArchiveError> {
    // The whole archive is looked at first, so that what is read now is what is listed.
    if !read(path, folder)?.files.contains(name) {
        return Ok(None);
    }
    let packed = fs_err::File::open(path).map_err(ArchiveError::Damaged)?;
    let mut archive = tar::Archive::new(GzDecoder::new(packed));
    for entry in archive.entries().map_err(ArchiveError::Damaged)? {
        let entry = entry.map_err(ArchiveError::Damaged)?;
        if inside(&entry.path_bytes(), folder)? == name.as_bytes() {
            let mut content = Vec::new();
            entry
                .take(UNPACKED)
                .read_to_end(&mut content)
                .map_err(ArchiveError::Damaged)?;
            return Ok(Some(content));
        }
    }
    Ok(None)
}

fn read_stream(packed: impl Read, folder: &str, limit: u64) -> Result<Contents, ArchiveError> {
    let mut unpacked = GzDecoder::new(packed).take(limit + 1);
    let contents = read_entries(&mut unpacked, folder);
    if unpacked.limit() == 0 {
        return Err(ArchiveError::TooBig { limit });
    }
    contents
}

fn read_entries(unpacked: impl Read, folder: &str) -> Result<Contents, ArchiveError> {
    let mut archive = tar::Archive::new(unpacked);
    let mut seen = BTreeSet::new();
    let mut manifest = None;
    let mut lock = None;
    for entry in archive.entries().map_err(ArchiveError::Damaged)? {
        let mut entry = entry.map_err(ArchiveError::Damaged)?;
        let path = entry.path_bytes().into_owned();
        let inside = inside(&path, folder)?;
        match entry.header().entry_type() {
            EntryType::Directory => continue,
            EntryType::Regular => {}
            _ => return Err(ArchiveError::Kind { path: shown(&path) }),
        }
        if inside == b"Cargo.toml" {
            manifest = Some(text("Cargo.toml", &mut entry)?.map_err(ArchiveError::NotText)?);
        } else if inside == b"Cargo.lock" {
            lock = Some(text("Cargo.lock", &mut entry)?);
        }
        if !seen.insert(inside) {
            return Err(ArchiveError::Twice { path: shown(&path) });
        }
    }
    Ok(Contents {
        manifest: manifest.ok_or(ArchiveError::NoManifest)?,
        lock,
        files: seen
            .into_iter()
            .filter_map(|name| String::from_utf8(name).ok())
            .collect(),
    })
}

/// Returns a path relative to `folder`, in its plainest form.
fn inside(path: &[u8], folder: &str) -> Result<Vec<u8>, ArchiveError> {
    let outside = || ArchiveError::Outside {
        path: shown(path),
        folder: folder.to_owned(),
    };
    if path.contains(&0) {
        return Err(outside());
    }
    let mut components = Path::new(OsStr::from_bytes(path)).components();
    if components.next() != Some(Component::Normal(OsStr::new(folder))) {
        return Err(outside());
    }
    let mut inside: Vec<&[u8]> = Vec::new();
    for component in components {
        match component {
            Component::Normal(name) => inside.push(name.as_bytes()),
            _ => return Err(outside()),
        }
    }
    Ok(inside.join(&b'/'))
}

fn text(
    name: &'static str,
    entry: &mut impl Read,
) -> Result<Result<String, NotText>, ArchiveError> {
    let mut bytes = Vec::new();
    entry
        .take(TEXT + 1)
        .read_to_end(&mut bytes)
        .map_err(ArchiveError::Damaged)?;
    if bytes.len() as u64 > TEXT {
        return Ok(Err(NotText { name }));
    }
    Ok(String::from_utf8(bytes).map_err(|_| NotText { name }))
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path)
        .escape_debug()
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Entry, archive};

    fn read(entries: &[Entry<'_>]) -> Result<Contents, String> {
        read_stream(&archive(entries)[..], "demo-1.0.0", 1 << 20).map_err(|error| error.to_string())
    }

    #[test]
    fn files_are_listed_relative_to_the_folder() {
        let contents = read(&[
            Entry::Folder("demo-1.0.0/"),
            Entry::File("demo-1.0.0/Cargo.toml", "text"),
            Entry::File("demo-1.0.0/src/./lib.rs", ""),
        ]);
        let files = ["Cargo.toml", "src/lib.rs"].map(str::to_owned).into();
        assert_eq!(
            contents,
            Ok(Contents {
                manifest: "text".to_owned(),
                lock: None,
                files
            })
        );
    }

    #[test]
    fn a_lock_file_that_is_no_text_is_in_nobodys_way_who_does_not_ask_for_it() {
        let contents = read(&[
            Entry::File("demo-1.0.0/Cargo.toml", "text"),
            Entry::Bytes("demo-1.0.0/Cargo.lock", b"\xff"),
        ])
        .unwrap();
        assert_eq!(contents.manifest, "text");
        let error = contents.lock.unwrap().unwrap_err();
        assert_eq!(
            error.to_string(),
            "its `Cargo.lock` is not text of a sensible size"
        );
        let error = read(&[Entry::Bytes("demo-1.0.0/Cargo.toml", b"\xff")]).unwrap_err();
        assert_eq!(error, "its `Cargo.toml` is not text of a sensible size");
    }

    #[test]
    fn one_file_is_read() {
        let bytes = archive(&[
            Entry::File("demo-1.0.0/Cargo.toml", "text"),
            Entry::File("demo-1.0.0/doc/demo.1", "page"),
        ]);
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("x.crate");
        fs_err::write(&path, bytes).unwrap();
        let read = |name| file(&path, "demo-1.0.0", name).unwrap();
        assert_eq!(read("doc/demo.1").as_deref(), Some(&b"page"[..]));
        assert_eq!(read("doc/other.1"), None);
    }

    #[test]
    fn hostile_entries_are_refused() {
        let good = Entry::File("demo-1.0.0/Cargo.toml", "");
        let big = "x".repeat(1 << 20);
        let errors = [
            vec![good, Entry::File("demo-1.0.0/../../x", "")],
            vec![good, Entry::File("demo-1.0.0/a/..", "")],
            vec![good, Entry::File("/etc/passwd", "")],
            vec![good, Entry::File("other-1.0.0/x", "")],
            vec![good, Entry::File("./demo-1.0.0/x", "")],
            vec![good, Entry::File("demo-1.0.0/\u{1b}[31m/../x", "")],
            vec![good, Entry::Link("demo-1.0.0/src", "/tmp")],
            vec![
                good,
                Entry::HardLink("demo-1.0.0/src", "demo-1.0.0/Cargo.toml"),
            ],
            vec![good, Entry::Pipe("demo-1.0.0/pipe")],
            vec![good, Entry::File("demo-1.0.0//Cargo.toml", "")],
            vec![good, Entry::File("demo-1.0.0/big", &big)],
            vec![Entry::Folder("demo-1.0.0/Cargo.toml")],
            vec![],
        ]
        .map(|entries| read(&entries).unwrap_err());
        insta::assert_snapshot!(errors.join("\n"), @r"
        it holds `demo-1.0.0/../../x`, which is not inside `demo-1.0.0`
        it holds `demo-1.0.0/a/..`, which is not inside `demo-1.0.0`
        it holds `/etc/passwd`, which is not inside `demo-1.0.0`
        it holds `other-1.0.0/x`, which is not inside `demo-1.0.0`
        it holds `./demo-1.0.0/x`, which is not inside `demo-1.0.0`
        it holds `demo-1.0.0/\u{1b}[31m/../x`, which is not inside `demo-1.0.0`
        it holds `demo-1.0.0/src`, which is neither a file nor a folder
        it holds `demo-1.0.0/src`, which is neither a file nor a folder
        it holds `demo-1.0.0/pipe`, which is neither a file nor a folder
        it holds `demo-1.0.0//Cargo.toml` twice
        it unpacks to more than 1048576 bytes
        it holds no `Cargo.toml`
        it holds no `Cargo.toml`
        ");
    }

    #[test]
    fn a_cut_or_foreign_file_is_damaged() {
        let whole = archive(&[Entry::File("demo-1.0.0/Cargo.toml", "text")]);
        for at in [0, 1, 10, whole.len() / 2] {
            let error = read_stream(&whole[..at], "demo-1.0.0", 1 << 20).unwrap_err();
            assert!(
                matches!(error, ArchiveError::Damaged(_)),
                "cut at {at}: {error}"
            );
        }
        let error = read_stream(&b"<html>"[..], "demo-1.0.0", 1 << 20).unwrap_err();
        assert!(matches!(error, ArchiveError::Damaged(_)));
    }
}
