//! Without the network: what is recorded is what was known.

use crate::support::{Env, Package, Server};

/// An index that is asked over the network.
fn served() -> (Env, Server) {
    let mut env = Env::new();
    let server = Server::start(env.registry.folder());
    let archives = format!("{}/crates", server.url());
    env.registry.set_download_address(&archives);
    env.set_index(&server.url());
    (env, server)
}

/// The snapshots of a profile's lock file: its own, then that of each app.
#[track_caller]
fn assert_snapshots(env: &Env, profile: &str, expected: &[&String]) {
    assert_eq!(snapshots(env, profile).iter().collect::<Vec<_>>(), expected);
}

fn snapshots(env: &Env, profile: &str) -> Vec<String> {
    let path = env.home().join("profiles").join(profile).join("orlop.lock");
    let lock = std::fs::read_to_string(path).unwrap();
    let lines = lock
        .lines()
        .filter_map(|line| line.strip_prefix("snapshot = "));
    lines.map(str::to_owned).collect()
}

#[test]
fn a_snapshot_is_no_later_than_what_is_known() {
    let (env, _server) = served();
    let publish = |name: &str, version: &str| {
        let app = Package::new(name, version);
        env.registry.publish(app.main("fn main() {}"));
    };
    publish("early", "1.0.0");
    publish("late", "1.0.0");
    env.run("install early").success();
    let first = snapshots(&env, "default");
    publish("early", "1.1.0");
    let known = "What is needed of the registry is known as of ";
    for line in ["outdated", "resolve early"] {
        env.run(&format!("{line} --offline")).success().says(known);
    }
    env.run("update --offline")
        .success()
        .says(known)
        .says("Nothing changes");
    env.run("upgrade --offline").success().says("Nothing to do");
    assert_eq!(snapshots(&env, "default"), first);
    // Who has no snapshot yet takes what is known.
    env.run("-p other install early --offline").success();
    assert_eq!(snapshots(&env, "other"), first);

    // One that is kept stays, and what is added beside it is of its own time.
    env.run("-p late install late").success();
    let late = snapshots(&env, "late");
    assert!(late[0] > first[0]);
    env.run("-p late install early --offline").success();
    let early = &first[0];
    assert_snapshots(&env, "late", &[&late[0], early, &late[0]]);
    env.run("-p late sync --locked --offline").success();
    env.run("-p late upgrade late --offline").success();
    assert_snapshots(&env, "late", &[&late[0], early, &late[0]]);
    for command in ["upgrade", "update", "update early"] {
        env.run(&format!("-p late {command} --offline"))
            .fails(6)
            .says("what is needed of the registry is known as of ")
            .says("hint: ask the registry: leave `--offline` out");
    }
    assert_snapshots(&env, "late", &[&late[0], early, &late[0]]);

    // A pinned one moves no further, either.
    let pinned = || {
        let path = env.home().join("profiles/pinned/orlop.toml");
        let manifest = std::fs::read_to_string(path).unwrap();
        let mut lines = manifest.lines();
        lines.find_map(|line| Some(line.strip_prefix("snapshot = ")?.to_owned()))
    };
    env.run("-p pinned install late --snapshot 2020-01-01")
        .success();
    assert_eq!(pinned().unwrap(), "\"2020-01-01\"");
    env.run("-p pinned update --offline").success();
    assert_eq!(pinned(), Some(late[0].clone()));
    assert_snapshots(&env, "pinned", &[&late[0], &late[0]]);
    env.run("-p pinned sync --locked --offline").success();
    env.run("-p pinned update").success();
    let moved = pinned();
    assert!(moved.as_ref() > late.first());
    env.run("-p pinned update --offline").success();
    assert_eq!(pinned(), moved);
    env.run("-p pinned install early --offline").fails(6);
    env.run("-p pinned update --snapshot 2021-01-01").success();
    env.run("-p pinned install early --offline").success();
}

/// Entries of different times need not fit together; those of one time do.
#[test]
fn what_is_known_is_solved_as_of_one_time() {
    let (env, _server) = served();
    let now = |hours: i64| {
        let now = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(hours);
        now.to_string()
    };
    let leaf = |version: &str| Package::new("leaf", version).lib("");
    let app = |version: &str, needs: &str| {
        let app = Package::new("app", version).needs("leaf", needs);
        app.main("fn main() {}")
    };
    env.registry
        .publish(leaf("1.0.0").published(&now(-2)))
        .publish(app("1.0.0", "1").published(&now(-2)));
    env.run("install app").success();
    let first = snapshots(&env, "default");
    env.registry
        .publish(leaf("2.0.0").published(&now(0)))
        .publish(app("2.0.0", "2").published(&now(0)));
    // The entry of `app` is new then, and that of `leaf` is not.
    env.run("outdated").success().prints("2.0.0");
    env.run("upgrade --offline").success().says("Nothing to do");
    assert_eq!(snapshots(&env, "default"), first);
    env.run("upgrade").success().says("Installed app 2.0.0");
}
