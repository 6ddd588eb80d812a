//! `shell`, `env`: where a step of a build is executed, for those who write recipes.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, stdin};

use orlop_build::{BuildError, Description, log};
use orlop_store::derivation::Isolation;
use orlop_store::{Derivation, ExitStatus, Plan, Step};

use crate::apply::{self, Making};
use crate::build_args::{Shell, StepArguments};
use crate::context::Context;
use crate::error::{CommandError, Kind};

/// What reads its lines from standard input.
const SHELL: &str = "sh";

pub(super) fn shell(context: &Context, arguments: &Shell) -> Result<(), CommandError> {
    let greet = |description: &Description| {
        let Description {
            name, folder, step, ..
        } = description;
        context
            .ui
            .status(format!("{name} is built here, in {folder}, by `sh {step}`"));
        context
            .ui
            .status("What is made here goes when the shell ends");
    };
    with_step(context, "shell", &arguments.step, |making, derivation| {
        making.progress.clear();
        // Nobody types what comes from elsewhere, so no shell has to be one for people.
        let script = [SHELL.to_owned()];
        let words = match &arguments.words[..] {
            [] if !stdin().is_terminal() => &script,
            words => words,
        };
        let visited = orlop_build::visit(derivation, words, &making.executor, &greet)?;
        match visited.ok_or_else(nothing_runs)? {
            ExitStatus::Code(0) => Ok(()),
            ExitStatus::Code(code) => Err(child(code)),
            ExitStatus::Signal(signal) => Err(child(128 + signal)),
        }
    })
}

/// As the program that was run ended, so does this one.
fn child(code: i32) -> CommandError {
    let code = u8::try_from(code).unwrap_or(u8::MAX);
    CommandError::new(Kind::Child(code), "what was run failed")
}

pub(super) fn env(context: &Context, arguments: &StepArguments) -> Result<(), CommandError> {
    with_step(context, "env", arguments, |making, derivation| {
        let described = orlop_build::describe(derivation, &making.executor)?;
        let described = described.ok_or_else(nothing_runs)?;
        making.progress.clear();
        if context.global.json {
            return context.ui.data_json(&described);
        }
        context.ui.data(format!("# {}", described.name));
        for (name, value) in &described.environment {
            context
                .ui
                .data(format!("export {name}={}", log::quoted(value)));
        }
        let folder = log::quoted(described.folder.as_str());
        context.ui.data(format!("cd {folder}"));
        let line = log::line(&described.program, &described.arguments);
        context.ui.data(format!("# {line}"));
        Ok(())
    })
}

fn nothing_runs() -> CommandError {
    CommandError::failed("an archive is unpacked, which runs nothing")
}

/// Makes what a step needs, and hands the step over, to the command of that verb.
fn with_step(
    context: &Context,
    verb: &str,
    arguments: &StepArguments,
    act: impl FnOnce(&Making<'_>, &Derivation) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    let target = arguments.target.as_ref();
    let order = super::build::order(context, (verb, target), false)?;
    let order = order.for_output(arguments.output)?;
    apply::make(context, &order, |making| {
        if making.executor.runner.isolation() == Isolation::None {
            return Err(CommandError::usage(
                "a step can be visited in the sandbox alone, where nothing that is made stays",
            ));
        }
        let package = arguments.package.as_deref();
        let chosen = package.map(|package| of_package(making, package));
        let chosen = chosen.transpose()?;
        let plan = match chosen {
            Some(derivation) => making.steps.plan_for(derivation.inputs())?,
            None => making.steps.plan()?,
        };
        if context.global.dry_run {
            making.progress.clear();
            if context.global.json {
                return context.ui.data_json(&plan);
            }
            super::report::show_steps(context, &plan);
            return Ok(());
        }
        if let Some(derivation) = chosen {
            making.execute(&plan)?;
            return act(making, derivation);
        }
        let derivation = first_failure(context, making, &plan)?;
        // One that succeeded may be long done, and gc has removed what it was made from.
        making.execute(&making.steps.plan_for(derivation.inputs())?)?;
        act(making, derivation)
    })
}

/// Builds all that is wanted; returns the step that fails, else one that made what is wanted.
fn first_failure<'m>(
    context: &Context,
    making: &'m Making<'_>,
    plan: &Plan,
) -> Result<&'m Derivation, CommandError> {
    let path = match orlop_build::execute(plan, &making.executor) {
        Ok(()) => making.steps.wanted().first().cloned().ok_or_else(|| {
            CommandError::failed("there is nothing to build: the manifest has no apps")
                .hint("name an app or a recipe: `orlop shell ./hello.toml`")
        })?,
        Err(BuildError::Failed(failed)) => {
            making.progress.clear();
            context
                .ui
                .status(format!("`{}` failed: {}", failed.name, failed.end));
            failed.path
        }
        Err(error) => return Err(error.into()),
    };
    let mut all = making.steps.all();
    all.find(|derivation| derivation.path() == path)
        .ok_or_else(|| CommandError::failed(format!("no step makes {path}")))
}

/// Returns the step of a package that comes next: the first that is not done; else the run of its
/// build script, if it has one; else its last.
fn of_package<'m>(making: &'m Making<'_>, wanted: &str) -> Result<&'m Derivation, CommandError> {
    let (name, version) = match wanted.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (wanted, None),
    };
    let found = making.steps.all().filter(|derivation| {
        package(derivation).is_some_and(|(found, its)| {
            found == name && version.is_none_or(|version| version == its)
        })
    });
    let found: Vec<_> = found.collect();
    let versions: BTreeSet<_> = found.iter().filter_map(|step| package(step)).collect();
    let versions: Vec<_> = versions.into_iter().collect();
    if let [(_, one), .., (_, other)] = versions[..] {
        return Err(CommandError::usage(format!(
            "`{name}` is built in several versions: {one}, {other}"
        ))
        .hint(format!("name one: `--crate {name}@{one}`")));
    }
    for derivation in &found {
        if !making.executor.store.contains(&derivation.path())? {
            return Ok(derivation);
        }
    }
    let run = |step: &&Derivation| matches!(step.step, Step::Script(_));
    let chosen = found.iter().copied().find(run).or(found.last().copied());
    chosen.ok_or_else(|| {
        let all: BTreeSet<_> = making.steps.all().filter_map(package).collect();
        let names: BTreeSet<_> = all.into_iter().map(|(name, _)| name).collect();
        let names: Vec<_> = names.into_iter().collect();
        CommandError::failed(format!("nothing called `{wanted}` is built for it"))
            .hint(format!("these are: {}", names.join(", ")))
    })
}

/// The package that a step builds, and its version.
fn package(derivation: &Derivation) -> Option<(&str, &str)> {
    match &derivation.step {
        Step::Unpack(_) => None,
        Step::Rustc(call) => Some((&call.package.name, &call.package.version)),
        Step::Script(run) => Some((&run.package.name, &run.package.version)),
        // A version begins with a digit, and a name has none after a hyphen.
        Step::Native(_) => derivation.name.rsplit_once('-'),
    }
}
