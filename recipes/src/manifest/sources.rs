//! `[recipe-sources]`: folders and repositories of recipes. A repository is pinned to a commit, so
//! that the same manifest means the same everywhere.

use std::collections::BTreeMap;

use toml_edit::{InlineTable, Item, Table, Value};

use super::ManifestEditor;
use crate::edit::replace;
use crate::error::RecipeError;
use crate::name::PackageName;
use crate::reader;
use crate::recipe::{CrateSource, crate_source};
use crate::text;

/// The table in a manifest.
const TABLE: &str = "recipe-sources";

/// Reads the table.
pub(super) fn read(
    file: &mut reader::Table<'_>,
) -> Result<BTreeMap<PackageName, CrateSource>, RecipeError> {
    let Some(table) = file.table(TABLE)? else {
        return Ok(BTreeMap::new());
    };
    table
        .into_values()
        .map(|value| Ok((value.key(text::package)?, crate_source(value.table()?)?)))
        .collect()
}

impl ManifestEditor {
    /// Adds a source of recipes, or changes it.
    pub fn set_recipe_source(&mut self, name: &PackageName, source: &CrateSource) {
        let sources = &mut self.manifest.recipe_sources;
        if sources.insert(name.clone(), source.clone()).as_ref() == Some(source) {
            return;
        }
        let table = self
            .document
            .entry(TABLE)
            .or_insert_with(|| Item::Table(Table::new()))
            .as_table_like_mut()
            .expect("a manifest that was read has a table of sources");
        match table.get_mut(name.as_str()) {
            Some(Item::Value(old)) => replace(old, value(source)),
            _ => {
                table.insert(name.as_str(), Item::Value(value(source)));
            }
        }
    }

    /// Removes a source of recipes; returns whether it was there.
    pub fn remove_recipe_source(&mut self, name: &PackageName) -> bool {
        if self.manifest.recipe_sources.remove(name).is_none() {
            return false;
        }
        self.take(TABLE, name);
        self.cut_empty(TABLE);
        true
    }
}

/// Returns a source as a recipe or a manifest has it.
pub(crate) fn value(source: &CrateSource) -> Value {
    let mut table = InlineTable::new();
    match source {
        CrateSource::Path { path } => {
            table.insert("path", path.as_str().into());
        }
        CrateSource::Git { git, rev, folder } => {
            table.insert("git", git.as_str().into());
            table.insert("rev", rev.as_str().into());
            if let Some(folder) = folder {
                table.insert("folder", folder.as_str().into());
            }
        }
    }
    table.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Manifest;

    #[test]
    fn sources_are_added_changed_and_removed() {
        let text = "schema = 1\n# mine\n[packages]\nx = \"1\" # why\n";
        let mut editor = ManifestEditor::new("orlop.toml", text).unwrap();
        let (ours, theirs) = ("ours".parse().unwrap(), "theirs".parse().unwrap());
        let git = |rev: char| CrateSource::Git {
            git: "https://example.org/recipes".to_owned(),
            rev: rev.to_string().repeat(40),
            folder: Some("packages".to_owned()),
        };
        let path = CrateSource::Path {
            path: "../recipes".to_owned(),
        };
        editor.set_recipe_source(&theirs, &git('a'));
        editor.set_recipe_source(&ours, &path);
        editor.set_recipe_source(&theirs, &git('b'));
        let read = Manifest::parse("orlop.toml", &editor.to_string()).unwrap();
        assert_eq!(read.recipe_sources[&theirs], git('b'));
        assert_eq!(read.recipe_sources[&ours], path);
        assert!(editor.remove_recipe_source(&theirs));
        assert!(!editor.remove_recipe_source(&theirs));
        assert_eq!(
            editor.to_string(),
            format!("{text}\n[recipe-sources]\nours = {{ path = \"../recipes\" }}\n")
        );
    }

    /// What is left of a manifest without the sources `a` and `b`, and the recipe `r`.
    #[test]
    fn an_empty_table_goes_and_all_else_stays() {
        const START: &str = "schema = 1\n\n# mine\n[packages] # all\nx = \"1\" # why\n";
        let both = "a = { path = \"a\" } # one\nb = { path = \"b\" }\n";
        for (tables, rest) in [
            (format!("\n[recipe-sources]\n{both}"), ""),
            (
                format!("[recipe-sources]\n{both}# end\n"),
                "[recipe-sources]\n# end\n",
            ),
            (format!("\n[recipe-sources]\n{both}\n# end\n"), "\n# end\n"),
            (
                format!("\n# where from\n[recipe-sources]\n# old\n{both}"),
                "\n# where from\n[recipe-sources]\n# old\n",
            ),
            (
                format!("\n# where from\n[recipe-sources]\n{both}"),
                "\n# where from\n",
            ),
            (
                "\n[recipe-sources.a]\npath = \"a\"\n\n[recipe-sources.b]\npath = \"b\"\n"
                    .to_owned(),
                "\n\n",
            ),
            (
                format!("\n[recipe-sources]\n{both}\n# files\n[recipes]\nr = \"r.toml\"\n"),
                "\n# files\n",
            ),
            (
                format!("\n[recipes]\nr = \"r.toml\"\n\n[recipe-sources]\n{both}"),
                "",
            ),
        ] {
            let text = format!("{START}{tables}");
            let mut editor = ManifestEditor::new("orlop.toml", &text).unwrap();
            for name in ["a", "b"] {
                assert!(
                    editor.remove_recipe_source(&name.parse().unwrap()),
                    "{text}"
                );
            }
            editor.remove_recipe(&"r".parse().unwrap());
            assert_eq!(editor.to_string(), format!("{START}{rest}"), "{text}");
            let read = Manifest::parse("orlop.toml", &editor.to_string()).unwrap();
            assert_eq!(&read, editor.manifest(), "{text}");
        }
    }

    #[test]
    fn a_table_on_one_line_keeps_its_other_sources() {
        let text =
            "schema = 1\nrecipe-sources = { a = { path = \"a\" }, b = { path = \"b\" } } # mine\n";
        let mut editor = ManifestEditor::new("orlop.toml", text).unwrap();
        assert!(editor.remove_recipe_source(&"a".parse().unwrap()));
        assert_eq!(
            editor.to_string(),
            "schema = 1\nrecipe-sources = { b = { path = \"b\" } } # mine\n"
        );
        assert!(editor.remove_recipe_source(&"b".parse().unwrap()));
        assert_eq!(editor.to_string(), "schema = 1\n");
    }

    #[test]
    fn a_repository_must_be_pinned() {
        let text = "schema = 1\n[recipe-sources]\nx = { git = \"https://example.org/x\" }\n";
        let error = Manifest::parse("orlop.toml", text).unwrap_err();
        assert!(
            error.to_string().contains("recipe-sources.x.rev"),
            "{error}"
        );
    }
}
