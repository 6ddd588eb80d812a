//! [`AdditiveFeatures`]: which features can be switched on without harm.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::name::{FeatureName, PackageName};

const TEXT: &str = include_str!("../additive.toml");

/// Features of packages, whatever their versions.
type Table = BTreeMap<PackageName, BTreeSet<FeatureName>>;

/// Features that only add to what a crate offers: an app that gets one without having asked for it
/// does nothing else than before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AdditiveFeatures {
    /// Features whose names tell by convention, of any package, that an app may take over.
    pub conventional: BTreeSet<FeatureName>,
    /// Features that an app may take over from another.
    pub taken_over: Table,
    /// Features that are worth having on in every app.
    pub everywhere: Table,
}

impl AdditiveFeatures {
    /// Returns the table of `additive.toml`.
    ///
    /// # Panics
    ///
    /// Never: the table is part of the program, and a test reads it.
    #[must_use]
    pub fn shipped() -> Self {
        toml::from_str(TEXT).expect("the table is tested")
    }

    /// Whether a feature only adds to what a package offers. `default` alone does nothing: it stands
    /// for other features.
    #[must_use]
    pub fn contains(&self, package: &PackageName, feature: &FeatureName) -> bool {
        let has = |table: &Table| {
            table
                .get(package)
                .is_some_and(|known| known.contains(feature))
        };
        feature.as_str() == "default"
            || self.conventional.contains(feature)
            || has(&self.taken_over)
            || has(&self.everywhere)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        let shipped = AdditiveFeatures::shipped();
        let clap = "clap".parse().unwrap();
        for (feature, adds) in [
            ("cargo", true),
            ("unstable-styles", true),
            ("std", true),
            ("default", true),
            ("wrap_help", false),
        ] {
            assert_eq!(
                shipped.contains(&clap, &feature.parse().unwrap()),
                adds,
                "{feature}"
            );
        }
        let removing = |name: &str| {
            name.starts_with("no_") || name.starts_with("no-") || name.contains("nightly")
        };
        for (package, features) in shipped.taken_over.iter().chain(&shipped.everywhere) {
            assert!(!features.is_empty(), "{package}");
            let removing = features.iter().find(|name| removing(name.as_str()));
            assert_eq!(removing, None, "{package}");
        }
        for (package, features) in &shipped.taken_over {
            let everywhere = shipped.everywhere.get(package).into_iter().flatten();
            let everywhere: BTreeSet<_> = everywhere.chain(&shipped.conventional).collect();
            let twice = features.iter().find(|feature| everywhere.contains(feature));
            assert_eq!(twice, None, "{package}");
        }
    }

    #[test]
    fn the_table_is_in_alphabetical_order() {
        for table in TEXT.split("\n[").skip(1) {
            let names: Vec<_> = table
                .lines()
                .filter_map(|line| line.split_once(" = "))
                .map(|(name, _)| name)
                .collect();
            assert!(names.is_sorted(), "{names:?}");
        }
    }
}
