//! What mends a recipe. Each fix works on all of the document that its rule looks at; comments
//! stay.

use std::collections::BTreeSet;

use toml_edit::{DocumentMut, Item, TableLike, Value};

use super::any::is_empty;
use crate::choice::Choice as _;
use crate::edit;
use crate::recipe::RecipeKind;

/// The layout is put right for all fixes together.
pub(super) fn layout(_: &mut DocumentMut) {}

pub(super) fn summary(document: &mut DocumentMut) {
    replace_text(document, "summary", |text| Some(plain_summary(text)));
}

/// Returns a summary as lists show it: capital letter, no article, no stop.
pub(crate) fn plain_summary(text: &str) -> String {
    let mut text = text.trim();
    for article in ["A ", "a ", "An ", "an ", "The ", "the "] {
        text = text.strip_prefix(article).unwrap_or(text);
    }
    let text = text.trim_end_matches('.');
    let mut letters = text.chars();
    // A word with a capital letter inside is a name that is written like that.
    let first_word = text.split_whitespace().next().unwrap_or_default();
    match letters.next() {
        Some(first) if !first_word.chars().any(char::is_uppercase) => {
            first.to_uppercase().chain(letters).collect()
        }
        _ => text.to_owned(),
    }
}

pub(super) fn license(document: &mut DocumentMut) {
    replace_text(document, "license", |text| {
        spdx::Expression::canonicalize(text).ok().flatten()
    });
}

pub(super) fn redundant_default(document: &mut DocumentMut) {
    let Some((kind, table)) = table(document) else {
        return;
    };
    let redundant: Vec<String> = table
        .iter()
        .filter(|(key, item)| is_default(kind, table, key, item))
        .map(|(key, _)| key.to_owned())
        .collect();
    for key in redundant {
        table.remove(&key);
    }
}

/// Whether a key says what holds without it.
pub(super) fn is_default(kind: &str, table: &dyn TableLike, key: &str, item: &Item) -> bool {
    let text = item.as_str();
    let name = table.get("name").and_then(Item::as_str);
    match (kind, key) {
        ("app", "crate") => text == name,
        ("app", "default-features") => item.as_bool() == Some(true),
        ("app", "version" | "update" | "share-versions") | ("crate", "versions") => {
            matches!(text.map(str::trim), Some("*" | "latest"))
        }
        // No tools is a choice: it says that none are needed.
        (_, "tools") => false,
        _ => is_empty(item),
    }
}

pub(super) fn repeated_item(document: &mut DocumentMut) {
    let Some((_, table)) = table(document) else {
        return;
    };
    for (_, item) in table.iter_mut() {
        let Some(array) = item.as_array_mut() else {
            continue;
        };
        let mut seen = BTreeSet::new();
        array.retain(|value| {
            value
                .as_str()
                .is_none_or(|text| seen.insert(text.to_owned()))
        });
    }
}

pub(super) fn useless_alias(document: &mut DocumentMut) {
    let Some((_, table)) = table(document) else {
        return;
    };
    let binaries = table.get("binaries").and_then(Item::as_array);
    let mut known: BTreeSet<String> = binaries
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    known.extend(table.get("name").and_then(Item::as_str).map(str::to_owned));
    let Some(aliases) = table.get_mut("aliases").and_then(Item::as_array_mut) else {
        return;
    };
    aliases.retain(|alias| alias.as_str().is_none_or(|alias| !known.contains(alias)));
    if aliases.is_empty() {
        table.remove("aliases");
    }
}

/// Replaces the text of a key where `change` has a better one.
fn replace_text(document: &mut DocumentMut, key: &str, change: impl Fn(&str) -> Option<String>) {
    let Some((_, table)) = table(document) else {
        return;
    };
    if let Some(Item::Value(value)) = table.get_mut(key)
        && let Some(better) = value.as_str().and_then(change)
    {
        edit::replace(value, better.into());
    }
}

fn table(document: &mut DocumentMut) -> Option<(&'static str, &mut dyn TableLike)> {
    let kind = RecipeKind::ALL
        .iter()
        .map(|kind| kind.as_str())
        .find(|kind| document.contains_key(kind))?;
    Some((kind, document.get_mut(kind)?.as_table_like_mut()?))
}
