//! [`Need`]: what a recipe asks of another that it names. As in Cargo.toml a text is a requirement,
//! a table says more; an array of names asks for any version.
//!
//! ```toml
//! native = ["zlib"]
//! needs.build = { bison = "3.8" }
//! native = { zlib = "1.3", openssl = { version = "3", when = 'cfg(target_os = "linux")' } }
//! ```

use std::collections::BTreeMap;
use std::fmt;

use cfg_expr::Expression;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::error::{RecipeError, RecipeErrorKind, literal};
use crate::name::{FeatureName, PackageName};
use crate::reader::{Table, Value};
use crate::{Version, VersionReq, text};

/// What is needed, by the names of recipes.
pub type Needs = BTreeMap<PackageName, Need>;

/// What is asked of one recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Need {
    /// The accepted versions.
    #[serde(rename = "version")]
    pub requirement: VersionReq,
    /// Features beside those of its recipe.
    pub features: Vec<FeatureName>,
    /// Whether the default features may be on.
    pub default_features: bool,
    /// Where it is needed; none means everywhere.
    pub when: Option<Condition>,
}

impl Need {
    /// Any version, everywhere.
    pub fn any() -> Self {
        Self {
            requirement: VersionReq::STAR,
            features: Vec::new(),
            default_features: true,
            when: None,
        }
    }

    /// Whether a version will do, as the authors of a library write it. Without a requirement any
    /// will, also one that is no version as Cargo knows them.
    pub fn fits(&self, version: &str) -> bool {
        self.requirement == VersionReq::STAR
            || comparable(version).is_some_and(|version| self.requirement.matches(&version))
    }

    /// Whether it asks for features that its recipe does not.
    pub fn asks_for_features(&self) -> bool {
        !self.features.is_empty() || !self.default_features
    }
}

/// A condition on the platform, `cfg(…)` as Cargo reads it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Condition(String);

impl Condition {
    /// Returns it as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads a version of a library so that it can be compared: `10.46` is 10.46.0, `1.1.1w` is 1.1.1,
/// `1.3-rc1` comes before 1.3.
pub(crate) fn comparable(version: &str) -> Option<Version> {
    let end = version
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(version.len());
    let (numbers, rest) = version.split_at(end);
    let mut parts = numbers.split('.').map(str::parse::<u64>);
    let first = parts.next()?.ok()?;
    // What is not a number ends the version: `1.`, or a number that is no part of it any more.
    let mut next = || parts.next().and_then(Result::ok).unwrap_or(0);
    let mut found = Version::new(first, next(), next());
    let rest = rest.trim_start_matches(['-', '.', '_']);
    if ["alpha", "beta", "dev", "pre", "rc"]
        .iter()
        .any(|start| rest.to_ascii_lowercase().starts_with(start))
    {
        found.pre = semver::Prerelease::new(&rest.replace(['_', '+'], "-")).ok()?;
    }
    Some(found)
}

/// The programs that a build starts and that Orlop has built before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct BuildNeeds {
    /// The native libraries whose programs are in `PATH` while it is built. They are a part of the
    /// key, and nothing is linked to them.
    #[schemars(schema_with = "self::schema")]
    pub build: Needs,
}

/// What an app needs beside what it is compiled from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct AppNeeds {
    /// The apps whose programs it starts. They are installed with it.
    #[schemars(schema_with = "self::schema")]
    pub run: Needs,
    /// The apps and native libraries whose programs its test starts. Nobody else sees them.
    #[schemars(schema_with = "self::schema")]
    pub test: Needs,
}

impl AppNeeds {
    pub(super) fn read(table: &mut Table<'_>) -> Result<Self, RecipeError> {
        let Some(mut table) = table.table("needs")? else {
            return Ok(Self::default());
        };
        let needs = Self {
            run: read(&mut table, "run")?,
            test: read(&mut table, "test")?,
        };
        table.finish()?;
        Ok(needs)
    }
}

/// What a native library needs beside those that it is linked to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct LibraryNeeds {
    /// The native libraries whose programs are in `PATH` while it is built. They are a part of the
    /// key, and nothing is linked to them.
    #[schemars(schema_with = "self::schema")]
    pub build: Needs,
    /// The native libraries whose programs its test starts. Nobody else sees them.
    #[schemars(schema_with = "self::schema")]
    pub test: Needs,
}

impl LibraryNeeds {
    pub(super) fn read(table: &mut Table<'_>) -> Result<Self, RecipeError> {
        let Some(mut table) = table.table("needs")? else {
            return Ok(Self::default());
        };
        let needs = Self {
            build: read(&mut table, "build")?,
            test: read(&mut table, "test")?,
        };
        table.finish()?;
        Ok(needs)
    }
}

impl BuildNeeds {
    pub(super) fn read(table: &mut Table<'_>) -> Result<Self, RecipeError> {
        let Some(mut table) = table.table("needs")? else {
            return Ok(Self::default());
        };
        let needs = Self {
            build: read(&mut table, "build")?,
        };
        table.finish()?;
        Ok(needs)
    }
}

/// Reads what is needed: an array of names, or a table.
pub(super) fn read(table: &mut Table<'_>, key: &'static str) -> Result<Needs, RecipeError> {
    let Some(value) = table.take(key) else {
        return Ok(Needs::new());
    };
    if !value.is_table() {
        let names = value.expecting("an array of names, or a table", Value::is_array)?;
        let names = names.texts(text::package)?;
        return Ok(names.into_iter().map(|name| (name, Need::any())).collect());
    }
    let needs = value.table()?.into_values();
    needs
        .map(|value| Ok((value.key(text::package)?, need(value)?)))
        .collect()
}

fn need(value: Value<'_>) -> Result<Need, RecipeError> {
    if value.is_text() {
        return Ok(Need {
            requirement: value.text(text::requirement)?,
            ..Need::any()
        });
    }
    let mut table = value
        .expecting("a version requirement, or a table", Value::is_table)?
        .table()?;
    let need = Need {
        requirement: table
            .text("version", text::requirement)?
            .unwrap_or(VersionReq::STAR),
        features: table.texts("features", text::feature)?,
        default_features: table.boolean("default-features")?.unwrap_or(true),
        when: table.take("when").map(condition).transpose()?,
    };
    table.finish()?;
    Ok(need)
}

/// Reads a condition; what is wrong in it is shown where it stands.
fn condition(value: Value<'_>) -> Result<Condition, RecipeError> {
    let text = value.text_at(|text| {
        if !text.starts_with("cfg(") {
            let reason = "it does not begin with `cfg(`".to_owned();
            return Err((0..text.len(), wrong(text, reason)));
        }
        // Cargo's parser calls itself for each.
        if text.matches('(').count() > 100 {
            let reason = "it has more than 100 parentheses".to_owned();
            return Err((0..text.len(), wrong(text, reason)));
        }
        Expression::parse(text).map_err(|error| {
            // The parser takes off `cfg(` first if its end is there, too.
            let start = if error.original == text {
                0
            } else {
                "cfg(".len()
            };
            let place = start + error.span.start..start + error.span.end;
            (place, wrong(text, error.reason.to_string()))
        })?;
        // The one that knows where a mistake is has rules of its own; those that count are Cargo's.
        text.parse::<cargo_platform::Platform>()
            .map_err(|error| (0..text.len(), wrong(text, error.to_string())))?;
        Ok(text.to_owned())
    })?;
    Ok(Condition(text))
}

fn wrong(text: &str, reason: String) -> RecipeErrorKind {
    RecipeErrorKind::Text {
        text: literal(text),
        expected: "a condition",
        reason,
        help: Some("write it as in Cargo.toml: `cfg(target_os = \"linux\")`"),
    }
}

/// The JSON schema of what is needed.
pub(super) fn schema(generator: &mut SchemaGenerator) -> Schema {
    let name = generator.subschema_for::<PackageName>();
    let feature = generator.subschema_for::<FeatureName>();
    let pattern = name.get("pattern").and_then(serde_json::Value::as_str);
    let pattern = pattern.unwrap_or_default();
    json_schema!({
        "anyOf": [
            { "type": "array", "items": name, "uniqueItems": true },
            {
                "type": "object",
                "additionalProperties": false,
                "patternProperties": {
                    pattern: {
                        "anyOf": [
                            { "type": "string", "description": "The accepted versions." },
                            {
                                "type": "object",
                                "additionalProperties": false,
                                "properties": {
                                    "version": {
                                        "type": "string",
                                        "description": "The accepted versions.",
                                    },
                                    "features": {
                                        "type": "array",
                                        "items": feature,
                                        "description": "Features beside those of its recipe.",
                                    },
                                    "default-features": {
                                        "type": "boolean",
                                        "description": "Whether the default features may be on.",
                                    },
                                    "when": {
                                        "type": "string",
                                        "pattern": "^cfg\\(",
                                        "description": "Where it is needed; none means everywhere.",
                                    },
                                },
                            },
                        ],
                    },
                },
            },
        ],
    })
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::error::rendered;
    use crate::{CrateOverride, Recipe};

    fn parsed(native: &str) -> Result<CrateOverride, RecipeError> {
        let text = format!("schema = 1\n[crate]\nname = \"x-sys\"\nnative = {native}\n");
        match Recipe::parse("x-sys.toml", &text)? {
            Recipe::Crate(change) => Ok(change),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn refused(native: &str) -> String {
        rendered(&parsed(native).unwrap_err())
    }

    #[test]
    fn names_requirements_and_tables() {
        let any = parsed("[\"a\"]").unwrap().native;
        assert_eq!(any, [("a".parse().unwrap(), Need::any())].into());
        let native = parsed(
            "{ a = \"1.2\", b = { version = \"3\", features = [\"x\"], \
             default-features = false, when = 'cfg(target_os = \"linux\")' }, c = {} }",
        );
        let need = |requirement: &str| Need {
            requirement: VersionReq::parse(requirement).unwrap(),
            ..Need::any()
        };
        let b = Need {
            features: vec!["x".parse().unwrap()],
            default_features: false,
            when: Some(Condition("cfg(target_os = \"linux\")".to_owned())),
            ..need("3")
        };
        let expected = [("a", need("1.2")), ("b", b), ("c", Need::any())];
        let expected = expected.map(|(name, need)| (name.parse().unwrap(), need));
        assert_eq!(native.unwrap().native, expected.into());
    }

    #[test]
    fn what_is_wrong_is_shown_where_it_is() {
        assert_snapshot!(refused("{ a = { when = \"cfg(any(target_os = \\\"linux\\\" unix))\" } }"), @r#"
         × read `x-sys.toml`: `cfg(any(target_os = "linux" unix))` is not a condition: expected one of
         │ `,`, `)` here
          ╭─[x-sys.toml:4:56]
        3 │ name = "x-sys"
        4 │ native = { a = { when = "cfg(any(target_os = \"linux\" unix))" } }
          ·                                                        ──┬─
          ·                                                          ╰── not a condition
          ╰────
         help: write it as in Cargo.toml: `cfg(target_os = "linux")`
        "#);
        // Cargo's rules count, not those of the parser that knows where a mistake is.
        let tab = refused("{ a = { when = \"cfg(unix\\t)\" } }");
        assert!(tab.contains("is not a condition"), "{tab}");
        let (open, close) = ("not(".repeat(100_000), ")".repeat(100_000));
        let deep = refused(&format!("{{ a = {{ when = 'cfg({open}unix{close})' }} }}"));
        assert!(deep.contains("it has more than 100 parentheses"));
        assert_snapshot!(refused("{ a = { when = 'unix' } }"), @r#"
         × read `x-sys.toml`: `unix` is not a condition: it does not begin with `cfg(`
          ╭─[x-sys.toml:4:26]
        3 │ name = "x-sys"
        4 │ native = { a = { when = 'unix' } }
          ·                          ──┬─
          ·                            ╰── not a condition
          ╰────
         help: write it as in Cargo.toml: `cfg(target_os = "linux")`
        "#);
        assert_snapshot!(refused("{ a = { when = 'cfg(any(unix, windows)' } }"), @r#"
         × read `x-sys.toml`: `cfg(any(unix, windows)` is not a condition: unclosed parens
          ╭─[x-sys.toml:4:33]
        3 │ name = "x-sys"
        4 │ native = { a = { when = 'cfg(any(unix, windows)' } }
          ·                                 ───────┬──────
          ·                                        ╰── not a condition
          ╰────
         help: write it as in Cargo.toml: `cfg(target_os = "linux")`
        "#);
        assert_snapshot!(refused("{ a = { vresion = \"1\" } }"), @r#"
         × read `x-sys.toml`: unknown key `crate.native.a.vresion`
          ╭─[x-sys.toml:4:18]
        3 │ name = "x-sys"
        4 │ native = { a = { vresion = "1" } }
          ·                  ───┬───
          ·                     ╰── has no meaning here
          ╰────
         help: did you mean `version`?
        "#);
        assert_snapshot!(refused("{ a = 1 }"), @r#"
         × read `x-sys.toml`: `crate.native.a` must be a version requirement, or a table, not an integer
          ╭─[x-sys.toml:4:16]
        3 │ name = "x-sys"
        4 │ native = { a = 1 }
          ·                ┬
          ·                ╰── expected a version requirement, or a table
          ╰────
        "#);
        assert_snapshot!(refused("\"a\""), @r#"
         × read `x-sys.toml`: `crate.native` must be an array of names, or a table, not a string
          ╭─[x-sys.toml:4:10]
        3 │ name = "x-sys"
        4 │ native = "a"
          ·          ─┬─
          ·           ╰── expected an array of names, or a table
          ╰────
        "#);
    }

    #[test]
    fn versions_of_libraries_are_compared() {
        for (version, requirement, fits) in [
            ("1.3.2", "1.3", true),
            ("10.46", "=10.46.0", true),
            ("9e", "9", true),
            ("1.1.1w", "1.1.1", true),
            ("1.3-rc1", "1.3", false),
            ("1.3-rc1", ">=1.3.0-rc0", true),
            ("2024.05", ">=2024.4", true),
            ("1.2.3.4", "=1.2.3", true),
            ("v1", "1", false),
            ("v1", "*", true),
        ] {
            let need = Need {
                requirement: VersionReq::parse(requirement).unwrap(),
                ..Need::any()
            };
            assert_eq!(need.fits(version), fits, "{version} {requirement}");
        }
    }
}
