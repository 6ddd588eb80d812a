//! Why there is no solution, in the user's terms.
//!
//! The solver's proof is a tree whose leaves are facts: this release needs that, this one can
//! never be used. The inner nodes only combine them, so the leaves alone, from the app inwards,
//! say all that is needed, and much more briefly.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use orlop_recipes::PackageName;
use pubgrub::{DerivationTree, External, VersionSet as _};

use crate::error::{Chain, ResolveError};
use crate::index::{Index, IndexError, Release};
use crate::versions::lower::Unusable;
use crate::versions::node::{Bucket, Node};
use crate::versions::positions::Positions;
use crate::versions::provider::Provider;
use crate::versions::refusal;

/// How many facts a message lists.
const MAX_FACTS: usize = 11;

/// How many requirements of one package on another are told one by one.
const MAX_REQUIREMENTS: usize = 2;

type Tree = DerivationTree<Node, Positions, Unusable>;

/// The leaves of a proof, with parts of packages taken for the packages.
#[derive(Default)]
struct Facts {
    /// Which releases of a package need something of another.
    needs: BTreeMap<(Bucket, Bucket), Positions>,
    /// Who links a native library.
    links: BTreeMap<Arc<str>, BTreeMap<Bucket, Positions>>,
    /// Releases that can never be used, and why.
    unusable: Vec<(Bucket, Positions, Unusable)>,
}

/// Explains a proof that there is no solution.
pub(crate) fn explain(
    provider: &Provider<'_>,
    index: &dyn Index,
    tree: &Tree,
) -> Result<ResolveError, IndexError> {
    let facts = Facts::gather(tree);
    let order = facts.order(&provider.app.0);
    let explanation = Explanation {
        provider,
        index,
        facts: &facts,
        order: &order,
    };
    if let Some(error) = explanation.links()? {
        return Ok(error);
    }
    if let Some(error) = explanation.single_cause()? {
        return Ok(error);
    }
    explanation.conflict()
}

impl Facts {
    fn gather(tree: &Tree) -> Self {
        let mut facts = Self::default();
        let mut wides: BTreeMap<String, (Bucket, BTreeSet<Bucket>)> = BTreeMap::new();
        let mut seen: BTreeSet<*const Tree> = BTreeSet::new();
        let mut rest: Vec<&Tree> = vec![tree];
        while let Some(tree) = rest.pop() {
            match tree {
                DerivationTree::Derived(derived) => {
                    // Causes are shared: without this the walk can take exponential time.
                    for cause in [&derived.cause1, &derived.cause2] {
                        if seen.insert(Arc::as_ptr(cause)) {
                            rest.push(cause);
                        }
                    }
                }
                DerivationTree::External(External::FromDependencyOf(user, range, needed, _)) => {
                    facts.add_need(user, range, needed, &mut wides);
                }
                DerivationTree::External(External::Custom(node, range, reason)) => {
                    if let Node::Bucket(bucket) | Node::Part(bucket, _) = node {
                        facts
                            .unusable
                            .push((bucket.clone(), range.clone(), reason.clone()));
                    }
                }
                DerivationTree::External(External::NoVersions(..) | External::NotRoot(..)) => {}
            }
        }
        for (user, targets) in wides.into_values() {
            for target in targets {
                facts
                    .needs
                    .entry((user.clone(), target))
                    .or_insert_with(Positions::full);
            }
        }
        facts
    }

    fn add_need(
        &mut self,
        user: &Node,
        range: &Positions,
        needed: &Node,
        wides: &mut BTreeMap<String, (Bucket, BTreeSet<Bucket>)>,
    ) {
        match (user, needed) {
            (
                Node::Bucket(user) | Node::Part(user, _),
                Node::Bucket(needed) | Node::Part(needed, _),
            ) if user != needed => {
                let known = self.needs.entry((user.clone(), needed.clone()));
                known
                    .and_modify(|known| *known = known.union(range))
                    .or_insert(range.clone());
            }
            (Node::Bucket(user), Node::Links(library)) => {
                let linkers = self.links.entry(Arc::clone(library)).or_default();
                let known = linkers.entry(user.clone()).or_insert_with(Positions::empty);
                *known = known.union(range);
            }
            (
                Node::Wide(wide) | Node::WidePart(wide, _),
                Node::Bucket(needed) | Node::Part(needed, _),
            ) => {
                let (_, targets) = wides
                    .entry(format!(
                        "{} {} {}",
                        wide.user, wide.package, wide.requirement
                    ))
                    .or_insert_with(|| (wide.user.clone(), BTreeSet::new()));
                targets.insert(needed.clone());
            }
            _ => {}
        }
    }

    /// Returns the packages in reach of the app within these facts, nearest first, each with
    /// the one it was reached from.
    fn order(&self, app: &Bucket) -> Vec<(Bucket, Option<Bucket>)> {
        let mut order = vec![(app.clone(), None)];
        let mut seen = BTreeSet::from([app.clone()]);
        let mut queue = VecDeque::from([app.clone()]);
        while let Some(user) = queue.pop_front() {
            for (from, needed) in self.needs.keys() {
                if *from == user && seen.insert(needed.clone()) {
                    order.push((needed.clone(), Some(user.clone())));
                    queue.push_back(needed.clone());
                }
            }
        }
        order
    }
}

struct Explanation<'e, 'a> {
    provider: &'e Provider<'a>,
    index: &'e dyn Index,
    facts: &'e Facts,
    order: &'e [(Bucket, Option<Bucket>)],
}

impl Explanation<'_, '_> {
    fn links(&self) -> Result<Option<ResolveError>, IndexError> {
        for (library, linkers) in &self.facts.links {
            let mut linkers = linkers.iter();
            let (Some(first), Some(second)) = (linkers.next(), linkers.next()) else {
                continue;
            };
            let library = library.as_ref().to_owned();
            let first = Box::new(self.chain(first.0, first.1)?);
            let second = Box::new(self.chain(second.0, second.1)?);
            return Ok(Some(ResolveError::Links {
                library,
                first,
                second,
            }));
        }
        Ok(None)
    }

    /// When nobody disagrees, some release simply cannot be had: the one nearest to the app is
    /// what the user wants to hear of.
    fn single_cause(&self) -> Result<Option<ResolveError>, IndexError> {
        let mut users: BTreeMap<&Bucket, usize> = BTreeMap::new();
        for (_, needed) in self.facts.needs.keys() {
            *users.entry(needed).or_default() += 1;
        }
        if users.values().any(|count| *count > 1) {
            return Ok(None);
        }
        let rank = |bucket: &Bucket| self.order.iter().position(|(known, _)| known == bucket);
        let nearest = self
            .facts
            .unusable
            .iter()
            .filter_map(|fact| Some((rank(&fact.0)?, fact)))
            .min_by_key(|(rank, _)| *rank);
        let Some((_, (bucket, range, reason))) = nearest else {
            return Ok(None);
        };
        self.refusal(bucket, range, reason)
    }

    fn refusal(
        &self,
        bucket: &Bucket,
        range: &Positions,
        reason: &Unusable,
    ) -> Result<Option<ResolveError>, IndexError> {
        let request = self.provider.request;
        Ok(match reason {
            Unusable::NoMatch {
                package,
                requirement,
            } => {
                let chain = self.chain(bucket, range)?;
                Some(refusal::no_match(
                    package,
                    requirement,
                    chain,
                    request,
                    self.index,
                )?)
            }
            Unusable::NoFeature {
                package,
                requirement,
                feature,
            } => {
                let candidates = self.provider.candidates(package)?;
                let matches = candidates.matching(requirement);
                let newest = matches.last().and_then(|(number, matching)| {
                    candidates
                        .bucket(*number)
                        .rev()
                        .find(|p| matching.contains(p))
                });
                let chain = self.chain(bucket, range)?;
                newest.map(|p| refusal::no_feature(candidates.release(p), feature, chain))
            }
            Unusable::OtherRegistry { package, registry } => Some(ResolveError::OtherRegistry {
                package: package.clone(),
                registry: registry.to_string(),
                chain: self.chain(bucket, range)?,
            }),
            Unusable::Missing { feature } => {
                let candidates = self.provider.candidates(&bucket.package)?;
                let newest = candidates
                    .bucket(bucket.number)
                    .rev()
                    .find(|p| range.contains(p));
                let chain = match self.user_of(bucket) {
                    Some((user, range)) => self.chain(&user, &range)?,
                    None => Chain::default(),
                };
                newest.map(|p| refusal::no_feature(candidates.release(p), feature, chain))
            }
        })
    }

    /// Lists the facts: the ways to each package that is wanted in several ways, then the rest.
    fn conflict(&self) -> Result<ResolveError, IndexError> {
        let contested = self.contested();
        let mut edges: Vec<(&Bucket, &Bucket)> = Vec::new();
        let ways = contested
            .iter()
            .flat_map(|target| self.users(target).map(move |user| (user, *target)));
        let rest = self.order.iter().flat_map(|(user, _)| {
            let needs = self.facts.needs.keys();
            needs
                .filter(move |(from, _)| from == user)
                .map(|(from, to)| (from, to))
        });
        for (user, target) in ways.chain(rest) {
            for edge in self.way(user).into_iter().chain([(user, target)]) {
                if !edges.contains(&edge) {
                    edges.push(edge);
                }
            }
        }
        let mut facts = Vec::new();
        for (user, target) in edges {
            let range = &self.facts.needs[&(user.clone(), target.clone())];
            facts.extend(self.needs(user, range, &target.package)?);
        }
        facts.extend(self.unusable()?);
        let mut seen = BTreeSet::new();
        facts.retain(|fact| seen.insert(fact.clone()));
        if facts.len() > MAX_FACTS {
            let more = facts.len() - MAX_FACTS;
            facts.truncate(MAX_FACTS);
            facts.push(format!("{more} more requirements are as they are"));
        }
        let (app, position) = &self.provider.app;
        let candidates = self.provider.candidates(&app.package)?;
        let names: BTreeSet<_> = contested
            .iter()
            .map(|bucket| bucket.package.clone())
            .collect();
        Ok(ResolveError::Conflict {
            app: app.package.clone(),
            version: candidates.release(*position).version.clone(),
            facts,
            contested: names.into_iter().collect(),
        })
    }

    /// Returns the packages that several others need, nearest to the app first.
    fn contested(&self) -> Vec<&Bucket> {
        let in_reach = self.order.iter().map(|(bucket, _)| bucket);
        in_reach
            .filter(|bucket| self.users(bucket).count() > 1)
            .collect()
    }

    /// Returns who needs a package, nearest to the app first.
    fn users<'s>(&'s self, needed: &'s Bucket) -> impl Iterator<Item = &'s Bucket> {
        let in_reach = self.order.iter().map(|(bucket, _)| bucket);
        in_reach.filter(|user| {
            let key = ((*user).clone(), needed.clone());
            self.facts.needs.contains_key(&key)
        })
    }

    /// Returns the way from the app to a package, as pairs of who needs whom.
    fn way<'s>(&'s self, bucket: &'s Bucket) -> Vec<(&'s Bucket, &'s Bucket)> {
        let mut way = Vec::new();
        let mut at = bucket;
        while let Some((_, Some(user))) = self.order.iter().find(|(known, _)| known == at) {
            way.push((user, at));
            at = user;
        }
        way.reverse();
        way
    }

    /// Says what can never be used, and why.
    fn unusable(&self) -> Result<Vec<String>, IndexError> {
        let mut facts = Vec::new();
        for (bucket, _) in self.order {
            for (_, range, reason) in self.facts.unusable.iter().filter(|(of, ..)| of == bucket) {
                let who = self.describe(bucket, range)?;
                facts.push(match reason {
                    Unusable::NoMatch {
                        package,
                        requirement,
                    } => {
                        format!("{who} needs {package} {requirement}, which no release matches")
                    }
                    Unusable::NoFeature {
                        package, feature, ..
                    } => {
                        format!("{who} needs the feature {feature} of {package}, which has none")
                    }
                    Unusable::OtherRegistry { package, registry } => {
                        format!("{who} needs {package} of another registry, {registry}")
                    }
                    Unusable::Missing { feature } => format!("{who} has no feature {feature}"),
                });
            }
        }
        Ok(facts)
    }

    /// Says what a package needs of another, once for each requirement among its releases.
    fn needs(
        &self,
        user: &Bucket,
        range: &Positions,
        needed: &PackageName,
    ) -> Result<Vec<String>, IndexError> {
        let candidates = self.provider.candidates(&user.package)?;
        let mut by_requirement: Vec<(String, Vec<u32>)> = Vec::new();
        for position in candidates.bucket(user.number).filter(|p| range.contains(p)) {
            let requirement = requirement_text(candidates.release(position), needed);
            match by_requirement
                .iter_mut()
                .find(|(known, _)| *known == requirement)
            {
                Some((_, positions)) => positions.push(position),
                None => by_requirement.push((requirement, vec![position])),
            }
        }
        if by_requirement.len() > MAX_REQUIREMENTS {
            let who = self.describe(user, range)?;
            let (first, last) = (
                &by_requirement[0].0,
                &by_requirement[by_requirement.len() - 1].0,
            );
            let ways = by_requirement.len();
            return Ok(vec![format!(
                "{who} needs {needed} in {ways} ways, from {first} to {last}"
            )]);
        }
        let line = |(requirement, positions): (String, Vec<u32>)| {
            let who = self.describe(user, &Positions::collect(positions))?;
            Ok(format!("{who} needs {needed} {requirement}"))
        };
        by_requirement.into_iter().rev().map(line).collect()
    }

    /// Names a package with some of its releases.
    fn describe(&self, bucket: &Bucket, range: &Positions) -> Result<String, IndexError> {
        let candidates = self.provider.candidates(&bucket.package)?;
        let all = candidates.bucket(bucket.number);
        let meant: Vec<u32> = all.clone().filter(|p| range.contains(p)).collect();
        let name = &bucket.package;
        let version = |position: &u32| &candidates.release(*position).version;
        Ok(match meant.as_slice() {
            [] => name.to_string(),
            [one] => format!("{name} {}", version(one)),
            [first, .., last] if meant.len() == (last - first + 1) as usize => {
                format!("{name} {} to {}", version(first), version(last))
            }
            [first, .., last] => {
                let count = meant.len();
                format!(
                    "{name} {} to {} ({count} of them)",
                    version(first),
                    version(last)
                )
            }
        })
    }

    /// Returns the way from the app to some releases of a package, along the facts.
    fn chain(&self, bucket: &Bucket, range: &Positions) -> Result<Chain, IndexError> {
        let mut links = Vec::new();
        let mut next = Some((bucket.clone(), range.clone()));
        while let Some((bucket, range)) = next {
            let candidates = self.provider.candidates(&bucket.package)?;
            links.push(match candidates.best(bucket.number, &range) {
                Some(position) => {
                    format!(
                        "{} {}",
                        bucket.package,
                        candidates.release(position).version
                    )
                }
                None => bucket.package.to_string(),
            });
            next = self.user_of(&bucket);
        }
        links.reverse();
        Ok(Chain(links))
    }

    /// Returns who needs a package, on the way from the app, and which releases of it do.
    fn user_of(&self, bucket: &Bucket) -> Option<(Bucket, Positions)> {
        let (_, user) = self.order.iter().find(|(known, _)| known == bucket)?;
        let user = user.clone()?;
        let range = self
            .facts
            .needs
            .get(&(user.clone(), bucket.clone()))?
            .clone();
        Some((user, range))
    }
}

fn requirement_text(release: &Release, needed: &PackageName) -> String {
    let mut texts: Vec<String> = release
        .dependencies
        .iter()
        .filter(|d| d.package == *needed)
        .map(|d| d.requirement.to_string())
        .collect();
    texts.sort_unstable();
    texts.dedup();
    texts.join(" and ")
}
