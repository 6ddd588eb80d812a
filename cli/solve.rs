//! Questions to the resolver, by policy; its failures with the line that asked, and on request
//! with a file to play them again.

use orlop_recipes::{PackageName, Policy};
use orlop_resolver::case::{CaseRequest, Recorder};
use orlop_resolver::{
    Cost, Index, Request, Resolution, ResolveError, Votes, resolve, resolve_locked, share,
};
use serde::Serialize;

use crate::context::Context;
use crate::error::{CommandError, Kind};

/// What is asked for one app.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) app: PackageName,
    pub(crate) policy: Policy,
    pub(crate) request: Request,
    /// The line that asks, `orlop.toml:4`, if it is in a file.
    pub(crate) origin: Option<String>,
}

/// The answers.
#[derive(Debug)]
pub(crate) struct Answers {
    /// One for each question.
    pub(crate) resolutions: Vec<Resolution>,
    /// What sharing brought, if anybody asked for it.
    pub(crate) sharing: Option<Sharing>,
}

/// What policy `shared` brought.
#[derive(Debug, Serialize)]
pub(crate) struct Sharing {
    pub(crate) votes: Votes,
    pub(crate) alone: Cost,
    pub(crate) together: Cost,
}

/// Answers questions; `fixed` are answers of other apps, for those who want to share with them,
/// `earlier` the votes of an earlier time.
pub(crate) fn solve(
    context: &Context,
    questions: &[Question],
    fixed: &[&Resolution],
    earlier: &Votes,
    index: &dyn Index,
) -> Result<Answers, CommandError> {
    let answers = if context.global.save_case.is_some() {
        let recorder = Recorder::new(index);
        attempt(questions, fixed, earlier, &recorder).map_err(|(place, error)| {
            failure(&questions[place], error).hints(save(context, &recorder, questions))
        })
    } else {
        attempt(questions, fixed, earlier, index)
            .map_err(|(place, error)| failure(&questions[place], error))
    };
    answers.inspect(|answers| report(context, questions, answers))
}

fn attempt(
    questions: &[Question],
    fixed: &[&Resolution],
    earlier: &Votes,
    index: &dyn Index,
) -> Result<Answers, (usize, ResolveError)> {
    let mut answers: Vec<Option<Resolution>> = Vec::with_capacity(questions.len());
    for (place, question) in questions.iter().enumerate() {
        let failed = |error| (place, error);
        answers.push(match question.policy {
            Policy::Latest => Some(resolve(&question.request, index).map_err(failed)?),
            Policy::Locked => Some(resolve_locked(&question.request, index).map_err(failed)?),
            Policy::Shared => None,
        });
    }
    let sharers: Vec<usize> = (0..questions.len())
        .filter(|place| answers[*place].is_none())
        .collect();
    let mut sharing = None;
    if !sharers.is_empty() {
        let requests: Vec<Request> = sharers
            .iter()
            .map(|place| questions[*place].request.clone())
            .collect();
        let others: Vec<&Resolution> = answers
            .iter()
            .flatten()
            .chain(fixed.iter().copied())
            .collect();
        let shared = share(&requests, &others, earlier, index)
            .map_err(|(number, error)| (sharers[number], error))?;
        for (place, resolution) in sharers.into_iter().zip(shared.resolutions) {
            answers[place] = Some(resolution);
        }
        sharing = Some(Sharing {
            votes: shared.votes,
            alone: shared.alone,
            together: shared.together,
        });
    }
    Ok(Answers {
        resolutions: answers.into_iter().flatten().collect(),
        sharing,
    })
}

/// Says what deserves attention in answers.
fn report(context: &Context, questions: &[Question], answers: &Answers) {
    for (question, resolution) in questions.iter().zip(&answers.resolutions) {
        for package in resolution.packages.iter().filter(|package| package.yanked) {
            context.ui.warning(format!(
                "`{} {}` is yanked; the lock file of `{}` holds on to it",
                package.name, package.version, question.app
            ));
        }
    }
    if let Some(Sharing {
        alone, together, ..
    }) = &answers.sharing
    {
        tracing::info!(
            "sharing: {} distinct variants instead of {}, at the cost of {} other versions and {} \
             extra features",
            together.variants,
            alone.variants,
            together.behind,
            together.extra_features
        );
    }
}

fn failure(question: &Question, error: ResolveError) -> CommandError {
    let origin = question
        .origin
        .as_ref()
        .map(|origin| format!("`{}` is asked for at {origin}", question.app));
    CommandError::from(error).hints(origin)
}

/// Writes down what the resolver saw; returns what to say of it.
fn save(context: &Context, recorder: &Recorder<'_>, questions: &[Question]) -> Vec<String> {
    let Some(path) = &context.global.save_case else {
        return Vec::new();
    };
    let requests = questions.iter().map(|question| CaseRequest {
        policy: question.policy.to_string(),
        request: question.request.clone(),
    });
    let case = recorder.case(env!("CARGO_PKG_VERSION"), requests.collect());
    let written = case
        .to_json()
        .map_err(|error| CommandError::new(Kind::Failed, error))
        .and_then(|text| {
            fs_err::write(path, text).map_err(|error| CommandError::new(Kind::Failed, error))
        });
    match written {
        Ok(()) => vec![format!(
            "play it again anywhere: `orlop resolve --case {path}`"
        )],
        Err(error) => {
            context.ui.error(&error);
            Vec::new()
        }
    }
}
