//! `diff`: what changed between two generations.

use std::collections::{BTreeMap, BTreeSet};

use orlop_store::{Generation, Profile, Store, StorePath};
use serde::Serialize;

use crate::args::Diff;
use crate::context::Context;
use crate::error::CommandError;
use crate::progress::bytes_text;

/// What changed, as data.
#[derive(Serialize)]
struct Difference {
    profile: String,
    from: u64,
    to: u64,
    /// The command that made the newer one.
    command: String,
    apps: Vec<Change>,
    /// Crates of any app.
    packages: Vec<Change>,
    /// What all apps are compiled from, by name and key.
    variants: Variants,
    /// What all views and the libraries they need take, before and after.
    bytes: [u64; 2],
}

/// Which variants came and went, and how many stayed.
#[derive(Serialize)]
struct Variants {
    added: BTreeSet<StorePath>,
    removed: BTreeSet<StorePath>,
    kept: usize,
}

/// One thing that was added, removed or changed.
#[derive(Serialize)]
pub(super) struct Change {
    name: String,
    before: Option<String>,
    after: Option<String>,
}

impl Change {
    /// The change on one line.
    pub(super) fn text(&self) -> String {
        let name = &self.name;
        match (&self.before, &self.after) {
            (None, Some(after)) => format!("+ {name} {after}"),
            (Some(before), None) => format!("- {name} {before}"),
            (before, after) => format!(
                "  {name} {} -> {}",
                before.as_deref().unwrap_or_default(),
                after.as_deref().unwrap_or_default()
            ),
        }
    }
}

pub(super) fn diff(context: &Context, arguments: &Diff) -> Result<(), CommandError> {
    let (store, profile) = super::open(context)?;
    let to = match arguments.to {
        Some(number) => profile.generation(number)?,
        None => super::current(&profile)?,
    };
    let Some(from) = arguments.from.or(to.parent) else {
        return Err(from_nothing(&profile, to.number)?);
    };
    let difference = difference(&store, &profile, &profile.generation(from)?, &to)?;
    if context.global.json {
        return context.ui.data_json(&difference);
    }
    context.ui.data(format!(
        "Generation {} to {} of `{}`, by `{}`",
        difference.from, difference.to, difference.profile, difference.command
    ));
    for (title, changes) in [("Apps", &difference.apps), ("Crates", &difference.packages)] {
        if !changes.is_empty() {
            context.ui.data(format!("{title}:"));
        }
        for change in changes {
            context.ui.data(format!("  {}", change.text()));
        }
    }
    let Variants {
        added,
        removed,
        kept,
    } = &difference.variants;
    context.ui.data(format!(
        "Variants: {} added, {} removed, {kept} kept",
        added.len(),
        removed.len()
    ));
    let [before, after] = difference.bytes;
    context.ui.data(format!(
        "Size: {} -> {}",
        bytes_text(before),
        bytes_text(after)
    ));
    Ok(())
}

/// The error of a generation that was made from no other.
fn from_nothing(profile: &Profile, number: u64) -> Result<CommandError, CommandError> {
    let all = profile.generations()?;
    let mut others = all
        .iter()
        .map(|one| one.number)
        .filter(|one| *one != number);
    Ok(match others.next_back() {
        None => CommandError::failed(format!(
            "generation {number} of `{}` is the only one: there is nothing to compare it with",
            profile.name()
        )),
        Some(other) => {
            let (from, to) = (other.min(number), other.max(number));
            CommandError::failed(format!("generation {number} was made from nothing"))
                .hint(format!("compare it with another: `orlop diff {from} {to}`"))
        }
    })
}

fn difference(
    store: &Store,
    profile: &Profile,
    from: &Generation,
    to: &Generation,
) -> Result<Difference, CommandError> {
    Ok(Difference {
        profile: profile.name().to_owned(),
        from: from.number,
        to: to.number,
        command: to.command.clone(),
        apps: changes(&apps(from), &apps(to)),
        packages: package_changes(&packages(from)?, &packages(to)?),
        variants: Variants::between(from, to)?,
        bytes: [size(store, from)?, size(store, to)?],
    })
}

impl Variants {
    fn between(from: &Generation, to: &Generation) -> Result<Self, CommandError> {
        let of = |generation: &Generation| -> Result<BTreeSet<StorePath>, CommandError> {
            Ok(generation.libraries()?.into_values().flatten().collect())
        };
        let (before, after) = (of(from)?, of(to)?);
        Ok(Self {
            added: after.difference(&before).cloned().collect(),
            removed: before.difference(&after).cloned().collect(),
            kept: before.intersection(&after).count(),
        })
    }
}

fn apps(generation: &Generation) -> BTreeMap<String, String> {
    let apps = generation.apps.iter().map(|app| {
        let text = format!(
            "{} ({}, {}, {})",
            app.version,
            app.linkage,
            app.compiler,
            &app.view.short()[..8]
        );
        (app.name.clone(), text)
    });
    apps.collect()
}

/// The crates of all apps: by name, every version with its features.
type Packages = BTreeMap<String, BTreeSet<String>>;

fn packages(generation: &Generation) -> Result<Packages, CommandError> {
    let lock = super::locked(generation)?;
    let mut found = Packages::new();
    for app in &generation.apps {
        for variant in lock
            .app_by_name(&app.name)
            .into_iter()
            .flat_map(orlop_resolver::LockedApp::variants)
        {
            let features: Vec<_> = variant.features.iter().map(AsRef::as_ref).collect();
            let text = if features.is_empty() {
                variant.version.to_string()
            } else {
                format!("{} [{}]", variant.version, features.join(", "))
            };
            found
                .entry(variant.name.to_string())
                .or_default()
                .insert(text);
        }
    }
    Ok(found)
}

/// Compares the crates of two generations: a version that both have is no change, whatever else of
/// that name came or went.
fn package_changes(before: &Packages, after: &Packages) -> Vec<Change> {
    let none = BTreeSet::new();
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let change = |name: &String| {
        let before = before.get(name).unwrap_or(&none);
        let after = after.get(name).unwrap_or(&none);
        Change {
            name: name.clone(),
            before: joined(before.difference(after)),
            after: joined(after.difference(before)),
        }
    };
    let changes = names.into_iter().map(change);
    changes
        .filter(|change| change.before.is_some() || change.after.is_some())
        .collect()
}

/// Returns none for nothing.
fn joined<'a>(versions: impl Iterator<Item = &'a String>) -> Option<String> {
    let versions: Vec<_> = versions.map(String::as_str).collect();
    (!versions.is_empty()).then(|| versions.join(" and "))
}

/// Compares two lists of names and what is said of them.
pub(super) fn changes(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Vec<Change> {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| Change {
            name: name.clone(),
            before: before.get(name).cloned(),
            after: after.get(name).cloned(),
        })
        .collect()
}

fn size(store: &Store, generation: &Generation) -> Result<u64, CommandError> {
    let views = generation.apps.iter().map(|app| app.view.clone()).collect();
    Ok(store.closure_bytes(&views)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(of: &[(&str, &[&str])]) -> Packages {
        let of = of.iter().map(|(name, versions)| {
            let versions = versions.iter().map(|version| (*version).to_owned());
            ((*name).to_owned(), versions.collect())
        });
        of.collect()
    }

    #[test]
    fn what_stays_is_no_change() {
        let before = packages(&[
            ("gone", &["1.0.0"]),
            ("less", &["1.0.0", "2.0.0"]),
            ("more", &["2.0.0 [std]"]),
            ("other", &["1.0.0", "2.0.0"]),
            ("same", &["1.0.0", "2.0.0"]),
        ]);
        let after = packages(&[
            ("less", &["2.0.0"]),
            ("more", &["1.0.0", "1.1.0 [std]", "2.0.0 [std]"]),
            ("new", &["1.0.0"]),
            ("other", &["1.0.1", "2.0.0"]),
            ("same", &["1.0.0", "2.0.0"]),
        ]);
        let changes = package_changes(&before, &after);
        let lines: Vec<_> = changes.iter().map(Change::text).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        - gone 1.0.0
        - less 1.0.0
        + more 1.0.0 and 1.1.0 [std]
        + new 1.0.0
          other 1.0.0 -> 1.0.1
        ");
    }
}
