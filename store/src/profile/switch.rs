//! `current`: the link that says which generation is the current one.

use camino::Utf8Path;

use super::Profile;
use crate::disk;
use crate::error::StoreError;

impl Profile {
    /// Returns the number that `current` holds, whether there is such a generation or not.
    pub(crate) fn current_number(&self) -> Result<Option<u64>, StoreError> {
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
        disk::replace_link(
            &self.folder.join("current"),
            Utf8Path::new(&number.to_string()),
        )
    }
}
