//! `resolve --compare`: how many variants a set of apps is compiled from, by policy.

use std::collections::BTreeSet;

use orlop_recipes::{CodegenChoice, Policy};
use orlop_resolver::{Index, Resolution};
use serde::Serialize;

use crate::context::Context;
use crate::error::CommandError;
use crate::solve::{Question, solve};

/// What one way of choosing brings, as data.
#[derive(Serialize)]
struct Row {
    policy: &'static str,
    codegen: &'static str,
    /// Releases, each counted once.
    packages: usize,
    /// The variants of all apps.
    variants: usize,
    /// Those that are left when equal ones count once: what is compiled.
    distinct: usize,
}

pub(super) fn compare(
    context: &Context,
    questions: &[Question],
    index: &dyn Index,
) -> Result<(), CommandError> {
    let latest = answers(context, questions, Policy::Latest, index)?;
    let locked = locked(context, questions, &latest, index);
    let shared = answers(context, questions, Policy::Shared, index)?;
    let rows = [
        row("locked", CodegenChoice::Shared, &locked),
        row("latest", CodegenChoice::Shared, &latest),
        row("shared", CodegenChoice::Shared, &shared),
        row("locked", CodegenChoice::App, &locked),
        row("latest", CodegenChoice::App, &latest),
    ];
    if context.global.json {
        return context.ui.data_json(&rows);
    }
    let mut table = super::table(&[
        "policy", "codegen", "packages", "variants", "distinct", "ratio",
    ]);
    let base = rows[1].distinct;
    for row in rows {
        let hundredths = (row.distinct * 100 + base / 2) / base.max(1);
        table.add_row(vec![
            row.policy.to_owned(),
            row.codegen.to_owned(),
            row.packages.to_string(),
            row.variants.to_string(),
            row.distinct.to_string(),
            format!("{}.{:02}", hundredths / 100, hundredths % 100),
        ]);
    }
    context.ui.data(table.trim_fmt());
    Ok(())
}

fn answers(
    context: &Context,
    questions: &[Question],
    policy: Policy,
    index: &dyn Index,
) -> Result<Vec<Resolution>, CommandError> {
    let asked: Vec<Question> = questions
        .iter()
        .map(|question| Question {
            policy,
            ..question.clone()
        })
        .collect();
    Ok(solve(context, &asked, index)?.resolutions)
}

/// Not every app is published with a lock file that can be followed: then the newest versions
/// stand in, so that all rows are about the same apps.
fn locked(
    context: &Context,
    questions: &[Question],
    latest: &[Resolution],
    index: &dyn Index,
) -> Vec<Resolution> {
    let mut found = Vec::new();
    for (question, latest) in questions.iter().zip(latest) {
        let one = std::slice::from_ref(question);
        match answers(context, one, Policy::Locked, index) {
            Ok(answer) => found.extend(answer),
            Err(error) => {
                context
                    .ui
                    .warning(format!("`{}`, latest instead of locked:", question.app));
                context.ui.error(&error);
                found.push(latest.clone());
            }
        }
    }
    found
}

fn row(policy: &'static str, codegen: CodegenChoice, resolutions: &[Resolution]) -> Row {
    let all: Vec<&Resolution> = resolutions.iter().collect();
    let variants = || all.iter().flat_map(|one| one.graph.node_weights());
    let packages: BTreeSet<_> = variants()
        .map(|variant| (&variant.name, &variant.version))
        .collect();
    Row {
        policy,
        codegen: match codegen {
            CodegenChoice::Shared => "shared",
            CodegenChoice::App => "app",
        },
        packages: packages.len(),
        variants: variants().count(),
        distinct: orlop_plan::distinct_variants(&all, codegen),
    }
}
