//! [`Workplace`]: where one derivation is made.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::io::{self, BufRead as _, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use orlop_store::Scratch;
use orlop_store::derivation::{Isolation, Library, Tools};
use orlop_store::{
    ExitStatus, Finished, Job, JobOutput, JobSlots, JobView, RunError, Store, StorePath,
};
use serde::de::DeserializeOwned;

use crate::environment::Environment;
use crate::error::{BuildError, FailedBuild};
use crate::execute::Context;
use crate::log::Log;
use crate::slots::Slots;
use crate::unfinished::{Metadata, Unfinished};

/// The most that is taken for one line of what a command says.
const LINE_LIMIT: u64 = 16 << 20;

/// What all derivations of one plan share while they are made.
pub(crate) struct Site<'a> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) slots: Slots,
    pub(crate) unfinished: Unfinished,
    /// Where logs go that nobody keeps, in place of those of builds.
    notes: Option<Scratch>,
}

impl<'a> Site<'a> {
    /// A site where nothing is made that stays.
    pub(crate) fn for_visits(context: &'a Context<'a>) -> Result<Self, BuildError> {
        Ok(Self {
            notes: Some(context.store.scratch()?),
            ..Self::new(context)?
        })
    }

    fn log_path(&self, path: &StorePath) -> Utf8PathBuf {
        match &self.notes {
            Some(notes) => notes.folder().join("log"),
            None => self.context.store.log_path(path),
        }
    }

    pub(crate) fn new(context: &'a Context<'a>) -> Result<Self, BuildError> {
        Ok(Self {
            context,
            slots: Slots::new(context.store, context.jobs)?,
            unfinished: Unfinished::default(),
            notes: None,
        })
    }
}

/// Where one derivation is made: the staged output, a scratch folder and a log.
pub(crate) struct Workplace<'a> {
    site: &'a Site<'a>,
    /// For people: `serde 1.0.228`.
    name: String,
    /// The staged output, on the host.
    staged: &'a Utf8Path,
    scratch: Scratch,
    log: Log,
    inputs: BTreeSet<StorePath>,
    /// Those of the inputs that are still being made.
    unfinished: BTreeMap<StorePath, Arc<Metadata>>,
    /// Libraries to show in their places, if metadata will not do.
    libraries: Option<Scratch>,
    /// The same places as a process sees them.
    pub(crate) seen: Seen,
}

/// Places as a process sees them.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// All the places that do not depend on the derivation.
    pub(crate) view: JobView,
    /// The object that is made.
    pub(crate) path: StorePath,
    /// The scratch folder.
    pub(crate) scratch: Utf8PathBuf,
    /// The libraries of which only the metadata is there.
    pub(crate) unfinished: BTreeSet<StorePath>,
}

impl Seen {
    /// Returns where a process finds what it must know of a library in order to use it.
    pub(crate) fn library(&self, library: &Library) -> Utf8PathBuf {
        let file = self.object(&library.object).join(library.file_name());
        if self.unfinished.contains(&library.object) {
            file.with_extension(METADATA)
        } else {
            file
        }
    }

    /// Returns where a process sees an object.
    pub(crate) fn object(&self, path: &StorePath) -> Utf8PathBuf {
        self.view.object(path)
    }

    /// Returns where a process sees the object that is made.
    pub(crate) fn output(&self) -> Utf8PathBuf {
        self.view.object(&self.path)
    }

    /// Returns the folder for temporary files.
    pub(crate) fn temporary(&self) -> Utf8PathBuf {
        self.scratch.join("tmp")
    }

    /// Returns the home folder.
    pub(crate) fn home(&self) -> Utf8PathBuf {
        self.scratch.join("home")
    }
}

/// The ending of files with the metadata of a library.
pub(crate) const METADATA: &str = "rmeta";

/// One process to run in a workplace.
pub(crate) struct Command {
    pub(crate) program: Utf8PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) environment: Environment,
    pub(crate) folder: Utf8PathBuf,
    pub(crate) capture_stdout: bool,
    /// Objects of which it sees a writable copy.
    pub(crate) copies: Vec<JobOutput>,
    /// The variables by which it is told of job slots.
    pub(crate) slots: &'static [&'static str],
}

/// Returns where the working folder of a build that failed is kept.
pub(crate) fn failed_folder(store: &Store, path: &StorePath) -> Utf8PathBuf {
    store.home().join("failed").join(path.to_string())
}

/// Which file of a file system one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileIdentity(u64, u64);

impl<'a> Workplace<'a> {
    /// Makes the scratch folder and starts the log.
    pub(crate) fn new(
        site: &'a Site<'a>,
        name: &str,
        path: &StorePath,
        mut inputs: BTreeSet<StorePath>,
        staged: &'a Utf8Path,
    ) -> Result<Self, BuildError> {
        let context = site.context;
        let offered = |input: &StorePath| Some((input.clone(), site.unfinished.get(input)?));
        let unfinished: BTreeMap<_, _> = inputs.iter().filter_map(offered).collect();
        inputs.retain(|input| !unfinished.contains_key(input));
        let scratch = context.store.scratch()?;
        let view = context.runner.view();
        let seen = Seen {
            scratch: view.scratch(scratch.folder()),
            view,
            path: path.clone(),
            unfinished: unfinished.keys().cloned().collect(),
        };
        let log = Log::start(site.log_path(path), name, path).map_err(|source| BuildError::Io {
            name: name.to_owned(),
            source,
        })?;
        let place = Self {
            site,
            name: name.to_owned(),
            staged,
            scratch,
            log,
            inputs,
            unfinished,
            libraries: None,
            seen,
        };
        for folder in ["home", "tmp"] {
            place.io(fs_err::create_dir(place.scratch.folder().join(folder)))?;
        }
        Ok(place)
    }

    /// Shows libraries that are still being made as libraries without code.
    pub(crate) fn show_libraries(&mut self) -> Result<(), BuildError> {
        if self.unfinished.is_empty() {
            return Ok(());
        }
        let libraries = self.site.context.store.scratch()?;
        for (path, metadata) in &self.unfinished {
            let folder = libraries.folder().join(path.to_string());
            self.io(fs_err::create_dir(&folder))?;
            self.io(metadata.write_library(&folder))?;
        }
        self.libraries = Some(libraries);
        self.seen.unfinished.clear();
        Ok(())
    }

    /// Returns the staged output, on the host.
    pub(crate) fn staged(&self) -> &Utf8Path {
        self.staged
    }

    /// Returns the scratch folder, on the host.
    pub(crate) fn scratch(&self) -> &Utf8Path {
        self.scratch.folder()
    }

    /// Returns where an object lies, on the host.
    pub(crate) fn object(&self, path: &StorePath) -> Utf8PathBuf {
        self.site.context.store.object(path)
    }

    /// Returns where a file of an object really lies, on the host.
    pub(crate) fn real(&self, file: &Utf8Path) -> io::Result<Utf8PathBuf> {
        self.site.context.store.real(file)
    }

    /// Returns how far processes are shut off, if that is as planned.
    pub(crate) fn isolation(&self, tools: &Tools) -> Result<Isolation, BuildError> {
        let actual = self.site.context.runner.isolation();
        if actual == tools.isolation {
            Ok(actual)
        } else {
            Err(BuildError::Isolation {
                name: self.name.clone(),
                planned: tools.isolation,
                actual,
            })
        }
    }

    /// Runs a command to its end and returns its standard output, if captured. What it says goes
    /// to the log.
    pub(crate) fn run(&self, command: Command, tools: &Tools) -> Result<Vec<u8>, BuildError> {
        let program = command.program.clone();
        let job = self.job(command, tools, None);
        self.io(self.log.command(&job))?;
        self.end(&program, self.site.context.runner.run(&job))
    }

    /// Runs a command to its end and hands over what it says, line by line, as it says it.
    pub(crate) fn run_listening(
        &self,
        command: Command,
        tools: &Tools,
        listen: &mut dyn FnMut(&[u8]) -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        let program = command.program.clone();
        let (ours, theirs) = self.io(io::pipe())?;
        let job = self.job(command, tools, Some(Arc::new(OwnedFd::from(theirs))));
        self.io(self.log.command(&job))?;
        let runner = self.site.context.runner;
        std::thread::scope(|scope| {
            // The job takes the other end of the pipe along: reading ends when it does.
            let run = scope.spawn(move || runner.run(&job));
            let heard = self.listen(ours, listen);
            let end = run
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            self.end(&program, end)?;
            heard
        })
    }

    /// Reads to the end, whatever happens: who writes must not have to wait.
    fn listen(
        &self,
        pipe: impl Read,
        listen: &mut dyn FnMut(&[u8]) -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        let mut pipe = BufReader::new(pipe);
        let mut heard = Ok(());
        loop {
            let mut line = Vec::new();
            let read = (&mut pipe).take(LINE_LIMIT).read_until(b'\n', &mut line);
            if self.io(read)? == 0 {
                return heard;
            }
            heard = heard.and_then(|()| listen(&line));
        }
    }

    /// Runs a command to its end for a person who is with it.
    pub(crate) fn attend(&self, command: Command, tools: &Tools) -> Result<ExitStatus, BuildError> {
        let job = Job {
            attended: true,
            ..self.job(command, tools, None)
        };
        Ok(self.site.context.runner.run(&job)?.status)
    }

    fn job(&self, command: Command, tools: &Tools, messages: Option<Arc<OwnedFd>>) -> Job {
        let slots: JobSlots = self.site.slots.of_job(command.slots);
        let shown = |(path, metadata): (&StorePath, &Arc<Metadata>)| {
            let folder = match &self.libraries {
                Some(libraries) => libraries.folder().join(path.to_string()),
                None => metadata.folder().to_owned(),
            };
            (path.clone(), folder)
        };
        Job {
            name: self.name.clone(),
            program: command.program,
            args: command.args.into_iter().map(Into::into).collect(),
            environment: command.environment,
            folder: command.folder,
            c_tools: tools.c_tools.clone(),
            inputs: self.inputs.clone(),
            copies: command.copies,
            unfinished: self.unfinished.iter().map(shown).collect(),
            output: Some(JobOutput {
                staged: self.staged.to_owned(),
                path: self.seen.path.clone(),
            }),
            scratch: self.scratch.folder().to_owned(),
            log: self.log.path().to_owned(),
            capture_stdout: command.capture_stdout,
            messages,
            attended: false,
            slots: Some(slots),
        }
    }

    fn end(
        &self,
        program: &Utf8Path,
        end: Result<Finished, RunError>,
    ) -> Result<Vec<u8>, BuildError> {
        let Finished { status, stdout } = end?;
        self.say(&stdout)?;
        if status.success() {
            Ok(stdout)
        } else {
            let program = program.file_name().unwrap_or("the command");
            Err(self.failed(&format!("`{program}` ended with {status}")))
        }
    }

    /// Adds to the log.
    pub(crate) fn say(&self, text: &[u8]) -> Result<(), BuildError> {
        self.io(self.log.append(text))
    }

    /// Lets dependents start with a file of the staged output; returns its identity, or none where
    /// there is nothing to offer: no such file, or no way to show it to them.
    pub(crate) fn offer(&self, file: &Utf8Path) -> Result<Option<FileIdentity>, BuildError> {
        if self.site.context.runner.isolation() != Isolation::Full {
            // Objects of others can only be shown in their places by mounting them there.
            return Ok(None);
        }
        let staged = self.staged.join(file);
        if self.identity(&staged)?.is_none() {
            return Ok(None);
        }
        let folder = self.site.context.store.scratch()?;
        let offered = folder.folder().join(file);
        self.io(fs_err::hard_link(&staged, &offered))?;
        // Asked again where nobody else can put another in its place: a macro that still runs may
        // have made it a link.
        let identity = self.identity(&offered)?;
        if identity.is_some() {
            self.site.unfinished.offer(&self.seen.path, folder);
        }
        Ok(identity)
    }

    /// Removes a file of the staged output and returns its identity, if it is there.
    pub(crate) fn take_away(&self, file: &Utf8Path) -> Result<Option<FileIdentity>, BuildError> {
        let staged = self.staged.join(file);
        let identity = self.identity(&staged)?;
        if identity.is_some() {
            self.io(fs_err::remove_file(&staged))?;
        }
        Ok(identity)
    }

    fn identity(&self, file: &Utf8Path) -> Result<Option<FileIdentity>, BuildError> {
        match fs_err::symlink_metadata(file) {
            Ok(metadata) if metadata.is_file() => {
                Ok(Some(FileIdentity(metadata.dev(), metadata.ino())))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => self.io(Err(error)),
        }
    }

    /// Makes the error of a build that ended badly, and keeps its working folder if that is wanted.
    pub(crate) fn failed(&self, end: &str) -> BuildError {
        let kept = self.site.context.keep_failed.then(|| self.keep());
        let kept = match self.io(kept.transpose()) {
            Ok(kept) => kept,
            Err(error) => return error,
        };
        BuildError::Failed(Box::new(FailedBuild {
            name: self.name.clone(),
            path: self.seen.path.clone(),
            end: end.to_owned(),
            log: self.log.path().to_owned(),
            kept,
            last_lines: self.log.last_lines(),
        }))
    }

    /// Moves the working folder and what there is of the output to where they stay; returns that.
    fn keep(&self) -> io::Result<Utf8PathBuf> {
        let store = self.site.context.store;
        let kept = failed_folder(store, &self.seen.path);
        if kept.exists() {
            // What a build has closed to its own owner is only removed from there.
            let removed = store.scratch().map_err(io::Error::other)?;
            fs_err::rename(&kept, removed.folder().join("earlier"))?;
        }
        fs_err::create_dir_all(&kept)?;
        for (from, name) in [(self.scratch.folder(), "build"), (self.staged, "output")] {
            let to = kept.join(name);
            fs_err::create_dir(&to)?;
            // The folders themselves are locked, and belong to who made them.
            for entry in from.read_dir_utf8()? {
                let entry = entry?;
                // A folder that cannot be written to cannot be moved.
                if entry.file_type()?.is_dir() {
                    fs_err::set_permissions(entry.path(), Permissions::from_mode(0o755))?;
                }
                fs_err::rename(entry.path(), to.join(entry.file_name()))?;
            }
        }
        Ok(kept)
    }

    /// Names the step in a system's error.
    pub(crate) fn io<T>(&self, result: io::Result<T>) -> Result<T, BuildError> {
        result.map_err(|source| BuildError::Io {
            name: self.name.clone(),
            source,
        })
    }

    /// Reads a JSON record inside the store.
    pub(crate) fn record<T: DeserializeOwned>(&self, path: &Utf8Path) -> Result<T, BuildError> {
        let bytes = self.io(fs_err::read(path))?;
        serde_json::from_slice(&bytes).map_err(|source| BuildError::Record {
            path: path.to_owned(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use orlop_store::derivation::CrateKind;

    use super::*;
    use crate::testing::{Lab, call, rustc, source};

    /// As an ordinary user: root may do everything anyway.
    #[test]
    fn what_a_failed_build_has_closed_is_kept_and_replaced() {
        let mut lab = Lab::new();
        lab.keep_failed = true;
        lab.runner.ends.insert("leaf 1.0.0", ExitStatus::Code(1));
        lab.runner.closes.push("leaf 1.0.0");
        let leaf = rustc(call("leaf", CrateKind::Library, &[]));
        let closed = [(); 2].map(|()| {
            let end = lab.execute(&[&source("leaf"), &leaf]);
            let Err(BuildError::Failed(failed)) = end else {
                panic!("{end:?}")
            };
            failed.kept.unwrap().join("output/closed")
        });
        // Whoever removes the home has to look into it.
        for folder in [closed[1].clone(), closed[1].join("deep")] {
            assert!(folder.is_dir());
            fs_err::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
    }
}
