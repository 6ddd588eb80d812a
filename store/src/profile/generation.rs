//! [`Generation`]: one state of a profile; [`NewGeneration`]: one that is about to be.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::expiry::Kept;
use crate::digest::Digest;
use crate::error::{Context as _, StoreError};
use crate::path::StorePath;
use crate::tree::Tree;

/// File names in a generation's folder.
pub(super) const MANIFEST: &str = "manifest.toml";
pub(super) const LOCK: &str = "lock.toml";
pub(super) const LIBRARIES: &str = "libraries.toml";
pub(super) const RECORD: &str = "record.toml";
pub(super) const DIGEST: &str = "digest";

/// What a new generation is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGeneration {
    /// The command line that led to it, for `history`.
    pub command: String,
    /// Its apps, in the order in which they are listed.
    pub apps: Vec<GenerationApp>,
    /// What each app's programs are compiled from.
    pub libraries: Libraries,
    /// Objects that it keeps alive beside the views: the link sets from which a later generation
    /// is linked.
    pub keep: BTreeSet<StorePath>,
    /// The manifest it was made from.
    pub manifest: String,
    /// The lock file it was made from.
    pub lock: String,
}

/// By app, the libraries that its programs are compiled from: one per variant of a crate.
pub type Libraries = BTreeMap<String, BTreeSet<StorePath>>;

/// One app of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationApp {
    /// The package name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// `shared`, `static` or `crate`.
    pub linkage: String,
    /// The name of the compiler.
    pub compiler: String,
    /// The app's own tree.
    pub view: StorePath,
    /// The names of its programs in the view's `bin/`.
    pub binaries: Vec<String>,
    /// The link sets of its programs.
    pub link_sets: BTreeSet<StorePath>,
    /// The apps whose programs it starts, which are installed with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<String>,
    /// A shell line that succeeds if it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
    /// The programs that the test starts, by the names of their recipes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub test_needs: BTreeMap<String, TestNeed>,
    /// The tests of the native libraries that it is built against.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub library_tests: Vec<GenerationTest>,
    /// What people should know of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caveats: Option<String>,
}

/// What a test needs of one recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestNeed {
    /// The accepted versions.
    pub version: String,
    /// Features beside those of its recipe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// Whether the default features may be on.
    pub default_features: bool,
}

/// The test of a native library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationTest {
    /// The library.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its object.
    pub object: StorePath,
    /// A shell script that succeeds if it works.
    pub test: String,
    /// The programs that the test starts, by the names of their recipes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub needs: BTreeMap<String, TestNeed>,
}

/// One complete state of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// Its number in the profile.
    pub number: u64,
    /// The generation it was made from: where `rollback` goes.
    pub parent: Option<u64>,
    /// When it was made.
    pub created: Timestamp,
    /// The command line that led to it.
    pub command: String,
    /// Its apps.
    pub apps: Vec<GenerationApp>,
    /// Objects that it keeps alive beside the views.
    pub keep: BTreeSet<StorePath>,
    folder: Utf8PathBuf,
}

impl Generation {
    /// Returns the apps that an app starts, and those that these start.
    pub fn started(&self, app: &GenerationApp) -> Vec<&GenerationApp> {
        let mut found: Vec<&GenerationApp> = Vec::new();
        let mut open: Vec<&String> = app.starts.iter().collect();
        while let Some(name) = open.pop() {
            let known = found.iter().any(|one| one.name == *name) || *name == app.name;
            let one = self.apps.iter().find(|one| one.name == *name);
            if let Some(one) = one.filter(|_| !known) {
                open.extend(&one.starts);
                found.push(one);
            }
        }
        found.sort_by(|left, right| left.name.cmp(&right.name));
        found
    }

    /// Returns its folder: `<home>/profiles/<profile>/<number>`.
    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    /// Returns the manifest it was made from.
    pub fn manifest(&self) -> Result<String, StoreError> {
        read_text(&self.folder.join(MANIFEST))
    }

    /// Returns the lock file it was made from.
    pub fn lock(&self) -> Result<String, StoreError> {
        read_text(&self.folder.join(LOCK))
    }

    /// Returns what each app's programs are compiled from.
    pub fn libraries(&self) -> Result<Libraries, StoreError> {
        let path = self.folder.join(LIBRARIES);
        match fs_err::read_to_string(&path) {
            Ok(text) => parse(path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Earlier::read(self.folder.join(RECORD))
            }
            Err(error) => Err(error).context("read", &path),
        }
    }

    /// Reads a generation; none if the folder is not a complete one.
    pub(super) fn read(folder: Utf8PathBuf, number: u64) -> Result<Option<Self>, StoreError> {
        let path = folder.join(RECORD);
        let text = match fs_err::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).context("read", &path),
        };
        let record = parse(path, &text)?;
        Ok(Some(Self::new(folder, number, record)))
    }

    /// Returns the generation that has this record.
    pub(super) fn new(folder: Utf8PathBuf, number: u64, record: Record) -> Self {
        let Record {
            parent,
            created,
            command,
            keep,
            apps,
        } = record;
        Self {
            number,
            parent,
            created,
            command,
            apps,
            keep,
            folder,
        }
    }

    /// Returns the objects that it keeps alive.
    pub(super) fn kept(&self) -> Vec<Kept> {
        let kept = |app: Option<&GenerationApp>, is_view, path: &StorePath| Kept {
            number: self.number,
            app: app.map(|app| app.name.clone()),
            is_view,
            path: path.clone(),
        };
        let views = self.apps.iter().map(|app| kept(Some(app), true, &app.view));
        let owners = self.apps.iter().flat_map(|app| {
            let link_sets = app.link_sets.iter();
            link_sets.map(move |path| (path, app))
        });
        let owners: BTreeMap<&StorePath, &GenerationApp> = owners.collect();
        let others = self
            .keep
            .iter()
            .map(|path| kept(owners.get(path).copied(), false, path));
        views.chain(others).collect()
    }

    /// Looks for damage; returns the first.
    pub(crate) fn damage(&self) -> Result<Option<String>, StoreError> {
        let path = self.folder.join(DIGEST);
        let expected = match fs_err::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some("its digest is missing".to_owned()));
            }
            Err(error) => return Ok(Some(format!("its digest cannot be read: {error}"))),
        };
        let found = digest(&self.folder)?;
        Ok((found.to_string() != expected)
            .then(|| "it is not what it was when it was made".to_owned()))
    }

    /// Returns what it was made from, as far as that can be read.
    pub(super) fn record(&self) -> Record {
        Record {
            parent: self.parent,
            created: self.created,
            command: self.command.clone(),
            keep: self.keep.clone(),
            apps: self.apps.clone(),
        }
    }
}

/// Returns the digest of all that a generation's folder holds, but for the digest itself.
pub(super) fn digest(folder: &Utf8Path) -> Result<Digest, StoreError> {
    let mut tree = Tree::read(folder)?;
    tree.entries.retain(|entry| entry.path != DIGEST);
    Ok(tree.digest())
}

/// What `record.toml` holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<u64>,
    pub(super) created: Timestamp,
    pub(super) command: String,
    pub(super) keep: BTreeSet<StorePath>,
    #[serde(default)]
    pub(super) apps: Vec<GenerationApp>,
}

/// The form in which the record itself had the libraries; there is none where no app has any.
#[derive(Deserialize)]
struct Earlier {
    apps: Vec<EarlierApp>,
}

#[derive(Deserialize)]
struct EarlierApp {
    name: String,
    #[serde(default)]
    libraries: BTreeSet<StorePath>,
}

impl Earlier {
    fn read(path: Utf8PathBuf) -> Result<Libraries, StoreError> {
        let text = read_text(&path)?;
        let Self { apps } = parse(path, &text)?;
        Ok(apps
            .into_iter()
            .map(|app| (app.name, app.libraries))
            .collect())
    }
}

fn parse<T: DeserializeOwned>(path: Utf8PathBuf, text: &str) -> Result<T, StoreError> {
    toml::from_str(text).map_err(|error| StoreError::Record {
        path,
        source: Box::new(error),
    })
}

fn read_text(path: &Utf8Path) -> Result<String, StoreError> {
    fs_err::read_to_string(path).context("read", path)
}
