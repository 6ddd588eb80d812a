//! A manifest as Cargo publishes it: nothing is inherited from a workspace, no dependency is a
//! folder or a repository, and what only tests need is gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use orlop_recipes::{CrateSource, PackageName, Version};
use orlop_resolver::{DependencyKind, Features, ReleaseDependency};
use toml::{Table, Value};

use super::LocalError;
use crate::source::shown;

/// What a published manifest does not have, and nobody here asks for.
const LEFT_OUT: [&str; 10] = [
    "workspace",
    "patch",
    "replace",
    "badges",
    "lints",
    "test",
    "bench",
    "example",
    "dev-dependencies",
    "dev_dependencies",
];

/// The tables of dependencies, and who needs what is in them.
const TABLES: [(&str, DependencyKind); 3] = [
    ("dependencies", DependencyKind::Normal),
    ("build-dependencies", DependencyKind::Build),
    ("build_dependencies", DependencyKind::Build),
];

/// A manifest made plain.
#[derive(Debug)]
pub(super) struct Normal {
    pub(super) name: PackageName,
    pub(super) version: Version,
    pub(super) dependencies: Vec<Arc<ReleaseDependency>>,
    pub(super) features: Features,
    /// The text.
    pub(super) text: String,
    /// The lock file beside it, or beside its workspace.
    pub(super) lock: Option<String>,
    /// The folders of packages that it names.
    pub(super) folders: Vec<Utf8PathBuf>,
    /// The repositories that it names.
    pub(super) repositories: Vec<CrateSource>,
}

/// A manifest as it is written, and where.
struct File {
    path: Utf8PathBuf,
    folder: Utf8PathBuf,
    table: Table,
}

/// What a package may name: others see no more of this machine than they came with.
#[derive(Debug, Clone)]
pub(super) struct Reach {
    /// The folder that holds all folders it may name.
    pub(super) border: Utf8PathBuf,
    /// Whether it may name repositories of this machine.
    pub(super) is_here: bool,
}

impl Reach {
    /// Returns where a folder is without links, if it may be named.
    pub(super) fn real(&self, folder: &Utf8Path) -> Result<Utf8PathBuf, LocalError> {
        let folder = super::real(folder)?;
        if folder.starts_with(&self.border) {
            return Ok(folder);
        }
        let border = self.border.clone();
        Err(LocalError::Outside { folder, border })
    }
}

/// Reads the manifest of a package in a folder. Repositories of `patched` packages are not asked.
pub(super) fn read(
    folder: &Utf8Path,
    reach: &Reach,
    patched: &BTreeMap<PackageName, CrateSource>,
) -> Result<Normal, LocalError> {
    let file = File::read(folder)?;
    let workspace = file.workspace(reach)?;
    Reader {
        file: &file,
        workspace: workspace.as_ref(),
        reach,
        patched,
        folders: Vec::new(),
        repositories: Vec::new(),
    }
    .normal()
}

impl File {
    fn read(folder: &Utf8Path) -> Result<Self, LocalError> {
        let path = folder.join("Cargo.toml");
        let text = String::from_utf8(fs_err::read(&path)?);
        let text = text.map_err(|_| wrong(&path, "it is not UTF-8"))?;
        let table = text
            .parse()
            .map_err(|error: toml::de::Error| wrong(&path, error.message()))?;
        Ok(Self {
            path,
            folder: folder.to_owned(),
            table,
        })
    }

    fn wrong(&self, reason: impl AsRef<str>) -> LocalError {
        wrong(&self.path, reason.as_ref())
    }

    fn package(&self) -> Result<&Table, LocalError> {
        table(&self.table, "package").ok_or_else(|| self.wrong("it has no `[package]`"))
    }

    /// Finds the manifest that this one inherits from, unless it is that itself or needs none.
    fn workspace(&self, reach: &Reach) -> Result<Option<Self>, LocalError> {
        if self.table.contains_key("workspace") {
            return Ok(None);
        }
        let named = self.package()?.get("workspace").and_then(Value::as_str);
        if let Some(named) = named {
            return Self::read(&reach.real(&self.folder.join(named))?).map(Some);
        }
        let above = self.folder.ancestors().skip(1);
        for folder in above.take_while(|folder| folder.starts_with(&reach.border)) {
            if folder.join("Cargo.toml").is_file() {
                let found = Self::read(folder)?;
                if found.table.contains_key("workspace") {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// Returns the value of `package.KEY` for those who inherit it.
    fn inherited(&self, key: &str) -> Option<&Value> {
        table(table(&self.table, "workspace")?, "package")?.get(key)
    }
}

struct Reader<'f> {
    file: &'f File,
    workspace: Option<&'f File>,
    reach: &'f Reach,
    patched: &'f BTreeMap<PackageName, CrateSource>,
    folders: Vec<Utf8PathBuf>,
    repositories: Vec<CrateSource>,
}

impl Reader<'_> {
    fn normal(mut self) -> Result<Normal, LocalError> {
        let mut manifest = self.file.table.clone();
        for key in LEFT_OUT {
            manifest.remove(key);
        }
        let package = self.package()?;
        let text = |key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default();
        let name = text("name").parse();
        let name = name.map_err(|error| self.file.wrong(format!("its name: {error}")))?;
        let version = match text("version") {
            // A package that is never published need not have one.
            "" => Version::new(0, 0, 0),
            text => self.version(text)?,
        };
        let mut package = package;
        package.insert("version".to_owned(), version.to_string().into());
        manifest.insert("package".to_owned(), package.into());
        let mut dependencies = self.tables(&mut manifest, None)?;
        if let Some(targets) = manifest.get_mut("target").and_then(Value::as_table_mut) {
            for (target, tables) in targets.iter_mut() {
                let Some(tables) = tables.as_table_mut() else {
                    continue;
                };
                tables.remove("dev-dependencies");
                tables.remove("dev_dependencies");
                dependencies.extend(self.tables(tables, Some(target))?);
            }
        }
        if let Some(root) = self.workspace
            && let Some(profile) = root.table.get("profile")
        {
            manifest.insert("profile".to_owned(), profile.clone());
        }
        let text = toml::to_string(&manifest);
        let text = text.map_err(|error| self.file.wrong(error.to_string()))?;
        Ok(Normal {
            name,
            version,
            dependencies,
            features: features(&manifest),
            text,
            lock: self.lock()?,
            folders: self.folders,
            repositories: self.repositories,
        })
    }

    fn version(&self, text: &str) -> Result<Version, LocalError> {
        let version = text.trim().parse();
        version.map_err(|error| self.file.wrong(format!("its version `{text}`: {error}")))
    }

    /// Returns `[package]` with what it inherits.
    fn package(&self) -> Result<Table, LocalError> {
        let root = self.workspace.unwrap_or(self.file);
        let mut package = Table::new();
        for (key, value) in self.file.package()? {
            if !inherits(value) {
                package.insert(key.clone(), value.clone());
                continue;
            }
            // Files of the workspace are not in the package.
            if matches!(
                key.as_str(),
                "readme" | "license-file" | "include" | "exclude"
            ) {
                continue;
            }
            let inherited = root.inherited(key).ok_or_else(|| {
                let place = &root.path;
                self.file.wrong(format!(
                    "`package.{key}` is inherited, and `{place}` has none"
                ))
            })?;
            package.insert(key.clone(), inherited.clone());
        }
        package.remove("workspace");
        let root = table(&root.table, "workspace");
        if let Some(resolver) = root.and_then(|workspace| workspace.get("resolver")) {
            package.insert("resolver".to_owned(), resolver.clone());
        }
        Ok(package)
    }

    fn lock(&self) -> Result<Option<String>, LocalError> {
        let folders = [Some(self.file), self.workspace];
        for folder in folders.into_iter().flatten().map(|file| &file.folder) {
            let path = folder.join("Cargo.lock");
            if path.is_file() {
                return Ok(Some(fs_err::read_to_string(path)?));
            }
        }
        Ok(None)
    }

    /// Makes the tables of dependencies plain, and returns what is in them.
    fn tables(
        &mut self,
        tables: &mut Table,
        target: Option<&str>,
    ) -> Result<Vec<Arc<ReleaseDependency>>, LocalError> {
        let mut all = Vec::new();
        for (key, kind) in TABLES {
            let Some(entries) = tables.get_mut(key).and_then(Value::as_table_mut) else {
                continue;
            };
            for (name, value) in entries.iter_mut() {
                let details = self.details(name, value)?;
                all.push(Arc::new(self.dependency(name, &details, kind, target)?));
                *value = details.into();
            }
        }
        Ok(all)
    }

    /// Returns one dependency as a table that names a version.
    fn details(&mut self, name: &str, value: &Value) -> Result<Table, LocalError> {
        let (mut details, base) = if inherits(value) {
            let root = self.workspace.unwrap_or(self.file);
            let known = table(&root.table, "workspace")
                .and_then(|workspace| table(workspace, "dependencies"))
                .and_then(|dependencies| dependencies.get(name));
            let Some(known) = known else {
                let place = &root.path;
                return Err(self.file.wrong(format!(
                    "the dependency `{name}` is inherited, and `{place}` has none"
                )));
            };
            (merged(as_table(known), as_table(value)), &root.folder)
        } else {
            (as_table(value), &self.file.folder)
        };
        if details.contains_key("registry") || details.contains_key("registry-index") {
            return Err(self.file.wrong(format!("`{name}` is of another registry")));
        }
        let text = |key: &str| details.get(key).and_then(Value::as_str).map(str::to_owned);
        let folder = match (text("path"), text("git")) {
            (Some(path), _) => Some(base.join(path)),
            (None, Some(_)) if self.patched.contains_key(package_of(name, &details)) => None,
            (None, Some(git)) => {
                let rev = text("rev").filter(|rev| is_whole(rev)).ok_or_else(|| {
                    self.file.wrong(format!(
                        "`{name}` comes from `{}` without a whole `rev`: name its source in the \
                         recipe's `[app.patch]`",
                        shown(&git)
                    ))
                })?;
                let source = CrateSource::commit(&git, &rev, None).map_err(|error| {
                    self.file.wrong(format!("its dependency `{name}`: {error}"))
                })?;
                if source.is_here() && !self.reach.is_here {
                    return Err(self.file.wrong(format!(
                        "its dependency `{name}` is in `{}`, a repository of this machine, and it \
                         comes from elsewhere",
                        shown(&git)
                    )));
                }
                self.repositories.push(source);
                None
            }
            (None, None) => None,
        };
        for key in [
            "path", "git", "branch", "tag", "rev", "base", "artifact", "public",
        ] {
            details.remove(key);
        }
        if let Some(folder) = folder {
            let folder = self.reach.real(&folder)?;
            let other = File::read(&folder)?;
            let workspace = other.workspace(self.reach)?;
            let root = workspace.as_ref().unwrap_or(&other);
            let written = other.package()?.get("version");
            let written = written
                .filter(|value| !inherits(value))
                .or_else(|| root.inherited("version"));
            let version = written.and_then(Value::as_str).unwrap_or("0.0.0");
            details.insert("version".to_owned(), format!("={version}").into());
            self.folders.push(folder);
        }
        Ok(details)
    }

    fn dependency(
        &self,
        name: &str,
        details: &Table,
        kind: DependencyKind,
        target: Option<&str>,
    ) -> Result<ReleaseDependency, LocalError> {
        let text = |key: &str| details.get(key).and_then(Value::as_str);
        let flag = |key: &str| details.get(key).and_then(Value::as_bool);
        let requirement = text("version").unwrap_or("*");
        let wrong = |error: &dyn std::fmt::Display| {
            self.file.wrong(format!("its dependency `{name}`: {error}"))
        };
        Ok(ReleaseDependency {
            name: Arc::from(name),
            renamed: details.contains_key("package"),
            package: package_of(name, details)
                .parse()
                .map_err(|error| wrong(&error))?,
            requirement: requirement.parse().map_err(|error| wrong(&error))?,
            features: texts(details.get("features")),
            default_features: flag("default-features")
                .or_else(|| flag("default_features"))
                .unwrap_or(true),
            optional: flag("optional").unwrap_or(false),
            kind,
            target: target.map(Arc::from),
            // Refused above.
            registry: None,
        })
    }
}

/// Joins what a workspace says of a dependency with what one of its packages does.
fn merged(mut base: Table, own: Table) -> Table {
    let mut features = base.get("features").and_then(Value::as_array).cloned();
    for (key, value) in own {
        match (key.as_str(), value) {
            ("features", Value::Array(more)) => features.get_or_insert_default().extend(more),
            ("optional", value) => drop(base.insert(key, value)),
            // A package can only switch them on again.
            ("default-features" | "default_features", Value::Boolean(true)) => {
                base.remove("default_features");
                base.insert("default-features".to_owned(), true.into());
            }
            _ => {}
        }
    }
    if let Some(features) = features {
        base.insert("features".to_owned(), features.into());
    }
    base
}

/// Returns the name of the package behind a dependency.
fn package_of<'n>(name: &'n str, details: &'n Table) -> &'n str {
    let renamed = details.get("package").and_then(Value::as_str);
    renamed.unwrap_or(name)
}

fn features(manifest: &Table) -> Features {
    let features = table(manifest, "features").into_iter().flatten();
    features
        .map(|(name, values)| (Arc::from(name.as_str()), texts(Some(values)).into()))
        .collect()
}

/// Whether a `rev` is all of a commit, which never moves, rather than the name of a branch.
fn is_whole(rev: &str) -> bool {
    rev.len() == 40 && rev.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn texts(value: Option<&Value>) -> Vec<Arc<str>> {
    let values = value.and_then(Value::as_array).into_iter().flatten();
    values.filter_map(Value::as_str).map(Arc::from).collect()
}

fn table<'t>(table: &'t Table, key: &str) -> Option<&'t Table> {
    table.get(key).and_then(Value::as_table)
}

fn as_table(value: &Value) -> Table {
    match value {
        Value::Table(table) => table.clone(),
        other => Table::from_iter([("version".to_owned(), other.clone())]),
    }
}

/// Whether a value is `{ workspace = true, … }`.
fn inherits(value: &Value) -> bool {
    let inherits = value.get("workspace").and_then(Value::as_bool);
    inherits == Some(true)
}

fn wrong(path: &Utf8Path, reason: &str) -> LocalError {
    LocalError::Manifest {
        path: path.to_owned(),
        reason: reason
            .chars()
            .filter(|c| !c.is_control())
            .take(300)
            .collect(),
    }
}
