//! Native libraries that a user chooses in place of what crates carry.

use crate::natives::{NUMBER, Recipes, number};
use crate::support::{Env, Package};
use crate::traps::archive;

/// Says how the crate finds the library that Orlop builds.
const SYSTEM: &str = "fn main() {\n    if std::env::var_os(\"NUMBER_SYSTEM\").is_some() {\n        \
    let out = Command::new(\"pkg-config\").args([\"--libs-only-L\", \"number\"]).output().unwrap();\n\
    let text = String::from_utf8(out.stdout).unwrap();\n        \
    println!(\"cargo:rustc-link-search=native={}\", text.trim().trim_start_matches(\"-L\"));\n\
    println!(\"cargo:rustc-link-lib=dylib=number\");\n        return;\n    }\n";

/// A library `number` (11), a crate that carries its own (33) and can use it in version 1, and two
/// apps with version 1 and one with version 2 of the crate.
fn world(env: &Env) -> Recipes<'_> {
    let mut recipes = Recipes::new(env);
    recipes.library("number", &[("number.c", &number(11))], NUMBER, &[]);
    recipes.add(
        "carrier-sys",
        "[crate]\nname = \"carrier-sys\"\nenvironment = { NUMBER_CARRIED = \"1\" }\n\
         [crate.instead.number]\nversions = \"1\"\nenvironment = { NUMBER_SYSTEM = \"1\" }\n",
    );
    let carried = archive("cc", "own.c", "own", "").replace("fn main() {\n", SYSTEM);
    for version in ["1.0.0", "2.0.0"] {
        env.registry.publish(
            Package::new("carrier-sys", version)
                .file("own.c", &number(33))
                .file("build.rs", &carried)
                .lib(
                    "unsafe extern \"C\" { fn number() -> i32; }\n\
                     #[inline(never)] pub fn get() -> i32 { unsafe { number() } }",
                ),
        );
    }
    for (app, version) in [("one", "1"), ("two", "1"), ("newer", "2")] {
        env.registry.publish(
            Package::new(app, "1.0.0")
                .needs("carrier-sys", version)
                .main("fn main() { print!(\"{}\", carrier_sys::get()); }"),
        );
    }
    recipes
}

fn says(env: &Env, apps: &[(&str, &str)]) {
    for (app, text) in apps {
        assert_eq!(env.program(app).success().stdout, *text, "`{app}`");
    }
    let proofs = env.run("prove --json").success().json();
    assert_eq!(proofs.as_array().unwrap().len(), apps.len());
}

#[test]
fn one_app_chooses_and_then_all() {
    let env = Env::new();
    let recipes = world(&env);
    recipes.install("one").success();
    recipes.install("two").success();
    says(&env, &[("one", "33"), ("two", "33")]);
    assert_eq!(recipes.loaded("one", "libnumber"), [""; 0]);

    env.run("install one --native number").success();
    says(&env, &[("one", "11"), ("two", "33")]);
    let loaded = recipes.loaded("one", "libnumber");
    assert_eq!(loaded.len(), 1);
    // Without a word it stays so.
    env.run("install one").success().says("Nothing to do");

    let manifest = env.home().join("profiles/default/orlop.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    assert!(text.contains("natives = [\"number\"]"), "{text}");
    let text = text.replace(", natives = [\"number\"]", "");
    let text = text.replace("schema = 1\n", "schema = 1\nnatives = [\"number\"]\n");
    std::fs::write(&manifest, text).unwrap();
    env.run("sync").success();
    says(&env, &[("one", "11"), ("two", "11")]);
    assert_eq!(recipes.loaded("two", "libnumber"), loaded, "one library");
    assert_eq!(env.objects("-number-1.0.0").len(), 1);

    env.run("rollback").success();
    says(&env, &[("one", "11"), ("two", "33")]);
}

#[test]
fn what_cannot_be_had_is_said() {
    let env = Env::new();
    let recipes = world(&env);
    recipes.install("newer").success();
    env.run("install newer --native number")
        .success()
        .says("`carrier-sys 2.0.0` of `newer` keeps the library it carries")
        .says("`number`");
    says(&env, &[("newer", "33")]);
    env.run("install newer --native zlib")
        .success()
        .says("the native library `zlib` is not used");
    env.run("install newer --native nunber")
        .fails(2)
        .says("`nunber`")
        .says("did you mean `number`?");
}
