//! Bytes to [`Object`]. Nothing in a file is trusted: offsets, counts and names are checked, and a
//! broken file is an error that says what is wrong.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CStr;

use camino::Utf8Path;
use goblin::container::{Container, Ctx, Endian};
use goblin::elf::dynamic::{self, Dyn, Dynamic};
use goblin::elf::header::header64::SIZEOF_EHDR;
use goblin::elf::header::{self, Header};
use goblin::elf::program_header::program_header64::SIZEOF_PHDR;
use goblin::elf::program_header::{PT_DYNAMIC, PT_INTERP, PT_LOAD, ProgramHeader};
use goblin::elf::reloc::{self, RelocSection};
use goblin::elf::section_header;
use goblin::elf::sym::{self, Sym, Symtab};
use goblin::elf::symver::{VERSYM_HIDDEN, VERSYM_VERSION};

use super::hash::Hash;
use super::source::{Parsed, Reason, Region, Source};
use super::versions::Versions;
use super::{Binding, Machine, Object, ObjectKind, ReferenceKind, Symbol, SymbolKind, Visibility};

/// The only layout read: 64 bits, little endian.
pub(super) const LAYOUT: Ctx = Ctx {
    container: Container::Big,
    le: Endian::Little,
};
/// Bytes of a page of memory, where they are smallest.
const SMALLEST_PAGE: u64 = 4096;
/// Bytes of an entry of a table of relocations.
const RELOCATION: u64 = 24;
/// Bytes of an entry of the symbol table.
const SYMBOL_SIZE: usize = 24;

/// How often each byte of the table of names may be read, on average. Linkers let a name be the end
/// of another one, so honest ones are read more often than once.
const NAMES: usize = 16;
/// What may be read of a small table in any case.
const SMALL_NAMES: usize = 1 << 20;

/// Why a file is refused for its first bytes.
const NOT_LOADED: &str = "glibc does not load files with such a header";

// Tags that goblin does not name.
const DT_RELR: u64 = 36;
const DT_AUXILIARY: u64 = 0x7fff_fffd;
const DT_FILTER: u64 = 0x7fff_ffff;

/// Returns the machine a file is for, none if it is not one this crate models.
pub(super) fn machine(source: &Source<'_>) -> Parsed<Option<Machine>> {
    machine_of(&header(source)?)
}

fn header(source: &Source<'_>) -> Parsed<Header> {
    let length = source.length().min(SIZEOF_EHDR as u64);
    let bytes = source.read(0, position(length)?)?.unwrap_or_default();
    if !bytes.starts_with(header::ELFMAG) {
        return Err("it is not an ELF file".into());
    }
    goblin::elf::Elf::parse_header(&bytes).map_err(because)
}

/// Asks as glibc does (`open_verify` in its `dl-load.c`): whether there are 64 bits, then what makes it
/// stop if it is wrong, then for the machine. Of files for other machines some releases forgive more.
fn machine_of(header: &Header) -> Parsed<Option<Machine>> {
    if header.e_ident[header::EI_CLASS] != header::ELFCLASS64 {
        return Ok(None);
    }
    let [order, version, system, rest @ ..] = &header.e_ident[header::EI_DATA..] else {
        return Err(NOT_LOADED.into());
    };
    let current = *version == header::EV_CURRENT && header.e_version == u32::from(*version);
    let known = matches!(*system, header::ELFOSABI_SYSV | header::ELFOSABI_GNU);
    // The version of the system's conventions, of which linkers write no other, and what is unused.
    let plain = rest.iter().all(|&byte| byte == 0);
    if *order != header::ELFDATA2LSB || !current || !known || !plain {
        return Err(NOT_LOADED.into());
    }
    Ok(match header.e_machine {
        header::EM_X86_64 => Some(Machine::X86_64),
        header::EM_AARCH64 => Some(Machine::Aarch64),
        _ => None,
    })
}

/// Reads everything the loader would.
pub(super) fn object(path: &Utf8Path, source: &Source<'_>) -> Parsed<Object> {
    let file = File::new(source)?;
    let hash = Hash::read(&file)?;
    let relocated = file.relocated()?;
    // The hash table knows nothing of undefined symbols at the end of the symbol table.
    let used = relocated.iter().map(|&(index, _)| index as usize + 1).max();
    let count = hash.symbols.max(used.unwrap_or(0));
    let versions = Versions::read(&file, count)?;
    let symbols = file.symbols(count, &hash, &versions)?;
    let relocated = relocated
        .into_iter()
        .filter(|&(index, _)| searched(&symbols[index as usize]))
        .collect();
    let runpath = file.text(dynamic::DT_RUNPATH)?;
    let rpath = if runpath.is_some() {
        None
    } else {
        file.text(dynamic::DT_RPATH)?
    };
    let flags = |tag| file.tags.get(&tag).copied().unwrap_or(0);
    Ok(Object {
        path: path.to_owned(),
        machine: file.machine,
        kind: match file.header.e_type {
            header::ET_DYN if flags(dynamic::DT_FLAGS_1) & dynamic::DF_1_PIE == 0 => {
                ObjectKind::Library
            }
            _ => ObjectKind::Program,
        },
        soname: file.text(dynamic::DT_SONAME)?,
        needed: file.needed()?,
        rpath,
        runpath,
        symbolic: file.tags.contains_key(&dynamic::DT_SYMBOLIC)
            || flags(dynamic::DT_FLAGS) & dynamic::DF_SYMBOLIC != 0,
        interpreter: file.interpreter()?,
        hash_table: hash.kind,
        compressed_relocations: file.tags.contains_key(&DT_RELR),
        versioned: versions.numbers.is_some(),
        defined_versions: versions.defined,
        needed_versions: versions.needed,
        unopenable: (flags(dynamic::DT_FLAGS_1) & dynamic::DF_1_NOOPEN != 0)
            .then_some("it may not be loaded by a program that runs already (DF_1_NOOPEN)"),
        unmodelled: file.unmodelled(),
        symbols,
        relocated,
    })
}

/// Tells whether glibc looks a referenced symbol up at all.
fn searched(symbol: &Symbol) -> bool {
    symbol.binding != Binding::Local && symbol.visibility != Visibility::Hidden
}

/// A file whose headers and dynamic section are read.
pub(super) struct File<'a, 'b> {
    source: &'b Source<'a>,
    header: Header,
    machine: Machine,
    segments: Vec<ProgramHeader>,
    dynamic: Vec<Dyn>,
    /// The last value of each tag of the dynamic section, as glibc keeps them.
    pub(super) tags: BTreeMap<u64, u64>,
    strings: Cow<'a, [u8]>,
    /// How many bytes the names may still have that are read.
    names_left: Cell<usize>,
}

impl<'a, 'b> File<'a, 'b> {
    fn new(source: &'b Source<'a>) -> Parsed<Self> {
        let header = header(source)?;
        let Some(machine) = machine_of(&header)? else {
            return Err("it is not for 64-bit x86 or ARM".into());
        };
        if usize::from(header.e_phentsize) != SIZEOF_PHDR {
            return Err(NOT_LOADED.into());
        }
        if !matches!(header.e_type, header::ET_DYN | header::ET_EXEC) {
            return Err("it is neither a program nor a shared library".into());
        }
        let segments = segments(source, &header)?;
        let dynamic = dynamic(source, &segments)?;
        let tags = dynamic.iter().map(|entry| (entry.d_tag, entry.d_val));
        let mut file = Self {
            source,
            header,
            machine,
            tags: tags.collect(),
            segments,
            dynamic,
            strings: Cow::default(),
            names_left: Cell::new(SMALL_NAMES),
        };
        if let Some(&address) = file.tags.get(&dynamic::DT_STRTAB) {
            let size = file.size(dynamic::DT_STRSZ)?;
            file.strings = file.slice(address, size, "table of names")?;
            let names = size.saturating_mul(NAMES);
            file.names_left = Cell::new(names.max(SMALL_NAMES));
        }
        Ok(file)
    }

    /// Returns what lies between an address and the end of its segment.
    pub(super) fn region(&self, address: u64, what: &'static str) -> Parsed<Region<'a, 'b>> {
        let region = || {
            let (start, end) = place(&self.segments, address)?;
            Region::new(self.source, start, end, what)
        };
        region().ok_or_else(|| format!("its {what} lies outside the file").into())
    }

    fn slice(&self, address: u64, size: usize, what: &'static str) -> Parsed<Cow<'a, [u8]>> {
        if size == 0 {
            return Ok(Cow::default());
        }
        self.region(address, what)?.read(0, size)
    }

    fn size(&self, tag: u64) -> Parsed<usize> {
        position(self.tags.get(&tag).copied().unwrap_or(0))
    }

    /// Reads a name by its position in the table of names.
    pub(super) fn name(&self, at: u64) -> Parsed<&str> {
        let name = self.name_at(at)?;
        let left = self.names_left.get().checked_sub(name.len());
        self.names_left
            .set(left.ok_or("its names overlap without end")?);
        Ok(name)
    }

    fn name_at(&self, at: u64) -> Parsed<&str> {
        let bytes = position(at).ok().and_then(|at| self.strings.get(at..));
        let bytes = bytes.ok_or("a name lies outside the table of names")?;
        let name = CStr::from_bytes_until_nul(bytes).map_err(|_| "a name has no end")?;
        name.to_str().map_err(|_| "a name is not UTF-8".into())
    }

    fn text(&self, tag: u64) -> Parsed<Option<String>> {
        self.tags
            .get(&tag)
            .map(|&at| self.name(at).map(str::to_owned))
            .transpose()
    }

    fn needed(&self) -> Parsed<Vec<String>> {
        self.dynamic
            .iter()
            .filter(|entry| entry.d_tag == dynamic::DT_NEEDED)
            .map(|entry| self.name(entry.d_val).map(str::to_owned))
            .collect()
    }

    fn interpreter(&self) -> Parsed<Option<String>> {
        let Some(segment) = self
            .segments
            .iter()
            .find(|segment| segment.p_type == PT_INTERP)
        else {
            return Ok(None);
        };
        let length = position(segment.p_filesz)?;
        let bytes = self.source.read(segment.p_offset, length)?;
        let bytes = bytes.ok_or("the name of its loader lies outside the file")?;
        let name = CStr::from_bytes_until_nul(&bytes)
            .ok()
            .and_then(|name| name.to_str().ok());
        name.map(|name| Some(name.to_owned()))
            .ok_or_else(|| "the name of its loader is not a text".into())
    }

    fn unmodelled(&self) -> Option<&'static str> {
        let features = [
            (DT_FILTER, "it is a filter for another library (DT_FILTER)"),
            (
                DT_AUXILIARY,
                "it is a filter for another library (DT_AUXILIARY)",
            ),
            (
                dynamic::DT_REL,
                "it has relocations that glibc passes over on its machine (DT_REL)",
            ),
            (
                dynamic::DT_AUDIT,
                "it asks for auditing libraries (DT_AUDIT)",
            ),
            (
                dynamic::DT_DEPAUDIT,
                "it asks for auditing libraries (DT_DEPAUDIT)",
            ),
        ];
        let flags = self.tags.get(&dynamic::DT_FLAGS_1).copied().unwrap_or(0);
        let no_system = (flags & dynamic::DF_1_NODEFLIB != 0)
            .then_some("it looks for no libraries in the system's folders (DF_1_NODEFLIB)");
        let mut features = features.iter();
        let feature = features.find(|(tag, _)| self.tags.contains_key(tag));
        feature.map(|&(_, reason)| reason).or(no_system)
    }

    /// Returns the symbols used by relocations, in the order of their first use.
    fn relocated(&self) -> Parsed<Vec<(u32, ReferenceKind)>> {
        let is_not = |tag, value| self.tags.get(&tag).is_some_and(|&found| found != value);
        if is_not(dynamic::DT_PLTREL, dynamic::DT_RELA) || is_not(dynamic::DT_RELAENT, RELOCATION) {
            return Err("its relocations are not of the kind for its machine".into());
        }
        let tables = [
            (dynamic::DT_RELA, dynamic::DT_RELASZ),
            (dynamic::DT_JMPREL, dynamic::DT_PLTRELSZ),
        ];
        let mut seen = BTreeSet::new();
        let mut relocated = Vec::new();
        for (table, size) in tables {
            let Some(&address) = self.tags.get(&table) else {
                continue;
            };
            let bytes = self.slice(address, self.size(size)?, "table of relocations")?;
            let list = RelocSection::parse(&bytes, 0, bytes.len(), true, LAYOUT);
            let list = list.map_err(because)?;
            if table == dynamic::DT_RELA {
                self.check_relative(&list)?;
            }
            for relocation in &list {
                let kind = reference_kind(self.machine, relocation.r_type)?;
                if relocation.r_sym == 0 || relocation.r_type == reloc::R_X86_64_NONE {
                    continue;
                }
                let index = u32::try_from(relocation.r_sym).map_err(because)?;
                let used = (index, kind);
                if seen.insert(used) {
                    relocated.push(used);
                }
            }
        }
        Ok(relocated)
    }

    /// glibc looks up no symbol for as many relocations as are said to be relative.
    fn check_relative(&self, list: &RelocSection<'_>) -> Parsed<()> {
        let relative = match self.machine {
            Machine::X86_64 => reloc::R_X86_64_RELATIVE,
            Machine::Aarch64 => reloc::R_AARCH64_RELATIVE,
        };
        let mut first = list.iter().take(self.size(dynamic::DT_RELACOUNT)?);
        if first.any(|relocation| relocation.r_type != relative) {
            return Err("of its relocations fewer are relative than it says".into());
        }
        Ok(())
    }

    fn symbols(&self, count: usize, hash: &Hash, versions: &Versions<'_>) -> Parsed<Vec<Symbol>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let Some(&address) = self.tags.get(&dynamic::DT_SYMTAB) else {
            return Err("it has no symbol table".into());
        };
        let size = count
            .checked_mul(SYMBOL_SIZE)
            .ok_or("it has too many symbols")?;
        let bytes = self.slice(address, size, "symbol table")?;
        let table = Symtab::parse(&bytes, 0, count, LAYOUT).map_err(because)?;
        let mut symbols = Vec::with_capacity(count);
        for (index, entry) in table.iter().enumerate() {
            let (version, number) = versions.of(index)?;
            let name = self.name(entry.st_name as u64)?.to_owned();
            symbols.push(Symbol {
                version,
                version_index: number & VERSYM_VERSION,
                hidden_version: number & VERSYM_HIDDEN != 0,
                defined: entry.st_shndx != section_header::SHN_UNDEF as usize,
                findable: has_value(&entry) && hash.leads_to(index, &name),
                name,
                binding: binding(&entry),
                visibility: visibility(&entry),
                kind: kind(&entry),
                address: entry.st_value,
            });
        }
        Ok(symbols)
    }
}

/// Reads the segments' descriptions.
fn segments(source: &Source<'_>, header: &Header) -> Parsed<Vec<ProgramHeader>> {
    let count = usize::from(header.e_phnum);
    let bytes = source.read(header.e_phoff, count * SIZEOF_PHDR)?;
    let bytes = bytes.ok_or("the descriptions of its segments lie outside the file")?;
    let segments = ProgramHeader::parse(&bytes, 0, count, LAYOUT).map_err(because)?;
    let mut loaded = segments.iter().filter(|s| s.p_type == PT_LOAD);
    if loaded.all(fits_pages) {
        return Ok(segments);
    }
    Err("a segment of it does not fit pages of memory".into())
}

/// Whether a segment can be mapped: glibc stops at others.
fn fits_pages(segment: &ProgramHeader) -> bool {
    let apart = segment.p_vaddr.wrapping_sub(segment.p_offset);
    let align = segment.p_align;
    align.is_multiple_of(SMALLEST_PAGE) && apart & align.wrapping_sub(1) == 0
}

/// Reads the dynamic section; an object that needs no loader has none.
fn dynamic(source: &Source<'_>, segments: &[ProgramHeader]) -> Parsed<Vec<Dyn>> {
    // glibc takes the last one.
    let mut dynamic = segments.iter().filter(|s| s.p_type == PT_DYNAMIC).cloned();
    let Some(mut segment) = dynamic.next_back() else {
        return Ok(Vec::new());
    };
    let bytes = source.read(segment.p_offset, position(segment.p_filesz)?)?;
    let bytes = bytes.ok_or("its dynamic section lies outside the file")?;
    // And reads it where it is loaded.
    if place(segments, segment.p_vaddr).map(|(start, _)| start) != Some(segment.p_offset) {
        return Err("its dynamic section is not where it is loaded from".into());
    }
    segment.p_offset = 0;
    let section = Dynamic::parse(&bytes, &[segment], LAYOUT).map_err(because)?;
    Ok(section.map(|section| section.dyns).unwrap_or_default())
}

/// Returns where in the file an address lies, and where its segment ends.
fn place(segments: &[ProgramHeader], address: u64) -> Option<(u64, u64)> {
    let segment = segments.iter().find(|segment| {
        let within = address.checked_sub(segment.p_vaddr);
        segment.p_type == PT_LOAD && within.is_some_and(|within| within < segment.p_filesz)
    })?;
    let start = segment.p_offset.checked_add(address - segment.p_vaddr)?;
    let end = segment.p_offset.checked_add(segment.p_filesz)?;
    Some((start, end))
}

/// Returns how a relocation uses its symbol; glibc stops at one that it does not know.
fn reference_kind(machine: Machine, relocation: u32) -> Parsed<ReferenceKind> {
    Ok(match (machine, relocation) {
        (Machine::X86_64, reloc::R_X86_64_COPY) | (Machine::Aarch64, reloc::R_AARCH64_COPY) => {
            ReferenceKind::Copy
        }
        (
            Machine::X86_64,
            reloc::R_X86_64_JUMP_SLOT
            | reloc::R_X86_64_DTPMOD64
            | reloc::R_X86_64_DTPOFF64
            | reloc::R_X86_64_TPOFF64
            | reloc::R_X86_64_TLSDESC,
        )
        | (
            Machine::Aarch64,
            reloc::R_AARCH64_JUMP_SLOT
            | reloc::R_AARCH64_TLS_DTPMOD
            | reloc::R_AARCH64_TLS_DTPREL
            | reloc::R_AARCH64_TLS_TPREL
            | reloc::R_AARCH64_TLSDESC,
        ) => ReferenceKind::Call,
        (
            Machine::X86_64,
            reloc::R_X86_64_NONE
            | reloc::R_X86_64_64
            | reloc::R_X86_64_PC32
            | reloc::R_X86_64_GLOB_DAT
            | reloc::R_X86_64_RELATIVE
            | reloc::R_X86_64_32
            | reloc::R_X86_64_SIZE32
            | reloc::R_X86_64_SIZE64
            | reloc::R_X86_64_IRELATIVE
            | reloc::R_X86_64_RELATIVE64,
        )
        | (
            Machine::Aarch64,
            reloc::R_AARCH64_NONE
            | reloc::R_AARCH64_ABS64
            | reloc::R_AARCH64_GLOB_DAT
            | reloc::R_AARCH64_RELATIVE
            | reloc::R_AARCH64_IRELATIVE,
        ) => ReferenceKind::Address,
        _ => return Err(format!("it has the unknown relocation {relocation}").into()),
    })
}

/// Tells whether an entry stands for something: glibc's `check_match`.
fn has_value(entry: &Sym) -> bool {
    let kind = entry.st_type();
    let absolute = entry.st_shndx == section_header::SHN_ABS as usize;
    let code_or_data = matches!(
        kind,
        sym::STT_NOTYPE
            | sym::STT_OBJECT
            | sym::STT_FUNC
            | sym::STT_COMMON
            | sym::STT_TLS
            | sym::STT_GNU_IFUNC
    );
    code_or_data && (entry.st_value != 0 || absolute || kind == sym::STT_TLS)
}

fn binding(entry: &Sym) -> Binding {
    match entry.st_bind() {
        sym::STB_LOCAL => Binding::Local,
        sym::STB_GLOBAL => Binding::Global,
        sym::STB_WEAK => Binding::Weak,
        sym::STB_GNU_UNIQUE => Binding::Unique,
        _ => Binding::Other,
    }
}

fn visibility(entry: &Sym) -> Visibility {
    match entry.st_other & 3 {
        sym::STV_DEFAULT => Visibility::Default,
        sym::STV_PROTECTED => Visibility::Protected,
        _ => Visibility::Hidden,
    }
}

fn kind(entry: &Sym) -> SymbolKind {
    match entry.st_type() {
        sym::STT_FUNC => SymbolKind::Function,
        sym::STT_GNU_IFUNC => SymbolKind::IndirectFunction,
        sym::STT_OBJECT | sym::STT_COMMON => SymbolKind::Data,
        sym::STT_TLS => SymbolKind::ThreadLocal,
        sym::STT_NOTYPE => SymbolKind::Unspecified,
        _ => SymbolKind::Other,
    }
}

pub(super) fn position(value: u64) -> Parsed<usize> {
    usize::try_from(value).map_err(because)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what `map_err` hands over"
)]
pub(super) fn because(error: impl ToString) -> Reason {
    error.to_string().into()
}
