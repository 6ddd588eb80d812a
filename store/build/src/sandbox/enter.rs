//! [`enter()`]: the two helper processes of a sandbox.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::fd::{OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;

use camino::Utf8Path;
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitOptions};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};

use super::setup::{Failure, Process, Report, Setup, Status, Step as _, write};
use super::{INPUT, SANDBOX_ARGUMENT, SLOTS_READ, SLOTS_WRITE, command, confine, kernel, mounts};

/// The user and group a job believes to be.
const USER: u32 = 1000;
/// The second helper's argument.
const INIT: &str = "init";
/// The exit code of a helper that cannot even report.
const MISUSED: u8 = 2;

/// Is a sandbox's helper, and returns its exit code. `args` are those after
/// [`SANDBOX_ARGUMENT`]. Must be called before the program has started any thread.
pub fn enter(args: &[OsString]) -> u8 {
    let Ok(mut answers) = take_socket() else {
        return MISUSED;
    };
    let report = match args {
        [stage] if stage == INIT => first_process(&mut answers).unwrap_or_else(Report::Failed),
        [parent, input, slots @ ..] if slots.len() < 2 => match new_world(
            parent,
            input.to_str().and_then(|number| number.parse().ok()),
            slots.first(),
        ) {
            // The first process reports.
            Ok(code) => return code,
            Err(failure) => Report::Failed(failure),
        },
        _ => return MISUSED,
    };
    match serde_json::to_vec(&report).map(|text| answers.write_all(&text)) {
        Ok(Ok(())) => 0,
        _ => MISUSED,
    }
}

/// Files of this process have this number or a higher one; those below are for the job.
const OWN_FILES: i32 = 16;

/// Copies the socket, so that standard input can be something else by the time a job inherits it.
fn take_socket() -> std::io::Result<UnixStream> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), OWN_FILES)?;
    Ok(UnixStream::from(socket))
}

/// Enters new namespaces, starts the first process in them and waits for it.
fn new_world(
    parent: &OsString,
    input: Option<RawFd>,
    slots: Option<&OsString>,
) -> Result<u8, Failure> {
    die_with_parent()?;
    let parent = parent
        .to_str()
        .and_then(|text| text.parse().ok())
        .and_then(Pid::from_raw);
    if parent.is_none() || parent != rustix::process::getppid() {
        return Err(Failure::told(
            "find the program that asked for the sandbox",
            "it is gone",
        ));
    }
    kernel::close_others_on_exec().step("close inherited files")?;
    if let Some(input) = input {
        pass_input(input).step("pass standard input on")?;
    }
    if let Some(pipe) = slots {
        pass_slots(Path::new(pipe)).step("open the pipe of job slots")?;
    }
    let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
    let namespaces = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    kernel::unshare(namespaces).step("make new namespaces")?;
    write("/proc/self/setgroups", "deny")?;
    write(
        "/proc/self/gid_map",
        &format!("{USER} {} 1", group.as_raw()),
    )?;
    write("/proc/self/uid_map", &format!("{USER} {} 1", user.as_raw()))?;
    rustix::system::sethostname(b"localhost").step("set the host name")?;
    keep_capabilities().step("keep capabilities for the first process")?;
    // The kernel may have forgotten the tie: it does so when a process gains capabilities.
    die_with_parent()?;
    let mut child = command(Utf8Path::new("/proc/self/exe"))
        .args([SANDBOX_ARGUMENT, INIT])
        .env_clear()
        .spawn()
        .step("start the first process")?;
    let status = child.wait().step("wait for the first process")?;
    if let Some(signal) = status.signal() {
        return Err(Failure::told(
            "wait for the first process",
            format!("signal {signal} killed it"),
        ));
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.unwrap_or(MISUSED))
}

/// Passes standard input of the program that asked for the sandbox on to the first process.
fn pass_input(number: RawFd) -> std::io::Result<()> {
    let file = rustix::io::fcntl_dupfd_cloexec(kernel::take(number)?, OWN_FILES)?;
    kernel::pass_on(&file, INPUT)
}

/// Opens both ends of a jobserver for the job.
fn pass_slots(pipe: &Path) -> std::io::Result<()> {
    // It has a reader and a writer already, so neither call waits for one.
    let open = |mode| -> std::io::Result<OwnedFd> {
        let file = rustix::fs::open(pipe, mode | OFlags::CLOEXEC, Mode::empty())?;
        Ok(rustix::io::fcntl_dupfd_cloexec(file, OWN_FILES)?)
    };
    kernel::pass_on(&open(OFlags::RDONLY)?, SLOTS_READ)?;
    kernel::pass_on(&open(OFlags::WRONLY)?, SLOTS_WRITE)
}

fn die_with_parent() -> Result<(), Failure> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .step("tie the sandbox to its parent")
}

/// Lets the next program keep what it needs to mount and to give up the rest: a user other than 0
/// otherwise loses all capabilities when a program starts.
fn keep_capabilities() -> rustix::io::Result<()> {
    let sets = rustix::thread::capabilities(None)?;
    rustix::thread::set_capabilities(
        None,
        CapabilitySets {
            inheritable: sets.permitted,
            ..sets
        },
    )?;
    for capability in [CapabilitySet::SYS_ADMIN, CapabilitySet::SETPCAP] {
        rustix::thread::configure_capability_in_ambient_set(capability, true)?;
    }
    Ok(())
}

/// Builds the file system, gives up every power, runs the job and reaps whatever it leaves.
fn first_process(answers: &mut UnixStream) -> Result<Report, Failure> {
    die_with_parent()?;
    let mut text = Vec::new();
    answers.read_to_end(&mut text).step("read the set-up")?;
    // A blank, which JSON ignores: it arrives nowhere if the program was killed meanwhile.
    answers
        .write_all(b" ")
        .step("find the program that asked for the sandbox")?;
    let setup: Setup = serde_json::from_slice(&text)
        .map_err(|error| Failure::told("read the set-up", error.to_string()))?;
    if !setup.attended {
        // No controlling terminal, and no group that a signal could be sent to.
        rustix::process::setsid().step("start a session")?;
    }
    rustix::process::umask(Mode::from_raw_mode(0o022));
    mounts::build(&setup)?;
    if setup.attended {
        kernel::take(INPUT)
            .and_then(|input| Ok(rustix::stdio::dup2_stdin(input)?))
            .step("take standard input")?;
    } else {
        detach_input()?;
    }
    confine::confine(setup.attended)?;
    match &setup.job {
        Some(job) => run(job).map(Report::Finished),
        None => Ok(Report::Finished(Status::Code(0))),
    }
}

fn detach_input() -> Result<(), Failure> {
    let null = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .step("open /dev/null")?;
    rustix::stdio::dup2_stdin(null).step("detach standard input")
}

fn run(job: &Process) -> Result<Status, Failure> {
    let child = command(&job.program)
        .args(&job.args)
        .env_clear()
        .envs(&job.environment)
        .current_dir(&job.folder)
        .spawn()
        .step(format!("start `{}` in `{}`", job.program, job.folder))?;
    let child = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if Some(pid) == child => {
                return Ok(match status.exit_status() {
                    Some(code) => Status::Code(code),
                    None => Status::Signal(status.terminating_signal().unwrap_or(0)),
                });
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Failure::new("wait for the job", &error.into())),
        }
    }
}
