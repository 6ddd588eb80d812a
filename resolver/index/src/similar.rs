//! Names for a suggestion.

use std::collections::BTreeSet;

use camino::Utf8Path;
use orlop_recipes::PackageName;

/// How many names are suggested.
const MOST: usize = 3;

/// Returns the names that differ only in `-` and `_`.
pub(crate) fn twins(name: &PackageName) -> Vec<PackageName> {
    let text = name.as_str();
    let both = [text.replace('_', "-"), text.replace('-', "_")];
    both.iter()
        .filter(|twin| *twin != text)
        .filter_map(|twin| twin.parse().ok())
        .collect()
}

/// Returns the best few names: `twins` first, then by distance.
pub(crate) fn best(
    name: &PackageName,
    twins: Vec<PackageName>,
    names: BTreeSet<PackageName>,
) -> Vec<PackageName> {
    let mut ranked: Vec<_> = names
        .into_iter()
        .filter(|other| other != name && !twins.contains(other))
        .filter_map(|other| Some((distance(name.as_str(), other.as_str())?, other)))
        .collect();
    ranked.sort();
    twins
        .into_iter()
        .chain(ranked.into_iter().map(|(_, other)| other))
        .take(MOST)
        .collect()
}

/// Returns the names of the entries in the layout of an index whose files are called like `name`,
/// more or less. What cannot be read is left out: it is only about a suggestion.
pub(crate) fn names_in(
    folder: &Utf8Path,
    name: &PackageName,
    read: &dyn Fn(Vec<u8>) -> Option<PackageName>,
) -> BTreeSet<PackageName> {
    let mut names = BTreeSet::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in folder.read_dir_utf8().into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < 2 => {
                    folders.push((path.to_owned(), depth + 1));
                }
                Ok(kind)
                    if kind.is_file() && distance(name.as_str(), entry.file_name()).is_some() =>
                {
                    names.extend(fs_err::read(path).ok().and_then(read));
                }
                _ => {}
            }
        }
    }
    names
}

/// Returns how far two names are apart, if that is near enough for a slip of the finger.
fn distance(one: &str, other: &str) -> Option<usize> {
    let (one, other) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
    let most = match one.len().max(other.len()) {
        0..=3 => 1,
        4..=8 => 2,
        _ => 3,
    };
    let apart = strsim::damerau_levenshtein(&one, &other);
    (apart <= most).then_some(apart)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::name;

    fn names(texts: &[&str]) -> Vec<PackageName> {
        texts.iter().map(|text| name(text)).collect()
    }

    #[test]
    fn twins_differ_in_dashes_only() {
        assert_eq!(twins(&name("serde-json")), names(&["serde_json"]));
        assert_eq!(twins(&name("a-b_c")), names(&["a-b-c", "a_b_c"]));
        assert_eq!(twins(&name("serde")), []);
        assert_eq!(twins(&name("_x")), []);
    }

    #[test]
    fn the_nearest_come_first() {
        let known = [
            "ripgrep",
            "ripgerp",
            "rigrep",
            "grep",
            "ripgrep-all",
            "RipGrep",
        ];
        let known: BTreeSet<_> = names(&known).into_iter().collect();
        assert_eq!(
            best(&name("ripgrpe"), vec![], known.clone()),
            names(&["RipGrep", "ripgrep", "rigrep"])
        );
        assert_eq!(best(&name("tokio"), vec![], known.clone()), []);
        let twin = names(&["rip_grep"]);
        assert_eq!(best(&name("rip-grep"), twin, known)[0], name("rip_grep"));
    }
}
