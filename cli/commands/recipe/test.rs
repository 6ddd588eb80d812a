//! `recipe test`: the tests of installed apps, run again against what is installed.

use std::process::{Command, Stdio};

use camino::Utf8Path;
use orlop_recipes::{AppSpec, Recipe};
use orlop_store::{Generation, GenerationApp, Store};
use serde::Serialize;

use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::recipe_args::TestRecipes;
use crate::request;

/// One test, as data.
#[derive(Serialize)]
struct Report {
    app: String,
    version: String,
    test: String,
    passed: bool,
    /// What it said, if it failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    output: String,
}

pub(super) fn test(context: &Context, arguments: &TestRecipes) -> Result<(), CommandError> {
    let (store, profile) = context.open_profile()?;
    let generation = crate::commands::current(&profile)?;
    let mut reports = Vec::new();
    for (app, line) in tests(context, &generation, &arguments.apps)? {
        let report = run(context, &store, (&generation, app), &line)?;
        if !context.global.json {
            show(context, &report);
        }
        reports.push(report);
    }
    if context.global.json {
        context.ui.data_json(&reports)?;
    }
    let failed = reports.iter().filter(|report| !report.passed).count();
    if failed > 0 {
        return Err(CommandError::failed(format!(
            "{failed} of {} tests failed",
            reports.len()
        )));
    }
    Ok(())
}

/// Finds what is to be run: apps, and their shell lines.
fn tests<'g>(
    context: &Context,
    generation: &'g Generation,
    wanted: &[String],
) -> Result<Vec<(&'g GenerationApp, String)>, CommandError> {
    if wanted.is_empty() {
        let apps = generation.apps.iter();
        return Ok(apps
            .filter_map(|app| Some((app, app.test.clone()?)))
            .collect());
    }
    let none = |name: &str| {
        CommandError::failed(format!("no recipe says how `{name}` is tested"))
            .hint("write one: `orlop recipe new NAME`, with a line `test = \"…\"`")
    };
    let one = |text: &String| {
        if let Ok(AppSpec::Recipe(path)) = text.parse() {
            let Recipe::App(recipe) = request::read_recipe(context, &path)? else {
                return Err(CommandError::usage(format!(
                    "`{path}` is not the recipe of an app"
                )));
            };
            let app =
                crate::commands::installed(generation, recipe.name.as_str()).map_err(|_| {
                    CommandError::failed(format!("`{}` is not installed", recipe.name))
                        .hint(format!("install it: `orlop install {path}`"))
                })?;
            let line = recipe.test.ok_or_else(|| none(recipe.name.as_str()))?;
            return Ok((app, line));
        }
        let app = crate::commands::installed(generation, text)?;
        let line = app.test.clone().ok_or_else(|| none(&app.name))?;
        Ok((app, line))
    };
    wanted.iter().map(one).collect()
}

/// Runs a test as a user would: with the programs of the app and of the machine, in an empty
/// folder that is home as well.
#[expect(
    clippy::disallowed_methods,
    reason = "the user's own programs, outside any sandbox"
)]
fn run(
    context: &Context,
    store: &Store,
    (generation, app): (&Generation, &GenerationApp),
    line: &str,
) -> Result<Report, CommandError> {
    let scratch = store.scratch()?;
    let own = store.object(&app.view).join("bin");
    let others = crate::commands::search_path(context, store, generation, app);
    let path = format!("{own}:{others}");
    let folder: &Utf8Path = scratch.folder();
    let output = Command::new("/bin/sh")
        .args(["-eu", "-c", line])
        .env_clear()
        .env("PATH", path)
        .env("HOME", folder)
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", "dumb")
        .current_dir(folder)
        .stdin(Stdio::null())
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
        app: app.name.clone(),
        version: app.version.clone(),
        test: line.to_owned(),
        passed,
        output: said,
    })
}

fn show(context: &Context, report: &Report) {
    let Report {
        app,
        version,
        test,
        passed,
        output,
    } = report;
    let word = if *passed { "ok" } else { "FAILED" };
    context.ui.data(format!("{app} {version} {word}"));
    if !passed {
        context.ui.line(&format!("    {test}"));
        for line in output.lines() {
            let plain: String = line.chars().filter(|c| !c.is_control()).collect();
            context.ui.line(&format!("    {plain}"));
        }
    }
}
