//! What a program opens while it runs: the verdict must be what the program prints.

use super::lab::Lab;
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
