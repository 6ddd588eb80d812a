//! [`Fetcher`]: who can bring an archive onto this machine.

use camino::Utf8PathBuf;

use crate::derivation::Source;
use crate::event::Reporter;

/// Brings archives. Implemented where the network is.
pub trait Fetcher: Sync {
    /// Returns where the archive lies if it is on this machine already.
    fn cached(&self, source: &Source) -> Option<Utf8PathBuf>;

    /// Returns a local file whose SHA-256 has been checked, downloading it if need be.
    fn fetch(&self, source: &Source, reporter: &dyn Reporter) -> Result<Utf8PathBuf, FetchError>;
}

/// Why an archive did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// What arrived is not what was promised.
    #[error("`{name}` has the SHA-256 {actual}, but {expected} was promised")]
    Checksum {
        /// The file.
        name: String,
        /// What was promised.
        expected: String,
        /// What came.
        actual: String,
    },
    /// It is not here and the network may not be used.
    #[error("`{name}` is not on this machine and `--offline` forbids to fetch it")]
    Offline {
        /// The file.
        name: String,
    },
    /// The transfer failed.
    #[error("download `{name}`")]
    Transfer {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
