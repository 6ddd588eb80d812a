//! From active features to the graph of variants: [`build()`].

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use orlop_recipes::FeatureName;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::error::{Chain, ResolveError, TooNew};
use crate::features::{Activation, Asked, Key, Rules, activate, holds};
use crate::index::{DependencyKind, Index, IndexError};
use crate::package::Package;
use crate::platform::Conditions;
use crate::request::Request;
use crate::resolution::{ChosenPackage, Dependency, Resolution, Side, Variant, cycle};
use crate::sharing::Extras;
use crate::toolchain::needs_newer;
use crate::versions::{Selected, Selection};

/// What uses what, and as which dependency.
type Edges = BTreeSet<(Key, Key, Dependency)>;

/// Variants, and whether they are all.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) resolution: Resolution,
    /// False if features that were added need a package that was not chosen.
    pub(crate) is_whole: bool,
}

/// Builds the variants that the app is compiled from, `extras` added to the features of each.
pub(crate) fn build(
    selection: &Selection,
    request: &Request,
    index: &dyn Index,
    extras: &Extras,
) -> Result<Built, ResolveError> {
    let conditions = Conditions::new(&request.platform);
    let manifests = Manifests {
        selection,
        index,
        known: RefCell::default(),
    };
    let rules = Rules::of(manifests.get(selection.app)?.resolver);

    // Which packages are proc macros decides what is reached, but only a package's manifest
    // says whether it is one. With no proc macros features unify more, so this pass reaches at
    // least all that the next one does, and the manifests can be fetched together.
    let asked = Asked {
        request,
        extras,
        rules,
    };
    let guess = activate(selection, asked, &conditions, &|_| Ok(false))?;
    let reached = Walk::new(selection, &conditions, &guess, None).run()?.0;
    manifests.expect(reached.into_iter().map(|(place, _)| place).collect())?;

    let active = activate(selection, asked, &conditions, &|place| {
        Ok(manifests
            .get(place)?
            .library
            .as_ref()
            .is_some_and(|library| library.proc_macro))
    })?;
    let (nodes, edges) = Walk::new(selection, &conditions, &active, Some(&manifests)).run()?;
    if !request.allow_newer_compiler {
        check_compiler(selection, request, &edges)?;
    }
    let resolution = assemble(&manifests, request, &active, &nodes, &edges)?;
    match cycle(&resolution.graph) {
        Some(chain) => Err(ResolveError::Cycle { chain }),
        None => Ok(Built {
            resolution,
            is_whole: active.is_whole,
        }),
    }
}

/// The manifests of a selection, each asked for once.
struct Manifests<'a> {
    selection: &'a Selection,
    index: &'a dyn Index,
    known: RefCell<BTreeMap<usize, Arc<Package>>>,
}

impl Manifests<'_> {
    fn get(&self, place: usize) -> Result<Arc<Package>, IndexError> {
        if let Some(known) = self.known.borrow().get(&place) {
            return Ok(Arc::clone(known));
        }
        let release = self.selection.packages[place].release();
        let package = self.index.package(&release.name, &release.version)?;
        self.known.borrow_mut().insert(place, Arc::clone(&package));
        Ok(package)
    }

    fn expect(&self, places: BTreeSet<usize>) -> Result<(), IndexError> {
        let wanted: Vec<_> = places
            .into_iter()
            .map(|place| self.selection.packages[place].release())
            .map(|release| (release.name.clone(), release.version.clone()))
            .collect();
        self.index.expect(&wanted)
    }
}

/// A walk over everything that is compiled, from the app inwards.
struct Walk<'w> {
    selection: &'w Selection,
    conditions: &'w Conditions<'w>,
    active: &'w Activation<'w>,
    /// None while only guessing: then every package counts as an ordinary library with a build
    /// script.
    manifests: Option<&'w Manifests<'w>>,
    nodes: BTreeSet<Key>,
    edges: Edges,
}

impl<'w> Walk<'w> {
    fn new(
        selection: &'w Selection,
        conditions: &'w Conditions<'w>,
        active: &'w Activation<'w>,
        manifests: Option<&'w Manifests<'w>>,
    ) -> Self {
        let nodes = BTreeSet::new();
        Self {
            selection,
            conditions,
            active,
            manifests,
            nodes,
            edges: Edges::new(),
        }
    }

    fn run(mut self) -> Result<(BTreeSet<Key>, Edges), ResolveError> {
        let app = (self.selection.app, Side::Target);
        let mut rest = vec![app];
        self.nodes.insert(app);
        while let Some(user) = rest.pop() {
            for used in self.follow(user)? {
                if self.nodes.insert(used) {
                    rest.push(used);
                }
            }
        }
        Ok((self.nodes, self.edges))
    }

    fn follow(&mut self, user: Key) -> Result<Vec<Key>, ResolveError> {
        let (place, side) = user;
        let selected = &self.selection.packages[place];
        let has_script = match self.manifests {
            Some(manifests) => manifests.get(place)?.build_script.is_some(),
            None => true,
        };
        let mut found = Vec::new();
        for (dependency, needed) in selected.release().dependencies.iter().zip(&selected.uses) {
            let Some(needed) = *needed else { continue };
            let compiled = match dependency.kind {
                DependencyKind::Normal => true,
                DependencyKind::Build => has_script,
            };
            if !compiled
                || !self.active.is_on(user, dependency)
                || !holds(self.conditions, self.selection, place, dependency)?
            {
                continue;
            }
            let mut needed_side = if dependency.kind == DependencyKind::Build {
                Side::Host
            } else {
                side
            };
            let mut crate_name = String::new();
            if let Some(manifests) = self.manifests {
                let package = manifests.get(needed)?;
                // Without one there is nothing to link, as Cargo leaves out `--extern` then.
                let Some(library) = package.library.as_ref().filter(|l| l.linkable()) else {
                    continue;
                };
                if library.proc_macro {
                    needed_side = Side::Host;
                }
                crate_name.clone_from(&library.crate_name);
            }
            if dependency.renamed {
                crate_name = dependency.name.replace('-', "_");
            }
            let edge = Dependency {
                extern_name: crate_name,
                kind: dependency.kind,
            };
            self.edges.insert((user, (needed, needed_side), edge));
            found.push((needed, needed_side));
        }
        Ok(found)
    }
}

/// A package that says it needs a newer compiler is chosen only if nothing else fits; then it
/// is better to say so than to start compiling.
fn check_compiler(
    selection: &Selection,
    request: &Request,
    edges: &Edges,
) -> Result<(), ResolveError> {
    let mut packages = Vec::new();
    for (place, way) in ways(selection.app, edges) {
        let release = selection.packages[place].release();
        if !needs_newer(release, &request.rust_version) {
            continue;
        }
        let title = |place: &usize| {
            let release = selection.packages[*place].release();
            format!("{} {}", release.name, release.version)
        };
        packages.push(TooNew {
            package: release.name.clone(),
            version: release.version.clone(),
            needs: release
                .rust_version
                .as_deref()
                .unwrap_or_default()
                .to_owned(),
            chain: Chain(way.iter().map(title).collect()),
        });
    }
    if packages.is_empty() {
        return Ok(());
    }
    Err(ResolveError::NeedsCompiler {
        compiler: request.rust_version.clone(),
        packages,
    })
}

/// Returns everything in reach of the app, in order, each with a shortest way to it.
fn ways(app: usize, edges: &Edges) -> BTreeMap<usize, Vec<usize>> {
    let pairs: BTreeSet<(usize, usize)> = edges
        .iter()
        .map(|((user, _), (used, _), _)| (*user, *used))
        .collect();
    let mut ways = BTreeMap::from([(app, vec![app])]);
    let mut wave = BTreeSet::from([app]);
    while !wave.is_empty() {
        let mut next = BTreeSet::new();
        for (user, used) in pairs.iter().filter(|(user, _)| wave.contains(user)) {
            if !ways.contains_key(used) {
                let mut way = ways[user].clone();
                way.push(*used);
                ways.insert(*used, way);
                next.insert(*used);
            }
        }
        wave = next;
    }
    ways
}

fn assemble(
    manifests: &Manifests<'_>,
    request: &Request,
    active: &Activation<'_>,
    nodes: &BTreeSet<Key>,
    edges: &Edges,
) -> Result<Resolution, ResolveError> {
    let mut graph = DiGraph::with_capacity(nodes.len(), edges.len());
    let mut indices: BTreeMap<Key, NodeIndex> = BTreeMap::new();
    for key in nodes {
        let (place, side) = *key;
        let release = manifests.selection.packages[place].release();
        let name = |text: &str| {
            text.parse::<FeatureName>()
                .map_err(|source| ResolveError::FeatureName {
                    package: release.name.clone(),
                    version: release.version.clone(),
                    source,
                })
        };
        let variant = Variant {
            name: release.name.clone(),
            version: release.version.clone(),
            checksum: release.checksum.to_string(),
            features: active.features(*key).map(name).collect::<Result<_, _>>()?,
            side,
            package: manifests.get(place)?,
        };
        indices.insert(*key, graph.add_node(variant));
    }
    for (user, used, dependency) in edges {
        graph.add_edge(indices[user], indices[used], dependency.clone());
    }
    let root = indices[&(manifests.selection.app, Side::Target)];
    let packages = manifests.selection.packages.iter();
    let packages = packages
        .map(Selected::release)
        .map(|release| ChosenPackage {
            name: release.name.clone(),
            version: release.version.clone(),
            checksum: release.checksum,
            yanked: release.yanked,
        });
    Ok(Resolution {
        root,
        graph,
        packages: packages.collect(),
        snapshot: request.snapshot,
    })
}
