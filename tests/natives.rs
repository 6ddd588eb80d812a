//! C libraries that recipes build: several versions and builds of one at once, each with names of
//! its own. The same sources without such names print what is wrong, and are refused.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{Env, Package, Run, checksum};
use crate::traps::archive;

/// The recipes that a test writes.
pub(crate) struct Recipes<'a> {
    env: &'a Env,
    files: Vec<PathBuf>,
}

impl<'a> Recipes<'a> {
    pub(crate) fn new(env: &'a Env) -> Self {
        Self {
            env,
            files: Vec::new(),
        }
    }

    /// Writes the recipe of a library out of these files. Its script ends with a description for
    /// pkg-config.
    pub(crate) fn library(
        &mut self,
        name: &str,
        files: &[(&str, &str)],
        script: &str,
        native: &[&str],
    ) {
        let how = format!(
            "script = '''\nmkdir -p \"$out/lib/pkgconfig\"\n{script}\n\
             printf 'Name: {name}\\nDescription: {name}\\nVersion: 1\\nLibs: -L%s/lib\\n' \
             \"$out\" > \"$out/lib/pkgconfig/{name}.pc\"\n'''\n"
        );
        self.library_built(name, files, &how, native);
    }

    /// Writes the recipe of a library out of these files. `how` are the lines of it that say how it
    /// is built.
    pub(crate) fn library_built(
        &mut self,
        name: &str,
        files: &[(&str, &str)],
        how: &str,
        native: &[&str],
    ) {
        let how = format!("native = {native:?}\n{how}");
        self.release(name, "1.0.0", files, &how);
    }

    /// Writes the recipe of one version of a library out of these files.
    pub(crate) fn release(&mut self, name: &str, version: &str, files: &[(&str, &str)], how: &str) {
        let carrier = format!("{name}-source");
        let package = files
            .iter()
            .fold(Package::new(&carrier, version).lib(""), |package, file| {
                package.file(&format!("c/{}", file.0), file.1)
            });
        self.env.registry.publish(package);
        let archive = std::fs::read(self.env.registry.archive_path(&carrier, version)).unwrap();
        let checksum = checksum(&archive);
        let file = match version {
            "1.0.0" => name.to_owned(),
            _ => format!("{name}-{version}"),
        };
        self.add(
            &file,
            &format!(
                "[library]\nname = \"{name}\"\nversion = \"{version}\"\n\
                 source = {{ crate = \"{carrier}\", version = \"{version}\", \
                 checksum = \"{checksum}\", folder = \"c\" }}\n{how}"
            ),
        );
    }

    /// Writes a recipe without its first line.
    pub(crate) fn add(&mut self, name: &str, text: &str) {
        let text = format!("schema = 1\n{text}");
        let path = self.env.write(&format!("{name}.toml"), &text);
        self.files.push(path);
    }

    /// Publishes a crate for a library, which is linked as `lib<link>.so`, with one function.
    pub(crate) fn user(&mut self, library: &str, link: &str, function: &str) {
        let name = format!("{library}-sys");
        let recipe = format!("[crate]\nname = \"{name}\"\nnative = [\"{library}\"]\n");
        self.add(&name, &recipe);
        self.publish_user(&name, library, link, function);
    }

    /// Publishes such a crate without a recipe.
    pub(crate) fn publish_user(&self, name: &str, library: &str, link: &str, function: &str) {
        let script = format!(
            "fn main() {{\n    let out = std::process::Command::new(\"pkg-config\")\
             .args([\"--libs-only-L\", \"{library}\"]).output().unwrap();\n    \
             let text = String::from_utf8(out.stdout).unwrap();\n    \
             println!(\"cargo:rustc-link-search=native={{}}\", \
             text.trim().trim_start_matches(\"-L\"));\n    \
             println!(\"cargo:rustc-link-lib=dylib={link}\");\n}}"
        );
        self.env
            .registry
            .publish(
                Package::new(name, "1.0.0")
                    .file("build.rs", &script)
                    .lib(&format!(
                        "unsafe extern \"C\" {{ fn {function}() -> i32; }}\n\
                     #[inline(never)] pub fn get() -> i32 {{ unsafe {{ {function}() }} }}"
                    )),
            );
    }

    /// Publishes an app that prints what these crates say.
    pub(crate) fn app(&self, name: &str, crates: &[&str]) {
        let mut package = Package::new(name, "1.0.0");
        let mut text = "fn main() {".to_owned();
        for name in crates {
            package = package.needs(name, "1");
            write!(
                text,
                " print!(\"{{}} \", {}::get());",
                name.replace('-', "_")
            )
            .unwrap();
        }
        self.env.registry.publish(package.main(&(text + " }")));
    }

    /// Installs apps in every linkage; each prints what it should and is proved.
    #[track_caller]
    pub(crate) fn check(&self, apps: &[(&str, &str)]) {
        for linkage in ["static", "shared", "crate"] {
            let recipes = self.files.iter().map(|path| path.to_str().unwrap());
            let names = apps.iter().map(|(name, _)| *name);
            let words = ["install", "--linkage", linkage].into_iter();
            self.env.orlop(words.chain(recipes).chain(names)).success();
            for (app, says) in apps {
                let run = self.env.program(app).success();
                assert_eq!(run.stdout.trim(), *says, "`{app}` linked {linkage}");
            }
            let proofs = self.env.run("prove --json").success().json();
            assert_eq!(proofs.as_array().unwrap().len(), apps.len());
        }
    }

    /// Installs an app, which fails.
    #[track_caller]
    fn refused(&self, app: &str) -> Run {
        self.install(app).fails(5)
    }

    /// Installs an app.
    pub(crate) fn install(&self, app: &str) -> Run {
        let recipes = self.files.iter().map(|path| path.to_str().unwrap());
        self.env
            .orlop(["install"].into_iter().chain(recipes).chain([app]))
    }

    /// Returns the file names of the libraries that an app loads and that begin like this.
    pub(crate) fn loaded(&self, app: &str, start: &str) -> Vec<String> {
        loaded(self.env, app, start)
    }
}

/// Returns the file names of the libraries that an app loads and that begin like this.
pub(crate) fn loaded(env: &Env, app: &str, start: &str) -> Vec<String> {
    let proofs = env.run(&format!("prove {app} --json")).success().json();
    let objects = proofs[0]["proof"]["objects"].as_array().unwrap();
    let paths = objects
        .iter()
        .map(|object| object["path"].as_str().unwrap());
    let mut names: Vec<_> = paths
        .map(|path| path.rsplit('/').next().unwrap().to_owned())
        .filter(|name| name.starts_with(start))
        .collect();
    names.sort();
    names
}

/// Links `library` out of `number.c` by the SONAME `libnumber.so.1`.
pub(crate) const NUMBER: &str = "cc -O2 -shared -fPIC -Wl,-soname,libnumber.so.1 number.c \
     -o \"$out/lib/libnumber.so.1\"\nln -s libnumber.so.1 \"$out/lib/libnumber.so\"";

pub(crate) fn number(answer: i32) -> String {
    format!("int number(void) {{ return {answer}; }}\n")
}

/// Two releases of a C library, each a shared library by the same name, with the same function.
pub(crate) fn two_numbers(env: &Env) -> Recipes<'_> {
    let mut recipes = Recipes::new(env);
    for (name, answer) in [("number1", 11), ("number2", 22)] {
        recipes.library(name, &[("number.c", &number(answer))], NUMBER, &[]);
        recipes.user(name, "number", "number");
    }
    recipes
}

#[test]
fn two_versions_serve_two_apps_and_two_crates_of_one_app() {
    let env = Env::new();
    let recipes = two_numbers(&env);
    recipes.app("left1", &["number1-sys"]);
    recipes.app("left2", &["number2-sys"]);
    recipes.app("both", &["number1-sys", "number2-sys"]);
    recipes.app("reverse", &["number2-sys", "number1-sys"]);
    recipes.check(&[
        ("left1", "11"),
        ("left2", "22"),
        ("both", "11 22"),
        ("reverse", "22 11"),
    ]);
    let (one, two) = (
        recipes.loaded("left1", "libnumber"),
        recipes.loaded("left2", "libnumber"),
    );
    assert_ne!(one, two, "each has a SONAME of its own");
    assert!(one[0].ends_with(".so.1"), "{one:?}");
    let mut all = [one, two].concat();
    all.sort();
    assert_eq!(recipes.loaded("both", "libnumber"), all);
}

/// The C tools have a zlib of their own, which is not meant.
#[test]
fn a_library_by_the_name_of_one_of_the_machine() {
    let env = Env::new();
    let mut recipes = Recipes::new(&env);
    for (name, answer) in [("zlib1", 11), ("zlib2", 22)] {
        let text = format!("int zlibVersion(void) {{ return {answer}; }}\n");
        let script = "cc -O2 -shared -fPIC -Wl,-soname,libz.so.1 z.c -o \"$out/lib/libz.so.1\"\n\
                      ln -s libz.so.1 \"$out/lib/libz.so\"";
        recipes.library(name, &[("z.c", &text)], script, &[]);
        recipes.user(name, "z", "zlibVersion");
    }
    // The assembler itself needs a `libz.so.1`, and not this one.
    let script = "cc -O2 -shared -fPIC user.c -lz -o \"$out/lib/libuser.so\"";
    let text = "int zlibVersion(void);\nint user(void) { return zlibVersion() * 2; }\n";
    recipes.library("user", &[("user.c", text)], script, &["zlib1"]);
    recipes.user("user", "user", "user");
    recipes.app("behind", &["user-sys"]);
    recipes.app("left", &["zlib1-sys"]);
    recipes.app("right", &["zlib2-sys"]);
    recipes.app("both", &["zlib1-sys", "zlib2-sys"]);
    recipes.check(&[
        ("left", "11"),
        ("right", "22"),
        ("both", "11 22"),
        ("behind", "22"),
    ]);
}

/// A library that asks another for its number.
fn asking(function: &str) -> String {
    format!("int number(void);\nint {function}(void) {{ return number() * 10; }}\n")
}

#[test]
fn two_versions_behind_libraries_in_one_process() {
    let env = Env::new();
    let mut recipes = two_numbers(&env);
    for (name, library) in [("ask1", "number1"), ("ask2", "number2")] {
        let script = format!(
            "cc -O2 -shared -fPIC ask.c -lnumber -o \"$out/lib/lib{name}.so\"\n\
             # What a build runs finds the libraries of its recipe.\n\
             printf 'int {name}(void); int main(void) {{ return {name}() == 0; }}' > main.c\n\
             cc main.c -L\"$out/lib\" -l{name} -o main\n\
             LD_LIBRARY_PATH=\"$out/lib:$LD_LIBRARY_PATH\" ./main"
        );
        recipes.library(name, &[("ask.c", &asking(name))], &script, &[library]);
        recipes.user(name, name, name);
    }
    recipes.app("asking", &["ask1-sys", "ask2-sys", "number1-sys"]);
    recipes.check(&[("asking", "110 220 11")]);
    assert_eq!(recipes.loaded("asking", "libnumber").len(), 2);
}

/// The same sources as above, linked by the system's own compiler.
#[test]
fn the_same_without_nodes_is_wrong_and_refused() {
    let env = Env::new();
    let folder = env.path("plain");
    std::fs::create_dir(&folder).unwrap();
    let cc = |words: &str| {
        let status = Command::new("cc")
            .args(words.split(' '))
            .current_dir(&folder)
            .status();
        assert!(status.unwrap().success(), "cc {words}");
    };
    for (index, answer) in [(1, 11), (2, 22)] {
        std::fs::write(folder.join("number.c"), number(answer)).unwrap();
        std::fs::write(folder.join("ask.c"), asking(&format!("ask{index}"))).unwrap();
        cc(&format!(
            "-O2 -shared -fPIC number.c -o libnumber{index}.so"
        ));
        cc(&format!(
            "-O2 -shared -fPIC ask.c -L. -lnumber{index} -o libask{index}.so"
        ));
    }
    std::fs::write(
        folder.join("main.c"),
        "#include <stdio.h>\nint ask1(void), ask2(void);\n\
         int main(void) { printf(\"%d %d\", ask1(), ask2()); return 0; }\n",
    )
    .unwrap();
    cc("main.c -L. -lask1 -lask2 -o main -Wl,--disable-new-dtags,-rpath,$ORIGIN,-rpath-link,.");
    let output = Command::new(folder.join("main")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "110 110");
    env.orlop(["prove".into(), folder.join("main")])
        .fails(3)
        .says("`number`")
        .says("libnumber1.so")
        .says("libnumber2.so");
}

/// A library with a version script, two versions of a function (`.symver`), and one it hides.
const VERSIONED: &str = r#"
__asm__(".symver old_number, number@NUMBER_1");
__asm__(".symver new_number, number@@NUMBER_2");
int secret(void) { return ANSWER; }
int old_number(void) { return secret() + 1; }
int new_number(void) { return secret(); }
int other(void) { return new_number(); }
"#;
const MAP: &str =
    "NUMBER_1 { global: number; local: *; };\nNUMBER_2 { global: other; } NUMBER_1;\n";

#[test]
fn version_scripts_keep_what_they_say() {
    let env = Env::new();
    let mut recipes = Recipes::new(&env);
    for (name, answer) in [("number1", 11), ("number2", 22)] {
        let script = format!(
            "cc -O2 -shared -fPIC -DANSWER={answer} number.c -Wl,--version-script=number.map \
             -Wl,-soname,libnumber.so.1 -o \"$out/lib/libnumber.so\""
        );
        let files = [("number.c", VERSIONED), ("number.map", MAP)];
        recipes.library(name, &files, &script, &[]);
        recipes.user(name, "number", "number");
    }
    recipes.app("both", &["number1-sys", "number2-sys"]);
    recipes.check(&[("both", "11 22")]);
    for library in env.objects("-number1-1.0.0") {
        let file = env
            .home()
            .join("store")
            .join(library)
            .join("lib/libnumber.so");
        let file = camino::Utf8PathBuf::try_from(file).unwrap();
        let object = orlop_loader::elf::Object::read(&file).unwrap();
        let mut exports: Vec<_> = object
            .definitions()
            // A linker may also define the nodes themselves.
            .filter(|symbol| !symbol.name.contains("_ORLOP_"))
            .map(|symbol| {
                let node = symbol
                    .version
                    .as_ref()
                    .unwrap()
                    .name
                    .split("_ORLOP_")
                    .next();
                let default = if symbol.hidden_version { "@" } else { "@@" };
                format!("{}{default}{}", symbol.name, node.unwrap())
            })
            .collect();
        exports.sort();
        assert_eq!(
            exports,
            ["number@@NUMBER_2", "number@NUMBER_1", "other@@NUMBER_2"]
        );
    }
}

#[test]
fn a_copy_of_ones_own_beside_a_shared_library() {
    let env = Env::new();
    let mut recipes = Recipes::new(&env);
    // A library whose functions call each other by names that others have, too.
    let source = "int inner(void) { return 11; }\nint number(void) { return inner(); }\n";
    recipes.library("number1", &[("number.c", source)], NUMBER, &[]);
    recipes.user("number1", "number", "number");
    env.registry.publish(
        Package::new("own-sys", "1.0.0")
            .file("own.c", &source.replace("11", "33"))
            .file("build.rs", &archive("cc", "own.c", "own", ""))
            .lib(
                "unsafe extern \"C\" { fn number() -> i32; }\n\
                 #[inline(never)] pub fn get() -> i32 { unsafe { number() } }",
            ),
    );
    recipes.app("mixed", &["own-sys", "number1-sys"]);
    recipes.app("mixed-too", &["number1-sys", "own-sys"]);
    recipes.check(&[("mixed", "33 11"), ("mixed-too", "11 33")]);
}

#[test]
fn names_are_the_same_kind_without_a_sandbox() {
    let env = Env::new();
    let recipes = two_numbers(&env);
    recipes.app("both", &["number1-sys", "number2-sys"]);
    let files = recipes.files.iter().map(|path| path.to_str().unwrap());
    let words = ["install", "--sandbox", "none", "both"].into_iter();
    env.orlop(words.chain(files)).success();
    assert_eq!(env.program("both").success().stdout.trim(), "11 22");
    assert_eq!(recipes.loaded("both", "libnumber-").len(), 2);
}

#[test]
fn who_is_meant_must_be_known() {
    let env = Env::new();
    let recipes = two_numbers(&env);
    env.registry.publish(
        Package::new("between", "1.0.0")
            .needs("number1-sys", "1")
            .needs("number2-sys", "1")
            .lib(
                "unsafe extern \"C\" { fn number() -> i32; }\n\
                 #[inline(never)] pub fn get() -> i32 \
                 { unsafe { number() + number1_sys::get() + number2_sys::get() } }",
            ),
    );
    recipes.app("unsure", &["between"]);
    recipes
        .refused("unsure")
        .says("`number`")
        .says("nothing says whose")
        .says("libnumber-");
}

#[test]
fn a_library_that_another_linker_linked_is_refused() {
    let env = Env::new();
    let mut recipes = Recipes::new(&env);
    let script = "cc -B/usr/bin -shared -fPIC number.c -o \"$out/lib/libnumber.so\"";
    recipes.library("number1", &[("number.c", &number(1))], script, &[]);
    recipes.user("number1", "number", "number");
    recipes.app("plain", &["number1-sys"]);
    recipes
        .refused("plain")
        .says("the shared library `lib/libnumber.so` has no SONAME")
        .says("`ld` that builds see");
}

/// As with a compiler that brings no linker along, as those of distributions.
fn without_own_linker(env: &Env) {
    for compiler in env.objects("-rustc-1.95.0") {
        let record = env
            .home()
            .join("store")
            .join(compiler)
            .join("compiler.json");
        let text = std::fs::read_to_string(&record).unwrap();
        let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
        json["bundled_linker"] = serde_json::Value::Null;
        let folder = record.parent().unwrap();
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).unwrap();
        // The file is one with that of other homes.
        std::fs::remove_file(&record).unwrap();
        std::fs::write(&record, json.to_string()).unwrap();
    }
}

#[test]
fn two_crates_of_one_app_without_the_compilers_own_linker() {
    let env = Env::new();
    let recipes = two_numbers(&env);
    recipes.app("both", &["number1-sys", "number2-sys"]);
    recipes.app("left", &["number1-sys"]);
    without_own_linker(&env);
    recipes
        .refused("both")
        .says("link `both`: `number` is defined more than once in it, for different crates")
        .says("hint: import a compiler that brings a linker of its own")
        .says("hint: choose it by its name in `orlop compiler list`");
    // One of them needs no such linker.
    recipes.check(&[("left", "11")]);
}

#[test]
fn a_native_library_has_a_log_and_its_recipe_can_be_removed() {
    let env = Env::new();
    let mut recipes = Recipes::new(&env);
    let number = ("number.c", "int number(void) { return 1; }\n");
    recipes.library("number", &[number], "echo built it", &[]);
    env.run("build ./number.toml").success();
    for name in ["number", "number@1.0.0"] {
        let log = env.orlop(["log", name]).success();
        log.prints("# number-1.0.0").prints("built it");
    }
    env.run("log number@2.0.0").fails(1);
    env.run("log numb").fails(1);

    env.registry
        .publish(Package::new("app", "1.0.0").main("fn main() {}"));
    env.run("install app ./number.toml").success();
    let manifest = env.home().join("profiles/default/orlop.toml");
    let text = || std::fs::read_to_string(&manifest).unwrap();
    assert!(text().contains("number.toml"), "{}", text());
    env.run("remove number --dry-run").success();
    assert!(text().contains("number.toml"), "{}", text());
    env.run("remove number")
        .success()
        .says("The manifest names no recipe `number` any more");
    assert!(!text().contains("number.toml"), "{}", text());
    env.run("remove number")
        .fails(1)
        .says("`number` is not in the manifest");
}
