//! Policy `shared`: answers of which more can be shared between apps.
//!
//! Every app is solved alone first: one program cannot hold two versions of a bucket, two programs
//! can, and a joint solution of many apps rarely exists. Then, mostly as long as it pays:
//!
//! 1. the versions that most apps chose are the votes, and apps with others are solved again with
//!    a preference for them;
//! 2. widely used crates get the features of a table that only add to what they offer, whether it
//!    pays or not: the next app then finds them;
//! 3. a release that apps compile with features that differ in no others gets the smallest set of
//!    another app that has all an app needs, or else the union of them. A set that is there is often
//!    all that an app can join: those it is installed beside keep theirs.
//!
//! Features are added where they add no dependency to the app and no native library is about, and
//! only those of [`AdditiveFeatures`]: no app does anything else because of its neighbours. What pays
//! is told by [`Cost`]: the number of distinct variants first.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use orlop_recipes::{AdditiveFeatures, FeatureName, PackageName, Version};
use petgraph::graph::NodeIndex;
use serde::Serialize;

use crate::error::ResolveError;
use crate::index::{DependencyKind, Index};
use crate::request::Request;
use crate::resolution::{Resolution, Side, Variant};
use crate::variants::{self, Built};
use crate::versions::{self, Selection};

/// How often features are united: a union may make another one possible.
const ROUNDS: usize = 3;

/// The versions that most apps chose, one for each bucket of each package.
pub type Votes = BTreeMap<PackageName, Vec<Version>>;

/// Answers that share.
#[derive(Debug)]
pub struct Shared {
    /// One answer for each request.
    pub resolutions: Vec<Resolution>,
    /// The versions that most apps chose when solved alone.
    pub votes: Votes,
    /// What the answers cost when every app is solved alone.
    pub alone: Cost,
    /// What these answers cost.
    pub together: Cost,
}

/// What a set of answers costs; less is better, the first field decides first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Cost {
    /// Distinct variants, each compiled once: with equal features of equal dependencies.
    pub variants: usize,
    /// Packages that are not at the version they have when their app is solved alone.
    pub behind: usize,
    /// Features that are on only because another app wants them.
    pub extra_features: usize,
}

/// A release on one side, whatever its features.
type Place = (PackageName, Version, Side);

type Features = BTreeSet<FeatureName>;

/// Chooses features by those that an app needs and by the sets that differ only in additive ones.
type Choice = fn(&Features, &[&Features]) -> Features;

/// Features to add to those that an app asks for, where they add nothing else.
pub(crate) type Extras = BTreeMap<Place, Features>;

/// One app on its way.
#[derive(Clone)]
struct Candidate<'r> {
    request: &'r Request,
    selection: Rc<Selection>,
    resolution: Resolution,
    extras: Extras,
}

/// Solves apps so that they share more; `fixed` are answers of other apps, which stay as they are
/// but have votes, as do `earlier` ones. Without `earlier` ones, only the apps themselves have: they
/// are to be as new as can be. A failure tells which request it is about.
pub fn share(
    requests: &[Request],
    fixed: &[&Resolution],
    earlier: Option<&Votes>,
    additive: &AdditiveFeatures,
    index: &dyn Index,
) -> Result<Shared, (usize, ResolveError)> {
    let mut apps = Vec::with_capacity(requests.len());
    for (place, request) in requests.iter().enumerate() {
        let app = Candidate::solve(request, request, index);
        apps.push(app.map_err(|error| (place, error))?);
    }
    let sharing = Sharing {
        index,
        additive,
        fixed,
        alone: apps.iter().map(|app| app.resolution.clone()).collect(),
    };
    let own = votes(&sharing.alone, &Votes::new());
    let all = sharing.alone.iter().chain(fixed.iter().copied());
    let votes = votes(all, earlier.unwrap_or(&Votes::new()));
    let alone = sharing.cost(&apps);
    sharing.solve_outliers(&mut apps, earlier.map_or(&own, |_| &votes));
    for app in &mut apps {
        sharing.add_everywhere(app);
    }
    for _ in 0..ROUNDS {
        let adopted = sharing.change_features(&mut apps, adopted);
        let united = sharing.change_features(&mut apps, united);
        if !adopted && !united {
            break;
        }
    }
    Ok(Shared {
        alone,
        together: sharing.cost(&apps),
        votes,
        resolutions: apps.into_iter().map(|app| app.resolution).collect(),
    })
}

impl<'r> Candidate<'r> {
    /// Solves `asked`, which differs from the app's own request in what it prefers.
    fn solve(
        request: &'r Request,
        asked: &Request,
        index: &dyn Index,
    ) -> Result<Self, ResolveError> {
        let selection = versions::solve(asked, index)?;
        let built = variants::build(&selection, request, index, &Extras::new())?;
        Ok(Self {
            request,
            selection: selection.into(),
            resolution: built.resolution,
            extras: Extras::new(),
        })
    }
}

struct Sharing<'s> {
    index: &'s dyn Index,
    additive: &'s AdditiveFeatures,
    fixed: &'s [&'s Resolution],
    /// The answers of the apps when solved alone.
    alone: Vec<Resolution>,
}

impl Sharing<'_> {
    fn solve_outliers(&self, apps: &mut [Candidate<'_>], votes: &Votes) {
        for place in 0..apps.len() {
            let is_outlier = apps[place].resolution.graph.node_weights().any(|variant| {
                let versions = votes.get(&variant.name).map_or(&[][..], Vec::as_slice);
                !versions.contains(&variant.version)
            });
            if !is_outlier {
                continue;
            }
            let mut asked = apps[place].request.clone();
            for (name, versions) in votes.iter().filter(|(name, _)| **name != asked.app) {
                asked.preferred.insert(name.clone(), versions.clone());
            }
            // It has an answer already: that there is no other is no failure.
            let Ok(again) = Candidate::solve(apps[place].request, &asked, self.index) else {
                continue;
            };
            let before = self.cost(apps);
            let old = std::mem::replace(&mut apps[place], again);
            if self.cost(apps) >= before {
                apps[place] = old;
            }
        }
    }

    /// Returns an app with more features, if that is all that changes.
    fn with_extras<'r>(
        &self,
        app: &Candidate<'r>,
        more: &[(Place, Features)],
    ) -> Option<Candidate<'r>> {
        let mut extras = app.extras.clone();
        for (place, features) in more {
            let known = extras.entry(place.clone()).or_default();
            known.extend(features.iter().cloned());
        }
        let built = variants::build(&app.selection, app.request, self.index, &extras);
        let Ok(Built {
            resolution,
            is_whole: true,
        }) = built
        else {
            return None;
        };
        self.only_adds(&app.resolution, &resolution)
            .then(|| Candidate {
                resolution,
                extras,
                ..app.clone()
            })
    }

    /// Whether an answer differs from another only in additive features that it has more.
    fn only_adds(&self, before: &Resolution, after: &Resolution) -> bool {
        let (before, after) = (all_features(before), all_features(after));
        let gains = |(place, features): (&Place, &&Features)| {
            let known = before.get(place)?;
            let mut gained = features.difference(known);
            Some(gained.all(|feature| self.additive.contains(&place.0, feature)))
        };
        before.len() == after.len() && after.iter().all(|entry| gains(entry) == Some(true))
    }

    /// Adds as many as possible of some features: all, or else those of each half that can be.
    fn extend(&self, app: &mut Candidate<'_>, more: &[(Place, Features)]) {
        if more.is_empty() {
            return;
        }
        if let Some(extended) = self.with_extras(app, more) {
            *app = extended;
        } else if more.len() > 1 {
            let (first, second) = more.split_at(more.len() / 2);
            self.extend(app, first);
            self.extend(app, second);
        }
    }

    /// Adds the features that are worth having everywhere, and that the releases have.
    fn add_everywhere(&self, app: &mut Candidate<'_>) {
        let mut more: Vec<(Place, Features)> = Vec::new();
        for node in growing(&app.resolution) {
            let variant = &app.resolution.graph[node];
            let declared = &variant.package.declared_features;
            let lacking = self.additive.everywhere.get(&variant.name);
            let lacking = lacking
                .into_iter()
                .flatten()
                .filter(|feature| declared.contains(feature.as_str()))
                .filter(|feature| !variant.features.contains(*feature));
            // One by one, as each may be the one that cannot be had.
            more.extend(lacking.map(|feature| (place(variant), [feature.clone()].into())));
        }
        self.extend(app, &more);
    }

    /// Returns those of some sets of a package's features that differ from one only in additive ones.
    fn kin<'f>(
        &self,
        package: &PackageName,
        own: &Features,
        sets: &'f BTreeSet<Features>,
    ) -> Vec<&'f Features> {
        let adds = |feature: &FeatureName| self.additive.contains(package, feature);
        sets.iter()
            .filter(|set| set.symmetric_difference(own).all(adds))
            .collect()
    }

    /// Gives releases the features that `choose` takes, by those that the app needs and by the sets
    /// that apps compile the release with. Tells whether it paid.
    fn change_features(&self, apps: &mut Vec<Candidate<'_>>, choose: Choice) -> bool {
        let sets = self.feature_sets(apps);
        let before = self.cost(apps);
        let mut changed = apps.clone();
        for app in &mut changed {
            let more: BTreeMap<Place, Features> = features(&app.resolution)
                .filter_map(|(place, own)| {
                    let chosen = choose(&own, &self.kin(&place.0, &own, sets.get(&place)?));
                    (chosen != own).then_some((place, chosen))
                })
                .collect();
            self.extend(app, &Vec::from_iter(more));
        }
        let pays = self.cost(&changed) < before;
        if pays {
            *apps = changed;
        }
        pays
    }

    /// Returns the features that apps compile a release with, where those differ.
    fn feature_sets(&self, apps: &[Candidate<'_>]) -> BTreeMap<Place, BTreeSet<Features>> {
        let mut sets: BTreeMap<Place, BTreeSet<Features>> = BTreeMap::new();
        let solved = apps.iter().map(|app| &app.resolution);
        for resolution in solved.chain(self.fixed.iter().copied()) {
            for (place, features) in features(resolution) {
                sets.entry(place).or_default().insert(features);
            }
        }
        sets.retain(|_, sets| sets.len() > 1);
        sets
    }

    fn cost(&self, apps: &[Candidate<'_>]) -> Cost {
        let solved = apps.iter().map(|app| &app.resolution);
        let all: Vec<&Resolution> = solved.chain(self.fixed.iter().copied()).collect();
        let mut behind = 0;
        let mut extra_features = 0;
        for (app, alone) in apps.iter().zip(&self.alone) {
            let known: BTreeMap<Place, Features> = features(alone).collect();
            for (place, features) in features(&app.resolution) {
                match known.get(&place) {
                    None => behind += 1,
                    Some(own) => extra_features += features.difference(own).count(),
                }
            }
        }
        Cost {
            variants: distinct_variants(&all),
            behind,
            extra_features,
        }
    }
}

/// Counts which version of each bucket most apps have; of equally many, the newest.
fn votes<'r>(resolutions: impl IntoIterator<Item = &'r Resolution>, earlier: &Votes) -> Votes {
    let mut counts: BTreeMap<(PackageName, [u64; 3]), BTreeMap<Version, usize>> = BTreeMap::new();
    let mut vote = |name: &PackageName, version: &Version| {
        let bucket = (name.clone(), versions::bucket(version));
        let counts = counts.entry(bucket).or_default();
        *counts.entry(version.clone()).or_default() += 1;
    };
    for (name, versions) in earlier {
        for version in versions {
            vote(name, version);
        }
    }
    for resolution in resolutions {
        let packages: BTreeSet<_> = resolution
            .graph
            .node_weights()
            .map(|variant| (&variant.name, &variant.version))
            .collect();
        for (name, version) in packages {
            vote(name, version);
        }
    }
    let mut votes = Votes::new();
    for ((name, _), counts) in counts {
        let most = counts
            .into_iter()
            .max_by(|(a, many), (b, more)| many.cmp(more).then_with(|| a.cmp(b)));
        votes
            .entry(name)
            .or_default()
            .extend(most.map(|(version, _)| version));
    }
    votes
}

/// Returns the smallest set that has more than the own one, or else that.
fn adopted(own: &Features, sets: &[&Features]) -> Features {
    let larger = sets
        .iter()
        .filter(|set| **set != own && set.is_superset(own));
    larger
        .min_by_key(|set| set.len())
        .map_or_else(|| own.clone(), |set| (*set).clone())
}

/// Returns all that any of the sets has.
fn united(_own: &Features, sets: &[&Features]) -> Features {
    sets.iter().copied().flatten().cloned().collect()
}

/// Returns the features of what may get more.
fn features(resolution: &Resolution) -> impl Iterator<Item = (Place, Features)> {
    growing(resolution).map(|node| {
        let variant = &resolution.graph[node];
        (place(variant), variant.features.clone())
    })
}

/// Returns the features of all releases.
fn all_features(resolution: &Resolution) -> BTreeMap<Place, &Features> {
    let variants = resolution.graph.node_weights();
    variants
        .map(|variant| (place(variant), &variant.features))
        .collect()
}

/// Returns what may get more features: no apps, no native libraries.
fn growing(resolution: &Resolution) -> impl Iterator<Item = NodeIndex> {
    let nodes = resolution.graph.node_indices();
    nodes
        .filter(|node| *node != resolution.root)
        .filter(|node| resolution.graph[*node].package.links.is_none())
}

fn place(variant: &Variant) -> Place {
    (variant.name.clone(), variant.version.clone(), variant.side)
}

/// Counts the variants of some answers, those that are equal with all they use only once.
pub fn distinct_variants(resolutions: &[&Resolution]) -> usize {
    distinct_variants_by(resolutions, &|_, _| String::new())
}

/// Counts variants as [`distinct_variants`] does, where equal ones must also be of one class.
pub fn distinct_variants_by(
    resolutions: &[&Resolution],
    class: &dyn Fn(&Resolution, NodeIndex) -> String,
) -> usize {
    let mut known: BTreeMap<Identity<'_>, usize> = BTreeMap::new();
    for resolution in resolutions {
        let mut numbers: BTreeMap<NodeIndex, usize> = BTreeMap::new();
        for node in resolution.order() {
            let variant = &resolution.graph[node];
            let uses = resolution.dependencies(node).into_iter();
            let identity = Identity {
                name: &variant.name,
                version: &variant.version,
                features: &variant.features,
                side: variant.side,
                class: class(resolution, node),
                uses: uses
                    .map(|(used, edge)| (edge.kind, edge.extern_name.as_str(), numbers[&used]))
                    .collect(),
            };
            let next = known.len();
            numbers.insert(node, *known.entry(identity).or_insert(next));
        }
    }
    known.len()
}

/// All that makes a variant differ from another.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Identity<'r> {
    name: &'r PackageName,
    version: &'r Version,
    features: &'r BTreeSet<FeatureName>,
    side: Side,
    class: String,
    uses: BTreeSet<(DependencyKind, &'r str, usize)>,
}
