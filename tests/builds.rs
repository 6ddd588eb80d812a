//! Builds looked at afterwards: `log`, `why-rebuilt`, `build --check`, `build --keep-failed`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::natives::two_numbers;
use crate::support::{Env, Package, Run};

/// The same plan has the same form, whoever makes it.
#[test]
fn a_dry_run_of_a_build_lists_its_steps() {
    let env = Env::new();
    env.registry
        .publish(Package::new("app", "1.0.0").main("fn main() {}"));
    let steps = |line: &str| {
        let run = env.run(line).success();
        let lines = run.stdout.lines().map(str::to_owned);
        let lines = lines.filter(|line| !line.starts_with("  install "));
        lines.collect::<Vec<_>>()
    };
    let planned = steps("install app -n");
    assert!(planned[0].starts_with("Plan: "), "{planned:?}");
    assert!(planned[1].starts_with("  build app-1.0.0"), "{planned:?}");
    assert_eq!(steps("build app -n"), planned);
    assert_eq!(steps("shell app -n"), planned);
}

#[test]
fn logs_of_what_was_built_and_of_what_failed() {
    let env = Env::new();
    env.run("log").fails(1).says("no build has failed");
    env.registry
        .publish(
            Package::new("leaf", "1.0.0")
                .file(
                    "build.rs",
                    "fn main() { eprintln!(\"a \\x1b[31mred word\"); }",
                )
                .lib(""),
        )
        .publish(
            Package::new("app", "1.0.0")
                .needs("leaf", "1")
                .main("fn main() {}"),
        )
        .publish(Package::new("broken", "1.0.0").main("fn main() { nothing() }"));
    env.run("install app").success();
    let run = env.run("log leaf").success();
    assert!(run.stdout.contains("a [31mred word"), "{run}");
    for part in [
        "# leaf 1.0.0 (build script)",
        "# leaf 1.0.0 (build script run)",
        "CARGO_PKG_NAME=leaf",
    ] {
        assert!(run.stdout.contains(part), "{run}");
    }
    let entries = env.run("log app@1.0.0 --json").success().json();
    assert_eq!(entries[0]["name"], "app 1.0.0 (program app)");
    assert_eq!(entries[0]["finished"], true);
    env.run("install broken").fails(5);
    env.run("log")
        .success()
        .prints("nothing()")
        .prints("# broken 1.0.0");
    env.run("log leaf@2.0.0").fails(1).says("`leaf@2.0.0`");
}

#[test]
fn why_an_app_was_rebuilt() {
    let env = Env::new();
    env.registry
        .publish(
            Package::new("base", "1.0.0")
                .feature("extra", &[])
                .lib("pub fn base() {}"),
        )
        .publish(
            Package::new("leaf", "1.0.0")
                .needs("base", "1")
                .lib("pub fn leaf() { base::base() }"),
        )
        .publish(
            Package::new("app", "1.0.0")
                .needs("leaf", "1")
                .needs("base", "1")
                .feature("more", &["base/extra"])
                .main("fn main() { leaf::leaf() }"),
        )
        .publish(Package::new("other", "1.0.0").main("fn main() {}"));
    env.run("install app").success();
    env.run("why-rebuilt app").success().says("first installed");
    env.run("install app -F more").success();
    env.run("install other").success();
    let run = env.run("why-rebuilt app").success();
    assert_eq!(
        run.stdout,
        "app 1.0.0 (program): features [] -> [more]\nbase 1.0.0: features [] -> [extra]\n",
        "{run}"
    );
    env.registry.publish(
        Package::new("base", "1.0.1")
            .feature("extra", &[])
            .lib("pub fn base() {}"),
    );
    env.run("upgrade app").success();
    let reasons = env.run("why-rebuilt app --json").success().json();
    assert_eq!(
        reasons,
        serde_json::json!([{ "step": "base", "what": "version", "before": "1.0.0", "after": "1.0.1" }])
    );
}

#[test]
fn what_is_built_twice_is_the_same_or_is_named() {
    let env = Env::new();
    env.registry
        .publish(
            Package::new("leaf", "1.0.0")
                .file("build.rs", "fn main() {}")
                .lib("pub fn leaf() {}"),
        )
        .publish(
            Package::new("app", "1.0.0")
                .needs("leaf", "1")
                .main("fn main() { leaf::leaf() }"),
        )
        .publish(
            Package::new("clock", "1.0.0")
                .file(
                    "build.rs",
                    "fn main() { let out = std::env::var(\"OUT_DIR\").unwrap();\n\
                     let now = format!(\"{:?}\", std::time::SystemTime::now());\n\
                     std::fs::write(format!(\"{out}/now\"), now).unwrap(); }",
                )
                .main("fn main() {}"),
        );
    let checked = env.run("build app --check --json").success().json();
    assert_eq!(checked["identical"], 4, "{checked}");
    env.run("install app").success();
    env.run("gc").success();
    assert!(env.objects("-app-1.0.0-src").is_empty());
    let checked = env.run("build app --check --json").success().json();
    assert_eq!(checked["identical"], 4, "{checked}");
    assert_eq!(checked["skipped"], serde_json::json!([]));
    env.run("remove app").success();
    assert!(
        env.run("list --json")
            .success()
            .json()
            .as_array()
            .unwrap()
            .is_empty()
    );
    let run = env
        .run("build clock --check")
        .fails(5)
        .says("1 of 3 objects");
    assert!(
        run.stdout
            .contains("clock 1.0.0 (build script run) differs in `out/now`"),
        "{run}"
    );
}

#[test]
fn what_a_failed_build_left_can_be_kept() {
    let env = Env::new();
    env.registry.publish(
        Package::new("broken", "1.0.0")
            .file(
                "build.rs",
                "fn main() { let out = std::env::var(\"OUT_DIR\").unwrap();\n\
                 std::fs::write(format!(\"{out}/half\"), \"half\").unwrap();\n\
                 std::fs::write(std::env::temp_dir().join(\"note\"), \"note\").unwrap(); panic!() }",
            )
            .main("fn main() {}"),
    );
    env.run("build broken").fails(5);
    assert!(!env.home().join("failed").exists());
    env.run("build broken --keep-failed")
        .fails(5)
        .says("what it left");
    let kept: Vec<_> = std::fs::read_dir(env.home().join("failed"))
        .unwrap()
        .collect();
    assert_eq!(kept.len(), 1);
    let folder = kept[0].as_ref().unwrap().path();
    assert_eq!(
        std::fs::read(folder.join("output/out/half")).unwrap(),
        b"half"
    );
    assert_eq!(
        std::fs::read(folder.join("build/tmp/note")).unwrap(),
        b"note"
    );
    let place = folder.to_str().unwrap();
    // Again, over what is there.
    env.run("build broken --keep-failed")
        .fails(5)
        .says(&format!("what it left: {place}"));
}

#[test]
fn a_full_disk_is_not_the_fault_of_versions() {
    let env = Env::new();
    env.registry
        .publish(Package::new("leaf", "1.0.0").lib(""))
        .publish(
            Package::new("leaf", "1.1.0")
                .file(
                    "build.rs",
                    "fn main() { panic!(\"cannot write: No space left on device (os error 28)\") }",
                )
                .lib(""),
        )
        .publish(
            Package::new("app", "1.0.0")
                .needs("leaf", "1")
                .locks("leaf", "1.0.0")
                .main("fn main() {}"),
        );
    let run = env.run("install app").fails(5);
    let run = run.says("hint: make room on the disk; what no app needs goes with `orlop gc`");
    assert!(!run.stderr.contains("--policy locked"), "{run}");
}

/// The only line that a command prints: an object of the store.
fn object(run: &Run) -> PathBuf {
    let [line] = run.stdout.lines().collect::<Vec<_>>()[..] else {
        panic!("{run}");
    };
    assert!(line.contains("/store/"), "{line}");
    line.into()
}

#[test]
fn an_app_is_built_and_no_profile_has_it() {
    let env = Env::new();
    env.registry
        .publish(Package::new("kit", "1.0.0").main("fn main() { println!(\"kit\"); }"))
        .publish(Package::new("other", "1.0.0").main("fn main() {}"));
    env.write(
        "kit.toml",
        "schema = 1\n[app]\nname = \"my-kit\"\ncrate = \"kit\"\n",
    );
    env.run("install other").success();
    for spec in ["kit", "./kit.toml"] {
        let built = env.run(&format!("build {spec}")).success();
        let program = object(&built).join("bin/kit");
        let run: Run = Command::new(program).output().unwrap().into();
        assert_eq!(run.success().stdout, "kit\n");
    }
    let json = env.run("build ./kit.toml --json").success().json();
    assert_eq!(json["outputs"].as_array().unwrap().len(), 1);
    assert_eq!(json["build"].as_array().unwrap().len(), 0);
    assert_eq!(env.programs("current"), ["other"]);
    assert!(!env.home().join("profiles/default/2").exists());
    let manifest = env.home().join("profiles/default/orlop.toml");
    assert!(!std::fs::read_to_string(manifest).unwrap().contains("kit"));
}

#[test]
fn libraries_and_crates_of_recipes_are_built() {
    let env = Env::new();
    let mut recipes = two_numbers(&env);
    let library = object(&env.run("build ./number1.toml").success());
    assert!(library.join("lib/libnumber.so").exists());
    // Its native library comes with it, by the same manifest.
    env.run("build ./number2-sys.toml")
        .fails(4)
        .says("`number2`");
    env.run("install ./number2.toml").success();
    let built = env.run("build ./number2-sys.toml").success();
    let [script, crate_object] = built.stdout.lines().collect::<Vec<_>>()[..] else {
        panic!("{built}");
    };
    assert!(Path::new(script).join("directives.json").is_file());
    assert!(crate_object.ends_with("-number2-sys-1.0.0"), "{built}");
    env.run("build ./number2-sys.toml --check").success();

    recipes.library("broken", &[("x.c", "")], "touch half; false", &[]);
    env.run("build ./broken.toml --keep-failed")
        .fails(5)
        .says("what it left: ")
        .says("`orlop shell ./broken.toml`");
    let failed = env.home().join("failed");
    let folder = std::fs::read_dir(failed).unwrap().next().unwrap().unwrap();
    assert!(folder.path().join("build/source/c/half").is_file());

    env.write(
        "plugin.toml",
        "schema = 1\n[plugin]\nname = \"loud\"\nhost = \"kit\"\n",
    );
    env.run("build ./plugin.toml").fails(2).says("--plugin");
}
