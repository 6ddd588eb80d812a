//! [`Registration`]: what is known of an object when it is added.

use std::collections::BTreeSet;

use crate::derivation::{Derivation, Isolation};
use crate::path::StorePath;

/// What is known of an object when it is added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The objects without which it is of no use. All of them are in the store already.
    pub references: BTreeSet<StorePath>,
    /// The step that made it; none for imports and views.
    pub derivation: Option<Derivation>,
    /// How far that step was shut off from the machine.
    pub isolation: Isolation,
}
