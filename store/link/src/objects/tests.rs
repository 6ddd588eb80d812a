//! Archives and objects for tests, and the tests of reading them.

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
