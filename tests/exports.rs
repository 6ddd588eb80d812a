//! `orlop export`: installed apps as files, unpacked and run where there is no store.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::natives::two_numbers;
use crate::support::{Env, Package, Run, checksum};

/// Apps that have crates in common, so that their programs load libraries. `kit` has a page and
/// completions, and starts a program beside it.
fn published(env: &Env) {
    let says = "#[inline(never)] pub fn say(text: &str) -> String { format!(\"{text:?}\") }";
    let main = "fn main() { println!(\"{} {}\", words::say(\"a\"), more::say(\"b\")); }";
    let both = |name| {
        Package::new(name, "1.0.0-rc.1")
            .needs("words", "1")
            .needs("more", "1")
    };
    env.registry
        .publish(Package::new("words", "1.0.0").lib(says))
        .publish(Package::new("more", "1.0.0").lib(says))
        .publish(
            both("kit")
                .file("src/bin/kit.rs", main)
                .file("src/bin/kit-two.rs", main)
                .file("doc/kit.1", ".TH KIT 1\n"),
        )
        .publish(both("other").main(main));
    let recipe = "schema = 1\n[app]\nname = \"kit\"\nversion = \"=1.0.0-rc.1\"\n\
                  summary = \"Box of tools\"\nlicense = \"MIT\"\n[app.share]\n\
                  \"kit.1\" = { file = \"doc/kit.1\" }\n_kit = { run = \"kit\" }\n";
    drop(env.write("kit.toml", recipe));
}

fn install(env: &Env, linkage: &str) {
    published(env);
    let line = format!("install ./kit.toml other@=1.0.0-rc.1 --linkage {linkage}");
    drop(env.run(&line).success());
}

const SAYS: &str = "\"a\" \"b\"\n";

/// Does something while there is no store.
fn without_store<T>(env: &Env, act: impl FnOnce() -> T) -> T {
    let hidden = env.path("hidden");
    std::fs::rename(env.home(), &hidden).unwrap();
    let done = act();
    std::fs::rename(hidden, env.home()).unwrap();
    done
}

fn start(program: impl AsRef<Path>) -> Run {
    Command::new(program.as_ref())
        .env_clear()
        .output()
        .unwrap()
        .into()
}

fn unpack(archive: &[u8], folder: &Path) {
    let mut archive = tar::Archive::new(archive);
    archive.set_preserve_permissions(true);
    archive.unpack(folder).unwrap();
}

fn unzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes)
        .read_to_end(&mut plain)
        .unwrap();
    plain
}

/// The files of a tree, by their places.
fn files(folder: &Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(folder).sort_by_file_name();
    let entries = entries.into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| !entry.file_type().is_dir());
    files
        .map(|entry| {
            let path = entry.path().strip_prefix(folder).unwrap();
            path.to_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn an_archive_works_in_any_folder() {
    for linkage in ["static", "crate"] {
        let env = Env::new();
        install(&env, linkage);
        drop(
            env.run("export kit --format tar")
                .success()
                .prints("kit-1.0.0-rc.1-x86_64-linux.tar.gz")
                .says("glibc"),
        );
        // Also by somebody else's habits.
        let line = format!(
            "umask 077; exec {} export kit -f tar --out again.tar.gz",
            env!("CARGO_BIN_EXE_orlop")
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).current_dir(env.path(""));
        for (name, value) in env.command().get_envs() {
            shell.env(name, value.unwrap());
        }
        drop(Run::from(shell.output().unwrap()).success());
        drop(env.run("export kit -f tar --out plain.tar").success());
        let name = "kit-1.0.0-rc.1-x86_64-linux";
        let bytes = std::fs::read(env.path(&format!("{name}.tar.gz"))).unwrap();
        assert_eq!(bytes, std::fs::read(env.path("again.tar.gz")).unwrap());
        let plain = std::fs::read(env.path("plain.tar")).unwrap();
        assert_eq!(unzip(&bytes), plain);

        let elsewhere = env.path("else where");
        unpack(&plain, &elsewhere);
        let root = elsewhere.join(name);
        let files = files(&root);
        let libraries = files.iter().filter(|file| file.starts_with("lib/libother"));
        assert_eq!(libraries.count(), 0);
        let libraries = files.iter().filter(|file| file.starts_with("lib/"));
        // Without libraries of crates there may be the compiler's own.
        assert_eq!(libraries.count() > 2, linkage == "crate", "{files:?}");
        for file in [
            "bin/kit",
            "bin/kit-two",
            "share/man/man1/kit.1",
            "share/zsh/site-functions/_kit",
        ] {
            assert!(files.contains(&file.to_owned()), "no {file} in {files:?}");
        }
        without_store(&env, || {
            for program in ["kit", "kit-two"] {
                assert_eq!(start(root.join("bin").join(program)).success().stdout, SAYS);
            }
            let link = env.path("link");
            std::os::unix::fs::symlink(root.join("bin/kit"), &link).unwrap();
            assert_eq!(start(link).success().stdout, SAYS);
        });
    }
}

#[test]
fn libraries_of_recipes_come_along() {
    let env = Env::new();
    let recipes = two_numbers(&env);
    recipes.app("both", &["number1-sys", "number2-sys"]);
    recipes.check(&[("both", "11 22")]);
    drop(env.run("export both --format tar --out both.tar").success());
    let bytes = std::fs::read(env.path("both.tar")).unwrap();
    unpack(&bytes, &env.path("there"));
    let program = env.path("there/both-1.0.0-x86_64-linux/bin/both");
    without_store(&env, || {
        assert_eq!(start(&program).success().stdout.trim(), "11 22");
        drop(env.orlop(["prove".into(), program]).success());
    });
}

/// Whether a program is there; tests of what others make of our files say if not.
#[expect(clippy::print_stderr, reason = "what is skipped is said")]
fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: there is no `{program}`");
    }
    found
}

fn tool(program: &str, arguments: &[&str], folder: &Path) -> Run {
    Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
        .into()
}

#[test]
fn a_debian_package_is_one() {
    let env = Env::new();
    install(&env, "crate");
    let line = "export kit --format deb --json --maintainer";
    let words = line.split(' ').chain(["Ann <ann@localhost>"]);
    let report = env.orlop(words).success().json();
    let file = PathBuf::from(report["file"].as_str().unwrap());
    assert_eq!(file.file_name().unwrap(), "kit_1.0.0~rc.1_amd64.deb");
    let words = line
        .split(' ')
        .chain(["Ann <ann@localhost>", "-o", "again.deb"]);
    drop(env.orlop(words).success());
    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(bytes, std::fs::read(env.path("again.deb")).unwrap());
    if !has("dpkg-deb") {
        return;
    }

    let file = file.to_str().unwrap();
    let info = tool("dpkg-deb", &["--info", file], &env.path("")).success();
    let glibc = report["glibc"].as_str().unwrap();
    for field in [
        " Package: kit",
        " Version: 1.0.0~rc.1",
        " Architecture: amd64",
        " Maintainer: Ann <ann@localhost>",
        &format!(" Depends: libc6 (>= {glibc})"),
        " Installed-Size: ",
        " Description: Box of tools",
    ] {
        assert!(info.stdout.contains(field), "no `{field}`: {info}");
    }
    assert_eq!(info.stderr, "", "nothing to complain of");
    let contents = tool("dpkg-deb", &["--contents", file], &env.path("")).success();
    for entry in [
        "root/root",
        "usr/bin/kit -> ../lib/orlop/kit/bin/kit",
        "usr/share/man/man1/kit.1",
        "usr/share/zsh/vendor-completions/_kit",
    ] {
        assert!(contents.stdout.contains(entry), "no `{entry}`: {contents}");
    }

    let root = env.path("root");
    drop(tool("dpkg-deb", &["-x", file, "root"], &env.path("")).success());
    drop(tool("dpkg-deb", &["-e", file, "about"], &env.path("")).success());
    let sums = env.path("about/md5sums");
    drop(tool("md5sum", &["-c", "--strict", sums.to_str().unwrap()], &root).success());
    without_store(&env, || {
        assert_eq!(start(root.join("usr/bin/kit")).success().stdout, SAYS);
    });
    // And as dpkg installs it, into a system that has nothing else.
    let system = env.path("system");
    std::fs::create_dir_all(system.join("var/lib/dpkg/info")).unwrap();
    std::fs::create_dir_all(system.join("var/lib/dpkg/updates")).unwrap();
    for file in ["status", "available"] {
        std::fs::write(system.join("var/lib/dpkg").join(file), "").unwrap();
    }
    let place = format!("--root={}", system.display());
    let force = "--force-depends,not-root,bad-path";
    let log = format!("--log={}", env.path("dpkg.log").display());
    drop(tool("dpkg", &[&place, &log, force, "-i", file], &env.path("")).success());
    without_store(&env, || {
        assert_eq!(start(system.join("usr/bin/kit-two")).success().stdout, SAYS);
    });
    let listed = tool("dpkg", &[&place, "-L", "kit"], &env.path("")).success();
    assert!(listed.stdout.contains("/usr/bin/kit\n"), "{listed}");
}

/// The blobs of an image, by digest; each is what its name says.
fn blobs(image: &Path) -> BTreeMap<String, Vec<u8>> {
    let folder = image.join("blobs/sha256");
    let blobs = files(&folder).into_iter().map(|name| {
        let bytes = std::fs::read(folder.join(&name)).unwrap();
        assert_eq!(checksum(&bytes), name);
        (format!("sha256:{name}"), bytes)
    });
    blobs.collect()
}

#[test]
fn an_image_has_all_that_is_needed_to_run() {
    for linkage in ["static", "crate"] {
        let env = Env::new();
        install(&env, linkage);
        let report = env
            .run("export kit -f oci -o image --json")
            .success()
            .json();
        drop(env.run("export kit -f oci -o image.tar").success());
        drop(env.run("export kit -f oci -o again.tar").success());
        let archive = std::fs::read(env.path("image.tar")).unwrap();
        assert_eq!(archive, std::fs::read(env.path("again.tar")).unwrap());
        unpack(&archive, &env.path("unpacked"));
        let image = env.path("image");
        assert_eq!(files(&image), files(&env.path("unpacked")));

        let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        let blobs = blobs(&image);
        let blob = |descriptor: &serde_json::Value| {
            let bytes = &blobs[descriptor["digest"].as_str().unwrap()];
            assert_eq!(descriptor["size"], bytes.len());
            bytes
        };
        assert_eq!(
            std::fs::read_to_string(image.join("oci-layout")).unwrap(),
            "{\"imageLayoutVersion\":\"1.0.0\"}"
        );
        let index = json(&std::fs::read(image.join("index.json")).unwrap());
        let manifest = json(blob(&index["manifests"][0]));
        let config = json(blob(&manifest["config"]));
        assert_eq!(config["architecture"], "amd64");
        assert_eq!(config["config"]["Entrypoint"][0], "/usr/bin/kit");
        let layer = unzip(blob(&manifest["layers"][0]));
        let unpacked = format!("sha256:{}", checksum(&layer));
        assert_eq!(config["rootfs"]["diff_ids"], serde_json::json!([unpacked]));
        let from_machine = config["config"]["Labels"]["orlop.from-machine"].as_str();
        for file in report["from_machine"].as_array().unwrap() {
            let file = file.as_str().unwrap();
            assert!(from_machine.unwrap().contains(file), "{from_machine:?}");
        }

        let root = env.path("root");
        unpack(&layer, &root);
        let mode = std::fs::metadata(root.join("tmp"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o1777);
        assert!(!root.join("bin").exists(), "nothing else is in it");
        without_store(&env, || {
            let run = |program: &str| {
                // Not with `chroot`, which lies where ordinary users do not look.
                let arguments = ["-r", "--root", root.to_str().unwrap(), program];
                tool("unshare", &arguments, &env.path(""))
            };
            assert_eq!(run("/usr/bin/kit").success().stdout, SAYS);
            assert_eq!(run("/usr/bin/kit-two").success().stdout, SAYS);
        });
        drop(
            env.run("export kit -f oci -o image")
                .fails(1)
                .says("is there already"),
        );
    }
}

#[test]
fn what_cannot_be_exported() {
    let env = Env::new();
    install(&env, "static");
    drop(env.run("export nothing -f tar").fails(1).says("nothing"));
    drop(env.run("export kit").fails(2).says("--format"));
    drop(
        env.run("export kit -f tar -o kit.zip")
            .fails(2)
            .says("`.tar.gz`"),
    );
    drop(
        env.run("export kit -f tar --maintainer me")
            .fails(2)
            .says("--format deb"),
    );
    let words = "export kit -f deb --maintainer".split(' ');
    drop(
        env.orlop(words.chain(["me\nDepends: all"]))
            .fails(2)
            .says("more than one line"),
    );
    for odd in [
        "broken",
        "<me@localhost>",
        "Me me@localhost",
        "Me <me>",
        "Me <m e@x>",
        "Me <@>",
    ] {
        let words = "export kit -f deb -n --maintainer".split(' ');
        drop(
            env.orlop(words.chain([odd]))
                .fails(2)
                .says("it is written `Name <name@example.org>`"),
        );
    }
    drop(
        env.run("export kit -f tar -o nowhere/kit.tar")
            .fails(1)
            .says("nowhere/kit.tar"),
    );
    // A folder is no name of an archive, whether it is there or not.
    std::fs::create_dir(env.path("there")).unwrap();
    for (line, file) in [
        ("tar -o there", "there/kit.tar.gz"),
        ("tar -o there/", "there/kit.tar.gz"),
        ("tar -o absent.tar/", "absent.tar/kit.tar.gz"),
        ("deb -o there", "there/kit.deb"),
    ] {
        let file = env.path(file);
        let hint = format!("hint: name one in it: `--out {}`", file.display());
        let run = env.run(&format!("export kit -f {line}")).fails(2);
        drop(run.says("is a folder, not the name of a file").says(&hint));
    }
    let run = env.run("export kit -f tar -o there/kit.tar.gz").success();
    assert!(run.stdout.ends_with("/there/kit.tar.gz\n"), "{run}");
    let shut = |line: &str| env.run_beside_read_only(&env.path("there"), line);
    for line in [
        "tar -o there/new.tar",
        "deb -o there/new.deb",
        "oci -o there/new",
        "oci -o there/new/",
    ] {
        match shut(&format!("export kit -f {line} -n")) {
            Some(run) => drop(run.fails(1).says("there`: Read-only file system")),
            None => eprintln!("skipped: nothing can be mounted on this machine"),
        }
    }
    drop(
        env.run("export kit -f tar -n")
            .success()
            .says("Would export"),
    );
    assert!(!env.path("kit-1.0.0-rc.1-x86_64-linux.tar.gz").exists());
}
