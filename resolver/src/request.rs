//! What is asked of the resolver: one app, on one platform, as of one date.

use std::collections::BTreeMap;

use jiff::Timestamp;
use orlop_recipes::{Condition, FeatureName, PackageName, Version, VersionReq};
use serde::{Deserialize, Serialize};

use crate::platform::Conditions;
use crate::versions::bucket;

/// A question to [`crate::resolve`]. Every app is solved alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The app.
    pub app: PackageName,
    /// Its accepted versions.
    pub requirement: VersionReq,
    /// Features asked for beside the default ones.
    pub features: Vec<FeatureName>,
    /// Whether `default` is on.
    pub default_features: bool,
    /// What the code will run on.
    pub platform: Platform,
    /// The release of the compiler; packages that need a newer one are avoided.
    pub rust_version: Version,
    /// Whether an answer with packages that need a newer compiler is an answer.
    pub allow_newer_compiler: bool,
    /// Releases published later are not seen.
    pub snapshot: Timestamp,
    /// Versions to take where they fit: the lock's, by package. One package may appear with
    /// several versions in different semver buckets.
    pub preferred: BTreeMap<PackageName, Vec<Version>>,
}

impl Request {
    /// Prefers a version to all others that it excludes: of several that are preferred, the newest
    /// is taken.
    pub fn prefer(&mut self, package: &PackageName, version: &Version) {
        let preferred = self.preferred.entry(package.clone()).or_default();
        preferred.retain(|known| bucket(known) != bucket(version));
        preferred.push(version.clone());
    }
}

/// What `rustc --print=cfg` says of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// The target triple.
    pub triple: String,
    /// The lines of `rustc --print=cfg`.
    pub cfg: Vec<String>,
}

impl Platform {
    /// Whether a condition holds here: `cfg(…)` as Cargo reads it.
    pub fn is(&self, condition: &Condition) -> bool {
        let holds = Conditions::new(self).hold(Some(condition.as_str()));
        holds.expect("it was read once already")
    }
}
