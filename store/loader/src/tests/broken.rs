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

#[test]
fn changed_bytes_of_a_needed_library() {
    let lab = Lab::new();
    let whole = library(&lab);
    let source = "int bar(void); int main(void) { return bar(); }";
    lab.program("program", source, &["libfoo.so"]);
    lab.prove("program").unwrap();
    let places: Vec<_> = (0..whole.len())
        .filter(|&place| whole[place] != 0)
        .collect();
    let mut numbers = numbers();
    let mut next = || numbers.next().unwrap();
    let mut refused = 0;
    for _ in 0..100 {
        let mut broken = whole.clone();
        broken[places[next() % places.len()]] ^= 1 << (next() % 8);
        fs_err::write(lab.path("libfoo.so"), broken).unwrap();
        refused += usize::from(lab.prove("program").is_err());
    }
    assert!(
        refused > 3,
        "only {refused} of the changed files are refused"
    );
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
