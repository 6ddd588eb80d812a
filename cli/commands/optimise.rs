//! `optimise`: lets equal files in the store be one, and draws the borders between binaries and
//! shared libraries anew, for the apps that are there now.

use orlop_store::{Generation, Shared, Store};
use serde::Serialize;

use super::change::Session;
use crate::apply::{self, Borders, Change, Outcome, Renew, Size};
use crate::context::Context;
use crate::error::CommandError;
use crate::progress::bytes_text;

/// What was gained, as data.
#[derive(Serialize)]
struct Report {
    /// Files that became one with others.
    shared: Shared,
    /// None if the profile has no apps.
    #[serde(flatten)]
    borders: Option<Moved>,
}

/// What the borders were, and are.
#[derive(Serialize)]
struct Moved {
    generation: Option<u64>,
    before: Size,
    after: Size,
}

pub(super) fn optimise(context: &Context) -> Result<(), CommandError> {
    let (store, _) = super::open(context)?;
    let shared = share(context, &store)?;
    drop(store);
    let session = Session::begin(context)?;
    let borders = match session.profile.current()? {
        Some(current) => draw(context, &session, &current)?,
        None => None,
    };
    if context.global.json {
        context.ui.data_json(&Report { shared, borders })?;
    }
    Ok(())
}

/// Lets equal files be one, in the whole store.
fn share(context: &Context, store: &Store) -> Result<Shared, CommandError> {
    if context.global.dry_run {
        let shared = store.plan_sharing()?;
        context.ui.status(format!(
            "Would share {} files and free {}",
            shared.files,
            bytes_text(shared.bytes)
        ));
        return Ok(shared);
    }
    let shared = store.share_files(&mut |holder| {
        context
            .ui
            .status(format!("Waiting for {holder}, which shares files"));
    })?;
    context.ui.success(format!(
        "Shared {} more files and freed {}",
        shared.files,
        bytes_text(shared.bytes)
    ));
    Ok(shared)
}

/// Draws the borders anew; returns what that changed, if it was not only planned.
fn draw(
    context: &Context,
    session: &Session,
    current: &Generation,
) -> Result<Option<Moved>, CommandError> {
    let size = |generation: &Generation| {
        let views = generation.apps.iter().map(|app| app.view.clone());
        Size::of(&session.store, views)
    };
    let before = size(current)?;
    let change = Change {
        manifest: session.text.clone(),
        file: session.profile.manifest_path(),
        renew: Renew::Nothing,
        locked: false,
        borders: Borders::Anew,
    };
    match &session.change(context, &change)? {
        Outcome::Planned(plan, _) => {
            let summary = apply::summary(plan);
            context.ui.status(format!(
                "Would draw the borders anew, where that takes less: {summary}"
            ));
            Ok(None)
        }
        Outcome::Unchanged(..) => {
            context
                .ui
                .status("The borders stay: drawn anew, programs and libraries would take no less");
            Ok(Some(Moved {
                generation: None,
                before,
                after: before,
            }))
        }
        Outcome::Committed(_, generation) => {
            let after = size(generation)?;
            context.ui.success(format!(
                "Programs and libraries took {}, now {}: {} less",
                bytes_text(before.bytes),
                bytes_text(after.bytes),
                bytes_text(before.bytes.saturating_sub(after.bytes))
            ));
            let number = generation.number;
            context.ui.status(format!(
                "Generation {number} of `{}` is current",
                session.profile.name()
            ));
            Ok(Some(Moved {
                generation: Some(number),
                before,
                after,
            }))
        }
    }
}
