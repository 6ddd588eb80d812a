//! Answers written down and read back.

use orlop_recipes::PackageName;

use super::show;
use crate::lock::{Lock, LockedApp};
use crate::memory::{MemoryIndex, need, release};
use crate::{LockError, resolve};

fn index() -> MemoryIndex {
    MemoryIndex::new([
        release("app 1.0.0")
            .needs([
                need("syn ^2"),
                need("macros ^1").named("m"),
                need("cc ^1").build(),
                need("cc ^1").features(["parallel"]),
            ])
            .script()
            .feature("default", ["x"])
            .feature("x", []),
        release("macros 1.0.0")
            .proc_macro()
            .needs([need("syn ^2").features(["full"])]),
        release("syn 2.0.0").feature("full", []),
        release("cc 1.2.0+meta").feature("parallel", []),
    ])
}

fn name(text: &str) -> PackageName {
    text.parse().unwrap()
}

fn lock() -> Lock {
    let index = index();
    let mut request = index.request("app@1");
    request.snapshot = "2026-11-22T00:00:00Z".parse().unwrap();
    let resolution = resolve(&request, &index).unwrap();
    let mut lock = Lock::new(request.snapshot);
    lock.set(LockedApp::from_resolution(
        &name("tool"),
        &request,
        &resolution,
    ));
    lock
}

#[test]
fn a_lock_reads_well() {
    insta::assert_snapshot!(lock().to_string(), @r#"
    # Orlop writes this file: the exact variants of every app of the profile.
    # Edit orlop.toml instead and run `orlop sync`.
    schema = 2
    snapshot = "2026-11-22T00:00:00Z"

    # Every release that any app is compiled from, with the SHA-256 of its archive.
    [[package]]
    name = "app"
    version = "1.0.0"
    checksum = "000000000000000000000000000000000000000000000000000000000000024e"

    [[package]]
    name = "cc"
    version = "1.2.0+meta"
    checksum = "00000000000000000000000000000000000000000000000000000000000003a7"

    [[package]]
    name = "macros"
    version = "1.0.0"
    checksum = "0000000000000000000000000000000000000000000000000000000000000392"

    [[package]]
    name = "syn"
    version = "2.0.0"
    checksum = "0000000000000000000000000000000000000000000000000000000000000268"

    # Each app, and how its variants use each other.

    [[app]]
    name = "tool"
    package = "app"
    version = "1.0.0"
    requirement = "^1"
    features = []
    default-features = true
    policy = "latest"
    snapshot = "2026-11-22T00:00:00Z"
    compiler = "1.95.0"
    platform = "x86_64-unknown-linux-gnu"

    [[app.variant]]
    name = "app"
    version = "1.0.0"
    side = "target"
    features = ["default", "x"]
    uses = [
        "cc = cc 1.2.0+meta",
        "m = macros 1.0.0 host",
        "syn = syn 2.0.0",
    ]
    build-uses = [
        "cc = cc 1.2.0+meta host",
    ]

    [[app.variant]]
    name = "cc"
    version = "1.2.0+meta"
    side = "host"
    features = []

    [[app.variant]]
    name = "cc"
    version = "1.2.0+meta"
    side = "target"
    features = ["parallel"]

    [[app.variant]]
    name = "macros"
    version = "1.0.0"
    side = "host"
    features = []
    uses = [
        "syn = syn 2.0.0 host",
    ]

    [[app.variant]]
    name = "syn"
    version = "2.0.0"
    side = "host"
    features = ["full"]

    [[app.variant]]
    name = "syn"
    version = "2.0.0"
    side = "target"
    features = []
    "#);
}

#[test]
fn a_lock_gives_back_what_was_solved() {
    let text = lock().to_string();
    let read = Lock::parse("orlop.lock", &text).unwrap();
    assert_eq!(read, lock());
    assert_eq!(read.to_string(), text);

    let index = index();
    let solved = resolve(&index.request("app@1"), &index).unwrap();
    let locked = read.app(&name("tool")).unwrap().resolution(&index).unwrap();
    assert_eq!(show(&locked), show(&solved));
    assert_eq!(locked.root, solved.root);
    assert_eq!(locked.order(), solved.order());
}

#[test]
fn a_lock_answers_its_own_question_only() {
    let lock = lock();
    let locked = lock.app_by_name("tool").unwrap();
    let index = index();
    let same = index.request("app@1");
    assert!(locked.answers(&same));
    let mut other_day = same.clone();
    other_day.snapshot = "2027-01-01T00:00:00Z".parse().unwrap();
    assert!(locked.answers(&other_day));

    let mut features = same.clone();
    features.features.push("x".parse().unwrap());
    let mut no_default = same.clone();
    no_default.default_features = false;
    let mut compiler = same.clone();
    compiler.rust_version.minor += 1;
    let mut platform = same;
    platform.platform.triple = "aarch64-unknown-linux-gnu".into();
    for other in [
        features,
        no_default,
        compiler,
        platform,
        index.request("app@*"),
    ] {
        assert!(!locked.answers(&other));
    }
}

#[test]
fn apps_are_replaced_and_removed() {
    let mut lock = lock();
    let again = lock.app(&name("tool")).unwrap().clone();
    lock.set(again);
    assert_eq!(lock.apps().count(), 1);
    assert!(lock.remove(&name("tool")));
    assert!(!lock.remove(&name("tool")));
    assert_eq!(Lock::parse("orlop.lock", &lock.to_string()).unwrap(), lock);
}

#[test]
fn damaged_locks() {
    let text = lock().to_string();
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        match Lock::parse("orlop.lock", &text.replacen(from, to, 1)) {
            Err(
                error @ (LockError::Entry { .. }
                | LockError::Newer { .. }
                | LockError::PackageTwice { .. }),
            ) => error.to_string(),
            other => panic!("{other:?}"),
        }
    };
    insta::assert_snapshot!(refused("schema = 2", "schema = 3\nnew = true"), @"the lock file `orlop.lock` was written by a newer Orlop: it has schema 3, and this one reads up to 2");
    insta::assert_snapshot!(refused("\"m = macros 1.0.0 host\"", "\"m = macros 1.0.1 host\""), @"the lock file's entry for `tool` is damaged: it uses `macros 1.0.1 host`, which is not there");
    insta::assert_snapshot!(refused("\"m = macros", "\"m-x = macros"), @"the lock file's entry for `tool` is damaged: `m-x` is not a name in Rust code");
    insta::assert_snapshot!(refused("\"m = macros 1.0.0 host\"", "\"macros\""), @"the lock file's entry for `tool` is damaged: `macros` does not read `NAME = PACKAGE VERSION`");
    insta::assert_snapshot!(refused("name = \"app\"\nversion = \"1.0.0\"", "name = \"app\"\nversion = \"1.0.1\""), @"the lock file's entry for `tool` is damaged: the package `app 1.0.0` is missing");
    insta::assert_snapshot!(refused("side = \"target\"", "side = \"host\""), @"the lock file's entry for `tool` is damaged: its own variant, `app 1.0.0`, is missing");
    insta::assert_snapshot!(refused("policy = \"latest\"", "policy = \"newest\""), @"the lock file's entry for `tool` is damaged: its policy is unknown: `newest` is not one of `latest`, `locked`, `shared`");
    let twice = format!(
        "[[package]]\nname = \"cc\"\nversion = \"1.2.0+meta\"\nchecksum = \"{}\"\n\n[[package]]\nname = \"macros\"",
        "1".repeat(64)
    );
    insta::assert_snapshot!(refused("[[package]]\nname = \"macros\"", &twice), @"the lock file's list of packages is damaged: `cc 1.2.0+meta` is there twice");
    insta::assert_snapshot!(refused("checksum = \"0", "checksum = \"g"), @"the lock file's entry for `tool` is damaged: the checksum of `app 1.0.0` is not a SHA-256");
}

#[test]
fn a_checksum_that_only_one_app_has_stands_with_its_variant() {
    let mut lock = lock();
    let text = lock
        .to_string()
        .replace("name = \"tool\"", "name = \"twin\"");
    let text = text.replace("00268\"", "00269\"");
    let other = Lock::parse("orlop.lock", &text).unwrap();
    lock.set(other.app_by_name("twin").unwrap().clone());
    let text = lock.to_string();
    assert_eq!(text.matches("checksum = ").count(), 4 + 2);
    assert_eq!(Lock::parse("orlop.lock", &text).unwrap(), lock);
}

#[test]
fn no_lock_at_all() {
    let text = lock().to_string();
    for bad in [
        "",
        "schema = 1",
        "schema = \"1\"",
        "[[app]]",
        &text.replace("side", "sid"),
        "\0",
    ] {
        let error = Lock::parse("orlop.lock", bad).unwrap_err();
        assert!(
            matches!(error, LockError::Syntax { .. }),
            "{bad:?}: {error}"
        );
        assert_eq!(error.to_string(), "cannot read the lock file `orlop.lock`");
    }
}

/// The manifest would be that of one archive, the files those of another.
#[test]
fn a_lock_of_other_archives_than_those_of_the_index_is_no_answer() {
    let text = lock().to_string().replace("0268\"", "0269\"");
    let lock = Lock::parse("orlop.lock", &text).unwrap();
    let locked = lock.app_by_name("tool").unwrap();
    let error = locked.resolution(&index()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the lock file has `syn 2.0.0` for `tool` with the SHA-256 \
         0000000000000000000000000000000000000000000000000000000000000269, but the index has \
         0000000000000000000000000000000000000000000000000000000000000268"
    );
    let none = lock.app_by_name("tool").unwrap();
    let error_without = none.resolution(&MemoryIndex::default()).unwrap_err();
    assert_eq!(
        error_without.to_string(),
        "the lock file has `app 1.0.0` for `tool`, which the index does not have"
    );
    assert_eq!(
        error.hints(),
        [
            "solve it anew, with what the index has: `orlop upgrade tool`",
            "if other apps have it as well, all at once: `orlop upgrade`",
        ]
    );
}

#[test]
fn a_circle_in_a_lock_is_refused() {
    let text = lock().to_string().replace(
        "version = \"2.0.0\"\nside",
        "version = \"2.0.0\"\nuses = [\"app = app 1.0.0\"]\nside",
    );
    let lock = Lock::parse("orlop.lock", &text).unwrap();
    let error = lock
        .app_by_name("tool")
        .unwrap()
        .resolution(&index())
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the lock file's entry for `tool` is damaged: packages need each other in a circle: \
         app 1.0.0 → macros 1.0.0 → syn 2.0.0 → app 1.0.0"
    );
}
