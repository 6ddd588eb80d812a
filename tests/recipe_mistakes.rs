//! What no recipe can mean is refused by the linter and by a build alike, with its place.

use crate::natives::two_numbers;
use crate::support::{Env, Package};

/// A library from an archive, with these lines.
fn library(address: &str, lines: &str) -> String {
    format!(
        "schema = 1\n[library]\nname = \"hello\"\nversion = \"1.0\"\n\
         source = {{ url = \"{address}\", sha256 = \"{}\" }}\n{lines}",
        "01".repeat(32)
    )
}

#[test]
fn what_cannot_be_meant_is_refused_by_lint_and_build() {
    let env = Env::new();
    let good = "https://example.org/hello.tar.gz";
    for (text, place, message) in [
        (
            library(good, "build = 'make'\narguments = ['DESTDIR={prefix}']\n"),
            "hello.toml:7:14]",
            "nothing stands in for `{prefix}` in an argument",
        ),
        (
            library(
                "https://example.org/hello-{version}.tar.gz",
                "build = 'make'\n",
            ),
            "hello.toml:5:18]",
            "nothing stands in for `{version}` in an address",
        ),
        (
            library("https://example.org/hello.tar.xz", "build = 'make'\n"),
            "hello.toml:5:18]",
            "it ends in `.tar.xz`",
        ),
        (
            library(
                good,
                "build = 'make'\nenvironment = { PATH = '/opt/bin' }\n",
            ),
            "hello.toml:7:17]",
            "`PATH` is set by the build itself",
        ),
        (
            library(good, "build = 'make'\nenvironment = { A = '{zlip}' }\n"),
            "hello.toml:7:22]",
            "nothing stands in for `{zlip}` in a value of `environment`",
        ),
    ] {
        env.write("hello.toml", &text);
        for command in ["recipe lint hello.toml", "build ./hello.toml"] {
            env.run(command).fails(2).says(place).says(message);
        }
    }
    let circle = library(good, "native = ['hello']\nbuild = 'make'\n");
    env.write("hello.toml", &circle);
    env.run("recipe lint hello.toml")
        .fails(1)
        .prints("hello.toml:6:11: error[needs-itself]");
    env.run("build ./hello.toml")
        .fails(4)
        .says("the native library `hello` needs itself");
}

/// The names that recipes may not set, as the book lists them, are those that builds set: what
/// `orlop env` prints.
#[test]
fn every_variable_of_a_build_is_refused() {
    let book = include_str!("../book/src/guide/recipes.md");
    let env = Env::new();
    drop(two_numbers(&env));
    env.registry
        .publish(
            Package::new("leaf", "1.0.0")
                .file("build.rs", "fn main() {}")
                .lib("pub fn one() {}"),
        )
        .publish(
            Package::new("app", "1.0.0")
                .needs("leaf", "1")
                .main("fn main() { leaf::one() }"),
        );
    let crates = "schema = 1\n[crate]\nname = \"x-sys\"\n".to_owned();
    let libraries = library("https://example.org/hello.tar.gz", "build = 'make'\n");
    for (step, recipe) in [("./number1.toml", libraries), ("app --crate leaf", crates)] {
        let described = env.run(&format!("env {step} --json")).success().json();
        let names = described["environment"].as_object().unwrap();
        assert!(names.len() > 8, "{described}");
        for name in names.keys() {
            env.write(
                "x.toml",
                &format!("{recipe}environment = {{ {name} = '1' }}\n"),
            );
            env.run("recipe lint x.toml")
                .fails(2)
                .says(&format!("`{name}` is set by the build itself"));
            let family = ["CARGO_", "ORLOP_"]
                .iter()
                .find(|start| name.starts_with(**start));
            let word = family.map_or(format!("`{name}`"), |start| format!("`{start}…`"));
            assert!(book.contains(&word), "the book does not name {word}");
        }
    }
}
