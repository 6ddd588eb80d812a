//! What is named and is not there: the message names it, and the way out works.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Env, Package, Run};

const NONE: &str = "No such file or directory";

fn project(env: &Env, name: &str) {
    let folder = env.path(name).join("src");
    std::fs::create_dir_all(&folder).unwrap();
    let manifest = format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\n");
    std::fs::write(env.path(name).join("Cargo.toml"), manifest).unwrap();
    std::fs::write(folder.join("main.rs"), "fn main() {}").unwrap();
    let recipe =
        format!("schema = 1\n\n[app]\nname = \"{name}\"\nsource = {{ path = \"./{name}\" }}\n");
    env.write(&format!("{name}.toml"), &recipe);
}

fn git(folder: &Path, arguments: &[&str]) {
    let mut command = std::process::Command::new("git");
    command.args(["-c", "user.name=t", "-c", "user.email=t@example.test"]);
    let done = command
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    Run::from(done).success();
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let env = Env::new();
    env.run("recipe import ./kit")
        .fails(1)
        .says("error: open the folder `./kit`")
        .says(NONE);
    project(&env, "kit");
    env.run("recipe import ./kit --folder nope")
        .fails(1)
        .says("error: open the folder `./kit/nope`");
    git(&env.path("kit"), &["init", "--quiet"]);
    git(&env.path("kit"), &["add", "."]);
    git(&env.path("kit"), &["commit", "--quiet", "-m", "one"]);
    let address = format!("file://{}", env.path("kit").display());
    env.orlop(["recipe", "import", &address, "--folder", "nope"])
        .fails(1)
        .says(&format!("of `{address}` has no folder `nope`"));
}

#[test]
fn an_app_whose_folder_or_recipe_is_gone_can_be_removed() {
    let env = Env::new();
    env.registry
        .publish(Package::new("app", "1.0.0").main("fn main() {}"));
    for name in ["kit", "kat"] {
        project(&env, name);
    }
    std::fs::rename(env.path("kat"), env.path("gone")).unwrap();
    let new = env.run("install ./kat.toml").fails(1);
    assert!(!new.stderr.contains("orlop remove"), "{new}");
    new.says("error: read what the app `kat` is built from")
        .says("open the folder `")
        .says("/kat`")
        .says(NONE);
    std::fs::rename(env.path("gone"), env.path("kat")).unwrap();

    env.run("install ./kat.toml ./kit.toml app").success();
    std::fs::remove_dir_all(env.path("kat")).unwrap();
    env.run("sync")
        .fails(1)
        .says("error: read what the app `kat` is built from")
        .says("hint: do without what is gone: `orlop remove kat`");
    std::fs::remove_file(env.path("kit.toml")).unwrap();
    env.run("remove kat")
        .fails(1)
        .says("error: read what the app `kit` is built from")
        .says("kit.toml")
        .says("hint: do without what is gone: `orlop remove kat kit`");
    env.run("remove kat kit").success();
    assert_eq!(env.programs("current"), ["app"]);
}

#[test]
fn recipes_that_are_gone_can_be_removed() {
    let env = Env::new();
    env.registry
        .publish(Package::new("app", "1.0.0").main("fn main() {}"));
    env.run("install app").success();
    env.write("odd.toml", "schema = 1\n\n[crate]\nname = \"odd\"\n");
    env.run("install ./odd.toml").success();
    std::fs::remove_file(env.path("odd.toml")).unwrap();
    env.run("sync")
        .fails(1)
        .says("error: read the recipe `odd` of the manifest")
        .says("hint: do without what is gone: `orlop remove odd`");
    env.run("remove odd").success();
    env.run("sync").success();

    std::fs::create_dir(env.path("shelf")).unwrap();
    env.write("shelf/odd.toml", "schema = 1\n\n[crate]\nname = \"odd\"\n");
    env.run("recipe source add ./shelf").success();
    std::fs::remove_dir_all(env.path("shelf")).unwrap();
    env.run("sync")
        .fails(1)
        .says("error: read the source of recipes `shelf` of the manifest")
        .says("`orlop recipe source remove shelf`");
    env.run("recipe source remove shelf").success();
    env.run("sync").success();
}

#[test]
fn a_file_that_is_not_there_has_one_exit_code() {
    let env = Env::new();
    for line in [
        "install ./absent.toml",
        "resolve ./absent.toml",
        "resolve --case absent.json",
        "build ./absent.toml",
        "sync -m absent.toml",
        "prove ./absent",
        "compiler add ./absent.toml",
        "recipe lint absent.toml",
        "recipe fmt absent.toml",
        "recipe test ./absent.toml",
        "recipe bump absent.toml",
    ] {
        let run = env.run(line).fails(1).says("absent").says(NONE);
        assert!(!run.stderr.contains("hint:"), "{run}");
    }
    env.run("prove ./").fails(1).says("is a folder");
}

#[test]
fn what_is_no_program_is_refused_and_only_the_store_can_be_mended() {
    let env = Env::new();
    env.registry
        .publish(Package::new("app", "1.0.0").main("fn main() {}"));
    env.run("install app").success();
    env.write("text", "no program");
    let run = env.run("prove ./text").fails(3);
    assert!(!run.stderr.contains("hint:"), "{run}");
    let app = env.home().join("profiles/default/current/bin/app");
    env.orlop(["prove", app.to_str().unwrap()]).success();
    let real = std::fs::canonicalize(&app).unwrap();
    std::fs::set_permissions(real.parent().unwrap(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::remove_file(&real).unwrap();
    std::fs::write(&real, "no program").unwrap();
    for target in ["app", app.to_str().unwrap()] {
        env.orlop(["prove", target])
            .fails(3)
            .says("`orlop verify --repair`");
    }
    env.run("verify --repair").success();
    env.run("prove app").success();
    let real = std::fs::canonicalize(&app).unwrap();
    std::fs::set_permissions(real.parent().unwrap(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::remove_file(&real).unwrap();
    env.run("prove app")
        .fails(3)
        .says("`orlop verify --repair`");
    env.run("verify --repair").success();
    env.run("prove app").success();
}
