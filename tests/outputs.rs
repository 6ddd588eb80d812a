//! The parts of native libraries: what programs load, what others are built against, documentation
//! and man pages.

use std::path::{Path, PathBuf};

use crate::natives::{Recipes, number};
use crate::support::Env;

const SCRIPT: &str = "script = '''\n\
    mkdir -p \"$out/lib/pkgconfig\" \"$out/include\" \"$out/share/doc/number\" \"$out/share/man/man3\"\n\
    cc -shared -fPIC number.c -o \"$out/lib/libnumber.so\"\n\
    cc -c number.c && ar rcs \"$out/lib/libnumber.a\" number.o\n\
    echo 'int number(void);' > \"$out/include/number.h\"\n\
    echo text > \"$out/share/doc/number/a.txt\"\necho html > \"$out/share/doc/number/a.html\"\n\
    echo man > \"$out/share/man/man3/number.3\"\n\
    printf 'Name: number\\nDescription: number\\nVersion: 1\\nLibs: -L%s/lib\\n' \"$out\" \
    > \"$out/lib/pkgconfig/number.pc\"\n'''\n";

/// Writes the recipe of a library with all parts, with more lines.
fn library(recipes: &mut Recipes<'_>, more: &str) {
    let how = format!("{SCRIPT}{more}");
    recipes.release("number", "1.0.0", &[("number.c", &number(4))], &how);
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap();
                found.push(name.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Builds a part and returns its folder.
fn part(env: &Env, output: &str) -> PathBuf {
    let run = env
        .run(&format!("build ./number.toml --output {output}"))
        .success();
    PathBuf::from(run.stdout.trim())
}

#[test]
fn an_app_keeps_what_it_loads_and_nothing_else() {
    let env = Env::new();
    let mut recipes = Recipes::new(&env);
    library(&mut recipes, "");
    recipes.user("number", "number", "number");
    recipes.app("app", &["number-sys"]);
    recipes.check(&[("app", "4")]);
    let info = env.run("info app --json").success().json();
    let closure = info["closure"].as_object().unwrap().keys();
    let store = env.home().join("store");
    let held: Vec<_> = closure
        .flat_map(|object| files(&store.join(object)))
        .collect();
    assert!(
        held.iter().any(|file| file.contains("libnumber")),
        "{held:?}"
    );
    for file in &held {
        let shared = file.starts_with("bin/") || file.contains(".so");
        assert!(shared, "{file} is not for running");
    }
    env.run("export app --format tar --out app.tar").success();
    let list = std::process::Command::new("tar")
        .args(["-tf", "app.tar"])
        .current_dir(env.path(""))
        .output()
        .unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.contains("libnumber"), "{list}");
    assert!(
        !list.contains("number.h") && !list.contains(".pc"),
        "{list}"
    );
}

#[test]
fn documentation_and_man_pages_are_objects_of_their_own() {
    let env = Env::new();
    let mut recipes = Recipes::new(&env);
    library(&mut recipes, "");
    let dev = part(&env, "dev");
    let held = files(&dev);
    assert!(held.contains(&"include/number.h".to_owned()), "{held:?}");
    assert!(!dev.join("share").exists(), "{held:?}");
    let doc = part(&env, "doc");
    assert_eq!(
        files(&doc),
        ["share/doc/number/a.html", "share/doc/number/a.txt"]
    );
    let man = part(&env, "man");
    assert_eq!(files(&man), ["share/man/man3/number.3"]);
    assert!(man.to_str().unwrap().ends_with("-number-1.0.0-man"));
    assert!(
        !env.run("build ./number.toml --output man --check")
            .success()
            .stdout
            .contains("differ")
    );
    env.run("gc").success();
    assert!(!doc.exists() && !man.exists());
    assert_eq!(part(&env, "doc"), doc, "it can be made again");
    env.run("build app --output doc")
        .fails(2)
        .says("`--output` is for the recipe of a native library");
}

#[test]
fn a_recipe_says_which_files_they_are() {
    let env = Env::new();
    let mut recipes = Recipes::new(&env);
    library(
        &mut recipes,
        "outputs = { doc = [\"**/*.html\"], man = [] }\n",
    );
    assert_eq!(files(&part(&env, "doc")), ["share/doc/number/a.html"]);
    let dev = files(&part(&env, "dev"));
    for file in ["share/doc/number/a.txt", "share/man/man3/number.3"] {
        assert!(dev.contains(&file.to_owned()), "{dev:?}");
    }
    env.run("build ./number.toml --output man")
        .fails(5)
        .says("it made no man pages")
        .says("hint: go on where it failed: `orlop shell ./number.toml --output man`");
    env.run("shell ./number.toml --output man -- true")
        .success()
        .says("`number-1.0.0-man` failed: it made no man pages")
        .says("number-1.0.0-man is built here");
    env.run("env ./number.toml --output doc")
        .success()
        .prints("# number-1.0.0-doc\n");
    library(&mut recipes, "outputs.doc = [\"a[\"]\n");
    env.run("build ./number.toml")
        .fails(2)
        .says("`a[` is not a pattern of files");
}
