//! The answer of the resolver: [`Resolution`], an acyclic graph of variants for one app.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use orlop_recipes::{FeatureName, PackageName, Version};
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;
use serde::{Deserialize, Serialize};

use crate::index::{Checksum, DependencyKind};
use crate::package::Package;

/// One app with all that it is compiled from.
#[derive(Debug, Clone)]
pub struct Resolution {
    /// The app's node.
    pub root: NodeIndex,
    /// Variants and who uses whom; edges point from a user to what it uses.
    pub graph: DiGraph<Variant, Dependency>,
    /// The chosen release of every package in reach on any platform, in order of name and
    /// version: more than the variants, which are for one platform.
    pub packages: Vec<ChosenPackage>,
    /// The state of the index that was looked at.
    pub snapshot: Timestamp,
}

/// A chosen release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChosenPackage {
    /// The package's name.
    pub name: PackageName,
    /// The package's version.
    pub version: Version,
    /// SHA-256 of its `.crate` file.
    pub checksum: Checksum,
    /// Whether its owner withdrew it: then a lock holds it.
    pub yanked: bool,
}

/// One package at one version with one set of features, for one side of the compiler.
///
/// The compiler, the fourth part of a variant's identity, is the same for all variants of a
/// resolution.
#[derive(Debug, Clone)]
pub struct Variant {
    /// The package's name.
    pub name: PackageName,
    /// The package's version.
    pub version: Version,
    /// SHA-256 of its `.crate` file, in hexadecimal.
    pub checksum: String,
    /// The active features.
    pub features: BTreeSet<FeatureName>,
    /// Where the code runs.
    pub side: Side,
    /// The package's own manifest.
    pub package: Arc<Package>,
}

/// Where the code of a variant runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// While building: build scripts, proc macros and what they use.
    Host,
    /// In the app.
    Target,
}

/// Why one variant uses another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    /// The name in the user's Rust code (`--extern NAME=`).
    pub extern_name: String,
    /// The user's code ([`DependencyKind::Normal`]) or its build script
    /// ([`DependencyKind::Build`]).
    pub kind: DependencyKind,
}

impl Resolution {
    /// Returns the app's own variant.
    pub fn app(&self) -> &Variant {
        &self.graph[self.root]
    }

    /// Returns all variants, what is used before who uses it. Where that leaves a choice, the
    /// order of the nodes decides.
    pub fn order(&self) -> Vec<NodeIndex> {
        order(&self.graph)
    }

    /// Returns who uses a variant and how, in the order of the nodes.
    pub fn users(&self, node: NodeIndex) -> Vec<(NodeIndex, &Dependency)> {
        self.neighbours(node, Direction::Incoming)
    }

    /// Returns what a variant uses and how, in the order of the nodes.
    pub fn dependencies(&self, node: NodeIndex) -> Vec<(NodeIndex, &Dependency)> {
        self.neighbours(node, Direction::Outgoing)
    }

    fn neighbours(&self, node: NodeIndex, way: Direction) -> Vec<(NodeIndex, &Dependency)> {
        let mut found: Vec<_> = self
            .graph
            .edges_directed(node, way)
            .map(|edge| match way {
                Direction::Incoming => (edge.source(), edge.weight()),
                Direction::Outgoing => (edge.target(), edge.weight()),
            })
            .collect();
        found.sort_unstable();
        found
    }
}

/// Returns the nodes of a graph, users last; those of a cycle, and their users, are left out.
fn order(graph: &DiGraph<Variant, Dependency>) -> Vec<NodeIndex> {
    let mut missing: Vec<usize> = graph
        .node_indices()
        .map(|node| graph.edges(node).count())
        .collect();
    let mut ready: BTreeSet<NodeIndex> = graph
        .node_indices()
        .filter(|node| missing[node.index()] == 0)
        .collect();
    let mut order = Vec::with_capacity(graph.node_count());
    while let Some(node) = ready.pop_first() {
        order.push(node);
        for edge in graph.edges_directed(node, Direction::Incoming) {
            let user = edge.source();
            missing[user.index()] -= 1;
            if missing[user.index()] == 0 {
                ready.insert(user);
            }
        }
    }
    order
}

/// Returns a way through the graph that ends where it starts, if there is one.
pub(crate) fn cycle(graph: &DiGraph<Variant, Dependency>) -> Option<Vec<String>> {
    let fine: BTreeSet<NodeIndex> = order(graph).into_iter().collect();
    let mut node = graph.node_indices().find(|node| !fine.contains(node))?;
    // Whatever is left out uses something that is left out: this walk must come back.
    let mut path: Vec<NodeIndex> = Vec::new();
    let start = loop {
        if let Some(start) = path.iter().position(|known| *known == node) {
            break start;
        }
        path.push(node);
        node = graph
            .neighbors(node)
            .filter(|used| !fine.contains(used))
            .min()?;
    };
    let name = |node: &NodeIndex| format!("{} {}", graph[*node].name, graph[*node].version);
    let mut chain: Vec<String> = path[start..].iter().map(name).collect();
    chain.dedup();
    chain.push(name(&node));
    Some(chain)
}
