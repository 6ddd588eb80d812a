//! The removal of what is still dead.

use std::collections::{BTreeSet, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use rustix::io::Errno;

use super::mark::Mark;
use crate::digest::Digest;
use crate::error::{Context as _, StoreError};
use crate::lock::SweepLock;
use crate::path::StorePath;
use crate::store::Store;
use crate::{add, disk, failpoint, live, opening, tree};

/// How many objects go while others wait: at least, and at most.
const BATCH: (usize, usize) = (64, 1024);

/// How long others are to wait for that. Twice as long is no harm: that is what it takes on busy
/// processors.
const HOLD: Duration = Duration::from_millis(10);

/// How many trees are emptied before their names go, while nobody else may give names.
const TOGETHER: usize = 16;

/// How old the knowledge of what running programs use may be. They come to use what is dead only
/// by a path that somebody remembered, and to look at all of them takes some ten milliseconds.
const GLANCE: Duration = Duration::from_secs(1);

/// What was removed.
#[derive(Debug, Default)]
pub(super) struct Removed {
    pub(super) objects: BTreeSet<StorePath>,
    pub(super) bytes: u64,
}

/// Objects that are no more, and whose trees are still to be deleted.
struct Taken {
    objects: Vec<StorePath>,
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
    /// The names of all logs.
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

    /// Removes those of some objects that are still dead. All cores delete what is taken; more is
    /// taken before they are done with that, but not long before: others use the store in between.
    pub(super) fn remove(
        mut self,
        dead: &[StorePath],
        waiting: &mut dyn FnMut(String),
    ) -> Result<Removed, StoreError> {
        let store = self.store;
        let deletion = &Deletion::new(store)?;
        let mut underway = Underway::default();
        let mut left = dead;
        let mut size = BATCH.0;
        rayon::in_place_scope(|scope| {
            while !left.is_empty() {
                let (batch, later) = left.split_at(size.min(left.len()));
                left = later;
                let taken = self.take(batch, waiting)?;
                size = next_size(batch.len(), taken.held);
                underway.begin(scope, deletion, &taken);
                if left.is_empty() {
                    // So that none of them is back after a power cut.
                    store.database()?.sync()?;
                }
                // At least for some, so that others come to use the store in between.
                while underway.wait_for_some()? {
                    if !left.is_empty() && underway.objects <= size / 2 {
                        break;
                    }
                }
            }
            Ok(())
        })?;
        Ok(underway.removed)
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
            // Of a quota that is used up, `SQLite` says no more than that it could not write.
            Err(StoreError::DatabaseFull { .. } | StoreError::DatabaseUnwritten { .. }) => false,
            done => done.map(|()| true)?,
        };
        failpoint::reached("gc.forget")?;
        let mut bytes = 0;
        let mut unmarked = mark(store, going.clone(), &mut bytes)?;
        // Some file systems have no room for a mark when they are full: one tree gives it.
        while let Some(path) = unmarked.pop_first() {
            bytes += remove_unmarked(store, &path)?;
            unmarked = mark(store, unmarked, &mut bytes)?;
        }
        if !forgotten {
            // On a full disk the database cannot even forget. A registration without a tree is as
            // good as none, so the other way round does it too; only that everybody has to wait.
            for path in &going {
                bytes += tree::remove(&store.object(path))?;
            }
            store.database()?.forget(&going)?;
        }
        for path in &going {
            // Later it may be that of somebody who builds the object anew.
            if self.logs.contains(&format!("{path}.log")) {
                bytes += tree::remove(&store.log_path(path))?;
                failpoint::reached("gc.log")?;
            }
        }
        drop(nobody_else);
        Ok(Taken {
            objects: going.into_iter().collect(),
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

/// Marks trees as leaving, and counts what that frees. Returns those for which there is no room.
fn mark(
    store: &Store,
    mut going: BTreeSet<StorePath>,
    bytes: &mut u64,
) -> Result<BTreeSet<StorePath>, StoreError> {
    let folder = store.folder();
    let open = tree::open_parent(&folder).context("open the folder", &folder)?;
    while let Some(path) = going.pop_first() {
        match tree::mark(&open, &path.to_string()) {
            Ok(freed) => *bytes += freed,
            Err(Errno::NOSPC | Errno::DQUOT) => {
                going.insert(path);
                return Ok(going);
            }
            Err(error) => return Err(error).context("mark", &store.object(&path)),
        }
        failpoint::reached("gc.leave")?;
    }
    Ok(going)
}

/// Removes a tree for whose mark there is no room: under another name if there is room for that, so
/// that half of it is not taken for the object by anybody. In the same folder, as what is closed
/// to its owner cannot be moved to another; the next gc removes what is left there.
fn remove_unmarked(store: &Store, path: &StorePath) -> Result<u64, StoreError> {
    let object = store.object(path);
    let other = StorePath::new(Digest::of("leaving", &path.to_string()), "leaving");
    let aside = store.object(&other);
    let renamed = fs_err::rename(&object, &aside);
    tree::remove(if renamed.is_ok() { &aside } else { &object })
}

/// What some task has deleted, and the bytes on disk that this freed.
type Deleted = Result<(Vec<StorePath>, u64), StoreError>;

/// What is being deleted.
#[derive(Default)]
struct Underway {
    /// The answers of the tasks, of the oldest one first.
    answers: VecDeque<Receiver<Deleted>>,
    /// How many objects that are.
    objects: usize,
    /// What is deleted already.
    removed: Removed,
}

impl Underway {
    /// Lets all cores delete what was taken.
    fn begin<'scope>(
        &mut self,
        scope: &rayon::Scope<'scope>,
        deletion: &'scope Deletion<'scope>,
        taken: &Taken,
    ) {
        self.objects += taken.objects.len();
        self.removed.bytes += taken.bytes;
        for some in taken.objects.chunks(TOGETHER) {
            let some = some.to_vec();
            let (done, answer) = mpsc::sync_channel(1);
            self.answers.push_back(answer);
            scope.spawn(move |_| {
                let bytes = deletion.delete(&some);
                drop(done.send(bytes.map(|bytes| (some, bytes))));
            });
        }
    }

    /// Waits for the oldest task; returns false if there is none.
    fn wait_for_some(&mut self) -> Result<bool, StoreError> {
        // A task that panics gives no answer, and its scope panics in the end.
        let Some(deleted) = self.answers.pop_front().and_then(|answer| wait(&answer)) else {
            return Ok(false);
        };
        let (objects, bytes) = deleted?;
        self.objects -= objects.len();
        self.removed.bytes += bytes;
        self.removed.objects.extend(objects);
        Ok(true)
    }
}

/// Waits for the answer of a task; none if it panicked. A thread of the pool does tasks meanwhile: if
/// it is the only one, nobody else would.
fn wait<T>(answer: &Receiver<T>) -> Option<T> {
    loop {
        match answer.try_recv() {
            Ok(done) => return Some(done),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {}
        }
        if rayon::yield_now() != Some(rayon::Yield::Executed) {
            return answer.recv().ok();
        }
    }
}

/// Deletes what was taken.
struct Deletion<'a> {
    store: &'a Store,
    folder: Utf8PathBuf,
    open: OwnedFd,
    /// Threads wait for each other at less cost than processes.
    one_thread: Mutex<()>,
}

impl<'a> Deletion<'a> {
    fn new(store: &'a Store) -> Result<Self, StoreError> {
        let folder = store.folder();
        let open = tree::open_parent(&folder).context("open the folder", &folder)?;
        Ok(Self {
            store,
            folder,
            open,
            one_thread: Mutex::new(()),
        })
    }

    /// Deletes trees that are leaving; returns the bytes on disk that this freed.
    fn delete(&self, objects: &[StorePath]) -> Result<u64, StoreError> {
        let alone = || {
            let one_thread = self.one_thread.lock();
            let one_thread = one_thread.unwrap_or_else(PoisonError::into_inner);
            Ok((add::only_one(self.store)?, one_thread))
        };
        let names: Vec<_> = objects.iter().map(ToString::to_string).collect();
        let bytes = tree::remove_leaving((&self.folder, &self.open), &names, &alone)?;
        failpoint::reached("gc.delete")?;
        Ok(bytes)
    }
}
