//! Which member ends up in which library: a pure function of who uses what.
//!
//! S(X) is the set of apps that use the member X. Members with one user stay in that app's
//! binaries. Every user of X also uses what X needs, so S only grows towards the leaves, and in
//! the order "most widely used first" no member needs one that comes later: *any* split of that
//! order into intervals makes libraries that need each other in one direction only.
//!
//! Where the splits are best is a matter of cost. An app that loads a library pays for it once
//! ([`LIBRARY`]), and for what it does not use in it ([`WASTE`]: relocated pages are private to
//! the process). The cheapest split is found exactly.
//!
//! Some members are *anchored*: they stay in each binary, as does whatever needs them. A member
//! is also anchored if an app uses it without using what it needs: then a symbol it asks for is
//! defined by different parties in different apps.
//!
//! What was drawn before is kept: [`redraw`] adds libraries for new apps on top of it, so that the
//! binaries of earlier apps stay as they are. They are drawn anew only if that saves more than one
//! part in [`WORTHWHILE`] of what all apps take together.

use std::collections::{BTreeMap, BTreeSet};

use orlop_store::Digest;
use petgraph::algo::tarjan_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// The cost of loading one library: some 50 µs and four private pages, in bytes of memory.
const LIBRARY: u64 = 256 * 1024;
/// One of so many bytes of a member costs memory though nobody uses it.
const WASTE: u64 = 16;

/// Borders are moved, and earlier apps linked again, when it saves more than one part in so many.
const WORTHWHILE: u64 = 10;

/// What a partition has to know of a member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// The memory it takes.
    pub bytes: u64,
    /// Whether it must stay in the binaries.
    pub anchored: bool,
    /// Whether it is to be in a library even if only one app uses it.
    pub open: bool,
    /// The members that define what it asks for.
    pub needs: BTreeSet<Digest>,
}

/// How the order is split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Split {
    /// Into the few intervals that cost least.
    Cheapest,
    /// After every member (after every circle, where members need each other).
    Everywhere,
}

/// A library to be linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// Its members, most widely used first.
    pub members: Vec<Digest>,
    /// The apps that load it.
    pub users: BTreeSet<String>,
    /// The position of the earlier library with the same members.
    pub kept: Option<usize>,
}

/// What was drawn before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Previous {
    /// The libraries' members, each library needing only those before it.
    pub libraries: Vec<Vec<Digest>>,
    /// The apps that are linked already: against how many of the libraries, from the first.
    pub apps: BTreeMap<String, usize>,
    /// Whether they must stay, whatever moving them would save.
    pub fixed: bool,
}

/// What becomes of earlier borders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redrawn {
    /// The libraries, each needing only those before it.
    pub libraries: Vec<Library>,
    /// The apps whose binaries stay as they are, and against how many of the libraries, from the
    /// first, they are linked.
    pub settled: BTreeMap<String, usize>,
}

/// Draws the borders anew: returns the libraries, each needing only those before it. All members that
/// are in none stay in the binaries.
pub fn draw(
    nodes: &BTreeMap<Digest, Node>,
    apps: &BTreeMap<String, BTreeSet<Digest>>,
    split: Split,
) -> Vec<Library> {
    let mut users = shareable(nodes, apps);
    users.retain(|member, users| users.len() > 1 || is_open(nodes, member));
    split_up(nodes, &users, split)
}

/// Draws borders with as little change to those drawn before as pays.
pub fn redraw(
    nodes: &BTreeMap<Digest, Node>,
    apps: &BTreeMap<String, BTreeSet<Digest>>,
    split: Split,
    previous: &Previous,
) -> Redrawn {
    let extended = extend(nodes, apps, split, previous);
    if previous.fixed {
        return extended;
    }
    let libraries = draw(nodes, apps, split).into_iter().map(|library| {
        let mut earlier = previous.libraries.iter();
        let kept = earlier.position(|members| *members == library.members);
        Library { kept, ..library }
    });
    let anew = replace(libraries.collect(), apps, previous);
    let (with_earlier, without) = (cost(&extended, nodes, apps), cost(&anew, nodes, apps));
    let saved = with_earlier.saturating_sub(without);
    tracing::debug!(with_earlier, without, "redraw");
    if saved > with_earlier / WORTHWHILE {
        anew
    } else {
        extended
    }
}

fn is_open(nodes: &BTreeMap<Digest, Node>, member: &Digest) -> bool {
    nodes.get(member).is_some_and(|node| node.open)
}

/// Takes new libraries; a binary stays only if it is what would be linked again.
fn replace(
    libraries: Vec<Library>,
    apps: &BTreeMap<String, BTreeSet<Digest>>,
    previous: &Previous,
) -> Redrawn {
    let mut same = previous.clone();
    same.apps.retain(|app, count| {
        let others = libraries.iter().skip(*count);
        !others
            .into_iter()
            .any(|library| library.users.contains(app))
    });
    settle(libraries, apps, &same)
}

/// Keeps all earlier libraries that can be kept, and draws further ones for apps not yet linked.
fn extend(
    nodes: &BTreeMap<Digest, Node>,
    apps: &BTreeMap<String, BTreeSet<Digest>>,
    split: Split,
    previous: &Previous,
) -> Redrawn {
    let mut users = shareable(nodes, apps);
    let used: BTreeSet<_> = apps.values().flatten().collect();
    let mut shared = BTreeSet::new();
    let mut libraries = Vec::new();
    for (index, members) in previous.libraries.iter().enumerate() {
        let own: BTreeSet<_> = members.iter().copied().collect();
        let fits = |member: &Digest| {
            let needs_earlier = |node: &Node| {
                node.needs
                    .iter()
                    .all(|needed| own.contains(needed) || shared.contains(needed))
            };
            let may_leave = |node: &Node| {
                if used.contains(member) {
                    users.contains_key(member)
                } else {
                    !node.anchored
                }
            };
            nodes
                .get(member)
                .is_some_and(|node| needs_earlier(node) && may_leave(node))
        };
        if members.iter().all(fits) {
            shared.extend(own);
            libraries.push(Library {
                members: members.clone(),
                users: BTreeSet::new(),
                kept: Some(index),
            });
        }
    }
    let settled = settle(libraries.clone(), apps, previous).settled;
    users.retain(|member, users| {
        users.retain(|app| !settled.contains_key(*app));
        let wanted = users.len() > 1 || !users.is_empty() && is_open(nodes, member);
        wanted && !shared.contains(member)
    });
    libraries.extend(split_up(nodes, &users, split));
    settle(libraries, apps, previous)
}

/// Finds out which binaries may stay as they are, and who loads each library.
fn settle(
    mut libraries: Vec<Library>,
    apps: &BTreeMap<String, BTreeSet<Digest>>,
    previous: &Previous,
) -> Redrawn {
    let kept: Vec<_> = libraries.iter().map(|library| library.kept).collect();
    let settled = previous.apps.iter().filter(|(app, count)| {
        let same = (0..**count).all(|index| kept.get(index) == Some(&Some(index)));
        apps.contains_key(*app) && same
    });
    let settled: BTreeMap<_, _> = settled.map(|(app, count)| (app.clone(), *count)).collect();
    for (index, library) in libraries.iter_mut().enumerate() {
        let uses = |(app, members): &(&String, &BTreeSet<Digest>)| {
            let linked = settled.get(*app).is_none_or(|count| index < *count);
            linked
                && library
                    .members
                    .iter()
                    .any(|member| members.contains(member))
        };
        library.users = apps
            .iter()
            .filter(uses)
            .map(|(app, _)| app.clone())
            .collect();
    }
    Redrawn { libraries, settled }
}

/// What a partition costs: the bytes of all binaries and libraries, and what loading takes.
fn cost(
    redrawn: &Redrawn,
    nodes: &BTreeMap<Digest, Node>,
    apps: &BTreeMap<String, BTreeSet<Digest>>,
) -> u64 {
    let bytes = |member: &Digest| nodes.get(member).map_or(0, |node| node.bytes);
    let mut cost = 0_u64;
    let mut in_libraries = BTreeMap::<&str, u64>::new();
    for library in &redrawn.libraries {
        let whole: u64 = library.members.iter().map(bytes).sum();
        cost = cost.saturating_add(whole);
        for app in &library.users {
            let used = apps.get(app).into_iter().flatten();
            let used = used.filter(|member| library.members.contains(member));
            let used: u64 = used.map(bytes).sum();
            *in_libraries.entry(app).or_default() += used;
            cost = cost.saturating_add(LIBRARY + whole.saturating_sub(used) / WASTE);
        }
    }
    for (app, members) in apps {
        let all: u64 = members.iter().map(bytes).sum();
        let left = in_libraries.get(app.as_str()).copied().unwrap_or_default();
        cost = cost.saturating_add(all.saturating_sub(left));
    }
    cost
}

/// Returns who uses each member that may leave the binaries.
fn shareable<'a>(
    nodes: &BTreeMap<Digest, Node>,
    apps: &'a BTreeMap<String, BTreeSet<Digest>>,
) -> BTreeMap<Digest, BTreeSet<&'a str>> {
    let mut users = BTreeMap::<Digest, BTreeSet<&str>>::new();
    for (app, members) in apps {
        for member in members.iter().filter(|member| nodes.contains_key(member)) {
            users.entry(*member).or_default().insert(app);
        }
    }
    remove_anchored(nodes, &mut users);
    users
}

/// Splits all members that have users into libraries.
fn split_up(
    nodes: &BTreeMap<Digest, Node>,
    users: &BTreeMap<Digest, BTreeSet<&str>>,
    split: Split,
) -> Vec<Library> {
    let units = order(nodes, users);
    let intervals = match split {
        Split::Cheapest => cheapest(&units),
        Split::Everywhere => (0..units.len()).map(|index| index..index + 1).collect(),
    };
    let library = |interval: std::ops::Range<usize>| {
        let units = &units[interval];
        let members = units.iter().flat_map(|unit| &unit.members);
        let users = units.iter().flat_map(|unit| &unit.users);
        Library {
            members: members.copied().collect(),
            users: users.map(|app| (*app).to_owned()).collect(),
            kept: None,
        }
    };
    intervals.into_iter().map(library).collect()
}

/// Removes the members that must stay in the binaries.
fn remove_anchored(nodes: &BTreeMap<Digest, Node>, users: &mut BTreeMap<Digest, BTreeSet<&str>>) {
    let mut needed_by = BTreeMap::<Digest, Vec<Digest>>::new();
    let mut anchored = Vec::new();
    for (key, node) in nodes {
        let Some(own) = users.get(key) else { continue };
        let has_users = |needed| {
            users
                .get(needed)
                .is_some_and(|theirs| own.is_subset(theirs))
        };
        if node.anchored || !node.needs.iter().all(has_users) {
            anchored.push(*key);
        }
        for needed in &node.needs {
            needed_by.entry(*needed).or_default().push(*key);
        }
    }
    while let Some(key) = anchored.pop() {
        if users.remove(&key).is_some() {
            anchored.extend(needed_by.get(&key).into_iter().flatten());
        }
    }
}

/// Members that need each other in a circle, or one alone.
#[derive(Debug, PartialEq, Eq)]
struct Unit<'a> {
    members: Vec<Digest>,
    users: BTreeSet<&'a str>,
    bytes: u64,
}

/// Puts the members into an order in which each comes after all that it needs.
fn order<'a>(
    nodes: &BTreeMap<Digest, Node>,
    users: &BTreeMap<Digest, BTreeSet<&'a str>>,
) -> Vec<Unit<'a>> {
    let mut graph = DiGraph::<Digest, ()>::new();
    let indices: BTreeMap<Digest, NodeIndex> = users
        .keys()
        .map(|key| (*key, graph.add_node(*key)))
        .collect();
    for (key, index) in &indices {
        let needs = nodes.get(key).into_iter().flat_map(|node| &node.needs);
        for needed in needs.filter_map(|needed| indices.get(needed)) {
            graph.add_edge(*index, *needed, ());
        }
    }
    // Components come after the components they need. All members of one have the same users.
    let mut units: Vec<Unit<'_>> = tarjan_scc(&graph)
        .into_iter()
        .map(|component| {
            let mut members: Vec<_> = component.into_iter().map(|index| graph[index]).collect();
            members.sort();
            let users = members
                .iter()
                .filter_map(|key| users.get(key))
                .flatten()
                .copied();
            let bytes = members.iter().filter_map(|key| nodes.get(key));
            let bytes = bytes.fold(0_u64, |sum, node| sum.saturating_add(node.bytes));
            Unit {
                users: users.collect(),
                members,
                bytes,
            }
        })
        .collect();
    // The sort is stable, and units with equally many users that need each other have the same.
    units.sort_by(|one, other| {
        (other.users.len(), &one.users).cmp(&(one.users.len(), &other.users))
    });
    units
}

/// Finds the intervals that cost least in all, and of equal ones the fewest.
fn cheapest(units: &[Unit<'_>]) -> Vec<std::ops::Range<usize>> {
    // The best split of the first units: its cost, its number of intervals, the last one's start.
    let mut best = vec![(0_u64, 0_usize, 0_usize)];
    for end in 1..=units.len() {
        let mut users = BTreeSet::new();
        let mut bytes = 0_u64;
        let mut used = 0_u64;
        let mut choice: Option<(u64, usize, usize)> = None;
        for start in (0..end).rev() {
            let unit = &units[start];
            users.extend(unit.users.iter().copied());
            bytes = bytes.saturating_add(unit.bytes);
            used = used.saturating_add(unit.bytes.saturating_mul(unit.users.len() as u64));
            let apps = users.len() as u64;
            let waste = bytes.saturating_mul(apps).saturating_sub(used) / WASTE;
            let cost = waste
                .saturating_add(apps * LIBRARY)
                .saturating_add(best[start].0);
            let candidate = (cost, best[start].1 + 1, start);
            if choice.is_none_or(|choice| candidate < choice) {
                choice = Some(candidate);
            }
        }
        best.extend(choice);
    }
    let mut intervals = Vec::new();
    let mut end = units.len();
    while end > 0 {
        let start = best[end].2;
        intervals.push(start..end);
        end = start;
    }
    intervals.reverse();
    intervals
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(index: usize) -> Digest {
        Digest::of("test", &(index as u64))
    }

    /// A made-up pool: what each member needs, how big it is, and what each app uses.
    #[derive(Debug, Clone)]
    struct Pool {
        nodes: BTreeMap<Digest, Node>,
        apps: BTreeMap<String, BTreeSet<Digest>>,
    }

    /// Members need earlier ones, and now and then a later one; an app uses all that it needs,
    /// unless `careless` leaves something out.
    fn pool() -> impl Strategy<Value = Pool> {
        let member = (
            prop::collection::vec(any::<prop::sample::Index>(), 0..4),
            0_u64..8_000_000,
            prop::bool::weighted(0.04),
            prop::option::weighted(0.05, any::<prop::sample::Index>()),
        );
        let app = (
            prop::collection::vec(any::<prop::sample::Index>(), 1..6),
            prop::option::weighted(0.1, any::<prop::sample::Index>()),
        );
        (
            prop::collection::vec(member, 1..40),
            prop::collection::vec(app, 0..7),
        )
            .prop_map(|(members, apps)| {
                let count = members.len();
                let mut nodes = BTreeMap::new();
                for (index, (needs, bytes, anchored, later)) in members.into_iter().enumerate() {
                    let mut needs: BTreeSet<_> = needs
                        .into_iter()
                        .filter(|_| index > 0)
                        .map(|needed| key(needed.index(index)))
                        .collect();
                    needs.extend(later.map(|later| key(later.index(count))));
                    needs.remove(&key(index));
                    nodes.insert(
                        key(index),
                        Node {
                            bytes,
                            anchored,
                            open: false,
                            needs,
                        },
                    );
                }
                let apps = apps
                    .into_iter()
                    .enumerate()
                    .map(|(index, (roots, careless))| {
                        let roots = roots.into_iter().map(|root| key(root.index(count)));
                        let mut used = closure(&nodes, roots.collect());
                        careless.map(|careless| used.remove(&key(careless.index(count))));
                        (format!("app {index}"), used)
                    });
                Pool {
                    apps: apps.collect(),
                    nodes,
                }
            })
    }

    fn closure(nodes: &BTreeMap<Digest, Node>, mut open: Vec<Digest>) -> BTreeSet<Digest> {
        let mut closure = BTreeSet::new();
        while let Some(key) = open.pop() {
            if closure.insert(key) {
                open.extend(&nodes[&key].needs);
            }
        }
        closure
    }

    fn users(pool: &Pool, member: Digest) -> BTreeSet<String> {
        let users = pool
            .apps
            .iter()
            .filter(|(_, members)| members.contains(&member));
        users.map(|(app, _)| app.clone()).collect()
    }

    /// Whether a member may not leave the binaries, by the definition.
    fn stays(pool: &Pool, member: Digest) -> bool {
        closure(&pool.nodes, vec![member]).into_iter().any(|key| {
            let node = &pool.nodes[&key];
            let own = users(pool, key);
            node.anchored
                || !node
                    .needs
                    .iter()
                    .all(|needed| own.is_subset(&users(pool, *needed)))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn every_shared_member_is_in_one_library_and_all_others_in_none(
            pool in pool(), everywhere in any::<bool>(),
        ) {
            let split = if everywhere { Split::Everywhere } else { Split::Cheapest };
            let libraries = draw(&pool.nodes, &pool.apps, split);
            let drawn: Vec<_> = libraries.iter().flat_map(|library| &library.members).collect();
            let distinct: BTreeSet<_> = drawn.iter().copied().copied().collect();
            prop_assert_eq!(drawn.len(), distinct.len());
            let shared = pool.nodes.keys().copied();
            let shared = shared.filter(|key| users(&pool, *key).len() > 1 && !stays(&pool, *key));
            prop_assert_eq!(distinct, shared.collect());
        }

        #[test]
        fn libraries_need_only_earlier_ones(pool in pool(), everywhere in any::<bool>()) {
            let split = if everywhere { Split::Everywhere } else { Split::Cheapest };
            let mut below = BTreeSet::new();
            for library in draw(&pool.nodes, &pool.apps, split) {
                below.extend(library.members.iter().copied());
                for member in &library.members {
                    prop_assert!(pool.nodes[member].needs.is_subset(&below));
                }
            }
        }

        #[test]
        fn only_users_load_a_library(pool in pool()) {
            for library in draw(&pool.nodes, &pool.apps, Split::Cheapest) {
                let of_members = library.members.iter().flat_map(|member| users(&pool, *member));
                prop_assert_eq!(library.users, of_members.collect());
            }
        }

        #[test]
        fn one_library_a_member_if_none_need_each_other(pool in pool()) {
            let libraries = draw(&pool.nodes, &pool.apps, Split::Everywhere);
            for library in libraries.iter().filter(|library| library.members.len() > 1) {
                let all: BTreeSet<_> = library.members.iter().copied().collect();
                for member in &library.members {
                    prop_assert!(all.is_subset(&closure(&pool.nodes, vec![*member])));
                }
            }
        }

        #[test]
        fn names_of_apps_do_not_matter_to_what_is_shared(pool in pool()) {
            let renamed = pool.apps.iter().map(|(app, members)| {
                (app.chars().rev().collect::<String>(), members.clone())
            });
            let members = |libraries: Vec<Library>| -> BTreeSet<Digest> {
                libraries.into_iter().flat_map(|library| library.members).collect()
            };
            let one = members(draw(&pool.nodes, &pool.apps, Split::Cheapest));
            let other = members(draw(&pool.nodes, &renamed.collect(), Split::Cheapest));
            prop_assert_eq!(one, other);
        }
    }

    /// Draws for the first app, then for the first two, and so on.
    fn one_by_one(pool: &Pool, split: Split) -> Vec<(BTreeMap<String, BTreeSet<Digest>>, Redrawn)> {
        let mut previous = Previous::default();
        let mut apps = BTreeMap::new();
        let mut steps = Vec::new();
        for (app, members) in &pool.apps {
            apps.insert(app.clone(), members.clone());
            let redrawn = redraw(&pool.nodes, &apps, split, &previous);
            previous = follow(&redrawn, &apps);
            steps.push((apps.clone(), redrawn));
        }
        steps
    }

    /// What is recorded of a drawing once all apps are linked.
    fn follow(redrawn: &Redrawn, apps: &BTreeMap<String, BTreeSet<Digest>>) -> Previous {
        let libraries = &redrawn.libraries;
        let count = |app: &String| {
            let highest = libraries
                .iter()
                .rposition(|library| library.users.contains(app));
            let fresh = highest.map_or(0, |highest| highest + 1);
            redrawn.settled.get(app).copied().unwrap_or(fresh)
        };
        Previous {
            libraries: libraries
                .iter()
                .map(|library| library.members.clone())
                .collect(),
            apps: apps.keys().map(|app| (app.clone(), count(app))).collect(),
            fixed: false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn growing_stays_valid(pool in pool(), everywhere in any::<bool>()) {
            let split = if everywhere { Split::Everywhere } else { Split::Cheapest };
            for (apps, redrawn) in one_by_one(&pool, split) {
                let now = Pool { nodes: pool.nodes.clone(), apps: apps.clone() };
                let mut below = BTreeSet::new();
                for library in &redrawn.libraries {
                    for member in &library.members {
                        prop_assert!(below.insert(*member), "a member is in two libraries");
                    }
                    for member in &library.members {
                        let has_users = !users(&now, *member).is_empty();
                        prop_assert!(!has_users || !stays(&now, *member));
                        prop_assert!(!has_users || pool.nodes[member].needs.is_subset(&below));
                    }
                }
                // Nobody has a member twice: what an app loads is left out of its binary, and what
                // a library it loads needs is in a library too.
                for (app, count) in &redrawn.settled {
                    for library in &redrawn.libraries[*count..] {
                        prop_assert!(!library.users.contains(app));
                    }
                }
            }
        }

        #[test]
        fn settled_apps_are_linked_against_what_they_were(pool in pool()) {
            let mut earlier: Option<Redrawn> = None;
            for (_, redrawn) in one_by_one(&pool, Split::Cheapest) {
                for (app, count) in &redrawn.settled {
                    let before = earlier.as_ref().unwrap();
                    let same = redrawn.libraries[..*count].iter().zip(&before.libraries);
                    for (now, before) in same {
                        prop_assert_eq!(&now.members, &before.members);
                        prop_assert_eq!(now.users.contains(app), before.users.contains(app));
                    }
                }
                earlier = Some(redrawn);
            }
        }

        #[test]
        fn nothing_new_changes_nothing(pool in pool(), everywhere in any::<bool>()) {
            let split = if everywhere { Split::Everywhere } else { Split::Cheapest };
            let drawn = redraw(&pool.nodes, &pool.apps, split, &Previous::default());
            let previous = follow(&drawn, &pool.apps);
            let again = redraw(&pool.nodes, &pool.apps, split, &previous);
            prop_assert_eq!(follow(&again, &pool.apps), previous);
            prop_assert_eq!(again.settled.len(), pool.apps.len());
        }

        #[test]
        fn what_is_kept_costs_little_more_than_the_best(pool in pool()) {
            for (apps, redrawn) in one_by_one(&pool, Split::Cheapest) {
                let best = redraw(&pool.nodes, &apps, Split::Cheapest, &Previous::default());
                let best = cost(&best, &pool.nodes, &apps);
                let kept = cost(&redrawn, &pool.nodes, &apps);
                prop_assert!(kept - kept / WORTHWHILE <= best);
            }
        }
    }

    /// Draws a pool given as `name: needs…` and `app: uses…`, and shows the libraries' members.
    fn show(members: &[(&str, u64, &[&str])], apps: &[(&str, &[&str])]) -> String {
        let key = |name: &str| Digest::of("test", name);
        let names: BTreeMap<_, _> = members
            .iter()
            .map(|(name, ..)| (key(name), *name))
            .collect();
        let nodes = members.iter().map(|(name, megabytes, needs)| {
            let needs = needs.iter().map(|needed| key(needed)).collect();
            (
                key(name),
                Node {
                    bytes: megabytes * 1_000_000,
                    anchored: false,
                    open: false,
                    needs,
                },
            )
        });
        let apps = apps.iter().map(|(app, uses)| {
            (
                (*app).to_owned(),
                uses.iter().map(|used| key(used)).collect(),
            )
        });
        let libraries = draw(&nodes.collect(), &apps.collect(), Split::Cheapest);
        let show = |library: &Library| {
            let members: Vec<_> = library.members.iter().map(|member| names[member]).collect();
            members.join(" ")
        };
        libraries.iter().map(show).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn an_app_alone_shares_nothing() {
        assert_eq!(show(&[("std", 4, &[])], &[("rg", &["std"])]), "");
    }

    #[test]
    fn what_is_open_to_plugins_is_in_a_library_of_one_app() {
        let key = |name: &str| Digest::of("test", name);
        let node = |open, needs: &[&str]| Node {
            bytes: 1_000_000,
            open,
            needs: needs.iter().map(|needed| key(needed)).collect(),
            ..Node::default()
        };
        let nodes = BTreeMap::from([
            (key("std"), node(true, &[])),
            (key("api"), node(true, &["std"])),
            (key("rest"), node(false, &["api", "std"])),
        ]);
        let apps = BTreeMap::from([("host".to_owned(), nodes.keys().copied().collect())]);
        let [library] = &draw(&nodes, &apps, Split::Cheapest)[..] else {
            panic!("there is one library")
        };
        assert_eq!(library.members, [key("std"), key("api")]);

        // A plugin does not move the borders, whatever that would save.
        let previous = Previous {
            libraries: vec![library.members.clone()],
            apps: [("host".to_owned(), 1)].into(),
            fixed: true,
        };
        let both = ["host", "plugin"].map(|app| (app.to_owned(), apps["host"].clone()));
        let redrawn = redraw(&nodes, &both.into(), Split::Cheapest, &previous);
        assert_eq!(redrawn.settled, previous.apps);
        assert_eq!(redrawn.libraries.len(), 1);
        assert!(redrawn.libraries[0].users.contains("plugin"));
    }

    #[test]
    fn two_apps_share_one_library() {
        let members: &[(_, _, &[_])] = &[
            ("std", 4, &[]),
            ("memchr", 1, &["std"]),
            ("clap", 9, &["std"]),
        ];
        let apps: &[(_, &[_])] = &[
            ("rg", &["std", "memchr"]),
            ("fd", &["std", "memchr", "clap"]),
        ];
        assert_eq!(show(members, apps), "std memchr");
    }

    #[test]
    fn what_few_use_is_split_off_if_it_is_big() {
        let apps: &[(_, &[_])] = &[
            ("a", &["std"]),
            ("b", &["std"]),
            ("c", &["std"]),
            ("d", &["std", "tls"]),
            ("e", &["std", "tls"]),
        ];
        let with = |megabytes| {
            let members: &[(_, _, &[_])] = &[("std", 4, &[]), ("tls", megabytes, &["std"])];
            show(members, apps)
        };
        assert_eq!(with(1), "std tls");
        assert_eq!(with(20), "std | tls");
    }
}
