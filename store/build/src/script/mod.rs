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

use std::io::{ErrorKind, Write as _};

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
    write(&directives, place)
}

fn write(directives: &Directives, place: &Workplace<'_>) -> Result<(), BuildError> {
    let path = place.staged().join(DIRECTIVES);
    let text = serde_json::to_string_pretty(directives).map_err(|source| BuildError::Record {
        path: path.clone(),
        source,
    })?;
    // The script was free to leave a link in its place, which would be followed outside of the
    // sandbox.
    match fs_err::File::create_new(&path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let end = format!("its build script left `{DIRECTIVES}` beside its `OUT_DIR`");
            Err(place.failed(&end))
        }
        file => place.io(file.and_then(|mut file| writeln!(file, "{text}"))),
    }
}

#[cfg(test)]
mod tests {
    use orlop_store::derivation::CrateKind;

    use crate::testing::{Lab, call, run, rustc, script, source};

    /// What is written after a script has run is written outside of its sandbox.
    #[test]
    fn a_script_does_not_say_where_its_directives_go() {
        let mut lab = Lab::new();
        let victim = lab.store.home().join("victim");
        fs_err::write(&victim, "untouched").unwrap();
        let name = "leaf 1.0.0 (build script run)";
        let link = ("directives.json", victim.clone());
        lab.runner.links.insert(name, link);
        let program = rustc(call("leaf", CrateKind::BuildScript, &[]));
        let run = script(run("leaf", &program));
        let end = lab.execute(&[&source("leaf"), &program, &run]);
        assert_eq!(fs_err::read_to_string(&victim).unwrap(), "untouched");
        assert_eq!(
            end.unwrap_err().to_string(),
            "build `leaf 1.0.0 (build script run)`: its build script left `directives.json` beside \
             its `OUT_DIR`"
        );
        assert!(!lab.has(&run));
    }
}
