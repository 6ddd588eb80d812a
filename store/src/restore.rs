//! Takes the tree of an object from another home.

use camino::Utf8Path;

use crate::add::Registration;
use crate::error::StoreError;
use crate::path::StorePath;
use crate::store::Store;
use crate::tree::{self, Tree};

impl Store {
    /// Puts a copy of what another home has of an object in the place of a tree that is absent or
    /// that [`Store::distrust`] has marked. Nothing there is trusted, and nothing is changed: what
    /// is copied must have the content that is registered here. Returns false if it has not, or if
    /// something that the object refers to is not in this store.
    pub fn restore_from(&self, home: &Utf8Path, path: &StorePath) -> Result<bool, StoreError> {
        let _no_gc = self.use_store()?;
        let Some((known, seal)) = self.database()?.sealed(path)? else {
            return Ok(false);
        };
        let whole = known.seal().is_ok_and(|right| right == seal);
        let usable = whole && self.missing(&known.info.references)?.is_empty();
        let source = home.join("store").join(path.to_string());
        if !usable || !tree::is_trusted(&source)? {
            return Ok(false);
        }
        let found = Tree::read(&source)?;
        if found.digest() != known.info.content {
            return Ok(false);
        }
        let staged = self.stage()?;
        found.copy(&source, staged.folder())?;
        // Whoever has that home may have changed it meanwhile.
        if self.content(&staged)? != known.info.content {
            return Ok(false);
        }
        let registration = Registration {
            references: known.info.references,
            derivation: known.derivation,
            isolation: known.info.isolation,
        };
        self.add(staged, path, &registration)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::derivation::Isolation;
    use crate::disk;
    use crate::testing::{self, Home, path};

    const FILES: [(&str, &str); 2] = [("bin/app*", "program"), ("share/page", "text")];

    /// A home with an app and a library, both damaged, and another one where they are whole.
    fn homes() -> (Home, Home, Store) {
        let (home, other) = (Home::new(), Home::new());
        for home in [&home, &other] {
            let library = home.add("library", &[]);
            testing::add(&home.open(), &path("app"), &[&library], &FILES).unwrap();
        }
        let store = home.open();
        overwrite(&store, "app", "bin/app");
        overwrite(&store, "library", "file");
        store.distrust(&both()).unwrap();
        (home, other, store)
    }

    fn both() -> BTreeSet<StorePath> {
        [path("app"), path("library")].into()
    }

    fn overwrite(store: &Store, object: &str, file: &str) {
        let file = store.object(&path(object)).join(file);
        disk::set_mode(&file, 0o644).unwrap();
        fs_err::write(&file, "damaged").unwrap();
    }

    #[test]
    fn a_copy_takes_the_place_of_what_is_damaged() {
        let (_home, other, store) = homes();
        let restore = |name: &str| store.restore_from(&other.path(), &path(name)).unwrap();
        // What it refers to comes first.
        assert!(!restore("app"));
        assert!(restore("library") && restore("app"));
        assert_eq!(store.verify().unwrap().findings, []);
        let info = store.info(&path("app")).unwrap().unwrap();
        assert_eq!(info.references, [path("library")].into());
        assert_eq!(info.isolation, Isolation::Full);
        assert_eq!(other.open().verify().unwrap().findings, []);
        // What is not known here, or not there, is nothing to restore.
        other.add("more", &[]);
        assert!(!restore("more") && !restore("nowhere"));
    }

    #[test]
    fn what_is_not_the_same_is_not_taken() {
        let (home, other, store) = homes();
        overwrite(&other.open(), "library", "file");
        let restore = |home: &Utf8Path| store.restore_from(home, &path("library")).unwrap();
        assert!(!restore(&other.path()));
        // Nor from here, nor from where nothing is.
        assert!(!restore(&home.path()) && !restore("/nonexistent".into()));
        let library = other.open().object(&path("library"));
        tree::remove(&library).unwrap();
        disk::link(&library, "/etc".into()).unwrap();
        let error = store
            .restore_from(&other.path(), &path("library"))
            .unwrap_err();
        assert!(error.to_string().contains("not a folder"), "{error}");
        assert!(!store.contains(&path("library")).unwrap());
        assert_eq!(disk::names(&home.path().join("staging")).unwrap(), [""; 0]);
    }
}
