//! Two variants of one library in one program: the verdict must be what the program prints.

use super::lab::Lab;

/// How the libraries of a case are linked.
#[derive(Clone, Copy, Debug)]
enum Link {
    /// As they come.
    Plain,
    /// Each with `-Bsymbolic`.
    Symbolic,
    /// Each variant with a version node of its own.
    OwnNodes,
    /// Both variants with the same version node.
    SameNode,
    /// Only the first variant with a version node.
    FirstNode,
    /// Only the second variant with a version node.
    SecondNode,
}

use Link::{FirstNode, OwnNodes, Plain, SameNode, SecondNode, Symbolic};

impl Link {
    /// Returns the options for a library of the first or second variant.
    fn options(self, lab: &Lab, variant: usize) -> Vec<&'static str> {
        lab.write("V1.map", "V1 { *; };");
        lab.write("V2.map", "V2 { *; };");
        let first = "-Wl,--version-script=V1.map";
        let second = "-Wl,--version-script=V2.map";
        match (self, variant) {
            (Symbolic, _) => vec!["-Wl,-Bsymbolic"],
            (OwnNodes | FirstNode | SameNode, 1) | (SameNode, 2) => vec![first],
            (OwnNodes | SecondNode, 2) => vec![second],
            _ => vec![],
        }
    }
}

/// Where a case is built, and how.
struct Setting<'a> {
    lab: &'a Lab,
    link: Link,
}

impl Setting<'_> {
    /// Builds a library of the first or second variant, or of none, that uses others.
    fn library(&self, variant: usize, name: &str, source: &str, uses: &[&str]) {
        let mut options = self.link.options(self.lab, variant);
        options.extend(uses);
        self.lab.library(name, source, &options);
    }
}

/// A case: builds `program`.
type Case = fn(&Setting<'_>);

#[track_caller]
fn check(case: Case, link: Link, prints: &str, wanted: &str) {
    let lab = Lab::new();
    case(&Setting { lab: &lab, link });
    assert_eq!(lab.run("program"), prints, "{link:?}");
    let verdict = lab.prove("program");
    assert_eq!(verdict.is_ok(), prints == wanted, "{link:?}: {verdict:?}");
    lab.compare("program");
}

/// Two variants of a library, each used by a library of its own.
fn variants_behind_libraries(case: &Setting<'_>) {
    let lab = case.lab;
    case.library(1, "libfoo1.so", "int foo(void) { return 11; }", &[]);
    case.library(2, "libfoo2.so", "int foo(void) { return 22; }", &[]);
    lab.library(
        "liba.so",
        "int foo(void); int a(void) { return foo(); }",
        &["libfoo1.so"],
    );
    lab.library(
        "libb.so",
        "int foo(void); int b(void) { return foo(); }",
        &["libfoo2.so"],
    );
    program(lab, "a b", &["liba.so", "libb.so"]);
}

#[test]
fn a_variants_behind_libraries() {
    let check = |link, prints| check(variants_behind_libraries, link, prints, "11 22");
    check(Plain, "11 11");
    check(Symbolic, "11 11");
    check(OwnNodes, "11 22");
    check(SameNode, "11 11");
    check(FirstNode, "11 11");
    check(SecondNode, "11 11");
}

/// Two feature sets of a crate that exports a function and a variable.
fn features(case: &Setting<'_>) {
    let lab = case.lab;
    let crate_with = |feature: usize| {
        format!(
            "int feature = {feature}; int which(void) {{ return {feature}; }}
             int inner{feature}(void) {{ return feature; }}"
        )
    };
    let user = |feature: usize| {
        format!(
            "extern int feature; int which(void); int inner{feature}(void);
             int use{feature}(void) {{ return which() * 100 + feature * 10 + inner{feature}(); }}"
        )
    };
    case.library(1, "libx1.so", &crate_with(1), &[]);
    case.library(2, "libx2.so", &crate_with(2), &[]);
    case.library(0, "liba.so", &user(1), &["libx1.so"]);
    case.library(0, "libb.so", &user(2), &["libx2.so"]);
    program(lab, "use1 use2", &["liba.so", "libb.so"]);
}

#[test]
fn b_feature_sets() {
    let check = |link, prints| check(features, link, prints, "111 222");
    check(Plain, "111 111");
    // The worst: functions of one variant work on the variables of the other.
    check(Symbolic, "111 112");
    check(OwnNodes, "111 222");
    check(SameNode, "111 111");
    check(FirstNode, "111 111");
    check(SecondNode, "111 111");
}

/// Two copies of a C library, each bundled into a library that exports it, and a direct user.
fn bundled(case: &Setting<'_>) {
    let lab = case.lab;
    lab.compile(
        "z1.o",
        "int zver(void) { return 11; }",
        &["-c", "-fPIC"],
        &[],
    );
    lab.compile(
        "z2.o",
        "int zver(void) { return 22; }",
        &["-c", "-fPIC"],
        &[],
    );
    case.library(
        1,
        "libx1.so",
        "int zver(void); int x1(void) { return zver(); }",
        &["z1.o"],
    );
    case.library(
        2,
        "libx2.so",
        "int zver(void); int x2(void) { return zver(); }",
        &["z2.o"],
    );
    case.library(
        0,
        "liby.so",
        "int zver(void); int y(void) { return zver(); }",
        &["libx2.so"],
    );
    program(lab, "x1 x2 y", &["libx1.so", "libx2.so", "liby.so"]);
}

#[test]
fn c_bundled_libraries() {
    let check = |link, prints| check(bundled, link, prints, "11 22 22");
    check(Plain, "11 11 11");
    check(Symbolic, "11 22 11");
    check(OwnNodes, "11 22 22");
    check(SameNode, "11 11 11");
    check(FirstNode, "11 11 11");
    check(SecondNode, "11 11 11");
}

#[test]
fn c_bundled_and_hidden() {
    let lab = Lab::new();
    let hidden = "__attribute__((visibility(\"hidden\"))) ";
    for (variant, answer) in [(1, 11), (2, 22)] {
        let source = format!(
            "{hidden}int zver(void) {{ return {answer}; }} int x{variant}(void) {{ return zver(); }}"
        );
        lab.library(&format!("libx{variant}.so"), &source, &[]);
    }
    program(&lab, "x1 x2", &["libx1.so", "libx2.so"]);
    assert_eq!(lab.run("program"), "11 22");
    assert_eq!(lab.prove("program").unwrap().repeated_names, []);
    lab.compare("program");
}

/// Two libraries with equal names inside, and different layouts behind them.
fn layouts(case: &Setting<'_>) {
    let lab = case.lab;
    let source = |fields: &str, variant: usize| {
        format!(
            "struct pair {{ {fields} }};
             int read_pair(struct pair *pair) {{ return pair->value; }}
             int use{variant}(void) {{
                 struct pair pair = {{ .other = 0, .value = {variant}{variant} }};
                 return read_pair(&pair);
             }}"
        )
    };
    let no_inlining = "-fno-inline";
    case.library(
        1,
        "libx1.so",
        &source("int value, other;", 1),
        &[no_inlining],
    );
    case.library(
        2,
        "libx2.so",
        &source("int other, value;", 2),
        &[no_inlining],
    );
    program(lab, "use1 use2", &["libx1.so", "libx2.so"]);
}

#[test]
fn d_layouts() {
    let check = |link, prints| check(layouts, link, prints, "11 22");
    check(Plain, "11 0");
    check(Symbolic, "11 22");
    check(OwnNodes, "11 22");
    check(SameNode, "11 0");
    check(FirstNode, "11 0");
    check(SecondNode, "11 0");
}

/// Two variants with one SONAME, each beside its user.
fn one_soname(case: &Setting<'_>) {
    let lab = case.lab;
    let soname = "-Wl,-soname,libfoo.so";
    lab.write("1/here", "");
    lab.write("2/here", "");
    case.library(1, "1/libfoo.so", "int foo(void) { return 11; }", &[soname]);
    case.library(2, "2/libfoo.so", "int foo(void) { return 22; }", &[soname]);
    let near = "-Wl,--enable-new-dtags,-rpath,$ORIGIN";
    lab.library(
        "1/liba.so",
        "int foo(void); int a(void) { return foo(); }",
        &["1/libfoo.so", near, "-Wl,-soname,liba.so"],
    );
    lab.library(
        "2/libb.so",
        "int foo(void); int b(void) { return foo(); }",
        &["2/libfoo.so", near, "-Wl,-soname,libb.so"],
    );
    program(
        lab,
        "a b",
        &[
            "1/liba.so",
            "2/libb.so",
            "-Wl,-rpath,$ORIGIN/1:$ORIGIN/2",
            "-Wl,--allow-shlib-undefined",
            "-Wl,--unresolved-symbols=ignore-in-shared-libs",
        ],
    );
}

#[test]
fn a_one_soname() {
    let lab = Lab::new();
    one_soname(&Setting {
        lab: &lab,
        link: Plain,
    });
    assert_eq!(lab.run("program"), "11 11");
    insta::assert_snapshot!(lab.refusal("program"), @"two files go by the name `libfoo.so`: program -> libb.so needs `…/2/libfoo.so`, but `…/1/libfoo.so` is loaded before it (program -> liba.so -> libfoo.so)");

    // With nodes, glibc notices too.
    let lab = Lab::new();
    one_soname(&Setting {
        lab: &lab,
        link: OwnNodes,
    });
    assert!(lab.fail("program").contains("version `V2' not found"));
    assert!(lab.prove("program").is_err());
}

#[test]
fn the_report_names_both_culprits() {
    let lab = Lab::new();
    variants_behind_libraries(&Setting {
        lab: &lab,
        link: SecondNode,
    });
    insta::assert_snapshot!(lab.refusal("program"), @r"
    symbols of `…/program` would not bind to what they were linked against:
      `foo` (version `V2`) in `…/libb.so` (program -> libb.so)
        linked against `…/libfoo2.so` (program -> libb.so -> libfoo2.so)
        would bind to  `…/libfoo1.so` (program -> liba.so -> libfoo1.so)
    ");
}

#[test]
fn the_report_stays_short() {
    let lab = Lab::new();
    let forty = |each: &dyn Fn(usize) -> String, between: &str| {
        (0..40).map(each).collect::<Vec<_>>().join(between)
    };
    let many = |answer: usize| forty(&|n| format!("int foo{n}(void) {{ return {answer}; }}"), "");
    let declarations = forty(&|n| format!("int foo{n}(void);"), "");
    let calls = forty(&|n| format!("foo{n}()"), "+");
    let user = format!("{declarations} int b(void) {{ return {calls}; }}");
    lab.library("libfoo1.so", &many(1), &[]);
    lab.library("libfoo2.so", &many(2), &[]);
    lab.library(
        "liba.so",
        "int foo0(void); int a(void) { return foo0(); }",
        &["libfoo1.so"],
    );
    lab.library("libb.so", &user, &["libfoo2.so"]);
    program(&lab, "a b", &["liba.so", "libb.so"]);
    let report = lab.refusal("program");
    assert!(report.ends_with("and 35 more"), "{report}");
    assert!(report.lines().count() <= 20, "{report}");
}

/// Links a program that prints what some functions return.
fn program(lab: &Lab, functions: &str, options: &[&str]) {
    let functions = functions.split(' ');
    let declarations: Vec<_> = functions
        .clone()
        .map(|name| format!("{name}(void)"))
        .collect();
    let calls: Vec<_> = functions
        .map(|name| format!("printf(\"%d \", {name}());"))
        .collect();
    let source = format!(
        "#include <stdio.h>\nint {}; int main(void) {{ {} return 0; }}",
        declarations.join(", "),
        calls.join(" ")
    );
    lab.program("program", &source, options);
}
