//! Links that a job leaves where Orlop reads or writes when the job has ended: outside of the
//! sandbox they would be followed.

use std::path::{Path, PathBuf};

use crate::support::{Env, Package};

/// A file of the user, of which no job knows anything but the path.
fn victim(env: &Env) -> PathBuf {
    env.write("victim", "untouched")
}

#[track_caller]
fn is_untouched(victim: &Path) {
    assert_eq!(std::fs::read_to_string(victim).unwrap(), "untouched");
}

#[test]
fn a_build_script_does_not_say_where_its_directives_go() {
    let env = Env::new();
    let victim = victim(&env);
    let script = format!(
        "fn main() {{ let out = std::env::var(\"OUT_DIR\").unwrap();\n\
         let file = std::path::Path::new(&out).parent().unwrap().join(\"directives.json\");\n\
         std::os::unix::fs::symlink({victim:?}, file).unwrap();\n\
         println!(\"cargo:rustc-env=SAID=$(anything)\"); }}"
    );
    let kit = Package::new("kit", "1.0.0").main("fn main() {}");
    env.registry.publish(kit.file("build.rs", &script));
    env.run("install kit")
        .fails(5)
        .says("its build script left `directives.json` beside its `OUT_DIR`");
    is_untouched(&victim);
}

#[test]
fn a_program_does_not_say_where_its_completions_go() {
    let env = Env::new();
    let victim = victim(&env);
    let main = format!(
        "fn main() {{ let exe = std::env::current_exe().unwrap();\n\
         let view = exe.parent().unwrap().parent().unwrap();\n\
         let share = view.join(\"share/doc/kit\");\n\
         let made = std::fs::create_dir_all(&share);\n\
         let linked = std::os::unix::fs::symlink({victim:?}, share.join(\"said\"));\n\
         let wrote = std::fs::write(&exe, \"\");\n\
         println!(\"{{}} {{}} {{}}\", made.is_ok(), linked.is_ok(), wrote.is_ok()); }}"
    );
    env.registry
        .publish(Package::new("kit", "1.0.0").main(&main));
    let recipe =
        "schema = 1\n[app]\nname = \"kit\"\n[app.share]\n\"doc/kit/said\" = { run = \"kit\" }\n";
    drop(env.write("kit.toml", recipe));
    let install = env.run("install ./kit.toml");
    is_untouched(&victim);
    drop(install.success());
    let said = env
        .home()
        .join("profiles/default/current/share/doc/kit/said");
    assert_eq!(
        std::fs::read_to_string(said).unwrap(),
        "false false false\n"
    );
}

#[test]
fn a_linker_of_a_crate_makes_files_and_no_links() {
    let env = Env::new();
    let victim = victim(&env);
    // gcc runs the first linker that it finds by the prefix.
    let linker = format!(
        "#!/bin/sh\nfor word; do [ \"$last\" = -o ] && made=$word; last=$word; done\n\
         ln -sf {} \"$made\"\n",
        victim.display()
    );
    let script = format!(
        "use std::os::unix::fs::PermissionsExt;\n\
         fn main() {{ let out = std::env::var(\"OUT_DIR\").unwrap();\n\
         for name in [\"ld.lld\", \"ld.bfd\", \"ld\"] {{ let file = format!(\"{{out}}/{{name}}\");\n\
         std::fs::write(&file, {linker:?}).unwrap();\n\
         std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap(); }}\n\
         println!(\"cargo:rustc-link-search=native={{out}}\");\n\
         println!(\"cargo:rustc-link-arg-bins=-B{{out}}\"); }}"
    );
    let kit = Package::new("kit", "1.0.0").main("fn main() {}");
    env.registry.publish(kit.file("build.rs", &script));
    env.run("install kit")
        .fails(5)
        .says("the linker made no file");
    is_untouched(&victim);
}

/// What a stranger's code says must not command the terminal of who reads it.
#[test]
fn errors_have_no_control_letters() {
    let env = Env::new();
    let script = |line: &str| format!("fn main() {{ println!(\"{line}\"); }}");
    let package = |name: &str, line: &str| {
        let package = Package::new(name, "1.0.0").main("fn main() {}");
        package.file("build.rs", &script(line))
    };
    let command = "\\u{1b}]0;owned\\u{7}";
    env.registry
        .publish(package("kit", &format!("cargo::error=left{command}right")))
        .publish(package("kat", &format!("cargo::nothing{command}=1")))
        .publish(package(
            "kot",
            &format!("cargo:rustc-link-arg-bins=-Wl,--left{command}right"),
        ));
    for (name, says) in [
        ("kit", "left]0;ownedright"),
        ("kat", "nothing]0;owned"),
        ("kot", "left]0;ownedright"),
    ] {
        let run = env.run(&format!("install {name}")).fails(5).says(says);
        assert!(!run.stderr.contains(['\u{1b}', '\u{7}']), "{run}");
    }
}
