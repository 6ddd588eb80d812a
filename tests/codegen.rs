//! What an app publishes in `[profile.release]`, and where it acts.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use crate::support::{Env, Package, Run};

const PROFILE: &str = "[profile.release]\nlto = true\npanic = \"abort\"\nopt-level = \"z\"\n\
    codegen-units = 1\noverflow-checks = true\n\
    [profile.release.package.leaf]\nopt-level = 1\n";

/// Publishes an app that panics when asked to, and another one on the same library.
fn publish(env: &Env) {
    env.registry
        .publish(
            Package::new("leaf", "1.0.0")
                .file(
                    "build.rs",
                    "fn main() { println!(\"cargo:rustc-env=LEVEL={}\", std::env::var(\"OPT_LEVEL\").unwrap()); }",
                )
                .lib(
                    "pub fn level() -> &'static str { env!(\"LEVEL\") }\n\
                     pub fn sum(numbers: &[u8]) -> u8 { numbers.iter().sum() }\n\
                     pub fn boxed<T: std::fmt::Debug + 'static>(t: T) -> Box<dyn std::fmt::Debug> { Box::new(t) }",
                ),
        )
        .publish(
            Package::new("app", "1.0.0")
                .needs("leaf", "1")
                .tables(PROFILE)
                .main(
                    "fn main() {\n\
                     let arguments: Vec<u8> = std::env::args().skip(1).map(|a| a.parse().unwrap()).collect();\n\
                     println!(\"{} {} {:?}\", leaf::level(), cfg!(panic = \"abort\"), leaf::boxed([1, 2]));\n\
                     println!(\"{}\", leaf::sum(&arguments)); }",
                ),
        )
        .publish(
            Package::new("other", "1.0.0")
                .needs("leaf", "1")
                .main("fn main() { println!(\"{}\", leaf::sum(&[1, 2])) }"),
        );
}

/// Runs the app with numbers whose sum is too big for a byte; returns the exit code or the signal.
fn overflow(env: &Env) -> (Option<i32>, Option<i32>) {
    let program = env.home().join("profiles/default/current/bin/app");
    let status = Command::new(program)
        .args(["200", "100"])
        .output()
        .unwrap()
        .status;
    (status.code(), status.signal())
}

#[test]
fn libraries_are_compiled_one_way_and_programs_as_they_wish() {
    let env = Env::new();
    publish(&env);
    env.run("install app other").success();
    assert_eq!(env.program("app").success().stdout, "3 false [1, 2]\n0\n");
    // The sum is the library's, and the library is not the app's.
    assert_eq!(overflow(&env), (Some(0), None));
    let run = env.run("install app --linkage static").success();
    assert_eq!(
        env.program("app").success().stdout,
        "3 true [1, 2]\n0\n",
        "{run}"
    );
    assert_eq!(env.objects("-leaf-1.0.0").len(), 1);
    let log = env.run("log app@1.0.0").success();
    for option in [
        "panic=abort",
        "opt-level=z",
        "codegen-units=1",
        "overflow-checks=on",
    ] {
        assert!(log.stdout.contains(option), "{option}: {log}");
    }
    assert!(!log.stdout.contains("lto"), "{log}");
}

#[test]
fn an_app_has_all_its_crates_compiled_its_way() {
    let env = Env::new();
    publish(&env);
    env.run("install app other --codegen app").success();
    assert_eq!(env.program("app").success().stdout, "1 true [1, 2]\n0\n");
    assert_eq!(env.program("other").success().stdout, "3\n");
    let abort = 6;
    assert_eq!(overflow(&env), (None, Some(abort)));
    // One for each, one source for both.
    assert_eq!(env.objects("-leaf-1.0.0").len(), 2);
    assert_eq!(env.objects("-leaf-1.0.0-src").len(), 1);
    // Which of its steps was the last one depends on the machine's other work.
    let logs: Vec<_> = std::fs::read_dir(env.home().join("logs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with("-leaf-1.0.0.log"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    assert_eq!(logs.len(), 2);
    assert!(
        logs.iter().any(|log| log.contains("linker-plugin-lto")),
        "{logs:#?}"
    );
    let proved: Run = env.run("prove app").success();
    assert!(proved.stdout.contains("PROVED"), "{proved}");
    env.run("sync").success();
    env.run("list").success().prints("static");
    env.run("install app --codegen app --linkage shared")
        .fails(2)
        .says("crates that are compiled for one app are not shared");
    // Back to what all share.
    env.run("install app --codegen shared").success();
    assert_eq!(env.program("app").success().stdout, "3 false [1, 2]\n0\n");
}
