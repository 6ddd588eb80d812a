//! [`Size`]: what programs and the libraries they load take.

use std::collections::BTreeSet;

use orlop_store::{Store, StoreError, StorePath};
use serde::Serialize;

/// What the programs of some apps and the libraries they load take.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Size {
    objects: usize,
    pub(crate) bytes: u64,
}

impl Size {
    /// Measures all that views need.
    pub(crate) fn of(
        store: &Store,
        views: impl Iterator<Item = StorePath>,
    ) -> Result<Self, StoreError> {
        let views: BTreeSet<_> = views.collect();
        let mut size = Self::default();
        // A view's programs are the same files as those of the object it refers to.
        for path in store.closure(&views)?.difference(&views) {
            size.objects += 1;
            size.bytes += store.info(path)?.map_or(0, |info| info.bytes);
        }
        Ok(size)
    }
}
