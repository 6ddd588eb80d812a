//! [`Unfinished`]: what dependents may read of libraries that are still being made.
//!
//! rustc writes a library's metadata long before its code, and other crates need no more to be
//! compiled. They see the metadata alone, in a folder of its own at the place of the future
//! object: neither does a half-written library show, nor does it matter to a dependent when the
//! object moves to the store. That a crate comes out the same either way is tested
//! (`tests/pipelining.rs`); metadata says nothing of the file it was read from.
//!
//! For a program, rustc insists on whole libraries, as the linker will want them. Here the recorder
//! is called in place of the linker and notes down their names, so that libraries without code do.
//!
//! The finished object holds the library alone. Its metadata is part of it, rustc maps it from
//! there as quickly, and a second copy would make objects bigger by a third.

use std::collections::BTreeMap;
use std::io::{self, Cursor};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ar_archive_writer::{
    ArchiveKind, DEFAULT_OBJECT_READER, NewArchiveMember, ObjectReader, write_archive_to_stream,
};
use camino::Utf8Path;
use orlop_store::{Scratch, StorePath};

/// The ending of libraries.
const LIBRARY: &str = "rlib";
/// Where rustc looks for metadata in a library.
const MEMBER: &str = "lib.rmeta";

/// The folders with metadata of libraries that are not in the store yet.
#[derive(Debug, Default)]
pub(crate) struct Unfinished(Mutex<BTreeMap<StorePath, Arc<Metadata>>>);

/// A folder with the metadata of one library. It lasts as long as somebody holds it.
#[derive(Debug)]
pub(crate) struct Metadata(Scratch);

impl Metadata {
    pub(crate) fn folder(&self) -> &Utf8Path {
        self.0.folder()
    }

    /// Makes, in an empty folder, a library that has this metadata and no code.
    pub(crate) fn write_library(&self, folder: &Utf8Path) -> io::Result<()> {
        for entry in self.folder().read_dir_utf8()? {
            let entry = entry?;
            let library = folder.join(entry.file_name()).with_extension(LIBRARY);
            fs_err::write(library, archive(&fs_err::read(entry.path())?)?)?;
        }
        Ok(())
    }
}

/// Returns an archive with metadata as its one member. rustc itself wraps it into an object file
/// there, for the sake of linkers, but reads what is no object file as it is.
fn archive(metadata: &[u8]) -> io::Result<Vec<u8>> {
    let member = NewArchiveMember::new(metadata, &NO_OBJECT, MEMBER.to_owned());
    let mut file = Cursor::new(Vec::new());
    write_archive_to_stream(&mut file, &[member], ArchiveKind::Gnu, false, None)?;
    Ok(file.into_inner())
}

/// Whatever metadata looks like, nobody is to look for symbols in it.
static NO_OBJECT: ObjectReader = ObjectReader {
    get_symbols: |_, _| Ok(false),
    ..DEFAULT_OBJECT_READER
};

impl Unfinished {
    /// Offers the metadata of a library.
    pub(crate) fn offer(&self, path: &StorePath, folder: Scratch) {
        self.lock().insert(path.clone(), Arc::new(Metadata(folder)));
    }

    /// Ends an offer: from here on, the object is used.
    pub(crate) fn withdraw(&self, path: &StorePath) {
        self.lock().remove(path);
    }

    /// Returns the offer of a library that is not in the store yet.
    pub(crate) fn get(&self, path: &StorePath) -> Option<Arc<Metadata>> {
        self.lock().get(path).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<StorePath, Arc<Metadata>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_holds_the_metadata() {
        for metadata in ["rust metadata", "even"] {
            let bytes = archive(metadata.as_bytes()).unwrap();
            let archive = goblin::archive::Archive::parse(&bytes).unwrap();
            assert_eq!(archive.members(), ["lib.rmeta"]);
            let member = archive.extract("lib.rmeta", &bytes).unwrap();
            assert_eq!(member, metadata.as_bytes());
            assert!(bytes.len().is_multiple_of(2));
        }
    }
}
