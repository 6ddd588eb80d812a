//! Why a request has no answer: [`ResolveError`], and what the user can do about it.

use std::fmt;

use jiff::Timestamp;
use orlop_recipes::{FeatureName, NameError, PackageName, Version, VersionReq};

use crate::index::IndexError;
use crate::platform::TargetError;
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
    /// A package of another registry is needed: one registry is asked, and a package of the same
    /// name there may be anybody's.
    #[error("`{package}` is of another registry, `{registry}`{chain:#}")]
    OtherRegistry {
        /// The package.
        package: PackageName,
        /// The registry that it is to come from, as its dependent says.
        registry: String,
        /// Who asked for it.
        chain: Chain,
    },
    /// Two packages link one native library.
    #[error(
        "the native library `{library}` would be linked twice:\n  because {first} links it\n      \
         and {second} links it;\n  therefore no program can hold both"
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
    #[error("no set of versions fits `{app} {version}`:{}", argument(.facts, .contested))]
    Conflict {
        /// The app.
        app: PackageName,
        /// Its release.
        version: Version,
        /// The requirements that cannot hold together, from the app inwards.
        facts: Vec<String>,
        /// The packages they are about, nearest to the app first.
        contested: Vec<PackageName>,
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
        source: Box<TargetError>,
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
    Yanked {
        /// They.
        versions: Vec<Version>,
        /// The newest release that may be chosen, if there is one.
        newest: Option<Version>,
    },
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
    /// Features that look like it, best first.
    Similar(Vec<FeatureName>),
    /// All features that there are: none of them looks like it.
    Others(Vec<FeatureName>),
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
    /// The way from the app to it.
    pub chain: Chain,
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
            Instead::Yanked { versions, .. } => {
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
            FeatureInstead::Similar(_) | FeatureInstead::Others(_) => "",
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
    /// Whether the app that was asked for is there, and cannot be had for a reason inside it.
    pub(crate) fn is_inside(&self) -> bool {
        match self {
            Self::UnknownPackage { chain, .. } => !chain.is_empty(),
            Self::NoVersion(error) => !error.chain.is_empty(),
            Self::NoFeature(error) => !error.chain.is_empty(),
            Self::OtherRegistry { .. }
            | Self::Links { .. }
            | Self::Conflict { .. }
            | Self::NeedsCompiler { .. }
            | Self::Cycle { .. }
            | Self::Platform { .. }
            | Self::FeatureName { .. } => true,
            Self::PublishedLock(_) | Self::Index(_) => false,
        }
    }

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
                format!(
                    "import rustc {needs} or newer: `rustup toolchain install {needs} && orlop \
                     compiler add {needs} && orlop compiler default {needs}`"
                )
            }),
            Self::PublishedLock(error) => Some(error.hint()),
            Self::OtherRegistry { .. }
            | Self::Links { .. }
            | Self::Conflict { .. }
            | Self::Cycle { .. }
            | Self::Platform { .. }
            | Self::FeatureName { .. }
            | Self::Index(_) => None,
        };
        hint.into_iter().collect()
    }
}

/// How many features are told of one that has none of the name that is wanted.
const MOST_FEATURES: usize = 20;

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
            FeatureInstead::Others(features) if chain.is_empty() => {
                let names = features.iter().map(FeatureName::as_str);
                let names: Vec<_> = names.filter(|name| *name != "default").collect();
                let shown = names.iter().take(MOST_FEATURES).copied();
                let shown = shown.collect::<Vec<_>>().join(", ");
                Some(match names.len() {
                    0 => format!("`{package} {version}` has no features to switch on"),
                    1..=MOST_FEATURES => format!("its features: {shown}"),
                    all => format!("its features: {shown} and {} more", all - MOST_FEATURES),
                })
            }
            FeatureInstead::Others(_) => None,
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
            Instead::Other { newest, .. }
            | Instead::Yanked {
                newest: Some(newest),
                ..
            } if self.chain.is_empty() => Some(format!(
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

/// Returns the newest compiler that is asked for, as the whole name of a release.
fn newest_need(packages: &[TooNew]) -> Option<String> {
    let number = |text: &str| {
        let mut parts = text.split('.').map_while(|part| part.parse::<u64>().ok());
        let mut next = || parts.next().unwrap_or(0);
        (next(), next(), next())
    };
    let newest = packages.iter().map(|package| number(&package.needs)).max();
    newest.map(|(major, minor, patch)| format!("{major}.{minor}.{patch}"))
}

fn too_new(packages: &[TooNew]) -> String {
    const SHOWN: usize = 5;
    let one = |package: &TooNew| format!("`{}` (needs {})", package.chain, package.needs);
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

/// Says because of what there is no choice of packages left.
fn argument(facts: &[String], contested: &[PackageName]) -> String {
    let mut text = String::new();
    for (place, fact) in facts.iter().enumerate() {
        let word = if place == 0 { "  because" } else { "      and" };
        text.push('\n');
        text.push_str(word);
        text.push(' ');
        text.push_str(fact);
    }
    let packages: Vec<String> = contested.iter().map(|name| format!("`{name}`")).collect();
    let left = match packages.as_slice() {
        [] => "nothing is left to choose".to_owned(),
        [one] => format!("no release of {one} is left that suits all"),
        many => format!("no choice of {} is left that suits all", many.join(", ")),
    };
    text + ";\n  therefore " + &left
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
