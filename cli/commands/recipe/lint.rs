//! `recipe lint`: what is allowed in recipes and still wrong.

use camino::Utf8Path;
use orlop_build::log::quoted;
use orlop_recipes::lint::{self, Finding, Known, Level, RULES, Rule};
use orlop_recipes::{Recipe, RecipeSet, closest};
use serde::Serialize;

use crate::commands::recipe::package;
use crate::context::Context;
use crate::error::CommandError;
use crate::files;
use crate::recipe_args::LintRecipes;
use crate::request;

/// What was found in a file, as data.
#[derive(Serialize)]
struct Report<'a> {
    file: &'a str,
    findings: Vec<Finding>,
}

/// What a rule wants, as data.
#[derive(Serialize)]
struct Explanation<'a> {
    name: &'a str,
    level: Level,
    about: &'a str,
    /// Whether `--fix` mends it.
    mends: bool,
    bad: &'a str,
    good: &'a str,
}

pub(super) fn lint(context: &Context, arguments: &LintRecipes) -> Result<(), CommandError> {
    if let Some(rule) = &arguments.explain {
        return explain(context, rule);
    }
    let mut recipes = RecipeSet::shipped();
    for file in &arguments.files {
        recipes.add(request::read_recipe(context, file.as_str())?);
    }
    let mut reports = Vec::new();
    for file in &arguments.files {
        let mut text = files::read(file)?;
        let known = known(context, file, &recipes, arguments.online)?;
        if arguments.fix {
            let fixed = lint::fix(file.as_str(), &text, &known)?;
            if fixed != text && context.global.dry_run {
                context.ui.status(format!("Would mend {file}"));
            } else if fixed != text {
                super::write(context, file, &fixed)?;
                context.ui.success(format!("Mended {file}"));
            }
            text = fixed;
        }
        reports.push(Report {
            file: file.as_str(),
            findings: lint::lint(file.as_str(), &text, &known)?,
        });
    }
    if context.global.json {
        context.ui.data_json(&reports)?;
    } else {
        for report in &reports {
            show(context, report.file, &report.findings);
        }
    }
    verdict(&reports, arguments)
}

/// Prints findings, one a line.
pub(super) fn show(context: &Context, file: &str, findings: &[Finding]) {
    for finding in findings {
        context.ui.data(format!(
            "{file}:{}:{}: {}[{}]: {}",
            finding.line, finding.column, finding.level, finding.rule.name, finding.message
        ));
    }
}

fn verdict(reports: &[Report<'_>], arguments: &LintRecipes) -> Result<(), CommandError> {
    let findings = || reports.iter().flat_map(|report| &report.findings);
    let count = |level| findings().filter(|finding| finding.level == level).count();
    let (errors, warnings) = (count(Level::Error), count(Level::Warning));
    if errors == 0 && (warnings == 0 || !arguments.strict) {
        return Ok(());
    }
    let mut error = CommandError::failed(format!("errors: {errors}, warnings: {warnings}"));
    let worst = findings().find(|finding| finding.level == Level::Error);
    if let Some(first) = worst.or(findings().next()) {
        error = error.hint(format!(
            "what a rule wants: `orlop recipe lint --explain {}`",
            first.rule.name
        ));
    }
    if findings().any(|finding| finding.rule.has_fix()) && !arguments.fix {
        let files = reports.iter().filter(|report| {
            let mut findings = report.findings.iter();
            findings.any(|finding| finding.rule.has_fix())
        });
        let files: Vec<_> = files.map(|report| quoted(report.file)).collect();
        error = error.hint(format!(
            "mend what can be mended: `orlop recipe lint --fix {}`",
            files.join(" ")
        ));
    }
    Err(error)
}

fn explain(context: &Context, name: &str) -> Result<(), CommandError> {
    let Some(rule) = RULES.iter().find(|rule| rule.name == name) else {
        let error = CommandError::usage(format!("there is no rule `{name}`"));
        let names = RULES.iter().map(|rule| rule.name);
        return Err(match closest(name, names.clone()) {
            Some(close) => error.hint(format!("did you mean `{close}`?")),
            None => error.hint(format!("rules: {}", names.collect::<Vec<_>>().join(", "))),
        });
    };
    let Rule {
        name,
        level,
        about,
        bad,
        good,
        ..
    } = rule;
    if context.global.json {
        return context.ui.data_json(&Explanation {
            name,
            level: *level,
            about,
            mends: rule.has_fix(),
            bad,
            good,
        });
    }
    let mends = if rule.has_fix() { "yes" } else { "no" };
    context.ui.data(format!(
        "{name} ({level}): {about}\nmended by --fix: {mends}\n\nbad:\n\n{}\n\ngood:\n\n{}",
        indented(bad),
        indented(good)
    ));
    Ok(())
}

fn indented(text: &str) -> String {
    let lines = text.lines().map(|line| format!("    {line}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What the linter should know of the world.
pub(super) fn known(
    context: &Context,
    file: &Utf8Path,
    recipes: &RecipeSet,
    online: bool,
) -> Result<Known, CommandError> {
    let package = match request::read_recipe(context, file.as_str())? {
        Recipe::App(app) if online => Some(package::facts(context, &app)?),
        _ => None,
    };
    Ok(Known {
        recipes: recipes.clone(),
        package,
    })
}
