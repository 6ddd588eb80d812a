//! [`Wish`]: what a manifest or a recipe asks for, where nobody can have it. That it is written as
//! it should be, the reader has seen; only who looks into the store or at the clock knows the rest.

use std::ops::Range;

use jiff::Timestamp;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::choice::Choice as _;
use crate::error::{RecipeError, RecipeErrorKind};
use crate::name::PackageName;
use crate::recipe::RecipeKind;
use crate::text;

/// What a manifest or a recipe asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// A compiler of this name.
    Compiler(String),
    /// A native library of this name, in `natives`.
    Native(PackageName),
    /// The codegen options of one package.
    Codegen(PackageName),
    /// The linkage of one package.
    Linkage(PackageName),
    /// The registry as it was then.
    Snapshot(Timestamp),
    /// A native library that the recipe of something needs.
    Need {
        /// What the recipe is for.
        user: PackageName,
        /// The library.
        library: PackageName,
    },
}

impl Wish {
    /// Makes the error that shows where a file has the wish; none if it is not there.
    pub fn refused(&self, file: &str, text: &str, reason: &str) -> Option<RecipeError> {
        let root = DeTable::parse(text).ok()?;
        let place = self.place(root.get_ref())?;
        let reason = reason.to_owned();
        let kind = RecipeErrorKind::Unmet { reason };
        Some(RecipeError::new(file, text, place, kind))
    }

    fn place(&self, root: &DeTable<'_>) -> Option<Range<usize>> {
        match self {
            Self::Compiler(name) => {
                first(tables(root).filter_map(|table| equal(table.get("compiler")?, name)))
            }
            Self::Native(name) => {
                first(tables(root).filter_map(|table| named(table.get("natives")?, name)))
            }
            Self::Codegen(app) => Some(package(root, app)?.get("codegen")?.span()),
            Self::Linkage(app) => {
                let own = package(root, app).and_then(|table| table.get("linkage"));
                Some(own.or_else(|| root.get("linkage"))?.span())
            }
            Self::Snapshot(time) => {
                let value = root.get("snapshot")?;
                let written = match value.get_ref() {
                    DeValue::String(written) => written.to_string(),
                    DeValue::Datetime(written) => written.to_string(),
                    _ => return None,
                };
                (text::snapshot(&written).as_ref() == Ok(time)).then(|| value.span())
            }
            Self::Need { user, library } => {
                let table = recipe(root)?;
                equal(table.get("name")?, user.as_str())?;
                let native = table.get("native");
                let build = table
                    .get("needs")
                    .and_then(|needs| needs.get_ref().get("build"));
                let mut needs = native.into_iter().chain(build);
                needs.find_map(|needs| named(needs, library))
            }
        }
    }
}

fn first(places: impl Iterator<Item = Range<usize>>) -> Option<Range<usize>> {
    places.min_by_key(|place| place.start)
}

/// The tables that ask for something: a manifest and those of its packages, or a recipe.
fn tables<'a, 't>(root: &'a DeTable<'t>) -> impl Iterator<Item = &'a DeTable<'t>> {
    let packages = root
        .get("packages")
        .and_then(|table| table.get_ref().as_table());
    let packages = packages.into_iter().flat_map(|packages| packages.values());
    let packages = packages.filter_map(|package| package.get_ref().as_table());
    packages.chain(recipe(root)).chain([root])
}

fn package<'a, 't>(root: &'a DeTable<'t>, name: &PackageName) -> Option<&'a DeTable<'t>> {
    let packages = root.get("packages")?.get_ref().as_table()?;
    packages.get(name.as_str())?.get_ref().as_table()
}

fn recipe<'a, 't>(root: &'a DeTable<'t>) -> Option<&'a DeTable<'t>> {
    let mut kinds = RecipeKind::ALL.iter();
    kinds.find_map(|kind| root.get(kind.as_str())?.get_ref().as_table())
}

fn equal(value: &Spanned<DeValue<'_>>, text: &str) -> Option<Range<usize>> {
    (value.get_ref().as_str() == Some(text)).then(|| value.span())
}

/// Where a name stands that is an item of an array or the key of a table.
fn named(value: &Spanned<DeValue<'_>>, name: &PackageName) -> Option<Range<usize>> {
    match value.get_ref() {
        DeValue::Array(items) => items.iter().find_map(|item| equal(item, name.as_str())),
        DeValue::Table(table) => {
            let mut keys = table.keys();
            let key = keys.find(|key| key.get_ref() == name.as_str())?;
            Some(key.span())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::error::rendered;

    const MANIFEST: &str = r#"schema = 1
snapshot = 3000-01-01
linkage = "static"
natives = ["zlib", "nope"]

[packages]
a = { codegen = "app", linkage = "crate", compiler = "1.0" }
b = { natives = ["odd"] }
c = { compiler = "2.0" }
"#;

    /// The line, the text that is pointed at.
    fn found(text: &str, wish: &Wish) -> Option<(usize, String)> {
        let error = wish.refused("x.toml", text, "no")?;
        let span = error.span();
        Some((
            text[..span.start].matches('\n').count() + 1,
            text[span].to_owned(),
        ))
    }

    fn name(text: &str) -> PackageName {
        text.parse().unwrap()
    }

    #[test]
    fn wishes_are_found_where_they_stand() {
        let end_of_day = "3000-01-01T23:59:59Z".parse().unwrap();
        for (wish, expected) in [
            (Wish::Compiler("1.0".to_owned()), Some((7, "\"1.0\""))),
            (Wish::Compiler("2.0".to_owned()), Some((9, "\"2.0\""))),
            (Wish::Compiler("3.0".to_owned()), None),
            (Wish::Native(name("nope")), Some((4, "\"nope\""))),
            (Wish::Native(name("odd")), Some((8, "\"odd\""))),
            (Wish::Native(name("other")), None),
            (Wish::Codegen(name("a")), Some((7, "\"app\""))),
            (Wish::Codegen(name("b")), None),
            (Wish::Linkage(name("a")), Some((7, "\"crate\""))),
            (Wish::Linkage(name("b")), Some((3, "\"static\""))),
            (Wish::Snapshot(end_of_day), Some((2, "3000-01-01"))),
            (
                Wish::Snapshot("3000-01-01T00:00:00Z".parse().unwrap()),
                None,
            ),
        ] {
            let expected = expected.map(|(line, text)| (line, text.to_owned()));
            assert_eq!(found(MANIFEST, &wish), expected, "{wish:?}");
        }
        assert_eq!(found("not TOML", &Wish::Native(name("a"))), None);
    }

    #[test]
    fn recipes_have_wishes_too() {
        let plugin = "schema = 1\n[plugin]\nname = \"x\"\ncompiler = \"1.0\"\n";
        let wish = Wish::Compiler("1.0".to_owned());
        assert_eq!(found(plugin, &wish), Some((4, "\"1.0\"".to_owned())));
        let recipe = "schema = 1\n[crate]\nname = \"x\"\nnative = { \"y\" = \"1\" }\nneeds.build = [\"z\"]\n";
        let need = |user, library| Wish::Need {
            user: name(user),
            library: name(library),
        };
        assert_eq!(
            found(recipe, &need("x", "y")),
            Some((4, "\"y\"".to_owned()))
        );
        assert_eq!(
            found(recipe, &need("x", "z")),
            Some((5, "\"z\"".to_owned()))
        );
        assert_eq!(found(recipe, &need("w", "z")), None);
    }

    #[test]
    fn it_is_shown_as_other_errors_are() {
        let wish = Wish::Compiler("2.0".to_owned());
        let error = wish.refused(
            "orlop.toml",
            MANIFEST,
            "there is no compiler `2.0` in the store",
        );
        assert_snapshot!(rendered(&error.unwrap()), @r#"
         × read `orlop.toml`: there is no compiler `2.0` in the store
          ╭─[orlop.toml:9:18]
        8 │ b = { natives = ["odd"] }
        9 │ c = { compiler = "2.0" }
          ·                  ──┬──
          ·                    ╰── asked for here
          ╰────
        "#);
    }
}
