//! Which versions are chosen.

use orlop_recipes::Version;

use super::{fail, solve, solve_request};
use crate::memory::{MemoryIndex, need, release};
use crate::{Index as _, resolve};

#[test]
fn the_newest_that_fits_once_per_bucket() {
    let index = MemoryIndex::new([
        release("app 1.0.0"),
        release("app 2.0.0").needs([need("a ^1"), need("b ^0.3")]),
        release("a 1.0.0"),
        release("a 1.9.0").needs([need("b ^0.2.1")]),
        release("a 2.0.0"),
        release("b 0.2.0"),
        release("b 0.2.7"),
        release("b 0.3.1"),
    ]);
    insta::assert_snapshot!(solve(&index), @r"
    a 1.9.0 []
        b = b 0.2.7
    app 2.0.0 []
        a = a 1.9.0
        b = b 0.3.1
    b 0.2.7 []
    b 0.3.1 []
    ");
}

#[test]
fn a_requirement_on_the_app() {
    let index = MemoryIndex::new([
        release("app 1.0.0"),
        release("app 1.4.0"),
        release("app 2.0.0"),
    ]);
    assert_eq!(
        solve_request(&index, &index.request("app@1")),
        "app 1.4.0 []\n"
    );
    assert_eq!(
        solve_request(&index, &index.request("app@=1.0.0")),
        "app 1.0.0 []\n"
    );
}

#[test]
fn an_older_release_when_the_newest_does_not_fit() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a ^1"), need("b ^1")]),
        release("a 1.0.0").needs([need("c =1.0.0")]),
        release("b 1.0.0").needs([need("c ^1")]),
        release("b 1.1.0").needs([need("c ^1.2")]),
        release("c 1.0.0"),
        release("c 1.2.0"),
    ]);
    insta::assert_snapshot!(solve(&index), @r"
    a 1.0.0 []
        c = c 1.0.0
    app 1.0.0 []
        a = a 1.0.0
        b = b 1.0.0
    b 1.0.0 []
        c = c 1.0.0
    c 1.0.0 []
    ");
}

#[test]
fn a_requirement_over_buckets_takes_the_newest_bucket() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a >=1, <3"), need("b ^1")]),
        release("a 1.0.0"),
        release("a 2.0.0").needs([need("c ^1")]),
        release("a 2.3.0").needs([need("c ^1")]),
        release("a 3.0.0"),
        release("b 1.0.0").needs([need("a ^1")]),
        release("c 1.0.0"),
    ]);
    insta::assert_snapshot!(solve(&index), @r"
    a 1.0.0 []
    a 2.3.0 []
        c = c 1.0.0
    app 1.0.0 []
        a = a 2.3.0
        b = b 1.0.0
    b 1.0.0 []
        a = a 1.0.0
    c 1.0.0 []
    ");
}

#[test]
fn a_native_library_makes_both_take_one_bucket() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("b ^1"), need("z-sys >=1, <3")]),
        release("b 1.0.0").needs([need("z-sys ^1")]),
        release("z-sys 1.5.0").links("z"),
        release("z-sys 2.0.0").links("z"),
    ]);
    insta::assert_snapshot!(solve(&index), @r"
    app 1.0.0 []
        b = b 1.0.0
        z_sys = z-sys 1.5.0
    b 1.0.0 []
        z_sys = z-sys 1.5.0
    z-sys 1.5.0 []
    ");
}

#[test]
fn features_over_buckets_follow_the_choice() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a >=1, <3").features(["x"])]),
        release("a 1.0.0").feature("x", []),
        release("a 2.0.0"),
    ]);
    // Release 2 lacks the feature, so the requirement falls back.
    insta::assert_snapshot!(solve(&index), @r"
    a 1.0.0 [x]
    app 1.0.0 []
        a = a 1.0.0
    ");
}

#[test]
fn a_dependency_listed_twice_has_one_version() {
    let index = MemoryIndex::new([
        release("app 1.0.0")
            .script()
            .needs([need("a ^1"), need("a <1.5").build()]),
        release("a 1.4.0"),
        release("a 1.9.0"),
    ]);
    insta::assert_snapshot!(solve(&index), @r"
    a 1.4.0 host []
    a 1.4.0 []
    app 1.0.0 []
        build a = a 1.4.0 host
        a = a 1.4.0
    ");
}

#[test]
fn build_metadata_and_pre_releases_match_as_in_semver() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a =0.18.8"), need("b ^1"), need("c ^2.0.0-beta.1")]),
        release("a 0.18.8+1.9.7"),
        release("b 1.0.0"),
        release("b 1.1.0-rc.1"),
        release("c 2.0.0-alpha.9"),
        release("c 2.0.0-beta.4"),
    ]);
    insta::assert_snapshot!(solve(&index), @r"
    a 0.18.8+1.9.7 []
    app 1.0.0 []
        a = a 0.18.8+1.9.7
        b = b 1.0.0
        c = c 2.0.0-beta.4
    b 1.0.0 []
    c 2.0.0-beta.4 []
    ");
}

#[test]
fn a_yanked_release_only_if_the_lock_has_it() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a ^1")]),
        release("a 1.0.0"),
        release("a 1.1.0").yanked(),
    ]);
    let chosen = |request| {
        let resolution = resolve(&request, &index).unwrap();
        let variant = resolution
            .graph
            .node_weights()
            .find(|v| v.name.as_str() == "a")
            .unwrap();
        variant.version.clone()
    };
    assert_eq!(chosen(index.request("app")), Version::new(1, 0, 0));
    let mut locked = index.request("app");
    locked
        .preferred
        .insert("a".parse().unwrap(), vec![Version::new(1, 1, 0)]);
    assert_eq!(chosen(locked), Version::new(1, 1, 0));
}

#[test]
fn the_lock_is_kept_where_it_fits() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a ^1"), need("b ^1.1")]),
        release("a 1.0.0"),
        release("a 1.1.0"),
        release("b 1.0.0"),
        release("b 1.2.0"),
    ]);
    let mut request = index.request("app");
    for name in ["a", "b"] {
        request
            .preferred
            .insert(name.parse().unwrap(), vec![Version::new(1, 0, 0)]);
    }
    insta::assert_snapshot!(solve_request(&index, &request), @r"
    a 1.0.0 []
    app 1.0.0 []
        a = a 1.0.0
        b = b 1.2.0
    b 1.2.0 []
    ");
}

#[test]
fn a_snapshot_hides_what_came_later() {
    let index = MemoryIndex::new([
        release("app 1.0.0").published("2026-01-01T00:00:00Z"),
        release("app 1.1.0").published("2026-06-01T12:00:00Z"),
        release("app 1.2.0").published("2026-06-01T12:00:01Z"),
    ]);
    let mut request = index.request("app");
    request.snapshot = "2026-06-01T12:00:00Z".parse().unwrap();
    assert_eq!(solve_request(&index, &request), "app 1.1.0 []\n");

    let undated = MemoryIndex::new([release("app 1.0.0")]);
    assert_eq!(solve_request(&undated, &request), "app 1.0.0 []\n");
}

#[test]
fn releases_for_a_newer_compiler_come_last() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a ^1"), need("b >=1, <3")]),
        release("a 1.0.0").rust("1.95"),
        release("a 1.1.0").rust("1.96"),
        release("b 1.0.0"),
        release("b 2.0.0").rust("1.97.1"),
    ]);
    insta::assert_snapshot!(solve(&index), @r"
    a 1.0.0 []
    app 1.0.0 []
        a = a 1.0.0
        b = b 1.0.0
    b 1.0.0 []
    ");
}

#[test]
fn dev_dependencies_and_unneeded_optional_ones_do_not_count() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([
            need("gone ^1").dev(),
            need("nowhere ^1").optional(),
            need("a ^1"),
        ]),
        release("a 1.0.0").needs([need("gone ^1").dev()]),
    ]);
    insta::assert_snapshot!(solve(&index), @r"
    a 1.0.0 []
    app 1.0.0 []
        a = a 1.0.0
    ");
}

#[test]
fn a_package_may_need_an_older_bucket_of_itself() {
    let index = MemoryIndex::new([
        release("app 2.0.0").needs([need("app ^1").named("old")]),
        release("app 1.0.0"),
    ]);
    insta::assert_snapshot!(solve(&index), @r"
    app 1.0.0 []
    app 2.0.0 []
        old = app 1.0.0
    ");
}

#[test]
fn dependencies_for_other_platforms_still_restrict_versions() {
    // As in Cargo: one choice of versions for all platforms.
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a ^1"), need("w ^1").target("cfg(windows)")]),
        release("w 1.0.0").needs([need("a =1.0.0")]),
        release("a 1.0.0"),
        release("a 1.1.0"),
    ]);
    insta::assert_snapshot!(solve(&index), @r"
    a 1.0.0 []
    app 1.0.0 []
        a = a 1.0.0
    ");
}

#[test]
fn weak_features_count_as_strong_for_versions_only() {
    let index = MemoryIndex::new([
        release("app 1.0.0")
            .needs([need("a ^1").optional(), need("b ^1")])
            .feature("default", ["a?/x"]),
        release("a 1.0.0")
            .feature("x", [])
            .needs([need("b =1.0.0")]),
        release("b 1.0.0"),
        release("b 1.1.0"),
    ]);
    insta::assert_snapshot!(solve(&index), @r"
    app 1.0.0 [default]
        b = b 1.0.0
    b 1.0.0 []
    ");
}

#[test]
fn feature_cycles_are_fine() {
    let index = MemoryIndex::new([release("app 1.0.0")
        .feature("default", ["a"])
        .feature("a", ["b"])
        .feature("b", ["a", "b"])]);
    assert_eq!(solve(&index), "app 1.0.0 [a, b, default]\n");
}

#[test]
fn package_cycles_are_refused() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a ^1")]),
        release("a 1.0.0").needs([need("b ^1")]),
        release("b 1.0.0").needs([need("a ^1")]),
    ]);
    insta::assert_snapshot!(fail(&index), @"packages need each other in a circle: a 1.0.0 → b 1.0.0 → a 1.0.0");
}

#[test]
fn what_is_compiled_is_announced_before_it_is_read() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a ^1"), need("w ^1").target("cfg(windows)")]),
        release("a 1.0.0").needs([need("m ^1")]),
        release("m 1.0.0").proc_macro(),
        release("w 1.0.0"),
    ]);
    solve(&index);
    let names: Vec<String> = index
        .expected()
        .into_iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    assert_eq!(names, ["a 1.0.0", "app 1.0.0", "m 1.0.0"]);
    assert!(index.releases(&"none".parse().unwrap()).unwrap().is_empty());
}

#[test]
fn queries() {
    let index = MemoryIndex::new([
        release("app 1.0.0").needs([need("a ^1"), need("b ^1")]),
        release("a 1.0.0").needs([need("b ^1")]),
        release("b 1.0.0"),
    ]);
    let resolution = resolve(&index.request("app"), &index).unwrap();
    let name = |node: petgraph::graph::NodeIndex| resolution.graph[node].name.to_string();
    let order = resolution.order();
    assert_eq!(
        order.iter().copied().map(name).collect::<Vec<_>>(),
        ["b", "a", "app"]
    );
    let users = resolution.users(order[0]);
    assert_eq!(
        users
            .into_iter()
            .map(|(user, _)| name(user))
            .collect::<Vec<_>>(),
        ["a", "app"]
    );
    assert_eq!(resolution.dependencies(resolution.root).len(), 2);
}
