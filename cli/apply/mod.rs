//! The one way through: resolve, plan, execute, link, commit. Every command that changes a
//! profile ends here; those that go only a part of the way begin in [`make`](mod@make). What apps
//! are compiled from is found out in `answers`, what there is to do for packages in `steps`, the tests
//! of libraries that stay with them in `tests`, what programs and libraries take in [`Size`].

mod answers;
mod failure;
mod make;
mod size;
mod steps;
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use orlop_build::BuildError;
use orlop_build::log::quoted;
use orlop_index::Registry;
use orlop_link::{Linkage, Linked, View};
use orlop_recipes::{LinkageChoice, Manifest, PackageName, RecipeSet};
use orlop_resolver::{Lock, Resolution, Variant};
use orlop_store::derivation::Tools;
use orlop_store::{
    Generation, GenerationApp, NewGeneration, Plan, PlannedApp, Profile, Runner, Store, StoreError,
    StorePath,
};

pub(crate) use crate::apply::make::{Goal, Making, Order, make};
pub(crate) use crate::apply::size::Size;
use crate::asked;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::fetch::{Archives, Fetching};
use crate::files;
use crate::gone;
use crate::needed;
use crate::progress::Progress;
use crate::request::{self, Wanted};
use crate::share::{self, PackageFiles};
use crate::toolchain;

/// What to make true.
#[derive(Debug)]
pub(crate) struct Change {
    /// The text of the manifest, as it will be recorded.
    pub(crate) manifest: String,
    /// The file of the user that the manifest is from.
    pub(crate) file: Utf8PathBuf,
    /// Which apps are to be solved anew.
    pub(crate) renew: Renew,
    /// Whether the lock file must stay as it is.
    pub(crate) locked: bool,
    /// What becomes of the borders between binaries and libraries.
    pub(crate) borders: Borders,
}

/// What becomes of the borders between binaries and libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Borders {
    /// They stay where they are unless moving them saves much.
    Keep,
    /// They are drawn anew, for the apps that are there now, if less is taken then.
    Anew,
}

/// Which apps are solved anew although the lock has an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Renew {
    /// None: the lock decides.
    Nothing,
    /// These.
    Apps(BTreeSet<PackageName>),
    /// All.
    Everything,
}

impl Renew {
    fn covers(&self, app: &PackageName) -> bool {
        match self {
            Self::Nothing => false,
            Self::Apps(apps) => apps.contains(app),
            Self::Everything => true,
        }
    }
}

/// What became of a change.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The profile is as wanted already; with the lock, which may be as of a later time.
    Unchanged(Plan, String),
    /// No more than the plan was wanted; with what it does not say of its apps, in the same order.
    Planned(Plan, Vec<Sketch>),
    /// A new generation is current.
    Committed(Plan, Box<Generation>),
}

/// What a generation would say of an app.
#[derive(Debug)]
pub(crate) struct Sketch {
    /// Its name in the manifest.
    pub(crate) name: String,
    /// Its linkage.
    pub(crate) linkage: String,
}

/// Makes a change to a profile.
pub(crate) fn apply(
    context: &Context,
    store: &Store,
    profile: &Profile,
    change: &Change,
) -> Result<Outcome, CommandError> {
    with_work(context, store, profile, change, |work, wanted| {
        work.run(wanted)
    })
}

/// Finds out what a change would lock, and builds nothing. Returns the lock before and after.
pub(crate) fn lock(
    context: &Context,
    store: &Store,
    profile: &Profile,
    change: &Change,
) -> Result<(Lock, Lock), CommandError> {
    with_work(context, store, profile, change, |work, wanted| {
        let before = work.lock()?;
        let (_, after) = work.resolve(wanted, &before)?;
        Ok((before, after))
    })
}

fn with_work<T>(
    context: &Context,
    store: &Store,
    profile: &Profile,
    change: &Change,
    run: impl FnOnce(&Work<'_>, &[Wanted]) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let manifest_path = profile.manifest_path();
    let manifest = Manifest::parse(manifest_path.as_str(), &change.manifest)?;
    let done = with_manifest(context, store, profile, (change, &manifest), run);
    done.map_err(|error| asked::shown(context, (&change.file, &manifest), error))
}

fn with_manifest<T>(
    context: &Context,
    store: &Store,
    profile: &Profile,
    (change, manifest): (&Change, &Manifest),
    run: impl FnOnce(&Work<'_>, &[Wanted]) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let _in_use = store.use_store()?;
    context.refuse_future(manifest.snapshot)?;
    let way_out = |error| gone::way_out(context, profile, error);
    let recipes = request::recipes(context, manifest).map_err(way_out)?;
    let wanted = request::wanted(context, manifest, &recipes).map_err(way_out)?;
    let progress = Progress::new(context.ui.clone());
    let scratch = store.scratch()?;
    let runner = context.runner(store, scratch.folder())?;
    let work = Work {
        context,
        store,
        profile,
        manifest,
        change,
        recipes: &recipes,
        progress: &progress,
        runner: &*runner,
    };
    let outcome = run(&work, &wanted);
    progress.clear();
    outcome
}

/// What all stages need.
struct Work<'a> {
    context: &'a Context,
    store: &'a Store,
    profile: &'a Profile,
    manifest: &'a Manifest,
    change: &'a Change,
    recipes: &'a RecipeSet,
    progress: &'a Progress,
    runner: &'a dyn Runner,
}

/// One app on its way.
struct Resolved<'a> {
    wanted: &'a Wanted,
    resolution: Resolution,
    tools: Tools,
    /// The name of its compiler, for the record.
    compiler: String,
}

impl Resolved<'_> {
    /// The app's own variant.
    fn root(&self) -> &Variant {
        self.resolution.app()
    }
}

impl Work<'_> {
    /// The command that makes the manifest true.
    fn command(&self) -> String {
        if self.change.file == self.profile.manifest_path() {
            return "orlop sync".to_owned();
        }
        format!("orlop sync -m {}", quoted(self.change.file.as_str()))
    }

    fn run(&self, wanted: &[Wanted]) -> Result<Outcome, CommandError> {
        let fetching = Fetching(self.progress);
        let before = self.lock()?;
        let (apps, lock) = self.resolve(wanted, &before)?;
        if self.change.locked && lock.to_string() != before.to_string() {
            let reason = lock.reason(&before);
            let reason = reason.map(|reason| format!(": {reason}"));
            return Err(CommandError::new(
                Kind::Refused,
                format!(
                    "the lock file does not answer the manifest, and `--locked` forbids to change \
                     it{}",
                    reason.unwrap_or_default()
                ),
            )
            .hint(format!("run `{}` without `--locked`", self.command())));
        }
        share::warn_of_deprecated(self.context, self.profile, wanted)?;
        let registry = self
            .context
            .registry(lock.snapshot(), self.recipes, &fetching)?;
        let archives = Archives::new(&registry);
        let packages: Vec<_> = apps.iter().map(|app| (app, app.wanted.product())).collect();
        let sources = (lock.snapshot(), &registry, &archives);
        let (plan, natives) = self.with_steps(&packages, sources, |steps| {
            Ok((steps.plan()?, steps.natives().clone()))
        })?;
        one_of_each_name(&plan.apps)?;
        if self.context.global.dry_run {
            let sketches = wanted.iter().map(|wanted| Sketch {
                name: wanted.name.to_string(),
                linkage: wanted.linkage.to_string(),
            });
            return Ok(Outcome::Planned(plan, sketches.collect()));
        }
        // Without apps there is nothing to link with, and nothing to go back to.
        if apps.is_empty() && self.profile.current()?.is_none() {
            return Ok(Outcome::Unchanged(plan, lock.to_string()));
        }
        self.execute(&plan, &archives, false)
            .map_err(|error| self.told(error, (&plan, &apps), &registry))?;
        let linked = self.link(&apps, &plan.apps, &registry)?;
        self.commit(&apps, (plan, &natives), &linked, &lock)
    }

    fn execute(
        &self,
        plan: &Plan,
        archives: &Archives<'_>,
        keep_failed: bool,
    ) -> Result<(), BuildError> {
        if !plan.build.is_empty() {
            self.context.ui.status(summary(plan));
        }
        orlop_build::execute(plan, &self.executor(archives, keep_failed))
    }

    fn executor<'c>(
        &'c self,
        archives: &'c Archives<'_>,
        keep_failed: bool,
    ) -> orlop_build::Context<'c> {
        orlop_build::Context {
            store: self.store,
            runner: self.runner,
            fetcher: archives,
            reporter: self.progress,
            jobs: self.context.jobs(),
            keep_failed,
        }
    }

    /// Reads the lock file beside the user's manifest, or else the profile's own.
    fn lock(&self) -> Result<Lock, CommandError> {
        let beside = self.change.file.with_extension("lock");
        let path = if beside.is_file() {
            beside
        } else if self.change.locked && self.change.file != self.profile.manifest_path() {
            // What this machine has locked is nothing that another one would take.
            return Err(CommandError::new(
                Kind::Refused,
                format!("there is no `{beside}`, and `--locked` forbids to make it"),
            )
            .hint(format!("run `{}` without `--locked`", self.command())));
        } else {
            self.profile.lock_path()
        };
        let read = files::read_if_there(&path).and_then(|text| match text {
            Some(text) => Ok(Lock::parse(path.as_str(), &text)?),
            None => Ok(Lock::new(self.context.now)),
        });
        read.map_err(|error| match error.kind() {
            Kind::Usage => error.hint(format!(
                "delete the lock file and run `{}` to solve anew",
                self.command()
            )),
            _ => error,
        })
    }

    /// Links apps, with the borders that the change wants.
    fn link(
        &self,
        apps: &[Resolved<'_>],
        planned: &[PlannedApp],
        registry: &Registry<'_>,
    ) -> Result<Linked, CommandError> {
        let current = self.profile.current()?;
        let mut kept = current.iter().flat_map(|generation| &generation.keep);
        let previous = kept.find(|path| orlop_link::is_partition(path));
        let as_before = self.link_from(apps, planned, registry, previous)?;
        if self.change.borders == Borders::Keep || previous.is_none() {
            return Ok(as_before);
        }
        let anew = self.link_from(apps, planned, registry, None)?;
        let bytes = |linked: &Linked| {
            let views = linked.views.iter().map(|view| view.path.clone());
            Ok::<_, CommandError>(Size::of(self.store, views)?.bytes)
        };
        // What takes no less is no reason for another generation.
        Ok(if bytes(&anew)? < bytes(&as_before)? {
            anew
        } else {
            as_before
        })
    }

    /// Links apps, with the borders of a partition if there is one to begin from.
    fn link_from(
        &self,
        apps: &[Resolved<'_>],
        planned: &[PlannedApp],
        registry: &Registry<'_>,
        previous: Option<&StorePath>,
    ) -> Result<Linked, CommandError> {
        let files = PackageFiles::new(registry, apps.iter().map(|app| (app.wanted, app.root())));
        let apps: Vec<_> = apps
            .iter()
            .zip(planned)
            .map(|(app, planned)| orlop_link::App {
                name: app.wanted.name.to_string(),
                version: planned.version.clone(),
                linkage: linkage(app.wanted.linkage),
                programs: planned.programs.clone(),
                compiler: planned.compiler.clone(),
                role: app.wanted.role(planned),
                share: share::of(app.wanted, app.root()),
            })
            .collect();
        let c_tools = toolchain::c_tools(self.context, self.store, self.progress)?;
        Ok(orlop_link::link(
            &apps,
            previous,
            &orlop_link::Context {
                store: self.store,
                runner: self.runner,
                c_tools: &c_tools,
                files: &files,
                reporter: self.progress,
                jobs: self.context.jobs(),
            },
        )?)
    }

    fn commit(
        &self,
        apps: &[Resolved<'_>],
        (plan, natives): (Plan, &tests::Natives),
        linked: &Linked,
        lock: &Lock,
    ) -> Result<Outcome, CommandError> {
        let apps: Vec<_> = apps
            .iter()
            .zip(&plan.apps)
            .map(|(app, planned)| {
                let mut installed = generation_app(app, planned, &linked.views)?;
                installed.library_tests = self.library_tests(app, planned, natives)?;
                Ok(installed)
            })
            .collect::<Result<_, CommandError>>()?;
        let keep: BTreeSet<StorePath> = apps
            .iter()
            .flat_map(|app| app.link_sets.iter().cloned())
            .chain([linked.partition.clone()])
            .collect();
        let new = NewGeneration {
            command: self.context.command_line.clone(),
            libraries: plan.apps.iter().map(libraries).collect(),
            apps,
            keep,
            manifest: self.change.manifest.clone(),
            lock: lock.to_string(),
        };
        let current = self.profile.current()?;
        if let Some(current) = &current
            && current.apps == new.apps
            && self.store.missing(&current.keep)?.is_empty()
            && current.manifest()? == new.manifest
            && is_locked_alike(&current.lock()?, lock)
        {
            return Ok(Outcome::Unchanged(plan, new.lock));
        }
        let generation = self.profile.commit(new)?;
        Ok(Outcome::Committed(plan, Box::new(generation)))
    }
}

/// Whether a lock file says what a lock says, as of whatever time. That the registry was looked at
/// again is no change to go back from.
fn is_locked_alike(text: &str, lock: &Lock) -> bool {
    Lock::parse("the lock file of the generation", text).is_ok_and(|before| before.is_alike(lock))
}

pub(crate) fn linkage(choice: LinkageChoice) -> Linkage {
    match choice {
        LinkageChoice::Static => Linkage::Static,
        LinkageChoice::Shared => Linkage::Shared,
        LinkageChoice::Crate => Linkage::Crate,
    }
}

fn generation_app(
    app: &Resolved<'_>,
    planned: &PlannedApp,
    views: &[View],
) -> Result<GenerationApp, CommandError> {
    let name = app.wanted.name.to_string();
    let view = views.iter().find(|view| view.app == name).ok_or_else(|| {
        CommandError::failed(format!("`{name}` was linked, but its view is missing"))
    })?;
    let recipe = app.wanted.recipe.as_ref();
    Ok(GenerationApp {
        name,
        version: planned.version.clone(),
        linkage: app.wanted.linkage.to_string(),
        compiler: app.compiler.clone(),
        view: view.path.clone(),
        binaries: view.binaries.clone(),
        link_sets: planned
            .programs
            .iter()
            .map(|program| program.link_set.clone())
            .collect(),
        starts: recipe
            .map(|recipe| recipe.needs.run.keys().map(ToString::to_string).collect())
            .unwrap_or_default(),
        test_needs: recipe
            .map(|recipe| needed::recorded(&recipe.needs.test))
            .unwrap_or_default(),
        library_tests: Vec::new(),
        test: recipe.and_then(|recipe| recipe.test.clone()),
        caveats: recipe.and_then(|recipe| recipe.caveats.clone()),
    })
}

/// Makes sure, before anything is compiled, that no two apps have a program of the same name.
fn one_of_each_name(apps: &[PlannedApp]) -> Result<(), StoreError> {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    let programs = apps.iter().flat_map(|app| {
        let programs = app.programs.iter();
        programs.map(|program| (program.name.as_str(), app.name.as_str()))
    });
    for (program, app) in programs {
        if let Some(first) = owners.insert(program, app) {
            return Err(StoreError::Conflict {
                file: format!("bin/{program}"),
                first: first.to_owned(),
                second: app.to_owned(),
            });
        }
    }
    Ok(())
}

fn libraries(app: &PlannedApp) -> (String, BTreeSet<StorePath>) {
    (app.name.clone(), app.libraries.clone())
}

/// The line that says how much is ahead.
pub(crate) fn summary(plan: &Plan) -> String {
    format!(
        "{} present, {} to fetch, {} to build",
        plan.present.len(),
        plan.fetch.len(),
        plan.build.len()
    )
}
