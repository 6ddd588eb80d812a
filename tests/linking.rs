//! Borders between programs and shared libraries: they stay, they grow, and every trap on the way.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::support::{Env, Package};

/// A library of which each app uses another part: `part_0()` … `part_9()`, and `all()`.
fn publish_parts(env: &Env) {
    let parts: Vec<_> = (0..10)
        .map(|part| {
            format!(
                "#[inline(never)] pub fn part_{part}(text: &str) -> String \
                 {{ format!(\"{{text}} {part} {{:?}}\", text.split('{part}').collect::<Vec<_>>()) }}\n"
            )
        })
        .collect();
    env.registry
        .publish(Package::new("parts", "1.0.0").lib(&parts.concat()));
}

fn publish_user(env: &Env, name: &str, part: u32) {
    env.registry.publish(
        Package::new(name, "1.0.0")
            .needs("parts", "1")
            .main(&format!(
                "fn main() {{ println!(\"{{}}\", parts::part_{part}(\"{name}\")); }}"
            )),
    );
}

/// A program of the current generation, by its real path, its inode and its bytes.
fn program(env: &Env, name: &str) -> (PathBuf, u64, Vec<u8>) {
    let path = env.home().join("profiles/default/current/bin").join(name);
    let path = std::fs::canonicalize(path).unwrap();
    let inode = std::fs::metadata(&path).unwrap().ino();
    let bytes = std::fs::read(&path).unwrap();
    // The view around it may change; what was linked may not.
    let file = path.file_name().unwrap().to_owned();
    (PathBuf::from(file), inode, bytes)
}

/// The libraries in an app's view, by name, with the files they really are.
fn libraries(env: &Env, generation: &str, app: &str) -> Vec<(String, PathBuf)> {
    let view = env.home().join("profiles/default").join(generation);
    let folder = view.join("views").join(app).join("lib");
    let mut libraries: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::canonicalize(entry.path()).unwrap())
        })
        .filter(|(name, _)| !name.starts_with("libgcc_s"))
        .collect();
    libraries.sort();
    libraries
}

fn names(libraries: &[(String, PathBuf)]) -> BTreeSet<&str> {
    libraries.iter().map(|(name, _)| name.as_str()).collect()
}

/// The names a library exports, as its own symbol table has them.
fn contains(file: &Path, text: &str) -> bool {
    let bytes = std::fs::read(file).unwrap();
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[test]
fn a_third_app_leaves_the_binaries_of_the_first_two_as_they_are() {
    let env = Env::new();
    publish_parts(&env);
    for (name, part) in [("one", 1), ("two", 2), ("three", 3)] {
        publish_user(&env, name, part);
    }
    env.run("install one two").success();
    let before = [program(&env, "one"), program(&env, "two")];
    let old = libraries(&env, "current", "one");
    assert!(!old.iter().any(|(_, file)| contains(file, "part_3")));

    env.run("install three").success();
    assert_eq!([program(&env, "one"), program(&env, "two")], before);
    let new = libraries(&env, "current", "one");
    assert_eq!(names(&new), names(&old), "same libraries by name");
    assert_ne!(new, old, "but they have grown");
    assert_eq!(libraries(&env, "current", "three"), new);
    assert!(new.iter().any(|(_, file)| contains(file, "part_3")));
    assert_eq!(libraries(&env, "1", "one"), old, "history keeps its own");

    for (name, part) in [("one", 1), ("two", 2), ("three", 3)] {
        let says = env.program(name).success().stdout;
        assert!(says.starts_with(&format!("{name} {part} ")), "{says}");
    }
    let says = env.program_in("1", "one").success().stdout;
    assert!(says.starts_with("one 1 "), "{says}");
    let proofs = env.run("prove --json").success().json();
    assert_eq!(proofs.as_array().unwrap().len(), 3);
}

#[test]
fn removing_an_app_links_nothing_and_installing_it_again_neither() {
    let env = Env::new();
    publish_parts(&env);
    for (name, part) in [("one", 1), ("two", 2), ("three", 3)] {
        publish_user(&env, name, part);
    }
    env.run("install one two three").success();
    let before = [program(&env, "one"), program(&env, "two")];
    let three = program(&env, "three");
    let linked = env.objects("-linked");
    env.run("remove three").success();
    assert_eq!([program(&env, "one"), program(&env, "two")], before);
    env.run("install three").success();
    assert_eq!([program(&env, "one"), program(&env, "two")], before);
    assert_eq!(program(&env, "three").2, three.2);
    assert_eq!(env.objects("-linked"), linked);
}

#[test]
fn optimise_draws_the_borders_anew() {
    let env = Env::new();
    publish_parts(&env);
    for (name, part) in [("one", 1), ("two", 2), ("three", 3)] {
        publish_user(&env, name, part);
    }
    env.run("install one two three").success();
    env.run("remove three").success();
    let libraries_before = libraries(&env, "current", "one");
    assert!(
        libraries_before
            .iter()
            .any(|(_, file)| contains(file, "part_3"))
    );
    let report = env.run("optimise --json").success().json();
    assert_eq!(report["generation"], 3);
    let bytes = |when: &str| report[when]["bytes"].as_u64().unwrap();
    assert!(bytes("after") < bytes("before"), "{report}");
    let after = libraries(&env, "current", "one");
    assert!(!after.iter().any(|(_, file)| contains(file, "part_3")));
    assert!(env.program("one").success().stdout.starts_with("one 1 "));
    let again = env.run("optimise --json").success().json();
    assert_eq!(again["generation"], serde_json::Value::Null);
}

/// What is smaller than the names by which others find it is better off twice.
#[test]
fn borders_that_would_take_no_less_stay() {
    let env = Env::new();
    publish_parts(&env);
    let tiny = "#[inline(never)] pub fn tiny() -> u32 { 7 }";
    env.registry
        .publish(Package::new("tiny", "1.0.0").lib(tiny));
    publish_user(&env, "one", 1);
    for name in ["two", "three"] {
        let main = "fn main() { println!(\"{} {}\", parts::part_3(\"x\"), tiny::tiny()); }";
        let package = Package::new(name, "1.0.0").needs("parts", "1");
        env.registry.publish(package.needs("tiny", "1").main(main));
    }
    env.run("install one two").success();
    env.run("install three").success();
    let before = env.run("history --json").success().json();
    let report = env.run("optimise").success();
    drop(report.says("The borders stay: drawn anew, programs and libraries would take no less"));
    let report = env.run("optimise --json").success().json();
    assert_eq!(report["generation"], serde_json::Value::Null);
    assert_eq!(report["before"], report["after"]);
    assert_eq!(env.run("history --json").success().json(), before);
}

#[test]
fn a_second_app_moves_the_borders_because_it_pays() {
    let env = Env::new();
    publish_parts(&env);
    publish_user(&env, "one", 1);
    publish_user(&env, "two", 2);
    env.run("install one").success();
    assert!(libraries(&env, "current", "one").is_empty());
    env.run("install two").success();
    let one = libraries(&env, "current", "one");
    assert!(!one.is_empty());
    assert_eq!(one, libraries(&env, "current", "two"));
    assert!(libraries(&env, "1", "one").is_empty());
    assert!(env.program("one").success().stdout.starts_with("one 1 "));
}

/// What binds where, by the real files: the one that refers, the symbol, the one that is found.
type Bindings = BTreeSet<(PathBuf, String, PathBuf)>;

/// Asks glibc itself.
fn reported(env: &Env, program: &str) -> Bindings {
    let path = env
        .home()
        .join("profiles/default/current/bin")
        .join(program);
    let log = env.path(&format!("{program}-log"));
    std::fs::create_dir(&log).unwrap();
    let output = std::process::Command::new(std::fs::canonicalize(path).unwrap())
        .env_clear()
        .env("LD_DEBUG", "bindings")
        .env("LD_BIND_NOW", "1")
        .env("LD_DEBUG_OUTPUT", log.join("log"))
        .output()
        .unwrap();
    assert!(output.status.success());
    let mut bindings = Bindings::new();
    for file in std::fs::read_dir(log).unwrap() {
        let text = std::fs::read(file.unwrap().path()).unwrap();
        for line in String::from_utf8_lossy(&text).lines() {
            let Some((_, line)) = line.split_once("binding file ") else {
                continue;
            };
            let (from, line) = line.split_once(" [0] to ").unwrap();
            let (to, line) = line.split_once(" [0]: ").unwrap();
            let symbol = line.split_once('`').unwrap().1.split_once('\'').unwrap().0;
            // The kernel's own image has no file.
            if let (Ok(from), Ok(to)) = (std::fs::canonicalize(from), std::fs::canonicalize(to)) {
                bindings.insert((from, symbol.to_owned(), to));
            }
        }
    }
    bindings
}

/// Asks the proof, of all objects but glibc's own.
fn simulated(env: &Env, app: &str) -> Bindings {
    let proved = env.run(&format!("prove {app} --json --bindings"));
    let proved = proved.success().json();
    let bindings = proved[0]["bindings"].as_array().unwrap().iter();
    let bound = bindings.filter_map(|binding| {
        let text = |key: &str| Some(binding[key].as_str()?.to_owned());
        let real = |key: &str| Some(std::fs::canonicalize(text(key)?).unwrap());
        Some((real("object")?, text("symbol")?, real("provider")?))
    });
    bound.collect()
}

#[test]
fn the_loader_binds_installed_programs_as_the_proof_says() {
    let env = Env::new();
    publish_parts(&env);
    for (name, part) in [("one", 1), ("two", 2), ("three", 3)] {
        publish_user(&env, name, part);
    }
    env.run("install one two").success();
    env.run("install three").success();
    for app in ["one", "three"] {
        let (reported, simulated) = (reported(&env, app), simulated(&env, app));
        let home = std::fs::canonicalize(env.home()).unwrap();
        let ours = |bindings: &Bindings| -> Bindings {
            let ours = bindings.iter().filter(|(from, ..)| from.starts_with(&home));
            ours.cloned().collect()
        };
        let (reported, simulated) = (ours(&reported), ours(&simulated));
        assert!(reported.len() > 100, "{reported:?}");
        // The loader looks up glibc's allocator for itself, in the program's name.
        let for_itself = |(from, symbol, _): &(PathBuf, String, PathBuf)| {
            let names = ["malloc", "calloc", "realloc", "free"];
            from.ends_with(format!("bin/{app}")) && names.contains(&symbol.as_str())
        };
        let missing = reported.difference(&simulated);
        let missing: Vec<_> = missing.filter(|one| !for_itself(one)).collect();
        assert!(missing.is_empty(), "`{app}` binds otherwise: {missing:#?}");
    }
}

/// A build script that makes a library `lib<name>.so` out of `code.c`, without a version node.
fn plain_library(name: &str) -> String {
    format!(
        "fn main() {{\n    let out = std::env::var(\"OUT_DIR\").unwrap();\n    \
         let status = std::process::Command::new(\"cc\")\
         .args([\"-shared\", \"-O1\", \"-fPIC\", \"-Wl,-soname,lib{name}.so\", \"code.c\", \"-o\"])\
         .arg(format!(\"{{out}}/lib{name}.so\")).status().unwrap();\n    \
         assert!(status.success());\n    \
         println!(\"cargo:rustc-link-search=native={{out}}\");\n    \
         println!(\"cargo:rustc-link-lib=dylib={name}\");\n}}"
    )
}

#[test]
fn a_view_in_which_two_libraries_clash_is_refused_and_nothing_changes() {
    let env = Env::new();
    env.registry
        .publish(Package::new("calm", "1.0.0").main("fn main() { println!(\"calm\"); }"));
    for (name, number) in [("north", 11), ("south", 22)] {
        let code = format!(
            "int answer(void) {{ return {number}; }}\nint {name}(void) {{ return answer(); }}\n"
        );
        env.registry.publish(
            Package::new(name, "1.0.0")
                .file("code.c", &code)
                .file("build.rs", &plain_library(name))
                .lib(&format!(
                    "unsafe extern \"C\" {{ fn {name}() -> i32; }}\n\
                     #[inline(never)] pub fn get() -> i32 {{ unsafe {{ {name}() }} }}"
                )),
        );
    }
    env.registry.publish(
        Package::new("torn", "1.0.0")
            .needs("north", "1")
            .needs("south", "1")
            .main("fn main() { println!(\"{} {}\", north::get(), south::get()); }"),
    );
    env.run("install calm").success();
    env.run("install torn")
        .fails(3)
        .says("`answer`")
        .says("libnorth.so")
        .says("libsouth.so")
        .says("torn -> libsouth.so");
    assert_eq!(env.programs("current"), ["calm"]);
    assert_eq!(
        env.run("history --json")
            .success()
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(env.program("calm").success().stdout, "calm\n");
}
