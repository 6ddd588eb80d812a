//! `list`, `info`, `tree`: what is installed. Nothing here changes anything.

use std::collections::{BTreeMap, BTreeSet};

use orlop_recipes::{AppRecipe, Manifest, PackageName};
use orlop_resolver::{DependencyKind, LockedApp};
use orlop_store::{Generation, GenerationApp, Libraries, Store, StorePath};
use serde::Serialize;

use crate::args::AppArgument;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::progress::{bytes_text, count_text};
use crate::request;

/// One installed app, as data.
#[derive(Serialize)]
struct Entry {
    name: String,
    version: String,
    programs: Vec<String>,
    linkage: String,
    compiler: String,
    crates: usize,
    view: String,
    /// The apps whose programs it starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    starts: Vec<String>,
}

fn entry(app: &GenerationApp, libraries: &Libraries) -> Entry {
    Entry {
        name: app.name.clone(),
        version: app.version.clone(),
        programs: app.binaries.clone(),
        linkage: app.linkage.clone(),
        compiler: app.compiler.clone(),
        crates: libraries.get(&app.name).map_or(0, BTreeSet::len),
        view: app.view.to_string(),
        starts: app.starts.clone(),
    }
}

pub(super) fn list(context: &Context) -> Result<(), CommandError> {
    let (_store, profile) = context.read_profile()?;
    let mut apps = Vec::new();
    if let Some(current) = super::current_if_any(&profile)? {
        let libraries = current.libraries()?;
        apps.extend(current.apps.iter().map(|app| entry(app, &libraries)));
    }
    if context.global.json {
        return context.ui.data_json(&apps);
    }
    if apps.is_empty() {
        super::tell_no_apps(context, &profile);
        return Ok(());
    }
    let mut table = super::table(&[
        "app", "version", "programs", "linkage", "compiler", "crates",
    ]);
    for app in apps {
        table.add_row(vec![
            app.name,
            app.version,
            app.programs.join(", "),
            app.linkage,
            app.compiler,
            app.crates.to_string(),
        ]);
    }
    context.ui.data(table.trim_fmt());
    Ok(())
}

/// Everything about one app, as data.
#[derive(Serialize)]
struct Details {
    #[serde(flatten)]
    entry: Entry,
    generation: u64,
    /// Objects that the app loads or is, with their sizes.
    closure: BTreeMap<String, u64>,
    /// Its crates, and how many apps of the profile use each.
    libraries: BTreeMap<String, usize>,
    /// What its recipe says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    recipe: Option<AppRecipe>,
}

pub(super) fn info(context: &Context, arguments: &AppArgument) -> Result<(), CommandError> {
    let (store, profile) = super::open(context)?;
    let generation = super::current(&profile)?;
    let app = super::installed(&generation, &arguments.app)?;
    let mut details = details(&store, &generation, app)?;
    details.recipe = recipe(context, &generation, app);
    if context.global.json {
        return context.ui.data_json(&details);
    }
    let shared = details
        .libraries
        .values()
        .filter(|users| **users > 1)
        .count();
    let bytes: u64 = details.closure.values().sum();
    let lines = [
        ("app", format!("{} {}", app.name, app.version)),
        ("programs", app.binaries.join(", ")),
        ("linkage", app.linkage.clone()),
        ("compiler", app.compiler.clone()),
        (
            "crates",
            format!(
                "{} ({shared} of them in other apps too)",
                details.libraries.len()
            ),
        ),
        ("view", store.object(&app.view).to_string()),
        (
            "size",
            format!(
                "{} in {}",
                bytes_text(bytes),
                count_text(details.closure.len(), "object")
            ),
        ),
    ];
    let recipe = details.recipe.as_ref();
    let said = [
        ("summary", recipe.and_then(|recipe| recipe.summary.clone())),
        ("license", recipe.and_then(|recipe| recipe.license.clone())),
        (
            "deprecated",
            recipe.and_then(|recipe| recipe.deprecated.clone()),
        ),
        ("starts", several(&app.starts)),
        ("started by", several(&super::users(&generation, &app.name))),
        ("caveats", app.caveats.clone()),
        ("test", app.test.clone()),
    ];
    let said = said
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    for (name, value) in lines.into_iter().chain(said) {
        context.ui.data(format!("{name:<10} {value}"));
    }
    Ok(())
}

fn several(names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| names.join(", "))
}

fn details(
    store: &Store,
    generation: &Generation,
    app: &GenerationApp,
) -> Result<Details, CommandError> {
    let mut closure = BTreeMap::new();
    for path in store.closure(&BTreeSet::from([app.view.clone()]))? {
        let bytes = store.info(&path)?.map_or(0, |info| info.bytes);
        closure.insert(path.to_string(), bytes);
    }
    let all = generation.libraries()?;
    let users = |library: &StorePath| all.values().filter(|used| used.contains(library)).count();
    let own = all.get(&app.name).into_iter().flatten();
    let libraries = own.map(|library| (library.name().to_owned(), users(library)));
    let libraries = libraries.collect();
    Ok(Details {
        entry: entry(app, &all),
        generation: generation.number,
        closure,
        libraries,
        recipe: None,
    })
}

/// The recipe of an app as it is now; one that cannot be read is worth a warning, and no failure.
pub(super) fn recipe(
    context: &Context,
    generation: &Generation,
    app: &GenerationApp,
) -> Option<AppRecipe> {
    let find = || -> Result<Option<AppRecipe>, CommandError> {
        let path = generation.folder().join("manifest.toml");
        let manifest = Manifest::parse(path.as_str(), &generation.manifest()?)?;
        let name = app.name.parse::<PackageName>();
        let name = &name.map_err(|error| CommandError::new(Kind::Failed, error))?;
        // One that others start is not in the manifest.
        let asked = manifest.request(name).unwrap_or_default();
        let recipes = request::recipes(context, &manifest)?;
        request::app_recipe(context, &asked, &recipes, name)
    };
    find().unwrap_or_else(|error| {
        let reason = error.reason();
        context.ui.warning(format!(
            "the recipe of `{}` cannot be read: {reason}",
            app.name
        ));
        None
    })
}

pub(super) fn tree(context: &Context, arguments: &AppArgument) -> Result<(), CommandError> {
    let (_store, profile) = context.read_profile()?;
    let generation = super::current(&profile)?;
    let app = super::installed(&generation, &arguments.app)?;
    let lock = super::locked(&generation)?;
    let Some(locked) = lock.app_by_name(&app.name) else {
        return Err(CommandError::failed(format!(
            "the lock file has nothing on `{}`",
            app.name
        )));
    };
    if context.global.json {
        return context.ui.data_json(locked);
    }
    print_tree(context, locked);
    Ok(())
}

/// Prints what an app is compiled from.
pub(super) fn print_tree(context: &Context, locked: &LockedApp) {
    let mut printer = TreePrinter {
        context,
        locked,
        seen: BTreeSet::new(),
    };
    printer.print(locked.root(), "", "", "");
}

/// Prints a graph as a tree; what was shown before is marked and not opened again.
struct TreePrinter<'a> {
    context: &'a Context,
    locked: &'a LockedApp,
    seen: BTreeSet<usize>,
}

impl TreePrinter<'_> {
    fn print(&mut self, index: usize, own: &str, below: &str, note: &str) {
        let variant = &self.locked.variants()[index];
        let fresh = self.seen.insert(index);
        let repeated = if fresh || variant.dependencies.is_empty() {
            ""
        } else {
            " (*)"
        };
        let features = if variant.features.is_empty() {
            String::new()
        } else {
            let names: Vec<_> = variant.features.iter().map(AsRef::as_ref).collect();
            format!(" [{}]", names.join(", "))
        };
        self.context.ui.data(format!(
            "{own}{} {}{features}{note}{repeated}",
            variant.name, variant.version
        ));
        if !fresh {
            return;
        }
        let count = variant.dependencies.len();
        for (position, dependency) in variant.dependencies.iter().enumerate() {
            let last = position + 1 == count;
            let own = format!("{below}{}", if last { "└── " } else { "├── " });
            let next = format!("{below}{}", if last { "    " } else { "│   " });
            let note = if dependency.kind == DependencyKind::Build {
                " (build)"
            } else {
                ""
            };
            self.print(dependency.variant, &own, &next, note);
        }
    }
}
