//! Policies `locked` and `shared`.

use orlop_recipes::AdditiveFeatures;

use super::{show, show_error};
use crate::memory::{MemoryIndex, need, release};
use crate::sharing::{Cost, Votes, share};
use crate::{Request, resolve, resolve_locked};

const LOCK: &str = r#"
version = 4

[[package]]
name = "app"
version = "1.0.0"
dependencies = ["a"]

[[package]]
name = "a"
version = "1.0.0"
source = "registry+https://example.test/index"
checksum = "000000000000000000000000000000000000000000000000000000000000016e"
"#;

fn app_with_lock(lock: &str) -> MemoryIndex {
    MemoryIndex::new([
        release("app 1.0.0").needs([need("a ^1")]).lock(lock),
        release("a 1.0.0").yanked(),
        release("a 1.1.0"),
        release("a 1.2.0").needs([need("b ^1")]),
        release("b 1.0.0"),
    ])
}

fn locked(index: &MemoryIndex) -> String {
    match resolve_locked(&index.request("app"), index) {
        Ok(resolution) => show(&resolution),
        Err(error) => show_error(&error),
    }
}

#[test]
fn the_published_lock_decides_even_for_what_was_withdrawn_since() {
    let index = app_with_lock(LOCK);
    insta::assert_snapshot!(locked(&index), @"
    a 1.0.0 []
    app 1.0.0 []
        a = a 1.0.0
    ");
    let resolution = resolve_locked(&index.request("app"), &index).unwrap();
    let yanked: Vec<_> = resolution
        .packages
        .iter()
        .map(|package| package.yanked)
        .collect();
    assert_eq!(yanked, [true, false]);
    // The older shapes of the file.
    let first = LOCK.replace("version = 4\n", "").replace(
        "checksum = \"000000000000000000000000000000000000000000000000000000000000016e\"\n",
        "",
    );
    assert!(locked(&app_with_lock(&first)).starts_with("a 1.0.0"));
    for version in ["2", "3"] {
        let text = LOCK.replace("version = 4", &format!("version = {version}"));
        assert!(locked(&app_with_lock(&text)).starts_with("a 1.0.0"));
    }
}

#[test]
fn a_lock_that_names_what_the_index_does_not_have() {
    let index =
        app_with_lock(&LOCK.replace("\"a\"\nversion = \"1.0.0\"", "\"a\"\nversion = \"1.1.5\""));
    insta::assert_snapshot!(locked(&index), @"
    the `Cargo.lock` that `app 1.0.0` is published with names `a 1.1.5`, which the index does not have; 1.2.0 would fit
    hint: take the newest versions that fit: `orlop install app --policy latest`
    ");
}

#[test]
fn a_lock_that_lacks_something() {
    let index = app_with_lock(
        &LOCK
            .replace("\"a\"\nversion = \"1.0.0\"", "\"a\"\nversion = \"1.2.0\"")
            .replace("016e", "0170"),
    );
    insta::assert_snapshot!(locked(&index), @"
    the `Cargo.lock` that `app 1.0.0` is published with lacks `b`, of which 1.0.0 would fit
    hint: take the newest versions that fit: `orlop install app --policy latest`
    ");
}

#[test]
fn a_lock_that_leads_elsewhere() {
    let git = LOCK.replace(
        "registry+https://example.test/index",
        "git+https://example.test/a#0123456",
    );
    insta::assert_snapshot!(locked(&app_with_lock(&git)), @"
    the `Cargo.lock` that `app 1.0.0` is published with takes `a` from `git+https://example.test/a#0123456`, which is not a registry
    hint: take the newest versions that fit: `orlop install app --policy latest`
    ");
}

/// Cargo refuses, too: one of the two files is not what the author tested with.
#[test]
fn a_lock_whose_archive_is_another_than_that_of_the_index() {
    let index = app_with_lock(&LOCK.replace("016e", "016f"));
    insta::assert_snapshot!(locked(&index), @"
    the `Cargo.lock` that `app 1.0.0` is published with names `a 1.0.0` with the SHA-256 000000000000000000000000000000000000000000000000000000000000016f, but the index has 000000000000000000000000000000000000000000000000000000000000016e
    hint: take the newest versions that fit: `orlop install app --policy latest`
    ");
}

#[test]
fn no_lock_and_none_that_can_be_read() {
    let none = MemoryIndex::new([release("app 1.0.0")]);
    insta::assert_snapshot!(locked(&none), @"
    `app 1.0.0` is published without a `Cargo.lock`
    hint: take the newest versions that fit: `orlop install app --policy latest`
    ");
    let error = locked(&app_with_lock("version = 4\n[[package]]\nname = 1\n"));
    assert!(
        error.starts_with("the `Cargo.lock` that `app 1.0.0` is published with cannot be read: "),
        "{error}"
    );
}

/// A table in which features of the package `a` and of others only add.
fn additive(text: &str) -> AdditiveFeatures {
    toml::from_str(text).unwrap()
}

const NONE: &str = "conventional = []\n[taken-over]\n[everywhere]\n";

fn shared(index: &MemoryIndex, apps: &[&str]) -> (String, Cost, Cost) {
    let requests: Vec<Request> = apps.iter().map(|app| index.request(app)).collect();
    let additive = additive(
        "conventional = ['x', 'y']\n[taken-over]\na = ['big']\nb = ['extra']\nz = ['x']\n[everywhere]\n",
    );
    let shared = share(&requests, &[], Some(&Votes::new()), &additive, index).unwrap();
    let text: Vec<String> = shared.resolutions.iter().map(show).collect();
    (text.join("\n"), shared.alone, shared.together)
}

#[test]
fn an_outlier_takes_what_most_have() {
    let index = MemoryIndex::new([
        release("one 1.0.0").needs([need("a >=1, <1.2")]),
        release("two 1.0.0").needs([need("a >=1, <1.2")]),
        release("three 1.0.0").needs([need("a ^1")]),
        release("a 1.1.0"),
        release("a 1.2.0"),
    ]);
    let (text, alone, together) = shared(&index, &["one", "two", "three"]);
    assert!(!text.contains("1.2.0"), "{text}");
    assert_eq!((alone.variants, alone.behind), (5, 0));
    assert_eq!((together.variants, together.behind), (4, 1));
}

#[test]
fn an_app_that_is_to_be_new_does_not_take_what_others_have() {
    let index = MemoryIndex::new([
        release("one 1.0.0").needs([need("a >=1, <1.2")]),
        release("two 1.0.0").needs([need("a ^1")]),
        release("a 1.1.0"),
        release("a 1.2.0"),
    ]);
    let other = resolve(&index.request("one"), &index).unwrap();
    let earlier = Votes::from([("a".parse().unwrap(), vec!["1.1.0".parse().unwrap()])]);
    let solved = |earlier| {
        let requests = [index.request("two")];
        let shared = share(&requests, &[&other], earlier, &additive(NONE), &index).unwrap();
        show(&shared.resolutions[0])
    };
    let text = solved(Some(&earlier));
    assert!(text.contains("a 1.1.0"), "{text}");
    let text = solved(None);
    assert!(text.contains("a 1.2.0"), "{text}");
}

#[test]
fn an_outlier_that_cannot_change_stays() {
    let index = MemoryIndex::new([
        release("one 1.0.0").needs([need("a ^1")]),
        release("two 1.0.0").needs([need("a ^1")]),
        release("three 1.0.0").needs([need("a =1.1.0")]),
        release("a 1.1.0"),
        release("a 1.2.0"),
    ]);
    let (text, alone, together) = shared(&index, &["one", "two", "three"]);
    assert!(
        text.contains("a 1.1.0") && text.contains("a 1.2.0"),
        "{text}"
    );
    assert_eq!(alone, together);
}

#[test]
fn features_are_united_where_that_adds_nothing_else() {
    let index = MemoryIndex::new([
        release("one 1.0.0").needs([need("a ^1").features(["x"]), need("z ^1").features(["x"])]),
        release("two 1.0.0").needs([need("a ^1").features(["y"]), need("z ^1")]),
        release("three 1.0.0").needs([need("a ^1").features(["big"])]),
        release("a 1.0.0")
            .needs([need("b ^1"), need("c ^1").optional()])
            .feature("x", ["b/extra"])
            .feature("y", [])
            .feature("big", ["dep:c"]),
        release("b 1.0.0").feature("extra", []),
        release("c 1.0.0"),
        // What links a native library keeps its features.
        release("z 1.0.0").links("z").feature("x", []),
    ]);
    let (text, alone, together) = shared(&index, &["one", "two"]);
    insta::assert_snapshot!(text, @"
    a 1.0.0 [x, y]
        b = b 1.0.0
    b 1.0.0 [extra]
    one 1.0.0 []
        a = a 1.0.0
        z = z 1.0.0
    z 1.0.0 [x]

    a 1.0.0 [x, y]
        b = b 1.0.0
    b 1.0.0 [extra]
    two 1.0.0 []
        a = a 1.0.0
        z = z 1.0.0
    z 1.0.0 []
    ");
    assert_eq!((alone.variants, together.variants), (8, 6));
    let (text, ..) = shared(&index, &["two", "three"]);
    // `big` would bring `c` into `two`.
    assert!(text.contains("a 1.0.0 [y]"), "{text}");
}

#[test]
fn a_later_app_takes_features_that_are_there() {
    let index = MemoryIndex::new([
        release("one 1.0.0").needs([need("a ^1").features(["x", "y"])]),
        release("two 1.0.0").needs([need("a ^1").features(["x", "y", "z"])]),
        release("three 1.0.0").needs([need("a ^1").features(["v", "x"])]),
        release("late 1.0.0").needs([need("a ^1").features(["x"])]),
        release("a 1.0.0")
            .needs([need("b ^1")])
            .feature("v", [])
            .feature("x", ["b/extra"])
            .feature("y", [])
            .feature("z", []),
        release("b 1.0.0").feature("extra", []),
    ]);
    let alone = ["one", "two", "three"].map(|app| resolve(&index.request(app), &index).unwrap());
    let fixed: Vec<_> = alone.iter().collect();
    let shared = share(
        &[index.request("late")],
        &fixed,
        Some(&Votes::new()),
        &additive("conventional = []\n[taken-over]\na = ['v', 'x', 'y', 'z']\nb = ['extra']\n[everywhere]\n"),
        &index,
    )
    .unwrap();
    // Of the three sets the smallest that has enough; the union of all is nobody's.
    insta::assert_snapshot!(show(&shared.resolutions[0]), @"
    a 1.0.0 [v, x]
        b = b 1.0.0
    b 1.0.0 [extra]
    late 1.0.0 []
        a = a 1.0.0
    ");
    assert_eq!((shared.alone.variants, shared.together.variants), (9, 8));
}

#[test]
fn features_that_do_no_harm_are_added_where_they_bring_nothing_else() {
    let index = MemoryIndex::new([
        release("one 1.0.0").needs([need("a ^1"), need("z ^1"), need("old ^1")]),
        release("a 1.0.0")
            .needs([need("b ^1"), need("c ^1").optional()])
            .feature("x", ["b/extra"])
            .feature("big", ["dep:c"])
            .feature("other", []),
        release("b 1.0.0").feature("extra", []),
        release("c 1.0.0"),
        release("old 1.0.0"),
        release("z 1.0.0").links("z").feature("x", []),
    ]);
    let additive = additive(
        "conventional = ['extra']\n[taken-over]\n[everywhere]\na = ['big', 'x']\nold = ['new']\nz = ['x']\n",
    );
    let requests = [index.request("one")];
    let shared = share(&requests, &[], Some(&Votes::new()), &additive, &index).unwrap();
    insta::assert_snapshot!(show(&shared.resolutions[0]), @"
    a 1.0.0 [x]
        b = b 1.0.0
    b 1.0.0 [extra]
    old 1.0.0 []
    one 1.0.0 []
        a = a 1.0.0
        old = old 1.0.0
        z = z 1.0.0
    z 1.0.0 []
    ");
}

/// What a feature does beyond adding to a crate, another app shall not get.
#[test]
fn features_that_may_change_an_app_stay_where_they_are() {
    let index = MemoryIndex::new([
        release("one 1.0.0").needs([need("a ^1").no_default().features(["wrap"]), need("c ^1")]),
        release("two 1.0.0").needs([
            need("a ^1").no_default().features(["std"]),
            need("c ^1").features(["std"]),
        ]),
        release("three 1.0.0").needs([need("a ^1")]),
        release("a 1.0.0")
            .feature("default", ["wrap"])
            .feature("std", [])
            .feature("wrap", []),
        // A feature that adds here, but not in what it is handed on to.
        release("c 1.0.0")
            .needs([need("d ^1")])
            .feature("std", ["d/wrap"]),
        release("d 1.0.0").feature("wrap", []),
    ]);
    let requests = ["one", "two", "three"].map(|app| index.request(app));
    let additive = additive("conventional = ['std']\n[taken-over]\n[everywhere]\n");
    let shared = share(&requests, &[], Some(&Votes::new()), &additive, &index).unwrap();
    let text: Vec<String> = shared.resolutions.iter().map(show).collect();
    insta::assert_snapshot!(text.join("\n"), @"
    a 1.0.0 [default, wrap]
    c 1.0.0 []
        d = d 1.0.0
    d 1.0.0 []
    one 1.0.0 []
        a = a 1.0.0
        c = c 1.0.0

    a 1.0.0 [std]
    c 1.0.0 [std]
        d = d 1.0.0
    d 1.0.0 [wrap]
    two 1.0.0 []
        a = a 1.0.0
        c = c 1.0.0

    a 1.0.0 [default, wrap]
    three 1.0.0 []
        a = a 1.0.0
    ");
}

#[test]
fn an_app_without_an_answer_is_named() {
    let index = MemoryIndex::new([
        release("one 1.0.0"),
        release("two 1.0.0").needs([need("gone ^1")]),
    ]);
    let requests = [index.request("one"), index.request("two")];
    let (place, error) =
        share(&requests, &[], Some(&Votes::new()), &additive(NONE), &index).unwrap_err();
    assert_eq!(place, 1);
    assert!(error.to_string().contains("`gone`"), "{error}");
}
