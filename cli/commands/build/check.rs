//! `build --check`: builds again what is in the store, and says what is not the same.

use std::collections::BTreeSet;

use orlop_build::Rebuilt;
use orlop_store::derivation::Isolation;
use orlop_store::{Derivation, Step, Store, StorePath};
use serde::Serialize;

use crate::apply::Making;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::progress::count_text;

/// What a check found, as data.
#[derive(Serialize)]
struct Checked {
    identical: usize,
    /// What differs: step, object, first differing file.
    different: Vec<(String, StorePath, String)>,
    /// Objects that cannot be built again, since something they were built from is gone.
    skipped: Vec<StorePath>,
}

/// Builds everything behind some objects again.
pub(super) fn check(
    context: &Context,
    making: &Making<'_>,
    objects: &[StorePath],
) -> Result<(), CommandError> {
    let executor = &making.executor;
    if executor.runner.isolation() == Isolation::None {
        return Err(CommandError::usage(
            "`--check` needs the sandbox, which shows a new output at the place of the old one",
        ));
    }
    // What gc has removed since, sources first of all.
    let inputs = making.steps.all().flat_map(Derivation::inputs);
    making.execute(&making.steps.plan_for(inputs)?)?;
    let (steps, skipped) = steps(executor.store, objects)?;
    context.ui.status(format!(
        "Building {} again",
        count_text(steps.len(), "object")
    ));
    let rebuilt = orlop_build::check(&steps, executor)?;
    making.progress.clear();
    let (same, different): (Vec<_>, Vec<_>) = rebuilt
        .into_iter()
        .partition(|rebuilt| rebuilt.difference.is_none());
    let different: Vec<_> = different.into_iter().map(described).collect();
    let checked = Checked {
        identical: same.len(),
        skipped,
        different,
    };
    if context.global.json {
        context.ui.data_json(&checked)?;
    } else {
        for (name, object, file) in &checked.different {
            context
                .ui
                .data(format!("{name} differs in `{file}` of {object}"));
        }
        for object in &checked.skipped {
            context.ui.warning(format!(
                "{object} was not built again: what it was built from is gone"
            ));
        }
    }
    if checked.different.is_empty() {
        context.ui.success(match checked.identical {
            1 => "1 object is identical".to_owned(),
            count => format!("{count} objects are identical"),
        });
        return Ok(());
    }
    Err(CommandError::new(
        Kind::Build,
        format!(
            "{} of {} objects are not the same when they are built again",
            checked.different.len(),
            checked.different.len() + checked.identical
        ),
    ))
}

fn described(rebuilt: Rebuilt) -> (String, StorePath, String) {
    let file = rebuilt.difference.unwrap_or_default().into_string();
    let file = if file.is_empty() { "." } else { &file };
    (rebuilt.name, rebuilt.path, file.to_owned())
}

/// Every step behind some objects, and the objects whose inputs are not there any more.
fn steps(
    store: &Store,
    objects: &[StorePath],
) -> Result<(Vec<Derivation>, Vec<StorePath>), CommandError> {
    let mut open = objects.to_vec();
    let mut seen = BTreeSet::new();
    let (mut steps, mut skipped) = (Vec::new(), Vec::new());
    while let Some(path) = open.pop() {
        if !seen.insert(path.clone()) || !store.contains(&path)? {
            continue;
        }
        let Some(derivation) = store.derivation(&path)? else {
            continue;
        };
        let inputs = derivation.inputs();
        if matches!(derivation.step, Step::Unpack(_)) {
            // Its checksum says what is in it.
            continue;
        }
        if store.missing(&inputs)?.is_empty() {
            steps.push(derivation);
        } else {
            skipped.push(path);
        }
        open.extend(inputs);
    }
    Ok((steps, skipped))
}
