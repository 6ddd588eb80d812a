//! Recipes from disk: apps, overrides of crates, native libraries.

use crate::support::{Env, Package, checksum};

#[test]
fn an_app_recipe_chooses_features_and_programs() {
    let env = Env::new();
    env.registry.publish(
        Package::new("tool-kit", "2.0.0")
            .feature("extra", &[])
            .file(
                "src/bin/wanted.rs",
                "fn main() { println!(\"{}\", cfg!(feature = \"extra\")); }",
            )
            .file("src/bin/unwanted.rs", "fn main() {}"),
    );
    let recipe = env.write(
        "kit.toml",
        "schema = 1\n[app]\nname = \"kit\"\ncrate = \"tool-kit\"\nfeatures = [\"extra\"]\n\
         binaries = [\"wanted\"]\n",
    );
    env.orlop(["install", recipe.to_str().unwrap()])
        .success()
        .says("Installed kit 2.0.0 (wanted)");
    assert_eq!(env.program("wanted").success().stdout, "true\n");
    assert_eq!(env.programs("current"), ["wanted"]);
}

#[test]
fn a_native_library_is_built_by_a_script_and_found_by_pkg_config() {
    let env = Env::new();
    let carrier = Package::new("carrier", "1.0.0")
        .lib("")
        .file("c/number.c", "int number(void) { return 42; }\n")
        .file("c/number.h", "int number(void);\n");
    env.registry.publish(carrier);
    let archive = std::fs::read(env.registry.archive_path("carrier", "1.0.0")).unwrap();
    let checksum = checksum(&archive);
    env.registry
        .publish(
            Package::new("number-sys", "0.1.0")
                .links("number")
                .file(
                    "build.rs",
                    "fn main() {\n    let out = std::process::Command::new(\"pkg-config\")\
                     .args([\"--libs-only-L\", \"number\"]).output().unwrap();\n    \
                     assert!(out.status.success(), \"{out:?}\");\n    \
                     let text = String::from_utf8(out.stdout).unwrap();\n    \
                     println!(\"cargo:rustc-link-search=native={}\", \
                     text.trim().trim_start_matches(\"-L\"));\n    \
                     println!(\"cargo:rustc-link-lib=static=number\");\n    \
                     println!(\"cargo:flavour={}\", std::env::var(\"FLAVOUR\").unwrap());\n}",
                )
                .lib("unsafe extern \"C\" { pub fn number() -> i32; }"),
        )
        .publish(
            Package::new("number-app", "1.0.0")
                .needs("number-sys", "0.1")
                .file(
                    "build.rs",
                    "fn main() { println!(\"cargo:rustc-env=FLAVOUR={}\", \
                     std::env::var(\"DEP_NUMBER_FLAVOUR\").unwrap()); }",
                )
                .main(
                    "fn main() { println!(\"{} {}\", unsafe { number_sys::number() }, \
                     env!(\"FLAVOUR\")); }",
                ),
        );
    let library = env.write(
        "number.toml",
        &format!(
            "schema = 1\n[library]\nname = \"number\"\nversion = \"1.0.0\"\n\
             source = {{ crate = \"carrier\", version = \"1.0.0\", checksum = \"{checksum}\", \
             folder = \"c\" }}\nscript = '''\ncc -O2 -c number.c -o number.o\n\
             mkdir -p \"$out/lib/pkgconfig\" \"$out/include\"\nar rcs \"$out/lib/libnumber.a\" \
             number.o\ncp number.h \"$out/include/\"\n\
             printf 'Name: number\\nDescription: a number\\nVersion: 1\\nLibs: -L%s/lib -lnumber\\n' \
             \"$out\" > \"$out/lib/pkgconfig/number.pc\"\n'''\n"
        ),
    );
    let override_recipe = env.write(
        "number-sys.toml",
        "schema = 1\n[crate]\nname = \"number-sys\"\nversions = \"0.1\"\nnative = [\"number\"]\n\
         environment = { FLAVOUR = \"sweet\" }\n",
    );
    let paths = [&library, &override_recipe].map(|path| path.to_str().unwrap());
    env.orlop(["install", paths[0], paths[1], "number-app"])
        .success();
    assert_eq!(env.program("number-app").success().stdout, "42 sweet\n");
}

#[test]
fn mistakes_in_a_recipe_are_shown_where_they_are() {
    let env = Env::new();
    let recipe = env.write("x.toml", "schema = 1\n[app]\nname = \"x\"\nfeatuers = []\n");
    env.orlop(["install", recipe.to_str().unwrap()])
        .fails(2)
        .says("x.toml:4")
        .says("featuers")
        .says("features");
    env.run("install ./missing.toml")
        .fails(1)
        .says("missing.toml");
}
