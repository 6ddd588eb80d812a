//! Answers written down, so that they stay the same: [`Lock`], the content of `orlop.lock`.
//!
//! | module | holds |
//! |---|---|
//! | [`error`] | why a lock file cannot be used |
//! | `read` | text to types, everything checked |
//! | `write` | types to text: one table per package and one per variant, in a fixed order |
//!
//! An app's entry holds its whole graph, so that using it needs no solver and no index, only the
//! manifests of the packages.

pub mod error;
mod read;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use orlop_recipes::{FeatureName, PackageName, Policy, Version, VersionReq};
use petgraph::graph::{DiGraph, NodeIndex};
use serde::Serialize;

use crate::index::{DependencyKind, Index};
use crate::request::Request;
use crate::resolution::{ChosenPackage, Dependency, Resolution, Side, Variant, cycle};
use crate::sharing::Votes;

pub use error::{LockError, OtherArchive};

/// The newest form of the file that this version of Orlop reads, and the one it writes.
pub const SCHEMA: u32 = 2;

/// The content of a lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    snapshot: Timestamp,
    votes: Votes,
    apps: BTreeMap<PackageName, LockedApp>,
}

/// The answer for one app, with its question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LockedApp {
    /// The name in the manifest.
    pub app: PackageName,
    /// The package in the registry.
    pub package: PackageName,
    /// Its chosen version.
    pub version: Version,
    /// The accepted versions.
    pub requirement: VersionReq,
    /// Features asked for beside the default ones.
    pub features: BTreeSet<FeatureName>,
    /// Whether `default` is on.
    pub default_features: bool,
    /// How versions were chosen.
    pub policy: Policy,
    /// The state of the index that was looked at.
    pub snapshot: Timestamp,
    /// The release of the compiler it was solved for.
    pub compiler: Version,
    /// The target triple it was solved for.
    pub platform: String,
    variants: Vec<LockedVariant>,
    #[serde(skip)]
    root: usize,
}

/// One variant of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LockedVariant {
    /// The package.
    pub name: PackageName,
    /// Its version.
    pub version: Version,
    /// SHA-256 of its `.crate` file, in hexadecimal.
    pub checksum: String,
    /// The active features.
    pub features: BTreeSet<FeatureName>,
    /// Where the code runs.
    pub side: Side,
    /// What it uses, in order.
    pub dependencies: Vec<LockedDependency>,
}

/// One use of a variant by another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LockedDependency {
    /// Who needs it: the code or the build script.
    pub kind: DependencyKind,
    /// The name in the user's Rust code.
    pub extern_name: String,
    /// The place of what is used among the app's variants.
    pub variant: usize,
}

impl Lock {
    /// Returns a lock without apps.
    pub fn new(snapshot: Timestamp) -> Self {
        Self {
            snapshot,
            votes: Votes::new(),
            apps: BTreeMap::new(),
        }
    }

    /// Reads a lock; `file` is its name for messages.
    pub fn parse(file: &str, text: &str) -> Result<Self, LockError> {
        read::lock(file, text)
    }

    /// Returns the state of the index on which apps are solved.
    pub fn snapshot(&self) -> Timestamp {
        self.snapshot
    }

    /// Whether another lock says the same of every app, as of whatever state of the index.
    pub fn is_alike(&self, other: &Self) -> bool {
        let at_once = |lock: &Self| {
            let mut lock = lock.clone();
            lock.snapshot = Timestamp::UNIX_EPOCH;
            for app in lock.apps.values_mut() {
                app.snapshot = Timestamp::UNIX_EPOCH;
            }
            lock
        };
        at_once(self) == at_once(other)
    }

    /// Says why this is not `before`, by the first app of which they say something else; none if none
    /// is.
    pub fn reason(&self, before: &Self) -> Option<String> {
        let gone = before.apps.keys().find(|app| !self.apps.contains_key(*app));
        if let Some(app) = gone {
            return Some(format!("`{app}` is locked, and is not wanted"));
        }
        let mut apps = self.apps.values();
        apps.find_map(|app| app.reason(before.apps.get(&app.app)))
    }

    /// Returns the versions that most of the apps of policy `shared` chose.
    pub fn votes(&self) -> &Votes {
        &self.votes
    }

    /// Sets the versions that most of the apps of policy `shared` chose.
    pub fn set_votes(&mut self, votes: Votes) {
        self.votes = votes;
    }

    /// Returns all apps, in order of name.
    pub fn apps(&self) -> impl Iterator<Item = &LockedApp> {
        self.apps.values()
    }

    /// Returns the entry of an app, by its name in the manifest.
    pub fn app(&self, name: &PackageName) -> Option<&LockedApp> {
        self.apps.get(name)
    }

    /// Returns the entry of an app, by its name in the manifest as a text.
    pub fn app_by_name(&self, name: &str) -> Option<&LockedApp> {
        self.apps.get(name)
    }

    /// Adds an app, in place of an earlier entry for it.
    pub fn set(&mut self, app: LockedApp) {
        self.apps.insert(app.app.clone(), app);
    }

    /// Removes an app; tells whether it was there.
    pub fn remove(&mut self, name: &PackageName) -> bool {
        self.apps.remove(name).is_some()
    }
}

/// Writes the file.
impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write::lock(self, f)
    }
}

impl LockedApp {
    /// Writes an answer down, with its question. `app` is the name in the manifest.
    pub fn from_resolution(app: &PackageName, request: &Request, resolution: &Resolution) -> Self {
        let variants = resolution
            .graph
            .node_indices()
            .map(|node| locked_variant(resolution, node));
        Self {
            app: app.clone(),
            package: request.app.clone(),
            version: resolution.app().version.clone(),
            requirement: request.requirement.clone(),
            features: request.features.iter().cloned().collect(),
            default_features: request.default_features,
            policy: Policy::Latest,
            snapshot: resolution.snapshot,
            compiler: request.rust_version.clone(),
            platform: request.platform.triple.clone(),
            variants: variants.collect(),
            root: resolution.root.index(),
        }
    }

    /// Whether this is an answer to a question.
    ///
    /// The snapshot is not a part of the question: what is locked stays when the index goes on.
    /// Who pins a snapshot compares it with [`LockedApp::snapshot`].
    pub fn answers(&self, request: &Request) -> bool {
        self.package == request.app
            && self.requirement == request.requirement
            && self.features == request.features.iter().cloned().collect()
            && self.default_features == request.default_features
            && self.compiler == request.rust_version
            && self.platform == request.platform.triple
    }

    /// As [`Lock::reason`], of one app.
    fn reason(&self, before: Option<&Self>) -> Option<String> {
        let app = &self.app;
        let Some(before) = before else {
            return Some(format!("`{app}` is not locked"));
        };
        if self.compiler != before.compiler {
            return Some(format!(
                "`{app}` is locked for rustc {}, and is to be compiled by {}",
                before.compiler, self.compiler
            ));
        }
        if self.version != before.version {
            return Some(format!(
                "`{app}` is locked to {}, and {} is wanted",
                before.version, self.version
            ));
        }
        (self != before).then(|| format!("`{app}` is locked with another answer"))
    }

    /// Returns the variants, in order of name, version and side.
    pub fn variants(&self) -> &[LockedVariant] {
        &self.variants
    }

    /// Returns the place of the app's own variant.
    pub fn root(&self) -> usize {
        self.root
    }

    /// Returns the packages of the variants, each once, in order.
    pub fn packages(&self) -> BTreeSet<(&PackageName, &Version)> {
        self.variants
            .iter()
            .map(|variant| (&variant.name, &variant.version))
            .collect()
    }

    /// Returns the versions for [`Request::preferred`], to keep them in a new answer.
    pub fn preferred(&self) -> BTreeMap<PackageName, Vec<Version>> {
        let mut preferred: BTreeMap<PackageName, Vec<Version>> = BTreeMap::new();
        for (name, version) in self.packages() {
            preferred
                .entry(name.clone())
                .or_default()
                .push(version.clone());
        }
        preferred
    }

    /// A lock knows the packages of one platform only.
    fn chosen_packages(&self) -> Result<Vec<ChosenPackage>, LockError> {
        let mut packages = BTreeSet::new();
        for variant in &self.variants {
            let checksum = variant.checksum.parse().map_err(|error| LockError::Entry {
                app: self.app.clone(),
                reason: format!("the checksum of `{}`: {error}", variant.name),
            })?;
            packages.insert(ChosenPackage {
                name: variant.name.clone(),
                version: variant.version.clone(),
                checksum,
                yanked: false,
            });
        }
        Ok(packages.into_iter().collect())
    }

    /// Makes sure that the index has the very archives that were locked: what a manifest says must
    /// be about the files that are compiled.
    fn check_archives(&self, index: &dyn Index) -> Result<(), LockError> {
        let names: BTreeSet<_> = self.variants.iter().map(|one| &one.name).collect();
        index.expect_releases(&names.into_iter().cloned().collect::<Vec<_>>())?;
        for variant in &self.variants {
            let releases = index.releases(&variant.name)?;
            let mut releases = releases.iter();
            let release = releases.find(|release| release.version == variant.version);
            let checksum = release.map(|release| release.checksum);
            if checksum.is_none_or(|checksum| checksum.to_string() != variant.checksum) {
                return Err(LockError::OtherArchive(Box::new(OtherArchive {
                    app: self.app.clone(),
                    package: variant.name.clone(),
                    version: variant.version.clone(),
                    locked: variant.checksum.clone(),
                    index: checksum,
                })));
            }
        }
        Ok(())
    }

    /// Returns the answer as it was when it was written down, without solving.
    pub fn resolution(&self, index: &dyn Index) -> Result<Resolution, LockError> {
        self.check_archives(index)?;
        let packages = self.packages().into_iter();
        let wanted: Vec<_> = packages
            .map(|(name, version)| (name.clone(), version.clone()))
            .collect();
        index.expect(&wanted)?;
        let mut graph = DiGraph::with_capacity(self.variants.len(), 0);
        for variant in &self.variants {
            graph.add_node(Variant {
                name: variant.name.clone(),
                version: variant.version.clone(),
                checksum: variant.checksum.clone(),
                features: variant.features.clone(),
                side: variant.side,
                package: index.package(&variant.name, &variant.version)?,
            });
        }
        // The order of edges is that of a solved graph, so that both are equal.
        let edges: BTreeSet<(usize, usize, Dependency)> = self
            .variants
            .iter()
            .enumerate()
            .flat_map(|(user, variant)| uses(user, variant))
            .collect();
        for (user, used, dependency) in edges {
            graph.add_edge(NodeIndex::new(user), NodeIndex::new(used), dependency);
        }
        if let Some(chain) = cycle(&graph) {
            let reason = format!(
                "packages need each other in a circle: {}",
                chain.join(" → ")
            );
            return Err(LockError::Entry {
                app: self.app.clone(),
                reason,
            });
        }
        Ok(Resolution {
            root: NodeIndex::new(self.root),
            graph,
            packages: self.chosen_packages()?,
            snapshot: self.snapshot,
        })
    }
}

fn uses(user: usize, variant: &LockedVariant) -> impl Iterator<Item = (usize, usize, Dependency)> {
    variant.dependencies.iter().map(move |used| {
        let dependency = Dependency {
            extern_name: used.extern_name.clone(),
            kind: used.kind,
        };
        (user, used.variant, dependency)
    })
}

fn locked_variant(resolution: &Resolution, node: NodeIndex) -> LockedVariant {
    let variant = &resolution.graph[node];
    let mut dependencies: Vec<_> = resolution
        .dependencies(node)
        .into_iter()
        .map(|(used, dependency)| LockedDependency {
            kind: dependency.kind,
            extern_name: dependency.extern_name.clone(),
            variant: used.index(),
        })
        .collect();
    dependencies.sort_unstable();
    LockedVariant {
        name: variant.name.clone(),
        version: variant.version.clone(),
        checksum: variant.checksum.clone(),
        features: variant.features.clone(),
        side: variant.side,
        dependencies,
    }
}
