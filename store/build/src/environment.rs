//! The variables that all processes of builds get. Nothing is inherited.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use orlop_store::StorePath;
use orlop_store::derivation::{Helpers, PackageTexts};
use orlop_store::job::LOADED_FOLDER;

use crate::workplace::Seen;

/// A process's whole environment.
pub(crate) type Environment = BTreeMap<String, String>;

/// What every process gets.
pub(crate) fn standard(seen: &Seen) -> Environment {
    [
        ("HOME", seen.home().as_str()),
        ("LANG", "C"),
        ("PATH", "/usr/bin:/bin"),
        // What the store gives files as their time: nothing made in a build looks newer.
        ("SOURCE_DATE_EPOCH", "1"),
        ("TMPDIR", seen.temporary().as_str()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// What every process gets that works on a package: rustc as well as build scripts.
pub(crate) fn package(texts: &PackageTexts, source: &Utf8Path, seen: &Seen) -> Environment {
    let (version, pre) = version_parts(&texts.version);
    [
        // For the few crates that ask Cargo about their workspace while they are compiled.
        ("CARGO", seen.view.cargo.as_str()),
        ("CARGO_MANIFEST_DIR", source.as_str()),
        ("CARGO_MANIFEST_PATH", source.join("Cargo.toml").as_str()),
        ("CARGO_PKG_AUTHORS", &texts.authors),
        ("CARGO_PKG_DESCRIPTION", &texts.description),
        ("CARGO_PKG_HOMEPAGE", &texts.homepage),
        ("CARGO_PKG_LICENSE", &texts.license),
        ("CARGO_PKG_LICENSE_FILE", &texts.license_file),
        ("CARGO_PKG_NAME", &texts.name),
        ("CARGO_PKG_README", &texts.readme),
        ("CARGO_PKG_REPOSITORY", &texts.repository),
        ("CARGO_PKG_RUST_VERSION", &texts.rust_version),
        ("CARGO_PKG_VERSION", &texts.version),
        ("CARGO_PKG_VERSION_MAJOR", version[0]),
        ("CARGO_PKG_VERSION_MINOR", version[1]),
        ("CARGO_PKG_VERSION_PATCH", version[2]),
        ("CARGO_PKG_VERSION_PRE", pre),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// Splits `1.2.3-pre+build` into `[1, 2, 3]` and `pre`.
fn version_parts(version: &str) -> ([&str; 3], &str) {
    let version = version
        .split_once('+')
        .map_or(version, |(version, _build)| version);
    let (core, pre) = version.split_once('-').unwrap_or((version, ""));
    let mut numbers = core.splitn(3, '.');
    let mut next = || numbers.next().unwrap_or_default();
    ([next(), next(), next()], pre)
}

/// Returns the folders inside objects, as a list like `PATH`.
pub(crate) fn folders<'a>(
    objects: impl IntoIterator<Item = &'a StorePath>,
    inside: &[&str],
    seen: &Seen,
) -> Vec<Utf8PathBuf> {
    let objects = objects.into_iter().map(|object| seen.object(object));
    objects
        .flat_map(|object| inside.iter().map(move |folder| object.join(folder)))
        .collect()
}

/// Joins folders as in `PATH`.
pub(crate) fn joined(folders: &[Utf8PathBuf]) -> String {
    let folders: Vec<_> = folders.iter().map(|folder| folder.as_str()).collect();
    folders.join(":")
}

/// Lets programs and `pkg-config` find what recipes declared, and nothing else.
pub(crate) fn add_natives<'a>(
    environment: &mut Environment,
    natives: impl IntoIterator<Item = &'a StorePath> + Clone,
    seen: &Seen,
) {
    let pkg_config = folders(natives.clone(), &["lib/pkgconfig", "share/pkgconfig"], seen);
    environment.insert("PKG_CONFIG_PATH".into(), joined(&pkg_config));
    // Replaces the built-in list, which names folders of the machine.
    environment.insert("PKG_CONFIG_LIBDIR".into(), joined(&pkg_config));
    let mut path = folders(natives, &["bin"], seen);
    path.extend(["/usr/bin".into(), "/bin".into()]);
    environment.insert("PATH".into(), joined(&path));
}

/// Lets programs be found that were built before, and the libraries that these load.
pub(crate) fn add_helpers(environment: &mut Environment, helpers: &Helpers, seen: &Seen) {
    if helpers.is_empty() {
        return;
    }
    let loaded = helpers
        .iter()
        .flat_map(|(object, loaded)| std::iter::once(object).chain(loaded));
    let mut add = |name: &str, folders: Vec<Utf8PathBuf>, first: bool| {
        let known = environment.get(name).filter(|known| !known.is_empty());
        let value = match (known, joined(&folders)) {
            (None, added) => added,
            (Some(known), added) if first => format!("{added}:{known}"),
            (Some(known), added) => format!("{known}:{added}"),
        };
        environment.insert(name.to_owned(), value);
    };
    add("PATH", folders(helpers.keys(), &["bin"], seen), true);
    add(
        "LD_LIBRARY_PATH",
        folders(loaded, &[LOADED_FOLDER], seen),
        false,
    );
}

/// Adds what a recipe says. One of the objects in braces stands for its folder.
pub(crate) fn add_recipe<'a>(
    environment: &mut Environment,
    recipe: &BTreeMap<String, String>,
    objects: impl IntoIterator<Item = &'a StorePath>,
    seen: &Seen,
) {
    let objects: Vec<_> = objects.into_iter().collect();
    for (name, value) in recipe {
        let value = objects.iter().fold(value.clone(), |value, native| {
            value.replace(&format!("{{{native}}}"), seen.object(native).as_str())
        });
        environment.insert(name.clone(), value);
    }
}

/// Turns a name into the part of a variable's name that Cargo makes of it.
pub(crate) fn variable(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_four_parts() {
        assert_eq!(version_parts("1.2.3"), (["1", "2", "3"], ""));
        assert_eq!(
            version_parts("0.5.0-rc.1-x+2026-11"),
            (["0", "5", "0"], "rc.1-x")
        );
        assert_eq!(version_parts("0.18.8+1.9.7"), (["0", "18", "8"], ""));
    }

    #[test]
    fn variables_are_named_as_cargo_does() {
        assert_eq!(variable("target_os"), "TARGET_OS");
        assert_eq!(variable("dep-x.y+z"), "DEP_X.Y+Z");
    }
}
