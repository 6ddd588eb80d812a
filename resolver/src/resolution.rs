//! The answer of the resolver: [`Resolution`], an acyclic graph of variants for one app.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use orlop_recipes::{FeatureName, PackageName, Version};
use petgraph::graph::{DiGraph, NodeIndex};

use crate::index::DependencyKind;
use crate::package::Package;

/// One app with all that it is compiled from.
#[derive(Debug, Clone)]
pub struct Resolution {
    /// The app's node.
    pub root: NodeIndex,
    /// Variants and who uses whom; edges point from a user to what it uses.
    pub graph: DiGraph<Variant, Dependency>,
    /// The state of the index that was looked at.
    pub snapshot: Timestamp,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
}
