//! The removal of what is still dead.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use rustix::io::Errno;

use super::mark::Mark;
use crate::error::{Context as _, StoreError};
use crate::lock::SweepLock;
use crate::path::StorePath;
use crate::store::Store;
use crate::{add, disk, failpoint, live, opening, tree};

/// How many objects go while others wait: at least, and at most.
const BATCH: (usize, usize) = (64, 1024);

/// How long others are to wait for that. Twice as long is no harm: that is what it takes on busy
/// processors.
const HOLD: Duration = Duration::from_millis(5);

/// How many trees are emptied before their names go, while nobody else may give names.
const TOGETHER: usize = 8;

/// How old the knowledge of what running programs use may be. They come to use what is dead only
/// by a path that somebody remembered, and to look at all of them takes some ten milliseconds.
const GLANCE: Duration = Duration::from_secs(1);

/// What was removed.
#[derive(Debug, Default)]
pub(super) struct Removed {
    pub(super) objects: BTreeSet<StorePath>,
    pub(super) bytes: u64,
}

/// Objects that are no more, and that are still to be deleted.
struct Taken {
    objects: BTreeSet<StorePath>,
    /// Bytes that are freed already.
    bytes: u64,
    /// How long others had to wait.
    held: Duration,
}

/// Takes what is dead out of the store, some at a time.
pub(super) struct Sweep<'a> {
    store: &'a Store,
    mark: Mark,
    /// When running programs were looked for.
    looked: Instant,
    /// What has come alive once stays, even if its root is gone again by the next batch: else it
    /// would be left without what it refers to.
    revived: BTreeSet<StorePath>,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(store: &'a Store, mark: Mark) -> Self {
        Self {
            store,
            looked: mark.looked,
            mark,
            revived: BTreeSet::new(),
        }
    }

    /// Removes those of some objects that are still dead. While one batch is deleted, the next is
    /// taken.
    pub(super) fn remove(
        mut self,
        dead: &[StorePath],
        waiting: &mut dyn FnMut(String),
    ) -> Result<Removed, StoreError> {
        let logs = disk::names(&self.store.home().join("logs"))?;
        let logs = &logs.into_iter().collect();
        let mut removed = Removed::default();
        let mut left = dead;
        let mut size = BATCH.0;
        let mut before: Option<Taken> = None;
        while !left.is_empty() || before.is_some() {
            let (batch, later) = left.split_at(size.min(left.len()));
            left = later;
            let mut deleted = Ok(0);
            let store = self.store;
            let taken = rayon::in_place_scope(|scope| {
                if let Some(before) = &before {
                    scope.spawn(|_| deleted = before.delete(store, logs));
                }
                if batch.is_empty() {
                    // So that none of them is back after a power cut.
                    store.database()?.sync()?;
                    Ok(None)
                } else {
                    self.take(batch, waiting).map(Some)
                }
            });
            if let Some(before) = before {
                removed.bytes += deleted?;
                removed.objects.extend(before.objects);
            }
            before = taken?;
            if let Some(taken) = &before {
                size = next_size(size, taken.held);
            }
        }
        Ok(removed)
    }

    /// Unregisters objects and marks them as leaving, while nobody uses the store.
    fn take(
        &mut self,
        batch: &[StorePath],
        waiting: &mut dyn FnMut(String),
    ) -> Result<Taken, StoreError> {
        let store = self.store;
        // Programs do not wait for anybody: they can be looked for before the lock.
        if self.looked.elapsed() > GLANCE {
            self.looked = Instant::now();
            let in_use = live::in_use(&store.folder())?.into_keys().collect();
            self.revived.extend(store.reachable(in_use)?);
        }
        let nobody_else = SweepLock::new(store.home(), waiting)?;
        let began = Instant::now();
        // Whoever closed a folder that a dead process has left open would take the mark from it.
        opening::close_all(store.home())?;
        self.revived.extend(self.mark.revived(store)?);
        let going = batch.iter().filter(|path| !self.revived.contains(*path));
        let going: BTreeSet<_> = going.cloned().collect();
        let forgotten = match store.database()?.forget(&going) {
            Err(StoreError::DatabaseFull { .. }) => false,
            done => done.map(|()| true)?,
        };
        failpoint::reached("gc.forget")?;
        let (marked, mut bytes) = mark(store, &going)?;
        if !(forgotten && marked) {
            // On a full disk the database cannot even forget, and some file systems can mark
            // nothing. Trees without a registration and registrations without a tree are equally
            // invalid, so the other way round is as good; only that everybody has to wait.
            for path in &going {
                bytes += tree::remove(&store.object(path))?;
            }
            store.database()?.forget(&going)?;
        }
        drop(nobody_else);
        Ok(Taken {
            objects: going,
            bytes,
            held: began.elapsed(),
        })
    }
}

/// Returns how many objects are to be taken at once, when so many took that long.
fn next_size(size: usize, held: Duration) -> usize {
    let wanted = size as u128 * HOLD.as_micros() / held.as_micros().max(1);
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    wanted.clamp(size / 2, 4 * size).clamp(BATCH.0, BATCH.1)
}

/// Marks trees as leaving. Returns false if there is no room for that, and how many bytes are freed
/// already.
fn mark(store: &Store, going: &BTreeSet<StorePath>) -> Result<(bool, u64), StoreError> {
    let folder = store.folder();
    let open = tree::open_parent(&folder).context("open the folder", &folder)?;
    let mut bytes = 0;
    for path in going {
        match tree::mark(&open, &path.to_string()) {
            Ok(freed) => bytes += freed,
            Err(Errno::NOSPC | Errno::DQUOT) => return Ok((false, bytes)),
            Err(error) => return Err(error).context("mark", &store.object(path)),
        }
        failpoint::reached("gc.leave")?;
    }
    Ok((true, bytes))
}

impl Taken {
    /// Deletes what was taken, and the logs of that, on all cores; returns the bytes on disk that
    /// this freed.
    fn delete(&self, store: &Store, logs: &BTreeSet<String>) -> Result<u64, StoreError> {
        let folder = store.folder();
        let open = tree::open_parent(&folder).context("open the folder", &folder)?;
        // Threads wait for each other at less cost than processes.
        let one_thread = Mutex::new(());
        let alone = || {
            let one_thread = one_thread.lock().unwrap_or_else(PoisonError::into_inner);
            Ok((add::only_one(store)?, one_thread))
        };
        let objects: Vec<_> = self.objects.iter().collect();
        let deleted = objects.par_chunks(TOGETHER).map(|some| {
            let names: Vec<_> = some.iter().map(ToString::to_string).collect();
            let mut bytes = tree::remove_leaving((&folder, &open), &names, &alone)?;
            failpoint::reached("gc.delete")?;
            for path in some {
                if logs.contains(&format!("{path}.log")) {
                    bytes += tree::remove(&store.log_path(path))?;
                    failpoint::reached("gc.log")?;
                }
            }
            Ok(bytes)
        });
        let bytes = deleted.try_reduce(|| 0, |one, other| Ok(one + other))?;
        Ok(self.bytes + bytes)
    }
}
