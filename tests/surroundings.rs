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
