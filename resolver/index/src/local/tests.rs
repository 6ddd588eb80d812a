//! Folders and repositories as packages.

use std::collections::BTreeMap;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use orlop_recipes::CrateSource;
use orlop_resolver::memory::{MemoryIndex, need, release};
use orlop_resolver::{Index as _, LockedApp, resolve};

use super::{LocalError, Locals, Workshop};
use crate::testing::name;

struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.folder.path()).unwrap().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    fn workshop(&self) -> Workshop {
        Workshop {
            home: self.path("home"),
            git: Some("git".into()),
            offline: false,
        }
    }

    fn source(&self, path: &str) -> CrateSource {
        let path = self.path(path).into_string();
        CrateSource::Path { path }
    }

    fn pack(&self, app: &str, path: &str) -> Result<Locals, LocalError> {
        let source = self.source(path);
        self.workshop()
            .pack(&name(app), Some(&source), &BTreeMap::new())
    }

    /// A workspace with an app and a library that it inherits.
    fn workspace(&self) {
        self.write(
            "ws/Cargo.toml",
            r#"
            [workspace]
            members = ["app", "lib"]
            resolver = "3"
            [workspace.package]
            version = "1.2.3"
            edition = "2021"
            readme = "README.md"
            [workspace.dependencies]
            lib = { path = "lib", default-features = false, features = ["x"] }
            log = "0.4"
            [profile.release]
            lto = true
            [profile.release.package.lib]
            opt-level = "s"
            "#,
        );
        self.write("ws/README.md", "");
        self.write(
            "ws/app/Cargo.toml",
            r#"
            [package]
            name = "app"
            version.workspace = true
            edition.workspace = true
            readme.workspace = true
            [dependencies]
            lib = { workspace = true, features = ["y"] }
            [target.'cfg(unix)'.dependencies]
            logger = { package = "log", version = "0.4", optional = true }
            [target.'cfg(unix)'.dev-dependencies]
            gone = "1"
            [build-dependencies]
            log.workspace = true
            [dev-dependencies]
            gone = "1"
            [features]
            default = ["logger"]
            [lints]
            workspace = true
            "#,
        );
        self.write("ws/app/src/main.rs", "fn main() {}");
        self.write("ws/app/target/debug/big", "");
        self.write("ws/app/.git/HEAD", "");
        self.write("ws/app/build.rs", "fn main() {}");
        self.write(
            "ws/lib/Cargo.toml",
            "package.name = \"lib\"\npackage.version.workspace = true\n[features]\ndefault = []\nx = []\ny = []\n",
        );
        self.write("ws/lib/src/lib.rs", "");
        self.write("ws/lib/nested/Cargo.toml", "");
        self.write("ws/lib/nested/src/lib.rs", "");
    }
}

fn log() -> MemoryIndex {
    MemoryIndex::new([
        release("log 0.4.1"),
        release("lib 1.9.0"),
        release("app 9.0.0"),
    ])
}

#[test]
fn a_member_of_a_workspace_becomes_a_release() {
    let ground = Ground::new();
    ground.workspace();
    let locals = ground.pack("app", "ws/app").unwrap();
    let registry = log();
    let index = locals.over(&registry);
    let resolution = resolve(&registry.request("app"), &index).unwrap();
    let variants = resolution.graph.node_weights().map(|variant| {
        let features: Vec<&str> = variant.features.iter().map(AsRef::as_ref).collect();
        format!("{} {} {features:?}", variant.name, variant.version)
    });
    assert_eq!(
        variants.collect::<Vec<_>>(),
        [
            "app 1.2.3 [\"default\", \"logger\"]",
            "lib 1.2.3 [\"x\", \"y\"]",
            "log 0.4.1 []",
            "log 0.4.1 []",
        ]
    );
    let app = &resolution.app().package;
    assert_eq!(app.binaries.len(), 1);
    assert!(app.build_script.is_some());
    assert_eq!(app.about.readme, "");
    assert_eq!(app.codegen.packages.len(), 1);
    assert_eq!(resolution.packages.len(), 3);
}

#[test]
fn the_same_files_give_the_same_archive_and_no_others_count() {
    let ground = Ground::new();
    ground.workspace();
    let checksums = |locals: &Locals| -> Vec<String> {
        let packages = locals.packages.values();
        packages
            .map(|local| local.release.checksum.to_string())
            .collect()
    };
    let first = checksums(&ground.pack("app", "ws/app").unwrap());
    ground.write("ws/app/target/debug/more", "");
    ground.write("ws/lib/nested/src/more.rs", "");
    assert_eq!(checksums(&ground.pack("app", "ws/app").unwrap()), first);
    let archives = fs_err::read_dir(ground.path("home/downloads"))
        .unwrap()
        .count();
    assert_eq!(archives, 2);
    ground.write("ws/lib/src/lib.rs", "// changed");
    let second = checksums(&ground.pack("app", "ws/app").unwrap());
    assert_eq!(second[0], first[0]);
    assert_ne!(second[1], first[1]);
}

#[test]
fn an_archive_that_was_damaged_since_is_packed_anew() {
    let ground = Ground::new();
    ground.workspace();
    ground.pack("app", "ws/app").unwrap();
    let archives = || {
        let entries = fs_err::read_dir(ground.path("home/downloads")).unwrap();
        let read = |path| (fs_err::read(&path).unwrap(), path);
        let archives = entries.map(|entry| read(entry.unwrap().path()));
        archives.collect::<std::collections::BTreeSet<_>>()
    };
    let whole = archives();
    for (bytes, path) in &whole {
        fs_err::write(path, &bytes[..bytes.len() / 2]).unwrap();
    }
    ground.pack("app", "ws/app").unwrap();
    assert_eq!(archives(), whole);
}

#[test]
fn a_patch_is_taken_where_it_fits() {
    let ground = Ground::new();
    ground.write(
        "log/Cargo.toml",
        "[package]\nname = \"log\"\nversion = \"0.4.0\"\n",
    );
    ground.write("log/src/lib.rs", "");
    let patches = BTreeMap::from([(name("log"), ground.source("log"))]);
    let locals = ground
        .workshop()
        .pack(&name("app"), None, &patches)
        .unwrap();
    let registry = MemoryIndex::new([
        release("app 1.0.0").needs([need("log ^0.4")]),
        release("other 1.0.0").needs([need("log ^0.4.1")]),
        release("log 0.4.0"),
        release("log 0.4.1"),
    ]);
    let index = locals.over(&registry);
    assert_eq!(index.releases(&name("log")).unwrap().len(), 2);
    let solved = |app: &str| {
        let mut request = registry.request(app);
        locals.prefer(&mut request);
        resolve(&request, &index).unwrap()
    };
    let patched = solved("app");
    assert_eq!(patched.packages[1].version.to_string(), "0.4.0");
    assert_ne!(
        patched.packages[1].checksum,
        registry.releases(&name("log")).unwrap()[0].checksum
    );
    assert_eq!(locals.unused(&patched).count(), 0);
    // A lock from the time before the patch is no answer, and has no say in the new one.
    let mut request = registry.request("app");
    let before = resolve(&request, &index).unwrap();
    let locked = LockedApp::from_resolution(&name("app"), &request, &before);
    assert_eq!(locked.variants()[1].version.to_string(), "0.4.1");
    assert!(locals.has_more_patches(&locked));
    request.preferred = locked.preferred();
    locals.prefer(&mut request);
    let again = resolve(&request, &index).unwrap();
    assert_eq!(again.packages[1].version.to_string(), "0.4.0");
    let locked = LockedApp::from_resolution(&name("app"), &request, &again);
    assert!(locals.agrees(&locked, &registry).unwrap() && !locals.has_more_patches(&locked));
    assert_eq!(locals.unused(&solved("other")).count(), 1);
}

#[expect(clippy::disallowed_methods, reason = "tests make repositories")]
fn git(folder: &Utf8Path, arguments: &[&str]) -> String {
    let done = Command::new("git")
        .args(["-c", "user.name=n", "-c", "user.email=e@example.test"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "tests make repositories")]
fn has_git() -> bool {
    Command::new("git").arg("--version").output().is_ok()
}

/// Makes a repository of the workspace; returns it and its commit.
fn committed(ground: &Ground) -> (Utf8PathBuf, String) {
    ground.workspace();
    fs_err::remove_dir_all(ground.path("ws/app/.git")).unwrap();
    let folder = ground.path("ws");
    git(&folder, &["init", "--quiet"]);
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "--quiet", "-m", "first"]);
    let rev = git(&folder, &["rev-parse", "HEAD"]);
    (folder, rev)
}

#[test]
fn a_commit_of_a_repository_is_a_package() {
    if !has_git() {
        return;
    }
    let ground = Ground::new();
    let (folder, rev) = committed(&ground);
    ground.write("ws/lib/src/lib.rs", "broken");
    git(&folder, &["commit", "--quiet", "-a", "-m", "second"]);
    let source = CrateSource::Git {
        git: format!("file://{folder}"),
        rev: rev.clone(),
        folder: Some("app".to_owned()),
    };
    let pack =
        |workshop: &Workshop, source| workshop.pack(&name("app"), Some(source), &BTreeMap::new());
    let workshop = ground.workshop();
    let locals = pack(&workshop, &source).unwrap();
    assert_eq!(locals.packages.len(), 2);
    // Once it is here, neither the repository nor Git is needed.
    fs_err::remove_dir_all(&folder).unwrap();
    let without = Workshop {
        git: None,
        offline: true,
        ..workshop
    };
    assert_eq!(pack(&without, &source).unwrap().packages.len(), 2);
    let CrateSource::Git { git, .. } = &source else {
        panic!()
    };
    let other = CrateSource::Git {
        git: git.clone(),
        rev: "0".repeat(40),
        folder: None,
    };
    let error = pack(&ground.workshop(), &other).unwrap_err();
    assert!(matches!(error, LocalError::Git { .. }), "{error}");
    let error = pack(&without, &other).unwrap_err();
    assert!(matches!(error, LocalError::NoGit { .. }), "{error}");
}

/// Returns the text of every file in the one archive of that name, but for the manifest.
fn packed(ground: &Ground, start: &str) -> BTreeMap<String, String> {
    let names = fs_err::read_dir(ground.path("home/downloads")).unwrap();
    let names = names.map(|entry| entry.unwrap());
    let starts = |name: &std::ffi::OsStr| name.to_str().unwrap().starts_with(start);
    let mut archives = names.filter(|entry| starts(&entry.file_name()));
    let file = fs_err::File::open(archives.next().unwrap().path()).unwrap();
    assert!(archives.next().is_none());
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let text = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let (_, name) = path.split_once('/').unwrap();
        (
            name.to_owned(),
            std::io::read_to_string(&mut entry).unwrap(),
        )
    };
    let mut files: BTreeMap<_, _> = archive.entries().unwrap().map(text).collect();
    files.remove("Cargo.toml").unwrap();
    files
}

/// As Cargo sees them. What is outside of a repository is not read, whatever its links say.
#[test]
fn links_and_submodules_of_a_commit_are_followed() {
    if !has_git() {
        return;
    }
    let ground = Ground::new();
    ground.write("module/notes", "of a module");
    ground.write("secret/key", "of this machine");
    ground.write("ws/app/Cargo.toml", "[package]\nname = \"app\"\n");
    ground.write("ws/app/src/main.rs", "fn main() {}");
    ground.write("ws/LICENSE", "licence");
    ground.write("ws/proto/deep/a.proto", "proto");
    let link = |name: &str, target: &str| {
        std::os::unix::fs::symlink(target, ground.path(name)).unwrap();
    };
    link("ws/app/LICENSE", "../LICENSE");
    link("ws/app/proto", "../proto");
    link("ws/proto/around", "..");
    link("ws/app/itself", ".");
    link("ws/app/gone", "nowhere");
    link("ws/app/key", "/etc/passwd");
    link("ws/app/keys", "../../secret");
    link("ws/app/by-way-of", "keys");
    link("ws/app/target", "../proto");
    let init = |folder: &Utf8Path| {
        git(folder, &["init", "--quiet"]);
        git(folder, &["add", "."]);
        git(folder, &["commit", "--quiet", "-m", "first"]);
    };
    init(&ground.path("module"));
    let folder = ground.path("ws");
    init(&folder);
    let from = ["-c", "protocol.file.allow=always", "submodule", "--quiet"];
    let module = ground.path("module");
    git(
        &folder,
        &[&from[..], &["add", "--", module.as_str(), "app/sub"]].concat(),
    );
    let modules = fs_err::read_to_string(folder.join(".gitmodules")).unwrap();
    let relative = modules.replace(module.as_str(), "../module");
    fs_err::write(folder.join(".gitmodules"), relative).unwrap();
    git(&folder, &["commit", "--quiet", "-a", "-m", "second"]);
    let source = CrateSource::Git {
        git: format!("file://{folder}"),
        rev: git(&folder, &["rev-parse", "HEAD"]),
        folder: Some("app".to_owned()),
    };
    let workshop = ground.workshop();
    workshop
        .pack(&name("app"), Some(&source), &BTreeMap::new())
        .unwrap();
    insta::assert_debug_snapshot!(packed(&ground, "app-"), @r#"
    {
        "LICENSE": "licence",
        "by-way-of": "keys",
        "gone": "nowhere",
        "key": "/etc/passwd",
        "keys": "../../secret",
        "proto/deep/a.proto": "proto",
        "src/main.rs": "fn main() {}",
        "sub/notes": "of a module",
    }
    "#);
    // Of the user's own folder every file counts; folders do within the project.
    fs_err::remove_file(ground.path("ws/app/key")).unwrap();
    link("ws/app/key", "../../secret/key");
    fs_err::remove_dir_all(ground.path("home")).unwrap();
    ground.pack("app", "ws/app").unwrap();
    insta::assert_debug_snapshot!(packed(&ground, "app-"), @r#"
    {
        "LICENSE": "licence",
        "key": "of this machine",
        "proto/deep/a.proto": "proto",
        "src/main.rs": "fn main() {}",
        "sub/notes": "of a module",
    }
    "#);
}

/// Two processes on one home want the same commit: both have it in the end.
#[test]
fn a_commit_that_two_fetch_at_once_is_there_for_both() {
    if !has_git() {
        return;
    }
    let ground = Ground::new();
    let (folder, rev) = committed(&ground);
    // A Git that takes its time, so that both are at it.
    let slow = ground.path("slow-git");
    ground.write(
        "slow-git",
        "#!/bin/sh\ncase \" $* \" in *\" checkout \"*) sleep 1 ;; esac\nexec git \"$@\"\n",
    );
    let runs = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(&slow, runs).unwrap();
    let workshop = Workshop {
        git: Some(slow),
        ..ground.workshop()
    };
    let source = CrateSource::Git {
        git: format!("file://{folder}"),
        rev,
        folder: Some("app".to_owned()),
    };
    let pack = || workshop.pack(&name("app"), Some(&source), &BTreeMap::new());
    std::thread::scope(|scope| {
        let both = [scope.spawn(pack), scope.spawn(pack)];
        for one in both {
            let packed = one.join().unwrap();
            assert_eq!(packed.unwrap().packages.len(), 2);
        }
    });
    let left = fs_err::read_dir(ground.path("home/downloads/commits")).unwrap();
    assert_eq!(left.count(), 1, "nothing else stays");
}

/// Machines that build often have a token in the address.
#[test]
fn no_message_about_a_repository_shows_a_password() {
    let ground = Ground::new();
    let address = "http://user:secret@127.0.0.1:1/kit";
    let source = CrateSource::Git {
        git: address.to_owned(),
        rev: "0".repeat(40),
        folder: Some("no".to_owned()),
    };
    let workshop = ground.workshop();
    let offline = Workshop {
        offline: true,
        ..workshop.clone()
    };
    let without = Workshop {
        git: None,
        ..workshop.clone()
    };
    let place = crate::testing::sha256(address.as_bytes());
    let folder = format!("home/downloads/commits/{}-{}", &place[..16], "0".repeat(40));
    let mut errors = Vec::new();
    for workshop in [&workshop, &offline, &without] {
        errors.push(workshop.files(&source).unwrap_err());
        errors.push(workshop.head(address).unwrap_err());
    }
    fs_err::create_dir_all(ground.path(&folder)).unwrap();
    errors.push(workshop.files(&source).unwrap_err());
    assert!(matches!(errors[6], LocalError::NoFolder { .. }));
    for error in errors {
        let text = error.to_string();
        assert!(text.contains("`http://127.0.0.1:1/kit`"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

/// What comes from elsewhere sees no more of this machine than it came with.
#[test]
fn a_repository_from_elsewhere_names_nothing_of_this_machine() {
    let ground = Ground::new();
    let rev = "0".repeat(40);
    let fetched = |address: &str| {
        let place = crate::testing::sha256(address.as_bytes());
        format!("home/downloads/commits/{}-{rev}", &place[..16])
    };
    let address = "https://example.test/app";
    let app = fetched(address);
    let source = CrateSource::Git {
        git: address.to_owned(),
        rev: rev.clone(),
        folder: None,
    };
    let ours = ground.path("secret");
    ground.write("secret/Cargo.toml", "[package]\nname = \"secret\"\n");
    ground.write("secret/src/lib.rs", "");
    // Above all that is fetched.
    ground.write(
        "Cargo.toml",
        "[workspace.package]\nversion = \"9.9.9\"\n[workspace.dependencies]\nsecret = \"9\"\n",
    );
    let said = |keys: &str| {
        let manifest = format!("{app}/Cargo.toml");
        ground.write(&manifest, &format!("[package]\nname = \"app\"\n{keys}"));
        let packed = ground
            .workshop()
            .pack(&name("app"), Some(&source), &BTreeMap::new());
        let error = packed.unwrap_err().to_string();
        let error = error.replace(ground.path("").as_str(), "");
        error.replace(app.as_str(), "APP")
    };
    let git = |address: &str| {
        said(&format!(
            "[dependencies]\na = {{ git = \"{address}\", rev = \"{rev}\" }}"
        ))
    };
    insta::assert_snapshot!(
        [
            git(&format!("file://{ours}")),
            git(ours.as_str()),
            git("../secret"),
            git("ext::sh"),
            said(&format!("[dependencies]\nsecret.path = \"{ours}\"")),
            said("workspace = \"../../../../secret\"\nversion.workspace = true"),
            said("version.workspace = true"),
            said("[dependencies]\nsecret.workspace = true"),
        ]
        .join("\n"),
        @r"
    understand `APP/Cargo.toml`: its dependency `a` is in `file://secret`, a repository of this machine, and it comes from elsewhere
    understand `APP/Cargo.toml`: its dependency `a`: `secret` is not the address of a Git repository: it starts with `https://`, `ssh://` or `file:///`
    understand `APP/Cargo.toml`: its dependency `a`: `../secret` is not the address of a Git repository: it starts with `https://`, `ssh://` or `file:///`
    understand `APP/Cargo.toml`: its dependency `a`: `ext::sh` is not the address of a Git repository: it starts with `https://`, `ssh://` or `file:///`
    the package `secret` is not inside `APP`, whose files name it
    the package `secret` is not inside `APP`, whose files name it
    understand `APP/Cargo.toml`: `package.version` is inherited, and `APP/Cargo.toml` has none
    understand `APP/Cargo.toml`: the dependency `secret` is inherited, and `APP/Cargo.toml` has none
    "
    );
    // One of this machine may.
    let here = format!("[package]\nname = \"app\"\n[dependencies]\nsecret.path = \"{ours}\"\n");
    ground.write("own/Cargo.toml", &here);
    ground.write("own/src/main.rs", "");
    assert_eq!(ground.pack("app", "own").unwrap().packages.len(), 2);
}

#[test]
fn what_is_no_package_is_told() {
    let ground = Ground::new();
    ground.write(
        "bad/Cargo.toml",
        "[package]\nname = \"bad\"\nversion.workspace = true\n",
    );
    ground.write(
        "git/Cargo.toml",
        "[package]\nname = \"git\"\n[dependencies]\na = { git = \"https://example.test/a\" }\n",
    );
    ground.write("other/Cargo.toml", "[package]\nname = \"other\"\n");
    ground.write("other/src/lib.rs", "");
    ground.write(
        "far/Cargo.toml",
        "[package]\nname = \"far\"\n[dependencies]\na = { version = \"1\", registry = \"own\" }\n",
    );
    let branch = "b".repeat(39) + "x";
    ground.write(
        "branch/Cargo.toml",
        &format!(
            "[package]\nname = \"branch\"\n[dependencies]\n\
             a = {{ git = \"https://example.test/a\", rev = \"{branch}\" }}\n"
        ),
    );
    let said = |app: &str, path: &str| {
        let error = ground.pack(app, path).unwrap_err().to_string();
        error.replace(ground.path("").as_str(), "")
    };
    ground.write("a/Cargo.toml", "[package]\nname = \"a\"\n");
    ground.write("git/src/main.rs", "");
    ground.write("a/src/lib.rs", "");
    let patches = BTreeMap::from([(name("a"), ground.source("a"))]);
    let source = ground.source("git");
    let locals = ground
        .workshop()
        .pack(&name("git"), Some(&source), &patches);
    assert_eq!(locals.unwrap().packages.len(), 2);
    insta::assert_snapshot!(
        [
            said("bad", "bad"),
            said("git", "git"),
            said("branch", "branch"),
            said("x", "other"),
            said("far", "far"),
        ]
        .join("\n"),
        @r"
    understand `bad/Cargo.toml`: `package.version` is inherited, and `bad/Cargo.toml` has none
    understand `git/Cargo.toml`: `a` comes from `https://example.test/a` without a whole `rev`: name its source in the recipe's `[app.patch]`
    understand `branch/Cargo.toml`: `a` comes from `https://example.test/a` without a whole `rev`: name its source in the recipe's `[app.patch]`
    `other` holds the package `other`, not `x`
    understand `far/Cargo.toml`: `a` is of another registry
    "
    );
}
