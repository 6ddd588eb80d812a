//! `environment` of a recipe: the names that it may set, and the names in braces that stand for
//! folders in its values.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{RecipeError, RecipeErrorKind};
use crate::name::PackageName;
use crate::reader::{Located, Table};
use crate::{placeholder, text};

/// Whose environment it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// A crate's: that of its build script and of its compilation.
    Crate,
    /// That of the script of a native library.
    Library,
}

/// What every build sets itself. A recipe that set it would take from the build what it needs, or
/// would be overruled without a word.
const SET: [&str; 10] = [
    "COMPILER_PATH",
    "HOME",
    "LANG",
    "LD_LIBRARY_PATH",
    "NUM_JOBS",
    "PATH",
    "PKG_CONFIG_LIBDIR",
    "PKG_CONFIG_PATH",
    "SOURCE_DATE_EPOCH",
    "TMPDIR",
];

/// What is set for scripts of native libraries beside that.
const SET_FOR_LIBRARIES: [&str; 4] = ["CPATH", "LIBRARY_PATH", "MAKEFLAGS", "out"];

/// What is set for crates beside that, as by Cargo; and all of [`CARGO`].
const SET_FOR_CRATES: [&str; 9] = [
    "CARGO",
    "DEBUG",
    "HOST",
    "OPT_LEVEL",
    "OUT_DIR",
    "PROFILE",
    "RUSTC",
    "RUSTDOC",
    "TARGET",
];

/// How the names begin by which Cargo tells crates of themselves.
const CARGO: &str = "CARGO_";

/// How the names begin by which Orlop's own programs are told what to do.
const OURS: &str = "ORLOP_";

/// Reads `environment`. `libraries` are those whose names in braces stand for their folders.
pub(super) fn read(
    table: &mut Table<'_>,
    whose: Whose,
    libraries: &BTreeSet<&PackageName>,
) -> Result<BTreeMap<String, String>, RecipeError> {
    let Some(variables) = table.table("environment")? else {
        return Ok(BTreeMap::new());
    };
    variables
        .into_values()
        .map(|value| {
            let name = value.key(|text| variable(text, whose))?;
            Ok((name, value.text_at(|text| located(text, libraries))?))
        })
        .collect()
}

fn variable(text: &str, whose: Whose) -> Result<String, RecipeErrorKind> {
    let name = text::variable(text)?;
    let is_set = SET.contains(&text)
        || text.starts_with(OURS)
        || match whose {
            Whose::Crate => SET_FOR_CRATES.contains(&text) || text.starts_with(CARGO),
            Whose::Library => SET_FOR_LIBRARIES.contains(&text),
        };
    if is_set {
        return Err(RecipeErrorKind::Set { name });
    }
    Ok(name)
}

fn located(text: &str, libraries: &BTreeSet<&PackageName>) -> Located<String> {
    let value = text::anything(text).map_err(|kind| (0..text.len(), kind))?;
    let known = || libraries.iter().map(|library| library.as_str());
    let mut names = placeholder::names(text);
    let Some((place, name)) = names.find(|(_, name)| !known().any(|known| known == *name)) else {
        return Ok(value);
    };
    let kind = RecipeErrorKind::Placeholder {
        name: name.to_owned(),
        within: "a value of `environment`",
        suggestion: crate::closest(name, known()).map(|close| format!("{{{close}}}")),
        help: "the native libraries that the recipe is built against stand for their folders here, \
               in the recipe of a native library also those of `needs.build`",
    };
    Err((place, kind))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::Recipe;
    use crate::error::rendered;

    /// A recipe of each kind with an environment, and `native` and `needs.build`.
    fn recipe(whose: Whose, environment: &str) -> String {
        let head = match whose {
            Whose::Crate => "[crate]\nname = \"x-sys\"".to_owned(),
            Whose::Library => format!(
                "[library]\nname = \"x\"\nversion = \"1\"\nbuild = \"make\"\n\
                 source = {{ url = \"https://x.y/z.tar.gz\", sha256 = \"{}\" }}",
                "a".repeat(64)
            ),
        };
        format!(
            "schema = 1\n{head}\nnative = [\"zlib\", \"xz\"]\nneeds.build = [\"bison\"]\n\
             environment = {{ {environment} }}\n"
        )
    }

    #[track_caller]
    fn refused(text: &str) -> String {
        rendered(&Recipe::parse("x.toml", text).unwrap_err())
    }

    #[test]
    fn what_builds_set_is_not_for_recipes() {
        let both = [
            "PATH",
            "HOME",
            "TMPDIR",
            "PKG_CONFIG_PATH",
            "ORLOP_LINK_SET",
        ];
        let crates = [
            "CARGO",
            "CARGO_PKG_NAME",
            "CARGO_ENCODED_RUSTFLAGS",
            "OUT_DIR",
            "TARGET",
        ];
        let libraries = ["out", "CPATH", "LIBRARY_PATH", "MAKEFLAGS"];
        let is_set = |whose, name: &str| {
            let read = Recipe::parse("x.toml", &recipe(whose, &format!("{name} = \"1\"")));
            match read {
                Ok(_) => false,
                Err(error) => matches!(error.kind(), RecipeErrorKind::Set { .. }),
            }
        };
        for name in both.iter().chain(&crates).chain(&libraries) {
            let of = |names: &[&str]| both.contains(name) || names.contains(name);
            assert_eq!(is_set(Whose::Crate, name), of(&crates), "{name}");
            assert_eq!(is_set(Whose::Library, name), of(&libraries), "{name}");
        }
        for name in [
            "CFLAGS",
            "CC",
            "Path",
            "PATHS",
            "RUSTFLAGS",
            "LIBZ_SYS_STATIC",
            "LC_ALL",
        ] {
            assert!(
                !is_set(Whose::Crate, name) && !is_set(Whose::Library, name),
                "{name}"
            );
        }
        assert_snapshot!(refused(&recipe(Whose::Crate, "A = \"1\", PATH = \"/opt/bin\"")), @r#"
         × read `x.toml`: `PATH` is set by the build itself
          ╭─[x.toml:6:26]
        5 │ needs.build = ["bison"]
        6 │ environment = { A = "1", PATH = "/opt/bin" }
          ·                          ──┬─
          ·                            ╰── not for recipes
          ╰────
         help: programs come into reach by `tools` and `needs.build`, libraries by `native`
        "#);
    }

    #[test]
    fn names_in_braces_are_those_of_libraries() {
        for (whose, value, is_read) in [
            (Whose::Crate, "{zlib}/lib:{xz}/lib", true),
            (Whose::Crate, "{bison}/bin", false),
            (Whose::Crate, "{zlip}", false),
            (Whose::Crate, "{}{1}${x}{a b}", true),
            (Whose::Library, "{bison}/bin:{xz}", true),
            (Whose::Library, "{x}", false),
        ] {
            let text = recipe(whose, &format!("A = \"{value}\""));
            assert_eq!(Recipe::parse("x.toml", &text).is_ok(), is_read, "{value}");
        }
        let instead = |value: &str| {
            format!(
                "{}[crate.instead.lz4]\nenvironment = {{ A = \"{value}\" }}\n",
                recipe(Whose::Crate, "")
            )
        };
        assert!(Recipe::parse("x.toml", &instead("{lz4}{zlib}")).is_ok());
        assert_snapshot!(refused(&instead("é{lz4}{lz5}")), @r#"
         × read `x.toml`: nothing stands in for `{lz5}` in a value of `environment`
          ╭─[x.toml:8:28]
        7 │ [crate.instead.lz4]
        8 │ environment = { A = "é{lz4}{lz5}" }
          ·                            ──┬──
          ·                              ╰── stands for nothing
          ╰────
         help: did you mean `{lz4}`?
        "#);
        assert_snapshot!(refused(&recipe(Whose::Library, "A = '{typo}'")), @r#"
         × read `x.toml`: nothing stands in for `{typo}` in a value of `environment`
          ╭─[x.toml:9:22]
        8 │ needs.build = ["bison"]
        9 │ environment = { A = '{typo}' }
          ·                      ───┬──
          ·                         ╰── stands for nothing
          ╰────
         help: the native libraries that the recipe is built against stand for their folders here, in the
               recipe of a native library also those of `needs.build`
        "#);
    }

    #[test]
    fn arguments_and_addresses_have_no_placeholders() {
        let library = recipe(Whose::Library, "");
        let arguments = format!("{library}arguments = [\"A=$out\", \"--with-zlib={{zlib}}\"]\n");
        assert_snapshot!(refused(&arguments), @r#"
         × read `x.toml`: nothing stands in for `{zlib}` in an argument
           ╭─[x.toml:10:24]
         9 │ environment = {  }
        10 │ arguments = ["A=$out", "--with-zlib={zlib}"]
           ·                        ──────────┬─────────
           ·                                  ╰── stands for nothing
           ╰────
         help: a shell knows variables: `$out` is the folder to fill, and `environment` gives others,
               such as `ZLIB = "{zlib}"` the folder of a library
        "#);
        assert_snapshot!(refused(&library.replace("z.tar.gz", "z-{version}.tar.gz")), @r#"
         × read `x.toml`: nothing stands in for `{version}` in an address
          ╭─[x.toml:6:18]
        5 │ build = "make"
        6 │ source = { url = "https://x.y/z-{version}.tar.gz", sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
          ·                  ────────────────┬───────────────
          ·                                  ╰── stands for nothing
        7 │ native = ["zlib", "xz"]
          ╰────
         help: write it out: a recipe names one source
        "#);
        assert_snapshot!(refused(&library.replace("z.tar.gz", "z.tar.xz")), @r#"
         × read `x.toml`: `https://x.y/z.tar.xz` is not the address of a `.tar.gz`: it ends in `.tar.xz`,
         │ and Orlop unpacks no other archives
          ╭─[x.toml:6:18]
        5 │ build = "make"
        6 │ source = { url = "https://x.y/z.tar.xz", sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
          ·                  ───────────┬──────────
          ·                             ╰── not the address of a `.tar.gz`
        7 │ native = ["zlib", "xz"]
          ╰────
         help: many projects publish a `.tar.gz` beside it
        "#);
    }
}
