//! Kills at the n-th system call that changes something, and lets such a call fail, for every n
//! until an operation ends undisturbed. Done by `strace`.

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use camino::Utf8Path;
use rayon::prelude::*;

use crate::invariant::Case;
use crate::operation::{self, Folder, OPERATIONS};
use crate::{Outcome, Size};

/// System calls that change a file system or what is on disk.
const CHANGING: &str = "write,pwrite64,writev,pwritev,fsync,fdatasync,syncfs,sync_file_range,\
    ftruncate,truncate,fallocate,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,\
    unlinkat,rmdir,mkdir,mkdirat,chmod,fchmod,fchmodat,utimensat,flock,copy_file_range,sendfile,\
    splice,ioctl,mknodat";

/// How a process that panicked ends.
const PANICKED: i32 = 101;

/// A system call by name, and the how many-th of that name. That is how `strace` counts.
type Point = (String, usize);

pub(crate) fn kill(size: Size) -> Outcome {
    let template = prepared()?;
    let home = template.path().join("home");
    let mut points = 0;
    for operation in OPERATIONS {
        let case = Case::new(operation, &home);
        let all = calls(operation, &home);
        let some: Vec<_> = all.iter().step_by(size.stride).collect();
        some.par_iter().for_each(|(call, number)| {
            let fault = format!("signal=KILL:when={number}");
            let (folder, output) = traced(operation, &home, call, &fault);
            let done = output.status.success();
            let fault = format!("killed at {call} {number}");
            assert!(!done, "{operation} was not {fault}");
            case.assert_invariants(&folder.path().join("home"), done, &fault);
        });
        points += some.len() as u64;
    }
    Ok(vec![(points, "kill points")])
}

pub(crate) fn error(size: Size) -> Outcome {
    let template = prepared()?;
    let home = template.path().join("home");
    let told = AtomicU64::new(0);
    let mut injected = 0;
    for operation in OPERATIONS {
        let case = Case::new(operation, &home);
        let all = calls(operation, &home);
        // `+`: from then on always, as on a full or broken disk.
        for (kind, stride) in [("EIO", 4), ("ENOSPC", 4), ("EINTR", 6), ("ENOSPC+", 10)] {
            let (name, onwards) = kind
                .split_once('+')
                .map_or((kind, ""), |(name, _)| (name, "+"));
            let some: Vec<_> = all.iter().step_by(stride * size.stride).collect();
            some.par_iter().for_each(|(call, number)| {
                let fault = format!("error={name}:when={number}{onwards}");
                let (folder, output) = traced(operation, &home, call, &fault);
                let what = format!("{operation}, {call}, {fault}");
                let said = String::from_utf8_lossy(&output.stderr);
                let code = output.status.code();
                assert!(
                    code.is_some_and(|code| code != PANICKED),
                    "{what}: {:?}: {said}",
                    output.status
                );
                let done = output.status.success();
                case.assert_invariants(&folder.path().join("home"), done, &what);
                told.fetch_add(u64::from(!done), Ordering::Relaxed);
            });
            injected += some.len() as u64;
        }
    }
    let told = told.into_inner();
    assert!(told > 0, "no error ever mattered");
    Ok(vec![(injected, "injected errors"), (told, "of them told")])
}

fn prepared() -> Result<Folder, String> {
    let there = Command::new("strace")
        .arg("-V")
        .stdout(Stdio::null())
        .status();
    if there.is_err() {
        return Err("there is no `strace` on this machine".to_owned());
    }
    let template = Folder::new();
    operation::prepare(&template.path().join("home"));
    Ok(template)
}

fn strace(trace: &str, output: &str) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--signal=KILL", "60", "strace", "-f", "-qq", "-o", output])
        .args(["-e", &format!("trace={trace}")]);
    command
}

/// Does an operation on a copy of a home, with a fault injected.
fn traced(operation: &str, home: &Utf8Path, call: &str, fault: &str) -> (Folder, Output) {
    let folder = Folder::copy(home);
    let inner = operation::command(operation, &folder.path().join("home"));
    let output = strace(call, "/dev/null")
        .args(["-e", &format!("inject={call}:{fault}")])
        .arg(inner.get_program())
        .args(inner.get_args())
        .output()
        .unwrap();
    (folder, output)
}

/// Lists the changing system calls of an operation, in their order.
fn calls(operation: &str, template: &Utf8Path) -> Vec<Point> {
    let folder = Folder::copy(template);
    let inner = operation::command(operation, &folder.path().join("home"));
    let log = folder.path().join("log");
    let status = strace(CHANGING, log.as_str())
        .arg(inner.get_program())
        .args(inner.get_args())
        .status()
        .unwrap();
    assert!(status.success());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let log = std::fs::read_to_string(log).unwrap();
    let names = log.lines().filter_map(|line| line.split_once('('));
    names
        .map(|(before, _)| {
            let name = before.split_whitespace().last().unwrap().to_owned();
            let count = counts.entry(name.clone()).or_default();
            *count += 1;
            (name, *count)
        })
        .collect()
}
