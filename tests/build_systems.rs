//! C libraries that recipes leave to a build system.

use std::path::Path;
use std::process::Command;

use crate::natives::Recipes;
use crate::support::{Env, Server, checksum};

/// A function, and what a build likes to bake in: the path of the file.
const NUMBER: &str = "const char *place(void) { return __FILE__; }\n\
                      int number(void) { return ANSWER; }\n";
const DESCRIPTION: &str = "prefix=@prefix@\n\nName: NAME\nDescription: a number\nVersion: 1\n\
                           Libs: -L${prefix}/lib -lnumber\n";

const MAKEFILE: &str = "PREFIX = @prefix@\nANSWER = @answer@\n\
    libnumber.so: number.c\n\
    \t$(CC) $(CFLAGS) -DANSWER=$(ANSWER) -fPIC -shared $(CURDIR)/number.c -o $@\n\
    install: libnumber.so\n\
    \tmkdir -p $(PREFIX)/lib/pkgconfig\n\
    \tcp libnumber.so $(PREFIX)/lib\n\
    \tsed 's|@prefix@|$(PREFIX)|' number.pc.in > $(PREFIX)/lib/pkgconfig/NAME.pc\n";

const CONFIGURE: &str = "#!/bin/sh\n\
    for word; do case $word in\n\
    --prefix=*) prefix=${word#*=} ;;\n\
    --with-answer=*) answer=${word#*=} ;;\n\
    esac; done\n\
    sed \"s|@prefix@|$prefix|; s|@answer@|$answer|\" Makefile.in > Makefile\n";

const CMAKE: &str = "cmake_minimum_required(VERSION 3.16)\nproject(number C)\n\
    include(GNUInstallDirs)\nadd_library(number SHARED number.c)\n\
    target_compile_definitions(number PRIVATE ANSWER=${ANSWER})\n\
    set_target_properties(number PROPERTIES VERSION 1.0 SOVERSION 1)\n\
    install(TARGETS number LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})\n\
    set(prefix ${CMAKE_INSTALL_PREFIX})\nconfigure_file(number.pc.in NAME.pc @ONLY)\n\
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/NAME.pc\n\
    \x20 DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)\n";

const MESON: &str = "project('number', 'c', version: '1.0')\n\
    lib = shared_library('number', 'number.c', version: '1.0', install: true,\n\
    \x20 c_args: ['-DANSWER=' + get_option('answer')])\n\
    import('pkgconfig').generate(lib, filebase: 'NAME', description: 'a number')\n";

/// A build system: what it calls, its files, and the word that chooses the answer 7.
struct System {
    name: &'static str,
    calls: &'static [&'static str],
    files: &'static [(&'static str, &'static str)],
    argument: &'static str,
}

const SYSTEMS: [System; 4] = [
    System {
        name: "autotools",
        calls: &["make"],
        files: &[("configure", CONFIGURE), ("Makefile.in", MAKEFILE)],
        argument: "--with-answer=7",
    },
    System {
        name: "cmake",
        calls: &["cmake", "make"],
        files: &[("CMakeLists.txt", CMAKE)],
        argument: "-DANSWER=7",
    },
    System {
        name: "make",
        calls: &["make"],
        files: &[("Makefile", MAKEFILE)],
        argument: "ANSWER=7",
    },
    System {
        name: "meson",
        calls: &["meson", "ninja"],
        files: &[
            ("meson.build", MESON),
            ("meson_options.txt", "option('answer', type: 'string')\n"),
        ],
        argument: "-Danswer=7",
    },
];

/// Whether the machine has a program.
fn has(program: &str) -> bool {
    Path::new("/usr/bin").join(program).exists()
}

#[test]
fn each_builds_a_shared_library_with_arguments_and_a_patch() {
    let env = Env::new();
    let mut recipes = Recipes::new(&env);
    let mut apps = Vec::new();
    for system in SYSTEMS {
        if let Some(program) = system.calls.iter().find(|program| !has(program)) {
            eprintln!("without {}: this machine has no `{program}`", system.name);
            continue;
        }
        let name = format!("number-{}", system.name);
        let own = [("number.c", NUMBER), ("number.pc.in", DESCRIPTION)];
        let files = own.iter().chain(system.files);
        let files: Vec<_> = files
            .map(|(file, text)| (*file, text.replace("NAME", &name)))
            .collect();
        let files: Vec<_> = files
            .iter()
            .map(|(file, text)| (*file, text.as_str()))
            .collect();
        let how = format!(
            "build = \"{}\"\narguments = [\"{}\"]\npatch = '''\n--- a/number.c\n+++ b/number.c\n\
             @@ -2 +2 @@\n-int number(void) {{ return ANSWER; }}\n\
             +int number(void) {{ return ANSWER * 6; }}\n'''\n",
            system.name, system.argument
        );
        recipes.library_built(&name, &files, &how, &[]);
        recipes.user(&name, "number", "number");
        let app = format!("app-{}", system.name);
        recipes.app(&app, &[&format!("{name}-sys")]);
        apps.push(app);
    }
    let apps: Vec<_> = apps.iter().map(|app| (app.as_str(), "42")).collect();
    recipes.check(&apps);
}

#[test]
fn an_archive_comes_from_a_mirror() {
    let env = Env::new();
    std::fs::create_dir_all(env.path("files/number-1")).unwrap();
    let write = |name: &str, text: &str| env.write(&format!("files/number-1/{name}"), text);
    write("number.c", "int number(void) { return ANSWER; }\n");
    write(
        "number.pc.in",
        &DESCRIPTION
            .replace("NAME", "number")
            .replace("@prefix@", "${pcfiledir}/../.."),
    );
    write(
        "Makefile",
        &MAKEFILE.replace("NAME", "number").replace("@answer@", "11"),
    );
    let status = Command::new("tar")
        .args(["-czf", "number.tar.gz", "number-1"])
        .current_dir(env.path("files"))
        .status();
    assert!(status.unwrap().success());
    let archive = std::fs::read(env.path("files/number.tar.gz")).unwrap();
    let server = Server::start(&env.path("files"));
    let mut recipes = Recipes::new(&env);
    recipes.add(
        "number",
        &format!(
            "[library]\nname = \"number\"\nversion = \"1\"\nbuild = \"make\"\n\
             source = {{ url = \"{0}/absent.tar.gz\", mirrors = [\"{0}/number.tar.gz\"], \
             sha256 = \"{1}\" }}\n",
            server.url(),
            checksum(&archive)
        ),
    );
    recipes.user("number", "number", "number");
    recipes.app("app", &["number-sys"]);
    recipes.install("app").success();
    assert_eq!(env.program("app").success().stdout.trim(), "11");
}
