//! [`Size`]: what programs and the libraries they load take.

use orlop_store::{Store, StoreError, StorePath};
use serde::Serialize;

/// What the programs of some apps and the libraries they load take.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Size {
    objects: usize,
    pub(crate) bytes: u64,
}

impl Size {
    /// Measures views and all that they need.
    pub(crate) fn of(
        store: &Store,
        views: impl Iterator<Item = StorePath>,
    ) -> Result<Self, StoreError> {
        let mut size = Self::default();
        for path in store.closure(&views.collect())? {
            size.objects += 1;
            size.bytes += store.info(&path)?.map_or(0, |info| info.bytes);
        }
        Ok(size)
    }
}
