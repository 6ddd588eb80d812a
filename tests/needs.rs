//! What recipes need of each other: versions side by side, conditions on the platform.

use crate::natives::{NUMBER, Recipes, number};
use crate::support::Env;

/// A script that makes `libnumber.so` with a description for pkg-config.
fn number_script() -> String {
    format!(
        "script = '''\nmkdir -p \"$out/lib/pkgconfig\"\n{NUMBER}\n\
         printf 'Name: number\\nDescription: number\\nVersion: 1\\nLibs: -L%s/lib\\n' \"$out\" \
         > \"$out/lib/pkgconfig/number.pc\"\n'''\n"
    )
}

/// Three versions of a library by one name, and crates that need one or any of them.
fn versions(env: &Env) -> Recipes<'_> {
    let mut recipes = Recipes::new(env);
    for (version, answer) in [("1.4", 14), ("1.10", 110), ("2.0", 20)] {
        let files = [("number.c", number(answer))];
        let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
        // Versions of crates have three numbers.
        recipes.release("number", &format!("{version}.0"), &files, &number_script());
    }
    for (name, native) in [
        ("any-sys", "[\"number\"]"),
        ("one-sys", "{ number = \"1\" }"),
        (
            "old-sys",
            "{ number = { version = \"<1.10\", when = 'cfg(unix)' } }",
        ),
    ] {
        recipes.add(
            name,
            &format!("[crate]\nname = \"{name}\"\nnative = {native}\n"),
        );
        recipes.publish_user(name, "number", "number", "number");
    }
    recipes
}

#[test]
fn each_crate_gets_the_version_that_it_needs() {
    let env = Env::new();
    let recipes = versions(&env);
    for name in ["any", "one", "old"] {
        recipes.app(name, &[&format!("{name}-sys")]);
    }
    recipes.app("all", &["any-sys", "one-sys", "old-sys"]);
    recipes.check(&[
        ("any", "20"),
        ("one", "110"),
        ("old", "14"),
        ("all", "20 110 14"),
    ]);
    assert_eq!(recipes.loaded("all", "libnumber").len(), 3);
    // One by itself is the one that is named.
    let build = env.run("build ./number-1.4.0.toml").success();
    assert!(build.stdout.trim().ends_with("-number-1.4.0"), "{build}");
}

#[test]
fn a_version_that_nobody_has_is_refused() {
    let env = Env::new();
    let mut recipes = versions(&env);
    recipes.add(
        "far-sys",
        "[crate]\nname = \"far-sys\"\nnative = { number = \"3\" }\n",
    );
    recipes.publish_user("far-sys", "number", "number", "number");
    recipes.app("far", &["far-sys"]);
    recipes.install("far").fails(4).says(
        "the recipe of far-sys 1.0.0 needs the native library `number` in a version `3`, and there \
         are recipes of 2.0.0, 1.10.0, 1.4.0",
    );
}

/// Both have a `libnumber.so`.
#[test]
fn two_versions_in_one_build_are_refused() {
    let env = Env::new();
    let mut recipes = versions(&env);
    let script = "script = '''\nmkdir -p \"$out/lib\"\n\
                  cc -shared -fPIC x.c -lnumber -o \"$out/lib/libx.so\"\n'''\n";
    let how = format!("native = {{ number = \"1\" }}\n{script}");
    recipes.release(
        "x",
        "1.0.0",
        &[("x.c", "int x(void) { return 1; }\n")],
        &how,
    );
    recipes.add(
        "both-sys",
        "[crate]\nname = \"both-sys\"\nnative = { number = \"2\", x = {} }\n",
    );
    recipes.publish_user("both-sys", "x", "x", "x");
    recipes.app("both", &["both-sys"]);
    recipes.install("both").fails(4).says(
        "both-sys 1.0.0 would be built against the versions 1.10.0 and 2.0.0 of the native library \
         `number` at once",
    );
}

#[test]
fn what_is_needed_elsewhere_is_not_built() {
    let env = Env::new();
    let mut recipes = Recipes::new(&env);
    recipes.library("number", &[("number.c", &number(1))], NUMBER, &[]);
    let native = "{ number = {}, absent = { version = \"1\", when = 'cfg(windows)' } }";
    recipes.add(
        "number-sys",
        &format!("[crate]\nname = \"number-sys\"\nnative = {native}\n"),
    );
    recipes.publish_user("number-sys", "number", "number", "number");
    recipes.app("here", &["number-sys"]);
    recipes.check(&[("here", "1")]);
}
