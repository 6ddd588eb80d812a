//! Why a single wish cannot be granted: no matching release, or no such feature.

use std::sync::Arc;

use orlop_recipes::{FeatureName, PackageName, Version, VersionReq};

use crate::error::{Chain, FeatureInstead, Instead, NoFeature, NoVersion, ResolveError};
use crate::feature_values::{FeatureValue, features_of};
use crate::index::{Index, IndexError, Release, ReleaseDependency};
use crate::request::Request;
use crate::versions::candidates::visible;

/// How many neighbours of a missing version are named.
const NEIGHBOURS: usize = 2;

/// The least likeness of a suggestion, from 0 to 1.
const LIKENESS: f64 = 0.7;

/// Explains why no release of a package matches a requirement.
pub(crate) fn no_match(
    name: &PackageName,
    requirement: &VersionReq,
    chain: Chain,
    request: &Request,
    index: &dyn Index,
) -> Result<ResolveError, IndexError> {
    let releases = index.releases(name)?;
    if releases.is_empty() {
        let similar = index.similar(name);
        return Ok(ResolveError::UnknownPackage {
            name: name.clone(),
            chain,
            similar,
        });
    }
    let instead = instead(&releases, requirement, request);
    let (name, requirement) = (name.clone(), requirement.clone());
    Ok(ResolveError::NoVersion(Box::new(NoVersion {
        name,
        requirement,
        chain,
        instead,
    })))
}

fn instead(releases: &[Release], requirement: &VersionReq, request: &Request) -> Instead {
    let matching = || releases.iter().filter(|r| requirement.matches(&r.version));
    let later = matching().filter(|r| !r.yanked && !visible(r, request));
    if let Some(first) = later.min_by_key(|r| r.published)
        && let Some(published) = first.published
    {
        let version = first.version.clone();
        return Instead::Later {
            version,
            published,
            snapshot: request.snapshot,
        };
    }
    let yanked: Vec<Version> = matching().rev().map(|r| r.version.clone()).collect();
    let usable = || releases.iter().filter(|r| !r.yanked && visible(r, request));
    if !yanked.is_empty() {
        let newest = usable().rev().find(|r| r.version.pre.is_empty());
        return Instead::Yanked {
            versions: yanked,
            newest: newest.map(|r| r.version.clone()),
        };
    }
    // What a requirement says of 2.0.0 it would say of 2.0.0-beta.4, had it been asked to.
    let nearly = |r: &&Release| {
        let Version {
            major,
            minor,
            patch,
            ..
        } = r.version;
        !r.version.pre.is_empty() && requirement.matches(&Version::new(major, minor, patch))
    };
    if let Some(pre_release) = usable().rev().find(nearly) {
        return Instead::PreRelease(pre_release.version.clone());
    }
    let stable: Vec<&Version> = usable()
        .map(|r| &r.version)
        .filter(|version| version.pre.is_empty())
        .collect();
    let Some((newest, rest)) = stable.split_last() else {
        return Instead::Nothing;
    };
    let wanted = requirement
        .comparators
        .first()
        .map_or(Version::new(0, 0, 0), |comparator| {
            Version::new(
                comparator.major,
                comparator.minor.unwrap_or_default(),
                comparator.patch.unwrap_or_default(),
            )
        });
    let above = rest.partition_point(|version| **version < wanted);
    let below = above.saturating_sub(NEIGHBOURS);
    let near = rest[below..].iter().take(above - below + NEIGHBOURS).rev();
    let nearest = near.map(|version| (*version).clone()).collect();
    Instead::Other {
        newest: (*newest).clone(),
        nearest,
    }
}

/// Explains that a release has no feature of a name.
pub(crate) fn no_feature(release: &Release, feature: &str, chain: Chain) -> ResolveError {
    let named = |d: &&Arc<ReleaseDependency>| *d.name == *feature;
    let mut dependencies = release.dependencies.iter().filter(named).peekable();
    let instead = if dependencies.peek().is_none() {
        let all = features_of(release);
        match &similar(&all, feature)[..] {
            [] => FeatureInstead::Others(all),
            alike => FeatureInstead::Similar(alike.to_vec()),
        }
    } else if dependencies.any(|d| d.optional) {
        FeatureInstead::HiddenDependency(switches(release, feature))
    } else {
        FeatureInstead::RequiredDependency
    };
    let (package, version) = (release.name.clone(), release.version.clone());
    let feature = feature.to_owned();
    ResolveError::NoFeature(Box::new(NoFeature {
        package,
        version,
        feature,
        chain,
        instead,
    }))
}

/// Returns the features that switch a dependency on by themselves.
fn switches(release: &Release, dependency: &str) -> Vec<FeatureName> {
    let switches_it = |value: &Arc<str>| match FeatureValue::read(value) {
        FeatureValue::Feature(_) => false,
        FeatureValue::Dependency(name) => name == dependency,
        FeatureValue::DependencyFeature {
            dependency: name,
            weak,
            ..
        } => name == dependency && !weak,
    };
    let features = release.features.iter();
    features
        .filter(|(_, values)| values.iter().any(switches_it))
        .filter_map(|(name, _)| name.parse().ok())
        .collect()
}

/// Returns the names that look like a text, best first.
fn similar(names: &[FeatureName], text: &str) -> Vec<FeatureName> {
    let mut alike: Vec<(f64, &FeatureName)> = names
        .iter()
        .map(|name| (strsim::jaro_winkler(name.as_str(), text), name))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .collect();
    alike.sort_by(|(a, x), (b, y)| b.total_cmp(a).then_with(|| x.cmp(y)));
    alike.into_iter().map(|(_, name)| name.clone()).collect()
}
