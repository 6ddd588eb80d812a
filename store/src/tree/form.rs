//! Whether a tree still has the canonical form, of which its digest says little: not whether its
//! files and folders can be written to, nor their times.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Mutex, PoisonError};

use camino::Utf8Path;

use super::list::list;
use super::{Kind, TIME, Top, Tree, file_mode, make_canonical, seal_folder};
use crate::error::{Context as _, StoreError};

/// What is not as it should be, by its path in the tree; the top's is empty.
pub(crate) type Deviations = BTreeMap<String, String>;

impl Tree {
    /// As [`Tree::read`], and says what is not in canonical form.
    pub(crate) fn read_with_form(folder: &Utf8Path) -> Result<(Self, Deviations), StoreError> {
        let top = Top::open(folder)?;
        let listed = list(&top, None)?;
        let found = Mutex::new(Deviations::new());
        let look = |path: &str, mode: u32, time: i64, expected: u32| {
            if let Some(deviation) = deviation(mode, time, expected) {
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                found.insert(path.to_owned(), deviation);
            }
        };
        let tree = Self::from_listed(listed, &|path, buffer| {
            let (file, stat) = top.file(path)?;
            let content = top.content(path, &file, &stat, buffer)?;
            let expected = file_mode(content.executable);
            look(path, stat.st_mode, stat.st_mtime, expected);
            Ok(content)
        })?;
        for path in tree.folders() {
            let folder = folder.join(path);
            let metadata = fs_err::symlink_metadata(&folder).context("look at", &folder)?;
            look(path, metadata.mode(), metadata.mtime(), 0o555);
        }
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok((tree, found))
    }

    /// Gives everything the canonical form again.
    pub(crate) fn restore_form(&self, folder: &Utf8Path) -> Result<(), StoreError> {
        let top = Top::open(folder)?;
        for (path, content) in self.files() {
            let (file, _) = top.file(path)?;
            make_canonical(&file, content.executable)
                .context("set mode and time of", &folder.join(path))?;
        }
        self.seal(folder)?;
        seal_folder(folder)
    }

    /// Returns the folders, the top first.
    fn folders(&self) -> impl Iterator<Item = &str> {
        let inner = self.entries.iter().filter_map(|entry| match entry.kind {
            Kind::Folder => Some(entry.path.as_str()),
            Kind::File(_) | Kind::Link { .. } => None,
        });
        std::iter::once("").chain(inner)
    }
}

fn deviation(mode: u32, time: i64, expected: u32) -> Option<String> {
    let mode = mode & 0o7777;
    if mode != expected {
        return Some(format!("has the mode {mode:04o}, not {expected:04o}"));
    }
    (time != TIME.tv_sec).then(|| format!("has the time {time}, not {}", TIME.tv_sec))
}
