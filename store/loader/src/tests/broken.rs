//! Broken files are errors, never panics.

use camino::Utf8Path;

use super::lab::Lab;
use crate::elf::{Object, ReadError};

/// A small library that has every table: versions needed and defined, relocations of each kind.
fn library(lab: &Lab) -> Vec<u8> {
    lab.write("one.map", "ONE { *; };");
    let source = "#include <stdio.h>
                  static int one; int *volatile pointer = &one; __thread int local;
                  int foo(void) { puts(\"foo\"); return *pointer + local; }
                  int bar(void) { return foo() + fileno(stdout); }";
    let path = lab.library("libfoo.so", source, &["-Wl,--version-script=one.map", "-s"]);
    fs_err::read(path).unwrap()
}

/// A sequence of numbers that looks random and is the same every time.
fn numbers() -> impl Iterator<Item = usize> {
    let step = |state: &usize| {
        Some(
            state
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(0x1405),
        )
    };
    std::iter::successors(Some(1_usize), step).map(|state| state >> 33)
}

fn parse(bytes: &[u8]) -> Result<Object, ReadError> {
    Object::parse(Utf8Path::new("broken.so"), bytes)
}

#[test]
fn changed_bytes() {
    let lab = Lab::new();
    let whole = library(&lab);
    parse(&whole).unwrap();
    // Most of the file is padding; what counts is not zero.
    let places: Vec<_> = (0..whole.len())
        .filter(|&place| whole[place] != 0)
        .collect();
    let mut numbers = numbers();
    let mut next = || numbers.next().unwrap();
    let mut errors = 0;
    for _ in 0..1000 {
        let mut broken = whole.clone();
        for _ in 0..=next() % 3 {
            let place = places[next() % places.len()];
            broken[place] = [0xff, 0x7f, 0x80, 0][next() % 4] ^ u8::try_from(next() % 256).unwrap();
        }
        errors += usize::from(parse(&broken).is_err());
    }
    assert!(
        errors > 50,
        "only {errors} of the changed files are refused"
    );
}

/// Of a library that is proved, glibc finds nothing wrong either: it may only fail to map what is
/// told to lie where it cannot, and die of what is no matter of names.
#[test]
fn changed_bytes_of_a_needed_library() {
    let lab = Lab::new();
    let whole = library(&lab);
    let source = "int bar(void); int main(void) { return bar(); }";
    lab.program("program", source, &["libfoo.so"]);
    lab.prove("program").unwrap();
    // Headers and tables are at the beginning, and the dynamic section is a table, too.
    let elf = goblin::elf::Elf::parse(&whole).unwrap();
    let dynamic = goblin::elf::program_header::PT_DYNAMIC;
    let mut headers = elf.program_headers.iter();
    let dynamic = headers.find(|header| header.p_type == dynamic).unwrap();
    let places: Vec<_> = (16..0x800).chain(dynamic.file_range()).collect();
    let mut numbers = numbers();
    let mut next = || numbers.next().unwrap();
    let (mut proved, mut refused) = (0, 0);
    for _ in 0..1000 {
        let mut broken = whole.clone();
        let place = places[next() % places.len()];
        broken[place] = [0, 1, 2, 0xff, broken[place] ^ 1 << (next() % 8)][next() % 5];
        fs_err::write(lab.path("libfoo.so"), &broken).unwrap();
        if lab.prove("program").is_err() {
            refused += 1;
            continue;
        }
        proved += 1;
        let says = lab.bind("program");
        for wrong in [
            "not found",
            "undefined symbol",
            "unexpected reloc",
            "Inconsistency",
        ] {
            let change = (place, whole[place], broken[place]);
            assert!(!says.contains(wrong), "{change:?}: {says}");
        }
    }
    assert!(refused > 100 && proved > 100, "{refused} and {proved}");
}

#[test]
fn cut_files() {
    let lab = Lab::new();
    let whole = library(&lab);
    for end in (0..whole.len()).step_by(7) {
        // What is missing at the end may be of no interest to the loader.
        let parsed = parse(&whole[..end]);
        if let Err(error) = &parsed {
            assert!(
                error
                    .to_string()
                    .starts_with("could not read `broken.so` as a"),
                "{error}"
            );
        }
        // A file is read piece by piece, and says the same.
        fs_err::write(lab.path("cut.so"), &whole[..end]).unwrap();
        let read = Object::read(&lab.path("cut.so")).map_err(|error| error.to_string());
        let reason = |error: String| error.split_once("library: ").unwrap().1.to_owned();
        assert_eq!(
            read.map(|_| ()).map_err(reason),
            parsed
                .map(|_| ())
                .map_err(|error| reason(error.to_string()))
        );
    }
    insta::assert_snapshot!(parse(&[]).unwrap_err(), @"could not read `broken.so` as a program or library: it is not an ELF file");
    insta::assert_snapshot!(parse(b"\x7fELF").unwrap_err(), @"could not read `broken.so` as a program or library: Malformed entity: Too small");
    insta::assert_snapshot!(parse(&whole[..3000]).unwrap_err(), @"could not read `broken.so` as a program or library: its dynamic section lies outside the file");
}

/// Where a section of a file begins, and its bytes.
fn section<'a>(bytes: &'a mut [u8], name: &str) -> &'a mut [u8] {
    let elf = goblin::elf::Elf::parse(bytes).unwrap();
    let mut sections = elf.section_headers.iter();
    let section = sections.find(|section| elf.shdr_strtab.get_at(section.sh_name) == Some(name));
    let range = section.unwrap().file_range().unwrap();
    &mut bytes[range]
}

/// A table of words, each at its position.
fn words(bytes: &mut [u8], from: usize, change: impl Fn(u32) -> u32) {
    for word in bytes[4 * from..].chunks_exact_mut(4) {
        let changed = change(u32::from_le_bytes(word.try_into().unwrap()));
        word.copy_from_slice(&changed.to_le_bytes());
    }
}

/// What is done to a table.
type Damage = fn(&mut [u8]);

/// A symbol that its file's hash table does not lead to is not found, whatever the symbol table says.
#[test]
fn damaged_hash_tables_hide_symbols() {
    let source = "int foo(void) { return 1; }";
    let program = "int foo(void); int main(void) { return foo() - 1; }";
    // Of GNU's table: 4 numbers, a double word of the filter, the buckets, one hash. Of the other
    // one: 2 numbers, the buckets, the chains.
    let damages: [(&str, &str, Damage); 5] = [
        ("gnu", ".gnu.hash", |table| table[16..24].fill(0)),
        ("gnu", ".gnu.hash", |table| words(table, 6, |_| 0)),
        ("gnu", ".gnu.hash", |table| {
            *table.iter_mut().nth_back(3).unwrap() ^= 0x10;
        }),
        ("gnu", ".gnu.hash", |table| table[12] ^= 5),
        ("sysv", ".hash", |table| words(table, 2, |_| 0)),
    ];
    for (number, (style, name, damage)) in damages.into_iter().enumerate() {
        let lab = Lab::new();
        let style = format!("-Wl,--hash-style={style}");
        let path = lab.library("libfoo.so", source, &[&style, "-nostdlib"]);
        lab.program("program", program, &["libfoo.so", "-Wl,-z,now"]);
        lab.prove("program").unwrap();
        let mut bytes = fs_err::read(&path).unwrap();
        damage(section(&mut bytes, name));
        fs_err::write(&path, bytes).unwrap();
        let says = lab.fail("program");
        assert!(says.contains("undefined symbol: foo"), "{number}: {says}");
        let refusal = lab.refusal("program");
        assert!(
            refusal.contains("`foo` in `…/program`") && refusal.contains("would bind to  nothing"),
            "{number}: {refusal}"
        );
    }
}

/// glibc would walk such a chain for ever.
#[test]
fn endless_chains_are_refused() {
    let lab = Lab::new();
    let options = ["-Wl,--hash-style=sysv", "-nostdlib"];
    let path = lab.library("libfoo.so", "int foo(void) { return 1; }", &options);
    let mut bytes = fs_err::read(path).unwrap();
    // Every chain leads to the first symbol.
    let table = section(&mut bytes, ".hash");
    words(table, 2, |_| 1);
    let error = parse(&bytes).map(|_| ()).unwrap_err();
    insta::assert_snapshot!(error, @"could not read `broken.so` as a program or library: its hash table is broken");
}

/// The kernel tells glibc where the dynamic section is in memory, not where it is in the file.
#[test]
fn the_dynamic_section_is_where_it_is_loaded() {
    let lab = Lab::new();
    let whole = library(&lab);
    let elf = goblin::elf::Elf::parse(&whole).unwrap();
    let headers = usize::try_from(elf.header.e_phoff).unwrap();
    let dynamic = goblin::elf::program_header::PT_DYNAMIC;
    let header = elf
        .program_headers
        .iter()
        .position(|header| header.p_type == dynamic);
    let address = headers + 56 * header.unwrap() + 16;
    let mut bytes = whole.clone();
    bytes[address..address + 8].fill(0);
    let error = parse(&bytes).map(|_| ()).unwrap_err();
    insta::assert_snapshot!(error, @"could not read `broken.so` as a program or library: its dynamic section is not where it is loaded from");
}

/// What glibc asks of a header before it looks at anything else.
#[test]
fn headers_that_glibc_refuses() {
    let lab = Lab::new();
    let path = lab.library("libfoo.so", "int foo(void) { return 1; }", &[]);
    let program = "int foo(void); int main(void) { return foo() - 1; }";
    lab.program("program", program, &["libfoo.so"]);
    lab.prove("program").unwrap();
    let whole = fs_err::read(&path).unwrap();
    // The version twice, the system that it is for, the size of a segment's description.
    for place in [6, 7, 20, 54] {
        let mut broken = whole.clone();
        broken[place] ^= 8;
        fs_err::write(&path, broken).unwrap();
        let says = lab.fail("program");
        assert!(says.contains("libfoo.so: "), "{place}: {says}");
        let refusal = lab.refusal("program");
        assert!(
            refusal.ends_with("glibc does not load files with such a header"),
            "{place}: {refusal}"
        );
    }
}

/// Only a file for another machine is passed over: with another one glibc stops, though there is a
/// good one further on.
#[test]
fn what_glibc_refuses_ends_the_search() {
    let lab = Lab::new();
    let source = "int foo(void) { return 1; }";
    lab.write("first/here", "");
    let first = lab.library("first/libfoo.so", source, &["-Wl,-soname,libfoo.so"]);
    lab.library("libfoo.so", source, &[]);
    let program = "int foo(void); int main(void) { return foo() - 1; }";
    let path = "-Wl,--disable-new-dtags,-rpath,$ORIGIN/first:$ORIGIN";
    lab.compile("program", program, &[path], &["libfoo.so"]);
    lab.prove("program").unwrap();
    let whole = fs_err::read(&first).unwrap();
    let damaged = |changes: &[(usize, u8)]| {
        let mut bytes = whole.clone();
        for (place, value) in changes {
            bytes[*place] = *value;
        }
        fs_err::write(&first, bytes).unwrap();
    };
    // For 32 bits, for ARM, for another machine.
    for changes in [&[(4, 1)][..], &[(18, 183)], &[(18, 8)]] {
        damaged(changes);
        lab.run("program");
        let proof = lab.prove("program").unwrap();
        assert_eq!(
            proof.objects[1].path,
            lab.path("libfoo.so").canonicalize_utf8().unwrap()
        );
    }
    // The byte order, the version, the system, the version of its conventions, what is unused, and
    // the version once more, even for ARM.
    for changes in [
        &[(5, 2)][..],
        &[(6, 2)],
        &[(7, 9)],
        &[(8, 9)],
        &[(15, 1)],
        &[(20, 2)],
        &[(20, 2), (18, 183)],
    ] {
        damaged(changes);
        let says = lab.fail("program");
        assert!(says.contains("libfoo.so: "), "{changes:?}: {says}");
        let refusal = lab.prove("program").unwrap_err().to_string();
        assert!(refusal.contains("header"), "{changes:?}: {refusal}");
    }
}

/// Names may overlap, so that a small file has more of them than fits into memory.
#[test]
fn overlapping_names_are_bounded() {
    const NAME: usize = 1 << 20;
    const SYMBOLS: usize = 500;
    let (tables, names) = (0x200, 0x200 + 4 * (2 + SYMBOLS) + 24 * SYMBOLS);
    let length = names + NAME + 1;
    let mut bytes = vec![0; length];
    bytes[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0");
    let mut put = |at: usize, numbers: &[usize]| {
        for (number, place) in numbers.iter().zip((at..).step_by(8)) {
            bytes[place..place + 8].copy_from_slice(&(*number as u64).to_le_bytes());
        }
    };
    let symbols = tables + 4 * (2 + SYMBOLS);
    put(0x14, &[1]);
    put(0x20, &[0x40]);
    // Two headers of 56 bytes: what is loaded, and the dynamic section.
    put(0x34, &[0x0002_0038_0040]);
    put(0x40, &[0x4_0000_0001, 0, 0, 0, length, length, 0x1000]);
    put(0x78, &[0x4_0000_0002, 0x100, 0x100, 0x100, 0x60, 0x60, 8]);
    put(0x100, &[5, names, 6, symbols, 10, NAME + 1, 4, tables]);
    put(tables, &[SYMBOLS << 32]);
    for symbol in 0..SYMBOLS {
        put(symbols + 24 * symbol, &[symbol | 0x12 << 32, 1, 1]);
    }
    bytes[names..].fill(b'x');
    bytes[length - 1] = 0;
    let error = parse(&bytes).map(|_| ()).unwrap_err();
    insta::assert_snapshot!(error, @"could not read `broken.so` as a program or library: its names overlap without end");
}
