//! `resolve`: what apps would be compiled from. Touches neither store nor profile.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;

use camino::Utf8Path;
use jiff::Timestamp;
use orlop_index::Locals;
use orlop_recipes::{
    AppSpec, ChoiceError, FeatureName, Manifest, PackageRequest, Recipe, RecipeSet,
};
use orlop_resolver::case::Case;
use orlop_resolver::{LockedApp, Resolution};

use crate::args::Resolve;
use crate::commands::{answer, compare, query};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::fetch::Fetching;
use crate::progress::Progress;
use crate::solve::{Answers, Question, solve};
use crate::toolchain;
use crate::{files, request};

/// This command.
const VERB: &str = "resolve";

pub(super) fn resolve(context: &Context, arguments: &Resolve) -> Result<(), CommandError> {
    if let Some(file) = &arguments.case {
        return replay(context, file);
    }
    context.refuse_future(arguments.snapshot)?;
    let recipes = RecipeSet::shipped();
    let snapshot = arguments.snapshot.unwrap_or(context.now);
    let questions = questions(context, arguments, &recipes, snapshot)?;
    let progress = Progress::new(context.ui.clone());
    let fetching = Fetching(&progress);
    // The program ends here: to free what the registry holds, piece by piece, would take a tenth
    // of the time of a warm answer.
    let registry = ManuallyDrop::new(context.registry(snapshot, &recipes, &fetching)?);
    if arguments.compare {
        let done = compare::compare(context, &questions, &*registry);
        progress.clear();
        return done;
    }
    let (answers, known) = registry.dated(|| solve(context, &questions, &*registry));
    progress.clear();
    if known < snapshot {
        context.tell_known(known);
    }
    show(
        context,
        &questions,
        &answers.map_err(|error| error.for_command(VERB))?,
    )
}

fn replay(context: &Context, file: &Utf8Path) -> Result<(), CommandError> {
    let text = files::read(file)?;
    let case =
        Case::parse(file.as_str(), &text).map_err(|error| CommandError::new(Kind::Usage, error))?;
    let mut questions = Vec::new();
    for asked in &case.requests {
        questions.push(Question {
            app: asked.request.app.clone(),
            policy: asked
                .policy
                .parse()
                .map_err(|error: ChoiceError| CommandError::new(Kind::Usage, error))?,
            request: asked.request.clone(),
            locals: Locals::default(),
            origins: Vec::new(),
        });
    }
    let answers = solve(context, &questions, &case).map_err(|error| error.for_command(VERB))?;
    show(context, &questions, &answers)
}

fn questions(
    context: &Context,
    arguments: &Resolve,
    recipes: &RecipeSet,
    snapshot: Timestamp,
) -> Result<Vec<Question>, CommandError> {
    let features: Vec<FeatureName> = arguments
        .features
        .iter()
        .map(|feature| feature.parse())
        .collect::<Result<_, _>>()
        .map_err(|error| CommandError::new(Kind::Usage, error))?;
    let mut manifest = Manifest::default();
    let mut typed = BTreeMap::new();
    for spec in &arguments.apps {
        let mut asked = PackageRequest::from(spec.clone());
        asked.features.clone_from(&features);
        asked.default_features = !arguments.no_default_features;
        asked.policy = arguments.policy;
        let name = match spec {
            AppSpec::Registry { name, .. } => {
                request::refuse_program(recipes, name, VERB)?;
                name.clone()
            }
            AppSpec::Recipe(path) => match request::read_recipe(context, path)? {
                Recipe::App(recipe) => {
                    let path = context.absolute(Utf8Path::new(path))?;
                    asked.recipe = Some(path.into_string());
                    recipe.name
                }
                _ => {
                    return Err(CommandError::usage(format!(
                        "`{path}` is not the recipe of an app"
                    )));
                }
            },
        };
        let same = manifest.packages.get(&name) == Some(&asked);
        if let Some(earlier) = typed.insert(name.clone(), spec)
            && !same
        {
            return Err(request::asked_twice(&name, earlier, spec));
        }
        manifest.packages.insert(name, asked);
    }
    let compiler = toolchain::known(context)?;
    let mut questions = Vec::new();
    for wanted in request::wanted(context, &manifest, recipes)? {
        let mut request = wanted.request(&compiler, snapshot)?;
        // What can be compiled here is another question.
        request.allow_newer_compiler = true;
        if let Some(release) = &arguments.rust_version {
            request.rust_version = release.clone();
        }
        wanted.locals.prefer(&mut request);
        questions.push(Question {
            app: wanted.name,
            policy: wanted.policy,
            request,
            locals: wanted.locals,
            origins: Vec::new(),
        });
    }
    Ok(questions)
}

fn show(context: &Context, questions: &[Question], answers: &Answers) -> Result<(), CommandError> {
    let apps: Vec<(LockedApp, &Resolution)> = questions
        .iter()
        .zip(&answers.resolutions)
        .map(|(question, resolution)| {
            let locked = LockedApp::from_resolution(&question.app, &question.request, resolution);
            (locked, resolution)
        })
        .collect();
    if context.global.json {
        let apps = apps
            .iter()
            .map(|(locked, resolution)| answer::app(locked, Some(&resolution.packages)));
        return context.ui.data_json(&answer::Answer {
            apps: apps.collect(),
            sharing: answers.sharing.as_ref(),
        });
    }
    for (locked, resolution) in &apps {
        query::print_tree(context, locked);
        context.ui.status(format!(
            "{} {}: {} packages, {} variants",
            locked.app,
            locked.version,
            resolution.packages.len(),
            locked.variants().len()
        ));
    }
    Ok(())
}
