//! Why a lock file cannot be used: [`LockError`].

use orlop_recipes::PackageName;

use crate::index::IndexError;
use crate::lock::SCHEMA;

/// Why a lock file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It is not TOML, or not what a lock file holds.
    #[error("cannot read the lock file `{file}`")]
    Syntax {
        /// The file.
        file: String,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A newer Orlop wrote it.
    #[error(
        "the lock file `{file}` was written by a newer Orlop: it has schema {schema}, and this \
         one reads up to {SCHEMA}"
    )]
    Newer {
        /// The file.
        file: String,
        /// Its schema.
        schema: u32,
    },
    /// The entry of an app contradicts itself.
    #[error("the lock file's entry for `{app}` is damaged: {reason}")]
    Entry {
        /// The app.
        app: PackageName,
        /// What is wrong.
        reason: String,
    },
    /// The index could not answer.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl LockError {
    /// Returns what the user can do, as whole sentences with commands that work.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Syntax { .. } | Self::Entry { .. } => {
                vec!["delete the lock file and run `orlop sync` to solve anew".to_owned()]
            }
            Self::Newer { .. } => vec!["use the newer Orlop for this profile".to_owned()],
            Self::Index(_) => Vec::new(),
        }
    }
}
