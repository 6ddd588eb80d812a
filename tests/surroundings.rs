//! Homes and environments that are odd: what is typed into a shell, and what is refused.

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

    let home = env.path("a:b");
    std::fs::rename(env.path("it's `my` $HOME \"\\!*"), &home).unwrap();
    let mut command = env.command();
    command.args(["install", "hello", "--linkage", "static"]);
    let run = Run::from(command.env("ORLOP_HOME", &home).output().unwrap());
    run.success().says("hint: run them: `orlop run APP`");
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
