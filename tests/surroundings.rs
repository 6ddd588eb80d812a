//! Homes and environments that are odd: what is typed into a shell, and what is refused.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use crate::support::{Env, Package, Run};

fn publish_hello(env: &Env) {
    let app = Package::new("hello", "1.0.0");
    env.registry
        .publish(app.main("fn main() { println!(\"hello\"); }"));
}

#[test]
fn the_way_into_the_path_can_be_typed() {
    let env = Env::new();
    publish_hello(&env);
    let home = env.path("it's `my` $HOME \"\\!*");
    std::fs::rename(env.home(), &home).unwrap();
    let mut command = env.command();
    command.args(["install", "hello"]).env("ORLOP_HOME", &home);
    let run = Run::from(command.output().unwrap()).success();
    let line = run
        .stderr
        .lines()
        .find_map(|line| line.split_once("name: "));
    let (_, export) = line.unwrap_or_else(|| panic!("no way into the path:\n{run}"));
    for shell in ["sh", "bash", "zsh", "fish"] {
        let mut command = Command::new(shell);
        command.args(["-c", &format!("{export}; hello")]);
        match command.output() {
            Ok(output) => assert_eq!(Run::from(output).success().stdout, "hello\n", "{shell}"),
            // Not every machine has all of them.
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{shell}"),
        }
    }
}

/// No quotes help there: neither `PATH` nor `LD_LIBRARY_PATH` knows any.
#[test]
fn a_home_that_no_search_path_can_name_is_refused() {
    let env = Env::new();
    for name in ["a:b", "a;b"] {
        let home = env.path(name);
        let mut command = env.command();
        command.arg("list").env("ORLOP_HOME", &home);
        let run = Run::from(command.output().unwrap()).fails(2);
        let divider = &name[1..2];
        run.says(&format!(
            "{name}` has a `{divider}` in it, which divides the folders of "
        ))
        .says("hint: name another place: `orlop --home DIR …`, or set `ORLOP_HOME`");
        assert!(!home.exists());
    }
}

/// No text: the first byte of a letter, and no second one.
const NO_TEXT: &[u8] = b"schema = 1\n# \xc3\n";

#[test]
fn files_that_are_no_text_are_the_users_to_mend() {
    let env = Env::new();
    publish_hello(&env);
    let write = |name: &str| std::fs::write(env.path(name), NO_TEXT).unwrap();
    write("own.toml");
    std::fs::create_dir_all(env.path("kit/src")).unwrap();
    std::fs::write(env.path("kit/src/main.rs"), "fn main() {}").unwrap();
    write("kit/Cargo.toml");
    env.write(
        "kit.toml",
        "schema = 1\n[app]\nname = \"kit\"\nsource = { path = \"kit\" }\n",
    );
    for line in [
        "sync -m own.toml",
        "install ./own.toml",
        "recipe lint own.toml",
        "recipe fmt own.toml",
        "recipe bump own.toml",
        "recipe test ./own.toml",
        "build ./own.toml",
        "compiler add own.toml",
        "resolve --case own.toml",
    ] {
        env.run(line)
            .fails(2)
            .says("own.toml`: line 2 is not UTF-8");
    }
    for line in ["install ./kit.toml", "recipe import ./kit -o -"] {
        env.run(line)
            .fails(2)
            .says("kit/Cargo.toml`: it is not UTF-8");
    }
    let profile = env.home().join("profiles/default");
    std::fs::create_dir_all(&profile).unwrap();
    std::fs::write(profile.join("orlop.toml"), NO_TEXT).unwrap();
    for line in ["install hello", "remove hello", "sync", "upgrade", "update"] {
        env.run(line)
            .fails(2)
            .says("orlop.toml`: line 2 is not UTF-8");
    }

    let cargo = env.path("cargo");
    std::fs::create_dir_all(&cargo).unwrap();
    std::fs::write(cargo.join("config.toml"), NO_TEXT).unwrap();
    env.run("resolve hello")
        .fails(2)
        .says("config.toml`: line 2 is not UTF-8");
    // As in Cargo.
    std::fs::write(cargo.join("config"), "").unwrap();
    env.run("resolve hello").success();
    std::fs::remove_dir_all(&cargo).unwrap();
    std::fs::write(&cargo, "").unwrap();
    env.run("resolve hello").success();
}

#[test]
fn variables_that_are_no_text_are_refused_by_name() {
    let env = Env::new();
    publish_hello(&env);
    let odd = OsStr::from_bytes(b"/tmp/\xff");
    for name in [
        "ORLOP_HOME",
        "ORLOP_INDEX",
        "CARGO_HOME",
        "RUSTUP_HOME",
        "HOME",
    ] {
        let mut command = env.command();
        let run = Run::from(command.arg("list").env(name, odd).output().unwrap());
        let error = format!("error: the value of the variable `{name}` is not UTF-8\n");
        assert_eq!((run.code, &*run.stderr), (2, &*error), "{run}");
    }
    let mut command = env.command();
    command.env_remove("ORLOP_HOME").env("XDG_DATA_HOME", odd);
    let run = Run::from(command.arg("list").output().unwrap());
    run.fails(2).says("`XDG_DATA_HOME`");

    // What is only looked through, looked at or handed on may be anything.
    env.run("install hello").success();
    let mut command = env.command();
    let mut path = odd.to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    command.env("PATH", path).env("TERM", odd).env("CI", odd);
    command.args(["run", "hello", "--"]).arg(odd);
    let run = Run::from(command.output().unwrap()).success();
    assert_eq!(run.stdout, "hello\n");
    let plan = Run::from(command.arg("-n").output().unwrap()).success();
    assert_eq!(plan.stdout, "hello\n", "an argument of the program");
    let plan = env.orlop(["run", "-n", "hello", "--", "a b"]).success();
    assert!(plan.stdout.ends_with("/bin/hello 'a b'\n"), "{plan}");
}

#[test]
fn variables_that_say_nothing_or_little() {
    let env = Env::new();
    let mut command = env.command();
    let empty = command.env("ORLOP_HOME", "").env("HOME", "").arg("list");
    Run::from(empty.output().unwrap())
        .fails(2)
        .says("there is no place to keep apps: `HOME` is not set")
        .says("hint: name one: `orlop --home DIR …`, or set `ORLOP_HOME`");
    // A relative folder of data is none, by the standard that names the variable.
    let mut command = env.command();
    let relative = command.env_remove("ORLOP_HOME").env("XDG_DATA_HOME", "x");
    let run = Run::from(relative.args(["compiler", "list"]).output().unwrap());
    run.success();
    assert!(env.path(".local/share/orlop/store").exists() && !env.path("x").exists());
    // A relative home begins where the command does.
    let mut command = env.command();
    let relative = command.env("ORLOP_HOME", "home").args(["compiler", "list"]);
    Run::from(relative.output().unwrap())
        .success()
        .prints("default");
    let mut command = env.command();
    let file = env.write("file", "");
    let run = Run::from(command.env("ORLOP_HOME", &file).arg("gc").output().unwrap());
    run.fails(2)
        .says("file` is a file")
        .says("hint: name another place");
}
