//! Generations: upgrade, rollback, remove, gc.

use std::collections::BTreeSet;

use crate::support::{Env, Package};

fn publish(env: &Env, name: &str, version: &str, time: &str) {
    let text = format!("fn main() {{ println!(\"{name} {version}\"); }}");
    env.registry
        .publish(Package::new(name, version).published(time).main(&text));
}

#[test]
fn each_generation_keeps_what_it_had_and_gc_removes_exactly_the_rest() {
    let env = Env::new();
    publish(&env, "app", "1.0.0", "2020-01-01T00:00:00Z");
    publish(&env, "other", "1.0.0", "2020-01-01T00:00:00Z");
    env.run("install app").success(); // 1
    env.run("install other").success(); // 2
    publish(&env, "app", "1.1.0", "2020-06-01T00:00:00Z");
    env.run("upgrade")
        .success()
        .says("app 1.1.0 in place of 1.0.0"); // 3
    assert_eq!(env.program("app").success().stdout, "app 1.1.0\n");
    env.run("rollback").success().says("Generation 2");
    assert_eq!(env.program("app").success().stdout, "app 1.0.0\n");
    env.run("remove app").success().says("Removed app 1.0.0"); // 4, made from 2
    assert_eq!(env.programs("current"), ["other"]);
    env.run("rollback").success().says("Generation 2");
    env.run("rollback").success().says("Generation 1");
    env.run("rollback")
        .fails(1)
        .says("no way further back")
        .says("orlop history");

    assert_eq!(env.programs("1"), ["app"]);
    assert_eq!(env.programs("2"), ["app", "other"]);
    assert_eq!(env.programs("3"), ["app", "other"]);
    assert_eq!(env.programs("4"), ["other"]);
    env.run("gc").success();
    for (generation, output) in [
        ("1", "app 1.0.0\n"),
        ("2", "app 1.0.0\n"),
        ("3", "app 1.1.0\n"),
    ] {
        assert_eq!(env.program_in(generation, "app").success().stdout, output);
    }
    assert_eq!(
        env.program_in("4", "other").success().stdout,
        "other 1.0.0\n"
    );
    // Sources and the like are reached by no generation; what runs is.
    assert!(env.objects("-src").is_empty());
    env.run("rollback --to 3").success();
    assert_eq!(env.program("app").success().stdout, "app 1.1.0\n");
    let history = env.run("history --json").success().json();
    let parents: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["parent"].as_u64())
        .collect();
    assert_eq!(parents, [None, Some(1), Some(2), Some(2)]);
}

#[test]
fn history_says_what_changed_and_what_is_pinned() {
    let env = Env::new();
    publish(&env, "app", "1.0.0", "2020-01-01T00:00:00Z");
    publish(&env, "other", "1.0.0", "2020-01-01T00:00:00Z");
    env.run("install app").success();
    env.run("install other").success();
    publish(&env, "app", "1.1.0", "2020-06-01T00:00:00Z");
    env.run("upgrade app").success();
    env.run("remove other").success();
    env.run("pin 2").success();
    let text = env.run("history").success().stdout;
    // The time stands in the middle.
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .map(|words| words.join(" "))
        .collect();
    let expected = [
        ("generation from when", "command apps"),
        ("1 20", "orlop install app + app 1.0.0"),
        ("2 (pinned) 1 20", "orlop install other + other 1.0.0"),
        ("3 2 20", "orlop upgrade app app 1.0.0 -> 1.1.0"),
        ("-> 4 3 20", "orlop remove other - other 1.0.0"),
    ];
    assert_eq!(lines.len(), expected.len(), "{text}");
    for (line, (start, end)) in lines.iter().zip(expected) {
        assert!(line.starts_with(start) && line.ends_with(end), "{text}");
    }
    let data = env.run("history --json").success().json();
    assert_eq!(data[0]["pinned"], false);
    assert_eq!(data[1]["pinned"], true);
    assert_eq!(
        data[1]["apps"],
        serde_json::json!(["app 1.0.0", "other 1.0.0"])
    );
    let changes = serde_json::json!([{"name": "app", "before": "1.0.0", "after": "1.1.0"}]);
    assert_eq!(data[2]["changes"], changes);

    env.run("unpin 2").success();
    env.run("gc --keep 2").success();
    let data = env.run("history --json").success().json();
    assert_eq!(data[0]["number"], 3);
    assert_eq!(data[0]["changes"], serde_json::Value::Null);
    env.run("history")
        .success()
        .prints("app 1.1.0, other 1.0.0");
}

#[test]
fn gc_says_what_it_would_do_and_does_it() {
    let env = Env::new();
    publish(&env, "app", "1.0.0", "2020-01-01T00:00:00Z");
    env.run("install app").success();
    let planned = env.run("gc --dry-run --json").success().json();
    let dead: BTreeSet<_> = planned["dead"]
        .as_array()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(!dead.is_empty());
    let done = env.run("gc --json").success().json();
    let removed: BTreeSet<_> = done["removed"]
        .as_array()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(dead, removed);
    let again = env.run("gc --json").success().json();
    assert_eq!(again["removed"].as_array().unwrap().len(), 0);
    assert_eq!(env.program("app").success().stdout, "app 1.0.0\n");
}

#[test]
fn an_upgrade_of_one_app_leaves_the_other_as_it_is() {
    let env = Env::new();
    env.registry.publish(
        Package::new("shared", "1.0.0")
            .published("2020-01-01T00:00:00Z")
            .lib("pub fn version() -> &'static str { env!(\"CARGO_PKG_VERSION\") }"),
    );
    for name in ["app", "other"] {
        env.registry.publish(
            Package::new(name, "1.0.0")
                .published("2020-01-01T00:00:00Z")
                .needs("shared", "1")
                .main("fn main() { println!(\"{}\", shared::version()); }"),
        );
    }
    env.run("install app other").success();
    env.registry.publish(
        Package::new("shared", "1.1.0")
            .published("2020-06-01T00:00:00Z")
            .lib("pub fn version() -> &'static str { env!(\"CARGO_PKG_VERSION\") }"),
    );
    env.run("upgrade app").success();
    assert_eq!(env.program("app").success().stdout, "1.1.0\n");
    assert_eq!(env.program("other").success().stdout, "1.0.0\n");
    let libraries = |generation: &str, app: &str| {
        let lock = std::fs::read_to_string(
            env.home()
                .join("profiles/default")
                .join(generation)
                .join("lock.toml"),
        )
        .unwrap();
        (lock.contains("1.1.0"), app.to_owned())
    };
    assert!(!libraries("1", "other").0);
    assert!(libraries("2", "other").0);
}

/// What only compiling needs is made again, and the apps are what they were.
#[test]
fn a_sync_behind_a_way_back_says_what_becomes_of_the_apps() {
    let env = Env::new();
    publish(&env, "app", "1.0.0", "2020-01-01T00:00:00Z");
    env.run("install app").success();
    publish(&env, "app", "1.1.0", "2020-06-01T00:00:00Z");
    env.run("upgrade").success();
    env.run("gc --dev").success();
    env.run("rollback").success();
    env.run("stats --rounds 1")
        .fails(1)
        .says("hint: make these again: `orlop sync`");
    let run = env.run("sync").success();
    assert!(!run.stderr.contains("nstalled"), "{run}");
    drop(run.says("The apps stay as they are\nGeneration 3 of `default` is current\n"));
    env.run("sync").success().says("Nothing to do");
    env.run("diff 1 3").success().prints("0 added, 0 removed");
}

#[test]
fn nothing_is_no_generation_to_begin_with() {
    let env = Env::new();
    publish(&env, "app", "1.0.0", "2020-01-01T00:00:00Z");
    for line in ["sync", "upgrade"] {
        env.run(line).success().says("Nothing to do");
        let generations = env.run("history --json").success().json();
        assert_eq!(generations.as_array().unwrap().len(), 0, "{line}");
    }
    env.run("install app").success();
    env.run("remove app")
        .success()
        .says("Generation 2 of `default` is current");
}

#[test]
fn profiles_are_apart() {
    let env = Env::new();
    publish(&env, "app", "1.0.0", "2020-01-01T00:00:00Z");
    env.run("install app --profile work").success();
    env.run("list").success().says("no apps");
    env.run("list --profile work").success().prints("app");
    env.run("list --profile ../x").fails(2);
}

#[test]
fn the_name_of_no_profile_is_said_and_makes_none() {
    let env = Env::new();
    publish(&env, "app", "1.0.0", "2020-01-01T00:00:00Z");
    env.run("-p work install app").success();
    let profiles = || {
        let folders = std::fs::read_dir(env.home().join("profiles")).unwrap();
        let names = folders.map(|entry| entry.unwrap().file_name());
        names.collect::<BTreeSet<_>>()
    };
    let before = profiles();
    for line in [
        "remove app",
        "upgrade",
        "update",
        "lock",
        "outdated",
        "sync",
        "list",
        "info app",
        "tree app",
        "why app",
        "graph",
        "run app",
        "history",
        "rollback",
        "build app",
        "shell",
        "env",
        "export app -f tar",
        "why-rebuilt app",
        "prove",
        "optimise",
        "diff",
        "pin 1",
        "unpin 1",
        "gc --keep 1",
        "why-live app",
        "why-depends app app",
        "which app",
        "du",
        "stats",
        "recipe test",
        "recipe source list",
        "recipe source update",
    ] {
        env.run(&format!("-p wrok {line}"))
            .fails(1)
            .says("there is no profile `wrok`")
            .says("hint: did you mean `-p work`?");
        assert_eq!(profiles(), before, "{line}");
    }
    env.run("-p play list")
        .fails(1)
        .says("hint: there are: `work`")
        .says("hint: the first app makes it: `orlop -p play install APP`");
    env.run("-p play install nothing").fails(4);
    env.run("-p play list").fails(1);
    env.run("-p play install app").success();
    env.run("-p play list").success();
    // The one that nobody names need not be made.
    env.run("list").success().says("has no apps");
    let manifest = env.write("new.toml", "schema = 1\nprofile = \"new\"\n");
    env.orlop(["sync", "-m", manifest.to_str().unwrap()])
        .success();
    env.run("-p new list").success();
}

#[test]
fn where_nothing_is_that_is_said() {
    let env = Env::new();
    publish(&env, "app", "1.0.0", "2020-01-01T00:00:00Z");
    let run = env.run("history").success();
    assert_eq!(run.stdout, "");
    drop(run.says("The profile `default` has no generations"));
    assert_eq!(env.run("history --json").success().stdout.trim(), "[]");
    env.run("install app").success();
    env.run("diff")
        .fails(1)
        .says("generation 1 of `default` is the only one: there is nothing to compare it with");
    env.run("recipe test")
        .success()
        .says("There is nothing to test: no app of the profile `default` has a test");
    env.run("remove app").success();
    let run = env.run("du").success();
    assert_eq!(run.stdout, "");
    drop(run.says("The profile `default` has no apps"));
    env.run("recipe test")
        .success()
        .says("There is nothing to test");
    env.run("rollback").success();
    env.run("diff")
        .fails(1)
        .says("hint: compare it with another: `orlop diff 1 2`");
    env.run("diff 1 2").success().prints("- app 1.0.0");
}

/// One that changed nothing of the versions says what it did leave.
#[test]
fn a_generation_without_another_version_says_so() {
    let env = Env::new();
    publish(&env, "app", "1.0.0", "2020-01-01T00:00:00Z");
    let library = "schema = 1\n[library]\nname = \"number\"\nversion = \"1\"\n\
                   source = { path = \"number\" }\nscript = \"true\"\n";
    std::fs::create_dir(env.path("number")).unwrap();
    drop(env.write("number.toml", library));
    let last = || {
        let text = env.run("history").success().stdout;
        text.lines().last().unwrap_or_default().to_owned()
    };
    env.run("install app").success();
    env.run("install app --linkage static").success();
    assert!(
        last().ends_with("the same versions, made anew"),
        "{}",
        last()
    );
    env.run("install ./number.toml").success();
    assert!(last().ends_with("the same apps"), "{}", last());
    env.run("remove app").success();
    assert!(last().ends_with("- app 1.0.0"), "{}", last());
    env.run("remove number").success();
    assert!(last().ends_with("no apps"), "{}", last());
}

/// By an empty one, the next change would take all apps away.
#[test]
fn a_manifest_that_is_deleted_is_that_of_the_current_generation() {
    let env = Env::new();
    for name in ["app", "other"] {
        publish(&env, name, "1.0.0", "2020-01-01T00:00:00Z");
    }
    env.run("install app --linkage static").success();
    let path = env.home().join("profiles/default/orlop.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let delete = || std::fs::remove_file(&path).unwrap();
    delete();
    env.run("sync")
        .success()
        .says("warning: there is no `")
        .says("orlop.toml`: the manifest of generation 1 counts in its place")
        .says("Nothing to do");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    delete();
    env.run("install other")
        .success()
        .says("generation 1 counts");
    assert_eq!(env.programs("current"), ["app", "other"]);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("linkage = \"static\""), "{text}");
    delete();
    env.run("remove other").success();
    assert_eq!(env.programs("current"), ["app"]);
    // One that asks for nothing is a manifest.
    std::fs::write(&path, "").unwrap();
    env.run("sync").success().says("Removed app 1.0.0");
}

/// Else many an upgrade that found nothing would push what can be gone back to out of `gc --keep`.
#[test]
fn what_changes_nothing_makes_no_generation() {
    let env = Env::new();
    publish(&env, "app", "1.0.0", "2020-01-01T00:00:00Z");
    env.run("install app").success();
    let path = env.home().join("profiles/default/orlop.lock");
    let lock = || std::fs::read_to_string(&path).unwrap();
    let before = lock();
    env.run("upgrade").success().says("Nothing to do");
    let upgraded = lock();
    assert_ne!(before, upgraded, "the registry was looked at again");
    env.run("update").success().says("Nothing changes");
    assert_ne!(upgraded, lock());
    let updated = lock();
    env.run("sync").success().says("Nothing to do");
    env.run("sync --locked").success().says("Nothing to do");
    assert_eq!(updated, lock());
    let history = env.run("history --json").success().json();
    assert_eq!(history.as_array().unwrap().len(), 1, "{history}");
    // What is new is there: new apps are solved on the later state.
    publish(&env, "app", "1.1.0", "2020-06-01T00:00:00Z");
    env.run("upgrade --snapshot 2020-03-01").success();
    env.run("upgrade --snapshot 2020-07-01")
        .success()
        .says("app 1.1.0 in place of 1.0.0")
        .says("Generation 3");
}

#[test]
fn a_dry_run_protects_nothing_and_takes_no_protection_away() {
    let env = Env::new();
    publish(&env, "app", "1.0.0", "2020-01-01T00:00:00Z");
    env.run("install app").success();
    let pinned = || env.run("history --json").success().json()[0]["pinned"].clone();
    env.run("pin 1 -n")
        .success()
        .says("Would protect generation 1 of `default`");
    assert_eq!(pinned(), false);
    env.run("pin 9 -n").fails(1).says("no generation 9");
    env.run("unpin 1 -n").fails(1).says("is not pinned");
    env.run("pin 1").success();
    env.run("unpin 1 -n")
        .success()
        .says("Would take the protection of generation 1 of `default` away");
    assert_eq!(pinned(), true);
}

/// By an age that lies in the future, all generations would be old.
#[test]
fn an_age_that_is_none_lets_nothing_go() {
    let env = Env::new();
    publish(&env, "app", "1.0.0", "2020-01-01T00:00:00Z");
    env.run("install app").success();
    env.run("remove app").success();
    for age in ["5", "5x", "5d ago", "-5d", "month", ""] {
        env.orlop(["gc", &format!("--keep-since={age}")])
            .fails(2)
            .says("write an age as `30d` or `12h`");
    }
    env.run("gc --keep-since 12h").success();
    let history = env.run("history --json").success().json();
    assert_eq!(history.as_array().unwrap().len(), 2);
}

#[test]
fn who_names_a_profile_lets_the_way_back_of_the_others_be() {
    let env = Env::new();
    publish(&env, "app", "1.0.0", "2020-01-01T00:00:00Z");
    for profile in ["default", "other"] {
        env.orlop(["-p", profile, "install", "app"]).success();
        env.orlop(["-p", profile, "remove", "app"]).success();
    }
    let count = |profile: &str| {
        let history = env.orlop(["-p", profile, "history", "--json"]).success();
        history.json().as_array().unwrap().len()
    };
    let planned = env.run("-p other gc --keep 1 -n --json").success().json();
    let generations = serde_json::json!({"other": [1]});
    assert_eq!(planned["generations"], generations);
    env.run("-p other gc --keep 1")
        .success()
        .says("Removed generation 1 of other");
    assert_eq!((count("default"), count("other")), (2, 1));
    env.run("-p ../x gc --keep 1").fails(2);
    env.run("-p other rollback --to 1")
        .fails(1)
        .says("hint: see which there are: `orlop -p other history`");
    env.run("gc --keep 1")
        .success()
        .says("Removed generation 1 of default");
    assert_eq!(count("default"), 1);
}
