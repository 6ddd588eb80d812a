//! What a change of a profile did, or would do: for people, and as data.

use std::collections::BTreeSet;

use orlop_build::log::quoted;
use orlop_store::{Generation, GenerationApp, Plan, PlannedApp, Profile, StorePath};
use serde::Serialize;

use crate::apply::{self, Outcome, Sketch};
use crate::context::Context;
use crate::error::CommandError;
use crate::share;

/// What a change did, as data.
#[derive(Serialize)]
struct Report<'a> {
    profile: &'a str,
    outcome: &'static str,
    generation: Option<u64>,
    present: usize,
    fetch: usize,
    build: usize,
    installed: Vec<String>,
    removed: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a Plan>,
}

pub(super) fn report(
    context: &Context,
    profile: &Profile,
    before: Option<&Generation>,
    outcome: &Outcome,
) -> Result<(), CommandError> {
    let old: Vec<_> = before
        .iter()
        .flat_map(|one| &one.apps)
        .map(App::of)
        .collect();
    let (word, plan, (coming, removed)) = match outcome {
        Outcome::Unchanged(plan, _) => ("unchanged", plan, Default::default()),
        Outcome::Planned(plan, apps) => {
            let new: Vec<_> = apps.iter().zip(&plan.apps).map(App::planned).collect();
            ("planned", plan, difference(&old, &new))
        }
        Outcome::Committed(plan, generation) => {
            let new: Vec<_> = generation.apps.iter().map(App::of).collect();
            ("committed", plan, difference(&old, &new))
        }
    };
    let generation = match outcome {
        Outcome::Committed(_, generation) => Some(generation),
        Outcome::Unchanged(..) | Outcome::Planned(..) => None,
    };
    if context.global.json {
        let installed = coming.into_iter().map(|coming| coming.text).collect();
        return context.ui.data_json(&Report {
            profile: profile.name(),
            outcome: word,
            generation: generation.map(|generation| generation.number),
            present: plan.present.len(),
            fetch: plan.fetch.len(),
            build: plan.build.len(),
            installed,
            removed,
            plan: matches!(outcome, Outcome::Planned(..)).then_some(plan),
        });
    }
    match outcome {
        Outcome::Committed(_, generation) => {
            for Coming { text, is_new } in &coming {
                let done = if *is_new { "Installed" } else { "Made" };
                context.ui.success(format!("{done} {text}"));
            }
            for app in &removed {
                context.ui.success(format!("Removed {app}"));
            }
            if coming.is_empty() && removed.is_empty() {
                context.ui.status(unchanged(before, generation));
            }
            share::show_caveats(context, before, generation);
            context.ui.status(format!(
                "Generation {} of `{}` is current",
                generation.number,
                profile.name()
            ));
            if coming.iter().any(|app| app.is_new) {
                path_hint(context, profile);
            }
            if !removed.is_empty() {
                context
                    .ui
                    .hint("to have back what was removed: `orlop rollback`");
            }
        }
        Outcome::Planned(..) => show_plan(context, plan, &coming, &removed),
        Outcome::Unchanged(..) => context
            .ui
            .status(format!("Nothing to do: {}", apply::summary(plan))),
    }
    Ok(())
}

/// What becomes of the apps where none comes or goes: borders between them may have moved.
fn unchanged(before: Option<&Generation>, after: &Generation) -> String {
    let views = before.iter().flat_map(|before| &before.apps);
    let views: BTreeSet<_> = views.map(|app| &app.view).collect();
    let linked = after.apps.iter().filter(|app| !views.contains(&app.view));
    let linked: Vec<_> = linked.map(|app| app.name.as_str()).collect();
    if linked.is_empty() {
        return "The apps stay as they are".to_owned();
    }
    let names = linked.join("`, `");
    format!("Linked anew, from the same crates: `{names}`")
}

/// Prints what there is to do.
pub(super) fn show_steps(context: &Context, plan: &Plan) {
    let line = |line: String| context.ui.data(line);
    line(format!("Plan: {}", apply::summary(plan)));
    for source in &plan.fetch {
        line(format!("  fetch {} {}", source.name, source.version));
    }
    for derivation in &plan.build {
        line(format!("  build {}", derivation.name));
    }
}

fn show_plan(context: &Context, plan: &Plan, coming: &[Coming], removed: &[String]) {
    show_steps(context, plan);
    let line = |line: String| context.ui.data(line);
    for Coming { text, is_new } in coming {
        let verb = if *is_new { "install" } else { "make" };
        line(format!("  {verb} {text}"));
    }
    for app in removed {
        line(format!("  remove {app}"));
    }
}

fn path_hint(context: &Context, profile: &Profile) {
    let folder = profile.folder().join("current/bin");
    if context.search_path.contains(&folder) {
        return;
    }
    let folder = quoted(folder.as_str());
    context.ui.hint(format!(
        "to run apps by name: export PATH={folder}:\"$PATH\""
    ));
}

/// What counts of an app when two generations are compared.
struct App<'a> {
    name: &'a str,
    version: &'a str,
    linkage: &'a str,
    programs: Vec<&'a str>,
    link_sets: BTreeSet<&'a StorePath>,
}

impl<'a> App<'a> {
    fn of(app: &'a GenerationApp) -> Self {
        Self {
            name: &app.name,
            version: &app.version,
            linkage: &app.linkage,
            programs: app.binaries.iter().map(String::as_str).collect(),
            link_sets: app.link_sets.iter().collect(),
        }
    }

    fn planned((sketch, app): (&'a Sketch, &'a PlannedApp)) -> Self {
        let programs = app.programs.iter();
        Self {
            name: &sketch.name,
            version: &app.version,
            linkage: &sketch.linkage,
            programs: programs.clone().map(|one| one.name.as_str()).collect(),
            link_sets: programs.map(|one| &one.link_set).collect(),
        }
    }

    /// Whether it is the same version, linked from the same.
    fn is_as(&self, other: &Self) -> bool {
        self.version == other.version
            && self.link_sets == other.link_sets
            && self.linkage == other.linkage
    }
}

/// An app that comes.
struct Coming {
    /// What it is, as the rest of a line.
    text: String,
    /// Whether it was not there in that version.
    is_new: bool,
}

/// What comes and what goes.
fn difference(old: &[App<'_>], new: &[App<'_>]) -> (Vec<Coming>, Vec<String>) {
    let coming = new.iter().filter_map(|app| {
        let App { name, version, .. } = app;
        let programs = app.programs.join(", ");
        let earlier = old.iter().find(|earlier| earlier.name == *name);
        let text = match earlier {
            Some(earlier) if app.is_as(earlier) => return None,
            Some(earlier) if earlier.version == *version => {
                format!("{name} {version} anew ({programs})")
            }
            Some(earlier) => {
                let before = earlier.version;
                format!("{name} {version} in place of {before} ({programs})")
            }
            None => format!("{name} {version} ({programs})"),
        };
        let is_new = earlier.is_none_or(|earlier| earlier.version != *version);
        Some(Coming { text, is_new })
    });
    let removed = old
        .iter()
        .filter(|earlier| !new.iter().any(|app| app.name == earlier.name))
        .map(|app| format!("{} {}", app.name, app.version));
    (coming.collect(), removed.collect())
}
