//! A lock to text.
//!
//! By hand rather than through serde: the order, one line per dependency and no indices, so that
//! a change shows as a small difference, and an unchanged variant as none.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use orlop_recipes::{PackageName, Version};

use crate::index::DependencyKind;
use crate::lock::{Lock, LockedApp, LockedVariant, SCHEMA};
use crate::resolution::Side;

const HEADER: &str = "\
# Orlop writes this file: the exact variants of every app of the profile.
# Edit orlop.toml instead and run `orlop sync`.
";

const PACKAGES: &str =
    "\n# Every release that any app is compiled from, with the SHA-256 of its archive.\n";

const APPS: &str = "\n# Each app, and how its variants use each other.\n";

pub(super) fn lock(lock: &Lock, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        out,
        "{HEADER}schema = {SCHEMA}\nsnapshot = {}\n",
        quoted(lock.snapshot)
    )?;
    if !lock.votes.is_empty() {
        writeln!(out, "\n# What most apps of policy `shared` chose.\n[votes]")?;
        for (name, versions) in &lock.votes {
            writeln!(out, "{name} = {}", list(versions))?;
        }
    }
    if lock.apps.is_empty() {
        return Ok(());
    }
    out.write_str(PACKAGES)?;
    let packages = packages(lock);
    for ((name, version), checksum) in &packages {
        writeln!(out, "[[package]]\nname = {}", quoted(name))?;
        writeln!(out, "version = {}", quoted(version))?;
        writeln!(out, "checksum = {}\n", quoted(checksum))?;
    }
    out.write_str(APPS.trim_start())?;
    let mut apps = lock.apps.values();
    apps.try_for_each(|locked| app(locked, &packages, out))
}

type Packages<'l> = BTreeMap<(&'l PackageName, &'l Version), &'l String>;

/// Returns the releases of all apps with their checksums, each once.
fn packages(lock: &Lock) -> Packages<'_> {
    let variants = lock.apps.values().flat_map(LockedApp::variants);
    variants
        .map(|variant| ((&variant.name, &variant.version), &variant.checksum))
        .collect()
}

fn app(app: &LockedApp, packages: &Packages<'_>, out: &mut impl Write) -> fmt::Result {
    writeln!(out, "\n[[app]]")?;
    writeln!(out, "name = {}", quoted(&app.app))?;
    writeln!(out, "package = {}", quoted(&app.package))?;
    writeln!(out, "version = {}", quoted(&app.version))?;
    writeln!(out, "requirement = {}", quoted(&app.requirement))?;
    writeln!(out, "features = {}", list(&app.features))?;
    writeln!(out, "default-features = {}", app.default_features)?;
    writeln!(out, "policy = {}", quoted(app.policy))?;
    writeln!(out, "snapshot = {}", quoted(app.snapshot))?;
    writeln!(out, "compiler = {}", quoted(&app.compiler))?;
    writeln!(out, "platform = {}", quoted(&app.platform))?;
    app.variants
        .iter()
        .try_for_each(|one| variant(app, one, packages, out))
}

fn variant(
    app: &LockedApp,
    variant: &LockedVariant,
    packages: &Packages<'_>,
    out: &mut impl Write,
) -> fmt::Result {
    writeln!(out, "\n[[app.variant]]")?;
    writeln!(out, "name = {}", quoted(&variant.name))?;
    writeln!(out, "version = {}", quoted(&variant.version))?;
    // An app may have a release of its own under a name that others have from the registry.
    if packages.get(&(&variant.name, &variant.version)) != Some(&&variant.checksum) {
        writeln!(out, "checksum = {}", quoted(&variant.checksum))?;
    }
    writeln!(out, "side = {}", quoted(side(variant.side)))?;
    writeln!(out, "features = {}", list(&variant.features))?;
    for (key, kind) in [
        ("uses", DependencyKind::Normal),
        ("build-uses", DependencyKind::Build),
    ] {
        let mut uses = variant
            .dependencies
            .iter()
            .filter(|used| used.kind == kind)
            .peekable();
        if uses.peek().is_none() {
            continue;
        }
        writeln!(out, "{key} = [")?;
        for used in uses {
            let target = reference(&app.variants[used.variant]);
            writeln!(
                out,
                "    {},",
                quoted(format!("{} = {target}", used.extern_name))
            )?;
        }
        writeln!(out, "]")?;
    }
    Ok(())
}

/// Returns the words that name a variant within its app.
pub(super) fn reference(variant: &LockedVariant) -> String {
    let LockedVariant { name, version, .. } = variant;
    match variant.side {
        Side::Target => format!("{name} {version}"),
        Side::Host => format!("{name} {version} {}", side(Side::Host)),
    }
}

/// Returns the word for a side.
pub(super) fn side(side: Side) -> &'static str {
    match side {
        Side::Host => "host",
        Side::Target => "target",
    }
}

fn list(texts: impl IntoIterator<Item = impl fmt::Display>) -> String {
    let texts: Vec<String> = texts.into_iter().map(quoted).collect();
    format!("[{}]", texts.join(", "))
}

fn quoted(text: impl fmt::Display) -> String {
    toml::Value::String(text.to_string()).to_string()
}
