//! What goes wrong is said clearly, has a documented exit code, and leaves everything as it was.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::{Env, Fault, Package, Server};

fn with_app() -> Env {
    let env = Env::new();
    env.registry
        .publish(Package::new("app", "1.0.0").main("fn main() { println!(\"works\"); }"));
    env.run("install app").success();
    env
}

/// Asserts that the generation from before the failed command is untouched.
#[track_caller]
fn as_before(env: &Env) {
    assert_eq!(env.program("app").success().stdout, "works\n");
    let history = env.run("history --json").success().json();
    assert_eq!(history.as_array().unwrap().len(), 1);
    let unchanged = env.run("install app --json").success().json();
    assert_eq!(unchanged["outcome"], "unchanged");
    let manifest = std::fs::read_to_string(env.home().join("profiles/default/orlop.toml")).unwrap();
    assert_eq!(manifest, "schema = 1\n\n[packages]\napp = \"*\"\n");
    let staging: Vec<_> = std::fs::read_dir(env.home().join("staging"))
        .unwrap()
        .collect();
    assert!(staging.is_empty(), "{staging:?}");
}

#[test]
fn unknown_app() {
    let env = with_app();
    env.run("install ap")
        .fails(4)
        .says("`ap`")
        .says("hint:")
        .says("`app`");
    as_before(&env);
}

#[test]
fn a_name_that_is_none() {
    let env = with_app();
    env.run("install a$b")
        .fails(2)
        .says("not a valid package name");
    as_before(&env);
}

#[test]
fn the_name_of_a_program_instead_of_the_app() {
    let env = with_app();
    for verb in ["install", "resolve", "build", "shell", "env"] {
        env.run(&format!("{verb} rg"))
            .fails(1)
            .says("`rg` is a program of the app `ripgrep`")
            .says(&format!("hint: name the app: `orlop {verb} ripgrep`"));
    }
    as_before(&env);
}

#[test]
fn options_say_what_they_take() {
    let env = with_app();
    for (line, text) in [
        (
            "list -j0",
            "write how many builds may run at once: 1 or more",
        ),
        (
            "list -j many",
            "write how many builds may run at once: 1 or more",
        ),
        (
            "resolve app --rust-version new",
            "write a release as `1.80` or `1.80.0`",
        ),
        (
            "resolve app --rust-version 1.80.0.0",
            "write a release as `1.80` or `1.80.0`",
        ),
        (
            "resolve app --snapshot yesterday",
            "write a date, `2026-11-22` (its end), or a time, `2026-11-22T08:00`, both in UTC",
        ),
    ] {
        env.run(line).fails(2).says(text);
    }
    for line in [
        "resolve app --rust-version 1.80",
        "resolve app --rust-version 1.80.1",
        "resolve app --snapshot 2026-11-20T10:00",
        "install app -n --snapshot 2026-11-20T10:00:00Z",
    ] {
        env.run(line).success();
    }
}

/// Where another command was typed, that is what helps.
#[test]
fn hints_name_the_command_that_was_typed() {
    let env = with_app();
    env.run("resolve app@9")
        .fails(4)
        .says("hint: take the newest: `orlop resolve app@1`");
    env.run("install app@9")
        .fails(4)
        .says("hint: take the newest: `orlop install app@1`");
    env.run("resolve ap").fails(4).says("`orlop resolve app`");
    env.run("install git+https://host.invalid/x")
        .fails(2)
        .says("hint: write a recipe for a project in a repository: `orlop recipe import https://host.invalid/x`");
}

#[test]
fn what_is_to_go_is_named_by_its_name() {
    let env = with_app();
    drop(env.write("other.toml", "schema = 1\n[app]\nname = \"app\"\n"));
    env.run("install ./other.toml").success();
    for text in ["./other.toml", "other.toml", "app@1"] {
        env.run(&format!("remove {text}"))
            .fails(2)
            .says("hint: by its name: `orlop remove app`");
    }
    env.run("remove ./absent.toml")
        .fails(2)
        .says("hint: see what is installed: `orlop list`");
    env.run("remove app").success();
}

#[test]
fn impossible_version() {
    let env = with_app();
    env.run("install app@99").fails(4).says("99").says("1.0.0");
    as_before(&env);
}

#[test]
fn only_a_yanked_release() {
    let env = with_app();
    env.registry
        .publish(Package::new("gone", "1.0.0").main("fn main() {}").yanked());
    env.run("install gone").fails(4).says("yanked");
    as_before(&env);
}

#[test]
fn a_library_is_not_an_app() {
    let env = with_app();
    env.registry
        .publish(Package::new("only-lib", "1.0.0").lib(""));
    env.run("install only-lib")
        .fails(4)
        .says("has no programs to install");
    as_before(&env);
}

#[test]
fn checksum_mismatch() {
    let env = with_app();
    env.registry
        .publish(Package::new("tampered", "1.0.0").main("fn main() {}"));
    let archive = env.registry.archive_path("tampered", "1.0.0");
    let mut bytes = std::fs::read(&archive).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    env.run("install tampered")
        .fails(3)
        .says("tampered")
        .says("SHA-256");
    as_before(&env);
}

#[test]
fn interrupted_download() {
    let mut env = with_app();
    let server = Server::start(env.registry.folder());
    env.registry
        .publish(Package::new("far", "1.0.0").main("fn main() { println!(\"far\"); }"));
    env.registry
        .set_download_address(&format!("{}/crates", server.url()));
    env.set_index(&server.url());
    server.set_fault(Fault::Cut);
    env.run("install far").fails(1).says("far");
    server.set_fault(Fault::CutOnce);
    env.run("install far").success();
    assert_eq!(env.program("far").success().stdout, "far\n");
    let before = server.requests();
    env.run("install far").success();
    assert_eq!(server.requests(), before, "a rerun asks nothing");
    env.run("install far --offline").success();
}

#[test]
fn a_portal_that_wants_a_login() {
    let mut env = with_app();
    let server = Server::start(env.registry.folder());
    let folder = env.registry.folder().to_str().unwrap().to_owned();
    env.set_index(&server.url());
    server.set_fault(Fault::Portal);
    env.registry
        .publish(Package::new("far", "1.0.0").main("fn main() {}"));
    let run = env.run("install far");
    assert!(run.code == 1 && run.stderr.contains("error:"), "{run}");
    env.set_index(&folder);
    as_before(&env);
}

#[test]
fn a_server_that_is_out_of_order() {
    let mut env = with_app();
    let server = Server::start(env.registry.folder());
    let folder = env.registry.folder().to_str().unwrap().to_owned();
    env.set_index(&server.url());
    server.set_fault(Fault::Unavailable);
    env.run("install far").fails(1).says("503").says("tried");
    env.set_index(&folder);
    as_before(&env);
}

#[test]
fn offline_without_the_app() {
    let mut env = with_app();
    let server = Server::start(env.registry.folder());
    let folder = env.registry.folder().to_str().unwrap().to_owned();
    env.set_index(&server.url());
    env.run("install far --offline").fails(6).says("--offline");
    assert_eq!(server.requests(), 0);
    env.set_index(&folder);
    as_before(&env);
}

#[test]
fn one_app_in_two_ways() {
    let env = with_app();
    let recipe = |name: &str| {
        let file = format!("{name}.toml");
        env.write(
            &file,
            "schema = 1\n[app]\nname = \"app\"\nversion = \"1\"\n",
        );
    };
    recipe("one");
    recipe("two");
    for (line, first, second) in [
        ("app@=1.0.0 app@2", "app@=1.0.0", "app@2"),
        ("app app@1", "app", "app@1"),
        ("app ./one.toml", "app", "./one.toml"),
        ("one.toml two.toml", "one.toml", "two.toml"),
    ] {
        let error = format!("`app` is asked for twice: as `{first}` and as `{second}`");
        env.run(&format!("install {line}"))
            .fails(2)
            .says(&error)
            .says("hint: leave one out");
        env.run(&format!("resolve {line}")).fails(2).says(&error);
    }
    as_before(&env);
    // To say the same again asks for nothing else.
    env.run("resolve app app@latest").success();
    env.run("install app ./one.toml -n").fails(2).says("twice");
    env.run("install ./one.toml one.toml app@* app -n")
        .fails(2)
        .says("twice");
    env.run("install one.toml ./one.toml -n").success();
}

#[test]
fn compile_error() {
    let env = with_app();
    env.registry
        .publish(Package::new("good", "1.0.0").lib("pub fn good() {}"))
        .publish(
            Package::new("broken", "1.0.0")
                .needs("good", "1")
                .main("fn main() { good::good(); missing(); }"),
        );
    let run = env
        .run("install broken")
        .fails(5)
        .says("broken")
        .says("missing");
    let log = run
        .stderr
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| "`'\":,()".contains(c)))
        .find(|word| word.contains("/logs/"))
        .unwrap_or_else(|| panic!("the log's path is not said:\n{run}"))
        .to_owned();
    assert!(std::fs::read_to_string(log).unwrap().contains("missing"));
    assert_eq!(env.objects("-good-1.0.0").len(), 1, "finished crates stay");
    as_before(&env);
}

/// New versions of a library break an app, while its author has locked others.
#[test]
fn a_way_out_of_versions_that_break() {
    let env = with_app();
    let app = |name, version| {
        Package::new(name, "1.0.0")
            .needs("moved", "1")
            .main("fn main() { moved::there(); }")
            .locks("moved", version)
    };
    env.registry
        .publish(Package::new("moved", "1.0.0").lib("pub fn there() {}"))
        .publish(Package::new("moved", "1.1.0").lib("pub fn here() {}"))
        .publish(app("broken", "1.0.0"))
        .publish(app("hopeless", "1.1.0"));
    let own = "schema = 1\n[app]\nname = \"own\"\ncrate = \"broken\"\n";
    let recipe = env.write("own.toml", own).display().to_string();
    for app in ["broken", "broken@1.0", &recipe] {
        let way_out = format!("orlop install {app} --policy locked");
        env.run(&format!("install {app}")).fails(5).says(&way_out);
    }
    let run = env.run("install hopeless").fails(5);
    assert!(!run.stderr.contains("--policy locked"), "{run}");
    as_before(&env);
    env.run("install broken --policy locked").success();
    env.program("broken").success();
}

#[test]
fn programs_behind_features_and_the_way_to_them() {
    let env = with_app();
    let behind = "[[bin]]\nname = \"behind\"\npath = \"src/main.rs\"\n\
                  required-features = [\"first\", \"second\"]";
    env.registry.publish(
        Package::new("behind", "1.0.0")
            .feature("first", &[])
            .feature("second", &[])
            .main("fn main() {}")
            .tables(behind),
    );
    env.run("install behind")
        .fails(4)
        .says("`behind` needs `first`, `second`")
        .says("`orlop install behind -F first,second`");
    as_before(&env);
    env.run("install behind -F first,second").success();
    env.program("behind").success();
}

#[test]
fn a_build_script_that_fails() {
    let env = with_app();
    env.registry.publish(
        Package::new("script", "1.0.0")
            .file("build.rs", "fn main() { panic!(\"no such thing here\"); }")
            .main("fn main() {}"),
    );
    env.run("install script")
        .fails(5)
        .says("no such thing here");
    as_before(&env);
}

#[test]
fn a_home_that_cannot_be_written() {
    let env = Env::new();
    let file = env.write("file", "");
    let below = file.join("home");
    let run = env.orlop(["--home", below.to_str().unwrap(), "du"]);
    run.fails(1).says(below.to_str().unwrap()).says("hint:");
    let locked = env.path("locked");
    std::fs::create_dir(&locked).unwrap();
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o555)).unwrap();
    if std::fs::write(locked.join("probe"), "").is_err() {
        let run = env.orlop(["--home", locked.join("home").to_str().unwrap(), "du"]);
        run.fails(1).says("locked/home").says("hint:");
    }
}

#[test]
fn two_apps_with_a_program_of_the_same_name() {
    let env = with_app();
    env.registry.publish(
        Package::new("rival", "1.0.0")
            .tables("[[bin]]\nname = \"app\"\npath = \"src/main.rs\"")
            .main("fn main() {}"),
    );
    env.run("install rival")
        .fails(1)
        .says("`app`")
        .says("`rival`");
    as_before(&env);
}

#[test]
fn wrong_usage() {
    let env = Env::new();
    env.run("frobnicate").fails(2);
    env.run("install").fails(2);
    env.run("remove nothing")
        .fails(1)
        .says("not in the manifest");
    env.run("run nothing").fails(1).says("no apps yet");
}

/// What looks like a name may be a library's, or of an app that this registry does not have.
#[test]
fn only_names_that_can_be_installed_are_suggested() {
    let env = with_app();
    env.registry
        .publish(Package::new("number", "1.0.0").lib(""))
        .publish(Package::new("nuber", "1.0.0").main("fn main() {}").yanked());
    for name in ["numbr", "ripgrpe"] {
        let run = env.run(&format!("install {name}")).fails(4);
        assert!(!run.stderr.contains("did you mean"), "{run}");
    }
    for (name, hint) in [
        ("apq", "did you mean `app`?"),
        ("ripgrep", "install it: `orlop install ripgrep`"),
        (
            "rg",
            "a program of the app `ripgrep`: `orlop install ripgrep`",
        ),
        (
            "zzz",
            "if the registry has an app of that name: `orlop install zzz`",
        ),
    ] {
        let run = env.run(&format!("info {name}")).fails(1);
        drop(run.says(&format!("`{name}` is not installed")).says(hint));
    }
    std::fs::create_dir_all(env.path("kit/src")).unwrap();
    let text = "[package]\nname = \"kit\"\nversion = \"1.0.0\"\nedition = \"2021\"\n";
    env.write("kit/Cargo.toml", text);
    env.write("kit/src/main.rs", "fn main() { println!(\"kit\"); }");
    let folder = env.path("kit");
    let import = format!("recipe import {}", folder.display());
    for command in ["install", "build", "resolve"] {
        env.run(&format!("{command} kit/Cargo.toml"))
            .fails(2)
            .says("kit/Cargo.toml` is the manifest of a package, not a recipe")
            .says(&format!("the project in it: `orlop {import}`"));
    }
    let mut command = env.command();
    let here = command.current_dir(&folder).args(["install", "."]);
    crate::support::Run::from(here.output().unwrap())
        .fails(2)
        .says("kit` is a folder, not the file of a recipe")
        .says(&format!("the project in it: `orlop {import}`"));
    env.run(&import).success();
    env.run("install ./kit.toml").success();
    assert_eq!(env.program("kit").success().stdout, "kit\n");
}

#[test]
fn a_name_that_is_none_is_said_before_a_compiler_is_imported() {
    let env = Env::new();
    env.registry
        .publish(Package::new("hello", "1.0.0").main("fn main() {}"));
    let home = env.path("fresh");
    let install = |what: &str| env.orlop(["--home", home.to_str().unwrap(), "install", what]);
    install("hullo")
        .fails(4)
        .says("did you mean `hello`? `orlop");
    // In a file it would stay there.
    let manifest = env.write("orlop.toml", "schema = 1\n[packages]\nhullo = \"*\"\n");
    env.orlop([
        "--home",
        home.to_str().unwrap(),
        "sync",
        "-m",
        manifest.to_str().unwrap(),
    ])
    .fails(4)
    .says("orlop.toml:3")
    .says("did you mean `hello`? Change it there");
    install("hello@2").fails(4);
    let run = env
        .orlop(["--home", home.to_str().unwrap(), "compiler", "list"])
        .success();
    assert_eq!(run.stdout, "");
    drop(run.says("There is no compiler in the store"));
    assert_eq!(std::fs::read_dir(home.join("store")).unwrap().count(), 0);
}
