//! Why a lock file cannot be used: [`LockError`].

use std::fmt;

use orlop_recipes::{PackageName, Version};

use crate::index::{Checksum, IndexError};
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
    /// A release is listed twice.
    #[error("the lock file's list of packages is damaged: `{package} {version}` is there twice")]
    PackageTwice {
        /// The package.
        package: PackageName,
        /// Its version.
        version: Version,
    },
    /// It means another archive than the index has.
    #[error("{0}")]
    OtherArchive(Box<OtherArchive>),
    /// The index could not answer.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// A locked release that the index does not have like that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherArchive {
    /// The app.
    pub app: PackageName,
    /// The package.
    pub package: PackageName,
    /// Its version.
    pub version: Version,
    /// The SHA-256 in the lock.
    pub locked: String,
    /// That of the index, if it has the release at all.
    pub index: Option<Checksum>,
}

impl fmt::Display for OtherArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            app,
            package,
            version,
            locked,
            index,
        } = self;
        write!(f, "the lock file has `{package} {version}` for `{app}`")?;
        match index {
            None => f.write_str(", which the index does not have"),
            Some(index) => write!(f, " with the SHA-256 {locked}, but the index has {index}"),
        }
    }
}

impl LockError {
    /// Returns what the user can do, as whole sentences with commands that work.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Newer { .. } => vec!["use the newer Orlop for this profile".to_owned()],
            Self::OtherArchive(other) => {
                let app = &other.app;
                vec![
                    format!("solve it anew, with what the index has: `orlop upgrade {app}`"),
                    "if other apps have it as well, all at once: `orlop upgrade`".to_owned(),
                ]
            }
            Self::Syntax { .. }
            | Self::Entry { .. }
            | Self::PackageTwice { .. }
            | Self::Index(_) => Vec::new(),
        }
    }

    /// Whether the file is no use any more: one that is not a generation's can be deleted.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Syntax { .. } | Self::Entry { .. } | Self::PackageTwice { .. }
        )
    }
}
