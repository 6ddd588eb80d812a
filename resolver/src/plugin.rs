//! [`resolve_plugin()`]: what a plugin is compiled from, beside the app that loads it.
//!
//! A plugin and its host hand values of plain Rust types to each other, so the crates that define
//! these must be the very same variants on both sides. The plugin therefore prefers the versions of
//! the host, and its crates have the features they have there; what cannot be reconciled is a
//! [`Mismatch`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use orlop_recipes::{FeatureName, PackageName, Version};

use crate::error::ResolveError;
use crate::index::Index;
use crate::request::Request;
use crate::resolution::{Resolution, Side, Variant};
use crate::sharing::Extras;
use crate::{variants, versions};

/// Finds the variants a plugin is compiled from, as close to those of its host as its own
/// requirements allow.
pub fn resolve_plugin(
    request: &Request,
    host: &Resolution,
    index: &dyn Index,
) -> Result<Resolution, ResolveError> {
    let mut preferred: BTreeMap<PackageName, Vec<Version>> = BTreeMap::new();
    let mut extras = Extras::new();
    for variant in host.graph.node_weights() {
        let versions = preferred.entry(variant.name.clone()).or_default();
        versions.push(variant.version.clone());
        let place = (variant.name.clone(), variant.version.clone(), variant.side);
        extras.insert(place, variant.features.clone());
    }
    let request = Request {
        preferred,
        ..request.clone()
    };
    let selection = versions::solve(&request, index)?;
    Ok(variants::build(&selection, &request, index, &extras)?.resolution)
}

/// The variants that end up in a process.
fn of_process(resolution: &Resolution) -> impl Iterator<Item = &Variant> {
    let variants = resolution.graph.node_weights();
    variants.filter(|variant| variant.side == Side::Target)
}

/// Why a crate of a plugin is not that of its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// The plugin does not use it.
    Absent,
    /// It asks for another version.
    Version {
        /// That of the host.
        host: Version,
        /// That of the plugin.
        plugin: Version,
    },
    /// It asks for features that the host does not have.
    Features {
        /// These.
        more: BTreeSet<FeatureName>,
        /// Features of the host whose dependencies the plugin does not have.
        less: BTreeSet<FeatureName>,
    },
    /// One of its own dependencies is not that of the host.
    Dependencies,
}

impl Mismatch {
    /// Compares the variants of a package in a host and in its plugin, which are known to differ.
    pub fn of(package: &PackageName, host: &Resolution, plugin: &Resolution) -> Self {
        let of_package = |resolution| {
            let mut variants: Vec<_> = of_process(resolution)
                .filter(|variant| variant.name == *package)
                .collect();
            variants.sort_by(|one, other| one.version.cmp(&other.version));
            variants.pop()
        };
        let (Some(host), Some(plugin)) = (of_package(host), of_package(plugin)) else {
            return Self::Absent;
        };
        if host.version != plugin.version {
            return Self::Version {
                host: host.version.clone(),
                plugin: plugin.version.clone(),
            };
        }
        if host.features == plugin.features {
            return Self::Dependencies;
        }
        Self::Features {
            more: &plugin.features - &host.features,
            less: &host.features - &plugin.features,
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |features: &BTreeSet<FeatureName>| {
            let names = features.iter().map(|name| format!("`{name}`"));
            names.collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::Absent => f.write_str("the plugin does not use it"),
            Self::Version { host, plugin } => {
                write!(f, "the app has {host}, the plugin asks for {plugin}")
            }
            Self::Features { more, .. } if !more.is_empty() => {
                write!(
                    f,
                    "the plugin asks for {}, which the app does not have",
                    list(more)
                )
            }
            Self::Features { less, .. } => {
                write!(f, "the app has it with {}, the plugin without", list(less))
            }
            Self::Dependencies => {
                f.write_str("it is compiled against other variants of what it needs itself")
            }
        }
    }
}
