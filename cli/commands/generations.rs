//! `history`, `rollback`, `pin`: the generations of a profile.

use std::collections::BTreeMap;

use orlop_store::{Generation, Profile};
use serde::Serialize;

use super::change;
use super::diff::{self, Change};
use crate::args::{GenerationArgument, Rollback};
use crate::context::Context;
use crate::error::CommandError;

/// One generation, as data.
#[derive(Serialize)]
struct Entry {
    number: u64,
    parent: Option<u64>,
    current: bool,
    pinned: bool,
    created: String,
    command: String,
    apps: Vec<String>,
    /// Which apps came, went or changed; nothing if what it was made from is gone.
    changes: Option<Vec<Change>>,
    /// What there is to say to people if none did.
    #[serde(skip)]
    unchanged: &'static str,
}

pub(super) fn history(context: &Context) -> Result<(), CommandError> {
    let (_store, profile) = context.read_profile()?;
    let current = profile.current_number().unwrap_or_default();
    let generations = profile.generations()?;
    let mut entries = Vec::new();
    for generation in &generations {
        entries.push(Entry {
            number: generation.number,
            parent: generation.parent,
            current: Some(generation.number) == current,
            pinned: profile.is_pinned(generation.number)?,
            created: generation
                .created
                .strftime("%Y-%m-%d %H:%M:%S UTC")
                .to_string(),
            command: generation.command.clone(),
            apps: generation
                .apps
                .iter()
                .map(|app| format!("{} {}", app.name, app.version))
                .collect(),
            changes: changes(&generations, generation),
            unchanged: unchanged(&generations, generation),
        });
    }
    if context.global.json {
        return context.ui.data_json(&entries);
    }
    if entries.is_empty() {
        let name = profile.name();
        let text = format!("The profile `{name}` has no generations");
        context.ui.status(text);
        context
            .ui
            .hint("the first app makes one: `orlop install ripgrep`");
        return Ok(());
    }
    let mut table = super::table(&["", "generation", "from", "when", "command", "apps"]);
    for entry in entries {
        let pinned = if entry.pinned { " (pinned)" } else { "" };
        table.add_row(vec![
            if entry.current {
                "->".to_owned()
            } else {
                String::new()
            },
            format!("{}{pinned}", entry.number),
            entry
                .parent
                .map_or_else(String::new, |parent| parent.to_string()),
            // Minutes tell them apart, and leave room for the rest.
            entry.created.get(..16).unwrap_or_default().to_owned(),
            entry.command,
            match entry.changes {
                None => entry.apps.join(", "),
                Some(changes) if changes.is_empty() => entry.unchanged.to_owned(),
                Some(changes) => {
                    let lines = changes.iter().map(Change::text);
                    let lines = lines.map(|line| line.trim_start().to_owned());
                    lines.collect::<Vec<_>>().join("\n")
                }
            },
        ]);
    }
    context.ui.data(table.trim_fmt());
    Ok(())
}

/// What a generation changed of the one that it was made from; nothing if that is gone.
fn changes(all: &[Generation], generation: &Generation) -> Option<Vec<Change>> {
    let apps = |generation: &Generation| -> BTreeMap<String, String> {
        let apps = generation.apps.iter();
        apps.map(|app| (app.name.clone(), app.version.clone()))
            .collect()
    };
    let before = match generation.parent {
        None => BTreeMap::new(),
        Some(parent) => apps(all.iter().find(|other| other.number == parent)?),
    };
    Some(diff::changes(&before, &apps(generation)))
}

/// What is said of the apps of a generation if none came, went or has another version.
fn unchanged(all: &[Generation], generation: &Generation) -> &'static str {
    if generation.apps.is_empty() {
        return "no apps";
    }
    let before = generation.parent;
    let before = before.and_then(|parent| all.iter().find(|other| other.number == parent));
    // What an app is made of and how it is linked decides on its view.
    let is_same = before.is_some_and(|before| before.apps == generation.apps);
    if is_same {
        "the same apps"
    } else {
        "the same versions, made anew"
    }
}

pub(super) fn rollback(context: &Context, arguments: &Rollback) -> Result<(), CommandError> {
    let (store, profile) = context.open_profile()?;
    let _in_use = store.use_store()?;
    let _lock = change::lock(context, &profile)?;
    let target = match arguments.to {
        Some(number) => number,
        None => parent_of(&super::current(&profile)?, &profile)?,
    };
    // Where it leads nowhere, a rollback is the way out.
    let from = profile.current_number().unwrap_or_default();
    let generation = profile.generation(target)?;
    if !context.global.dry_run {
        profile.restore(&generation)?;
    }
    if context.global.json {
        return context.ui.data_json(&serde_json::json!({
            "profile": profile.name(),
            "from": from,
            "generation": generation.number,
        }));
    }
    if context.global.dry_run {
        let from = from.map_or_else(String::new, |number| format!("from generation {number} "));
        let text = format!("Would go {from}to generation {target}");
        context.ui.data(text);
        return Ok(());
    }
    context.ui.success(format!(
        "Generation {} of `{}` is current again",
        generation.number,
        profile.name()
    ));
    Ok(())
}

fn parent_of(current: &Generation, profile: &Profile) -> Result<u64, CommandError> {
    current.parent.ok_or_else(|| {
        CommandError::failed(format!(
            "generation {} of `{}` was made from nothing: there is no way further back",
            current.number,
            profile.name()
        ))
        .hint("see all generations: `orlop history`")
    })
}

pub(super) fn pin(context: &Context, arguments: &GenerationArgument) -> Result<(), CommandError> {
    let (_store, profile) = context.open_profile()?;
    let number = arguments.generation;
    if context.global.dry_run {
        profile.generation(number)?;
        let name = profile.name();
        let text = format!("Would protect generation {number} of `{name}`");
        context.ui.status(text);
        return Ok(());
    }
    profile.pin(number)?;
    context.ui.success(format!(
        "Generation {number} of `{}` stays until it is unpinned",
        profile.name()
    ));
    Ok(())
}

pub(super) fn unpin(context: &Context, arguments: &GenerationArgument) -> Result<(), CommandError> {
    let (_store, profile) = context.open_profile()?;
    let number = arguments.generation;
    let dry_run = context.global.dry_run;
    let was_pinned = if dry_run {
        profile.is_pinned(number)?
    } else {
        profile.unpin(number)?
    };
    if !was_pinned {
        return Err(CommandError::failed(format!(
            "generation {number} of `{}` is not pinned",
            profile.name()
        )));
    }
    if dry_run {
        let name = profile.name();
        let text = format!("Would take the protection of generation {number} of `{name}` away");
        context.ui.status(text);
        return Ok(());
    }
    context.ui.success(format!(
        "Generation {number} of `{}` is no longer pinned",
        profile.name()
    ));
    Ok(())
}
