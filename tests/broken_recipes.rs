//! A broken recipe of each kind gets the message that the book promises:
//! `book/src/guide/recipes.md`.

use crate::natives::Recipes;
use crate::support::{Env, Package, Run};

/// What the book says of a kind of mistake.
#[track_caller]
fn promised(kind: &str) -> &'static str {
    let book = include_str!("../book/src/guide/recipes.md");
    let start = format!("| {kind} | ");
    let line = book.lines().find_map(|line| line.strip_prefix(&start));
    let line = line.unwrap_or_else(|| panic!("the book says nothing of {kind}"));
    line.trim_end_matches(" |")
}

/// Checks that all of the book's message is said; `…` stands for what differs.
#[track_caller]
fn promise_is_kept(run: &Run, kind: &str) {
    // An excerpt has a line at its left.
    let words = run.stderr.split_whitespace().filter(|word| *word != "│");
    let words: Vec<_> = words.collect();
    let said = words.join(" ");
    for part in promised(kind).split('…') {
        assert!(said.contains(part.trim()), "no `{part}` in:\n{run}");
    }
}

const NUMBER: (&str, &str) = ("number.c", "int number(void) { return 1; }\n");

/// An app with a library that is built by this script.
fn app<'a>(env: &'a Env, script: &str, native: &[&str]) -> Recipes<'a> {
    let mut recipes = Recipes::new(env);
    recipes.library("number", &[NUMBER], script, native);
    recipes.user("number", "number", "number");
    recipes.app("app", &["number-sys"]);
    recipes
}

#[test]
fn wrong_digest() {
    let env = Env::new();
    let recipes = app(&env, "true", &[]);
    let path = env.path("number.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let digest = text.split("checksum = \"").nth(1).unwrap();
    let wrong = text.replace(&digest[..64], &"ab".repeat(32));
    std::fs::write(&path, wrong).unwrap();
    promise_is_kept(&recipes.install("app").fails(3), "wrong digest");
}

#[test]
fn missing_dependency() {
    let env = Env::new();
    let recipes = app(&env, "true", &["absent"]);
    let run = recipes.install("app").fails(4);
    promise_is_kept(&run, "missing dependency");
    drop(run.says("number.toml:6:11]").says("\"absent\""));
}

/// A library that needs another, which its build has made and not kept.
#[test]
fn undeclared_library() {
    let env = Env::new();
    let script = "printf 'int other(void) { return 1; }' > other.c\n\
                  cc -shared -fPIC other.c -o libother.so\n\
                  printf 'int other(void); int number(void) { return other(); }' > number.c\n\
                  cc -shared -fPIC number.c -L. -lother -o \"$out/lib/libnumber.so\"";
    let run = app(&env, script, &[]).install("app").fails(5);
    promise_is_kept(&run.says("`libother-"), "undeclared library");
}

#[test]
fn undeclared_library_in_a_description() {
    for (line, needs) in [
        ("Requires: one >= 1.2, zlib", "the package `one`"),
        ("Libs.private: -lm -lother", "the library `-lother`"),
    ] {
        let env = Env::new();
        let script = format!("echo '{line}' > \"$out/lib/pkgconfig/other.pc\"");
        let run = app(&env, &script, &[]).install("app").fails(5);
        let run = run.says("lib/pkgconfig/other.pc").says(needs);
        promise_is_kept(&run, "undeclared library");
    }
}

#[test]
fn leaked_path() {
    for script in [
        "printf 'const char *number(void) { return __FILE__; }' > number.c\n\
         cc -shared -fPIC \"$PWD/number.c\" -o \"$out/lib/libnumber.so\"",
        "echo \"$TMPDIR\" > \"$out/lib/notes\"",
        "ln -s \"$HOME\" \"$out/lib/home\"",
    ] {
        let env = Env::new();
        let run = app(&env, script, &[]).install("app").fails(5);
        promise_is_kept(&run, "leaked path");
    }
}

#[test]
fn failing_test() {
    let env = Env::new();
    let app = Package::new("app", "1.0.0").main("fn main() { println!(\"one\"); }");
    env.registry.publish(app);
    let recipe = "schema = 1\n[app]\nname = \"app\"\ntest = \"app | grep two\"\n";
    env.write("app.toml", recipe);
    env.run("install ./app.toml").success();
    let run = env.run("recipe test").fails(1).prints("app 1.0.0 FAILED");
    promise_is_kept(&run, "failing test");
}
