//! What a program opens while it runs: the verdict must be what the program prints.

use super::lab::Lab;
use crate::bind::bind;
use crate::load::load_with_plugin;
use crate::{Proof, Refusal, Search, prove_plugin};

/// Opens `plugin.so` beside it and prints what it says.
const HOST: &str = r#"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
int given(void) { return 5; }
int main(int count, char **words) {
    void *plugin = dlopen(words[1], RTLD_NOW | RTLD_LOCAL);
    if (!plugin) { puts(dlerror()); return 1; }
    printf("%d\n", ((int (*)(void))dlsym(plugin, "plugin"))());
}
"#;

/// Builds a host whose library has `foo` with 11, and a plugin whose library has it with 22. The
/// options are for the two libraries.
fn build(lab: &Lab, options: [&[&str]; 2]) {
    lab.library("libone.so", "int foo(void) { return 11; }", options[0]);
    lab.library("libtwo.so", "int foo(void) { return 22; }", options[1]);
    let beside = "-Wl,-rpath,$ORIGIN";
    lab.library(
        "plugin.so",
        "int foo(void); int given(void); int plugin(void) { return foo() + given(); }",
        &["libtwo.so", beside],
    );
    let needed = ["-rdynamic", "-Wl,--no-as-needed", "libone.so"];
    lab.program("host", HOST, &needed);
}

fn prove(lab: &Lab) -> Result<Proof, Refusal> {
    prove_plugin(
        &lab.path("host"),
        &lab.path("plugin.so"),
        &Search::default(),
    )
}

fn run(lab: &Lab) -> String {
    lab.run_with("host", &[lab.path("plugin.so").as_str()])
}

#[test]
fn what_the_host_has_comes_first() {
    let lab = Lab::new();
    build(&lab, [&[], &[]]);
    assert_eq!(run(&lab), "16");
    let refusal = prove(&lab).unwrap_err().to_string();
    for culprit in ["foo", "libone.so", "libtwo.so"] {
        assert!(refusal.contains(culprit), "{refusal}");
    }
}

#[test]
fn nodes_keep_host_and_plugin_apart() {
    let lab = Lab::new();
    lab.write("V1.map", "V1 { *; };");
    lab.write("V2.map", "V2 { *; };");
    build(
        &lab,
        [
            &["-Wl,--version-script=V1.map"],
            &["-Wl,--version-script=V2.map"],
        ],
    );
    assert_eq!(run(&lab), "27");
    let proof = prove(&lab).unwrap();
    // `foo` of its own library, `given` of the program.
    assert!(proof.references >= 2, "{proof:?}");
    let names: Vec<_> = proof.objects.iter().map(|object| &*object.name).collect();
    let position = |name| names.iter().position(|other| *other == name).unwrap();
    assert!(position("libone.so") < position("plugin.so"), "{names:?}");
    assert!(position("plugin.so") < position("libtwo.so"), "{names:?}");
}

#[test]
fn what_may_not_be_opened_is_no_plugin() {
    let plugin = ("plugin.so", "int plugin(void) { return 1; }");
    for (name, source) in [plugin, ("libtwo.so", "int foo(void) { return 22; }")] {
        let lab = Lab::new();
        build(&lab, [&[], &[]]);
        lab.library(name, source, &["-Wl,-z,nodlopen"]);
        let says = lab.output("host", &[lab.path("plugin.so").as_str()]);
        assert!(says.contains("cannot be dlopen()ed"), "{says}");
        let refusal = prove(&lab).unwrap_err().to_string();
        assert!(
            refusal.contains(name) && refusal.contains("DF_1_NOOPEN"),
            "{refusal}"
        );
    }
}

#[test]
fn what_is_loaded_already_is_not_loaded_again() {
    let lab = Lab::new();
    let source = "int foo(void) { return 1; } int plugin(void) { return foo(); }";
    lab.library("plugin.so", source, &[]);
    lab.program(
        "host",
        HOST,
        &["-rdynamic", "-Wl,--no-as-needed", "plugin.so"],
    );
    assert_eq!(run(&lab), "1");
    assert_eq!(prove(&lab).unwrap().references, 0);
}

#[test]
fn a_variable_that_the_host_has_copied_is_one_for_all() {
    let lab = Lab::new();
    lab.library("libone.so", "int counter = 4;", &[]);
    let source = "extern int counter; int plugin(void) { return counter; }";
    lab.library("plugin.so", source, &["libone.so", "-Wl,-rpath,$ORIGIN"]);
    let host = format!("{HOST} extern int counter; int *mine(void) {{ counter = 7; return 0; }}");
    let host = host.replace("void *plugin =", "int *mine(void); mine(); void *plugin =");
    lab.program(
        "host",
        &host,
        &["-no-pie", "-fno-pie", "-rdynamic", "libone.so"],
    );
    assert_eq!(run(&lab), "7");
    prove(&lab).unwrap_or_else(|refusal| panic!("{refusal}"));
}

/// A library that looks in itself first decides for all which definition is the one.
#[test]
fn a_unique_symbol_is_the_one_that_the_host_uses() {
    let unique = |value: usize, rest: &str| {
        format!(
            "__asm__(\".globl only\\n.type only,@gnu_unique_object\\n.size only,4\\n\"
                     \".data\\nonly: .long {value}\\n.text\");
             extern int only; {rest}"
        )
    };
    for symbolic in [&[][..], &["-Wl,-Bsymbolic"]] {
        let lab = Lab::new();
        let user = |name: &str| format!("int {name}(void) {{ return only; }}");
        lab.library("libone.so", &unique(1, &user("one")), &[]);
        lab.library("libtwo.so", &unique(2, &user("two")), symbolic);
        lab.library("plugin.so", &unique(3, &user("plugin")), &[]);
        let needed = ["-rdynamic", "-Wl,--no-as-needed", "libone.so", "libtwo.so"];
        lab.program("host", HOST, &needed);
        let process = load_with_plugin(
            &lab.path("host"),
            &lab.path("plugin.so"),
            &Search::default(),
        );
        let process = process.unwrap();
        let bindings = bind(&process).all.into_iter();
        let name = |object: usize| process.objects[object].object.name();
        let mut found = bindings.filter_map(|binding| {
            let symbol = process.objects[binding.object]
                .object
                .symbol(binding.symbol);
            (symbol.name == "only").then(|| name(binding.found.unwrap().object))
        });
        let expected = ["libone.so", "libtwo.so", "plugin.so"];
        let value: usize = run(&lab).parse().unwrap();
        assert_eq!(found.next(), Some(expected[value - 1]));
    }
}

#[test]
fn a_program_is_no_plugin() {
    let lab = Lab::new();
    build(&lab, [&[], &[]]);
    let refusal = prove_plugin(&lab.path("host"), &lab.path("host"), &Search::default());
    let refusal = refusal.unwrap_err().to_string();
    assert!(
        refusal.contains("it is a program, not a plugin"),
        "{refusal}"
    );
}
