//! [`Derivations`]: what has been lowered so far.

use std::collections::{BTreeMap, BTreeSet};

use orlop_recipes::Tool;
use orlop_store::derivation::{Source, Step};
use orlop_store::{Derivation, StorePath};

/// The derivations of one or more apps, each after those it reads.
#[derive(Debug, Default)]
pub(crate) struct Derivations {
    pub(crate) by_path: BTreeMap<StorePath, Derivation>,
    pub(crate) order: Vec<StorePath>,
    /// The programs of the machine without which steps fail.
    pub(crate) called: BTreeMap<StorePath, BTreeSet<Tool>>,
}

impl Derivations {
    /// Takes in a derivation and returns the path of its output.
    pub(crate) fn insert(&mut self, name: String, step: Step) -> StorePath {
        let derivation = Derivation { name, step };
        let path = derivation.path();
        if self.by_path.insert(path.clone(), derivation).is_none() {
            self.order.push(path.clone());
        }
        path
    }

    /// Takes in a derivation that calls programs of the machine.
    pub(crate) fn insert_calling(
        &mut self,
        name: String,
        step: Step,
        called: BTreeSet<Tool>,
    ) -> StorePath {
        let path = self.insert(name, step);
        self.called.insert(path.clone(), called);
        path
    }

    /// Returns the step that makes an object, if one of these does.
    pub(crate) fn step(&self, path: &StorePath) -> Option<&Step> {
        self.by_path.get(path).map(|derivation| &derivation.step)
    }

    /// Takes in the unpacking of an archive.
    pub(crate) fn insert_source(&mut self, source: Source) -> StorePath {
        let name = format!("{}-{}-src", source.name, source.version);
        self.insert(name, Step::Unpack(source))
    }
}
