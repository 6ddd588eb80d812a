//! Text to a lock, everything checked: the file may have been edited, merged or cut short.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use orlop_recipes::{FeatureName, PackageName, Version, VersionReq};
use serde::Deserialize;

use crate::index::DependencyKind;
use crate::lock::write::reference;
use crate::lock::{Lock, LockError, LockedApp, LockedDependency, LockedVariant, SCHEMA};
use crate::resolution::Side;
use crate::sharing::Votes;

/// All that is read before the schema is known to be understood.
#[derive(Deserialize)]
struct Head {
    schema: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLock {
    #[serde(rename = "schema")]
    _schema: u32,
    snapshot: Timestamp,
    #[serde(default)]
    votes: Votes,
    #[serde(default)]
    package: Vec<RawPackage>,
    #[serde(default)]
    app: Vec<RawApp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPackage {
    name: PackageName,
    version: Version,
    checksum: String,
}

/// The checksums of all releases.
type Checksums = BTreeMap<(PackageName, Version), String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawApp {
    name: PackageName,
    package: PackageName,
    version: Version,
    requirement: VersionReq,
    features: BTreeSet<FeatureName>,
    default_features: bool,
    policy: String,
    snapshot: Timestamp,
    compiler: Version,
    platform: String,
    variant: Vec<RawVariant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawVariant {
    name: PackageName,
    version: Version,
    /// Where it is not that of the package: always in schema 1.
    checksum: Option<String>,
    side: Side,
    features: BTreeSet<FeatureName>,
    #[serde(default)]
    uses: Vec<String>,
    #[serde(default)]
    build_uses: Vec<String>,
}

pub(super) fn lock(file: &str, text: &str) -> Result<Lock, LockError> {
    let syntax = |source| LockError::Syntax {
        file: file.to_owned(),
        source: Box::new(source),
    };
    // First the schema alone: what else a newer file holds is not ours to judge.
    let Head { schema } = toml::from_str(text).map_err(syntax)?;
    if schema > SCHEMA {
        return Err(LockError::Newer {
            file: file.to_owned(),
            schema,
        });
    }
    let raw: RawLock = toml::from_str(text).map_err(syntax)?;
    let checksums = checksums(raw.package)?;
    let mut apps = BTreeMap::new();
    for raw in raw.app {
        let name = raw.name.clone();
        let entry = |reason| LockError::Entry {
            app: name.clone(),
            reason,
        };
        let app = app(raw, &checksums).map_err(entry)?;
        if apps.insert(app.app.clone(), app).is_some() {
            return Err(entry("it is there twice".to_owned()));
        }
    }
    Ok(Lock {
        snapshot: raw.snapshot,
        votes: raw.votes,
        apps,
    })
}

fn checksums(packages: Vec<RawPackage>) -> Result<Checksums, LockError> {
    let mut checksums = Checksums::new();
    for RawPackage {
        name,
        version,
        checksum,
    } in packages
    {
        let release = (name, version);
        if checksums.contains_key(&release) {
            let (package, version) = release;
            return Err(LockError::PackageTwice { package, version });
        }
        checksums.insert(release, checksum);
    }
    Ok(checksums)
}

fn app(raw: RawApp, checksums: &Checksums) -> Result<LockedApp, String> {
    let policy = raw
        .policy
        .parse()
        .map_err(|error| format!("its policy is unknown: {error}"))?;
    let read = raw.variant.into_iter().map(|raw| variant(raw, checksums));
    let (variants, uses): (Vec<_>, Vec<_>) =
        read.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (place, variant) in variants.iter().enumerate() {
        check_checksum(variant)?;
        let reference = reference(variant);
        if places.insert(reference.clone(), place).is_some() {
            return Err(format!("the variant `{reference}` is there twice"));
        }
    }
    let mut locked = LockedApp {
        app: raw.name,
        package: raw.package,
        version: raw.version,
        requirement: raw.requirement,
        features: raw.features,
        default_features: raw.default_features,
        policy,
        snapshot: raw.snapshot,
        compiler: raw.compiler,
        platform: raw.platform,
        variants,
        root: 0,
    };
    let root = format!("{} {}", locked.package, locked.version);
    locked.root = *places
        .get(&root)
        .ok_or_else(|| format!("its own variant, `{root}`, is missing"))?;
    for (variant, uses) in locked.variants.iter_mut().zip(uses) {
        let mut dependencies = uses
            .into_iter()
            .map(|(kind, text)| dependency(kind, &text, &places))
            .collect::<Result<Vec<_>, _>>()?;
        dependencies.sort_unstable();
        variant.dependencies = dependencies;
    }
    Ok(locked)
}

/// What a variant uses, as it is written.
type Uses = Vec<(DependencyKind, String)>;

fn variant(raw: RawVariant, checksums: &Checksums) -> Result<(LockedVariant, Uses), String> {
    let normal = raw
        .uses
        .into_iter()
        .map(|text| (DependencyKind::Normal, text));
    let build = raw
        .build_uses
        .into_iter()
        .map(|text| (DependencyKind::Build, text));
    let uses = normal.chain(build).collect();
    let release = (raw.name, raw.version);
    let checksum = raw
        .checksum
        .or_else(|| checksums.get(&release).cloned())
        .ok_or_else(|| format!("the package `{} {}` is missing", release.0, release.1))?;
    let variant = LockedVariant {
        name: release.0,
        version: release.1,
        checksum,
        features: raw.features,
        side: raw.side,
        dependencies: Vec::new(),
    };
    Ok((variant, uses))
}

/// Reads `EXTERN = NAME VERSION [host]`.
fn dependency(
    kind: DependencyKind,
    text: &str,
    places: &BTreeMap<String, usize>,
) -> Result<LockedDependency, String> {
    let (extern_name, reference) = text
        .split_once(" = ")
        .ok_or_else(|| format!("`{}` does not read `NAME = PACKAGE VERSION`", shown(text)))?;
    if !is_identifier(extern_name) {
        return Err(format!(
            "`{}` is not a name in Rust code",
            shown(extern_name)
        ));
    }
    let variant = *places
        .get(reference)
        .ok_or_else(|| format!("it uses `{}`, which is not there", shown(reference)))?;
    Ok(LockedDependency {
        kind,
        extern_name: extern_name.to_owned(),
        variant,
    })
}

fn check_checksum(variant: &LockedVariant) -> Result<(), String> {
    let digits = variant.checksum.bytes();
    if digits.len() == 64
        && digits
            .into_iter()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Ok(());
    }
    Err(format!(
        "the checksum of `{}` is not a SHA-256",
        reference(variant)
    ))
}

fn is_identifier(text: &str) -> bool {
    let mut letters = text.chars();
    letters
        .next()
        .is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || letter == '_')
}

/// Makes a text from a file fit for a message.
fn shown(text: &str) -> String {
    text.escape_debug().take(80).collect()
}
