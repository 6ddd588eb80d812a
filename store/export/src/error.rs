//! [`ExportError`]: why an app could not be exported.

use camino::Utf8PathBuf;
use orlop_loader::Refusal;
use orlop_loader::elf::ReadError;

/// Why an app could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file could not be used.
    #[error("export")]
    Io(#[from] std::io::Error),
    /// A program or a library could not be read.
    #[error(transparent)]
    Elf(#[from] ReadError),
    /// A program would not load what it was linked against.
    #[error("`{program}` was refused where it would lie")]
    Refused {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: Box<Refusal>,
    },
    /// A program would load a file that does not come along.
    #[error("`{program}` would load `{library}`, which is not exported with it")]
    Outside {
        /// The program.
        program: String,
        /// What it would load.
        library: Utf8PathBuf,
    },
    /// Something that no released glibc promises to have.
    #[error("`{file}` needs `{version}` of glibc, and no release is known to have that")]
    UnknownVersion {
        /// The program or library.
        file: Utf8PathBuf,
        /// What it needs.
        version: String,
    },
    /// A name or a text that the format does not allow.
    #[error("{format} cannot have {what} `{text}`: {reason}")]
    Text {
        /// The format.
        format: &'static str,
        /// What it is.
        what: &'static str,
        /// How it is written.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file in the app's tree that is none.
    #[error("`{path}` is neither a file nor a folder")]
    Kind {
        /// The path.
        path: Utf8PathBuf,
    },
}

impl From<walkdir::Error> for ExportError {
    fn from(error: walkdir::Error) -> Self {
        Self::Io(error.into())
    }
}
