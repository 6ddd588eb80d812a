//! What both imports share: questions to programs of the machine, what was imported from which
//! files ([`Origin`], [`Stamp`]), and [`ImportError`].

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use orlop_store::derivation::Isolation;
use orlop_store::{
    Activity, ActivityKind, Digest, Event, FetchError, Registration, Reporter, Store, StoreError,
    StorePath,
};
use serde::{Deserialize, Serialize};

use crate::tree::Tree;
use crate::unpack::UnpackError;

/// Why something of the machine could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A program or file that every build needs is not there.
    #[error("`{what}` is missing: it was looked for {place}")]
    Missing {
        /// What: `gcc`.
        what: String,
        /// Where: `in /usr/bin`.
        place: String,
        /// The package that brings it on Debian and its like.
        debian: &'static str,
        /// The same on Fedora and its like.
        fedora: &'static str,
    },
    /// A program that was asked about itself failed.
    #[error("ask `{program}` for `{question}`: {reason}")]
    Ask {
        /// The program.
        program: Utf8PathBuf,
        /// Its arguments.
        question: String,
        /// How it ended, and what it said.
        reason: String,
    },
    /// A program's answer is not what such programs answer.
    #[error("`{program}` answers `{question}` without {lack}")]
    Answer {
        /// The program.
        program: Utf8PathBuf,
        /// Its arguments.
        question: &'static str,
        /// What is missing in the answer: `a release`.
        lack: &'static str,
    },
    /// A shared library that a program needs is not on this machine.
    #[error("`{program}` needs `{library}`, which is nowhere on this machine")]
    Library {
        /// The program or library that needs it.
        program: Utf8PathBuf,
        /// The file name by which it is needed.
        library: String,
    },
    /// A record inside an object cannot be read.
    #[error("`{path}` is not a record of this release")]
    Record {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// No compiler has this name.
    #[error("no compiler `{name}` is in the store")]
    UnknownCompiler {
        /// The name.
        name: String,
    },
    /// The default compiler cannot go while there are others.
    #[error("`{name}` is the default compiler; make another one the default first")]
    DefaultCompiler {
        /// The name.
        name: String,
    },
    /// An archive did not arrive.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// An archive arrived as promised, and is not one that may be unpacked.
    #[error("unpack `{archive}`")]
    Unpack {
        /// The archive.
        archive: String,
        /// What is wrong with it.
        #[source]
        source: UnpackError,
    },
    /// An archive does not have the folder that counts.
    #[error("there is no folder `{folder}` in `{archive}`")]
    NoFolder {
        /// The archive.
        archive: String,
        /// The folder.
        folder: String,
        /// Those that it has, below the one on its top.
        others: Vec<String>,
    },
    /// The archives of a compiler are of something else.
    #[error("the archives of the compiler {name} have no `bin/rustc` in them")]
    NoRustc {
        /// Its name.
        name: String,
    },
    /// The archives of a compiler lack what every crate needs.
    #[error("the archives of the compiler {name} have no standard library for `{host}` in them")]
    NoStandardLibrary {
        /// Its name.
        name: String,
        /// What it runs on.
        host: String,
    },
    /// A compiler is made for another kind of machine.
    #[error("`{program}` is for machines of the kind {found}, and this one is {own}")]
    OtherMachine {
        /// The program.
        program: Utf8PathBuf,
        /// The kind of machine it is for.
        found: &'static str,
        /// The kind that this one is.
        own: &'static str,
    },
    /// A compiler is another one than was promised.
    #[error("the compiler {promised} was promised, but in its archives is {actual}")]
    OtherCompiler {
        /// The name that was promised.
        promised: String,
        /// The name it has.
        actual: String,
    },
    /// A compiler out of archives needs a shared library that is not in them.
    #[error("`{program}` needs `{library}`, which is in none of the archives")]
    NotInArchives {
        /// The program or library that needs it.
        program: Utf8PathBuf,
        /// The file name by which it is needed.
        library: String,
    },
    /// A compiler out of archives would take a file of the machine along.
    #[error("the compiler loads `{path}`, which did not come out of its archives")]
    Outside {
        /// The file.
        path: Utf8PathBuf,
    },
    /// A file could not be used.
    #[error("import {what}")]
    Io {
        /// What was imported.
        what: String,
        /// The system's reason, with the path.
        #[source]
        source: io::Error,
    },
    /// The store could not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ImportError {
    /// Returns a way on, where one is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { debian, fedora, .. } => Some(format!(
                "install it: `apt install {debian}` (Debian, Ubuntu), `dnf install {fedora}` (Fedora)"
            )),
            Self::UnknownCompiler { .. } => {
                Some("see which there are: `orlop compiler list`".to_owned())
            }
            Self::DefaultCompiler { .. } => {
                Some("choose another one: `orlop compiler default NAME`".to_owned())
            }
            Self::NoFolder { others, .. } if !others.is_empty() => {
                Some(format!("below its top it has: {}", others.join(", ")))
            }
            Self::NoRustc { .. } => Some(
                "a component lies in a folder of its own, which the recipe names: \
                 `folder = \"rustc\"`"
                    .to_owned(),
            ),
            Self::NoStandardLibrary { host, .. } => Some(format!(
                "it is a component of its own: add its archive, with \
                 `folder = \"rust-std-{host}\"`"
            )),
            Self::OtherCompiler { actual, .. } => Some(format!(
                "if that is the one you want, write it into the recipe: `version = \"{actual}\"`"
            )),
            _ => None,
        }
    }

    /// Returns a function that adds what was imported to an error of the system.
    pub(crate) fn io(what: &str) -> impl Fn(io::Error) -> Self + use<> {
        let what = what.to_owned();
        move |source| Self::Io {
            what: what.clone(),
            source,
        }
    }
}

/// Which environment a program is asked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// That of the user: for programs that choose among others by it.
    AsUser,
    /// None but a plain `PATH` and language.
    Alone,
}

/// Runs a program of the machine in the root folder and returns what it prints. Some answers come
/// on standard error: `both` adds that.
pub(crate) fn ask(
    program: &Utf8Path,
    args: &[&str],
    asked: Asked,
    both: bool,
) -> Result<String, ImportError> {
    let failed = |reason: String| ImportError::Ask {
        program: program.to_owned(),
        question: args.join(" "),
        reason,
    };
    #[expect(clippy::disallowed_methods, reason = "this is the import of tools")]
    let mut command = Command::new(program);
    if asked == Asked::Alone {
        command.env_clear().env("PATH", "/usr/bin:/bin");
    }
    // Not in the user's folder: a toolchain file there must not decide for the whole store.
    let command = command.args(args).env("LC_ALL", "C").current_dir("/");
    let output = command
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    let mut text = output.stdout;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("{}: {}", output.status, said.trim())));
    }
    if both {
        text.extend(output.stderr);
    }
    String::from_utf8(text).map_err(|_| failed("the answer is not UTF-8".to_owned()))
}

/// Returns an error and its causes in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Tells a reporter how long an import takes and how it ends.
pub(crate) fn reported<T>(
    reporter: &dyn Reporter,
    name: String,
    import: impl FnOnce() -> Result<T, ImportError>,
) -> Result<T, ImportError> {
    let activity = Activity {
        kind: ActivityKind::Import,
        name,
    };
    reporter.report(Event::Started {
        activity: activity.clone(),
        bytes: None,
    });
    let imported = import();
    reporter.report(match &imported {
        Ok(_) => Event::Finished { activity },
        Err(_) => Event::Failed { activity },
    });
    imported
}

/// A change of what an import takes from the machine, or of where it puts it, is a new version.
const RULES: u32 = 5;

/// Which import of several: its kind, and the folder or list of folders it is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) kind: &'static str,
    pub(crate) from: &'a str,
}

/// What was imported already, and from which files: if those are unchanged, it need not be done
/// again. It only saves time: it is in no key, and can be thrown away.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// The version of the rules of importing.
    rules: u32,
    /// The object it became.
    object: StorePath,
    /// The files and folders it was made of.
    stamps: Vec<Stamp>,
}

/// What changes when a file does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    path: Utf8PathBuf,
    inode: u64,
    bytes: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Stamp {
    /// Takes the stamp of a file or folder; to be done before it is read.
    fn of(path: &Utf8Path) -> io::Result<Self> {
        // Through links: one that leads elsewhere now leads to another inode.
        let metadata = fs_err::metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        })
    }

    fn holds(&self) -> bool {
        Self::of(&self.path).is_ok_and(|now| now == *self)
    }
}

impl Origin<'_> {
    /// Returns the object that was made from the same files, if it is still in the store.
    pub(crate) fn known(self, store: &Store) -> Result<Option<StorePath>, StoreError> {
        let Ok(text) = fs_err::read(self.file(store)) else {
            return Ok(None);
        };
        match serde_json::from_slice::<Record>(&text) {
            Ok(Record {
                rules: RULES,
                object,
                stamps,
            }) if stamps.iter().all(Stamp::holds) && store.contains(&object)? => Ok(Some(object)),
            _ => Ok(None),
        }
    }

    /// Adds a tree to the store as an object of this name. `watched` are the files and folders
    /// whose change may change the tree. That of a folder changes when an entry comes, goes or is
    /// replaced, as package managers do.
    pub(crate) fn add(
        self,
        store: &Store,
        name: &str,
        tree: &Tree,
        watched: &BTreeSet<&Utf8Path>,
    ) -> Result<StorePath, ImportError> {
        let io = ImportError::io(name);
        let stamps: io::Result<_> = watched.iter().map(|path| Stamp::of(path)).collect();
        let staged = store.stage()?;
        let digest = tree.write(staged.folder()).map_err(&io)?;
        let path = StorePath::new(digest, name);
        let registration = Registration {
            references: BTreeSet::new(),
            derivation: None,
            isolation: Isolation::Full,
        };
        store.add(staged, &path, &registration)?;
        self.keep(store, &path, stamps.map_err(&io)?).map_err(&io)?;
        Ok(path)
    }

    fn keep(self, store: &Store, object: &StorePath, stamps: Vec<Stamp>) -> io::Result<()> {
        let file = self.file(store);
        let folder = file.parent().unwrap_or(&file);
        fs_err::create_dir_all(folder)?;
        let new = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(
            &new,
            &Record {
                rules: RULES,
                object: object.clone(),
                stamps,
            },
        )?;
        new.persist(&file)?;
        Ok(())
    }

    fn file(self, store: &Store) -> Utf8PathBuf {
        let digest = Digest::of("orlop-import", self.from);
        store
            .home()
            .join("index/imports")
            .join(format!("{}-{digest}.json", self.kind))
    }
}
