//! [`Unconfined`]: no sandbox at all.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use camino::{Utf8Path, Utf8PathBuf};
use orlop_store::derivation::Isolation;
use orlop_store::job::{COMPLETER, LINKERS};
use orlop_store::{ExitStatus, Finished, Job, JobOutput, JobSlots, JobView, RunError, Runner};

use rustix::fs::{Mode, OFlags};

use super::{command, outputs, read_captured};

/// The name under which the program records link sets.
const RECORDER: &str = "orlop-linker";
/// The name under which it answers for Cargo.
const CARGO: &str = "cargo";
/// The folder in which it has the names of linkers.
const LINKER_FOLDER: &str = "ld";

/// Runs jobs on the bare machine, with its own `/usr`: [`Isolation::None`]. Only on explicit wish.
/// The environment is the job's own all the same.
#[derive(Debug)]
pub struct Unconfined {
    store: Utf8PathBuf,
    recorder: Utf8PathBuf,
    cargo: Utf8PathBuf,
    linkers: Utf8PathBuf,
}

impl Unconfined {
    /// Makes a runner. Links to `program`, which must record link sets under the name
    /// `orlop-linker`, answer for Cargo under the name `cargo` and stand for the linkers under their
    /// names, are made in `folder`; all must last as long as the runner. `store` is the folder of
    /// store objects.
    pub fn new(program: &Utf8Path, store: &Utf8Path, folder: &Utf8Path) -> io::Result<Self> {
        let recorder = folder.join(RECORDER);
        let cargo = folder.join(CARGO);
        let linkers = folder.join(LINKER_FOLDER);
        fs_err::create_dir(&linkers)?;
        for link in [&recorder, &cargo, &linkers.join(COMPLETER)] {
            fs_err::os::unix::fs::symlink(program, link)?;
        }
        for name in LINKERS {
            if Utf8Path::new("/usr/bin").join(name).exists() {
                fs_err::os::unix::fs::symlink(program, linkers.join(name))?;
            }
        }
        Ok(Self {
            store: store.to_owned(),
            recorder,
            cargo,
            linkers,
        })
    }
}

impl Runner for Unconfined {
    fn isolation(&self) -> Isolation {
        Isolation::None
    }

    fn view(&self) -> JobView {
        JobView {
            store: self.store.clone(),
            recorder: self.recorder.clone(),
            cargo: self.cargo.clone(),
            linkers: self.linkers.clone(),
            build: None,
        }
    }

    fn run(&self, job: &Job) -> Result<Finished, RunError> {
        let place = job
            .output
            .as_ref()
            .map(|output| Place::show(&self.store, output));
        let answer = place.transpose().and_then(|_place| run(job));
        answer.map_err(|source| RunError::Io {
            name: job.name.clone(),
            source,
        })
    }
}

fn run(job: &Job) -> io::Result<Finished> {
    let (stdout, stderr) = outputs(job)?;
    let slots = job.slots.as_ref().map(Slots::open).transpose()?;
    let mut child = command(&job.program)
        .args(&job.args)
        .env_clear()
        .envs(&job.environment)
        .envs(slots.iter().flat_map(|slots| &slots.environment))
        .current_dir(&job.folder)
        .stdin(if job.attended {
            Stdio::inherit()
        } else {
            Stdio::null()
        })
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("start `{}` in `{}`: {error}", job.program, job.folder),
            )
        })?;
    let captured = read_captured(&mut child);
    if captured.is_err() {
        child.kill()?;
    }
    let status = child.wait()?;
    let status = match status.code() {
        Some(code) => ExitStatus::Code(code),
        None => ExitStatus::Signal(status.signal().unwrap_or(0)),
    };
    Ok(Finished {
        status,
        stdout: captured?,
    })
}

/// A jobserver's pipe, open for a job.
struct Slots {
    #[expect(dead_code, reason = "open while the job runs")]
    ends: [OwnedFd; 2],
    environment: BTreeMap<String, String>,
}

impl Slots {
    /// Opens both ends so that programs inherit them: this one, and whichever else is started
    /// meanwhile, which does no harm.
    fn open(slots: &JobSlots) -> io::Result<Self> {
        let open = |mode| rustix::fs::open(slots.pipe.as_str(), mode, Mode::empty());
        let (read, write) = (open(OFlags::RDONLY)?, open(OFlags::WRONLY)?);
        let environment = slots.environment(read.as_raw_fd(), write.as_raw_fd());
        Ok(Self {
            ends: [read, write],
            environment,
        })
    }
}

/// A link that shows an output folder at the place of the object it will be: without mounts there
/// is no other way for a job to write where its output will lie.
struct Place(Utf8PathBuf);

impl Place {
    fn show(store: &Utf8Path, output: &JobOutput) -> io::Result<Self> {
        let place = store.join(output.path.to_string());
        // One left behind by a run that was killed.
        if place.is_symlink() {
            fs_err::remove_file(&place)?;
        }
        fs_err::os::unix::fs::symlink(&output.staged, &place)?;
        Ok(Self(place))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What stays behind is replaced by the next run.
        fs_err::remove_file(&self.0).ok();
    }
}
