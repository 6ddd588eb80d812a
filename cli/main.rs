//! The command line of Orlop: the only place that prints, prompts, reads the environment and
//! decides on exit codes.
//!
//! | module | holds |
//! |---|---|
//! | [`args`], [`build_args`], [`recipe_args`] | what can be typed |
//! | [`context`] | environment, configuration, clock |
//! | [`commands`] | one module per verb |
//! | [`apply`] | the one way through: resolve, plan, execute, link, commit |
//! | [`request`] | from a manifest to questions for the resolver |
//! | [`solve`] | questions to the resolver, by policy |
//! | [`asked`] | where what cannot be had is asked for |
//! | [`gone`] | what a manifest names and is there no longer |
//! | [`needed`] | apps that apps start |
//! | [`cdylibs`] | what libraries for C are compiled from |
//! | [`toolchain`] | which compiler, which C tools |
//! | [`share`] | what recipes say of an app beside how it is built |
//! | [`fetch`] | adapters between registry and store |
//! | [`files`] | text files of the user |
//! | [`ui`], [`progress`] | what people see |
//! | [`log`] | what the packages have to say beside |
//! | [`error`] | blame, hints, exit codes |
//! | [`stand_in`] | answers for Cargo, when started under its name |
//! | [`linker`] | links, when started under the name of a linker |

mod apply;
mod args;
mod asked;
mod build_args;
mod cdylibs;
mod commands;
mod context;
mod error;
mod fetch;
mod files;
mod gone;
mod linker;
mod log;
mod needed;
mod progress;
mod recipe_args;
mod request;
mod share;
mod solve;
mod stand_in;
mod toolchain;
mod ui;

use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use miette::Diagnostic as _;
use orlop_recipes::SpecError;

use crate::args::Arguments;
use crate::context::Context;
use crate::error::CommandError;

/// The file name under which the program answers for Cargo.
const CARGO: &str = "cargo";

/// The first argument that makes the program the helper inside a sandbox.
const SANDBOX_HELPER: &str = "__sandbox";

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let program = words.next().unwrap_or_default();
    let name = Path::new(&program).file_name();
    if let Some(name) = name.and_then(OsStr::to_str)
        && let Some(act) = linker::act(name)
    {
        return act(words.collect());
    }
    if name == Some(OsStr::new(CARGO)) {
        return stand_in::answer(words.collect());
    }
    let words: Vec<OsString> = words.collect();
    if words.first().is_some_and(|word| word == SANDBOX_HELPER) {
        return ExitCode::from(orlop_build::sandbox::enter(&words[1..]));
    }
    orlop()
}

fn orlop() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(answer) => return unparsed(&answer),
    };
    let context = match Context::new(arguments.global.clone()) {
        Ok(context) => context,
        Err(error) => {
            ui::Ui::plain().error(&error);
            return ExitCode::from(error.exit_code());
        }
    };
    log::start(arguments.global.verbose, &context.ui);
    let done = commands::run(&context, arguments.command);
    match done.and_then(|()| context.ui.finish()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = error.with_way_to_room();
            context.ui.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Prints what is said in place of a command: a help text, the version, or what is wrong with the
/// command line.
fn unparsed(answer: &clap::Error) -> ExitCode {
    let ui = ui::Ui::plain();
    if answer.kind() == ErrorKind::MissingSubcommand {
        // Its own message is the list of all of them.
        let error = CommandError::usage("there is no command among the arguments");
        let error = error.hint("see the commands: `orlop help`");
        ui.error(&error);
        return ExitCode::from(error.exit_code());
    }
    let printed = answer.print();
    let code = u8::try_from(answer.exit_code()).unwrap_or(2);
    if answer.use_stderr() {
        let spec = answer.source().and_then(|error| error.downcast_ref());
        if let Some(help) = spec.and_then(|error: &SpecError| error.help()) {
            ui.line("");
            ui.hint(help);
        }
        return ExitCode::from(code);
    }
    match printed.map_or_else(|error| ui::written(&error), Ok) {
        Ok(()) => ExitCode::from(code),
        Err(error) => {
            ui.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
