//! Policy `locked`: the versions of the `Cargo.lock` that an app is published with.

use std::collections::BTreeMap;
use std::fmt;

use cargo_lock::Lockfile;
use orlop_recipes::{PackageName, Version, VersionReq};

use crate::error::ResolveError;
use crate::index::{Index, IndexError};
use crate::request::Request;
use crate::resolution::{Resolution, Variant};
use crate::{resolve, versions};

/// Why the lock file that an app is published with cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedLockError {
    /// The app.
    pub app: PackageName,
    /// Its release.
    pub version: Version,
    /// What is wrong.
    pub trouble: LockTrouble,
}

/// What is wrong with a published lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockTrouble {
    /// There is none.
    Missing,
    /// It is not one.
    Unreadable(String),
    /// It holds a version that the index does not have.
    NotInIndex {
        /// The package.
        package: PackageName,
        /// Its version in the lock.
        version: Version,
        /// A version that the index has and the requirements allow.
        nearest: Version,
    },
    /// It lacks something that is needed.
    Incomplete {
        /// The package.
        package: PackageName,
        /// What would be chosen.
        version: Version,
    },
    /// It means another archive than the index has.
    OtherArchive {
        /// The package.
        package: PackageName,
        /// Its version.
        version: Version,
        /// The SHA-256 in the lock.
        locked: String,
        /// That of the index.
        index: String,
    },
    /// It takes a package from elsewhere than the registry.
    Elsewhere {
        /// The package.
        package: String,
        /// Where from.
        source: String,
    },
}

impl fmt::Display for PublishedLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            app,
            version,
            trouble,
        } = self;
        let lock = format!("the `Cargo.lock` that `{app} {version}` is published with");
        match trouble {
            LockTrouble::Missing => {
                write!(f, "`{app} {version}` is published without a `Cargo.lock`")
            }
            LockTrouble::Unreadable(reason) => write!(f, "{lock} cannot be read: {reason}"),
            LockTrouble::NotInIndex {
                package,
                version,
                nearest,
            } => write!(
                f,
                "{lock} names `{package} {version}`, which the index does not have; \
                 {nearest} would fit"
            ),
            LockTrouble::Incomplete { package, version } => {
                write!(f, "{lock} lacks `{package}`, of which {version} would fit")
            }
            LockTrouble::OtherArchive {
                package,
                version,
                locked,
                index,
            } => write!(
                f,
                "{lock} names `{package} {version}` with the SHA-256 {locked}, but the index has \
                 {index}"
            ),
            LockTrouble::Elsewhere { package, source } => write!(
                f,
                "{lock} takes `{package}` from `{source}`, which is not a registry"
            ),
        }
    }
}

impl PublishedLockError {
    pub(crate) fn hint(&self) -> String {
        format!(
            "take the newest versions that fit: `orlop install {} --policy latest`",
            self.app
        )
    }
}

/// Finds the variants an app is compiled from when its own lock file decides on versions. What it
/// locks is taken even if it was withdrawn since.
pub fn resolve_locked(request: &Request, index: &dyn Index) -> Result<Resolution, ResolveError> {
    let version = versions::app_version(request, index)?;
    let trouble = |trouble| {
        ResolveError::PublishedLock(Box::new(PublishedLockError {
            app: request.app.clone(),
            version: version.clone(),
            trouble,
        }))
    };
    let text = index
        .published_lock(&request.app, &version)?
        .ok_or_else(|| trouble(LockTrouble::Missing))?;
    let lock = Locked::read(&text, &request.app).map_err(&trouble)?;
    let mut asked = request.clone();
    asked.requirement = exactly(&version);
    asked.preferred = lock.versions.clone();
    let resolution = resolve(&asked, index)?;
    match lock.trouble(&resolution, index)? {
        None => Ok(resolution),
        Some(found) => Err(trouble(found)),
    }
}

/// Returns the requirement that one version matches.
pub fn exactly(version: &Version) -> VersionReq {
    let comparator = semver::Comparator {
        op: semver::Op::Exact,
        major: version.major,
        minor: Some(version.minor),
        patch: Some(version.patch),
        pre: version.pre.clone(),
    };
    VersionReq {
        comparators: vec![comparator],
    }
}

/// What a lock file says.
struct Locked {
    versions: BTreeMap<PackageName, Vec<Version>>,
    /// The SHA-256 of archives, where it says so.
    checksums: BTreeMap<(PackageName, Version), String>,
    /// Packages that do not come from the registry, and where from.
    elsewhere: BTreeMap<String, String>,
}

impl Locked {
    fn read(text: &str, app: &PackageName) -> Result<Self, LockTrouble> {
        let unreadable = |error: &dyn fmt::Display| {
            LockTrouble::Unreadable(error.to_string().escape_debug().take(200).collect())
        };
        let file: Lockfile = text
            .parse()
            .map_err(|error: cargo_lock::Error| unreadable(&error))?;
        let mut locked = Self {
            versions: BTreeMap::new(),
            checksums: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
        };
        for package in file.packages {
            match &package.source {
                Some(source) if source.is_remote_registry() => {
                    let name: PackageName = package
                        .name
                        .as_str()
                        .parse()
                        .map_err(|error| unreadable(&error))?;
                    if let Some(checksum) = &package.checksum {
                        let release = (name.clone(), package.version.clone());
                        locked.checksums.insert(release, checksum.to_string());
                    }
                    locked
                        .versions
                        .entry(name)
                        .or_default()
                        .push(package.version);
                }
                // The app itself, and what lay beside it.
                None if package.name.as_str() == app.as_str() => {}
                None => {
                    let here = "its own folder".to_owned();
                    locked.elsewhere.insert(package.name.to_string(), here);
                }
                Some(source) => {
                    let name = package.name.to_string();
                    locked.elsewhere.insert(name, source.to_string());
                }
            }
        }
        Ok(locked)
    }

    /// Tells when the lock means another archive than that of the index.
    fn other_archive(&self, variant: &Variant) -> Option<LockTrouble> {
        let release = (variant.name.clone(), variant.version.clone());
        let locked = self.checksums.get(&release)?;
        (*locked != variant.checksum).then(|| LockTrouble::OtherArchive {
            package: variant.name.clone(),
            version: variant.version.clone(),
            locked: locked.clone(),
            index: variant.checksum.clone(),
        })
    }

    /// Finds the first variant that the lock does not hold.
    fn trouble(
        &self,
        resolution: &Resolution,
        index: &dyn Index,
    ) -> Result<Option<LockTrouble>, IndexError> {
        let app = resolution.root;
        for node in resolution.graph.node_indices().filter(|node| *node != app) {
            let variant = &resolution.graph[node];
            let locked = self
                .versions
                .get(&variant.name)
                .map_or(&[][..], Vec::as_slice);
            if locked.contains(&variant.version) {
                match self.other_archive(variant) {
                    None => continue,
                    found => return Ok(found),
                }
            }
            if let Some(source) = self.elsewhere.get(variant.name.as_str()) {
                return Ok(Some(LockTrouble::Elsewhere {
                    package: variant.name.to_string(),
                    source: source.escape_debug().to_string(),
                }));
            }
            let known = index.releases(&variant.name)?;
            let unknown = locked.iter().find(|version| {
                versions::bucket(version) == versions::bucket(&variant.version)
                    && !known.iter().any(|release| release.version == **version)
            });
            let (package, nearest) = (variant.name.clone(), variant.version.clone());
            return Ok(Some(match unknown {
                Some(version) => LockTrouble::NotInIndex {
                    package,
                    version: version.clone(),
                    nearest,
                },
                None => LockTrouble::Incomplete {
                    package,
                    version: nearest,
                },
            }));
        }
        Ok(None)
    }
}
