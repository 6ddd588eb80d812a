//! [`Ui`]: the only way to standard output and standard error.
//!
//! Standard output takes data, standard error everything that is said about it. What is said can
//! be understood without colour.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, OnceLock};

use indicatif::MultiProgress;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};
use orlop_build::log::quoted;
use serde::Serialize;

use crate::args::{ColorChoice, Global};
use crate::error::{self, CommandError, Message};

/// How to talk to the person in front.
#[derive(Debug, Clone)]
pub(crate) struct Ui {
    /// Draws bars; lines said while it draws go above them.
    pub(crate) progress: MultiProgress,
    /// Whether lines may move.
    pub(crate) moving: bool,
    /// Whether what is said has colours.
    pub(crate) color: bool,
    /// The options that name where the command acts, for commands in hints to act there as well.
    place: String,
    quiet: bool,
    /// Why data could not be written; nothing more is written then.
    unwritten: Arc<OnceLock<io::Error>>,
}

/// The options of a command line that name where it acts, as they are typed.
fn place(global: &Global) -> String {
    let home = global.home.as_ref().map(|home| ("--home", home.as_str()));
    let profile = global.profile.as_deref().map(|name| ("-p", name));
    let options = home.into_iter().chain(profile);
    let options = options.map(|(option, value)| format!(" {option} {}", quoted(value)));
    options.collect::<Vec<_>>().concat()
}

/// Puts options behind `orlop` in the commands between backquotes, unless they name a place.
fn placed(hint: &str, place: &str) -> String {
    let parts = hint.split('`').enumerate().map(|(number, part)| {
        if number % 2 == 0 || part.contains("--home ") {
            return part.to_owned();
        }
        let commands = part.split(" && ");
        let commands = commands.map(|command| match command.strip_prefix("orlop ") {
            Some(rest) => format!("orlop{place} {rest}"),
            None => command.to_owned(),
        });
        commands.collect::<Vec<_>>().join(" && ")
    });
    parts.collect::<Vec<_>>().join("`")
}

/// Judges an error of standard output: a reader that has seen enough is no failure.
pub(crate) fn written(error: &io::Error) -> Result<(), CommandError> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Ok(());
    }
    Err(CommandError::failed(format!(
        "write to standard output: {error}"
    )))
}

/// A colour with a meaning.
#[derive(Debug, Clone, Copy)]
enum Tone {
    Good,
    Bad,
    Warning,
    Hint,
}

impl Ui {
    /// `dumb` says that the terminal can neither show colours nor move the cursor.
    pub(crate) fn new(global: &Global, no_color: bool, in_ci: bool, dumb: bool) -> Self {
        let terminal = io::stderr().is_terminal() && !dumb;
        let color = match global.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !no_color,
        };
        Self {
            progress: MultiProgress::new(),
            moving: terminal && !in_ci && !global.no_progress && !global.quiet,
            color,
            place: place(global),
            quiet: global.quiet,
            unwritten: Arc::default(),
        }
    }

    /// Talks in lines without colour.
    pub(crate) fn plain() -> Self {
        Self {
            progress: MultiProgress::new(),
            moving: false,
            color: false,
            place: String::new(),
            quiet: false,
            unwritten: Arc::default(),
        }
    }

    /// Prints a line of data. [`Ui::finish`] says whether all of them were written.
    pub(crate) fn data(&self, line: impl Display) {
        if self.unwritten.get().is_some() {
            return;
        }
        if let Err(error) = writeln!(io::stdout().lock(), "{line}") {
            // Whichever error came first.
            self.unwritten.get_or_init(|| error);
        }
    }

    /// Says whether all data was written.
    pub(crate) fn finish(&self) -> Result<(), CommandError> {
        match self.unwritten.get() {
            Some(error) => written(error),
            None => io::stdout().flush().or_else(|error| written(&error)),
        }
    }

    /// Prints a value as JSON.
    pub(crate) fn data_json(&self, value: &impl Serialize) -> Result<(), CommandError> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| CommandError::new(crate::error::Kind::Failed, error))?;
        self.data(text);
        Ok(())
    }

    /// Says how things stand.
    pub(crate) fn status(&self, line: impl Display) {
        if !self.quiet {
            self.line(&line.to_string());
        }
    }

    /// Says that something is done.
    pub(crate) fn success(&self, line: impl Display) {
        if !self.quiet {
            self.line(&self.painted(Tone::Good, &line.to_string()));
        }
    }

    /// Says that something deserves attention.
    pub(crate) fn warning(&self, line: impl Display) {
        self.line(&format!(
            "{} {line}",
            self.painted(Tone::Warning, "warning:")
        ));
    }

    /// Suggests something.
    pub(crate) fn hint(&self, line: impl Display) {
        if !self.quiet {
            self.hint_line(&line.to_string());
        }
    }

    fn hint_line(&self, hint: &str) {
        let hint = placed(hint, &self.place);
        self.line(&format!("{} {hint}", self.painted(Tone::Hint, "hint:")));
    }

    /// Says why a command failed.
    pub(crate) fn error(&self, error: &CommandError) {
        if error.silent() {
            return;
        }
        match error.message() {
            Message::Chain(error) => {
                for (depth, text) in error::chain(error.as_ref()).iter().enumerate() {
                    if depth == 0 {
                        self.line(&format!("{} {text}", self.painted(Tone::Bad, "error:")));
                    } else {
                        self.line(&format!("  because: {}", text.replace('\n', "\n    ")));
                    }
                }
            }
            Message::Diagnostic(diagnostic) => {
                self.line(self.drawn(diagnostic.as_ref()).trim_end());
            }
        }
        if !error.hint_lines().is_empty() {
            self.line("");
        }
        for hint in error.hint_lines() {
            self.hint_line(hint);
        }
    }

    /// Prints a line above moving ones, if any.
    pub(crate) fn line(&self, line: &str) {
        // Who does not listen is no reason to stop.
        let say = || drop(writeln!(io::stderr().lock(), "{line}"));
        if self.moving {
            self.progress.suspend(say);
        } else {
            say();
        }
    }

    /// Draws a place in a file, with an arrow to what is wrong there.
    fn drawn(&self, diagnostic: &dyn Diagnostic) -> String {
        let theme = if self.color {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let mut text = String::new();
        match GraphicalReportHandler::new_themed(theme).render_report(&mut text, diagnostic) {
            Ok(()) => text,
            Err(_) => diagnostic.to_string(),
        }
    }

    fn painted(&self, tone: Tone, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Good => 32,
            Tone::Bad => 31,
            Tone::Warning => 33,
            Tone::Hint => 36,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_in_hints_act_where_the_command_did() {
        for (hint, expected) in [
            ("see `orlop list`", "see `orlop --home 'a b' list`"),
            (
                "`rustup x && orlop a && orlop b`: `orlop`, orlop c",
                "`rustup x && orlop --home 'a b' a && orlop --home 'a b' b`: `orlop`, orlop c",
            ),
            ("`orlop --home DIR …`", "`orlop --home DIR …`"),
            ("the app `orlop-x`", "the app `orlop-x`"),
        ] {
            assert_eq!(placed(hint, " --home 'a b'"), expected);
            assert_eq!(placed(hint, ""), hint);
        }
    }
}
