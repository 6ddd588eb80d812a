//! Crates that are libraries for C: what other crates and C programs get of them, and that each
//! has names of its own as libraries of native builds have.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{Env, Package};

/// Publishes a library for C with one function, which asks another crate for its answer, and a
/// header that its build script makes beside the one it carries.
fn publish_tiny(env: &Env, version: &str, answer: i32) {
    let answers = Package::new("answers", version).lib(&format!(
        "#[inline(never)] pub fn answer() -> i32 {{ {answer} }}"
    ));
    env.registry.publish(answers);
    // One that the lock file does not name.
    let newer = Package::new("answers", &version.replace(".0.0", ".9.0"))
        .lib("#[inline(never)] pub fn answer() -> i32 { -1 }");
    env.registry.publish(newer);
    let tiny = Package::new("tiny-capi", version)
        .package("description = \"Costs $1\"")
        .tables("[lib]\nname = \"tiny\"\ncrate-type = [\"cdylib\"]")
        .feature("default", &["negative"])
        .feature("negative", &[])
        .feature("capi", &[])
        .needs("answers", &version[..1])
        .locks("answers", version)
        .file(
            "include/tiny.h",
            "#include <tiny/made.h>\nint32_t tiny_answer(void);\n",
        )
        .file(
            "build.rs",
            "fn main() {\n    let folder = std::path::PathBuf::from(std::env::var(\"OUT_DIR\")\
             .unwrap()).join(\"gen\");\n    std::fs::create_dir(&folder).unwrap();\n    \
             std::fs::write(folder.join(\"made.h\"), \"#include <stdint.h>\\n\").unwrap();\n    \
             println!(\"cargo:rustc-cdylib-link-arg=-Wl,-soname,libtiny.so.1\");\n}",
        )
        .lib(
            "#[cfg(all(feature = \"capi\", not(feature = \"negative\")))]\n\
             #[unsafe(no_mangle)] pub extern \"C\" fn tiny_answer() -> i32 {\n    \
             std::panic::catch_unwind(|| answers::answer()).unwrap_or(-2)\n}",
        );
    env.registry.publish(tiny);
}

/// The recipes for one version: `tiny1` is 1.0.0.
fn recipes(env: &Env, major: u32) -> [PathBuf; 2] {
    let library = format!(
        "schema = 1\n[cdylib]\nname = \"tiny{major}\"\ncrate = \"tiny-capi\"\n\
         version = \"{major}.0.0\"\nfeatures = [\"capi\"]\ndefault-features = false\n\
         headers = {{ \"tiny.h\" = \"include/tiny.h\", \"tiny/made.h\" = \"gen/made.h\" }}\n\
         pkg-config = \"tiny\"\n"
    );
    let user =
        format!("schema = 1\n[crate]\nname = \"tiny{major}-sys\"\nnative = [\"tiny{major}\"]\n");
    [
        env.write(&format!("tiny{major}.toml"), &library),
        env.write(&format!("tiny{major}-sys.toml"), &user),
    ]
}

/// Publishes the crate that other crates use the library through: it asks pkg-config.
fn publish_sys(env: &Env, major: u32) {
    let script = "fn main() {
        let ask = |what: &str| {
            let words = [what, \"tiny\"];
            let out = std::process::Command::new(\"pkg-config\").args(words).output().unwrap();
            assert!(out.status.success(), \"{}\", String::from_utf8_lossy(&out.stderr));
            String::from_utf8(out.stdout).unwrap()
        };
        assert_eq!(ask(\"--modversion\").trim(), env!(\"CARGO_PKG_VERSION\"));
        for word in ask(\"--libs\").split_whitespace() {
            match word.split_at(2) {
                (\"-L\", folder) => println!(\"cargo:rustc-link-search=native={folder}\"),
                (\"-l\", name) => println!(\"cargo:rustc-link-lib={name}\"),
                other => panic!(\"{other:?}\"),
            }
        }
        let include = ask(\"--cflags-only-I\");
        let header = std::path::Path::new(include.trim().strip_prefix(\"-I\").unwrap()).join(\"tiny.h\");
        assert!(std::fs::read_to_string(header).unwrap().contains(\"tiny_answer\"));
    }";
    env.registry.publish(
        Package::new(&format!("tiny{major}-sys"), &format!("{major}.0.0"))
            .file("build.rs", script)
            .lib(
                "unsafe extern \"C\" { fn tiny_answer() -> i32; }\n\
             #[inline(never)] pub fn get() -> i32 { unsafe { tiny_answer() } }",
            ),
    );
}

fn publish_app(env: &Env, name: &str, users: &[u32]) {
    let mut package = Package::new(name, "1.0.0");
    let mut text = "fn main() {".to_owned();
    for major in users {
        package = package.needs(&format!("tiny{major}-sys"), &major.to_string());
        write!(text, " print!(\"{{}} \", tiny{major}_sys::get());").unwrap();
    }
    env.registry.publish(package.main(&(text + " }")));
}

#[test]
fn two_versions_serve_two_apps_and_one_that_uses_both() {
    let env = Env::new();
    let mut files = Vec::new();
    for (major, answer) in [(1, 11), (2, 22)] {
        let version = format!("{major}.0.0");
        publish_tiny(&env, &version, answer);
        publish_sys(&env, major);
        files.extend(recipes(&env, major));
    }
    publish_app(&env, "left", &[1]);
    publish_app(&env, "right", &[2]);
    publish_app(&env, "both", &[1, 2]);
    for linkage in ["static", "shared"] {
        let words = ["install", "--linkage", linkage].into_iter();
        let files = files.iter().map(|file| file.to_str().unwrap());
        env.orlop(words.chain(files).chain(["left", "right", "both"]))
            .success();
        for (app, says) in [("left", "11"), ("right", "22"), ("both", "11 22")] {
            assert_eq!(env.program(app).success().stdout.trim(), says, "{linkage}");
        }
        let proofs = env.run("prove --json").success().json();
        let loaded = |app: usize| -> Vec<String> {
            let objects = proofs[app]["proof"]["objects"].as_array().unwrap();
            let names = objects
                .iter()
                .map(|object| object["name"].as_str().unwrap());
            let names = names.filter(|name| name.starts_with("libtiny"));
            let mut names: Vec<_> = names.map(str::to_owned).collect();
            names.sort();
            names
        };
        // In the order of their names: `both`, `left`, `right`.
        let mut all = [loaded(1), loaded(2)].concat();
        all.sort();
        assert!(all.iter().all(|name| name.ends_with(".so.1")), "{all:?}");
        assert_eq!(loaded(0), all);
        assert_ne!(all[0], all[1]);
    }
}

#[test]
fn features_are_asked_for_by_those_who_need_them() {
    let env = Env::new();
    publish_tiny(&env, "1.0.0", 11);
    publish_sys(&env, 1);
    publish_app(&env, "app", &[1]);
    let [library, user] = recipes(&env, 1);
    let text = std::fs::read_to_string(&library).unwrap();
    let plain = text.replace("features = [\"capi\"]\ndefault-features = false\n", "");
    std::fs::write(&library, plain).unwrap();
    let install = || {
        let files = [&library, &user].map(|file| file.to_str().unwrap());
        env.orlop(["install"].into_iter().chain(files).chain(["app"]))
    };
    install().fails(5).says("tiny_answer");
    let needs = "{ version = \"1\", features = [\"capi\"], default-features = false }";
    let text = std::fs::read_to_string(&user).unwrap();
    let asking = text.replace("[\"tiny1\"]", &format!("{{ tiny1 = {needs} }}"));
    std::fs::write(&user, asking).unwrap();
    install().success();
    assert_eq!(env.program("app").success().stdout.trim(), "11");
}

/// What a C program is compiled with, outside of any build.
#[test]
fn a_c_program_finds_it_through_pkg_config() {
    let env = Env::new();
    publish_tiny(&env, "1.0.0", 11);
    publish_sys(&env, 1);
    publish_app(&env, "left", &[1]);
    let files = recipes(&env, 1).map(|file| file.to_str().unwrap().to_owned());
    let words = ["install".to_owned()].into_iter().chain(files);
    env.orlop(words.chain(["left".to_owned()])).success();
    let object = env.objects("-tiny1-1.0.0").remove(0);
    let object = env.home().join("store").join(object);
    let ask = |what: &str| {
        let mut pkg_config = Command::new("pkg-config");
        pkg_config.env("PKG_CONFIG_PATH", object.join("lib/pkgconfig"));
        let output = pkg_config.args([what, "tiny"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(ask("--modversion"), "1.0.0");
    env.write(
        "main.c",
        "#include <stdio.h>\n#include <tiny.h>\n\
         int main(void) { printf(\"%d\\n\", tiny_answer()); return 0; }\n",
    );
    let words = format!("{} main.c {} -o main", ask("--cflags"), ask("--libs"));
    let status = Command::new("cc")
        .args(words.split_whitespace())
        .current_dir(env.path(""))
        .status();
    assert!(status.unwrap().success(), "cc {words}");
    let output = Command::new(env.path("main"))
        .env("LD_LIBRARY_PATH", object.join("lib"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "11\n");
    // Nothing of Rust is seen from outside, and what is has a node of its own.
    let file = camino::Utf8PathBuf::try_from(object.join("lib/libtiny.so")).unwrap();
    let library = orlop_loader::elf::Object::read(&file).unwrap();
    let nodes: Vec<_> = library
        .definitions()
        .filter(|symbol| !symbol.name.contains("ORLOP_"))
        .map(|symbol| {
            (
                symbol.name.as_str(),
                symbol.version.as_ref().unwrap().name.as_str(),
            )
        })
        .collect();
    let [("tiny_answer", node)] = nodes[..] else {
        panic!("{nodes:?}")
    };
    assert!(node.contains("ORLOP_"), "{node}");
}

#[test]
fn it_is_the_same_again_and_of_the_same_kind_without_a_sandbox() {
    let env = Env::new();
    publish_tiny(&env, "1.0.0", 11);
    publish_sys(&env, 1);
    publish_app(&env, "left", &[1]);
    let install = |words: &[&str]| {
        let files = recipes(&env, 1).map(|file| file.to_str().unwrap().to_owned());
        let words = words.iter().map(ToString::to_string);
        env.orlop(words.chain(files).chain(["left".to_owned()]))
            .success();
        assert_eq!(env.program("left").success().stdout.trim(), "11");
    };
    install(&["install"]);
    let checked = env.run("build left --check --json").success().json();
    assert_eq!(checked["identical"], 8, "{checked}");
    install(&["install", "--sandbox", "none"]);
    assert_eq!(env.objects("-tiny1-1.0.0").len(), 2);
}

#[test]
fn what_cannot_be_one_is_said() {
    let env = Env::new();
    publish_sys(&env, 1);
    publish_app(&env, "left", &[1]);
    let install = |env: &Env| {
        let files = recipes(env, 1).map(|file| file.to_str().unwrap().to_owned());
        let words = ["install".to_owned()].into_iter().chain(files);
        env.orlop(words.chain(["left".to_owned()]))
    };
    let features = |package: Package| package.feature("capi", &[]);
    let other = Package::new("other", "1.0.0").lib("");
    env.registry.publish(other);
    let package = features(
        Package::new("tiny-capi", "1.0.0")
            .lib("")
            .needs("other", "1"),
    );
    env.registry.publish(package);
    install(&env)
        .fails(4)
        .says("the library for C `tiny1` cannot be resolved")
        .says("`tiny-capi 1.0.0` is published without a `Cargo.lock`")
        .says("hint: let the recipe name a version of `tiny-capi` that is published with a");
    let env = Env::new();
    publish_sys(&env, 1);
    publish_app(&env, "left", &[1]);
    env.registry.publish(features(
        Package::new("tiny-capi", "1.0.0").main("fn main() {}"),
    ));
    install(&env)
        .fails(4)
        .says("`tiny-capi` has no library that could be one for C");
    let env = Env::new();
    publish_sys(&env, 1);
    publish_app(&env, "left", &[1]);
    let package = Package::new("tiny-capi", "1.0.0").lib("");
    env.registry.publish(features(
        package.tables("[lib]\nname = \"tiny\"\ncrate-type = [\"cdylib\"]"),
    ));
    install(&env)
        .fails(5)
        .says("the recipe names the header `include/tiny.h`, which neither the package nor its");
}

/// The regular expressions of Rust, as they are published for C.
#[test]
#[ignore = "needs the network and a minute of compilation"]
fn network_a_published_library_for_c_serves_an_app_and_a_c_program() {
    let env = Env::new();
    env.write(
        "rure.toml",
        "schema = 1\n[cdylib]\nname = \"rure\"\nversion = \"0.2.5\"\n\
         headers = { \"rure.h\" = \"include/rure.h\" }\n",
    );
    env.write(
        "kit-build.toml",
        "schema = 1\n[crate]\nname = \"kit\"\nnative = [\"rure\"]\n",
    );
    env.write(
        "kit.toml",
        "schema = 1\n[app]\nname = \"kit\"\nsource = { path = \"kit\" }\n",
    );
    std::fs::create_dir_all(env.path("kit/src")).unwrap();
    env.write(
        "kit/Cargo.toml",
        "[package]\nname = \"kit\"\nversion = \"1.0.0\"\nedition = \"2024\"\n\
         [build-dependencies]\npkg-config = \"0.3\"\n",
    );
    env.write(
        "kit/build.rs",
        "fn main() { pkg_config::Config::new().exactly_version(\"0.2.5\").probe(\"rure\").unwrap(); }",
    );
    env.write(
        "kit/src/main.rs",
        "use std::ffi::c_void;
        unsafe extern \"C\" {
            fn rure_compile_must(pattern: *const u8) -> *mut c_void;
            fn rure_is_match(re: *mut c_void, text: *const u8, length: usize, start: usize) -> bool;
        }
        fn main() {
            let matches = |text: &str| unsafe {
                let re = rure_compile_must(c\"^[a-z]+$\".as_ptr().cast());
                rure_is_match(re, text.as_ptr(), text.len(), 0)
            };
            println!(\"{} {}\", matches(\"abc\"), matches(\"a1\"));
        }",
    );
    crate::network::online(&env, "install ./rure.toml ./kit-build.toml ./kit.toml").success();
    assert_eq!(env.program("kit").success().stdout, "true false\n");
    env.run("prove").success().prints("PROVED");
    let object = env.objects("-rure-0.2.5").remove(0);
    let object = env.home().join("store").join(object);
    env.write(
        "main.c",
        "#include <rure.h>\n#include <stdio.h>\nint main(void) {\n\
         rure *re = rure_compile_must(\"^[a-z]+$\");\n\
         printf(\"%d\\n\", rure_is_match(re, (const uint8_t *)\"abc\", 3, 0)); return 0; }\n",
    );
    let output = Command::new("sh")
        .args([
            "-euc",
            "cc main.c $(pkg-config --cflags --libs rure) -o main && ./main",
        ])
        .env("PKG_CONFIG_PATH", object.join("lib/pkgconfig"))
        .env("LD_LIBRARY_PATH", object.join("lib"))
        .current_dir(env.path(""))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n");
}
