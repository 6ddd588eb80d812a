//! Kills at every named step of an operation, lets it fail there, or panics.

use std::collections::BTreeMap;

use camino::Utf8Path;
use rayon::prelude::*;

use crate::invariant::Case;
use crate::operation::{self, Folder, OPERATIONS};
use crate::{Outcome, Size};

/// What happens at a step, and how often that is tried: at every so many-th.
const ACTIONS: [(&str, usize); 4] = [("kill", 1), ("EIO", 1), ("ENOSPC", 1), ("panic", 3)];

pub(crate) fn strike(_size: Size) -> Outcome {
    if cfg!(not(debug_assertions)) {
        return Err("a release has no named steps".to_owned());
    }
    let template = Folder::new();
    let home = template.path().join("home");
    operation::prepare(&home);
    let mut tried: BTreeMap<&str, u64> = BTreeMap::new();
    let mut names = std::collections::BTreeSet::new();
    for operation in OPERATIONS {
        let case = Case::new(operation, &home);
        let all = steps(operation, &home);
        names.extend(all.iter().map(|(step, _)| step.clone()));
        for (action, stride) in ACTIONS {
            let some: Vec<_> = all.iter().step_by(stride).collect();
            some.par_iter().for_each(|(step, number)| {
                let fault = format!("{step}={action}@{number}");
                let folder = Folder::copy(&home);
                let output = operation::command(operation, &folder.path().join("home"))
                    .env("ORLOP_FAILPOINT", &fault)
                    .output()
                    .unwrap();
                let done = output.status.success();
                assert!(!done || action != "kill", "{operation} was not {fault}");
                case.assert_invariants(&folder.path().join("home"), done, &fault);
            });
            *tried.entry(action).or_default() += some.len() as u64;
        }
    }
    Ok(vec![
        (names.len() as u64, "named steps"),
        (tried["kill"], "kill points"),
        (tried["EIO"] + tried["ENOSPC"], "injected errors"),
        (tried["panic"], "panics"),
    ])
}

/// Lists the steps of an operation in their order, each with its how many-th time.
fn steps(operation: &str, template: &Utf8Path) -> Vec<(String, usize)> {
    let folder = Folder::copy(template);
    let log = folder.path().join("log");
    let status = operation::command(operation, &folder.path().join("home"))
        .env("ORLOP_FAILPOINT_LOG", &log)
        .status()
        .unwrap();
    assert!(status.success());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let log = std::fs::read_to_string(log).unwrap_or_default();
    log.lines()
        .map(|step| {
            let count = counts.entry(step.to_owned()).or_default();
            *count += 1;
            (step.to_owned(), *count)
        })
        .collect()
}
