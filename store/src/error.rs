//! [`StoreError`]: why the store could not do something.

use std::error::Error;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use crate::path::StorePath;

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The home folder cannot be used at all.
    #[error("use `{home}` as the home of the store")]
    Home {
        /// The home folder.
        home: Utf8PathBuf,
        /// What failed there, with the system's reason.
        #[source]
        source: Box<Self>,
    },
    /// The home folder is named in a way that depends on where the program runs.
    #[error("the home of the store must be an absolute path, not `{home}`")]
    RelativeHome {
        /// What was given.
        home: Utf8PathBuf,
    },
    /// The system refused something.
    #[error("{action} `{path}`")]
    Io {
        /// What was tried: `create the folder`.
        action: &'static str,
        /// On what.
        path: Utf8PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// The database refused something.
    #[error("{action} in `{path}`")]
    Database {
        /// What was tried: `register an object`.
        action: &'static str,
        /// The database.
        path: Utf8PathBuf,
        /// The database's reason.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The database's file is damaged, and it cannot be replaced now.
    #[error(
        "the database `{path}` is damaged; it is made again from the store as soon as no other \
         process uses it"
    )]
    DatabaseDamaged {
        /// The database.
        path: Utf8PathBuf,
    },
    /// There is no room for the database to grow.
    #[error("there is no space left on the disk for the database `{path}`")]
    DatabaseFull {
        /// The database.
        path: Utf8PathBuf,
    },
    /// The system did not take what was to be written to the database.
    #[error("{action}: write to the database `{path}`")]
    DatabaseUnwritten {
        /// What was tried: `register an object`.
        action: &'static str,
        /// The database.
        path: Utf8PathBuf,
        /// The database's reason.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The database was written by a later release.
    #[error("`{path}` has format {found}, this release knows formats up to {known}")]
    DatabaseNewer {
        /// The database.
        path: Utf8PathBuf,
        /// Its format.
        found: i64,
        /// The newest format this release knows.
        known: i64,
    },
    /// A tree holds something that may not be in a store object.
    #[error("`{path}` may not be in a store object: {reason}")]
    Refused {
        /// The entry, with control characters escaped.
        path: String,
        /// Why.
        reason: &'static str,
    },
    /// An object that is needed is not in the store.
    #[error("`{path}` is not in the store")]
    Absent {
        /// The object.
        path: StorePath,
    },
    /// An object refers to one that is not in the store.
    #[error("`{path}` refers to `{reference}`, which is not in the store")]
    AbsentReference {
        /// The object.
        path: StorePath,
        /// What it refers to.
        reference: StorePath,
    },
    /// A name of a root, profile, app or program is not one.
    #[error("`{name}` cannot be the name of {kind}: {reason}")]
    Name {
        /// Of what: `a profile`.
        kind: &'static str,
        /// The name, with control characters escaped.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// A link does not lead where links of its kind lead.
    #[error("`{path}` leads to `{target}`, which is not {expected}")]
    BrokenLink {
        /// The link.
        path: Utf8PathBuf,
        /// Where it leads.
        target: String,
        /// What was expected there: `a store object`.
        expected: &'static str,
    },
    /// A view does not hold a program that its app is said to have.
    #[error("`{view}`, the view of `{app}`, has no program `{program}`")]
    AbsentProgram {
        /// The app.
        app: String,
        /// The program.
        program: String,
        /// The view.
        view: StorePath,
    },
    /// Two apps of one generation bring the same file.
    #[error("`{first}` and `{second}` both bring `{file}`")]
    Conflict {
        /// The file, relative to the generation: `bin/rg`.
        file: String,
        /// The app that came first.
        first: String,
        /// The other app.
        second: String,
    },
    /// There is no such generation.
    #[error("profile `{profile}` has no generation {number}")]
    NoGeneration {
        /// The profile.
        profile: String,
        /// The number.
        number: u64,
    },
    /// The current generation cannot be removed.
    #[error("generation {number} of profile `{profile}` is the current one")]
    CurrentGeneration {
        /// The profile.
        profile: String,
        /// The number.
        number: u64,
    },
    /// A file that this crate wrote cannot be read back.
    #[error("read `{path}`")]
    Record {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// Adds what was tried, and on what, to an error of the system.
pub(crate) trait Context<T> {
    /// Makes a [`StoreError::Io`].
    fn context(self, action: &'static str, path: &Utf8Path) -> Result<T, StoreError>;
}

impl<T, E: Into<io::Error>> Context<T> for Result<T, E> {
    fn context(self, action: &'static str, path: &Utf8Path) -> Result<T, StoreError> {
        self.map_err(|error| StoreError::Io {
            action,
            path: path.to_owned(),
            source: plain(error.into()),
        })
    }
}

/// Takes the system's own error out of the wrapper of `fs_err`: the path is in [`StoreError::Io`].
fn plain(error: io::Error) -> io::Error {
    let code = error
        .get_ref()
        .and_then(|wrapper| wrapper.source())
        .and_then(|source| source.downcast_ref::<io::Error>())
        .and_then(io::Error::raw_os_error);
    code.map_or(error, io::Error::from_raw_os_error)
}
