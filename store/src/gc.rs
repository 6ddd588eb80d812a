//! Finds and removes the objects that nobody needs.

use std::collections::BTreeSet;

use crate::path::StorePath;

/// What gc would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GcPlan {
    /// Objects that a root or a generation reaches.
    pub live: BTreeSet<StorePath>,
    /// Objects that nothing reaches.
    pub dead: BTreeSet<StorePath>,
    /// Bytes on disk that removing the dead ones frees; files that a live object shares do not count.
    pub bytes: u64,
}

/// What gc did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GcReport {
    /// Objects that are no more.
    pub removed: BTreeSet<StorePath>,
    /// Bytes on disk that were freed.
    pub bytes: u64,
}
