//! Copies a tree.

use camino::Utf8Path;

use super::{Kind, Top, Tree};
use crate::disk;
use crate::error::{Context as _, StoreError};

impl Tree {
    /// Copies what this tree lists from the folder that was read into an empty one, as reflinks where
    /// the file system can. What the files hold by now is for the caller to look at.
    pub(crate) fn copy(&self, from: &Utf8Path, to: &Utf8Path) -> Result<(), StoreError> {
        let top = Top::open(from)?;
        for entry in &self.entries {
            let path = to.join(&entry.path);
            match &entry.kind {
                Kind::Folder => fs_err::create_dir(&path).context("create the folder", &path)?,
                Kind::Link { target } => disk::link(&path, Utf8Path::new(target))?,
                Kind::File(content) => {
                    let (file, _) = top.file(&entry.path)?;
                    disk::copy(&file, &path, &from.join(&entry.path))?;
                    if content.executable {
                        disk::set_mode(&path, 0o755)?;
                    }
                }
            }
        }
        Ok(())
    }
}
