//! [`Draft`]: a new recipe, from what is known of a package. What is not known is left to the
//! author by a comment that says TODO, which the linter finds again.

use std::fmt::Write as _;

use toml_edit::{Array, InlineTable, Value};

use crate::error::RecipeError;
use crate::lint::plain_summary;
use crate::manifest::sources;
use crate::name::{FeatureName, PackageName};
use crate::recipe::{CrateSource, RecipeKind, ShareOrigin};
use crate::{Version, VersionReq};

/// The longest summary that fits into a list.
const LONGEST_SUMMARY: usize = 80;

/// What is known of an app that has no recipe yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The app's name.
    pub name: PackageName,
    /// Its package.
    pub package: PackageName,
    /// How the package describes itself.
    pub description: String,
    /// The licence that the package names; empty if it names none.
    pub license: String,
    /// Where the package comes from, if not from the registry.
    pub source: Option<CrateSource>,
    /// Features that its programs need beside the default ones.
    pub features: Vec<FeatureName>,
    /// The versions that are wanted.
    pub requirement: VersionReq,
    /// The version that all this is about.
    pub version: Version,
    /// Its programs.
    pub binaries: Vec<String>,
    /// Man pages and completions, by the names under which a recipe lists them.
    pub share: Vec<(String, ShareOrigin)>,
    /// What the author should know.
    pub notes: Vec<String>,
    /// What the author has to find out.
    pub open: Vec<String>,
}

impl Draft {
    /// Returns the text of the recipe; fails if something in it is no part of a recipe.
    pub fn to_text(&self) -> Result<String, RecipeError> {
        let mut text = String::new();
        for note in &self.notes {
            writeln!(text, "# {note}").expect("a string takes all");
        }
        for open in &self.open {
            writeln!(text, "# TODO: {open}").expect("a string takes all");
        }
        text.push_str("schema = 1\n\n[app]\n");
        let mut entry = |key: &str, value: Value, todo: Option<&str>| {
            let todo = todo
                .map(|todo| format!(" # TODO: {todo}"))
                .unwrap_or_default();
            writeln!(text, "{key} = {}{todo}", value.to_string().trim())
                .expect("a string takes all");
        };
        entry("name", self.name.as_str().into(), None);
        if self.package != self.name {
            entry("crate", self.package.as_str().into(), None);
        }
        if self.requirement != VersionReq::STAR {
            entry("version", self.requirement.to_string().into(), None);
        }
        let (summary, todo) = self.summary();
        entry("summary", summary.into(), todo);
        match self.license() {
            Ok(license) => entry("license", license.into(), None),
            // The key cannot be there without a value.
            Err(todo) => entry("# license", "".into(), Some(todo)),
        }
        if let Some(source) = &self.source {
            entry("source", sources::value(source), None);
        }
        if !self.features.is_empty() {
            entry(
                "features",
                list(self.features.iter().map(FeatureName::as_str)),
                None,
            );
        }
        entry(
            "binaries",
            list(self.binaries.iter().map(String::as_str)),
            None,
        );
        let (test, todo) = self.test();
        entry("test", test.into(), todo);
        if !self.share.is_empty() {
            entry("share-versions", caret(&self.version).into(), None);
            text.push_str("\n[app.share]\n");
        }
        for (name, origin) in &self.share {
            let mut table = InlineTable::new();
            match origin {
                ShareOrigin::File { file } => table.insert("file", file.as_str().into()),
                ShareOrigin::Run { run } => table.insert("run", run.as_str().into()),
            };
            let key = toml_edit::Key::new(name);
            writeln!(text, "{} = {table}", key.display_repr()).expect("a string takes all");
        }
        crate::format(&format!("{}.toml", self.name), &text)
    }

    fn summary(&self) -> (String, Option<&'static str>) {
        let line: String = self
            .description
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .chars()
            .filter(|c| !c.is_control())
            .collect();
        if line.is_empty() {
            let todo = "say in one line what it is";
            return (format!("The app {}", self.name), Some(todo));
        }
        let whole = plain_summary(&line);
        if whole.chars().count() <= LONGEST_SUMMARY {
            return (whole, None);
        }
        // The first sentence is often enough.
        let first = plain_summary(line.split(". ").next().unwrap_or_default());
        if first.chars().count() <= LONGEST_SUMMARY {
            return (first, None);
        }
        let mut short = String::new();
        for word in whole.split(' ') {
            if short.chars().count() + 1 + word.chars().count() > LONGEST_SUMMARY {
                break;
            }
            if !short.is_empty() {
                short.push(' ');
            }
            short.push_str(word);
        }
        let short = plain_summary(short.trim_end_matches([',', ';', ':', '.']));
        (short, Some("this is only the start of the description"))
    }

    fn license(&self) -> Result<String, &'static str> {
        if self.license.trim().is_empty() {
            return Err("the package does not name its licence");
        }
        let canonical = spdx::Expression::canonicalize(&self.license).ok().flatten();
        let license = canonical.unwrap_or_else(|| self.license.clone());
        match spdx::Expression::parse(&license) {
            Ok(_) => Ok(license),
            Err(_) => Err("the package names its licence in a way that is not SPDX"),
        }
    }

    fn test(&self) -> (String, Option<&'static str>) {
        let program = self
            .binaries
            .first()
            .map_or(self.name.as_str(), String::as_str);
        (
            format!("{program} --version"),
            Some("show that it does its work; this one only starts it"),
        )
    }
}

/// Returns the requirement that a version and what is compatible with it keep.
fn caret(version: &Version) -> String {
    if version.pre.is_empty() && version.major > 0 {
        version.major.to_string()
    } else if version.pre.is_empty() && version.minor > 0 {
        format!("0.{}", version.minor)
    } else {
        version.to_string()
    }
}

fn list<'a>(texts: impl Iterator<Item = &'a str>) -> Value {
    texts.collect::<Array>().into()
}

/// Returns the text of a recipe of which nothing is known but the name.
pub fn blank(kind: RecipeKind, name: &PackageName) -> String {
    let zeros = "0".repeat(64);
    let body = match kind {
        RecipeKind::App => format!(
            "summary = \"The app {name}\" # TODO: say in one line what it is\n\
             # license = \"MIT OR Apache-2.0\" # TODO: its licence, as an SPDX expression\n\
             binaries = [\"{name}\"] # TODO: the programs to install\n\
             test = \"{name} --version\" # TODO: show that it does its work\n"
        ),
        RecipeKind::Cdylib => format!(
            "version = \"1.0.0\" # TODO: its version\n\
             headers = {{ \"{name}.h\" = \"include/{name}.h\" }} # TODO: its headers\n"
        ),
        RecipeKind::Compiler => format!(
            "version = \"1.0.0\" # TODO: its name in `orlop compiler list`, mostly its release\n\
             \n\
             # TODO: an archive for each component: rustc, and the standard library\n\
             [[compiler.source]]\n\
             url = \"https://example.org/rustc-1.0.0.tar.gz\"\n\
             sha256 = \"{zeros}\"\n\
             folder = \"rustc\" # TODO: the folder with `bin` and `lib`, below the top\n"
        ),
        RecipeKind::Plugin => "host = \"hello\" # TODO: the app that loads it\n".to_owned(),
        RecipeKind::Crate => "# TODO: say what its build script needs, and remove the rest\n\
             # versions = \"1\"\n\
             # native = { zlib = \"1.3\" }\n\
             # needs.build = [\"bison\"]\n\
             # tools = [\"cc\"]\n\
             # environment = { HELLO_STATIC = \"1\" }\n"
            .to_owned(),
        RecipeKind::Library => format!(
            "version = \"1.0.0\" # TODO: its version\n\
             # TODO: where it comes from; `sha256sum` tells the digest of an archive\n\
             source = {{ url = \"https://example.org/{name}-1.0.0.tar.gz\", sha256 = \"{zeros}\" }}\n\
             # TODO: how it is built; all that matters goes into $out\n\
             script = '''\n./configure --prefix=\"$out\"\nmake\nmake install\n'''\n\
             # TODO: show that it works for those who use it\n\
             test = \"pkg-config --exists {name}\"\n"
        ),
    };
    format!("schema = 1\n\n[{kind}]\nname = \"{name}\"\n{body}")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::choice::Choice as _;
    use crate::lint::{Known, Level, lint};
    use crate::recipe::Recipe;

    fn draft() -> Draft {
        Draft {
            name: "kit".parse().unwrap(),
            package: "tool-kit".parse().unwrap(),
            description: "a box full of tools.".to_owned(),
            license: "MIT/Apache-2.0".to_owned(),
            source: None,
            features: vec!["cli".parse().unwrap()],
            requirement: "=0.3.1".parse().unwrap(),
            version: Version::new(0, 3, 1),
            binaries: vec!["kit".to_owned(), "kat".to_owned()],
            share: vec![(
                "kit.1".to_owned(),
                ShareOrigin::File {
                    file: "doc/kit.1".to_owned(),
                },
            )],
            notes: vec!["Needs rustc 1.85 or newer.".to_owned()],
            open: vec!["`odd-sys` links `odd`".to_owned()],
        }
    }

    #[test]
    fn what_is_known_is_written_down() {
        assert_snapshot!(draft().to_text().unwrap(), @r#"
        # Needs rustc 1.85 or newer.
        # TODO: `odd-sys` links `odd`
        schema = 1

        [app]
        name = "kit"
        crate = "tool-kit"
        version = "=0.3.1"
        summary = "Box full of tools"
        license = "MIT OR Apache-2.0"
        features = ["cli"]
        binaries = ["kit", "kat"]
        share-versions = "0.3"
        test = "kit --version" # TODO: show that it does its work; this one only starts it

        [app.share]
        "kit.1" = { file = "doc/kit.1" }
        "#);
    }

    #[test]
    fn what_is_not_known_is_left_to_do() {
        let text = Draft {
            description: "It is ".to_owned() + &"long ".repeat(30),
            license: "see the file".to_owned(),
            ..draft()
        }
        .to_text()
        .unwrap();
        let findings = lint("kit.toml", &text, &Known::default()).unwrap();
        let todo = |finding: &&crate::lint::Finding| finding.rule.name == "todo-left";
        assert_eq!(findings.iter().filter(todo).count(), 4, "{findings:#?}");
        assert!(
            findings
                .iter()
                .all(|finding| finding.level == Level::Warning)
        );
        assert!(
            text.contains("# license = \"\" # TODO: the package names its licence"),
            "{text}"
        );
    }

    #[test]
    fn blank_recipes_can_be_read_and_are_laid_out() {
        let name = "hello".parse().unwrap();
        for kind in RecipeKind::ALL {
            let text = blank(*kind, &name);
            assert_eq!(Recipe::parse("hello.toml", &text).unwrap().kind(), *kind);
            assert_eq!(crate::format("hello.toml", &text).unwrap(), text);
            let findings = lint("hello.toml", &text, &Known::default()).unwrap();
            assert!(
                findings
                    .iter()
                    .any(|finding| finding.rule.name == "todo-left")
            );
        }
    }
}
