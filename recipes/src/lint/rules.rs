//! [`RULES`]: every rule with its words, a bad and a good example, a check, and a fix if it has one.
//!
//! The page of the book and `orlop recipe lint --explain` are made from this table; a test holds
//! each rule against its own examples.

use std::fmt;

use serde::{Serialize, Serializer};
use toml_edit::DocumentMut;

use super::subject::Subject;
use super::{Level, Report, any, app, fixes};

/// One rule.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Its name, `no-summary`.
    pub name: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What it is about, in one sentence.
    pub about: &'static str,
    /// A recipe that breaks it, from the line behind `schema = 1`.
    pub bad: &'static str,
    /// The same recipe when it is mended.
    pub good: &'static str,
    pub(super) check: fn(&Subject<'_>, &mut Report<'_>),
    pub(super) fix: Option<fn(&mut DocumentMut)>,
}

impl Rule {
    /// Whether `orlop recipe lint --fix` mends it.
    pub fn has_fix(&self) -> bool {
        self.fix.is_some()
    }
}

/// A rule is known by its name.
impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Rule {}

/// All rules, those of apps first.
pub const RULES: &[Rule] = &[
    Rule {
        name: "no-summary",
        level: Level::Warning,
        about: "An app says in one line what it is.",
        bad: "[app]\nname = \"hello\"\n",
        good: "[app]\nname = \"hello\"\nsummary = \"Says hello to people\"\n",
        check: app::no_summary,
        fix: None,
    },
    Rule {
        name: "summary-style",
        level: Level::Warning,
        about: "A summary has 10 to 80 characters, a capital letter first, no article, no stop.",
        bad: "[app]\nname = \"hello\"\nsummary = \"a program that says hello.\"\n",
        good: "[app]\nname = \"hello\"\nsummary = \"Program that says hello\"\n",
        check: app::summary_style,
        fix: Some(fixes::summary),
    },
    Rule {
        name: "no-license",
        level: Level::Warning,
        about: "An app says under which licence it is.",
        bad: "[app]\nname = \"hello\"\n",
        good: "[app]\nname = \"hello\"\nlicense = \"MIT\"\n",
        check: app::no_license,
        fix: None,
    },
    Rule {
        name: "bad-license",
        level: Level::Error,
        about: "A licence is an SPDX expression.",
        bad: "[app]\nname = \"hello\"\nlicense = \"MIT/Apache-2.0\"\n",
        good: "[app]\nname = \"hello\"\nlicense = \"MIT OR Apache-2.0\"\n",
        check: app::bad_license,
        fix: Some(fixes::license),
    },
    Rule {
        name: "other-license",
        level: Level::Warning,
        about: "The licence is the one that the package names (asked with `--online`).",
        bad: "[app]\nname = \"hello\"\nlicense = \"GPL-3.0-only\"\n",
        good: "[app]\nname = \"hello\"\nlicense = \"MIT\"\n",
        check: app::other_license,
        fix: None,
    },
    Rule {
        name: "no-binaries",
        level: Level::Warning,
        about: "An app names its programs, so that a new one does not come unasked.",
        bad: "[app]\nname = \"hello\"\n",
        good: "[app]\nname = \"hello\"\nbinaries = [\"hello\"]\n",
        check: app::no_binaries,
        fix: None,
    },
    Rule {
        name: "unknown-binary",
        level: Level::Error,
        about: "The package has the programs that the recipe names (asked with `--online`).",
        bad: "[app]\nname = \"hello\"\nbinaries = [\"helo\"]\n",
        good: "[app]\nname = \"hello\"\nbinaries = [\"hello\"]\n",
        check: app::unknown_binary,
        fix: None,
    },
    Rule {
        name: "unknown-feature",
        level: Level::Error,
        about: "The package has the features that the recipe names (asked with `--online`).",
        bad: "[app]\nname = \"hello\"\nfeatures = [\"loud\"]\n",
        good: "[app]\nname = \"hello\"\nfeatures = [\"extra\"]\n",
        check: app::unknown_feature,
        fix: None,
    },
    Rule {
        name: "unknown-file",
        level: Level::Error,
        about: "The package has the files that the recipe takes from it (asked with `--online`).",
        bad: "[app]\nname = \"hello\"\nshare = { \"hello.1\" = { file = \"hello.1\" } }\n",
        good: "[app]\nname = \"hello\"\nshare = { \"hello.1\" = { file = \"doc/hello.1\" } }\n",
        check: app::unknown_file,
        fix: None,
    },
    Rule {
        name: "useless-alias",
        level: Level::Warning,
        about: "An alias is another name than the app's and its programs'.",
        bad: "[app]\nname = \"hello\"\nbinaries = [\"hi\"]\naliases = [\"hi\", \"bonjour\"]\n",
        good: "[app]\nname = \"hello\"\nbinaries = [\"hi\"]\naliases = [\"bonjour\"]\n",
        check: app::useless_alias,
        fix: Some(fixes::useless_alias),
    },
    Rule {
        name: "no-test",
        level: Level::Warning,
        about: "An app has a line that shows that it works.",
        bad: "[app]\nname = \"hello\"\n",
        good: "[app]\nname = \"hello\"\ntest = \"hello | grep hello\"\n",
        check: app::no_test,
        fix: None,
    },
    Rule {
        name: "test-of-others",
        level: Level::Warning,
        about: "The test calls a program of the app.",
        bad: "[app]\nname = \"hello\"\nbinaries = [\"hello\"]\ntest = \"true\"\n",
        good: "[app]\nname = \"hello\"\nbinaries = [\"hello\"]\ntest = \"hello | grep hello\"\n",
        check: app::test_of_others,
        fix: None,
    },
    Rule {
        name: "key-order",
        level: Level::Warning,
        about: "Keys are in the order in which `orlop recipe fmt` writes them.",
        bad: "[app]\nbinaries = [\"hello\"]\nname = \"hello\"\n",
        good: "[app]\nname = \"hello\"\nbinaries = [\"hello\"]\n",
        check: any::key_order,
        fix: Some(fixes::layout),
    },
    Rule {
        name: "redundant-default",
        level: Level::Warning,
        about: "No key says what goes without saying.",
        bad: "[app]\nname = \"hello\"\ncrate = \"hello\"\ndefault-features = true\n",
        good: "[app]\nname = \"hello\"\n",
        check: any::redundant_default,
        fix: Some(fixes::redundant_default),
    },
    Rule {
        name: "repeated-item",
        level: Level::Warning,
        about: "No list says the same twice.",
        bad: "[crate]\nname = \"hello-sys\"\ntools = [\"cc\", \"make\", \"cc\"]\n",
        good: "[crate]\nname = \"hello-sys\"\ntools = [\"cc\", \"make\"]\n",
        check: any::repeated_item,
        fix: Some(fixes::repeated_item),
    },
    Rule {
        name: "file-name",
        level: Level::Warning,
        about: "A recipe lies in a file of its name.",
        bad: "[app]\nname = \"bonjour\"\n",
        good: "[app]\nname = \"hello\"\n",
        check: any::file_name,
        fix: None,
    },
    Rule {
        name: "todo-left",
        level: Level::Warning,
        about: "Nothing is left to do.",
        bad: "[app]\nname = \"hello\" # TODO: find a name\n",
        good: "[app]\nname = \"hello\"\n",
        check: any::todo_left,
        fix: None,
    },
    Rule {
        name: "insecure-address",
        level: Level::Warning,
        about: "Sources come over connections that nobody can read or break.",
        bad: "[app]\nname = \"hello\"\n\
              source = { git = \"http://example.org/hello\", rev = \"0123456789abcdef0123456789abcdef01234567\" }\n",
        good: "[app]\nname = \"hello\"\n\
               source = { git = \"https://example.org/hello\", rev = \"0123456789abcdef0123456789abcdef01234567\" }\n",
        check: any::insecure_address,
        fix: None,
    },
    Rule {
        name: "placeholder",
        level: Level::Error,
        about: "Checksums and commits are real ones.",
        bad: "[app]\nname = \"hello\"\n\
              source = { git = \"https://example.org/hello\", rev = \"0000000000000000000000000000000000000000\" }\n",
        good: "[app]\nname = \"hello\"\n\
               source = { git = \"https://example.org/hello\", rev = \"0123456789abcdef0123456789abcdef01234567\" }\n",
        check: any::placeholder,
        fix: None,
    },
    Rule {
        name: "unknown-library",
        level: Level::Error,
        about: "Every native library that is named has a recipe.",
        bad: "[crate]\nname = \"hello-sys\"\nnative = [\"zlibb\"]\n",
        good: "[crate]\nname = \"hello-sys\"\nnative = [\"zlib\"]\n",
        check: any::unknown_library,
        fix: None,
    },
    Rule {
        name: "needs-itself",
        level: Level::Error,
        about: "No native library needs itself to be built, nor one that needs it.",
        bad: "[library]\nname = \"hello\"\nversion = \"1.0\"\n\
              source = { crate = \"hello-src\", version = \"=1.0.0\", checksum = \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\" }\n\
              native = [\"hello\"]\nbuild = \"make\"\n",
        good: "[library]\nname = \"hello\"\nversion = \"1.0\"\n\
               source = { crate = \"hello-src\", version = \"=1.0.0\", checksum = \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\" }\n\
               native = [\"zlib\"]\nbuild = \"make\"\n",
        check: any::needs_itself,
        fix: None,
    },
    Rule {
        name: "script-without-out",
        level: Level::Error,
        about: "The script of a native library puts something into `$out`.",
        bad: "[library]\nname = \"hello\"\nversion = \"1.0\"\n\
              source = { crate = \"hello-src\", version = \"=1.0.0\", checksum = \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\" }\n\
              script = \"make install\"\n",
        good: "[library]\nname = \"hello\"\nversion = \"1.0\"\n\
               source = { crate = \"hello-src\", version = \"=1.0.0\", checksum = \"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\" }\n\
               script = \"make install PREFIX=$out\"\n",
        check: any::script_without_out,
        fix: None,
    },
];
