//! The differences that are meant: `intended.toml`.

use serde::Deserialize;

use super::unit::Unit;

/// All of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Intended {
    difference: Vec<Difference>,
}

/// One thing that differs on purpose. What fits on one side is left out of account; where both
/// sides are given, what fits on one must have its counterpart on the other, at the same place.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// Which part of a command.
    part: Part,
    /// What Cargo gives, where `*` stands for any text.
    cargo: Option<String>,
    /// What Orlop gives.
    orlop: Option<String>,
    /// Why.
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Part {
    /// Of the arguments of rustc.
    Argument,
    /// `NAME=VALUE` of the environment, of rustc and of build scripts.
    Variable,
    /// `NAME=VALUE` of the environment of rustc.
    RustcVariable,
    /// `NAME=VALUE` of the environment of build scripts.
    ScriptVariable,
}

/// Whose command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Cargo,
    Orlop,
}

impl Intended {
    pub(crate) fn read() -> Self {
        toml::from_str(include_str!("intended.toml")).unwrap()
    }

    /// Returns a command without what is meant to differ: its arguments, its variables.
    pub(crate) fn apply(&self, side: Side, unit: &Unit) -> (Vec<String>, Vec<String>) {
        let arguments = unit
            .arguments
            .iter()
            .filter_map(|word| self.one(side, word, |part| unit.rustc && part == Part::Argument));
        let here = if unit.rustc {
            Part::RustcVariable
        } else {
            Part::ScriptVariable
        };
        let variables = unit.variables.iter().filter_map(|(name, value)| {
            let text = format!("{name}={value}");
            self.one(side, &text, |part| part == Part::Variable || part == here)
        });
        (arguments.collect(), variables.collect())
    }

    fn one(&self, side: Side, text: &str, applies: impl Fn(Part) -> bool) -> Option<String> {
        for (position, row) in self.difference.iter().enumerate() {
            let pattern = match side {
                Side::Cargo => &row.cargo,
                Side::Orlop => &row.orlop,
            };
            if applies(row.part) && pattern.as_ref().is_some_and(|pattern| fits(text, pattern)) {
                let both = row.cargo.is_some() && row.orlop.is_some();
                return both.then(|| format!("what row {} of intended.toml says", position + 1));
            }
        }
        Some(text.to_owned())
    }
}

/// Whether a text fits a pattern, in which each `*` stands for any text.
fn fits(text: &str, pattern: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return text == pattern;
    };
    let Some(text) = text.strip_prefix(start) else {
        return false;
    };
    (0..=text.len())
        .filter(|at| text.is_char_boundary(*at))
        .any(|at| fits(&text[at..], rest))
}

#[test]
fn every_intended_difference_has_a_reason_and_a_side() {
    for row in Intended::read().difference {
        assert!(
            row.reason.len() > 20 && row.reason.ends_with('.'),
            "{row:?}"
        );
        assert!(row.cargo.is_some() || row.orlop.is_some(), "{row:?}");
    }
}

#[test]
fn a_star_is_any_text() {
    assert!(fits("-C opt-level=3", "-C opt-level=*"));
    assert!(fits("a=b", "*=*"));
    assert!(fits("", "*"));
    assert!(!fits("-C opt-level", "-C opt-level=*"));
    assert!(!fits("xab", "*a"));
}
