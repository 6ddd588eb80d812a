//! `current`: the link that says which generation is the current one.

use camino::Utf8Path;

use super::{Generation, Profile};
use crate::disk::{self, Replacement};
use crate::error::StoreError;

impl Profile {
    /// Returns the number that `current` holds, whether there is such a generation or not.
    pub fn current_number(&self) -> Result<Option<u64>, StoreError> {
        let link = self.folder.join("current");
        let Some(target) = disk::read_link(&link)? else {
            return Ok(None);
        };
        match target.as_str().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(StoreError::BrokenLink {
                path: link,
                target: target.into_string(),
                expected: "a generation",
            }),
        }
    }

    /// Makes another generation the current one, and what it was made from the manifest and lock
    /// file that the user would edit next. The caller holds [`Profile::lock`].
    pub fn restore(&self, generation: &Generation) -> Result<(), StoreError> {
        let (manifest, lock) = (generation.manifest()?, generation.lock()?);
        self.show(generation.number, &manifest, &lock)
    }

    /// Makes a generation the current one, with the manifest and the lock file that it was made from.
    /// Whoever looks at `current` sees the old one or the new one, and after a power cut it is one of
    /// the two as well.
    pub(super) fn show(&self, number: u64, manifest: &str, lock: &str) -> Result<(), StoreError> {
        let (manifest_path, lock_path) = (self.manifest_path(), self.lock_path());
        let files = [(&*manifest_path, manifest), (&*lock_path, lock)];
        // Most roads back are short: what is the same need not be written.
        let other = files
            .iter()
            .map(|(path, text)| (*path, text.as_bytes()))
            .filter(|(path, text)| fs_err::read(path).ok().as_deref() != Some(text));
        // The link comes last: who is killed before that has at least said what is wanted, and the
        // next change makes it true. The other way round it would undo this one.
        let mut new = Replacement::files(&other.collect::<Vec<_>>())?;
        new.push(self.new_link(number)?);
        disk::replace_all(new)
    }

    fn new_link(&self, number: u64) -> Result<Replacement, StoreError> {
        let target = number.to_string();
        Replacement::link(&self.folder.join("current"), Utf8Path::new(&target))
    }
}
