//! Index entries in the form in which they are kept: much smaller than JSON, and read in a small
//! part of the time.
//!
//! Most releases of a package differ from the one before in little more than version and checksum.
//! So distinct dependencies, lists of them, features and sets of them are each written once, and a
//! release names them by number; the memory of a reader is shared in the same way. The encoding is
//! [postcard](https://postcard.jamesmunns.com), the version of its shape is [`FORMAT`]. Whoever
//! stores the bytes adds a checksum.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use orlop_recipes::{PackageName, Version};
use orlop_resolver::{Checksum, DependencyKind, Features, Release, ReleaseDependency};
use serde::{Deserialize, Serialize};

/// Version of the shape.
pub(crate) const FORMAT: u32 = 3;

/// All releases of a package.
#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    name: &'a str,
    #[serde(borrow)]
    dependencies: Vec<EntryDependency<'a>>,
    /// Lists of dependencies, by number.
    lists: Vec<Vec<u32>>,
    features: Vec<EntryFeature<'a>>,
    /// Sets of features, by number.
    sets: Vec<Vec<u32>>,
    /// In ascending order of version.
    releases: Vec<EntryRelease<'a>>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct EntryDependency<'a> {
    name: &'a str,
    /// None if nobody says: then it is the name.
    package: Option<&'a str>,
    #[serde(borrow)]
    requirement: Cow<'a, str>,
    features: Vec<&'a str>,
    default_features: bool,
    optional: bool,
    is_build: bool,
    target: Option<&'a str>,
    registry: Option<&'a str>,
}

/// A feature and what it switches on.
#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct EntryFeature<'a>(&'a str, Vec<&'a str>);

#[derive(Serialize, Deserialize)]
struct EntryRelease<'a> {
    #[serde(borrow)]
    version: Cow<'a, str>,
    checksum: [u8; 32],
    list: u32,
    set: u32,
    yanked: bool,
    links: Option<&'a str>,
    rust_version: Option<&'a str>,
    /// Seconds since 1970 and nanoseconds.
    published: Option<(i64, i32)>,
}

/// Writes an entry.
pub(crate) fn encode(name: &PackageName, releases: &[Release]) -> Result<Vec<u8>, postcard::Error> {
    let mut dependencies = Numbers::default();
    let mut lists = Numbers::default();
    let mut features = Numbers::default();
    let mut sets = Numbers::default();
    let mut rows = Vec::with_capacity(releases.len());
    for release in releases {
        let needed = release.dependencies.iter();
        let list = needed.map(|one| dependencies.number(entry_dependency(one)));
        let list = lists.number(list.collect());
        let declared = release.features.iter();
        let set = declared.map(|(name, values)| {
            features.number(EntryFeature(
                name,
                values.iter().map(AsRef::as_ref).collect(),
            ))
        });
        let set = sets.number(set.collect());
        rows.push(entry_release(release, list, set));
    }
    postcard::to_allocvec(&Entry {
        name: name.as_str(),
        dependencies: dependencies.in_order(),
        lists: lists.in_order(),
        features: features.in_order(),
        sets: sets.in_order(),
        releases: rows,
    })
}

fn entry_dependency(dependency: &ReleaseDependency) -> EntryDependency<'_> {
    let package = dependency.package.as_str();
    EntryDependency {
        name: &dependency.name,
        package: dependency.renamed.then_some(package),
        requirement: dependency.requirement.to_string().into(),
        features: dependency.features.iter().map(AsRef::as_ref).collect(),
        default_features: dependency.default_features,
        optional: dependency.optional,
        is_build: dependency.kind == DependencyKind::Build,
        target: dependency.target.as_deref(),
        registry: dependency.registry.as_deref(),
    }
}

fn entry_release(release: &Release, list: u32, set: u32) -> EntryRelease<'_> {
    EntryRelease {
        version: release.version.to_string().into(),
        checksum: release.checksum.0,
        list,
        set,
        yanked: release.yanked,
        links: release.links.as_deref(),
        rust_version: release.rust_version.as_deref(),
        published: release
            .published
            .map(|time| (time.as_second(), time.subsec_nanosecond())),
    }
}

/// Numbers for distinct values, in the order in which they come.
struct Numbers<T>(BTreeMap<T, u32>);

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord> Numbers<T> {
    fn number(&mut self, value: T) -> u32 {
        let next = u32::try_from(self.0.len()).expect("fewer values than bytes in an entry");
        *self.0.entry(value).or_insert(next)
    }

    fn in_order(self) -> Vec<T> {
        let mut values: Vec<(u32, T)> = self.0.into_iter().map(|(value, n)| (n, value)).collect();
        values.sort_unstable_by_key(|(number, _)| *number);
        values.into_iter().map(|(_, value)| value).collect()
    }
}

/// Returns the name of the package of an entry. One without releases has none: it was asked for
/// under a name that no package has, mostly in the case of its letters.
pub(crate) fn name(bytes: &[u8]) -> Option<PackageName> {
    let (entry, _) = postcard::take_from_bytes::<Entry<'_>>(bytes).ok()?;
    entry.releases.first()?;
    entry.name.parse().ok()
}

/// Reads the entry of a package; nothing if the bytes are not one.
pub(crate) fn decode(name: &PackageName, bytes: &[u8]) -> Option<Arc<[Release]>> {
    let (entry, rest) = postcard::take_from_bytes::<Entry<'_>>(bytes).ok()?;
    if entry.name != name.as_str() || !rest.is_empty() {
        return None;
    }
    let dependencies: Vec<_> = all(&entry.dependencies, dependency)?;
    let lists: Vec<Arc<[_]>> = all(&entry.lists, |list| {
        all(list, |number| dependencies.get(*number as usize).cloned())
    })?;
    let features: Vec<_> = all(&entry.features, |EntryFeature(name, values)| {
        Some((Arc::from(*name), texts(values)))
    })?;
    let sets: Vec<_> = all(&entry.sets, |set| {
        let set: Features = all(set, |number| features.get(*number as usize).cloned())?;
        Some(Arc::new(set))
    })?;
    // All that can fail comes first: then the length is known, and the releases are made where they
    // stay. There are tens of thousands.
    let parts: Vec<_> = all(&entry.releases, |row| {
        let published = match row.published {
            Some((second, nanosecond)) => Some(Timestamp::new(second, nanosecond).ok()?),
            None => None,
        };
        let version: Version = row.version.parse().ok()?;
        let list = lists.get(row.list as usize)?;
        Some((version, list, sets.get(row.set as usize)?, published))
    })?;
    let releases = parts.into_iter().zip(&entry.releases);
    Some(
        releases
            .map(|((version, list, set, published), row)| Release {
                name: name.clone(),
                version,
                checksum: Checksum(row.checksum),
                dependencies: Arc::clone(list),
                features: Arc::clone(set),
                yanked: row.yanked,
                links: row.links.map(Arc::from),
                rust_version: row.rust_version.map(Arc::from),
                published,
            })
            .collect(),
    )
}

fn dependency(row: &EntryDependency<'_>) -> Option<Arc<ReleaseDependency>> {
    Some(Arc::new(ReleaseDependency {
        name: Arc::from(row.name),
        package: row.package.unwrap_or(row.name).parse().ok()?,
        renamed: row.package.is_some(),
        requirement: row.requirement.parse().ok()?,
        features: texts(&row.features),
        default_features: row.default_features,
        optional: row.optional,
        kind: if row.is_build {
            DependencyKind::Build
        } else {
            DependencyKind::Normal
        },
        target: row.target.map(Arc::from),
        registry: row.registry.map(Arc::from),
    }))
}

fn texts<T: FromIterator<Arc<str>>>(texts: &[&str]) -> T {
    texts.iter().map(|text| Arc::from(*text)).collect()
}

/// Reads everything, or nothing if one fails.
fn all<T, U, C: FromIterator<U>>(rows: &[T], read: impl FnMut(&T) -> Option<U>) -> Option<C> {
    let mut read_rows = Vec::with_capacity(rows.len());
    for row in rows.iter().map(read) {
        read_rows.push(row?);
    }
    Some(read_rows.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::entry::releases;
    use crate::testing::name;

    fn entry() -> Vec<Release> {
        let line = |version: &str, rest: &str| {
            format!(
                "{{\"name\":\"demo\",\"vers\":\"{version}\",\"cksum\":\"{}\",\"deps\":[{{\"name\":\"a\",\
                 \"req\":\">=1, <3\",\"features\":[\"x\"],\"optional\":true,\"default_features\":false,\
                 \"target\":\"cfg(unix)\",\"kind\":\"build\",\"package\":\"b-c\"}},\
                 {{\"name\":\"d\",\"req\":\"1\",\"package\":\"d\"}},{{\"name\":\"e\",\"req\":\"1\",\
                 \"registry\":\"https://other.test\"}}],\
                 \"features\":{{\"default\":[\"dep:a\"],\"none\":[]}}{rest}}}\n",
                "ab".repeat(32)
            )
        };
        let rest = ",\"yanked\":true,\"links\":\"z\",\"rust_version\":\"1.70\",\
                    \"pubtime\":\"2024-05-06T07:08:09.5Z\"";
        let text = [line("1.0.0+meta", ""), line("1.0.1-rc.1", rest)].concat();
        releases(&name("demo"), text.as_bytes()).unwrap()
    }

    #[test]
    fn what_was_written_is_read_and_shared() {
        let bytes = encode(&name("demo"), &entry()).unwrap();
        let read = decode(&name("demo"), &bytes).unwrap();
        assert_eq!(*read, *entry());
        assert!(Arc::ptr_eq(&read[0].dependencies, &read[1].dependencies));
        assert!(Arc::ptr_eq(&read[0].features, &read[1].features));
        assert_eq!(super::name(&bytes), Some(name("demo")));
        assert_eq!(decode(&name("other"), &bytes), None);
        let none = encode(&name("demo"), &[]).unwrap();
        assert_eq!(decode(&name("demo"), &none), Some(Arc::default()));
        assert_eq!(super::name(&none), None);
    }

    #[test]
    fn an_entry_cut_short_or_too_long_is_none() {
        let mut bytes = encode(&name("demo"), &entry()).unwrap();
        for end in 0..bytes.len() {
            assert_eq!(decode(&name("demo"), &bytes[..end]), None, "{end}");
        }
        bytes.push(0);
        assert_eq!(decode(&name("demo"), &bytes), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(decode(&name("demo"), &bytes));
        }

        #[test]
        fn no_flipped_bit_makes_it_panic(at in any::<prop::sample::Index>(), bit in 0..8) {
            let mut bytes = encode(&name("demo"), &entry()).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1u8 << bit;
            drop(decode(&name("demo"), &bytes));
        }
    }
}
