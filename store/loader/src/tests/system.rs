//! The programs of the host: whatever they load, glibc and the simulation must agree.

use camino::Utf8Path;

use super::lab::{compare, names, truth};
use crate::elf::Object;
use crate::{Search, is_glibc, prove};

/// Programs and arguments with which they only start and end.
const PROGRAMS: [(&str, &[&str]); 6] = [
    ("/bin/sh", &["-c", ":"]),
    ("/bin/bash", &["--version"]),
    ("/usr/bin/python3", &["-c", ""]),
    ("/usr/bin/git", &["--version"]),
    ("/usr/bin/perl", &["-e", "1"]),
    ("/usr/bin/ld", &["--version"]),
];

#[test]
fn programs_of_the_system_bind_as_simulated() {
    let mut compared = 0;
    for (program, arguments) in PROGRAMS {
        let program = Utf8Path::new(program);
        if !program.exists() {
            continue;
        }
        let truth = truth(program, arguments);
        let search = Search {
            allowed: names(&truth),
            ..Search::default()
        };
        compare(program, &search, &truth);
        compared += 1;
    }
    assert!(compared > 0, "not even a shell");
}

/// Names of this version are for glibc's own libraries, so who defines some is one of them.
#[test]
fn what_is_private_to_glibc_is_in_libraries_of_glibc() {
    let truth = truth(Utf8Path::new("/bin/sh"), &["-c", ":"]);
    let libc = truth.iter().map(|(.., provider)| provider);
    let libc = libc
        .into_iter()
        .find(|file| file.file_name() == Some("libc.so.6"));
    let folder = libc.and_then(|libc| libc.parent()).unwrap();
    let mut found = 0;
    for entry in folder.read_dir_utf8().unwrap() {
        let entry = entry.unwrap();
        let Ok(library) = Object::read(entry.path()) else {
            continue;
        };
        let defined = library.defined_versions.as_ref();
        if defined.is_some_and(|defined| defined.contains("GLIBC_PRIVATE")) {
            assert!(is_glibc(library.name()), "{}", library.path);
            found += 1;
        }
    }
    assert!(found > 1, "{folder}");
}

#[test]
fn the_shell_is_proved() {
    let program = Utf8Path::new("/bin/sh");
    let search = Search {
        allowed: names(&truth(program, &["-c", ":"])),
        ..Search::default()
    };
    let proof = prove(program, &search).unwrap_or_else(|refusal| panic!("{refusal}"));
    assert!(proof.versioned > 50, "{proof:?}");
    assert!(proof.objects.iter().any(|object| object.glibc), "{proof:?}");
}

#[test]
fn a_file_reads_the_same_piece_by_piece() {
    let truth = truth(Utf8Path::new("/usr/bin/ld"), &["--version"]);
    let files = truth
        .iter()
        .flat_map(|(file, .., provider)| [file, provider]);
    let files: std::collections::BTreeSet<_> = files.collect();
    assert!(files.len() > 2, "{files:?}");
    for file in files {
        let whole = Object::parse(file, &fs_err::read(file).unwrap()).unwrap();
        assert_eq!(
            format!("{whole:?}"),
            format!("{:?}", Object::read(file).unwrap())
        );
    }
}
