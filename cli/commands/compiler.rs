//! `compiler add|list|remove|default`.

use camino::Utf8Path;
use orlop_build::compiler;
use orlop_store::{ImportedCompiler, Store};
use serde::Serialize;

use crate::args::CompilerCommand;
use crate::context::Context;
use crate::error::CommandError;
use crate::progress::Progress;
use crate::toolchain;

/// One compiler, as data.
#[derive(Serialize)]
struct Entry {
    name: String,
    default: bool,
    release: String,
    commit: String,
    host: String,
    path: String,
}

pub(super) fn run(context: &Context, command: CompilerCommand) -> Result<(), CommandError> {
    let store = context.store()?;
    let _in_use = store.use_store()?;
    match command {
        CompilerCommand::Add { compiler: wanted } => {
            if context.global.dry_run {
                return would_add(context, &wanted);
            }
            let progress = Progress::new(context.ui.clone());
            let imported = add(context, &store, &progress, &wanted);
            progress.clear();
            let imported = imported?;
            if compiler::default(&store)?.is_none() {
                compiler::set_default(&store, &imported.name)?;
            }
            let entry = entry(&imported, default_name(&store)?.as_ref());
            show(context, &entry)
        }
        CompilerCommand::List => list(context, &store),
        CompilerCommand::Remove { name } => {
            if context.global.dry_run {
                compiler::removable(&store, &name)?;
                context
                    .ui
                    .status(format!("Would forget the compiler {name}"));
                return Ok(());
            }
            compiler::remove(&store, &name)?;
            context.ui.success(format!(
                "Forgot the compiler {name}; `orlop gc` removes it once no app needs it"
            ));
            Ok(())
        }
        CompilerCommand::Default { name: Some(name) } => {
            if context.global.dry_run {
                compiler::find(&store, &name)?;
                context
                    .ui
                    .status(format!("Would make {name} the default compiler"));
                return Ok(());
            }
            compiler::set_default(&store, &name)?;
            context.ui.success(format!("{name} is the default compiler"));
            Ok(())
        }
        CompilerCommand::Default { name: None } => match compiler::default(&store)? {
            Some(default) if context.global.json => {
                context.ui.data_json(&entry(&default, Some(&default.name)))
            }
            Some(default) => {
                context.ui.data(default.name);
                Ok(())
            }
            None => Err(CommandError::failed("no compiler has been imported yet")
                .hint("the first install imports the `rustc` in `PATH`; or: `orlop compiler add PATH`")),
        },
    }
}

fn default_name(store: &Store) -> Result<Option<String>, CommandError> {
    Ok(compiler::default(store)?.map(|default| default.name))
}

/// Says what `compiler add` would import: nothing is fetched, and nothing is asked of a `rustc`.
fn would_add(context: &Context, wanted: &str) -> Result<(), CommandError> {
    let text = if is_recipe(wanted) {
        let recipe = toolchain::compiler_recipe(context, wanted)?;
        format!("Would import the compiler {}", recipe.version)
    } else {
        let rustc = toolchain::find_rustc(context, wanted)?;
        format!("Would import the compiler of `{rustc}`")
    };
    context.ui.status(text);
    Ok(())
}

fn is_recipe(wanted: &str) -> bool {
    Utf8Path::new(wanted).extension() == Some("toml")
}

fn add(
    context: &Context,
    store: &Store,
    progress: &Progress,
    wanted: &str,
) -> Result<ImportedCompiler, CommandError> {
    if is_recipe(wanted) {
        return toolchain::import_recipe(context, store, progress, wanted);
    }
    let rustc = toolchain::find_rustc(context, wanted)?;
    Ok(compiler::import(&rustc, store, progress)?)
}

fn show(context: &Context, entry: &Entry) -> Result<(), CommandError> {
    if context.global.json {
        return context.ui.data_json(entry);
    }
    context
        .ui
        .success(format!("Imported the compiler {}", entry.name));
    Ok(())
}

fn entry(imported: &ImportedCompiler, default: Option<&String>) -> Entry {
    Entry {
        name: imported.name.clone(),
        default: Some(&imported.name) == default,
        release: imported.compiler.release.clone(),
        commit: imported.compiler.commit.clone(),
        host: imported.compiler.host.clone(),
        path: imported.path.to_string(),
    }
}

fn list(context: &Context, store: &Store) -> Result<(), CommandError> {
    let default = default_name(store)?;
    let entries: Vec<_> = compiler::list(store)?
        .iter()
        .map(|imported| entry(imported, default.as_ref()))
        .collect();
    if context.global.json {
        return context.ui.data_json(&entries);
    }
    if entries.is_empty() {
        context.ui.status("No compiler has been imported yet");
        context
            .ui
            .hint("the first install imports the `rustc` in `PATH`; or: `orlop compiler add PATH`");
        return Ok(());
    }
    let mut table = super::table(&["", "name", "commit", "host"]);
    for entry in entries {
        let commit = entry.commit.get(..9).unwrap_or(&entry.commit).to_owned();
        let mark = if entry.default { "default" } else { "" };
        table.add_row(vec![mark.to_owned(), entry.name, commit, entry.host]);
    }
    context.ui.data(table.trim_fmt());
    Ok(())
}
