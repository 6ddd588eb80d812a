//! The verdict on a program: [`Proof`] or [`Refusal`].

use std::collections::BTreeSet;
use std::fmt;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use crate::bind::{Binding, Bindings};
use crate::elf::{Binding as SymbolBinding, ReadError, ReferenceKind, Symbol};
use crate::load::{Index, PROGRAM, Process};

/// How many refused bindings a message shows.
const SHOWN: usize = 5;

/// What a program may define in place of glibc, for itself and all its libraries: the functions
/// that glibc's manual lists under "Replacing malloc".
const REPLACEABLE: [&str; 10] = [
    "malloc",
    "free",
    "calloc",
    "realloc",
    "aligned_alloc",
    "malloc_usable_size",
    "memalign",
    "posix_memalign",
    "pvalloc",
    "valloc",
];

/// What was proved of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// What is loaded, in the order in which symbols are looked up; the program is the first.
    pub objects: Vec<ProvedObject>,
    /// The references that were checked: all but those of glibc's own libraries.
    pub references: u64,
    /// How many of them bind by name and version.
    pub versioned: u64,
    /// How many of them bind by name alone.
    pub unversioned: u64,
    /// How many of them are weak and bind to nothing, as they may.
    pub weak_unresolved: u64,
    /// How many of them copy a library's variable into the program.
    pub copied: u64,
    /// How many of them bind to the program's own allocator in place of glibc's.
    pub replaced: u64,
    /// Names that several objects define, glibc's own aside. None of them clashes.
    pub repeated_names: Vec<RepeatedName>,
}

/// An object of a proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvedObject {
    /// The path by which it is opened.
    pub path: Utf8PathBuf,
    /// Its SONAME, or else its file name.
    pub name: String,
    /// Whether it belongs to glibc.
    pub glibc: bool,
    /// How many names it defines for others.
    pub definitions: u64,
    /// How many references it has.
    pub references: u64,
}

/// A name that several objects define.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepeatedName {
    /// The name.
    pub symbol: String,
    /// The objects, in the order in which they are looked through.
    pub objects: Vec<Utf8PathBuf>,
}

/// A reference and where it leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BoundSymbol {
    /// The file that refers.
    pub object: Utf8PathBuf,
    /// The symbol, as the linker knows it.
    pub symbol: String,
    /// The version asked for.
    pub version: Option<String>,
    /// The file whose definition is found; none for a weak reference that leads nowhere.
    pub provider: Option<Utf8PathBuf>,
}

/// Why a program is refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A file cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
    /// A needed library is not there.
    #[error("`{library}` is not there: {chain} needs it, and it is not in {}", list(.searched))]
    Missing {
        /// The library, as it is asked for.
        library: String,
        /// From the program to what needs it.
        chain: Chain,
        /// The folders it was looked for in.
        searched: Vec<Utf8PathBuf>,
    },
    /// A library would come from the system.
    #[error(
        "`{library}` would come from the system (`{path}`), which may only give glibc: {chain} \
         needs it"
    )]
    Foreign {
        /// The library.
        library: String,
        /// Where it was found.
        path: Utf8PathBuf,
        /// From the program to the library.
        chain: Chain,
    },
    /// A library of glibc would come from elsewhere, and not fit the system's loader.
    #[error("`{library}` belongs to glibc, but would come from `{path}`: {chain} needs it")]
    Misplaced {
        /// The library.
        library: String,
        /// Where it was found.
        path: Utf8PathBuf,
        /// From the program to the library.
        chain: Chain,
    },
    /// Two files go by one name, and only the first is loaded.
    #[error(
        "two files go by the name `{library}`: {chain} needs `{path}`, but `{loaded}` is loaded \
         before it ({loaded_chain})"
    )]
    Shadowed {
        /// The name.
        library: String,
        /// The file that is left out.
        path: Utf8PathBuf,
        /// From the program to what needs the file that is left out.
        chain: Chain,
        /// The file that is loaded.
        loaded: Utf8PathBuf,
        /// From the program to the file that is loaded.
        loaded_chain: Chain,
    },
    /// Something whose effect on the loader is not modelled, so that nothing can be proved.
    #[error("nothing can be proved of `{path}`: {reason}")]
    Unsupported {
        /// The file or folder.
        path: Utf8PathBuf,
        /// The reason.
        reason: String,
    },
    /// References do not bind to what they were linked against.
    #[error("{}", Refused(.program, .bindings))]
    Bindings {
        /// The program.
        program: Utf8PathBuf,
        /// All of them.
        bindings: Vec<RefusedBinding>,
    },
}

/// A reference that does not bind to what it was linked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusedBinding {
    /// Another definition is found first.
    Interposed {
        /// The symbol, as the linker knows it.
        symbol: String,
        /// The version asked for.
        version: Option<String>,
        /// The file that refers to it.
        object: Provider,
        /// The file whose definition is found.
        got: Provider,
        /// The file it was linked against; none if it was left open, for the program to define.
        expected: Option<Provider>,
    },
    /// No definition is found.
    Unresolved {
        /// The symbol, as the linker knows it.
        symbol: String,
        /// The version asked for.
        version: Option<String>,
        /// The file that refers to it.
        object: Provider,
        /// The file it was linked against, where that is known.
        expected: Option<Provider>,
    },
    /// A file lacks a version that another was linked against.
    MissingVersion {
        /// The version.
        version: String,
        /// The file's name.
        file: String,
        /// The file that needs it.
        object: Provider,
        /// The file that goes by the name; none if nothing does.
        got: Option<Provider>,
    },
    /// The program has a copy of a library's variable, and the library uses its own.
    SplitVariable {
        /// The variable, as the linker knows it.
        symbol: String,
        /// The library.
        object: Provider,
    },
}

/// A loaded file, and how it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The path by which it is opened.
    pub path: Utf8PathBuf,
    /// From the program to the file.
    pub chain: Chain,
}

/// The names of files each of which needs the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain(pub Vec<String>);

/// Lists the bindings of a process.
pub(crate) fn bound(process: &Process, bindings: &Bindings) -> Vec<BoundSymbol> {
    let path = |index: Index| process.objects[index].object.path.clone();
    let bound = bindings.all.iter().map(|binding| {
        let object = &process.objects[binding.object].object;
        let symbol = object.symbol(binding.symbol);
        BoundSymbol {
            object: path(binding.object),
            symbol: symbol.name.clone(),
            version: symbol.version.as_ref().map(|version| version.name.clone()),
            provider: binding.found.map(|found| path(found.object)),
        }
    });
    bound.collect()
}

/// Judges the bindings of a process.
pub(crate) fn judge(process: &Process, bindings: &Bindings) -> Result<Proof, Refusal> {
    let mut proof = Proof {
        objects: objects(process),
        references: 0,
        versioned: 0,
        unversioned: 0,
        weak_unresolved: 0,
        copied: 0,
        replaced: 0,
        repeated_names: Vec::new(),
    };
    let mut refused = missing_versions(process);
    let mut seen = BTreeSet::new();
    // First what the program does, then its libraries.
    for binding in bindings
        .all
        .iter()
        .rev()
        .filter(|b| !process.objects[b.object].glibc)
    {
        match refuse(process, binding) {
            None => proof.count(process, binding),
            // A symbol may be used in several ways.
            Some(refusal) if seen.insert((binding.object, binding.symbol)) => refused.push(refusal),
            Some(_) => {}
        }
    }
    refused.extend(bindings.split.iter().map(|split| {
        RefusedBinding::SplitVariable {
            symbol: process.objects[split.object]
                .object
                .symbol(split.symbol)
                .name
                .clone(),
            object: provider(process, split.object),
        }
    }));
    if !refused.is_empty() {
        let program = proof.objects[0].path.clone();
        return Err(Refusal::Bindings {
            program,
            bindings: refused,
        });
    }
    let path = |&index: &Index| process.objects[index].object.path.clone();
    proof.repeated_names = bindings
        .repeated
        .iter()
        .map(|(symbol, objects)| RepeatedName {
            symbol: symbol.clone(),
            objects: objects.iter().map(path).collect(),
        })
        .collect();
    Ok(proof)
}

impl Proof {
    fn count(&mut self, process: &Process, binding: &Binding) {
        let symbol = process.objects[binding.object]
            .object
            .symbol(binding.symbol);
        self.references += 1;
        self.copied += u64::from(binding.kind == ReferenceKind::Copy);
        self.replaced += u64::from(is_replaced(process, binding, symbol));
        match (binding.found, &symbol.version) {
            (None, _) => self.weak_unresolved += 1,
            (Some(_), Some(_)) => self.versioned += 1,
            (Some(_), None) => self.unversioned += 1,
        }
    }
}

fn objects(process: &Process) -> Vec<ProvedObject> {
    let loaded = process.scope.iter().map(|&index| &process.objects[index]);
    loaded
        .map(|loaded| ProvedObject {
            path: loaded.object.path.clone(),
            name: loaded.object.name().to_owned(),
            glibc: loaded.glibc,
            definitions: loaded.object.definitions().count() as u64,
            references: loaded.object.references().count() as u64,
        })
        .collect()
}

/// Checks what glibc checks before it binds anything.
fn missing_versions(process: &Process) -> Vec<RefusedBinding> {
    let mut missing = Vec::new();
    for &index in &process.scope {
        let loaded = &process.objects[index];
        if loaded.glibc {
            continue;
        }
        for needed in &loaded.object.needed_versions {
            let file = process.named(&needed.file);
            let there = file.is_some_and(|file| {
                // A file that has lost all its versions makes some releases of glibc stop, and is
                // passed with a warning by others.
                let defined = process.objects[file].object.defined_versions.as_ref();
                defined.is_some_and(|defined| needed.weak || defined.contains(&needed.version))
            });
            if !there {
                missing.push(RefusedBinding::MissingVersion {
                    version: needed.version.clone(),
                    file: needed.file.clone(),
                    object: provider(process, index),
                    got: file.map(|file| provider(process, file)),
                });
            }
        }
    }
    missing
}

fn refuse(process: &Process, binding: &Binding) -> Option<RefusedBinding> {
    let symbol = process.objects[binding.object]
        .object
        .symbol(binding.symbol);
    let version = symbol.version.as_ref().map(|version| version.name.clone());
    let expected = || binding.expected.map(|index| provider(process, index));
    let (Some(found), Some(leads_to)) = (binding.found, binding.provider) else {
        return (!may_be_absent(process, binding, symbol)).then(|| RefusedBinding::Unresolved {
            symbol: symbol.name.clone(),
            version,
            object: provider(process, binding.object),
            expected: expected(),
        });
    };
    let right = |got: Index| {
        binding.expected.is_some_and(|expected| {
            let glibc = |index: Index| process.objects[index].glibc;
            got == expected || (glibc(got) && glibc(expected))
        })
    };
    if right(found.object) || right(leads_to) || is_replaced(process, binding, symbol) {
        return None;
    }
    Some(RefusedBinding::Interposed {
        symbol: symbol.name.clone(),
        version,
        object: provider(process, binding.object),
        got: provider(process, leads_to),
        expected: expected(),
    })
}

/// Whether a program's own allocator takes the place of glibc's, as glibc lets it.
fn is_replaced(process: &Process, binding: &Binding, symbol: &Symbol) -> bool {
    let glibc = |index: Index| process.objects[index].glibc;
    let by_program = binding.found.is_some_and(|found| found.object == PROGRAM);
    by_program
        && binding.object != PROGRAM
        && binding.expected.is_some_and(glibc)
        && REPLACEABLE.contains(&symbol.name.as_str())
}

/// A weak reference may stay without a definition, unless it has the version of a library that
/// used to have one; of glibc, an older one may do.
fn may_be_absent(process: &Process, binding: &Binding, symbol: &Symbol) -> bool {
    let linked = binding.expected.filter(|_| symbol.version.is_some());
    symbol.binding == SymbolBinding::Weak && linked.is_none_or(|index| process.objects[index].glibc)
}

fn provider(process: &Process, index: Index) -> Provider {
    Provider {
        path: process.objects[index].object.path.clone(),
        chain: process.chain(index),
    }
}

/// The message of [`Refusal::Bindings`].
struct Refused<'a>(&'a Utf8PathBuf, &'a [RefusedBinding]);

impl fmt::Display for Refused<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(program, bindings) = self;
        write!(
            f,
            "symbols of `{program}` would not bind to what they were linked against:"
        )?;
        for binding in bindings.iter().take(SHOWN) {
            write!(f, "\n{binding}")?;
        }
        match bindings.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

impl fmt::Display for RefusedBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interposed {
                symbol,
                version,
                object,
                got,
                expected,
            } => {
                write!(f, "  {} in {object}", Name(symbol, version.as_deref()))?;
                match expected {
                    Some(expected) => write!(f, "\n    linked against {expected}")?,
                    None => write!(f, "\n    linked against no file, and several define it")?,
                }
                write!(f, "\n    would bind to  {got}")
            }
            Self::Unresolved {
                symbol,
                version,
                object,
                expected,
            } => {
                write!(f, "  {} in {object}", Name(symbol, version.as_deref()))?;
                if let Some(expected) = expected {
                    write!(f, "\n    linked against {expected}")?;
                }
                write!(f, "\n    would bind to  nothing: no loaded file defines it")
            }
            Self::MissingVersion {
                version,
                file,
                object,
                got,
            } => {
                write!(f, "  version `{version}` of `{file}`, needed in {object}")?;
                match got {
                    Some(got) => write!(f, "\n    is not in      {got}"),
                    None => write!(f, "\n    no file is loaded by that name"),
                }
            }
            Self::SplitVariable { symbol, object } => {
                write!(f, "  {} in {object}", Name(symbol, None))?;
                write!(
                    f,
                    "\n    the program uses a copy of it, the library its own"
                )
            }
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.chain.0[..] {
            // The program itself.
            [_] => write!(f, "`{}`", self.path),
            _ => write!(f, "`{}` ({})", self.path, self.chain),
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" -> "))
    }
}

/// A symbol for people: demangled, and without anything that could upset a terminal.
struct Name<'a>(&'a str, Option<&'a str>);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(symbol, version) = self;
        // The alternate form leaves the hash out.
        let name = format!("{:#}", rustc_demangle::demangle(symbol));
        let name = name.replace(char::is_control, "\u{fffd}");
        write!(f, "`{name}`")?;
        match version {
            Some(version) => write!(f, " (version `{version}`)"),
            None => Ok(()),
        }
    }
}

fn list(folders: &[Utf8PathBuf]) -> String {
    let quoted: Vec<_> = folders.iter().map(|folder| format!("`{folder}`")).collect();
    quoted.join(", ")
}
