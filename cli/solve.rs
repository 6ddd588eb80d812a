//! Questions to the resolver, by policy; its failures with the line that asked, and on request
//! with a file to play them again.

use std::error::Error as StdError;
use std::fmt;

use orlop_build::log::quoted;
use orlop_index::Locals;
use orlop_recipes::{AdditiveFeatures, PackageName, Policy, RecipeSet};
use orlop_resolver::case::{CaseRequest, Recorder};
use orlop_resolver::{
    Cost, Index, IndexError, Release, Request, Resolution, ResolveError, Votes, passed_over,
    resolve, resolve_locked, share, ways_out,
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
    /// Packages that come from elsewhere than the registry.
    pub(crate) locals: Locals,
    /// Who asks, if that stands in files: `orlop.toml:4`, ``the recipe of `kit` ``.
    pub(crate) origins: Vec<String>,
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

/// Answers questions.
pub(crate) fn solve(
    context: &Context,
    questions: &[Question],
    index: &dyn Index,
) -> Result<Answers, CommandError> {
    let solving = Solving::new(context, questions, index);
    solving.conclude(solving.attempt(&[], None))
}

/// Questions to an index.
pub(crate) struct Solving<'a> {
    context: &'a Context,
    questions: &'a [Question],
    index: &'a dyn Index,
    /// What the resolver sees, if somebody wants to have it.
    recorder: Option<Recorder<'a>>,
}

/// What the resolver says: the answers, or which question has none.
pub(crate) type Attempt = Result<Answers, (usize, ResolveError)>;

impl<'a> Solving<'a> {
    pub(crate) fn new(
        context: &'a Context,
        questions: &'a [Question],
        index: &'a dyn Index,
    ) -> Self {
        let is_saved = context.global.save_case.is_some();
        Self {
            context,
            questions,
            index,
            recorder: is_saved.then(|| Recorder::new(index)),
        }
    }

    fn index(&self) -> &dyn Index {
        let recorder = self.recorder.as_ref();
        recorder.map_or(self.index, |recorder| recorder)
    }

    /// Asks, and says nothing to anybody. `fixed` are answers of other apps, for those who want to
    /// share with them, `earlier` the votes of an earlier time, unless the answers are to be new.
    pub(crate) fn attempt(&self, fixed: &[&Resolution], earlier: Option<&Votes>) -> Attempt {
        attempt(self.questions, fixed, earlier, self.index())
    }

    /// Says what there is to say of answers, or why there are none.
    pub(crate) fn conclude(&self, attempt: Attempt) -> Result<Answers, CommandError> {
        let answers = attempt.map_err(|(place, error)| {
            let failure = failure(&self.questions[place], error, self.index());
            match &self.recorder {
                Some(recorder) => failure.hints(save(self.context, recorder, self.questions)),
                None => failure,
            }
        })?;
        report(self.context, self.questions, &answers, self.index())?;
        Ok(answers)
    }
}

fn attempt(
    questions: &[Question],
    fixed: &[&Resolution],
    earlier: Option<&Votes>,
    index: &dyn Index,
) -> Attempt {
    let mut answers: Vec<Option<Resolution>> = Vec::with_capacity(questions.len());
    for (place, question) in questions.iter().enumerate() {
        let failed = |error| (place, error);
        answers.push(match question.policy {
            // Who has packages of its own shares what others settle on without it.
            Policy::Shared if question.locals.is_empty() => None,
            _ => Some(alone(question, index).map_err(failed)?),
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
        let additive = AdditiveFeatures::shipped();
        let shared = share(&requests, &others, earlier, &additive, index)
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

fn alone(question: &Question, index: &dyn Index) -> Result<Resolution, ResolveError> {
    let overlay;
    let index = if question.locals.is_empty() {
        index
    } else {
        overlay = question.locals.over(index);
        &overlay
    };
    match question.policy {
        Policy::Locked => resolve_locked(&question.request, index),
        Policy::Latest | Policy::Shared => resolve(&question.request, index),
    }
}

/// Says what deserves attention in answers.
fn report(
    context: &Context,
    questions: &[Question],
    answers: &Answers,
    index: &dyn Index,
) -> Result<(), IndexError> {
    for (question, resolution) in questions.iter().zip(&answers.resolutions) {
        for (name, version) in question.locals.unused(resolution) {
            context.ui.warning(format!(
                "the patch of `{name}` for `{}` is not used: nothing takes {version}",
                question.app
            ));
        }
        let chosen = &resolution.app().version;
        let index = &question.locals.over(index);
        if let Some(newer) = passed_over(&question.request, chosen, index)? {
            context.ui.warning(format!(
                "`{}` is {chosen}: {} needs rustc {} or newer, and this is {}",
                question.app, newer.version, newer.needs, question.request.rust_version
            ));
        }
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
    Ok(())
}

/// Files of the user that ask for what cannot be had.
#[derive(Debug)]
struct Refused {
    wish: String,
    origins: Vec<String>,
    source: ResolveError,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = self.origins.join(" and ");
        let ask = match self.origins[..] {
            [_] => "asks",
            _ => "ask",
        };
        write!(f, "{who} {ask} for `{}`, which cannot be had", self.wish)
    }
}

impl StdError for Refused {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.source)
    }
}

fn failure(question: &Question, error: ResolveError, index: &dyn Index) -> CommandError {
    let Question { app, request, .. } = question;
    let index = &question.locals.over(index);
    let ways = ways_out(app, request, &error, index);
    let error = match error {
        ResolveError::UnknownPackage {
            name,
            chain,
            mut similar,
        } if chain.is_empty() => {
            let known = RecipeSet::shipped();
            similar.retain(|name| is_app(name, request, &known, index));
            ResolveError::UnknownPackage {
                name,
                chain,
                similar,
            }
        }
        error => error,
    };
    let failure = if question.origins.is_empty() {
        CommandError::from(error)
    } else {
        let hints = match &error {
            // To install another one would leave this one there.
            ResolveError::UnknownPackage { chain, similar, .. } if chain.is_empty() => {
                let similar = similar.first();
                let similar = similar.map(|name| format!("did you mean `{name}`? Change it there"));
                similar.into_iter().collect()
            }
            _ => error.hints(),
        };
        let refused = Refused {
            wish: format!("{app} {}", request.requirement),
            origins: question.origins.clone(),
            source: error,
        };
        CommandError::new(Kind::of(&refused.source), refused).hints(hints)
    };
    failure.hints(ways)
}

/// Whether there is an app of that name, as far as can be found out now: the registry may be another
/// than the one of the shipped recipes, and most packages are libraries. What is known from a recipe is
/// not fetched for that.
fn is_app(name: &PackageName, request: &Request, known: &RecipeSet, index: &dyn Index) -> bool {
    let Ok(releases) = index.releases(name) else {
        return false;
    };
    let is_there = |release: &&Release| {
        let published = release.published;
        !release.yanked && published.is_none_or(|published| published <= request.snapshot)
    };
    let Some(newest) = releases.iter().rfind(is_there) else {
        return false;
    };
    if known.app(name).is_some() {
        return true;
    }
    let package = index.package(&newest.name, &newest.version);
    package.is_ok_and(|package| !package.binaries.is_empty())
}

/// Writes down what the resolver saw; returns what to say of it.
fn save(context: &Context, recorder: &Recorder<'_>, questions: &[Question]) -> Vec<String> {
    let Some(path) = &context.global.save_case else {
        return Vec::new();
    };
    for question in questions {
        question.locals.record(recorder);
    }
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
            "play it again anywhere: `orlop resolve --case {}`",
            quoted(path.as_str())
        )],
        Err(error) => {
            context.ui.error(&error);
            Vec::new()
        }
    }
}
