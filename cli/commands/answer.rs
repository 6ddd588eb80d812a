//! Graphs of crates as data: the JSON of `resolve` and `graph`, documented in
//! `book/src/reference/json.md`.

use std::collections::BTreeMap;

use orlop_recipes::{PackageName, Version};
use orlop_resolver::{ChosenPackage, DependencyKind, LockedApp, Side};
use serde::Serialize;

use crate::solve::Sharing;

/// What apps are compiled from.
#[derive(Serialize)]
pub(super) struct Answer<'a> {
    pub(super) apps: Vec<App<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sharing: Option<&'a Sharing>,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the JSON has these names")]
pub(super) struct App<'a> {
    app: &'a PackageName,
    version: &'a Version,
    packages: Vec<Package<'a>>,
    units: Vec<Unit<'a>>,
}

#[derive(Serialize)]
struct Package<'a> {
    name: &'a PackageName,
    version: &'a Version,
    checksum: String,
}

#[derive(Serialize)]
struct Unit<'a> {
    name: &'a PackageName,
    version: &'a Version,
    features: Vec<&'a str>,
    kind: Side,
    deps: Vec<Use<'a>>,
}

#[derive(Serialize)]
struct Use<'a> {
    #[serde(rename = "extern")]
    extern_name: &'a str,
    /// The place among the units.
    unit: usize,
    /// Whether the build script uses it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    build: bool,
}

/// Returns an app as data; without `packages`, those that are built are told.
pub(super) fn app<'a>(locked: &'a LockedApp, packages: Option<&'a [ChosenPackage]>) -> App<'a> {
    let packages = match packages {
        Some(packages) => packages.iter().map(package).collect(),
        None => built_packages(locked),
    };
    let units = locked.variants().iter().map(|variant| Unit {
        name: &variant.name,
        version: &variant.version,
        features: variant.features.iter().map(AsRef::as_ref).collect(),
        kind: variant.side,
        deps: variant
            .dependencies
            .iter()
            .map(|used| Use {
                extern_name: &used.extern_name,
                unit: used.variant,
                build: used.kind == DependencyKind::Build,
            })
            .collect(),
    });
    App {
        app: &locked.app,
        version: &locked.version,
        packages,
        units: units.collect(),
    }
}

fn package(package: &ChosenPackage) -> Package<'_> {
    Package {
        name: &package.name,
        version: &package.version,
        checksum: package.checksum.to_string(),
    }
}

fn built_packages(locked: &LockedApp) -> Vec<Package<'_>> {
    let variants = locked.variants().iter();
    let packages: BTreeMap<_, _> = variants
        .map(|variant| ((&variant.name, &variant.version), &variant.checksum))
        .collect();
    packages
        .into_iter()
        .map(|((name, version), checksum)| Package {
            name,
            version,
            checksum: checksum.clone(),
        })
        .collect()
}
