//! What gc removes, and what it leaves.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::testing::{self, Home, path};
use crate::{disk, reference, tree};

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

        let plan = store.plan_gc(&GcOptions::default()).unwrap();
        prop_assert_eq!(&plan.live, &live);
        prop_assert_eq!(&plan.dead, &dead);
        let report = store.gc(&GcOptions::default(), &mut |_| {}).unwrap();
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
        prop_assert_eq!(store.plan_gc(&GcOptions::default()).unwrap().dead, BTreeSet::new());
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
    let report = store.gc(&GcOptions::default(), &mut |_| {}).unwrap();
    assert_eq!(before - disk_use(&home), report.bytes);
    assert!((30_000..60_000).contains(&report.bytes), "{}", report.bytes);
}

#[test]
fn what_a_link_leads_to_is_not_counted() {
    let home = Home::new();
    let store = home.open();
    let outside = home.path().with_file_name("outside");
    testing::write_files(&outside, &[("large", &"x".repeat(1 << 20))]);
    disk::link(&store.object(&path("link")), &outside).unwrap();
    let plan = store.plan_gc(&GcOptions::default()).unwrap();
    assert!(plan.bytes < 1 << 16, "{}", plan.bytes);
    let report = store.gc(&GcOptions::default(), &mut |_| {}).unwrap();
    assert_eq!(report.removed, plan.dead);
    assert!(outside.join("large").exists());
}

#[test]
fn interrupted_adds_and_deleted_objects_are_cleared_away() {
    let home = Home::new();
    let store = home.open();
    testing::write_files(&store.object(&path("half")), &[("d/file", "x")]);
    disk::set_mode(&store.object(&path("half")).join("d"), 0).unwrap();
    let gone = home.add("gone", &[]);
    tree::remove(&store.object(&gone)).unwrap();
    let report = store.gc(&GcOptions::default(), &mut |_| {}).unwrap();
    assert_eq!(report.removed, BTreeSet::from([path("half"), gone]));
    assert_eq!(disk::names(&store.folder()).unwrap(), [""; 0]);
    assert_eq!(
        store.plan_gc(&GcOptions::default()).unwrap().dead,
        BTreeSet::new()
    );
}

/// The fault harness runs it like that, so that every run makes the same calls.
#[test]
fn one_thread_is_enough() {
    let home = Home::new();
    let store = home.open();
    let add = |number: usize| {
        let staged = store.stage().unwrap();
        let object = path(&format!("dead-{number}"));
        (staged, object, testing::registration(&[]))
    };
    store.add_all((0..100).map(add).collect()).unwrap();
    let (told, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let gc = || store.gc(&GcOptions::default(), &mut |_| {});
        told.send(pool.unwrap().install(gc).unwrap()).unwrap();
    });
    let report = heard.recv_timeout(Duration::from_mins(1));
    assert_eq!(report.unwrap().removed.len(), 100);
}

#[test]
fn gc_waits_for_those_who_use_the_store() {
    let home = Home::new();
    let store = home.open();
    let in_use = store.use_store().unwrap();
    let object = home.add("fresh", &[]);
    let (told, heard) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let gc = scope.spawn(|| {
            store
                .gc(&GcOptions::default(), &mut |holder| {
                    told.send(holder).unwrap();
                })
                .unwrap()
        });
        heard.recv().unwrap();
        store.set_root("fresh", &object).unwrap();
        drop(in_use);
        assert_eq!(gc.join().unwrap().removed, BTreeSet::new());
    });
    assert!(store.contains(&object).unwrap());
}

#[test]
fn nobody_waits_long_for_gc() {
    let home = Home::new();
    let store = home.open();
    // The best of some: others use the machine as well.
    let longest = (0..5).map(|round| {
        let add = |number: usize| {
            let object = path(&format!("dead-{round}-{number}"));
            let staged = store.stage().unwrap();
            testing::write_files(staged.folder(), &[("folder/file", "x")]);
            (staged, object, testing::registration(&[]))
        };
        store.add_all((0..300).map(add).collect()).unwrap();
        let other = home.open();
        let mut longest = Duration::ZERO;
        let mut uses = 0;
        std::thread::scope(|scope| {
            let gc = scope.spawn(|| store.gc(&GcOptions::default(), &mut |_| {}).unwrap());
            while !gc.is_finished() {
                let began = Instant::now();
                drop(other.use_store().unwrap());
                longest = longest.max(began.elapsed());
                uses += 1;
                std::thread::sleep(Duration::from_micros(200));
            }
            assert_eq!(gc.join().unwrap().removed.len(), 300);
        });
        assert!(uses > 0);
        longest
    });
    let longest = longest.min().unwrap();
    println!("waited for {longest:?} at most");
    assert!(longest < Duration::from_millis(50), "{longest:?}");
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a running program is what this is about"
)]
fn what_runs_stays_until_it_ends() {
    let home = Home::new();
    let store = home.open();
    let (object, library) = (path("program"), path("library"));
    testing::add(&store, &library, &[], &[("lib/x.so", "x")]).unwrap();
    let staged = store.stage().unwrap();
    fs_err::copy("/bin/sleep", staged.folder().join("sleep")).unwrap();
    let registration = testing::registration(&[&library]);
    store.add(staged, &object, &registration).unwrap();
    let program = store.object(&object).join("sleep");
    let mut running = std::process::Command::new(program)
        .arg("60")
        .spawn()
        .unwrap();
    let reasons = store.why_live(&library).unwrap();
    let removed = store
        .gc(&GcOptions::default(), &mut |_| {})
        .unwrap()
        .removed;
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(removed, BTreeSet::new());
    assert_eq!(reasons.len(), 1);
    let number = running.id();
    assert_eq!(reasons[0].root, crate::Root::Process { number });
    let report = store.gc(&GcOptions::default(), &mut |_| {}).unwrap();
    assert_eq!(report.removed, BTreeSet::from([object, library]));
}

#[test]
fn many_batches_go() {
    let home = Home::new();
    let store = home.open();
    let add = |number: usize| {
        let staged = store.stage().unwrap();
        testing::write_files(staged.folder(), &[("folder/file", "x")]);
        let object = path(&format!("dead-{number}"));
        (staged, object, testing::registration(&[]))
    };
    store.add_all((0..700).map(add).collect()).unwrap();
    let plan = store.plan_gc(&GcOptions::default()).unwrap();
    let report = store.gc(&GcOptions::default(), &mut |_| {}).unwrap();
    assert_eq!(report.removed.len(), 700);
    assert_eq!((report.removed, report.bytes), (plan.dead, plan.bytes));
    assert_eq!(disk::names(&store.folder()).unwrap(), [""; 0]);
    assert_eq!(disk::names(&home.path().join("staging")).unwrap(), [""; 0]);
}

#[test]
fn views_of_a_damaged_generation_stay() {
    let home = Home::new();
    let store = home.open();
    let view = home.add("view", &[]);
    let generation = testing::commit(&store, "default", &[("app", &view, &[])]).unwrap();
    for damage in ["nonsense", ""] {
        fs_err::write(generation.folder().join("record.toml"), damage).unwrap();
        assert_eq!(
            store
                .gc(&GcOptions::default(), &mut |_| {})
                .unwrap()
                .removed,
            BTreeSet::new()
        );
    }
    fs_err::remove_file(generation.folder().join("record.toml")).unwrap();
    assert_eq!(
        store
            .gc(&GcOptions::default(), &mut |_| {})
            .unwrap()
            .removed,
        BTreeSet::new()
    );
}
