//! [`Manifest`]: what a user declares, the file `orlop.toml`.
//!
//! ```toml
//! schema = 1
//! profile = "default"
//! snapshot = "2026-11-22"
//! linkage = "shared"
//! natives = ["zlib"]
//!
//! [packages]
//! ripgrep = "15"
//! fd-find = { version = "10", default-features = false, compiler = "1.95.0" }
//! hello = { recipe = "./hello.toml" }
//!
//! [recipes]
//! number-sys = "./number-sys.toml"
//!
//! [recipe-sources]
//! ours = { git = "https://example.org/recipes", rev = "0123456789abcdef0123456789abcdef01234567" }
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `mod` | the types |
//! | `read` | text to [`Manifest`] |
//! | `sources` | `[recipe-sources]`, read and changed |
//! | [`wish`] | [`Wish`]: where a file asks for what nobody can have |
//! | [`editor`] | [`ManifestEditor`]: changes a file, keeps all that it does not change |

pub mod editor;
mod read;
pub(crate) mod sources;
pub mod wish;

use std::collections::{BTreeMap, BTreeSet};

pub use editor::ManifestEditor;
use jiff::Timestamp;
use serde::Serialize;
pub use wish::Wish;

use crate::choice::choice;
use crate::error::RecipeError;
use crate::name::{FeatureName, PackageName};
use crate::recipe::CrateSource;
use crate::{AppSpec, VersionReq};

/// What a user declares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// The profile the packages go to.
    pub profile: Option<String>,
    /// The registry is seen as it was then.
    pub snapshot: Option<Timestamp>,
    /// The linkage of packages that do not choose.
    pub linkage: Option<LinkageChoice>,
    /// The compiler of packages that do not choose.
    pub compiler: Option<String>,
    /// Native libraries, by the names of their recipes, that crates are built against in place of
    /// what they carry.
    pub natives: BTreeSet<PackageName>,
    /// The packages, by name.
    pub packages: BTreeMap<PackageName, PackageRequest>,
    /// The files of further recipes, for crates and native libraries, by what they are for.
    /// Relative to the manifest.
    pub recipes: BTreeMap<PackageName, String>,
    /// Folders and repositories of recipes, by names that the user gave. A relative path begins at
    /// the manifest.
    pub recipe_sources: BTreeMap<PackageName, CrateSource>,
}

/// What a user asks of one package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PackageRequest {
    /// Accepted versions.
    pub requirement: VersionReq,
    /// Features beside the default ones.
    pub features: Vec<FeatureName>,
    /// Whether the default features are on.
    pub default_features: bool,
    /// How versions of its crates are chosen; none means as its recipe says, or else the default.
    pub policy: Option<Policy>,
    /// How it is linked; none means as the manifest says.
    pub linkage: Option<LinkageChoice>,
    /// Whose codegen options its crates are compiled with.
    pub codegen: CodegenChoice,
    /// What it is compiled with, such as `1.95.0`; none means as the manifest says.
    pub compiler: Option<String>,
    /// Native libraries, beside those of the manifest, that its crates are built against in place
    /// of what they carry.
    pub natives: BTreeSet<PackageName>,
    /// The file of its recipe, if it has one of its own. Relative to the manifest.
    pub recipe: Option<String>,
}

choice! {
    /// How the versions of an app's crates are chosen.
    #[derive(Default)]
    Policy {
        /// The newest that fit, as `cargo install` does.
        Latest = "latest",
        /// Those of the lock file that the app is published with.
        Locked = "locked",
        /// The newest that fit and that most apps of the manifest can share.
        #[default]
        Shared = "shared",
    }
}

choice! {
    /// How an app is linked.
    LinkageChoice {
        /// All crates in each program.
        Static = "static",
        /// Crates with several users in a few shared libraries.
        Shared = "shared",
        /// One library per crate, for study.
        Crate = "crate",
    }
}

choice! {
    /// Whose codegen options an app's crates are compiled with.
    #[derive(Default)]
    CodegenChoice {
        /// Those that all apps share; the app's own act on its programs alone.
        #[default]
        Shared = "shared",
        /// Those that the app publishes, for all its crates; it shares none of them.
        App = "app",
    }
}

impl Manifest {
    /// Reads the text of a manifest; `file_name` is for messages.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, RecipeError> {
        read::manifest(file_name, text)
    }

    /// Returns the request for a package, with what the manifest says for all packages filled in.
    pub fn request(&self, name: &PackageName) -> Option<PackageRequest> {
        let mut request = self.packages.get(name)?.clone();
        request.linkage = request.linkage.or(self.linkage);
        request.compiler = request.compiler.or_else(|| self.compiler.clone());
        request.natives.extend(self.natives.iter().cloned());
        Some(request)
    }
}

impl Default for PackageRequest {
    fn default() -> Self {
        Self {
            requirement: VersionReq::STAR,
            features: Vec::new(),
            default_features: true,
            policy: None,
            linkage: None,
            codegen: CodegenChoice::default(),
            compiler: None,
            natives: BTreeSet::new(),
            recipe: None,
        }
    }
}

impl From<AppSpec> for PackageRequest {
    fn from(spec: AppSpec) -> Self {
        match spec {
            AppSpec::Registry { requirement, .. } => Self {
                requirement,
                ..Self::default()
            },
            AppSpec::Recipe(path) => Self {
                recipe: Some(path),
                ..Self::default()
            },
        }
    }
}
