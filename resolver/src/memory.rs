//! A registry in memory, for tests: [`MemoryIndex`].
//!
//! ```
//! use orlop_resolver::memory::{MemoryIndex, need, release};
//!
//! let index = MemoryIndex::new([
//!     release("app 1.0.0").needs([need("log ^0.4"), need("cc ^1").build()]).script(),
//!     release("log 0.4.29").feature("std", []),
//!     release("cc 1.2.0"),
//! ]);
//! let resolution = orlop_resolver::resolve(&index.request("app"), &index).unwrap();
//! assert_eq!(resolution.graph.node_count(), 3);
//! ```
//!
//! What cannot be read panics: a test should stop there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use orlop_recipes::{PackageName, Version, VersionReq};

use crate::codegen::PublishedCodegen;
use crate::feature_values::features_of;
use crate::index::{Checksum, DependencyKind, Index, IndexError, Release, ReleaseDependency};
use crate::package::{About, BinaryTarget, LibraryTarget, Package, ResolverVersion, ScriptTarget};
use crate::request::{Platform, Request};

/// A registry in memory that notes what it is asked.
#[derive(Debug, Default)]
pub struct MemoryIndex {
    releases: BTreeMap<PackageName, Arc<[Release]>>,
    packages: BTreeMap<(PackageName, Version), Arc<Package>>,
    locks: BTreeMap<(PackageName, Version), String>,
    expected: RefCell<BTreeSet<(PackageName, Version)>>,
}

impl MemoryIndex {
    /// Makes a registry of releases.
    pub fn new(releases: impl IntoIterator<Item = MemoryRelease>) -> Self {
        let mut index = Self::default();
        let mut by_name: BTreeMap<PackageName, Vec<Release>> = BTreeMap::new();
        for MemoryRelease {
            release,
            mut package,
            lock,
        } in releases
        {
            package.links = release.links.as_deref().map(str::to_owned);
            package.declared_features = features_of(&release)
                .into_iter()
                .map(String::from)
                .collect();
            let key = (release.name.clone(), release.version.clone());
            index.locks.extend(lock.map(|lock| (key.clone(), lock)));
            index.packages.insert(key, Arc::new(package));
            by_name
                .entry(release.name.clone())
                .or_default()
                .push(release);
        }
        for (name, mut releases) in by_name {
            releases.sort_by(|a, b| a.version.cmp(&b.version));
            index.releases.insert(name, releases.into());
        }
        index
    }

    /// Returns a request for an app, `NAME` or `NAME@REQUIREMENT`, on Linux with rustc 1.95 and
    /// a snapshot that holds everything.
    pub fn request(&self, app: &str) -> Request {
        let (name, requirement) = app.split_once('@').unwrap_or((app, "*"));
        Request {
            app: read(name),
            requirement: read(requirement),
            features: Vec::new(),
            default_features: true,
            platform: linux(),
            rust_version: Version::new(1, 95, 0),
            allow_newer_compiler: false,
            snapshot: Timestamp::MAX,
            preferred: BTreeMap::new(),
        }
    }

    /// Returns the releases that were announced with [`Index::expect`].
    pub fn expected(&self) -> BTreeSet<(PackageName, Version)> {
        self.expected.borrow().clone()
    }
}

impl Index for MemoryIndex {
    fn releases(&self, name: &PackageName) -> Result<Arc<[Release]>, IndexError> {
        Ok(self.releases.get(name).cloned().unwrap_or_default())
    }

    fn package(&self, name: &PackageName, version: &Version) -> Result<Arc<Package>, IndexError> {
        self.packages
            .get(&(name.clone(), version.clone()))
            .cloned()
            .ok_or_else(|| IndexError {
                action: format!("cannot read the manifest of `{name} {version}`"),
                source: "no such release".into(),
            })
    }

    fn published_lock(
        &self,
        name: &PackageName,
        version: &Version,
    ) -> Result<Option<String>, IndexError> {
        Ok(self.locks.get(&(name.clone(), version.clone())).cloned())
    }

    fn expect(&self, wanted: &[(PackageName, Version)]) -> Result<(), IndexError> {
        self.expected.borrow_mut().extend(wanted.iter().cloned());
        Ok(())
    }

    fn similar(&self, name: &PackageName) -> Vec<PackageName> {
        let near =
            |known: &&PackageName| strsim::damerau_levenshtein(known.as_str(), name.as_str()) <= 2;
        self.releases.keys().filter(near).cloned().collect()
    }
}

/// A release in the making: a library and nothing else, until told otherwise.
#[derive(Debug, Clone)]
pub struct MemoryRelease {
    release: Release,
    package: Package,
    lock: Option<String>,
}

/// Starts a release: `NAME VERSION`.
pub fn release(text: &str) -> MemoryRelease {
    let (name, version) = text.split_once(' ').expect("a release is `NAME VERSION`");
    let name: PackageName = read(name);
    let version: Version = read(version);
    let library = LibraryTarget {
        crate_name: name.crate_name(),
        path: "src/lib.rs".to_owned(),
        edition: "2021".to_owned(),
        proc_macro: false,
        crate_types: vec!["lib".to_owned()],
    };
    MemoryRelease {
        release: Release {
            name: name.clone(),
            version: version.clone(),
            checksum: checksum(text),
            dependencies: Arc::default(),
            features: Arc::default(),
            yanked: false,
            links: None,
            rust_version: None,
            published: None,
        },
        package: Package {
            name,
            version,
            resolver: ResolverVersion::Two,
            links: None,
            library: Some(library),
            binaries: Vec::new(),
            build_script: None,
            declared_features: BTreeSet::new(),
            about: About::default(),
            codegen: PublishedCodegen::default(),
        },
        lock: None,
    }
}

impl MemoryRelease {
    /// Adds dependencies.
    #[must_use]
    pub fn needs(mut self, needs: impl IntoIterator<Item = Need>) -> Self {
        let known = self.release.dependencies.iter().cloned();
        let more = needs
            .into_iter()
            .filter(|need| !need.for_tests)
            .map(|need| Arc::new(need.dependency));
        self.release.dependencies = known.chain(more).collect();
        self
    }

    /// Adds a feature.
    #[must_use]
    pub fn feature<'a>(mut self, name: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        let values = values.into_iter().map(Arc::from).collect();
        Arc::make_mut(&mut self.release.features).insert(Arc::from(name), values);
        self
    }

    /// Has it yanked.
    #[must_use]
    pub fn yanked(mut self) -> Self {
        self.release.yanked = true;
        self
    }

    /// Has it link a native library.
    #[must_use]
    pub fn links(mut self, library: &str) -> Self {
        self.release.links = Some(Arc::from(library));
        self
    }

    /// Sets the oldest compiler it works with.
    #[must_use]
    pub fn rust(mut self, version: &str) -> Self {
        self.release.rust_version = Some(Arc::from(version));
        self
    }

    /// Sets when it was published, `2026-11-01T00:00:00Z`.
    #[must_use]
    pub fn published(mut self, moment: &str) -> Self {
        self.release.published = Some(read(moment));
        self
    }

    /// Gives it a build script.
    #[must_use]
    pub fn script(mut self) -> Self {
        let (path, edition) = ("build.rs".to_owned(), "2021".to_owned());
        self.package.build_script = Some(ScriptTarget { path, edition });
        self
    }

    /// Sets what it publishes for code generation.
    #[must_use]
    pub fn codegen(mut self, codegen: PublishedCodegen) -> Self {
        self.package.codegen = codegen;
        self
    }

    /// Makes its library a proc macro.
    #[must_use]
    pub fn proc_macro(mut self) -> Self {
        if let Some(library) = &mut self.package.library {
            library.proc_macro = true;
            library.crate_types = vec!["proc-macro".to_owned()];
        }
        self
    }

    /// Gives its library another name.
    #[must_use]
    pub fn crate_name(mut self, name: &str) -> Self {
        if let Some(library) = &mut self.package.library {
            name.clone_into(&mut library.crate_name);
        }
        self
    }

    /// Takes its library away.
    #[must_use]
    pub fn no_library(mut self) -> Self {
        self.package.library = None;
        self
    }

    /// Publishes it with a `Cargo.lock`.
    #[must_use]
    pub fn lock(mut self, text: &str) -> Self {
        self.lock = Some(text.to_owned());
        self
    }

    /// Adds a program.
    #[must_use]
    pub fn binary(mut self, name: &str) -> Self {
        self.package.binaries.push(BinaryTarget {
            name: name.to_owned(),
            path: "src/main.rs".to_owned(),
            edition: "2021".to_owned(),
            required_features: Vec::new(),
        });
        self
    }

    /// Sets the features without which the last program added is not built.
    #[must_use]
    pub fn requires<'a>(mut self, features: impl IntoIterator<Item = &'a str>) -> Self {
        if let Some(program) = self.package.binaries.last_mut() {
            program.required_features = features.into_iter().map(str::to_owned).collect();
        }
        self
    }

    /// Sets the feature resolver it asks for as a root.
    #[must_use]
    pub fn resolver(mut self, version: ResolverVersion) -> Self {
        self.package.resolver = version;
        self
    }
}

/// A dependency in the making: normal, required, with default features.
#[derive(Debug, Clone)]
pub struct Need {
    dependency: ReleaseDependency,
    for_tests: bool,
}

/// Starts a dependency: `NAME REQUIREMENT`.
pub fn need(text: &str) -> Need {
    let (name, requirement) = text
        .split_once(' ')
        .expect("a dependency is `NAME REQUIREMENT`");
    let dependency = ReleaseDependency {
        name: Arc::from(name),
        package: read(name),
        renamed: false,
        requirement: read::<VersionReq>(requirement),
        features: Vec::new(),
        default_features: true,
        optional: false,
        kind: DependencyKind::Normal,
        target: None,
        registry: None,
    };
    Need {
        dependency,
        for_tests: false,
    }
}

impl Need {
    /// Has a feature switch it on.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.dependency.optional = true;
        self
    }

    /// Gives it another name in the dependent.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.dependency.name = Arc::from(name);
        self.dependency.renamed = true;
        self
    }

    /// Asks for features.
    #[must_use]
    pub fn features<'a>(mut self, features: impl IntoIterator<Item = &'a str>) -> Self {
        self.dependency
            .features
            .extend(features.into_iter().map(Arc::from));
        self
    }

    /// Does not ask for `default`.
    #[must_use]
    pub fn no_default(mut self) -> Self {
        self.dependency.default_features = false;
        self
    }

    /// Makes it a build dependency.
    #[must_use]
    pub fn build(mut self) -> Self {
        self.dependency.kind = DependencyKind::Build;
        self
    }

    /// Makes it a dev-dependency: an index leaves it out.
    #[must_use]
    pub fn dev(mut self) -> Self {
        self.for_tests = true;
        self
    }

    /// Has it come from another registry.
    #[must_use]
    pub fn registry(mut self, registry: &str) -> Self {
        self.dependency.registry = Some(Arc::from(registry));
        self
    }

    /// Restricts it to some platforms.
    #[must_use]
    pub fn target(mut self, target: &str) -> Self {
        self.dependency.target = Some(Arc::from(target));
        self
    }
}

/// What rustc says of 64-bit Linux, the part that tests use.
fn linux() -> Platform {
    let cfg = [
        "panic=\"unwind\"",
        "target_arch=\"x86_64\"",
        "target_endian=\"little\"",
        "target_env=\"gnu\"",
        "target_family=\"unix\"",
        "target_has_atomic=\"64\"",
        "target_os=\"linux\"",
        "target_pointer_width=\"64\"",
        "unix",
    ];
    let cfg = cfg.into_iter().map(str::to_owned).collect();
    Platform {
        triple: "x86_64-unknown-linux-gnu".to_owned(),
        cfg,
    }
}

/// A checksum that differs between releases.
fn checksum(text: &str) -> Checksum {
    let mut bytes = [0; 32];
    let sum: u64 = text.bytes().map(u64::from).sum();
    bytes[24..].copy_from_slice(&sum.to_be_bytes());
    Checksum(bytes)
}

fn read<T: FromStr<Err: Display>>(text: &str) -> T {
    match text.parse() {
        Ok(value) => value,
        Err(error) => panic!("cannot read `{text}`: {error}"),
    }
}
