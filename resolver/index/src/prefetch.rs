//! Walks ahead of the resolver, in parallel, so that it rarely waits.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use orlop_recipes::{PackageName, Version, VersionReq};
use orlop_resolver::{DependencyKind, Release, ReleaseDependency};
use rayon::{Scope, ThreadPoolBuilder};

/// How many requests are under way at once.
const THREADS: usize = 16;

/// Reads an entry, from wherever it is.
type Read<'a> = dyn Fn(&PackageName) -> Option<Arc<[Release]>> + Sync + 'a;

/// What has been walked already.
type Seen = Mutex<BTreeSet<(PackageName, Version)>>;

/// Reads the entries of `roots` and of everything their newest fitting releases need.
pub(crate) fn walk(roots: &[(PackageName, VersionReq)], read: &Read<'_>) {
    let seen = Seen::default();
    many(|| {
        rayon::scope(|scope| {
            for (name, requirement) in roots {
                scope.spawn(|scope| step(scope, name, requirement, read, &seen));
            }
        });
    });
}

fn step<'scope>(
    scope: &Scope<'scope>,
    name: &PackageName,
    requirement: &VersionReq,
    read: &'scope Read<'scope>,
    seen: &'scope Seen,
) {
    let Some(releases) = read(name) else {
        return;
    };
    let fits = |release: &&Release| !release.yanked && requirement.matches(&release.version);
    let Some(newest) = releases.iter().rev().find(fits) else {
        return;
    };
    let key = (name.clone(), newest.version.clone());
    if !seen
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(key)
    {
        return;
    }
    for ReleaseDependency {
        package,
        requirement,
        kind,
        ..
    } in newest.dependencies.clone()
    {
        if kind != DependencyKind::Dev {
            scope.spawn(move |scope| step(scope, &package, &requirement, read, seen));
        }
    }
}

/// Runs something on more threads than there are processors: they mostly wait for the network.
pub(crate) fn many<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    match ThreadPoolBuilder::new().num_threads(THREADS).build() {
        Ok(pool) => pool.install(run),
        Err(error) => {
            tracing::debug!(%error, "no threads of our own");
            run()
        }
    }
}
