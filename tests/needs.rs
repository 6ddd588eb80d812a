//! What recipes need of each other: versions side by side, conditions on the platform.

use crate::natives::{NUMBER, Recipes, number};
use crate::support::{Env, Package};

/// A script with these lines, and with a description for pkg-config.
fn described(name: &str, lines: &str) -> String {
    format!(
        "script = '''\nmkdir -p \"$out/lib/pkgconfig\"\n{lines}\n\
         printf 'Name: {name}\\nDescription: {name}\\nVersion: 1\\nLibs: -L%s/lib\\n' \"$out\" \
         > \"$out/lib/pkgconfig/{name}.pc\"\n'''\n"
    )
}

/// A script that makes `libnumber.so`.
fn number_script() -> String {
    described("number", NUMBER)
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

/// A library with a program that adds what a library of its own says to its words.
fn adder(recipes: &mut Recipes<'_>) {
    recipes.release(
        "number",
        "1.0.0",
        &[("number.c", &number(5))],
        &number_script(),
    );
    let main = "#include <stdio.h>\n#include <stdlib.h>\nint number(void);\n\
                int main(int count, char **words) {\n  \
                printf(\"%d\", atoi(words[1]) + number());\n  return 0;\n}\n";
    let script =
        "script = '''\nmkdir -p \"$out/bin\"\ncc main.c -lnumber -o \"$out/bin/adder\"\n'''\n";
    let how = format!("native = [\"number\"]\n{script}");
    recipes.release("adder", "1.2.0", &[("main.c", main)], &how);
}

#[test]
fn programs_that_were_built_before_run_in_builds() {
    let env = Env::new();
    let mut recipes = Recipes::new(&env);
    adder(&mut recipes);
    // In the build of a library, which then is not linked to anything of it.
    let script = described(
        "x",
        "test \"$ADDER\" -ef \"$(command -v adder)\"\ntest -z \"${LIBRARY_PATH-}\"\n\
         echo \"int x(void) { return $(adder 2); }\" > x.c\n\
         cc -shared -fPIC x.c -o \"$out/lib/libx.so\"",
    );
    let how = format!(
        "needs.build = {{ adder = \"1.2\" }}\nenvironment = {{ ADDER = \"{{adder}}/bin/adder\" }}\n\
         {script}"
    );
    recipes.release("x", "1.0.0", &[("x.c", "")], &how);
    // And in a build script.
    recipes.add(
        "made",
        "[crate]\nname = \"made\"\nneeds.build = [\"adder\"]\n",
    );
    env.registry.publish(
        Package::new("made", "1.0.0")
            .file(
                "build.rs",
                "fn main() {\n    let out = std::process::Command::new(\"adder\").arg(\"37\")\
                 .output().unwrap();\n    println!(\"cargo:rustc-env=MADE={}\", \
                 String::from_utf8(out.stdout).unwrap());\n}",
            )
            .lib("pub fn get() -> &'static str { env!(\"MADE\") }"),
    );
    recipes.user("x", "x", "x");
    recipes.app("app", &["x-sys", "made"]);
    recipes.check(&[("app", "7 42")]);
    assert_eq!(recipes.loaded("app", "libnumber"), [""; 0]);
    env.run("gc").success();
    assert_eq!(env.objects("-adder-1.2.0"), [""; 0]);
    assert_eq!(env.program("app").success().stdout.trim(), "7 42");
    // They are a part of the key.
    let other = "#include <stdio.h>\nint main(void) { return !printf(\"9\"); }\n";
    let script = "script = '''\nmkdir -p \"$out/bin\"\ncc main.c -o \"$out/bin/adder\"\n'''\n";
    recipes.release("adder", "1.2.1", &[("main.c", other)], script);
    recipes.check(&[("app", "9 9")]);
    assert_eq!(env.objects("-x-1.0.0").len(), 2);
}

#[test]
fn programs_of_a_library_for_c_and_circles_are_refused() {
    let env = Env::new();
    let mut recipes = Recipes::new(&env);
    recipes.add("tiny", "[cdylib]\nname = \"tiny\"\nversion = \"1.0.0\"\n");
    env.registry.publish(
        Package::new("tiny", "1.0.0")
            .tables("[lib]\nname = \"tiny\"\ncrate-type = [\"cdylib\"]")
            .lib("#[unsafe(no_mangle)] pub extern \"C\" fn tiny() -> i32 { 1 }"),
    );
    recipes.add(
        "one-sys",
        "[crate]\nname = \"one-sys\"\nneeds.build = [\"tiny\"]\n",
    );
    recipes.publish_user("one-sys", "x", "x", "x");
    recipes.app("one", &["one-sys"]);
    recipes.install("one").fails(4).says(
        "the recipe of one-sys 1.0.0 needs programs of `tiny`, which is a library for C out of a crate",
    );
    let script = "script = '''\ntouch \"$out/x\"\n'''\n";
    for (name, needs) in [("left", "right"), ("right", "left")] {
        let how = format!("needs.build = [\"{needs}\"]\n{script}");
        recipes.release(name, "1.0.0", &[("x.c", "")], &how);
    }
    recipes.add(
        "two-sys",
        "[crate]\nname = \"two-sys\"\nnative = [\"left\"]\n",
    );
    recipes.publish_user("two-sys", "x", "x", "x");
    recipes.app("two", &["two-sys"]);
    recipes
        .install("two")
        .fails(4)
        .says("the native library `left` needs itself: it needs `right 1.0.0`, which needs it");
}

/// A pager in two versions, and an app that starts it.
fn kit(env: &Env, needs: &str) {
    for version in ["1.0.0", "1.2.0", "2.0.0"] {
        env.registry.publish(
            Package::new("pager", version)
                .feature("loud", &[])
                .main("fn main() { print!(\"{} {}\", env!(\"CARGO_PKG_VERSION\"), cfg!(feature = \"loud\")); }"),
        );
    }
    env.registry.publish(Package::new("kit", "1.0.0").main(
        "fn main() { let status = std::process::Command::new(\"pager\").status(); \
         std::process::exit(if status.is_ok() { 0 } else { 9 }) }",
    ));
    let text = format!(
        "schema = 1\n[app]\nname = \"kit\"\nneeds.run = {needs}\ntest = \"kit | grep 1.2\"\n"
    );
    env.write("kit.toml", &text);
}

#[test]
fn an_app_comes_with_what_it_starts() {
    let env = Env::new();
    kit(
        &env,
        "{ pager = { version = \"1\", features = [\"loud\"] }, absent = { when = 'cfg(windows)' } }",
    );
    env.run("install ./kit.toml")
        .success()
        .says("Installed kit 1.0.0")
        .says("Installed pager 1.2.0");
    assert_eq!(env.programs("current"), ["kit", "pager"]);
    assert_eq!(env.run("run kit").success().stdout, "1.2.0 true");
    env.run("recipe test kit").success().prints("kit 1.0.0 ok");
    env.run("info kit").success().prints("starts     pager");
    env.run("info pager").success().prints("started by kit");
    env.run("sync --locked").success().says("Nothing to do");
    env.run("upgrade pager").success();
    env.run("export kit --format tar")
        .success()
        .says("`kit` starts programs of `pager`, which is not in it: export that, too");
    env.run("remove pager")
        .fails(1)
        .says("hint: `kit` starts it: `orlop remove kit`");
    env.run("remove kit")
        .success()
        .says("Removed kit 1.0.0")
        .says("Removed pager 1.2.0");
}

#[test]
fn an_app_that_others_start_stays_when_it_is_removed() {
    let env = Env::new();
    kit(&env, "{ pager = \"1\" }");
    env.run("install ./kit.toml pager").success();
    let stays = "`pager` stays without being asked for: `kit` starts it\n";
    let run = env.run("remove pager").success();
    let said = "The apps stay as they are\nGeneration 2 of `default` is current\n";
    assert_eq!(run.stderr, format!("{said}{stays}"), "{run}");
    // What was said of it goes with the line.
    env.run("install pager --linkage static").success();
    let plan = env.run("remove pager -n").success().says(stays);
    drop(plan.prints("\n  make pager 1.2.0 anew (pager)\n"));
    let run = env.run("remove pager").success().says(stays);
    assert!(!run.stderr.contains("nstall"), "{run}");
    drop(run.says("Made pager 1.2.0 anew (pager)\nGeneration 4"));
    env.run("install pager").success();
    env.run("remove pager kit").success().says("Removed pager");
}

#[test]
fn what_is_started_and_asked_for_is_there_once() {
    let env = Env::new();
    kit(&env, "{ pager = \"<2\" }");
    env.run("install pager@=1.0.0").success();
    env.run("install ./kit.toml").success();
    assert_eq!(env.run("run kit").success().stdout, "1.0.0 false");
    env.run("remove kit").success();
    assert_eq!(env.programs("current"), ["pager"]);
    env.run("install pager@2").success();
    env.run("install ./kit.toml")
        .fails(4)
        .says("orlop.toml:4 and the recipe of `kit` ask for `pager ^2, <2`, which cannot be had");
    env.run("install pager@=1.0.0 ./kit.toml").success();
    env.run("install pager@2")
        .fails(4)
        .says("the command line and the recipe of `kit` ask for `pager ^2, <2`");
    env.run("remove kit").success();
    let text = std::fs::read_to_string(env.path("kit.toml")).unwrap();
    env.write("kit.toml", &text.replace("<2", "7"));
    env.run("remove pager").success();
    env.run("install ./kit.toml")
        .fails(4)
        .says("the recipe of `kit` asks for `pager ^7`, which cannot be had");
}

/// A library with a header and a test, which asks for a program of another library.
fn tested(recipes: &mut Recipes<'_>, expected: i32) {
    let script = described(
        "number",
        &format!(
            "{NUMBER}\nmkdir \"$out/include\"\necho 'int number(void);' > \"$out/include/number.h\""
        ),
    );
    let how = format!(
        "needs.test = {{ asker = \"1\" }}\n{script}test = '''\n\
         printf '#include <number.h>\\nint main(void) {{ return number() != {expected}; }}' > t.c\n\
         cc t.c $(pkg-config --libs number) -lnumber -o t\ntest -e \"$out/include/number.h\"\n\
         echo asking; asker ./t\n'''\n"
    );
    recipes.release("number", "1.0.0", &[("number.c", &number(5))], &how);
    let script = "script = '''\nmkdir -p \"$out/bin\"\nprintf '#!/bin/sh\\n\"$@\"' > \"$out/bin/asker\"\n\
                  chmod +x \"$out/bin/asker\"\n'''\n";
    recipes.release("asker", "1.0.1", &[("x", "")], script);
    recipes.user("number", "number", "number");
    recipes.app("app", &["number-sys"]);
}

#[test]
fn a_library_keeps_its_test() {
    let env = Env::new();
    let mut recipes = Recipes::new(&env);
    tested(&mut recipes, 5);
    env.run("recipe test ./number.toml").fails(4).says("asker");
    recipes.install("app").success();
    assert_eq!(env.objects("-asker-1.0.1"), [""; 0], "only tests need it");
    env.run("recipe test -n")
        .success()
        .prints("number 1.0.0 would be tested");
    assert_eq!(env.objects("-asker-1.0.1"), [""; 0], "nothing is run");
    env.run("recipe test number")
        .success()
        .prints("number 1.0.0 ok");
    assert_eq!(env.objects("-asker-1.0.1").len(), 1);
    let report = env.run("recipe test --json").success().json();
    assert_eq!(report[0]["kind"], "library");
    // What is installed keeps the test that it came with.
    let mut other = Recipes::new(&env);
    tested(&mut other, 6);
    env.run("recipe test number").success();
    let plan = env.run("recipe test ./number.toml --json -n");
    let plan = plan.success().json();
    assert_eq!(
        (&plan[0]["version"], &plan[0]["passed"]),
        (&"1.0.0".into(), &().into())
    );
    env.run("recipe test ./number.toml")
        .fails(1)
        .prints("number 1.0.0 FAILED")
        .says("asking")
        .says("1 of 1 tests failed");
    env.run("sync").success();
    env.run("recipe test number").fails(1);
    env.run("rollback").success();
    // What is gone is made again.
    env.run("remove app").success();
    env.run("gc --dev").success();
    assert_eq!(env.objects("-number-1.0.0"), [""; 0]);
    env.run("rollback").success();
    env.run("recipe test number").success();
    env.run("recipe test absent").fails(1).says("not installed");
}

#[test]
fn a_test_of_an_app_starts_what_it_needs() {
    let env = Env::new();
    let mut recipes = Recipes::new(&env);
    adder(&mut recipes);
    env.registry
        .publish(Package::new("app", "1.0.0").main("fn main() { print!(\"3\"); }"));
    for version in ["1.0.0", "2.0.0"] {
        let main = "fn main() { let mut text = String::new(); \
                    std::io::stdin().read_line(&mut text).unwrap(); \
                    println!(\"{text}-{}\", env!(\"CARGO_PKG_VERSION\")); }";
        env.registry
            .publish(Package::new("after", version).main(main));
    }
    recipes.add(
        "app",
        "[app]\nname = \"app\"\ntest = 'adder \"$(app)\" | after | grep 8-1.0.0'\n\
         needs.test = { adder = {}, after = \"1\" }\n",
    );
    env.run("install ./number.toml ./adder-1.2.0.toml ./app.toml")
        .success();
    assert_eq!(env.programs("current"), ["app"]);
    env.run("recipe test").success().prints("app 1.0.0 ok");
    assert_eq!(env.programs("current"), ["app"]);
    let text = std::fs::read_to_string(env.path("app.toml")).unwrap();
    env.write("app.toml", &text.replace("\"1\" }", "\"2\" }"));
    env.run("recipe test app").success();
    env.run("recipe test ./app.toml").fails(1).prints("FAILED");
}
