//! What rustc and build scripts find in their environment.

use crate::parity;
use crate::support::{Env, Package};

/// A build script that writes its own environment into the program, and a program that prints it.
const DUMP: &str = r#"fn main() {
    let dump: Vec<_> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
    let path = std::path::Path::new(&std::env::var("OUT_DIR").unwrap()).join("dump");
    std::fs::write(path, dump.join("\n")).unwrap();
    println!("cargo::rustc-env=FROM_SCRIPT=a=b  c");
    println!("cargo::rustc-env=EMPTY=");
}"#;

fn publish(env: &Env) {
    env.registry
        .publish(
            Package::new("leaf-sys", "0.2.1-rc.1+build.7")
                .links("a-leaf.x")
                .package("license-file = \"L\"\nreadme = false\nrust-version = \"1.70\"")
                .feature("default", &["b.c"])
                .feature("b.c", &[])
                .feature("off", &[])
                .file("L", "")
                .file(
                    "build.rs",
                    "fn main() { println!(\"cargo:include=/x=y\"); }",
                )
                .lib("pub fn leaf() {}"),
        )
        .publish(
            Package::new("app", "1.2.3")
                .package(
                    "authors = [\"A <a@x>\", \"B\"]\ndescription = \"it's a\\n`test`\"\n\
                     license = \"MIT\"\nhomepage = \"h\"\nrepository = \"r\"",
                )
                .needs("leaf-sys", "=0.2.1-rc.1")
                .file("README.md", "")
                .file("build.rs", DUMP)
                .lib("pub const NAME: &str = env!(\"CARGO_CRATE_NAME\");")
                .main(
                    "fn main() {\n\
                     assert_eq!(env!(\"FROM_SCRIPT\"), \"a=b  c\");\n\
                     assert_eq!(option_env!(\"EMPTY\"), Some(\"\"));\n\
                     assert_eq!(option_env!(\"OPT_LEVEL\"), None);\n\
                     assert_eq!(option_env!(\"TARGET\"), None);\n\
                     assert_eq!(option_env!(\"CARGO_MANIFEST_LINKS\"), None);\n\
                     assert_eq!(app::NAME, \"app\");\n\
                     println!(\"{}\", include_str!(concat!(env!(\"OUT_DIR\"), \"/dump\")));\n}",
                ),
        );
}

#[test]
fn rustc_and_build_scripts_see_what_cargo_shows() {
    let env = Env::new();
    publish(&env);
    let parity = parity::check(&env, "app");

    let script = parity.unit("leaf-sys 0.2.1-rc.1+build.7 run [b.c,default]");
    for (name, value) in [
        ("CARGO_MANIFEST_LINKS", "a-leaf.x"),
        ("CARGO_FEATURE_B.C", "1"),
        ("CARGO_PKG_VERSION_PRE", "rc.1"),
        ("CARGO_PKG_README", ""),
        ("CARGO_ENCODED_RUSTFLAGS", ""),
        ("DEBUG", "false"),
        ("OPT_LEVEL", "3"),
        ("PROFILE", "release"),
    ] {
        assert_eq!(
            script.variables.get(name).map(String::as_str),
            Some(value),
            "{name}"
        );
    }
    for absent in [
        "CARGO_CRATE_NAME",
        "RUSTC_WRAPPER",
        "RUSTFLAGS",
        "CARGO_FEATURE_OFF",
    ] {
        assert!(!script.variables.contains_key(absent), "{absent}");
    }
    // What reaches the process is what was asked for, and nothing else.
    let ours = dump(&env.program("app").success().stdout);
    let theirs = dump(&parity.cargo_build.program("app").success().stdout);
    let known = parity.unit("app 1.2.3 run");
    for name in &ours {
        assert!(
            // The jobserver is one of the run: who repeats a command from the log has none.
            known.variables.contains_key(name) || name == "CARGO_MAKEFLAGS",
            "{name} is not in the log"
        );
    }
    assert!(
        theirs.contains(&"DEP_A_LEAF.X_INCLUDE".to_owned()),
        "{theirs:?}"
    );
    let missing: Vec<_> = theirs
        .iter()
        .filter(|name| name.starts_with("CARGO") || name.starts_with("DEP_"))
        .filter(|name| !ours.contains(name) && !INHERITED.contains(&name.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// What the Cargo of the test itself has from the test.
const INHERITED: [&str; 2] = ["CARGO_HOME", "CARGO_TERM_COLOR"];

fn dump(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.to_owned())
        .collect()
}
