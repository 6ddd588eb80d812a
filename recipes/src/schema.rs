//! [`recipe_schema`]: the JSON schema of recipes, for editors. It comes from the types that the
//! reader makes; a test holds it against the reader itself.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::choice::Choice as _;
use crate::name::{FeatureName, PackageName};
use crate::reader::SCHEMA;
use crate::recipe::{
    AppRecipe, CdylibRecipe, CompilerRecipe, CrateOverride, LibraryRecipe, PluginRecipe, RecipeKind,
};

/// Returns the JSON schema of a recipe as text, with a line end.
pub fn recipe_schema() -> String {
    let mut generator = SchemaSettings::draft07().into_generator();
    let tables = [
        (RecipeKind::App, generator.subschema_for::<AppRecipe>()),
        (
            RecipeKind::Crate,
            generator.subschema_for::<CrateOverride>(),
        ),
        (
            RecipeKind::Library,
            generator.subschema_for::<LibraryRecipe>(),
        ),
        (
            RecipeKind::Cdylib,
            generator.subschema_for::<CdylibRecipe>(),
        ),
        (
            RecipeKind::Plugin,
            generator.subschema_for::<PluginRecipe>(),
        ),
        (
            RecipeKind::Compiler,
            generator.subschema_for::<CompilerRecipe>(),
        ),
    ];
    let mut properties = serde_json::Map::new();
    properties.insert("schema".to_owned(), serde_json::json!({ "const": SCHEMA }));
    for (kind, schema) in tables {
        properties.insert(kind.as_str().to_owned(), schema.to_value());
    }
    let one_of: Vec<_> = RecipeKind::ALL
        .iter()
        .map(|kind| serde_json::json!({ "required": [kind.as_str()] }))
        .collect();
    let mut schema = serde_json::json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Orlop recipe",
        "description": "How a package is built: an app, an override for a crate, a native library, a library for C out of a crate, a plugin, or a Rust compiler.",
        "type": "object",
        "properties": properties,
        "required": ["schema"],
        "oneOf": one_of,
        "additionalProperties": false,
        "definitions": generator.take_definitions(true),
    });
    without_null(&mut schema);
    format!("{schema:#}\n")
}

/// Takes `null` out of the types: a key that may be left out cannot be null, as TOML has none.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    fields.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = fields.get_mut("anyOf") {
                choices.retain(|choice| *choice != serde_json::json!({ "type": "null" }));
            }
            fields.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

impl JsonSchema for PackageName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PackageName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$" })
    }
}

impl JsonSchema for FeatureName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "FeatureName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Recipe, RecipeErrorKind};

    const CHECKSUM: &str = "ff20308ecabd635a2dc1dd5834a86c462cca20efba1d5d3ddab1f8aea3455cb2";

    /// The smallest recipe of each kind.
    fn smallest(kind: RecipeKind) -> String {
        match kind {
            RecipeKind::App | RecipeKind::Crate => format!("schema = 1\n[{kind}]\nname = \"x\"\n"),
            RecipeKind::Cdylib => {
                "schema = 1\n[cdylib]\nname = \"x\"\nversion = \"1.0.0\"\n".to_owned()
            }
            RecipeKind::Plugin => "schema = 1\n[plugin]\nname = \"x\"\nhost = \"y\"\n".to_owned(),
            RecipeKind::Library => format!(
                "schema = 1\n[library]\nname = \"x\"\nversion = \"1\"\nscript = \"make\"\n\
                 source = {{ url = \"https://example.org/x.tar.gz\", sha256 = \"{CHECKSUM}\" }}\n"
            ),
            RecipeKind::Compiler => format!(
                "schema = 1\n[compiler]\nname = \"x\"\nversion = \"1\"\n\
                 source = [{{ url = \"https://example.org/x.tar.gz\", sha256 = \"{CHECKSUM}\" }}]\n"
            ),
        }
    }

    fn table(kind: RecipeKind) -> Value {
        let schema: Value = serde_json::from_str(&recipe_schema()).unwrap();
        let link = schema["properties"][kind.as_str()]["$ref"]
            .as_str()
            .unwrap();
        schema
            .pointer(link.trim_start_matches('#'))
            .unwrap()
            .clone()
    }

    #[test]
    fn the_committed_file_is_what_is_written() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.json");
        #[expect(
            clippy::disallowed_methods,
            reason = "tests are blessed through the environment"
        )]
        let bless = std::env::var_os("ORLOP_BLESS").is_some();
        if bless {
            fs_err::write(path, recipe_schema()).unwrap();
        }
        let committed = fs_err::read_to_string(path).unwrap_or_default();
        assert!(
            committed == recipe_schema(),
            "run the test with ORLOP_BLESS=1 to write it anew"
        );
    }

    #[test]
    fn it_knows_the_keys_that_the_reader_knows() {
        for kind in RecipeKind::ALL {
            let text = format!("{}zzzz = 1\n", smallest(*kind));
            let error = Recipe::parse("x.toml", &text).unwrap_err();
            let RecipeErrorKind::UnknownKey { expected, .. } = error.kind() else {
                panic!("{error}")
            };
            let read: BTreeSet<&str> = expected.iter().copied().collect();
            let table = table(*kind);
            let described = table["properties"].as_object().unwrap();
            let described: BTreeSet<&str> = described.keys().map(String::as_str).collect();
            assert_eq!(read, described, "{kind}");
        }
    }

    #[test]
    fn what_it_requires_is_what_the_reader_requires() {
        for kind in RecipeKind::ALL {
            let text = smallest(*kind);
            Recipe::parse("x.toml", &text).unwrap();
            let table = table(*kind);
            let keys = |list: &'_ Value| -> BTreeSet<String> {
                let keys = list.as_array().unwrap().iter();
                keys.map(|key| key.as_str().unwrap().to_owned()).collect()
            };
            let required = keys(&table["required"]);
            // Of some keys exactly one is required.
            let choices = table["oneOf"].as_array().into_iter().flatten();
            let choices: BTreeSet<_> = choices.flat_map(|one| keys(&one["required"])).collect();
            let written: BTreeSet<&str> = text
                .lines()
                .skip(2)
                .filter_map(|line| line.split_once(" = "))
                .map(|(key, _)| key)
                .collect();
            let chosen = |key: &&&str| choices.contains(**key);
            assert_eq!(
                written.iter().filter(chosen).count(),
                usize::from(!choices.is_empty())
            );
            let others: BTreeSet<_> = written.iter().filter(|key| !chosen(key)).collect();
            assert_eq!(
                required.iter().collect::<Vec<_>>(),
                others.into_iter().collect::<Vec<_>>(),
                "{kind}"
            );
            for key in written {
                let line = format!("\n{key} = ");
                let without: String = text
                    .split_inclusive('\n')
                    .filter(|other| !format!("\n{other}").starts_with(&line))
                    .collect();
                let error = Recipe::parse("x.toml", &without).unwrap_err();
                assert!(
                    matches!(error.kind(), RecipeErrorKind::MissingKey { .. }),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn tables_in_tables_are_closed_too() {
        let schema: Value = serde_json::from_str(&recipe_schema()).unwrap();
        let definitions = schema["definitions"].as_object().unwrap();
        for name in ["CrateSource", "LibrarySource", "ShareOrigin"] {
            let variants = definitions[name]["anyOf"].as_array().unwrap();
            let count = if name == "LibrarySource" { 4 } else { 2 };
            assert_eq!(variants.len(), count, "{name}");
            for variant in variants {
                assert_eq!(
                    variant["additionalProperties"], false,
                    "{name}: {variant:#}"
                );
            }
        }
    }
}
