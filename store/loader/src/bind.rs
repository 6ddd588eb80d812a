//! To which definition every reference binds, and to which it should.
//!
//! How glibc looks a name up (`do_lookup_x` and `check_match`):
//!
//! 1. It walks the scope (every loaded file, breadth first; an object with `DT_SYMBOLIC` first
//!    looks into itself) and takes the first definition that matches. Weak is as good as global.
//! 2. A reference with a version matches a definition with that version; any definition of a file
//!    without versions; and an unversioned definition, unless the reference is marked strict.
//! 3. A reference without a version matches an unversioned definition, one with the first version
//!    of its file, or the only one with a later version that is not hidden.
//! 4. A protected symbol binds to itself. A unique one binds, in the whole process, to whichever
//!    definition was bound first. A copied variable lives in the program, for everybody.
//!
//! What a reference should bind to: the object itself if it defines the name; else the file that
//! its version was needed from when it was linked; else the first match among the object's own
//! dependencies, breadth first, as the linker searched them; else, where a library leaves a name
//! for the program to define, the only definition there is.

use std::collections::{BTreeMap, VecDeque};

use crate::elf::{
    Binding as SymbolBinding, ReferenceKind, Symbol, SymbolVersion, Visibility, hash,
};
use crate::load::{Index, PROGRAM, Process};

/// A definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Definition {
    /// The file.
    pub(crate) object: Index,
    /// The position in the file's symbol table.
    pub(crate) symbol: u32,
}

/// What one reference binds to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Binding {
    /// The file that refers.
    pub(crate) object: Index,
    /// The position of the symbol in its table.
    pub(crate) symbol: u32,
    pub(crate) kind: ReferenceKind,
    /// What glibc finds.
    pub(crate) found: Option<Definition>,
    /// The file the found symbol leads to: a program's copy of a variable stands for the library
    /// it was copied from, an entry of its procedure linkage table for the function it calls.
    pub(crate) provider: Option<Index>,
    /// The file the reference was linked against.
    pub(crate) expected: Option<Index>,
}

/// The bindings of a process.
#[derive(Debug)]
pub(crate) struct Bindings {
    /// One for each reference of each file, in the order in which glibc relocates.
    pub(crate) all: Vec<Binding>,
    /// The variables of which program and library use different copies.
    pub(crate) split: Vec<Definition>,
    /// Names that more than one file defines, glibc's own aside.
    pub(crate) repeated: Vec<(String, Vec<Index>)>,
}

/// Binds every reference of every file.
pub(crate) fn bind(process: &Process) -> Bindings {
    let mut binder = Binder::new(process);
    let mut all = Vec::new();
    // glibc relocates the files last to first; those that were loaded before the others, before
    // them: what they bind unique symbols to, and have copied, counts for all.
    let (before, now) = (0..process.first, process.first..process.objects.len());
    for object in before.rev().chain(now.rev()) {
        if process.scope.contains(&object) {
            for &(symbol, kind) in process.objects[object].object.relocated() {
                let found = binder.look_up(object, symbol, kind);
                let expected = binder.expected(object, symbol, kind);
                all.push(Binding {
                    object,
                    symbol,
                    kind,
                    found,
                    provider: None,
                    expected,
                });
            }
        }
    }
    let copies = Copies::new(process, &all);
    for binding in &mut all {
        binding.provider = binding.found.map(|found| binder.provider(found, &copies));
    }
    let split = copies.split(process, &all);
    all.retain(|binding| binding.object >= process.first);
    let repeated = binder.repeated(&copies);
    Bindings {
        all,
        split,
        repeated,
    }
}

/// An entry of the index over all definitions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    hash: u32,
    /// The position in the scope.
    rank: u32,
    symbol: u32,
}

struct Binder<'a> {
    process: &'a Process,
    /// Everything that can be found, sorted by hash, then by position in the scope.
    entries: Vec<Entry>,
    /// For each file, the positions of all files in its own closure.
    closures: Vec<BTreeMap<Index, usize>>,
    /// The unique symbols bound so far.
    unique: BTreeMap<String, Definition>,
}

impl<'a> Binder<'a> {
    fn new(process: &'a Process) -> Self {
        let mut entries = Vec::new();
        for (rank, &index) in (0..).zip(&process.scope) {
            for (symbol, entry) in (0..).zip(process.objects[index].object.symbols()) {
                if entry.findable {
                    entries.push(Entry {
                        hash: hash(&entry.name),
                        rank,
                        symbol,
                    });
                }
            }
        }
        entries.sort_unstable();
        let closures = (0..process.objects.len())
            .map(|index| closure(process, index))
            .collect();
        Self {
            process,
            entries,
            closures,
            unique: BTreeMap::new(),
        }
    }

    fn symbol(&self, at: Definition) -> &'a Symbol {
        self.process.objects[at.object].object.symbol(at.symbol)
    }

    /// Finds what glibc finds for a reference.
    fn look_up(&mut self, object: Index, symbol: u32, kind: ReferenceKind) -> Option<Definition> {
        let reference = Definition { object, symbol };
        let found = self.first_in_scope(reference, kind)?;
        let found = self.unify(reference, found, kind);
        if self.symbol(reference).visibility != Visibility::Protected || found.object == object {
            return Some(found);
        }
        // The address of a protected function may still be the program's entry for it.
        let elsewhere = kind == ReferenceKind::Call
            || self
                .first_in_scope(reference, ReferenceKind::Call)
                .is_some_and(|other| other.object != object);
        Some(if elsewhere { reference } else { found })
    }

    fn first_in_scope(&self, reference: Definition, kind: ReferenceKind) -> Option<Definition> {
        let own = self.process.objects[reference.object].object.symbolic;
        let matches = || self.matches(reference, kind);
        let itself = || matches().find(|found| found.object == reference.object);
        own.then(itself).flatten().or_else(|| matches().next())
    }

    /// Returns the matching definition of each file in the scope that has one, in order.
    fn matches(
        &self,
        reference: Definition,
        kind: ReferenceKind,
    ) -> impl Iterator<Item = Definition> {
        let symbol = self.symbol(reference);
        let run = self.run(hash(&symbol.name));
        run.chunk_by(|one, other| one.rank == other.rank)
            .filter_map(move |entries| {
                let object = self.process.scope[entries[0].rank as usize];
                if kind == ReferenceKind::Copy && object == PROGRAM {
                    return None;
                }
                let candidates = entries
                    .iter()
                    .map(|entry| Definition {
                        object,
                        symbol: entry.symbol,
                    })
                    .filter(|&candidate| {
                        let candidate = self.symbol(candidate);
                        candidate.name == symbol.name
                            && (candidate.defined || kind != ReferenceKind::Call)
                    });
                self.match_version(object, candidates, symbol.version.as_deref())
            })
    }

    /// Returns the entries with a hash.
    fn run(&self, hash: u32) -> &[Entry] {
        let start = self.entries.partition_point(|entry| entry.hash < hash);
        let rest = &self.entries[start..];
        let length = rest.iter().take_while(|entry| entry.hash == hash).count();
        &rest[..length]
    }

    /// Chooses among the definitions of one name in one file.
    fn match_version(
        &self,
        object: Index,
        candidates: impl Iterator<Item = Definition>,
        version: Option<&SymbolVersion>,
    ) -> Option<Definition> {
        let versioned = self.process.objects[object].object.versioned;
        let mut first = None;
        let mut later = Vec::new();
        for candidate in candidates {
            let symbol = self.symbol(candidate);
            let matches = match (version, &symbol.version) {
                _ if !versioned => true,
                (Some(version), Some(own)) => own.name == version.name,
                (Some(version), None) => !version.strict && !symbol.hidden_version,
                (None, _) => symbol.version_index < 3,
            };
            if matches {
                first = Some(candidate);
                break;
            }
            if version.is_none() && !symbol.hidden_version {
                later.push(candidate);
            }
        }
        let chosen = first.or(match later[..] {
            [only] => Some(only),
            _ => None,
        })?;
        let symbol = self.symbol(chosen);
        let local = matches!(symbol.binding, SymbolBinding::Local | SymbolBinding::Other);
        (symbol.visibility != Visibility::Hidden && !local).then_some(chosen)
    }

    /// Replaces a unique definition by the one that the process already uses.
    fn unify(
        &mut self,
        reference: Definition,
        found: Definition,
        kind: ReferenceKind,
    ) -> Definition {
        let symbol = self.symbol(found);
        if symbol.binding != SymbolBinding::Unique {
            return found;
        }
        let copy = kind == ReferenceKind::Copy;
        let used = if copy { reference } else { found };
        let used = *self.unique.entry(symbol.name.clone()).or_insert(used);
        if copy { found } else { used }
    }

    fn expected(&self, object: Index, symbol: u32, kind: ReferenceKind) -> Option<Index> {
        let reference = Definition { object, symbol };
        let symbol = self.symbol(reference);
        // A copied variable is defined in the program, but was linked against a library's.
        let copy = kind == ReferenceKind::Copy;
        if symbol.defined && !copy {
            return Some(object);
        }
        let file = symbol
            .version
            .as_ref()
            .and_then(|version| version.file.as_deref());
        if let Some(provider) = file.and_then(|file| self.process.named(file)) {
            return Some(provider);
        }
        let definitions = || {
            self.matches(reference, kind)
                .filter(|&found| self.symbol(found).defined)
                .map(|found| found.object)
        };
        let closure = &self.closures[object];
        let near = definitions()
            .filter_map(|found| Some((*closure.get(&found)?, found)))
            .min();
        if let Some((_, found)) = near {
            return Some(found);
        }
        let mut definitions = definitions();
        definitions.next().filter(|_| definitions.next().is_none())
    }

    /// Follows the program's stand-ins; see [`Binding::provider`].
    fn provider(&mut self, found: Definition, copies: &Copies) -> Index {
        let symbol = self.symbol(found);
        if !symbol.defined {
            let called = self.look_up(found.object, found.symbol, ReferenceKind::Call);
            return called.map_or(found.object, |called| called.object);
        }
        let source = copies.source(found, symbol);
        source.map_or(found.object, |source| source.object)
    }

    fn repeated(&self, copies: &Copies) -> Vec<(String, Vec<Index>)> {
        let mut repeated = BTreeMap::<&str, Vec<Index>>::new();
        for run in self.entries.chunk_by(|one, other| one.hash == other.hash) {
            if run.len() < 2 {
                continue;
            }
            for entry in run {
                let object = self.process.scope[entry.rank as usize];
                let at = Definition {
                    object,
                    symbol: entry.symbol,
                };
                let symbol = self.symbol(at);
                if symbol.exported() && copies.source(at, symbol).is_none() {
                    let objects = repeated.entry(&symbol.name).or_default();
                    if objects.last() != Some(&object) {
                        objects.push(object);
                    }
                }
            }
        }
        let outside = |index: &Index| !self.process.objects[*index].glibc;
        repeated
            .into_iter()
            .filter(|(_, objects)| objects.len() > 1 && objects.iter().any(outside))
            .map(|(name, objects)| (name.to_owned(), objects))
            .collect()
    }
}

/// The variables of libraries that live in the program, by their address in it: one copy may go by
/// several names.
struct Copies(BTreeMap<u64, Definition>);

impl Copies {
    fn new(process: &Process, bindings: &[Binding]) -> Self {
        let copies = bindings
            .iter()
            .filter(|binding| binding.object == PROGRAM && binding.kind == ReferenceKind::Copy);
        let program = &process.objects[PROGRAM].object;
        Self(
            copies
                .filter_map(|copy| Some((program.symbol(copy.symbol).address, copy.found?)))
                .collect(),
        )
    }

    fn source(&self, found: Definition, symbol: &Symbol) -> Option<Definition> {
        if found.object != PROGRAM {
            return None;
        }
        self.0.get(&symbol.address).copied()
    }

    /// Returns the copied variables whose library keeps using its own.
    fn split(&self, process: &Process, bindings: &[Binding]) -> Vec<Definition> {
        let splits = |source: &Definition| {
            let object = &process.objects[source.object].object;
            let symbol = object.symbol(source.symbol);
            let used = |binding: &Binding| {
                binding.kind != ReferenceKind::Copy
                    && binding.found.is_some_and(|found| {
                        found.object == source.object
                            && object.symbol(found.symbol).address == symbol.address
                    })
            };
            object.symbolic
                || symbol.visibility == Visibility::Protected
                || bindings.iter().any(used)
        };
        let libraries = self
            .0
            .values()
            .filter(|source| !process.objects[source.object].glibc)
            .copied();
        libraries.filter(splits).collect()
    }
}

/// Returns a file and all that it needs, breadth first, with their positions in that order.
fn closure(process: &Process, index: Index) -> BTreeMap<Index, usize> {
    let mut positions = BTreeMap::from([(index, 0)]);
    let mut queue = VecDeque::from([index]);
    while let Some(next) = queue.pop_front() {
        for &needed in &process.objects[next].needs {
            let position = positions.len();
            positions.entry(needed).or_insert_with(|| {
                queue.push_back(needed);
                position
            });
        }
    }
    positions
}
