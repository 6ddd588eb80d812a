//! What apps would be compiled from: `resolve`, `why`, `graph`, `update`, `lock`, `outdated`, and
//! the policies.

use crate::recipe_authors::git;
use crate::support::{Env, Package};

/// An app with a macro, a build script, and a dependency for another platform.
fn with_graph() -> Env {
    let env = Env::new();
    let registry = &env.registry;
    registry.publish(
        Package::new("app", "1.0.0")
            .main("fn main() { println!(\"{}\", shared::N); }")
            .needs_with("shared", "^1", &["std"])
            .needs_to_build("shared", "^1")
            .file("build.rs", "fn main() {}"),
    );
    registry.publish(
        Package::new("shared", "1.0.0")
            .lib("pub const N: u8 = 1;")
            .published("2026-01-01T00:00:00Z")
            .feature("std", &[]),
    );
    registry.publish(
        Package::new("shared", "1.1.0")
            .lib("pub const N: u8 = 2;")
            .published("2026-06-01T00:00:00Z")
            .feature("std", &[]),
    );
    env
}

#[test]
fn resolve_prints_the_graph_and_touches_neither_store_nor_profile() {
    let env = with_graph();
    let home = env.path("fresh");
    let home = home.to_str().unwrap();
    let json = env
        .orlop(["--home", home, "resolve", "app", "--json"])
        .success()
        .json();
    let app = &json["apps"][0];
    assert_eq!(app["app"], "app");
    assert_eq!(app["version"], "1.0.0");
    let packages: Vec<_> = app["packages"].as_array().unwrap().iter().collect();
    assert_eq!(packages.len(), 2);
    assert_eq!(packages[1]["name"], "shared");
    assert_eq!(packages[1]["version"], "1.1.0");
    assert_eq!(packages[1]["checksum"].as_str().unwrap().len(), 64);
    let units = app["units"].as_array().unwrap();
    let shown: Vec<_> = units
        .iter()
        .map(|unit| format!("{} {} {}", unit["name"], unit["kind"], unit["features"]))
        .collect();
    assert_eq!(
        shown,
        [
            "\"app\" \"target\" []",
            "\"shared\" \"host\" []",
            "\"shared\" \"target\" [\"std\"]"
        ]
    );
    let deps = units[0]["deps"].as_array().unwrap();
    assert_eq!(deps.len(), 2);
    for dependency in deps {
        assert_eq!(dependency["extern"], "shared");
        let unit = &units[usize::try_from(dependency["unit"].as_u64().unwrap()).unwrap()];
        assert_eq!(unit["name"], "shared");
    }
    for untouched in ["store", "profiles", "db.sqlite"] {
        assert!(!env.path("fresh").join(untouched).exists(), "{untouched}");
    }
}

#[test]
fn a_snapshot_shows_the_registry_as_it_was_and_is_remembered() {
    let env = with_graph();
    env.run("resolve app --snapshot 2026-03-01")
        .success()
        .prints("shared 1.0.0");
    env.run("resolve app --snapshot 2025-03-01")
        .fails(4)
        .says("came on 2026-01-01, after the snapshot of 2025-03-01");
    env.run("resolve app --snapshot yesterday").fails(2);
    for command in ["resolve", "install"] {
        env.run(&format!("{command} app --snapshot 3000-01-01"))
            .fails(2)
            .says("the snapshot 3000-01-01 23:59 UTC lies in the future");
    }
    // Whichever day it is by then.
    let text = env.run("install app --snapshot 3000-01-01").fails(2).stderr;
    let today = text.split("`--snapshot ").nth(1).unwrap();
    env.run(&format!("resolve app --snapshot {}", &today[..10]))
        .success();
    env.run("install app --snapshot 2026-03-01").success();
    assert_eq!(env.program("app").success().stdout, "1\n");
    let profile = env.home().join("profiles/default");
    let manifest = std::fs::read_to_string(profile.join("orlop.toml")).unwrap();
    assert!(manifest.contains("snapshot = \"2026-03-01\""), "{manifest}");
    let lock = std::fs::read_to_string(profile.join("orlop.lock")).unwrap();
    assert!(
        lock.contains("snapshot = \"2026-03-01T23:59:59Z\""),
        "{lock}"
    );
    // It stays until it is moved.
    env.run("upgrade").success();
    assert_eq!(env.program("app").success().stdout, "1\n");
    env.run("update --dry-run --snapshot 2026-07-01")
        .success()
        .prints("shared 1.0.0 → 1.1.0");
    env.run("lock --check").success();
    env.run("update --snapshot 2026-07-01")
        .success()
        .prints("shared 1.0.0 → 1.1.0")
        .says("orlop sync");
    assert_eq!(env.program("app").success().stdout, "1\n");
    env.run("sync --locked").success();
    assert_eq!(env.program("app").success().stdout, "2\n");
}

#[test]
fn other_features_are_changes() {
    let env = Env::new();
    env.registry.publish(
        Package::new("base", "1.0.0")
            .published("2020-01-01T00:00:00Z")
            .feature("extra", &[])
            .lib(""),
    );
    env.registry.publish(
        Package::new("app", "1.0.0")
            .published("2020-01-01T00:00:00Z")
            .feature("more", &["base/extra"])
            .needs("base", "1")
            .main("fn main() {}"),
    );
    env.run("install app").success();
    let manifest = env.home().join("profiles/default/orlop.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let text = text.replace(
        "app = \"*\"",
        "app = { version = \"*\", features = [\"more\"] }",
    );
    std::fs::write(&manifest, text).unwrap();
    let update = env.run("update --dry-run --json").success().json();
    let features = &update["apps"][0]["features"];
    assert_eq!(features[0]["name"], "app");
    assert_eq!(features[0]["on"], serde_json::json!(["more"]));
    assert_eq!(features[1]["name"], "base");
    env.run("update")
        .success()
        .prints("    base 1.0.0 +extra")
        .says("1 app changes");
    env.run("sync").success();
    env.run("update").success().says("Nothing changes");
}

#[test]
fn lock_writes_what_the_manifest_resolves_to() {
    let env = with_graph();
    env.run("install app").success();
    env.run("lock --check")
        .success()
        .says("answers the manifest");
    let manifest = env.home().join("profiles/default/orlop.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("\"*\"", "\"1.0\"")).unwrap();
    env.run("lock --check")
        .fails(6)
        .says("does not answer the manifest")
        .says("`orlop lock`");
    env.run("lock").success();
    env.run("lock --check").success();
}

#[test]
fn outdated_tells_what_is_wanted_and_what_there_is() {
    let env = with_graph();
    env.run("install app@1").success();
    env.run("outdated").success().says("newest versions");
    for version in ["1.2.0", "2.0.0"] {
        env.registry
            .publish(Package::new("app", version).main("fn main() {}"));
    }
    let json = env.run("outdated --json").success().json();
    assert_eq!(json[0]["app"], "app");
    assert_eq!(json[0]["version"], "1.0.0");
    assert_eq!(json[0]["wanted"], "1.2.0");
    assert_eq!(json[0]["newest"], "2.0.0");
    let said = env.run("outdated").success();
    let said = said.says("`orlop upgrade`");
    drop(said.says("hint: have the manifest ask for the newest: `orlop install app@2.0.0`"));
    env.run("upgrade").success();
    // No hint at what does nothing.
    let said = env.run("outdated").success();
    assert!(!said.stderr.contains("orlop upgrade"), "{said}");
    env.run("install app@2.0.0").success();
    env.run("outdated").success().says("newest versions");
}

#[test]
fn why_leads_from_a_crate_to_the_apps() {
    let env = with_graph();
    env.registry.publish(
        Package::new("other", "1.0.0")
            .main("fn main() {}")
            .needs("middle", "^1"),
    );
    env.registry.publish(
        Package::new("middle", "1.0.0")
            .lib("")
            .needs("shared", "^1"),
    );
    env.run("install app other").success();
    let run = env.run("why shared@1.1.0").success();
    for line in [
        "shared 1.1.0 (host)\n└── (build) app 1.0.0 (installed)\n",
        "shared 1.1.0\n└── app 1.0.0 (installed)\n",
        "shared 1.1.0\n└── middle 1.0.0\n    └── other 1.0.0 (installed)\n",
    ] {
        assert!(run.stdout.contains(line), "{run}");
    }
    let json = env.run("why shared --json").success().json();
    let needs = json.as_array().unwrap();
    assert_eq!(needs.len(), 3);
    assert_eq!(needs[2]["users"][0]["way"][0], "other 1.0.0");
    assert_eq!(needs[2]["users"][0]["way"][1], "middle 1.0.0");
    env.run("why shared@1.0.0").fails(1);
    env.run("why nobody").fails(1).says("`nobody`");
    env.run("why shared@one").fails(2);

    let dot = env.run("graph app").success();
    assert!(dot.stdout.starts_with("digraph {\n"), "{dot}");
    assert!(
        dot.stdout.contains("label=\"shared 1.1.0 (host)\""),
        "{dot}"
    );
    assert!(dot.stdout.contains("[style=dashed]"), "{dot}");
    assert!(!dot.stdout.contains("middle"), "{dot}");
    env.run("graph --format svg")
        .success()
        .prints("<svg")
        .prints("middle 1.0.0");
    let json = env.run("graph --format json").success().json();
    assert_eq!(json["apps"].as_array().unwrap().len(), 2);
    for line in ["graph --json", "graph --format json --json"] {
        assert_eq!(env.run(line).success().json(), json);
    }
    for line in ["graph --format svg --json", "graph --format dot --json"] {
        env.run(line).fails(2).says("two forms of one graph");
    }
    env.run("graph nobody").fails(1);
}

#[test]
fn the_published_lock_decides_if_it_is_asked_to() {
    let env = with_graph();
    let app = Package::new("locked", "1.0.0")
        .main("fn main() { println!(\"{}\", shared::N); }")
        .needs("shared", "^1")
        .locks("shared", "1.0.0");
    env.registry.publish(app);
    env.run("install locked").success();
    assert_eq!(env.program("locked").success().stdout, "2\n");
    env.run("install locked --policy locked").success();
    assert_eq!(env.program("locked").success().stdout, "1\n");
    let unchanged = env.run("sync --json").success().json();
    assert_eq!(unchanged["outcome"], "unchanged");
    // A recipe decides where nobody else does.
    let recipe = env.write(
        "own.toml",
        "schema = 1\n[app]\nname = \"own\"\ncrate = \"locked\"\npolicy = \"locked\"\n",
    );
    let recipe = recipe.display();
    env.run("remove locked").success();
    for (choice, says) in [("", "1\n"), ("--policy shared", "2\n"), ("", "2\n")] {
        env.run(&format!("install {recipe} {choice}")).success();
        assert_eq!(env.program("locked").success().stdout, says, "{choice}");
    }
    env.run("install app --policy locked")
        .fails(4)
        .says("published without a `Cargo.lock`");
    env.run("install app --policy best").fails(2).says("shared");
}

#[test]
fn sharing_apps_agree_on_versions_and_features() {
    let env = with_graph();
    for (name, requirement) in [
        ("one", ">=1, <1.1"),
        ("two", ">=1, <1.1"),
        ("three", "^1"),
        ("four", "^1"),
    ] {
        env.registry.publish(
            Package::new(name, "1.0.0")
                .main("fn main() { println!(\"{}\", shared::N); }")
                .needs("shared", requirement),
        );
    }
    env.run("install one two three --policy shared").success();
    for program in ["one", "two", "three"] {
        assert_eq!(env.program(program).success().stdout, "1\n");
    }
    let lock = env.home().join("profiles/default/orlop.lock");
    let lock = std::fs::read_to_string(lock).unwrap();
    assert!(lock.contains("[votes]"), "{lock}");
    assert!(lock.contains("shared = [\"1.0.0\"]"), "{lock}");
    env.run("sync --locked").success();
    // One that comes later shares with those that are there.
    env.run("install four --policy shared").success();
    assert_eq!(env.program("four").success().stdout, "1\n");
    let json = env
        .run("resolve one two three app --policy shared --json")
        .success()
        .json();
    let cost = |which: &str| json["sharing"][which]["variants"].as_u64().unwrap();
    assert!(cost("together") < cost("alone"), "{}", json["sharing"]);
}

#[test]
fn a_failure_names_the_line_and_can_be_saved() {
    let env = with_graph();
    env.registry.publish(
        Package::new("broken", "1.0.0")
            .main("fn main() {}")
            .needs("shared", "=1.0.0")
            .needs("middle", "^1"),
    );
    env.registry.publish(
        Package::new("middle", "1.0.0")
            .lib("")
            .needs("shared", "^1.1"),
    );
    env.run("install app").success();
    let case = env.path("case.json");
    let case = case.to_str().unwrap();
    let typed = env.run("install broken").fails(4);
    assert!(!typed.stderr.contains("orlop.toml"), "{typed}");
    let manifest = env.home().join("profiles/default/orlop.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text + "broken = \"1\"\n").unwrap();
    let first = env
        .orlop(["sync", "--save-case", case])
        .fails(4)
        .says("orlop resolve --case");
    let start = format!(
        "error: {}:5 asks for `broken ^1`, which cannot be had\n",
        manifest.display()
    );
    assert!(
        first.stderr.starts_with(&start) || first.stderr.contains(&start),
        "{first}"
    );
    assert!(first.stderr.lines().count() <= 20, "{first}");
    let shared = "because broken 1.0.0 needs shared =1.0.0";
    assert!(first.stderr.contains(shared), "{first}");
    assert!(
        first
            .stderr
            .contains("therefore no release of `shared` is left"),
        "{first}"
    );
    // Nothing but the file is needed to see it again.
    let home = env.path("elsewhere");
    env.orlop([
        "--home",
        home.to_str().unwrap(),
        "--offline",
        "resolve",
        "--case",
        case,
    ])
    .fails(4)
    .says(shared);
    env.write("orlop.toml", "schema = 1\n");
    env.run("resolve --case orlop.toml").fails(2);
}

#[test]
fn hints_are_commands_that_work() {
    let env = with_graph();
    let registry = &env.registry;
    registry.publish(Package::new("tool", "1.0.0").main("fn main() { println!(\"old\"); }"));
    registry.publish(
        Package::new("tool", "1.1.0")
            .main("fn main() {}")
            .needs("gone", "^1"),
    );
    let refused = env.run("install tool").fails(4);
    let hint = refused
        .stderr
        .lines()
        .rfind(|line| line.starts_with("hint: "))
        .unwrap();
    let command = hint.split('`').nth(1).unwrap();
    assert_eq!(command, "orlop install tool@=1.0.0");
    env.run(command.strip_prefix("orlop ").unwrap()).success();
    assert_eq!(env.program("tool").success().stdout, "old\n");
}

#[test]
fn an_older_app_for_an_older_compiler_is_told() {
    let env = with_graph();
    let registry = &env.registry;
    registry.publish(Package::new("tool", "1.0.0").main("fn main() {}"));
    registry.publish(
        Package::new("tool", "1.1.0")
            .main("fn main() {}")
            .rust_version("1.999"),
    );
    env.run("resolve tool")
        .success()
        .says("`tool` is 1.0.0: 1.1.0 needs rustc 1.999 or newer, and this is 1.");
    let quiet = env.run("resolve tool --rust-version 1.999.0").success();
    assert!(!quiet.stderr.contains("needs rustc"), "{quiet}");
}

#[test]
fn policies_are_compared() {
    let env = with_graph();
    for (name, features) in [("one", vec!["std"]), ("two", vec![])] {
        env.registry.publish(
            Package::new(name, "1.0.0")
                .main("fn main() {}")
                .needs_with("shared", "^1", &features),
        );
    }
    let rows = env.run("resolve one two --compare --json").success().json();
    let distinct = |policy: &str, codegen: &str| {
        let mut rows = rows.as_array().unwrap().iter();
        let row = rows.find(|row| row["policy"] == policy && row["codegen"] == codegen);
        row.unwrap()["distinct"].as_u64().unwrap()
    };
    assert_eq!(distinct("latest", "shared"), 4);
    assert_eq!(distinct("shared", "shared"), 3);
    assert_eq!(distinct("latest", "app"), 4);
    env.run("resolve one two --compare")
        .success()
        .prints("0.75");
}

#[test]
fn an_app_from_a_folder_with_a_patch() {
    let env = with_graph();
    let folder = env.path("work");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "Cargo.toml",
        "[workspace]\nmembers = [\"mine\"]\n[workspace.package]\nversion = \"0.3.0\"\nedition = \"2021\"\n",
    );
    write(
        "mine/Cargo.toml",
        "[package]\nname = \"mine\"\nversion.workspace = true\nedition.workspace = true\n\
         [dependencies]\nshared = \"1\"\nnear = { path = \"../near\" }\n",
    );
    write(
        "mine/src/main.rs",
        "fn main() { println!(\"{} {}\", shared::N, near::N); }",
    );
    write(
        "near/Cargo.toml",
        "[package]\nname = \"near\"\nversion = \"1.0.0\"\n[workspace]\n",
    );
    write("near/src/lib.rs", "pub const N: u8 = 7;");
    write(
        "fork/Cargo.toml",
        "[package]\nname = \"shared\"\nversion = \"1.0.5\"\n[workspace]\n",
    );
    write("fork/src/lib.rs", "pub const N: u8 = 42;");
    write(
        "mine.toml",
        "schema = 1\n[app]\nname = \"mine\"\nsource = { path = \"mine\" }\n",
    );
    let recipe = folder.join("mine.toml");
    let recipe = recipe.to_str().unwrap();
    env.orlop(["install", recipe]).success();
    assert_eq!(env.program("mine").success().stdout, "2 7\n");
    env.run("sync --locked").success();
    // What the folder holds is what counts.
    write("near/src/lib.rs", "pub const N: u8 = 8;");
    env.run("lock --check").fails(6);
    env.run("sync").success();
    assert_eq!(env.program("mine").success().stdout, "2 8\n");
    write(
        "mine.toml",
        "schema = 1\n[app]\nname = \"mine\"\nsource = { path = \"mine\" }\n\
         [app.patch]\nshared = { path = \"fork\" }\n",
    );
    env.run("sync").success();
    assert_eq!(env.program("mine").success().stdout, "42 8\n");
    // Others have the one of the registry.
    env.run("install app").success();
    assert_eq!(env.program("app").success().stdout, "2\n");
    env.run("remove app").success();
    write(
        "mine.toml",
        "schema = 1\n[app]\nname = \"mine\"\nsource = { path = \"mine\" }\n\
         [app.patch]\nnear = { path = \"near\" }\nmiddle = { path = \"fork\" }\n",
    );
    env.run("upgrade mine")
        .fails(2)
        .says("holds the package `shared`, not `middle`");
}

/// A manifest of a package for a project, with a version and more lines.
fn project(name: &str, version: &str, more: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"{version}\"\n[workspace]\n\
         [dependencies]\n{more}"
    )
}

#[test]
fn versions_of_a_project_and_its_patches_go_on() {
    let env = with_graph();
    let folder = env.path("work");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let mine = |version: &str| {
        let needs = "shared = \"1\"\nnear = { path = \"../near\" }\n";
        write("mine/Cargo.toml", &project("mine", version, needs));
    };
    let recipe = "schema = 1\n[app]\nname = \"mine\"\nsource = { path = \"mine\" }\n";
    mine("0.3.0");
    write(
        "mine/src/main.rs",
        "fn main() { println!(\"{} {}\", env!(\"CARGO_PKG_VERSION\"), shared::N); }",
    );
    write("near/Cargo.toml", &project("near", "1.0.0", ""));
    write("near/src/lib.rs", "");
    write("fork/Cargo.toml", &project("shared", "1.0.5", ""));
    write("fork/src/lib.rs", "pub const N: u8 = 42;");
    write("mine.toml", recipe);
    let path = folder.join("mine.toml");
    env.orlop(["install", path.to_str().unwrap()]).success();
    assert_eq!(env.program("mine").success().stdout, "0.3.0 2\n");
    let moved = |output: &str| {
        env.run("sync --locked").fails(6);
        env.run("sync").success();
        assert_eq!(env.program("mine").success().stdout, output);
        env.run("sync --locked --offline")
            .success()
            .says("Nothing to do");
    };
    mine("0.9.0");
    moved("0.9.0 2\n");
    write("near/Cargo.toml", &project("near", "1.1.0", ""));
    moved("0.9.0 2\n");
    // Also to an older version than the locked one of the registry.
    let patched = format!("{recipe}[app.patch]\nshared = {{ path = \"fork\" }}\n");
    write("mine.toml", &patched);
    moved("0.9.0 42\n");
    write("fork/Cargo.toml", &project("shared", "1.0.6", ""));
    moved("0.9.0 42\n");
    // One that nobody can take is said each time, and nothing else changes.
    write("fork/Cargo.toml", &project("shared", "2.0.0", ""));
    env.run("sync").success();
    assert_eq!(env.program("mine").success().stdout, "0.9.0 2\n");
    env.run("sync --locked")
        .success()
        .says("the patch of `shared` for `mine` is not used")
        .says("Nothing to do");
    write("fork/Cargo.toml", &project("shared", "1.0.6", ""));
    moved("0.9.0 42\n");
    // What is locked is not given up for what the registry does not have.
    write("mine.toml", recipe);
    env.run("sync")
        .fails(1)
        .says("the lock file has `shared 1.0.6` for `mine`, which the index does not have")
        .says("`orlop upgrade mine`");
    env.run("upgrade mine").success();
    assert_eq!(env.program("mine").success().stdout, "0.9.0 2\n");
}

/// The lock still has the patched files: neither may they be built under the name of the registry's,
/// nor may the registry's come unasked.
#[test]
fn a_patch_that_is_gone_is_not_built_any_more() {
    let env = with_graph();
    std::fs::create_dir_all(env.path("fork/src")).unwrap();
    env.write(
        "fork/Cargo.toml",
        &project("shared", "1.1.0", "[features]\nstd = []\n"),
    );
    env.write("fork/src/lib.rs", "pub const N: u8 = 42;");
    let recipe = "schema = 1\n[app]\nname = \"mine\"\ncrate = \"app\"\n";
    let patch = "[app.patch]\nshared = { path = \"fork\" }\n";
    let file = env.write("mine.toml", &format!("{recipe}{patch}"));
    env.orlop(["install", file.to_str().unwrap()]).success();
    assert_eq!(env.program("app").success().stdout, "42\n");
    env.write("mine.toml", recipe);
    env.run("sync")
        .fails(3)
        .says("the lock file has `shared 1.1.0` for `mine` with the SHA-256")
        .says("`orlop upgrade mine`");
    env.run("upgrade mine").success();
    assert_eq!(env.program("app").success().stdout, "2\n");
    env.run("sync").success();
    // One that is new is taken at once, also where the lock has a later version.
    env.write(
        "fork/Cargo.toml",
        &project("shared", "1.0.5", "[features]\nstd = []\n"),
    );
    env.write("mine.toml", &format!("{recipe}{patch}"));
    env.run("sync").success();
    assert_eq!(env.program("app").success().stdout, "42\n");
}

/// A hook of Git runs with variables that name its repository, and they are stronger than a folder.
#[test]
fn in_a_hook_of_git_commits_are_fetched_beside_its_repository() {
    let env = Env::new();
    let repository = |name: &str| {
        let folder = env.path(name);
        std::fs::create_dir_all(folder.join("src")).unwrap();
        let manifest = format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\n");
        env.write(&format!("{name}/Cargo.toml"), &manifest);
        env.write(&format!("{name}/src/main.rs"), "fn main() {}");
        git(&folder, &["init", "--quiet"]);
        git(&folder, &["add", "."]);
        git(&folder, &["commit", "--quiet", "-m", "one"]);
        let rev = git(&folder, &["rev-parse", "HEAD"]);
        (folder, rev)
    };
    let (kit, rev) = repository("kit");
    let (own, head) = repository("own");
    let source = format!(
        "source = {{ git = \"file://{}\", rev = \"{rev}\" }}",
        kit.display()
    );
    let recipe = env.write(
        "kit.toml",
        &format!("schema = 1\n[app]\nname = \"kit\"\n{source}\n"),
    );
    let output = env
        .command()
        .arg("install")
        .arg(recipe)
        .env("GIT_DIR", own.join(".git"))
        .env("GIT_WORK_TREE", &own)
        .env("GIT_INDEX_FILE", own.join(".git/index"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(git(&own, &["rev-parse", "HEAD"]), head);
    assert_eq!(git(&own, &["status", "--porcelain"]), "");
    assert!(!own.join(".git/shallow").exists());
}

#[test]
fn what_to_do_about_a_damaged_lock_file_is_told_and_works() {
    let env = with_graph();
    env.run("install app").success();
    let lock = env.home().join("profiles/default/orlop.lock");
    let garbled = b"schema = 2\n# \xc3\n";
    for (damage, said) in [
        (&b"garbage"[..], "cannot read the lock file"),
        (
            b"schema = 2\nsnapshot = \"2026-11-22T00:00:00Z\"\n[[app]]\n",
            "cannot read the lock file",
        ),
        (garbled, "orlop.lock`: line 2 is not UTF-8"),
    ] {
        std::fs::write(&lock, damage).unwrap();
        env.run("sync")
            .fails(2)
            .says(said)
            .says("delete the lock file and run `orlop sync`");
        std::fs::remove_file(&lock).unwrap();
        env.run("sync").success();
    }
}

#[test]
fn a_folder_without_archives_is_an_index_but_needs_to_know_its_packages() {
    let env = with_graph();
    let bare = env.path("bare");
    for entry in ["sh/ar/shared", "3/a/app"] {
        let to = bare.join(entry);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(env.registry.folder().join(entry), to).unwrap();
    }
    let bare = bare.to_str().unwrap();
    let resolve = ["resolve", "app", "--offline", "--json", "--index", bare];
    env.orlop(resolve)
        .fails(6)
        .says("read the manifest of `app 1.0.0`")
        .says("is not on this machine");
    // What is known of the same packages from elsewhere will do.
    let whole = env.run("resolve app --json").success().json();
    assert_eq!(env.orlop(resolve).success().json(), whole);
    let empty = env.path("empty");
    std::fs::create_dir_all(&empty).unwrap();
    env.run("resolve app --index ./nowhere")
        .fails(2)
        .says("nowhere` as a registry: there is no such folder");
    env.orlop(["resolve", "app", "--index", empty.to_str().unwrap()])
        .fails(2)
        .says("layout of an index");
}
