//! [`lint()`]: what is allowed in a recipe, and still wrong or unkind. What is not allowed is an
//! error of the reader already.
//!
//! | module | holds |
//! |---|---|
//! | [`rules`] | [`RULES`]: each rule with its words, a bad and a good example, a check, maybe a fix |
//! | `subject` | the recipe that is looked at, and where things stand in it |
//! | `app`, `any` | the checks |
//! | `fixes` | what mends a recipe, comments kept |

mod any;
mod app;
mod fixes;
pub mod rules;
mod subject;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::Range;

pub(crate) use fixes::plain_summary;
pub use rules::{RULES, Rule};
use serde::Serialize;

use self::subject::Subject;
use crate::Version;
use crate::choice::choice;
use crate::edit;
use crate::error::{RecipeError, column};
use crate::recipe::{Recipe, RecipeSet};

choice! {
    /// How much a finding matters.
    Level {
        /// The recipe cannot do what it says.
        Error = "error",
        /// It works, and people will miss something.
        Warning = "warning",
    }
}

/// What is known beside the text of a recipe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The recipes that there are.
    pub recipes: RecipeSet,
    /// The package of an app, if anybody asked for it.
    pub package: Option<PackageFacts>,
}

/// What a package says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageFacts {
    /// Its version.
    pub version: Option<Version>,
    /// Its programs.
    pub binaries: BTreeSet<String>,
    /// Its features.
    pub features: BTreeSet<String>,
    /// Its licence; empty if it does not say.
    pub license: String,
    /// The paths of its files.
    pub files: BTreeSet<String>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule that it breaks.
    pub rule: &'static Rule,
    /// How much that matters.
    pub level: Level,
    /// What is wrong here.
    pub message: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
}

/// Looks at a recipe. `file_name` is for messages, and for the rule on names of files. Findings are
/// in the order of the text.
pub fn lint(file_name: &str, text: &str, known: &Known) -> Result<Vec<Finding>, RecipeError> {
    let recipe = Recipe::parse(file_name, text)?;
    let subject = Subject::new(file_name, text, &recipe, known);
    let mut findings = Vec::new();
    for rule in RULES {
        let mut report = Report {
            rule,
            text,
            findings: &mut findings,
        };
        (rule.check)(&subject, &mut report);
    }
    findings.sort_by_key(|finding| (finding.line, finding.column));
    Ok(findings)
}

/// Mends what has a fix, and lays the recipe out.
pub fn fix(file_name: &str, text: &str, known: &Known) -> Result<String, RecipeError> {
    let mut text = text.to_owned();
    let broken: BTreeSet<_> = lint(file_name, &text, known)?
        .iter()
        .map(|finding| finding.rule.name)
        .collect();
    for rule in RULES.iter().filter(|rule| broken.contains(rule.name)) {
        if let Some(fix) = rule.fix {
            let mut document = edit::document(&text);
            fix(&mut document);
            text = document.to_string();
        }
    }
    crate::format(file_name, &text)
}

/// Takes what a rule finds.
struct Report<'a> {
    rule: &'static Rule,
    text: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl Report<'_> {
    fn add(&mut self, span: &Range<usize>, message: impl Into<String>) {
        let before = self.text.get(..span.start).unwrap_or_default();
        self.findings.push(Finding {
            rule: self.rule,
            level: self.rule.level,
            message: message.into(),
            line: before.matches('\n').count() + 1,
            column: column(self.text, span.start) + 1,
        });
    }
}
