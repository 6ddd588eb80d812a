//! [`Directives`]: what a build script said to Cargo, and so says to us.
//!
//! Order and repetition are kept: both mean something to a linker.

use std::collections::BTreeSet;

use camino::Utf8Path;
use serde::{Deserialize, Serialize};

/// Keys that mean something in the old syntax (`cargo:KEY=VALUE`), where every other key is
/// metadata. `error` and `metadata` are not among them.
const OLD_KEYS: [&str; 17] = [
    "rustc-flags",
    "rustc-link-lib",
    "rustc-link-search",
    "rustc-link-arg-cdylib",
    "rustc-cdylib-link-arg",
    "rustc-link-arg-bins",
    "rustc-link-arg-bin",
    "rustc-link-arg-tests",
    "rustc-link-arg-benches",
    "rustc-link-arg-examples",
    "rustc-link-arg",
    "rustc-cfg",
    "rustc-check-cfg",
    "rustc-env",
    "warning",
    "rerun-if-changed",
    "rerun-if-env-changed",
];

/// What a build script said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directives {
    /// For `-l`: `[KIND[:MODIFIERS]=]NAME[:RENAME]`.
    pub link_libraries: Vec<String>,
    /// For `-L`: `[KIND=]PATH`.
    pub link_search: Vec<String>,
    /// For `-C link-arg`.
    pub link_arguments: Vec<LinkArgument>,
    /// For `--cfg`.
    pub cfgs: Vec<String>,
    /// For `--check-cfg`.
    pub check_cfgs: Vec<String>,
    /// Variables that rustc gets with the package's own crates.
    pub environment: Vec<Pair>,
    /// What the scripts of dependents see as `DEP_<LINKS>_<KEY>`.
    pub metadata: Vec<Pair>,
    /// Files that the script has looked at.
    pub rerun_if_changed: Vec<String>,
    /// Variables that the script has looked at.
    pub rerun_if_env_changed: Vec<String>,
    /// For people.
    pub warnings: Vec<String>,
    /// The build fails, whatever the exit code.
    pub errors: Vec<String>,
}

/// A key and a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

/// One `-C link-arg` and where it applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkArgument {
    /// Where it applies.
    pub to: LinkTarget,
    /// The argument.
    pub argument: String,
}

/// Which of a package's own targets a link argument applies to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkTarget {
    /// All of them.
    All,
    /// C libraries, which Orlop does not make.
    CLibraries,
    /// Every program.
    Programs,
    /// The program of this name.
    Program(String),
    /// Tests, which Orlop does not make.
    Tests,
    /// Benchmarks, which Orlop does not make.
    Benchmarks,
    /// Examples, which Orlop does not make.
    Examples,
}

/// What decides whether a directive is allowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance<'a> {
    /// The package's `rust-version`; empty if it has none.
    pub(crate) rust_version: &'a str,
    /// Whether the compiler has unstable features anyway.
    pub(crate) nightly: bool,
    /// The package's programs.
    pub(crate) programs: &'a BTreeSet<String>,
}

/// Why a build script's output is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DirectiveError {
    /// There is no `=`.
    #[error("it says `{line}`, where `KEY=VALUE` is expected")]
    NoValue {
        /// The line.
        line: String,
    },
    /// A key of the new syntax that does not exist.
    #[error("it says `{line}`, but there is no directive `{key}`")]
    UnknownKey {
        /// The line.
        line: String,
        /// The key.
        key: String,
    },
    /// The new syntax in a package for compilers that do not know it.
    #[error(
        "it says `{line}` in the syntax `cargo::` of Rust 1.77, but the package promises to work \
         with Rust {rust_version}"
    )]
    NewSyntax {
        /// The line.
        line: String,
        /// The package's `rust-version`.
        rust_version: String,
    },
    /// Something else than `-l` and `-L` among flags.
    #[error("it says `{line}`, but only `-l` and `-L` with a value are allowed there")]
    Flags {
        /// The line.
        line: String,
    },
    /// A link argument for programs that the package does not have.
    #[error("it says `{line}`, but the package has {}", programs(.missing.as_deref()))]
    NoProgram {
        /// The line.
        line: String,
        /// The program it names, if it names one.
        missing: Option<String>,
    },
    /// A stable compiler must stay stable.
    #[error("it says `{line}`, which would switch on unstable features of the compiler")]
    Bootstrap {
        /// The line.
        line: String,
    },
}

impl Directives {
    /// Reads a build script's standard output.
    pub(crate) fn parse(output: &[u8], allowance: Allowance<'_>) -> Result<Self, DirectiveError> {
        let mut directives = Self::default();
        for line in output.split(|&byte| byte == b'\n') {
            // As in Cargo: whatever is not text is chatter.
            let Ok(line) = std::str::from_utf8(line) else {
                continue;
            };
            directives.add_line(line.trim(), allowance)?;
        }
        Ok(directives)
    }

    /// Returns the `-L` arguments of several runs, each with its own `OUT_DIR`: what scripts made
    /// themselves goes before what lies elsewhere.
    pub(crate) fn search_paths<'a>(
        runs: impl IntoIterator<Item = (&'a Self, &'a Utf8Path)>,
    ) -> Vec<String> {
        let mut own = Vec::new();
        let mut elsewhere = Vec::new();
        for (directives, out_dir) in runs {
            for search in &directives.link_search {
                let list = if search_path(search).starts_with(out_dir) {
                    &mut own
                } else {
                    &mut elsewhere
                };
                list.push(search.clone());
            }
        }
        own.append(&mut elsewhere);
        own
    }

    fn add_line(&mut self, line: &str, allowance: Allowance<'_>) -> Result<(), DirectiveError> {
        if let Some(text) = line.strip_prefix("cargo::") {
            if !knows_new_syntax(allowance.rust_version) {
                let rust_version = allowance.rust_version.to_owned();
                return Err(DirectiveError::NewSyntax {
                    line: line.to_owned(),
                    rust_version,
                });
            }
            let Pair { key, value } = pair(text, line)?;
            return match key.as_str() {
                "error" => {
                    self.errors.push(value);
                    Ok(())
                }
                "metadata" => {
                    self.metadata.push(pair(&value, line)?);
                    Ok(())
                }
                key if OLD_KEYS.contains(&key) => self.add(key, value, line, allowance),
                _ => Err(DirectiveError::UnknownKey {
                    line: line.to_owned(),
                    key,
                }),
            };
        }
        let Some(text) = line.strip_prefix("cargo:") else {
            return Ok(());
        };
        let Pair { key, value } = pair(text, line)?;
        if OLD_KEYS.contains(&key.as_str()) {
            self.add(&key, value, line, allowance)
        } else {
            self.metadata.push(Pair { key, value });
            Ok(())
        }
    }

    /// Takes a directive that both syntaxes have.
    fn add(
        &mut self,
        key: &str,
        value: String,
        line: &str,
        allowance: Allowance<'_>,
    ) -> Result<(), DirectiveError> {
        let mut add_argument =
            |to, argument| self.link_arguments.push(LinkArgument { to, argument });
        match key {
            "rustc-flags" => return self.add_flags(&value, line),
            "rustc-link-lib" => self.link_libraries.push(value),
            "rustc-link-search" => self.link_search.push(value),
            "rustc-link-arg" => add_argument(LinkTarget::All, value),
            "rustc-link-arg-cdylib" | "rustc-cdylib-link-arg" => {
                add_argument(LinkTarget::CLibraries, value);
            }
            "rustc-link-arg-bins" => {
                check_programs(allowance.programs, None, line)?;
                add_argument(LinkTarget::Programs, value);
            }
            "rustc-link-arg-bin" => {
                let Pair { key, value } = pair(&value, line)?;
                check_programs(allowance.programs, Some(&key), line)?;
                add_argument(LinkTarget::Program(key), value);
            }
            "rustc-link-arg-tests" => add_argument(LinkTarget::Tests, value),
            "rustc-link-arg-benches" => add_argument(LinkTarget::Benchmarks, value),
            "rustc-link-arg-examples" => add_argument(LinkTarget::Examples, value),
            "rustc-cfg" => self.cfgs.push(value),
            "rustc-check-cfg" => self.check_cfgs.push(value),
            "rustc-env" => return self.add_variable(&value, line, allowance),
            "rerun-if-changed" => self.rerun_if_changed.push(value),
            "rerun-if-env-changed" => self.rerun_if_env_changed.push(value),
            "warning" => self.warnings.push(value),
            _ => {
                let (line, key) = (line.to_owned(), key.to_owned());
                return Err(DirectiveError::UnknownKey { line, key });
            }
        }
        Ok(())
    }

    /// Takes `-L PATH -lNAME …`, written in one word each or in two.
    fn add_flags(&mut self, flags: &str, line: &str) -> Result<(), DirectiveError> {
        let refuse = || DirectiveError::Flags {
            line: line.to_owned(),
        };
        let mut words = flags.split_whitespace();
        while let Some(word) = words.next() {
            let (list, value) = if let Some(value) = word.strip_prefix("-l") {
                (&mut self.link_libraries, value)
            } else if let Some(value) = word.strip_prefix("-L") {
                (&mut self.link_search, value)
            } else {
                return Err(refuse());
            };
            let value = if value.is_empty() {
                words.next().ok_or_else(refuse)?
            } else {
                value
            };
            list.push(value.to_owned());
        }
        Ok(())
    }

    fn add_variable(
        &mut self,
        text: &str,
        line: &str,
        allowance: Allowance<'_>,
    ) -> Result<(), DirectiveError> {
        let variable = pair(text, line)?;
        if variable.key != "RUSTC_BOOTSTRAP" {
            self.environment.push(variable);
            Ok(())
        } else if allowance.nightly {
            // It would change nothing, so Cargo warns and leaves it away.
            self.warnings
                .push(format!("cannot set `RUSTC_BOOTSTRAP={}`", variable.value));
            Ok(())
        } else {
            Err(DirectiveError::Bootstrap {
                line: line.to_owned(),
            })
        }
    }
}

/// Refuses link arguments for programs, or for one of them, that the package does not have.
fn check_programs(
    programs: &BTreeSet<String>,
    name: Option<&str>,
    line: &str,
) -> Result<(), DirectiveError> {
    if name.map_or(!programs.is_empty(), |name| programs.contains(name)) {
        return Ok(());
    }
    Err(DirectiveError::NoProgram {
        line: line.to_owned(),
        missing: name.map(str::to_owned),
    })
}

fn programs(missing: Option<&str>) -> String {
    missing.map_or_else(
        || "no programs".to_owned(),
        |name| format!("no program `{name}`"),
    )
}

/// Splits at the first `=`.
fn pair(text: &str, line: &str) -> Result<Pair, DirectiveError> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| DirectiveError::NoValue {
            line: line.to_owned(),
        })?;
    Ok(Pair {
        key: key.to_owned(),
        value: value.trim_end().to_owned(),
    })
}

/// Returns the path of `[KIND=]PATH`.
fn search_path(search: &str) -> &Utf8Path {
    let path = match search.split_once('=') {
        Some(("dependency" | "crate" | "native" | "framework" | "all", path)) => path,
        _ => search,
    };
    Utf8Path::new(path)
}

/// Whether all compilers that a package promises to work with know `cargo::`.
fn knows_new_syntax(rust_version: &str) -> bool {
    let mut numbers = rust_version.split(['.', '-']).map(str::parse::<u64>);
    let mut next = || numbers.next().and_then(Result::ok).unwrap_or_default();
    rust_version.is_empty() || (next(), next()) >= (1, 77)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_with(
        output: &str,
        rust_version: &str,
        nightly: bool,
    ) -> Result<Directives, DirectiveError> {
        let programs = BTreeSet::from(["rg".to_owned()]);
        let allowance = Allowance {
            rust_version,
            nightly,
            programs: &programs,
        };
        Directives::parse(output.as_bytes(), allowance)
    }

    fn parse(output: &str) -> Result<Directives, String> {
        parse_with(output, "", false).map_err(|error| error.to_string())
    }

    fn pair(key: &str, value: &str) -> Pair {
        Pair {
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn every_directive_in_both_syntaxes() {
        let text = "\
            rustc-link-lib=static:+whole-archive=b:c\n\
            rustc-link-lib=z\n\
            rustc-link-lib=z\n\
            rustc-link-search=native=/a=b\n\
            rustc-link-search=/c\n\
            rustc-flags= -l m -L/d  -Lnative=/e -L /f\n\
            rustc-cfg=feature=\"x y\"\n\
            rustc-cfg=fast\n\
            rustc-check-cfg=cfg(fast, values(\"a\"))\n\
            rustc-env=A=b=c d\n\
            rustc-env=EMPTY=\n\
            rustc-link-arg=-Wl,-z,now\n\
            rustc-link-arg-bins=-bins\n\
            rustc-link-arg-bin=rg=-one=1\n\
            rustc-link-arg-cdylib=-c\n\
            rustc-cdylib-link-arg=-d\n\
            rustc-link-arg-tests=-t\n\
            rustc-link-arg-benches=-b\n\
            rustc-link-arg-examples=-e\n\
            rerun-if-changed=build.rs\n\
            rerun-if-env-changed=CC\n\
            warning=old = bad";
        let old = format!("cargo:{}", text.replace('\n', "\ncargo:"));
        let new = format!("  cargo::{}", text.replace('\n', " \n  cargo::"));
        let directives = parse(&old).unwrap();
        assert_eq!(parse(&new).unwrap(), directives);
        let to = |to, argument: &str| LinkArgument {
            to,
            argument: argument.to_owned(),
        };
        let expected = Directives {
            link_libraries: ["static:+whole-archive=b:c", "z", "z", "m"]
                .map(Into::into)
                .into(),
            link_search: ["native=/a=b", "/c", "/d", "native=/e", "/f"]
                .map(Into::into)
                .into(),
            link_arguments: vec![
                to(LinkTarget::All, "-Wl,-z,now"),
                to(LinkTarget::Programs, "-bins"),
                to(LinkTarget::Program("rg".into()), "-one=1"),
                to(LinkTarget::CLibraries, "-c"),
                to(LinkTarget::CLibraries, "-d"),
                to(LinkTarget::Tests, "-t"),
                to(LinkTarget::Benchmarks, "-b"),
                to(LinkTarget::Examples, "-e"),
            ],
            cfgs: ["feature=\"x y\"", "fast"].map(Into::into).into(),
            check_cfgs: vec!["cfg(fast, values(\"a\"))".into()],
            environment: vec![pair("A", "b=c d"), pair("EMPTY", "")],
            metadata: Vec::new(),
            rerun_if_changed: vec!["build.rs".into()],
            rerun_if_env_changed: vec!["CC".into()],
            warnings: vec!["old = bad".into()],
            errors: Vec::new(),
        };
        assert_eq!(directives, expected);
        let record = serde_json::to_string(&directives).unwrap();
        assert_eq!(
            serde_json::from_str::<Directives>(&record).unwrap(),
            expected
        );
    }

    #[test]
    fn the_syntaxes_differ_in_metadata_and_errors() {
        let old = parse("cargo:include=/a=b\ncargo:error=x\ncargo:metadata=k=v\n").unwrap();
        assert_eq!(
            old.metadata,
            [
                pair("include", "/a=b"),
                pair("error", "x"),
                pair("metadata", "k=v")
            ]
        );
        assert_eq!(old.errors, [] as [&str; 0]);
        let new = parse("cargo::metadata=include=/a=b\ncargo::error=x = y\n").unwrap();
        assert_eq!(new.metadata, [pair("include", "/a=b")]);
        assert_eq!(new.errors, ["x = y"]);
    }

    #[test]
    fn chatter_is_not_a_directive() {
        let mut output = b"checking for cc... yes\n Cargo:rustc-cfg=a\ncargo\n\n".to_vec();
        output.extend(b"cargo:rustc-cfg=\xff\n");
        output.extend(b"cargo:rustc-cfg=last");
        let programs = BTreeSet::new();
        let allowance = Allowance {
            rust_version: "",
            nightly: false,
            programs: &programs,
        };
        let directives = Directives::parse(&output, allowance).unwrap();
        assert_eq!(
            directives,
            Directives {
                cfgs: vec!["last".into()],
                ..Directives::default()
            }
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let refused = |output: &str| parse(output).unwrap_err();
        let cases = [
            "cargo::rustc-cfg",
            "cargo:rustc-cfg",
            "cargo::metadata=key",
            "cargo::made-up=1",
            "cargo:rustc-flags=-l",
            "cargo:rustc-flags=-C opt-level=0",
            "cargo:rustc-link-arg-bin=-s",
            "cargo:rustc-env=A",
            "cargo:rustc-env=RUSTC_BOOTSTRAP=1",
        ];
        insta::assert_snapshot!(cases.map(refused).join("\n"), @"
        it says `cargo::rustc-cfg`, where `KEY=VALUE` is expected
        it says `cargo:rustc-cfg`, where `KEY=VALUE` is expected
        it says `cargo::metadata=key`, where `KEY=VALUE` is expected
        it says `cargo::made-up=1`, but there is no directive `made-up`
        it says `cargo:rustc-flags=-l`, but only `-l` and `-L` with a value are allowed there
        it says `cargo:rustc-flags=-C opt-level=0`, but only `-l` and `-L` with a value are allowed there
        it says `cargo:rustc-link-arg-bin=-s`, where `KEY=VALUE` is expected
        it says `cargo:rustc-env=A`, where `KEY=VALUE` is expected
        it says `cargo:rustc-env=RUSTC_BOOTSTRAP=1`, which would switch on unstable features of the compiler
        ");
    }

    #[test]
    fn a_nightly_compiler_stays_nightly() {
        let directives = parse_with("cargo:rustc-env=RUSTC_BOOTSTRAP=1", "", true).unwrap();
        assert_eq!(directives.warnings, ["cannot set `RUSTC_BOOTSTRAP=1`"]);
        assert_eq!(directives.environment, []);
    }

    #[test]
    fn link_arguments_name_programs_that_exist() {
        let error = parse("cargo:rustc-link-arg-bin=fd=-x").unwrap_err();
        assert_eq!(
            error,
            "it says `cargo:rustc-link-arg-bin=fd=-x`, but the package has no program `fd`"
        );
        let programs = BTreeSet::new();
        let allowance = Allowance {
            rust_version: "",
            nightly: false,
            programs: &programs,
        };
        let error = Directives::parse(b"cargo::rustc-link-arg-bins=-x", allowance).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it says `cargo::rustc-link-arg-bins=-x`, but the package has no programs"
        );
    }

    #[test]
    fn the_new_syntax_needs_a_new_compiler() {
        let parse = |output, rust_version| parse_with(output, rust_version, false).is_ok();
        for (rust_version, known) in [
            ("1.76", false),
            ("1.9.0", false),
            ("1", false),
            ("1.77", true),
            ("1.77.2", true),
            ("2.0", true),
        ] {
            assert_eq!(
                parse("cargo::rustc-cfg=a", rust_version),
                known,
                "{rust_version}"
            );
            assert!(parse("cargo:rustc-cfg=a", rust_version));
        }
    }

    #[test]
    fn own_libraries_come_first() {
        let run = |paths: &[&str]| Directives {
            link_search: paths.iter().map(|&path| path.to_owned()).collect(),
            ..Directives::default()
        };
        let one = run(&["/usr/lib", "native=/one/out/b", "/one/out"]);
        let two = run(&["/one/other", "framework=/two/out/lib"]);
        let runs = [
            (&one, Utf8Path::new("/one/out")),
            (&two, Utf8Path::new("/two/out")),
        ];
        assert_eq!(
            Directives::search_paths(runs),
            [
                "native=/one/out/b",
                "/one/out",
                "framework=/two/out/lib",
                "/usr/lib",
                "/one/other"
            ]
        );
    }
}
