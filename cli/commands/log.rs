//! `log`: what builds said.

use std::collections::BTreeSet;

use orlop_build::log::{self, KnownLog};
use orlop_store::{Store, StorePath};
use serde::Serialize;

use crate::args::Log;
use crate::context::Context;
use crate::error::{CommandError, Kind};

/// One log, as data.
#[derive(Serialize)]
struct Entry {
    name: String,
    object: StorePath,
    path: String,
    finished: bool,
    lines: Vec<String>,
}

pub(super) fn log(context: &Context, arguments: &Log) -> Result<(), CommandError> {
    let store = context.store()?;
    let io = |error: std::io::Error| CommandError::new(Kind::Failed, error);
    let logs = log::known(&store).map_err(io)?;
    let chosen = match &arguments.name {
        Some(name) => of_name(logs, name)?,
        None => vec![last_failed(&store, logs)?],
    };
    let mut entries = Vec::new();
    for log in chosen {
        entries.push(Entry {
            lines: log::read(&log).map_err(io)?,
            finished: store.contains(&log.object)?,
            name: log.name,
            object: log.object,
            path: log.path.into_string(),
        });
    }
    if context.global.json {
        return context.ui.data_json(&entries);
    }
    for entry in entries {
        for line in entry.lines {
            context.ui.data(line);
        }
    }
    Ok(())
}

/// The latest log of each step of a package: its library, its build script, its programs.
fn of_name(logs: Vec<KnownLog>, wanted: &str) -> Result<Vec<KnownLog>, CommandError> {
    let (name, version) = match wanted.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (wanted, None),
    };
    let mut steps = BTreeSet::new();
    let mut chosen: Vec<_> = logs
        .into_iter()
        .filter(|log| {
            let mut words = log.name.split(' ');
            words.next() == Some(name)
                && version.is_none_or(|version| words.next() == Some(version))
        })
        .filter(|log| steps.insert(log.name.clone()))
        .collect();
    // In the order in which they were written.
    chosen.reverse();
    if chosen.is_empty() {
        return Err(CommandError::failed(format!(
            "nothing called `{wanted}` was built in this home"
        ))
        .hint("what was installed from ready-made objects has no log"));
    }
    Ok(chosen)
}

fn last_failed(store: &Store, logs: Vec<KnownLog>) -> Result<KnownLog, CommandError> {
    for log in logs {
        if !store.contains(&log.object)? {
            return Ok(log);
        }
    }
    Err(CommandError::failed("no build has failed")
        .hint("name an app or a crate: `orlop log ripgrep`"))
}
