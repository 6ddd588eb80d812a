//! Which features are on, and for which side.

use super::{solve, solve_request};
use crate::ResolverVersion;
use crate::memory::{MemoryIndex, need, release};

#[test]
fn default_features_unless_nobody_wants_them() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a ^1").no_default(), need("b ^1").no_default()]),
        release("a 1.0.0")
            .needs([need("b ^1")])
            .feature("default", ["std"])
            .feature("std", []),
        release("b 1.0.0")
            .feature("default", ["std"])
            .feature("std", []),
    ]);
    insta::assert_snapshot!(solve(&index), @r"
    a 1.0.0 []
        b = b 1.0.0
    app 1.0.0 []
        a = a 1.0.0
        b = b 1.0.0
    b 1.0.0 [default, std]
    ");
}

#[test]
fn the_features_that_were_asked_for() {
    let index = MemoryIndex::new([
        release("app 1.0.0")
            .needs([need("a ^1").optional()])
            .feature("default", ["x"])
            .feature("x", [])
            .feature("y", ["a"]),
        release("a 1.0.0"),
    ]);
    let mut request = index.request("app");
    request.features.push("y".parse().unwrap());
    request.default_features = false;
    insta::assert_snapshot!(solve_request(&index, &request), @r"
    a 1.0.0 []
    app 1.0.0 [a, y]
        a = a 1.0.0
    ");
}

#[test]
fn an_optional_dependency_has_a_feature_of_its_name_unless_dep_names_it() {
    let index = MemoryIndex::new([
        release("app 1.0.0")
            .needs([need("a ^1").optional(), need("b ^1").optional()])
            .feature("default", ["a", "with-b"])
            .feature("with-b", ["dep:b"]),
        release("a 1.0.0"),
        release("b 1.0.0"),
    ]);
    insta::assert_snapshot!(solve(&index), @r"
    a 1.0.0 []
    app 1.0.0 [a, default, with-b]
        a = a 1.0.0
        b = b 1.0.0
    b 1.0.0 []
    ");
}

#[test]
fn a_feature_of_a_dependency_switches_it_on_and_its_own_feature_too() {
    let index = MemoryIndex::new([
        release("app 1.0.0")
            .needs([need("a ^1").optional(), need("b ^1").optional()])
            .feature("default", ["a/x", "b/x"])
            .feature("hidden", ["dep:b"]),
        release("a 1.0.0").feature("x", []),
        release("b 1.0.0").feature("x", []),
    ]);
    // `dep:b` takes away the feature `b`, so `b/x` cannot set it.
    insta::assert_snapshot!(solve(&index), @r"
    a 1.0.0 [x]
    app 1.0.0 [a, default]
        a = a 1.0.0
        b = b 1.0.0
    b 1.0.0 [x]
    ");
}

#[test]
fn weak_features_wait_in_any_order() {
    let index = |default: &[&str]| {
        MemoryIndex::new([
            release("app 1.0.0")
                .needs([need("a ^1").optional(), need("b ^1").optional()])
                .feature("default", default.iter().copied())
                .feature("on", ["dep:a", "dep:b"]),
            release("a 1.0.0").feature("x", []),
            release("b 1.0.0").feature("x", []),
        ])
    };
    let off = "app 1.0.0 [default]\n";
    assert_eq!(solve(&index(&["a?/x"])), off);
    for both in [["a?/x", "on"], ["on", "a?/x"]] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(solve(&index(&both)), @r"
            a 1.0.0 [x]
            app 1.0.0 [default, on]
                a = a 1.0.0
                b = b 1.0.0
            b 1.0.0 []
            ");
        }
    }
}

fn two_sides(version: ResolverVersion) -> MemoryIndex {
    MemoryIndex::new([
        release("app 1.0.0").resolver(version).script().needs([
            need("shared ^1"),
            need("shared ^1").build().features(["for-script"]),
            need("macros ^1"),
            need("w ^1").target("cfg(windows)"),
        ]),
        release("macros 1.0.0")
            .proc_macro()
            .needs([need("shared ^1").features(["for-macro"])]),
        release("w 1.0.0").needs([need("shared ^1").features(["for-windows"])]),
        release("shared 1.0.0")
            .feature("for-script", [])
            .feature("for-macro", [])
            .feature("for-windows", []),
    ])
}

#[test]
fn host_and_target_have_features_of_their_own() {
    for version in [ResolverVersion::Two, ResolverVersion::Three] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(solve(&two_sides(version)), @r"
            app 1.0.0 []
                macros = macros 1.0.0 host
                build shared = shared 1.0.0 host
                shared = shared 1.0.0
            macros 1.0.0 host []
                shared = shared 1.0.0 host
            shared 1.0.0 host [for-macro, for-script]
            shared 1.0.0 []
            ");
        }
    }
}

#[test]
fn resolver_one_unites_them_and_those_of_other_platforms() {
    insta::assert_snapshot!(solve(&two_sides(ResolverVersion::One)), @r"
    app 1.0.0 []
        macros = macros 1.0.0 host
        build shared = shared 1.0.0 host
        shared = shared 1.0.0
    macros 1.0.0 host []
        shared = shared 1.0.0 host
    shared 1.0.0 host [for-macro, for-script, for-windows]
    shared 1.0.0 [for-macro, for-script, for-windows]
    ");
}

#[test]
fn a_macro_below_a_library_moves_to_the_host_with_all_it_uses() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("serde ^1"), need("syn ^2")]),
        release("serde 1.0.0")
            .needs([need("serde_derive ^1").optional()])
            .feature("default", ["derive"])
            .feature("derive", ["dep:serde_derive"]),
        release("serde_derive 1.0.0")
            .proc_macro()
            .needs([need("syn ^2").features(["full"])]),
        release("syn 2.0.0")
            .script()
            .needs([need("cc ^1").build()])
            .feature("full", []),
        release("cc 1.0.0"),
    ]);
    insta::assert_snapshot!(solve(&index), @r"
    app 1.0.0 []
        serde = serde 1.0.0
        syn = syn 2.0.0
    cc 1.0.0 host []
    serde 1.0.0 [default, derive]
        serde_derive = serde_derive 1.0.0 host
    serde_derive 1.0.0 host []
        syn = syn 2.0.0 host
    syn 2.0.0 host [full]
        build cc = cc 1.0.0 host
    syn 2.0.0 []
        build cc = cc 1.0.0 host
    ");
}

#[test]
fn build_dependencies_without_a_build_script_are_not_built() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("cc ^1").build()]),
        release("cc 1.0.0"),
    ]);
    assert_eq!(solve(&index), "app 1.0.0 []\n");
}

#[test]
fn names_in_code() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([
            need("fd-find ^1"),
            need("md-5 ^1"),
            need("rand ^1").named("old-rand"),
            need("tool ^1"),
        ]),
        release("fd-find 1.0.0"),
        release("md-5 1.0.0").crate_name("md5"),
        release("rand 1.0.0"),
        release("tool 1.0.0").no_library().binary("tool"),
    ]);
    insta::assert_snapshot!(solve(&index), @r"
    app 1.0.0 []
        fd_find = fd-find 1.0.0
        md5 = md-5 1.0.0
        old_rand = rand 1.0.0
    fd-find 1.0.0 []
    md-5 1.0.0 []
    rand 1.0.0 []
    ");
}

#[test]
fn one_package_under_a_name_for_each_platform() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([
            need("a ^1").target("cfg(unix)").features(["unix"]),
            need("a ^1").target("cfg(windows)").features(["windows"]),
            need("a ^1")
                .target("x86_64-unknown-linux-gnu")
                .features(["gnu"]),
        ]),
        release("a 1.0.0")
            .feature("unix", [])
            .feature("windows", [])
            .feature("gnu", []),
    ]);
    insta::assert_snapshot!(solve(&index), @r"
    a 1.0.0 [gnu, unix]
    app 1.0.0 []
        a = a 1.0.0
    ");
}

#[test]
fn an_optional_dependency_for_another_platform_stays_off() {
    let index = MemoryIndex::new([
        release("app 1.0.0")
            .needs([need("a ^1").optional().target("cfg(windows)"), need("b ^1")])
            .feature("default", ["dep:a", "a/x"]),
        release("a 1.0.0")
            .feature("x", [])
            .needs([need("b ^1").features(["y"])]),
        release("b 1.0.0").feature("y", []),
    ]);
    insta::assert_snapshot!(solve(&index), @r"
    app 1.0.0 [default]
        b = b 1.0.0
    b 1.0.0 []
    ");
}
