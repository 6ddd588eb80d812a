//! Start-up and memory of programs: [`start_up`], [`alone`], [`together`].
//!
//! Programs run with `--version` or `--help`, an empty environment and no input. To be measured in
//! memory, a program is stopped where it prints its help: its output is a pipe that is full.

use std::io;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::OFlags;
use serde::Serialize;

use super::{Compared, Pair};

/// How long a program may take to say its version, or to get to its help.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a program is looked at.
const PAUSE: Duration = Duration::from_millis(10);
/// How often in a row it must be found asleep.
const ASLEEP: usize = 3;

/// What a program takes in memory.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Memory {
    /// Proportional set size in bytes: a page that n processes share counts a n-th for each.
    pub(super) pss: u64,
    /// Bytes in pages that are its own and were written to.
    pub(super) private_dirty: u64,
}

impl std::ops::AddAssign for Memory {
    fn add_assign(&mut self, other: Self) {
        self.pss += other.pss;
        self.private_dirty += other.private_dirty;
    }
}

/// Returns the median time of `--version` in milliseconds. All programs take turns, so that
/// whatever else the machine does concerns them alike.
pub(super) fn start_up(pairs: &[Pair], rounds: usize) -> io::Result<Vec<Option<Compared<f64>>>> {
    let mut times: Vec<Compared<Option<Vec<f64>>>> = Vec::new();
    for pair in pairs {
        // The first time brings a program into the page cache.
        times.push(Compared {
            installed: answers(&pair.path.installed)?.then(Vec::new),
            r#static: answers(&pair.path.r#static)?.then(Vec::new),
        });
    }
    for _ in 0..rounds {
        for (pair, times) in pairs.iter().zip(&mut times) {
            for (program, times) in [
                (&pair.path.installed, &mut times.installed),
                (&pair.path.r#static, &mut times.r#static),
            ] {
                if let Some(times) = times {
                    times.push(time(program)?);
                }
            }
        }
    }
    Ok(times
        .into_iter()
        .map(|times| {
            let median = |times: Option<Vec<f64>>| times.and_then(median);
            let medians = Compared {
                installed: median(times.installed),
                r#static: median(times.r#static),
            };
            medians.both()
        })
        .collect())
}

fn median(mut times: Vec<f64>) -> Option<f64> {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied()
}

#[expect(
    clippy::disallowed_methods,
    reason = "runs what the user has installed, as `orlop run` does"
)]
fn command(program: &Utf8Path, argument: &str) -> Command {
    let mut command = Command::new(program);
    command
        .arg(argument)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Whether a program knows `--version`, and ends by itself.
fn answers(program: &Utf8Path) -> io::Result<bool> {
    let mut child = command(program, "--version").spawn()?;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        std::thread::sleep(PAUSE);
    }
    end(child)?;
    Ok(false)
}

fn time(program: &Utf8Path) -> io::Result<f64> {
    let began = Instant::now();
    command(program, "--version").status()?;
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

/// Returns what each program takes when no other of these runs.
pub(super) fn alone(pairs: &[Pair]) -> io::Result<Vec<Option<Compared<Memory>>>> {
    let alone = |program: &Utf8PathBuf| match Stopped::start(program)? {
        Some(stopped) => stopped.memory().map(Some),
        None => Ok(None),
    };
    pairs
        .iter()
        .map(|pair| {
            let memory = Compared {
                installed: alone(&pair.path.installed)?,
                r#static: alone(&pair.path.r#static)?,
            };
            Ok(memory.both())
        })
        .collect()
}

/// Returns what so many copies of all programs take that run at once; nothing if one does not stop.
pub(super) fn together(pairs: &[&Pair], copies: usize) -> io::Result<Option<Compared<Memory>>> {
    let sum = |program: fn(&Pair) -> &Utf8PathBuf| -> io::Result<Option<Memory>> {
        let mut running = Vec::new();
        for pair in pairs
            .iter()
            .flat_map(|pair| std::iter::repeat_n(pair, copies))
        {
            match Stopped::start(program(pair))? {
                Some(stopped) => running.push(stopped),
                None => return Ok(None),
            }
        }
        let mut sum = Memory::default();
        for stopped in &running {
            sum += stopped.memory()?;
        }
        Ok(Some(sum))
    };
    let sums = Compared {
        installed: sum(|pair| &pair.path.installed)?,
        r#static: sum(|pair| &pair.path.r#static)?,
    };
    Ok(sums.both())
}

/// A program that waits for somebody to read its help. Ended when dropped.
struct Stopped {
    child: Child,
    /// Whom it waits for.
    _reader: io::PipeReader,
}

impl Stopped {
    /// Starts a program; nothing if it ends, or does not come to rest.
    fn start(program: &Utf8Path) -> io::Result<Option<Self>> {
        let (reader, writer) = io::pipe()?;
        fill(&writer)?;
        let child = command(program, "--help")
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .spawn()?;
        let mut stopped = Self {
            child,
            _reader: reader,
        };
        let began = Instant::now();
        let mut asleep = 0;
        while began.elapsed() < PATIENCE {
            if stopped.child.try_wait()?.is_some() {
                return Ok(None);
            }
            asleep = if stopped.sleeps()? { asleep + 1 } else { 0 };
            if asleep == ASLEEP {
                return Ok(Some(stopped));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(None)
    }

    fn sleeps(&self) -> io::Result<bool> {
        let text = fs_err::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name before it may hold anything.
        let state = text
            .rsplit_once(") ")
            .map(|(_, rest)| rest.starts_with('S'));
        Ok(state == Some(true))
    }

    fn memory(&self) -> io::Result<Memory> {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = fs_err::read_to_string(path)?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
            let kilobytes = kilobytes.and_then(|number| number.parse::<u64>().ok());
            kilobytes.map(|number| number * 1024).ok_or_else(|| {
                io::Error::other(format!("the kernel does not tell `{name}` of a process"))
            })
        };
        Ok(Memory {
            pss: field("Pss:")?,
            private_dirty: field("Private_Dirty:")?,
        })
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            tracing::warn!("a program that was measured does not end: {error}");
        }
    }
}

/// Writes to a pipe until nothing more fits.
fn fill(writer: &io::PipeWriter) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(writer)?;
    rustix::fs::fcntl_setfl(writer, flags | OFlags::NONBLOCK)?;
    let block = [b'\n'; 4096];
    loop {
        match rustix::io::write(writer, &block) {
            Ok(_) => {}
            Err(rustix::io::Errno::AGAIN) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(rustix::fs::fcntl_setfl(writer, flags)?)
}

fn end(mut child: Child) -> io::Result<()> {
    child.kill()?;
    child.wait().map(drop)
}
