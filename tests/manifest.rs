//! The declarative way: `orlop.toml`, `sync`, the lock file.

use crate::support::{Env, Package};

fn env() -> Env {
    let env = Env::new();
    for name in ["alpha", "beta"] {
        for (version, time) in [
            ("1.0.0", "2020-01-01T00:00:00Z"),
            ("1.1.0", "2021-01-01T00:00:00Z"),
        ] {
            let text = format!("fn main() {{ println!(\"{name} {version}\"); }}");
            env.registry
                .publish(Package::new(name, version).published(time).main(&text));
        }
    }
    env
}

#[test]
fn sync_adopts_a_manifest_and_writes_its_lock() {
    let env = env();
    let text = "# my apps\nschema = 1\nsnapshot = \"2020-06-01\"\n\n[packages]\n\
                beta = \"1\" # second letter\nalpha = { version = \"1\", linkage = \"static\" }\n";
    let manifest = env.write("orlop.toml", text);
    env.orlop(["sync", "--manifest", manifest.to_str().unwrap()])
        .success();
    assert_eq!(env.program("alpha").success().stdout, "alpha 1.0.0\n");
    assert_eq!(env.program("beta").success().stdout, "beta 1.0.0\n");
    let lock = std::fs::read_to_string(env.path("orlop.lock")).unwrap();
    assert!(lock.contains("2020-06-01"), "{lock}");

    // The imperative way edits the same text.
    env.run("remove alpha").success();
    let kept = std::fs::read_to_string(env.home().join("profiles/default/orlop.toml")).unwrap();
    assert!(
        kept.contains("# my apps") && kept.contains("beta = \"1\" # second letter"),
        "{kept}"
    );
    assert!(!kept.contains("alpha"), "{kept}");
    env.run("install alpha").success();
    assert_eq!(
        env.program("alpha").success().stdout,
        "alpha 1.0.0\n",
        "the snapshot is pinned"
    );
}

/// Who finds that out behind the commit has a profile that its manifest and lock file do not tell.
#[test]
fn a_lock_file_that_cannot_be_written_is_said_before_anything_is_built() {
    let env = env();
    std::fs::create_dir_all(env.path("kept/orlop.lock")).unwrap();
    let text = "schema = 1\n[packages]\nalpha = \"1\"\n";
    env.write("kept/orlop.toml", text);
    env.write("kept/own.lock", text);
    env.write("kept/linked.toml", text);
    std::os::unix::fs::symlink("nowhere", env.path("kept/linked.lock")).unwrap();
    for (line, code, reason) in [
        ("kept/orlop.toml", 1, "kept/orlop.lock`: it is a folder"),
        ("kept/own.lock", 2, "own.lock` has the name of its own lock"),
        ("kept/linked.toml", 1, "kept/linked.lock`: follow the link"),
    ] {
        let run = env.run(&format!("sync -m {line}")).fails(code);
        drop(run.says(reason));
    }
    std::fs::remove_dir(env.path("kept/orlop.lock")).unwrap();
    let shut = |line: &str| env.run_beside_read_only(&env.path("kept"), line);
    let Some(run) = shut("sync -m kept/orlop.toml") else {
        eprintln!("skipped: nothing can be mounted on this machine");
        return;
    };
    run.fails(1).says("orlop.lock`: nothing can be put into `");
    assert!(!env.home().join("profiles/default/current").exists());
    assert_eq!(env.objects("-alpha-1.1.0").len(), 0, "nothing was built");
    // A lock file that is there need not be written.
    env.run("sync -m kept/orlop.toml").success();
    let run = shut("sync -m kept/orlop.toml").unwrap().fails(1);
    let manifest = env.path("kept/orlop.toml");
    run.says(&format!("`orlop sync -m {} --locked`", manifest.display()));
    let run = shut("sync -m kept/orlop.toml --locked").unwrap();
    drop(run.success());
}

#[test]
fn what_goes_with_a_line_of_the_manifest_is_said_before_and_after() {
    let env = env();
    env.run("install alpha@=1.0.0 beta").success();
    let plan = env.run("install alpha@=1.1.0 -n").success();
    assert!(
        plan.stdout
            .ends_with("\n  install alpha 1.1.0 in place of 1.0.0 (alpha)\n"),
        "{plan}"
    );
    // A manifest that asks for nothing is one, too.
    std::fs::write(env.home().join("profiles/default/orlop.toml"), "").unwrap();
    let plan = env.run("sync -n").success();
    let all =
        "Plan: 0 present, 0 to fetch, 0 to build\n  remove alpha 1.0.0\n  remove beta 1.1.0\n";
    assert_eq!(plan.stdout, all);
    let plan = env.run("sync -n --json").success().json();
    assert_eq!(
        plan["removed"],
        serde_json::json!(["alpha 1.0.0", "beta 1.1.0"])
    );
    env.run("sync")
        .success()
        .says("Removed alpha 1.0.0\nRemoved beta 1.1.0\n")
        .says("hint: to have back what was removed: `orlop rollback`");
    assert!(env.programs("current").is_empty());
    env.run("rollback").success();
    env.run("sync").success().says("Nothing to do");
    assert_eq!(env.programs("current"), ["alpha", "beta"]);
}

#[test]
fn the_lock_beside_a_manifest_decides_and_a_refusal_leaves_the_profiles_own() {
    let env = env();
    let sync = |requirement: &str| {
        let text = format!("schema = 1\n[packages]\nalpha = \"{requirement}\"\n");
        let manifest = env.write("orlop.toml", &text);
        env.orlop(["sync", "--manifest", manifest.to_str().unwrap()])
    };
    sync("=1.0.0").success();
    let older = std::fs::read_to_string(env.path("orlop.lock")).unwrap();
    std::fs::remove_file(env.path("orlop.lock")).unwrap();
    sync("=1.1.0").success();
    let own = env.home().join("profiles/default/orlop.lock");
    let newer = std::fs::read_to_string(&own).unwrap();

    let older = older.replace("=1.0.0", "^1");
    env.write("orlop.lock", &older);
    sync("7").fails(4);
    assert_eq!(std::fs::read_to_string(&own).unwrap(), newer);
    assert_eq!(env.program("alpha").success().stdout, "alpha 1.1.0\n");
    sync("1").success();
    assert_eq!(env.program("alpha").success().stdout, "alpha 1.0.0\n");
    let written = std::fs::read_to_string(env.path("orlop.lock")).unwrap();
    assert_eq!(std::fs::read_to_string(&own).unwrap(), written);
    // Without one, the profile's own is no answer to what another machine would do.
    let beside = env.path("orlop.lock");
    let locked = || {
        let manifest = env.path("orlop.toml");
        env.orlop(["sync", "--locked", "-m", manifest.to_str().unwrap()])
    };
    locked().success();
    let compiler = written
        .lines()
        .find_map(|line| line.strip_prefix("compiler = "))
        .unwrap();
    let other = written.replace(&format!("compiler = {compiler}"), "compiler = \"1.0.0\"");
    std::fs::write(&beside, other).unwrap();
    locked().fails(6).says("is locked for rustc 1.0.0");
    std::fs::remove_file(&beside).unwrap();
    locked().fails(6).says("there is no").says("orlop.lock");
}

#[test]
fn a_locked_sync_refuses_to_change_the_lock() {
    let env = env();
    env.run("install alpha").success();
    let path = env.home().join("profiles/default/orlop.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    env.run("sync --locked").success();
    std::fs::write(&path, format!("{text}beta = \"1\"\n")).unwrap();
    env.run("sync --locked")
        .fails(6)
        .says("--locked")
        .says("`beta` is not locked");
    env.run("lock --check")
        .fails(6)
        .says("`beta` is not locked");
    env.run("sync").success();
    assert_eq!(env.program("beta").success().stdout, "beta 1.1.0\n");
}

#[test]
fn a_new_app_is_solved_on_the_snapshot_of_the_lock() {
    let env = env();
    env.run("install alpha").success();
    env.registry.publish(
        Package::new("beta", "1.2.0")
            .published("2999-01-01T00:00:00Z")
            .main("fn main() {}"),
    );
    env.run("install beta").success();
    assert_eq!(env.program("beta").success().stdout, "beta 1.1.0\n");
}

#[test]
fn mistakes_in_the_manifest_are_shown_where_they_are() {
    let env = env();
    let manifest = env.write(
        "orlop.toml",
        "schema = 1\n[packages]\nalpha = { versoin = \"1\" }\n",
    );
    env.orlop(["sync", "--manifest", manifest.to_str().unwrap()])
        .fails(2)
        .says("orlop.toml:3")
        .says("versoin")
        .says("version");
}

/// Wrong is only what the store, the clock or another line say of it.
#[test]
fn what_cannot_be_had_is_shown_where_it_is_asked_for() {
    let env = env();
    let sync = |text: &str, code: i32| {
        let manifest = env.write("ours.toml", &format!("schema = 1\n{text}"));
        env.orlop(["sync", "-m", manifest.to_str().unwrap()])
            .fails(code)
    };
    for (text, code, place, message) in [
        (
            "compiler = \"9.9.9\"\n[packages]\nalpha = \"1\"\n",
            1,
            "ours.toml:2:12]",
            "there is no compiler `9.9.9` in the store",
        ),
        (
            "[packages]\nalpha = \"1\"\nbeta = { compiler = \"none\" }\n",
            1,
            "ours.toml:4:21]",
            "there is no compiler `none` in the store",
        ),
        (
            "natives = [\"zlib\", \"zlip\"]\n[packages]\nalpha = \"1\"\n",
            2,
            "ours.toml:2:20]",
            "for which there is no recipe",
        ),
        (
            "[packages]\nalpha = { version = '1', natives = ['zlip'] }\n",
            2,
            "ours.toml:3:37]",
            "for which there is no recipe",
        ),
        (
            "snapshot = 3000-01-01\n[packages]\nalpha = \"1\"\n",
            2,
            "ours.toml:2:12]",
            "lies in the future",
        ),
        (
            "[packages]\nalpha = { linkage = 'shared', codegen = 'app' }\n",
            2,
            "ours.toml:3:41]",
            "cannot have the codegen `app`",
        ),
    ] {
        let run = sync(text, code);
        let said: Vec<_> = run
            .stderr
            .split(['│', ' ', '\n'])
            .filter(|word| !word.is_empty())
            .collect();
        assert!(said.join(" ").contains(message), "{run}");
        // The line is shown, and its number.
        drop(run.says(place).says("asked for here"));
    }
    drop(sync("[packages]\nalpha = { compiler = 'none' }\n", 1).says("hint: see which there are"));
    // What only the command line says stands in no file.
    let run = env.run("install alpha --compiler none").fails(1);
    assert!(!run.stderr.contains("orlop.toml:"), "{run}");
    drop(run.says("error: there is no compiler `none` in the store"));
}

#[test]
fn rollback_takes_the_manifest_along() {
    let env = env();
    env.run("install alpha").success();
    env.run("install beta").success();
    env.run("rollback").success();
    let text = std::fs::read_to_string(env.home().join("profiles/default/orlop.toml")).unwrap();
    assert!(!text.contains("beta"), "{text}");
    env.run("sync").success();
    assert_eq!(env.programs("current"), ["alpha"]);
}

#[test]
fn who_names_a_program_is_told_the_app() {
    let env = Env::new();
    env.registry
        .publish(Package::new("app", "1.0.0").file("src/bin/tool.rs", "fn main() {}"));
    env.run("install app").success();
    for verb in ["upgrade", "update", "remove"] {
        env.orlop([verb, "tool"]).fails(1).says(&format!(
            "hint: `tool` is a program of `app`: `orlop {verb} app`"
        ));
        env.orlop([verb, "nope"]).fails(1).says("`orlop list`");
    }
    env.run("remove app app -n").success();
    // Out of the manifest by hand, and still installed.
    let path = env.home().join("profiles/default/orlop.toml");
    std::fs::write(path, "schema = 1\n").unwrap();
    env.run("remove app").fails(1).says("`orlop sync`");
    env.run("sync").success().says("Removed app 1.0.0");
}
