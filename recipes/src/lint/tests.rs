//! Every rule against its own examples; every shipped recipe against all rules.

use std::collections::BTreeSet;

use super::*;
use crate::RecipeErrorKind;
use crate::recipe::{RecipeSet, shipped};

/// A world in which the examples make sense.
fn known() -> Known {
    Known {
        recipes: RecipeSet::shipped(),
        package: Some(PackageFacts {
            version: None,
            binaries: ["hello", "hi"].map(str::to_owned).into(),
            features: BTreeSet::from(["extra".to_owned()]),
            license: "MIT".to_owned(),
            files: BTreeSet::from(["doc/hello.1".to_owned()]),
        }),
    }
}

fn broken(text: &str, known: &Known) -> Vec<&'static str> {
    let recipe = Recipe::parse("x.toml", text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let file = match recipe.name().as_str() {
        "bonjour" => "hello.toml".to_owned(),
        name => format!("{name}.toml"),
    };
    let findings = lint(&file, text, known).unwrap();
    findings.iter().map(|finding| finding.rule.name).collect()
}

#[test]
fn rules_keep_their_examples() {
    for rule in RULES {
        let [bad, good] = [rule.bad, rule.good].map(|text| format!("schema = 1\n{text}"));
        assert!(broken(&bad, &known()).contains(&rule.name), "{}", rule.name);
        assert!(
            !broken(&good, &known()).contains(&rule.name),
            "{}",
            rule.name
        );
    }
}

#[test]
fn fixes_make_the_good_example_of_the_bad_one() {
    for rule in RULES.iter().filter(|rule| rule.has_fix()) {
        let [bad, good] = [rule.bad, rule.good].map(|text| format!("schema = 1\n{text}"));
        let fixed = fix("hello.toml", &bad, &known()).unwrap();
        let good = crate::format("hello.toml", &good).unwrap();
        assert_eq!(fixed, good, "{}", rule.name);
        assert_eq!(fix("hello.toml", &fixed, &known()).unwrap(), fixed);
    }
}

#[test]
fn fixes_keep_comments() {
    let text = "# head\nschema = 1\n# the app\n[app]\n# a list\nbinaries = [\"hi\", \"hi\"] # twice\n\
                name = \"hello\" # its name\n# said\nsummary = \"the greeter of people.\" # what\n";
    let fixed = fix("hello.toml", text, &known()).unwrap();
    assert_eq!(
        fixed,
        "# head\nschema = 1\n\n# the app\n[app]\nname = \"hello\" # its name\n# said\n\
         summary = \"Greeter of people\" # what\n# a list\nbinaries = [\"hi\"] # twice\n"
    );
}

#[test]
fn findings_know_their_place() {
    let text =
        "# TODO: é\nschema = 1\n[app]\nname = \"hello\"\nbinaries = [\"hello\", \"hullo\"]\n";
    let findings = lint("hello.toml", text, &known()).unwrap();
    let found = findings
        .iter()
        .find(|finding| finding.rule.name == "unknown-binary")
        .unwrap();
    assert_eq!((found.line, found.column), (5, 22));
    // A mark of the byte order is no character of the text.
    let marked = format!("\u{feff}{text}");
    let again = lint("hello.toml", &marked, &known()).unwrap();
    assert_eq!(again, findings);
    assert_eq!(
        found.message,
        "the package has no program `hullo`; it has `hello`, `hi`"
    );
}

#[test]
fn libraries_in_place_of_others_are_known() {
    let text = "schema = 1\n[crate]\nname = \"hello-sys\"\n\n[crate.instead.zlibb]\n";
    let findings = lint("hello-sys.toml", text, &known()).unwrap();
    let [finding] = &findings[..] else {
        panic!("{findings:#?}")
    };
    assert_eq!((finding.rule.name, finding.line), ("unknown-library", 5));
    let good = text.replace("zlibb", "zlib");
    assert!(lint("hello-sys.toml", &good, &known()).unwrap().is_empty());
}

#[test]
fn archives_of_compilers_are_looked_at() {
    let text = format!(
        "schema = 1\n[compiler]\nname = \"hello\"\nversion = \"1.0.0\"\n\n[[compiler.source]]\n\
         url = \"https://example.org/a.tar.gz\"\nsha256 = \"{}\"\n\n[[compiler.source]]\n\
         sha256 = \"{}\"\nmirrors = [\"http://example.org/b.tar.gz\"]\n\
         url = \"http://example.com/b.tar.gz\"\n",
        "0".repeat(64),
        "01".repeat(32)
    );
    let findings = lint("hello.toml", &text, &known()).unwrap();
    let found: Vec<_> = findings
        .iter()
        .map(|finding| (finding.rule.name, finding.line, finding.column))
        .collect();
    assert_eq!(
        found,
        [
            ("placeholder", 8, 10),
            ("key-order", 12, 1),
            ("insecure-address", 12, 12),
            ("key-order", 13, 1),
            ("insecure-address", 13, 7),
        ]
    );
}

#[test]
fn all_sources_are_looked_at() {
    let zeros = "0".repeat(40);
    let app = format!(
        "schema = 1\n[app]\nname = \"hello\"\nsource = {{ git = \"https://x.y/z\", rev = \"{zeros}\" }}\n\n\
         [app.patch]\nfirst = {{ path = \"../first\" }}\n\
         second = {{ git = \"http://x.y/z\", rev = \"{zeros}\" }}\n"
    );
    let plugin = format!(
        "schema = 1\n[plugin]\nname = \"hello\"\nhost = \"hi\"\n\
         source = {{ git = \"git://x.y/z\", rev = \"{zeros}\" }}\n"
    );
    let found = |text: &str| {
        let findings = lint("hello.toml", text, &known()).unwrap();
        let rules = ["insecure-address", "placeholder"];
        let findings = findings
            .iter()
            .map(|finding| (finding.rule.name, finding.line));
        findings
            .filter(|(rule, _)| rules.contains(rule))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        found(&app),
        [
            ("placeholder", 4),
            ("insecure-address", 8),
            ("placeholder", 8)
        ]
    );
    assert_eq!(
        found(&plugin),
        [("insecure-address", 5), ("placeholder", 5)]
    );
}

#[test]
fn versions_of_libraries_are_known() {
    let text = "schema = 1\n[crate]\nname = \"hello-sys\"\nnative = { xz = {}, zlib = \"0.9\" }\n";
    let findings = lint("hello-sys.toml", text, &known()).unwrap();
    let [finding] = &findings[..] else {
        panic!("{findings:#?}")
    };
    assert_eq!(
        (finding.rule.name, finding.line, finding.column),
        ("unknown-library", 4, 21)
    );
    assert!(
        finding
            .message
            .starts_with("it needs the native library `zlib` in a version `0.9`, and")
    );
}

#[test]
fn circles_of_libraries_are_found() {
    let library = |name: &str, version: &str, needs: &str| {
        format!(
            "schema = 1\n[library]\nname = \"{name}\"\nversion = \"{version}\"\n\
             source = {{ crate = \"x-src\", version = \"=1.0.0\", checksum = \"{}\" }}\n\
             {needs}\nbuild = \"make\"\n",
            "01".repeat(32)
        )
    };
    let mut known = known();
    let others = [
        ("b", "1.0", "needs.build = [\"c\"]"),
        ("c", "1.0", "native = { z = {}, a = \"2\" }"),
        ("z", "1.0", "native = [\"zlib\"]"),
        ("d", "1.0", "native = [\"e\"]"),
        ("e", "1.0", "native = [\"d\"]"),
    ];
    for (name, version, needs) in others {
        let text = library(name, version, needs);
        known.recipes.add(Recipe::parse("x.toml", &text).unwrap());
    }
    let found = |version: &str, needs: &str| {
        let text = library("a", version, needs);
        let mut known = known.clone();
        known.recipes.add(Recipe::parse("a.toml", &text).unwrap());
        let findings = lint("a.toml", &text, &known).unwrap();
        let found = findings.into_iter().map(|finding| {
            assert_eq!(finding.rule.name, "needs-itself");
            (finding.line, finding.column, finding.message)
        });
        found.collect::<Vec<_>>()
    };
    let direct = "it would have to be built before it is built".to_owned();
    let around = "it needs `b`, which needs `c`, which needs it".to_owned();
    for (version, needs, expected) in [
        (
            "2.0",
            "native = [\"zlib\", \"a\"]",
            vec![(6, 19, direct.clone())],
        ),
        (
            "2.0",
            "native = { zlib = {}, a = \"2\" }",
            vec![(6, 23, direct.clone())],
        ),
        ("2.0", "needs.build = { a = {} }", vec![(6, 17, direct)]),
        ("2.0", "native = [\"b\"]", vec![(6, 11, around)]),
        // Another version is another library, and the circle of others is theirs.
        ("3.0", "native = [\"b\"]", vec![]),
        ("2.0", "native = [\"d\"]", vec![]),
        ("2.0", "needs.test = [\"a\"]", vec![]),
    ] {
        assert_eq!(found(version, needs), expected, "{needs}");
    }
}

#[test]
fn a_file_may_name_the_version_of_a_library() {
    let (_, text) = shipped::FILES
        .iter()
        .find(|(name, _)| *name == "zlib.toml")
        .unwrap();
    let version = RecipeSet::shipped()
        .library(&"zlib".parse().unwrap())
        .unwrap()
        .version
        .clone();
    for (file, good) in [
        (format!("zlib-{version}.toml"), true),
        ("zlib-1.toml".to_owned(), true),
        ("zlib-0.9.toml".to_owned(), false),
    ] {
        assert_eq!(
            lint(&file, text, &known()).unwrap().is_empty(),
            good,
            "{file}"
        );
    }
}

#[test]
fn the_script_that_is_proposed_is_one_that_builds_something() {
    let text = format!(
        "schema = 1\n[library]\nname = \"hello\"\nversion = \"1.0\"\n\
         source = {{ crate = \"x-src\", version = \"=1.0.0\", checksum = \"{}\" }}\n",
        "01".repeat(32)
    );
    let error = lint("hello.toml", &text, &known()).unwrap_err();
    let RecipeErrorKind::MissingKey { example, .. } = error.kind() else {
        panic!("{error}")
    };
    let findings = lint("hello.toml", &format!("{text}{example}\n"), &known()).unwrap();
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn names_are_used_once_and_sentences_end() {
    let names: BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), RULES.len());
    for rule in RULES {
        assert!(rule.about.ends_with('.'), "{}", rule.name);
    }
}

#[test]
fn shipped_recipes_have_nothing_to_complain_of() {
    let known = Known {
        recipes: RecipeSet::shipped(),
        package: None,
    };
    for (file, text) in shipped::FILES {
        let findings = lint(file, text, &known).unwrap();
        assert!(findings.is_empty(), "{file}: {findings:#?}");
    }
}
