//! The sandbox: a job sees its declared inputs, and nothing else of the machine.
//!
//! | module | holds |
//! |---|---|
//! | this | [`Sandbox`], [`Unconfined`]: the two ways to run a job |
//! | `setup` | what the helper is told, and what it answers |
//! | `enter` | [`enter()`]: the helper: namespaces, then the first process of the job's own world |
//! | `mounts` | the file system a job sees |
//! | `confine` | what a process may no longer do: capabilities, system calls |
//! | `probe` | [`SandboxRefused`]: why a machine does not allow all this, and the ways on |
//! | `kernel` | the system calls that Rust has no safe name for |
//!
//! Namespaces can be entered only by a process with a single thread, so the program starts itself
//! again, twice:
//!
//! ```text
//! orlop ──► orlop __sandbox <parent> …   new namespaces, user map, host name
//!             └──► orlop __sandbox init  process 1 of the new process namespace: mounts, limits;
//!                    └──► the job        reaps, waits, reports; when it ends, all the rest is dead
//! ```
//!
//! Both are tied to their parent: when `orlop` is killed, so is everything below it. The helper's
//! standard input is a socket, through which it gets a `Setup` and answers with one
//! `Report`; so a set-up that fails is never taken for a job that fails.

mod confine;
mod enter;
mod kernel;
mod mounts;
mod probe;
mod setup;
mod unconfined;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
pub use enter::enter;
use orlop_store::derivation::Isolation;
use orlop_store::job::NATIVE_VARIABLE;
use orlop_store::{Finished, Job, JobView, RunError, Runner};
pub use probe::{Cause, SandboxRefused};
use setup::{Failure, Report, Setup};
pub use unconfined::Unconfined;

/// The argument with which the program must call [`enter()`] and do nothing else.
pub const SANDBOX_ARGUMENT: &str = "__sandbox";

/// The most that a job may print where its output is captured.
const CAPTURE_LIMIT: u64 = 64 << 20;
/// The numbers under which every job has its [`JobSlots`](orlop_store::JobSlots) open. Fixed, since
/// a job may write down its environment.
const SLOTS_READ: i32 = 3;
const SLOTS_WRITE: i32 = 4;
/// The number under which the first process finds the standard input of an attended job.
const INPUT: i32 = 5;
/// Stands for no such input.
const NO_INPUT: &str = "-";
/// The most that a helper may answer.
const REPORT_LIMIT: u64 = 1 << 20;

/// Runs jobs in namespaces of their own: [`Isolation::Full`].
#[derive(Debug)]
pub struct Sandbox {
    program: Utf8PathBuf,
    store: Utf8PathBuf,
}

impl Sandbox {
    /// Makes a sandbox. `program` is an executable that calls [`enter()`] for
    /// [`SANDBOX_ARGUMENT`], records link sets under the name `orlop-linker` and answers for Cargo
    /// under the name `cargo`; `store` is the folder of store objects.
    pub fn new(program: &Utf8Path, store: &Utf8Path) -> Self {
        Self {
            program: program.to_owned(),
            store: store.to_owned(),
        }
    }

    /// Sets a whole sandbox up, with nothing in it, and takes it down again.
    pub fn probe(&self) -> Result<(), SandboxRefused> {
        let answer = self.probe_setup().and_then(|setup| {
            let outputs = (Stdio::null(), Stdio::null());
            let mut helper = Helper::start(&self.program, &setup, outputs, None)?;
            helper.report()
        });
        match answer {
            Ok(Report::Finished(_)) => Ok(()),
            Ok(Report::Failed(failure)) => Err(probe::diagnose(&failure, &probe::Facts::read())),
            Err(source) => Err(probe::diagnose(
                &Failure::new("start the sandbox's helper", &source),
                &probe::Facts::read(),
            )),
        }
    }

    fn probe_setup(&self) -> std::io::Result<Setup> {
        Ok(Setup {
            program: self.program.canonicalize_utf8()?,
            store: self.store.canonicalize_utf8()?,
            // Nothing is written, so any folder does.
            scratch: self.store.canonicalize_utf8()?,
            inputs: BTreeSet::new(),
            unfinished: BTreeMap::new(),
            c_tools: None,
            copies: Vec::new(),
            output: None,
            attended: false,
            job: None,
            linkers: false,
        })
    }

    fn setup(&self, job: &Job) -> std::io::Result<Setup> {
        let canonical = |path: &Utf8Path| -> std::io::Result<Utf8PathBuf> {
            path.canonicalize_utf8()
                .map_err(|error| std::io::Error::new(error.kind(), format!("{path}: {error}")))
        };
        let mut environment = job.environment.clone();
        if let Some(slots) = &job.slots {
            environment.extend(slots.environment(SLOTS_READ, SLOTS_WRITE));
        }
        Ok(Setup {
            linkers: environment.contains_key(NATIVE_VARIABLE),
            program: canonical(&self.program)?,
            store: canonical(&self.store)?,
            scratch: canonical(&job.scratch)?,
            inputs: job.inputs.clone(),
            unfinished: job
                .unfinished
                .iter()
                .map(|(path, folder)| Ok((path.clone(), canonical(folder)?)))
                .collect::<std::io::Result<_>>()?,
            c_tools: Some(job.c_tools.clone()),
            copies: job
                .copies
                .iter()
                .map(|copy| Ok((canonical(&copy.staged)?, copy.path.clone())))
                .collect::<std::io::Result<_>>()?,
            output: match &job.output {
                Some(output) => Some((canonical(&output.staged)?, output.path.clone())),
                None => None,
            },
            attended: job.attended,
            job: Some(setup::Process {
                program: job.program.clone(),
                args: job.args.clone(),
                environment,
                folder: job.folder.clone(),
            }),
        })
    }
}

impl Runner for Sandbox {
    fn isolation(&self) -> Isolation {
        Isolation::Full
    }

    fn view(&self) -> JobView {
        JobView::full()
    }

    fn run(&self, job: &Job) -> Result<Finished, RunError> {
        let io = |source| RunError::Io {
            name: job.name.clone(),
            source,
        };
        let setup = self.setup(job).map_err(io)?;
        let outputs = outputs(job).map_err(io)?;
        let slots = job.slots.as_ref().map(|slots| slots.pipe.as_path());
        let mut helper = Helper::start(&self.program, &setup, outputs, slots).map_err(io)?;
        let stdout = read_captured(&mut helper.child).map_err(io)?;
        match helper.report().map_err(io)? {
            Report::Finished(status) => Ok(Finished {
                status: status.into(),
                stdout,
            }),
            Report::Failed(failure) => Err(RunError::Sandbox {
                name: job.name.clone(),
                step: failure.to_string(),
            }),
        }
    }
}

/// A started helper; killed, with everything it started, when dropped before its end.
struct Helper {
    child: Child,
    answers: UnixStream,
}

impl Helper {
    fn start(
        program: &Utf8Path,
        setup: &Setup,
        (stdout, stderr): (Stdio, Stdio),
        slots: Option<&Utf8Path>,
    ) -> std::io::Result<Self> {
        let (mut ours, theirs) = UnixStream::pair()?;
        // Open for the helper under the number it has here: it is not closed when a program starts.
        let input = setup
            .attended
            .then(|| rustix::io::dup(rustix::stdio::stdin()));
        let input = input.transpose()?;
        let number = input.as_ref().map(|input| input.as_raw_fd().to_string());
        let child = command(program)
            .arg(SANDBOX_ARGUMENT)
            .arg(std::process::id().to_string())
            .arg(number.as_deref().unwrap_or(NO_INPUT))
            .args(slots)
            .env_clear()
            .stdin(OwnedFd::from(theirs))
            .stdout(stdout)
            .stderr(stderr)
            .spawn()?;
        // The command above is gone, and with it this process's copy of the helper's end: what is
        // read from here on ends when the helper does.
        let text = serde_json::to_vec(setup)?;
        // A helper that failed early does not read; its report then says why.
        if let Ok(()) = ours.write_all(&text) {
            ours.shutdown(Shutdown::Write)?;
        }
        Ok(Self {
            child,
            answers: ours,
        })
    }

    /// Waits for the end and returns the answer.
    fn report(&mut self) -> std::io::Result<Report> {
        let mut text = Vec::new();
        // An error at the end means that the helper did not read all it was told; the answer
        // before it counts.
        let _told = (&self.answers).take(REPORT_LIMIT).read_to_end(&mut text);
        let status = self.child.wait()?;
        match serde_json::from_slice(&text) {
            Ok(report) => Ok(report),
            Err(_) => Ok(Report::Failed(Failure::told(
                "wait for the sandbox's first process",
                format!("it ended without a word ({status})"),
            ))),
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Neither fails for a child that is not waited for yet, and both are harmless after that.
        if let Ok(None) = self.child.try_wait() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

/// Returns where a job's standard output and standard error go.
fn outputs(job: &Job) -> std::io::Result<(Stdio, Stdio)> {
    if job.attended {
        return Ok((Stdio::inherit(), Stdio::inherit()));
    }
    let log = fs_err::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&job.log)?
        .into_file();
    let stdout = if job.capture_stdout {
        Stdio::piped()
    } else {
        Stdio::from(log.try_clone()?)
    };
    let stderr = match &job.messages {
        Some(pipe) => Stdio::from(pipe.try_clone()?),
        None => Stdio::from(log),
    };
    Ok((stdout, stderr))
}

/// Reads captured standard output to its end.
fn read_captured(child: &mut Child) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        pipe.take(CAPTURE_LIMIT + 1).read_to_end(&mut text)?;
    }
    if text.len() as u64 > CAPTURE_LIMIT {
        return Err(std::io::Error::other(format!(
            "it printed more than {} MiB on standard output",
            CAPTURE_LIMIT >> 20
        )));
    }
    Ok(text)
}

#[expect(clippy::disallowed_methods, reason = "this is the sandbox")]
fn command(program: &Utf8Path) -> Command {
    Command::new(program)
}
