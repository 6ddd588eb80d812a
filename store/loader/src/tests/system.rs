//! The programs of the host: whatever they load, glibc and the simulation must agree.

use camino::Utf8Path;

use super::lab::{compare, names, truth};
use crate::elf::Object;
use crate::{Search, prove};

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
