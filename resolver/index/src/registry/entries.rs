//! Index entries, from the cache where it is known to be right, else from where the index is.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use camino::Utf8Path;
use jiff::SignedDuration;
use orlop_recipes::PackageName;
use orlop_resolver::Release;
use reqwest::Url;

use super::{ENTRY_LIMIT, IndexFile, Origin, Registry, get, put};
use crate::cache::{Cache, Known, Stamp, Validators};
use crate::error::{HttpError, IndexFileError, Reason};
use crate::http::{Answer, Body};
use crate::{compact, entry, files};

/// How much later than this process others may have begun that fetch for the same home.
const SKEW: SignedDuration = SignedDuration::from_hours(1);

/// An entry of the cache.
struct Kept {
    known: Known,
    releases: Arc<[Release]>,
}

impl Kept {
    /// Returns the entry of a package; nothing if it is missing or broken.
    fn load(cache: &Cache, name: &PackageName) -> io::Result<Option<Self>> {
        let Some(known) = cache.load(&entry::cache_path(name))? else {
            return Ok(None);
        };
        let releases = match &known.body {
            Some(body) => compact::decode(name, body),
            None => Some(Arc::default()),
        };
        Ok(releases.map(|releases| Self { known, releases }))
    }
}

/// What the network says of a file of an index.
pub(super) enum News {
    /// What is known is still so.
    Same(Known),
    /// Something else, as it came.
    Other(Known),
}

impl Registry<'_> {
    /// Returns the releases of a package.
    pub(super) fn entry_of(&self, name: &PackageName) -> Result<Arc<[Release]>, Reason> {
        if let Some(releases) = get(&self.entries, name) {
            return Ok(releases);
        }
        let releases = match &self.origin {
            Origin::Network { address, cache } => self.network_entry(name, address, cache)?,
            Origin::Folder { folder, cache, .. } => self.folder_entry(name, folder, cache)?,
        };
        put(&self.entries, name.clone(), releases.clone());
        Ok(releases)
    }

    /// Whether the releases of a package can be had without the network and without reading
    /// JSON. If so, they are in memory afterwards.
    pub(super) fn is_at_hand(&self, name: &PackageName) -> bool {
        if get(&self.entries, name).is_some() {
            return true;
        }
        let (Origin::Network { cache, .. } | Origin::Folder { cache, .. }) = &self.origin;
        let Ok(Some(kept)) = Kept::load(cache, name) else {
            return false;
        };
        let is_right = match &self.origin {
            Origin::Network { .. } => self.will_do(name, &kept.known),
            Origin::Folder { folder, .. } => {
                let stamp = Stamp::of(&folder.join(entry::path(name)));
                stamp.is_ok_and(|stamp| stamp.is_some() && stamp == kept.known.validators.stamp)
            }
        };
        if is_right {
            put(&self.entries, name.clone(), kept.releases);
        }
        is_right
    }

    /// Reads an entry before anybody needs it. Once the network is lost, it is not tried again.
    pub(super) fn ahead(&self, name: &PackageName) -> Option<Arc<[Release]>> {
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

    /// Whatever was published until the snapshot is in a file fetched later. What was fetched in the
    /// future says that the clock was wrong then, or is now.
    pub(super) fn is_new_enough(&self, known: &Known) -> bool {
        let is_future = known.fetched.duration_since(self.now) > SKEW;
        self.offline || (known.fetched >= self.snapshot && !is_future)
    }

    /// Whether an entry is new enough; notes its age if it is only so because there is no other.
    fn will_do(&self, name: &PackageName, known: &Known) -> bool {
        let is_new_enough = self.is_new_enough(known);
        if is_new_enough && known.fetched < self.snapshot {
            put(&self.stale, name.clone(), known.fetched);
        }
        is_new_enough
    }

    fn network_entry(
        &self,
        name: &PackageName,
        address: &Url,
        cache: &Cache,
    ) -> Result<Arc<[Release]>, Reason> {
        let (known, kept) = match Kept::load(cache, name)? {
            Some(kept) if self.will_do(name, &kept.known) => return Ok(kept.releases),
            Some(kept) => (Some(kept.known), kept.releases),
            None => (None, Arc::default()),
        };
        if self.offline {
            return Err(Reason::Offline);
        }
        let place = format!("{address}{}", entry::path(name));
        let (known, releases) = match self.ask(&place, known)? {
            News::Same(known) => (known, kept),
            News::Other(mut known) => {
                let body = known.body.take();
                let mut releases = parse(name, body.as_deref(), place)?;
                for release in &mut releases {
                    at_home(release, address);
                }
                let releases: Arc<[_]> = releases.into();
                if body.is_some() {
                    known.body = Some(compact::encode(name, &releases).map_err(io::Error::other)?);
                }
                (known, releases)
            }
        };
        cache.store(&entry::cache_path(name), &known)?;
        self.progress.entry(name);
        Ok(releases)
    }

    fn folder_entry(
        &self,
        name: &PackageName,
        folder: &Utf8Path,
        cache: &Cache,
    ) -> Result<Arc<[Release]>, Reason> {
        let path = folder.join(entry::path(name));
        // Asked before the file is read: if it changes in between, it is read again next time.
        let Some(stamp) = Stamp::of(&path)? else {
            return Ok(Arc::default());
        };
        if let Some(kept) = Kept::load(cache, name)?
            && kept.known.validators.stamp.as_ref() == Some(&stamp)
        {
            return Ok(kept.releases);
        }
        let releases = parse(name, files::read(&path)?.as_deref(), path.into_string())?;
        let releases: Arc<[_]> = releases.into();
        if stamp.is_settled(self.now) {
            let known = Known {
                fetched: self.now,
                validators: Validators {
                    stamp: Some(stamp),
                    ..Validators::default()
                },
                body: Some(compact::encode(name, &releases).map_err(io::Error::other)?),
            };
            cache.store(&entry::cache_path(name), &known)?;
        }
        Ok(releases)
    }

    /// Asks the network for a file of the index, `known` from an earlier time.
    pub(super) fn ask(&self, address: &str, known: Option<Known>) -> Result<News, HttpError> {
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
            (Answer::Found((validators, bytes)), _) => Ok(News::Other(Known {
                fetched,
                validators,
                body: Some(bytes),
            })),
            (Answer::Unchanged, Some(known)) => Ok(News::Same(Known { fetched, ..known })),
            // An answer to a question that was not put.
            (Answer::Unchanged, None) => Err(HttpError::Status {
                address: url.into(),
                status: 304,
                tries: 1,
            }),
            (Answer::Absent, _) => Ok(News::Other(Known {
                fetched,
                validators: Validators::default(),
                body: None,
            })),
        }
    }
}

fn parse(name: &PackageName, body: Option<&[u8]>, address: String) -> Result<Vec<Release>, Reason> {
    entry::releases(name, body.unwrap_or_default())
        .map_err(|source| Reason::Entry { address, source })
}

/// Takes a registry's own address for what it is: with it, dependencies are of no other.
fn at_home(release: &mut Release, own: &Url) {
    let plain = |address: &str| {
        let address = address.strip_prefix("sparse+").unwrap_or(address);
        address.trim_end_matches('/').to_owned()
    };
    let own = plain(own.as_str());
    let is_here = |registry: &Arc<str>| plain(registry) == own;
    let mut dependencies = release.dependencies.iter();
    if dependencies.any(|one| one.registry.as_ref().is_some_and(is_here)) {
        let dependencies = release.dependencies.iter().map(|one| {
            let mut one = Arc::clone(one);
            if one.registry.as_ref().is_some_and(is_here) {
                Arc::make_mut(&mut one).registry = None;
            }
            one
        });
        release.dependencies = dependencies.collect();
    }
}

impl Registry<'_> {
    /// Returns a file of the index that is no entry.
    pub(super) fn index_file(&self, path: &str) -> Result<IndexFile, IndexFileError> {
        let (address, cache) = match &self.origin {
            Origin::Network { address, cache }
            | Origin::Folder {
                archives: Some((address, cache)),
                ..
            } => (address, cache),
            Origin::Folder { folder, .. } => {
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
        match known {
            Some(known) if self.is_new_enough(&known) => Ok(IndexFile {
                shown,
                body: known.body,
                news: None,
            }),
            _ if self.offline => Err(IndexFileError::Offline),
            known => {
                let (News::Same(news) | News::Other(news)) = self.ask(&shown, known)?;
                Ok(IndexFile {
                    shown,
                    body: news.body.clone(),
                    news: Some(news),
                })
            }
        }
    }

    /// Remembers a file that proved sound.
    pub(super) fn remember(&self, path: &str, news: Option<Known>) -> io::Result<()> {
        match (&self.origin, news) {
            (
                Origin::Network { cache, .. }
                | Origin::Folder {
                    archives: Some((_, cache)),
                    ..
                },
                Some(news),
            ) => cache.store(path, &news),
            _ => Ok(()),
        }
    }
}
