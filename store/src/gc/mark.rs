//! [`Mark`]: what was live at one moment, and what was not.

use std::collections::BTreeSet;
use std::time::Instant;

use super::GcOptions;
use crate::database::{Graph, Id, Reached, Version};
use crate::error::StoreError;
use crate::live::{self, Generations, Rule};
use crate::path::StorePath;
use crate::store::Store;
use crate::{disk, reference, tree};

/// What was live at one moment.
pub(super) struct Mark {
    options: GcOptions,
    /// What the database was then.
    version: Version,
    registered: BTreeSet<Id>,
    /// Generations that have been looked at.
    generations: Generations,
    /// When running programs were looked for.
    pub(super) looked: Instant,
    pub(super) live: Reached,
    /// What was kept alive directly.
    pub(super) roots: BTreeSet<StorePath>,
    /// Registered or not, referring ones first.
    pub(super) dead: Vec<StorePath>,
}

/// What the store had at one moment.
struct Found {
    version: Version,
    registered: BTreeSet<Id>,
    generations: Generations,
    graph: Graph,
    /// Names in the store folder that are not those of registered objects.
    strays: BTreeSet<String>,
}

impl Found {
    /// In this order: what comes after the first two is new, whatever the rest knows of it.
    fn new(store: &Store) -> Result<Self, StoreError> {
        let database = store.database()?;
        let version = database.version()?;
        let registered = database.registered()?;
        let generations = live::generations(store)?;
        let graph = database.graph()?;
        let names = disk::names(&store.folder())?.into_iter().collect();
        let strays = database.without_registered(names)?;
        Ok(Self {
            version,
            registered,
            generations,
            graph,
            strays,
        })
    }
}

impl Mark {
    pub(super) fn new(
        store: &Store,
        options: &GcOptions,
        without: Generations,
    ) -> Result<Self, StoreError> {
        let rule = Rule {
            without,
            drop_build_only: options.drop_build_only,
        };
        let database = store.database()?;
        let looked = Instant::now();
        let (roots, found) = live::roots_and(store, &rule, || Found::new(store))?;
        let Found {
            version,
            registered,
            generations,
            graph,
            strays,
        } = found;
        let mut roots: BTreeSet<_> = roots.into_keys().collect();
        roots.extend(unregistered_needs(store, &roots, &registered)?);
        let live = graph.reached(database.ids(&roots)?, |_| true);
        let dead = registered.iter().copied().filter(|&id| !live.contains(id));
        let dead: BTreeSet<Id> = dead.collect();
        let mut paths = database.paths_of(referring_first(&graph, &dead))?;
        let reached: BTreeSet<StorePath> = database
            .paths_of(live.iter().filter(|id| !registered.contains(id)))?
            .into_iter()
            .collect();
        let strays = strays.iter().filter_map(|name| name.parse().ok());
        paths.extend(strays.filter(|path| !roots.contains(path) && !reached.contains(path)));
        Ok(Self {
            options: options.clone(),
            version,
            registered,
            generations,
            looked,
            live,
            roots,
            dead: paths,
        })
    }

    /// Returns the dead objects that go, and how many bytes that frees.
    pub(super) fn chosen(
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
    pub(super) fn revived(&self, store: &Store) -> Result<BTreeSet<StorePath>, StoreError> {
        let database = store.database()?;
        let mut added = BTreeSet::new();
        if database.version()? != self.version {
            let now = database.registered()?;
            added.extend(now.difference(&self.registered).copied());
        }
        let mut without = self.generations.clone();
        for name in store.profiles()? {
            // Another one may be the current one by now, and keep more than it did.
            if let Some(current) = store.profile(&name)?.current_number()? {
                without.remove(&(name, current));
            }
        }
        let rule = Rule {
            without,
            drop_build_only: self.options.drop_build_only,
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
        if id.is_some_and(|id| registered.contains(&id)) || !tree::stands(&store.object(root))? {
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
