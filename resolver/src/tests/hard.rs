//! Registries made to lead a solver astray: it must not try every combination. Ideas of Cargo's own
//! tests.

use super::{fail, show_error};
use crate::memory::{MemoryIndex, MemoryRelease, Need, need, release};
use crate::resolve;

fn app(needs: impl IntoIterator<Item = Need>) -> MemoryRelease {
    release("app 1.0.0").needs(needs)
}

/// Whether the answer holds a release.
fn chooses(index: &MemoryIndex, wanted: &str) -> bool {
    let resolution = resolve(&index.request("app"), index)
        .unwrap_or_else(|error| panic!("{}", show_error(&error)));
    let mut packages = resolution.packages.iter();
    packages.any(|package| format!("{} {}", package.name, package.version) == wanted)
}

#[test]
fn a_trap_of_many_equal_ways() {
    const DEPTH: usize = 40;
    const BREADTH: usize = 40;
    let mut releases = Vec::new();
    for level in 0..DEPTH {
        for version in 1..BREADTH {
            let next = need(&format!("level{} *", level + 1));
            releases.push(release(&format!("level{level} 1.0.{version}")).needs([next]));
        }
    }
    let dead = releases.iter().cloned().chain([app([need("level0 *")])]);
    let error = fail(&MemoryIndex::new(dead));
    assert!(
        error.contains(&format!("no package named `level{DEPTH}`")),
        "{error}"
    );

    releases.push(release(&format!("level{DEPTH} 1.0.0")));
    releases.push(app([need("level0 *")]));
    assert!(chooses(
        &MemoryIndex::new(releases.clone()),
        &format!("level{DEPTH} 1.0.0")
    ));

    // The dead end that matters lies beside all of them.
    let last = releases.len() - 1;
    releases[last] = app([need("level0 *"), need("gone ^1")]);
    assert!(fail(&MemoryIndex::new(releases)).contains("no package named `gone`"));
}

#[test]
fn a_trap_below_a_constrained_sibling() {
    const BREADTH: usize = 50;
    let mut releases = vec![release("cloaking 1.0.0").needs([need("constrained ~1.0.0")])];
    for trap in 0..10 {
        for version in 0..BREADTH {
            let next = if trap < 9 {
                need(&format!("trap{} *", trap + 1))
            } else {
                need("constrained >=1.1.0, <=2.0.0")
            };
            releases.push(release(&format!("trap{trap} 1.0.{version}")).needs([next]));
        }
    }
    for version in ["1.0.0", "1.0.40", "1.1.0", "2.0.0", "2.0.1"] {
        releases.push(release(&format!("constrained {version}")));
    }
    let with = |pin: &str| {
        let mut all = releases.clone();
        all.push(app([need("trap0 *"), need(pin), need("cloaking *")]));
        MemoryIndex::new(all)
    };
    fail(&with("constrained =2.0.1"));
    assert!(chooses(&with("constrained =2.0.0"), "constrained 1.0.40"));
}

#[test]
fn traps_between_two_ranges_of_one_package() {
    let numbers = |name: &'static str, count: u8| {
        (0..count).map(move |patch| release(&format!("{name} 1.0.{patch}")))
    };
    let mut releases: Vec<_> = numbers("trap1", 45)
        .chain(numbers("trap2", 45))
        .chain(numbers("constrained", 100))
        .collect();
    releases.push(release("bar 1.0.0").needs([need("constrained >=1.0.60")]));
    releases.push(app([
        need("bar =1.0.0"),
        need("trap1 ^1"),
        need("trap2 ^1"),
        need("constrained <=1.0.60"),
    ]));
    assert!(chooses(&MemoryIndex::new(releases), "constrained 1.0.60"));
}

#[test]
fn many_conflicts_over_native_libraries_and_series() {
    let mut releases = Vec::new();
    let mut needs = vec![need("last *")];
    for letter in 'a'..='t' {
        let library = format!("{letter}-sys");
        let major = releases.len();
        releases.push(
            release(&format!("last {major}.0.0")).needs([need(&format!("{library} =0.0.0"))]),
        );
        needs.push(need(&format!("{library} >=0.0.1")));
        let plain = format!("{letter}x");
        let major = releases.len();
        releases
            .push(release(&format!("last {major}.0.0")).needs([need(&format!("{plain} =1.0.0"))]));
        needs.push(need(&format!("{plain} >=1.0.1")));
        for number in 0..20 {
            releases.push(release(&format!("{library} {number}.0.0")).links(&library));
            releases.push(release(&format!("{plain} 1.0.{number}")));
        }
    }
    releases.push(app(needs));
    let error = fail(&MemoryIndex::new(releases));
    assert!(error.lines().count() <= 20, "{error}");
}

#[test]
fn a_feature_that_only_the_oldest_release_has() {
    const VERSIONS: usize = 55;
    let mut releases = vec![release("last 1.0.0").feature("f", [])];
    releases.extend((1..50).map(|patch| release(&format!("last 1.0.{patch}"))));
    for patch in 0..VERSIONS {
        for level in 1..3 {
            let next = need(&format!("middle{} ^1.0.{patch}", level + 1));
            releases.push(release(&format!("middle{level} 1.0.{patch}")).needs([next]));
        }
        let last = need("last ^1.0.0").features(["f"]);
        releases.push(release(&format!("middle3 1.0.{patch}")).needs([last]));
    }
    releases.push(app([need("last ^1"), need("middle1 ^1")]));
    assert!(chooses(&MemoryIndex::new(releases), "last 1.0.0"));
}

#[test]
fn what_is_not_used_is_not_missed() {
    let releases = [
        app([need("b *"), need("e *"), need("f *")]),
        release("a 1.0.0"),
        release("a 1.1.0"),
        release("b 1.0.0").needs([need("a *")]),
        release("c 1.0.0"),
        release("c 1.1.0"),
        release("d 1.0.0").needs([need("c =1.0.0")]),
        release("e 1.0.0"),
        release("e 1.1.0").needs([need("c ^1.1")]),
        release("f 1.1.0").needs([need("d *")]),
    ];
    let with = releases.iter().cloned().chain([
        release("gone 1.0.0"),
        release("f 1.0.0").needs([need("gone *"), need("d *")]),
    ]);
    for index in [MemoryIndex::new(with), MemoryIndex::new(releases.clone())] {
        assert!(chooses(&index, "e 1.0.0"));
        assert!(!chooses(&index, "gone 1.0.0"));
    }
}

#[test]
fn the_shortest_way_is_told() {
    let index = MemoryIndex::new([
        app([need("one ^1"), need("f ^1")]),
        release("one 1.0.0").needs([need("two ^1")]),
        release("two 1.0.0").needs([need("three ^1")]),
        release("three 1.0.0").needs([need("f ^1")]),
        release("f 1.0.0").needs([need("missing ^1")]),
    ]);
    insta::assert_snapshot!(fail(&index), @"there is no package named `missing`, needed by `app 1.0.0 → f 1.0.0`");
}
