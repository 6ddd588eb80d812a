//! [`Steps`]: all that may have to be done for some packages, and what of it is missing.

use std::collections::{BTreeMap, BTreeSet};

use orlop_recipes::{LibraryOutput, Needs, PackageName, RecipeSet};
use orlop_store::derivation::{Helpers, Step, Tools};
use orlop_store::{Derivation, Plan, PlannedApp, StorePath};

use crate::derivations::Derivations;
use crate::lower;
use crate::native::Natives;
use crate::{AppRequest, Cdylibs, MissingTool, PlanError, Surroundings};

/// Every step behind some packages, in an order in which they can be executed, whether its object is
/// there or not.
#[expect(missing_debug_implementations, reason = "a fetcher has no debug form")]
pub struct Steps<'a> {
    around: Surroundings<'a>,
    derivations: Derivations,
    apps: Vec<PlannedApp>,
    wanted: Vec<StorePath>,
    /// Names and versions of native libraries.
    natives: BTreeMap<StorePath, (PackageName, String)>,
}

impl<'a> Steps<'a> {
    /// Lowers packages.
    pub fn of_packages(
        packages: &[AppRequest<'_>],
        around: Surroundings<'a>,
    ) -> Result<Self, PlanError> {
        let mut steps = Self::new(around);
        let none = Cdylibs::new();
        let mut natives = Natives::new(around.tool_sets, &none);
        for package in packages {
            natives.cdylibs = package.cdylibs;
            let lowered = lower::lower(package, &mut natives, &mut steps.derivations)?;
            steps.wanted.extend(lowered.wanted);
            steps.apps.push(lowered.app);
        }
        steps.natives = natives.names;
        Ok(steps)
    }

    /// Lowers a native library, or a part of it; `cdylibs` are the libraries for C that it is or needs. Its [`library_tool_sets`](crate::library_tool_sets) must be there.
    pub fn of_library(
        (name, output): (&PackageName, LibraryOutput),
        (recipes, cdylibs): (&RecipeSet, &Cdylibs),
        tools: &Tools,
        around: Surroundings<'a>,
    ) -> Result<Self, PlanError> {
        let mut steps = Self::new(around);
        let mut natives = Natives::new(around.tool_sets, cdylibs);
        let path = natives.alone((name, output), recipes, tools, &mut steps.derivations)?;
        steps.wanted.push(path);
        Ok(steps)
    }

    /// Lowers native libraries whose programs `user` starts; returns them, too. The same must be
    /// there as for [`Self::of_library`].
    pub fn of_helpers(
        (needs, user): (&Needs, &str),
        (recipes, cdylibs): (&RecipeSet, &Cdylibs),
        tools: &Tools,
        around: Surroundings<'a>,
    ) -> Result<(Self, Helpers), PlanError> {
        let mut steps = Self::new(around);
        let mut natives = Natives::new(around.tool_sets, cdylibs);
        let derivations = &mut steps.derivations;
        let helpers = natives.started((needs, user), recipes, tools, derivations)?;
        steps.wanted.extend(helpers.keys().cloned());
        Ok((steps, helpers))
    }

    fn new(around: Surroundings<'a>) -> Self {
        Self {
            around,
            derivations: Derivations::default(),
            apps: Vec::new(),
            wanted: Vec::new(),
            natives: BTreeMap::new(),
        }
    }

    /// Returns all steps.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Derivation> {
        let order = self.derivations.order.iter();
        order.map(|path| &self.derivations.by_path[path])
    }

    /// Returns the objects that all this is for.
    pub fn wanted(&self) -> &[StorePath] {
        &self.wanted
    }

    /// Returns name and version of the native libraries among the objects.
    pub fn natives(&self) -> &BTreeMap<StorePath, (PackageName, String)> {
        &self.natives
    }

    /// Returns what is missing of what is wanted.
    pub fn plan(&self) -> Result<Plan, PlanError> {
        self.plan_for(self.wanted.iter().cloned())
    }

    /// Returns what is missing in order to have some objects. What an object that is present was
    /// made from is not needed any more; what it refers to is, and may be lost or damaged.
    pub fn plan_for(
        &self,
        objects: impl IntoIterator<Item = StorePath>,
    ) -> Result<Plan, PlanError> {
        let derivations = &self.derivations;
        let all: BTreeSet<_> = derivations.by_path.keys().cloned().collect();
        let missing = self.around.store.missing(&all)?;
        let mut plan = Plan {
            apps: self.apps.clone(),
            present: all.difference(&missing).cloned().collect(),
            ..Plan::default()
        };
        let needed = self.needed(objects.into_iter().collect(), &missing)?;
        let order = derivations.order.iter();
        for path in order.filter(|path| needed.contains(path)) {
            let derivation = derivations.by_path[path].clone();
            if let Step::Unpack(source) = &derivation.step
                && self.around.fetcher.cached(source).is_none()
            {
                plan.fetch.insert(source.clone());
            }
            plan.build.push(derivation);
        }
        self.check_tools(&plan)?;
        Ok(plan)
    }

    /// Makes sure, before anything is compiled, that the machine has what the steps will call.
    fn check_tools(&self, plan: &Plan) -> Result<(), PlanError> {
        let mut missing = BTreeSet::new();
        for derivation in &plan.build {
            let (c_tools, package, version) = match &derivation.step {
                Step::Script(run) => {
                    let package = &run.package;
                    (&run.tools.c_tools, &package.name, &package.version)
                }
                Step::Native(build) => {
                    let Some(Step::Unpack(source)) = self.derivations.step(&build.source) else {
                        continue;
                    };
                    (&build.tools.c_tools, &source.name, &source.version)
                }
                Step::Unpack(_) | Step::Rustc(_) => continue,
            };
            let called = self.derivations.called.get(&derivation.path());
            for &tool in called.into_iter().flatten() {
                let tools = self.around.store.object(c_tools);
                if !tools.join(tool.place()).exists() {
                    missing.insert(MissingTool {
                        tool,
                        package: package.clone(),
                        version: version.clone(),
                    });
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(PlanError::MissingTools {
            missing: missing.into_iter().collect(),
        })
    }

    /// Returns the missing steps that `open` cannot do without.
    fn needed(
        &self,
        mut open: Vec<StorePath>,
        missing: &BTreeSet<StorePath>,
    ) -> Result<BTreeSet<StorePath>, PlanError> {
        let mut needed = BTreeSet::new();
        let mut present = BTreeSet::new();
        while !missing.is_empty() && !open.is_empty() {
            while let Some(path) = open.pop() {
                if !missing.contains(&path) {
                    present.insert(path);
                } else if needed.insert(path.clone())
                    // Compilers and C tools are inputs that no derivation makes.
                    && let Some(derivation) = self.derivations.by_path.get(&path)
                {
                    open.extend(derivation.inputs());
                }
            }
            let referred = self.around.store.reached(&present)?;
            open.extend(referred.intersection(missing).cloned());
            open.retain(|path| !needed.contains(path));
        }
        Ok(needed)
    }
}
