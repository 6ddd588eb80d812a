//! [`make()`]: a part of the way, for commands that make objects and no generation.

use orlop_index::Registry;
use orlop_link::View;
use orlop_plan::{Product, Steps, Surroundings};
use orlop_recipes::{LibraryOutput, Need, Needs, PackageName};
use orlop_store::Plan;
use orlop_store::derivation::{Helpers, Tools};

use super::{Borders, Change, Renew, Resolved, Work, with_work};
use crate::cdylibs;
use crate::context::Context;
use crate::error::CommandError;
use crate::fetch::{Archives, Fetching};
use crate::progress::Progress;
use crate::request::{self, Wanted};
use crate::toolchain;

/// What is to be made.
#[derive(Debug)]
pub(crate) struct Order {
    /// The text of a manifest that has what is wanted, and the recipes for it.
    pub(crate) manifest: String,
    /// What of it is wanted.
    pub(crate) goal: Goal,
    /// Whether the working folders of failed builds stay.
    pub(crate) keep_failed: bool,
}

impl Order {
    /// The same for one part of a native library, if one is chosen.
    pub(crate) fn for_output(
        mut self,
        output: Option<LibraryOutput>,
    ) -> Result<Self, CommandError> {
        match (&mut self.goal, output) {
            (_, None) => Ok(self),
            (Goal::Library(_, _, output), Some(wanted)) => {
                *output = wanted;
                Ok(self)
            }
            (_, Some(_)) => Err(CommandError::usage(
                "`--output` is for the recipe of a native library",
            )),
        }
    }
}

/// What is wanted of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Goal {
    /// All its apps.
    Apps,
    /// One app.
    App(PackageName),
    /// The crate of one of its packages, as others use it.
    Crate(PackageName),
    /// A native library of its recipes, by name and version, or a part of it.
    Library(PackageName, String, LibraryOutput),
    /// Native libraries whose programs somebody starts.
    Helpers(Needs, String),
}

/// What a command has in hand while it makes things.
pub(crate) struct Making<'a> {
    /// All that there is to do.
    pub(crate) steps: &'a Steps<'a>,
    /// With what it is done.
    pub(crate) executor: orlop_build::Context<'a>,
    /// What is drawn meanwhile.
    pub(crate) progress: &'a Progress,
    work: &'a Work<'a>,
    archives: &'a Archives<'a>,
    registry: &'a Registry<'a>,
    packages: &'a [Resolved<'a>],
    keep_failed: bool,
    /// What native libraries are built with, if they are what is wanted.
    pub(crate) tools: Option<&'a Tools>,
    /// The programs that somebody starts, if they are what is wanted.
    pub(crate) helpers: Helpers,
}

impl Making<'_> {
    /// Executes a plan.
    pub(crate) fn execute(&self, plan: &Plan) -> Result<(), CommandError> {
        let executed = self.work.execute(plan, self.archives, self.keep_failed);
        executed.map_err(|error| self.work.told(error, (plan, self.packages), self.registry))
    }

    /// Links apps whose link sets are there, as if there were no others.
    pub(crate) fn link(&self, plan: &Plan) -> Result<Vec<View>, CommandError> {
        let linked = self
            .work
            .link_from(self.packages, &plan.apps, self.registry, None)?;
        Ok(linked.views)
    }
}

/// Finds out what there is to do, and hands it over. The profile stays as it is.
pub(crate) fn make<T>(
    context: &Context,
    order: &Order,
    act: impl FnOnce(&Making<'_>) -> Result<T, CommandError>,
) -> Result<T, CommandError> {
    let store = context.store()?;
    let profile = context.profile(&store)?;
    let change = Change {
        manifest: order.manifest.clone(),
        file: profile.manifest_path(),
        renew: Renew::Nothing,
        locked: false,
        borders: Borders::Keep,
    };
    with_work(
        context,
        &store,
        &profile,
        &change,
        |work, wanted| match &order.goal {
            Goal::Library(..) | Goal::Helpers(..) => {
                work.make_natives(&order.goal, order.keep_failed, act)
            }
            goal => work.make_packages(wanted, goal, order.keep_failed, act),
        },
    )
}

impl Goal {
    /// Returns what is made of a package, if it is wanted.
    fn product<'w>(&self, wanted: &'w Wanted) -> Option<Product<'w>> {
        match self {
            Self::Apps => Some(wanted.product()),
            Self::App(name) => (*name == wanted.name).then(|| wanted.product()),
            Self::Crate(name) => (*name == wanted.name).then_some(Product::Crate),
            Self::Library(..) | Self::Helpers(..) => None,
        }
    }
}

impl Work<'_> {
    fn make_packages<T>(
        &self,
        wanted: &[Wanted],
        goal: &Goal,
        keep_failed: bool,
        act: impl FnOnce(&Making<'_>) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let fetching = Fetching(self.progress);
        // The others are solved as well: one that shares with them asks what they have.
        let (mut packages, lock) = self.resolve(wanted, &self.lock()?)?;
        packages.retain(|package| goal.product(package.wanted).is_some());
        let registry = self
            .context
            .registry(lock.snapshot(), self.recipes, &fetching)?;
        let archives = Archives::new(&registry);
        let products = packages
            .iter()
            .filter_map(|package| Some((package, goal.product(package.wanted)?)));
        let products: Vec<_> = products.collect();
        let sources = (lock.snapshot(), &registry, &archives);
        self.with_steps(&products, sources, |steps| {
            act(&Making {
                steps,
                executor: self.executor(&archives, keep_failed),
                progress: self.progress,
                work: self,
                archives: &archives,
                registry: &registry,
                packages: &packages,
                keep_failed,
                tools: None,
                helpers: Helpers::new(),
            })
        })
    }

    fn make_natives<T>(
        &self,
        goal: &Goal,
        keep_failed: bool,
        act: impl FnOnce(&Making<'_>) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let Self {
            context,
            store,
            progress,
            ..
        } = *self;
        let fetching = Fetching(progress);
        let snapshot = self.lock()?.snapshot();
        let registry = context.registry(snapshot, self.recipes, &fetching)?;
        let archives = Archives::new(&registry);
        let compiler = toolchain::compiler(context, store, progress, None)?;
        let tools = toolchain::tools(context, store, progress, self.runner, &compiler)?;
        let recipes = request::on_platform(self.recipes, &compiler.compiler);
        let (recipes, needs) = match goal {
            Goal::Library(name, version, _) => (
                recipes.preferring(name, version),
                Needs::from([(name.clone(), Need::any())]),
            ),
            Goal::Helpers(needs, _) => (recipes, needs.clone()),
            Goal::Apps | Goal::App(_) | Goal::Crate(_) => (recipes, Needs::new()),
        };
        let recipes = &recipes;
        let needed = orlop_plan::cdylibs_of(needs.iter(), recipes);
        let cdylibs = cdylibs::resolved(needed, &compiler.compiler, snapshot, recipes, &registry)?;
        let resolutions = cdylibs.values();
        let others = resolutions.flat_map(|one| orlop_plan::native_needs(one, recipes));
        let recipes = &request::packed(context, recipes, needs.iter().chain(others))?;
        let mut sets = orlop_plan::library_tool_sets(&needs, recipes);
        for resolution in cdylibs.values() {
            sets.extend(orlop_plan::tool_sets(resolution, recipes));
        }
        let tool_sets = toolchain::import_sets(context, store, progress, sets.into_iter())?;
        let around = Surroundings {
            tool_sets: &tool_sets,
            store,
            fetcher: &archives,
        };
        let with = (recipes, &cdylibs);
        let (steps, helpers) = match goal {
            Goal::Library(name, _, output) => (
                Steps::of_library((name, *output), with, &tools, around)?,
                Helpers::new(),
            ),
            Goal::Helpers(_, user) => Steps::of_helpers((&needs, user), with, &tools, around)?,
            Goal::Apps | Goal::App(_) | Goal::Crate(_) => {
                unreachable!("`make` knows what native libraries are")
            }
        };
        act(&Making {
            steps: &steps,
            executor: self.executor(&archives, keep_failed),
            progress,
            work: self,
            archives: &archives,
            registry: &registry,
            packages: &[],
            keep_failed,
            tools: Some(&tools),
            helpers,
        })
    }
}
