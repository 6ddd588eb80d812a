//! How references bind: versions, copies, stand-ins, protected, unique and weak symbols.

use super::lab::Lab;
use crate::elf::{HashTable, Object, SymbolKind};

const NOT_POSITION_INDEPENDENT: [&str; 2] = ["-no-pie", "-fno-pie"];

/// Asserts what a program prints, and that it is proved and simulated right.
#[track_caller]
fn proved(lab: &Lab, prints: &str) -> crate::Proof {
    assert_eq!(lab.run("program"), prints);
    lab.compare("program");
    lab.prove("program")
        .unwrap_or_else(|refusal| panic!("{refusal}"))
}

/// Asserts what a program prints, that it is simulated right and refused; returns the refusal.
#[track_caller]
fn refused(lab: &Lab, prints: &str) -> String {
    assert_eq!(lab.run("program"), prints);
    lab.compare("program");
    lab.refusal("program")
}

fn printing(expression: &str, declarations: &str) -> String {
    format!(
        "#include <stdio.h>\n{declarations}
         int main(void) {{ printf(\"%d\", {expression}); return 0; }}"
    )
}

const COUNTER: &str =
    "int counter = 1; int count(void) { return counter; } void set(int n) { counter = n; }";
const COUNTER_USER: &str = "extern int counter; int count(void); void set(int n);";

#[test]
fn a_copied_variable_lives_in_the_program() {
    let lab = Lab::new();
    lab.library("libcounter.so", COUNTER, &[]);
    let source = printing("(set(5), counter * 10 + count())", COUNTER_USER);
    let mut options = vec!["libcounter.so"];
    options.extend(NOT_POSITION_INDEPENDENT);
    lab.program("program", &source, &options);
    assert_eq!(proved(&lab, "55").copied, 1);
}

#[test]
fn a_copied_variable_of_a_symbolic_library_is_split() {
    let lab = Lab::new();
    lab.library("libcounter.so", COUNTER, &["-Wl,-Bsymbolic"]);
    let source = printing("(set(5), counter * 10 + count())", COUNTER_USER);
    let mut options = vec!["libcounter.so"];
    options.extend(NOT_POSITION_INDEPENDENT);
    lab.program("program", &source, &options);
    insta::assert_snapshot!(refused(&lab, "15"), @r"
    symbols of `…/program` would not bind to what they were linked against:
      `counter` in `…/libcounter.so` (program -> libcounter.so)
        the program uses a copy of it, the library its own
    ");
}

/// A program that copies a variable which has two names in its library, of which it uses one and
/// another library the other.
fn two_names(attributes: &str, mine: &str, theirs: &str) -> Lab {
    let lab = Lab::new();
    let alias = format!("extern int again __attribute__(({attributes}));");
    lab.library("libcounter.so", &format!("{COUNTER} {alias}"), &[]);
    let user = format!("extern int {theirs}; int use(void) {{ return {theirs}; }}");
    lab.library("libuser.so", &user, &["libcounter.so"]);
    let declarations = format!("extern int {mine}; int use(void); void set(int);");
    let source = printing(&format!("(set(5), {mine} * 10 + use())"), &declarations);
    let mut options = vec!["libuser.so", "libcounter.so"];
    options.extend(NOT_POSITION_INDEPENDENT);
    lab.program("program", &source, &options);
    lab
}

#[test]
fn one_copy_may_go_by_two_names() {
    proved(
        &two_names("weak, alias(\"counter\")", "again", "counter"),
        "55",
    );
    let lab = two_names("alias(\"counter\")", "counter", "again");
    insta::assert_snapshot!(refused(&lab, "51"), @r"
    symbols of `…/program` would not bind to what they were linked against:
      `counter` in `…/libcounter.so` (program -> libcounter.so)
        the program uses a copy of it, the library its own
    ");
}

#[test]
fn an_address_may_be_the_programs_entry_for_it() {
    let lab = Lab::new();
    let library = "int foo(void) { return 7; } int (*address(void))(void) { return foo; }";
    lab.library("libfoo.so", library, &[]);
    let declarations = "int foo(void); int (*address(void))(void);";
    let source = printing("(address() == foo) * 10 + address()()", declarations);
    let mut options = vec!["libfoo.so"];
    options.extend(NOT_POSITION_INDEPENDENT);
    lab.program("program", &source, &options);
    proved(&lab, "17");
}

#[test]
fn a_protected_function_is_called_inside() {
    let lab = Lab::new();
    let library = "__attribute__((visibility(\"protected\"))) int foo(void) { return 7; }
                   int (*volatile pointer)(void) = foo;
                   int use(void) { return foo() * 10 + pointer(); }";
    lab.library("libfoo.so", library, &[]);
    let source = printing(
        "use() * 10 + foo()",
        "int use(void); int foo(void) { return 1; }",
    );
    lab.program("program", &source, &["libfoo.so", "-rdynamic"]);
    proved(&lab, "771");
}

#[test]
fn a_programs_own_function_interposes() {
    let lab = Lab::new();
    lab.library(
        "libfoo.so",
        "int foo(void) { return 7; } int use(void) { return foo(); }",
        &[],
    );
    let source = printing("use()", "int use(void); int foo(void) { return 1; }");
    lab.program("program", &source, &["libfoo.so", "-rdynamic"]);
    insta::assert_snapshot!(refused(&lab, "1"), @r"
    symbols of `…/program` would not bind to what they were linked against:
      `foo` in `…/libfoo.so` (program -> libfoo.so)
        linked against `…/libfoo.so` (program -> libfoo.so)
        would bind to  `…/program`
    ");
}

#[test]
fn a_unique_symbol_is_one_for_all() {
    let unique = |value: usize| {
        format!(
            "__asm__(\".globl only\\n.type only,@gnu_unique_object\\n.size only,4\\n\"
                     \".data\\nonly: .long {value}\\n.text\");
             extern int only; int use{value}(void) {{ return only; }}"
        )
    };
    let program = printing("use1() * 10 + use2()", "int use1(void); int use2(void);");
    for symbolic in [&[][..], &["-Wl,-Bsymbolic"][..]] {
        let lab = Lab::new();
        lab.library("libone.so", &unique(1), &[]);
        lab.library("libtwo.so", &unique(2), symbolic);
        lab.program("program", &program, &["libone.so", "libtwo.so"]);
        lab.compare("program");
        let answer = lab.run("program");
        assert_eq!(lab.prove("program").is_ok(), answer == "12", "{answer}");
    }
}

#[test]
fn indirect_functions_and_thread_locals_are_symbols_like_any() {
    let lab = Lab::new();
    let library = "static int fast(void) { return 7; }
                   static int (*choose(void))(void) { return fast; }
                   int foo(void) __attribute__((ifunc(\"choose\")));
                   __thread int local = 3;";
    let library = lab.library("libfoo.so", library, &[]);
    let source = printing(
        "foo() * 10 + local",
        "int foo(void); extern __thread int local;",
    );
    lab.program("program", &source, &["libfoo.so"]);
    proved(&lab, "73");

    let object = Object::read(&library).unwrap();
    let kind = |name: &str| object.definitions().find(|s| s.name == name).unwrap().kind;
    assert_eq!(kind("foo"), SymbolKind::IndirectFunction);
    assert_eq!(kind("local"), SymbolKind::ThreadLocal);
}

#[test]
fn weak_references_may_stay_unresolved_and_strong_ones_not() {
    let lab = Lab::new();
    let weak = "__attribute__((weak)) int absent(void); int use(void) { return absent != 0; }";
    lab.library("libfoo.so", weak, &[]);
    lab.program(
        "program",
        &printing("use()", "int use(void);"),
        &["libfoo.so"],
    );
    let before = proved(&lab, "0").weak_unresolved;
    assert!(before >= 1);

    let strong =
        "int absent(void); int maybe(void) { return absent(); } int use(void) { return 0; }";
    lab.library("libfoo.so", strong, &[]);
    insta::assert_snapshot!(lab.refusal("program"), @r"
    symbols of `…/program` would not bind to what they were linked against:
      `absent` in `…/libfoo.so` (program -> libfoo.so)
        would bind to  nothing: no loaded file defines it
    ");
}

#[test]
fn a_library_may_leave_a_function_to_the_program() {
    let lab = Lab::new();
    lab.library(
        "libfoo.so",
        "int allocate(void); int use(void) { return allocate(); }",
        &[],
    );
    let source = printing("use()", "int use(void); int allocate(void) { return 7; }");
    lab.program("program", &source, &["libfoo.so"]);
    proved(&lab, "7");
}

#[test]
fn a_function_left_to_the_program_must_be_the_only_one() {
    let lab = Lab::new();
    lab.library(
        "libfoo.so",
        "int allocate(void); int use(void) { return allocate(); }",
        &[],
    );
    lab.library(
        "libbar.so",
        "int allocate(void) { return 8; } int bar(void) { return 0; }",
        &[],
    );
    let declarations = "int use(void); int bar(void); int allocate(void) { return 7; }";
    let source = printing("use() + bar()", declarations);
    lab.program("program", &source, &["libfoo.so", "libbar.so", "-rdynamic"]);
    insta::assert_snapshot!(refused(&lab, "7"), @r"
    symbols of `…/program` would not bind to what they were linked against:
      `allocate` in `…/libfoo.so` (program -> libfoo.so)
        linked against no file, and several define it
        would bind to  `…/program`
    ");
}

/// A program linked against one make of a library and started with another.
fn replaced(linked: &[&str], started: (&str, &[&str])) -> Lab {
    let lab = Lab::new();
    lab.write("one.map", "ONE { *; };");
    lab.write("two.map", "TWO { *; };");
    lab.write("three.map", "ONE { }; TWO { } ONE; THREE { } TWO;");
    lab.library("libfoo.so", "int foo(void) { return 7; }", linked);
    lab.program(
        "program",
        &printing("foo()", "int foo(void);"),
        &["libfoo.so"],
    );
    lab.library("libfoo.so", started.0, started.1);
    lab
}

const ONE: &str = "-Wl,--version-script=one.map";
const TWO: &str = "-Wl,--version-script=two.map";
const THREE: &str = "-Wl,--version-script=three.map";
const SAME: &str = "int foo(void) { return 7; }";

#[test]
fn a_version_that_is_gone_is_missing() {
    let lab = replaced(&[ONE], (SAME, &[TWO]));
    assert!(lab.fail("program").contains("version `ONE' not found"));
    insta::assert_snapshot!(lab.refusal("program"), @r"
    symbols of `…/program` would not bind to what they were linked against:
      version `ONE` of `libfoo.so`, needed in `…/program`
        is not in      `…/libfoo.so` (program -> libfoo.so)
      `foo` (version `ONE`) in `…/program`
        linked against `…/libfoo.so` (program -> libfoo.so)
        would bind to  nothing: no loaded file defines it
    ");
}

#[test]
fn a_library_that_lost_its_versions_lacks_them() {
    // What glibc does depends on its release.
    insta::assert_snapshot!(replaced(&[ONE], (SAME, &[])).refusal("program"), @r"
    symbols of `…/program` would not bind to what they were linked against:
      version `ONE` of `libfoo.so`, needed in `…/program`
        is not in      `…/libfoo.so` (program -> libfoo.so)
    ");
}

#[test]
fn an_old_program_gets_the_first_version() {
    let symbols = "__asm__(\".symver foo_one,foo@ONE\"); int foo_one(void) { return 1; }
                   __asm__(\".symver foo_two,foo@@TWO\"); int foo_two(void) { return 2; }";
    proved(&replaced(&[], (symbols, &[THREE])), "1");
    // A later version is found if it is the only one that is not hidden.
    let symbols = "__asm__(\".symver foo_two,foo@TWO\"); int foo_two(void) { return 2; }
                   __asm__(\".symver foo_three,foo@@THREE\"); int foo_three(void) { return 3; }";
    proved(&replaced(&[], (symbols, &[THREE])), "3");
    // A new program gets what it was linked against.
    let symbols = "__asm__(\".symver foo_one,foo@ONE\"); int foo_one(void) { return 1; }
                   __asm__(\".symver foo_two,foo@@TWO\"); int foo_two(void) { return 2; }";
    let lab = replaced(&[], (symbols, &[THREE]));
    lab.program(
        "program",
        &printing("foo()", "int foo(void);"),
        &["libfoo.so"],
    );
    proved(&lab, "2");
}

#[test]
fn every_layout_of_the_tables_reads_the_same() {
    let source =
        "static int one = 1; int *volatile pointer = &one; int foo(void) { return *pointer; }";
    let program = printing("foo()", "int foo(void);");
    for (option, table) in [("gnu", HashTable::Gnu), ("sysv", HashTable::SystemV)] {
        let lab = Lab::new();
        let style = format!("-Wl,--hash-style={option}");
        let library = lab.library("libfoo.so", source, &[&style, "-s"]);
        lab.program("program", &program, &["libfoo.so", &style]);
        assert_eq!(Object::read(&library).unwrap().hash_table, table);
        proved(&lab, "1");
    }
    let lab = Lab::new();
    let library = lab.library("libfoo.so", source, &["-Wl,-z,pack-relative-relocs"]);
    lab.program("program", &program, &["libfoo.so"]);
    assert!(Object::read(&library).unwrap().compressed_relocations);
    proved(&lab, "1");
}

#[test]
fn an_object_tells_what_it_needs_of_versioned_libraries() {
    let lab = Lab::new();
    lab.write("one.map", "ONE { *; };");
    lab.library(
        "libfoo.so",
        "int foo(void) { return 7; } int bar = 1;",
        &[ONE],
    );
    let source = "int foo(void); extern int bar; int use(void) { return foo() + bar; }";
    let user = lab.library("libuser.so", source, &["libfoo.so"]);
    let object = Object::read(&user).unwrap();
    let mut needs: Vec<_> = object
        .undefined_versioned()
        .filter(|(_, version)| version.file.as_deref() == Some("libfoo.so"))
        .map(|(symbol, version)| (symbol, &*version.name))
        .collect();
    needs.sort_unstable();
    assert_eq!(needs, [("bar", "ONE"), ("foo", "ONE")]);
    assert_eq!(
        object
            .definitions()
            .map(|symbol| &*symbol.name)
            .collect::<Vec<_>>(),
        ["use"]
    );
}
