//! What the solver takes for packages: [`Node`], mostly parts of real ones.
//!
//! | node | its positions | depends on |
//! |---|---|---|
//! | `Root` | one | the app's chosen release and the features asked for |
//! | `Bucket` | the candidates of one semver bucket of a package | its required dependencies, its `links` |
//! | `Part` | the same | the same release of the bucket, and what the part adds |
//! | `Wide` | the numbers of the buckets that a requirement reaches | that bucket, within the requirement |
//! | `WidePart` | the same | the same choice, and the part there |
//! | `Links` | one for each release that links the library | nothing |
//!
//! Cargo allows one release per bucket in a program, hence `Bucket`; a requirement like `>=1, <3`
//! chooses between buckets, hence `Wide`; a native library is linked once, hence `Links`.

use std::fmt;
use std::sync::Arc;

use orlop_recipes::{PackageName, VersionReq};

/// A package in the solver's eyes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    /// What the user asked for.
    Root,
    /// The releases of a package that exclude each other.
    Bucket(Bucket),
    /// A part of them that not every user needs.
    Part(Bucket, Part),
    /// The choice of a bucket.
    Wide(Arc<Wide>),
    /// A part in the chosen bucket.
    WidePart(Arc<Wide>, Part),
    /// A native library.
    Links(Arc<str>),
}

/// The releases of a package that exclude each other, as Cargo has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Bucket {
    /// The package.
    pub(crate) package: PackageName,
    /// Which of its buckets, oldest first.
    pub(crate) number: u32,
}

/// A part of a release that is there only if somebody asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// `default`, if there is such a feature.
    Default,
    /// A feature.
    Feature(Arc<str>),
    /// The optional dependencies of a name.
    Dependency(Arc<str>),
}

/// A requirement over several buckets. A user's bucket stands for the user: it has one release.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Wide {
    /// Who requires.
    pub(crate) user: Bucket,
    /// What.
    pub(crate) package: PackageName,
    /// Which of its releases.
    pub(crate) requirement: VersionReq,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("request"),
            Self::Bucket(bucket) => write!(f, "{bucket}"),
            Self::Part(bucket, part) => write!(f, "{bucket}/{part}"),
            Self::Wide(wide) => write!(f, "{} {}", wide.package, wide.requirement),
            Self::WidePart(wide, part) => write!(f, "{} {}/{part}", wide.package, wide.requirement),
            Self::Links(library) => write!(f, "links {library}"),
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.package, self.number)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Feature(name) => f.write_str(name),
            Self::Dependency(name) => write!(f, "dep:{name}"),
        }
    }
}
