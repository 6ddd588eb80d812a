//! `history`, `rollback`, `pin`: the generations of a profile.

use orlop_store::{Generation, Profile};
use serde::Serialize;

use crate::args::{GenerationArgument, Rollback};
use crate::context::Context;
use crate::error::CommandError;

/// One generation, as data.
#[derive(Serialize)]
struct Entry {
    number: u64,
    parent: Option<u64>,
    current: bool,
    created: String,
    command: String,
    apps: Vec<String>,
}

pub(super) fn history(context: &Context) -> Result<(), CommandError> {
    let (_store, profile) = context.read_profile()?;
    let current = profile.current_number().unwrap_or_default();
    let entries: Vec<_> = profile
        .generations()?
        .into_iter()
        .map(|generation| Entry {
            number: generation.number,
            parent: generation.parent,
            current: Some(generation.number) == current,
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
        })
        .collect();
    if context.global.json {
        return context.ui.data_json(&entries);
    }
    let mut table = super::table(&["", "generation", "made from", "when", "command", "apps"]);
    for entry in entries {
        table.add_row(vec![
            if entry.current {
                "->".to_owned()
            } else {
                String::new()
            },
            entry.number.to_string(),
            entry
                .parent
                .map_or_else(String::new, |parent| parent.to_string()),
            entry.created,
            entry.command,
            entry.apps.join(", "),
        ]);
    }
    context.ui.data(table.trim_fmt());
    Ok(())
}

pub(super) fn rollback(context: &Context, arguments: &Rollback) -> Result<(), CommandError> {
    let (store, profile) = context.open_profile()?;
    let _in_use = store.use_store()?;
    let _lock = profile.lock(&mut |holder| {
        context.ui.status(format!(
            "Waiting for {holder}, which changes `{}`",
            profile.name()
        ));
    })?;
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
    if !profile.unpin(number)? {
        return Err(CommandError::failed(format!(
            "generation {number} of `{}` is not pinned",
            profile.name()
        )));
    }
    context.ui.success(format!(
        "Generation {number} of `{}` is no longer pinned",
        profile.name()
    ));
    Ok(())
}
