//! What the features of a release switch on, implicit ones included.

use std::sync::Arc;

use orlop_recipes::FeatureName;

use crate::index::Release;

/// One entry of a feature's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FeatureValue<'a> {
    /// `name`: another feature of the same package.
    Feature(&'a str),
    /// `dep:name`: an optional dependency.
    Dependency(&'a str),
    /// `name/feature` or `name?/feature`: a feature of a dependency.
    DependencyFeature {
        /// The dependency.
        dependency: &'a str,
        /// Its feature.
        feature: &'a str,
        /// Whether something else has to switch the dependency on.
        weak: bool,
    },
}

impl<'a> FeatureValue<'a> {
    /// Reads an entry; every text means something.
    pub(crate) fn read(text: &'a str) -> Self {
        if let Some((dependency, feature)) = text.split_once('/') {
            let (dependency, weak) = match dependency.strip_suffix('?') {
                Some(dependency) => (dependency, true),
                None => (dependency, false),
            };
            return Self::DependencyFeature {
                dependency,
                feature,
                weak,
            };
        }
        text.strip_prefix("dep:")
            .map_or(Self::Feature(text), Self::Dependency)
    }
}

/// Returns what a feature of a release switches on; none if there is no such feature.
pub(crate) fn values_of<'a>(release: &'a Release, feature: &str) -> Option<Vec<FeatureValue<'a>>> {
    if let Some(values) = release.features.get(feature) {
        return Some(
            values
                .iter()
                .map(|value| FeatureValue::read(value))
                .collect(),
        );
    }
    implicit(release, feature).map(|name| vec![FeatureValue::Dependency(name)])
}

/// Whether a release has a feature, declared or implicit.
pub(crate) fn has_feature(release: &Release, feature: &str) -> bool {
    release.features.contains_key(feature) || implicit(release, feature).is_some()
}

/// Returns all features of a release that can be asked for.
pub(crate) fn features_of(release: &Release) -> Vec<FeatureName> {
    let optional = release
        .dependencies
        .iter()
        .filter(|d| d.optional)
        .map(|d| d.name.as_ref());
    release
        .features
        .keys()
        .map(AsRef::as_ref)
        .chain(optional.filter(|name| implicit(release, name).is_some()))
        .filter_map(|name| name.parse().ok())
        .collect()
}

/// An optional dependency makes a feature of its name, unless some feature names it with `dep:`.
fn implicit<'a>(release: &'a Release, feature: &str) -> Option<&'a str> {
    let dependency = release
        .dependencies
        .iter()
        .find(|d| d.optional && *d.name == *feature)?;
    let named = |value: &Arc<str>| value.strip_prefix("dep:") == Some(feature);
    (!release
        .features
        .values()
        .flat_map(|values| values.iter())
        .any(named))
    .then_some(&*dependency.name)
}
