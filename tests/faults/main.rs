//! The fault harness: breaks the store in every way it can think of, and looks afterwards whether
//! anything is lost. A program of its own; `cargo test -p orlop-store --test faults -- [--full | --long] [SECTION…]`
//! runs it, and it calls itself again for what is to be killed.
//!
//! | module | breaks |
//! |---|---|
//! | `steps` | strikes at every named step |
//! | `calls` | kills at the n-th system call that changes something; lets such a call fail |
//! | `power` | cuts the power under an ext4 (root only) |
//! | `reflink` | nothing; it looks whether blocks are shared on a btrfs (root only) |
//! | `full` | fills the disk, at every size |
//! | `flip` | flips single bits in files of every class |
//! | `storm` | many processes on one store, killed at random |
//! | `operation` | what is done meanwhile |
//! | `invariant` | what must hold afterwards |
//!
//! The short form, run by `cargo test`, tries the numbers that the book promises; `--full` tries
//! every point, `--long` ten times as many random ones.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test reads files and starts programs as it likes, prints its figures, and stops where something is odd"
)]

mod calls;
mod flip;
mod full;
mod invariant;
mod operation;
mod power;
mod reflink;
mod steps;
mod storm;

use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How much to try.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Of the system calls of an operation, every how many-th is a point.
    pub(crate) stride: usize,
    pub(crate) cuts: u64,
    pub(crate) disks: u64,
    pub(crate) flips: u64,
    pub(crate) storm: Duration,
}

const SHORT: Size = Size {
    stride: 1,
    cuts: 100,
    disks: 20,
    flips: 300,
    storm: Duration::from_mins(1),
};
const FULL: Size = Size {
    stride: 1,
    cuts: 120,
    disks: 60,
    flips: 400,
    storm: Duration::from_mins(1),
};
const LONG: Size = Size {
    stride: 1,
    cuts: 1_000,
    disks: 200,
    flips: 4_000,
    storm: Duration::from_mins(30),
};

/// What one section did: how many faults of which kind, or why none.
pub(crate) type Outcome = Result<Counts, String>;

/// How many of what.
pub(crate) type Counts = Vec<(u64, &'static str)>;

type Section = fn(Size) -> Outcome;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, operation, home, rest @ ..] = arguments.as_slice()
        && first == "operation"
    {
        return operation::main(operation, home.as_str().into(), rest);
    }
    let size = match arguments.iter().find(|argument| argument.starts_with("--")) {
        Some(argument) if argument == "--full" => FULL,
        Some(argument) if argument == "--long" => LONG,
        // Others are meant for the tests that `cargo test` runs beside this one.
        _ => SHORT,
    };
    let wanted: Vec<_> = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let sections: [(&str, Section); 8] = [
        ("step", steps::strike),
        ("kill", calls::kill),
        ("error", calls::error),
        ("power", power::cut),
        ("reflink", reflink::share),
        ("full", full::fill),
        ("flip", |size| Ok(flip::flip(size))),
        ("storm", |size| Ok(storm::rage(size))),
    ];
    for (name, section) in sections {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| *wanted == name) {
            continue;
        }
        let began = Instant::now();
        match section(size) {
            Ok(counts) => {
                let counts: Vec<_> = counts
                    .iter()
                    .map(|(count, what)| format!("{count} {what}"))
                    .collect();
                let seconds = began.elapsed().as_secs_f64();
                println!("faults: {name}: {} in {seconds:.0} s", counts.join(", "));
            }
            Err(reason) => println!("faults: {name}: skipped: {reason}"),
        }
    }
    ExitCode::SUCCESS
}
