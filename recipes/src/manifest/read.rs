//! Text to [`Manifest`].

use std::collections::{BTreeMap, BTreeSet};

use super::{Manifest, PackageRequest};
use crate::error::RecipeError;
use crate::name::PackageName;
use crate::reader::{Table, Value};
use crate::text;

pub(super) fn manifest(file_name: &str, text: &str) -> Result<Manifest, RecipeError> {
    let mut file = Table::read(file_name, text)?;
    let manifest = Manifest {
        profile: file.text("profile", text::line)?,
        snapshot: file
            .take("snapshot")
            .map(|value| value.text_or_date(text::snapshot))
            .transpose()?,
        linkage: file.choice("linkage")?,
        compiler: file.text("compiler", text::line)?,
        natives: natives(&mut file)?,
        packages: file
            .table("packages")?
            .map(packages)
            .transpose()?
            .unwrap_or_default(),
        recipes: file
            .table("recipes")?
            .map(recipes)
            .transpose()?
            .unwrap_or_default(),
        recipe_sources: super::sources::read(&mut file)?,
    };
    file.finish()?;
    Ok(manifest)
}

fn natives(table: &mut Table<'_>) -> Result<BTreeSet<PackageName>, RecipeError> {
    let names = table.texts("natives", text::package)?;
    Ok(names.into_iter().collect())
}

fn packages(table: Table<'_>) -> Result<BTreeMap<PackageName, PackageRequest>, RecipeError> {
    table
        .into_values()
        .map(|value| Ok((value.key(text::package)?, request(value)?)))
        .collect()
}

fn recipes(table: Table<'_>) -> Result<BTreeMap<PackageName, String>, RecipeError> {
    table
        .into_values()
        .map(|value| Ok((value.key(text::package)?, value.text(text::recipe_path)?)))
        .collect()
}

fn request(value: Value<'_>) -> Result<PackageRequest, RecipeError> {
    if value.is_text() {
        let requirement = value.text(text::requirement)?;
        return Ok(PackageRequest {
            requirement,
            ..PackageRequest::default()
        });
    }
    if !value.is_table() {
        return Err(value.wrong_type("a version requirement or a table"));
    }
    let mut table = value.table()?;
    let default = PackageRequest::default();
    let request = PackageRequest {
        requirement: table
            .text("version", text::requirement)?
            .unwrap_or(default.requirement),
        features: table.texts("features", text::feature)?,
        default_features: table
            .boolean("default-features")?
            .unwrap_or(default.default_features),
        policy: table.choice("policy")?,
        linkage: table.choice("linkage")?,
        codegen: table.choice("codegen")?.unwrap_or(default.codegen),
        compiler: table.text("compiler", text::line)?,
        natives: natives(&mut table)?,
        recipe: table.text("recipe", text::recipe_path)?,
    };
    table.finish()?;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;
    use crate::error::rendered;
    use crate::{CodegenChoice, LinkageChoice, Policy, VersionReq};

    const FULL: &str = r#"
schema = 1
profile = "work"
snapshot = 2026-11-22
linkage = "shared"
natives = ["zlib"]

[packages]
ripgrep = "15"
fd-find = { version = "10", features = ["x"], default-features = false, policy = "shared", linkage = "static", codegen = "app", compiler = "1.95.0", natives = ["bzip2"] }
bat.version = "0.26"

[packages.hello]
recipe = "./hello.toml"

[recipes]
number-sys = "../number-sys.toml"
"#;

    #[track_caller]
    fn refused(text: &str) -> String {
        rendered(&Manifest::parse("orlop.toml", text).unwrap_err())
    }

    #[test]
    fn every_field_is_read() {
        let manifest = Manifest::parse("orlop.toml", FULL).unwrap();
        let requirement = |text| VersionReq::parse(text).unwrap();
        let plain = |text| PackageRequest {
            requirement: requirement(text),
            ..PackageRequest::default()
        };
        let fd = PackageRequest {
            requirement: requirement("10"),
            features: vec!["x".parse().unwrap()],
            default_features: false,
            policy: Some(Policy::Shared),
            linkage: Some(LinkageChoice::Static),
            codegen: CodegenChoice::App,
            compiler: Some("1.95.0".to_owned()),
            natives: ["bzip2".parse().unwrap()].into(),
            recipe: None,
        };
        let hello = PackageRequest {
            recipe: Some("./hello.toml".to_owned()),
            ..PackageRequest::default()
        };
        let packages = [
            ("bat", plain("0.26")),
            ("fd-find", fd),
            ("hello", hello),
            ("ripgrep", plain("15")),
        ];
        let expected = Manifest {
            profile: Some("work".to_owned()),
            snapshot: Some("2026-11-22T23:59:59Z".parse().unwrap()),
            linkage: Some(LinkageChoice::Shared),
            compiler: None,
            natives: ["zlib".parse().unwrap()].into(),
            packages: packages
                .into_iter()
                .map(|(name, request)| (name.parse().unwrap(), request))
                .collect(),
            recipes: [(
                "number-sys".parse().unwrap(),
                "../number-sys.toml".to_owned(),
            )]
            .into(),
            recipe_sources: BTreeMap::new(),
        };
        assert_eq!(manifest, expected);
    }

    #[test]
    fn what_holds_for_all_packages_gives_way_to_what_one_says() {
        let manifest = Manifest::parse("orlop.toml", FULL).unwrap();
        let linkage = |name: &str| manifest.request(&name.parse().unwrap()).unwrap().linkage;
        assert_eq!(linkage("ripgrep"), Some(LinkageChoice::Shared));
        assert_eq!(linkage("fd-find"), Some(LinkageChoice::Static));
        let natives = |name: &str| manifest.request(&name.parse().unwrap()).unwrap().natives;
        assert_eq!(natives("ripgrep"), ["zlib".parse().unwrap()].into());
        assert_eq!(natives("fd-find").len(), 2);
        assert!(manifest.request(&"other".parse().unwrap()).is_none());
    }

    #[test]
    fn unknown_key() {
        assert_snapshot!(refused("schema = 1\n[packages]\nfd-find = { verson = \"10\" }\n"), @r#"
         × read `orlop.toml`: unknown key `packages.fd-find.verson`
          ╭─[orlop.toml:3:13]
        2 │ [packages]
        3 │ fd-find = { verson = "10" }
          ·             ───┬──
          ·                ╰── has no meaning here
          ╰────
         help: did you mean `version`?
        "#);
        assert_snapshot!(refused("schema = 1\n\n[package]\nripgrep = \"15\"\n"), @r#"
         × read `orlop.toml`: unknown key `package`
          ╭─[orlop.toml:3:2]
        2 │
        3 │ [package]
          ·  ───┬───
          ·     ╰── has no meaning here
        4 │ ripgrep = "15"
          ╰────
         help: did you mean `packages`?
        "#);
        assert_snapshot!(refused("schema = 1\ncolour = true\n"), @r#"
         × read `orlop.toml`: unknown key `colour`
          ╭─[orlop.toml:2:1]
        1 │ schema = 1
        2 │ colour = true
          · ───┬──
          ·    ╰── has no meaning here
          ╰────
         help: known here: `schema`, `profile`, `snapshot`, `linkage`, `compiler`, `natives`, `packages`,
               `recipes`, `recipe-sources`
        "#);
    }

    #[test]
    fn wrong_type() {
        assert_snapshot!(refused("schema = 1\n[packages]\nripgrep = 15\n"), @r#"
         × read `orlop.toml`: `packages.ripgrep` must be a version requirement or a table, not an integer
          ╭─[orlop.toml:3:11]
        2 │ [packages]
        3 │ ripgrep = 15
          ·           ─┬
          ·            ╰── expected a version requirement or a table
          ╰────
        "#);
        assert_snapshot!(refused("schema = 1\n[packages]\nfd-find = { features = [\"x\", 3] }\n"), @r#"
         × read `orlop.toml`: `packages.fd-find.features[1]` must be a string, not an integer
          ╭─[orlop.toml:3:30]
        2 │ [packages]
        3 │ fd-find = { features = ["x", 3] }
          ·                              ┬
          ·                              ╰── expected a string
          ╰────
        "#);
    }

    #[test]
    fn bad_requirement() {
        assert_snapshot!(refused("schema = 1\n[packages]\n# mine\nripgrep = \"15.x.y.z\" # new\n"), @r#"
         × read `orlop.toml`: `15.x.y.z` is not a version requirement: unexpected character after
         │ wildcard in version req
          ╭─[orlop.toml:4:11]
        3 │ # mine
        4 │ ripgrep = "15.x.y.z" # new
          ·           ─────┬────
          ·                ╰── not a version requirement
          ╰────
         help: write it as in Cargo.toml: `1.2` (compatible with 1.2), `=1.2.3`, `>=1, <3`, `*`
        "#);
    }

    #[test]
    fn unknown_policy() {
        assert_snapshot!(refused("schema = 1\n[packages]\nbat = { policy = \"latst\" }\n"), @r#"
         × read `orlop.toml`: `latst` is not one of `latest`, `locked`, `shared`
          ╭─[orlop.toml:3:18]
        2 │ [packages]
        3 │ bat = { policy = "latst" }
          ·                  ───┬───
          ·                     ╰── not known
          ╰────
         help: did you mean `latest`?
        "#);
        assert_snapshot!(refused("schema = 1\nlinkage = \"dynamic\"\n"), @r#"
         × read `orlop.toml`: `dynamic` is not one of `static`, `shared`, `crate`
          ╭─[orlop.toml:2:11]
        1 │ schema = 1
        2 │ linkage = "dynamic"
          ·           ────┬────
          ·               ╰── not known
          ╰────
        "#);
    }

    #[test]
    fn schema() {
        assert_snapshot!(refused("schema = 2\n[parcels]\n"), @r#"
         × read `orlop.toml`: schema 2 needs a newer orlop
          ╭─[orlop.toml:1:10]
        1 │ schema = 2
          ·          ┬
          ·          ╰── not known to this orlop
        2 │ [parcels]
          ╰────
         help: upgrade orlop, or write the file for `schema = 1`
        "#);
        assert_snapshot!(refused("[packages]\nripgrep = \"15\"\n"), @r#"
         × read `orlop.toml`: the key `schema` is missing
          ╭─[orlop.toml:1:1]
        1 │ [packages]
          · ▲
          · ╰── missing here
        2 │ ripgrep = "15"
          ╰────
         help: add `schema = 1`
        "#);
    }

    #[test]
    fn syntax() {
        assert_snapshot!(refused("schema = 1\n[packages\nripgrep = \"15\"\n"), @r#"
         × read `orlop.toml`: not valid TOML: unclosed table, expected `]`
          ╭─[orlop.toml:2:10]
        1 │ schema = 1
        2 │ [packages
          ·          ▲
          ·          ╰── here
        3 │ ripgrep = "15"
          ╰────
        "#);
        assert_snapshot!(refused("schema = 1\n[packages]\nripgrep = \"15\"\nripgrep = \"14\"\n"), @r#"
         × read `orlop.toml`: not valid TOML: duplicate key
          ╭─[orlop.toml:4:1]
        3 │ ripgrep = "15"
        4 │ ripgrep = "14"
          · ───┬───
          ·    ╰── here
          ╰────
        "#);
    }

    #[test]
    fn bad_names_and_times() {
        assert_snapshot!(refused("schema = 1\n[packages]\n\"../bat\" = \"15\"\n"), @r#"
         × read `orlop.toml`: `../bat` is not a valid package name: only ASCII letters, digits, `-` and
         │ `_` are allowed
          ╭─[orlop.toml:3:1]
        2 │ [packages]
        3 │ "../bat" = "15"
          · ────┬───
          ·     ╰── not a name
          ╰────
        "#);
        assert_snapshot!(refused("schema = 1\nsnapshot = \"last week\"\n"), @r#"
         × read `orlop.toml`: `last week` is not a date or a time: failed to parse four digit integer as
         │ year: invalid digit, expected 0-9 but got l
          ╭─[orlop.toml:2:12]
        1 │ schema = 1
        2 │ snapshot = "last week"
          ·            ─────┬─────
          ·                 ╰── not a date or a time
          ╰────
         help: write a date, `2026-11-22` (its end), or a time, `2026-11-22T08:00`, both in UTC
        "#);
    }

    #[test]
    fn no_control_character_reaches_a_message() {
        for text in [
            "schema = 1\n\"\\u001b[31m\" = 1\n",
            "schema = 1\n[packages]\n\"\\u001b[31m\" = \"1\"\n",
            "schema = 1\n[packages]\nbat = \"\\u001b[31m\"\n",
            "schema = 1\n# \u{1b}[31m\n",
            "schema = 1\r# \u{9b}31m\n",
            "schema = 1\nprofile = \"\\u001b\"\n",
        ] {
            for file in ["orlop.toml", "\u{1b}[31m.toml"] {
                let shown = rendered(&Manifest::parse(file, text).unwrap_err());
                assert!(
                    !shown.chars().any(|c| c.is_control() && c != '\n'),
                    "{shown:?}"
                );
            }
        }
    }

    #[test]
    fn a_huge_file_is_not_read() {
        let error = Manifest::parse("orlop.toml", &"#".repeat(100 << 20)).unwrap_err();
        let message =
            "read `orlop.toml`: it has 104857600 bytes, and no more than 1048576 are read";
        assert_eq!(error.to_string(), message);
        assert!(rendered(&error).contains("104857600"));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = 300_000;
        for text in [
            format!("schema = 1\na = {}", "[".repeat(deep)),
            format!("schema = 1\na = {}", "{a=".repeat(deep)),
            format!("schema = 1\n{}a = 1", "a.".repeat(deep)),
            format!("schema = 1\n[{}a]", "a.".repeat(deep)),
            format!("schema = 1\na = {{ {}a = 1 }}", "a.".repeat(deep)),
        ] {
            let error = Manifest::parse("orlop.toml", &text).unwrap_err();
            assert!(error.to_string().contains("not valid TOML"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn every_text_is_read_or_explained(
            text in prop_oneof![any::<String>(), "(schema = 1\n)?[a-z\\[\\]{}=\"'. \n#é]{0,60}"],
        ) {
            if let Err(error) = Manifest::parse("orlop.toml", &text) {
                let shown = rendered(&error);
                prop_assert!(!shown.contains("Failed to read contents"), "{}", shown);
                prop_assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{:?}", shown);
            }
        }
    }
}
