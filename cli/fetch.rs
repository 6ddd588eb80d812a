//! Adapters: the registry as the store's [`Fetcher`], the store's events as the registry's
//! progress.

use camino::Utf8PathBuf;
use orlop_index::{Archive, DownloadError, Progress as IndexProgress, Registry};
use orlop_store::derivation::{Origin, Source};
use orlop_store::{Activity, ActivityKind, Event, FetchError, Fetcher, Reporter};

/// Tells a reporter of transfers.
pub(crate) struct Fetching<'a>(pub(crate) &'a dyn Reporter);

impl Fetching<'_> {
    fn activity(name: &str) -> Activity {
        Activity {
            kind: ActivityKind::Fetch,
            name: name.to_owned(),
        }
    }
}

impl IndexProgress for Fetching<'_> {
    fn started(&self, name: &str, bytes: Option<u64>) {
        self.0.report(Event::Started {
            activity: Self::activity(name),
            bytes,
        });
    }

    fn advanced(&self, name: &str, bytes: u64) {
        self.0.report(Event::Advanced {
            activity: Self::activity(name),
            bytes,
        });
    }

    fn finished(&self, name: &str) {
        self.0.report(Event::Finished {
            activity: Self::activity(name),
        });
    }

    fn failed(&self, name: &str) {
        self.0.report(Event::Failed {
            activity: Self::activity(name),
        });
    }
}

/// The archives that a registry and recipes name.
pub(crate) struct Archives<'a> {
    registry: &'a Registry<'a>,
}

impl<'a> Archives<'a> {
    pub(crate) fn new(registry: &'a Registry<'a>) -> Self {
        Self { registry }
    }

    /// What was packed for a plan is there, unless somebody took it away since.
    fn packed(&self, source: &Source) -> Result<Result<Utf8PathBuf, DownloadError>, FetchError> {
        let archive = archive(source);
        match self.registry.cached(&archive) {
            Ok(Some(path)) => Ok(Ok(path)),
            Ok(None) => Err(FetchError::Offline {
                name: archive.title(),
            }),
            Err(error) => Ok(Err(error)),
        }
    }

    /// Asks one address after the other. If none has the archive, what went wrong at the first is
    /// told.
    fn download_mirrored(
        &self,
        archive: &Archive<'_>,
        url: &str,
        mirrors: &[String],
    ) -> Result<Utf8PathBuf, DownloadError> {
        let failed = match self.registry.download_from(archive, url) {
            Ok(path) => return Ok(path),
            Err(error) => error,
        };
        for mirror in mirrors {
            match self.registry.download_from(archive, mirror) {
                Ok(path) => return Ok(path),
                Err(error) => tracing::info!("{mirror}: {error}"),
            }
        }
        Err(failed)
    }
}

fn archive(source: &Source) -> Archive<'_> {
    Archive {
        name: &source.name,
        version: &source.version,
        checksum: &source.checksum,
    }
}

impl Fetcher for Archives<'_> {
    fn cached(&self, source: &Source) -> Option<Utf8PathBuf> {
        // A file that cannot be read is as good as none: fetching it says why.
        self.registry.cached(&archive(source)).ok().flatten()
    }

    fn fetch(&self, source: &Source, _reporter: &dyn Reporter) -> Result<Utf8PathBuf, FetchError> {
        let archive = archive(source);
        let fetched = match &source.origin {
            Origin::Registry => self.registry.download(&archive),
            Origin::Packed => self.packed(source)?,
            Origin::Url(url) => self.registry.download_from(&archive, url),
            Origin::Mirrored { url, mirrors } => self.download_mirrored(&archive, url, mirrors),
        };
        fetched.map_err(|error| match error {
            DownloadError::Checksum {
                name,
                expected,
                actual,
            } => FetchError::Checksum {
                name,
                expected,
                actual,
            },
            DownloadError::Offline { name } => FetchError::Offline { name },
            other => FetchError::Transfer {
                name: archive.title(),
                source: Box::new(other),
            },
        })
    }
}
