//! Compilers out of archives that a recipe names.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Env, Package, Run, Server, checksum};

/// A compiler that answers what it is asked at an import, by itself or in a sysroot.
const RUSTC: &str = "#!/bin/sh\ncase \"$*\" in\n\
    -vV) printf 'rustc 1.0.0\\nrelease: 1.0.0\\nhost: x-y-z\\ncommit-hash: 1234\\n' ;;\n\
    '--print=cfg') echo unix ;;\n\
    '--print sysroot') echo \"${0%/bin/rustc}\" ;;\n\
    *) exit 1 ;;\nesac\n";
/// The place of its standard library.
const STD: &str = "lib/rustlib/x-y-z/lib/libstd-1.rlib";

/// A web server with archives, and the recipe of a compiler out of them.
struct Archives<'a> {
    env: &'a Env,
    server: Server,
    recipe: String,
}

impl<'a> Archives<'a> {
    fn new(env: &'a Env, version: &str) -> Self {
        std::fs::create_dir(env.path("files")).unwrap();
        Self {
            env,
            server: Server::start(&env.path("files")),
            recipe: format!("schema = 1\n\n[compiler]\nname = \"rust\"\nversion = \"{version}\"\n"),
        }
    }

    /// Packs a component as the Rust project does: a folder with its name on top, in it a folder of
    /// the component with what is installed.
    fn component(&self, name: &str, fill: &dyn Fn(&Path)) -> String {
        let files = self.env.path("files");
        let top = format!("{name}-1.0.0");
        let folder = files.join(&top).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        write(&files.join(&top), "components", name);
        write(&folder, "manifest.in", "file:of/no/use\n");
        fill(&folder);
        let archive = format!("{top}.tar.gz");
        tar(&files, &archive, &[&top]);
        archive
    }

    /// Adds an archive to the recipe.
    fn source(&mut self, archive: &str, folder: Option<&str>) {
        let bytes = std::fs::read(self.env.path("files").join(archive)).unwrap();
        self.source_with(archive, &checksum(&bytes), folder);
    }

    fn source_with(&mut self, archive: &str, sha256: &str, folder: Option<&str>) {
        let url = format!("{}/{archive}", self.server.url());
        write!(
            self.recipe,
            "\n[[compiler.source]]\nurl = \"{url}\"\nsha256 = \"{sha256}\"\n"
        )
        .unwrap();
        if let Some(folder) = folder {
            writeln!(self.recipe, "folder = \"{folder}\"").unwrap();
        }
    }

    /// The compiler and its standard library, each in an archive, as they should be.
    fn both(&mut self) {
        let rustc = self.component("rustc", &|folder| rustc(folder, RUSTC));
        let std = self.component("rust-std", &|folder| write(folder, STD, "std"));
        self.source(&rustc, Some("rustc"));
        self.source(&std, Some("rust-std"));
    }

    fn add(&self) -> Run {
        self.env.write("rust.toml", &self.recipe);
        self.env.run("compiler add rust.toml")
    }
}

fn write(folder: &Path, path: &str, text: impl AsRef<[u8]>) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn rustc(folder: &Path, text: impl AsRef<[u8]>) {
    write(folder, "bin/rustc", text);
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.join("bin/rustc"), mode).unwrap();
}

fn tar(folder: &Path, archive: &str, more: &[&str]) {
    let status = Command::new("tar")
        .args(["-I", "gzip -1", "-cf", archive])
        .args(more)
        .current_dir(folder)
        .status();
    assert!(status.unwrap().success());
}

fn paths(run: &Run) -> Vec<String> {
    let compilers = run.json();
    let compilers = compilers.as_array().unwrap().iter();
    compilers
        .map(|entry| entry["path"].as_str().unwrap().to_owned())
        .collect()
}

/// No profile makes it again, so `verify --repair` does.
#[test]
fn a_damaged_compiler_is_imported_again() {
    let env = Env::new();
    let toolchain = env.path("rustup/toolchains/1.0.0-linux");
    rustc(&toolchain, RUSTC);
    write(&toolchain, STD, "std");
    let run = |line: &str| {
        let mut command = env.command();
        command.env("RUSTUP_HOME", env.path("rustup"));
        Run::from(command.args(line.split_whitespace()).output().unwrap())
    };
    drop(run("compiler add 1.0.0").success());
    let list = run("compiler list --json").success().json();
    let ours = list.as_array().unwrap().iter();
    let mut ours = ours.filter(|entry| entry["name"] == "1.0.0");
    let object = ours.next().unwrap()["path"].as_str().unwrap();
    let file = env.home().join("store").join(object).join(STD);
    let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode));
    mode(0o644).unwrap();
    std::fs::write(&file, "damaged").unwrap();
    mode(0o444).unwrap();
    run("verify").fails(3).prints("the root compilers/1.0.0");
    // As long as there is none to import it stays bad, however often that is tried.
    for _ in 0..2 {
        env.run("verify --repair").fails(3).says("compiler 1.0.0");
        run("verify").fails(3).prints("its content is");
    }
    run("verify --repair").success();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "std");
    assert_eq!(run("compiler list --json").success().json(), list);
}

#[test]
fn archives_are_the_compiler_that_an_installation_is() {
    let env = Env::new();
    let installed = env.path("installed");
    rustc(&installed, RUSTC);
    write(&installed, STD, "std");
    drop(env.run("compiler add ./installed").success());
    let before = paths(&env.run("compiler list --json").success());
    drop(env.run("compiler remove 1.0.0").success());

    let mut archives = Archives::new(&env, "1.0.0");
    archives.both();
    archives.add().success().says("Imported the compiler 1.0.0");
    assert_eq!(paths(&env.run("compiler list --json").success()), before);

    // What is there is not fetched again; what was fetched is not fetched again either.
    let requests = archives.server.requests();
    drop(env.run("compiler remove 1.0.0").success());
    drop(env.run("compiler add rust.toml --offline").success());
    assert_eq!(archives.server.requests(), requests);
    env.run("compiler default 1.0.0").success().says("1.0.0");
}

#[test]
fn an_archive_is_laid_over_those_before_it_and_comes_from_a_mirror() {
    let env = Env::new();
    let mut archives = Archives::new(&env, "1.0.0");
    archives.both();
    let patch = archives.component("patch", &|folder| write(folder, STD, "patched"));
    archives.source(&patch, Some("patch"));
    let absent = format!(
        "url = \"{0}/absent.tar.gz\"\nmirrors = [\"{0}/rustc-1.0.0.tar.gz\"]",
        archives.server.url()
    );
    let present = format!("url = \"{}/rustc-1.0.0.tar.gz\"", archives.server.url());
    archives.recipe = archives.recipe.replace(&present, &absent);
    drop(archives.add().success());
    let [compiler] = &env.objects("-rustc-1.0.0")[..] else {
        panic!("one compiler")
    };
    let std = env.home().join("store").join(compiler).join(STD);
    assert_eq!(std::fs::read_to_string(std).unwrap(), "patched");
}

/// A mistake in a recipe or an archive.
struct Mistake {
    name: &'static str,
    make: fn(&mut Archives<'_>),
    code: i32,
    says: &'static [&'static str],
}

/// Packs a compiler alone.
fn alone(archives: &mut Archives<'_>, text: impl AsRef<[u8]>) {
    let archive = archives.component("rustc", &|folder| rustc(folder, &text));
    archives.source(&archive, Some("rustc"));
}

/// Makes a library of a standard library, which needs another one that is in the folder `own`.
fn needy(archives: &mut Archives<'_>, options: &str) {
    let own = archives.env.path("own");
    std::fs::create_dir(&own).unwrap();
    write(&own, "own.c", "int own(void) { return 1; }\n");
    write(
        &own,
        "std.c",
        "int own(void);\nint std(void) { return own(); }\n",
    );
    let options = options.replace("OWN", own.to_str().unwrap());
    for line in [
        "-shared -fPIC own.c -o libown.so".to_owned(),
        format!("-shared -fPIC std.c -L. -lown -o libstd-1.so {options}"),
    ] {
        let status = Command::new("cc")
            .args(line.split_whitespace())
            .current_dir(&own)
            .status();
        assert!(status.unwrap().success(), "cc {line}");
    }
    archives.both();
    let library = std::fs::read(own.join("libstd-1.so")).unwrap();
    let place = STD.replace("rlib", "so");
    let archive = archives.component("more", &|folder| write(folder, &place, &library));
    archives.source(&archive, Some("more"));
}

const MISTAKES: &[Mistake] = &[
    Mistake {
        name: "another digest",
        make: |archives| {
            let archive = archives.component("rustc", &|folder| rustc(folder, RUSTC));
            archives.source_with(&archive, &"12".repeat(32), Some("rustc"));
        },
        code: 3,
        says: &[
            "`rustc 1.0.0` has the SHA-256",
            "1212121212",
            "was promised",
        ],
    },
    Mistake {
        name: "no folder named",
        make: |archives| {
            let archive = archives.component("rustc", &|folder| rustc(folder, RUSTC));
            archives.source(&archive, None);
        },
        code: 1,
        says: &[
            "the archives of the compiler 1.0.0 have no `bin/rustc` in them",
            "folder = \"rustc\"",
        ],
    },
    Mistake {
        name: "another folder",
        make: |archives| {
            let archive = archives.component("rustc", &|folder| rustc(folder, RUSTC));
            archives.source(&archive, Some("rust"));
        },
        code: 1,
        says: &[
            "there is no folder `rust` in `rust-1.0.0",
            "below its top it has: rustc",
        ],
    },
    Mistake {
        name: "no standard library",
        make: |archives| alone(archives, RUSTC),
        code: 1,
        says: &[
            "the archives of the compiler 1.0.0 have no standard library for `x-y-z` in them",
            "folder = \"rust-std-x-y-z\"",
        ],
    },
    Mistake {
        name: "another machine",
        make: |archives| {
            let mut program = std::fs::read("/proc/self/exe").unwrap();
            program.truncate(4096);
            // The field `e_machine` of the header.
            program[18..20].copy_from_slice(&183_u16.to_le_bytes());
            alone(archives, &program);
        },
        code: 1,
        says: &["`bin/rustc` is for machines of the kind AARCH64, and this one is X86_64"],
    },
    Mistake {
        name: "no program",
        make: |archives| alone(archives, "\u{1}\u{2}\u{3}"),
        code: 1,
        says: &["ask `bin/rustc` for `-vV`: "],
    },
    Mistake {
        name: "a broken program",
        make: |archives| alone(archives, "#!/bin/sh\necho '\u{1b}[1mbroken' >&2; exit 3\n"),
        code: 1,
        says: &["ask `bin/rustc` for `-vV`: exit code 3: [1mbroken"],
    },
    Mistake {
        name: "another version",
        make: |archives| {
            archives.both();
            archives.recipe = archives.recipe.replace("1.0.0\"\n\n", "2.0.0\"\n\n");
        },
        code: 3,
        says: &[
            "the compiler 2.0.0 was promised, but in its archives is 1.0.0",
            "version = \"1.0.0\"",
        ],
    },
    Mistake {
        name: "a link",
        make: |archives| {
            let archive = archives.component("rustc", &|folder| {
                rustc(folder, RUSTC);
                std::os::unix::fs::symlink("rustc", folder.join("bin/rustdoc")).unwrap();
            });
            archives.source(&archive, Some("rustc"));
        },
        code: 3,
        says: &["its entry `rustc-1.0.0/rustc/bin/rustdoc` is a symbolic link"],
    },
    Mistake {
        name: "another format, as its name tells",
        make: |archives| {
            archives.env.write("files/rustc.tar.xz", "not really");
            archives.source("rustc.tar.xz", None);
        },
        code: 2,
        says: &[
            "it ends in `.tar.xz`, and Orlop unpacks no other archives",
            "many projects publish a `.tar.gz` beside it",
        ],
    },
    Mistake {
        name: "another format, as it begins",
        make: |archives| {
            archives.env.write("files/rustc", "PK\u{3}\u{4} and so on");
            archives.source("rustc", None);
        },
        code: 2,
        says: &["it is a `.zip` archive, and only `.tar.gz` archives are unpacked"],
    },
    Mistake {
        name: "no archive at all",
        make: |archives| {
            archives.env.write("files/rustc.tar.gz", "not really");
            archives.source("rustc.tar.gz", None);
        },
        code: 3,
        says: &["it is not a whole `.tar.gz` archive"],
    },
    Mistake {
        name: "a library is missing",
        make: |archives| needy(archives, ""),
        code: 1,
        says: &[
            "`lib/rustlib/x-y-z/lib/libstd-1.so` needs `libown.so`, which is in none of the archives",
        ],
    },
    Mistake {
        name: "a library of the machine",
        make: |archives| needy(archives, "-Wl,-rpath,OWN"),
        code: 1,
        says: &["own/libown.so`, which did not come out of its archives"],
    },
];

#[test]
fn each_mistake_has_its_message() {
    for mistake in MISTAKES {
        let env = Env::new();
        let mut archives = Archives::new(&env, "1.0.0");
        (mistake.make)(&mut archives);
        let mut run = archives.add();
        assert_eq!(run.code, mistake.code, "{}: {run}", mistake.name);
        for says in mistake.says {
            run = run.says(says);
        }
        let compilers = env.run("compiler list --json").success().json();
        assert_eq!(compilers.as_array().unwrap().len(), 1, "{}", mistake.name);
    }
}

/// The compiler of a stranger runs in the sandbox from the first time on.
#[test]
fn a_compiler_sees_and_changes_nothing_when_it_is_asked() {
    let env = Env::new();
    let secret = env.write("secret", "");
    let mut archives = Archives::new(&env, "1.0.0");
    let nosy = RUSTC.replace(
        "#!/bin/sh\n",
        &format!(
            "#!/bin/sh\n[ ! -e {0} ] || exit 7\n\
             ! echo evil 2>/dev/null >\"${{0%/bin/rustc}}/{STD}\" || exit 8\n",
            secret.display()
        ),
    );
    alone(&mut archives, nosy);
    let std = archives.component("rust-std", &|folder| write(folder, STD, "std"));
    archives.source(&std, Some("rust-std"));
    drop(archives.add().success());
    // Only who says so lets it out.
    drop(env.run("compiler remove 1.0.0").success());
    let kept = env.path("home/index/imports");
    std::fs::remove_dir_all(kept).unwrap();
    env.run("compiler add rust.toml --sandbox none")
        .fails(1)
        .says("exit code 7");
}

#[test]
fn without_the_network_there_must_be_an_archive() {
    let env = Env::new();
    let mut archives = Archives::new(&env, "1.0.0");
    archives.both();
    env.write("rust.toml", &archives.recipe);
    env.run("compiler add rust.toml --offline")
        .fails(6)
        .says("--offline");
}

#[test]
fn other_commands_know_the_kind() {
    let env = Env::new();
    env.run("recipe new rust --kind compiler")
        .success()
        .says("Wrote rust.toml");
    env.run("recipe lint rust.toml")
        .fails(1)
        .prints("error[placeholder]");
    drop(env.run("recipe fmt --check rust.toml").success());
    env.run("recipe bump rust.toml")
        .success()
        .says("nobody lists the archives of compilers");
    for command in ["install", "build"] {
        env.run(&format!("{command} ./rust.toml"))
            .fails(2)
            .says("is the recipe of a compiler, not of an app")
            .says("orlop compiler add");
    }
    env.write("app.toml", "schema = 1\n[app]\nname = \"app\"\n");
    env.run("compiler add app.toml")
        .fails(2)
        .says("`app.toml` is not the recipe of a compiler");
}

/// Packs what is imported of a component that rustup installed, by its own list.
fn component_of(archives: &mut Archives<'_>, sysroot: &Path, component: &str, folder: &str) {
    let list = sysroot.join(format!("lib/rustlib/manifest-{component}"));
    let list = std::fs::read_to_string(list).unwrap();
    let is_used = |path: &str| path == "bin/rustc" || path.starts_with("lib/");
    let files = list.lines().filter_map(|line| line.strip_prefix("file:"));
    let files: Vec<_> = files.filter(|path| is_used(path)).collect();
    assert!(!files.is_empty(), "{list}");
    let archive = format!("{component}.tar.gz");
    let target = archives.env.path("files").join(&archive);
    let renamed = format!("--transform=s,^,{component}/{folder}/,");
    let target = target.to_str().unwrap();
    tar(sysroot, target, &[&[renamed.as_str()], &files[..]].concat());
    archives.source(&archive, Some(folder));
}

/// The sysroot of the compiler in use, if rustup installed it.
fn toolchain() -> Option<PathBuf> {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .ok()?;
    let sysroot = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    let list = "lib/rustlib/manifest-rustc-x86_64-unknown-linux-gnu";
    sysroot.join(list).is_file().then_some(sysroot)
}

#[test]
fn a_real_compiler_comes_to_a_machine_without_one() {
    let Some(sysroot) = toolchain() else {
        eprintln!("skipped: no toolchain of rustup is on this machine");
        return;
    };
    let env = Env::new();
    let compilers = env.run("compiler list --json").success();
    let before = paths(&compilers);
    let version = compilers.json()[0]["name"].as_str().unwrap().to_owned();
    let mut archives = Archives::new(&env, &version);
    let host = "x86_64-unknown-linux-gnu";
    component_of(&mut archives, &sysroot, &format!("rustc-{host}"), "rustc");
    let std = format!("rust-std-{host}");
    component_of(&mut archives, &sysroot, &std, &std);
    env.write("rust.toml", &archives.recipe);
    env.registry.publish(
        Package::new("hello", "1.0.0").main("fn main() { println!(\"compiled elsewhere\"); }"),
    );

    let elsewhere = |line: &str| -> Run {
        let path = ["/usr/bin", "/bin"].map(PathBuf::from).into_iter();
        let path = path.filter(|folder| !folder.join("rustc").exists());
        let mut command = env.command();
        command
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("ORLOP_HOME", env.path("elsewhere"))
            .args(line.split_whitespace());
        command.output().unwrap().into()
    };
    elsewhere("install hello")
        .fails(1)
        .says("there is no Rust compiler");
    drop(elsewhere("compiler add ./rust.toml").success());
    let imported = elsewhere("compiler list --json").success();
    assert_eq!(paths(&imported), before);
    drop(elsewhere(&format!("install hello --compiler {version}")).success());
    elsewhere("run hello")
        .success()
        .prints("compiled elsewhere");
}
