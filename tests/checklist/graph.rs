//! Features, sides, renamed and doubled dependencies.

use crate::parity;
use crate::support::{Env, Package};

#[test]
fn renamed_and_doubled_dependencies() {
    let env = Env::new();
    for version in ["1.0.0", "2.0.0"] {
        env.registry.publish(
            Package::new("num-ber", version)
                .lib("pub const VERSION: &str = env!(\"CARGO_PKG_VERSION\");"),
        );
    }
    env.registry.publish(
        Package::new("app", "1.0.0")
            .needs("num-ber", "1")
            .needs_renamed("new-number", "num-ber", "2")
            .main("fn main() { println!(\"{} {}\", num_ber::VERSION, new_number::VERSION); }"),
    );
    let parity = parity::check(&env, "app");
    assert_eq!(env.program("app").success().stdout, "1.0.0 2.0.0\n");
    assert_eq!(
        parity
            .unit("app 1.0.0 program app")
            .starting("--extern ")
            .len(),
        2
    );
}

/// Who names the package beside the key has chosen a name for the code, even if both are equal.
#[test]
fn a_dependency_that_keeps_its_name_by_name() {
    let env = Env::new();
    for name in ["rust-thing", "other-thing"] {
        env.registry.publish(
            Package::new(name, "1.0.0")
                .tables(&format!("[lib]\nname = \"lib_of_{}\"", &name[..4]))
                .lib("pub const N: u8 = 1;"),
        );
    }
    env.registry.publish(
        Package::new("app", "1.0.0")
            .needs_renamed("rust-thing", "rust-thing", "1")
            .needs("other-thing", "1")
            .main("fn main() { println!(\"{}\", rust_thing::N + lib_of_othe::N); }"),
    );
    parity::check(&env, "app");
    assert_eq!(env.program("app").success().stdout, "2\n");
}

#[test]
fn host_and_target_have_features_of_their_own() {
    let env = Env::new();
    let shared = "#[cfg(feature = \"a\")]\npub const A: u8 = 1;\n#[cfg(feature = \"b\")]\npub const B: u8 = 1;\n\
                  pub const COUNT: u8 = cfg!(feature = \"a\") as u8 + cfg!(feature = \"b\") as u8;";
    env.registry
        .publish(
            Package::new("shared", "1.0.0")
                .feature("a", &[])
                .feature("b", &[])
                .file("build.rs", "fn main() { println!(\"cargo:rustc-env=LEVEL={}\", std::env::var(\"OPT_LEVEL\").unwrap()); }")
                .lib(&format!("{shared}\npub const LEVEL: &str = env!(\"LEVEL\");")),
        )
        .publish(Package::new("inner", "1.0.0").lib("pub fn inner() {}"))
        .publish(
            Package::new("make", "1.0.0")
                .needs_with("shared", "1", &["a"])
                .needs("inner", "1")
                .tables("[lib]\nproc-macro = true")
                .lib(
                    "use proc_macro::TokenStream;\n#[proc_macro]\n\
                     pub fn make(_: TokenStream) -> TokenStream { inner::inner(); \
                     format!(\"({}, {:?})\", shared::COUNT, shared::LEVEL).parse().unwrap() }",
                ),
        )
        .publish(
            Package::new("app", "1.0.0")
                .needs_with("shared", "1", &["b"])
                .needs("make", "1")
                .needs("inner", "1")
                .needs_to_build("inner", "1")
                .file("build.rs", "fn main() { inner::inner(); }")
                .main(
                    "fn main() { inner::inner(); println!(\"{} {} {:?}\", shared::COUNT, shared::LEVEL, make::make!()); }",
                ),
        );
    let parity = parity::check(&env, "app");
    assert_eq!(env.program("app").success().stdout, "1 3 (1, \"0\")\n");
    let mac = parity.unit("make 1.0.0 library make for the host");
    assert!(mac.arguments.contains(&"-C prefer-dynamic".to_owned()));
    assert!(mac.arguments.contains(&"--extern proc_macro".to_owned()));
}

#[test]
fn old_apps_have_one_set_of_features_for_both_sides() {
    let env = Env::new();
    env.registry
        .publish(
            Package::new("shared", "1.0.0").feature("a", &[]).feature("b", &[]).lib(
                "pub const COUNT: u8 = cfg!(feature = \"a\") as u8 + cfg!(feature = \"b\") as u8;",
            ),
        )
        .publish(
            Package::new("app", "1.0.0")
                .package("edition = \"2018\"")
                .needs_with("shared", "1", &["b"])
                .needs_to_build_with("shared", "1", &["a"])
                .file("build.rs", "fn main() { println!(\"cargo:rustc-env=COUNT={}\", shared::COUNT); }")
                .main("fn main() { println!(\"{} {}\", shared::COUNT, env!(\"COUNT\")); }"),
        );
    parity::check(&env, "app");
    assert_eq!(env.program("app").success().stdout, "2 2\n");
}

#[test]
fn optional_dependencies_and_features_asked_for() {
    let env = Env::new();
    env.registry
        .publish(
            Package::new("hidden", "1.0.0")
                .feature("f", &[])
                .lib("pub const F: bool = cfg!(feature = \"f\");"),
        )
        .publish(Package::new("implicit", "1.0.0").lib(""))
        .publish(Package::new("never", "1.0.0").lib("compile_error!(\"off\");"))
        .publish(
            Package::new("app", "1.0.0")
                .needs_optionally("hidden", "1")
                .needs_optionally("implicit", "1")
                .needs_optionally("never", "1")
                .feature("deep", &["dep:hidden", "hidden?/f"])
                .feature("weak", &["never?/x"])
                .main(
                    "fn main() { println!(\"{} {} {}\", hidden::F, cfg!(feature = \"implicit\"), \
                     cfg!(feature = \"never\")); }",
                ),
        );
    let parity = parity::check_with(&env, "app", &["--features", "deep,implicit"]);
    assert_eq!(env.program("app").success().stdout, "true true false\n");
    let program = parity.unit("app 1.0.0 program app [deep,implicit]");
    assert!(
        program
            .arguments
            .iter()
            .any(|word| word.contains("values(\"deep\", \"implicit\"")),
        "{program:?}"
    );
}
