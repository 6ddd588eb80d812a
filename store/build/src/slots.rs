//! [`Slots`]: how many processors all jobs together keep busy.
//!
//! A GNU make jobserver. The scheduler starts one job without asking and takes a slot for each one
//! more; a job keeps one processor busy for that and takes slots for more threads: rustc does, as
//! do make and the `cc` crate. So one number holds for all of them.
//!
//! A job that is killed may take slots with it. That costs speed and not more: one job can always
//! run.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use camino::Utf8PathBuf;
use orlop_store::{JobSlots, Scratch, Store};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::error::BuildError;

/// The byte that make puts into the pipe.
const SLOT: u8 = b'+';
/// The most slots there are: a pipe is never full of them.
const MOST: usize = 4096;

/// The slots of one execution, all but the one that needs no asking.
#[derive(Debug)]
pub(crate) struct Slots {
    /// Both ends: as long as it is open, nobody waits for another reader or writer.
    pipe: OwnedFd,
    path: Utf8PathBuf,
    #[expect(dead_code, reason = "holds the pipe's name")]
    folder: Scratch,
}

impl Slots {
    /// Makes the pipe for so many jobs at once.
    pub(crate) fn new(store: &Store, jobs: usize) -> Result<Self, BuildError> {
        let folder = store.scratch()?;
        let path = folder.folder().join("slots");
        let make = || -> rustix::io::Result<OwnedFd> {
            let mode = Mode::RUSR | Mode::WUSR;
            rustix::fs::mknodat(rustix::fs::CWD, path.as_str(), FileType::Fifo, mode, 0)?;
            let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let pipe = rustix::fs::open(path.as_str(), flags, Mode::empty())?;
            rustix::io::write(&pipe, &vec![SLOT; jobs.saturating_sub(1).min(MOST)])?;
            Ok(pipe)
        };
        let pipe = make().map_err(|error| BuildError::Slots(error.into()))?;
        Ok(Self { pipe, path, folder })
    }

    /// Returns what a job is told of the slots.
    pub(crate) fn of_job(&self, variables: &'static [&'static str]) -> JobSlots {
        JobSlots {
            pipe: self.path.clone(),
            variables,
        }
    }

    /// Takes a slot out, waiting for one no longer than `patience`.
    pub(crate) fn take(&self, patience: Duration) -> io::Result<Option<u8>> {
        let timeout = Timespec::try_from(patience).map_err(io::Error::other)?;
        let readable = &mut [PollFd::new(&self.pipe, PollFlags::IN)];
        let mut slot = [0];
        match rustix::event::poll(readable, Some(&timeout))
            .and_then(|_ready| rustix::io::read(&self.pipe, &mut slot))
        {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(Some(slot[0])),
            // Nobody gave one back, or somebody else was quicker.
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts a slot back.
    pub(crate) fn give_back(&self, slot: u8) {
        if let Err(error) = rustix::io::write(&self.pipe, &[slot]) {
            tracing::warn!("a job slot is lost: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Lab;

    #[test]
    fn one_job_needs_no_slot_and_each_other_has_one() {
        let lab = Lab::new();
        let no_time = Duration::ZERO;
        for (jobs, slots) in [(0, 0), (1, 0), (2, 1), (5, 4), (1_000_000, MOST)] {
            let pipe = Slots::new(&lab.store, jobs).unwrap();
            for _ in 0..slots {
                assert_eq!(pipe.take(no_time).unwrap(), Some(SLOT));
            }
            assert_eq!(pipe.take(no_time).unwrap(), None);
            // Whatever byte others put back is theirs.
            pipe.give_back(b'x');
            assert_eq!(pipe.take(no_time).unwrap(), Some(b'x'));
        }
    }
}
