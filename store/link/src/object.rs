//! Reading the objects in an archive, or a single object, with `goblin`.
//!
//! binutils are of no use here: rlibs may hold LLVM bitcode beside code, and Debian's `nm` and
//! `ar` with their LTO plug-in then see no symbols at all.

use std::collections::BTreeMap;
use std::ops::Range;

use goblin::container::Ctx;
use goblin::elf::header::{ELFCLASS64, ELFDATA2LSB, ELFMAG, ET_REL};
use goblin::elf::section_header::{SHN_UNDEF, SHT_SYMTAB};
use goblin::elf::sym::{
    STB_GNU_UNIQUE, STB_LOCAL, STB_WEAK, STT_OBJECT, STT_TLS, STV_DEFAULT, STV_PROTECTED, Symtab,
};
use goblin::elf::{Elf, SectionHeader};

use crate::archive::members;

/// Where the visibility stands in a symbol.
const ST_OTHER: usize = 5;
/// The length of a symbol.
const SYMBOL: usize = 24;
/// The length of a section's header.
pub(crate) const SECTION_HEADER: usize = 64;
/// Where a section's offset and, behind it, its size stand in its header.
const SH_OFFSET: usize = 24;

/// Why an archive or an object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// It is broken.
    #[error("read the objects in it")]
    Broken(#[from] goblin::error::Error),
    /// Something points outside of it.
    #[error("read the object `{name}` in it: {what} points outside")]
    Outside {
        /// The object.
        name: String,
        /// What points outside.
        what: &'static str,
    },
    /// An archive of it would be longer than archives can be.
    #[error("write the objects in it: together they are longer than 4 GB")]
    TooLong,
    /// An object has more than one symbol table.
    #[error("read the object `{name}` in it: it has two symbol tables")]
    Tables {
        /// The object.
        name: String,
    },
    /// Names of an object are parts of each other, and too many to be read.
    #[error("read the object `{name}` in it: its names overlap without end")]
    Overlapping {
        /// The object.
        name: String,
    },
    /// It is for another kind of machine than those we link for.
    #[error("read the object `{name}` in it: it is not a relocatable little-endian 64-bit object")]
    Foreign {
        /// The object.
        name: String,
    },
}

/// A relocatable object in a file.
pub(crate) struct Object<'a> {
    /// Its name in the archive; empty for a single object.
    pub(crate) name: String,
    /// Its bytes.
    bytes: &'a [u8],
    /// Where they begin in the file.
    start: usize,
    context: Ctx,
    sections: Vec<SectionHeader>,
    section_names: Range<usize>,
    /// Where the sections' headers begin.
    headers_at: usize,
}

/// A symbol that other objects can see.
pub(crate) struct Symbol<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Whether the object defines it; it asks for it otherwise.
    pub(crate) defined: bool,
    /// Whether it may not be seen outside the linked image.
    pub(crate) hidden: bool,
    pub(crate) strength: Strength,
    /// Where its `st_other` is in the file.
    pub(crate) other_at: usize,
    /// Where the offset of its name is in the object.
    pub(crate) name_at: usize,
}

/// How much a symbol insists on itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strength {
    /// There is one definition, and there must be one.
    Strong,
    /// It may be asked for in vain, and another definition may take its place.
    Weak,
    /// The same, of a variable: of several definitions one is kept.
    WeakVariable,
}

/// A section that takes memory.
pub(crate) struct Section<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its length.
    pub(crate) bytes: u64,
}

/// Returns the objects in an archive, or the file itself if it is an object. Members that are
/// neither (bitcode, metadata of old compilers) are left out.
pub(crate) fn objects(file: &[u8]) -> Result<Vec<Object<'_>>, ObjectError> {
    if file.starts_with(ELFMAG) {
        return Ok(vec![Object::parse(String::new(), file, 0)?]);
    }
    let members = members(file)?.into_iter();
    members
        .filter(|member| member.bytes.starts_with(ELFMAG))
        .map(|member| Object::parse(member.name, member.bytes, member.start))
        .collect()
}

impl<'a> Object<'a> {
    pub(crate) fn parse(name: String, bytes: &'a [u8], start: usize) -> Result<Self, ObjectError> {
        let header = Elf::parse_header(bytes)?;
        let [_, _, _, _, class, data, ..] = header.e_ident;
        if class != ELFCLASS64 || data != ELFDATA2LSB || header.e_type != ET_REL {
            return Err(ObjectError::Foreign { name });
        }
        let context = Ctx::new(header.container()?, header.endianness()?);
        let offset = usize::try_from(header.e_shoff).unwrap_or(usize::MAX);
        let sections = SectionHeader::parse(bytes, offset, header.e_shnum.into(), context)?;
        let names = match header.e_shstrndx {
            // The index did not fit and is in the first section.
            0xffff => sections.first().map_or(0, |first| first.sh_link as usize),
            index => index.into(),
        };
        let section_names = match sections.get(names) {
            Some(section) => range(section, bytes),
            None => Some(0..0),
        };
        let Some(section_names) = section_names else {
            return Err(ObjectError::Outside {
                name,
                what: "the table of section names",
            });
        };
        Ok(Self {
            name,
            bytes,
            start,
            context,
            sections,
            section_names,
            headers_at: offset,
        })
    }

    /// Returns where in it what [`Object::symbols`] and [`Object::sections`] look at is.
    pub(crate) fn tables(&self) -> Result<Vec<Range<usize>>, ObjectError> {
        let mut tables = vec![self.section_names.clone()];
        if let Some([symbols, names]) = self.symbol_table()? {
            tables.push(symbols);
            // Most objects have one table for all names.
            tables.extend((names != self.section_names).then_some(names));
        }
        Ok(tables)
    }

    /// Returns the table of symbols and that of their names; none if there are no symbols.
    fn symbol_table(&self) -> Result<Option<[Range<usize>; 2]>, ObjectError> {
        let sections = self.sections.iter();
        let mut tables = sections.filter(|section| section.sh_type == SHT_SYMTAB);
        let Some(section) = tables.next() else {
            return Ok(None);
        };
        if tables.next().is_some() {
            return Err(ObjectError::Tables {
                name: self.name.clone(),
            });
        }
        let table = range(section, self.bytes);
        let names = self.sections.get(section.sh_link as usize);
        let names = names.and_then(|names| range(names, self.bytes));
        Ok(Some([
            table.ok_or_else(|| self.outside("the symbol table"))?,
            names.ok_or_else(|| self.outside("the table of symbol names"))?,
        ]))
    }

    fn outside(&self, what: &'static str) -> ObjectError {
        ObjectError::Outside {
            name: self.name.clone(),
            what,
        }
    }

    /// Returns the symbols that other objects can see.
    pub(crate) fn symbols(&self) -> Result<Vec<Symbol<'a>>, ObjectError> {
        let Some([table, names]) = self.symbol_table()? else {
            return Ok(Vec::new());
        };
        let mut names = self.names(names);
        let count = table.len() / SYMBOL;
        let list = Symtab::parse(self.bytes, table.start, count, self.context)?;
        let mut symbols = Vec::new();
        for (index, symbol) in list.iter().enumerate() {
            if symbol.st_bind() == STB_LOCAL {
                continue;
            }
            let name = names.at(symbol.st_name)?;
            symbols.push(Symbol {
                name: name.ok_or_else(|| self.outside("the name of a symbol"))?,
                defined: symbol.st_shndx != SHN_UNDEF as usize,
                hidden: !matches!(symbol.st_visibility(), STV_DEFAULT | STV_PROTECTED),
                strength: match (symbol.st_bind(), symbol.st_type()) {
                    (STB_WEAK | STB_GNU_UNIQUE, STT_OBJECT | STT_TLS) => Strength::WeakVariable,
                    (STB_WEAK, _) => Strength::Weak,
                    _ => Strength::Strong,
                },
                other_at: self.start + table.start + index * SYMBOL + ST_OTHER,
                name_at: table.start + index * SYMBOL,
            });
        }
        Ok(symbols)
    }

    fn names(&self, table: Range<usize>) -> Names<'a, '_> {
        Names {
            object: &self.name,
            table: &self.bytes[table],
            left: (NAMES * self.bytes.len()).max(SMALL_NAMES),
        }
    }

    /// Returns where it begins in its file.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// Returns the object with other names for some symbols, by [`Symbol::name_at`]. They are put
    /// behind it, after all the names there are.
    pub(crate) fn renamed(&self, names: &BTreeMap<usize, String>) -> Result<Vec<u8>, ObjectError> {
        let mut tables = self.sections.iter();
        let table = tables.find(|section| section.sh_type == SHT_SYMTAB);
        let link = table.map_or(0, |table| table.sh_link as usize);
        let old = self.sections.get(link);
        let old = old.and_then(|section| range(section, self.bytes));
        let mut texts =
            self.bytes[old.ok_or_else(|| self.outside("the table of symbol names"))?].to_vec();
        let mut bytes = self.bytes.to_vec();
        for (&at, name) in names {
            let offset = u32::try_from(texts.len()).map_err(|_| ObjectError::TooLong)?;
            bytes[at..at + 4].copy_from_slice(&offset.to_le_bytes());
            texts.extend(name.bytes().chain([0]));
        }
        let header = self.headers_at + link * SECTION_HEADER;
        let place = [bytes.len() as u64, texts.len() as u64];
        bytes[header + SH_OFFSET..header + SH_OFFSET + 16]
            .copy_from_slice(&place.map(u64::to_le_bytes).concat());
        bytes.extend(texts);
        Ok(bytes)
    }

    /// Returns the sections that take memory.
    pub(crate) fn sections(&self) -> Result<Vec<Section<'a>>, ObjectError> {
        let mut names = self.names(self.section_names.clone());
        let mut sections = Vec::new();
        for section in self.sections.iter().filter(|section| section.is_alloc()) {
            let name = names.at(section.sh_name)?;
            sections.extend(name.map(|name| Section {
                name,
                bytes: section.sh_size,
            }));
        }
        Ok(sections)
    }
}

/// How often each byte of an object may be read as part of a name, on average: a name may be the
/// end of another one, so a small object can have names without end.
const NAMES: usize = 16;
/// What may be read of a small object in any case.
const SMALL_NAMES: usize = 1 << 20;

/// A table of names, and how many bytes of names may still be read from it.
struct Names<'a, 'b> {
    object: &'b str,
    table: &'a [u8],
    left: usize,
}

impl<'a> Names<'a, '_> {
    /// Returns a name by its place, if it is inside the table.
    fn at(&mut self, place: usize) -> Result<Option<&'a str>, ObjectError> {
        let Some(rest) = self.table.get(place..) else {
            return Ok(None);
        };
        let Some(end) = rest.iter().position(|&byte| byte == 0) else {
            return Ok(None);
        };
        self.left = self.left.checked_sub(end).ok_or(ObjectError::Overlapping {
            name: self.object.to_owned(),
        })?;
        Ok(std::str::from_utf8(&rest[..end]).ok())
    }
}

/// Returns where a section is, if it is inside the object.
fn range(section: &SectionHeader, bytes: &[u8]) -> Option<Range<usize>> {
    let start = usize::try_from(section.sh_offset).ok()?;
    let end = start.checked_add(usize::try_from(section.sh_size).ok()?)?;
    (end <= bytes.len()).then_some(start..end)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A symbol to be written: name, whether defined, visibility (0 default, 2 hidden).
    pub(crate) type Sample<'a> = (&'a str, bool, u8);

    /// Writes an object with global symbols and one section that takes 16 bytes of memory.
    pub(crate) fn object(section: &str, symbols: &[Sample<'_>]) -> Vec<u8> {
        let mut names = vec![0];
        let mut table = vec![0; SYMBOL];
        for (name, defined, visibility) in symbols {
            table.extend(u32::try_from(names.len()).unwrap().to_le_bytes());
            table.extend([0x12, *visibility, u8::from(*defined), 0]);
            table.extend([0; 16]);
            names.extend(name.bytes().chain([0]));
        }
        let mut section_names = vec![0];
        section_names.extend(section.bytes().chain([0]));
        let bodies = [&names, &table, &section_names];
        let mut bytes = Vec::new();
        bytes.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        bytes.extend([1, 0, 62, 0, 1, 0, 0, 0]);
        bytes.extend([0; 16]);
        let headers = 64 + bodies.iter().map(|body| body.len()).sum::<usize>();
        bytes.extend((headers as u64).to_le_bytes());
        bytes.extend([0, 0, 0, 0, 64, 0, 56, 0, 0, 0, 64, 0, 5, 0, 4, 0]);
        let mut sections = vec![vec![0; 64], header(1, 8, 2, (0, 16), 0)];
        for (body, (kind, link)) in bodies.iter().zip([(3, 0), (2, 2), (3, 0)]) {
            sections.push(header(0, kind, 0, (bytes.len(), body.len()), link));
            bytes.extend(*body);
        }
        bytes.extend(sections.concat());
        bytes
    }

    fn header(name: u32, kind: u32, flags: u64, place: (usize, usize), link: u32) -> Vec<u8> {
        let (offset, size) = (place.0 as u64, place.1 as u64);
        let mut bytes = [name.to_le_bytes(), kind.to_le_bytes()].concat();
        bytes.extend([flags, 0, offset, size].map(u64::to_le_bytes).concat());
        bytes.extend([link, 1].map(u32::to_le_bytes).concat());
        bytes.extend([1, SYMBOL as u64].map(u64::to_le_bytes).concat());
        bytes
    }

    /// Writes an archive.
    pub(crate) fn archive(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = b"!<arch>\n".to_vec();
        for (name, body) in members {
            let name = format!("{name}/");
            let size = body.len();
            let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 644);
            bytes.extend(header.bytes().chain(body.iter().copied()));
            bytes.extend((size % 2 == 1).then_some(b'\n'));
        }
        bytes
    }

    #[test]
    fn archives_may_hold_other_things_and_equal_names() {
        let file = archive(&[
            ("lib.rmeta", b"rust".to_vec()),
            ("a.o", object(".text", &[("f", true, 0)])),
            ("a.o", object(".text", &[("g", true, 2), ("f", false, 0)])),
        ]);
        let names: Vec<_> = objects(&file)
            .unwrap()
            .iter()
            .flat_map(|object| object.symbols().unwrap())
            .map(|symbol| (symbol.name, symbol.defined, symbol.hidden))
            .collect();
        assert_eq!(
            names,
            [("f", true, false), ("g", true, true), ("f", false, false)]
        );
    }

    #[test]
    fn foreign_objects_are_refused() {
        let mut file = object(".text", &[]);
        file[4] = 1;
        assert!(matches!(objects(&file), Err(ObjectError::Foreign { .. })));
    }

    #[test]
    fn overlapping_names_are_bounded() {
        let long = "x".repeat(1 << 20);
        let mut symbols = vec![(long.as_str(), true, 0)];
        symbols.extend([("y", true, 0); 100]);
        let mut file = object(".text", &symbols);
        let table = 64 + 1 + long.len() + 1 + 2 * 100;
        for symbol in 1..=101 {
            let name = u32::try_from(symbol).unwrap();
            file[table + SYMBOL * symbol..][..4].copy_from_slice(&name.to_le_bytes());
        }
        let error = crate::members::Symbols::read(&file).unwrap_err();
        assert_eq!(
            error.to_string(),
            "read the object `` in it: its names overlap without end"
        );
    }

    #[test]
    fn two_symbol_tables_are_refused() {
        let mut file = object(".text", &[("f", true, 0)]);
        // The table of the sections' names becomes one.
        let headers = file.len() - 64;
        file[headers + 4] = 2;
        let error = crate::members::Symbols::read(&file).unwrap_err();
        assert!(matches!(error, ObjectError::Tables { .. }), "{error}");
    }

    proptest! {
        #[test]
        fn broken_files_are_errors(
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
            end in any::<prop::sample::Index>(),
        ) {
            let mut file = archive(&[("a.o", object("linkme", &[("f", true, 2)]))]);
            let count = file.len();
            for (index, value) in edits {
                file[index.index(count)] = value;
            }
            file.truncate(end.index(count) + 1);
            // Whatever comes out, nothing panics and nothing outside is touched.
            let read = crate::members::Symbols::read(&file);
            let edited = crate::visibility::change(&mut file, |_| None);
            prop_assert!(read.is_err() || edited.is_ok());
        }
    }
}
