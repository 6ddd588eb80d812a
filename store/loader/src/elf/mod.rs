//! ELF files as the loader sees them: [`Object`].
//!
//! Only what glibc itself reads is read: the program headers and what the dynamic section points
//! to. Section headers are never looked at, so a stripped file reads the same as any other.
//!
//! | module | purpose |
//! |---|---|
//! | here | the types, and the questions that may be asked of an object |
//! | `source` | the bytes, of which little is read |
//! | `read` | bytes to types; every offset is checked |
//! | `hash` | which symbols are found by their names |
//! | `versions` | the versions of symbols |

use std::collections::BTreeSet;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};

mod hash;
mod read;
mod source;
mod versions;

/// A program or a shared library.
#[derive(Debug, Clone)]
pub struct Object {
    /// The path it was read from.
    pub path: Utf8PathBuf,
    /// The machine its code is for.
    pub machine: Machine,
    /// What it is.
    pub kind: ObjectKind,
    /// The name it gives itself (`DT_SONAME`).
    pub soname: Option<String>,
    /// The libraries it needs, in order (`DT_NEEDED`).
    pub needed: Vec<String>,
    /// The search path it hands down to the libraries it loads (`DT_RPATH`). None where there is
    /// a `DT_RUNPATH`, which makes glibc forget it.
    pub rpath: Option<String>,
    /// The search path for the libraries it needs itself (`DT_RUNPATH`).
    pub runpath: Option<String>,
    /// Whether it looks for symbols in itself first (`DT_SYMBOLIC`).
    pub symbolic: bool,
    /// The program that loads it (`PT_INTERP`).
    pub interpreter: Option<String>,
    /// The table its symbols are found through.
    pub hash_table: HashTable,
    /// Whether it has compressed relocations (`DT_RELR`). They name no symbols.
    pub compressed_relocations: bool,
    /// Whether its symbols carry versions: glibc treats objects without any specially.
    pub versioned: bool,
    /// The versions it defines, its own name (the base version) among them; none where the object
    /// has no version definitions at all.
    pub defined_versions: Option<BTreeSet<String>>,
    /// The versions it needs of other files.
    pub needed_versions: Vec<NeededVersion>,
    /// Why a program that runs already cannot load it.
    pub unopenable: Option<&'static str>,
    /// A feature this crate does not model, which forbids a proof.
    pub unmodelled: Option<&'static str>,
    symbols: Vec<Symbol>,
    relocated: Vec<(u32, ReferenceKind)>,
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A program, position-independent or not: glibc does not load it as a library.
    Program,
    /// A shared object that is not marked as a program. It may be started as one all the same.
    Library,
}

/// A machine whose loader this crate models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// 64-bit x86.
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

/// The table through which an object's symbols are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashTable {
    /// `DT_GNU_HASH`, which glibc prefers.
    Gnu,
    /// `DT_HASH`.
    SystemV,
    /// Neither: nothing can be found in the object.
    None,
}

/// A version an object needs of a file it was linked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededVersion {
    /// The file, named as in [`Object::needed`].
    pub file: String,
    /// The version.
    pub version: String,
    /// Whether the program starts without it.
    pub weak: bool,
}

/// An entry of the dynamic symbol table.
#[derive(Debug, Clone)]
pub struct Symbol {
    /// The name, as the linker knows it.
    pub name: String,
    /// The version; none for the base version and where there are no versions.
    pub version: Option<Arc<SymbolVersion>>,
    /// The number of the version in the object's own table.
    pub version_index: u16,
    /// Whether only references that name the version find it (`name@version`, one at sign).
    pub hidden_version: bool,
    /// Whether the object defines it.
    pub defined: bool,
    /// Whether a look-up can find it here: the hash table leads to it, it is of a kind that stands
    /// for code or data, and has a value. An undefined function can have one: the entry of a
    /// program's procedure linkage table that stands for it wherever its address is taken.
    pub findable: bool,
    /// The binding.
    pub binding: Binding,
    /// The visibility.
    pub visibility: Visibility,
    /// What it stands for.
    pub kind: SymbolKind,
    /// Its value: an address, for code and data.
    pub(crate) address: u64,
}

/// The version of a symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolVersion {
    /// The version's name: the version node of the script it was linked with.
    pub name: String,
    /// The file it is needed from; none for a version the object defines.
    pub file: Option<String>,
    /// Whether an unversioned definition will not do.
    pub strict: bool,
}

/// The binding of a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// Seen in the object only.
    Local,
    /// Seen everywhere.
    Global,
    /// As `Global` to the loader; a weak reference may stay unresolved.
    Weak,
    /// One definition for the whole process (`STB_GNU_UNIQUE`).
    Unique,
    /// One that glibc ignores.
    Other,
}

/// The visibility of a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Other objects see it and may take its place.
    Default,
    /// Other objects see it; the object's own references bind to it.
    Protected,
    /// Hidden or internal: not seen by other objects.
    Hidden,
}

/// What a symbol stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymbolKind {
    /// A function.
    Function,
    /// A function chosen at start-up by another one (`STT_GNU_IFUNC`).
    IndirectFunction,
    /// A variable.
    Data,
    /// A variable of each thread.
    ThreadLocal,
    /// Nothing stated.
    Unspecified,
    /// A section or a file, which glibc ignores.
    Other,
}

/// A symbol as used by relocations.
#[derive(Debug, Clone, Copy)]
pub struct Reference<'a> {
    /// The symbol; its version, if any, is the one asked for.
    pub symbol: &'a Symbol,
    /// How it is used.
    pub kind: ReferenceKind,
}

/// How a relocation uses a symbol, as far as the look-up depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReferenceKind {
    /// Its address.
    Address,
    /// A call through the procedure linkage table, or a thread-local variable: entries that stand
    /// for a function in a program's table are passed over.
    Call,
    /// The content of a library's variable, copied into the program, which all then use: the
    /// program itself is passed over.
    Copy,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file system refused.
    #[error("could not read `{path}`")]
    Io {
        /// The file.
        path: Utf8PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The content is not what glibc can load.
    #[error("could not read `{path}` as a program or library: {reason}")]
    Malformed {
        /// The file.
        path: Utf8PathBuf,
        /// The reason.
        reason: String,
    },
}

impl Object {
    /// Reads a program or library.
    pub fn read(path: &Utf8Path) -> Result<Self, ReadError> {
        Self::from_source(path, &Source::open(path)?)
    }

    /// Reads a program or library from the bytes of its file; `path` is only kept and named in
    /// errors.
    pub fn parse(path: &Utf8Path, bytes: &[u8]) -> Result<Self, ReadError> {
        Self::from_source(path, &Source::Memory(bytes))
    }

    pub(crate) fn from_source(path: &Utf8Path, source: &Source<'_>) -> Result<Self, ReadError> {
        read::object(path, source).map_err(|reason| reason.of(path))
    }

    /// Returns the symbols that other objects can bind to.
    pub fn definitions(&self) -> impl Iterator<Item = &Symbol> {
        self.symbols.iter().filter(|symbol| symbol.exported())
    }

    /// Returns the symbols that relocations use, each once for every kind of use, in the order in
    /// which glibc meets them. Those that bind inside the object by their visibility are left out.
    pub fn references(&self) -> impl Iterator<Item = Reference<'_>> {
        self.relocated.iter().map(|&(index, kind)| Reference {
            symbol: self.symbol(index),
            kind,
        })
    }

    /// Returns the symbols that are to come from other objects, relocated or not.
    pub fn undefined(&self) -> impl Iterator<Item = &Symbol> {
        self.symbols.iter().filter(|symbol| {
            !symbol.defined && !symbol.name.is_empty() && symbol.binding != Binding::Local
        })
    }

    /// Returns what the object needs of versioned libraries, as (symbol, version) in the order of
    /// its symbol table.
    pub fn undefined_versioned(&self) -> impl Iterator<Item = (&str, &SymbolVersion)> {
        self.undefined()
            .filter_map(|symbol| Some((&*symbol.name, &**symbol.version.as_ref()?)))
    }

    /// Returns the name other objects know it by: its SONAME or else its file name.
    pub fn name(&self) -> &str {
        self.soname
            .as_deref()
            .or_else(|| self.path.file_name())
            .unwrap_or(self.path.as_str())
    }

    /// Returns the whole symbol table; positions in it are stable.
    pub(crate) fn symbols(&self) -> &[Symbol] {
        &self.symbols
    }

    /// Returns a symbol by its position in the table.
    pub(crate) fn symbol(&self, index: u32) -> &Symbol {
        &self.symbols[index as usize]
    }

    /// Returns the positions of the symbols that relocations use; see [`Object::references`].
    pub(crate) fn relocated(&self) -> &[(u32, ReferenceKind)] {
        &self.relocated
    }
}

impl Symbol {
    /// Tells whether other objects can bind to it.
    pub(crate) fn exported(&self) -> bool {
        self.defined
            && self.findable
            && self.visibility != Visibility::Hidden
            && !matches!(self.binding, Binding::Local | Binding::Other)
    }
}

/// Returns the machine of an ELF file, if it is one that this crate models; `Err` if the bytes are
/// no ELF file, or one whose header makes glibc stop. It passes over files for other machines when
/// it searches, and over nothing else.
pub(crate) fn machine(path: &Utf8Path, source: &Source<'_>) -> Result<Option<Machine>, ReadError> {
    read::machine(source).map_err(|reason| reason.of(path))
}

pub(crate) use hash::gnu as hash;
pub(crate) use source::Source;
