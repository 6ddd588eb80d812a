//! What keeps a store small and right: `gc` with rules, `verify --repair`, and questions.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::Path;

use crate::support::{Env, Package};

/// Two apps that share a crate.
fn env() -> Env {
    let env = Env::new();
    env.registry.publish(
        Package::new("shared", "1.0.0")
            .published("2020-01-01T00:00:00Z")
            .lib("#[inline(never)]\npub fn text() -> String { \"shared\".repeat(1) }"),
    );
    for name in ["app", "other"] {
        publish(&env, name, "1.0.0", "2020-01-01T00:00:00Z");
    }
    env
}

fn publish(env: &Env, name: &str, version: &str, time: &str) {
    let text = format!("fn main() {{ println!(\"{name} {version} {{}}\", shared::text()); }}");
    env.registry.publish(
        Package::new(name, version)
            .published(time)
            .needs("shared", "1")
            .main(&text),
    );
}

fn overwrite(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // Not in place: the file may be linked from other homes.
    std::fs::set_permissions(path.parent().unwrap(), PermissionsExt::from_mode(0o755)).unwrap();
    let mode = std::fs::metadata(path).unwrap().permissions();
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, mode).unwrap();
}

#[test]
fn what_is_damaged_is_named_and_made_again() {
    let env = env();
    env.run("install app other").success();
    env.run("verify").success().says("are what they were");
    let view =
        std::fs::canonicalize(env.home().join("profiles/default/current/views/app")).unwrap();
    let program = std::fs::canonicalize(view.join("bin/app")).unwrap();
    overwrite(&program);
    env.run("verify")
        .fails(3)
        .prints("needed by app in generation 1 of default")
        .says("orlop verify --repair");
    let database = std::fs::metadata(env.home().join("db.sqlite")).unwrap();
    env.run("verify --repair --rebuild-database -n")
        .fails(3)
        .prints("needed by app in generation 1 of default")
        .says("Would make the database again from the store")
        .says("hint: mend what can be mended: `orlop verify --repair`");
    let after = std::fs::metadata(env.home().join("db.sqlite")).unwrap();
    assert_eq!(after.ino(), database.ino(), "a dry run makes nothing");
    env.run("verify").fails(3).prints("needed by app");
    env.run("verify --repair").success().says("Mended 1 of 1");
    assert_eq!(env.program("app").success().stdout, "app 1.0.0 shared\n");
    env.run("verify").success();
    assert_eq!(
        env.run("history --json")
            .success()
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let sizes = env.run("du --json").success().json();
    let of_app = env.run("info app --json").success().json();
    env.run("verify --rebuild-database").success();
    assert_eq!(env.run("du --json").success().json(), sizes);
    assert_eq!(env.run("info app --json").success().json(), of_app);
    env.run("sync").success().says("Nothing to do");
    assert_eq!(env.program("app").success().stdout, "app 1.0.0 shared\n");
}

/// What nobody runs is needed, too: to link the next generation.
#[test]
fn what_apps_are_linked_from_is_made_again() {
    let env = env();
    env.registry.publish(
        Package::new("written", "1.0.0")
            .lib("pub const TEXT: &str = include_str!(concat!(env!(\"OUT_DIR\"), \"/text\"));")
            .file(
                "build.rs",
                "fn main() { let out = std::env::var(\"OUT_DIR\").unwrap();\n\
                 std::fs::write(out + \"/text\", \"written\").unwrap(); }",
            ),
    );
    env.registry.publish(
        Package::new("reader", "1.0.0")
            .needs("written", "1")
            .main("fn main() { println!(\"{}\", written::TEXT); }"),
    );
    env.run("install app reader").success();
    let store = env.home().join("store");
    let object = |end: &str| {
        let names = std::fs::read_dir(&store).unwrap();
        let mut names = names.map(|entry| entry.unwrap().path());
        names
            .find(|path| path.to_str().unwrap().ends_with(end))
            .unwrap()
    };
    let lose = |end: &str| {
        let lost = object(end);
        let mut open = std::process::Command::new("chmod");
        assert!(
            open.args(["-R", "u+w"])
                .arg(&lost)
                .status()
                .unwrap()
                .success()
        );
        std::fs::remove_dir_all(&lost).unwrap();
    };
    for lost in ["-shared-1.0.0", "-written-1.0.0", "-written-1.0.0-run"] {
        lose(lost);
    }
    env.run("verify")
        .fails(3)
        .prints("-written-1.0.0-run: it is absent");
    env.run("verify --repair").success();
    env.run("verify").success();
    // An install makes what is in its way.
    lose("-shared-1.0.0");
    env.run("install other").success();
    assert_eq!(
        env.program("other").success().stdout,
        "other 1.0.0 shared\n"
    );
    env.run("verify").success();
}

/// Another home is a copy of what it has in common with this one.
#[test]
fn what_another_home_has_is_not_made_again() {
    let env = env();
    env.run("install app other").success();
    let copy = env.path("copy");
    let home = env.home();
    let program =
        |home: &Path| std::fs::canonicalize(home.join("profiles/default/current/bin/app")).unwrap();
    let copied = std::process::Command::new("cp")
        .args(["-a", home.to_str().unwrap(), copy.to_str().unwrap()])
        .status();
    assert!(copied.unwrap().success());
    let repair = format!("verify --repair --from {}", copy.display());
    overwrite(&program(&home));
    let repaired = env.run(&repair).success().says("Copied 1 object from");
    assert!(
        !repaired.stderr.contains("Making again"),
        "{}",
        repaired.stderr
    );
    assert_eq!(env.program("app").success().stdout, "app 1.0.0 shared\n");
    overwrite(&program(&home));
    overwrite(&program(&copy));
    env.run(&repair)
        .success()
        .says("Copied 0 objects from")
        .says("Making again");
    assert_eq!(env.program("app").success().stdout, "app 1.0.0 shared\n");
    env.run("verify --repair --from nowhere")
        .fails(2)
        .says("copy from `nowhere`: there is no such folder");
    std::fs::create_dir(env.path("somewhere")).unwrap();
    env.run("verify --repair --from somewhere")
        .fails(2)
        .says("it has no folder `store`");
    env.run("verify --from nowhere").fails(2).says("--repair");
}

/// Whoever only looks writes nothing, so the home may be somebody else's or not be there.
#[test]
fn who_looks_makes_nothing() {
    let env = env();
    for command in ["list", "history", "run app", "tree app"] {
        let nowhere = env.path("nowhere");
        let run = env.run(&format!("--home {} {command}", nowhere.display()));
        assert!(!run.stderr.contains("os error"), "{}", run.stderr);
        assert!(!nowhere.exists(), "{command}");
    }
    env.run("install app").success();
    let mode = |mode| std::fs::set_permissions(env.home(), PermissionsExt::from_mode(mode));
    mode(0o555).unwrap();
    env.run("list").success().prints("app");
    env.run("history").success();
    env.run("tree app").success().prints("shared 1.0.0");
    env.run("graph app").success();
    env.run("run app").success().prints("app 1.0.0 shared");
    mode(0o755).unwrap();
}

/// Also of commands that need not write: what they ask writes locks and a database.
#[test]
fn a_home_that_cannot_be_written_to_is_named() {
    let env = env();
    env.run("install app").success();
    for line in ["gc -n", "gc", "du", "verify", "install app"] {
        let Some(run) = env.run_beside_read_only(&env.home(), line) else {
            eprintln!("skipped: nothing can be mounted on this machine");
            return;
        };
        let home = env.home().display().to_string();
        let error = format!(
            "error: use `{home}` as the home of the store\n  because: write to `{home}/store`\n  \
             because: Read-only file system (os error 30)\n"
        );
        let run = run.fails(1).says("hint: name another place");
        assert!(run.stderr.starts_with(&error), "{line}: {run}");
    }
    let run = env.run_beside_read_only(&env.home(), "run app").unwrap();
    assert_eq!(run.success().stdout, "app 1.0.0 shared\n");
}

/// Each hint that `verify --repair` gives works when typed.
#[test]
fn there_is_a_way_back_from_a_damaged_generation() {
    let env = env();
    env.run("install app").success(); // 1
    env.run("install other").success(); // 2
    let profile = env.home().join("profiles/default");
    let current = profile.join("current");
    for target in [None, Some("9"), Some("nonsense")] {
        std::fs::remove_file(&current).unwrap();
        if let Some(target) = target {
            std::os::unix::fs::symlink(target, &current).unwrap();
        }
        env.run("verify --repair")
            .fails(3)
            .says("orlop rollback --profile default --to N");
        env.run("history").success();
        for command in ["list", "run app", "which app", "rollback"] {
            env.run(command).fails(1).says("orlop rollback --to 2");
        }
        // Nor does a deleted manifest count as an empty one then.
        let (manifest, aside) = (profile.join("orlop.toml"), profile.join("aside"));
        std::fs::rename(&manifest, &aside).unwrap();
        env.run("install app")
            .fails(1)
            .says("orlop rollback --to 2");
        std::fs::rename(&aside, &manifest).unwrap();
        env.run("rollback --profile default --to 1 --dry-run")
            .success()
            .prints("to generation 1");
        env.run("rollback --profile default --to 1").success();
        env.run("verify").success();
        assert_eq!(env.program("app").success().stdout, "app 1.0.0 shared\n");
    }
    std::fs::write(profile.join("2/record.toml"), "nonsense").unwrap();
    env.run("rollback --to 2").fails(1);
    env.run("verify --repair")
        .fails(3)
        .says("let it go with `orlop gc --profile default --keep N`");
    env.run("gc --keep 1")
        .success()
        .says("generation 2 of default");
    env.run("verify").success();
    assert_eq!(env.program("app").success().stdout, "app 1.0.0 shared\n");
}

#[test]
fn gc_keeps_what_it_is_told_and_what_runs() {
    let env = env();
    env.run("install app").success(); // 1
    publish(&env, "app", "1.1.0", "2020-06-01T00:00:00Z");
    env.run("upgrade").success(); // 2
    env.run("install other").success(); // 3
    env.run("pin 1").success();
    let plan = env.run("gc --keep 1 --dry-run --json").success().json();
    assert_eq!(plan["generations"]["default"], serde_json::json!([2]));
    env.run("gc --keep 1")
        .success()
        .says("generation 2 of default");
    assert_eq!(
        env.program_in("1", "app").success().stdout,
        "app 1.0.0 shared\n"
    );
    env.run("gc --keep 1").success();
    env.run("unpin 1").success();
    env.run("unpin 1").fails(1).says("is not pinned");
    env.run("gc --keep-since 1d").success();
    assert_eq!(env.programs("1"), ["app"]);
    let many = env.objects("").len();
    env.run("gc --dev").success();
    assert!(env.objects("").len() < many, "link sets of generation 1 go");
    assert_eq!(
        env.program_in("1", "app").success().stdout,
        "app 1.0.0 shared\n"
    );
    env.run("verify").success();
    env.run("rollback --to 1").success();
    env.run("verify").success();
    // What it is linked from is compiled again, and kept again.
    env.run("sync").success();
    assert_eq!(env.program("app").success().stdout, "app 1.0.0 shared\n");
    env.run("verify").success();
    env.run("gc").success();
    env.run("sync").success().says("0 to build");
    env.run("rollback --to 3").success();
    env.run("gc --keep 1 --max-freed 1").success();
    env.run("verify").success();
    env.run("gc --max-freed much").fails(2);
}

#[test]
fn questions_have_answers() {
    let env = env();
    env.run("install app").success();
    env.run("install other").success();
    publish(&env, "app", "1.1.0", "2020-06-01T00:00:00Z");
    env.run("upgrade app").success();
    let program = env.home().join("profiles/default/current/bin/app");
    let program = program.to_str().unwrap();
    let which = env.orlop(["which", program, "--json"]).success().json();
    let object = which["object"].as_str().unwrap();
    env.orlop(["which", program])
        .success()
        .prints("app in generation 3 of default");
    env.orlop(["which", "app"])
        .success()
        .prints("app in generation 3 of default");
    env.orlop(["which", "/etc/passwd"]).fails(1);
    env.orlop(["which", "nothing"])
        .fails(1)
        .says("neither a file here nor a program of the profile `default`");
    env.orlop(["why-live", program])
        .success()
        .prints("app in generation 3 of default");
    env.orlop(["why-live", &object[..10]])
        .success()
        .prints(object);
    env.orlop(["why-live", "nothing"]).fails(1);
    env.orlop(["why-live", "0000000000000000000000000000000a-nothing"])
        .fails(1)
        .says("there is no object");
    env.orlop(["why-depends", "app", object])
        .success()
        .prints(object);
    env.orlop(["why-depends", object, "other"])
        .success()
        .prints("does not need");
    let usage = env.run("du --json").success().json();
    for app in usage.as_array().unwrap() {
        assert!(
            app["own"].as_u64().unwrap() <= app["closure"].as_u64().unwrap(),
            "{app}"
        );
        assert!(app["freed_if_removed"].as_u64().unwrap() > 0, "{app}");
    }
    env.run("du app").success().prints("app 1.1.0");
    env.run("diff").success().prints("app 1.0.0 -> 1.1.0");
    let difference = env.run("diff 1 3 --json").success().json();
    let names: Vec<_> = difference["apps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["app", "other"]);
    let variants = &difference["variants"];
    assert_eq!(variants["kept"], 1, "{variants}");
    env.run("diff")
        .success()
        .prints("Variants: 0 added, 0 removed, 1 kept");
    env.run("diff 1 9").fails(1);
    // What another profile is linked from as well is not freed: only the view is this one's own.
    env.run("-p second install other").success();
    let usage = env.run("du other --json").success().json();
    assert_eq!(usage[0]["freed_if_removed"], usage[0]["own"], "{usage}");
    let record = env.home().join("profiles/second/current/record.toml");
    let record: toml::Table = std::fs::read_to_string(record).unwrap().parse().unwrap();
    let link_set = record["apps"][0]["link_sets"][0].as_str().unwrap();
    env.orlop(["why-live", link_set])
        .success()
        .prints("linking anew other of generation 1 of second");
}

/// It writes nothing, so nobody who writes is in its way.
#[test]
fn a_dry_run_waits_for_nobody() {
    let env = env();
    env.run("install app").success();
    let lock = env.home().join("locks/profile-default");
    let lock = std::fs::File::options().write(true).open(lock).unwrap();
    lock.lock().unwrap();
    for (line, code) in [
        ("install other -n", 0),
        ("install wrong -n", 4),
        ("remove app -n", 0),
        ("upgrade -n", 0),
        ("update -n", 0),
        ("sync -n", 0),
        ("optimise -n", 0),
    ] {
        let run = env.run(line).fails(code);
        assert!(!run.stderr.contains("Waiting"), "{run}");
    }
    drop(lock);
    let folder = env.home().join("profiles/new");
    env.run("-p new install app -n").success();
    assert!(!folder.exists(), "a dry run makes no profile");
}

#[test]
fn equal_files_become_one() {
    let env = env();
    env.run("install app").success();
    env.run("optimise").success();
    let view =
        std::fs::canonicalize(env.home().join("profiles/default/current/views/app")).unwrap();
    // As if it had been added before equal files were shared.
    let program = view.join("bin/app");
    let metadata = std::fs::metadata(&program).unwrap();
    let bytes = std::fs::read(&program).unwrap();
    std::fs::set_permissions(program.parent().unwrap(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::remove_file(&program).unwrap();
    std::fs::write(&program, &bytes).unwrap();
    let file = std::fs::File::open(&program).unwrap();
    file.set_permissions(metadata.permissions()).unwrap();
    file.set_modified(metadata.modified().unwrap()).unwrap();
    env.run("optimise --dry-run")
        .success()
        .says("Would share 1 files");
    let shared = &env.run("optimise --json").success().json()["shared"];
    assert_eq!(shared["files"], 1);
    assert!(
        shared["bytes"].as_u64().unwrap() >= bytes.len() as u64,
        "{shared}"
    );
    env.run("optimise").success().says("Shared 0 more files");
    assert_eq!(env.program("app").success().stdout, "app 1.0.0 shared\n");
    // A folder that is open; nothing has to be made again for that.
    std::fs::set_permissions(program.parent().unwrap(), PermissionsExt::from_mode(0o755)).unwrap();
    env.run("verify")
        .fails(3)
        .prints("`bin` has the mode 0755, not 0555");
    let repaired = env.run("verify --repair").success();
    assert!(
        !repaired.stderr.contains("Making again"),
        "{}",
        repaired.stderr
    );
    env.run("verify").success();
}
