//! Cargo's rules in the solver's terms: what each [`Node`] needs.

use std::fmt;
use std::sync::Arc;

use orlop_recipes::{PackageName, VersionReq};
use pubgrub::VersionSet as _;

use crate::feature_values::{FeatureValue, has_feature, values_of};
use crate::index::{IndexError, Release, ReleaseDependency};
use crate::versions::candidates::{Candidates, Matches};
use crate::versions::node::{Bucket, Node, Part, Wide};
use crate::versions::positions::Positions;
use crate::versions::provider::Provider;

/// What one version of a node needs.
pub(crate) enum Lowered {
    /// These, all of them.
    Needs(Vec<(Node, Positions)>),
    /// It can never be used.
    Unusable(Unusable),
}

/// Why a release, or a part of it, can never be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It needs a package that has no release that may be chosen and matches.
    NoMatch {
        package: PackageName,
        requirement: VersionReq,
    },
    /// It asks a dependency for a feature that no matching release has.
    NoFeature {
        package: PackageName,
        requirement: VersionReq,
        feature: Arc<str>,
    },
    /// It needs a package of another registry.
    OtherRegistry {
        package: PackageName,
        registry: Arc<str>,
    },
    /// It is a feature that the release does not have.
    Missing { feature: Arc<str> },
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMatch {
                package,
                requirement,
            } => write!(f, "no {package} {requirement}"),
            Self::NoFeature {
                package, feature, ..
            } => write!(f, "no {package}/{feature}"),
            Self::OtherRegistry { package, registry } => write!(f, "no {package} of {registry}"),
            Self::Missing { feature } => write!(f, "no feature {feature}"),
        }
    }
}

/// A release under study, with what was found so far.
struct Lowering<'p, 'a> {
    provider: &'p Provider<'a>,
    bucket: &'p Bucket,
    position: u32,
    needs: Vec<(Node, Positions)>,
}

/// Stops the study of a release.
enum Stop {
    Unusable(Unusable),
    Index(IndexError),
}

impl From<IndexError> for Stop {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

impl Provider<'_> {
    /// Returns what one version of a node needs.
    pub(crate) fn lower(&self, node: &Node, version: u32) -> Result<Lowered, IndexError> {
        let lowered = match node {
            Node::Root => Ok(self.lower_root()),
            Node::Bucket(bucket) => self.lower_release(bucket, version),
            Node::Part(bucket, part) => self.lower_part(bucket, part, version),
            Node::Wide(wide) => self.lower_wide(wide, None, version).map_err(Stop::Index),
            Node::WidePart(wide, part) => self
                .lower_wide(wide, Some(part), version)
                .map_err(Stop::Index),
            Node::Links(_) => Ok(Vec::new()),
        };
        match lowered {
            Ok(needs) => Ok(Lowered::Needs(needs)),
            Err(Stop::Unusable(reason)) => Ok(Lowered::Unusable(reason)),
            Err(Stop::Index(error)) => Err(error),
        }
    }

    fn lower_root(&self) -> Vec<(Node, Positions)> {
        let (bucket, position) = &self.app;
        let only = Positions::singleton(*position);
        let default = self.request.default_features.then_some(Part::Default);
        let features = self
            .request
            .features
            .iter()
            .map(|feature| Part::Feature(Arc::from(feature.as_str())));
        let parts = default.into_iter().chain(features);
        let parts = parts.map(|part| (Node::Part(bucket.clone(), part), only.clone()));
        std::iter::once((Node::Bucket(bucket.clone()), only.clone()))
            .chain(parts)
            .collect()
    }

    fn lower_release(
        &self,
        bucket: &Bucket,
        position: u32,
    ) -> Result<Vec<(Node, Positions)>, Stop> {
        let candidates = self.candidates(&bucket.package)?;
        let release = candidates.release(position);
        let required = || release.dependencies.iter().filter(|d| !d.optional);
        let here = required().filter(|d| d.registry.is_none());
        let names: Vec<PackageName> = here.map(|d| d.package.clone()).collect();
        self.expect(&names)?;
        let mut lowering = Lowering {
            provider: self,
            bucket,
            position,
            needs: Vec::new(),
        };
        if let Some(library) = &release.links {
            let linker = Positions::singleton(self.linker(bucket, position));
            lowering
                .needs
                .push((Node::Links(Arc::clone(library)), linker));
        }
        for dependency in required() {
            lowering.add_dependency(dependency)?;
        }
        Ok(lowering.needs)
    }

    fn lower_part(
        &self,
        bucket: &Bucket,
        part: &Part,
        position: u32,
    ) -> Result<Vec<(Node, Positions)>, Stop> {
        let candidates = self.candidates(&bucket.package)?;
        let release = candidates.release(position);
        let needs = vec![(Node::Bucket(bucket.clone()), Positions::singleton(position))];
        let mut lowering = Lowering {
            provider: self,
            bucket,
            position,
            needs,
        };
        match part {
            Part::Default => {
                if has_feature(release, "default") {
                    lowering.add_own(Part::Feature(Arc::from("default")));
                }
            }
            Part::Feature(feature) => {
                let Some(values) = values_of(release, feature) else {
                    return Err(Stop::Unusable(Unusable::Missing {
                        feature: Arc::clone(feature),
                    }));
                };
                for value in values {
                    lowering.add_value(release, feature, value)?;
                }
            }
            Part::Dependency(name) => {
                for dependency in named(release, name).filter(|d| d.optional) {
                    lowering.add_dependency(dependency)?;
                }
            }
        }
        Ok(lowering.needs)
    }

    fn lower_wide(
        &self,
        wide: &Arc<Wide>,
        part: Option<&Part>,
        number: u32,
    ) -> Result<Vec<(Node, Positions)>, IndexError> {
        let candidates = self.candidates(&wide.package)?;
        let matches = candidates.matching(&wide.requirement);
        let range = matches
            .iter()
            .find(|(bucket, _)| *bucket == number)
            .map_or_else(Positions::empty, |(_, range)| range.clone());
        let bucket = Bucket {
            package: wide.package.clone(),
            number,
        };
        Ok(match part {
            None => vec![(Node::Bucket(bucket), range)],
            Some(part) => vec![
                (Node::Wide(Arc::clone(wide)), Positions::singleton(number)),
                (Node::Part(bucket, part.clone()), range),
            ],
        })
    }
}

impl Lowering<'_, '_> {
    /// Adds a part of the same release.
    fn add_own(&mut self, part: Part) {
        let only = Positions::singleton(self.position);
        self.needs
            .push((Node::Part(self.bucket.clone(), part), only));
    }

    fn add_value(
        &mut self,
        release: &Release,
        feature: &str,
        value: FeatureValue<'_>,
    ) -> Result<(), Stop> {
        match value {
            // A feature that names itself adds nothing.
            FeatureValue::Feature(name) if name == feature => {}
            FeatureValue::Feature(name) => self.add_own(Part::Feature(Arc::from(name))),
            FeatureValue::Dependency(name) => self.add_own(Part::Dependency(Arc::from(name))),
            FeatureValue::DependencyFeature {
                dependency,
                feature: wanted,
                weak,
            } => {
                // Weak counts as strong here, as in Cargo's version solver: which features are
                // active is decided afterwards, with the versions already fixed.
                if named(release, dependency).any(|d| d.optional) {
                    self.add_own(Part::Dependency(Arc::from(dependency)));
                    if !weak && dependency != feature && has_feature(release, dependency) {
                        self.add_own(Part::Feature(Arc::from(dependency)));
                    }
                }
                for dependency in named(release, dependency) {
                    let target = self.target(dependency)?;
                    self.add_feature(dependency, &target, wanted)?;
                }
            }
        }
        Ok(())
    }

    fn add_dependency(&mut self, dependency: &ReleaseDependency) -> Result<(), Stop> {
        let target = self.target(dependency)?;
        self.needs.push(target.whole());
        if dependency.default_features {
            self.needs.push(target.part(Part::Default, None));
        }
        for feature in &dependency.features {
            self.add_feature(dependency, &target, feature)?;
        }
        Ok(())
    }

    /// Asks for a feature of a dependency. When the newest match lacks it, the releases that have
    /// it are counted out, so that a misspelt feature is not tried on each of them.
    fn add_feature(
        &mut self,
        dependency: &ReleaseDependency,
        target: &Target,
        feature: &str,
    ) -> Result<(), Stop> {
        let feature: Arc<str> = Arc::from(feature);
        let part = Part::Feature(Arc::clone(&feature));
        let candidates = self.provider.candidates(&dependency.package)?;
        let has = |position: u32| has_feature(candidates.release(position), &feature);
        let newest = target.matches.last().and_then(|(bucket, range)| {
            candidates
                .bucket(*bucket)
                .rev()
                .find(|position| range.contains(position))
        });
        if newest.is_some_and(has) {
            self.needs.push(target.part(part, None));
            return Ok(());
        }
        let having = target.having(&candidates, has);
        if having.is_empty() {
            let package = dependency.package.clone();
            let requirement = dependency.requirement.clone();
            return Err(Stop::Unusable(Unusable::NoFeature {
                package,
                requirement,
                feature,
            }));
        }
        self.needs.push(target.part(part, Some(&having)));
        Ok(())
    }

    fn target(&self, dependency: &ReleaseDependency) -> Result<Target, Stop> {
        if let Some(registry) = &dependency.registry {
            return Err(Stop::Unusable(Unusable::OtherRegistry {
                package: dependency.package.clone(),
                registry: Arc::clone(registry),
            }));
        }
        let candidates = self.provider.candidates(&dependency.package)?;
        let matches = candidates.matching(&dependency.requirement);
        let package = dependency.package.clone();
        let requirement = dependency.requirement.clone();
        match matches.as_slice() {
            [] => Err(Stop::Unusable(Unusable::NoMatch {
                package,
                requirement,
            })),
            [(number, _)] => {
                let place = Place::Bucket(Bucket {
                    package,
                    number: *number,
                });
                Ok(Target {
                    place,
                    matches: matches.to_vec(),
                })
            }
            _ => {
                let wide = Wide {
                    user: self.bucket.clone(),
                    package,
                    requirement,
                };
                Ok(Target {
                    place: Place::Wide(Arc::new(wide)),
                    matches: matches.to_vec(),
                })
            }
        }
    }
}

/// Where a dependency leads.
struct Target {
    place: Place,
    matches: Matches,
}

enum Place {
    Bucket(Bucket),
    Wide(Arc<Wide>),
}

impl Target {
    fn whole(&self) -> (Node, Positions) {
        match &self.place {
            Place::Bucket(bucket) => (Node::Bucket(bucket.clone()), self.range(&self.matches)),
            Place::Wide(wide) => (Node::Wide(Arc::clone(wide)), self.range(&self.matches)),
        }
    }

    fn part(&self, part: Part, within: Option<&Matches>) -> (Node, Positions) {
        let range = self.range(within.unwrap_or(&self.matches));
        match &self.place {
            Place::Bucket(bucket) => (Node::Part(bucket.clone(), part), range),
            Place::Wide(wide) => (Node::WidePart(Arc::clone(wide), part), range),
        }
    }

    fn range(&self, matches: &Matches) -> Positions {
        match &self.place {
            Place::Bucket(_) => matches
                .first()
                .map_or_else(Positions::empty, |(_, range)| range.clone()),
            Place::Wide(_) => Positions::collect(matches.iter().map(|(bucket, _)| *bucket)),
        }
    }

    fn having(&self, candidates: &Candidates, has: impl Fn(u32) -> bool) -> Matches {
        let narrow = |(bucket, range): &(u32, Positions)| {
            let positions = candidates.bucket(*bucket);
            let having = Positions::collect(positions.filter(|p| range.contains(p) && has(*p)));
            (!having.is_empty()).then_some((*bucket, having))
        };
        self.matches.iter().filter_map(narrow).collect()
    }
}

fn named<'a>(release: &'a Release, name: &str) -> impl Iterator<Item = &'a ReleaseDependency> {
    release
        .dependencies
        .iter()
        .map(AsRef::as_ref)
        .filter(move |d| *d.name == *name)
}
