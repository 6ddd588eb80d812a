//! The removal of what is still dead.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::mark::Mark;
use crate::error::StoreError;
use crate::lock::SweepLock;
use crate::path::StorePath;
use crate::staging::Scratch;
use crate::store::Store;
use crate::{add, disk, failpoint, live, tree};

/// How many objects go while others wait: at least, and at most.
const BATCH: (usize, usize) = (64, 512);

/// How long others are to wait for that.
const HOLD: Duration = Duration::from_millis(10);

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
    /// Where their trees are; none if they were deleted at once.
    trash: Option<Scratch>,
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
    /// Names of logs.
    logs: BTreeSet<String>,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(store: &'a Store, mark: Mark) -> Result<Self, StoreError> {
        let logs = disk::names(&store.home().join("logs"))?;
        Ok(Self {
            store,
            looked: mark.looked,
            mark,
            revived: BTreeSet::new(),
            logs: logs.into_iter().collect(),
        })
    }

    /// Removes those of some objects that are still dead. While one batch is deleted, the next is
    /// taken.
    pub(super) fn remove(
        mut self,
        dead: &[StorePath],
        waiting: &mut dyn FnMut(String),
    ) -> Result<Removed, StoreError> {
        let mut removed = Removed::default();
        let mut left = dead;
        let mut size = BATCH.0;
        let mut before: Option<Taken> = None;
        while !left.is_empty() || before.is_some() {
            let (batch, later) = left.split_at(size.min(left.len()));
            left = later;
            let mut deleted = Ok(0);
            let (store, logs) = (self.store, self.logs.clone());
            let taken = rayon::in_place_scope(|scope| {
                if let Some(before) = &before {
                    scope.spawn(|_| deleted = before.delete(store, &logs));
                }
                (!batch.is_empty())
                    .then(|| self.take(batch, waiting))
                    .transpose()
            });
            if let Some(before) = before {
                removed.bytes += deleted?;
                removed.objects.extend(before.objects);
            }
            before = taken?;
            if let Some(taken) = &before {
                let next = if taken.held > HOLD {
                    size / 2
                } else {
                    size * 2
                };
                size = next.clamp(BATCH.0, BATCH.1);
            }
        }
        // So that none of them is back after a power cut.
        self.store.database()?.sync()?;
        Ok(removed)
    }

    /// Unregisters objects and moves them away, while nobody uses the store.
    fn take(
        &mut self,
        batch: &[StorePath],
        waiting: &mut dyn FnMut(String),
    ) -> Result<Taken, StoreError> {
        let store = self.store;
        let trash = store.scratch();
        // Programs do not wait for anybody: they can be looked for before the lock.
        if self.looked.elapsed() > GLANCE {
            self.looked = Instant::now();
            let in_use = live::in_use(&store.folder())?.into_keys().collect();
            self.revived.extend(store.reachable(in_use)?);
        }
        let nobody_else = SweepLock::new(store.home(), waiting)?;
        let began = Instant::now();
        self.revived.extend(self.mark.revived(store)?);
        let going = batch.iter().filter(|path| !self.revived.contains(*path));
        let going: BTreeSet<_> = going.cloned().collect();
        let forgotten = store.database()?.forget(&going);
        failpoint::reached("gc.forget")?;
        let mut bytes = 0;
        let trash = match (forgotten, trash) {
            (Ok(()), Ok(trash)) => {
                for path in &going {
                    add::move_away(&store.object(path), &trash)?;
                    failpoint::reached("gc.move")?;
                }
                Some(trash)
            }
            // On a full disk the database cannot even forget, and there is no room for a folder.
            // Trees without a registration and registrations without a tree are equally invalid,
            // so the other way round is as good; only that everybody has to wait.
            (Err(StoreError::DatabaseFull { .. }), _) | (Ok(()), Err(_)) => {
                for path in &going {
                    bytes += tree::remove(&store.object(path))?;
                }
                store.database()?.forget(&going)?;
                None
            }
            (Err(error), _) => return Err(error),
        };
        drop(nobody_else);
        Ok(Taken {
            objects: going,
            trash,
            bytes,
            held: began.elapsed(),
        })
    }
}

impl Taken {
    /// Deletes what was taken, and the logs of that; returns the bytes on disk that this freed.
    fn delete(&self, store: &Store, logs: &BTreeSet<String>) -> Result<u64, StoreError> {
        let mut bytes = self.bytes;
        if let Some(trash) = &self.trash {
            bytes += trash.empty()?;
            failpoint::reached("gc.delete")?;
        }
        for path in &self.objects {
            if logs.contains(&format!("{path}.log")) {
                bytes += tree::remove(&store.log_path(path))?;
                failpoint::reached("gc.log")?;
            }
        }
        Ok(bytes)
    }
}
