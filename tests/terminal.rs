//! What is written to whom, and what if it cannot be written.

use std::fs::File;
use std::process::Stdio;

use crate::support::{Env, Package, Run};

fn env() -> Env {
    let env = Env::new();
    env.registry
        .publish(Package::new("app", "1.0.0").main("fn main() { println!(\"works\"); }"));
    env
}

fn full() -> Stdio {
    File::options()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

/// A pipe whose reader has gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn data_that_cannot_be_written_is_a_failure() {
    let env = env();
    env.run("install app").success();
    for line in [
        "list",
        "list --json",
        "tree app",
        "graph",
        "history",
        "log app",
        "completions bash",
        "--help",
        "help install",
        "--version",
    ] {
        let run = |stdout: Stdio| -> Run {
            let mut command = env.command();
            command.args(line.split(' ')).stdout(stdout);
            command.stderr(Stdio::piped());
            command.spawn().unwrap().wait_with_output().unwrap().into()
        };
        run(full())
            .fails(1)
            .says("error: write to standard output: No space left on device");
        // Who has seen enough is no failure, and nothing is said of it.
        assert_eq!(run(closed()).success().stderr, "", "{line}");
    }
}

#[test]
fn an_install_ends_well_when_nobody_reads_what_it_says() {
    for (verbose, stderr) in [("-v", closed()), ("-vv", full()), ("--json", closed())] {
        let env = env();
        let mut command = env.command();
        command.args(["install", "app", verbose]).stderr(stderr);
        Run::from(command.output().unwrap()).success();
        assert_eq!(env.program("app").success().stdout, "works\n");
    }
}

#[test]
fn verbose_tells_what_orlop_does_and_twice_what_its_libraries_do() {
    let env = env();
    let once = env.run("install app --dry-run -v").success();
    assert!(!once.stderr.contains("pubgrub"), "{once}");
    assert!(!once.stderr.contains('\u{1b}'), "{once}");
    let twice = env.run("install app --dry-run -vv").success();
    assert!(!twice.stderr.contains('\u{1b}'), "{twice}");
    twice.says("pubgrub");
    env.run("install app --dry-run -vv --color always")
        .success()
        .says("\u{1b}[");
}

#[test]
fn help_is_a_command_and_no_command_gets_it() {
    let env = env();
    env.run("help").success().prints("Usage: orlop");
    env.run("help install").success().prints("orlop install");
    env.run("help recipe import")
        .success()
        .prints("Usage: orlop recipe import");
    env.run("").fails(2).says("Usage: orlop").says("  install ");
    env.run("compiler").fails(2).says("  add ");
    for line in ["-q", "--home here", "compiler -q"] {
        let run = env.run(line).fails(2);
        assert!(run.stderr.lines().count() < 5, "{run}");
        run.says("hint: see the commands: `orlop help`");
    }
}

#[test]
fn an_empty_variable_is_none_and_an_empty_option_is_a_mistake() {
    let env = env();
    let mut command = env.command();
    command.args(["compiler", "list"]).env("ORLOP_HOME", "");
    Run::from(command.output().unwrap()).success();
    assert!(env.path(".local/share/orlop").is_dir());
    let mut command = env.command();
    command.args(["resolve", "app"]).env("ORLOP_INDEX", "");
    command.arg("--offline");
    Run::from(command.output().unwrap()).fails(6);
    env.orlop(["--home", "", "list"]).fails(2).says("`--home`");
    env.orlop(["--index", "", "list"])
        .fails(2)
        .says("`--index`");
    env.orlop(["-p", "", "list"]).fails(2).says("profile");
}

#[test]
fn who_names_an_app_otherwise_is_told_how() {
    let env = env();
    env.run("install https://example.test/kit")
        .fails(2)
        .says("hint: ")
        .says("`orlop recipe import https://example.test/kit`");
    env.run("install app==1")
        .fails(2)
        .says("hint: did you mean `app@1`?");
}

#[test]
fn commands_in_hints_act_where_the_command_did() {
    let env = env();
    let home = env.home();
    let home = home.to_str().unwrap();
    env.run("-p tools list")
        .fails(1)
        .says("`orlop -p tools install APP`");
    env.orlop(["--home", home, "-p", "tools", "info", "app"])
        .fails(1)
        .says(&format!("`orlop --home {home} -p tools install "));
    // What a variable says, it says of the next command as well.
    env.run("info app").fails(1).says("`orlop install ");
    env.run("recipe new kit")
        .success()
        .says("hint: see what is left to do: `orlop recipe lint kit.toml`");
    drop(env.run("recipe lint kit.toml"));
    env.orlop(["recipe", "new", "kit", "-o", "a b.toml"])
        .success()
        .says("`orlop recipe lint 'a b.toml'`");

    let manifest = env.write("mine.toml", "schema = 1\n\n[packages]\napp = \"*\"\n");
    let manifest = manifest.to_str().unwrap();
    env.orlop(["sync", "-m", manifest, "--locked"])
        .fails(6)
        .says(&format!("`orlop sync -m {manifest}` without"));
}

#[test]
fn a_compiler_is_offered_where_it_can_be_had() {
    let env = env();
    let none = env.run("install app --compiler nonesuch").fails(1);
    assert!(!none.stderr.contains("compiler add nonesuch"), "{none}");
    none.says("`orlop compiler list`");
    // As if `rustup` were there: it is only looked for.
    std::fs::create_dir(env.path("bin")).unwrap();
    env.write("bin/rustup", "");
    let run = |name: &str| -> Run {
        let mut command = env.command();
        command.args(["install", "app", "--compiler", name]);
        let path = env.path("bin").into_os_string().into_string().unwrap();
        let usual = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{path}:{usual}"));
        Run::from(command.output().unwrap()).fails(1)
    };
    run("1.2.3").says("`rustup toolchain install 1.2.3 && orlop compiler add 1.2.3`");
    std::fs::create_dir_all(env.path(".rustup/toolchains/1.2.3-x/bin")).unwrap();
    env.write(".rustup/toolchains/1.2.3-x/bin/rustc", "");
    run("1.2.3").says("import it: `orlop compiler add 1.2.3`");
}

#[test]
fn paths_in_hints_can_be_typed() {
    let env = env();
    let folder = env.path("my recipes");
    std::fs::create_dir(&folder).unwrap();
    let plugin = folder.join("loud.toml");
    std::fs::write(
        &plugin,
        "schema = 1\n[plugin]\nname = \"loud\"\nhost = \"app\"\n",
    )
    .unwrap();
    let plugin = plugin.to_str().unwrap();
    for verb in ["install", "build"] {
        env.orlop([verb, plugin]).fails(2).says(&format!(
            "hint: build it: `orlop build --plugin '{plugin}'`"
        ));
    }
    let folder = folder.to_str().unwrap();
    env.orlop(["install", "./my recipes"])
        .fails(2)
        .says(&format!("`{folder}` is a folder, not the file of a recipe"))
        .says(&format!("`orlop recipe import '{folder}'`"));
}

#[test]
fn a_terminal_without_width_or_colours() {
    let env = env();
    env.run("install app").success();
    let program = env!("CARGO_BIN_EXE_orlop");
    let on_terminal = |line: &str, kind: &str| -> Option<Run> {
        let mut command = std::process::Command::new("script");
        let line = format!("stty cols 0; {program} {line}");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        for (name, value) in env.command().get_envs() {
            command.env(name, value.unwrap());
        }
        command.env("TERM", kind).stdin(Stdio::null());
        let Ok(output) = command.output() else {
            eprintln!("skipped: there is no `script`");
            return None;
        };
        Some(output.into())
    };
    let Some(listed) = on_terminal("list", "xterm") else {
        return;
    };
    let listed = listed.success();
    assert!(listed.stdout.contains(" app  1.0.0 "), "{listed}");
    for (line, kind, colours) in [
        ("run nope", "xterm", true),
        ("run nope", "dumb", false),
        ("--color never run nope", "xterm", false),
        ("--color always run nope", "dumb", true),
    ] {
        let run = on_terminal(line, kind).unwrap().fails(1);
        assert_eq!(run.stdout.contains("\u{1b}[31m"), colours, "{line} {run}");
    }
}
