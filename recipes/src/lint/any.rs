//! Checks of all recipes, of overrides and of native libraries.

use std::borrow::Cow;
use std::collections::BTreeSet;

use toml_edit::{Item, TableLike};

use super::subject::{Subject, tables};
use super::{Report, fixes};
use crate::format::rank;
use crate::name::PackageName;
use crate::recipe::{LibraryRecipe, NativeRecipe, Need, Needs, Recipe, RecipeSet, Unmet};

pub(super) fn key_order(subject: &Subject<'_>, report: &mut Report<'_>) {
    if let Some(root) = subject.root() {
        ordered("", root, report);
    }
}

fn ordered(name: &str, table: &dyn TableLike, report: &mut Report<'_>) {
    let mut highest: Option<(usize, &str)> = None;
    for (key, item) in table.iter() {
        // Tables with heads of their own come behind values in any case.
        let is_value = item.is_value();
        for inner in tables(item) {
            ordered(key, inner, report);
        }
        let place = rank(name, key);
        match highest {
            Some((before, other)) if is_value && place < before => {
                let span = table
                    .key(key)
                    .and_then(toml_edit::Key::span)
                    .unwrap_or(0..0);
                report.add(&span, format!("`{key}` comes before `{other}`"));
            }
            _ if is_value => highest = Some((place, key)),
            _ => {}
        }
    }
}

pub(super) fn redundant_default(subject: &Subject<'_>, report: &mut Report<'_>) {
    let Some((kind, table)) = subject.table() else {
        return;
    };
    for (key, item) in table.iter() {
        if fixes::is_default(kind, table, key, item) {
            report.add(
                &item.span().unwrap_or(0..0),
                format!("`{key}` says what goes without saying"),
            );
        }
    }
}

pub(super) fn repeated_item(subject: &Subject<'_>, report: &mut Report<'_>) {
    let Some((_, table)) = subject.table() else {
        return;
    };
    for (_, item) in table.iter() {
        let mut seen = BTreeSet::new();
        for value in item.as_array().into_iter().flatten() {
            if let Some(text) = value.as_str()
                && !seen.insert(text)
            {
                report.add(
                    &value.span().unwrap_or(0..0),
                    format!("`{text}` is here twice"),
                );
            }
        }
    }
}

pub(super) fn file_name(subject: &Subject<'_>, report: &mut Report<'_>) {
    let file = subject.file_name.rsplit('/').next().unwrap_or_default();
    let name = subject.recipe.name();
    let expected = format!("{name}.toml");
    // What the crate of an app needs to be built lies beside the recipe of the app.
    let beside = subject.change().is_some() && file == format!("{name}-build.toml");
    // Several versions of a native library lie side by side.
    let version = match subject.recipe {
        Recipe::Library(library) => Some(library.version.clone()),
        Recipe::Cdylib(cdylib) => Some(cdylib.version.to_string()),
        _ => None,
    };
    let named = file
        .strip_prefix(&format!("{name}-"))
        .and_then(|rest| rest.strip_suffix(".toml"));
    let beside = beside
        || version.zip(named).is_some_and(|(version, start)| {
            version == start || version.starts_with(&format!("{start}."))
        });
    if file != expected && !beside {
        report.add(
            &subject.head(),
            format!("the file would be found as `{expected}`"),
        );
    }
}

pub(super) fn todo_left(subject: &Subject<'_>, report: &mut Report<'_>) {
    for (place, word) in subject.text.match_indices("TODO") {
        let rest = subject.text[place..].lines().next().unwrap_or(word);
        let rest = rest.trim_end_matches(['"', '\'', ']', '}', ',', ' ']);
        report.add(&(place..place + rest.len()), crate::error::literal(rest));
    }
}

const INSECURE: &str =
    "anybody on the way can see what is fetched, and break it: `https://` is safe";

fn is_insecure(address: &str) -> bool {
    address.starts_with("http://") || address.starts_with("git://")
}

pub(super) fn insecure_address(subject: &Subject<'_>, report: &mut Report<'_>) {
    for (address, span) in subject.in_sources(&["url", "mirrors", "git"]) {
        if is_insecure(address) {
            report.add(&span, INSECURE);
        }
    }
}

const PLACEHOLDER: &str = "this stands for digits that are not known yet";

/// Whether digits are all the same.
fn is_placeholder(digits: &str) -> bool {
    let mut distinct = digits.bytes().collect::<BTreeSet<_>>();
    distinct.pop_first();
    distinct.is_empty()
}

pub(super) fn placeholder(subject: &Subject<'_>, report: &mut Report<'_>) {
    for (digits, span) in subject.in_sources(&["sha256", "checksum", "rev"]) {
        if is_placeholder(digits) {
            report.add(&span, PLACEHOLDER);
        }
    }
}

pub(super) fn unknown_library(subject: &Subject<'_>, report: &mut Report<'_>) {
    let instead = subject.change().map(|change| change.instead.keys());
    for name in instead.into_iter().flatten() {
        if subject.known.recipes.native(name, &Need::any()).is_err() {
            report.add(
                &subject.value(&format!("instead.{name}")),
                format!("there is no recipe of a native library `{name}`"),
            );
        }
    }
    let own = subject.library().map(|library| &library.name);
    let needs: Vec<(&str, &Needs)> = match subject.recipe {
        Recipe::Crate(change) => vec![
            ("native", &change.native),
            ("needs.build", &change.needs.build),
        ],
        Recipe::Library(library) => vec![
            ("native", &library.native),
            ("needs.build", &library.needs.build),
            ("needs.test", &library.needs.test),
        ],
        _ => Vec::new(),
    };
    for (key, needs) in needs {
        for (name, need) in needs {
            let message = match subject.known.recipes.native(name, need) {
                Err(Unmet::NoRecipe { .. }) if own != Some(name) => {
                    format!("there is no recipe of a native library `{name}`")
                }
                Err(unmet) if own != Some(name) => format!("it needs {unmet}"),
                _ => continue,
            };
            report.add(&subject.named(key, name.as_str()), message);
        }
    }
}

pub(super) fn needs_itself(subject: &Subject<'_>, report: &mut Report<'_>) {
    let Some(library) = subject.library() else {
        return;
    };
    let keys = [
        ("native", &library.native),
        ("needs.build", &library.needs.build),
    ];
    for (key, needs) in keys {
        for (name, need) in needs {
            let Some(way) = way_back(library, (name, need), &subject.known.recipes) else {
                continue;
            };
            let message = match way.as_slice() {
                [] => "it would have to be built before it is built".to_owned(),
                way => format!(
                    "it needs `{}`, which needs it",
                    way.join("`, which needs `")
                ),
            };
            report.add(&subject.named(key, name.as_str()), message);
        }
    }
}

/// Returns the libraries between a library and itself, if what it needs leads back to it. Other
/// versions of it are other libraries.
fn way_back<'a>(
    library: &'a LibraryRecipe,
    (name, need): (&'a PackageName, &'a Need),
    recipes: &'a RecipeSet,
) -> Option<Vec<&'a str>> {
    let mut seen = BTreeSet::new();
    let mut open = vec![(Vec::new(), name, need)];
    while let Some((way, name, need)) = open.pop() {
        let found = match recipes.native(name, need) {
            Ok(Cow::Borrowed(NativeRecipe::Library(found))) => Some(&**found),
            // Its recipe may be the only one.
            Err(Unmet::NoRecipe { .. }) if *name == library.name => Some(library),
            _ => None,
        };
        let Some(found) = found else {
            continue;
        };
        if (&found.name, &found.version) == (&library.name, &library.version) {
            return Some(way);
        }
        if seen.insert((&found.name, &found.version)) {
            let way: Vec<_> = way.into_iter().chain([found.name.as_str()]).collect();
            let needs = found.native.iter().chain(&found.needs.build);
            open.extend(needs.map(|(name, need)| (way.clone(), name, need)));
        }
    }
    None
}

pub(super) fn script_without_out(subject: &Subject<'_>, report: &mut Report<'_>) {
    let script = subject
        .library()
        .and_then(|library| library.script.as_deref());
    let mentions = |script: &str| script.contains("$out") || script.contains("${out");
    if script.is_some_and(|script| !mentions(script)) {
        report.add(
            &subject.value("script"),
            "nothing is put into `$out`, so nothing is built",
        );
    }
}

/// Whether an item is an empty array or an empty table.
pub(super) fn is_empty(item: &Item) -> bool {
    item.as_array().is_some_and(toml_edit::Array::is_empty)
        || item.as_table_like().is_some_and(TableLike::is_empty)
}
