//! Which files are loaded.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;

use super::lab::Lab;
use crate::{Refusal, Search, prove};

const CALLS_FOO: &str = "int foo(void); int a(void) { return foo(); }";
const PRINTS_A: &str =
    "#include <stdio.h>\nint a(void); int main(void) { printf(\"%d\", a()); return 0; }";
const RUNPATH: &str = "-Wl,--enable-new-dtags,-rpath,$ORIGIN";
const LAX: &str = "-Wl,--unresolved-symbols=ignore-in-shared-libs";

fn foo(answer: usize) -> String {
    format!("int foo(void) {{ return {answer}; }}")
}

#[test]
fn only_the_old_search_path_is_handed_down() {
    let lab = Lab::new();
    lab.library("libfoo.so", &foo(7), &[]);
    lab.library("liba.so", CALLS_FOO, &["libfoo.so"]);
    lab.program("program", PRINTS_A, &["liba.so"]);
    assert_eq!(lab.run("program"), "7");
    let proof = lab.prove("program").unwrap();
    let names: Vec<_> = proof.objects.iter().map(|object| &*object.name).collect();
    assert_eq!(names[..3], ["program", "liba.so", "libc.so.6"]);

    lab.compile("program", PRINTS_A, &[RUNPATH], &["liba.so", LAX]);
    assert!(
        lab.fail("program")
            .contains("libfoo.so: cannot open shared object file")
    );
    let refusal = lab.prove("program").unwrap_err();
    let Refusal::Missing { library, chain, .. } = &refusal else {
        panic!("{refusal}")
    };
    assert_eq!(
        (&**library, &*chain.to_string()),
        ("libfoo.so", "program -> liba.so")
    );

    // A file with the new search path of its own does not use the one handed down.
    lab.write("elsewhere/here", "");
    lab.library("elsewhere/libfoo.so", &foo(8), &["-Wl,-soname,libfoo.so"]);
    let elsewhere = "-Wl,--enable-new-dtags,-rpath,$ORIGIN/elsewhere";
    lab.library("liba.so", CALLS_FOO, &["libfoo.so", elsewhere]);
    lab.program("program", PRINTS_A, &["liba.so"]);
    assert_eq!(lab.run("program"), "8");
    lab.compare("program");
}

#[test]
fn the_origin_of_a_library_is_where_it_was_opened() {
    let lab = Lab::new();
    lab.write("real/here", "");
    let soname = "-Wl,-soname,libfoo.so";
    lab.library("libfoo.so", &foo(1), &[soname]);
    lab.library("real/libfoo.so", &foo(2), &[soname]);
    lab.library(
        "real/liba.so",
        CALLS_FOO,
        &["libfoo.so", RUNPATH, "-Wl,-soname,liba.so"],
    );
    std::os::unix::fs::symlink("real/liba.so", lab.path("liba.so")).unwrap();
    lab.compile(
        "real/program",
        PRINTS_A,
        &["-Wl,--disable-new-dtags,-rpath,$ORIGIN/.."],
        &["liba.so", LAX],
    );
    // The program's own is where it really is.
    std::os::unix::fs::symlink("real/program", lab.path("program")).unwrap();
    assert_eq!(lab.run("program"), "1");
    lab.compare("program");
    lab.prove("program").unwrap();
}

#[test]
fn two_links_to_one_file_are_one_library() {
    let lab = Lab::new();
    let first = lab.library("libfoo.so", &foo(7), &[]);
    let user = |name| format!("int foo(void); int {name}(void) {{ return foo(); }}");
    lab.library("liba.so", &user("a"), &["libfoo.so"]);
    fs_err::hard_link(first, lab.path("libfoo2.so")).unwrap();
    lab.library("libb.so", &user("b"), &["libfoo2.so"]);
    let source = PRINTS_A
        .replace("a()", "a() + b()")
        .replace("int a(void);", "int a(void), b(void);");
    lab.program("program", &source, &["liba.so", "libb.so"]);
    assert_eq!(lab.run("program"), "14");
    lab.compare("program");
    let proof = lab.prove("program").unwrap();
    let ours = proof.objects.iter().filter(|object| !object.glibc).count();
    assert_eq!(ours, 4);
}

#[test]
fn a_program_is_no_library_of_its_own() {
    let lab = Lab::new();
    lab.library("libprogram.so", &foo(7), &[]);
    lab.library("liba.so", CALLS_FOO, &["libprogram.so"]);
    let source = format!("{PRINTS_A} {}", foo(8));
    lab.program("program", &source, &["liba.so", "-rdynamic"]);
    fs_err::remove_file(lab.path("libprogram.so")).unwrap();
    fs_err::hard_link(lab.path("program"), lab.path("libprogram.so")).unwrap();
    let says = lab.fail("program");
    assert!(says.contains("libprogram.so: cannot"), "{says}");
    let refusal = lab.refusal("program");
    insta::assert_snapshot!(refusal, @"nothing can be proved of `…/libprogram.so`: it is a program, but is needed as a library");
}

#[test]
fn the_system_gives_glibc_only() {
    let lab = Lab::new();
    lab.write("system/here", "");
    lab.library("system/libfoo.so", &foo(7), &["-Wl,-soname,libfoo.so"]);
    lab.library("liba.so", CALLS_FOO, &["system/libfoo.so"]);
    lab.program("program", PRINTS_A, &["liba.so", LAX]);
    let mut search = Search::default();
    search.system.push(lab.path("system"));
    let refusal = prove(&lab.path("program"), &search).unwrap_err();
    let Refusal::Foreign { library, chain, .. } = &refusal else {
        panic!("{refusal}")
    };
    assert_eq!(library, "libfoo.so");
    assert_eq!(chain.to_string(), "program -> liba.so -> libfoo.so");

    search.allowed = BTreeSet::from(["libfoo.so".to_owned()]);
    prove(&lab.path("program"), &search).unwrap();

    // Neither is a link to a library of the system one's own.
    std::os::unix::fs::symlink("system/libfoo.so", lab.path("libfoo.so")).unwrap();
    search.allowed.clear();
    let refusal = prove(&lab.path("program"), &search).unwrap_err();
    assert!(matches!(refusal, Refusal::Foreign { .. }), "{refusal}");
}

#[test]
fn glibc_comes_from_the_system_only() {
    let lab = Lab::new();
    lab.program(
        "program",
        "int main(void) { return 0; }",
        &["-Wl,--no-as-needed", "-lm"],
    );
    let proof = lab.prove("program").unwrap();
    let libm = proof
        .objects
        .iter()
        .find(|object| object.name == "libm.so.6")
        .unwrap();
    fs_err::copy(&libm.path, lab.path("libm.so.6")).unwrap();
    let refusal = lab.prove("program").unwrap_err();
    assert!(matches!(refusal, Refusal::Misplaced { .. }), "{refusal}");
}

#[test]
fn what_is_not_modelled_is_refused() {
    let main = "int main(void) { return 0; }";
    let reason = |lab: &Lab| match lab.prove("program").unwrap_err() {
        Refusal::Unsupported { reason, .. } => reason,
        other => panic!("{other}"),
    };
    let lab = Lab::new();
    lab.program(
        "program",
        main,
        &["-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1"],
    );
    insta::assert_snapshot!(reason(&lab), @"its loader `/lib/ld-musl-x86_64.so.1` is not glibc's");

    let lab = Lab::new();
    lab.compile("program", main, &["-Wl,-rpath,lib"], &[]);
    insta::assert_snapshot!(reason(&lab), @"it looks for libraries in `lib`, seen from the current folder");
    lab.compile("program", main, &["-Wl,-rpath,/nowhere:"], &[]);
    insta::assert_snapshot!(reason(&lab), @"it looks for libraries in ``, seen from the current folder");
    lab.compile("program", main, &["-Wl,-rpath,/nowhere/$LIB"], &[]);
    insta::assert_snapshot!(reason(&lab), @"it looks for libraries by `$LIB`");

    let lab = Lab::new();
    lab.library("libfoo.so", &foo(7), &["-Wl,--auxiliary,libother.so"]);
    lab.library("liba.so", CALLS_FOO, &["libfoo.so"]);
    lab.program("program", PRINTS_A, &["liba.so"]);
    insta::assert_snapshot!(reason(&lab), @"it is a filter for another library (DT_AUXILIARY)");
    lab.library("libfoo.so", &foo(7), &[]);
    lab.program("program", PRINTS_A, &["liba.so", "-Wl,-z,nodefaultlib"]);
    let says = lab.fail("program");
    assert!(says.contains("libc.so.6: cannot open"), "{says}");
    insta::assert_snapshot!(reason(&lab), @"it looks for no libraries in the system's folders (DF_1_NODEFLIB)");
    lab.program("program", PRINTS_A, &["liba.so"]);
    lab.write("glibc-hwcaps/here", "");
    insta::assert_snapshot!(reason(&lab), @"it has the folder `glibc-hwcaps` for certain processors");
}

#[test]
fn a_static_program_loads_nothing() {
    let lab = Lab::new();
    lab.compile(
        "program",
        "int main(void) { return 0; }",
        &["-static", "-nostdlib"],
        &["-Wl,-e,main"],
    );
    let proof = lab.prove("program").unwrap();
    assert_eq!((proof.objects.len(), proof.references), (1, 0));
    // A library is no program.
    lab.library("libfoo.so", &foo(7), &[]);
    lab.library("liba.so", CALLS_FOO, &["libfoo.so"]);
    let refusal = lab.prove("liba.so").unwrap_err();
    assert!(matches!(refusal, Refusal::Unsupported { .. }), "{refusal}");
}

#[test]
fn unreadable_files_are_named() {
    let lab = Lab::new();
    let refusal = lab.prove("absent").unwrap_err();
    assert_eq!(
        refusal.to_string(),
        format!("could not read `{}`", lab.path("absent"))
    );
    lab.library("libfoo.so", &foo(7), &[]);
    lab.library("liba.so", CALLS_FOO, &["libfoo.so"]);
    lab.program("program", PRINTS_A, &["liba.so"]);
    lab.write("libfoo.so", &"INPUT(libbar.so)".repeat(9));
    insta::assert_snapshot!(lab.refusal("program"), @"could not read `…/libfoo.so` as a program or library: it is not an ELF file");
    assert!(
        lab.fail("program")
            .contains("libfoo.so: invalid ELF header")
    );
    let folder = Utf8PathBuf::from("/dev/null");
    assert!(
        crate::elf::Object::read(&folder)
            .unwrap_err()
            .to_string()
            .contains("regular file")
    );
}
