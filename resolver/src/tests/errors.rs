//! Requests without an answer, and what is said of them.

use super::{fail, fail_request, solve};
use crate::memory::{MemoryIndex, need, release};
use crate::{ResolveError, resolve};

#[test]
fn unknown_packages() {
    let index = MemoryIndex::new([release("ripgrep 15.2.0")]);
    insta::assert_snapshot!(fail_request(&index, &index.request("ripgerp")), @r"
    there is no package named `ripgerp`
    hint: did you mean `ripgrep`? `orlop install ripgrep`
    ");

    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a ^1")]),
        release("a 1.3.0").needs([need("serd ^1")]),
        release("serde 1.0.0"),
    ]);
    insta::assert_snapshot!(fail(&index), @r"
    there is no package named `serd`, needed by `app 1.0.0 → a 1.3.0`
    hint: did its author mean `serde`?
    ");
}

#[test]
fn no_such_version() {
    let index = MemoryIndex::new([
        release("app 13.0.0"),
        release("app 14.1.0"),
        release("app 15.0.0"),
        release("app 15.2.0"),
    ]);
    insta::assert_snapshot!(fail_request(&index, &index.request("app@99")), @r"
    no release of `app` matches `^99`: the newest is 15.2.0; others are 15.0.0, 14.1.0
    hint: take the newest: `orlop install app@15`
    ");
    insta::assert_snapshot!(fail_request(&index, &index.request("app@=14.0.0")), @r"
    no release of `app` matches `=14.0.0`: the newest is 15.2.0; others are 15.0.0, 14.1.0, 13.0.0
    hint: take the newest: `orlop install app@15`
    ");

    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a ^1")]),
        release("a 1.0.0").needs([need("b ^2")]),
        release("b 1.0.0"),
    ]);
    insta::assert_snapshot!(fail(&index), @"no release of `b` matches `^2`, needed by `app 1.0.0 → a 1.0.0`: the newest is 1.0.0");
}

#[test]
fn a_package_of_another_registry() {
    let other = || need("b ^1").registry("https://other.test");
    // Somebody's package of the same name is not what is meant.
    let index = MemoryIndex::new([
        release("app 1.0.0"),
        release("app 1.1.0").needs([need("a ^1")]),
        release("a 1.0.0").needs([other()]),
        release("b 1.0.0"),
    ]);
    insta::assert_snapshot!(fail(&index), @r"
    `b` is of another registry, `https://other.test`, needed by `app 1.1.0 → a 1.0.0`
    hint: take 1.0.0, the newest release that can be had: `orlop install app@=1.0.0`
    ");

    // An older release does without it.
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a ^1")]),
        release("a 1.0.0"),
        release("a 1.1.0").needs([other()]),
        release("b 1.0.0"),
    ]);
    insta::assert_snapshot!(solve(&index), @r"
    a 1.0.0 []
    app 1.0.0 []
        a = a 1.0.0
    ");

    // One that nobody asks for is in nobody's way, but for those that do.
    let index = MemoryIndex::new([
        release("app 1.0.0")
            .needs([need("a ^1"), other().optional()])
            .feature("more", ["b?/x"]),
        release("a 1.0.0").needs([need("b ^1")]),
        release("b 1.0.0").feature("x", []),
    ]);
    insta::assert_snapshot!(solve(&index), @r"
    a 1.0.0 []
        b = b 1.0.0
    app 1.0.0 []
        a = a 1.0.0
    b 1.0.0 []
    ");
    let mut request = index.request("app");
    request.features = vec!["b".parse().unwrap()];
    insta::assert_snapshot!(fail_request(&index, &request), @"`b` is of another registry, `https://other.test`, needed by `app 1.0.0`");
}

#[test]
fn the_chain_names_the_releases_that_matter() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a =1.0.0")]),
        release("a 1.0.0").needs([need("gone ^1")]),
        release("a 1.1.0"),
    ]);
    insta::assert_snapshot!(fail(&index), @"there is no package named `gone`, needed by `app 1.0.0 → a 1.0.0`");
}

#[test]
fn only_yanked_releases() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("core2 ^0.4")]),
        release("core2 0.3.0"),
        release("core2 0.4.0").yanked(),
    ]);
    insta::assert_snapshot!(fail(&index), @"no release of `core2` matches `^0.4`, needed by `app 1.0.0`: all that do are yanked (0.4.0)");
}

#[test]
fn only_a_pre_release() {
    let index = MemoryIndex::new([release("app 1.0.0"), release("app 2.0.0-beta.4")]);
    insta::assert_snapshot!(fail_request(&index, &index.request("app@2")), @r"
    no release of `app` matches `^2`: only the pre-release 2.0.0-beta.4 comes close
    hint: ask for the pre-release: `orlop install app@2.0.0-beta.4`
    ");
    let only = MemoryIndex::new([release("app 0.1.0-alpha.1")]);
    insta::assert_snapshot!(fail_request(&only, &only.request("app")), @r"
    no release of `app` matches `*`: only the pre-release 0.1.0-alpha.1 comes close
    hint: ask for the pre-release: `orlop install app@0.1.0-alpha.1`
    ");
}

#[test]
fn after_the_snapshot() {
    let index = MemoryIndex::new([
        release("app 4.5.0").published("2024-01-01T00:00:00Z"),
        release("app 4.6.0").published("2026-03-01T10:00:00Z"),
        release("app 4.6.1").published("2026-04-01T10:00:00Z"),
    ]);
    let mut request = index.request("app@4.6");
    request.snapshot = "2025-01-01T00:00:00Z".parse().unwrap();
    insta::assert_snapshot!(fail_request(&index, &request), @r"
    no release of `app` matches `^4.6`: 4.6.0 came on 2026-03-01, after the snapshot of 2025-01-01
    hint: a snapshot of 2026-03-01 or later has app 4.6.0: add `--snapshot 2026-03-01`
    ");
}

#[test]
fn unknown_features() {
    let index = MemoryIndex::new([
        release("app 1.0.0")
            .needs([
                need("clap ^4").features(["derve"]),
                need("log ^1").optional(),
            ])
            .feature("logging", ["dep:log"]),
        release("clap 4.0.0").feature("derive", []),
        release("clap 4.6.0").feature("derive", []),
        release("log 1.0.0"),
    ]);
    insta::assert_snapshot!(fail(&index), @r"
    `clap 4.6.0` has no feature `derve`, needed by `app 1.0.0`
    hint: `clap 4.6.0` has the feature `derive`
    ");
    let mut request = index.request("app");
    request.features = vec!["loging".parse().unwrap()];
    insta::assert_snapshot!(fail_request(&index, &request), @r"
    `app 1.0.0` has no feature `loging`
    hint: `app 1.0.0` has the feature `logging`: `orlop install app --features logging`
    ");
    request.features = vec!["zz".parse().unwrap()];
    insta::assert_snapshot!(fail_request(&index, &request), @r"
    `app 1.0.0` has no feature `zz`
    hint: its features: logging
    ");
    let bare = MemoryIndex::new([release("app 1.0.0").feature("default", [])]);
    insta::assert_snapshot!(fail_request(&bare, &request), @r"
    `app 1.0.0` has no feature `zz`
    hint: `app 1.0.0` has no features to switch on
    ");
    request.features = vec!["clap".parse().unwrap()];
    insta::assert_snapshot!(fail_request(&index, &request), @r"
    `app 1.0.0` has no feature `clap`, only a required dependency of that name, which is always on
    hint: leave the feature out: the dependency is there anyway
    ");
    request.features = vec!["log".parse().unwrap()];
    insta::assert_snapshot!(fail_request(&index, &request), @r"
    `app 1.0.0` has no feature `log`, only an optional dependency of that name, which other features switch on
    hint: the feature `logging` switches it on: `orlop install app --features logging`
    ");
}

#[test]
fn a_feature_deep_inside() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a ^1").features(["x"])]),
        release("a 1.0.0").feature("x", ["y"]).needs([need("b ^1")]),
        release("b 1.0.0"),
    ]);
    insta::assert_snapshot!(fail(&index), @"`a 1.0.0` has no feature `y`, needed by `app 1.0.0`");
}

#[test]
fn a_native_library_twice() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("rusqlite ^0.30"), need("db ^1")]),
        release("rusqlite 0.30.0").needs([need("libsqlite3-sys ^0.27")]),
        release("db 1.0.0").needs([need("libsqlite3-sys ^0.38")]),
        release("libsqlite3-sys 0.27.0").links("sqlite3"),
        release("libsqlite3-sys 0.38.0").links("sqlite3"),
    ]);
    insta::assert_snapshot!(fail(&index), @r"
    the native library `sqlite3` would be linked twice:
      because app 1.0.0 → rusqlite 0.30.0 → libsqlite3-sys 0.27.0 links it
          and app 1.0.0 → db 1.0.0 → libsqlite3-sys 0.38.0 links it;
      therefore no program can hold both
    ");
}

#[test]
fn requirements_that_contradict_each_other() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("indexmap =2.9.0"), need("guppy ^0.17")]),
        release("guppy 0.17.0").needs([need("indexmap ^2.14.2")]),
        release("guppy 0.17.1").needs([need("indexmap ^2.14.2")]),
        release("guppy 0.17.2").needs([need("indexmap ^2.15")]),
        release("indexmap 2.9.0"),
        release("indexmap 2.14.3"),
        release("indexmap 2.15.0"),
    ]);
    insta::assert_snapshot!(fail(&index), @r"
    no set of versions fits `app 1.0.0`:
      because app 1.0.0 needs indexmap =2.9.0
          and app 1.0.0 needs guppy ^0.17
          and guppy 0.17.2 needs indexmap ^2.15
          and guppy 0.17.0 to 0.17.1 needs indexmap ^2.14.2;
      therefore no release of `indexmap` is left that suits all
    ");
}

#[test]
fn a_long_conflict_stays_short() {
    let mut releases = vec![
        release("app 1.0.0").needs([need("a ^1"), need("z =1.0.0")]),
        release("z 1.0.0"),
        release("z 1.1.0"),
    ];
    for minor in 0..40 {
        let own = need(&format!("z >=1.1, <1.{}", minor + 2));
        releases.push(release(&format!("a 1.{minor}.0")).needs([own]));
    }
    insta::assert_snapshot!(fail(&MemoryIndex::new(releases)), @r"
    no set of versions fits `app 1.0.0`:
      because app 1.0.0 needs z =1.0.0
          and app 1.0.0 needs a ^1
          and a 1.0.0 to 1.39.0 needs z in 40 ways, from >=1.1, <1.2 to >=1.1, <1.41;
      therefore no release of `z` is left that suits all
    ");
}

#[test]
fn a_wide_conflict_stays_short() {
    let names: Vec<String> = (0..30).map(|number| format!("p{number}")).collect();
    let mut needs = vec![need("z =1.0.0")];
    let mut releases = vec![release("z 1.0.0"), release("z 1.1.0")];
    // Every way out of one dead end leads into the next.
    for (place, name) in names.iter().enumerate() {
        needs.push(need(&format!("{name} ^1")));
        let next = names.get(place + 1).map_or("z", String::as_str);
        releases.push(release(&format!("{name} 1.0.0")).needs([need(&format!("{next} =1.1.0"))]));
        releases.push(release(&format!("{name} 1.1.0")).needs([need("z =1.1.0")]));
    }
    releases.push(release("app 1.0.0").needs(needs));
    let error = fail(&MemoryIndex::new(releases));
    assert!(error.lines().count() <= 16, "{error}");
    assert!(
        error.contains("therefore no release of `z` is left"),
        "{error}"
    );
}

#[test]
fn ways_out_are_tried_before_they_are_told() {
    let lock = "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"1.1.0\"\n\n[[package]]\nname = \"a\"\n\
                version = \"1.0.0\"\nsource = \"registry+https://example.test/index\"\n";
    let releases = |lock: Option<&str>| {
        let newest = release("app 1.1.0").needs([need("a ^1")]);
        MemoryIndex::new([
            release("app 0.9.0"),
            release("app 1.0.0").needs([need("gone ^1")]),
            match lock {
                Some(lock) => newest.lock(lock),
                None => newest,
            },
            release("a 1.0.0").yanked(),
        ])
    };
    let index = releases(Some(lock));
    let mut request = index.request("app@>=0.5, <2");
    insta::assert_snapshot!(fail_request(&index, &request), @r"
    no release of `a` matches `^1`, needed by `app 1.1.0`: all that do are yanked (1.0.0)
    hint: take the versions its author tested with: `orlop install 'app@>=0.5, <2' --policy locked`
    hint: take 0.9.0, the newest release that can be had: `orlop install app@=0.9.0`
    ");
    request.requirement = "^1".parse().unwrap();
    request.default_features = false;
    insta::assert_snapshot!(fail_request(&releases(None), &request), @r"
    no release of `a` matches `^1`, needed by `app 1.1.0`: all that do are yanked (1.0.0)
    hint: take 0.9.0, the newest release that can be had: `orlop install app@=0.9.0 --no-default-features`
    ");
}

#[test]
fn what_the_user_asked_for_is_yanked() {
    let index = MemoryIndex::new([release("app 1.0.0"), release("app 1.1.0").yanked()]);
    insta::assert_snapshot!(fail_request(&index, &index.request("app@1.1")), @r"
    no release of `app` matches `^1.1`: all that do are yanked (1.1.0)
    hint: take the newest: `orlop install app@1`
    ");
}

#[test]
fn packages_that_need_each_other() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a ^1")]),
        release("a 1.0.0").needs([need("b ^1")]),
        release("b 1.0.0").needs([need("a ^1")]),
    ]);
    insta::assert_snapshot!(fail(&index), @"packages need each other in a circle: a 1.0.0 → b 1.0.0 → a 1.0.0");
}

#[test]
fn a_newer_compiler() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("jj-lib ^0.46"), need("w ^1").target("cfg(windows)")]),
        release("jj-lib 0.46.0").rust("1.97.1"),
        release("w 1.0.0").rust("1.99"),
    ]);
    // What is only for other platforms does not matter.
    insta::assert_snapshot!(fail(&index), @r"
    rustc 1.95.0 is too old for `app 1.0.0 → jj-lib 0.46.0` (needs 1.97.1)
    hint: import rustc 1.97.1 or newer: `rustup toolchain install 1.97.1 && orlop compiler add 1.97.1 && orlop compiler default 1.97.1`
    ");
}

#[test]
fn many_that_need_a_newer_compiler() {
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let app = release("app 1.0.0").needs(names.map(|name| need(&format!("{name} ^1"))));
    let others = names.map(|name| release(&format!("{name} 1.0.0")).rust("1.100"));
    let index = MemoryIndex::new(std::iter::once(app).chain(others));
    insta::assert_snapshot!(fail(&index), @r"
    rustc 1.95.0 is too old for `app 1.0.0 → a 1.0.0` (needs 1.100), `app 1.0.0 → b 1.0.0` (needs 1.100), `app 1.0.0 → c 1.0.0` (needs 1.100), `app 1.0.0 → d 1.0.0` (needs 1.100), `app 1.0.0 → e 1.0.0` (needs 1.100) and 2 more
    hint: import rustc 1.100.0 or newer: `rustup toolchain install 1.100.0 && orlop compiler add 1.100.0 && orlop compiler default 1.100.0`
    ");
}

#[test]
fn a_platform_that_cannot_be_read() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a ^1").target("cfg(unix")]),
        release("a 1.0.0"),
    ]);
    let error = resolve(&index.request("app"), &index).unwrap_err();
    assert!(matches!(error, ResolveError::Platform { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "`app 1.0.0` has a dependency for `cfg(unix`, which cannot be read"
    );
}

#[test]
fn an_older_release_avoids_a_broken_newer_one() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a ^1")]),
        release("a 1.0.0"),
        release("a 1.1.0").needs([need("nowhere ^1")]),
    ]);
    insta::assert_snapshot!(super::solve(&index), @r"
    a 1.0.0 []
    app 1.0.0 []
        a = a 1.0.0
    ");
}
