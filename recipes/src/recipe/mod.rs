//! [`Recipe`]: how a package is built, one TOML file each.
//!
//! A recipe says `schema = 1` and has exactly one of six tables:
//!
//! | table | type | says |
//! |---|---|---|
//! | `[app]` | [`AppRecipe`] | which package of the registry is an app, and what of it is installed |
//! | `[crate]` | [`CrateOverride`] | what a crate's build script and compilation need beyond Cargo's |
//! | `[library]` | [`LibraryRecipe`] | how a native library is built by a shell script |
//! | `[cdylib]` | [`CdylibRecipe`] | which package of the registry is a library for C |
//! | `[plugin]` | [`PluginRecipe`] | which package is a plugin, and of which app |
//! | `[compiler]` | [`CompilerRecipe`] | which archives are a Rust compiler |
//!
//! | module | holds |
//! |---|---|
//! | `mod` | the types |
//! | `read` | text to [`Recipe`] |
//! | `remote` | what a recipe from another machine may not name |
//! | [`cdylib`] | [`CdylibRecipe`]: libraries for C out of crates |
//! | [`compiler`] | [`CompilerRecipe`]: Rust compilers out of archives |
//! | `environment` | which variables a recipe may set, and what stands for folders in their values |
//! | [`filter`] | [`Filter`]: which files are the source of a native library |
//! | [`natives`] | [`NativeRecipe`]: what goes by the name of a native library |
//! | [`needs`] | [`Need`]: what a recipe asks of another |
//! | [`outputs`] | [`OutputGlobs`]: which files of a native library are objects of their own |
//! | [`set`] | [`RecipeSet`]: recipes by name |
//! | [`build`] | [`BuildSystem`]: native libraries that need no script |
//! | [`share`] | [`ShareOrigin`]: man pages and completions of an app |
//! | [`tool`] | [`Tool`]: programs of the machine that crates call |
//! | `shipped` | the texts of `recipes/packages/` |

pub mod build;
pub mod cdylib;
pub mod compiler;
mod environment;
pub mod filter;
pub mod natives;
pub mod needs;
pub mod outputs;
mod read;
mod remote;
pub mod set;
pub mod share;
pub(crate) mod shipped;
pub mod tool;

use std::collections::{BTreeMap, BTreeSet};

pub use build::BuildSystem;
pub use cdylib::CdylibRecipe;
pub use compiler::{CompilerRecipe, CompilerSource};
pub use filter::Filter;
pub use natives::{NativeRecipe, Unmet};
pub use needs::{AppNeeds, BuildNeeds, Condition, LibraryNeeds, Need, Needs};
pub use outputs::{LibraryOutput, OutputGlobs};
pub(crate) use read::crate_source;
use schemars::JsonSchema;
use serde::Serialize;
pub use set::RecipeSet;
pub use share::ShareOrigin;
pub use tool::Tool;

use crate::choice::choice;
use crate::error::{RecipeError, RecipeErrorKind};
use crate::manifest::{PackageRequest, Policy};
use crate::name::{FeatureName, PackageName};
use crate::{Version, VersionReq, text};

/// How a package is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    /// An app.
    App(AppRecipe),
    /// A crate that needs more than Cargo gives it.
    Crate(CrateOverride),
    /// A native library.
    Library(LibraryRecipe),
    /// A library for C out of a crate.
    Cdylib(CdylibRecipe),
    /// A plugin.
    Plugin(PluginRecipe),
    /// A Rust compiler.
    Compiler(CompilerRecipe),
}

choice! {
    /// What a recipe is for: the name of its table.
    RecipeKind {
        /// [`Recipe::App`].
        App = "app",
        /// [`Recipe::Crate`].
        Crate = "crate",
        /// [`Recipe::Library`].
        Library = "library",
        /// [`Recipe::Cdylib`].
        Cdylib = "cdylib",
        /// [`Recipe::Plugin`].
        Plugin = "plugin",
        /// [`Recipe::Compiler`].
        Compiler = "compiler",
    }
}

/// An app: a package of the registry, or of a folder or a Git repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields, extend("required" = ["name"]))]
pub struct AppRecipe {
    /// The app's name.
    pub name: PackageName,
    /// The package of the registry.
    #[serde(rename = "crate")]
    pub package: PackageName,
    /// Its accepted versions.
    #[serde(rename = "version")]
    #[schemars(with = "String")]
    pub requirement: VersionReq,
    /// Features beside the default ones.
    pub features: Vec<FeatureName>,
    /// Whether the default features are on.
    pub default_features: bool,
    /// How versions of its crates are chosen where nobody says; none means the default.
    pub policy: Option<Policy>,
    /// The programs that are exposed; none named means all.
    pub binaries: BTreeSet<String>,
    /// Other names by which people look for it.
    pub aliases: BTreeSet<PackageName>,
    /// The packages whose crates it has in common with its plugins; none if it takes no plugins.
    pub plugins: BTreeSet<PackageName>,
    /// What else it needs.
    pub needs: AppNeeds,
    /// Where the package comes from, if not from the registry.
    pub source: Option<CrateSource>,
    /// Packages that come from elsewhere than the registry wherever the app needs them.
    pub patch: BTreeMap<PackageName, CrateSource>,
    /// What it is, in one line.
    pub summary: Option<String>,
    /// Its licence, as an SPDX expression.
    pub license: Option<String>,
    /// Man pages, completions and other files beside the programs, by their places below `share`.
    pub share: BTreeMap<String, ShareOrigin>,
    /// The versions that `share` is about; none means all. Others come without these files.
    #[schemars(with = "Option<String>")]
    pub share_versions: Option<VersionReq>,
    /// A shell line that succeeds if it works.
    pub test: Option<String>,
    /// What people should know once it is installed.
    pub caveats: Option<String>,
    /// Why nobody should install it any more.
    pub deprecated: Option<String>,
    /// The versions that `orlop recipe bump` may move to; none means all but pre-releases.
    #[schemars(with = "Option<String>")]
    pub update: Option<VersionReq>,
}

/// A plugin: a package whose library an app loads while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields, extend("required" = ["name", "host"]))]
pub struct PluginRecipe {
    /// The plugin's name.
    pub name: PackageName,
    /// The app that loads it, by the name it is installed by.
    pub host: PackageName,
    /// The package of the registry.
    #[serde(rename = "crate")]
    pub package: PackageName,
    /// Its accepted versions.
    #[serde(rename = "version")]
    #[schemars(with = "String")]
    pub requirement: VersionReq,
    /// Features beside the default ones.
    pub features: Vec<FeatureName>,
    /// Whether the default features are on.
    pub default_features: bool,
    /// The name of its compiler; none means that of the host, which is the only one that works.
    pub compiler: Option<String>,
    /// Where the package comes from, if not from the registry.
    pub source: Option<CrateSource>,
}

/// Where a package comes from that is not taken from the registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(untagged, rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub enum CrateSource {
    /// A folder.
    Path {
        /// Its path; a relative one begins at the folder of the recipe.
        path: String,
    },
    /// A commit of a Git repository.
    Git {
        /// The address of the repository.
        git: String,
        /// The commit: all 40 digits, as names move.
        rev: String,
        /// The folder of the package in it; none means the top.
        folder: Option<String>,
    },
}

/// What a crate needs to be built, beyond what Cargo gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields, extend("required" = ["name"]))]
pub struct CrateOverride {
    /// The crate's package.
    pub name: PackageName,
    /// The versions that need it.
    #[schemars(with = "String")]
    pub versions: VersionReq,
    /// The native libraries it needs, by the names of their recipes.
    #[schemars(schema_with = "needs::schema")]
    pub native: Needs,
    /// What else it needs.
    pub needs: BuildNeeds,
    /// The programs of the machine that its build script calls.
    pub tools: BTreeSet<Tool>,
    /// The programs of the machine that the build scripts of others call through it.
    pub through: BTreeSet<Tool>,
    /// Of the programs that its build dependencies call, those that its build script makes no use
    /// of.
    pub unused_tools: BTreeSet<Tool>,
    /// Environment for its build script and its compilation.
    pub environment: BTreeMap<String, String>,
    /// The native libraries it can be built against in place of what it carries, by the names of
    /// their recipes. A manifest says which are: `natives`.
    pub instead: BTreeMap<PackageName, Instead>,
}

/// What a crate needs that is built against a native library in place of what it carries: all that
/// its recipe says otherwise of tools and environment does not count then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub struct Instead {
    /// The versions of the crate that can use this version of the library.
    #[schemars(with = "String")]
    pub versions: VersionReq,
    /// The programs of the machine that its build script calls.
    pub tools: BTreeSet<Tool>,
    /// Of the programs that its build dependencies call, those that its build script makes no use
    /// of.
    pub unused_tools: BTreeSet<Tool>,
    /// Environment for its build script and its compilation.
    pub environment: BTreeMap<String, String>,
}

/// A native library, built by a script or by a build system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(
    deny_unknown_fields,
    extend(
        "required" = ["name", "version", "source"],
        "oneOf" = [{ "required": ["build"] }, { "required": ["script"] }],
    )
)]
pub struct LibraryRecipe {
    /// Its name.
    pub name: PackageName,
    /// Its version, as its authors write it.
    pub version: String,
    /// The versions of its source that `orlop recipe bump` may move to.
    #[schemars(with = "Option<String>")]
    pub update: Option<VersionReq>,
    /// Where its source comes from.
    pub source: LibrarySource,
    /// Changes to the source, as `patch -p1` reads them where the build starts.
    pub patch: Option<String>,
    /// What builds it, if not a script.
    pub build: Option<BuildSystem>,
    /// Further words for what configures the build, each as a shell reads it in double quotes.
    pub arguments: Vec<String>,
    /// Run by `sh -eu` in the source; what it puts into `$out` is the library.
    pub script: Option<String>,
    /// The native libraries it needs, by the names of their recipes.
    #[schemars(schema_with = "needs::schema")]
    pub native: Needs,
    /// What else it needs.
    pub needs: LibraryNeeds,
    /// Run by `sh -eu` against what was built, with the library in reach as for those who use it; it
    /// succeeds if the library works.
    pub test: Option<String>,
    /// Which of its files are objects of their own.
    pub outputs: OutputGlobs,
    /// The programs of the machine that the script calls.
    pub tools: BTreeSet<Tool>,
    /// Environment for the script.
    pub environment: BTreeMap<String, String>,
}

/// Where the source of a native library comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged, rename_all = "kebab-case")]
#[schemars(deny_unknown_fields)]
pub enum LibrarySource {
    /// A package of the registry that carries it.
    Crate {
        /// The package.
        #[serde(rename = "crate")]
        name: PackageName,
        /// Its version.
        #[schemars(with = "String")]
        version: Version,
        /// SHA-256 of the `.crate` file, in hexadecimal.
        checksum: String,
        /// The folder in it where the script starts. Letters, digits and `/.+-_` only: no shell
        /// needs quotes for it.
        folder: Option<String>,
    },
    /// An archive, `.tar.gz`.
    Url {
        /// Its address.
        url: String,
        /// Other addresses of the same archive, asked in this order where the first fails.
        #[serde(default)]
        mirrors: Vec<String>,
        /// SHA-256 of the archive, in hexadecimal.
        sha256: String,
        /// The folder in it where the script starts. Letters, digits and `/.+-_` only: no shell
        /// needs quotes for it.
        folder: Option<String>,
    },
    /// A commit of a Git repository.
    Git {
        /// The address of the repository.
        git: String,
        /// The commit: all 40 digits, as names move.
        rev: String,
        /// The folder in it where the script starts. Letters, digits and `/.+-_` only: no shell
        /// needs quotes for it.
        folder: Option<String>,
        /// Which files are taken.
        #[serde(default)]
        filter: Filter,
    },
    /// A folder.
    Path {
        /// Its path; a relative one begins at the folder of the recipe.
        path: String,
        /// The folder in it where the script starts. Letters, digits and `/.+-_` only: no shell
        /// needs quotes for it.
        folder: Option<String>,
        /// Which files are taken.
        #[serde(default)]
        filter: Filter,
    },
    /// A folder or a commit that was packed into an archive. No recipe says so.
    #[schemars(skip)]
    Packed {
        /// SHA-256 of the archive, in hexadecimal.
        checksum: String,
        /// The folder in it where the script starts.
        folder: Option<String>,
    },
}

impl Recipe {
    /// Reads the text of a recipe; `file_name` is for messages.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, RecipeError> {
        read::recipe(file_name, text)
    }

    /// Reads the text of a recipe that comes from another machine: it may name nothing of this one.
    pub fn parse_remote(file_name: &str, text: &str) -> Result<Self, RecipeError> {
        let recipe = Self::parse(file_name, text)?;
        remote::check(file_name, text, &recipe)?;
        Ok(recipe)
    }

    /// Returns what it is for.
    pub fn kind(&self) -> RecipeKind {
        match self {
            Self::App(_) => RecipeKind::App,
            Self::Crate(_) => RecipeKind::Crate,
            Self::Library(_) => RecipeKind::Library,
            Self::Cdylib(_) => RecipeKind::Cdylib,
            Self::Plugin(_) => RecipeKind::Plugin,
            Self::Compiler(_) => RecipeKind::Compiler,
        }
    }

    /// Returns the name of what it builds.
    pub fn name(&self) -> &PackageName {
        match self {
            Self::App(app) => &app.name,
            Self::Crate(change) => &change.name,
            Self::Library(library) => &library.name,
            Self::Cdylib(cdylib) => &cdylib.name,
            Self::Plugin(plugin) => &plugin.name,
            Self::Compiler(compiler) => &compiler.name,
        }
    }
}

impl AppRecipe {
    /// Whether the files beside the programs are for this version.
    pub fn shares(&self, version: &Version) -> bool {
        self.share_versions
            .as_ref()
            .is_none_or(|versions| versions.matches(version))
    }

    /// Joins what the recipe says of the package with what the user asks: versions fit both,
    /// features are those of both, the default features are on if both leave them on.
    pub fn request(&self, asked: &PackageRequest) -> PackageRequest {
        let mut request = asked.clone();
        // All comparators of a requirement must hold.
        request
            .requirement
            .comparators
            .extend(self.requirement.comparators.iter().cloned());
        request.features.extend(self.features.iter().cloned());
        request.features.sort();
        request.features.dedup();
        request.default_features &= self.default_features;
        request.policy = request.policy.or(self.policy);
        request
    }
}

impl CrateSource {
    /// A commit of a repository, or a folder in it, for those that read of it elsewhere than in a
    /// recipe.
    pub fn commit(address: &str, rev: &str, folder: Option<&str>) -> Result<Self, RecipeErrorKind> {
        Ok(Self::Git {
            git: text::repository(address)?,
            rev: text::commit(&rev.to_ascii_lowercase())?,
            folder: folder.map(text::folder).transpose()?,
        })
    }

    /// Whether it lies on this machine: a folder, or a repository in one.
    pub fn is_here(&self) -> bool {
        match self {
            Self::Path { .. } => true,
            Self::Git { git, .. } => git.starts_with("file:"),
        }
    }

    /// Returns the source as seen from `base`, the folder that a relative path begins at.
    #[must_use]
    pub fn seen_from(&self, base: &str) -> Self {
        match self {
            Self::Path { path } if !path.starts_with('/') => Self::Path {
                path: format!("{base}/{path}"),
            },
            other => other.clone(),
        }
    }
}

impl CrateOverride {
    /// Whether it is for this version. Without a requirement, pre-releases are meant as well.
    pub fn applies_to(&self, version: &Version) -> bool {
        self.versions == VersionReq::STAR || self.versions.matches(version)
    }

    /// Returns the same crate built against a native library in place of what it carries.
    fn built_against(&self, library: &PackageName, instead: &Instead) -> Self {
        let mut versions = self.versions.clone();
        // All comparators of a requirement must hold.
        versions
            .comparators
            .extend(instead.versions.comparators.iter().cloned());
        let mut native = self.native.clone();
        native.entry(library.clone()).or_insert_with(Need::any);
        Self {
            name: self.name.clone(),
            versions,
            native,
            needs: self.needs.clone(),
            tools: instead.tools.clone(),
            through: self.through.clone(),
            unused_tools: instead.unused_tools.clone(),
            environment: instead.environment.clone(),
            instead: BTreeMap::new(),
        }
    }
}

impl LibraryRecipe {
    /// Returns the script that builds it, from the top of its source.
    pub fn lines(&self) -> String {
        let mut lines = String::new();
        if let Some(folder) = self.source.folder() {
            // Recipes allow no letter in it that a shell would want quoted.
            lines.extend(["cd ", folder, "\n"]);
        }
        lines.extend(self.patch.as_deref().map(build::patching));
        lines.push_str(&match (self.build, &self.script) {
            (Some(system), _) => system.script(&self.arguments),
            (None, script) => script.clone().unwrap_or_default(),
        });
        lines
    }

    /// Returns the programs of the machine that build it.
    pub fn called(&self) -> BTreeSet<Tool> {
        let mut tools = self.tools.clone();
        tools.extend(self.build.map(BuildSystem::tools).into_iter().flatten());
        tools
    }
}

impl LibrarySource {
    /// Returns the folder in the source where the script starts, if that is not the top.
    pub fn folder(&self) -> Option<&str> {
        match self {
            Self::Crate { folder, .. }
            | Self::Url { folder, .. }
            | Self::Git { folder, .. }
            | Self::Path { folder, .. }
            | Self::Packed { folder, .. } => folder.as_deref(),
        }
    }

    /// Returns the folder or the commit that is to be packed, if it is one.
    pub fn unpacked(&self) -> Option<(CrateSource, &Filter)> {
        match self {
            Self::Git {
                git, rev, filter, ..
            } => {
                let source = CrateSource::Git {
                    git: git.clone(),
                    rev: rev.clone(),
                    folder: None,
                };
                Some((source, filter))
            }
            Self::Path { path, filter, .. } => {
                let source = CrateSource::Path { path: path.clone() };
                Some((source, filter))
            }
            Self::Crate { .. } | Self::Url { .. } | Self::Packed { .. } => None,
        }
    }

    /// Lets a relative path begin at `base`.
    pub fn move_to(&mut self, base: &str) {
        if let Self::Path { path, .. } = self
            && !path.starts_with('/')
        {
            *path = format!("{base}/{path}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_and_a_user_must_both_agree() {
        let recipe = Recipe::parse(
            "x.toml",
            r#"
            schema = 1
            [app]
            name = "x"
            version = ">=2"
            features = ["b"]
            default-features = false
            "#,
        );
        let Ok(Recipe::App(recipe)) = recipe else {
            panic!("{recipe:?}")
        };
        let asked = PackageRequest {
            requirement: VersionReq::parse("<4").unwrap(),
            features: vec!["c".parse().unwrap(), "b".parse().unwrap()],
            ..PackageRequest::default()
        };
        let request = recipe.request(&asked);
        assert!(request.requirement.matches(&Version::new(3, 0, 0)));
        assert!(!request.requirement.matches(&Version::new(1, 0, 0)));
        assert!(!request.requirement.matches(&Version::new(4, 0, 0)));
        assert_eq!(
            request.features,
            ["b".parse().unwrap(), "c".parse().unwrap()]
        );
        assert!(!request.default_features);
    }
}
