//! What Cargo runs: `cargo install -vv`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process;

use super::command::{Command, words};
use crate::support::{Env, Run};

/// An app installed by Cargo.
pub(crate) struct CargoBuild {
    folder: PathBuf,
    said: String,
}

impl CargoBuild {
    /// Installs an app of the test's registry.
    pub(crate) fn offline(env: &Env, app: &str, arguments: &[&str]) -> Self {
        let home = env.path("cargo-home");
        write_home(env, &home);
        let mut command = command(&env.path("by-cargo"), app, arguments);
        command.arg("--offline").env("CARGO_HOME", home);
        Self::run(env.path("by-cargo"), &mut command)
    }

    /// Installs an app of the real registry, as it is published but for what debug information it
    /// has in the end. Build scripts see `switches` in the environment that Cargo inherits.
    pub(crate) fn online(folder: &Path, app: &str, switches: &BTreeMap<String, String>) -> Self {
        let mut command = command(folder, app, &[]);
        command.envs(switches);
        for (option, value) in [("DEBUG", "0"), ("STRIP", "debuginfo")] {
            command.env(format!("CARGO_PROFILE_RELEASE_{option}"), value);
        }
        Self::run(folder.to_owned(), &mut command)
    }

    /// Whether Cargo fails to install an app of the test's registry.
    pub(crate) fn refuses(env: &Env, app: &str) -> bool {
        let home = env.path("cargo-home");
        write_home(env, &home);
        let mut command = command(&env.path("by-cargo"), app, &["--offline"]);
        !command
            .env("CARGO_HOME", home)
            .output()
            .unwrap()
            .status
            .success()
    }

    fn run(folder: PathBuf, command: &mut process::Command) -> Self {
        let run: Run = command.output().unwrap().into();
        Self {
            folder,
            said: run.success().stderr,
        }
    }

    /// The commands it ran.
    pub(crate) fn commands(&self) -> Vec<Command> {
        let mut commands = Vec::new();
        let mut rest = self.said.as_str();
        while let Some(at) = rest.find(" Running `") {
            let start = rest[..at].rfind('\n').map_or(0, |end| end + 1);
            let alone = rest[start..at].trim().is_empty();
            rest = &rest[at + " Running `".len()..];
            if alone {
                let mut command = Command::of(words(rest, '`'));
                leave_out_lints(&mut command.arguments);
                commands.push(command);
            }
        }
        commands
    }

    /// Runs an installed program.
    pub(crate) fn program(&self, name: &str) -> Run {
        process::Command::new(self.folder.join("root/bin").join(name))
            .env_clear()
            .output()
            .unwrap()
            .into()
    }
}

/// Takes out the expectations of a package's own `[lints]`, which only `-vv` brings to the crates
/// of a registry. They come before those that Cargo itself adds to every command.
fn leave_out_lints(arguments: &mut Vec<String>) {
    let usual = arguments
        .iter()
        .position(|word| word == "cfg(docsrs,test)")
        .map_or(0, |position| position - 1);
    let mut position = 0;
    let mut left = usual;
    while position < left {
        if arguments[position] == "--check-cfg" {
            arguments.drain(position..position + 2);
            left -= 2;
        } else {
            position += 1;
        }
    }
}

fn command(folder: &Path, app: &str, arguments: &[&str]) -> process::Command {
    let cargo = PathBuf::from(std::env::var_os("CARGO").unwrap());
    // The compiler beside it, and none that rustup would choose.
    let mut path = cargo.parent().unwrap().as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap());
    let mut command = process::Command::new(cargo);
    command
        .args(["install", app, "-vv", "--root"])
        .arg(folder.join("root"))
        .arg("--target-dir")
        .arg(folder.join("target"))
        .args(arguments)
        .env_clear()
        .env("PATH", path)
        .env("HOME", std::env::var_os("HOME").unwrap())
        .env("CARGO_TERM_COLOR", "never");
    command
}

/// Lets Cargo take the test's registry for the real one.
fn write_home(env: &Env, home: &Path) {
    let registry = home.join("local-registry");
    std::fs::create_dir_all(&registry).unwrap();
    let link = |from: &Path, to: &Path| {
        if !to.exists() {
            std::os::unix::fs::symlink(from, to).unwrap();
        }
    };
    link(env.registry.folder(), &registry.join("index"));
    for entry in std::fs::read_dir(env.registry.folder().join("crates")).unwrap() {
        let entry = entry.unwrap();
        link(&entry.path(), &registry.join(entry.file_name()));
    }
    let config = format!(
        "[source.crates-io]\nreplace-with = \"test\"\n[source.test]\nlocal-registry = \"{}\"\n",
        registry.display()
    );
    std::fs::write(home.join("config.toml"), config).unwrap();
}

#[test]
fn lints_are_told_from_what_scripts_and_cargo_say() {
    let words = "--check-cfg cfg(lint) -C x --check-cfg cfg(docsrs,test) --check-cfg cfg(script)";
    let mut arguments: Vec<_> = words.split(' ').map(str::to_owned).collect();
    leave_out_lints(&mut arguments);
    assert_eq!(
        arguments.join(" "),
        "-C x --check-cfg cfg(docsrs,test) --check-cfg cfg(script)"
    );
}
