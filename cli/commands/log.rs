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
            let built = built_version(&log.name, name);
            built.is_some_and(|built| version.is_none_or(|version| version == built))
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

/// Returns the version of what a step builds, if that has this name: `serde 1.0.228 (build script)`
/// or, of a native library, `zlib-1.3.1`.
fn built_version<'s>(step: &'s str, name: &str) -> Option<&'s str> {
    let rest = step.strip_prefix(name)?;
    if let Some(words) = rest.strip_prefix(' ') {
        return words.split(' ').next();
    }
    let version = rest.strip_prefix('-')?;
    // `gtk-4-1.0` is a version of `gtk-4`, not of `gtk`.
    let (number, more) = version.split_once('-').unwrap_or((version, ""));
    let digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let is_version = digit(number) && (number.contains('.') || !digit(more));
    (is_version && !version.contains(' ')).then_some(version)
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

#[cfg(test)]
mod tests {
    use super::built_version;

    #[test]
    fn steps_are_of_a_name_and_a_version() {
        for (step, name, expected) in [
            ("serde 1.0.228", "serde", Some("1.0.228")),
            ("serde 1.0.228 (build script)", "serde", Some("1.0.228")),
            ("serde_json 1.0.1", "serde", None),
            ("zlib-1.3.1", "zlib", Some("1.3.1")),
            ("zlib 1.3.1 (test)", "zlib", Some("1.3.1")),
            ("zlib-ng-2.2", "zlib", None),
            ("zlib-ng-2.2", "zlib-ng", Some("2.2")),
            ("gtk-4-1.0", "gtk", None),
            ("gtk-4-1.0", "gtk-4", Some("1.0")),
            ("xz-5-rc1", "xz", Some("5-rc1")),
            ("lz4-1.10.0-2", "lz4", Some("1.10.0-2")),
            ("a-1 2.0.0", "a", None),
        ] {
            assert_eq!(built_version(step, name), expected, "{step} {name}");
        }
    }
}
