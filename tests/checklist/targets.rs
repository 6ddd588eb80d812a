//! Libraries, programs, editions, names, old manifests.

use crate::parity;
use crate::support::{Env, Package};

#[test]
fn several_programs_with_names_editions_and_required_features() {
    let env = Env::new();
    env.registry
        .publish(
            Package::new("odd-name", "1.0.0")
                .package("edition = \"2018\"")
                .tables("[lib]\nname = \"other_name\"\npath = \"lib/odd.rs\"\nedition = \"2015\"")
                .feature("bright", &[])
                .feature("dark", &[])
                .file("lib/odd.rs", "pub fn async() -> u8 { 1 }"),
        )
        .publish(
            Package::new("my-app", "1.0.0")
                .package("edition = \"2021\"\ndefault-run = \"my-app\"")
                .needs_with("odd-name", "1", &["bright"])
                .feature("default", &["on"])
                .feature("on", &[])
                .feature("more", &[])
                .lib("pub fn value() -> u8 { other_name::r#async() }")
                .main("fn main() { println!(\"{}\", my_app::value()); }")
                .file("src/bin/second-tool.rs", "fn main() { println!(env!(\"CARGO_BIN_NAME\")); }")
                .file("src/bin/third/main.rs", "fn main() { println!(env!(\"CARGO_CRATE_NAME\")); }")
                .file("src/bright.rs", "fn main() {}")
                .file("src/hidden.rs", "compile_error!(\"needs more\");")
                .file("src/old.rs", "trait T { fn f(u8); }\nfn main() {}")
                .tables(
                    "[[bin]]\nname = \"hidden\"\npath = \"src/hidden.rs\"\nrequired-features = [\"more\"]\n\
                     [[bin]]\nname = \"shown\"\npath = \"src/old.rs\"\nedition = \"2015\"\nrequired-features = [\"on\"]\n\
                     [[bin]]\nname = \"bright\"\npath = \"src/bright.rs\"\nrequired-features = [\"odd-name/bright\"]\n\
                     [[bin]]\nname = \"dark\"\npath = \"src/hidden.rs\"\nrequired-features = [\"odd-name/dark\"]",
                ),
        );
    let parity = parity::check(&env, "my-app");
    assert_eq!(
        env.programs("current"),
        ["bright", "my-app", "second-tool", "shown", "third"]
    );
    assert_eq!(env.program("my-app").success().stdout, "1\n");
    assert_eq!(env.program("second-tool").success().stdout, "second-tool\n");
    let library = parity.unit("my-app 1.0.0 library my_app [default,on]");
    assert!(
        library.arguments.contains(
            &"--check-cfg cfg(feature, values(\"default\", \"more\", \"on\"))".to_owned()
        )
    );
}

#[test]
fn old_manifests_leave_targets_to_the_layout_of_files() {
    let env = Env::new();
    env.registry
        // Edition 2015 by silence; a library where nobody looks today.
        .publish(
            Package::new("ancient", "0.1.0")
                .package("edition = \"2015\"")
                .tables("[lib]\nname = \"ancient\"\nplugin = false")
                .file("src/ancient.rs", "pub fn old() -> &'static str { \"old\" }"),
        )
        .publish(
            Package::new("app", "1.0.0")
                .package("edition = \"2015\"\nbuild = \"build/main.rs\"")
                .needs("ancient", "0.1")
                .file("build/main.rs", "fn main() {}")
                .file(
                    "src/app.rs",
                    "extern crate ancient;\nfn main() { println!(\"{}\", ancient::old()); }",
                )
                .file(
                    "src/bin/unnamed.rs",
                    "compile_error!(\"programs are named here\");",
                )
                .tables("[[bin]]\nname = \"app\""),
        );
    parity::check(&env, "app");
    assert_eq!(env.programs("current"), ["app"]);
    assert_eq!(env.program("app").success().stdout, "old\n");
}

#[test]
fn libraries_of_other_types() {
    let env = Env::new();
    env.registry
        // For others it is an rlib; nobody here uses the C library it would make as well.
        .publish(
            Package::new("both", "1.0.0")
                .tables("[lib]\ncrate-type = [\"cdylib\", \"rlib\"]")
                .lib("#[unsafe(no_mangle)]\npub extern \"C\" fn both() -> i32 { 5 }"),
        )
        // Nothing that Rust code could use; what it needs is not compiled for the app either.
        .publish(
            Package::new("closed", "1.0.0")
                .tables("[lib]\ncrate-type = [\"staticlib\"]")
                .lib("#[unsafe(no_mangle)]\npub extern \"C\" fn closed() {}"),
        )
        .publish(
            Package::new("app", "1.0.0")
                .needs("both", "1")
                .needs("closed", "1")
                .main("fn main() { println!(\"{}\", both::both()); }"),
        );
    env.run("install app").success();
    assert_eq!(env.program("app").success().stdout, "5\n");
    assert_eq!(env.objects("-both-1.0.0").len(), 1);
    assert!(env.objects("-closed-1.0.0").is_empty());
}

#[test]
fn lints_of_published_crates_are_capped() {
    let env = Env::new();
    env.registry
        .publish(
            Package::new("leaf", "1.0.0")
                .tables("[lints.rust]\nunused = \"deny\"")
                .lib("#![deny(warnings)]\npub fn f() { let unused = 1; }"),
        )
        .publish(
            Package::new("app", "1.0.0")
                .needs("leaf", "1")
                .tables("[lints.rust]\nunused = \"deny\"")
                .main("#![deny(warnings)]\nfn main() { let unused = 1; leaf::f(); }"),
        );
    let run = env.run("install app").success();
    assert!(!run.stderr.contains("unused"), "{run}");
}
