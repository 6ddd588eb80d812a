//! `orlop shell` and `orlop env`: where a step of a build is executed.

use std::io::Write as _;
use std::process::Stdio;

use crate::natives::two_numbers;
use crate::support::{Env, Package, Run};

/// Runs a shell line where a step is executed.
fn there(env: &Env, what: &str, line: &str) -> Run {
    let words = ["shell"].into_iter().chain(what.split_whitespace());
    env.orlop(words.chain(["--", "sh", "-c", line]))
}

/// Runs `orlop` with something on its standard input.
fn with_input(env: &Env, arguments: &[&str], input: &str) -> Run {
    let mut child = env
        .command()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap().into()
}

fn published(env: &Env) {
    env.registry
        .publish(
            Package::new("leaf", "1.0.0")
                .file(
                    "build.rs",
                    "fn main() { println!(\"cargo:rustc-env=LEVEL=3\"); eprintln!(\"ran\"); }",
                )
                .lib("pub fn level() -> &'static str { env!(\"LEVEL\") }"),
        )
        .publish(
            Package::new("app", "1.0.0")
                .needs("leaf", "1")
                .main("fn main() { println!(\"{}\", leaf::level()); }"),
        );
}

#[test]
fn the_script_of_a_library() {
    let env = Env::new();
    drop(two_numbers(&env));
    let described = env.run("env ./number1.toml --json").success().json();
    assert_eq!(described["name"], "number1-1.0.0");
    assert_eq!(described["folder"], "/orlop/build/source/c");
    assert_eq!(described["program"], "/bin/sh");
    let inputs = described["inputs"].as_array().unwrap();
    assert!(
        inputs
            .iter()
            .any(|input| input.as_str().unwrap().ends_with("-src"))
    );
    let out = described["environment"]["out"].as_str().unwrap();
    assert!(out.ends_with("-number1-1.0.0"), "{out}");
    let text = env.run("env ./number1.toml").success().stdout;
    for line in [
        "# number1-1.0.0",
        "export LANG=C",
        &format!("export out={out}"),
        "cd /orlop/build/source/c",
        "# /bin/sh -eu /orlop/build/script.sh",
    ] {
        assert!(text.lines().any(|there| there == line), "no {line}: {text}");
    }

    // What a shell sees is what is printed, and what the script does can be done by hand.
    let seen = there(&env, "./number1.toml", "env; pwd").success().stdout;
    for (name, value) in described["environment"].as_object().unwrap() {
        let line = format!("{name}={}", value.as_str().unwrap());
        assert!(seen.lines().any(|there| there == line), "no {line}: {seen}");
    }
    assert!(seen.contains("\n/orlop/build/source/c\n"), "{seen}");
    let line = "ls $out; sh /orlop/build/step && ls $out/lib && ls /home";
    let run = there(&env, "./number1.toml", line).fails(2);
    assert!(run.stdout.contains("libnumber.so"), "{run}");
    let object = format!(
        "-{}",
        out.rsplit_once('/').unwrap().1.split_once('-').unwrap().1
    );
    assert_eq!(env.objects(&object).len(), 1);
    drop(env.run("verify").success());
}

/// The script of a recipe that names a folder of its source begins there.
#[test]
fn a_folder_of_the_source_is_where_the_script_begins() {
    let env = Env::new();
    std::fs::create_dir_all(env.path("number/src/deep")).unwrap();
    drop(env.write("number/src/deep/x.c", "int x;\n"));
    let recipe = "schema = 1\n[library]\nname = \"number\"\nversion = \"1\"\n\
                  source = { path = \"number\", folder = \"src/deep\" }\n\
                  script = 'mkdir -p $out/include && cp x.c $out/include/x.h && pwd'\n";
    drop(env.write("number.toml", recipe));
    drop(env.run("build ./number.toml").success());
    let line = "pwd; ls; sh /orlop/build/step && ls $out/include";
    let run = there(&env, "./number.toml", line).success();
    let folder = "/orlop/build/source/src/deep";
    assert_eq!(run.stdout, format!("{folder}\nx.c\n{folder}\nx.h\n"));
    let described = env.run("env ./number.toml --json").success().json();
    assert_eq!(described["folder"], folder);
    env.run("env ./number.toml")
        .success()
        .prints(&format!("cd {folder}\n"));
}

#[test]
fn the_step_that_fails_is_where_it_opens() {
    let env = Env::new();
    let mut recipes = two_numbers(&env);
    let files = [("x.c", "int x;\n")];
    recipes.library("broken", &files, "cat x.c; exit 9", &[]);
    let run = there(&env, "./broken.toml", "cat x.c; sh ../../step").fails(9);
    assert!(run.stdout.starts_with("int x;\nint x;\n"), "{run}");
    assert!(run.stderr.contains("`broken-1.0.0` failed"), "{run}");
    let run = there(&env, "./broken.toml", "kill -TERM $$").fails(128 + 15);
    // A shell, and what it is told.
    drop(run.says("sh /orlop/build/step"));
    let words = ["shell", "./broken.toml"];
    let run = with_input(&env, &words, "cat x.c\necho $((6 * 7))\nexit 3\n").fails(3);
    assert_eq!(run.stdout, "int x;\n42\n", "{run}");
    // It is no shell for people, where nobody types.
    assert!(!run.stderr.contains("job control"), "{run}");
    assert!(!run.stderr.contains("terminal"), "{run}");
    let words = ["shell", "./broken.toml", "--", "cat"];
    assert_eq!(with_input(&env, &words, "said").success().stdout, "said");
}

/// On a terminal: a shell with control of jobs.
#[test]
fn a_shell_on_a_terminal() {
    let env = Env::new();
    drop(two_numbers(&env));
    let program = env!("CARGO_BIN_EXE_orlop");
    let mut command = std::process::Command::new("script");
    let line = format!("{program} --no-progress shell ./number1.toml");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    for (name, value) in env.command().get_envs() {
        command.env(name, value.unwrap());
    }
    let started = command
        .current_dir(env.path(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        eprintln!("skipped: there is no `script`");
        return;
    };
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(b"sleep 60 & kill %1 && echo $((6 * 7))-$?; tty -s; echo tty $?\nexit 4\n")
        .unwrap();
    let run: Run = child.wait_with_output().unwrap().into();
    drop(stdin);
    let run = run.fails(4);
    assert!(run.stdout.contains("42-0"), "{run}");
    assert!(run.stdout.contains("tty 0"), "{run}");
    assert!(!run.stdout.contains("no job control"), "{run}");
}

#[test]
fn the_steps_of_a_crate() {
    let env = Env::new();
    published(&env);
    // Its build script was not run yet, and then is for what comes after it.
    let described = env.run("env app --crate leaf --json").success().json();
    assert_eq!(described["name"], "leaf 1.0.0 (build script)");
    drop(env.run("install app").success());
    let log = env.run("log leaf").success().stdout;
    let line = "echo $CARGO_PKG_NAME; cd $CARGO_MANIFEST_DIR && ls; sh /orlop/build/step";
    for what in ["app --crate leaf", "app --crate leaf@1.0.0", "-c leaf"] {
        let run = there(&env, what, line).success();
        let said = "leaf\nCargo.toml\nbuild.rs\nsrc\ncargo:rustc-env=LEVEL=3\n";
        assert_eq!(run.stdout, said, "{run}");
        assert!(run.stderr.contains("ran\n"), "{run}");
    }
    let run = there(&env, "app", "sh /orlop/build/step && echo $CARGO_BIN_NAME").success();
    assert_eq!(run.stdout, "app\n");
    assert_eq!(env.run("log leaf").success().stdout, log, "logs stay");
    // What it was made from is made again where gc has removed it.
    env.run("gc").success();
    assert!(env.objects("-app-1.0.0-src").is_empty());
    let run = there(&env, "app", "sh /orlop/build/step && echo $CARGO_BIN_NAME").success();
    assert_eq!(run.stdout, "app\n");
    let left = std::fs::read_dir(env.home().join("staging")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn what_cannot_be_visited() {
    let env = Env::new();
    published(&env);
    drop(env.run("shell").fails(1).says("no apps"));
    drop(env.run("shell app -n").success().prints("to build"));
    let plan = env.run("env app -n --json").success().json();
    assert!(!plan["build"].as_array().unwrap().is_empty(), "{plan}");
    assert_eq!(env.objects("-leaf-1.0.0").len(), 0);
    drop(env.run("env app --crate nothing").fails(1).says("leaf"));
    drop(
        env.run("shell app --sandbox none -- true")
            .fails(2)
            .says("sandbox"),
    );
    env.registry
        .publish(Package::new("leaf", "2.0.0").lib(""))
        .publish(
            Package::new("both", "1.0.0")
                .needs("app-lib", "1")
                .needs("leaf", "2")
                .main("fn main() {}"),
        )
        .publish(Package::new("app-lib", "1.0.0").needs("leaf", "1").lib(""));
    drop(
        env.run("env both --crate leaf")
            .fails(2)
            .says("--crate leaf@1.0.0"),
    );
    let described = env
        .run("env both --crate leaf@2.0.0 --json")
        .success()
        .json();
    assert_eq!(described["environment"]["CARGO_PKG_VERSION"], "2.0.0");
}
