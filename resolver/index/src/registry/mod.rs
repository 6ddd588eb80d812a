//! [`Registry`]: one index, its archives and what is known of them on this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use orlop_recipes::{PackageName, Version, VersionReq};
use orlop_resolver::{Index, IndexError, Package, Release};
use rayon::prelude::*;
use reqwest::Url;
use sha2::{Digest as _, Sha256};

use crate::cache::{Cache, Known, Validators};
use crate::download::{Archive, Downloads, hex};
use crate::error::{DownloadError, HttpError, IndexFileError, OpenError, Reason, TemplateError};
use crate::facts::Facts;
use crate::http::{Answer, Body, Http, Patience};
use crate::progress::Progress;
use crate::source::{Source, check_address, index_address, without_credentials};
use crate::template::{Place, Template};
use crate::{archive, entry, files, manifest, prefetch, similar};

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
    /// Whether requests are forbidden.
    pub offline: bool,
    /// The time of this run: what is fetched now is complete up to it.
    pub now: Timestamp,
    /// Releases published later are not shown.
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
}

/// What this process knows already.
type Memo<K, V> = Mutex<BTreeMap<K, V>>;

/// Where the index is.
#[derive(Debug)]
enum Origin {
    Network { address: Url, cache: Cache },
    Folder(Utf8PathBuf),
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
        let network = |address: &str| -> Result<Origin, OpenError> {
            let address = index_address(address)?;
            let cache = Cache::new(index.join(folder_name(&address)));
            Ok(Origin::Network { address, cache })
        };
        let origin = match options.source {
            Source::CratesIo => network(tame_index::CRATES_IO_HTTP_INDEX)?,
            Source::Sparse(address) => network(&address)?,
            Source::Directory(path) if path.join(CONFIG).is_file() => Origin::Folder(path),
            Source::Directory(path) => return Err(OpenError::NotARegistry { path }),
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
        })
    }

    /// Gets the entries that a resolver is likely to ask for, in parallel: the newest fitting
    /// releases of `roots`, of what they need, and so on. Failures are left to those who ask.
    pub fn prefetch(&self, roots: &[(PackageName, VersionReq)]) {
        prefetch::walk(roots, &|name| self.ahead(name));
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
            let url = Url::parse(address)
                .map_err(|error| refuse(address.to_owned(), error.to_string()))?;
            check_address(&url)
                .map_err(|reason| refuse(without_credentials(&url), reason.to_owned()))?;
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
            Origin::Folder(folder) => Some(folder.as_path()),
            Origin::Network { .. } => None,
        };
        let template = Template::parse(body, &file.shown, folder)?;
        self.remember(CONFIG, file.news)?;
        put(&self.template, (), template.clone());
        Ok(template)
    }

    /// Reads an entry before anybody needs it. Once the network is lost, it is not tried again.
    fn ahead(&self, name: &PackageName) -> Option<Arc<[Release]>> {
        if self.is_lost.load(Ordering::Relaxed) {
            return None;
        }
        let read = self.entry_of(name);
        if let Err(Reason::Http(HttpError::Connection { .. })) = &read {
            self.is_lost.store(true, Ordering::Relaxed);
        }
        read.inspect_err(|error| tracing::debug!(package = %name, %error, "not read ahead"))
            .ok()
    }

    /// Returns the releases of a package as the index has them today.
    fn entry(&self, name: &PackageName) -> Result<Vec<Release>, Reason> {
        let path = entry::path(name);
        let mut file = self.index_file(&path)?;
        let parsed = entry::releases(name, file.body.as_deref().unwrap_or_default());
        let releases = parsed.map_err(|source| Reason::Entry {
            address: file.shown.clone(),
            source,
        })?;
        if let Some(news) = file.news.take() {
            self.remember(&path, Some(news))?;
            self.progress.entry(name);
        }
        Ok(releases)
    }

    /// Returns a file of the index, from the cache if that is known to be new enough.
    fn index_file(&self, path: &str) -> Result<IndexFile, IndexFileError> {
        let (address, cache) = match &self.origin {
            Origin::Network { address, cache } => (address, cache),
            Origin::Folder(folder) => {
                let path = folder.join(path);
                let body = files::read(&path)?;
                return Ok(IndexFile {
                    shown: path.into_string(),
                    body,
                    news: None,
                });
            }
        };
        let known = cache.load(path)?;
        let shown = format!("{address}{path}");
        // Whatever was published until the snapshot is in a file fetched later.
        let is_new_enough = |known: &Known| self.offline || known.fetched >= self.snapshot;
        match known {
            Some(known) if is_new_enough(&known) => Ok(IndexFile {
                shown,
                body: known.body,
                news: None,
            }),
            _ if self.offline => Err(IndexFileError::Offline),
            known => {
                let news = self.fetch(&shown, known)?;
                Ok(IndexFile {
                    shown,
                    body: news.body.clone(),
                    news: Some(news),
                })
            }
        }
    }

    /// Asks the network for a file of the index, `known` from an earlier time.
    fn fetch(&self, address: &str, known: Option<Known>) -> Result<Known, HttpError> {
        let url = Url::parse(address).expect("an address with a path of plain characters");
        // That there was no such file is nothing a server can confirm.
        let known = known.filter(|known| known.body.is_some());
        let validators = known
            .as_ref()
            .map(|known| known.validators.clone())
            .unwrap_or_default();
        let mut take = |body: Body| {
            let validators = body.validators();
            let mut bytes = Vec::new();
            body.read(ENTRY_LIMIT, &mut |part| {
                bytes.extend_from_slice(part);
                Ok(())
            })?;
            Ok((validators, bytes))
        };
        let fetched = self.now;
        match (self.http.get(&url, &validators, &mut take)?, known) {
            (Answer::Found((validators, bytes)), _) => Ok(Known {
                fetched,
                validators,
                body: Some(bytes),
            }),
            (Answer::Unchanged, Some(known)) => Ok(Known { fetched, ..known }),
            // An answer to a question that was not put.
            (Answer::Unchanged, None) => Err(HttpError::Status {
                address: url.into(),
                status: 304,
                tries: 1,
            }),
            (Answer::Absent, _) => Ok(Known {
                fetched,
                validators: Validators::default(),
                body: None,
            }),
        }
    }

    fn remember(&self, path: &str, news: Option<Known>) -> std::io::Result<()> {
        match (&self.origin, news) {
            (Origin::Network { cache, .. }, Some(news)) => cache.store(path, &news),
            _ => Ok(()),
        }
    }

    fn read_package(&self, name: &PackageName, version: &Version) -> Result<Package, Reason> {
        let releases = self.entry_of(name)?;
        let release = releases
            .iter()
            .find(|release| release.version == *version)
            .ok_or_else(|| Reason::NoSuchRelease {
                version: version.clone(),
            })?;
        if let Some(package) = self.facts.load(release)? {
            return Ok(package);
        }
        let folder = format!("{name}-{version}");
        let text = version.to_string();
        let wanted = Archive {
            name: name.as_str(),
            version: &text,
            checksum: &release.checksum,
        };
        let path = self.download(&wanted)?;
        let contents = archive::read(&path, &folder).map_err(|source| Reason::Archive {
            path: path.clone(),
            source,
        })?;
        let package = manifest::package(name, version, &contents)?;
        self.facts.store(release, &package)?;
        Ok(package)
    }

    /// Returns the releases of a package that the snapshot holds.
    fn entry_of(&self, name: &PackageName) -> Result<Arc<[Release]>, Reason> {
        if let Some(releases) = get(&self.entries, name) {
            return Ok(releases);
        }
        let mut releases = self.entry(name)?;
        releases.retain(|release| release.published.is_none_or(|time| time <= self.snapshot));
        let releases: Arc<[Release]> = releases.into();
        put(&self.entries, name.clone(), releases.clone());
        Ok(releases)
    }
}

impl Index for Registry<'_> {
    fn releases(&self, name: &PackageName) -> Result<Arc<[Release]>, IndexError> {
        self.entry_of(name).map_err(|reason| IndexError {
            action: format!("read the index entry of `{name}`"),
            source: reason.into(),
        })
    }

    fn expect_releases(&self, names: &[PackageName]) -> Result<(), IndexError> {
        let unknown: Vec<_> = names
            .iter()
            .filter(|name| get(&self.entries, name).is_none())
            .collect();
        prefetch::many(|| unknown.par_iter().for_each(|name| drop(self.ahead(name))));
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

    fn expect(&self, wanted: &[(PackageName, Version)]) -> Result<(), IndexError> {
        let wanted: BTreeSet<_> = wanted.iter().collect();
        prefetch::many(|| {
            let all = wanted
                .par_iter()
                .map(|(name, version)| self.package(name, version).map(drop));
            // The first failure in the order of names, whichever came first in time.
            all.collect::<Vec<_>>().into_iter().collect()
        })
    }

    fn similar(&self, name: &PackageName) -> Vec<PackageName> {
        let mut names = match &self.origin {
            Origin::Folder(folder) => similar::names_in(folder, name, &|file| entry::name(&file)),
            Origin::Network { cache, .. } => similar::names_in(cache.folder(), name, &|file| {
                entry::name(&crate::cache::decode(file)?.body?)
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

/// Returns a folder name for an index: its host for people, a digest against confusion.
fn folder_name(address: &Url) -> String {
    let digest = hex(&Sha256::digest(address.as_str())[..8]);
    format!(
        "{}-{digest}",
        address
            .host_str()
            .unwrap_or_default()
            .replace(['[', ']', ':'], "_")
    )
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
