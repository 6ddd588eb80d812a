//! `orlop recipe …`: what those who write recipes meet.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

use orlop_recipes::lint::RULES;

use crate::support::{Env, Package, Server};

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=x", "-c", "user.email=x@example.org"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_new_recipe_says_what_is_missing() {
    let env = Env::new();
    for kind in ["app", "crate", "library"] {
        let line = format!("recipe new hello --kind {kind} --force");
        env.run(&line).success().says("Wrote hello.toml");
        drop(env.run("recipe fmt --check hello.toml").success());
        let lint = env.run("recipe lint hello.toml --strict").fails(1);
        lint.prints("todo-left");
    }
    env.run("recipe lint hello.toml")
        .fails(1)
        .prints("hello.toml:7:69: error[placeholder]");
    env.run("recipe new hello")
        .fails(1)
        .says("is there already");
    env.run("recipe new hello --output -")
        .success()
        .prints("name = \"hello\"");
}

#[test]
fn lint_finds_mends_and_explains() {
    let env = Env::new();
    let path = env.write(
        "hello.toml",
        "# ours\nschema = 1\n[app]\nbinaries = [\"hello\"] # one\nname = \"hello\"\n\
         license = \"MIT/Apache-2.0\"\nsummary = \"a greeter of people.\"\ntest = \"hello\"\n",
    );
    let found = env.run("recipe lint hello.toml").fails(1);
    let found = found.prints("hello.toml:6:11: error[bad-license]");
    let found = found.prints("hello.toml:5:1: warning[key-order]");
    let found = found.prints("hello.toml:7:11: warning[summary-style]");
    drop(found.says("`orlop recipe lint --explain bad-license`"));
    let before = text(&path);
    env.run("recipe lint hello.toml --fix --strict -n")
        .success()
        .says("Would mend hello.toml");
    assert_eq!(text(&path), before);
    env.run("recipe lint hello.toml --fix --strict")
        .success()
        .says("Mended hello.toml");
    assert_eq!(
        text(&path),
        "# ours\nschema = 1\n\n[app]\nname = \"hello\"\nsummary = \"Greeter of people\"\n\
         license = \"MIT OR Apache-2.0\"\nbinaries = [\"hello\"] # one\ntest = \"hello\"\n"
    );
    env.run("recipe lint --explain no-test")
        .success()
        .prints("has a line that shows that it works");
    let rule = env.run("recipe lint --explain no-test --json");
    let rule = rule.success().json();
    assert_eq!(rule["name"], "no-test");
    assert_eq!(rule["mends"], false);
    assert!(rule["good"].as_str().unwrap().contains("test ="), "{rule}");
    env.run("recipe lint --explain no-tests")
        .fails(2)
        .says("did you mean `no-test`?");
    let json = env.run("recipe lint hello.toml --json").success().json();
    assert_eq!(json[0]["findings"].as_array().unwrap().len(), 0);
}

#[test]
fn lint_holds_a_recipe_against_its_package() {
    let env = Env::new();
    let package = Package::new("tool-kit", "2.0.0")
        .package("license = \"MIT\"")
        .feature("extra", &[])
        .file("src/bin/kit.rs", "fn main() {}");
    env.registry.publish(package);
    let recipe = "schema = 1\n[app]\nname = \"kit\"\ncrate = \"tool-kit\"\nsummary = \"Box full of tools\"\n\
                  license = \"GPL-3.0-only\"\nfeatures = [\"other\"]\nbinaries = [\"kit\", \"kat\"]\n\
                  test = \"kit\"\n";
    drop(env.write("kit.toml", recipe));
    drop(env.run("recipe lint kit.toml").success());
    let found = env.run("recipe lint --online kit.toml").fails(1);
    let found = found.prints("the package has no program `kat`; it has `kit`");
    let found = found.prints("the package has no feature `other`");
    found.prints("warning[other-license]: the package says `MIT`");
}

#[test]
fn import_takes_what_the_package_says() {
    let env = Env::new();
    env.registry
        .publish(
            Package::new("odd-sys", "0.1.0")
                .links("odd")
                .file("build.rs", "fn main() {}")
                .lib(""),
        )
        .publish(
            Package::new("tool-kit", "2.1.0")
                .package("license = \"MIT/Apache-2.0\"\ndescription = \"a box full of tools.\"")
                .rust_version("1.70")
                .needs("odd-sys", "0.1")
                .feature("default", &["fast"])
                .feature("fast", &[])
                .feature("cli", &[])
                .tables(
                    "[[bin]]\nname = \"kit\"\npath = \"src/bin/kit.rs\"\n\
                         [[bin]]\nname = \"extra\"\npath = \"src/bin/extra.rs\"\n\
                         required-features = [\"cli\"]\n",
                )
                .file("src/bin/kit.rs", "fn main() { println!(\"kit 2.1.0\"); }")
                .file("src/bin/extra.rs", "fn main() {}")
                .file("doc/kit.1", "page")
                .file("completions/bash/kit", "complete -C kit kit"),
        );
    env.run("recipe import tool-kit")
        .success()
        .says("Wrote tool-kit.toml")
        .says("no recipe says how `odd-sys 0.1.0` gets the native library `odd`");
    insta::assert_snapshot!(text(&env.path("tool-kit.toml")), @r#"
    # Needs rustc 1.70 or newer.
    # Features that are on: fast; off: cli.
    # TODO: the program `extra` needs the features cli
    # TODO: no recipe says how `odd-sys 0.1.0` gets the native library `odd`
    schema = 1

    [app]
    name = "tool-kit"
    summary = "Box full of tools"
    license = "MIT OR Apache-2.0"
    binaries = ["kit"]
    share-versions = "2"
    test = "kit --version" # TODO: show that it does its work; this one only starts it

    [app.share]
    "kit.1" = { file = "doc/kit.1" }
    "kit.bash" = { file = "completions/bash/kit" }
    "#);
    drop(env.run("recipe lint --online tool-kit.toml").success());
    env.run("install ./tool-kit.toml")
        .success()
        .says("Installed tool-kit 2.1.0 (kit)");
    env.run("recipe import tool-kit@=2.1.0 -o -")
        .success()
        .prints("version = \"=2.1.0\"");
    env.run("recipe import odd-sys")
        .fails(4)
        .says("it is a library");
    env.run("recipe import tool-kid")
        .fails(4)
        .says("no package `tool-kid`");
}

/// `DEPENDENCY/FEATURE` is one more way to switch features on, and to ask for them.
#[test]
fn import_knows_features_of_dependencies() {
    let env = Env::new();
    let core = Package::new("kit-core", "1.0.0").feature("fast", &[]);
    env.registry
        .publish(core.feature("color", &[]).lib(""))
        .publish(Package::new("paint", "1.0.0").feature("deep", &[]).lib(""));
    let bin = |name: &str, features: &str| {
        format!(
            "[[bin]]\nname = \"{name}\"\npath = \"src/main.rs\"\nrequired-features = [{features}]\n"
        )
    };
    let app = |name: &str, programs: [String; 2]| {
        let app = Package::new(name, "1.0.0")
            .needs("kit-core", "1")
            .needs_optionally("paint", "1")
            .feature("default", &["kit-core/fast", "paint/deep"])
            .feature("cli", &["kit-core/color"])
            .tables(&programs.concat());
        env.registry.publish(app.main("fn main() {}"));
    };
    let imported = |name: &str| {
        let run = env.orlop(["recipe", "import", name, "-o", "-"]).success();
        let kept = |line: &&str| {
            let starts = ["# F", "# T", "features", "binaries"];
            starts.iter().any(|start| line.starts_with(start))
        };
        let lines: Vec<_> = run.stdout.lines().filter(kept).collect();
        lines.join("\n")
    };
    app(
        "one",
        [
            bin("fast", "\"kit-core/fast\", \"paint\""),
            bin("color", "\"kit-core/color\""),
        ],
    );
    insta::assert_snapshot!(imported("one"), @r#"
    # Features that are on: none; off: cli.
    # TODO: the program `color` needs the features kit-core/color
    binaries = ["fast"]
    "#);
    app(
        "two",
        [bin("color", "\"kit-core/color\""), bin("cli", "\"cli\"")],
    );
    insta::assert_snapshot!(imported("two"), @r#"
    # Features that are on: none; off: cli.
    features = ["cli"]
    binaries = ["color", "cli"]
    "#);
    drop(env.run("recipe import two").success());
    env.run("install ./two.toml -n").success();
    app(
        "three",
        [
            bin("color", "\"kit-core/color\""),
            bin("deep", "\"kit-core/none\""),
        ],
    );
    insta::assert_snapshot!(imported("three"), @r#"
    # Features that are on: none; off: cli.
    # TODO: the program `color` needs the features kit-core/color
    # TODO: the program `deep` needs the features kit-core/none
    binaries = ["color", "deep"]
    "#);
}

#[test]
fn import_finds_the_app_of_a_project_and_of_a_repository() {
    let env = Env::new();
    let project = env.path("project");
    let write = |name: &str, text: &str| {
        let path = project.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"app\"]\n[workspace.package]\nversion = \"0.3.0\"\nlicense = \"MIT\"\n",
    );
    write(
        "app/Cargo.toml",
        "[package]\nname = \"walker\"\nversion.workspace = true\nlicense.workspace = true\n\
         edition = \"2021\"\ndescription = \"Walks through folders\"\n",
    );
    write("app/src/main.rs", "fn main() { println!(\"walked\"); }");
    env.run("recipe import ./project")
        .success()
        .says("Wrote walker.toml");
    let recipe = text(&env.path("walker.toml"));
    assert!(
        recipe.contains("source = { path = \"./project/app\" }"),
        "{recipe}"
    );
    drop(env.run("install ./walker.toml").success());
    assert_eq!(env.program("walker").success().stdout, "walked\n");

    git(&project, &["init", "--quiet", "--initial-branch=main"]);
    git(&project, &["add", "."]);
    git(&project, &["commit", "--quiet", "-m", "one"]);
    git(&project, &["tag", "v0.3.0"]);
    let rev = git(&project, &["rev-parse", "HEAD"]);
    let address = format!("file://{}", project.display());
    env.orlop(["recipe", "import", &address, "--force"])
        .success()
        .says("Wrote walker.toml");
    let recipe = text(&env.path("walker.toml"));
    let source = format!("source = {{ git = \"{address}\", rev = \"{rev}\", folder = \"app\" }}");
    assert!(recipe.contains(&source), "{recipe}");

    env.run("recipe bump walker.toml")
        .success()
        .says("up to date");
    write("app/src/main.rs", "fn main() { println!(\"ran\"); }");
    git(&project, &["commit", "--quiet", "-am", "two"]);
    git(&project, &["tag", "-a", "-m", "two", "v0.4.0"]);
    let new = git(&project, &["rev-parse", "HEAD"]);
    env.run("recipe bump walker.toml").success().prints("0.4.0");
    assert_eq!(text(&env.path("walker.toml")), recipe.replace(&rev, &new));

    write(
        "cli/Cargo.toml",
        "[package]\nname = \"other\"\nversion = \"1.0.0\"\n",
    );
    write("cli/src/main.rs", "fn main() {}");
    env.run("recipe import ./project --output -")
        .fails(2)
        .says("app, cli")
        .says("--folder DIR");
    env.run("recipe import ./project --folder cli --output -")
        .success()
        .prints("name = \"other\"");
}

#[test]
fn import_takes_no_option_that_its_source_has_no_use_for() {
    let env = Env::new();
    env.registry
        .publish(Package::new("kit", "1.0.0").main("fn main() {}"));
    std::fs::create_dir(env.path("project")).unwrap();
    let rev = "0".repeat(40);
    for (line, message) in [
        (
            "kit --folder cli",
            "`--folder` is for folders and repositories, and `kit` is a package of the registry",
        ),
        (
            "kit@1 --folder cli --rev main",
            "`--folder` is for folders and repositories, and `kit` is a package of the registry",
        ),
        (
            &format!("kit --rev {rev}"),
            "`--rev` is for repositories, and `kit` is a package of the registry",
        ),
        (
            &format!("./project --rev {rev}"),
            "`--rev` is for repositories, and `./project` is a folder, which is read as it is",
        ),
    ] {
        env.run(&format!("recipe import {line} --output -"))
            .fails(2)
            .says(message);
    }
}

#[test]
fn bump_moves_versions_and_digests_and_nothing_else() {
    let env = Env::new();
    env.registry
        .publish(Package::new("kit", "1.2.0").main("fn main() {}"))
        .publish(Package::new("kit", "2.0.0").main("fn main() {}"))
        .publish(Package::new("kit", "3.0.0-rc.1").main("fn main() {}"))
        .publish(Package::new("number-src", "1.0.0").lib(""))
        .publish(Package::new("number-src", "1.0.1").lib(""));
    let recipe = "schema = 1\n[app]\n# first\nname = \"kit\"\nversion = \"1.2\" # ours\n";
    let path = env.write("kit.toml", recipe);
    env.run("recipe bump kit.toml -n")
        .success()
        .prints("^1.2 → 2.0");
    assert_eq!(text(&path), recipe);
    // Nor do files that are wrong hide what was done to others.
    env.run("recipe bump kit.toml absent.toml")
        .fails(1)
        .prints("^1.2 → 2.0")
        .says("absent.toml");
    assert_eq!(text(&path), recipe.replace("1.2", "2.0"));
    let odd = env.write("odd.toml", "schema=1\n[app]\nname = 'x'\n");
    env.run("recipe fmt odd.toml absent.toml").fails(1);
    assert_eq!(text(&odd), "schema=1\n[app]\nname = 'x'\n");
    env.run("recipe bump kit.toml").success().says("up to date");

    let digest = |version: &str| {
        let archive = std::fs::read(env.registry.archive_path("number-src", version)).unwrap();
        crate::support::checksum(&archive)
    };
    let recipe = |version: &str| {
        format!(
            "schema = 1\n[library]\nname = \"number\"\nversion = \"{version}\" # same\n\
             source = {{ crate = \"number-src\", version = \"={version}\", checksum = \"{}\" }}\n\
             script = \"make PREFIX=$out\"\n",
            digest(version)
        )
    };
    let path = env.write("number.toml", &recipe("1.0.0"));
    drop(env.run("recipe bump number.toml").success());
    assert_eq!(text(&path), recipe("1.0.1"));
    drop(env.write("x-sys.toml", "schema = 1\n[crate]\nname = \"x-sys\"\n"));
    env.run("recipe bump x-sys.toml")
        .success()
        .says("nobody lists");
}

#[test]
fn the_schema_is_printed() {
    let env = Env::new();
    let schema = env.run("recipe schema").success();
    let committed = text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes/schema.json"));
    assert!(schema.stdout == committed);
}

#[test]
fn the_page_of_rules_is_what_the_linter_knows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("book/src/reference/lint.md");
    let mut page = String::from(
        "# Rules for recipes\n\nWhat `orlop recipe lint` looks for. Errors fail, warnings only with \
         `--strict`; `--fix` mends those\nthat say so.\n\n| rule | level | mended | about |\n|---|---|---|---|\n",
    );
    for rule in RULES {
        let mended = if rule.has_fix() { "yes" } else { "" };
        writeln!(
            page,
            "| `{}` | {} | {mended} | {} |",
            rule.name, rule.level, rule.about
        )
        .unwrap();
    }
    page.push_str("\nThe examples leave `schema = 1` out.\n");
    for rule in RULES {
        write!(
            page,
            "\n## {}\n\n{}\n\n```toml\n# bad\n{}```\n\n```toml\n# good\n{}```\n",
            rule.name, rule.about, rule.bad, rule.good
        )
        .unwrap();
    }
    if std::env::var_os("ORLOP_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(
        text(&path) == page,
        "run the test with ORLOP_BLESS=1 to write the page anew"
    );
}

#[test]
fn recipes_come_from_folders_and_repositories() {
    let env = Env::new();
    env.registry
        .publish(Package::new("tool-kit", "1.0.0").main("fn main() { println!(\"one\"); }"))
        .publish(Package::new("tool-kit", "2.0.0").main("fn main() { println!(\"two\"); }"));
    let ours = env.path("ours");
    std::fs::create_dir(&ours).unwrap();
    let write = |version: &str| {
        let text = format!(
            "schema = 1\n[app]\nname = \"kit\"\ncrate = \"tool-kit\"\nversion = \"{version}\"\n"
        );
        std::fs::write(ours.join("kit.toml"), text).unwrap();
    };
    write("1");
    git(&ours, &["init", "--quiet", "--initial-branch=main"]);
    git(&ours, &["add", "."]);
    git(&ours, &["commit", "--quiet", "-m", "one"]);
    let address = format!("file://{}", ours.display());
    env.orlop(["recipe", "source", "add", &address])
        .success()
        .says("Added ours with 1 recipe");
    drop(env.run("install kit").success());
    assert_eq!(env.program("tool-kit").success().stdout, "one\n");

    // What happens in the repository counts once somebody says so.
    write("2");
    git(&ours, &["commit", "--quiet", "-am", "two"]);
    env.run("sync").success().says("Nothing to do");
    let moved = env.run("recipe source update -n --json").success().json();
    assert_eq!(moved[0]["name"], "ours");
    env.run("recipe source update").success().prints("ours ");
    env.run("recipe source update").success().says("up to date");
    let moved = env.run("recipe source update --json").success().json();
    assert_eq!(moved, serde_json::json!([]));
    drop(env.run("sync").success());
    assert_eq!(env.program("tool-kit").success().stdout, "two\n");
    let rev = git(&ours, &["rev-parse", "HEAD"]);
    let listed = env.run("recipe source list --json").success().json();
    assert_eq!(listed[0]["rev"], rev);
    assert_eq!(listed[0]["recipes"], 1);

    let theirs = env.path("theirs");
    std::fs::create_dir(&theirs).unwrap();
    env.run("recipe source add ./theirs")
        .fails(1)
        .says("no recipes");
    std::fs::write(
        theirs.join("kit.toml"),
        "schema = 1\n[app]\nnam = \"kit\"\n",
    )
    .unwrap();
    env.run("recipe source add ./theirs")
        .fails(2)
        .says("did you mean `name`?");
    env.run("recipe source list").success().prints("ours");
    env.run("recipe source remove theirs")
        .fails(1)
        .says("no source `theirs`");
    env.run("recipe source remove ours -n")
        .success()
        .says("Would remove ours");
    env.run("recipe source list").success().prints("ours");
    drop(env.run("recipe source remove ours").success());
    std::fs::write(
        theirs.join("kit.toml"),
        "schema = 1\n[app]\nname = \"kit\"\n",
    )
    .unwrap();
    for place in ["./theirs", "./theirs/."] {
        env.orlop(["recipe", "source", "add", "-n", place])
            .success()
            .says("Would add theirs with 1 recipe");
    }
    env.run("recipe source list").success().says("no sources");
}

#[test]
fn sources_that_are_gone_or_were_never_there() {
    let env = Env::new();
    let theirs = env.path("theirs");
    std::fs::create_dir(&theirs).unwrap();
    let recipe = "schema = 1\n[app]\nname = \"kit\"\n";
    std::fs::write(theirs.join("kit.toml"), recipe).unwrap();
    // Files that no text can name are none of its business.
    std::fs::write(theirs.join(OsStr::from_bytes(b"\xff.toml")), "").unwrap();
    // It can be seen, to be removed.
    env.run("recipe source add ./theirs")
        .success()
        .says("with 1 recipe");
    std::fs::rename(&theirs, env.path("away")).unwrap();
    env.run("recipe source list")
        .success()
        .prints("theirs")
        .says("warning: the source `theirs` cannot be read: read the recipes in");
    let listed = env.run("recipe source list --json").success().json();
    assert_eq!(listed[0]["recipes"], serde_json::Value::Null);
    env.run("recipe source remove theirs").success();

    // What is no commit and no folder is said before Git is asked.
    let address = format!("file://{}", theirs.display());
    let commit = "0".repeat(40);
    for odd in [
        "--rev main",
        "--rev ../x",
        &format!("--rev {commit} --folder ../x"),
    ] {
        for command in ["recipe source add", "recipe import"] {
            env.run(&format!("{command} {address} {odd}"))
                .fails(2)
                .says("is not a ");
        }
    }
    env.run(&format!("recipe import {address}"))
        .fails(1)
        .says("does not appear to be a git repository");
}

#[test]
fn recipes_from_elsewhere_name_nothing_of_this_machine() {
    let env = Env::new();
    let theirs = env.path("theirs");
    std::fs::create_dir(&theirs).unwrap();
    let write = |source: &str| {
        let text = format!("schema = 1\n[app]\nname = \"kit\"\nsource = {source}\n");
        std::fs::write(theirs.join("kit.toml"), text).unwrap();
        git(&theirs, &["add", "."]);
        git(&theirs, &["commit", "--quiet", "-m", "one"]);
        git(&theirs, &["update-server-info"]);
        git(&theirs, &["rev-parse", "HEAD"])
    };
    git(&theirs, &["init", "--quiet", "--initial-branch=main"]);
    let server = Server::start(&env.path("."));
    let far = format!("{}/theirs/.git", server.url());
    let near = format!("file://{}", theirs.display());
    let commit = "0".repeat(40);
    for (source, what) in [
        (
            "{ path = \"..\" }".to_owned(),
            "`..` is a folder of this machine",
        ),
        (
            "{ path = \"/etc\" }".to_owned(),
            "`/etc` is a folder of this machine",
        ),
        (
            format!("{{ git = \"file:///home/me/kit\", rev = \"{commit}\" }}"),
            "`file:///home/me/kit` is a repository of this machine",
        ),
    ] {
        let rev = write(&source);
        env.orlop(["recipe", "source", "add", "--name", "far", &far])
            .fails(2)
            .says(what)
            .says("kit.toml:4:");
        // Who writes it into the manifest is told the same; the user's own may.
        let sources = format!("[recipe-sources]\nfar = {{ git = \"{far}\", rev = \"{rev}\" }}\n");
        let manifest = env.write("ours.toml", &format!("schema = 1\n{sources}"));
        env.orlop(["sync", "-m", manifest.to_str().unwrap()])
            .fails(2)
            .says(what);
        env.orlop(["recipe", "source", "add", "-n", "--name", "near", &near])
            .success()
            .says("Would add near with 1 recipe");
        env.orlop(["recipe", "source", "add", "-n", "./theirs"])
            .success();
    }
}
