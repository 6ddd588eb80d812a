//! Walks ahead of the resolver, in parallel, so that it rarely waits.
//!
//! Only a guess at its way: the newest fitting release each time, on all platforms, with the
//! features that are switched on. (With all optional dependencies, `ripgrep` would take 1600
//! entries instead of some dozens.)

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use orlop_recipes::{PackageName, Version, VersionReq};
use orlop_resolver::Release;
use rayon::{Scope, ThreadPool, ThreadPoolBuilder};

/// How many requests are under way at once.
const THREADS: usize = 16;

/// Reads an entry, from wherever it is.
type Read<'a> = dyn Fn(&PackageName) -> Option<Arc<[Release]>> + Sync + 'a;

/// What has been walked already, and with which features.
type Seen = Mutex<BTreeMap<(PackageName, Version), BTreeSet<String>>>;

/// What somebody needs.
#[derive(Debug)]
struct Wish {
    package: PackageName,
    requirement: VersionReq,
    /// `default` among them, where it is wanted.
    features: BTreeSet<String>,
}

/// Reads the entries of `roots`, with their default features, and of everything they need.
pub(crate) fn walk(roots: &[(PackageName, VersionReq)], snapshot: Timestamp, read: &Read<'_>) {
    let seen = Seen::default();
    let walk = Walk {
        snapshot,
        read,
        seen,
    };
    let wishes = roots.iter().cloned().map(|(package, requirement)| Wish {
        package,
        requirement,
        features: ["default".to_owned()].into(),
    });
    let wishes: Vec<_> = wishes.collect();
    many(|| {
        rayon::scope(|scope| {
            for wish in wishes {
                scope.spawn(|scope| walk.step(scope, wish));
            }
        });
    });
}

/// A walk under way.
struct Walk<'r> {
    snapshot: Timestamp,
    read: &'r Read<'r>,
    seen: Seen,
}

impl Walk<'_> {
    fn step<'scope>(&'scope self, scope: &Scope<'scope>, wish: Wish) {
        let Some(releases) = (self.read)(&wish.package) else {
            return;
        };
        let fits = |release: &&Release| {
            !release.yanked
                && release.published.is_none_or(|time| time <= self.snapshot)
                && wish.requirement.matches(&release.version)
        };
        let Some(newest) = releases.iter().rev().find(fits) else {
            return;
        };
        let features = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (wish.package, newest.version.clone());
            let is_new = !seen.contains_key(&key);
            let known = seen.entry(key).or_default();
            if !is_new && wish.features.is_subset(known) {
                return;
            }
            known.extend(wish.features);
            known.clone()
        };
        for next in needs(newest, &features) {
            scope.spawn(move |scope| self.step(scope, next));
        }
    }
}

/// Returns what a release needs when some of its features are switched on.
fn needs(release: &Release, features: &BTreeSet<String>) -> Vec<Wish> {
    let mut open: Vec<&str> = features.iter().map(String::as_str).collect();
    let mut done = BTreeSet::new();
    let mut switched_on = BTreeSet::new();
    let mut of_dependencies = BTreeMap::<&str, BTreeSet<String>>::new();
    while let Some(feature) = open.pop() {
        if !done.insert(feature) {
            continue;
        }
        if let Some(dependency) = feature.strip_prefix("dep:") {
            switched_on.insert(dependency);
        } else if let Some((dependency, inner)) = feature.split_once('/') {
            let plain = dependency.strip_suffix('?');
            let dependency = plain.unwrap_or(dependency);
            if plain.is_none() {
                switched_on.insert(dependency);
                open.push(dependency);
            }
            of_dependencies
                .entry(dependency)
                .or_default()
                .insert(inner.to_owned());
        } else if let Some(values) = release.features.get(feature) {
            open.extend(values.iter().map(AsRef::as_ref));
        } else {
            switched_on.insert(feature);
        }
    }
    let mut wishes = Vec::new();
    for dependency in release.dependencies.iter() {
        let name = &*dependency.name;
        let is_off = dependency.optional && !switched_on.contains(name);
        if is_off || dependency.registry.is_some() {
            continue;
        }
        let mut features = of_dependencies.get(name).cloned().unwrap_or_default();
        features.extend(dependency.features.iter().map(ToString::to_string));
        features.extend(dependency.default_features.then(|| "default".to_owned()));
        let (package, requirement) = (dependency.package.clone(), dependency.requirement.clone());
        wishes.push(Wish {
            package,
            requirement,
            features,
        });
    }
    wishes
}

/// Runs something on more threads than there are processors: they mostly wait for the network.
pub(crate) fn many<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let pool = POOL.get_or_init(|| {
        let pool = ThreadPoolBuilder::new().num_threads(THREADS).build();
        pool.inspect_err(|error| tracing::debug!(%error, "no threads of our own"))
            .ok()
    });
    match pool {
        Some(pool) => pool.install(run),
        None => run(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::releases;
    use crate::testing::name;

    /// Returns `package+feature+feature` for all that `demo` needs.
    fn needed(features: &[&str]) -> Vec<String> {
        let dependency = |name: &str, kind: &str, optional: bool, features: &str| {
            format!(
                "{{\"name\":\"{name}\",\"req\":\"1\",\"features\":[{features}],\"kind\":\"{kind}\",\
                 \"optional\":{optional},\"default_features\":false,\"target\":null}}"
            )
        };
        let dependencies = [
            dependency("always", "normal", false, "\"own\""),
            dependency("build", "build", false, ""),
            dependency("test", "dev", false, ""),
            dependency("by_dep", "normal", true, ""),
            dependency("by_name", "normal", true, ""),
            dependency("strong", "normal", true, ""),
            dependency("weak", "normal", true, ""),
            "{\"name\":\"elsewhere\",\"req\":\"1\",\"registry\":\"https://other.test\"}".to_owned(),
        ];
        let line = format!(
            "{{\"name\":\"demo\",\"vers\":\"1.0.0\",\"deps\":[{}],\"cksum\":\"{}\",\"features\":{{\
             \"default\":[\"a\"],\"a\":[\"dep:by_dep\",\"always/x\"],\"b\":[\"strong/s\",\"weak?/w\"],\
             \"circle\":[\"circle\"]}}}}",
            dependencies.join(","),
            "0".repeat(64)
        );
        let release = &releases(&name("demo"), line.as_bytes()).unwrap()[0];
        let features = features
            .iter()
            .map(|feature| (*feature).to_owned())
            .collect();
        let wishes = needs(release, &features).into_iter();
        wishes
            .map(|wish| {
                let words = std::iter::once(wish.package.to_string()).chain(wish.features);
                words.collect::<Vec<_>>().join("+")
            })
            .collect()
    }

    #[test]
    fn features_decide_what_is_needed() {
        assert_eq!(needed(&[]), ["always+own", "build"]);
        assert_eq!(needed(&["default"]), ["always+own+x", "build", "by_dep"]);
        assert_eq!(
            needed(&["by_name", "circle"]),
            ["always+own", "build", "by_name"]
        );
        assert_eq!(needed(&["b"]), ["always+own", "build", "strong+s"]);
        assert_eq!(
            needed(&["b", "weak"]),
            ["always+own", "build", "strong+s", "weak+w"]
        );
    }
}
