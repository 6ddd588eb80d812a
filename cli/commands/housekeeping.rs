//! `gc`, `prove`: what keeps a store small and its apps right.

use camino::{Utf8Path, Utf8PathBuf};
use orlop_loader::{Proof, Search};
use serde::Serialize;

use crate::args::Prove;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::progress::bytes_text;

pub(super) fn gc(context: &Context) -> Result<(), CommandError> {
    let store = context.store()?;
    if context.global.dry_run {
        let plan = store.plan_gc()?;
        if context.global.json {
            return context.ui.data_json(&plan);
        }
        for dead in &plan.dead {
            context.ui.data(format!("  {dead}"));
        }
        context.ui.data(format!(
            "Would remove {} of {} objects and free {}",
            plan.dead.len(),
            plan.dead.len() + plan.live.len(),
            bytes_text(plan.bytes)
        ));
        return Ok(());
    }
    let report = store.gc(&mut |holder| {
        context
            .ui
            .status(format!("Waiting for {holder}, which uses the store"));
    })?;
    if context.global.json {
        return context.ui.data_json(&report);
    }
    context.ui.success(format!(
        "Removed {} objects and freed {}",
        report.removed.len(),
        bytes_text(report.bytes)
    ));
    Ok(())
}

/// What was proved of one program, as data.
#[derive(Serialize)]
struct Proved {
    program: Utf8PathBuf,
    proof: Proof,
}

pub(super) fn prove(context: &Context, arguments: &Prove) -> Result<(), CommandError> {
    let programs = match &arguments.target {
        Some(target) if target.contains('/') => vec![context.absolute(Utf8Path::new(target))?],
        target => installed_programs(context, target.as_deref())?,
    };
    let mut proved = Vec::new();
    for program in programs {
        let proof = orlop_loader::prove(&program, &Search::default()).map_err(|refusal| {
            CommandError::new(Kind::Untrusted, refusal)
                .hint("an app of this store is linked anew by `orlop sync` after `orlop gc`")
        })?;
        if !context.global.json {
            context
                .ui
                .data(format!("PROVED {program}: {}", describe(&proof)));
        }
        proved.push(Proved { program, proof });
    }
    if context.global.json {
        context.ui.data_json(&proved)
    } else {
        Ok(())
    }
}

fn describe(proof: &Proof) -> String {
    format!(
        "{} objects, {} references, {} names defined more than once",
        proof.objects.len(),
        proof.references,
        proof.repeated_names.len()
    )
}

fn installed_programs(
    context: &Context,
    app: Option<&str>,
) -> Result<Vec<Utf8PathBuf>, CommandError> {
    let (store, profile) = super::open(context)?;
    let generation = super::current(&profile)?;
    let apps = match app {
        Some(app) => vec![super::installed(&generation, app)?],
        None => generation.apps.iter().collect(),
    };
    Ok(apps
        .into_iter()
        .flat_map(|app| {
            let folder = store.object(&app.view).join("bin");
            app.binaries.iter().map(move |program| folder.join(program))
        })
        .collect())
}
