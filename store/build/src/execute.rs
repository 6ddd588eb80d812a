//! [`execute`]: one plan, one derivation at a time in each worker.

use std::collections::{BTreeMap, BTreeSet};

use orlop_store::derivation::{CrateKind, Isolation, Source};
use orlop_store::{
    Activity, ActivityKind, Derivation, Event, Fetcher, Plan, Registration, Reporter, Runner, Step,
    Store, StorePath,
};

use crate::error::BuildError;
use crate::schedule::{self, Lane, Task, Workers};
use crate::unpack::{self, Rules};
use crate::workplace::Workplace;
use crate::{native, rustc, script};

/// How many archives come at once: they wait for the network, not for a processor.
const FETCHES: usize = 16;

/// What a plan is executed with.
pub struct Context<'a> {
    /// Where objects go.
    pub store: &'a Store,
    /// Who runs processes.
    pub runner: &'a dyn Runner,
    /// Who brings archives.
    pub fetcher: &'a dyn Fetcher,
    /// Who wants to know.
    pub reporter: &'a dyn Reporter,
    /// How many builds run at once.
    pub jobs: usize,
}

/// Makes every derivation of a plan true.
///
/// On the first failure nothing new is started; what runs ends, and what is finished stays in the
/// store. The caller holds the store's [`use_store`](Store::use_store) guard until something keeps
/// the new objects alive.
pub fn execute(plan: &Plan, context: &Context<'_>) -> Result<(), BuildError> {
    let paths: Vec<_> = plan.build.iter().map(Derivation::path).collect();
    let tasks = tasks(&plan.build, &paths);
    check_inputs(&plan.build, &paths, context.store)?;
    for (kind, count) in [
        (ActivityKind::Fetch, plan.fetch.len()),
        (ActivityKind::Build, plan.build.len()),
    ] {
        if count > 0 {
            context.reporter.report(Event::Planned { kind, count });
        }
    }
    let workers = Workers {
        fetch: FETCHES,
        build: context.jobs,
    };
    schedule::run(&tasks, workers, &|position: usize| {
        report_build(&plan.build[position], &paths[position], context)
    })
}

/// Lets every derivation come after those earlier ones that it reads.
fn tasks(build: &[Derivation], paths: &[StorePath]) -> Vec<Task> {
    let mut made: BTreeMap<&StorePath, usize> = BTreeMap::new();
    let mut tasks = Vec::with_capacity(build.len());
    for (position, (derivation, path)) in build.iter().zip(paths).enumerate() {
        let inputs = derivation.inputs();
        let after = inputs
            .iter()
            .filter_map(|input| made.get(input).copied())
            .collect();
        let lane = match derivation.step {
            Step::Unpack(_) => Lane::Fetch,
            Step::Rustc(_) | Step::Script(_) | Step::Native(_) => Lane::Build,
        };
        tasks.push(Task { after, lane });
        made.insert(path, position);
    }
    tasks
}

/// Makes sure, before any work, that nothing will be missing in the middle of it.
fn check_inputs(
    build: &[Derivation],
    paths: &[StorePath],
    store: &Store,
) -> Result<(), BuildError> {
    let mut made = BTreeSet::new();
    let mut needed: BTreeMap<StorePath, &Derivation> = BTreeMap::new();
    for (derivation, path) in build.iter().zip(paths) {
        for input in derivation.inputs() {
            if !made.contains(&input) {
                needed.entry(input).or_insert(derivation);
            }
        }
        made.insert(path.clone());
    }
    match store
        .missing(&needed.keys().cloned().collect())?
        .pop_first()
    {
        None => Ok(()),
        Some(input) => Err(BuildError::MissingInput {
            name: label(needed[&input]),
            input,
        }),
    }
}

fn report_build(
    derivation: &Derivation,
    path: &StorePath,
    context: &Context<'_>,
) -> Result<(), BuildError> {
    let activity = Activity {
        kind: ActivityKind::Build,
        name: label(derivation),
    };
    context.reporter.report(Event::Started {
        activity: activity.clone(),
        bytes: None,
    });
    let result = build_once(derivation, path, &activity, context);
    context.reporter.report(match result {
        Ok(()) => Event::Finished { activity },
        Err(_) => Event::Failed { activity },
    });
    result
}

/// Makes an object unless another process does, or has.
fn build_once(
    derivation: &Derivation,
    path: &StorePath,
    activity: &Activity,
    context: &Context<'_>,
) -> Result<(), BuildError> {
    let _lock = context.store.lock_object(path, &mut |holder| {
        context.reporter.report(Event::Waiting {
            activity: activity.clone(),
            holder,
        });
    })?;
    if context.store.contains(path)? {
        return Ok(());
    }
    let staged = context.store.stage()?;
    let isolation = match &derivation.step {
        Step::Unpack(source) => {
            unpack_source(source, staged.folder(), context)?;
            // No foreign code ran, and the checksum fixes the output.
            Isolation::Full
        }
        step => {
            let place = Workplace::new(
                context,
                &activity.name,
                path,
                derivation.inputs(),
                staged.folder(),
            )?;
            run_step(step, &place)?
        }
    };
    let registration = Registration {
        references: derivation.references(),
        derivation: Some(derivation.clone()),
        isolation,
    };
    Ok(context.store.add(staged, path, &registration)?)
}

fn run_step(step: &Step, place: &Workplace<'_>) -> Result<Isolation, BuildError> {
    let tools = match step {
        Step::Rustc(call) => &call.tools,
        Step::Script(run) => &run.tools,
        Step::Native(build) => &build.tools,
        Step::Unpack(_) => return Ok(Isolation::Full),
    };
    let isolation = place.isolation(tools)?;
    match step {
        Step::Rustc(call) => rustc::compile(call, place)?,
        Step::Script(run) => script::run(run, place)?,
        Step::Native(build) => native::build(build, place)?,
        Step::Unpack(_) => {}
    }
    Ok(isolation)
}

fn unpack_source(
    source: &Source,
    folder: &camino::Utf8Path,
    context: &Context<'_>,
) -> Result<(), BuildError> {
    let archive = context.fetcher.fetch(source, context.reporter)?;
    unpack::unpack(&archive, folder, &Rules::of(source)).map_err(|error| BuildError::Unpack {
        archive: format!("{} {}", source.name, source.version),
        source: error,
    })
}

/// Names a derivation for people.
fn label(derivation: &Derivation) -> String {
    match &derivation.step {
        Step::Unpack(source) => format!("{} {} (source)", source.name, source.version),
        Step::Rustc(call) => {
            let package = format!("{} {}", call.package.name, call.package.version);
            match &call.kind {
                CrateKind::Library | CrateKind::ProcMacro => package,
                CrateKind::BuildScript => format!("{package} (build script)"),
                CrateKind::Program { name } => format!("{package} (program {name})"),
            }
        }
        Step::Script(run) => {
            format!(
                "{} {} (build script run)",
                run.package.name, run.package.version
            )
        }
        Step::Native(_) => derivation.name.clone(),
    }
}
