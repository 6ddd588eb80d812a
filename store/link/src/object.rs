//! Reading the objects in an archive, or a single object, with `goblin`.
//!
//! binutils are of no use here: rlibs may hold LLVM bitcode beside code, and Debian's `nm` and
//! `ar` with their LTO plug-in then see no symbols at all.

use std::ops::Range;

use goblin::archive::Archive;
use goblin::container::Ctx;
use goblin::elf::header::{ELFCLASS64, ELFDATA2LSB, ELFMAG, ET_REL};
use goblin::elf::section_header::{SHN_UNDEF, SHT_SYMTAB};
use goblin::elf::sym::{STB_LOCAL, STV_DEFAULT, STV_PROTECTED, Symtab};
use goblin::elf::{Elf, SectionHeader};

/// Where the visibility stands in a symbol.
const ST_OTHER: usize = 5;
/// The length of a symbol.
const SYMBOL: usize = 24;

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
}

/// A symbol that other objects can see.
pub(crate) struct Symbol<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Whether the object defines it; it asks for it otherwise.
    pub(crate) defined: bool,
    /// Whether it may not be seen outside the linked image.
    pub(crate) hidden: bool,
    /// Where its `st_other` is in the file.
    pub(crate) other_at: usize,
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
    let archive = Archive::parse(file)?;
    let mut objects = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let Some(member) = archive.get_at(index) else {
            continue;
        };
        let name = member.extended_name().to_owned();
        let start = usize::try_from(member.offset).unwrap_or(usize::MAX);
        let bytes = start
            .checked_add(member.size())
            .and_then(|end| file.get(start..end));
        let Some(bytes) = bytes else {
            return Err(ObjectError::Outside {
                name,
                what: "its header",
            });
        };
        if bytes.starts_with(ELFMAG) {
            objects.push(Object::parse(name, bytes, start)?);
        }
    }
    Ok(objects)
}

impl<'a> Object<'a> {
    fn parse(name: String, bytes: &'a [u8], start: usize) -> Result<Self, ObjectError> {
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
        })
    }

    /// Returns the symbols that other objects can see.
    pub(crate) fn symbols(&self) -> Result<Vec<Symbol<'a>>, ObjectError> {
        let outside = |what| ObjectError::Outside {
            name: self.name.clone(),
            what,
        };
        let mut symbols = Vec::new();
        for section in self
            .sections
            .iter()
            .filter(|section| section.sh_type == SHT_SYMTAB)
        {
            let table = range(section, self.bytes).ok_or_else(|| outside("the symbol table"))?;
            let names = self.sections.get(section.sh_link as usize);
            let names = names
                .and_then(|names| range(names, self.bytes))
                .ok_or_else(|| outside("the table of symbol names"))?;
            let count = table.len() / SYMBOL;
            let list = Symtab::parse(self.bytes, table.start, count, self.context)?;
            for (index, symbol) in list.iter().enumerate() {
                if symbol.st_bind() == STB_LOCAL {
                    continue;
                }
                let name = text(&self.bytes[names.clone()], symbol.st_name)
                    .ok_or_else(|| outside("the name of a symbol"))?;
                symbols.push(Symbol {
                    name,
                    defined: symbol.st_shndx != SHN_UNDEF as usize,
                    hidden: !matches!(symbol.st_visibility(), STV_DEFAULT | STV_PROTECTED),
                    other_at: self.start + table.start + index * SYMBOL + ST_OTHER,
                });
            }
        }
        Ok(symbols)
    }

    /// Returns the sections that take memory.
    pub(crate) fn sections(&self) -> impl Iterator<Item = Section<'a>> {
        let names = &self.bytes[self.section_names.clone()];
        let sections = self.sections.iter().filter(|section| section.is_alloc());
        sections.filter_map(|section| {
            let name = text(names, section.sh_name)?;
            Some(Section {
                name,
                bytes: section.sh_size,
            })
        })
    }
}

/// Returns where a section is, if it is inside the object.
fn range(section: &SectionHeader, bytes: &[u8]) -> Option<Range<usize>> {
    let start = usize::try_from(section.sh_offset).ok()?;
    let end = start.checked_add(usize::try_from(section.sh_size).ok()?)?;
    (end <= bytes.len()).then_some(start..end)
}

/// Reads a name that ends with a zero byte.
fn text(names: &[u8], offset: usize) -> Option<&str> {
    let rest = names.get(offset..)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    std::str::from_utf8(&rest[..end]).ok()
}
