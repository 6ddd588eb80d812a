//! Phase B: which features of the chosen releases are active, by [`activate()`].
//!
//! The rules are those of Cargo's feature resolver. Versions are fixed by now, so this is a
//! fixed point: features only ever get added, and the order in which they are does not matter.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::ResolveError;
use crate::feature_values::{FeatureValue, has_feature, values_of};
use crate::index::{DependencyKind, ReleaseDependency};
use crate::package::ResolverVersion;
use crate::platform::Conditions;
use crate::request::Request;
use crate::resolution::Side;
use crate::sharing::Extras;
use crate::versions::Selection;

/// A release, by its place in the selection, on one side.
pub(crate) type Key = (usize, Side);

/// How a root package wants features unified.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Whether host and target have features of their own, and other platforms' dependencies
    /// none.
    decoupled: bool,
}

impl Rules {
    /// Returns what the root package's manifest asks for.
    pub(crate) fn of(version: ResolverVersion) -> Self {
        Self {
            decoupled: version != ResolverVersion::One,
        }
    }

    /// Returns the side whose features count for a side.
    fn shared(self, side: Side) -> Side {
        if self.decoupled { side } else { Side::Target }
    }
}

/// What is active of a selection.
#[derive(Debug)]
pub(crate) struct Activation<'a> {
    rules: Rules,
    /// False if a dependency was switched on that was not chosen: only extra features do that.
    pub(crate) is_whole: bool,
    features: BTreeMap<Key, BTreeSet<&'a str>>,
    dependencies: BTreeMap<Key, BTreeSet<&'a str>>,
}

impl<'a> Activation<'a> {
    /// Returns the active features of a release on one side.
    pub(crate) fn features(&self, (place, side): Key) -> impl Iterator<Item = &'a str> {
        self.features
            .get(&(place, self.rules.shared(side)))
            .into_iter()
            .flatten()
            .copied()
    }

    /// Whether a dependency is on, as far as features have a say.
    pub(crate) fn is_on(&self, (place, side): Key, dependency: &ReleaseDependency) -> bool {
        !dependency.optional
            || self
                .dependencies
                .get(&(place, self.rules.shared(side)))
                .is_some_and(|names| names.contains(&*dependency.name))
    }
}

/// Tells whether a release, by its place in the selection, is a proc macro.
pub(crate) type IsProcMacro<'p> = dyn Fn(usize) -> Result<bool, ResolveError> + 'p;

/// What features are asked for, and how they are united.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a Request,
    /// More features for some releases, wherever they are used.
    pub(crate) extras: &'a Extras,
    pub(crate) rules: Rules,
}

/// Finds the active features of everything the app reaches.
pub(crate) fn activate<'a>(
    selection: &'a Selection,
    asked: Asked<'a>,
    conditions: &'a Conditions<'a>,
    is_proc_macro: &IsProcMacro<'_>,
) -> Result<Activation<'a>, ResolveError> {
    let features = BTreeMap::new();
    let dependencies = BTreeMap::new();
    let mut resolver = Resolver {
        selection,
        conditions,
        is_proc_macro,
        extras: asked.extras,
        active: Activation {
            rules: asked.rules,
            is_whole: true,
            features,
            dependencies,
        },
        deferred: BTreeMap::new(),
        visited: BTreeSet::new(),
        tasks: Vec::new(),
    };
    let app = (selection.app, Side::Target);
    resolver.tasks.push(Task::Visit(app));
    let request = asked.request;
    let features = request
        .features
        .iter()
        .map(|f| Task::Feature(app, f.as_str()));
    resolver.tasks.extend(features);
    if request.default_features {
        resolver.add_default(app);
    }
    resolver.run()?;
    Ok(resolver.active)
}

/// Something still to be done.
#[derive(Debug, Clone, Copy)]
enum Task<'a> {
    /// Follow the required dependencies.
    Visit(Key),
    /// Activate a feature.
    Feature(Key, &'a str),
    /// Switch on the dependencies of a name.
    Dependency(Key, &'a str),
    /// Activate a feature of the dependencies of a name.
    DependencyFeature {
        user: Key,
        dependency: &'a str,
        feature: &'a str,
        weak: bool,
    },
}

struct Resolver<'a, 'p> {
    selection: &'a Selection,
    conditions: &'a Conditions<'a>,
    is_proc_macro: &'p IsProcMacro<'p>,
    extras: &'a Extras,
    active: Activation<'a>,
    /// Features that wait for somebody to switch their dependency on.
    deferred: BTreeMap<(Key, &'a str), BTreeSet<&'a str>>,
    visited: BTreeSet<Key>,
    tasks: Vec<Task<'a>>,
}

impl<'a> Resolver<'a, '_> {
    fn run(&mut self) -> Result<(), ResolveError> {
        while let Some(task) = self.tasks.pop() {
            match task {
                Task::Visit(key) => self.visit(key)?,
                Task::Feature(key, feature) => self.activate_feature(key, feature),
                Task::Dependency(key, name) => self.switch_on(key, name)?,
                Task::DependencyFeature {
                    user,
                    dependency,
                    feature,
                    weak,
                } => {
                    self.activate_there(user, dependency, feature, weak)?;
                }
            }
        }
        Ok(())
    }

    fn visit(&mut self, key: Key) -> Result<(), ResolveError> {
        if !self.visited.insert(key) {
            return Ok(());
        }
        if !self.extras.is_empty() {
            let release = self.selection.packages[key.0].release();
            let place = (release.name.clone(), release.version.clone(), key.1);
            let more = self.extras.get(&place).into_iter().flatten();
            self.tasks
                .extend(more.map(|f| Task::Feature(key, f.as_str())));
        }
        for (dependency, used) in self.dependencies(key, |d| !d.optional)? {
            self.use_dependency(dependency, used);
        }
        Ok(())
    }

    fn activate_feature(&mut self, key: Key, feature: &'a str) {
        let (place, side) = key;
        let shared = (place, self.active.rules.shared(side));
        if !self
            .active
            .features
            .entry(shared)
            .or_default()
            .insert(feature)
        {
            return;
        }
        let values = values_of(self.selection.packages[place].release(), feature);
        let tasks = values.into_iter().flatten().map(|value| match value {
            FeatureValue::Feature(name) => Task::Feature(key, name),
            FeatureValue::Dependency(name) => Task::Dependency(key, name),
            FeatureValue::DependencyFeature {
                dependency,
                feature,
                weak,
            } => Task::DependencyFeature {
                user: key,
                dependency,
                feature,
                weak,
            },
        });
        self.tasks.extend(tasks);
    }

    fn switch_on(&mut self, key: Key, name: &'a str) -> Result<(), ResolveError> {
        let (place, side) = key;
        let shared = (place, self.active.rules.shared(side));
        if !self
            .active
            .dependencies
            .entry(shared)
            .or_default()
            .insert(name)
        {
            return Ok(());
        }
        self.check_chosen(key, name)?;
        let waiting = self.deferred.remove(&(key, name)).unwrap_or_default();
        for (dependency, used) in self.dependencies(key, |d| *d.name == *name)? {
            self.tasks
                .extend(waiting.iter().map(|feature| Task::Feature(used, feature)));
            self.use_dependency(dependency, used);
        }
        Ok(())
    }

    /// Notes when a dependency that is switched on was not chosen.
    fn check_chosen(&mut self, (place, _): Key, name: &str) -> Result<(), ResolveError> {
        let selected = &self.selection.packages[place];
        for (dependency, used) in selected.release().dependencies.iter().zip(&selected.uses) {
            if *dependency.name == *name
                && used.is_none()
                && holds(self.conditions, self.selection, place, dependency)?
            {
                self.active.is_whole = false;
            }
        }
        Ok(())
    }

    fn activate_there(
        &mut self,
        user: Key,
        name: &'a str,
        feature: &'a str,
        weak: bool,
    ) -> Result<(), ResolveError> {
        for (dependency, used) in self.dependencies(user, |d| *d.name == *name)? {
            if weak && !self.active.is_on(user, dependency) {
                self.deferred
                    .entry((user, name))
                    .or_default()
                    .insert(feature);
                continue;
            }
            if dependency.optional {
                self.tasks.push(Task::Dependency(user, name));
                // `name/feature` has always switched on the feature `name` too, where there is
                // one.
                if !weak && has_feature(self.selection.packages[user.0].release(), name) {
                    self.tasks.push(Task::Feature(user, name));
                }
            }
            self.tasks.push(Task::Feature(used, feature));
        }
        Ok(())
    }

    fn use_dependency(&mut self, dependency: &'a ReleaseDependency, used: Key) {
        self.tasks.push(Task::Visit(used));
        self.tasks
            .extend(dependency.features.iter().map(|f| Task::Feature(used, f)));
        if dependency.default_features {
            self.add_default(used);
        }
    }

    fn add_default(&mut self, key: Key) {
        if has_feature(self.selection.packages[key.0].release(), "default") {
            self.tasks.push(Task::Feature(key, "default"));
        }
    }

    /// Returns the wanted dependencies of a release that are for this platform, with what they
    /// lead to.
    fn dependencies(
        &self,
        (place, side): Key,
        wanted: impl Fn(&ReleaseDependency) -> bool,
    ) -> Result<Vec<(&'a ReleaseDependency, Key)>, ResolveError> {
        let selected = &self.selection.packages[place];
        let mut found = Vec::new();
        for (dependency, used) in selected.release().dependencies.iter().zip(&selected.uses) {
            let Some(used) = *used else { continue };
            if !wanted(dependency) {
                continue;
            }
            // With unified features, those of dependencies for other platforms count too.
            if self.active.rules.decoupled
                && !holds(self.conditions, self.selection, place, dependency)?
            {
                continue;
            }
            let host = side == Side::Host
                || (self.active.rules.decoupled
                    && (dependency.kind == DependencyKind::Build || (self.is_proc_macro)(used)?));
            found.push((
                dependency.as_ref(),
                (used, if host { Side::Host } else { Side::Target }),
            ));
        }
        Ok(found)
    }
}

/// Whether a dependency is for the platform.
pub(crate) fn holds(
    conditions: &Conditions<'_>,
    selection: &Selection,
    place: usize,
    dependency: &ReleaseDependency,
) -> Result<bool, ResolveError> {
    let target = dependency.target.as_deref();
    conditions.hold(target).map_err(|source| {
        let release = selection.packages[place].release();
        ResolveError::Platform {
            package: release.name.clone(),
            version: release.version.clone(),
            target: target.unwrap_or_default().to_owned(),
            source: Box::new(source),
        }
    })
}
