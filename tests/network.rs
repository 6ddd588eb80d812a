//! Real apps from the real registry. Ignored by default: `cargo test -- --ignored network`.

use std::process::{Command, Stdio};

use crate::support::{Env, Run};

fn with_input(env: &Env, program: &str, arguments: &[&str], input: &str) -> Run {
    use std::io::Write as _;
    let path = env
        .home()
        .join("profiles/default/current/bin")
        .join(program);
    let mut child = Command::new(path)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap().into()
}

fn online(env: &Env, line: &str) -> Run {
    env.command()
        .env_remove("ORLOP_INDEX")
        .envs(std::env::var_os("SSL_CERT_FILE").map(|file| ("SSL_CERT_FILE", file)))
        .args(line.split_whitespace())
        .output()
        .unwrap()
        .into()
}

#[test]
#[ignore = "needs the network and minutes of compilation"]
fn network_hexyl_ripgrep_and_fd_share_crates() {
    let env = Env::new();
    drop(online(&env, "install hexyl").success());
    drop(online(&env, "install ripgrep").success());
    let plan = online(&env, "install fd-find --dry-run --json")
        .success()
        .json();
    let reused = plan["present"].as_u64().unwrap();
    assert!(reused > 5, "{reused} reused");
    drop(online(&env, "install fd-find").success());
    with_input(&env, "hexyl", &["--plain"], "A")
        .success()
        .prints("41");
    assert_eq!(
        with_input(&env, "rg", &["-c", "hi"], "hi\n")
            .success()
            .stdout,
        "1\n"
    );
    with_input(&env, "fd", &["--version"], "")
        .success()
        .prints("fd");
    online(&env, "prove").success().prints("PROVED");
    let again = online(&env, "install ripgrep --json").success().json();
    assert_eq!(again["outcome"], "unchanged");
}

/// The first ten of these apps are those of the corpus that compile fastest.
#[test]
#[ignore = "needs the network and minutes of compilation"]
fn network_imported_recipes_are_sound_and_build() {
    let env = Env::new();
    let apps = [
        "hexyl", "zoxide", "sd", "pastel", "ripgrep", "tokei", "fd-find", "procs", "just", "xh",
    ];
    for app in apps {
        drop(online(&env, &format!("recipe import {app}")).success());
        drop(online(&env, &format!("recipe lint --online {app}.toml")).success());
        drop(online(&env, &format!("recipe fmt --check {app}.toml")).success());
    }
    drop(online(&env, "install ./hexyl.toml ./zoxide.toml").success());
    with_input(&env, "hexyl", &["--plain"], "A")
        .success()
        .prints("41");
    with_input(&env, "zoxide", &["init", "bash"], "")
        .success()
        .prints("__zoxide");
}
