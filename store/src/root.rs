//! Roots: names under which objects are kept alive, as links in `<home>/roots`.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use crate::disk;
use crate::error::{Context as _, StoreError};
use crate::failpoint;
use crate::name;
use crate::path::StorePath;

/// See [`crate::Store::set_root`].
pub(crate) fn set(home: &Utf8Path, name: &str, path: &StorePath) -> Result<(), StoreError> {
    let link = link(home, name)?;
    let up = match name.split_once('/') {
        None => "..",
        Some((group, _)) => {
            let group = home.join("roots").join(group);
            disk::create_folder(&group)?;
            disk::sync_folder(&home.join("roots"))?;
            failpoint::reached("root.group")?;
            "../.."
        }
    };
    disk::replace_link(&link, &Utf8PathBuf::from(format!("{up}/store/{path}")))
}

/// See [`crate::Store::roots`].
pub(crate) fn all(home: &Utf8Path) -> Result<BTreeMap<String, StorePath>, StoreError> {
    let folder = home.join("roots");
    let mut roots = BTreeMap::new();
    for name in shown(&folder)? {
        let path = folder.join(&name);
        let metadata = fs_err::symlink_metadata(&path).context("look at", &path)?;
        if metadata.is_dir() {
            for inner in shown(&path)? {
                let target = target(&path.join(&inner))?;
                roots.extend(target.map(|target| (format!("{name}/{inner}"), target)));
            }
        } else {
            roots.extend(target(&path)?.map(|target| (name, target)));
        }
    }
    Ok(roots)
}

/// See [`crate::Store::remove_root`].
pub(crate) fn remove(home: &Utf8Path, name: &str) -> Result<bool, StoreError> {
    let link = link(home, name)?;
    let removed = disk::remove_file(&link)?;
    if removed && let Some(folder) = link.parent() {
        failpoint::reached("root.remove")?;
        disk::sync_folder(folder)?;
    }
    Ok(removed)
}

/// Returns the object that a link leads to, wherever the home is; none if there is no link. A link
/// that leads elsewhere is an error: gc must not take it for nothing.
pub(crate) fn target(link: &Utf8Path) -> Result<Option<StorePath>, StoreError> {
    let Some(target) = disk::read_link(link)? else {
        return Ok(None);
    };
    match target.file_name().and_then(|name| name.parse().ok()) {
        Some(path) => Ok(Some(path)),
        None => Err(StoreError::BrokenLink {
            path: link.to_owned(),
            target: target.into_string(),
            expected: "a store object",
        }),
    }
}

/// Names that begin with a dot are links in the making.
fn shown(folder: &Utf8Path) -> Result<Vec<String>, StoreError> {
    let mut names = disk::names(folder)?;
    names.retain(|name| !name.starts_with('.'));
    Ok(names)
}

fn link(home: &Utf8Path, root: &str) -> Result<Utf8PathBuf, StoreError> {
    for part in root.splitn(2, '/') {
        name::check("a root", part)?;
    }
    Ok(home.join("roots").join(root))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Home;

    #[test]
    fn set_replace_list_remove() {
        let home = Home::new();
        let store = home.open();
        let (one, other) = (home.add("one", &[]), home.add("other", &[]));
        store.set_root("c-tools", &one).unwrap();
        store.set_root("compilers/1.95.0", &one).unwrap();
        store.set_root("compilers/1.95.0", &other).unwrap();
        let roots = store.roots().unwrap();
        assert_eq!(
            roots,
            BTreeMap::from([
                ("c-tools".to_owned(), one.clone()),
                ("compilers/1.95.0".to_owned(), other.clone())
            ])
        );
        for (name, path) in &roots {
            let link = home.path().join("roots").join(name);
            assert!(fs_err::read_link(&link).unwrap().is_relative());
            assert_eq!(
                link.canonicalize_utf8().unwrap(),
                store.object(path).canonicalize_utf8().unwrap()
            );
        }
        assert!(store.remove_root("compilers/1.95.0").unwrap());
        assert!(!store.remove_root("compilers/1.95.0").unwrap());
        assert_eq!(store.roots().unwrap().len(), 1);
    }

    #[test]
    fn names_stay_inside() {
        let home = Home::new();
        let store = home.open();
        let path = home.add("a", &[]);
        for name in [
            "", "/", "a/", "/a", "../a", "a/../b", "a/b/c", ".a", "a\nb", "-a",
        ] {
            let error = store.set_root(name, &path).unwrap_err();
            assert!(
                matches!(error, StoreError::Name { .. }),
                "{name:?}: {error}"
            );
        }
    }

    #[test]
    fn a_root_needs_its_object() {
        let home = Home::new();
        let error = home
            .open()
            .set_root("a", &crate::testing::path("a"))
            .unwrap_err();
        assert!(matches!(error, StoreError::Absent { .. }));
    }

    #[test]
    fn a_root_that_leads_elsewhere_stops_gc() {
        let home = Home::new();
        let store = home.open();
        disk::link(&home.path().join("roots/odd"), Utf8Path::new("/etc/passwd")).unwrap();
        assert!(matches!(
            store.plan_gc(&crate::GcOptions::default()).unwrap_err(),
            StoreError::BrokenLink { .. }
        ));
    }
}
