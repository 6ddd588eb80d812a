//! Finds and removes the objects that nobody needs: [`GcPlan`], [`GcReport`].
//!
//! Live is what a root reaches, or any generation of any profile: its views and what it keeps. Who
//! uses objects that nothing reaches yet holds a [`crate::UseGuard`], and gc waits for all of
//! them. Others wait for gc only while it decides and renames; it deletes when they can go on.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use serde::Serialize;

use crate::error::StoreError;
use crate::lock::SweepLock;
use crate::path::StorePath;
use crate::staging::{self, Scratch};
use crate::store::Store;
use crate::{add, disk, profile, reference, tree};

/// What gc would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GcPlan {
    /// Objects that a root or a generation reaches.
    pub live: BTreeSet<StorePath>,
    /// Objects that nothing reaches, and trees whose adding was interrupted.
    pub dead: BTreeSet<StorePath>,
    /// Bytes on disk that removing the dead ones frees; files shared with a live object do not
    /// count.
    pub bytes: u64,
}

/// What gc did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// Objects that are no more.
    pub removed: BTreeSet<StorePath>,
    /// Bytes on disk that were freed.
    pub bytes: u64,
}

/// See [`Store::plan_gc`].
pub(crate) fn plan(store: &Store) -> Result<GcPlan, StoreError> {
    let mut roots: BTreeSet<StorePath> = store.roots()?.into_values().collect();
    for name in store.profiles()? {
        roots.extend(profile::kept(&store.profile(&name)?)?);
    }
    let live = store.reachable(roots)?;
    let mut all = store.database().paths()?;
    all.extend(reference::trees(&store.folder())?);
    let dead: BTreeSet<StorePath> = all.difference(&live).cloned().collect();
    let mut folders = BTreeSet::new();
    for path in &dead {
        let object = store.object(path);
        if disk::exists(&object)? {
            folders.insert(object);
        }
        let log = store.log_path(path);
        if disk::exists(&log)? {
            folders.insert(log);
        }
    }
    Ok(GcPlan {
        bytes: tree::freed_bytes(&folders)?,
        live,
        dead,
    })
}

/// See [`Store::gc`].
pub(crate) fn run(store: &Store, waiting: &mut dyn FnMut(String)) -> Result<GcReport, StoreError> {
    let staging = store.home().join("staging");
    staging::remove_leftovers(&staging)?;
    let nobody_else = SweepLock::new(store.home(), waiting)?;
    let GcPlan {
        live: _,
        dead,
        bytes,
    } = plan(store)?;
    let trees = trees(store, &dead)?;
    match unregister_and_move(store, &dead, &trees) {
        Ok(trash) => {
            drop(nobody_else);
            trash.remove()?;
        }
        // On a full disk the database cannot even forget. Trees without a registration and
        // registrations without a tree are equally invalid, so the other way round is as good;
        // only that everybody has to wait.
        Err(StoreError::DatabaseFull { .. }) => {
            for tree in &trees {
                tree::remove(tree)?;
            }
            store.database().unregister(&dead)?;
        }
        Err(error) => return Err(error),
    }
    for path in &dead {
        disk::remove_file(&store.log_path(path))?;
    }
    Ok(GcReport {
        removed: dead,
        bytes,
    })
}

fn trees(store: &Store, paths: &BTreeSet<StorePath>) -> Result<Vec<Utf8PathBuf>, StoreError> {
    let mut trees = Vec::new();
    for path in paths {
        let tree = store.object(path);
        if disk::exists(&tree)? {
            trees.push(tree);
        }
    }
    Ok(trees)
}

/// Makes objects invalid and moves their trees out of the store; they go when the folder returned
/// does.
fn unregister_and_move(
    store: &Store,
    dead: &BTreeSet<StorePath>,
    trees: &[Utf8PathBuf],
) -> Result<Scratch, StoreError> {
    store.database().unregister(dead)?;
    let trash = store.scratch()?;
    for tree in trees {
        add::move_away(tree, &trash)?;
    }
    Ok(trash)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::{self, Home, path};

    /// Objects by number; each refers to some with smaller numbers.
    #[derive(Debug, Clone)]
    struct Graph {
        references: Vec<BTreeSet<usize>>,
        roots: BTreeSet<usize>,
        views: BTreeSet<usize>,
        kept: BTreeSet<usize>,
    }

    impl Graph {
        fn reachable(&self) -> BTreeSet<usize> {
            let mut live: BTreeSet<usize> = self
                .roots
                .iter()
                .chain(&self.views)
                .chain(&self.kept)
                .copied()
                .collect();
            for number in (0..self.references.len()).rev() {
                if live.contains(&number) {
                    live.extend(&self.references[number]);
                }
            }
            live
        }
    }

    fn graph() -> impl Strategy<Value = Graph> {
        (1..14_usize).prop_flat_map(|count| {
            let some = || prop::collection::btree_set(0..count, 0..3);
            let references: Vec<_> = (0..count)
                .map(|number| prop::collection::btree_set(0..number.max(1), 0..4.min(number + 1)))
                .collect();
            (references, some(), some(), some()).prop_map(|(mut references, roots, views, kept)| {
                for (number, references) in references.iter_mut().enumerate() {
                    references.remove(&number);
                }
                Graph {
                    references,
                    roots,
                    views,
                    kept,
                }
            })
        })
    }

    fn object(number: usize) -> StorePath {
        path(&format!("object-{number}"))
    }

    fn fill(store: &Store, graph: &Graph) {
        for (number, references) in graph.references.iter().enumerate() {
            let references: Vec<_> = references.iter().map(|&number| object(number)).collect();
            let references: Vec<_> = references.iter().collect();
            // Some contents are equal, so that dead files share inodes with live ones.
            let text = (number % 3).to_string().repeat(2000);
            testing::add(store, &object(number), &references, &[("file", &text)]).unwrap();
            fs_err::write(store.log_path(&object(number)), "log").unwrap();
        }
        for &root in &graph.roots {
            store
                .set_root(&format!("group/{root}"), &object(root))
                .unwrap();
        }
        // One generation per view, most of them not current, in two profiles.
        for &view in &graph.views {
            let profile = if view % 2 == 0 { "even" } else { "odd" };
            testing::commit(store, profile, &[("app", &object(view), &[])]).unwrap();
        }
        let profile = store.profile("keeper").unwrap();
        let keep = graph.kept.iter().map(|&number| object(number)).collect();
        profile
            .commit(crate::NewGeneration {
                keep,
                ..testing::new_generation(&[])
            })
            .unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        #[test]
        fn removes_exactly_the_unreachable(graph in graph()) {
            let home = Home::new();
            let store = home.open();
            fill(&store, &graph);
            let live: BTreeSet<_> = graph.reachable().into_iter().map(object).collect();
            let all: BTreeSet<_> = (0..graph.references.len()).map(object).collect();
            let dead: BTreeSet<_> = all.difference(&live).cloned().collect();

            let plan = store.plan_gc().unwrap();
            prop_assert_eq!(&plan.live, &live);
            prop_assert_eq!(&plan.dead, &dead);
            let report = store.gc(&mut |_| {}).unwrap();
            prop_assert_eq!(&report.removed, &dead);
            prop_assert_eq!(report.bytes, plan.bytes);

            let left: BTreeSet<_> =
                store.objects().unwrap().into_iter().map(|info| info.path).collect();
            prop_assert_eq!(&left, &live);
            prop_assert_eq!(&reference::trees(&store.folder()).unwrap(), &live);
            let logs: BTreeSet<_> = live.iter().map(|path| format!("{path}.log")).collect();
            let names = disk::names(&store.home().join("logs")).unwrap();
            prop_assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), logs);
            prop_assert_eq!(disk::names(&store.home().join("staging")).unwrap(), [""; 0]);
            prop_assert_eq!(store.plan_gc().unwrap().dead, BTreeSet::new());
        }
    }

    fn disk_use(home: &Home) -> u64 {
        use std::os::unix::fs::MetadataExt as _;
        let mut files = BTreeMap::new();
        for entry in walkdir::WalkDir::new(home.path().join("store")).min_depth(1) {
            let metadata = entry.unwrap().metadata().unwrap();
            files.insert(metadata.ino(), metadata.blocks() * 512);
        }
        files.values().sum()
    }

    #[test]
    fn the_bytes_are_those_that_are_freed() {
        let home = Home::new();
        let store = home.open();
        let (shared, own) = ("s".repeat(50_000), "o".repeat(30_000));
        testing::add(&store, &path("live"), &[], &[("a", &shared)]).unwrap();
        testing::add(&store, &path("dead"), &[], &[("a", &shared), ("b", &own)]).unwrap();
        testing::add(&store, &path("dead too"), &[], &[("c", &own)]).unwrap();
        store.set_root("live", &path("live")).unwrap();
        let before = disk_use(&home);
        let report = store.gc(&mut |_| {}).unwrap();
        assert_eq!(before - disk_use(&home), report.bytes);
        assert!((30_000..60_000).contains(&report.bytes), "{}", report.bytes);
    }

    #[test]
    fn interrupted_adds_and_deleted_objects_are_cleared_away() {
        let home = Home::new();
        let store = home.open();
        testing::write_files(&store.object(&path("half")), &[("d/file", "x")]);
        disk::set_mode(&store.object(&path("half")).join("d"), 0).unwrap();
        let gone = home.add("gone", &[]);
        tree::remove(&store.object(&gone)).unwrap();
        let report = store.gc(&mut |_| {}).unwrap();
        assert_eq!(report.removed, BTreeSet::from([path("half"), gone]));
        assert_eq!(disk::names(&store.folder()).unwrap(), [""; 0]);
        assert_eq!(store.plan_gc().unwrap().dead, BTreeSet::new());
    }

    #[test]
    fn gc_waits_for_those_who_use_the_store() {
        let home = Home::new();
        let store = home.open();
        let in_use = store.use_store().unwrap();
        let object = home.add("fresh", &[]);
        let (told, heard) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let gc = scope.spawn(|| store.gc(&mut |holder| told.send(holder).unwrap()).unwrap());
            heard.recv().unwrap();
            store.set_root("fresh", &object).unwrap();
            drop(in_use);
            assert_eq!(gc.join().unwrap().removed, BTreeSet::new());
        });
        assert!(store.contains(&object).unwrap());
    }

    #[test]
    fn views_of_a_damaged_generation_stay() {
        let home = Home::new();
        let store = home.open();
        let view = home.add("view", &[]);
        let generation = testing::commit(&store, "default", &[("app", &view, &[])]).unwrap();
        for damage in ["nonsense", ""] {
            fs_err::write(generation.folder().join("record.toml"), damage).unwrap();
            assert_eq!(store.gc(&mut |_| {}).unwrap().removed, BTreeSet::new());
        }
        fs_err::remove_file(generation.folder().join("record.toml")).unwrap();
        assert_eq!(store.gc(&mut |_| {}).unwrap().removed, BTreeSet::new());
    }
}
