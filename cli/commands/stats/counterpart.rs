//! The installed apps once more, with everything in each program: [`link`].

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use orlop_build::compiler;
use orlop_build::log::quoted;
use orlop_link::{App, Linkage, Role};
use orlop_store::derivation::{CrateKind, Step};
use orlop_store::{Generation, GenerationApp, PlannedProgram, Store, StorePath};

use crate::context::Context;
use crate::error::CommandError;
use crate::progress::{Progress, count_text};
use crate::toolchain;

/// Links all apps that are not `static` already; returns the folder of each one's view.
pub(super) fn link(
    context: &Context,
    store: &Store,
    generation: &Generation,
) -> Result<BTreeMap<String, Utf8PathBuf>, CommandError> {
    let apps = generation.apps.iter();
    let apps = apps
        .filter(|app| app.linkage != "static")
        .map(|app| counterpart(store, app))
        .collect::<Result<Vec<_>, _>>()?;
    if apps.is_empty() {
        return Ok(BTreeMap::new());
    }
    refuse_lost(store, &apps)?;
    let progress = Progress::new(context.ui.clone());
    let scratch = store.scratch()?;
    let runner = context.runner(store, scratch.folder())?;
    let linked = orlop_link::link(
        &apps,
        None,
        &orlop_link::Context {
            store,
            runner: &*runner,
            c_tools: &toolchain::c_tools(context, store, &progress)?,
            files: &orlop_link::NoFiles,
            reporter: &progress,
            jobs: context.jobs(),
        },
    );
    progress.clear();
    let views = linked?.views.into_iter();
    Ok(views
        .map(|view| (view.app, store.object(&view.path)))
        .collect())
}

/// Refuses what cannot be linked: `gc --dev` removes what only earlier generations are linked from.
fn refuse_lost(store: &Store, apps: &[App]) -> Result<(), CommandError> {
    let programs = apps.iter().flat_map(|app| &app.programs);
    let link_sets: BTreeSet<_> = programs.map(|program| program.link_set.clone()).collect();
    let mut needed = store.reached(&link_sets)?;
    needed.extend(link_sets);
    let lost = store.missing(&needed)?;
    if lost.is_empty() {
        return Ok(());
    }
    Err(CommandError::failed(format!(
        "the apps cannot be linked for comparison: of what they are linked from, the store lacks {}",
        count_text(lost.len(), "object")
    ))
    .hint("make these again: `orlop sync`"))
}

fn counterpart(store: &Store, app: &GenerationApp) -> Result<App, CommandError> {
    let mut compiler = None;
    let mut programs = Vec::new();
    for link_set in &app.link_sets {
        let (name, compiled_with) = program(store, app, link_set)?;
        compiler = Some(compiled_with);
        programs.push(PlannedProgram {
            name,
            link_set: link_set.clone(),
        });
    }
    programs.sort();
    Ok(App {
        name: app.name.clone(),
        version: app.version.clone(),
        linkage: Linkage::Static,
        programs,
        role: Role::Alone,
        compiler: compiler
            .ok_or_else(|| CommandError::failed(format!("`{}` has no programs", app.name)))?,
        share: orlop_link::Share::default(),
    })
}

/// The name of the program that a link set is of, and its compiler.
fn program(
    store: &Store,
    app: &GenerationApp,
    link_set: &StorePath,
) -> Result<(String, StorePath), CommandError> {
    let derivation = store.derivation(link_set)?;
    if let Some(Step::Rustc(call)) = derivation.map(|derivation| derivation.step)
        && let CrateKind::Program { name } = call.kind
    {
        return Ok((name, call.tools.compiler));
    }
    // The step is lost with the database; the names say the same.
    let start = format!("{}-{}-", app.name, app.version);
    let name = link_set.name().strip_prefix(&start);
    let name = name.and_then(|name| name.strip_suffix("-linkset"));
    let compilers = compiler::list(store)?;
    let compiler = compilers.into_iter().find(|one| one.name == app.compiler);
    match (name, compiler) {
        (Some(name), Some(compiler)) => Ok((name.to_owned(), compiler.path)),
        _ => Err(CommandError::failed(format!(
            "the store does not know which program `{link_set}` is of, or has no compiler `{}`",
            app.compiler
        ))
        .hint(format!(
            "add the compiler: `orlop compiler add {}`",
            quoted(&app.compiler)
        ))),
    }
}
