//! [`AppSpec`]: an app as a user names it on the command line.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use miette::Diagnostic;
use serde::Serialize;

use crate::error::RecipeErrorKind;
use crate::name::{NameError, PackageName};
use crate::{VersionReq, text};

/// An app as a user names it: `ripgrep`, `ripgrep@14`, `./hello.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum AppSpec {
    /// A package of the registry: `NAME` or `NAME@REQUIREMENT`.
    Registry {
        /// Its name.
        name: PackageName,
        /// Its accepted versions. A bare version means what it means in Cargo.toml.
        requirement: VersionReq,
    },
    /// A recipe in a file: any text that holds `/` or ends in `.toml`, and `.` and `..`, which are
    /// paths as well, of folders.
    Recipe(String),
}

/// Why a text names no app.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum SpecError {
    /// Nothing is there.
    #[error("the name of an app is empty")]
    Empty,
    /// The part before `@` is no name of a package.
    #[error("{reason}")]
    Name {
        /// What is wrong with it.
        reason: NameError,
        /// What was probably meant.
        #[help]
        help: Option<String>,
    },
    /// Nothing stands behind `@`.
    #[error("`{name}@` has no version behind the `@`")]
    #[diagnostic(help(
        "write `{name}` for the newest version, `{name}@1.2` for one that is compatible with 1.2"
    ))]
    NoRequirement {
        /// The name before it.
        name: PackageName,
    },
    /// What stands behind `@` is no requirement.
    #[error("{reason}")]
    #[diagnostic(help(
        "write `{name}@1.2` (compatible with 1.2), `{name}@=1.2.3` or `{name}@latest`"
    ))]
    Requirement {
        /// The name before it.
        name: PackageName,
        /// What is wrong with it.
        reason: RecipeErrorKind,
    },
    /// It is the address of something.
    #[error("`{address}` is an address; an app is a package, or a recipe in a file")]
    #[diagnostic(help(
        "write a recipe for a project in a repository: `orlop recipe import {address}`"
    ))]
    Address {
        /// The address; a shell takes it as it is.
        address: String,
    },
    /// The path is none that can be opened.
    #[error("{reason}")]
    Path {
        /// What is wrong with it.
        reason: RecipeErrorKind,
    },
}

impl FromStr for AppSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        if text.is_empty() {
            return Err(SpecError::Empty);
        }
        if is_address(text) {
            // What pip, Cargo's lock files and the like write is no address that Git knows.
            let address = text.strip_prefix("git+").unwrap_or(text).to_owned();
            return Err(SpecError::Address { address });
        }
        if is_path(text) {
            return text::recipe_path(text)
                .map(Self::Recipe)
                .map_err(|reason| SpecError::Path { reason });
        }
        let (name, requirement) = match text.split_once('@') {
            Some((name, requirement)) => (name, Some(requirement)),
            None => (text, None),
        };
        let name: PackageName = name.parse().map_err(|reason| SpecError::Name {
            reason,
            help: separator_help(text),
        })?;
        let requirement = match requirement.map(str::trim) {
            None => VersionReq::STAR,
            Some("") => return Err(SpecError::NoRequirement { name }),
            Some(requirement) => {
                text::requirement(requirement).map_err(|reason| SpecError::Requirement {
                    name: name.clone(),
                    reason,
                })?
            }
        };
        Ok(Self::Registry { name, requirement })
    }
}

/// Whether a text means a file or a folder.
fn is_path(text: &str) -> bool {
    let is_file = || Path::new(text).extension().is_some_and(|end| end == "toml");
    text.contains('/') || text == "." || text == ".." || is_file()
}

/// Whether a text is an address that can be typed as it is.
fn is_address(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/@%+".contains(c);
    text.contains("://") && text.chars().all(plain)
}

/// Helps those who know other separators: `ripgrep==14`, `ripgrep:14`, `ripgrep 14`.
fn separator_help(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')?;
    let (name, rest) = text.split_at(end);
    let name: PackageName = name.parse().ok()?;
    let version = rest.trim_start_matches(|c: char| "=: @".contains(c));
    let requirement = text::requirement(version).ok()?;
    Some(format!(
        "did you mean `{}`?",
        AppSpec::Registry { name, requirement }
    ))
}

impl fmt::Display for AppSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry { name, requirement } if *requirement == VersionReq::STAR => {
                write!(f, "{name}")
            }
            Self::Registry { name, requirement } => {
                write!(f, "{name}@{}", text::requirement_text(requirement))
            }
            Self::Recipe(path) => f.write_str(path),
        }
    }
}

impl From<AppSpec> for String {
    fn from(spec: AppSpec) -> Self {
        spec.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn registry(name: &str, requirement: &str) -> AppSpec {
        let requirement = VersionReq::parse(requirement).unwrap();
        AppSpec::Registry {
            name: name.parse().unwrap(),
            requirement,
        }
    }

    #[test]
    fn specs() {
        for (text, expected) in [
            ("ripgrep", registry("ripgrep", "*")),
            ("ripgrep@latest", registry("ripgrep", "*")),
            ("ripgrep@14", registry("ripgrep", "^14")),
            ("ripgrep@^14.1", registry("ripgrep", "^14.1")),
            ("ripgrep@=14.1.0", registry("ripgrep", "=14.1.0")),
            ("ripgrep@14.1.0", registry("ripgrep", "^14.1.0")),
            ("ripgrep@>=14, <16", registry("ripgrep", ">=14, <16")),
            ("ripgrep@15.0.0-rc.1", registry("ripgrep", "^15.0.0-rc.1")),
            ("./hello.toml", AppSpec::Recipe("./hello.toml".to_owned())),
            ("hello.toml", AppSpec::Recipe("hello.toml".to_owned())),
            ("recipes/hello", AppSpec::Recipe("recipes/hello".to_owned())),
            (".", AppSpec::Recipe(".".to_owned())),
            ("..", AppSpec::Recipe("..".to_owned())),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let error = text.parse::<AppSpec>().unwrap_err();
        let help = error
            .help()
            .map_or_else(String::new, |help| format!(" | {help}"));
        assert_eq!(format!("{error}{help}"), expected);
    }

    #[test]
    fn mistakes() {
        check("", "the name of an app is empty");
        check(
            "ripgrep@",
            "`ripgrep@` has no version behind the `@` | write `ripgrep` for the newest version, \
             `ripgrep@1.2` for one that is compatible with 1.2",
        );
        check(
            "ripgrep@new",
            "`new` is not a version requirement: unexpected character 'n' while parsing major \
             version number | write `ripgrep@1.2` (compatible with 1.2), `ripgrep@=1.2.3` or \
             `ripgrep@latest`",
        );
        check(
            "ripgrep==14",
            "`ripgrep==14` is not a valid package name: only ASCII letters, digits, `-` and `_` \
             are allowed | did you mean `ripgrep@14`?",
        );
        check(
            "rip grep",
            "`rip grep` is not a valid package name: only ASCII letters, digits, `-` and `_` are \
             allowed",
        );
        check(
            "https://example.com/x.toml",
            "`https://example.com/x.toml` is an address; an app is a package, or a recipe in a file \
             | write a recipe for a project in a repository: `orlop recipe import \
             https://example.com/x.toml`",
        );
        check(
            "git+https://example.com/x",
            "`https://example.com/x` is an address; an app is a package, or a recipe in a file \
             | write a recipe for a project in a repository: `orlop recipe import \
             https://example.com/x`",
        );
        check(
            "https://example.com/x y.toml",
            "`https://example.com/x y.toml` is not the path of a recipe: it is a file of this \
             machine: `./hello.toml`",
        );
    }

    proptest! {
        #[test]
        fn a_spec_is_read_as_it_is_written(
            text in "[a-z][a-z0-9_-]{0,8}(@[=^~]?[1-9][0-9]?(\\.[1-9]){0,2})?",
        ) {
            let spec: AppSpec = text.parse().unwrap();
            prop_assert_eq!(spec.to_string().parse::<AppSpec>(), Ok(spec));
        }

        #[test]
        fn no_text_is_too_odd(text in any::<String>()) {
            if let Ok(spec) = text.parse::<AppSpec>() {
                prop_assert!(!spec.to_string().chars().any(char::is_control));
            }
        }
    }
}
