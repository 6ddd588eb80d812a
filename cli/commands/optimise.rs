//! `optimise`: draws the borders between binaries and shared libraries anew, for the apps that are
//! there now.

use std::collections::BTreeSet;

use orlop_store::{Generation, Store, StorePath};
use serde::Serialize;

use super::change::Session;
use crate::apply::{self, Borders, Change, Outcome, Renew, Until};
use crate::context::Context;
use crate::error::CommandError;
use crate::progress::bytes_text;

/// What the programs of a generation and the libraries they load take.
#[derive(Debug, Clone, Copy, Default, Serialize)]
struct Size {
    objects: usize,
    bytes: u64,
}

/// What was gained, as data.
#[derive(Serialize)]
struct Report {
    generation: Option<u64>,
    before: Size,
    after: Size,
}

pub(super) fn optimise(context: &Context) -> Result<(), CommandError> {
    let session = Session::begin(context)?;
    let current = super::current(&session.profile)?;
    let before = Size::of(&session.store, &current)?;
    let change = Change {
        manifest: session.text.clone(),
        file: session.profile.manifest_path(),
        renew: Renew::Nothing,
        locked: false,
        borders: Borders::Anew,
        until: Until::Committed,
    };
    let outcome = session.change(context, &change)?;
    let (generation, after) = match &outcome {
        Outcome::Planned(plan) => {
            context
                .ui
                .status(format!("Would link anew: {}", apply::summary(plan)));
            return Ok(());
        }
        Outcome::Unchanged(_) => (None, before),
        Outcome::Committed(_, generation) => (
            Some(generation.number),
            Size::of(&session.store, generation)?,
        ),
    };
    let report = Report {
        generation,
        before,
        after,
    };
    if context.global.json {
        return context.ui.data_json(&report);
    }
    let Some(number) = generation else {
        context
            .ui
            .status("Nothing to do: the borders are as they would be drawn now");
        return Ok(());
    };
    context.ui.success(format!(
        "Programs and libraries took {}, now {}",
        bytes_text(before.bytes),
        bytes_text(after.bytes)
    ));
    context.ui.status(format!(
        "Generation {number} of `{}` is current",
        session.profile.name()
    ));
    Ok(())
}

impl Size {
    fn of(store: &Store, generation: &Generation) -> Result<Self, CommandError> {
        let views: BTreeSet<StorePath> =
            generation.apps.iter().map(|app| app.view.clone()).collect();
        let mut size = Self::default();
        // A view's programs are the same files as those of the object it refers to.
        for path in store.closure(&views)?.difference(&views) {
            size.objects += 1;
            size.bytes += store.info(path)?.map_or(0, |info| info.bytes);
        }
        Ok(size)
    }
}
