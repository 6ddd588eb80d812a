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

    /// Makes `current` lead to a generation: whoever looks sees the old one or the new one, and
    /// after a power cut it is one of the two as well.
    pub(super) fn point_to(&self, number: u64) -> Result<(), StoreError> {
        disk::replace_all(vec![self.new_link(number)?])
    }

    /// Makes another generation the current one, and what it was made from the manifest and lock
    /// file that the user would edit next. The caller holds [`Profile::lock`].
    pub fn restore(&self, generation: &Generation) -> Result<(), StoreError> {
        let files = [
            (self.manifest_path(), generation.manifest()?),
            (self.lock_path(), generation.lock()?),
        ];
        // Most roads back are short: what is the same need not be written.
        let other = files
            .iter()
            .map(|(path, text)| (path.as_path(), text.as_bytes()))
            .filter(|(path, text)| fs_err::read(path).ok().as_deref() != Some(text));
        let other: Vec<_> = other.collect();
        let mut new = vec![self.new_link(generation.number)?];
        new.extend(Replacement::files(&other)?);
        disk::replace_all(new)
    }

    fn new_link(&self, number: u64) -> Result<Replacement, StoreError> {
        let target = number.to_string();
        Replacement::link(&self.folder.join("current"), Utf8Path::new(&target))
    }
}
