//! [`Workplace`]: where one derivation is made.

use std::collections::BTreeSet;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use orlop_store::Scratch;
use orlop_store::derivation::{Isolation, Tools};
use orlop_store::{Finished, Job, JobOutput, JobView, Store, StorePath};
use serde::de::DeserializeOwned;

use crate::environment::Environment;
use crate::error::{BuildError, FailedBuild};
use crate::execute::Context;
use crate::log::Log;

/// Where one derivation is made: the staged output, a scratch folder and a log.
pub(crate) struct Workplace<'a> {
    context: &'a Context<'a>,
    /// For people: `serde 1.0.228`.
    name: String,
    /// The staged output, on the host.
    staged: &'a Utf8Path,
    scratch: Scratch,
    log: Log,
    inputs: BTreeSet<StorePath>,
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
}

impl Seen {
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

/// One process to run in a workplace.
pub(crate) struct Command {
    pub(crate) program: Utf8PathBuf,
    pub(crate) args: Vec<String>,
    pub(crate) environment: Environment,
    pub(crate) folder: Utf8PathBuf,
    pub(crate) capture_stdout: bool,
    /// Objects of which it sees a writable copy.
    pub(crate) copies: Vec<JobOutput>,
}

/// Returns where the working folder of a build that failed is kept.
pub(crate) fn failed_folder(store: &Store, path: &StorePath) -> Utf8PathBuf {
    store.home().join("failed").join(path.to_string())
}

impl<'a> Workplace<'a> {
    /// Makes the scratch folder and starts the log.
    pub(crate) fn new(
        context: &'a Context<'a>,
        name: &str,
        path: &StorePath,
        inputs: BTreeSet<StorePath>,
        staged: &'a Utf8Path,
    ) -> Result<Self, BuildError> {
        let scratch = context.store.scratch()?;
        let view = context.runner.view();
        let seen = Seen {
            scratch: view.scratch(scratch.folder()),
            view,
            path: path.clone(),
        };
        let log = Log::start(context.store.log_path(path), name, path).map_err(|source| {
            BuildError::Io {
                name: name.to_owned(),
                source,
            }
        })?;
        let place = Self {
            context,
            name: name.to_owned(),
            staged,
            scratch,
            log,
            inputs,
            seen,
        };
        for folder in ["home", "tmp"] {
            place.io(fs_err::create_dir(place.scratch.folder().join(folder)))?;
        }
        Ok(place)
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
        self.context.store.object(path)
    }

    /// Returns how far processes are shut off, if that is as planned.
    pub(crate) fn isolation(&self, tools: &Tools) -> Result<Isolation, BuildError> {
        let actual = self.context.runner.isolation();
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
        let job = Job {
            name: self.name.clone(),
            program: command.program,
            args: command.args.into_iter().map(Into::into).collect(),
            environment: command.environment,
            folder: command.folder,
            c_tools: tools.c_tools.clone(),
            inputs: self.inputs.clone(),
            copies: command.copies,
            output: Some(JobOutput {
                staged: self.staged.to_owned(),
                path: self.seen.path.clone(),
            }),
            scratch: self.scratch.folder().to_owned(),
            log: self.log.path().to_owned(),
            capture_stdout: command.capture_stdout,
        };
        self.io(self.log.command(&job))?;
        let Finished { status, stdout } = self.context.runner.run(&job)?;
        self.io(self.log.append(&stdout))?;
        if status.success() {
            Ok(stdout)
        } else {
            let program = program.file_name().unwrap_or("the command");
            Err(self.failed(&format!("`{program}` ended with {status}")))
        }
    }

    /// Makes the error of a build that ended badly, and keeps its working folder if that is wanted.
    pub(crate) fn failed(&self, end: &str) -> BuildError {
        if self.context.keep_failed
            && let Err(error) = self.keep()
        {
            return BuildError::Io {
                name: self.name.clone(),
                source: error,
            };
        }
        // The log may be what is broken; the failure itself is still worth telling.
        let last_lines = self
            .log
            .last_lines()
            .unwrap_or_else(|error| vec![format!("(the log cannot be read: {error})")]);
        BuildError::Failed(Box::new(FailedBuild {
            name: self.name.clone(),
            path: self.seen.path.clone(),
            end: end.to_owned(),
            log: self.log.path().to_owned(),
            last_lines,
        }))
    }

    /// Moves the working folder and what there is of the output to where they stay.
    fn keep(&self) -> io::Result<()> {
        let kept = failed_folder(self.context.store, &self.seen.path);
        if kept.exists() {
            fs_err::remove_dir_all(&kept)?;
        }
        fs_err::create_dir_all(&kept)?;
        for (from, name) in [(self.scratch.folder(), "build"), (self.staged, "output")] {
            let to = kept.join(name);
            fs_err::create_dir(&to)?;
            // The folders themselves are locked, and belong to who made them.
            for entry in from.read_dir_utf8()? {
                let entry = entry?;
                fs_err::rename(entry.path(), to.join(entry.file_name()))?;
            }
        }
        Ok(())
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
