//! Which features of a release make sense: Cargo leaves out releases with others.

use std::collections::{BTreeMap, BTreeSet};

use crate::entry::LineDependency;

/// Features, and what each switches on.
type Features = BTreeMap<String, Vec<String>>;

/// Checks what the features of a release switch on. What only tests need counts as well.
pub(crate) fn check(features: &Features, dependencies: &[LineDependency]) -> Result<(), String> {
    let mut optional: BTreeMap<&str, bool> = BTreeMap::new();
    for one in dependencies {
        *optional.entry(one.name.as_str()).or_default() |= one.optional;
    }
    let values = features.values().flatten().map(String::as_str);
    let hidden: BTreeSet<&str> = values
        .filter_map(|text| text.strip_prefix("dep:"))
        .collect();
    let rules = Rules {
        features,
        optional,
        hidden,
    };
    for (feature, value) in rules.values() {
        rules
            .check(value)
            .map_err(|reason| format!("its feature {feature:?} holds {value:?}, {reason}"))?;
    }
    match rules.unreachable() {
        None => Ok(()),
        Some(name) => Err(format!("no feature switches `{name}` on")),
    }
}

struct Rules<'l> {
    features: &'l Features,
    /// All dependencies, and whether some of that name are optional.
    optional: BTreeMap<&'l str, bool>,
    /// Those that some feature names with `dep:`: they make no feature of their own name.
    hidden: BTreeSet<&'l str>,
}

impl<'l> Rules<'l> {
    fn values(&self) -> impl Iterator<Item = (&'l str, &'l str)> {
        let all = self.features.iter();
        all.flat_map(|(name, values)| values.iter().map(|value| (name.as_str(), value.as_str())))
    }

    fn check(&self, value: &str) -> Result<(), &'static str> {
        let is_optional = |name: &str| self.optional.get(name).copied();
        if let Some((dependency, feature)) = value.split_once('/') {
            let plain = dependency.strip_suffix('?');
            return match is_optional(plain.unwrap_or(dependency)) {
                _ if feature.contains('/') => Err("which has two `/`"),
                None => Err("which is of no dependency"),
                Some(false) if plain.is_some() => Err("whose dependency is always on"),
                Some(_) => Ok(()),
            };
        }
        if let Some(name) = value.strip_prefix("dep:") {
            return match is_optional(name) {
                Some(true) => Ok(()),
                _ => Err("which is no optional dependency"),
            };
        }
        if self.features.contains_key(value) || self.is_implicit(value) {
            return Ok(());
        }
        Err("which is no feature")
    }

    /// Whether an optional dependency makes a feature of its name.
    fn is_implicit(&self, name: &str) -> bool {
        self.optional.get(name) == Some(&true)
            && !self.features.contains_key(name)
            && !self.hidden.contains(name)
    }

    /// Finds an optional dependency that nothing can switch on.
    fn unreachable(&self) -> Option<&'l str> {
        let named: BTreeSet<&str> = self
            .values()
            .filter_map(|(_, value)| match value.split_once('/') {
                Some((name, _)) => Some(name.strip_suffix('?').unwrap_or(name)),
                None => value.strip_prefix("dep:"),
            })
            .collect();
        let all = self.optional.iter().filter(|(_, optional)| **optional);
        all.map(|(name, _)| *name)
            .find(|name| !named.contains(name) && !self.is_implicit(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks features of a release that needs `always`, perhaps `maybe`, and `test` for tests.
    fn checked(features: &str) -> Result<(), String> {
        let dependencies = r#"[
            {"name":"always","req":"1"},
            {"name":"maybe","req":"1","optional":true},
            {"name":"test","req":"1","kind":"dev"}]"#;
        let features = serde_json::from_str(features).unwrap();
        let dependencies: Vec<LineDependency> = serde_json::from_str(dependencies).unwrap();
        check(&features, &dependencies)
    }

    #[test]
    fn features_that_make_sense() {
        for good in [
            r"{}",
            r#"{"a":["b","maybe"],"b":[]}"#,
            r#"{"a":["dep:maybe","maybe?/x","always/x","test/x"]}"#,
            r#"{"maybe":["dep:maybe"],"a":["maybe"]}"#,
            r#"{"maybe":["maybe/x"]}"#,
            r#"{"a":["a"]}"#,
        ] {
            assert_eq!(checked(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn features_that_make_none() {
        let errors = [
            r#"{"a":["b"]}"#,
            r#"{"a":[""]}"#,
            r#"{"a":["always"]}"#,
            r#"{"a":["dep:maybe"],"b":["maybe"]}"#,
            r#"{"a":["dep:always"]}"#,
            r#"{"a":["dep:none"]}"#,
            r#"{"a":["none/x"]}"#,
            r#"{"a":["dep:maybe/x"]}"#,
            r#"{"a":["always/x/y"]}"#,
            r#"{"a":["always?/x"]}"#,
            r#"{"maybe":[]}"#,
        ]
        .map(|bad| checked(bad).unwrap_err());
        insta::assert_snapshot!(errors.join("\n"), @r#"
        its feature "a" holds "b", which is no feature
        its feature "a" holds "", which is no feature
        its feature "a" holds "always", which is no feature
        its feature "b" holds "maybe", which is no feature
        its feature "a" holds "dep:always", which is no optional dependency
        its feature "a" holds "dep:none", which is no optional dependency
        its feature "a" holds "none/x", which is of no dependency
        its feature "a" holds "dep:maybe/x", which is of no dependency
        its feature "a" holds "always/x/y", which has two `/`
        its feature "a" holds "always?/x", whose dependency is always on
        no feature switches `maybe` on
        "#);
    }
}
