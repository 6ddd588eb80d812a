//! [`Filter`]: which files of a folder or a commit are the source of a native library. What is left
//! out is not in the key either.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{RecipeError, RecipeErrorKind, literal, reason};
use crate::reader::Table;

/// Which files are taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct Filter {
    /// The files and folders that are taken; none named means all. `*` stays inside a folder, `**`
    /// does not.
    pub include: Vec<String>,
    /// The files and folders that are not taken.
    pub exclude: Vec<String>,
}

/// A [`Filter`] that can be asked.
#[derive(Debug)]
pub struct Matcher {
    include: Option<GlobSet>,
    exclude: GlobSet,
}

impl Filter {
    pub(super) fn read(table: &mut Table<'_>) -> Result<Self, RecipeError> {
        let Some(mut table) = table.table("filter")? else {
            return Ok(Self::default());
        };
        let filter = Self {
            include: table.texts("include", glob)?,
            exclude: table.texts("exclude", glob)?,
        };
        table.finish()?;
        Ok(filter)
    }

    /// Returns it so that it can be asked.
    pub fn matcher(&self) -> Matcher {
        Matcher {
            include: (!self.include.is_empty()).then(|| set(&self.include)),
            exclude: set(&self.exclude),
        }
    }
}

impl Matcher {
    /// Whether a file is taken, by its path in the source. A folder stands for all that is in it.
    pub fn takes(&self, path: &str) -> bool {
        let folders = path.match_indices('/').map(|(place, _)| &path[..place]);
        let mut parts: Vec<_> = folders.collect();
        parts.push(path);
        let any = |set: &GlobSet| parts.iter().any(|part| set.is_match(part));
        self.include.as_ref().is_none_or(any) && !any(&self.exclude)
    }
}

fn set(globs: &[String]) -> GlobSet {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(compiled(glob).expect("it was read once already"));
    }
    set.build().expect("each of them can be read")
}

fn compiled(text: &str) -> Result<globset::Glob, globset::Error> {
    GlobBuilder::new(text).literal_separator(true).build()
}

pub(super) fn glob(text: &str) -> Result<String, RecipeErrorKind> {
    let reason = match compiled(text) {
        Ok(_) if text.is_empty() => "it is empty".to_owned(),
        Ok(_) if text.starts_with('/') => "it begins at the top anyway".to_owned(),
        Ok(_) => return Ok(text.to_owned()),
        Err(error) => reason(error.kind()),
    };
    Err(RecipeErrorKind::Text {
        text: literal(text),
        expected: "a pattern of files",
        reason,
        help: Some("write it like `src/**/*.c`, or name a folder: `docs`"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_stand_for_what_is_in_them() {
        let filter = Filter {
            include: vec!["src".to_owned(), "*.txt".to_owned()],
            exclude: vec!["**/*.o".to_owned(), "src/old".to_owned()],
        };
        let matcher = filter.matcher();
        for (path, taken) in [
            ("src/a.c", true),
            ("src/deep/b.c", true),
            ("src/a.o", false),
            ("src/old/a.c", false),
            ("src/older/a.c", true),
            ("notes.txt", true),
            ("doc/notes.txt", false),
        ] {
            assert_eq!(matcher.takes(path), taken, "{path}");
        }
        assert!(Filter::default().matcher().takes("anything/at/all"));
    }

    #[test]
    fn patterns_are_checked() {
        assert!(glob("**/*.{c,h}").is_ok());
        for bad in ["", "/src", "a[", "{a"] {
            assert!(glob(bad).is_err(), "{bad}");
        }
    }
}
