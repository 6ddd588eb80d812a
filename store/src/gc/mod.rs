//! Finds and removes the objects that nobody needs: [`GcPlan`], [`GcReport`].
//!
//! Live is what a root reaches, or any generation of any profile (its views and what it keeps), or
//! a running program. Who uses objects that nothing reaches yet holds a [`crate::UseGuard`].
//!
//! 1. Without any lock: generations that are no longer wanted go, what is dead is found, and put
//!    in an order in which nothing goes before what refers to it.
//! 2. For some objects at a time, while nobody uses the store: what has become live since is
//!    taken out, the others are unregistered and marked as leaving (`tree`), which makes them
//!    absent. Who wants to use the store waits that long at most, so how many go at once depends on
//!    how long the last ones took.
//! 3. Without any lock, on all cores, and while the next ones are taken: what leaves is deleted, and
//!    counted.
//!
//! | module | holds |
//! |---|---|
//! | `mark` | step 1 |
//! | `sweep` | steps 2 and 3 |
//!
//! Killed anywhere the store is complete: what refers to an object goes with it or before it.

mod mark;
mod sweep;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use self::mark::Mark;
use self::sweep::Sweep;
use crate::error::StoreError;
use crate::failpoint;
use crate::live::Generations;
use crate::lock::StepLock;
use crate::path::StorePath;
use crate::profile::Keep;
use crate::staging;
use crate::store::Store;

/// What may go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GcOptions {
    /// Which generations stay; all if it has no rule.
    pub keep: Keep,
    /// The profile whose generations may go; none means all profiles.
    pub profile: Option<String>,
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
    for name in expiring(store, options)? {
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
            .paths_reached(&mark.live)?
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
    staging::remove_leftovers(&store.home().join(staging::FOLDER))?;
    let generations = remove_generations(store, options, waiting)?;
    failpoint::reached("gc.generations")?;
    let mark = Mark::new(store, options, Generations::new())?;
    failpoint::reached("gc.mark")?;
    let dead = match options.max_freed {
        Some(_) => mark.chosen(store, options.max_freed)?.0,
        None => mark.dead.clone(),
    };
    let removed = Sweep::new(store, mark)?.remove(&dead, waiting)?;
    Ok(GcReport {
        generations,
        removed: removed.objects,
        bytes: removed.bytes,
    })
}

/// The profiles whose generations may go.
fn expiring(store: &Store, options: &GcOptions) -> Result<Vec<String>, StoreError> {
    let mut profiles = store.profiles()?;
    if let Some(only) = &options.profile {
        profiles.retain(|name| name == only);
    }
    Ok(profiles)
}

fn remove_generations(
    store: &Store,
    options: &GcOptions,
    waiting: &mut dyn FnMut(String),
) -> Result<BTreeMap<String, Vec<u64>>, StoreError> {
    let mut removed = BTreeMap::new();
    for name in expiring(store, options)? {
        let profile = store.profile(&name)?;
        if profile.expired(options.keep)?.is_empty() {
            continue;
        }
        let _lock = profile.lock(waiting)?;
        let expired = profile.expired(options.keep)?;
        for &number in &expired {
            profile.remove(number)?;
        }
        removed.insert(name, expired);
    }
    Ok(removed)
}
