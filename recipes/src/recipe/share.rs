//! [`ShareOrigin`]: man pages, shell completions and other files that an app brings beside its
//! programs, and where in a view they go.

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{RecipeErrorKind, literal};

/// Where a file beside the programs comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(untagged, rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub enum ShareOrigin {
    /// A file of the package.
    File {
        /// Its path in the package.
        file: String,
    },
    /// What a command prints.
    Run {
        /// A shell line that runs the app's own programs.
        run: String,
    },
}

/// Returns the place below `share` for the name of a file. A path is that place itself; a plain
/// name tells it by its form, as man pages and completions are named the same everywhere.
pub fn place(name: &str) -> Result<String, RecipeErrorKind> {
    if !is_path(name) {
        return Err(refused(name, "it is not a path below `share`"));
    }
    if name.contains('/') {
        return Ok(name.to_owned());
    }
    if name.len() > 1 && name.starts_with('_') {
        return Ok(format!("zsh/site-functions/{name}"));
    }
    let known = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty());
    match known {
        Some((_, section @ ("1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9"))) => {
            Ok(format!("man/man{section}/{name}"))
        }
        Some((program, "bash")) => Ok(format!("bash-completion/completions/{program}")),
        Some((_, "fish")) => Ok(format!("fish/vendor_completions.d/{name}")),
        Some((_, "elv")) => Ok(format!("elvish/lib/{name}")),
        Some((_, "nu")) => Ok(format!("nushell/vendor/autoload/{name}")),
        _ => Err(refused(name, "its form does not tell where it goes")),
    }
}

/// Reads the path of a file of the package.
pub(super) fn file(text: &str) -> Result<String, RecipeErrorKind> {
    if is_path(text) {
        return Ok(text.to_owned());
    }
    Err(RecipeErrorKind::Text {
        text: literal(text),
        expected: "a file of the package",
        reason: "it is a path inside the package, without `..` and white space".to_owned(),
        help: Some("write it as in the package: `doc/hello.1`"),
    })
}

fn is_path(text: &str) -> bool {
    let part = |part: &str| !matches!(part, "" | "." | "..");
    text.len() <= 255
        && text.split('/').all(part)
        && !text
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || c == '\\')
}

fn refused(name: &str, reason: &str) -> RecipeErrorKind {
    RecipeErrorKind::Text {
        text: literal(name),
        expected: "the name of a man page or a completion",
        reason: reason.to_owned(),
        help: Some(
            "`x.1` is a man page, `x.bash`, `_x`, `x.fish`, `x.elv`, `x.nu` are completions; \
             `applications/x.desktop` is a path below `share`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_places() {
        for (name, expected) in [
            ("rg.1", "man/man1/rg.1"),
            ("git-absorb.1", "man/man1/git-absorb.1"),
            ("just.5", "man/man5/just.5"),
            ("rg.bash", "bash-completion/completions/rg"),
            ("_rg", "zsh/site-functions/_rg"),
            ("rg.fish", "fish/vendor_completions.d/rg.fish"),
            ("rg.elv", "elvish/lib/rg.elv"),
            ("rg.nu", "nushell/vendor/autoload/rg.nu"),
            ("applications/x.desktop", "applications/x.desktop"),
        ] {
            assert_eq!(place(name).as_deref(), Ok(expected));
        }
        for name in ["rg", "_", ".1", "../x", "/x", "a//b", "x y.1", "rg.txt", ""] {
            assert!(place(name).is_err(), "{name}");
        }
    }
}
