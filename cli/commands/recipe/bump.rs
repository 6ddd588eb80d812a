//! `recipe bump`: to the newest version of what a recipe builds.

use camino::Utf8Path;
use orlop_recipes::bump::{Bump, Newest, allowed, bump as moved, unlisted};
use orlop_recipes::{CrateSource, LibrarySource, PackageName, Recipe, RecipeSet, VersionReq};
use orlop_resolver::Index;
use serde::Serialize;

use crate::context::Context;
use crate::error::CommandError;
use crate::fetch::Fetching;
use crate::files;
use crate::progress::Progress;
use crate::recipe_args::RecipeFiles;

/// What became of a file, as data.
#[derive(Serialize)]
struct Report<'a> {
    file: &'a str,
    outcome: &'static str,
    from: Option<String>,
    to: Option<String>,
    note: Option<String>,
}

pub(super) fn bump(context: &Context, arguments: &RecipeFiles) -> Result<(), CommandError> {
    let progress = Progress::new(context.ui.clone());
    let fetching = Fetching(&progress);
    let recipes = RecipeSet::shipped();
    let registry = context.registry(context.now, &recipes, &fetching)?;
    let mut reports = Vec::new();
    let mut failed = Ok(());
    for file in &arguments.files {
        match one(context, &registry, file) {
            Ok(report) => reports.push(report),
            Err(error) => {
                failed = Err(error);
                break;
            }
        }
    }
    progress.clear();
    // What was moved before was moved.
    if context.global.json {
        context.ui.data_json(&reports)?;
        return failed;
    }
    for report in reports {
        let Report { file, from, to, .. } = &report;
        match (from, to) {
            (Some(from), Some(to)) => context.ui.data(format!("{file} {from} → {to}")),
            _ if report.outcome == "current" => context.ui.status(format!("{file} is up to date")),
            _ => {}
        }
        if let Some(note) = &report.note {
            context.ui.warning(format!("{file}: {note}"));
        }
    }
    failed
}

fn one<'a>(
    context: &Context,
    index: &dyn Index,
    file: &'a Utf8Path,
) -> Result<Report<'a>, CommandError> {
    let text = files::read(file)?;
    let recipe = Recipe::parse(file.as_str(), &text)?;
    let report = |outcome, from, to, note| Report {
        file: file.as_str(),
        outcome,
        from,
        to,
        note,
    };
    let Some(newest) = newest(context, index, &recipe)? else {
        let note = unlisted(&recipe).to_owned();
        return Ok(report("unclear", None, None, Some(note)));
    };
    Ok(match moved(file.as_str(), &text, &newest)? {
        Bump::Current => report("current", None, None, None),
        Bump::Unclear { reason } => report("unclear", None, None, Some(reason)),
        Bump::Moved {
            text,
            from,
            to,
            unsure,
        } => {
            if !context.global.dry_run {
                super::write(context, file, &text)?;
            }
            report("moved", Some(from), Some(to), unsure)
        }
    })
}

/// Finds the newest version that a recipe may move to.
fn newest(
    context: &Context,
    index: &dyn Index,
    recipe: &Recipe,
) -> Result<Option<Newest>, CommandError> {
    match recipe {
        Recipe::App(app) => match &app.source {
            None => release(index, &app.package, app.update.as_ref()).map(Some),
            Some(CrateSource::Git { git, .. }) => tag(context, git, app.update.as_ref()),
            Some(CrateSource::Path { .. }) => Ok(None),
        },
        Recipe::Library(library) => match &library.source {
            LibrarySource::Crate { name, .. } => {
                release(index, name, library.update.as_ref()).map(Some)
            }
            LibrarySource::Git { git, .. } => tag(context, git, library.update.as_ref()),
            LibrarySource::Url { .. }
            | LibrarySource::Path { .. }
            | LibrarySource::Packed { .. } => Ok(None),
        },
        Recipe::Cdylib(cdylib) => release(index, &cdylib.package, None).map(Some),
        Recipe::Plugin(plugin) if plugin.source.is_none() => {
            release(index, &plugin.package, None).map(Some)
        }
        Recipe::Plugin(_) | Recipe::Crate(_) | Recipe::Compiler(_) => Ok(None),
    }
}

/// Finds the newest version among the tags of a repository.
fn tag(
    context: &Context,
    git: &str,
    update: Option<&VersionReq>,
) -> Result<Option<Newest>, CommandError> {
    let versions = context.workshop().versions(git)?;
    let mut versions = versions.into_iter();
    let newest = versions.rfind(|tag| allowed(update, &tag.version));
    Ok(newest.map(|tag| Newest::Commit {
        version: tag.version,
        rev: tag.rev,
    }))
}

fn release(
    index: &dyn Index,
    name: &PackageName,
    update: Option<&VersionReq>,
) -> Result<Newest, CommandError> {
    let releases = index.releases(name)?;
    let newest = releases
        .iter()
        .rfind(|release| !release.yanked && allowed(update, &release.version));
    let newest = newest.ok_or_else(|| {
        CommandError::failed(format!(
            "the registry has no version of `{name}` to move to"
        ))
    })?;
    Ok(Newest::Release {
        version: newest.version.clone(),
        checksum: newest.checksum.to_string(),
    })
}
