//! How long an answer takes: a registry in memory with 1,000 packages of 10 releases each.
//!
//! `cargo bench -p orlop-resolver`

use criterion::{Criterion, criterion_group, criterion_main};
use orlop_resolver::memory::{MemoryIndex, MemoryRelease, need, release};
use orlop_resolver::resolve;

const PACKAGES: usize = 1000;
const RELEASES: usize = 10;

/// Numbers that look random and are the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).expect("31 bits fit") % limit
    }
}

/// Every package needs up to five later ones, some with a feature, some optional, and newer
/// releases need newer ones.
fn registry() -> MemoryIndex {
    let mut numbers = Numbers(7);
    let mut releases: Vec<MemoryRelease> = Vec::new();
    for package in 0..PACKAGES {
        let later = PACKAGES - package - 1;
        let users = if package == 0 { 40 } else { 5 };
        let mut needed: Vec<usize> = (0..users.min(later))
            .map(|_| package + 1 + numbers.below(later))
            .chain((later > 0).then_some(package + 1))
            .collect();
        needed.sort_unstable();
        needed.dedup();
        for minor in 0..RELEASES {
            let needs = needed.iter().map(|other| {
                let need = need(&format!("p{other} ^1.{}", minor / 2));
                let need = if other % 3 == 0 {
                    need.features(["x"])
                } else {
                    need
                };
                if other % 7 == 0 && *other != package + 1 {
                    need.optional()
                } else {
                    need
                }
            });
            let made = release(&format!("p{package} 1.{minor}.0"));
            releases.push(made.feature("x", []).feature("default", ["x"]).needs(needs));
        }
    }
    MemoryIndex::new(releases)
}

fn thousand_packages(criterion: &mut Criterion) {
    let index = registry();
    let request = index.request("p0");
    let resolution = resolve(&request, &index).expect("there is an answer");
    assert!(
        resolution.packages.len() == PACKAGES,
        "all packages are in reach"
    );
    criterion.bench_function("1,000 packages", |bencher| {
        bencher.iter(|| resolve(&request, &index).map(|answer| answer.graph.node_count()));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = thousand_packages
}
criterion_main!(benches);
