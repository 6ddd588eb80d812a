//! Finds and removes the objects that nobody needs: [`GcPlan`], [`GcReport`].
//!
//! Live is what a root reaches, or any generation of any profile (its views and what it keeps), or
//! a running program. Who uses objects that nothing reaches yet holds a [`crate::UseGuard`].
//!
//! 1. Without any lock: generations that are no longer wanted go, what is dead is found, and put
//!    in an order in which nothing goes before what refers to it.
//! 2. For some objects at a time, while nobody uses the store: what has become live since is
//!    taken out, the others are unregistered and renamed. Who wants to use the store waits that
//!    long at most, so how many go at once depends on how long the last ones took.
//! 3. Without any lock: what was renamed is deleted, and counted.
//!
//! Killed anywhere the store is complete: what refers to an object goes with it or before it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::database::{Graph, Id, Version};
use crate::error::StoreError;
use crate::failpoint;
use crate::live::{self, Generations, Rule};
use crate::lock::{StepLock, SweepLock};
use crate::path::StorePath;
use crate::profile::Keep;
use crate::staging;
use crate::store::Store;
use crate::{add, disk, reference, tree};

/// How many objects go while others wait: at least, and at most.
const BATCH: (usize, usize) = (64, 512);

/// How long others are to wait for that.
const HOLD: Duration = Duration::from_millis(10);

/// What may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GcOptions {
    /// Which generations stay; all if it has no rule.
    pub keep: Keep,
    /// Stop when that many bytes are freed.
    pub max_freed: Option<u64>,
    /// Whether to drop what only linking anew needs, but for that of current generations.
    pub drop_build_only: bool,
}

/// What gc would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GcPlan {
    /// Generations that go, by profile.
    pub generations: BTreeMap<String, Vec<u64>>,
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
    /// Generations that are no more, by profile.
    pub generations: BTreeMap<String, Vec<u64>>,
    /// Objects that are no more.
    pub removed: BTreeSet<StorePath>,
    /// Bytes on disk that were freed.
    pub bytes: u64,
}

/// See [`Store::plan_gc`].
pub(crate) fn plan(store: &Store, options: &GcOptions) -> Result<GcPlan, StoreError> {
    let mut generations = BTreeMap::new();
    for name in store.profiles()? {
        let expired = store.profile(&name)?.expired(options.keep)?;
        if !expired.is_empty() {
            generations.insert(name, expired);
        }
    }
    let without = generations
        .iter()
        .flat_map(|(name, numbers)| numbers.iter().map(|&number| (name.clone(), number)))
        .collect();
    let mark = Mark::new(store, options, without)?;
    let (dead, bytes) = mark.chosen(store, options.max_freed)?;
    Ok(GcPlan {
        generations,
        live: store
            .database()?
            .paths_of(mark.live.iter().copied())?
            .into_iter()
            .chain(mark.roots)
            .collect(),
        dead: dead.into_iter().collect(),
        bytes,
    })
}

/// See [`Store::gc`].
pub(crate) fn run(
    store: &Store,
    options: &GcOptions,
    waiting: &mut dyn FnMut(String),
) -> Result<GcReport, StoreError> {
    let _only_one = StepLock::telling(store.home(), "gc", waiting)?;
    staging::remove_leftovers(&store.home().join("staging"))?;
    let generations = remove_generations(store, options.keep, waiting)?;
    failpoint::reached("gc.generations")?;
    let mark = Mark::new(store, options, Generations::new())?;
    failpoint::reached("gc.mark")?;
    let dead = match options.max_freed {
        Some(_) => mark.chosen(store, options.max_freed)?.0,
        None => mark.dead.clone(),
    };
    let mut sweep = Sweep::new(store, mark)?;
    let mut left = dead.as_slice();
    let mut size = BATCH.0;
    while !left.is_empty() {
        let (batch, later) = left.split_at(size.min(left.len()));
        let held = sweep.remove(batch, waiting)?;
        left = later;
        size = if held > HOLD { size / 2 } else { size * 2 }.clamp(BATCH.0, BATCH.1);
    }
    Ok(GcReport {
        generations,
        removed: sweep.removed,
        bytes: sweep.bytes,
    })
}

fn remove_generations(
    store: &Store,
    keep: Keep,
    waiting: &mut dyn FnMut(String),
) -> Result<BTreeMap<String, Vec<u64>>, StoreError> {
    let mut removed = BTreeMap::new();
    for name in store.profiles()? {
        let profile = store.profile(&name)?;
        if profile.expired(keep)?.is_empty() {
            continue;
        }
        let _lock = profile.lock(waiting)?;
        let expired = profile.expired(keep)?;
        for &number in &expired {
            profile.remove(number)?;
        }
        removed.insert(name, expired);
    }
    Ok(removed)
}

/// What was live at one moment.
struct Mark {
    options: GcOptions,
    /// What the database was then.
    version: Version,
    registered: BTreeSet<Id>,
    /// Generations that have been looked at.
    generations: Generations,
    live: BTreeSet<Id>,
    /// What was kept alive directly.
    roots: BTreeSet<StorePath>,
    /// Registered or not, referring ones first.
    dead: Vec<StorePath>,
}

impl Mark {
    fn new(store: &Store, options: &GcOptions, without: Generations) -> Result<Self, StoreError> {
        let rule = Rule {
            without,
            drop_build_only: options.drop_build_only,
        };
        let database = store.database()?;
        // In this order: what comes after this is new, whatever the rest knows of it.
        let version = database.version()?;
        let registered = database.registered()?;
        let generations = live::generations(store)?;
        let graph = database.graph()?;
        let mut roots: BTreeSet<_> = live::roots(store, &rule)?.into_keys().collect();
        roots.extend(unregistered_needs(store, &roots, &registered)?);
        let live = graph.reached(database.ids(&roots)?, |_| true);
        let dead: BTreeSet<Id> = registered.difference(&live).copied().collect();
        let mut paths = database.paths_of(referring_first(&graph, &dead))?;
        let known = database.paths()?;
        let reached: BTreeSet<StorePath> = database
            .paths_of(live.difference(&registered).copied())?
            .into_iter()
            .collect();
        let strays = reference::trees(&store.folder())?;
        paths.extend(strays.into_iter().filter(|path| {
            !known.contains(path) && !roots.contains(path) && !reached.contains(path)
        }));
        Ok(Self {
            options: *options,
            version,
            registered,
            generations,
            live,
            roots,
            dead: paths,
        })
    }

    /// Returns the dead objects that go, and how many bytes that frees.
    fn chosen(
        &self,
        store: &Store,
        max_freed: Option<u64>,
    ) -> Result<(Vec<StorePath>, u64), StoreError> {
        let mut freed = tree::Freed::default();
        let mut chosen = Vec::new();
        for path in &self.dead {
            if max_freed.is_some_and(|most| freed.bytes() >= most) {
                break;
            }
            freed.add(&store.object(path))?;
            freed.add(&store.log_path(path))?;
            chosen.push(path.clone());
        }
        Ok((chosen, freed.bytes()))
    }

    /// Returns what has come alive since, of what was dead. Nobody uses the store meanwhile, and
    /// everybody waits: only what is new is looked at.
    fn revived(&self, store: &Store) -> Result<BTreeSet<StorePath>, StoreError> {
        let database = store.database()?;
        let mut added = BTreeSet::new();
        if database.version()? != self.version {
            let now = database.registered()?;
            added.extend(now.difference(&self.registered).copied());
        }
        let rule = if self.options.drop_build_only {
            // Another generation may be the current one by now.
            Rule {
                without: Generations::new(),
                drop_build_only: true,
            }
        } else {
            Rule {
                without: self.generations.clone(),
                drop_build_only: false,
            }
        };
        let roots: BTreeSet<_> = live::kept(store, &rule)?.into_keys().collect();
        let roots: BTreeSet<_> = roots.difference(&self.roots).cloned().collect();
        if added.is_empty() && roots.is_empty() {
            return Ok(BTreeSet::new());
        }
        added.extend(database.ids(&roots)?);
        let added = database.paths_of(added)?.into_iter().chain(roots).collect();
        store.reachable(added)
    }
}

/// Of roots whose object is not registered (its registration was lost, or it was found to be
/// damaged and could not be made again yet), returns what their trees refer to.
fn unregistered_needs(
    store: &Store,
    roots: &BTreeSet<StorePath>,
    registered: &BTreeSet<Id>,
) -> Result<BTreeSet<StorePath>, StoreError> {
    let mut needs = BTreeSet::new();
    for root in roots {
        let id = store.database()?.id(root)?;
        if id.is_some_and(|id| registered.contains(&id)) || !disk::exists(&store.object(root))? {
            continue;
        }
        let record = reference::rebuild_one(&store.folder(), root, store.now());
        needs.extend(record?.info.references);
    }
    Ok(needs)
}

/// Puts objects in an order in which what refers comes before what it refers to.
fn referring_first(graph: &Graph, ids: &BTreeSet<Id>) -> Vec<Id> {
    // Depth first; what is left last comes first. Without recursion: chains may be long.
    let mut left = Vec::with_capacity(ids.len());
    let mut seen = BTreeSet::new();
    for &top in ids {
        let mut waiting = vec![(top, false)];
        while let Some((id, done)) = waiting.pop() {
            if done {
                left.push(id);
            } else if seen.insert(id) {
                waiting.push((id, true));
                let inner = graph.references(id).iter().filter(|id| ids.contains(id));
                waiting.extend(inner.map(|&id| (id, false)));
            }
        }
    }
    left.reverse();
    left
}

/// The removal of what is still dead.
struct Sweep<'a> {
    store: &'a Store,
    mark: Mark,
    /// What has come alive once stays, even if its root is gone again by the next batch: else it
    /// would be left without what it refers to.
    revived: BTreeSet<StorePath>,
    /// Names of logs.
    logs: BTreeSet<String>,
    removed: BTreeSet<StorePath>,
    bytes: u64,
}

impl<'a> Sweep<'a> {
    fn new(store: &'a Store, mark: Mark) -> Result<Self, StoreError> {
        Ok(Self {
            store,
            mark,
            revived: BTreeSet::new(),
            logs: disk::names(&store.home().join("logs"))?
                .into_iter()
                .collect(),
            removed: BTreeSet::new(),
            bytes: 0,
        })
    }

    /// Removes those of some objects that are still dead; returns how long others had to wait.
    fn remove(
        &mut self,
        batch: &[StorePath],
        waiting: &mut dyn FnMut(String),
    ) -> Result<Duration, StoreError> {
        let store = self.store;
        let trash = store.scratch();
        // Programs do not wait for anybody: they can be looked for before the lock.
        let in_use = live::in_use(&store.folder())?.into_keys().collect();
        let in_use: BTreeSet<_> = store.reachable(in_use)?;
        let nobody_else = SweepLock::new(store.home(), waiting)?;
        let began = Instant::now();
        self.revived.extend(in_use);
        self.revived.extend(self.mark.revived(store)?);
        let going = batch.iter().filter(|path| !self.revived.contains(*path));
        let going: BTreeSet<_> = going.cloned().collect();
        let forgotten = store.database()?.forget(&going);
        failpoint::reached("gc.forget")?;
        let held = match (forgotten, trash) {
            (Ok(()), Ok(trash)) => {
                for path in &going {
                    add::move_away(&store.object(path), &trash)?;
                    failpoint::reached("gc.move")?;
                }
                drop(nobody_else);
                let held = began.elapsed();
                self.bytes += trash.empty()?;
                failpoint::reached("gc.delete")?;
                held
            }
            // On a full disk the database cannot even forget, and there is no room for a folder.
            // Trees without a registration and registrations without a tree are equally invalid,
            // so the other way round is as good; only that everybody has to wait.
            (Err(StoreError::DatabaseFull { .. }), _) | (Ok(()), Err(_)) => {
                for path in &going {
                    self.bytes += tree::remove(&store.object(path))?;
                }
                store.database()?.forget(&going)?;
                began.elapsed()
            }
            (Err(error), _) => return Err(error),
        };
        for path in &going {
            if self.logs.contains(&format!("{path}.log")) {
                self.bytes += tree::remove(&store.log_path(path))?;
                failpoint::reached("gc.log")?;
            }
        }
        self.removed.extend(going);
        Ok(held)
    }
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
}
