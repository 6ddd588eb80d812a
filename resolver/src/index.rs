//! What the resolver asks of a registry, as a trait: [`Index`].

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use orlop_recipes::{PackageName, Version, VersionReq};
use serde::{Deserialize, Serialize};

use crate::package::Package;

/// A registry as the resolver sees it.
///
/// An implementation may fetch on demand; the resolver itself does no I/O and asks the same
/// questions in the same order for the same request.
pub trait Index {
    /// Returns every release of a package that the snapshot holds, yanked ones included, in
    /// ascending order of version; an empty list if there is no such package.
    fn releases(&self, name: &PackageName) -> Result<Arc<[Release]>, IndexError>;

    /// Announces packages whose [`Index::releases`] will be asked next, so that an implementation
    /// can get them in parallel. Some of them may not exist, and some may never be asked for.
    fn expect_releases(&self, names: &[PackageName]) -> Result<(), IndexError> {
        let _: &[PackageName] = names;
        Ok(())
    }

    /// Returns the manifest of one release.
    fn package(&self, name: &PackageName, version: &Version) -> Result<Arc<Package>, IndexError>;

    /// Announces releases whose [`Index::package`] will be asked next, so that an implementation
    /// can get them in parallel.
    fn expect(&self, wanted: &[(PackageName, Version)]) -> Result<(), IndexError>;

    /// Returns known names that look like `name`, best first, for a suggestion.
    fn similar(&self, name: &PackageName) -> Vec<PackageName>;
}

/// One published version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The package.
    pub name: PackageName,
    /// The version, build metadata included.
    pub version: Version,
    /// SHA-256 of the `.crate` file, in hexadecimal.
    pub checksum: String,
    /// All dependencies of all kinds and platforms.
    pub dependencies: Vec<ReleaseDependency>,
    /// Declared features (`features` and `features2` merged), without implicit ones.
    pub features: BTreeMap<String, Vec<String>>,
    /// Whether its owner withdrew it.
    pub yanked: bool,
    /// The native library it links.
    pub links: Option<String>,
    /// The oldest compiler it says it works with.
    pub rust_version: Option<String>,
    /// When it was published, where the registry says so.
    pub published: Option<Timestamp>,
}

/// One dependency of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseDependency {
    /// The key in the dependent's manifest: the name its features and its code use.
    pub name: String,
    /// The package behind it (differs from `name` when renamed).
    pub package: PackageName,
    /// The accepted versions.
    pub requirement: VersionReq,
    /// The features asked for.
    pub features: Vec<String>,
    /// Whether `default` is asked for too.
    pub default_features: bool,
    /// Whether a feature must switch it on.
    pub optional: bool,
    /// Who needs it.
    pub kind: DependencyKind,
    /// The platforms it is for: a target triple or `cfg(…)`; none means all.
    pub target: Option<String>,
}

/// Who needs a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DependencyKind {
    /// The package's own code.
    Normal,
    /// Its build script.
    Build,
    /// Its tests: never followed.
    Dev,
}

/// Why a registry could not answer.
#[derive(Debug, thiserror::Error)]
#[error("{action}")]
pub struct IndexError {
    /// What was tried, on what: ``read the index entry of `serde` ``.
    pub action: String,
    /// Why it did not work.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
