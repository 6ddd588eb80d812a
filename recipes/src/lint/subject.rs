//! [`Subject`]: a recipe that is looked at, and where things stand in it.

use std::ops::Range;

use toml_edit::{Document, Item, TableLike};

use super::Known;
use crate::choice::Choice as _;
use crate::recipe::{AppRecipe, CrateOverride, LibraryRecipe, Recipe};

/// A recipe that is looked at.
pub(super) struct Subject<'a> {
    pub(super) file_name: &'a str,
    pub(super) text: &'a str,
    pub(super) recipe: &'a Recipe,
    pub(super) known: &'a Known,
    document: Option<Document<&'a str>>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(
        file_name: &'a str,
        text: &'a str,
        recipe: &'a Recipe,
        known: &'a Known,
    ) -> Self {
        Self {
            file_name,
            text,
            recipe,
            known,
            document: Document::parse(text).ok(),
        }
    }

    pub(super) fn app(&self) -> Option<&'a AppRecipe> {
        match self.recipe {
            Recipe::App(app) => Some(app),
            _ => None,
        }
    }

    pub(super) fn change(&self) -> Option<&'a CrateOverride> {
        match self.recipe {
            Recipe::Crate(change) => Some(change),
            _ => None,
        }
    }

    pub(super) fn library(&self) -> Option<&'a LibraryRecipe> {
        match self.recipe {
            Recipe::Library(library) => Some(library),
            _ => None,
        }
    }

    /// The table that the recipe is, with its name.
    pub(super) fn table(&self) -> Option<(&'static str, &dyn TableLike)> {
        let kind = self.recipe.kind().as_str();
        let item = self.document.as_ref()?.get(kind)?;
        Some((kind, item.as_table_like()?))
    }

    /// The file as a table.
    pub(super) fn root(&self) -> Option<&dyn TableLike> {
        self.document
            .as_ref()
            .map(|document| document.as_table() as &dyn TableLike)
    }

    /// Where the name of what is built stands.
    pub(super) fn head(&self) -> Range<usize> {
        self.value("name")
    }

    /// Where the value of a key stands; a key of a table in the table as `source.url`.
    pub(super) fn value(&self, path: &str) -> Range<usize> {
        self.item(path).and_then(Item::span).unwrap_or(0..0)
    }

    /// Where an item of an array stands.
    pub(super) fn item_of(&self, key: &str, text: &str) -> Range<usize> {
        let array = self.item(key).and_then(Item::as_array);
        array
            .into_iter()
            .flatten()
            .find(|item| item.as_str() == Some(text))
            .and_then(toml_edit::Value::span)
            .unwrap_or_else(|| self.value(key))
    }

    /// Where a name stands that is an item of an array or the key of a table.
    pub(super) fn named(&self, key: &str, name: &str) -> Range<usize> {
        let table = self.item(key).and_then(Item::as_table_like);
        table
            .and_then(|table| table.key(name)?.span())
            .unwrap_or_else(|| self.item_of(key, name))
    }

    /// Where a text stands in the tables of a table.
    pub(super) fn text_in(&self, key: &str, text: &str) -> Range<usize> {
        let outer = self.item(key).and_then(Item::as_table_like);
        outer
            .into_iter()
            .flat_map(TableLike::iter)
            .filter_map(|(_, item)| item.as_table_like())
            .flat_map(TableLike::iter)
            .find(|(_, item)| item.as_str() == Some(text))
            .and_then(|(_, item)| item.span())
            .unwrap_or(0..0)
    }

    /// The texts of some keys, also in arrays, of all that the recipe names as a source: its own, or
    /// several, and those of patches.
    pub(super) fn in_sources(&self, keys: &[&str]) -> Vec<(&str, Range<usize>)> {
        let own = self.item("source").into_iter();
        let patches = self.item("patch").and_then(Item::as_table_like);
        let patches = patches.into_iter().flat_map(TableLike::iter);
        let sources = own.chain(patches.map(|(_, item)| item)).flat_map(tables);
        let values =
            sources.flat_map(|table| keys.iter().filter_map(|key| table.get(key)?.as_value()));
        let texts = values.flat_map(|value| match value.as_array() {
            Some(items) => items.iter().collect(),
            None => vec![value],
        });
        texts
            .filter_map(|value| Some((value.as_str()?, value.span().unwrap_or(0..0))))
            .collect()
    }

    fn item(&self, path: &str) -> Option<&Item> {
        let (_, mut table) = self.table()?;
        let mut parts = path.split('.');
        let mut item = table.get(parts.next()?)?;
        for part in parts {
            table = item.as_table_like()?;
            item = table.get(part)?;
        }
        Some(item)
    }
}

/// The tables that an item is or holds: a table, or an array of tables in either notation.
pub(super) fn tables(item: &Item) -> Vec<&dyn TableLike> {
    if let Some(table) = item.as_table_like() {
        return vec![table];
    }
    if let Some(tables) = item.as_array_of_tables() {
        return tables.iter().map(|table| table as &dyn TableLike).collect();
    }
    let items = item.as_array().into_iter().flatten();
    items
        .filter_map(|item| item.as_inline_table())
        .map(|table| table as &dyn TableLike)
        .collect()
}
