//! [`additive_features()`]: which features can be switched on without harm.

use std::collections::{BTreeMap, BTreeSet};

use crate::name::{FeatureName, PackageName};

/// Features of packages, whatever their versions: `[clap] = cargo, env`.
pub type AdditiveFeatures = BTreeMap<PackageName, BTreeSet<FeatureName>>;

const TEXT: &str = include_str!("../additive.toml");

/// Returns the features of widely used crates that only add to what a crate offers, as the table
/// in `additive.toml` has them.
///
/// # Panics
///
/// Never: the table is part of the program, and a test reads it.
#[must_use]
pub fn additive_features() -> AdditiveFeatures {
    toml::from_str(TEXT).expect("the table is tested")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        let features = additive_features();
        assert!(features["clap"].contains("cargo"));
        let removing = |name: &str| {
            name.starts_with("no_") || name.starts_with("no-") || name.contains("nightly")
        };
        for (package, features) in &features {
            assert!(!features.is_empty(), "{package}");
            let removing = features.iter().find(|name| removing(name.as_str()));
            assert_eq!(removing, None, "{package}");
        }
        let names: Vec<_> = TEXT
            .lines()
            .filter_map(|line| line.split_once(" = "))
            .collect();
        assert!(
            names.is_sorted_by_key(|(name, _)| *name),
            "in alphabetical order"
        );
    }
}
