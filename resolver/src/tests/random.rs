//! Small random registries, solved by brute force as well.

use std::collections::{BTreeMap, BTreeSet};

use orlop_recipes::{Version, VersionReq};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::ResolveError;
use crate::memory::{MemoryIndex, MemoryRelease, need, release};
use crate::versions;

const NAMES: [&str; 3] = ["a", "b", "c"];
const VERSIONS: [&str; 3] = ["1.0.0", "1.1.0", "2.0.0"];
/// The first ones stay within a bucket.
const REQUIREMENTS: [&str; 6] = ["^1", "^1.1", "=1.0.0", "^2", ">=1, <3", "*"];
const NARROW: usize = 4;

#[derive(Debug, Clone)]
struct Wish {
    package: usize,
    requirement: usize,
    /// Whether only the feature `f` switches it on.
    optional: bool,
    /// Whether it asks for the feature `f`.
    feature: bool,
}

#[derive(Debug, Clone)]
struct Draft {
    present: bool,
    links: bool,
    has_feature: bool,
    wishes: Vec<Wish>,
}

/// A package and one of its releases.
type Id = (usize, usize);

fn wish() -> impl Strategy<Value = Wish> {
    (
        0..NAMES.len(),
        0..REQUIREMENTS.len(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(package, requirement, optional, feature)| Wish {
            package,
            requirement,
            optional,
            // Which bucket a wide wish asks is the solver's choice, and none of the oracle's.
            feature: feature && requirement < NARROW,
        })
}

fn draft() -> impl Strategy<Value = Draft> {
    (
        prop::bool::weighted(0.9),
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.8),
        vec(wish(), 0..3),
    )
        .prop_map(|(present, links, has_feature, wishes)| Draft {
            present,
            links,
            has_feature,
            wishes,
        })
}

fn registry() -> impl Strategy<Value = (Vec<Wish>, Vec<Vec<Draft>>)> {
    (
        vec(wish(), 1..4),
        vec(vec(draft(), VERSIONS.len()), NAMES.len()),
    )
}

fn build(name: &str, draft: &Draft) -> MemoryRelease {
    let needs = draft.wishes.iter().enumerate().map(|(number, wish)| {
        let text = format!("{} {}", NAMES[wish.package], REQUIREMENTS[wish.requirement]);
        let need = need(&text).named(&format!("d{number}"));
        let need = if wish.feature {
            need.features(["f"])
        } else {
            need
        };
        if wish.optional { need.optional() } else { need }
    });
    let mut release = release(name).needs(needs);
    if draft.links {
        release = release.links("z");
    }
    if draft.has_feature {
        let numbers = draft
            .wishes
            .iter()
            .enumerate()
            .filter(|(_, wish)| wish.optional);
        let values: Vec<String> = numbers
            .map(|(number, _)| format!("dep:d{number}"))
            .collect();
        release = release.feature("f", values.iter().map(String::as_str));
    }
    release
}

struct Oracle<'a> {
    wishes: &'a [Wish],
    packages: &'a [Vec<Draft>],
}

impl Oracle<'_> {
    fn draft(&self, (package, version): Id) -> &Draft {
        &self.packages[package][version]
    }

    /// Whether a set of releases, at most one per bucket, is all that the app needs.
    fn accepts(&self, chosen: &BTreeSet<Id>) -> bool {
        let linked = chosen.iter().filter(|id| self.draft(**id).links).count();
        if linked > 1 {
            return false;
        }
        let mut active: BTreeMap<Id, bool> = BTreeMap::new();
        let mut rest: Vec<&Wish> = self.wishes.iter().filter(|wish| !wish.optional).collect();
        while let Some(wish) = rest.pop() {
            let requirement: VersionReq = REQUIREMENTS[wish.requirement].parse().unwrap();
            let found: Vec<Id> = chosen
                .iter()
                .copied()
                .filter(|(package, version)| {
                    let version: Version = VERSIONS[*version].parse().unwrap();
                    *package == wish.package && requirement.matches(&version)
                })
                .collect();
            if found.is_empty() {
                return false;
            }
            for id in found {
                let draft = self.draft(id);
                if wish.feature && !draft.has_feature {
                    return false;
                }
                let known = active.get(&id).copied();
                if known.is_none() {
                    rest.extend(draft.wishes.iter().filter(|wish| !wish.optional));
                }
                if wish.feature && known != Some(true) {
                    rest.extend(draft.wishes.iter().filter(|wish| wish.optional));
                }
                active.insert(id, wish.feature || known == Some(true));
            }
        }
        true
    }

    /// Whether any set of releases will do.
    fn is_solvable(&self) -> bool {
        // Each bucket of each package: none of its releases, or one.
        let present = |package: usize, version: usize| self.packages[package][version].present;
        let mut sets: Vec<BTreeSet<Id>> = vec![BTreeSet::new()];
        for package in 0..NAMES.len() {
            for bucket in [&[0, 1][..], &[2][..]] {
                let more: Vec<BTreeSet<Id>> = sets
                    .iter()
                    .flat_map(|set| {
                        bucket
                            .iter()
                            .filter(|version| present(package, **version))
                            .map(|version| {
                                let mut set = set.clone();
                                set.insert((package, *version));
                                set
                            })
                    })
                    .collect();
                sets.extend(more);
            }
        }
        sets.iter().any(|set| self.accepts(set))
    }
}

fn index(wishes: &[Wish], packages: &[Vec<Draft>]) -> MemoryIndex {
    let app = Draft {
        present: true,
        links: false,
        has_feature: false,
        wishes: wishes.to_vec(),
    };
    let mut releases = vec![build("app 1.0.0", &app)];
    for (name, drafts) in NAMES.iter().zip(packages) {
        for (version, draft) in VERSIONS
            .iter()
            .zip(drafts)
            .filter(|(_, draft)| draft.present)
        {
            releases.push(build(&format!("{name} {version}"), draft));
        }
    }
    MemoryIndex::new(releases)
}

/// Solves, and returns what was chosen beside the app.
fn choose(wishes: &[Wish], packages: &[Vec<Draft>]) -> Result<BTreeSet<Id>, ResolveError> {
    let index = index(wishes, packages);
    let selection = versions::solve(&index.request("app"), &index)?;
    let place = |text: &str, all: &[&str]| all.iter().position(|known| *known == text);
    let chosen = selection.packages.iter().filter_map(|selected| {
        let release = selected.release();
        let name = place(release.name.as_str(), &NAMES)?;
        Some((name, place(&release.version.to_string(), &VERSIONS)?))
    });
    Ok(chosen.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// There is an answer exactly if brute force finds one, and the answer is one.
    #[test]
    fn answers_are_valid_and_found((wishes, packages) in registry()) {
        let oracle = Oracle { wishes: &wishes, packages: &packages };
        match choose(&wishes, &packages) {
            Ok(chosen) => {
                let buckets: BTreeSet<(usize, bool)> =
                    chosen.iter().map(|(name, version)| (*name, *version == 2)).collect();
                prop_assert_eq!(buckets.len(), chosen.len());
                prop_assert!(oracle.accepts(&chosen), "{:?}", chosen);
            }
            Err(ResolveError::Index(error)) => prop_assert!(false, "{}", error),
            Err(error) => {
                prop_assert!(!oracle.is_solvable(), "{}", error);
                prop_assert!(error.to_string().lines().count() <= 16, "{}", error);
            }
        }
    }

    /// Who asks for less gets an answer all the more.
    #[test]
    fn removing_a_dependency_never_breaks((wishes, packages) in registry()) {
        prop_assume!(choose(&wishes, &packages).is_ok());
        for place in 0..wishes.len() {
            let mut fewer = wishes.clone();
            fewer.remove(place);
            prop_assert!(choose(&fewer, &packages).is_ok());
        }
        for package in 0..packages.len() {
            for version in 0..VERSIONS.len() {
                for place in 0..packages[package][version].wishes.len() {
                    let mut fewer = packages.clone();
                    fewer[package][version].wishes.remove(place);
                    prop_assert!(choose(&wishes, &fewer).is_ok());
                }
            }
        }
    }

    /// A release that is not chosen may as well not be there, and one that does not help does not
    /// help by going away.
    #[test]
    fn irrelevant_versions_never_matter((wishes, packages) in registry()) {
        let answer = choose(&wishes, &packages);
        for package in 0..packages.len() {
            for version in 0..VERSIONS.len() {
                let is_chosen = matches!(&answer, Ok(chosen) if chosen.contains(&(package, version)));
                if is_chosen || !packages[package][version].present {
                    continue;
                }
                let mut fewer = packages.clone();
                fewer[package][version].present = false;
                prop_assert_eq!(choose(&wishes, &fewer).is_ok(), answer.is_ok());
            }
        }
    }

    /// The order in which releases list what they need is none of the user's business.
    #[test]
    fn an_answer_is_an_answer_whatever_the_order((wishes, packages) in registry()) {
        let turned: Vec<Wish> = wishes.iter().rev().cloned().collect();
        prop_assert_eq!(choose(&wishes, &packages).is_ok(), choose(&turned, &packages).is_ok());
    }
}
