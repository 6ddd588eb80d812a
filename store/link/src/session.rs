//! [`Session`]: a working folder and the running of links in it.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use orlop_store::{Activity, ActivityKind, Event, Job, Scratch, StorePath};
use rayon::ThreadPool;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::Context;
use crate::error::LinkError;
use crate::members::Place;
use crate::object::ObjectError;
use crate::tables;
use crate::tools::DRIVER;

/// How many of the last lines of a failed link are shown.
const LINES: usize = 30;

/// A working folder and the running of links in it. Paths named `file` are relative to the folder.
pub(crate) struct Session<'a> {
    pub(crate) context: &'a Context<'a>,
    scratch: Scratch,
    pool: ThreadPool,
}

impl<'a> Session<'a> {
    pub(crate) fn new(context: &'a Context<'a>) -> Result<Self, LinkError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(context.jobs.max(1))
            .build()
            .map_err(std::io::Error::other)?;
        Ok(Self {
            context,
            scratch: context.store.scratch()?,
            pool,
        })
    }

    /// Returns a file's path on the host.
    pub(crate) fn host(&self, file: impl AsRef<Utf8Path>) -> Utf8PathBuf {
        self.scratch.folder().join(file)
    }

    /// Returns a file's path as a job sees it.
    pub(crate) fn seen(&self, file: impl AsRef<Utf8Path>) -> Utf8PathBuf {
        self.context
            .runner
            .view()
            .scratch(self.scratch.folder())
            .join(file)
    }

    /// Returns the path of a file of the store as a job sees it.
    pub(crate) fn stored(&self, object: &StorePath, file: &Utf8Path) -> Utf8PathBuf {
        self.context.runner.view().object(object).join(file)
    }

    /// Reads a file of the store.
    pub(crate) fn read(&self, place: &Place) -> Result<Vec<u8>, LinkError> {
        Ok(fs_err::read(
            self.context.store.object(&place.object).join(&place.file),
        )?)
    }

    /// Reads of an archive or object of the store what tells its symbols.
    pub(crate) fn read_tables(&self, place: &Place) -> Result<Vec<u8>, LinkError> {
        let path = self.context.store.object(&place.object).join(&place.file);
        Ok(tables::read(fs_err::File::open(path)?.file())?)
    }

    /// Makes the error of a file of the store that is not what it should be.
    pub(crate) fn unreadable(&self, place: &Place, source: ObjectError) -> LinkError {
        LinkError::Object {
            file: self.context.store.object(&place.object).join(&place.file),
            source,
        }
    }

    /// Writes a file, making its folder if need be.
    pub(crate) fn write(&self, file: &Utf8Path, bytes: &[u8]) -> Result<(), LinkError> {
        let path = self.host(file);
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder)?;
        }
        Ok(fs_err::write(path, bytes)?)
    }

    /// Runs the linker; `output` is what its arguments name.
    pub(crate) fn link(
        &self,
        name: &str,
        output: &Utf8Path,
        args: Vec<String>,
        inputs: &BTreeSet<StorePath>,
    ) -> Result<(), LinkError> {
        for folder in output.parent().into_iter().chain([Utf8Path::new("tmp")]) {
            fs_err::create_dir_all(self.host(folder))?;
        }
        let log = self.host(format!("{output}.log"));
        let environment = [
            ("PATH", "/usr/bin:/bin".to_owned()),
            ("LC_ALL", "C".to_owned()),
            ("TMPDIR", self.seen("tmp").into_string()),
        ];
        tracing::debug!(%name, ?args, "link");
        let finished = self.context.runner.run(&Job {
            name: name.to_owned(),
            program: DRIVER.into(),
            args: args.into_iter().map(Into::into).collect(),
            environment: BTreeMap::from(environment.map(|(key, value)| (key.to_owned(), value))),
            folder: self.seen(""),
            c_tools: self.context.c_tools.clone(),
            inputs: inputs.clone(),
            copies: Vec::new(),
            unfinished: BTreeMap::new(),
            output: None,
            scratch: self.scratch.folder().to_owned(),
            log: log.clone(),
            capture_stdout: false,
            messages: None,
            attended: false,
            slots: None,
        })?;
        if finished.status.success() {
            return Ok(());
        }
        let text = fs_err::read(&log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().collect();
        let output = lines[lines.len().saturating_sub(LINES)..].join("\n");
        Err(LinkError::Linker {
            name: name.to_owned(),
            status: finished.status,
            output,
        })
    }

    /// Applies `work` to all items, several at once, and returns the results in their order.
    pub(crate) fn parallel<T: Sync, R: Send>(
        &self,
        items: &[T],
        work: impl Fn(&T) -> Result<R, LinkError> + Sync,
    ) -> Result<Vec<R>, LinkError> {
        self.pool.install(|| items.par_iter().map(&work).collect())
    }

    /// Does work that is worth telling of.
    pub(crate) fn told<R>(
        &self,
        name: &str,
        work: impl FnOnce() -> Result<R, LinkError>,
    ) -> Result<R, LinkError> {
        let activity = Activity {
            kind: ActivityKind::Link,
            name: name.to_owned(),
        };
        let report = |event| self.context.reporter.report(event);
        report(Event::Started {
            activity: activity.clone(),
            bytes: None,
        });
        let result = work();
        report(match &result {
            Ok(_) => Event::Finished { activity },
            Err(_) => Event::Failed { activity },
        });
        result
    }
}
