//! Texts that must keep a rule. Every function reads one text and says what is wrong with it.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use semver::{Version, VersionReq};

use crate::error::{RecipeErrorKind, literal, reason};
use crate::name::{FeatureName, PackageName};
use crate::placeholder;

const REQUIREMENT_HELP: &str =
    "write it as in Cargo.toml: `1.2` (compatible with 1.2), `=1.2.3`, `>=1, <3`, `*`";
const ARGUMENT_HELP: &str = "a shell knows variables: `$out` is the folder to fill, and `environment` gives others, such \
                           as `ZLIB = \"{zlib}\"` the folder of a library";
const SNAPSHOT_HELP: &str =
    "write a date, `2026-11-22` (its end), or a time, `2026-11-22T08:00`, both in UTC";

/// Reads the name of a package.
pub(crate) fn package(text: &str) -> Result<PackageName, RecipeErrorKind> {
    Ok(text.parse()?)
}

/// Reads the name of a feature.
pub(crate) fn feature(text: &str) -> Result<FeatureName, RecipeErrorKind> {
    Ok(text.parse()?)
}

/// Reads a requirement as in Cargo.toml; `latest` is the same as `*`.
pub(crate) fn requirement(text: &str) -> Result<VersionReq, RecipeErrorKind> {
    if text.trim() == "latest" {
        return Ok(VersionReq::STAR);
    }
    let reason = match VersionReq::parse(text) {
        Ok(requirement) => return Ok(requirement),
        Err(_) if text.trim().is_empty() => "it is empty".to_owned(),
        Err(error) => reason(&error),
    };
    Err(refused(
        text,
        "a version requirement",
        reason,
        REQUIREMENT_HELP,
    ))
}

/// Writes a requirement as people do: `1.2`, not `^1.2`.
pub(crate) fn requirement_text(requirement: &VersionReq) -> String {
    // A bare version means the same as one with a caret.
    requirement.to_string().replace('^', "")
}

/// Reads one exact version, with or without `=`.
pub(crate) fn exact_version(text: &str) -> Result<Version, RecipeErrorKind> {
    Version::parse(text.trim().trim_start_matches('=').trim_start()).map_err(|error| {
        let reason = reason(&error);
        refused(
            text,
            "an exact version",
            reason,
            "write all three numbers: `=1.2.3`",
        )
    })
}

/// Reads the version of something that is not a crate: it becomes a part of file names.
pub(crate) fn library_version(text: &str) -> Result<String, RecipeErrorKind> {
    let valid = !text.is_empty()
        && text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".+-_".contains(c));
    rule(
        valid,
        text,
        "a version",
        "up to 64 letters, digits, `.`, `+`, `-`, `_` are allowed, the first a letter or a digit",
    )
}

/// Reads a point in time; a date means the last second of that day. Where no offset is said, UTC is
/// meant.
pub fn snapshot(text: &str) -> Result<Timestamp, RecipeErrorKind> {
    // Longer texts that start with a date would be read as that date.
    let point = if text.len() == "2026-11-22".len() {
        text.parse::<Date>().and_then(end_of_day)
    } else {
        text.parse().or_else(|error| in_utc(text).ok_or(error))
    };
    point.map_err(|error| {
        let reason = reason(&error);
        refused(text, "a date or a time", reason, SNAPSHOT_HELP)
    })
}

/// Writes a point in time as [`snapshot`] reads it: the end of a day as a date.
pub(crate) fn snapshot_text(snapshot: Timestamp) -> String {
    let date = TimeZone::UTC.to_datetime(snapshot).date();
    match end_of_day(date) {
        Ok(end) if end == snapshot => date.to_string(),
        _ => snapshot.to_string(),
    }
}

/// Reads a SHA-256 digest.
pub(crate) fn checksum(text: &str) -> Result<String, RecipeErrorKind> {
    let valid = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    rule(
        valid,
        text,
        "a SHA-256 digest",
        "64 digits in lower-case hexadecimal are needed",
    )
}

/// The endings of archives that Orlop cannot unpack.
const OTHER_ARCHIVES: [&str; 22] = [
    ".7z",
    ".deb",
    ".jar",
    ".rar",
    ".rpm",
    ".tar",
    ".tar.bz2",
    ".tar.lz",
    ".tar.lz4",
    ".tar.lzma",
    ".tar.lzo",
    ".tar.xz",
    ".tar.z",
    ".tar.zst",
    ".tb2",
    ".tbz",
    ".tbz2",
    ".tlz",
    ".txz",
    ".tzst",
    ".whl",
    ".zip",
];

/// Reads the address of an archive.
pub(crate) fn address(text: &str) -> Result<String, RecipeErrorKind> {
    let valid = (text.starts_with("https://") || text.starts_with("http://"))
        && text.chars().all(|c| c.is_ascii_graphic());
    let address = rule(
        valid,
        text,
        "the address of an archive",
        "it starts with `https://` or `http://`",
    )?;
    let path = text.find(['?', '#']).map_or(text, |end| &text[..end]);
    let path = path.to_ascii_lowercase();
    let other = OTHER_ARCHIVES.iter().find(|end| path.ends_with(**end));
    match other {
        Some(end) => Err(refused(
            text,
            "the address of a `.tar.gz`",
            format!("it ends in `{end}`, and Orlop unpacks no other archives"),
            "many projects publish a `.tar.gz` beside it",
        )),
        None => whole(address),
    }
}

/// Makes sure that nothing in an address waits to be filled in.
fn whole(address: String) -> Result<String, RecipeErrorKind> {
    let help = "write it out: a recipe names one source";
    let unknown = placeholder::names(&address).next();
    let unknown = unknown.map(|(_, name)| placeholder::unknown(name, "an address", help));
    unknown.map_or(Ok(address), Err)
}

/// Reads the address of a Git repository. Never an option, and no program behind the address.
pub(crate) fn repository(text: &str) -> Result<String, RecipeErrorKind> {
    let known = ["https://", "http://", "ssh://", "git://", "file:///"];
    let valid = known.iter().any(|start| text.starts_with(start))
        && text.chars().all(|c| c.is_ascii_graphic());
    whole(rule(
        valid,
        text,
        "the address of a Git repository",
        "it starts with `https://`, `ssh://` or `file:///`",
    )?)
}

/// Reads the name of a commit.
pub(crate) fn commit(text: &str) -> Result<String, RecipeErrorKind> {
    let valid = text.len() == 40 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    rule(
        valid,
        text,
        "a commit",
        "all 40 digits are needed: `git rev-parse HEAD` tells them",
    )
}

/// Reads the path of a folder inside an archive. The rule is narrow so that a shell reads it as
/// one word.
pub(crate) fn folder(text: &str) -> Result<String, RecipeErrorKind> {
    let part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && !part.starts_with('-')
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || ".+-_".contains(c))
    };
    rule(
        text.split('/').all(part),
        text,
        "a folder",
        "letters, digits, `.`, `+`, `-`, `_` between single `/` are allowed, no `..`",
    )
}

/// Reads the name of a program: a file name.
pub(crate) fn program(text: &str) -> Result<String, RecipeErrorKind> {
    let valid = !matches!(text, "" | "." | "..")
        && text.len() <= 255
        && !text
            .chars()
            .any(|c| c == '/' || c.is_control() || c.is_whitespace());
    rule(
        valid,
        text,
        "the name of a program",
        "it is a file name without white space",
    )
}

/// Reads the path of a recipe file.
pub(crate) fn recipe_path(text: &str) -> Result<String, RecipeErrorKind> {
    let valid = !text.is_empty() && !text.contains("://") && !text.chars().any(char::is_control);
    rule(
        valid,
        text,
        "the path of a recipe",
        "it is a file of this machine: `./hello.toml`",
    )
}

/// Reads the name of an environment variable.
pub(crate) fn variable(text: &str) -> Result<String, RecipeErrorKind> {
    let valid = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    rule(
        valid,
        text,
        "the name of an environment variable",
        "only ASCII letters, digits and `_` are allowed, and no digit first",
    )
}

/// Reads one line that says something.
pub(crate) fn line(text: &str) -> Result<String, RecipeErrorKind> {
    let valid = !text.trim().is_empty() && !text.chars().any(char::is_control);
    rule(
        valid,
        text,
        "one line of text",
        "it is empty or holds control characters",
    )
}

/// Reads lines that are said to people: nothing in them may command a terminal.
pub(crate) fn lines(text: &str) -> Result<String, RecipeErrorKind> {
    let valid = !text.trim().is_empty()
        && !text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\n' | '\t'));
    rule(
        valid,
        text,
        "lines of text",
        "it is empty or holds control characters",
    )
}

/// Reads a text that may go into the environment or to a shell.
pub(crate) fn anything(text: &str) -> Result<String, RecipeErrorKind> {
    rule(!text.contains('\0'), text, "a text", "it holds a zero byte")
}

/// Reads a shell script.
pub(crate) fn script(text: &str) -> Result<String, RecipeErrorKind> {
    let valid = !text.trim().is_empty() && !text.contains('\0');
    rule(
        valid,
        text,
        "a shell script",
        "it is empty or holds a zero byte",
    )
}

/// Reads a word that goes to a build system, as a shell reads it in double quotes.
pub(crate) fn argument(text: &str) -> Result<String, RecipeErrorKind> {
    let text = anything(text)?;
    let name = placeholder::names(&text).next();
    match name {
        Some((_, name)) => Err(placeholder::unknown(name, "an argument", ARGUMENT_HELP)),
        None => Ok(text),
    }
}

fn rule(
    valid: bool,
    text: &str,
    expected: &'static str,
    rule: &'static str,
) -> Result<String, RecipeErrorKind> {
    if valid {
        return Ok(text.to_owned());
    }
    Err(RecipeErrorKind::Text {
        text: literal(text),
        expected,
        reason: rule.to_owned(),
        help: None,
    })
}

fn refused(
    text: &str,
    expected: &'static str,
    reason: String,
    help: &'static str,
) -> RecipeErrorKind {
    RecipeErrorKind::Text {
        text: literal(text),
        expected,
        reason,
        help: Some(help),
    }
}

/// Reads a time without an offset.
fn in_utc(text: &str) -> Option<Timestamp> {
    // One that names a place would lose that, and one that is cut is a date.
    let is_plain = text.len() >= "2026-11-22T08:00".len() && !text.contains('[');
    let time: DateTime = is_plain.then(|| text.parse().ok()).flatten()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

fn end_of_day(date: Date) -> Result<Timestamp, jiff::Error> {
    TimeZone::UTC.to_timestamp(date.at(23, 59, 59, 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn snapshots() {
        for (text, expected) in [
            ("2026-11-22", "2026-11-22T23:59:59Z"),
            ("2026-11-22T08:00:00Z", "2026-11-22T08:00:00Z"),
            ("2026-11-22 08:00:00+02:00", "2026-11-22T06:00:00Z"),
            ("2026-11-22T08:00:00", "2026-11-22T08:00:00Z"),
            ("2026-11-22T08:00", "2026-11-22T08:00:00Z"),
            ("2026-11-22 08:00", "2026-11-22T08:00:00Z"),
        ] {
            assert_eq!(snapshot(text).unwrap().to_string(), expected);
        }
        for bad in [
            "",
            "yesterday",
            "2026-11-22T08:00[Asia/Tokyo]",
            "2026-11-22T25:00",
            "2026-02-30",
            "2026-11-22T08",
            "9999-12-31",
        ] {
            assert!(snapshot(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn requirements_are_written_without_a_caret() {
        for text in ["15", "=15.1.0", ">=1, <3", "*", "1.2, 1.2.3", "~1.2", "1.*"] {
            assert_eq!(requirement_text(&requirement(text).unwrap()), text);
        }
        assert_eq!(requirement("latest").unwrap(), VersionReq::STAR);
        for bad in ["", " ", "new", "1.2.3.4", "14 15"] {
            assert!(requirement(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn exact_versions() {
        for text in ["1.1.20", "=1.1.20", "= 1.1.20"] {
            assert_eq!(exact_version(text).unwrap(), Version::new(1, 1, 20));
        }
        for bad in ["1.1", "^1.1.20", "*", ""] {
            assert!(exact_version(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_said_to_people_commands_no_terminal() {
        for good in ["one", "one\ntwo\n", "\ta `b`, ü"] {
            assert_eq!(lines(good).as_deref(), Ok(good));
        }
        for bad in ["", " \n", "\u{1b}[31m", "a\rb", "a\0"] {
            assert!(lines(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn archives_are_what_can_be_unpacked() {
        for good in [
            "https://x.y/z",
            "https://x.y/z.tar.gz",
            "http://x.y/z-1.0.tgz?name=z.zip#z.zip",
            "https://x.y/z.crate",
            "https://x.y/z.zip/download",
        ] {
            assert_eq!(address(good).as_deref(), Ok(good));
        }
        for bad in [
            "ftp://x.y/z.tar.gz",
            "https://x.y/z.tar.xz",
            "https://x.y/z.TAR.BZ2?raw=true",
            "https://x.y/z.txz",
            "https://x.y/z.tar",
            "https://x.y/z.zip#top",
            "https://x.y/z-{version}.tar.gz",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
        assert!(repository("https://x.y/{name}").is_err());
    }

    #[test]
    fn folders_stay_inside_and_need_no_quotes() {
        for good in ["src", "src/zlib", "zlib-1.3.1/contrib"] {
            assert!(folder(good).is_ok(), "{good}");
        }
        for bad in [
            "", "/src", "src/", "a//b", "..", "a/../b", "./a", "a b", "$HOME", "a;b", "-P",
        ] {
            assert!(folder(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_of_variables_and_programs() {
        assert!(variable("LIBZ_SYS_STATIC").is_ok());
        for bad in ["", "1A", "A=B", "A B", "ä"] {
            assert!(variable(bad).is_err(), "{bad}");
        }
        assert!(program("cargo-fmt").is_ok());
        for bad in ["", ".", "..", "a/b", "a b", "a\n"] {
            assert!(program(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_snapshot_is_read_as_it_was_written(second in 0_i64..4_000_000_000) {
            let point = Timestamp::from_second(second).unwrap();
            prop_assert_eq!(snapshot(&snapshot_text(point)), Ok(point));
            let end = end_of_day(TimeZone::UTC.to_datetime(point).date()).unwrap();
            prop_assert_eq!(snapshot_text(end).len(), 10);
        }
    }
}
