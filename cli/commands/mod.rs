//! One module per verb; [`run()`] is their index.

mod answer;
mod build;
mod change;
mod compare;
mod compiler;
mod diff;
mod export;
mod generations;
mod graph;
mod housekeeping;
mod log;
mod optimise;
mod plugin;
mod query;
mod rebuilt;
mod recipe;
mod report;
mod resolve;
mod run;
mod shell;
mod stats;
mod store;
mod verify;
mod versions;

use camino::Utf8PathBuf;
use clap::CommandFactory as _;
use orlop_recipes::{AppRecipe, PackageName, RecipeSet, closest};
use orlop_resolver::Lock;
use orlop_store::{Generation, GenerationApp, Profile, Store, StoreError};

use crate::args::{Arguments, Command};
use crate::context::Context;
use crate::error::{CommandError, Kind};

/// Does what was typed.
pub(crate) fn run(context: &Context, command: Command) -> Result<(), CommandError> {
    match command {
        Command::Install(arguments) => change::install(context, &arguments),
        Command::Remove(arguments) => change::remove(context, &arguments),
        Command::Upgrade(arguments) => change::upgrade(context, &arguments),
        Command::Sync(arguments) => change::sync(context, &arguments),
        Command::List => query::list(context),
        Command::Info(arguments) => query::info(context, &arguments),
        Command::Tree(arguments) => query::tree(context, &arguments),
        Command::Update(arguments) => versions::update(context, &arguments),
        Command::Lock(arguments) => versions::lock(context, &arguments),
        Command::Outdated => versions::outdated(context),
        Command::Why(arguments) => graph::why(context, &arguments),
        Command::Graph(arguments) => graph::graph(context, &arguments),
        Command::Resolve(arguments) => resolve::resolve(context, &arguments),
        Command::Run(arguments) => run::run(context, &arguments),
        Command::History => generations::history(context),
        Command::Rollback(arguments) => generations::rollback(context, &arguments),
        Command::Build(arguments) => build::build(context, &arguments),
        Command::Shell(arguments) => shell::shell(context, &arguments),
        Command::Env(arguments) => shell::env(context, &arguments),
        Command::Export(arguments) => export::export(context, &arguments),
        Command::Log(arguments) => log::log(context, &arguments),
        Command::WhyRebuilt(arguments) => rebuilt::why_rebuilt(context, &arguments),
        Command::Prove(arguments) => housekeeping::prove(context, &arguments),
        Command::Optimise => optimise::optimise(context),
        Command::Diff(arguments) => diff::diff(context, &arguments),
        Command::Pin(arguments) => generations::pin(context, &arguments),
        Command::Unpin(arguments) => generations::unpin(context, &arguments),
        Command::Gc(arguments) => housekeeping::gc(context, &arguments),
        Command::Verify(arguments) => verify::verify(context, &arguments),
        Command::WhyLive(arguments) => store::why_live(context, &arguments),
        Command::WhyDepends(arguments) => store::why_depends(context, &arguments),
        Command::Du(arguments) => store::du(context, &arguments),
        Command::Which(arguments) => store::which(context, &arguments),
        Command::Stats(arguments) => stats::stats(context, &arguments),
        Command::Compiler(command) => compiler::run(context, command),
        Command::Recipe(command) => recipe::run(context, &command),
        Command::Completions { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "orlop", &mut out);
            context.ui.data(String::from_utf8_lossy(&out).trim_end());
            Ok(())
        }
    }
}

/// The current generation, or an error that says how to get one.
fn current(profile: &Profile) -> Result<Generation, CommandError> {
    current_if_any(profile)?.ok_or_else(|| {
        CommandError::failed(format!("the profile `{}` has no apps yet", profile.name()))
            .hint("install one: `orlop install ripgrep`")
    })
}

/// Says that a profile has no apps.
fn tell_no_apps(context: &Context, profile: &Profile) {
    context
        .ui
        .status(format!("The profile `{}` has no apps", profile.name()));
    context.ui.hint("install one: `orlop install ripgrep`");
}

/// The current generation; none if there has never been any.
fn current_if_any(profile: &Profile) -> Result<Option<Generation>, CommandError> {
    let error = match profile.current() {
        Ok(None) => CommandError::failed(format!(
            "no generation of `{}` is the current one: its link `current` is lost",
            profile.name()
        )),
        Err(error @ (StoreError::NoGeneration { .. } | StoreError::BrokenLink { .. })) => {
            error.into()
        }
        found => return Ok(found?),
    };
    match profile.generations()?.last() {
        None => Ok(None),
        Some(newest) => {
            let newest = newest.number;
            Err(error.hint(format!(
                "go back to the newest: `orlop rollback --to {newest}`"
            )))
        }
    }
}

/// The lock that a generation was made from.
fn locked(generation: &Generation) -> Result<Lock, CommandError> {
    let path = generation.folder().join("lock.toml");
    // That one is not the user's to mend.
    Lock::parse(path.as_str(), &generation.lock()?)
        .map_err(|error| CommandError::new(Kind::Failed, error))
}

/// An installed app, by its name or that of one of its programs.
fn installed<'a>(
    generation: &'a Generation,
    name: &str,
) -> Result<&'a GenerationApp, CommandError> {
    let apps = &generation.apps;
    apps.iter()
        .find(|app| app.name == name)
        .or_else(|| {
            apps.iter()
                .find(|app| app.binaries.iter().any(|program| program == name))
        })
        .ok_or_else(|| not_installed(generation, name))
}

fn not_installed(generation: &Generation, name: &str) -> CommandError {
    let error = CommandError::failed(format!("`{name}` is not installed"));
    let apps = generation.apps.iter();
    let names = apps.flat_map(|app| [&app.name].into_iter().chain(&app.binaries));
    let known = RecipeSet::shipped();
    let goes_by = |app: &&AppRecipe| {
        app.name.as_str() == name || app.aliases.contains(name) || app.binaries.contains(name)
    };
    let error = match (
        closest(name, names.map(String::as_str)),
        known.apps().find(goes_by),
        name.parse::<PackageName>(),
    ) {
        (_, Some(app), _) if app.name.as_str() == name => {
            error.hint(format!("install it: `orlop install {name}`"))
        }
        (_, Some(app), _) => error.hint(format!(
            "it is a program of the app `{0}`: `orlop install {0}`",
            app.name
        )),
        (Some(close), None, _) => error.hint(format!("did you mean `{close}`?")),
        (None, None, Ok(name)) => error.hint(format!(
            "if the registry has an app of that name: `orlop install {name}`"
        )),
        (None, None, Err(_)) => error,
    };
    error.hint("see what is installed: `orlop list`")
}

/// The apps that start a program of an app.
fn users(generation: &Generation, name: &str) -> Vec<String> {
    let users = generation.apps.iter();
    let users = users.filter(|app| app.starts.iter().any(|started| started == name));
    users.map(|app| app.name.clone()).collect()
}

/// Where an app finds what it starts: among the programs of the apps that are installed for that,
/// then where its user finds programs.
fn search_path(
    context: &Context,
    store: &Store,
    generation: &Generation,
    app: &GenerationApp,
) -> String {
    let started = generation.started(app).into_iter();
    let folders = started.map(|app| store.object(&app.view).join("bin"));
    let folders = folders.chain(context.search_path.iter().cloned());
    let folders: Vec<_> = folders.map(Utf8PathBuf::into_string).collect();
    folders.join(":")
}

/// Opens the store and the profile that the command is about, which must be there.
fn open(context: &Context) -> Result<(Store, Profile), CommandError> {
    let store = context.store()?;
    let profile = context.existing_profile(&store)?;
    Ok((store, profile))
}

/// A table without borders, for people: as wide as their terminal, or as what is in it where there
/// is none or it does not know its width.
fn table(header: &[&str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    if table.width() != Some(0) {
        table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    }
    table.set_header(header);
    table
}
