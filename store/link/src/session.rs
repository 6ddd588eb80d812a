//! [`Session`]: a working folder and the running of links beside it.
//!
//! Flags of a crate can make the linker run code of that crate (`-Wl,-plugin`, `-B`), so a link is
//! as little trusted as a build: it can read the working folder and change nothing in it. It works
//! in a folder of its own, from which the one file that it is to make is taken over.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use object::read::ReadCache;
use orlop_store::derivation::Isolation;
use orlop_store::said::last_lines;
use orlop_store::{Activity, ActivityKind, Digest, Event, Job, Scratch, StorePath};
use rayon::ThreadPool;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::Context;
use crate::error::LinkError;
use crate::members::Place;
use crate::objects::ObjectError;
use crate::tools::DRIVER;

/// How many of the last lines of a failed link are shown.
const LINES: usize = 30;

/// The name of what a link makes, in its own folder.
const MADE: &str = "made";

/// A working folder and the running of links beside it. Paths named `file` are relative to the
/// folder.
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
        match self.context.runner.isolation() {
            Isolation::Full => self.context.runner.view().object(&place()).join(file),
            Isolation::None => self.host(file),
        }
    }

    /// Returns what shows the folder to a job.
    fn shown(&self) -> BTreeMap<StorePath, Utf8PathBuf> {
        match self.context.runner.isolation() {
            Isolation::Full => [(place(), self.host(""))].into(),
            Isolation::None => BTreeMap::new(),
        }
    }

    /// Returns the path of a file of the store as a job sees it.
    pub(crate) fn stored(&self, object: &StorePath, file: &Utf8Path) -> Utf8PathBuf {
        self.context.runner.view().object(object).join(file)
    }

    /// Reads a file of the store.
    pub(crate) fn read(&self, place: &Place) -> Result<Vec<u8>, LinkError> {
        Ok(fs_err::read(self.real(place)?)?)
    }

    /// Opens a file of the store of which parts are to be read. If they cannot be, it does not say
    /// why, as [`read`](Self::read) would.
    pub(crate) fn open(&self, place: &Place) -> Result<ReadCache<fs_err::File>, LinkError> {
        Ok(ReadCache::new(fs_err::File::open(self.real(place)?)?))
    }

    fn real(&self, place: &Place) -> Result<Utf8PathBuf, LinkError> {
        let store = self.context.store;
        Ok(store.real(&store.object(&place.object).join(&place.file))?)
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

    /// Runs the linker, which is to make `output`.
    pub(crate) fn link(
        &self,
        name: &str,
        output: &Utf8Path,
        mut args: Vec<String>,
        inputs: &BTreeSet<StorePath>,
    ) -> Result<(), LinkError> {
        let own = self.context.store.scratch()?;
        let seen = self.context.runner.view().scratch(own.folder());
        fs_err::create_dir(own.folder().join("tmp"))?;
        if let Some(folder) = output.parent() {
            fs_err::create_dir_all(self.host(folder))?;
        }
        args.extend(["-o".to_owned(), seen.join(MADE).into_string()]);
        let log = self.host(format!("{output}.log"));
        let environment = [
            ("PATH", "/usr/bin:/bin".to_owned()),
            ("LC_ALL", "C".to_owned()),
            ("TMPDIR", seen.join("tmp").into_string()),
        ];
        tracing::debug!(%name, ?args, "link");
        let finished = self.context.runner.run(&Job {
            name: name.to_owned(),
            program: DRIVER.into(),
            args: args.into_iter().map(Into::into).collect(),
            environment: BTreeMap::from(environment.map(|(key, value)| (key.to_owned(), value))),
            folder: seen,
            c_tools: self.context.c_tools.clone(),
            inputs: inputs.clone(),
            copies: Vec::new(),
            unfinished: self.shown(),
            output: None,
            scratch: own.folder().to_owned(),
            log: log.clone(),
            capture_stdout: false,
            messages: None,
            attended: false,
            slots: None,
        })?;
        if finished.status.success() {
            return self.take_over(name, &own.folder().join(MADE), output);
        }
        Err(LinkError::Linker {
            name: name.to_owned(),
            status: finished.status,
            output: last_lines(&log, 0, LINES).join("\n"),
        })
    }

    /// Moves what a link made to where it belongs. A link to a file of the machine would be read
    /// there.
    fn take_over(&self, name: &str, made: &Utf8Path, output: &Utf8Path) -> Result<(), LinkError> {
        let found = fs_err::symlink_metadata(made);
        if !found.is_ok_and(|found| found.is_file()) {
            return Err(LinkError::NotMade {
                name: name.to_owned(),
            });
        }
        Ok(fs_err::rename(made, self.host(output))?)
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

/// Where a job finds the working folder in a full sandbox: at a place that no object has.
fn place() -> StorePath {
    StorePath::new(Digest::of("orlop-link-session", ""), "link")
}

#[cfg(test)]
mod tests {
    use orlop_store::{ExitStatus, Finished, JobView, RunError, Runner, Silent, Store};

    use super::*;
    use crate::NoFiles;

    /// A linker that runs code of a crate: it leaves links to a file of the machine wherever it can
    /// write.
    struct Rogue {
        victim: Utf8PathBuf,
        /// Whether what it is to make is one of them.
        makes_link: bool,
    }

    impl Runner for Rogue {
        fn isolation(&self) -> Isolation {
            Isolation::Full
        }

        fn view(&self) -> JobView {
            JobView::full()
        }

        fn run(&self, job: &Job) -> Result<Finished, RunError> {
            let mut log = fs_err::OpenOptions::new();
            let mut log = log.append(true).create(true).open(&job.log).unwrap();
            std::io::Write::write_all(&mut log, b"said").unwrap();
            for link in ["copies/0.o", "rough/two", "rough/two.log", "share-1.log"] {
                let link = job.scratch.join(link);
                fs_err::create_dir_all(link.parent().unwrap()).unwrap();
                fs_err::os::unix::fs::symlink(&self.victim, link).unwrap();
            }
            if let [.., option, made] = &job.args[..]
                && option == "-o"
            {
                let made = Utf8Path::new(made.to_str().unwrap());
                let made = job.scratch.join(made.strip_prefix("/orlop/build").unwrap());
                if self.makes_link {
                    fs_err::os::unix::fs::symlink(&self.victim, made).unwrap();
                } else {
                    fs_err::write(made, "made").unwrap();
                }
            }
            Ok(Finished {
                status: ExitStatus::Code(0),
                stdout: Vec::new(),
            })
        }
    }

    /// Does work with a rogue linker, in a session.
    fn with_rogue(makes_link: bool, work: impl FnOnce(&Session<'_>)) {
        let home = tempfile::tempdir().unwrap();
        let home = Utf8Path::from_path(home.path()).unwrap();
        let store = Store::open(&home.join("home"), jiff::Timestamp::UNIX_EPOCH).unwrap();
        let victim = home.join("victim");
        fs_err::write(&victim, "untouched").unwrap();
        let runner = Rogue { victim, makes_link };
        let context = Context {
            store: &store,
            runner: &runner,
            c_tools: &StorePath::new(Digest::of("test", "c-tools"), "c-tools"),
            files: &NoFiles,
            reporter: &Silent,
            jobs: 1,
        };
        work(&Session::new(&context).unwrap());
        let text = fs_err::read_to_string(&runner.victim).unwrap();
        assert_eq!(text, "untouched");
    }

    fn link(session: &Session<'_>, name: &str) -> Result<(), LinkError> {
        let output = Utf8PathBuf::from(format!("rough/{name}"));
        session.link(name, &output, Vec::new(), &BTreeSet::new())
    }

    #[test]
    fn a_link_reaches_nothing_of_the_next() {
        with_rogue(false, |session| {
            link(session, "one").unwrap();
            session.write("copies/0.o".into(), b"object").unwrap();
            link(session, "two").unwrap();
            let made = session.host("rough/two");
            assert!(fs_err::symlink_metadata(&made).unwrap().is_file());
            assert_eq!(fs_err::read_to_string(made).unwrap(), "made");
        });
    }

    #[test]
    fn what_a_link_makes_is_a_file() {
        with_rogue(true, |session| {
            let error = link(session, "one").unwrap_err();
            assert_eq!(error.to_string(), "link one: the linker made no file");
        });
    }
}
