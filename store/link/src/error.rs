//! [`LinkError`]: why an app could not be linked.

use camino::Utf8PathBuf;
use orlop_loader::Refusal;
use orlop_loader::elf::ReadError;
use orlop_store::error::StoreError;
use orlop_store::{ExitStatus, RunError};

use crate::link_set::LinkSetError;
use crate::objects::ObjectError;

/// Why an app could not be linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file could not be used.
    #[error("link")]
    Io(#[from] std::io::Error),
    /// A link set could not be read.
    #[error("read the link set of `{program}`")]
    LinkSet {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: LinkSetError,
    },
    /// An archive or an object could not be read.
    #[error("read `{file}`")]
    Object {
        /// The file.
        file: Utf8PathBuf,
        /// Why.
        #[source]
        source: ObjectError,
    },
    /// The compiler's record or the record of an earlier link could not be read.
    #[error("read `{file}`")]
    Json {
        /// The file.
        file: Utf8PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// What was linked, or a library it needs, could not be read.
    #[error("read what was linked")]
    Elf(#[from] ReadError),
    /// The linker could not be run.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The linker failed.
    #[error("link {name}: the linker ended with {status}:\n{output}")]
    Linker {
        /// What was linked.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said.
        output: String,
    },
    /// The linker ended well and made nothing.
    #[error("link {name}: the linker made no file")]
    NotMade {
        /// What was to be linked.
        name: String,
    },
    /// A file beside an app's programs cannot be made.
    #[error("make `share/{place}` of {app}: {reason}")]
    Share {
        /// The app.
        app: String,
        /// The file's place below `share`.
        place: String,
        /// Why.
        reason: String,
    },
    /// A file of a package cannot be had.
    #[error("take the file `{file}` of the package of `{app}`")]
    SharedFile {
        /// The app.
        app: String,
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is nothing to link.
    #[error("link `{app}`: it has no programs")]
    NoProgram {
        /// The app.
        app: String,
    },
    /// The record of a link does not have an app that was linked.
    #[error("the record of an earlier link does not have `{app}`")]
    NotRecorded {
        /// The app.
        app: String,
    },
    /// A library that has to go along is nowhere.
    #[error("`{program}` needs the library `{library}`, which no input and no C tool provides")]
    NoLibrary {
        /// The program.
        program: String,
        /// The library.
        library: String,
    },
    /// An app with plugins cannot load libraries.
    #[error("`{app}` takes plugins, so it cannot be linked statically")]
    Closed {
        /// The app.
        app: String,
    },
    /// A crate that an app has in common with its plugins cannot be in a library.
    #[error(
        "`{member}` cannot be shared with plugins: it, or what it needs, must stay in the binary"
    )]
    NotOpen {
        /// The crate.
        member: String,
    },
    /// A plugin cannot be linked against its host as that is.
    #[error("`{host}` would have to be linked again for its plugin `{plugin}`")]
    HostChanges {
        /// The app.
        host: String,
        /// The plugin.
        plugin: String,
    },
    /// The linker cannot tell apart what crates of one program ask of different libraries.
    #[error(
        "link `{program}`: `{symbol}` is defined more than once in it, for different crates, and \
         the linker of the C tools cannot tell whose is meant"
    )]
    Contested {
        /// The program.
        program: String,
        /// The name.
        symbol: String,
    },
    /// A crate was built against several definitions of a name, or none of those there are.
    #[error(
        "link `{program}`: `{file}` asks for `{symbol}`, and nothing says whose: `{definers}` define it"
    )]
    Ambiguous {
        /// The program.
        program: String,
        /// The name.
        symbol: String,
        /// The archive or object that asks.
        file: Utf8PathBuf,
        /// The libraries and crates that define it.
        definers: String,
    },
    /// An app would not load what it was linked against.
    #[error("`{program}` of {app} is refused: it would not load what it was linked against")]
    Refused {
        /// The app.
        app: String,
        /// Its program.
        program: String,
        /// Why.
        #[source]
        source: Box<Refusal>,
    },
}
