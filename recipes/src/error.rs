//! [`RecipeError`]: what is wrong in a recipe or a manifest, and where.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{
    Diagnostic, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents,
};

use crate::choice::{ChoiceError, list};
use crate::name::NameError;
use crate::suggest::closest;

/// What is wrong in a recipe or a manifest, and where.
#[derive(Debug, Clone, thiserror::Error)]
#[error("read `{file}`: {kind}")]
pub struct RecipeError {
    file: String,
    kind: Box<RecipeErrorKind>,
    span: Range<usize>,
    /// Absent where the text is too long to show.
    text: Option<Shown>,
}

/// A text of which a snippet is shown. Columns count characters, as those of rustc do; miette's own
/// texts count bytes.
#[derive(Debug, Clone)]
struct Shown {
    file: String,
    text: Arc<str>,
}

/// What can be wrong in a recipe or a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipeErrorKind {
    /// The file is longer than any honest one.
    #[error("it has {bytes} bytes, and no more than {limit} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The greatest accepted length.
        limit: usize,
    },
    /// The file is not TOML.
    #[error("not valid TOML: {reason}")]
    Syntax {
        /// The parser's words.
        reason: String,
    },
    /// The file follows rules that this version does not know.
    #[error("schema {found} needs a newer orlop")]
    NewerSchema {
        /// The schema it follows.
        found: i64,
    },
    /// A key that has no meaning.
    #[error("unknown key `{key}`")]
    UnknownKey {
        /// The key, with the tables it is in.
        key: String,
        /// What was probably meant.
        suggestion: Option<String>,
        /// Keys that have a meaning at this place.
        expected: Vec<&'static str>,
    },
    /// A key that must be there is not.
    #[error("the key `{key}` is missing")]
    MissingKey {
        /// The key, with the tables it is in.
        key: String,
        /// A line that would do.
        example: &'static str,
    },
    /// A value of another type than the key asks for.
    #[error("`{key}` must be {expected}, not {found}")]
    WrongType {
        /// The key, with the tables it is in.
        key: String,
        /// The type that it asks for.
        expected: &'static str,
        /// The type that is there.
        found: &'static str,
    },
    /// A text that is no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A text that is none of the words.
    #[error(transparent)]
    Choice(#[from] ChoiceError),
    /// A text that does not keep its rule.
    #[error("`{text}` is not {expected}: {reason}")]
    Text {
        /// The text.
        text: String,
        /// What it should be: `a version requirement`.
        expected: &'static str,
        /// Why it is not.
        reason: String,
        /// What to write instead, where `reason` does not say it.
        help: Option<&'static str>,
    },
    /// What the file asks for is not to be had.
    #[error("{reason}")]
    Unmet {
        /// Why.
        reason: String,
    },
    /// A folder or a repository of this machine in a recipe from another one.
    #[error("`{place}` is a {what} of this machine, and the recipe comes from another one")]
    Here {
        /// `folder` or `repository`.
        what: &'static str,
        /// Its path or address.
        place: String,
    },
    /// A variable that a build sets itself.
    #[error("`{name}` is set by the build itself")]
    Set {
        /// Its name.
        name: String,
    },
    /// A name in braces that stands for nothing.
    #[error("nothing stands in for `{{{name}}}` in {within}")]
    Placeholder {
        /// The name.
        name: String,
        /// Where it stands: `a script`.
        within: &'static str,
        /// What was probably meant.
        suggestion: Option<String>,
        /// What to write instead, where nothing is probable.
        help: &'static str,
    },
    /// Two files for one place.
    #[error("two files go to `share/{place}`")]
    Twice {
        /// The place below `share`.
        place: String,
    },
    /// Two keys of which only one may be there.
    #[error("`{first}` and `{second}` exclude each other")]
    Exclusive {
        /// One key.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A recipe that says of nothing how it is built.
    #[error("the recipe has none of the tables {}", list(.expected))]
    NoRecipe {
        /// The tables of which one must be there.
        expected: Vec<&'static str>,
    },
    /// A recipe that says of several things how they are built.
    #[error("the recipe has both `[{first}]` and `[{second}]`")]
    SeveralRecipes {
        /// One table.
        first: &'static str,
        /// A table that excludes it.
        second: &'static str,
    },
}

impl RecipeError {
    /// Makes the error for one place of a text.
    pub(crate) fn new(file: &str, text: &str, span: Range<usize>, kind: RecipeErrorKind) -> Self {
        // A path is not cut short: its end tells which file it is.
        let file = shown(file, usize::MAX);
        let text = (!matches!(kind, RecipeErrorKind::TooLong { .. })).then(|| Shown {
            file: file.clone(),
            text: printable(text),
        });
        Self {
            file,
            kind: Box::new(kind),
            span,
            text,
        }
    }

    /// Returns the name of the file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Returns what is wrong.
    pub fn kind(&self) -> &RecipeErrorKind {
        &self.kind
    }

    /// Returns where, in bytes.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }
}

impl Diagnostic for RecipeError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.kind
            .help()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.text.as_ref().map(|text| text as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.text.as_ref()?;
        let label = LabeledSpan::new_with_span(Some(self.kind.label()), self.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

impl SourceCode for Shown {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let contents = self.text.read_span(span, lines_before, lines_after)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.file.clone(),
            contents.data(),
            *contents.span(),
            contents.line(),
            column(&self.text, contents.span().offset()),
            contents.line_count(),
        )))
    }
}

impl RecipeErrorKind {
    fn label(&self) -> String {
        match self {
            Self::TooLong { .. } => "too long".to_owned(),
            Self::Syntax { .. } => "here".to_owned(),
            Self::NewerSchema { .. } => "not known to this orlop".to_owned(),
            Self::UnknownKey { .. } => "has no meaning here".to_owned(),
            Self::MissingKey { .. } => "missing here".to_owned(),
            Self::WrongType { expected, .. } => format!("expected {expected}"),
            Self::Name(_) => "not a name".to_owned(),
            Self::Choice(_) => "not known".to_owned(),
            Self::Text { expected, .. } => format!("not {expected}"),
            Self::Unmet { .. } => "asked for here".to_owned(),
            Self::Here { .. } => "not for this recipe".to_owned(),
            Self::Set { .. } => "not for recipes".to_owned(),
            Self::Placeholder { .. } => "stands for nothing".to_owned(),
            Self::NoRecipe { .. } => "a recipe of what?".to_owned(),
            Self::Exclusive { first, .. } => format!("`{first}` is there, too"),
            Self::Twice { .. } | Self::SeveralRecipes { .. } => "the second one".to_owned(),
        }
    }

    /// Says what to write instead, if that is known.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::UnknownKey { suggestion, expected, .. } => match suggestion {
                Some(suggestion) => Some(format!("did you mean `{suggestion}`?")),
                None if expected.is_empty() => None,
                None => Some(format!("known here: {}", list(expected))),
            },
            Self::Choice(error) => {
                error.suggestion().map(|suggestion| format!("did you mean `{suggestion}`?"))
            }
            Self::MissingKey { example, .. } => Some(format!("add `{example}`")),
            Self::NewerSchema { .. } => {
                Some("upgrade orlop, or write the file for `schema = 1`".to_owned())
            }
            Self::Text { help, .. } => help.map(str::to_owned),
            Self::Here { .. } => Some(
                "its author names what everybody can have: `{ git = \"https://…\", rev = \"…\" }`"
                    .to_owned(),
            ),
            Self::Set { .. } => Some(
                "programs come into reach by `tools` and `needs.build`, libraries by `native`"
                    .to_owned(),
            ),
            Self::Placeholder {
                suggestion, help, ..
            } => Some(match suggestion {
                Some(suggestion) => format!("did you mean `{suggestion}`?"),
                None => (*help).to_owned(),
            }),
            Self::NoRecipe { .. } => {
                Some("`[app]` is a program, `[crate]` changes how a crate is built, `[library]` is a native library, `[plugin]` is loaded by an app, `[compiler]` is a Rust compiler".to_owned())
            }
            Self::Exclusive { first, second } => Some(format!("leave out `{first}` or `{second}`")),
            Self::SeveralRecipes { .. } => Some("write one file for each".to_owned()),
            Self::TooLong { .. }
            | Self::Syntax { .. }
            | Self::WrongType { .. }
            | Self::Name(_)
            | Self::Unmet { .. }
            | Self::Twice { .. } => None,
        }
    }
}

/// Makes the error for a key without a meaning.
pub(crate) fn unknown_key(table: &str, key: &str, expected: Vec<&'static str>) -> RecipeErrorKind {
    let suggestion = closest(key, expected.iter().copied()).map(str::to_owned);
    RecipeErrorKind::UnknownKey {
        key: format!("{table}{}", literal(key)),
        suggestion,
        expected,
    }
}

/// Returns how many characters stand before a place in its line. A mark of the byte order is none.
pub(crate) fn column(text: &str, place: usize) -> usize {
    let before = text.get(..place).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    line.trim_start_matches('\u{feff}').chars().count()
}

/// Returns a text from outside as a message may show it: short, and without control characters,
/// which must not reach a terminal.
pub(crate) fn literal(text: &str) -> String {
    shown(text, 80)
}

/// Returns the words of another library as a message may show them; they may quote the file.
pub(crate) fn reason(error: &impl fmt::Display) -> String {
    shown(&error.to_string(), 240)
}

fn shown(text: &str, longest: usize) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        match c {
            _ if count == longest => {
                shown.push('…');
                break;
            }
            '\'' | '"' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// Returns a text as a snippet may show it: each control character replaced by a visible one of
/// the same length in bytes, so that spans stay right.
fn printable(text: &str) -> Arc<str> {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            '\r' => ' ',
            c if c.is_control() && c.len_utf8() == 1 => '?',
            c if c.is_control() => '¿',
            c => c,
        })
        .collect::<String>()
        .into()
}

/// Renders an error as a terminal without colour shows it.
#[cfg(test)]
pub(crate) fn rendered(error: &RecipeError) -> String {
    use miette::{GraphicalReportHandler, GraphicalTheme};
    let mut text = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_width(100)
        .render_report(&mut text, error)
        .unwrap();
    // Editors cut white space at the end of lines, in snapshots as well.
    text.lines()
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::rendered;
    use crate::Manifest;

    #[track_caller]
    fn refused(text: &str) -> String {
        rendered(&Manifest::parse("orlop.toml", text).unwrap_err())
    }

    #[test]
    fn columns_count_characters() {
        for (before, column) in [
            ("", 1),
            ("é", 2),
            ("表", 2),
            ("🦀🦀", 3),
            // A letter and what is drawn over it are two characters.
            ("e\u{301}", 3),
        ] {
            let text = format!(
                "schema = 1\r\n[packages]\r\nx = {{ recipe = 'a{before}', polcy = '' }}\r\n"
            );
            let column = "x = { recipe = 'a', polcy".len() - "polcy".len() + column;
            let place = format!("[orlop.toml:3:{column}]");
            assert!(
                refused(&text).contains(&place),
                "{before:?}: {}",
                refused(&text)
            );
        }
        assert!(refused("\u{feff}scheme = 1\n").contains("[orlop.toml:1:1]"));
    }

    #[test]
    fn the_whole_path_is_named() {
        let file = format!("/home/{}/orlop.toml", "deep/".repeat(50));
        let error = Manifest::parse(&file, "scheme = 1\n").unwrap_err();
        assert!(rendered(&error).contains(&format!("[{file}:1:1]")));
    }

    #[test]
    fn markers_stand_below_what_they_mean() {
        // A wide character takes two places of a line, one that is drawn over another none.
        assert_snapshot!(refused("schema = 1\n[packages]\nx = { recipe = \"表é.toml\", polcy = \"é\" }\n"), @r#"
         × read `orlop.toml`: unknown key `packages.x.polcy`
          ╭─[orlop.toml:3:27]
        2 │ [packages]
        3 │ x = { recipe = "表é.toml", polcy = "é" }
          ·                            ──┬──
          ·                              ╰── has no meaning here
          ╰────
         help: did you mean `policy`?
        "#);
        assert_snapshot!(refused("schema = 1\n[packages]\nx = \"q\u{301}é表\" # 🦀\n"), @r#"
         × read `orlop.toml`: `q\u{301}é表` is not a version requirement: unexpected character 'q' while
         │ parsing major version number
          ╭─[orlop.toml:3:5]
        2 │ [packages]
        3 │ x = "q́é表" # 🦀
          ·     ───┬──
          ·        ╰── not a version requirement
          ╰────
         help: write it as in Cargo.toml: `1.2` (compatible with 1.2), `=1.2.3`, `>=1, <3`, `*`
        "#);
    }
}
