//! Runs of build scripts: [`run`], and what they say: [`Directives`].
//!
//! | module | holds |
//! |---|---|
//! | [`directives`] | [`Directives`]: read, written down, applied |
//! | `environment` | what a running script sees |
//!
//! The output of a run holds `out/`, the script's `OUT_DIR`, and `directives.json`. The script sees
//! a writable copy of its package's source, which is thrown away: what it leaves for its crate is in
//! `OUT_DIR`.

pub mod directives;
mod environment;

use camino::Utf8Path;
use orlop_store::derivation::ScriptRun;
use orlop_store::{Compiler, JobOutput, JobSlots};

pub use directives::{DirectiveError, Directives, LinkArgument, LinkTarget, Pair};
pub(crate) use environment::NUM_JOBS;

use crate::error::BuildError;
use crate::native::copy_tree;
use crate::workplace::{Command, Workplace};
use directives::Allowance;

/// The file of a run's output that holds its directives.
pub(crate) const DIRECTIVES: &str = "directives.json";

/// Gets the working folder ready; returns what is run in it.
pub(crate) fn command(run: &ScriptRun, place: &Workplace<'_>) -> Result<Command, BuildError> {
    let compiler = compiler(run, place)?;
    let dependencies: Vec<Directives> = run
        .dependencies
        .iter()
        .map(|dependency| place.record(&place.object(&dependency.run).join(DIRECTIVES)))
        .collect::<Result<_, _>>()?;
    place.io(fs_err::create_dir(place.staged().join("out")))?;
    // Some scripts write beside their manifest, completions for packagers for example.
    let source = place.scratch().join("source");
    place.io(copy_tree(&place.object(&run.source), &source))?;
    Ok(Command {
        program: place.seen.object(&run.program).join("build-script"),
        args: Vec::new(),
        environment: environment::environment(run, &compiler, &dependencies, &place.seen),
        folder: place.seen.object(&run.source),
        capture_stdout: true,
        copies: vec![JobOutput {
            staged: source,
            path: run.source.clone(),
        }],
        slots: JobSlots::CARGO,
    })
}

fn compiler(run: &ScriptRun, place: &Workplace<'_>) -> Result<Compiler, BuildError> {
    place.record(&place.object(&run.tools.compiler).join("compiler.json"))
}

/// Runs a build script and writes down what it says.
pub(crate) fn run(run: &ScriptRun, place: &Workplace<'_>) -> Result<(), BuildError> {
    let output = place.run(command(run, place)?, &run.tools)?;
    let compiler = compiler(run, place)?;
    let allowance = Allowance {
        rust_version: &run.package.rust_version,
        nightly: compiler.release.contains("-nightly") || compiler.release.contains("-dev"),
        programs: &run.programs,
    };
    let directives = Directives::parse(&output, allowance)
        .map_err(|error| place.failed(&format!("its build script is not understood: {error}")))?;
    if let Some(error) = directives.errors.first() {
        return Err(place.failed(&format!("its build script reports: {error}")));
    }
    write(&directives, &place.staged().join(DIRECTIVES), place)
}

fn write(
    directives: &Directives,
    path: &Utf8Path,
    place: &Workplace<'_>,
) -> Result<(), BuildError> {
    let text = serde_json::to_string_pretty(directives).map_err(|source| BuildError::Record {
        path: path.to_owned(),
        source,
    })?;
    place.io(fs_err::write(path, text + "\n"))
}
