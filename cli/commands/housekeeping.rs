//! `gc`, `prove`: what keeps a store small and its apps right.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use orlop_loader::{BoundSymbol, Proof, Search};
use orlop_store::{GcOptions, Keep};
use serde::Serialize;

use crate::args::{Gc, Prove};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::progress::{bytes_text, count_text};

pub(super) fn gc(context: &Context, arguments: &Gc) -> Result<(), CommandError> {
    let store = context.store_to_free()?;
    context.existing_profile(&store)?;
    let options = options(context, arguments)?;
    if context.global.dry_run {
        let plan = store.plan_gc(&options)?;
        if context.global.json {
            return context.ui.data_json(&plan);
        }
        for line in generation_lines(&plan.generations) {
            context.ui.data(format!("  {line}"));
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
    let began = std::time::Instant::now();
    let mut waited = false;
    let report = store.gc(&options, &mut |holder| {
        waited = true;
        context.ui.status(format!("Waiting for {holder}"));
    })?;
    if context.global.json {
        return context.ui.data_json(&report);
    }
    if waited {
        let seconds = began.elapsed().as_secs_f64();
        context
            .ui
            .status(format!("Took {seconds:.1} s with waiting"));
    }
    for line in generation_lines(&report.generations) {
        context.ui.status(format!("Removed {line}"));
    }
    context.ui.success(format!(
        "Removed {} and freed {}",
        count_text(report.removed.len(), "object"),
        bytes_text(report.bytes)
    ));
    Ok(())
}

fn options(context: &Context, arguments: &Gc) -> Result<GcOptions, CommandError> {
    let since = arguments.keep_since.map(|age| {
        // Days of 24 hours: when something was made is a moment, not a date.
        let age = age.to_duration(jiff::SpanRelativeTo::days_are_24_hours());
        age.and_then(|age| context.now.checked_sub(age))
            .map_err(|error| CommandError::usage(format!("`--keep-since`: {error}")))
    });
    Ok(GcOptions {
        keep: Keep {
            newest: arguments.keep,
            since: since.transpose()?,
        },
        // Who names a profile does not mean the way back of the others.
        profile: context.global.profile.clone(),
        max_freed: arguments.max_freed,
        drop_build_only: arguments.dev,
    })
}

fn generation_lines(generations: &BTreeMap<String, Vec<u64>>) -> Vec<String> {
    let lines = generations.iter().flat_map(|(profile, numbers)| {
        numbers
            .iter()
            .map(move |number| format!("generation {number} of {profile}"))
    });
    lines.collect()
}

/// What was proved of one program, as data.
#[derive(Serialize)]
struct Proved {
    program: Utf8PathBuf,
    proof: Proof,
    #[serde(skip_serializing_if = "Option::is_none")]
    bindings: Option<Vec<BoundSymbol>>,
}

pub(super) fn prove(context: &Context, arguments: &Prove) -> Result<(), CommandError> {
    let programs = match &arguments.target {
        Some(target) if target.contains('/') => vec![readable(context, target)?],
        target => installed_programs(context, target.as_deref())?,
    };
    let mut proved = Vec::new();
    for program in programs {
        let proof = orlop_loader::prove(&program, &Search::default()).map_err(|refusal| {
            let error = CommandError::from(refusal);
            if is_stored(context, &program) {
                error.hint("if it is damaged, that can be mended: `orlop verify --repair`")
            } else {
                error
            }
        })?;
        if !context.global.json {
            context
                .ui
                .data(format!("PROVED {program}: {}", describe(&proof)));
        }
        let bindings = arguments
            .bindings
            .then(|| orlop_loader::bindings(&program, &Search::default()))
            .transpose()?;
        proved.push(Proved {
            program,
            proof,
            bindings,
        });
    }
    if context.global.json {
        context.ui.data_json(&proved)
    } else {
        Ok(())
    }
}

/// The path of a program that somebody named. That there is none, or none to be read, says nothing
/// about what it is.
fn readable(context: &Context, path: &str) -> Result<Utf8PathBuf, CommandError> {
    let path = context.absolute(Utf8Path::new(path))?;
    let failed = |error: std::io::Error| CommandError::new(Kind::Failed, error);
    let file = fs_err::File::open(&path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(CommandError::failed(format!(
            "`{path}` is a folder, not a program"
        )));
    }
    Ok(path)
}

/// Whether a program lies in the store, or would, were it there.
fn is_stored(context: &Context, program: &Utf8Path) -> bool {
    let store = context.home.join("store");
    let real = |path: &Utf8Path| path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned());
    program.starts_with(&store) || real(program).starts_with(real(&store))
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
