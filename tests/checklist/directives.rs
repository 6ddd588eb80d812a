//! What build scripts say, and whom it concerns.

use crate::parity;
use crate::support::{Env, Package};

/// A build script that says these lines.
fn says(lines: &[&str]) -> String {
    let lines: Vec<_> = lines
        .iter()
        .map(|line| format!("println!(r#\"{line}\"#);"))
        .collect();
    format!(
        "#![allow(unused)]\nfn main() {{ let out = std::env::var(\"OUT_DIR\").unwrap();\n{} }}",
        lines.join("\n")
    )
}

/// Publishes `zebra-sys`, `bear-sys` over it, and `middle` over both. Their names are in an order
/// that is not that of the graph, so that the order of `-L` shows.
fn publish_libraries(env: &Env) {
    env.registry
        .publish(
            Package::new("zebra-sys", "1.0.0")
                .links("zebra")
                .file(
                    "build.rs",
                    &says(&[
                        "cargo:rustc-link-search=native=/zebra",
                        "cargo:rustc-link-search=/zebra/2",
                        "cargo:rustc-link-search=/zebra/2",
                        "cargo:rustc-link-lib=m",
                        "cargo:rustc-link-lib=dylib=c",
                        "cargo:rustc-link-lib=m",
                        "cargo:rustc-cfg=zebra_cfg",
                        "cargo:root=/zebra/root",
                        "cargo:error=is metadata here",
                        "cargo:rustc-link-arg=-Wl,--as-needed",
                        "cargo:rustc-cdylib-link-arg=-Wl,--unknown-to-programs",
                    ]),
                )
                .lib("#[cfg(not(zebra_cfg))] compile_error!(\"\"); pub fn zebra() {}"),
        )
        .publish(
            Package::new("bear-sys", "1.0.0")
                .links("bear")
                .needs("zebra-sys", "1")
                .file(
                    "build.rs",
                    &says(&[
                        "cargo::rustc-flags=-L /bear -l m -L/bear/2 -ldl",
                        "cargo::metadata=key=with=equals",
                        "cargo::rustc-check-cfg=cfg(bear_cfg, values(\"a b\"))",
                        "cargo::rustc-cfg=bear_cfg=\"a b\"",
                        "cargo::rerun-if-changed=build.rs",
                        "cargo::rerun-if-env-changed=BEAR",
                        "chatter",
                        "  cargo::warning=with blanks  ",
                    ]),
                )
                .lib("#[cfg(not(bear_cfg = \"a b\"))] compile_error!(\"\"); pub fn bear() {}"),
        )
        .publish(
            Package::new("middle", "1.0.0")
                .needs("zebra-sys", "1")
                .needs("bear-sys", "1")
                .lib("pub use bear_sys::bear; pub use zebra_sys::zebra;"),
        );
}

#[test]
fn every_directive_reaches_whom_it_concerns() {
    let env = Env::new();
    publish_libraries(&env);
    env.registry
        .publish(
            Package::new("app", "1.0.0")
                .needs("middle", "1")
                .needs("bear-sys", "1")
                .tables("[[bin]]\nname = \"other\"\npath = \"src/main.rs\"")
                .file(
                    "build.rs",
                    &format!(
                        "{}\nfn all() {{ let out = std::env::var(\"OUT_DIR\").unwrap(); }}",
                        says(&[
                            "cargo::rustc-link-search=/app",
                            "cargo::rustc-link-arg-bins=-Wl,-z,now",
                            "cargo::rustc-link-arg-bin=other=-Wl,-z,relro",
                            "cargo::rustc-link-arg=-Wl,--build-id=none",
                            "cargo::rustc-link-lib=pthread",
                        ])
                        .replace(
                            "fn main() {",
                            "fn main() {\n\
                             println!(\"cargo::rustc-link-search=native={}/own\", \
                             std::env::var(\"OUT_DIR\").unwrap());\n\
                             assert_eq!(std::env::var(\"DEP_BEAR_KEY\").unwrap(), \"with=equals\");\n\
                             assert!(std::env::var_os(\"DEP_ZEBRA_ROOT\").is_none());"
                        )
                    ),
                )
                .main("fn main() { middle::bear(); middle::zebra(); println!(\"works\"); }"),
        );
    let parity = parity::check(&env, "app");

    let bear = parity.unit("bear-sys 1.0.0 run");
    assert_eq!(bear.variables["DEP_ZEBRA_ROOT"], "/zebra/root");
    assert_eq!(bear.variables["DEP_ZEBRA_ERROR"], "is metadata here");
    let zebra = parity.unit("zebra-sys 1.0.0 library zebra_sys");
    assert_eq!(zebra.starting("-l "), ["-l m", "-l dylib=c", "-l m"]);
    let other = parity.unit("app 1.0.0 program other");
    assert_eq!(
        other
            .starting("-L ")
            .into_iter()
            .filter(|word| !word.contains("dependency="))
            .collect::<Vec<_>>(),
        [
            "-L native={out app 1.0.0}/own",
            "-L /app",
            "-L /bear",
            "-L /bear/2",
            "-L native=/zebra",
            "-L /zebra/2",
            "-L /zebra/2",
        ]
    );
    assert_eq!(other.starting("-l "), ["-l pthread"]);
    assert_eq!(
        other.starting("-C link-arg="),
        [
            "-C link-arg=-Wl,-z,now",
            "-C link-arg=-Wl,-z,relro",
            "-C link-arg=-Wl,--build-id=none",
        ]
    );
    assert_eq!(env.program("other").success().stdout, "works\n");
}

#[test]
fn what_a_script_may_not_say_ends_the_build_as_with_cargo() {
    let env = Env::new();
    let publish = |number: usize, line: &str| {
        let script = format!("fn main() {{ println!(\"{line}\"); }}");
        let (leaf, app) = (format!("leaf-{number}"), format!("app-{number}"));
        env.registry
            .publish(
                Package::new(&leaf, "1.0.0")
                    .file("build.rs", &script)
                    .lib(""),
            )
            .publish(
                Package::new(&app, "1.0.0")
                    .needs(&leaf, "1")
                    .main("fn main() {}"),
            );
        app
    };
    for (number, (line, reason)) in [
        ("cargo::error=no cmake here", "no cmake here"),
        ("cargo::nonsense=1", "there is no directive `nonsense`"),
        (
            "cargo:rustc-link-arg-bin=missing=-x",
            "the package has no program `missing`",
        ),
        (
            "cargo::rustc-link-arg-bins=-x",
            "the package has no programs",
        ),
        ("cargo:rustc-flags=-x", "only `-l` and `-L`"),
        ("cargo:rustc-env=RUSTC_BOOTSTRAP=1", "unstable features"),
        ("cargo:rustc-cfg", "`KEY=VALUE` is expected"),
    ]
    .into_iter()
    .enumerate()
    {
        let app = publish(number, line);
        env.orlop(["install", &app]).fails(5).says(reason);
        assert!(
            parity::cargo::CargoBuild::refuses(&env, &app),
            "Cargo takes `{line}`"
        );
    }
}

#[test]
fn the_output_folder_of_a_script_is_where_it_stays() {
    let env = Env::new();
    env.registry
        .publish(
            Package::new("leaf", "1.0.0")
                .file(
                    "build.rs",
                    "fn main() { let out = std::env::var(\"OUT_DIR\").unwrap();\n\
                     std::fs::write(format!(\"{out}/x.rs\"), \"pub const X: u8 = 7;\").unwrap(); }",
                )
                .lib(
                    "include!(concat!(env!(\"OUT_DIR\"), \"/x.rs\"));\n\
                     pub const OUT: &str = env!(\"OUT_DIR\");",
                ),
        )
        .publish(
            Package::new("app", "1.0.0")
                .needs("leaf", "1")
                .main("fn main() { println!(\"{} {}\", leaf::X, leaf::OUT); }"),
        );
    parity::check(&env, "app");
    let stdout = env.program("app").success().stdout;
    let (value, path) = stdout.trim().split_once(' ').unwrap();
    let (run, out) = path
        .strip_prefix("/orlop/store/")
        .unwrap()
        .split_once('/')
        .unwrap();
    assert_eq!((value, out), ("7", "out"));
    assert_eq!(env.objects("-leaf-1.0.0-run"), [run]);
    assert!(
        env.home()
            .join("store")
            .join(run)
            .join("out/x.rs")
            .is_file()
    );
}

/// As `openssl-src` and its like do: what they carry is read while the script of another runs.
#[test]
fn what_the_crates_in_a_script_carry_is_there_while_it_runs() {
    let env = Env::new();
    env.registry
        .publish(
            Package::new("carrier-src", "1.0.0")
                .file("data.txt", "carried")
                .file(
                    "build.rs",
                    "fn main() { let out = std::env::var(\"OUT_DIR\").unwrap();\n\
                     std::fs::write(format!(\"{out}/made.txt\"), \" and made\").unwrap(); }",
                )
                .lib(
                    "pub fn text() -> String {\n\
                     let read = |path: &str| std::fs::read_to_string(path).unwrap();\n\
                     read(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/data.txt\"))\n\
                     + &read(concat!(env!(\"OUT_DIR\"), \"/made.txt\")) }",
                ),
        )
        .publish(
            Package::new("between", "1.0.0")
                .needs("carrier-src", "1")
                .lib("pub use carrier_src::text;"),
        )
        .publish(
            Package::new("app", "1.0.0")
                .needs_to_build("between", "1")
                .file(
                    "build.rs",
                    "fn main() { println!(\"cargo::rustc-env=TEXT={}\", between::text()); }",
                )
                .main("fn main() { println!(env!(\"TEXT\")); }"),
        );
    parity::check(&env, "app");
    assert_eq!(env.program("app").success().stdout, "carried and made\n");
}
