//! [`differences`]: command by command.

use std::collections::{BTreeMap, BTreeSet};

use super::intended::{Intended, Side};
use super::unit::{Unit, Units};

/// Returns what differs and is not meant to, one line each.
pub(crate) fn differences(cargo: &Units, orlop: &Units, intended: &Intended) -> Vec<String> {
    let names: BTreeSet<_> = cargo.0.keys().chain(orlop.0.keys()).collect();
    let none = Vec::new();
    let mut found = Vec::new();
    for name in names {
        let of = |units: &Units, side| -> Vec<_> {
            let units = units.0.get(name).unwrap_or(&none);
            let mut units: Vec<_> = units
                .iter()
                .map(|unit| intended.apply(side, unit))
                .collect();
            units.sort();
            units.dedup();
            units
        };
        let (by_cargo, by_orlop) = (of(cargo, Side::Cargo), of(orlop, Side::Orlop));
        if by_cargo.len() != by_orlop.len() {
            found.push(format!(
                "{name}: {} times by Cargo, {} times by Orlop",
                by_cargo.len(),
                by_orlop.len()
            ));
            continue;
        }
        for (theirs, ours) in by_cargo.iter().zip(&by_orlop) {
            let mut lines = lists(&theirs.0, &ours.0);
            if lines.is_empty() && theirs.0 != ours.0 {
                lines.push(format!(
                    "another order\n      {:?}\n      {:?}",
                    theirs.0, ours.0
                ));
            }
            lines.extend(lists(&theirs.1, &ours.1));
            found.extend(lines.into_iter().map(|line| format!("{name}: {line}")));
        }
    }
    found
}

/// What one list has more often than the other.
fn lists(theirs: &[String], ours: &[String]) -> Vec<String> {
    let mut counts: BTreeMap<&String, i64> = BTreeMap::new();
    for word in theirs {
        *counts.entry(word).or_default() += 1;
    }
    for word in ours {
        *counts.entry(word).or_default() -= 1;
    }
    counts
        .into_iter()
        .filter(|(_, count)| *count != 0)
        .map(|(word, count)| {
            let who = if count > 0 {
                "only Cargo"
            } else {
                "only Orlop"
            };
            format!("{who}: {word}")
        })
        .collect()
}

#[cfg(test)]
fn units(arguments: &[&str], variables: &[(&str, &str)]) -> Units {
    let unit = Unit {
        rustc: true,
        arguments: arguments.iter().map(ToString::to_string).collect(),
        variables: variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
    };
    Units(BTreeMap::from([(
        "x 1.0.0 library x".to_owned(),
        vec![unit],
    )]))
}

#[test]
fn every_kind_of_difference_is_found() {
    let intended = Intended::read();
    let cargo = units(
        &["-C opt-level=3", "-l a", "-l a", "-l b"],
        &[("CARGO", "/bin/cargo"), ("A", "1"), ("B", "1")],
    );
    let orlop = units(
        &["-C opt-level=3", "-l a", "-l b", "-C linker=/recorder"],
        &[("CARGO", "/orlop/bin/cargo"), ("A", "1"), ("B", "2")],
    );
    assert_eq!(
        differences(&orlop, &orlop, &intended).len(),
        1,
        "what Cargo does not have"
    );
    assert_eq!(
        differences(&cargo, &orlop, &intended),
        [
            "x 1.0.0 library x: only Cargo: -l a",
            "x 1.0.0 library x: only Cargo: B=1",
            "x 1.0.0 library x: only Orlop: B=2",
        ]
    );
    let turned = units(&["-C opt-level=3", "-l b", "-l a"], &[]);
    let usual = units(&["-C opt-level=3", "-l a", "-l b"], &[]);
    let lines = differences(&usual, &turned, &intended);
    assert!(
        lines.len() == 1 && lines[0].contains("another order"),
        "{lines:?}"
    );
    // A variable that is meant to have another value must still be there.
    let without = units(&[], &[]);
    let with = units(&[], &[("CARGO", "/bin/cargo")]);
    assert_eq!(differences(&with, &without, &intended).len(), 1);
    let lines = differences(&with, &Units::default(), &intended);
    assert_eq!(
        lines,
        ["x 1.0.0 library x: 1 times by Cargo, 0 times by Orlop"]
    );
}
