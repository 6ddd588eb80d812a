//! `update`, `lock`, `outdated`: which versions, and what would change. Nothing here builds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use orlop_recipes::{FeatureName, Manifest, PackageName, Version};
use orlop_resolver::{Index as _, Lock, LockedApp, Release};
use serde::Serialize;

use crate::apply::{self, Borders, Change, Renew};
use crate::args::{LockArguments, Update};
use crate::commands::change::{self, Session};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::fetch::Fetching;
use crate::progress::Progress;
use crate::request;

/// What another lock file would bring, as data.
#[derive(Serialize)]
struct Changes<'a> {
    snapshot: Timestamp,
    apps: Vec<AppChanges<'a>>,
}

#[derive(Serialize)]
struct AppChanges<'a> {
    app: &'a PackageName,
    from: Option<&'a Version>,
    to: Option<&'a Version>,
    packages: Vec<PackageChange<'a>>,
    features: Vec<FeatureChange<'a>>,
}

#[derive(Serialize)]
struct PackageChange<'a> {
    name: &'a PackageName,
    from: Vec<&'a Version>,
    to: Vec<&'a Version>,
}

/// A package that stays, and is compiled with other features.
#[derive(Serialize)]
struct FeatureChange<'a> {
    name: &'a PackageName,
    version: &'a Version,
    on: Vec<&'a FeatureName>,
    off: Vec<&'a FeatureName>,
}

pub(super) fn update(context: &Context, arguments: &Update) -> Result<(), CommandError> {
    let session = Session::begin(context)?;
    let mut editor = session.editor()?;
    // A pinned snapshot moves, and stays pinned.
    let is_pinned = editor.manifest().snapshot.is_some() || arguments.snapshot.is_some();
    if is_pinned {
        editor.set_snapshot(Some(arguments.snapshot.unwrap_or(context.now)));
    }
    let mut change = Change {
        renew: session.renew(&arguments.apps, "update")?,
        manifest: editor.to_string(),
        file: session.profile.manifest_path(),
        locked: false,
        borders: Borders::Keep,
    };
    let (before, after) = apply::lock(context, &session.store, &session.profile, &change)?;
    if is_pinned {
        editor.set_snapshot(Some(after.snapshot()));
        change.manifest = editor.to_string();
    }
    if !context.global.dry_run {
        change::write(&session.profile.manifest_path(), &change.manifest)?;
        change::write(&session.profile.lock_path(), &after.to_string())?;
    }
    let changes = changes(&before, &after);
    if context.global.json {
        return context.ui.data_json(&changes);
    }
    show(context, &changes);
    if !changes.apps.is_empty() && !context.global.dry_run {
        context.ui.hint("make it true: `orlop sync`");
    }
    Ok(())
}

pub(super) fn lock(context: &Context, arguments: &LockArguments) -> Result<(), CommandError> {
    let session = Session::begin(context)?;
    let change = Change {
        manifest: session.editor()?.to_string(),
        file: session.profile.manifest_path(),
        renew: Renew::Nothing,
        locked: arguments.check,
        borders: Borders::Keep,
    };
    let (before, after) = apply::lock(context, &session.store, &session.profile, &change)?;
    let changes = changes(&before, &after);
    if context.global.json {
        context.ui.data_json(&changes)?;
    } else {
        show(context, &changes);
    }
    if before.to_string() == after.to_string() {
        context.ui.status("The lock file answers the manifest");
    } else if arguments.check {
        let reason = after.reason(&before).map(|reason| format!(": {reason}"));
        let reason = reason.unwrap_or_default();
        return Err(CommandError::new(
            Kind::Refused,
            format!("the lock file does not answer the manifest{reason}"),
        )
        .hint("bring it up to date: `orlop lock`"));
    } else if !context.global.dry_run {
        change::write(&session.profile.lock_path(), &after.to_string())?;
    }
    Ok(())
}

fn changes<'a>(before: &'a Lock, after: &'a Lock) -> Changes<'a> {
    let names: BTreeSet<&PackageName> = before
        .apps()
        .chain(after.apps())
        .map(|app| &app.app)
        .collect();
    let apps = names.into_iter().filter_map(|name| {
        let (old, new) = (before.app(name), after.app(name));
        let packages = package_changes(old, new);
        let features = feature_changes(old, new);
        let (from, to) = (old.map(|app| &app.version), new.map(|app| &app.version));
        let changes = from != to || !packages.is_empty() || !features.is_empty();
        changes.then_some(AppChanges {
            app: name,
            from,
            to,
            packages,
            features,
        })
    });
    Changes {
        snapshot: after.snapshot(),
        apps: apps.collect(),
    }
}

fn package_changes<'a>(
    before: Option<&'a LockedApp>,
    after: Option<&'a LockedApp>,
) -> Vec<PackageChange<'a>> {
    let mut sides: BTreeMap<&PackageName, [BTreeSet<&Version>; 2]> = BTreeMap::new();
    for (side, app) in [before, after].into_iter().enumerate() {
        for (name, version) in app.into_iter().flat_map(LockedApp::packages) {
            sides.entry(name).or_default()[side].insert(version);
        }
    }
    let changed = sides.into_iter().filter(|(_, [from, to])| from != to);
    changed
        .map(|(name, [from, to])| PackageChange {
            name,
            from: from.difference(&to).copied().collect(),
            to: to.difference(&from).copied().collect(),
        })
        .collect()
}

/// Features decide what is compiled as much as versions do.
fn feature_changes<'a>(
    before: Option<&'a LockedApp>,
    after: Option<&'a LockedApp>,
) -> Vec<FeatureChange<'a>> {
    let features = |app: Option<&'a LockedApp>| {
        let mut features: BTreeMap<_, BTreeSet<&FeatureName>> = BTreeMap::new();
        for variant in app.into_iter().flat_map(LockedApp::variants) {
            let package = features.entry((&variant.name, &variant.version));
            package.or_default().extend(&variant.features);
        }
        features
    };
    let before = features(before);
    let changed = features(after).into_iter().filter_map(|(package, after)| {
        let before = before.get(&package).filter(|before| **before != after)?;
        Some(FeatureChange {
            name: package.0,
            version: package.1,
            on: after.difference(before).copied().collect(),
            off: before.difference(&after).copied().collect(),
        })
    });
    changed.collect()
}

fn show(context: &Context, changes: &Changes<'_>) {
    let list = |versions: &[&Version]| match versions {
        [] => "–".to_owned(),
        versions => versions
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
    };
    for app in &changes.apps {
        let versions = [app.from, app.to].map(|version| list(&Vec::from_iter(version)));
        context
            .ui
            .data(format!("{} {} → {}", app.app, versions[0], versions[1]));
        for package in app
            .packages
            .iter()
            .filter(|package| package.name != app.app)
        {
            context.ui.data(format!(
                "    {} {} → {}",
                package.name,
                list(&package.from),
                list(&package.to)
            ));
        }
        for package in &app.features {
            let signs = [("+", &package.on), ("-", &package.off)].into_iter();
            let signed = signs.flat_map(|(sign, features)| {
                features
                    .iter()
                    .map(move |feature| format!(" {sign}{feature}"))
            });
            let signed: String = signed.collect();
            let (name, version) = (package.name, package.version);
            context.ui.data(format!("    {name} {version}{signed}"));
        }
    }
    let day = changes.snapshot.strftime("%F %R");
    context.ui.status(match changes.apps.len() {
        0 => format!("Nothing changes with the registry of {day} UTC"),
        1 => format!("1 app changes with the registry of {day} UTC"),
        count => format!("{count} apps change with the registry of {day} UTC"),
    });
}

/// An app that is behind, as data.
#[derive(Serialize)]
struct Behind {
    app: PackageName,
    version: Version,
    /// The newest that the manifest allows.
    wanted: Option<Version>,
    /// The newest there is.
    newest: Option<Version>,
}

pub(super) fn outdated(context: &Context) -> Result<(), CommandError> {
    let (_store, profile) = super::open(context)?;
    let generation = super::current(&profile)?;
    let lock = super::locked(&generation)?;
    let path = profile.manifest_path();
    let manifest = Manifest::parse(path.as_str(), &generation.manifest()?)?;
    let recipes = request::recipes(context, &manifest)?;
    let progress = Progress::new(context.ui.clone());
    let fetching = Fetching(&progress);
    let registry = context.registry(context.now, &recipes, &fetching)?;
    let mut behind = Vec::new();
    let mut known = context.now;
    for wanted in request::wanted(context, &manifest, &recipes)? {
        let Some(locked) = lock.app(&wanted.name) else {
            continue;
        };
        let index = wanted.locals.over(&registry);
        let (releases, complete) = registry.dated(|| index.releases(&wanted.package));
        known = known.min(complete);
        let releases = releases?;
        let newest = |fits: &dyn Fn(&Version) -> bool| {
            let releases = releases.iter().filter(|release: &&Release| !release.yanked);
            let mut versions = releases.map(|release| &release.version);
            versions.rfind(|version| fits(version)).cloned()
        };
        let entry = Behind {
            app: wanted.name,
            version: locked.version.clone(),
            wanted: newest(&|version| wanted.requirement.matches(version)),
            newest: newest(&|version| version.pre.is_empty()),
        };
        let is_newer = |version: &Option<Version>| {
            version
                .as_ref()
                .is_some_and(|version| *version > entry.version)
        };
        if is_newer(&entry.wanted) || is_newer(&entry.newest) {
            behind.push(entry);
        }
    }
    progress.clear();
    if known < context.now {
        context.tell_known(known);
    }
    if context.global.json {
        return context.ui.data_json(&behind);
    }
    if behind.is_empty() {
        context.ui.status("All apps are at their newest versions");
        return Ok(());
    }
    let mut table = super::table(&["app", "version", "wanted", "newest"]);
    let text = |version: Option<Version>| version.map_or_else(|| "–".to_owned(), |v| v.to_string());
    for one in &behind {
        table.add_row(vec![
            one.app.to_string(),
            one.version.to_string(),
            text(one.wanted.clone()),
            text(one.newest.clone()),
        ]);
    }
    context.ui.data(table.trim_fmt());
    suggest(context, &behind, &manifest);
    Ok(())
}

/// Says how apps that are behind move on.
fn suggest(context: &Context, behind: &[Behind], manifest: &Manifest) {
    if behind
        .iter()
        .any(|one| one.wanted > Some(one.version.clone()))
    {
        context
            .ui
            .hint("move to what the manifest allows: `orlop upgrade`");
    }
    // What stands in a recipe is changed there.
    let held = behind.iter().filter(|one| one.newest > one.wanted);
    let held = held.filter(|one| {
        let request = manifest.packages.get(&one.app);
        request.is_some_and(|request| request.recipe.is_none())
    });
    let specs = held.filter_map(|one| Some(format!("{}@{}", one.app, one.newest.as_ref()?)));
    let specs: Vec<_> = specs.collect();
    if !specs.is_empty() {
        context.ui.hint(format!(
            "have the manifest ask for the newest: `orlop install {}`",
            specs.join(" ")
        ));
    }
}
