//! Reading the objects in an archive, or a single object, with the crate `object`.
//!
//! What reads is generic over where it reads from: bytes, or a file of which no more is read than
//! what is looked at. Of a crate that is a tenth, for the rest is code and metadata.
//!
//! binutils are of no use here: rlibs may hold LLVM bitcode beside code, and Debian's `nm` and
//! `ar` with their LTO plug-in then see no symbols at all.

use std::collections::BTreeMap;
use std::mem::{offset_of, size_of};

use object::archive::MAGIC;
use object::elf::{
    ELFMAG, ET_REL, FileHeader64, SHF_ALLOC, SHN_UNDEF, SHT_SYMTAB, STB_GNU_UNIQUE, STB_LOCAL,
    STB_WEAK, STT_OBJECT, STT_TLS, STV_DEFAULT, STV_PROTECTED, SectionHeader64, Sym64,
};
use object::read::archive::ArchiveFile;
use object::read::elf::{FileHeader as _, SectionHeader as _, Sym as _};
use object::read::{Error, ReadCache, ReadCacheOps, ReadCacheRange, ReadRef, StringTable};
use object::{LittleEndian, Pod};

type Header = FileHeader64<LittleEndian>;
type SectionHeader = SectionHeader64<LittleEndian>;
type SymbolEntry = Sym64<LittleEndian>;
type Sections<'a> = object::read::elf::SectionTable<'a, Header>;

/// The byte order of all that we link.
const ENDIAN: LittleEndian = LittleEndian;

/// Why an archive or an object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// It is something else.
    #[error("read the objects in it: it is neither an archive nor an object")]
    Neither,
    /// A file of which parts are read could not be read.
    #[error("read the objects in it: the file cannot be read")]
    Unread,
    /// It is an archive that is broken.
    #[error("read the objects in it")]
    Archive(#[source] Error),
    /// An object is broken.
    #[error("read the object `{name}` in it")]
    Object {
        /// The object.
        name: String,
        /// How.
        #[source]
        source: Error,
    },
    /// An archive of it could not be written.
    #[error("write the objects in it")]
    Write(#[source] std::io::Error),
    /// An object would be longer than objects can be.
    #[error("write the object `{name}` in it: its names are longer than 4 GB")]
    TooLong {
        /// The object.
        name: String,
    },
    /// A member ends behind the end of the file.
    #[error("read the object `{name}` in it: it is cut off")]
    CutOff {
        /// The member.
        name: String,
    },
    /// A symbol's name is not text.
    #[error("read the object `{name}` in it: the name of a symbol is not UTF-8")]
    NotText {
        /// The object.
        name: String,
    },
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

/// What an archive or object is read from.
pub(crate) trait Source<'a>: ReadRef<'a> {
    /// A part of it.
    type Part: ReadRef<'a>;

    /// Returns a part of it, which must be inside.
    fn part(self, start: u64, size: u64) -> Self::Part;
}

impl<'a> Source<'a> for &'a [u8] {
    type Part = Self;

    fn part(self, start: u64, size: u64) -> Self {
        self.read_bytes_at(start, size).unwrap_or_default()
    }
}

impl<'a, R: ReadCacheOps> Source<'a> for &'a ReadCache<R> {
    type Part = ReadCacheRange<'a, R>;

    fn part(self, start: u64, size: u64) -> Self::Part {
        self.range(start, size)
    }
}

/// A member of an archive.
pub(crate) struct Member<P> {
    /// Its name; empty for a file that is no archive.
    pub(crate) name: String,
    /// What is in it.
    pub(crate) content: P,
    /// Where that begins in the file.
    pub(crate) start: usize,
}

/// A relocatable object in a file.
pub(crate) struct Object<'a, P> {
    /// Its name in the archive; empty for a single object.
    pub(crate) name: String,
    /// What is in it.
    content: P,
    /// Where that begins in the file.
    start: usize,
    sections: Sections<'a>,
    /// Where the sections' headers begin.
    headers_at: u64,
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
    /// Where it is in the object.
    pub(crate) at: usize,
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
    pub(crate) name: &'a [u8],
    /// Its length.
    pub(crate) bytes: u64,
}

/// Returns everything in an archive but its index and its table of names, or the file itself if it
/// is an object.
pub(crate) fn members<'a, S: Source<'a>>(file: S) -> Result<Vec<Member<S::Part>>, ObjectError> {
    let length = length(file)?;
    if begins_with(file, &ELFMAG)? {
        return Ok(vec![Member {
            name: String::new(),
            content: file.part(0, length),
            start: 0,
        }]);
    }
    if !begins_with(file, &MAGIC)? {
        return Err(ObjectError::Neither);
    }
    let archive = ArchiveFile::parse(file).map_err(ObjectError::Archive)?;
    let members = archive.members().map(|member| {
        let member = member.map_err(ObjectError::Archive)?;
        let name = String::from_utf8_lossy(member.name()).into_owned();
        let (start, size) = member.file_range();
        if start.checked_add(size).is_none_or(|end| end > length) {
            return Err(ObjectError::CutOff { name });
        }
        Ok(Member {
            name,
            content: file.part(start, size),
            start: index(start)?,
        })
    });
    members.collect()
}

/// Returns the objects in an archive, or the file itself if it is an object. Members that are
/// neither (bitcode, metadata of old compilers) are left out.
pub(crate) fn objects<'a, S: Source<'a>>(file: S) -> Result<Vec<Object<'a, S::Part>>, ObjectError> {
    let mut objects = Vec::new();
    for member in members(file)? {
        objects.extend(Object::of(member)?);
    }
    Ok(objects)
}

/// Returns what kind of ELF file it is, if it is one.
pub(crate) fn elf_kind(file: &[u8]) -> Option<u16> {
    let kind = file.get(offset_of!(Header, e_type)..)?.first_chunk()?;
    file.starts_with(&ELFMAG)
        .then_some(u16::from_le_bytes(*kind))
}

/// Whether it begins with these bytes. What is shorter does not.
fn begins_with<'a>(content: impl ReadRef<'a>, magic: &[u8]) -> Result<bool, ObjectError> {
    let size = magic.len() as u64;
    if length(content)? < size {
        return Ok(false);
    }
    let begin = content.read_bytes_at(0, size);
    Ok(begin.map_err(|()| ObjectError::Unread)? == magic)
}

fn length<'a>(content: impl ReadRef<'a>) -> Result<u64, ObjectError> {
    content.len().map_err(|()| ObjectError::Unread)
}

impl<'a, P: ReadRef<'a>> Object<'a, P> {
    /// Reads a member; none if it is no object.
    fn of(member: Member<P>) -> Result<Option<Self>, ObjectError> {
        if !begins_with(member.content, &ELFMAG)? {
            return Ok(None);
        }
        let (header, sections) = sections(&member)?;
        Ok(Some(Self {
            name: member.name,
            content: member.content,
            start: member.start,
            sections,
            headers_at: header.e_shoff(ENDIAN),
        }))
    }

    /// Returns the table of symbols; none if there are no symbols.
    fn symbol_table(&self) -> Result<Option<&'a SectionHeader>, ObjectError> {
        let sections = self.sections.iter();
        let mut tables = sections.filter(|section| section.sh_type(ENDIAN) == SHT_SYMTAB);
        let table = tables.next();
        if tables.next().is_some() {
            return Err(ObjectError::Tables {
                name: self.name.clone(),
            });
        }
        Ok(table)
    }

    /// Returns the symbols that other objects can see.
    pub(crate) fn symbols(&self) -> Result<Vec<Symbol<'a>>, ObjectError> {
        let Some(table) = self.symbol_table()? else {
            return Ok(Vec::new());
        };
        let broken = broken(&self.name);
        let entries: &[SymbolEntry] = table.data_as_array(ENDIAN, self.content).map_err(&broken)?;
        let names = self.sections.section(table.link(ENDIAN)).map_err(&broken)?;
        let names = strings(names, self.content).map_err(&broken)?;
        let mut budget = Budget::new(self)?;
        let mut symbols = Vec::new();
        let start = index(table.sh_offset(ENDIAN))?;
        for (number, entry) in entries.iter().enumerate() {
            if entry.st_bind() == STB_LOCAL {
                continue;
            }
            let name = entry.name(ENDIAN, names).map_err(&broken)?;
            budget.spend(name)?;
            let at = start + number * size_of::<SymbolEntry>();
            symbols.push(Symbol {
                name: std::str::from_utf8(name).map_err(|_| ObjectError::NotText {
                    name: self.name.clone(),
                })?,
                defined: entry.st_shndx(ENDIAN) != SHN_UNDEF,
                hidden: !matches!(entry.st_visibility(), STV_DEFAULT | STV_PROTECTED),
                strength: match (entry.st_bind(), entry.st_type()) {
                    (STB_WEAK | STB_GNU_UNIQUE, STT_OBJECT | STT_TLS) => Strength::WeakVariable,
                    (STB_WEAK, _) => Strength::Weak,
                    _ => Strength::Strong,
                },
                other_at: self.start + at + offset_of!(SymbolEntry, st_other),
                at,
            });
        }
        Ok(symbols)
    }

    /// Returns the sections that take memory.
    pub(crate) fn sections(&self) -> Result<Vec<Section<'a>>, ObjectError> {
        let mut budget = Budget::new(self)?;
        let mut sections = Vec::new();
        for section in self.sections.iter() {
            if section.sh_flags(ENDIAN) & u64::from(SHF_ALLOC) == 0 {
                continue;
            }
            let name = self.sections.section_name(ENDIAN, section);
            let name = name.map_err(broken(&self.name))?;
            budget.spend(name)?;
            sections.push(Section {
                name,
                bytes: section.sh_size(ENDIAN),
            });
        }
        Ok(sections)
    }
}

impl Object<'_, &[u8]> {
    /// Returns where it begins in its file.
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// Returns the object with other names for some symbols, by [`Symbol::at`]. They are put behind
    /// it, after all the names there are.
    pub(crate) fn renamed(&self, names: &BTreeMap<usize, String>) -> Result<Vec<u8>, ObjectError> {
        let mut bytes = self.content.to_vec();
        let Some(table) = self.symbol_table()? else {
            return Ok(bytes);
        };
        let broken = broken(&self.name);
        let link = table.link(ENDIAN);
        let old = self.sections.section(link).map_err(&broken)?;
        let mut texts = old.data(ENDIAN, self.content).map_err(&broken)?.to_vec();
        for (&at, name) in names {
            let offset = u32::try_from(texts.len()).map_err(|_| ObjectError::TooLong {
                name: self.name.clone(),
            })?;
            let entry = inside::<SymbolEntry>(&mut bytes, at);
            entry.st_name.set(ENDIAN, offset);
            texts.extend(name.bytes().chain([0]));
        }
        let place = bytes.len() as u64;
        let at = index(self.headers_at)? + link.0 * size_of::<SectionHeader>();
        let header = inside::<SectionHeader>(&mut bytes, at);
        header.sh_offset.set(ENDIAN, place);
        header.sh_size.set(ENDIAN, texts.len() as u64);
        bytes.extend(texts);
        Ok(bytes)
    }
}

/// Returns something that has been read from there before.
fn inside<T: Pod>(bytes: &mut [u8], at: usize) -> &mut T {
    let (found, _) = object::from_bytes_mut(&mut bytes[at..]).expect("it was read from there");
    found
}

/// Returns a place in a file as an index.
fn index(place: u64) -> Result<usize, ObjectError> {
    usize::try_from(place).map_err(|_| ObjectError::Unread)
}

/// How often each byte of an object may be read as part of a name, on average: a name may be the
/// end of another one, so a small object can have names without end.
const NAMES: u64 = 16;
/// What may be read of a small object in any case.
const SMALL_NAMES: u64 = 1 << 20;

/// How many bytes of names may still be read from an object.
struct Budget<'b> {
    object: &'b str,
    left: u64,
}

impl<'b> Budget<'b> {
    fn new<'a, P: ReadRef<'a>>(object: &'b Object<'a, P>) -> Result<Self, ObjectError> {
        Ok(Self {
            object: &object.name,
            left: length(object.content)?
                .saturating_mul(NAMES)
                .max(SMALL_NAMES),
        })
    }

    fn spend(&mut self, name: &[u8]) -> Result<(), ObjectError> {
        let left = self.left.checked_sub(name.len() as u64);
        self.left = left.ok_or_else(|| ObjectError::Overlapping {
            name: self.object.to_owned(),
        })?;
        Ok(())
    }
}

/// Reads an object's headers.
fn sections<'a, P: ReadRef<'a>>(
    member: &Member<P>,
) -> Result<(&'a Header, Sections<'a>), ObjectError> {
    let content = member.content;
    let header: Result<&Header, ()> = content.read_at(0);
    let header = header.map_err(|()| ObjectError::CutOff {
        name: member.name.clone(),
    })?;
    let foreign = !header.is_supported() || header.is_big_endian();
    if foreign || header.e_type(ENDIAN) != ET_REL {
        return Err(ObjectError::Foreign {
            name: member.name.clone(),
        });
    }
    let broken = broken(&member.name);
    let headers = header.section_headers(ENDIAN, content).map_err(&broken)?;
    let sections = Sections::new(headers, StringTable::default());
    if sections.is_empty() {
        return Ok((header, sections));
    }
    let names = header.section_strings_index(ENDIAN, content);
    let names = names.and_then(|index| strings(sections.section(index)?, content));
    Ok((header, Sections::new(headers, names.map_err(&broken)?)))
}

fn broken(name: &str) -> impl Fn(Error) -> ObjectError {
    move |source| ObjectError::Object {
        name: name.to_owned(),
        source,
    }
}

/// Reads a table of names at once: of a file that is read in parts, each name would be a part.
fn strings<'a>(
    section: &SectionHeader,
    content: impl ReadRef<'a>,
) -> Result<StringTable<'a>, Error> {
    let names = section.data(ENDIAN, content)?;
    Ok(StringTable::new(names, 0, names.len() as u64))
}

#[cfg(test)]
pub(crate) mod tests;
