//! Locks between processes, and between threads of one: [`UseGuard`], [`ObjectLock`],
//! [`ProfileLock`].
//!
//! All are `flock` locks on files in `<home>/locks`. The kernel drops them with their holder,
//! however it ends, so no lock is ever stale; the number of the process that the file holds is
//! only there to be shown.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};

use crate::disk;
use crate::error::{Context as _, StoreError};
use crate::path::StorePath;

/// How long gc may keep others from beginning to use the store.
const GATE: Duration = Duration::from_millis(30);

/// Room for the number of a process. A lock file keeps its length: making it shorter before it is
/// written would cost more than taking the lock, for a block is freed and another one found.
const HOLDER: usize = 10;

/// How many ticks of `/proc` a second has.
const TICKS: u32 = 100;

/// How long to wait between two looks at a lock.
const GLANCE: Duration = Duration::from_millis(1);

/// Keeps gc away from all objects while it lives.
#[derive(Debug)]
pub struct UseGuard {
    #[expect(dead_code, reason = "held for the lock")]
    file: File,
    users: Users,
}

/// Keeps other processes and threads from making the same object while it lives.
#[derive(Debug)]
pub struct ObjectLock {
    path: Utf8PathBuf,
    #[expect(dead_code, reason = "held for the lock")]
    file: File,
}

/// Keeps other processes and threads from writing to the same profile while it lives.
#[derive(Debug)]
pub struct ProfileLock(#[expect(dead_code, reason = "held for the lock")] File);

/// Keeps everybody else from the same short step while it lives.
#[derive(Debug)]
pub(crate) struct StepLock(#[expect(dead_code, reason = "held for the lock")] File);

/// Keeps everybody from using the store while it lives.
#[derive(Debug)]
pub(crate) struct SweepLock(#[expect(dead_code, reason = "held for the lock")] File);

/// How many guards of one store there are in this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Users(Arc<AtomicUsize>);

/// How much a lock excludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Shared,
    Exclusive,
}

impl UseGuard {
    pub(crate) fn new(home: &Utf8Path, users: &Users) -> Result<Self, StoreError> {
        // Who uses the store already must not be kept from going on: gc waits for it.
        if users.0.load(Ordering::SeqCst) == 0 {
            pass_gate(home)?;
        }
        let file = take(&store_lock(home), Mode::Shared, &mut |_| {})?;
        users.0.fetch_add(1, Ordering::SeqCst);
        let users = users.clone();
        Ok(Self { file, users })
    }
}

impl Drop for UseGuard {
    fn drop(&mut self) {
        self.users.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl SweepLock {
    pub(crate) fn new(
        home: &Utf8Path,
        waiting: &mut dyn FnMut(String),
    ) -> Result<Self, StoreError> {
        let mut told = false;
        loop {
            if let Some(lock) = Self::behind_gate(home)? {
                return Ok(lock);
            }
            if !told {
                waiting(users(&store_lock(home)));
                told = true;
            }
            std::thread::sleep(4 * GATE);
        }
    }

    /// Closes the gate for a moment, so that a stream of short users has an end.
    fn behind_gate(home: &Utf8Path) -> Result<Option<Self>, StoreError> {
        if let Some(lock) = Self::try_new(home)? {
            return Ok(Some(lock));
        }
        let gate = home.join("locks/gate");
        let _closed = take(&gate, Mode::Exclusive, &mut |_| {})?;
        let end = Instant::now() + GATE;
        while Instant::now() < end {
            std::thread::sleep(GLANCE);
            if let Some(lock) = Self::try_new(home)? {
                return Ok(Some(lock));
            }
        }
        Ok(None)
    }

    /// Returns none if somebody uses the store.
    pub(crate) fn try_new(home: &Utf8Path) -> Result<Option<Self>, StoreError> {
        let path = store_lock(home);
        let file = open(&path)?;
        Ok(try_lock(&file, Mode::Exclusive, &path)?.then_some(Self(file)))
    }
}

impl ObjectLock {
    pub(crate) fn new(
        home: &Utf8Path,
        object: &StorePath,
        waiting: &mut dyn FnMut(String),
    ) -> Result<Self, StoreError> {
        let path = home.join("locks").join(format!("object-{object}"));
        loop {
            let file = take(&path, Mode::Exclusive, waiting)?;
            // The one before us removes the file before it lets go of the lock: then what we
            // locked is no longer what others will lock.
            if is_at(&file, &path)? {
                return Ok(Self { path, file });
            }
        }
    }
}

impl Drop for ObjectLock {
    /// Removes the file, so that they do not pile up: one per object ever built.
    fn drop(&mut self) {
        if let Err(error) = disk::remove_file(&self.path) {
            tracing::warn!("remove the lock file {}: {error}", self.path);
        }
    }
}

impl ProfileLock {
    pub(crate) fn new(
        home: &Utf8Path,
        profile: &str,
        waiting: &mut dyn FnMut(String),
    ) -> Result<Self, StoreError> {
        let path = home.join("locks").join(format!("profile-{profile}"));
        take(&path, Mode::Exclusive, waiting).map(Self)
    }
}

impl StepLock {
    pub(crate) fn new(home: &Utf8Path, step: &str) -> Result<Self, StoreError> {
        Self::telling(home, step, &mut |_| {})
    }

    /// As [`StepLock::new`]; `waiting` is told for whom.
    pub(crate) fn telling(
        home: &Utf8Path,
        step: &str,
        waiting: &mut dyn FnMut(String),
    ) -> Result<Self, StoreError> {
        take(&home.join("locks").join(step), Mode::Exclusive, waiting).map(Self)
    }

    /// Returns none if somebody is at it.
    pub(crate) fn try_new(home: &Utf8Path, step: &str) -> Result<Option<Self>, StoreError> {
        let path = home.join("locks").join(step);
        let file = open(&path)?;
        Ok(try_lock(&file, Mode::Exclusive, &path)?.then_some(Self(file)))
    }
}

/// Waits while gc has the gate closed, but no longer than it may.
fn pass_gate(home: &Utf8Path) -> Result<(), StoreError> {
    let path = home.join("locks/gate");
    let file = open(&path)?;
    let end = Instant::now() + GATE;
    while !try_lock(&file, Mode::Shared, &path)? && Instant::now() < end {
        std::thread::sleep(GLANCE);
    }
    Ok(())
}

fn store_lock(home: &Utf8Path) -> Utf8PathBuf {
    home.join("locks/store")
}

/// Opens and locks a file; tells whom it waits for if it has to.
fn take(path: &Utf8Path, mode: Mode, waiting: &mut dyn FnMut(String)) -> Result<File, StoreError> {
    let mut file = open(path)?;
    if !try_lock(&file, mode, path)? {
        waiting(holder(&mut file));
        loop {
            let result = match mode {
                Mode::Shared => file.lock_shared(),
                Mode::Exclusive => file.lock(),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result.context("lock", path)?,
            }
        }
    }
    if mode == Mode::Exclusive
        && let Err(error) = write_holder(&file)
    {
        // On a full disk; it is there only to be shown.
        tracing::debug!("write {path}: {error}");
    }
    Ok(file)
}

fn open(path: &Utf8Path) -> Result<File, StoreError> {
    let file = fs_err::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .context("open the lock file", path)?;
    Ok(file.into_parts().0)
}

fn try_lock(file: &File, mode: Mode, path: &Utf8Path) -> Result<bool, StoreError> {
    let result = match mode {
        Mode::Shared => file.try_lock_shared(),
        Mode::Exclusive => file.try_lock(),
    };
    match result {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error).context("lock", path),
    }
}

/// Whether `path` leads to the open file.
pub(crate) fn is_at(file: &File, path: &Utf8Path) -> Result<bool, StoreError> {
    let open = file.metadata().context("look at", path)?;
    match fs_err::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).context("look at", path),
    }
}

fn write_holder(file: &File) -> io::Result<()> {
    let number = format!("{:<HOLDER$}", std::process::id());
    file.write_all_at(number.as_bytes(), 0)
}

/// Returns who holds an exclusive lock, in words.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let number = file
        .read_to_string(&mut text)
        .ok()
        .and_then(|_| text.trim_end().parse::<u32>().ok());
    let name = number.map_or_else(
        || "another process".to_owned(),
        |number| format!("process {number}"),
    );
    // The file was written when the lock was taken.
    let modified = file.metadata().and_then(|metadata| metadata.modified());
    match modified.map(|time| time.elapsed()) {
        Ok(Ok(age)) => format!("{name} (at work for {} s)", age.as_secs()),
        _ => name,
    }
}

/// Returns who holds a shared lock, in words. They do not say so in the file, but the kernel does.
fn users(path: &Utf8Path) -> String {
    let numbers = holders(path).unwrap_or_default();
    let named = numbers.iter().map(|&number| match age(number) {
        Some(age) => format!("{number} (running for {} s)", age.as_secs()),
        None => number.to_string(),
    });
    match named.collect::<Vec<_>>().as_slice() {
        [] => "the processes that use the store".to_owned(),
        [one] => format!("process {one}, which uses the store"),
        many => format!("processes {}, which use the store", many.join(", ")),
    }
}

/// Returns how long a process has been running: `/proc/<number>/stat` has when it began after the
/// machine did, in ticks, in the 20th field behind its name.
fn age(number: u32) -> Option<Duration> {
    let stat = fs_err::read_to_string(format!("/proc/{number}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    let began = Duration::from_secs(ticks) / TICKS;
    let uptime = fs_err::read_to_string("/proc/uptime").ok()?;
    let uptime: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(uptime).ok()?.checked_sub(began)
}

/// Reads `/proc/locks`: `1: FLOCK ADVISORY READ 4711 08:01:123456 0 EOF`.
fn holders(path: &Utf8Path) -> Option<BTreeSet<u32>> {
    let inode = format!(":{}", fs_err::metadata(path).ok()?.ino());
    let locks = fs_err::read_to_string("/proc/locks").ok()?;
    let fields = locks
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let numbers = fields.filter_map(|fields| match fields.as_slice() {
        [_, "FLOCK", _, _, number, file, ..] if file.ends_with(&inode) => number.parse().ok(),
        _ => None,
    });
    Some(numbers.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Home, path};

    #[test]
    fn the_holder_is_named_and_waited_for() {
        let home = Home::new();
        let store = home.open();
        let object = path("a");
        let first = store
            .lock_object(&object, &mut |_| panic!("nobody else is there"))
            .unwrap();
        let (told, heard) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let mut waits = Vec::new();
                let lock = store.lock_object(&object, &mut |holder| {
                    waits.push(holder.clone());
                    told.send(holder).unwrap();
                });
                drop(lock.unwrap());
                waits
            });
            let holder = heard.recv().unwrap();
            let expected = format!("process {} (at work for 0 s)", std::process::id());
            assert_eq!(holder, expected);
            drop(first);
            assert_eq!(waiter.join().unwrap().len(), 1);
        });
        let left = disk::names(&store.home().join("locks")).unwrap();
        assert!(
            !left.iter().any(|name| name.starts_with("object-")),
            "{left:?}"
        );
    }

    #[test]
    fn many_threads_one_holder() {
        let home = Home::new();
        let store = home.open();
        let inside = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let _lock = store.lock_object(&path("a"), &mut |_| {}).unwrap();
                        let others = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        assert_eq!(others, 0);
                        std::thread::sleep(std::time::Duration::from_micros(200));
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    }
                });
            }
        });
    }

    #[test]
    fn users_share_and_gc_waits() {
        let home = Home::new();
        let store = home.open();
        let one = store.use_store().unwrap();
        let two = store.use_store().unwrap();
        assert!(SweepLock::try_new(store.home()).unwrap().is_none());
        let named = users(&store_lock(store.home()));
        let running = age(std::process::id()).unwrap();
        assert!(running < Duration::from_hours(1), "{running:?}");
        let begin = format!("process {} (running for ", std::process::id());
        assert!(named.starts_with(&begin), "{named}");
        assert!(named.ends_with(" s), which uses the store"), "{named}");
        drop((one, two));
        let sweep = SweepLock::try_new(store.home()).unwrap();
        assert!(sweep.is_some());
        assert!(SweepLock::try_new(store.home()).unwrap().is_none());
    }
}
