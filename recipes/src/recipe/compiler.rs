//! [`CompilerRecipe`]: where a Rust compiler comes from.

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::RecipeError;
use crate::name::PackageName;
use crate::reader::{Table, Value};
use crate::text;

/// A Rust compiler: archives that together are the folder it is installed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct CompilerRecipe {
    /// The recipe's name.
    pub name: PackageName,
    /// The name that the compiler has in `orlop compiler list`: its release, with the date of its
    /// commit behind it if it is no stable one.
    pub version: String,
    /// The archives, each laid over those before it.
    #[schemars(length(min = 1))]
    pub source: Vec<CompilerSource>,
}

/// One archive of a compiler, `.tar.gz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields, extend("required" = ["url", "sha256"]))]
pub struct CompilerSource {
    /// Its address.
    pub url: String,
    /// Other addresses of the same archive, asked in this order where the first fails.
    pub mirrors: Vec<String>,
    /// SHA-256 of the archive, in hexadecimal.
    pub sha256: String,
    /// The folder in it with `bin` and `lib`; none means the folder on its top.
    pub folder: Option<String>,
}

pub(super) fn read(mut table: Table<'_>) -> Result<CompilerRecipe, RecipeError> {
    let compiler = CompilerRecipe {
        name: table
            .required("name", "name = \"rust\"")?
            .text(text::package)?,
        version: table
            .required("version", "version = \"1.95.0\"")?
            .text(text::library_version)?,
        source: sources(table.required("source", "source = [{ url = \"…\", sha256 = \"…\" }]")?)?,
    };
    table.finish()?;
    Ok(compiler)
}

fn sources(value: Value<'_>) -> Result<Vec<CompilerSource>, RecipeError> {
    value.tables()?.into_iter().map(source).collect()
}

fn source(mut table: Table<'_>) -> Result<CompilerSource, RecipeError> {
    let source = CompilerSource {
        url: table.required("url", "url = \"…\"")?.text(text::address)?,
        mirrors: table.texts("mirrors", text::address)?,
        sha256: table
            .required("sha256", "sha256 = \"…\"")?
            .text(text::checksum)?,
        folder: table.text("folder", text::folder)?,
    };
    table.finish()?;
    Ok(source)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::error::rendered;
    use crate::recipe::Recipe;

    const CHECKSUM: &str = "ff20308ecabd635a2dc1dd5834a86c462cca20efba1d5d3ddab1f8aea3455cb2";

    #[track_caller]
    fn refused(text: &str) -> String {
        rendered(&Recipe::parse("rust.toml", text).unwrap_err())
    }

    #[test]
    fn compiler_with_every_field() {
        let head = "schema = 1\n[compiler]\nname = \"rust\"\nversion = \"1.95.0\"\n";
        let both = format!(
            "{head}[[compiler.source]]\nurl = \"https://example.org/rustc.tar.gz\"\n\
             mirrors = [\"https://example.com/rustc.tar.gz\"]\nsha256 = \"{CHECKSUM}\"\n\
             folder = \"rustc\"\n[[compiler.source]]\nurl = \"https://example.org/std.tar.gz\"\n\
             sha256 = \"{CHECKSUM}\"\n"
        );
        let source = |url: &str, mirrors: &[&str], folder: Option<&str>| CompilerSource {
            url: url.to_owned(),
            mirrors: mirrors.iter().map(ToString::to_string).collect(),
            sha256: CHECKSUM.to_owned(),
            folder: folder.map(str::to_owned),
        };
        let expected = CompilerRecipe {
            name: "rust".parse().unwrap(),
            version: "1.95.0".to_owned(),
            source: vec![
                source(
                    "https://example.org/rustc.tar.gz",
                    &["https://example.com/rustc.tar.gz"],
                    Some("rustc"),
                ),
                source("https://example.org/std.tar.gz", &[], None),
            ],
        };
        let read = Recipe::parse("rust.toml", &both).unwrap();
        assert_eq!(read, Recipe::Compiler(expected));
        let inline = format!(
            "{head}source = [\n{{ url = \"https://example.org/rustc.tar.gz\", \
             mirrors = [\"https://example.com/rustc.tar.gz\"], sha256 = \"{CHECKSUM}\", \
             folder = \"rustc\" }},\n{{ url = \"https://example.org/std.tar.gz\", \
             sha256 = \"{CHECKSUM}\" }},\n]\n"
        );
        assert_eq!(Recipe::parse("rust.toml", &inline).unwrap(), read);
    }

    #[test]
    fn without_an_archive_there_is_no_compiler() {
        let head = "schema = 1\n[compiler]\nname = \"rust\"\nversion = \"1.95.0\"\n";
        assert_snapshot!(refused(&format!("{head}source = []\n")), @r#"
         × read `rust.toml`: `compiler.source` must be an array of one table or more, not an empty array
          ╭─[rust.toml:5:10]
        4 │ version = "1.95.0"
        5 │ source = []
          ·          ─┬
          ·           ╰── expected an array of one table or more
          ╰────
        "#);
        assert_snapshot!(
            refused(&format!("{head}source = {{ url = \"https://example.org/rustc.tar.gz\" }}\n")),
            @r#"
             × read `rust.toml`: `compiler.source` must be an array of one table or more, not a table
              ╭─[rust.toml:5:10]
            4 │ version = "1.95.0"
            5 │ source = { url = "https://example.org/rustc.tar.gz" }
              ·          ──────────────────────┬─────────────────────
              ·                                ╰── expected an array of one table or more
              ╰────
            "#
        );
        assert_snapshot!(
            refused(&format!(
                "{head}[[compiler.source]]\nurl = \"https://example.org/rustc.tar.gz\"\n"
            )),
            @r#"
             × read `rust.toml`: the key `compiler.source[0].sha256` is missing
              ╭─[rust.toml:5:1]
            4 │ version = "1.95.0"
            5 │ [[compiler.source]]
              · ─────────┬─────────
              ·          ╰── missing here
            6 │ url = "https://example.org/rustc.tar.gz"
              ╰────
             help: add `sha256 = "…"`
            "#
        );
        assert_snapshot!(
            refused(&format!(
                "{head}[[compiler.source]]\nurl = \"https://example.org/rustc.tar.gz\"\n\
                 sha256 = \"{CHECKSUM}\"\nfolder = \"../rustc\"\n"
            )),
            @r#"
             × read `rust.toml`: `../rustc` is not a folder: letters, digits, `.`, `+`, `-`, `_` between
             │ single `/` are allowed, no `..`
              ╭─[rust.toml:8:10]
            7 │ sha256 = "ff20308ecabd635a2dc1dd5834a86c462cca20efba1d5d3ddab1f8aea3455cb2"
            8 │ folder = "../rustc"
              ·          ─────┬────
              ·               ╰── not a folder
              ╰────
            "#
        );
    }
}
