//! What a recipe says of an app beside how it is built: man pages, completions, caveats,
//! deprecation, tests.

use crate::support::{Env, Package};

/// Two apps that share a crate, so that their programs load a library. `kit` has a page in its
/// package and prints its completions.
fn published(env: &Env) {
    env.registry
        .publish(Package::new("words", "1.0.0").lib(
            "#[inline(never)] pub fn hello() -> String { format!(\"hello {}\", std::process::id() > 0) }\n\
             #[inline(never)] pub fn bye() -> String { format!(\"bye {}\", std::process::id() > 0) }",
        ))
        .publish(
            Package::new("kit", "1.0.0")
                .needs("words", "1")
                .main(
                    "fn main() { match std::env::args().nth(1).as_deref() {\n\
                     Some(\"complete\") => println!(\"complete -W {:?} kit\", words::hello()),\n\
                     Some(\"silent\") => {}\n\
                     Some(\"now\") => println!(\"{:?}\", std::time::SystemTime::now()),\n\
                     Some(\"fail\") => { eprintln!(\"cannot\"); std::process::exit(3) }\n\
                     Some(\"home\") => std::fs::write(\"/nowhere\", \"x\").unwrap(),\n\
                     _ => println!(\"{}\", words::hello()) } }",
                )
                .file("doc/kit.1", ".TH KIT 1\n"),
        )
        .publish(
            Package::new("other", "1.0.0")
                .needs("words", "1")
                .main("fn main() { println!(\"{}\", words::hello()); }"),
        );
}

fn recipe(env: &Env, more: &str) {
    drop(env.write(
        "kit.toml",
        &format!("schema = 1\n[app]\nname = \"kit\"\n{more}"),
    ));
}

#[test]
fn man_pages_and_completions_are_part_of_the_view() {
    let env = Env::new();
    published(&env);
    recipe(
        &env,
        "[app.share]\n\"kit.1\" = { file = \"doc/kit.1\" }\n\
         \"kit.bash\" = { run = \"kit complete\" }\n\
         \"doc/kit/words\" = { run = \"kit | tr a-z A-Z\" }\n",
    );
    drop(env.run("install other ./kit.toml").success());
    let share = env.home().join("profiles/default/current/share");
    let read = |file: &str| std::fs::read_to_string(share.join(file)).unwrap();
    assert_eq!(read("man/man1/kit.1"), ".TH KIT 1\n");
    assert_eq!(
        read("bash-completion/completions/kit"),
        "complete -W \"hello true\" kit\n"
    );
    assert_eq!(read("doc/kit/words"), "HELLO TRUE\n");
    env.run("prove").success().prints("PROVED");
    drop(env.run("verify").success());
    // Nothing is made twice, and nothing is left of it when the app goes.
    env.run("install ./kit.toml")
        .success()
        .says("Nothing to do");
    recipe(&env, "[app.share]\n\"kit.1\" = { file = \"doc/kit.1\" }\n");
    drop(env.run("install ./kit.toml").success());
    assert!(!share.join("doc").exists());
    recipe(
        &env,
        "share-versions = \"2\"\n[app.share]\n\"kit.2\" = { file = \"doc/kit.2\" }\n",
    );
    drop(env.run("install ./kit.toml").success());
    assert!(!share.join("man/man2").exists());
    drop(env.run("remove kit").success());
    assert!(!share.join("man").exists());
}

/// A view lies elsewhere while its programs print, and there are no mounts to show it at its place.
#[test]
fn programs_with_shared_libraries_print_without_a_sandbox_too() {
    let env = Env::new();
    published(&env);
    recipe(
        &env,
        "[app.share]\n\"kit.bash\" = { run = \"kit complete\" }\n",
    );
    drop(env.run("--sandbox none install other ./kit.toml").success());
    let share = env.home().join("profiles/default/current/share");
    let printed = std::fs::read_to_string(share.join("bash-completion/completions/kit"));
    assert_eq!(printed.unwrap(), "complete -W \"hello true\" kit\n");
    env.run("prove").success().prints("PROVED");
}

#[test]
fn what_an_app_has_printed_stays_when_a_library_grows() {
    let env = Env::new();
    published(&env);
    let third = Package::new("third", "1.0.0")
        .needs("words", "1")
        .main("fn main() { println!(\"{}\", words::bye()); }");
    env.registry.publish(third);
    // Whoever runs it again sees another time.
    let text = "[app.share]\n\"kit.1\" = { file = \"doc/kit.1\" }\n\
                \"doc/kit/now\" = { run = \"kit now\" }\n";
    recipe(&env, text);
    drop(env.run("install other ./kit.toml").success());
    let current = env.home().join("profiles/default/current");
    let share = current.join("share");
    let read = |file: &str| std::fs::read_to_string(share.join(file)).unwrap();
    let view = || std::fs::canonicalize(current.join("views/kit")).unwrap();
    let before = (view(), read("doc/kit/now"));
    drop(env.run("install third").success());
    assert_ne!(view(), before.0, "the library has not grown");
    assert_eq!(read("doc/kit/now"), before.1);
    assert_eq!(read("man/man1/kit.1"), ".TH KIT 1\n");
    env.run("prove").success().prints("PROVED");
    // Another line is another file.
    recipe(&env, &text.replace("kit now", "kit  now"));
    drop(env.run("install ./kit.toml").success());
    assert_ne!(read("doc/kit/now"), before.1);
}

#[test]
fn a_file_that_cannot_be_made_stops_the_install() {
    let env = Env::new();
    published(&env);
    let refused = |share: &str| {
        recipe(&env, &format!("share = {{ {share} }}\n"));
        env.run("install ./kit.toml").fails(5)
    };
    refused("\"kit.1\" = { file = \"kit.1\" }")
        .says("make `share/man/man1/kit.1` of kit 1.0.0: the package has no file `kit.1`");
    refused("_kit = { run = \"kit silent\" }").says("`kit silent` prints nothing");
    refused("_kit = { run = \"kit fail\" }")
        .says("`kit fail` ended with exit code 3")
        .says("cannot");
    refused("_kit = { run = \"false\" }").says("`false` ended with exit code 1 and said nothing\n");
    // The program runs in the sandbox.
    refused("_kit = { run = \"kit home\" }").says("ended with exit code 101");
    env.run("recipe lint --online kit.toml").success();
    recipe(&env, "share = { \"kit.1\" = { file = \"kit.1\" } }\n");
    env.run("recipe lint --online kit.toml")
        .fails(1)
        .prints("kit.toml:4:30: error[unknown-file]: the package has no file `kit.1`");
    recipe(&env, "share = { \"kit.txt\" = { file = \"kit.1\" } }\n");
    env.run("install ./kit.toml")
        .fails(2)
        .says("x.1` is a man page");
}

#[test]
fn caveats_and_deprecation_are_said_once() {
    let env = Env::new();
    published(&env);
    recipe(
        &env,
        "summary = \"Box of tools\"\nlicense = \"MIT\"\ndeprecated = \"use other\"\n\
         caveats = \"Add kit to your prompt\"\n",
    );
    let first = env.run("install ./kit.toml").success();
    let first = first.says("warning: `kit` is deprecated: use other");
    drop(first.says("kit: Add kit to your prompt"));
    let again = env.run("install other").success();
    assert!(!again.stderr.contains("deprecated"), "{again}");
    assert!(!again.stderr.contains("prompt"), "{again}");
    let info = env.run("info kit").success();
    let info = info.prints("summary    Box of tools");
    let info = info.prints("license    MIT");
    drop(info.prints("caveats    Add kit to your prompt"));
    std::fs::remove_file(env.path("kit.toml")).unwrap();
    env.run("info kit")
        .success()
        .prints("caveats")
        .says("the recipe of `kit` cannot be read");
}

#[test]
fn tests_stay_with_what_is_installed() {
    let env = Env::new();
    published(&env);
    recipe(&env, "test = \"kit | grep hello && touch $HOME/x\"\n");
    drop(env.run("install other ./kit.toml").success());
    env.run("recipe test").success().prints("kit 1.0.0 ok");
    std::fs::remove_file(env.path("kit.toml")).unwrap();
    env.run("recipe test kit").success().prints("kit 1.0.0 ok");
    recipe(&env, "test = \"kit fail\"\n");
    env.run("recipe test ./kit.toml")
        .fails(1)
        .prints("kit 1.0.0 FAILED")
        .says("cannot");
    let report = env.run("recipe test ./kit.toml --json").fails(1).json();
    assert_eq!(report[0]["output"], "cannot\n");
    env.run("recipe test other")
        .fails(1)
        .says("no recipe says how");
    drop(env.write("x.toml", "schema = 1\n[app]\nname = \"x\"\ntest = \"x\"\n"));
    env.run("recipe test x.toml")
        .fails(1)
        .says("install it: `orlop install x.toml`");
}
