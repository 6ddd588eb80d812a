//! Phase A: which version of each package, by [`solve()`].
//!
//! | module | holds |
//! |---|---|
//! | [`candidates`] | the usable releases of a package, what a requirement accepts, what is best |
//! | [`explain`] | why there is no solution, in the user's terms |
//! | [`lower`] | Cargo's rules in the solver's terms |
//! | [`node`] | what the solver takes for packages |
//! | [`positions`] | what it takes for sets of versions |
//! | [`provider`] | its questions, answered from the index |
//! | [`refusal`] | why no release of a package matches a requirement |
//!
//! The solver decides for all platforms at once and takes weak features for strong ones, as
//! Cargo's version solver does, so a lock holds for every platform. What is really built is
//! decided afterwards, in [`crate::features`].

mod candidates;
mod explain;
mod lower;
mod node;
mod positions;
mod provider;
mod refusal;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use orlop_recipes::{PackageName, Version, VersionReq};
use pubgrub::{PubGrubError, SelectedDependencies, VersionSet as _};

use crate::error::{Chain, ResolveError};
use crate::feature_values::has_feature;
use crate::index::{Index, IndexError, Release, ReleaseDependency};
use crate::request::Request;
use crate::versions::candidates::Candidates;
pub(crate) use crate::versions::candidates::{bucket, visible};
use crate::versions::node::{Bucket, Node, Wide};
use crate::versions::provider::Provider;

/// The chosen release of every package in reach, in order of name and version.
#[derive(Debug)]
pub(crate) struct Selection {
    /// The releases.
    pub(crate) packages: Vec<Selected>,
    /// The app's place among them.
    pub(crate) app: usize,
}

/// One chosen release.
#[derive(Debug)]
pub(crate) struct Selected {
    releases: Arc<[Release]>,
    place: usize,
    /// For each of its dependencies, the place of the chosen release in the selection; none if it
    /// was not switched on.
    pub(crate) uses: Vec<Option<usize>>,
}

impl Selected {
    /// Returns the release.
    pub(crate) fn release(&self) -> &Release {
        &self.releases[self.place]
    }
}

/// Chooses the app's own release.
///
/// `cargo install` takes the newest release and then solves for it: an app is not exchanged for an
/// old release of itself because something deep inside does not fit.
fn choose_app(
    request: &Request,
    index: &dyn Index,
) -> Result<(Rc<Candidates>, Bucket, u32), ResolveError> {
    let releases = index.releases(&request.app)?;
    let candidates = Rc::new(Candidates::new(
        &request.app,
        Arc::clone(&releases),
        request,
    ));
    let matches = candidates.matching(&request.requirement);
    let Some(number) = candidates.best_bucket(&matches, |_| true) else {
        let chain = Chain::default();
        return Err(refusal::no_match(
            &request.app,
            &request.requirement,
            chain,
            request,
            index,
        )?);
    };
    let range = matches
        .iter()
        .find(|(bucket, _)| *bucket == number)
        .map(|(_, range)| range);
    let position = range.and_then(|range| candidates.best(number, range));
    let position = position.expect("the best bucket has a candidate");
    check_features(request, candidates.release(position))?;

    let bucket = Bucket {
        package: request.app.clone(),
        number,
    };
    Ok((candidates, bucket, position))
}

/// Returns the version of the app that [`solve`] will choose.
pub(crate) fn app_version(request: &Request, index: &dyn Index) -> Result<Version, ResolveError> {
    let (candidates, _, position) = choose_app(request, index)?;
    Ok(candidates.release(position).version.clone())
}

/// Chooses a release of the app and of everything in its reach.
pub(crate) fn solve(request: &Request, index: &dyn Index) -> Result<Selection, ResolveError> {
    let (candidates, bucket, position) = choose_app(request, index)?;
    let app = (bucket, position);
    let provider = Provider::new(request, index, app, candidates);
    look_ahead(&provider)?;
    match pubgrub::resolve(&provider, Node::Root, 0u32) {
        Ok(solution) => Ok(select(&provider, &solution)?),
        Err(PubGrubError::NoSolution(tree)) => Err(explain::explain(&provider, index, &tree)?),
        Err(
            PubGrubError::ErrorRetrievingDependencies { source, .. }
            | PubGrubError::ErrorChoosingVersion { source, .. }
            | PubGrubError::ErrorInShouldCancel(source),
        ) => Err(source.into()),
    }
}

fn check_features(request: &Request, release: &Release) -> Result<(), ResolveError> {
    match request
        .features
        .iter()
        .find(|feature| !has_feature(release, feature.as_str()))
    {
        None => Ok(()),
        Some(missing) => Err(refusal::no_feature(
            release,
            missing.as_str(),
            Chain::default(),
        )),
    }
}

/// Walks the best releases wave by wave, announcing each wave: the solver itself asks for one
/// package after the other, which over a network would cost one round trip each.
fn look_ahead(provider: &Provider<'_>) -> Result<(), IndexError> {
    let (app, position) = &provider.app;
    let mut wave: BTreeSet<(PackageName, u32)> = BTreeSet::from([(app.package.clone(), *position)]);
    let mut seen = wave.clone();
    while !wave.is_empty() {
        let mut wanted: Vec<(PackageName, VersionReq)> = Vec::new();
        for (name, position) in &wave {
            let candidates = provider.candidates(name)?;
            let required = candidates.release(*position).dependencies.iter();
            wanted.extend(
                required
                    .filter(|d| !d.optional && d.registry.is_none())
                    .map(|d| (d.package.clone(), d.requirement.clone())),
            );
        }
        let names: BTreeSet<PackageName> = wanted.iter().map(|(name, _)| name.clone()).collect();
        provider.expect(&names.into_iter().collect::<Vec<_>>())?;
        wave.clear();
        for (name, requirement) in wanted {
            let candidates = provider.candidates(&name)?;
            let matches = candidates.matching(&requirement);
            let best = candidates
                .best_bucket(&matches, |_| true)
                .and_then(|number| {
                    let (_, range) = matches.iter().find(|(bucket, _)| *bucket == number)?;
                    candidates.best(number, range)
                });
            wave.extend(
                best.map(|p| (name, p))
                    .filter(|found| seen.insert(found.clone())),
            );
        }
    }
    Ok(())
}

fn select(
    provider: &Provider<'_>,
    solution: &SelectedDependencies<Node, u32>,
) -> Result<Selection, IndexError> {
    let chosen: BTreeMap<&Bucket, u32> = solution
        .iter()
        .filter_map(|(node, position)| match node {
            Node::Bucket(bucket) => Some((bucket, *position)),
            _ => None,
        })
        .collect();
    let places: BTreeMap<&Bucket, usize> = chosen.keys().copied().zip(0..).collect();
    let wide = |wide: Wide| solution.get(&Node::Wide(Arc::new(wide))).copied();
    // Never looks a package up: what the solver did not need is not in the solution.
    let target = |user: &Bucket, dependency: &ReleaseDependency| {
        if dependency.registry.is_some() {
            return None;
        }
        let package = dependency.package.clone();
        let candidates = provider.known(&package)?;
        let matches = candidates.matching(&dependency.requirement);
        let number = if let [(number, _)] = matches.as_slice() {
            *number
        } else {
            let requirement = dependency.requirement.clone();
            wide(Wide {
                user: user.clone(),
                package: package.clone(),
                requirement,
            })?
        };
        let (_, range) = matches.iter().find(|(bucket, _)| *bucket == number)?;
        let target = Bucket { package, number };
        // An optional dependency that nobody asked for may not fit what is there.
        range
            .contains(chosen.get(&target)?)
            .then(|| places[&target])
    };
    let mut packages = Vec::with_capacity(chosen.len());
    for (bucket, position) in &chosen {
        let candidates = provider.candidates(&bucket.package)?;
        let dependencies = &candidates.release(*position).dependencies;
        let uses = dependencies.iter().map(|d| target(bucket, d)).collect();
        let releases = Arc::clone(candidates.releases());
        packages.push(Selected {
            releases,
            place: candidates.place(*position),
            uses,
        });
    }
    Ok(Selection {
        packages,
        app: places[&provider.app.0],
    })
}
