//! `install`: from a requirement to a program that runs.

use crate::support::{Env, Package};

/// Publishes `hello`, an app that meets every kind of crate: a build script, a proc macro, a
/// `no_std` crate, a renamed dependency, and two versions of one crate.
fn publish_hello(env: &Env) {
    env.registry
        .publish(
            Package::new("leaf", "1.2.0")
                .lib("#![no_std]\npub fn leaf() -> &'static str { \"leaf one\" }"),
        )
        .publish(
            Package::new("leaf", "2.0.1")
                .lib("#![no_std]\npub fn leaf() -> &'static str { \"leaf two\" }"),
        )
        .publish(
            Package::new("middle", "0.3.1")
                .needs("leaf", "1")
                .feature("loud", &[])
                .lib(
                    "pub fn middle() -> String {\n    let end = if cfg!(feature = \"loud\") { '!' } \
                     else { '.' };\n    format!(\"middle over {}{end}\", leaf::leaf())\n}",
                ),
        )
        .publish(
            Package::new("answer-macro", "1.0.0").tables("[lib]\nproc-macro = true").lib(
                "use proc_macro::TokenStream;\n#[proc_macro]\npub fn answer(_: TokenStream) -> \
                 TokenStream { \"42\".parse().unwrap() }",
            ),
        )
        .publish(
            Package::new("generated", "1.0.0")
                .needs_to_build("leaf", "2")
                .file(
                    "build.rs",
                    "fn main() {\n    let out = std::env::var(\"OUT_DIR\").unwrap();\n    \
                     std::fs::write(format!(\"{out}/text.rs\"), \
                     format!(\"pub const TEXT: &str = {:?};\", leaf::leaf())).unwrap();\n    \
                     println!(\"cargo:rustc-cfg=from_script\");\n    \
                     println!(\"cargo::rustc-check-cfg=cfg(from_script)\");\n    \
                     println!(\"cargo:rustc-env=STAMP=stamped by script\");\n}",
                )
                .lib(
                    "include!(concat!(env!(\"OUT_DIR\"), \"/text.rs\"));\n#[cfg(from_script)]\n\
                     pub const STAMP: &str = env!(\"STAMP\");",
                ),
        )
        .publish(
            Package::new("hello", "1.0.0")
                .needs_with("middle", "0.3", &["loud"])
                .needs_renamed("newer-leaf", "leaf", "2")
                .needs("answer-macro", "1")
                .needs("generated", "1")
                .main(
                    "fn main() {\n    println!(\"{}\", middle::middle());\n    \
                     println!(\"{}\", newer_leaf::leaf());\n    \
                     println!(\"{}\", answer_macro::answer!());\n    \
                     println!(\"{} {}\", generated::TEXT, generated::STAMP);\n    \
                     println!(\"{} {}\", env!(\"CARGO_PKG_NAME\"), env!(\"CARGO_BIN_NAME\"));\n}",
                ),
        );
}

const HELLO: &str =
    "middle over leaf one!\nleaf two\n42\nleaf two stamped by script\nhello hello\n";

#[test]
fn an_app_of_all_kinds_of_crates_runs_from_the_profile() {
    let env = Env::new();
    publish_hello(&env);
    env.run("install hello")
        .success()
        .says("Installed hello 1.0.0 (hello)");
    assert_eq!(env.program("hello").success().stdout, HELLO);
    env.run("list").success().prints("hello");
    env.run("info hello").success().prints("hello 1.0.0");
    env.run("tree hello")
        .success()
        .prints("├── ")
        .prints("leaf 2.0.1")
        .prints("[loud]");
    env.run("prove").success().prints("PROVED");
    assert_eq!(env.run("run hello").success().stdout, HELLO);
}

#[test]
fn a_second_run_builds_nothing() {
    let env = Env::new();
    publish_hello(&env);
    env.run("install hello").success();
    let again = env.run("install hello --json").success().json();
    assert_eq!(again["outcome"], "unchanged");
    assert_eq!(again["build"], 0);
    assert_eq!(
        env.run("history --json")
            .success()
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_dry_run_changes_nothing() {
    let env = Env::new();
    publish_hello(&env);
    env.run("install hello --dry-run")
        .success()
        .prints("build hello-1.0.0-hello-linkset");
    assert!(env.objects("middle-0.3.1").is_empty());
    assert!(!env.home().join("profiles/default/current").exists());
    assert!(!env.home().join("profiles/default/orlop.toml").exists());
    // But a plan needs what packages say of themselves, as the book says.
    assert!(env.home().join("downloads").read_dir().unwrap().count() > 0);
    env.run("install hello --offline").success();
}

#[test]
fn the_whole_home_can_be_moved() {
    let env = Env::new();
    publish_hello(&env);
    env.run("install hello").success();
    env.run("install hello --linkage static").success();
    let moved = env.path("elsewhere");
    std::fs::rename(env.home(), &moved).unwrap();
    let moved = moved.to_str().unwrap();
    let at = |line: &str| env.orlop(["--home", moved].into_iter().chain(line.split_whitespace()));
    at("list").success().prints("static");
    assert_eq!(at("run hello").success().stdout, HELLO);
    at("rollback").success();
    at("list").success().prints("shared");
    assert_eq!(at("run hello").success().stdout, HELLO);
    let again = at("install hello --json").success().json();
    assert_eq!(again["build"], 0);
}

#[test]
fn an_optional_dependency_is_built_only_when_switched_on() {
    let env = Env::new();
    env.registry
        .publish(Package::new("extra", "1.0.0").lib("pub const ON: bool = true;"))
        .publish(
            Package::new("choosy", "1.0.0")
                .needs_optionally("extra", "1")
                .main(
                    "fn main() {\n    #[cfg(feature = \"extra\")]\n    assert!(extra::ON);\n    \
                 println!(\"{}\", cfg!(feature = \"extra\"));\n}",
                ),
        );
    env.run("install choosy").success();
    assert_eq!(env.program("choosy").success().stdout, "false\n");
    assert!(env.objects("-extra-1.0.0").is_empty());
    env.run("install choosy -F extra").success();
    assert_eq!(env.program("choosy").success().stdout, "true\n");
    assert_eq!(env.objects("-extra-1.0.0").len(), 1);
}

#[test]
fn several_programs_of_one_app() {
    let env = Env::new();
    env.registry.publish(
        Package::new("tools", "1.0.0")
            .package("autobins = true")
            .feature("extra", &[])
            .lib("pub fn who() -> &'static str { \"library\" }")
            .file(
                "src/bin/first.rs",
                "fn main() { println!(\"first {}\", tools::who()); }",
            )
            .file(
                "src/bin/second/main.rs",
                "fn main() { println!(\"second {}\", tools::who()); }",
            )
            .file("src/extra.rs", "fn main() { println!(\"extra\"); }")
            .tables(
                "[[bin]]\nname = \"third\"\npath = \"src/extra.rs\"\n\
                 required-features = [\"extra\"]",
            ),
    );
    env.run("install tools").success().says("(first, second)");
    assert_eq!(env.program("first").success().stdout, "first library\n");
    assert_eq!(env.program("second").success().stdout, "second library\n");
    env.run("run tools").fails(2).says("has several programs");
    env.run("run second").success();
    env.run("install tools --features extra")
        .success()
        .says("(first, second, third)");
    assert_eq!(env.program("third").success().stdout, "extra\n");
}

#[test]
fn a_build_sees_no_network_no_home_and_no_foreign_environment() {
    let env = Env::new();
    env.registry.publish(
        Package::new("spy", "1.0.0")
            .file(
                "build.rs",
                "use std::path::Path;\nfn main() {\n    \
                 assert!(std::net::TcpStream::connect(\"127.0.0.1:22\").is_err());\n    \
                 for path in [\"/root\", \"/home\", \"/etc/shadow\", \"/var\"] {\n        \
                 assert!(!Path::new(path).exists(), \"{path} is visible\");\n    }\n    \
                 assert!(std::env::var(\"ORLOP_SECRET\").is_err());\n    \
                 std::fs::write(\"written\", \"beside the manifest\").unwrap();\n    \
                 let pids = std::fs::read_dir(\"/proc\").unwrap().filter(|entry| \
                 entry.as_ref().unwrap().file_name().to_str().unwrap().parse::<u32>().is_ok())\
                 .count();\n    assert!(pids < 5, \"{pids} processes are visible\");\n    \
                 let store = std::fs::read_dir(\"/orlop/store\").unwrap().count();\n    \
                 assert!(store < 8, \"{store} objects are visible\");\n}",
            )
            .main("fn main() { println!(\"{}\", env!(\"OUT_DIR\")); }"),
    );
    let run = env
        .command()
        .env("ORLOP_SECRET", "x")
        .args(["install", "spy"])
        .output()
        .unwrap();
    crate::support::Run::from(run).success();
    let out = env.program("spy").success().stdout;
    assert!(out.starts_with("/orlop/store/"), "{out}");
}

#[test]
fn an_install_goes_on_wherever_it_was_killed() {
    let env = Env::new();
    let shared = Package::new("shared", "1.0.0");
    env.registry
        .publish(shared.lib("pub fn text() -> &'static str { \"shared\" }"));
    let app = Package::new("app", "1.0.0").needs("shared", "1");
    env.registry
        .publish(app.main("fn main() { println!(\"{}\", shared::text()); }"));
    let installed = |env: &Env| {
        let list = env.run("list --json").success().json();
        list.as_array().unwrap().len()
    };
    let mut kills = 0;
    // At the first step, at the fourth, …: what was done before stays done, so each run gets
    // further than the one before.
    for step in (1..).step_by(3) {
        let output = env
            .command()
            .args(["install", "app"])
            .env("ORLOP_FAILPOINT", format!("*=kill@{step}"))
            .output()
            .unwrap();
        if output.status.success() {
            break;
        }
        assert_eq!(output.status.code(), None, "step {step}: not killed");
        kills += 1;
        // The old profile, which was empty, or the new one; nothing between.
        if installed(&env) == 1 {
            assert_eq!(env.program("app").success().stdout, "shared\n");
        }
    }
    println!("killed {kills} times");
    assert!(kills >= 10, "killed {kills} times");
    assert_eq!(env.program("app").success().stdout, "shared\n");
    env.run("verify").success();
    let staging = env.home().join("staging");
    assert_eq!(std::fs::read_dir(staging).unwrap().count(), 0);
}

/// Before anything is compiled for nothing.
#[test]
fn two_programs_of_one_name_are_refused_at_once() {
    let env = Env::new();
    for name in ["one", "two"] {
        env.registry.publish(
            Package::new(name, "1.0.0")
                .tables("[[bin]]\nname = \"tool\"\npath = \"src/main.rs\"")
                .main("fn main() {}"),
        );
    }
    env.run("install one").success();
    let before = env.objects("").len();
    env.run("install two")
        .fails(1)
        .says("`one` and `two` both bring `bin/tool`")
        .says("-p NAME install");
    assert_eq!(env.objects("").len(), before);
    env.run("-p other install two").success();
}
