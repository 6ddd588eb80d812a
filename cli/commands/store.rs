//! `why-live`, `why-depends`, `du`, `which`: questions about the store.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use orlop_store::{Root, Store, StorePath, Usage};
use serde::Serialize;

use crate::args::{Du, FileArgument, ObjectArgument, WhyDepends};
use crate::context::Context;
use crate::error::CommandError;
use crate::progress::bytes_text;

pub(super) fn why_live(context: &Context, arguments: &ObjectArgument) -> Result<(), CommandError> {
    let store = context.store()?;
    let path = object(context, &store, &arguments.object)?;
    let reasons = store.why_live(&path)?;
    if reasons.is_empty() && fs_err::symlink_metadata(store.object(&path)).is_err() {
        return Err(no_object(&path.to_string()));
    }
    if context.global.json {
        return context.ui.data_json(&reasons);
    }
    if reasons.is_empty() {
        context
            .ui
            .data(format!("{path} is dead: `orlop gc` removes it"));
    }
    for reason in reasons {
        context.ui.data(format!("{}", reason.root));
        print_way(context, &reason.way);
    }
    Ok(())
}

pub(super) fn why_depends(context: &Context, arguments: &WhyDepends) -> Result<(), CommandError> {
    let store = context.store()?;
    let from = object(context, &store, &arguments.from)?;
    let to = object(context, &store, &arguments.to)?;
    let way = store.why_depends(&from, &to)?;
    if context.global.json {
        return context.ui.data_json(&way);
    }
    match way {
        Some(way) => print_way(context, &way),
        None => context.ui.data(format!("{from} does not need {to}")),
    }
    Ok(())
}

fn print_way(context: &Context, way: &[StorePath]) {
    for (depth, path) in way.iter().enumerate() {
        let indent = "  ".repeat(depth + 1);
        context.ui.data(format!("{indent}{path}"));
    }
}

/// What an app costs, as data.
#[derive(Serialize)]
struct AppUsage {
    app: String,
    version: String,
    #[serde(flatten)]
    usage: Usage,
}

pub(super) fn du(context: &Context, arguments: &Du) -> Result<(), CommandError> {
    let (store, profile) = super::open(context)?;
    let generation = super::current(&profile)?;
    let apps = if arguments.apps.is_empty() {
        generation.apps.iter().collect()
    } else {
        let apps = arguments.apps.iter();
        apps.map(|app| super::installed(&generation, app))
            .collect::<Result<Vec<_>, _>>()?
    };
    let ledger = store.ledger()?;
    let mut usages = Vec::new();
    for app in apps {
        let objects = BTreeSet::from([app.view.clone()]);
        // Without the app nothing needs its link sets.
        let goes = |_: &StorePath, root: &Root| match root {
            Root::App {
                profile: of,
                app: whose,
                ..
            } => of == profile.name() && *whose == app.name,
            Root::Link {
                profile: of,
                app: whose,
                ..
            } => of == profile.name() && whose.as_ref() == Some(&app.name),
            Root::Named { .. } | Root::Process { .. } => false,
        };
        usages.push(AppUsage {
            app: app.name.clone(),
            version: app.version.clone(),
            usage: ledger.usage(&objects, &goes)?,
        });
    }
    if context.global.json {
        return context.ui.data_json(&usages);
    }
    if usages.is_empty() {
        super::tell_no_apps(context, &profile);
        return Ok(());
    }
    let mut table = super::table(&["app", "own", "with all it needs", "freed if removed"]);
    for AppUsage {
        app,
        version,
        usage,
    } in usages
    {
        table.add_row([
            format!("{app} {version}"),
            bytes_text(usage.own),
            bytes_text(usage.closure),
            bytes_text(usage.freed_if_removed),
        ]);
    }
    context.ui.data(table.trim_fmt());
    Ok(())
}

pub(super) fn which(context: &Context, arguments: &FileArgument) -> Result<(), CommandError> {
    let store = context.store()?;
    let file = file(context, &store, &arguments.path)?;
    let Some((path, roots)) = store.which(&file)? else {
        return Err(CommandError::failed(format!(
            "`{file}` is not in the store"
        )));
    };
    if context.global.json {
        return context
            .ui
            .data_json(&serde_json::json!({"object": path, "roots": roots}));
    }
    context.ui.data(&path);
    for root in roots {
        context.ui.data(format!("  {root}"));
    }
    Ok(())
}

/// Finds a file by its path, or as a program of the current generation by its name.
fn file(context: &Context, store: &Store, path: &Utf8Path) -> Result<Utf8PathBuf, CommandError> {
    let file = context.absolute(path)?;
    if path.as_str().contains('/') || fs_err::symlink_metadata(&file).is_ok() {
        return Ok(file);
    }
    let profile = context.existing_profile(store)?;
    let generation = super::current_if_any(&profile)?;
    let programs = generation.iter().flat_map(|generation| &generation.apps);
    let is_program = programs
        .flat_map(|app| &app.binaries)
        .any(|program| program == path);
    match generation {
        Some(generation) if is_program => Ok(generation.folder().join("bin").join(path)),
        _ => Err(CommandError::failed(format!(
            "`{path}` is neither a file here nor a program of the profile `{}`",
            profile.name()
        ))
        .hint("see what is installed: `orlop list`")),
    }
}

/// Finds an object by its name, by the first digits of that, by a path in it, or by the app whose
/// view it is.
fn object(context: &Context, store: &Store, text: &str) -> Result<StorePath, CommandError> {
    if let Ok(path) = text.parse() {
        return Ok(path);
    }
    if text.contains('/') {
        let file = context.absolute(Utf8Path::new(text))?;
        if let Some((path, _)) = store.which(&file)? {
            return Ok(path);
        }
    }
    let profile = context.existing_profile(store)?;
    if let Some(generation) = profile.current()?
        && let Ok(app) = super::installed(&generation, text)
    {
        return Ok(app.view.clone());
    }
    let mut found: Vec<_> = store.paths_beginning(text)?;
    match (found.pop(), found.is_empty()) {
        (Some(path), true) => Ok(path),
        (Some(_), false) => Err(CommandError::usage(format!(
            "`{text}` is the beginning of {} objects",
            found.len() + 1
        ))),
        (None, _) => Err(no_object(text)),
    }
}

fn no_object(text: &str) -> CommandError {
    CommandError::failed(format!("there is no object `{text}`"))
        .hint("objects are the folders in `store`; `orlop which PATH` names that of a file")
}
