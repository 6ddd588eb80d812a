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
