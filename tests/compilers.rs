//! Several compilers side by side.

use crate::support::{Env, Package, Run};

#[test]
fn two_compilers_give_two_variants_side_by_side() {
    let env = Env::new();
    let Some(other) = other_compiler() else {
        eprintln!("skipped: rustup has only one toolchain on this machine");
        return;
    };
    for name in ["first", "second"] {
        env.registry.publish(
            Package::new(name, "1.0.0")
                .needs("common", "1")
                .main("fn main() { println!(\"{}\", common::text()); }"),
        );
    }
    env.registry.publish(
        Package::new("common", "1.0.0").lib("pub fn text() -> &'static str { \"common\" }"),
    );
    env.orlop(["compiler", "add", &other]).success();
    let compilers = env.run("compiler list --json").success().json();
    let added = compilers
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["default"] == false)
        .map(|entry| entry["name"].as_str().unwrap().to_owned())
        .expect("the second compiler is listed");
    let own = compilers.as_array().unwrap().iter();
    let own = own.filter(|entry| entry["default"] == true);
    let mut own = own.map(|entry| entry["name"].as_str().unwrap());
    let own = own.next().expect("one is the default");
    env.run("install first").success();
    env.orlop(["install", "second", "--compiler", &added])
        .success();
    assert_eq!(
        env.objects("-common-1.0.0").len(),
        2,
        "one variant per compiler"
    );
    assert_eq!(env.program("first").success().stdout, "common\n");
    assert_eq!(env.program("second").success().stdout, "common\n");
    env.run("prove").success();
    let hint = format!("hint: have another compile it: `orlop install second --compiler {own}`");
    env.orlop(["compiler", "remove", &added])
        .success()
        .says("the manifest of the profile `default` names it for `second`")
        .says(&hint);
    env.run("sync").fails(1).says("there is no compiler");
    env.orlop(["install", "second", "--compiler", own])
        .success();
    assert_eq!(env.program("second").success().stdout, "common\n");
    env.orlop(["install", "first", "--compiler", &added])
        .fails(1)
        .says("compiler list");
}

#[test]
fn a_compiler_that_is_none() {
    let env = Env::new();
    env.run("compiler add /nonexistent/rustc")
        .fails(1)
        .says("/nonexistent/rustc");
    env.run("install x --compiler 0.0.1")
        .fails(1)
        .says("`0.0.1`")
        .says("orlop compiler add");
    let fake = env.write("rustc", "#!/bin/sh\necho nonsense\n");
    std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    env.orlop(["compiler", "add", fake.to_str().unwrap()])
        .fails(1)
        .says("rustc");
}

#[test]
fn a_compiler_that_apps_count_on_goes_with_a_warning_and_they_stay() {
    let env = Env::new();
    for name in ["named", "other"] {
        let text = format!("fn main() {{ println!(\"{name}\"); }}");
        env.registry
            .publish(Package::new(name, "1.0.0").main(&text));
    }
    let name = env.run("compiler default").success().stdout;
    let name = name.trim();
    env.orlop(["-p", "work", "install", "named", "--compiler", name])
        .success();
    env.run("install other").success();
    let remove = |more: &[&str]| {
        let words = ["compiler", "remove", name];
        let run = env.orlop(words.iter().chain(more)).success();
        run.says(
            "warning: it compiled `other` of the profile `default`: what is installed runs on, and \
             the next change there takes the default one",
        )
        .says(
            "warning: the manifest of the profile `work` names it for `named`: what is installed \
             runs on, but nothing there can change without that compiler",
        )
    };
    drop(remove(&["-n"]));
    env.run("compiler list").success().prints(name);
    drop(remove(&[]));
    env.run("gc").success();
    assert_eq!(env.run("-p work run named").success().stdout, "named\n");
    assert_eq!(env.program("other").success().stdout, "other\n");
    env.run("compiler list")
        .success()
        .says("There is no compiler in the store")
        .says("hint: the next install imports the `rustc` in `PATH`");
    env.run("-p work install other --compiler 0.0.1")
        .fails(1)
        .says("there is no compiler `0.0.1`");
    // It is the `rustc` in `PATH`, so it is imported as the default one would be.
    let mut sysroot = std::process::Command::new("rustc");
    let sysroot = sysroot.args(["--print", "sysroot"]).output().unwrap();
    let sysroot = String::from_utf8(sysroot.stdout).unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut install = env.command();
    install.env("PATH", format!("{}/bin:{path}", sysroot.trim()));
    install.args(["-p", "work", "install", "other"]);
    drop(Run::from(install.output().unwrap()).success());
    env.run("compiler default").success().prints(name);
}

/// A toolchain of rustup other than the one in use.
pub(crate) fn other_compiler() -> Option<String> {
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(arguments[0])
            .args(&arguments[1..])
            .output()
            .ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let own = run(&["rustc", "-vV"])?;
    let toolchains = run(&["rustup", "toolchain", "list"])?;
    toolchains
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .find_map(|name| {
            let toolchain = format!("+{name}");
            let other = run(&["rustc", &toolchain, "-vV"])?;
            let sysroot = run(&["rustc", &toolchain, "--print", "sysroot"])?;
            (!other.is_empty() && other != own).then(|| sysroot.trim().to_owned())
        })
}

#[test]
fn a_dry_run_leaves_the_compilers_as_they_are() {
    let env = Env::new();
    let compilers = || env.run("compiler list --json").success().json();
    let before = compilers();
    let name = before[0]["name"].as_str().unwrap();
    env.run("compiler remove -n nope").fails(1).says("`nope`");
    env.orlop(["compiler", "remove", "-n", name])
        .success()
        .says(&format!("Would forget the compiler {name}"));
    env.run("compiler default -n nope").fails(1).says("`nope`");
    env.orlop(["compiler", "default", "-n", name])
        .success()
        .says(&format!("Would make {name} the default compiler"));
    // Nobody asks a program what it is.
    let rustc = env.write("rustc", "");
    let rustc = rustc.to_str().unwrap();
    env.orlop(["compiler", "add", "-n", rustc])
        .success()
        .says(&format!("Would import the compiler of `{rustc}`"));
    env.run("compiler add -n /nonexistent/rustc")
        .fails(1)
        .says("/nonexistent/rustc");
    assert_eq!(compilers(), before);
}

#[test]
fn the_default_compiler_as_data() {
    let env = Env::new();
    let listed = env.run("compiler list --json").success().json();
    let default = env.run("compiler default --json").success().json();
    assert_eq!(default, listed[0]);
    assert_eq!(default["default"], true);
}

/// A `rustc` that knows no more than what it is.
fn nightly(env: &Env, toolchain: &str, date: &str) {
    let folder = env.path("rustup/toolchains").join(toolchain).join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    let text = format!(
        "#!/bin/sh\necho 'release: 1.99.0-nightly'\necho 'commit-date: {date}'\n\
         echo 'commit-hash: 1'\necho 'host: x86_64-unknown-linux-gnu'\n"
    );
    let rustc = folder.join("rustc");
    std::fs::write(&rustc, text).unwrap();
    std::fs::set_permissions(&rustc, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_compiler_by_the_name_that_rustup_has_for_it() {
    let env = Env::new();
    nightly(
        &env,
        "nightly-2099-01-02-x86_64-unknown-linux-gnu",
        "2099-01-01",
    );
    nightly(&env, "nightly-x86_64-unknown-linux-gnu", "2099-02-01");
    let hints = |name: &str| {
        let mut command = env.command();
        command.args(["install", "x", "--compiler", name]);
        command.env("RUSTUP_HOME", env.path("rustup"));
        Run::from(command.output().unwrap()).fails(1)
    };
    drop(hints("nightly").says(
        "hint: import it, after which it is called `1.99.0-nightly-2099-02-01`: \
         `orlop compiler add nightly-x86_64-unknown-linux-gnu`",
    ));
    drop(
        hints("1.99.0-nightly-2099-01-01")
            .says("`orlop compiler add nightly-2099-01-02-x86_64-unknown-linux-gnu`"),
    );
    let other = hints("1.99.0-nightly-2099-03-01").says("`orlop compiler add PATH`");
    assert!(!other.stderr.contains("rustup toolchain"), "{other}");
    // One that is there has a name of its own.
    let stored = env.run("compiler list --json").success().json();
    let name = stored[0]["name"].as_str().unwrap();
    let own = env.path("rustup/toolchains/stable-x86_64-unknown-linux-gnu");
    let sysroot = std::process::Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .unwrap();
    let sysroot = String::from_utf8(sysroot.stdout).unwrap();
    std::os::unix::fs::symlink(sysroot.trim(), own).unwrap();
    drop(hints("stable").says(&format!(
        "hint: it is there as `{name}`: say `--compiler {name}`"
    )));
}
