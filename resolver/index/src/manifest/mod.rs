//! `Cargo.toml` and a list of files to [`Package`].
//!
//! | module | holds |
//! |---|---|
//! | [`toml`] | the manifest as it is written |
//! | [`codegen`] | `[profile.release]` |
//! | [`targets`] | Cargo's rules for finding libraries, programs and build scripts |

mod codegen;
mod targets;
mod toml;

use std::collections::{BTreeMap, BTreeSet};

use orlop_recipes::{PackageName, Version};
use orlop_resolver::{About, Package, ResolverVersion};

use self::toml::{DependencyTables, Manifest, PackageTable, TextOrBool};
use crate::archive::Contents;
use crate::error::ManifestError;

/// The edition of a package that does not say.
const FIRST_EDITION: &str = "2015";

/// Returns what a published package says of itself.
pub(crate) fn package(
    name: &PackageName,
    version: &Version,
    contents: &Contents,
) -> Result<Package, ManifestError> {
    let manifest = Manifest::parse(&contents.manifest)?;
    let Some(table) = manifest.package.as_ref().or(manifest.project.as_ref()) else {
        return Err(ManifestError::NoPackage);
    };
    // Cargo forgives white space around the version, too.
    let found = format!("{} {}", table.name, table.version.trim());
    let expected = format!("{name} {version}");
    if found != expected {
        let found = found.escape_debug().to_string();
        return Err(ManifestError::OtherPackage { found, expected });
    }
    let edition = table
        .edition
        .clone()
        .unwrap_or_else(|| FIRST_EDITION.to_owned());
    check_edition(&edition)?;
    let ground = targets::Ground {
        name,
        edition: &edition,
        files: &contents.files,
    };
    let library = ground.library(manifest.lib.as_ref(), table.autolib)?;
    Ok(Package {
        name: name.clone(),
        version: version.clone(),
        resolver: resolver(table.resolver.as_deref(), &edition)?,
        links: table.links.clone(),
        binaries: ground.programs(manifest.bin.as_deref(), table.autobins, library.is_some())?,
        library,
        build_script: ground.build_script(table.build.as_ref())?,
        declared_features: declared_features(&manifest),
        about: about(table, &contents.files),
        codegen: codegen::published(&manifest.profile.release)?,
    })
}

/// Editions reach the command line of the compiler.
fn check_edition(edition: &str) -> Result<(), ManifestError> {
    if edition.len() == 4 && edition.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(field("edition", edition, "an edition is a year"))
}

fn resolver(written: Option<&str>, edition: &str) -> Result<ResolverVersion, ManifestError> {
    match (written, edition) {
        (Some("1"), _) | (None, "2015" | "2018") => Ok(ResolverVersion::One),
        (Some("2"), _) | (None, "2021") => Ok(ResolverVersion::Two),
        (Some("3") | None, _) => Ok(ResolverVersion::Three),
        (Some(other), _) => Err(field("resolver", other, "only `1`, `2` and `3` are known")),
    }
}

/// Returns `[features]` and one feature for every optional dependency that no feature names by
/// `dep:`.
fn declared_features(manifest: &Manifest) -> BTreeSet<String> {
    let values = manifest.features.values().flatten();
    let named: BTreeSet<&str> = values
        .filter_map(|value| value.strip_prefix("dep:"))
        .collect();
    let tables = std::iter::once(&manifest.dependencies).chain(manifest.target.values());
    let implicit = tables
        .flat_map(DependencyTables::optional)
        .filter(|name| !named.contains(name.as_str()));
    manifest.features.keys().chain(implicit).cloned().collect()
}

fn about(table: &PackageTable, files: &BTreeSet<String>) -> About {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    About {
        authors: table.authors.join(":"),
        description: text(&table.description),
        homepage: text(&table.homepage),
        repository: text(&table.repository),
        license: text(&table.license),
        license_file: text(&table.license_file),
        rust_version: text(&table.rust_version),
        readme: readme(table.readme.as_ref(), files),
    }
}

fn readme(written: Option<&TextOrBool>, files: &BTreeSet<String>) -> String {
    match written {
        Some(TextOrBool::Text(path)) => path.clone(),
        Some(TextOrBool::Bool(true)) => "README.md".to_owned(),
        Some(TextOrBool::Bool(false)) => String::new(),
        None => {
            let usual = ["README.md", "README.txt", "README"];
            usual
                .into_iter()
                .find(|name| files.contains(*name))
                .unwrap_or_default()
                .to_owned()
        }
    }
}

fn field(field: &'static str, value: &str, reason: &'static str) -> ManifestError {
    ManifestError::Field {
        field,
        value: value.escape_debug().take(100).collect(),
        reason,
    }
}

type Table<T> = BTreeMap<String, T>;

#[cfg(test)]
mod tests;
