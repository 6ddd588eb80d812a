//! Why a request has no answer: [`ResolveError`], and what the user can do about it.

use std::fmt;

use jiff::Timestamp;
use orlop_recipes::{FeatureName, NameError, PackageName, Version, VersionReq};

use crate::index::IndexError;
use crate::published::PublishedLockError;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Nobody published a package of that name.
    #[error("there is no package named `{name}`{chain:#}")]
    UnknownPackage {
        /// The name.
        name: PackageName,
        /// Who asked for it.
        chain: Chain,
        /// Names that look like it, best first.
        similar: Vec<PackageName>,
    },
    /// No release that may be chosen matches a requirement.
    #[error("{0}")]
    NoVersion(Box<NoVersion>),
    /// A release does not have a feature.
    #[error("{0}")]
    NoFeature(Box<NoFeature>),
    /// Two packages link one native library.
    #[error(
        "the native library `{library}` would be linked twice: by `{}` ({first}) and by `{}` \
         ({second})",
        .first.last(), .second.last()
    )]
    Links {
        /// The library.
        library: String,
        /// From the app to the first package that links it.
        first: Box<Chain>,
        /// From the app to the second.
        second: Box<Chain>,
    },
    /// Requirements contradict each other.
    #[error("no set of versions fits `{app} {version}`:{}", lines(.facts))]
    Conflict {
        /// The app.
        app: PackageName,
        /// Its release.
        version: Version,
        /// The requirements that cannot hold together, from the app inwards.
        facts: Vec<String>,
    },
    /// What was chosen needs a newer compiler.
    #[error("rustc {compiler} is too old for {}", too_new(.packages))]
    NeedsCompiler {
        /// The release of the compiler.
        compiler: Version,
        /// What needs a newer one.
        packages: Vec<TooNew>,
    },
    /// The lock file that an app is published with cannot be followed.
    #[error("{0}")]
    PublishedLock(Box<PublishedLockError>),
    /// Packages need each other.
    #[error("packages need each other in a circle: {}", .chain.join(" → "))]
    Cycle {
        /// The way round; the first is named again at the end.
        chain: Vec<String>,
    },
    /// A release names a platform that cannot be read.
    #[error("`{package} {version}` has a dependency for `{target}`, which cannot be read")]
    Platform {
        /// The package.
        package: PackageName,
        /// Its release.
        version: Version,
        /// The text.
        target: String,
        /// Why.
        #[source]
        source: Box<cfg_expr::ParseError>,
    },
    /// A release has a feature that is not a name.
    #[error("cannot use a feature of `{package} {version}`")]
    FeatureName {
        /// The package.
        package: PackageName,
        /// Its release.
        version: Version,
        /// Why.
        #[source]
        source: NameError,
    },
    /// The index could not answer.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// The way from the app to a package: `ripgrep 15.2.0 → grep 0.4.1`.
///
/// Empty when the user asked for the package. In a message it follows what it explains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain(pub Vec<String>);

impl Chain {
    /// Returns the name of the app, where the way begins.
    fn app(&self) -> Option<&str> {
        self.0.first()?.split(' ').next()
    }

    /// Returns the end of the way.
    pub(crate) fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// Whether the user asked for it, rather than a package.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => Ok(()),
            links if f.alternate() => write!(f, ", needed by `{}`", links.join(" → ")),
            links => f.write_str(&links.join(" → ")),
        }
    }
}

/// No release that may be chosen matches a requirement; what there is instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoVersion {
    /// The package.
    pub name: PackageName,
    /// What was asked for.
    pub requirement: VersionReq,
    /// Who asked for it.
    pub chain: Chain,
    /// What there is instead.
    pub instead: Instead,
}

/// What there is when no release matches, the most helpful fact of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instead {
    /// A release that matches, published after the snapshot.
    Later {
        /// The first such release.
        version: Version,
        /// When it was published.
        published: Timestamp,
        /// The date that was looked at.
        snapshot: Timestamp,
    },
    /// Releases that match, all yanked by their owner; newest first.
    Yanked(Vec<Version>),
    /// A pre-release that would match if it was asked for.
    PreRelease(Version),
    /// Releases that do not match: the newest, and others next to what was asked for.
    Other {
        /// The newest release.
        newest: Version,
        /// The nearest ones, the newest left out.
        nearest: Vec<Version>,
    },
    /// Nothing that may be chosen.
    Nothing,
}

/// A release does not have a feature; what there is instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoFeature {
    /// The package.
    pub package: PackageName,
    /// The release that was looked at.
    pub version: Version,
    /// The feature.
    pub feature: String,
    /// Who asked for it.
    pub chain: Chain,
    /// What there is instead.
    pub instead: FeatureInstead,
}

/// What there is when a release does not have a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeatureInstead {
    /// Features that look like it, best first, or none.
    Similar(Vec<FeatureName>),
    /// A dependency of that name that is always on.
    RequiredDependency,
    /// An optional dependency of that name, which these features switch on.
    HiddenDependency(Vec<FeatureName>),
}

/// A package that needs a newer compiler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooNew {
    /// The package.
    pub package: PackageName,
    /// Its release.
    pub version: Version,
    /// The oldest compiler it works with, as it says.
    pub needs: String,
}

impl fmt::Display for NoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            requirement,
            chain,
            instead,
        } = self;
        write!(
            f,
            "no release of `{name}` matches `{requirement}`{chain:#}: "
        )?;
        match instead {
            Instead::Later {
                version,
                published,
                snapshot,
            } => write!(
                f,
                "{version} came on {}, after the snapshot of {}",
                published.strftime("%F"),
                snapshot.strftime("%F")
            ),
            Instead::Yanked(versions) => {
                write!(f, "all that do are yanked ({})", list(versions))
            }
            Instead::PreRelease(version) => write!(f, "only the pre-release {version} comes close"),
            Instead::Other { newest, nearest } => {
                write!(f, "the newest is {newest}")?;
                if nearest.is_empty() {
                    Ok(())
                } else {
                    write!(f, "; others are {}", list(nearest))
                }
            }
            Instead::Nothing => f.write_str("it has no release that may be chosen"),
        }
    }
}

impl fmt::Display for NoFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            package,
            version,
            feature,
            chain,
            instead,
        } = self;
        write!(f, "`{package} {version}` has no feature `{feature}`")?;
        f.write_str(match instead {
            FeatureInstead::Similar(_) => "",
            FeatureInstead::RequiredDependency => {
                ", only a required dependency of that name, which is always on"
            }
            FeatureInstead::HiddenDependency(_) => {
                ", only an optional dependency of that name, which other features switch on"
            }
        })?;
        write!(f, "{chain:#}")
    }
}

impl ResolveError {
    /// Returns what the user can do, with commands that work, best first.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::UnknownPackage { chain, similar, .. } => similar.first().map(|name| {
                if chain.is_empty() {
                    format!("did you mean `{name}`? `orlop install {name}`")
                } else {
                    format!("did its author mean `{name}`?")
                }
            }),
            Self::NoVersion(error) => error.hint(),
            Self::NoFeature(error) => error.hint(),
            Self::NeedsCompiler { packages, .. } => newest_need(packages).map(|needs| {
                format!("import rustc {needs} or newer: `orlop compiler add {needs}`")
            }),
            Self::PublishedLock(error) => Some(error.hint()),
            Self::Links { first, .. } => first.app().map(tested),
            Self::Conflict { app, .. } => Some(tested(app.as_str())),
            Self::Cycle { .. }
            | Self::Platform { .. }
            | Self::FeatureName { .. }
            | Self::Index(_) => None,
        };
        hint.into_iter().collect()
    }
}

/// What may help when the newest versions do not go together.
fn tested(app: &str) -> String {
    format!("take the versions its author tested with: `orlop install {app} --policy locked`")
}

impl NoFeature {
    fn hint(&self) -> Option<String> {
        let Self {
            package,
            version,
            chain,
            instead,
            ..
        } = self;
        let command = |feature: &FeatureName| {
            if chain.is_empty() {
                format!(": `orlop install {package} --features {feature}`")
            } else {
                String::new()
            }
        };
        match instead {
            FeatureInstead::Similar(features) => features.first().map(|feature| {
                format!(
                    "`{package} {version}` has the feature `{feature}`{}",
                    command(feature)
                )
            }),
            FeatureInstead::RequiredDependency => {
                Some("leave the feature out: the dependency is there anyway".to_owned())
            }
            FeatureInstead::HiddenDependency(features) => features.first().map(|feature| {
                format!("the feature `{feature}` switches it on{}", command(feature))
            }),
        }
    }
}

impl NoVersion {
    fn hint(&self) -> Option<String> {
        let name = &self.name;
        match &self.instead {
            Instead::Later {
                version, published, ..
            } => Some(format!(
                "a snapshot of {day} or later has {name} {version}: add `--snapshot {day}`",
                day = published.strftime("%F")
            )),
            Instead::PreRelease(version) if self.chain.is_empty() => Some(format!(
                "ask for the pre-release: `orlop install {name}@{version}`"
            )),
            Instead::Other { newest, .. } if self.chain.is_empty() => Some(format!(
                "take the newest: `orlop install {name}@{}`",
                short(newest)
            )),
            _ => None,
        }
    }
}

/// Returns the shortest requirement that a release matches as its bucket's newest.
fn short(version: &Version) -> String {
    match (version.major, version.minor) {
        _ if !version.pre.is_empty() => version.to_string(),
        (0, 0) => version.to_string(),
        (0, minor) => format!("0.{minor}"),
        (major, _) => major.to_string(),
    }
}

fn newest_need(packages: &[TooNew]) -> Option<&str> {
    let number =
        |text: &str| -> Vec<u64> { text.split('.').map_while(|p| p.parse().ok()).collect() };
    packages
        .iter()
        .map(|package| package.needs.as_str())
        .max_by_key(|text| number(text))
}

fn too_new(packages: &[TooNew]) -> String {
    const SHOWN: usize = 5;
    let one = |p: &TooNew| format!("`{} {}` (needs {})", p.package, p.version, p.needs);
    let text = packages
        .iter()
        .take(SHOWN)
        .map(one)
        .collect::<Vec<_>>()
        .join(", ");
    match packages.len().saturating_sub(SHOWN) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

fn lines(facts: &[String]) -> String {
    let mut text = String::new();
    for fact in facts {
        text.push_str("\n  ");
        text.push_str(fact);
    }
    text
}

/// Lists a few versions.
pub(crate) fn list(versions: &[Version]) -> String {
    const SHOWN: usize = 3;
    let mut text: Vec<String> = versions
        .iter()
        .take(SHOWN)
        .map(Version::to_string)
        .collect();
    if versions.len() > SHOWN {
        text.push("…".to_owned());
    }
    text.join(", ")
}
