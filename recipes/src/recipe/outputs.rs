//! [`OutputGlobs`]: which files of a native library are documentation, and which man pages.

use schemars::JsonSchema;
use serde::Serialize;

use super::filter;
use crate::choice::choice;
use crate::error::RecipeError;
use crate::reader::Table;

choice! {
    /// A part of a native library.
    LibraryOutput {
        /// What others are built against.
        Dev = "dev",
        /// Documentation.
        Doc = "doc",
        /// Man pages.
        Man = "man",
    }
}

/// Which files of a native library are objects of their own. `*` stays inside a folder, `**` does not,
/// and a folder stands for all that is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct OutputGlobs {
    /// Documentation.
    pub doc: Vec<String>,
    /// Man pages.
    pub man: Vec<String>,
}

impl Default for OutputGlobs {
    fn default() -> Self {
        let owned = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect();
        Self {
            doc: owned(&["share/doc", "share/gtk-doc", "share/html", "share/info"]),
            man: owned(&["share/man", "man"]),
        }
    }
}

impl OutputGlobs {
    pub(super) fn read(table: &mut Table<'_>) -> Result<Self, RecipeError> {
        let mut globs = Self::default();
        let Some(mut table) = table.table("outputs")? else {
            return Ok(globs);
        };
        for (key, known) in [("doc", &mut globs.doc), ("man", &mut globs.man)] {
            if let Some(written) = table.take(key) {
                *known = written.texts(filter::glob)?;
            }
        }
        table.finish()?;
        Ok(globs)
    }
}
