//! `compiler add|list|remove|default`.

use std::collections::BTreeSet;

use camino::Utf8Path;
use orlop_build::compiler;
use orlop_recipes::Manifest;
use orlop_store::{ImportedCompiler, Store};
use serde::Serialize;

use crate::args::CompilerCommand;
use crate::context::{Context, DEFAULT_PROFILE};
use crate::error::CommandError;
use crate::progress::Progress;
use crate::{files, toolchain};

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
        CompilerCommand::Remove { name } => remove(context, &store, &name),
        CompilerCommand::Default { name: Some(name) } => {
            if context.global.dry_run {
                compiler::find(&store, &name)?;
                context
                    .ui
                    .status(format!("Would make {name} the default compiler"));
                return Ok(());
            }
            compiler::set_default(&store, &name)?;
            context
                .ui
                .success(format!("{name} is the default compiler"));
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
            None => Err(
                CommandError::failed("there is no compiler in the store").hint(
                    "the next install imports the `rustc` in `PATH`; or: `orlop compiler add PATH`",
                ),
            ),
        },
    }
}

fn remove(context: &Context, store: &Store, name: &str) -> Result<(), CommandError> {
    compiler::removable(store, name)?;
    let users = users(store, name)?;
    if context.global.dry_run {
        let text = format!("Would forget the compiler {name}");
        context.ui.status(text);
    } else {
        compiler::remove(store, name)?;
        context.ui.success(format!(
            "Forgot the compiler {name}; `orlop gc` removes it once no app needs it"
        ));
    }
    let default = default_name(store)?.filter(|default| default != name);
    for one in users {
        one.tell(context, default.as_deref());
    }
    Ok(())
}

/// The apps of a profile that count on a compiler.
struct Users {
    profile: String,
    /// For which the manifest names it.
    named: BTreeSet<String>,
    /// Which are compiled with it, and may be with another one the next time.
    compiled: BTreeSet<String>,
}

/// Who counts on a compiler, in any profile.
fn users(store: &Store, name: &str) -> Result<Vec<Users>, CommandError> {
    let mut users = Vec::new();
    for profile in store.profiles()? {
        let profile = store.profile(&profile)?;
        let path = profile.manifest_path();
        let text = files::read_if_there(&path)?;
        // What is wrong with a manifest is said to who uses it.
        let manifest = text.and_then(|text| Manifest::parse(path.as_str(), &text).ok());
        let manifest = manifest.unwrap_or_default();
        let asked = manifest.packages.keys().filter(|package| {
            let request = manifest.request(package);
            request.is_some_and(|request| request.compiler.as_deref() == Some(name))
        });
        let named: BTreeSet<_> = asked.map(ToString::to_string).collect();
        let current = profile.current()?;
        let apps = current.iter().flat_map(|current| &current.apps);
        let compiled = apps.filter(|app| app.compiler == name && !named.contains(&app.name));
        let compiled: BTreeSet<_> = compiled.map(|app| app.name.clone()).collect();
        if !named.is_empty() || !compiled.is_empty() {
            users.push(Users {
                profile: profile.name().to_owned(),
                named,
                compiled,
            });
        }
    }
    Ok(users)
}

impl Users {
    /// Says what becomes of them; `other` is the compiler of who names none from now on.
    fn tell(&self, context: &Context, other: Option<&str>) {
        let list = |names: &BTreeSet<String>| {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            names.join("`, `")
        };
        let profile = &self.profile;
        if !self.compiled.is_empty() {
            let apps = list(&self.compiled);
            context.ui.warning(format!(
                "it compiled `{apps}` of the profile `{profile}`: what is installed runs on, and the \
                 next change there takes the default one"
            ));
        }
        if self.named.is_empty() {
            return;
        }
        let apps = list(&self.named);
        context.ui.warning(format!(
            "the manifest of the profile `{profile}` names it for `{apps}`: what is installed runs \
             on, but nothing there can change without that compiler"
        ));
        if let Some(other) = other {
            let names: Vec<_> = self.named.iter().map(String::as_str).collect();
            let place = if self.is_meant(context) {
                String::new()
            } else {
                format!("-p {profile} ")
            };
            context.ui.hint(format!(
                "have another compile it: `orlop {place}install {} --compiler {other}`",
                names.join(" ")
            ));
        }
    }

    /// Whether commands are about that profile if they name none.
    fn is_meant(&self, context: &Context) -> bool {
        let meant = context.global.profile.as_deref();
        self.profile == meant.unwrap_or(DEFAULT_PROFILE)
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
        context.ui.status("There is no compiler in the store");
        context
            .ui
            .hint("the next install imports the `rustc` in `PATH`; or: `orlop compiler add PATH`");
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
