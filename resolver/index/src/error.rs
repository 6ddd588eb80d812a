//! What can go wrong.
//!
//! The resolver sees an [`orlop_resolver::IndexError`] whose source is a [`Reason`].

use std::io;
use std::time::Duration;

use camino::Utf8PathBuf;
use orlop_recipes::Version;

/// Why a registry could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address cannot be used.
    #[error("use the registry `{address}`: {reason}")]
    Address {
        /// As it was given, without credentials.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder is not there.
    #[error("use the folder `{path}` as a registry: there is no such folder")]
    NoFolder {
        /// The folder.
        path: Utf8PathBuf,
    },
    /// The folder is something else.
    #[error(
        "use the folder `{path}` as a registry: it has neither a `config.json` nor folders in the \
         layout of an index"
    )]
    NotARegistry {
        /// The folder.
        path: Utf8PathBuf,
    },
    /// The folders of the cache cannot be made.
    #[error("prepare the cache of the registry")]
    Cache(#[source] io::Error),
}

/// Why an index entry or a manifest is not available.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// It is not here and the network may not be used.
    #[error("it is not on this machine and `--offline` forbids to fetch it")]
    Offline,
    /// The network failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// What arrived is not an index entry.
    #[error("`{address}` is not an index entry")]
    Entry {
        /// Where it came from.
        address: String,
        /// Why.
        #[source]
        source: EntryError,
    },
    /// The registry does not have that version, or not at the date of the snapshot.
    #[error("the registry has no version {version} of it")]
    NoSuchRelease {
        /// The version.
        version: Version,
    },
    /// Its archive did not arrive.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// Its archive cannot be read.
    #[error("read the archive `{path}`")]
    Archive {
        /// The file.
        path: Utf8PathBuf,
        /// Why.
        #[source]
        source: ArchiveError,
    },
    /// Its manifest cannot be understood.
    #[error("understand its `Cargo.toml`")]
    Manifest(#[from] ManifestError),
    /// A file of the cache or of a registry folder cannot be read or written.
    #[error(transparent)]
    File(#[from] io::Error),
}

/// Why a body is not an index entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// It is something else altogether.
    #[error(
        "it starts with `{start}` instead of `{{`: something between this machine and the registry answers for it"
    )]
    NotJson {
        /// How it starts.
        start: String,
    },
    /// It ends in the middle of a line.
    #[error("it ends in the middle of line {line}")]
    Cut {
        /// The line.
        line: usize,
    },
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The machine cannot make requests at all.
    #[error("set up secure connections")]
    Setup(#[source] reqwest::Error),
    /// No connection, or it broke.
    #[error("no answer from `{address}`{}", after(*tries))]
    Connection {
        /// What was asked for.
        address: String,
        /// How often.
        tries: u32,
        /// The last failure.
        #[source]
        source: reqwest::Error,
    },
    /// The answer broke off or came too slowly.
    #[error("the answer of `{address}` broke off{}", after(*tries))]
    Body {
        /// What was asked for.
        address: String,
        /// How often.
        tries: u32,
        /// The last failure.
        #[source]
        source: io::Error,
    },
    /// The server refuses.
    #[error("`{address}` answers with status {status}{}", after(*tries))]
    Status {
        /// What was asked for.
        address: String,
        /// The status.
        status: u16,
        /// How often.
        tries: u32,
    },
    /// A page for people instead of data.
    #[error(
        "`{address}` answers with a web page: something between this machine and the registry answers for it"
    )]
    WebPage {
        /// What was asked for.
        address: String,
    },
    /// More than it can be.
    #[error("`{address}` sends more than {limit} bytes")]
    TooBig {
        /// What was asked for.
        address: String,
        /// The limit.
        limit: u64,
    },
    /// What arrived cannot be written down.
    #[error("keep what `{address}` sends")]
    Keep {
        /// What was asked for.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Tells how often something was tried, if that is worth a word.
fn after(tries: u32) -> String {
    if tries > 1 {
        format!(", tried {tries} times")
    } else {
        String::new()
    }
}

/// Why a file of an index is not at hand.
#[derive(Debug)]
pub(crate) enum IndexFileError {
    Offline,
    Http(HttpError),
    File(io::Error),
}

impl From<HttpError> for IndexFileError {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

impl From<io::Error> for IndexFileError {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

impl From<IndexFileError> for Reason {
    fn from(error: IndexFileError) -> Self {
        match error {
            IndexFileError::Offline => Self::Offline,
            IndexFileError::Http(error) => Self::Http(error),
            IndexFileError::File(error) => Self::File(error),
        }
    }
}

impl From<IndexFileError> for TemplateError {
    fn from(error: IndexFileError) -> Self {
        match error {
            IndexFileError::Offline => Self::Offline,
            IndexFileError::Http(error) => Self::Http(error),
            IndexFileError::File(error) => Self::File(error),
        }
    }
}

/// A transfer that is slower than anybody should wait for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("only {bytes} bytes came in {window:?}")]
pub(crate) struct TooSlow {
    pub(crate) bytes: u64,
    pub(crate) window: Duration,
}

/// Why an archive is not on this machine.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// What arrived is not what was promised. It has been removed.
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
    /// The registry does not have it.
    #[error("`{name}` is not at `{address}`")]
    Absent {
        /// The file.
        name: String,
        /// Where it was looked for.
        address: String,
    },
    /// The name, the version or the checksum cannot be used in a file name.
    #[error("`{name}` cannot be downloaded: its {field} is not valid")]
    Invalid {
        /// The file.
        name: String,
        /// `name`, `version` or `checksum`.
        field: &'static str,
    },
    /// The address is not one.
    #[error("download `{name}` from `{address}`: {reason}")]
    Address {
        /// The file.
        name: String,
        /// The address.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The index does not tell where archives are.
    #[error("find out where `{name}` can be downloaded")]
    Template {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: TemplateError,
    },
    /// The transfer failed.
    #[error("download `{name}`")]
    Transfer {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: HttpError,
    },
    /// A local file cannot be read or written.
    #[error("keep `{name}` among the downloads")]
    File {
        /// The file.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Why the index does not tell where archives are.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// Its `config.json` is not on this machine.
    #[error(
        "`config.json` of the index is not on this machine and `--offline` forbids to fetch it"
    )]
    Offline,
    /// It is not there.
    #[error("the index has no `config.json` at `{address}`")]
    Absent {
        /// Where it was looked for.
        address: String,
    },
    /// It cannot be understood.
    #[error("`{address}` is not the configuration of an index")]
    Json {
        /// Where it came from.
        address: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The registry wants to know who asks.
    #[error("the registry demands a login (`auth-required`), which Orlop does not do")]
    Login,
    /// The address of downloads cannot be used.
    #[error("`dl` is `{address}`: {reason}")]
    Address {
        /// The address, without credentials.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The network failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] io::Error),
}

/// Why an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file is damaged, cut, or larger inside than it may be.
    #[error("it is damaged")]
    Damaged(#[source] io::Error),
    /// It unpacks to too much.
    #[error("it unpacks to more than {limit} bytes")]
    TooBig {
        /// The limit.
        limit: u64,
    },
    /// An entry lies outside the package's own folder.
    #[error("it holds `{path}`, which is not inside `{folder}`")]
    Outside {
        /// The entry, escaped.
        path: String,
        /// Where it should be.
        folder: String,
    },
    /// An entry is neither a file nor a folder.
    #[error("it holds `{path}`, which is neither a file nor a folder")]
    Kind {
        /// The entry, escaped.
        path: String,
    },
    /// One name twice.
    #[error("it holds `{path}` twice")]
    Twice {
        /// The entry, escaped.
        path: String,
    },
    /// No manifest.
    #[error("it holds no `Cargo.toml`")]
    NoManifest,
    /// The manifest or the lock file is too large or not text.
    #[error(transparent)]
    NotText(NotText),
}

/// A file of a package that has to be text is not, or is too large.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its `{name}` is not text of a sensible size")]
pub struct NotText {
    /// The file.
    pub name: &'static str,
}

/// Why a manifest cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// It is not TOML, or a field has the wrong type.
    #[error("{0}")]
    Toml(String),
    /// It has no `[package]`.
    #[error("it has no `[package]`")]
    NoPackage,
    /// It is about something else.
    #[error("it is about `{found}` instead of `{expected}`")]
    OtherPackage {
        /// What the manifest says.
        found: String,
        /// What was asked for.
        expected: String,
    },
    /// A field holds what it cannot hold.
    #[error("`{field}` is `{value}`: {reason}")]
    Field {
        /// The field.
        field: &'static str,
        /// Its value, escaped.
        value: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A target has no file.
    #[error("there is no file for its {kind} `{name}`")]
    NoFile {
        /// `library` or `program`.
        kind: &'static str,
        /// The target.
        name: String,
    },
    /// A target could be either of two files.
    #[error("its program `{name}` could be `{first}` or `{second}`")]
    TwoFiles {
        /// The target.
        name: String,
        /// One file.
        first: String,
        /// The other.
        second: String,
    },
    /// Two programs of one name.
    #[error("two of its programs are called `{name}`")]
    TwoPrograms {
        /// The name.
        name: String,
    },
}
