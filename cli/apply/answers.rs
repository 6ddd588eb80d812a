//! What each app is compiled from: the lock's answer where it has one, else the resolver's.

use jiff::{SignedDuration, Timestamp};
use orlop_recipes::{Manifest, PackageName};
use orlop_resolver::{Index, Lock, LockedApp, Resolution};

use super::{Renew, Resolved, Work};
use crate::error::{CommandError, Kind};
use crate::fetch::Fetching;
use crate::request::{self, Wanted};
use crate::solve::{Answers, Question, Solving};
use crate::{needed, toolchain};

/// One app before it is solved.
struct Prepared<'a> {
    wanted: &'a Wanted,
    /// What the lock knows of it, if that still answers.
    answer: Option<(Resolution, LockedApp)>,
}

/// The apps, and of those that the lock does not answer the questions, in the same order.
type Asked<'w> = (Vec<Prepared<'w>>, Vec<Question>);

impl Work<'_> {
    /// Takes each app's variants from the lock where it has the answer, and solves the others.
    pub(super) fn resolve<'w>(
        &self,
        wanted: &'w [Wanted],
        before: &Lock,
    ) -> Result<(Vec<Resolved<'w>>, Lock), CommandError> {
        let fetching = Fetching(self.progress);
        let wish = self.snapshot(before);
        let mut snapshot = wish;
        loop {
            let registry = self.context.registry(snapshot, self.recipes, &fetching)?;
            let asked = self.prepare_all(wanted, before, &registry, snapshot)?;
            let (apps, questions) = &asked;
            if snapshot == wish {
                for question in questions {
                    let Question { app, request, .. } = question;
                    let line = format!("Resolving {app} {}", request.requirement);
                    self.context.ui.status(line);
                }
            }
            let fixed = apps.iter().filter_map(|app| app.answer.as_ref());
            let fixed: Vec<_> = fixed.map(|(resolution, _)| resolution).collect();
            let keeps = matches!(self.change.renew, Renew::Nothing);
            let earlier = keeps.then(|| before.votes());
            let solving = Solving::new(self.context, questions, &registry);
            let (attempt, known) = registry.dated(|| solving.attempt(&fixed, earlier));
            if known < snapshot {
                let earlier = self.known(before, snapshot, known)?;
                if earlier != snapshot {
                    snapshot = earlier;
                    continue;
                }
            }
            let answers = solving.conclude(attempt)?;
            // Those that are kept are as of the time that they are of.
            let is_kept = keeps && before.apps().next().is_some();
            let lock = Lock::new(if is_kept { wish } else { snapshot });
            return self.settle(asked, answers, before, lock);
        }
    }

    /// Returns the time to solve on where the registry is known up to another time only, as the
    /// network may not be asked: a snapshot says what was looked at.
    fn known(
        &self,
        before: &Lock,
        wish: Timestamp,
        known: Timestamp,
    ) -> Result<Timestamp, CommandError> {
        let now = self.context.now;
        let least = match (self.manifest.snapshot, &self.change.renew) {
            // A day that has not ended is what is known of it.
            (Some(pinned), _) if pinned > now => {
                let is_same_day = pinned.duration_since(known) < SignedDuration::from_hours(24);
                if is_same_day {
                    return Ok(wish);
                }
                Some(pinned)
            }
            (Some(pinned), _) if pinned < now => Some(pinned),
            (_, Renew::Nothing) => None,
            // Nothing that is new goes back.
            (_, Renew::Apps(_) | Renew::Everything) => {
                before.apps().next().map(|_| before.snapshot())
            }
        };
        let minute = |time: Timestamp| time.strftime("%F %R UTC").to_string();
        if let Some(least) = least.filter(|least| known < *least) {
            return Err(CommandError::new(
                Kind::Refused,
                format!(
                    "what is needed of the registry is known as of {}, not of the snapshot of {}, and \
                     `--offline` forbids to ask",
                    minute(known),
                    minute(least)
                ),
            )
            .hint("ask the registry: leave `--offline` out"));
        }
        self.context.tell_known(known);
        Ok(known)
    }

    fn prepare_all<'w>(
        &self,
        wanted: &'w [Wanted],
        before: &Lock,
        index: &dyn Index,
        snapshot: Timestamp,
    ) -> Result<Asked<'w>, CommandError> {
        let mut apps = Vec::new();
        let mut questions = Vec::new();
        for one in wanted {
            let (app, question) = self.prepare((one, wanted), before, index, snapshot)?;
            apps.push(app);
            questions.extend(question);
        }
        Ok((apps, questions))
    }

    /// Gets an app's answer from the lock, or the question for one.
    fn prepare<'w>(
        &self,
        (wanted, all): (&'w Wanted, &[Wanted]),
        before: &Lock,
        index: &dyn Index,
        snapshot: Timestamp,
    ) -> Result<(Prepared<'w>, Option<Question>), CommandError> {
        // To import one takes long: what is asked for is looked up first.
        let compiler = needed::compiler_named(self.context, wanted.compiler.as_deref())?;
        let mut request = wanted.request(&compiler, snapshot)?;
        let locked = before.app(&wanted.name);
        let is_kept = |locked: &&LockedApp| {
            let pinned = self.manifest.snapshot;
            !self.change.renew.covers(&wanted.name)
                && locked.policy == wanted.policy
                && locked.answers(&request)
                && !wanted.locals.has_more_patches(locked)
                && pinned.is_none_or(|_| snapshot == locked.snapshot)
        };
        let answer = match locked.filter(is_kept) {
            Some(locked) if wanted.locals.agrees(locked, index)? => {
                let index = &wanted.locals.over(index);
                Some((locked.resolution(index)?, locked.clone()))
            }
            _ => None,
        };
        let question = answer.is_none().then(|| {
            let name = &wanted.name;
            let is_new = self.change.renew.covers(name);
            if let Some(locked) = locked.filter(|locked| !is_new && locked.policy == wanted.policy)
            {
                request.preferred = locked.preferred();
            }
            wanted.locals.prefer(&mut request);
            Question {
                app: name.clone(),
                policy: wanted.policy,
                request,
                locals: wanted.locals.clone(),
                origins: self.origins(name, all),
            }
        });
        Ok((Prepared { wanted, answer }, question))
    }

    /// Writes down what the lock and the resolver answered.
    fn settle<'w>(
        &self,
        (apps, questions): Asked<'w>,
        answers: Answers,
        before: &Lock,
        mut lock: Lock,
    ) -> Result<(Vec<Resolved<'w>>, Lock), CommandError> {
        lock.set_votes(match answers.sharing {
            Some(sharing) => sharing.votes,
            None => before.votes().clone(),
        });
        let mut solved = questions.iter().zip(answers.resolutions);
        let mut resolved = Vec::new();
        for app in apps {
            let (resolution, entry) = app.answer.unwrap_or_else(|| {
                let (question, resolution) = solved
                    .next()
                    .expect("there is an answer for every question");
                let mut entry =
                    LockedApp::from_resolution(&question.app, &question.request, &resolution);
                entry.policy = question.policy;
                (resolution, entry)
            });
            lock.set(entry);
            resolved.push(self.with_tools(app.wanted, resolution)?);
        }
        Ok((resolved, lock))
    }

    /// Gets what an app is built with.
    fn with_tools<'w>(
        &self,
        wanted: &'w Wanted,
        resolution: Resolution,
    ) -> Result<Resolved<'w>, CommandError> {
        let Self {
            context,
            store,
            progress,
            ..
        } = *self;
        let name = wanted.compiler.as_deref();
        let compiler = toolchain::compiler(context, store, progress, name)?;
        Ok(Resolved {
            wanted,
            resolution,
            tools: toolchain::tools(context, store, progress, self.runner, &compiler)?,
            compiler: compiler.name,
        })
    }

    /// Who asks for an app, unless only the command line does: a line of a file, and the recipes of
    /// other apps.
    fn origins(&self, app: &PackageName, all: &[Wanted]) -> Vec<String> {
        let users = all.iter().filter(|other| other.starts(app));
        let recipes = users.map(|user| format!("the recipe of `{}`", user.name));
        let recipes: Vec<_> = recipes.collect();
        let typed = self.manifest.packages.contains_key(app) && !recipes.is_empty();
        let typed = typed.then(|| "the command line".to_owned());
        let first = self.line(app).or(typed);
        first.into_iter().chain(recipes).collect()
    }

    /// The line of a file that asks for an app as it is wanted.
    fn line(&self, app: &PackageName) -> Option<String> {
        let file = &self.change.file;
        let text = fs_err::read_to_string(file).ok()?;
        let written = Manifest::parse(file.as_str(), &text).ok()?;
        if written.packages.get(app) != self.manifest.packages.get(app) {
            return None;
        }
        let line = request::line(&text, app)?;
        Some(format!("{file}:{line}"))
    }

    /// The state of the index that apps are solved on: what the manifest pins, else the lock's,
    /// else (and for an upgrade) now.
    fn snapshot(&self, before: &Lock) -> Timestamp {
        match (self.manifest.snapshot, &self.change.renew) {
            (Some(pinned), _) => pinned,
            (None, Renew::Nothing) => before.snapshot(),
            (None, Renew::Apps(_) | Renew::Everything) => self.context.now,
        }
    }
}
