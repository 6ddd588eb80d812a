//! `build`: makes an app's objects without installing it, and checks that they are repeatable.

use std::collections::BTreeSet;

use orlop_build::Rebuilt;
use orlop_recipes::{AppSpec, Manifest, ManifestEditor, PackageRequest, VersionReq};
use orlop_store::derivation::Isolation;
use orlop_store::{Derivation, FetchError, Fetcher, Plan, Reporter, Step, Store, StorePath};
use serde::Serialize;

use crate::apply::{self, Borders, Change, Outcome, Renew, Until};
use crate::args::Build;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::progress::Progress;

pub(super) fn build(context: &Context, arguments: &Build) -> Result<(), CommandError> {
    if arguments.plugin {
        return super::plugin::build(context, arguments);
    }
    let (store, profile) = super::open(context)?;
    let AppSpec::Registry { name, requirement } = &arguments.app else {
        return Err(CommandError::usage("`build` takes the name of an app")
            .hint("to try a recipe, install it: `orlop install ./hello.toml`"));
    };
    let path = profile.manifest_path();
    let text = super::change::read_or_empty(&path)?;
    let mut editor = ManifestEditor::new(path.as_str(), &text)?;
    let manifest = Manifest::parse(path.as_str(), &editor.to_string())?;
    let mut request: PackageRequest = manifest.packages.get(name).cloned().unwrap_or_default();
    if *requirement != VersionReq::STAR {
        request.requirement = requirement.clone();
    }
    editor.set(name, &request);
    let change = Change {
        manifest: editor.to_string(),
        file: path.clone(),
        renew: Renew::Nothing,
        locked: false,
        borders: Borders::Keep,
        until: Until::Built {
            keep_failed: arguments.keep_failed,
        },
    };
    let outcome = apply::apply(context, &store, &profile, &change).map_err(|error| {
        if arguments.keep_failed && error.kind() == Kind::Build {
            error.hint(format!("what it left: {}", store.home().join("failed")))
        } else {
            error
        }
    })?;
    let (Outcome::Planned(plan) | Outcome::Unchanged(plan) | Outcome::Committed(plan, _)) = outcome;
    if arguments.check && !context.global.dry_run {
        return check(context, &store, &plan, name.as_str());
    }
    if context.global.json {
        return context.ui.data_json(&plan);
    }
    context.ui.success(apply::summary(&plan));
    Ok(())
}

/// What a check found, as data.
#[derive(Serialize)]
struct Checked {
    identical: usize,
    /// What differs: step, object, first differing file.
    different: Vec<(String, StorePath, String)>,
    /// Objects that cannot be built again, since something they were built from is gone.
    skipped: Vec<StorePath>,
}

fn check(context: &Context, store: &Store, plan: &Plan, app: &str) -> Result<(), CommandError> {
    let _in_use = store.use_store()?;
    let scratch = store.scratch()?;
    let runner = context.runner(store, scratch.folder())?;
    if runner.isolation() == Isolation::None {
        return Err(CommandError::usage(
            "`--check` needs the sandbox, which shows a new output at the place of the old one",
        ));
    }
    let (steps, skipped) = steps(store, plan, app)?;
    let progress = Progress::new(context.ui.clone());
    context
        .ui
        .status(format!("Building {} objects again", steps.len()));
    let rebuilt = orlop_build::check(
        &steps,
        &orlop_build::Context {
            store,
            runner: &*runner,
            fetcher: &NoFetcher,
            reporter: &progress,
            jobs: context.jobs(),
            keep_failed: false,
        },
    )?;
    progress.clear();
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
        context
            .ui
            .success(format!("{} objects are identical", checked.identical));
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

/// Every step behind an app's programs, and the objects whose inputs are not there any more.
fn steps(
    store: &Store,
    plan: &Plan,
    app: &str,
) -> Result<(Vec<Derivation>, Vec<StorePath>), CommandError> {
    let mut open: Vec<StorePath> = plan
        .apps
        .iter()
        .filter(|planned| planned.name == app)
        .flat_map(|planned| {
            planned
                .programs
                .iter()
                .map(|program| program.link_set.clone())
        })
        .collect();
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

/// Archives are not unpacked again.
struct NoFetcher;

impl Fetcher for NoFetcher {
    fn cached(&self, _: &orlop_store::derivation::Source) -> Option<camino::Utf8PathBuf> {
        None
    }

    fn fetch(
        &self,
        source: &orlop_store::derivation::Source,
        _: &dyn Reporter,
    ) -> Result<camino::Utf8PathBuf, FetchError> {
        Err(FetchError::Offline {
            name: source.name.clone(),
        })
    }
}
