//! [`Registry`]: one index, its archives and what is known of them on this machine.
//!
//! | module | holds |
//! |---|---|
//! | `mod` | opening, archives, manifests |
//! | `entries` | index entries, from the cache or from afar |

mod entries;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use orlop_recipes::{PackageName, Version, VersionReq};
use orlop_resolver::{Index, IndexError, Package, Release};
use rayon::prelude::*;
use reqwest::Url;
use sha2::{Digest as _, Sha256};

use crate::archive::Contents;
use crate::cache::{self, Cache, Known};
use crate::download::{Archive, Downloads, hex};
use crate::error::{ArchiveError, DownloadError, OpenError, Reason, TemplateError};
use crate::facts::Facts;
use crate::http::{Http, Patience};
use crate::progress::Progress;
use crate::source::{Source, check_address, index_address, shown};
use crate::template::{Place, Template};
use crate::{archive, compact, entry, manifest, prefetch, similar};

/// The largest index entry.
const ENTRY_LIMIT: u64 = 32 * 1024 * 1024;

/// The file in which an index describes itself.
const CONFIG: &str = "config.json";

/// How a registry is opened.
pub struct RegistryOptions<'a> {
    /// Orlop's folder; `index` and `downloads` inside it are used.
    pub home: &'a Utf8Path,
    /// Which registry.
    pub source: Source,
    /// Where archives come from when the source is a folder that does not say.
    pub archives: Source,
    /// Whether requests are forbidden.
    pub offline: bool,
    /// The time of this run: what is fetched now is complete up to it.
    pub now: Timestamp,
    /// What was published until then must be seen: entries fetched earlier are asked for again.
    pub snapshot: Timestamp,
    /// Names that may be suggested beside those met in the index.
    pub known: Vec<PackageName>,
    /// How long to wait for servers.
    pub patience: Patience,
    /// Who is told about transfers.
    pub progress: &'a dyn Progress,
}

/// A registry: the resolver's [`Index`], and the place archives come from.
pub struct Registry<'a> {
    origin: Origin,
    offline: bool,
    now: Timestamp,
    snapshot: Timestamp,
    known: Vec<PackageName>,
    progress: &'a dyn Progress,
    http: Http,
    facts: Facts,
    downloads: Downloads,
    entries: Memo<PackageName, Arc<[Release]>>,
    packages: Memo<(PackageName, Version), Arc<Package>>,
    template: Memo<(), Template>,
    /// Whether reading ahead has found that there is no network.
    is_lost: AtomicBool,
    /// Entries from before the snapshot that had to do, and when they were fetched.
    stale: Memo<PackageName, Timestamp>,
    /// Of the entries that were asked for, the time up to which all are complete.
    complete: Mutex<Timestamp>,
}

/// What this process knows already.
type Memo<K, V> = Mutex<BTreeMap<K, V>>;

/// Where the index is.
#[derive(Debug)]
enum Origin {
    Network {
        address: Url,
        cache: Cache,
    },
    Folder {
        folder: Utf8PathBuf,
        cache: Cache,
        /// The index that tells where archives are, and its cache, if the folder does not.
        archives: Option<(Url, Cache)>,
    },
}

/// A file of an index.
struct IndexFile {
    /// Where it came from, for messages.
    shown: String,
    /// Nothing if the index does not have it.
    body: Option<Vec<u8>>,
    /// What to remember of it once it has proved sound; nothing if it is remembered already.
    news: Option<Known>,
}

impl<'a> Registry<'a> {
    /// Opens a registry. No request is made yet.
    pub fn open(options: RegistryOptions<'a>) -> Result<Self, OpenError> {
        let index = options.home.join("index");
        fs_err::create_dir_all(&index).map_err(OpenError::Cache)?;
        let origin = match options.source {
            Source::CratesIo => Origin::network(&index, tame_index::CRATES_IO_HTTP_INDEX)?,
            Source::Sparse(address) => Origin::network(&index, &address)?,
            Source::Directory(folder) => Origin::folder(&index, folder, &options.archives)?,
        };
        Ok(Self {
            origin,
            offline: options.offline,
            now: options.now,
            snapshot: options.snapshot,
            known: options.known,
            progress: options.progress,
            http: Http::new(options.patience),
            facts: Facts::new(index.join("packages")),
            downloads: Downloads::new(options.home.join("downloads")),
            entries: Memo::default(),
            packages: Memo::default(),
            template: Memo::default(),
            is_lost: AtomicBool::new(false),
            stale: Memo::default(),
            complete: Mutex::new(options.snapshot),
        })
    }

    /// Gets the entries that a resolver is likely to ask for, in parallel: the newest fitting
    /// releases of `roots`, of what they need, and so on. Failures are left to those who ask.
    pub fn prefetch(&self, roots: &[(PackageName, VersionReq)]) {
        prefetch::walk(roots, self.snapshot, &|name| self.ahead(name));
    }

    /// Has somebody ask, and returns with what comes of it the time up to which the entries that
    /// were asked for are complete. That is the snapshot, unless the network may not be asked for
    /// newer entries than there are.
    pub fn dated<T>(&self, ask: impl FnOnce() -> T) -> (T, Timestamp) {
        let complete = || self.complete.lock().unwrap_or_else(PoisonError::into_inner);
        *complete() = self.snapshot;
        let answer = ask();
        let time = *complete();
        (answer, time)
    }

    /// Returns the file of an archive if it is on this machine and is what was promised.
    pub fn cached(&self, archive: &Archive<'_>) -> Result<Option<Utf8PathBuf>, DownloadError> {
        self.downloads.present(archive)
    }

    /// Returns the file of an archive of this registry, downloading it if need be.
    pub fn download(&self, archive: &Archive<'_>) -> Result<Utf8PathBuf, DownloadError> {
        self.bring(archive, &|| {
            let failed = |source| DownloadError::Template {
                name: archive.title(),
                source,
            };
            self.template()
                .and_then(|template| template.place(archive))
                .map_err(failed)
        })
    }

    /// Returns the file of an archive that somebody else publishes at `address`.
    pub fn download_from(
        &self,
        archive: &Archive<'_>,
        address: &str,
    ) -> Result<Utf8PathBuf, DownloadError> {
        self.bring(archive, &|| {
            let refuse = |address: String, reason: String| DownloadError::Address {
                name: archive.title(),
                address,
                reason,
            };
            let url =
                Url::parse(address).map_err(|error| refuse(shown(address), error.to_string()))?;
            check_address(&url).map_err(|reason| refuse(shown(address), reason.to_owned()))?;
            Ok(Place::Address(url))
        })
    }

    fn bring(
        &self,
        archive: &Archive<'_>,
        place: &dyn Fn() -> Result<Place, DownloadError>,
    ) -> Result<Utf8PathBuf, DownloadError> {
        if let Some(path) = self.downloads.present(archive)? {
            return Ok(path);
        }
        let place = match place() {
            Err(DownloadError::Template {
                source: TemplateError::Offline,
                name,
            }) => {
                return Err(DownloadError::Offline { name });
            }
            other => other?,
        };
        if self.offline && matches!(place, Place::Address(_)) {
            return Err(DownloadError::Offline {
                name: archive.title(),
            });
        }
        self.downloads
            .bring(archive, &place, &self.http, self.progress)
    }

    fn template(&self) -> Result<Template, TemplateError> {
        if let Some(template) = get(&self.template, &()) {
            return Ok(template);
        }
        let file = self.index_file(CONFIG)?;
        let Some(body) = &file.body else {
            return Err(TemplateError::Absent {
                address: file.shown,
            });
        };
        let folder = match &self.origin {
            Origin::Folder {
                folder,
                archives: None,
                ..
            } => Some(folder.as_path()),
            Origin::Folder { .. } | Origin::Network { .. } => None,
        };
        let template = Template::parse(body, &file.shown, folder)?;
        self.remember(CONFIG, file.news)?;
        put(&self.template, (), template.clone());
        Ok(template)
    }

    fn read_package(&self, name: &PackageName, version: &Version) -> Result<Package, Reason> {
        let release = &self.release(name, version)?;
        if let Some(package) = self.facts.load(release)? {
            return Ok(package);
        }
        let contents = self.contents(release)?;
        let package = manifest::package(name, version, &contents)?;
        self.facts.store(release, &package)?;
        Ok(package)
    }

    fn release(&self, name: &PackageName, version: &Version) -> Result<Release, Reason> {
        let releases = self.entry_of(name)?;
        let release = releases.iter().find(|release| release.version == *version);
        release.cloned().ok_or_else(|| Reason::NoSuchRelease {
            version: version.clone(),
        })
    }

    /// Whether a manifest can be had without its archive. If so, it is in memory afterwards.
    fn is_package_at_hand(&self, name: &PackageName, version: &Version) -> bool {
        let key = (name.clone(), version.clone());
        if get(&self.packages, &key).is_some() {
            return true;
        }
        let known = match get(&self.entries, name) {
            Some(releases) => {
                let release = releases.iter().find(|release| release.version == *version);
                release.and_then(|release| self.facts.load(release).ok().flatten())
            }
            None => None,
        };
        let is_known = known.is_some();
        if let Some(package) = known {
            put(&self.packages, key, Arc::new(package));
        }
        is_known
    }

    /// Reads the archive of a release, downloading it if need be.
    fn contents(&self, release: &Release) -> Result<Contents, Reason> {
        let Release { name, version, .. } = release;
        let path = self.archive(release)?;
        archive::read(&path, &format!("{name}-{version}"))
            .map_err(|source| Reason::Archive { path, source })
    }

    /// Returns the file of the archive of a release.
    fn archive(&self, release: &Release) -> Result<Utf8PathBuf, DownloadError> {
        self.download(&Archive {
            name: release.name.as_str(),
            version: &release.version.to_string(),
            checksum: &release.checksum.to_string(),
        })
    }

    fn read_lock(&self, name: &PackageName, version: &Version) -> Result<Option<String>, Reason> {
        let release = self.release(name, version)?;
        let lock = self.contents(&release)?.lock.transpose();
        lock.or_else(|error| {
            Err(Reason::Archive {
                path: self.archive(&release)?,
                source: ArchiveError::NotText(error),
            })
        })
    }
}

impl Index for Registry<'_> {
    fn releases(&self, name: &PackageName) -> Result<Arc<[Release]>, IndexError> {
        let releases = self.entry_of(name).map_err(|reason| IndexError {
            action: format!("read the index entry of `{name}`"),
            source: reason.into(),
        })?;
        if let Some(fetched) = get(&self.stale, name) {
            let mut complete = self.complete.lock().unwrap_or_else(PoisonError::into_inner);
            *complete = fetched.min(*complete);
        }
        Ok(releases)
    }

    fn expect_releases(&self, names: &[PackageName]) -> Result<(), IndexError> {
        let far: Vec<_> = names.iter().filter(|name| !self.is_at_hand(name)).collect();
        if !far.is_empty() {
            prefetch::many(|| far.par_iter().for_each(|name| drop(self.ahead(name))));
        }
        Ok(())
    }

    fn package(&self, name: &PackageName, version: &Version) -> Result<Arc<Package>, IndexError> {
        let key = (name.clone(), version.clone());
        if let Some(package) = get(&self.packages, &key) {
            return Ok(package);
        }
        let package = self
            .read_package(name, version)
            .map(Arc::new)
            .map_err(|reason| {
                let action = format!("read the manifest of `{name} {version}`");
                IndexError {
                    action,
                    source: reason.into(),
                }
            })?;
        put(&self.packages, key, package.clone());
        Ok(package)
    }

    fn published_lock(
        &self,
        name: &PackageName,
        version: &Version,
    ) -> Result<Option<String>, IndexError> {
        self.read_lock(name, version).map_err(|reason| IndexError {
            action: format!("read the `Cargo.lock` of `{name} {version}`"),
            source: reason.into(),
        })
    }

    fn expect(&self, wanted: &[(PackageName, Version)]) -> Result<(), IndexError> {
        let wanted: BTreeSet<_> = wanted.iter().collect();
        // Threads are for what takes time: they would only be in each other's way here.
        let far: Vec<_> = wanted
            .into_iter()
            .filter(|(name, version)| !self.is_package_at_hand(name, version))
            .collect();
        if far.is_empty() {
            return Ok(());
        }
        prefetch::many(|| {
            let all = far
                .par_iter()
                .map(|(name, version)| self.package(name, version).map(drop));
            // The first failure in the order of names, whichever came first in time.
            all.collect::<Vec<_>>().into_iter().collect()
        })
    }

    fn similar(&self, name: &PackageName) -> Vec<PackageName> {
        let mut names = match &self.origin {
            Origin::Folder { folder, .. } => {
                similar::names_in(folder, name, &|file| entry::name(&file))
            }
            Origin::Network { cache, .. } => similar::names_in(cache.folder(), name, &|file| {
                compact::name(&cache::decode(file)?.body?)
            }),
        };
        names.extend(self.known.iter().cloned());
        let twins = similar::twins(name).into_iter().filter(|twin| {
            self.entry_of(twin)
                .is_ok_and(|releases| !releases.is_empty())
        });
        similar::best(name, twins.collect(), names)
    }
}

impl Origin {
    fn network(index: &Utf8Path, address: &str) -> Result<Self, OpenError> {
        let (address, cache) = network(index, address)?;
        Ok(Self::Network { address, cache })
    }

    fn folder(index: &Utf8Path, folder: Utf8PathBuf, archives: &Source) -> Result<Self, OpenError> {
        if !folder.is_dir() {
            return Err(OpenError::NoFolder { path: folder });
        }
        let says = folder.join(CONFIG).is_file();
        if !says && !has_entries(&folder) {
            return Err(OpenError::NotARegistry { path: folder });
        }
        let archives = match archives {
            Source::CratesIo if !says => Some(network(index, tame_index::CRATES_IO_HTTP_INDEX)?),
            Source::Sparse(address) if !says => Some(network(index, address)?),
            _ => None,
        };
        let name = folder.file_name().unwrap_or_default();
        let cache = Cache::new(index.join(folder_name(name, folder.as_str())));
        Ok(Self::Folder {
            folder,
            cache,
            archives,
        })
    }
}

/// Returns the address of an index on the network, and its cache.
fn network(index: &Utf8Path, address: &str) -> Result<(Url, Cache), OpenError> {
    let address = index_address(address)?;
    let host = address.host_str().unwrap_or_default();
    let cache = Cache::new(index.join(folder_name(host, address.as_str())));
    Ok((address, cache))
}

/// Whether a folder looks like an index: entries lie in `1`, `2`, `3` and in `ab/cd`.
fn has_entries(folder: &Utf8Path) -> bool {
    let entries = folder.read_dir_utf8().into_iter().flatten().flatten();
    entries
        .into_iter()
        .any(|entry| entry.file_name().len() <= 2 && entry.path().is_dir())
}

/// Returns a folder name for an index: a name for people, a digest of its place against confusion.
fn folder_name(name: &str, place: &str) -> String {
    let digest = hex(&Sha256::digest(place)[..8]);
    format!("{}-{digest}", name.replace(['[', ']', ':'], "_"))
}

fn get<K: Ord, V: Clone>(memo: &Memo<K, V>, key: &K) -> Option<V> {
    memo.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(key)
        .cloned()
}

fn put<K: Ord, V>(memo: &Memo<K, V>, key: K, value: V) {
    memo.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(key, value);
}

#[cfg(test)]
mod tests;
