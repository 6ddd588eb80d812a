//! `recipe test`: the tests of installed apps and of the native libraries that they are built against,
//! run again against what is installed, as they were when that was made; and those of recipes.

use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use orlop_build::log::quoted;
use orlop_recipes::{AppRecipe, AppSpec, LibraryRecipe, Needs, Recipe, RecipeKind};
use orlop_store::{Generation, GenerationApp, GenerationTest, Profile, Store};
use serde::Serialize;

use super::trial::World;
use crate::apply;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::recipe_args::TestRecipes;
use crate::{needed, request};

/// One test, as data.
#[derive(Serialize)]
struct Report {
    /// What is tested: an app or a native library.
    kind: RecipeKind,
    app: String,
    version: String,
    test: String,
    /// Whether it passed; unknown if it was not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    passed: Option<bool>,
    /// What it said, if it failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    output: String,
}

/// A test that is to be run.
enum Test {
    /// Of an app of a generation: its line, and what that needs.
    App(Box<(Generation, GenerationApp)>, String, Needs),
    /// Of a native library; the text of a manifest that has the recipes for it.
    Library(GenerationTest, String),
    /// Of the native library of a recipe, which is built first; the path, the recipe and its test.
    Recipe(String, Box<LibraryRecipe>, String),
}

pub(super) fn test(context: &Context, arguments: &TestRecipes) -> Result<(), CommandError> {
    let (store, profile) = crate::commands::open(context)?;
    // What is made for tests is in no generation.
    let _in_use = store.use_store()?;
    let tests = if arguments.apps.is_empty() {
        all(&crate::commands::current(&profile)?)?
    } else {
        let mut tests = Vec::new();
        for name in &arguments.apps {
            tests.extend(match name.parse() {
                Ok(AppSpec::Recipe(path)) => vec![of_file(context, &profile, &path)?],
                _ => of_name(&crate::commands::current(&profile)?, name)?,
            });
        }
        tests
    };
    let mut reports = Vec::new();
    for test in tests {
        let report = if context.global.dry_run {
            planned(test)
        } else {
            run(context, &store, test)?
        };
        if !context.global.json {
            show(context, &report);
        }
        reports.push(report);
    }
    if context.global.json {
        context.ui.data_json(&reports)?;
    } else if reports.is_empty() {
        context.ui.status(format!(
            "There is nothing to test: no app of the profile `{}` has a test",
            profile.name()
        ));
    }
    let failed = reports.iter().filter(|report| report.passed == Some(false));
    let failed = failed.count();
    if failed > 0 {
        return Err(CommandError::failed(format!(
            "{failed} of {} tests failed",
            reports.len()
        )));
    }
    Ok(())
}

/// All tests of a generation.
fn all(generation: &Generation) -> Result<Vec<Test>, CommandError> {
    let mut tests = Vec::new();
    for app in generation.apps.iter().filter(|app| app.test.is_some()) {
        tests.extend(of_app(generation, app)?);
    }
    tests.extend(of_libraries(generation, |_| true)?);
    Ok(tests)
}

/// The tests of what is installed by a name: an app, or all versions of a native library.
fn of_name(generation: &Generation, name: &str) -> Result<Vec<Test>, CommandError> {
    let app = crate::commands::installed(generation, name);
    if let Ok(app) = app {
        return Ok(vec![of_app(generation, app)?.ok_or_else(|| none(name))?]);
    }
    let libraries = of_libraries(generation, |test| test.name == name)?;
    if libraries.is_empty() {
        app?;
    }
    Ok(libraries)
}

fn of_app(generation: &Generation, app: &GenerationApp) -> Result<Option<Test>, CommandError> {
    let Some(line) = app.test.clone() else {
        return Ok(None);
    };
    let needs = needed::of_record(&app.test_needs)?;
    let app = Box::new((generation.clone(), app.clone()));
    Ok(Some(Test::App(app, line, needs)))
}

/// The tests of the native libraries of a generation, each once.
fn of_libraries(
    generation: &Generation,
    wanted: impl Fn(&GenerationTest) -> bool,
) -> Result<Vec<Test>, CommandError> {
    let apps = generation.apps.iter();
    let tests = apps.flat_map(|app| &app.library_tests);
    let mut found: Vec<_> = tests.filter(|test| wanted(test)).cloned().collect();
    found.sort_by(|one, other| (&one.name, &one.object).cmp(&(&other.name, &other.object)));
    found.dedup();
    let manifest = generation.manifest()?;
    let found = found.into_iter();
    Ok(found
        .map(|test| Test::Library(test, manifest.clone()))
        .collect())
}

/// The test that a file says: of an app that is installed, or of a native library, which is built.
fn of_file(context: &Context, profile: &Profile, path: &str) -> Result<Test, CommandError> {
    match request::read_recipe(context, path)? {
        Recipe::App(recipe) => of_app_file(context, profile, path, recipe),
        Recipe::Library(recipe) => {
            let test = recipe.test.clone();
            let test = test.ok_or_else(|| none(recipe.name.as_str()))?;
            Ok(Test::Recipe(path.to_owned(), Box::new(recipe), test))
        }
        _ => Err(CommandError::usage(format!(
            "`{path}` is neither the recipe of an app nor that of a native library"
        ))),
    }
}

fn of_app_file(
    context: &Context,
    profile: &Profile,
    path: &str,
    mut recipe: AppRecipe,
) -> Result<Test, CommandError> {
    let generation = crate::commands::current(profile)?;
    let app = crate::commands::installed(&generation, recipe.name.as_str()).map_err(|_| {
        CommandError::failed(format!("`{}` is not installed", recipe.name))
            .hint(format!("install it: `orlop install {}`", quoted(path)))
    })?;
    needed::keep_needed_here(context, &mut recipe, Some(&app.compiler))?;
    let line = recipe.test.ok_or_else(|| none(recipe.name.as_str()))?;
    let app = Box::new((generation.clone(), app.clone()));
    Ok(Test::App(app, line, recipe.needs.test))
}

/// Builds the native library of a recipe. Returns its test, and the text of a manifest that has the
/// recipes for it.
fn built(
    context: &Context,
    path: &str,
    recipe: &LibraryRecipe,
    test: String,
) -> Result<(GenerationTest, String), CommandError> {
    let spec = AppSpec::Recipe(path.to_owned());
    let order = crate::commands::build::order(context, ("build", Some(&spec)), false)?;
    let object = apply::make(context, &order, |making| {
        making.execute(&making.steps.plan()?)?;
        making.progress.clear();
        let wanted = making.steps.wanted().first().cloned();
        wanted.ok_or_else(|| CommandError::failed(format!("nothing makes `{path}`")))
    })?;
    let mut here = recipe.needs.test.clone();
    needed::keep_here(context, &mut here, None)?;
    let test = GenerationTest {
        name: recipe.name.to_string(),
        version: recipe.version.clone(),
        object,
        test,
        needs: needed::recorded(&here),
    };
    Ok((test, order.manifest))
}

fn none(name: &str) -> CommandError {
    CommandError::failed(format!("no recipe says how `{name}` is tested"))
        .hint("write one: `orlop recipe new NAME`, with a line `test = \"…\"`")
}

fn run(context: &Context, store: &Store, test: Test) -> Result<Report, CommandError> {
    match test {
        Test::App(app, line, needs) => {
            let (generation, app) = *app;
            run_app(context, store, (&generation, &app), line, &needs)
        }
        Test::Library(test, manifest) => run_library(context, store, test, &manifest),
        Test::Recipe(path, recipe, test) => {
            let (test, manifest) = built(context, &path, &recipe, test)?;
            run_library(context, store, test, &manifest)
        }
    }
}

/// What would be run.
fn planned(test: Test) -> Report {
    let (kind, app, version, test) = match test {
        Test::App(app, line, _) => (RecipeKind::App, app.1.name, app.1.version, line),
        Test::Library(test, _) => (RecipeKind::Library, test.name, test.version, test.test),
        Test::Recipe(_, recipe, test) => {
            let name = recipe.name.to_string();
            (RecipeKind::Library, name, recipe.version, test)
        }
    };
    Report {
        kind,
        app,
        version,
        test,
        passed: None,
        output: String::new(),
    }
}

fn run_library(
    context: &Context,
    store: &Store,
    test: GenerationTest,
    manifest: &str,
) -> Result<Report, CommandError> {
    let world = World {
        context,
        store,
        manifest,
    };
    let tried = world.library(&test)?;
    Ok(Report {
        kind: RecipeKind::Library,
        app: test.name,
        version: test.version,
        test: test.test,
        passed: Some(tried.passed),
        output: tried.said.join("\n"),
    })
}

/// Runs a test as a user would: with the programs of the app and of the machine, in an empty
/// folder that is home as well.
#[expect(
    clippy::disallowed_methods,
    reason = "the user's own programs, outside any sandbox"
)]
fn run_app(
    context: &Context,
    store: &Store,
    (generation, app): (&Generation, &GenerationApp),
    line: String,
    needs: &Needs,
) -> Result<Report, CommandError> {
    let world = World {
        context,
        store,
        manifest: &generation.manifest()?,
    };
    let programs = world.programs(needs, &app.name)?;
    let scratch = store.scratch()?;
    let own = store.object(&app.view).join("bin");
    let others = crate::commands::search_path(context, store, generation, app);
    let folders = std::iter::once(own).chain(programs.folders);
    let path = joined(folders.chain([others.into()]));
    let folder: &Utf8Path = scratch.folder();
    let mut command = Command::new("/bin/sh");
    command
        .args(["-eu", "-c", &line])
        .env_clear()
        .env("PATH", path)
        .env("HOME", folder)
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", "dumb")
        .current_dir(folder)
        .stdin(Stdio::null());
    if !programs.libraries.is_empty() {
        // Their names are those of no other libraries.
        command.env("LD_LIBRARY_PATH", joined(programs.libraries.into_iter()));
    }
    let output = command
        .output()
        .map_err(|error| CommandError::new(Kind::Failed, error))?;
    let passed = output.status.success();
    let mut said = String::new();
    if !passed {
        for text in [&output.stdout, &output.stderr] {
            said.push_str(&String::from_utf8_lossy(text));
        }
    }
    Ok(Report {
        kind: RecipeKind::App,
        app: app.name.clone(),
        version: app.version.clone(),
        test: line,
        passed: Some(passed),
        output: said,
    })
}

/// Joins folders as in `PATH`.
fn joined(folders: impl Iterator<Item = Utf8PathBuf>) -> String {
    let folders: Vec<_> = folders.map(Utf8PathBuf::into_string).collect();
    folders.join(":")
}

fn show(context: &Context, report: &Report) {
    let Report {
        app,
        version,
        test,
        passed,
        output,
        ..
    } = report;
    let word = match passed {
        Some(true) => "ok",
        Some(false) => "FAILED",
        None => "would be tested",
    };
    context.ui.data(format!("{app} {version} {word}"));
    if *passed == Some(false) {
        for line in test.trim().lines().chain(output.lines()) {
            let plain: String = line.chars().filter(|c| !c.is_control()).collect();
            context.ui.line(&format!("    {plain}"));
        }
    }
}
