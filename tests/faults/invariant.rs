//! What must hold after every fault.
//!
//! | | |
//! |---|---|
//! | I1 | every registered object is complete and has its digest |
//! | I2 | `current` leads to a complete generation: the old one or the new one; with the new one comes its manifest |
//! | I3 | earlier generations are what they were |
//! | I4 | nothing is removed that a root reaches |
//! | I5 | the same command again succeeds and leads to the state of an undisturbed run |
//! | I6 | no lock outlives its holder |
//! | I7 | nothing is left over after the next command |
//! | I8 | nothing outside the home has changed |
//! | I9 | what was acknowledged is there |

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use orlop_store::{Generation, Store, StorePath};

use crate::operation;

/// What a store holds, but for the numbers of generations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    objects: BTreeSet<(StorePath, String, BTreeSet<StorePath>)>,
    roots: BTreeMap<String, StorePath>,
    current: Option<StorePath>,
    /// What the user would edit next.
    manifest: Option<String>,
    generations: Vec<Generation>,
    pinned: Vec<u64>,
}

impl State {
    pub(crate) fn of(store: &Store) -> Self {
        let objects = store.objects().unwrap().into_iter();
        let objects = objects.map(|info| (info.path, info.content.to_string(), info.references));
        let profile = store.profile("default").unwrap();
        let current = profile.current().unwrap();
        let generations = profile.generations().unwrap();
        Self {
            objects: objects.collect(),
            roots: store.roots().unwrap(),
            current: current.map(|current| current.apps[0].view.clone()),
            manifest: std::fs::read_to_string(profile.manifest_path()).ok(),
            pinned: generations
                .iter()
                .map(|generation| generation.number)
                .filter(|&number| profile.is_pinned(number).unwrap())
                .collect(),
            generations,
        }
    }

    /// Whether two are the same for a user: a killed command may leave a generation that never
    /// became the current one.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.objects == other.objects
            && self.roots == other.roots
            && self.current == other.current
            && self.manifest == other.manifest
            && self.pinned == other.pinned
    }

    fn records(&self) -> BTreeMap<u64, String> {
        let records = self.generations.iter();
        records
            .map(|generation| {
                let text = format!(
                    "{:?} {:?} {:?}",
                    generation.parent, generation.apps, generation.keep
                );
                (generation.number, text)
            })
            .collect()
    }
}

/// A home before an operation, and what an undisturbed run leads to.
pub(crate) struct Case {
    pub(crate) operation: &'static str,
    pub(crate) before: State,
    pub(crate) after: State,
}

impl Case {
    pub(crate) fn new(operation: &'static str, template: &Utf8Path) -> Self {
        let folder = operation::Folder::copy(template);
        let home = folder.path().join("home");
        let before = State::of(&operation::open(&home).unwrap());
        operation::run(operation, &home).unwrap();
        let after = State::of(&operation::open(&home).unwrap());
        Self {
            operation,
            before,
            after,
        }
    }

    /// Looks at a home after a fault; `acknowledged` says whether the operation reported success.
    pub(crate) fn assert_invariants(&self, home: &Utf8Path, acknowledged: bool, fault: &str) {
        let what = format!("{}, {fault}", self.operation);
        let began = Instant::now();
        let store = operation::open(home).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        // While it is repaired, one object is known to be bad.
        let findings = store.verify().unwrap().findings;
        let repairing = self.operation == "repair" && !acknowledged && findings.len() <= 1;
        assert!(
            findings.is_empty() || repairing,
            "I1 I2 I3 I4: {what}: {findings:?}"
        );
        let found = State::of(&store);
        assert!(
            found.current == self.before.current
                || found.current == self.after.current
                || self.operation == "upgrade",
            "I2: {what}: {:?}",
            found.current
        );
        if found.current == self.after.current {
            assert_eq!(found.manifest, self.after.manifest, "I2: {what}");
        }
        let (before, after, now) = (self.before.records(), self.after.records(), found.records());
        for (number, record) in &before {
            if after.contains_key(number) {
                assert_eq!(now.get(number), Some(record), "I3: {what}");
            }
        }
        if acknowledged {
            assert!(
                found.is_like(&self.after),
                "I9: {what}: {found:#?} {:#?}",
                self.after
            );
        }
        assert_eq!(left_over(home), [""; 0], "I7: {what}");
        drop(store);
        operation::run(self.operation, home)
            .unwrap_or_else(|error| panic!("I5: {what}: {error:?}"));
        let store = operation::open(home).unwrap();
        let again = State::of(&store);
        assert!(
            again.is_like(&self.after),
            "I5: {what}: {again:#?} {:#?}",
            self.after
        );
        assert_eq!(store.verify().unwrap().findings, [], "I5: {what}");
        assert_eq!(left_over(home), [""; 0], "I7: {what}");
        assert!(began.elapsed() < Duration::from_secs(20), "I6: {what}");
        let neighbours = names(home.parent().unwrap());
        assert_eq!(neighbours, ["home"], "I8: {what}");
    }
}

fn left_over(home: &Utf8Path) -> Vec<String> {
    let mut left = names(&home.join("staging"));
    let strays = names(&home.join("profiles/default")).into_iter();
    left.extend(strays.filter(|name| name.contains(".tmp") && !home.exists()));
    left
}

fn names(folder: &Utf8Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "lost+found")
        .collect()
}
