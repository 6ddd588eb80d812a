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
pub(crate) mod tests {
    use std::cell::Cell;
    use std::io::{self, Cursor, Read, Seek, SeekFrom};

    use proptest::prelude::*;

    use super::*;
    use crate::members::Symbols;
    use crate::rename::rename;
    use crate::visibility::change;

    const SYMBOL: usize = size_of::<SymbolEntry>();

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
        let mut bytes = MAGIC.to_vec();
        for (name, body) in members {
            member(&mut bytes, &format!("{name}/"), body);
        }
        bytes
    }

    /// Writes a member of an archive: its name as it stands in the header.
    fn member(file: &mut Vec<u8>, name: &str, body: &[u8]) {
        let size = body.len();
        let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 644);
        file.extend(header.bytes().chain(body.iter().copied()));
        file.extend((size % 2 == 1).then_some(b'\n'));
    }

    /// A file that counts how much of it is read.
    struct Counting<'a> {
        file: Cursor<&'a [u8]>,
        read: &'a Cell<usize>,
    }

    impl Read for Counting<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = Read::read(&mut self.file, buffer)?;
            self.read.set(self.read.get() + read);
            Ok(read)
        }
    }

    impl Seek for Counting<'_> {
        fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
            Seek::seek(&mut self.file, place)
        }
    }

    fn in_parts(file: &[u8]) -> ReadCache<Cursor<&[u8]>> {
        ReadCache::new(Cursor::new(file))
    }

    /// An archive with something in it that nobody looks at.
    fn sample() -> Vec<u8> {
        let mut object = object("linkme_X", &[("f", true, 0), ("g", false, 2)]);
        object.extend([b'x'; 5000]);
        archive(&[
            ("lib.rmeta", [b'y'; 5000].to_vec()),
            ("a.rcgu.o", object.clone()),
            ("b.o", object),
        ])
    }

    #[test]
    fn only_what_is_looked_at_is_read() {
        let file = sample();
        let read = Cell::new(0);
        let parts = ReadCache::new(Counting {
            file: Cursor::new(&file),
            read: &read,
        });
        let symbols = Symbols::read(&parts).unwrap();
        assert_eq!(symbols, Symbols::read(&file[..]).unwrap());
        assert!(file.len() > 15_000 && read.get() < 1500, "{read:?}");
    }

    #[test]
    fn archives_may_hold_other_things_and_equal_names() {
        let file = archive(&[
            ("lib.rmeta", b"rust".to_vec()),
            ("a.o", object(".text", &[("f", true, 0)])),
            ("a.o", object(".text", &[("g", true, 2), ("f", false, 0)])),
        ]);
        let names: Vec<_> = objects(&file[..])
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
    fn names_are_short_or_long_and_the_index_is_no_member() {
        let long = "a-name-that-is-too-long-for-a-header.rcgu.o";
        let mut file = MAGIC.to_vec();
        for (name, body) in [
            ("/", "index"),
            ("//", &*format!("other-name.o/\n{long}/\n")),
            ("short.o/", "1"),
            ("/14", "22"),
            ("/0", "333"),
            ("#1/8", "bsd-nameb"),
        ] {
            member(&mut file, name, body.as_bytes());
        }
        let found = members(&file[..]).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|member| (&*member.name, str::from_utf8(member.content).unwrap()))
            .collect();
        let expected = [
            ("short.o", "1"),
            (long, "22"),
            ("other-name.o", "333"),
            ("bsd-name", "b"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_ends_early_is_an_error() {
        let file = archive(&[("a.txt", b"body".to_vec())]);
        for end in [4, 20, file.len() - 1] {
            assert!(members(&file[..end]).is_err(), "{end}");
        }
        assert!(members(&MAGIC[..]).unwrap().is_empty());
        let thin = [b"!<thin>\n", &file[MAGIC.len()..]].concat();
        assert!(matches!(members(&thin[..]), Err(ObjectError::Neither)));
    }

    #[test]
    fn foreign_objects_are_refused() {
        let mut file = object(".text", &[]);
        file[4] = 1;
        assert!(matches!(
            objects(&file[..]),
            Err(ObjectError::Foreign { .. })
        ));
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
        let error = Symbols::read(&file[..]).unwrap_err();
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
        let error = Symbols::read(&file[..]).unwrap_err();
        assert!(matches!(error, ObjectError::Tables { .. }), "{error}");
    }

    fn broken(
        mut file: Vec<u8>,
        edits: Vec<(prop::sample::Index, u8)>,
        end: Option<prop::sample::Index>,
    ) -> Vec<u8> {
        let count = file.len();
        for (index, value) in edits {
            file[index.index(count)] = value;
        }
        file.truncate(end.map_or(count, |end| end.index(count) + 1));
        file
    }

    fn edits(most: usize) -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..most)
    }

    proptest! {
        #[test]
        fn broken_files_are_errors(edits in edits(12), end in any::<prop::sample::Index>()) {
            let file = archive(&[("a.o", object("linkme", &[("f", true, 2)]))]);
            let mut file = broken(file, edits, Some(end));
            // Whatever comes out, nothing panics and nothing outside is touched.
            let read = Symbols::read(&file[..]);
            let edited = change(&mut file, |_| None);
            prop_assert!(read.is_err() || edited.is_ok());
            let renamed = rename(&file, |named| Some(format!("{}@NODE", named.name)));
            prop_assert!(read.is_err() || renamed.is_ok());
        }

        #[test]
        fn a_part_says_what_the_whole_says(
            edits in edits(6),
            end in any::<Option<prop::sample::Index>>(),
        ) {
            let file = broken(sample(), edits, end);
            let (whole, part) = (Symbols::read(&file[..]), Symbols::read(&in_parts(&file)));
            prop_assert_eq!(whole.as_ref().ok(), part.as_ref().ok());
            let text = |error: ObjectError| format!("{error:?}");
            prop_assert_eq!(whole.err().map(text), part.err().map(text));
        }
    }
}
