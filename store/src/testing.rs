//! What the tests of this crate share.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;

use crate::add::Registration;
use crate::derivation::Isolation;
use crate::digest::Digest;
use crate::error::StoreError;
use crate::path::StorePath;
use crate::profile::{Generation, GenerationApp, NewGeneration};
use crate::store::Store;

/// A home folder for one test.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path())
            .unwrap()
            .join("home")
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(&self.path(), now()).unwrap()
    }

    /// Adds an object with one file.
    pub(crate) fn add(&self, name: &str, references: &[&StorePath]) -> StorePath {
        let object = path(name);
        add(&self.open(), &object, references, &[("file", name)]).unwrap();
        object
    }
}

impl Drop for Home {
    /// Objects cannot be removed by the ordinary means of an ordinary user.
    fn drop(&mut self) {
        crate::tree::remove(Utf8Path::from_path(self.folder.path()).unwrap()).unwrap();
    }
}

pub(crate) fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

pub(crate) fn path(name: &str) -> StorePath {
    StorePath::new(Digest::of("test", name), name)
}

/// Adds an object with the given files; a name that ends in `*` is a program's.
pub(crate) fn add(
    store: &Store,
    object: &StorePath,
    references: &[&StorePath],
    files: &[(&str, &str)],
) -> Result<(), StoreError> {
    let staged = store.stage()?;
    write_files(staged.folder(), files);
    store.add(staged, object, &registration(references))
}

pub(crate) fn write_files(folder: &Utf8Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let file = folder.join(name.trim_end_matches('*'));
        fs_err::create_dir_all(file.parent().unwrap()).unwrap();
        fs_err::write(&file, text).unwrap();
        if name.ends_with('*') {
            crate::disk::set_mode(&file, 0o755).unwrap();
        }
    }
}

pub(crate) fn registration(references: &[&StorePath]) -> Registration {
    let references: BTreeSet<_> = references.iter().map(|&path| path.clone()).collect();
    Registration {
        references,
        derivation: None,
        isolation: Isolation::Full,
    }
}

/// Commits a generation with the given apps: name, view, programs.
pub(crate) fn commit(
    store: &Store,
    profile: &str,
    apps: &[(&str, &StorePath, &[&str])],
) -> Result<Generation, StoreError> {
    let profile = store.profile(profile)?;
    let _lock = profile.lock(&mut |_| {})?;
    profile.commit(new_generation(apps))
}

pub(crate) fn new_generation(apps: &[(&str, &StorePath, &[&str])]) -> NewGeneration {
    let app = |(name, view, binaries): &(&str, &StorePath, &[&str])| GenerationApp {
        name: (*name).to_owned(),
        version: "1.0.0".to_owned(),
        linkage: "shared".to_owned(),
        compiler: "1.95.0".to_owned(),
        view: (*view).clone(),
        binaries: binaries.iter().map(|&name| name.to_owned()).collect(),
        link_sets: BTreeSet::new(),
        starts: Vec::new(),
        test: None,
        test_needs: [].into(),
        library_tests: Vec::new(),
        caveats: None,
    };
    NewGeneration {
        command: "orlop install".to_owned(),
        apps: apps.iter().map(app).collect(),
        libraries: [].into(),
        keep: BTreeSet::new(),
        manifest: "# manifest\n".to_owned(),
        lock: "# lock\n".to_owned(),
    }
}
