//! A registry in sparse-index layout, made of small crates that a test writes down.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

/// A folder that `--index` takes.
pub(crate) struct Registry {
    folder: tempfile::TempDir,
}

/// One package to publish.
#[derive(Default)]
pub(crate) struct Package {
    name: String,
    version: String,
    head: String,
    tail: String,
    dependencies: Vec<Dependency>,
    features: Vec<(String, Vec<String>)>,
    files: Vec<(String, String)>,
    links: Option<String>,
    yanked: bool,
    published: Option<String>,
    rust_version: Option<String>,
}

struct Dependency {
    key: String,
    package: String,
    /// Whether the manifest names the package beside the key.
    renamed: bool,
    requirement: String,
    kind: &'static str,
    features: Vec<String>,
    optional: bool,
}

impl Package {
    pub(crate) fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            ..Self::default()
        }
    }

    /// Adds a file.
    pub(crate) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.into(), text.into()));
        self
    }

    /// Publishes it with a `Cargo.lock` of itself and one package that it uses.
    pub(crate) fn locks(self, used: &str, used_version: &str) -> Self {
        let Self { name, version, .. } = &self;
        let source = "registry+https://example.test/index";
        let lock = format!(
            "version = 4\n\n[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\
             dependencies = [\n \"{used}\",\n]\n\n[[package]]\nname = \"{used}\"\n\
             version = \"{used_version}\"\nsource = \"{source}\"\n"
        );
        self.file("Cargo.lock", &lock)
    }

    /// Sets `src/lib.rs`.
    pub(crate) fn lib(self, text: &str) -> Self {
        self.file("src/lib.rs", text)
    }

    /// Sets `src/main.rs`.
    pub(crate) fn main(self, text: &str) -> Self {
        self.file("src/main.rs", text)
    }

    /// Adds lines to `[package]`.
    pub(crate) fn package(mut self, lines: &str) -> Self {
        writeln!(self.head, "{lines}").unwrap();
        self
    }

    /// Adds tables at the end of the manifest.
    pub(crate) fn tables(mut self, lines: &str) -> Self {
        writeln!(self.tail, "{lines}").unwrap();
        self
    }

    pub(crate) fn links(mut self, library: &str) -> Self {
        self.links = Some(library.into());
        self.package(&format!("links = \"{library}\""))
    }

    pub(crate) fn yanked(mut self) -> Self {
        self.yanked = true;
        self
    }

    /// Sets the time of publication, `2026-01-31T00:00:00Z`.
    pub(crate) fn published(mut self, time: &str) -> Self {
        self.published = Some(time.into());
        self
    }

    pub(crate) fn rust_version(mut self, release: &str) -> Self {
        self.rust_version = Some(release.into());
        self.package(&format!("rust-version = \"{release}\""))
    }

    pub(crate) fn needs(self, name: &str, requirement: &str) -> Self {
        self.dependency(name, name, requirement, "normal")
    }

    pub(crate) fn needs_to_build(self, name: &str, requirement: &str) -> Self {
        self.dependency(name, name, requirement, "build")
    }

    pub(crate) fn needs_to_build_with(
        mut self,
        name: &str,
        requirement: &str,
        features: &[&str],
    ) -> Self {
        self = self.needs_to_build(name, requirement);
        self.dependencies.last_mut().unwrap().features =
            features.iter().map(ToString::to_string).collect();
        self
    }

    /// A dependency under a name of its own in the code.
    pub(crate) fn needs_renamed(mut self, key: &str, package: &str, requirement: &str) -> Self {
        self = self.dependency(key, package, requirement, "normal");
        self.dependencies.last_mut().unwrap().renamed = true;
        self
    }

    pub(crate) fn needs_optionally(mut self, name: &str, requirement: &str) -> Self {
        self = self.needs(name, requirement);
        self.dependencies.last_mut().unwrap().optional = true;
        self
    }

    pub(crate) fn needs_with(mut self, name: &str, requirement: &str, features: &[&str]) -> Self {
        self = self.needs(name, requirement);
        self.dependencies.last_mut().unwrap().features =
            features.iter().map(ToString::to_string).collect();
        self
    }

    pub(crate) fn feature(mut self, name: &str, values: &[&str]) -> Self {
        self.features.push((
            name.into(),
            values.iter().map(ToString::to_string).collect(),
        ));
        self
    }

    fn dependency(
        mut self,
        key: &str,
        package: &str,
        requirement: &str,
        kind: &'static str,
    ) -> Self {
        self.dependencies.push(Dependency {
            key: key.into(),
            package: package.into(),
            renamed: false,
            requirement: requirement.into(),
            kind,
            features: Vec::new(),
            optional: false,
        });
        self
    }

    fn manifest(&self) -> String {
        let mut text = format!(
            "[package]\nname = \"{}\"\nversion = \"{}\"\n{}",
            self.name, self.version, self.head
        );
        if !self.head.contains("edition") {
            text.push_str("edition = \"2021\"\n");
        }
        for (kind, table) in [("normal", "dependencies"), ("build", "build-dependencies")] {
            writeln!(text, "\n[{table}]").unwrap();
            for dependency in self.dependencies.iter().filter(|one| one.kind == kind) {
                let package = if dependency.renamed {
                    format!("package = {:?}, ", dependency.package)
                } else {
                    String::new()
                };
                writeln!(
                    text,
                    "{} = {{ {package}version = \"{}\", optional = {}, features = {:?} }}",
                    dependency.key,
                    dependency.requirement,
                    dependency.optional,
                    dependency.features
                )
                .unwrap();
            }
        }
        writeln!(text, "\n[features]").unwrap();
        for (name, values) in &self.features {
            writeln!(text, "{name:?} = {values:?}").unwrap();
        }
        text.push_str(&self.tail);
        text
    }

    fn archive(&self) -> Vec<u8> {
        let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        let manifest = ("Cargo.toml".to_owned(), self.manifest());
        for (path, text) in std::iter::once(&manifest).chain(&self.files) {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            let path = format!("{}-{}/{path}", self.name, self.version);
            builder
                .append_data(&mut header, path, text.as_bytes())
                .unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    fn index_line(&self, checksum: &str) -> String {
        let dependencies: Vec<_> = self
            .dependencies
            .iter()
            .map(|dependency| {
                serde_json::json!({
                    "name": dependency.key,
                    "req": dependency.requirement,
                    "features": dependency.features,
                    "optional": dependency.optional,
                    "default_features": true,
                    "target": null,
                    "kind": dependency.kind,
                    "package": dependency.renamed.then_some(&dependency.package),
                })
            })
            .collect();
        let features: serde_json::Map<_, _> = self
            .features
            .iter()
            .map(|(name, values)| (name.clone(), serde_json::json!(values)))
            .collect();
        serde_json::json!({
            "name": self.name,
            "vers": self.version,
            "deps": dependencies,
            "cksum": checksum,
            "features": {},
            "features2": features,
            "v": 2,
            "yanked": self.yanked,
            "links": self.links,
            "pubtime": self.published,
            "rust_version": self.rust_version,
        })
        .to_string()
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

impl Registry {
    /// Makes an empty registry.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = Self { folder };
        registry.set_download_address(&format!("file://{}", registry.crates().display()));
        std::fs::create_dir_all(registry.crates()).unwrap();
        registry
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn crates(&self) -> PathBuf {
        self.folder.path().join("crates")
    }

    /// Sets where archives come from: an address, to which `/NAME-VERSION.crate` is added.
    pub(crate) fn set_download_address(&self, address: &str) {
        let config = serde_json::json!({
            "dl": format!("{address}/{{crate}}-{{version}}.crate"),
            "api": null,
        });
        std::fs::write(self.folder.path().join("config.json"), config.to_string()).unwrap();
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "a package is made where it is published"
    )]
    pub(crate) fn publish(&self, package: Package) -> &Self {
        let archive = package.archive();
        let checksum = checksum(&archive);
        std::fs::write(self.archive_path(&package.name, &package.version), &archive).unwrap();
        let path = self.entry_path(&package.name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        writeln!(file, "{}", package.index_line(&checksum)).unwrap();
        self
    }

    /// The archive of a release, for tests that damage it.
    pub(crate) fn archive_path(&self, name: &str, version: &str) -> PathBuf {
        self.crates().join(format!("{name}-{version}.crate"))
    }

    fn entry_path(&self, name: &str) -> PathBuf {
        let name = name.to_lowercase();
        let prefix = match name.len() {
            1 => "1".to_owned(),
            2 => "2".to_owned(),
            3 => format!("3/{}", &name[..1]),
            _ => format!("{}/{}", &name[..2], &name[2..4]),
        };
        self.folder.path().join(prefix).join(name)
    }
}
