//! What the resolver asks of a registry, as a trait: [`Index`].

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
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
    /// Returns every release of a package, yanked ones and those after the snapshot included, in
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

    /// Returns the `Cargo.lock` that a release was published with, if it was published with one.
    fn published_lock(
        &self,
        name: &PackageName,
        version: &Version,
    ) -> Result<Option<String>, IndexError>;

    /// Announces releases whose [`Index::package`] will be asked next, so that an implementation
    /// can get them in parallel.
    fn expect(&self, wanted: &[(PackageName, Version)]) -> Result<(), IndexError>;

    /// Returns known names that look like `name`, best first, for a suggestion.
    fn similar(&self, name: &PackageName) -> Vec<PackageName>;
}

/// One published version.
///
/// What releases of a package have in common is shared between them: most differ from the one
/// before in very little.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The package.
    pub name: PackageName,
    /// The version, build metadata included.
    pub version: Version,
    /// SHA-256 of the `.crate` file.
    pub checksum: Checksum,
    /// What it needs on any platform, for its code and its build script. What only tests need is
    /// left out.
    pub dependencies: Arc<[Arc<ReleaseDependency>]>,
    /// Declared features (`features` and `features2` merged), without implicit ones.
    pub features: Arc<Features>,
    /// Whether its owner withdrew it.
    pub yanked: bool,
    /// The native library it links.
    pub links: Option<Arc<str>>,
    /// The oldest compiler it says it works with.
    pub rust_version: Option<Arc<str>>,
    /// When it was published, where the registry says so.
    pub published: Option<Timestamp>,
}

/// Features, and what each switches on.
pub type Features = BTreeMap<Arc<str>, Arc<[Arc<str>]>>;

/// One dependency of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseDependency {
    /// The key in the dependent's manifest: the name its features and its code use.
    pub name: Arc<str>,
    /// The package behind it.
    pub package: PackageName,
    /// Whether the manifest names the package beside the key: then code uses `name`, even if both
    /// are equal, whatever the library is called.
    pub renamed: bool,
    /// The accepted versions.
    pub requirement: VersionReq,
    /// The features asked for.
    pub features: Vec<Arc<str>>,
    /// Whether `default` is asked for too.
    pub default_features: bool,
    /// Whether a feature must switch it on.
    pub optional: bool,
    /// Who needs it.
    pub kind: DependencyKind,
    /// The platforms it is for: a target triple or `cfg(…)`; none means all.
    pub target: Option<Arc<str>>,
    /// The registry it comes from, if that is another than its dependent's: then a package of the
    /// same name in this one is not what is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<Arc<str>>,
}

/// The SHA-256 of an archive, written in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Checksum(pub [u8; 32]);

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, ChecksumError> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ChecksumError);
        }
        let mut bytes = [0; 32];
        for (place, byte) in bytes.iter_mut().enumerate() {
            let digits = &text[2 * place..2 * place + 2];
            *byte = u8::from_str_radix(digits, 16).map_err(|_| ChecksumError)?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Checksum {
    type Error = ChecksumError;

    fn try_from(text: String) -> Result<Self, ChecksumError> {
        text.parse()
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> Self {
        checksum.to_string()
    }
}

/// Why a text is no checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a SHA-256 in hexadecimal")]
pub struct ChecksumError;

/// Who needs a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DependencyKind {
    /// The package's own code.
    Normal,
    /// Its build script.
    Build,
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
