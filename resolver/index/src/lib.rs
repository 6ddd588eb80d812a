//! A registry as the resolver and the builder need it: index entries, archives, manifests.
//!
//! Read [`Registry`] first: it implements [`orlop_resolver::Index`] and downloads archives.
//!
//! | module | holds |
//! |---|---|
//! | [`registry`] | [`Registry`], [`RegistryOptions`]: everything below put together |
//! | [`source`] | [`Source`]: which registry; Cargo's configuration |
//! | [`local`] | packages from folders and Git repositories |
//! | [`progress`] | [`Progress`]: who is told about transfers |
//! | [`error`] | what can go wrong |
//! | `entry` | one index entry: lines of JSON to releases, and where it lies |
//! | `compact` | one index entry as it is kept |
//! | `feature_rules` | which features make sense |
//! | `cache` | index entries on disk |
//! | `http` | requests with patience: retries, time-outs, limits |
//! | `template` | the index's own `config.json`: where archives are |
//! | `download` | archives on disk, checked |
//! | [`contents`] | the files of packages, by name |
//! | `archive` | reads a `.crate` file without unpacking it |
//! | `manifest` | `Cargo.toml` and a list of files to [`orlop_resolver::Package`] |
//! | `facts` | those packages on disk |
//! | `prefetch` | walks ahead of the resolver, in parallel |
//! | `similar` | names for a suggestion |
//! | `files` | atomic writes |

mod archive;
mod cache;
mod compact;
pub mod contents;
mod download;
mod entry;
pub mod error;
mod facts;
mod feature_rules;
mod files;
mod http;
pub mod local;
mod manifest;
mod prefetch;
pub mod progress;
pub mod registry;
mod similar;
pub mod source;
mod template;
#[cfg(test)]
mod testing;

pub use contents::ContentsError;
pub use download::Archive;
pub use error::{
    ArchiveError, DownloadError, EntryError, HttpError, ManifestError, NotText, OpenError, Reason,
    TemplateError,
};
pub use http::Patience;
pub use local::{LocalError, Locals, Overlay, Workshop};
pub use progress::{Progress, Silent};
pub use registry::{Registry, RegistryOptions};
pub use source::{Source, SourceError};
