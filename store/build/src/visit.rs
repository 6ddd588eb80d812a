//! [`visit`]: the place where a step is executed, for people.
//!
//! What is run there is what they like; all that it sees is what the step sees, since it is made
//! ready by the same code. Nothing that it makes stays.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use orlop_store::derivation::Tools;
use orlop_store::{Derivation, ExitStatus, Step, StorePath};
use serde::Serialize;

use crate::error::BuildError;
use crate::execute::{self, Context};
use crate::log;
use crate::workplace::{Command, Site, Workplace};
use crate::{native, rustc, script};

/// The file in the working folder that executes the step.
const STEP: &str = "step";
/// The best shell of the C tools, and another that is always there.
const SHELLS: [(&str, &[&str]); 2] = [("bash", &["--noprofile", "--norc", "-i"]), ("sh", &["-i"])];

/// What a step runs, in paths as it sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Description {
    /// The step, for people.
    pub name: String,
    /// The object that it makes.
    pub object: StorePath,
    /// The working folder.
    pub folder: Utf8PathBuf,
    /// The program.
    pub program: Utf8PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// The objects that are seen, beside the C tools at `/usr`.
    pub inputs: BTreeSet<StorePath>,
    /// A file that runs the program with these arguments.
    pub step: Utf8PathBuf,
}

/// Describes what a step runs, if it is one that runs anything. Its inputs must be in the store.
pub fn describe(
    derivation: &Derivation,
    context: &Context<'_>,
) -> Result<Option<Description>, BuildError> {
    at(derivation, context, |place, command, _| {
        Ok(description(derivation, &command, place))
    })
}

/// Runs a command, or without one a shell, where a step is executed, in the terminal of this
/// process. Returns nothing if the step is one that runs nothing. Its inputs must be in the store.
/// `greet` is told of the step before.
pub fn visit(
    derivation: &Derivation,
    words: &[String],
    context: &Context<'_>,
    greet: &dyn Fn(&Description),
) -> Result<Option<ExitStatus>, BuildError> {
    at(derivation, context, |place, command, tools| {
        greet(&description(derivation, &command, place));
        let (program, args) = match words {
            [program, args @ ..] => (program.into(), args.to_vec()),
            [] => shell(&place.object(&tools.c_tools)),
        };
        let command = Command {
            program,
            args,
            capture_stdout: false,
            ..command
        };
        place.attend(command, tools)
    })
}

/// Gets a step ready up to where its program would be run.
fn at<T>(
    derivation: &Derivation,
    context: &Context<'_>,
    act: impl FnOnce(&Workplace<'_>, Command, &Tools) -> Result<T, BuildError>,
) -> Result<Option<T>, BuildError> {
    let tools = match &derivation.step {
        Step::Unpack(_) => return Ok(None),
        Step::Rustc(call) => &call.tools,
        Step::Script(run) => &run.tools,
        Step::Native(build) => &build.tools,
    };
    let site = Site::for_visits(context)?;
    let name = execute::label(derivation);
    let staged = context.store.stage()?;
    let inputs = derivation.inputs();
    let place = Workplace::new(&site, &name, &derivation.path(), inputs, staged.folder())?;
    place.isolation(tools)?;
    let command = match &derivation.step {
        Step::Unpack(_) => return Ok(None),
        Step::Rustc(call) => rustc::command(call, &place)?,
        Step::Script(run) => script::command(run, &place)?,
        Step::Native(build) => native::visited(build, &place)?,
    };
    let line = log::line(&command.program, &command.args);
    let text = format!("cd {} && {line}\n", log::quoted(command.folder.as_str()));
    place.io(fs_err::write(place.scratch().join(STEP), text))?;
    act(&place, command, tools).map(Some)
}

fn description(derivation: &Derivation, command: &Command, place: &Workplace<'_>) -> Description {
    Description {
        name: execute::label(derivation),
        object: derivation.path(),
        folder: command.folder.clone(),
        program: command.program.clone(),
        arguments: command.args.clone(),
        environment: command.environment.clone(),
        inputs: derivation.inputs(),
        step: place.seen.scratch.join(STEP),
    }
}

/// Returns how a shell is started for a person.
fn shell(c_tools: &Utf8Path) -> (Utf8PathBuf, Vec<String>) {
    let there = |name: &str| c_tools.join("bin").join(name).exists();
    let (name, args) = SHELLS
        .into_iter()
        .find(|(name, _)| there(name))
        .unwrap_or(SHELLS[1]);
    let args = args.iter().map(ToString::to_string).collect();
    (Utf8Path::new("/bin").join(name), args)
}
