//! [`RustcCall`]: everything one call of rustc depends on.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{NATIVE_NAMES, Tools};
use crate::content_hash;
use crate::digest::{ContentHash, Hasher};
use crate::path::StorePath;

/// One call of rustc. The command line and the environment follow from it and from the directives
/// in the named build-script runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RustcCall {
    /// Compiler, linker, isolation.
    pub tools: Tools,
    /// The unpacked package.
    pub source: StorePath,
    /// The package as the environment describes it.
    pub package: PackageTexts,
    /// What is made.
    pub kind: CrateKind,
    /// `--crate-name`.
    pub crate_name: String,
    /// The root file, relative to the source.
    pub path: String,
    /// `--edition`.
    pub edition: String,
    /// Active features.
    pub features: BTreeSet<String>,
    /// Features that exist, for `--check-cfg`.
    pub declared_features: BTreeSet<String>,
    /// `--extern`, in Cargo's order: that of the packages.
    pub externs: Vec<Extern>,
    /// Every library reachable through the externs, themselves included.
    pub libraries: BTreeSet<Library>,
    /// The run of the package's own build script.
    pub script: Option<StorePath>,
    /// The runs of build scripts of reachable libraries, in the order in which their link-search
    /// paths apply.
    pub reachable_scripts: Vec<StorePath>,
    /// Native libraries from recipes that this crate or one it links needs.
    pub natives: BTreeSet<StorePath>,
    /// Whether a package's own library exists beside this program (it then takes the `-l` flags).
    pub has_library: bool,
    /// How code is generated.
    pub codegen: Codegen,
    /// Extra environment from a recipe.
    pub environment: BTreeMap<String, String>,
}

/// What a call of rustc makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CrateKind {
    /// A library for other crates: an ordinary rlib.
    Library,
    /// A library that the compiler loads.
    ProcMacro,
    /// A build script, to be run.
    BuildScript,
    /// A program: its link set is recorded, nothing is linked.
    Program {
        /// The name it is run by.
        name: String,
    },
    /// A library that a program loads while it runs: its link set is recorded, nothing is linked.
    Plugin,
    /// A shared library for C, linked as those of native builds are, with what its users need.
    CLibrary(Box<CLibrary>),
}

/// A shared library for C: `lib/lib<crate name>.so`, headers, and a description for pkg-config.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CLibrary {
    /// Headers by their places below `include`: files of the package, or else of the `OUT_DIR` of
    /// its build script.
    pub headers: BTreeMap<String, String>,
    /// The name by which pkg-config finds it.
    pub pkg_config: String,
}

/// One `--extern`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Extern {
    /// The name in the user's code.
    pub name: String,
    /// What it stands for.
    pub library: Library,
}

/// A compiled library in the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Library {
    /// The object that holds it.
    pub object: StorePath,
    /// Its own crate name.
    pub crate_name: String,
    /// Whether it is a proc macro.
    pub proc_macro: bool,
}

impl Library {
    /// Returns the file inside the object: `libserde-0123456789abcdfg.rlib`.
    pub fn file_name(&self) -> String {
        let ending = if self.proc_macro { "so" } else { "rlib" };
        format!("lib{}-{}.{ending}", self.crate_name, self.object.short())
    }
}

/// The texts of `CARGO_PKG_*`; absent ones are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageTexts {
    /// `CARGO_PKG_NAME`.
    pub name: String,
    /// `CARGO_PKG_VERSION`; its parts follow from it.
    pub version: String,
    /// `CARGO_PKG_AUTHORS`.
    pub authors: String,
    /// `CARGO_PKG_DESCRIPTION`.
    pub description: String,
    /// `CARGO_PKG_HOMEPAGE`.
    pub homepage: String,
    /// `CARGO_PKG_REPOSITORY`.
    pub repository: String,
    /// `CARGO_PKG_LICENSE`.
    pub license: String,
    /// `CARGO_PKG_LICENSE_FILE`.
    pub license_file: String,
    /// `CARGO_PKG_RUST_VERSION`.
    pub rust_version: String,
    /// `CARGO_PKG_README`.
    pub readme: String,
    /// Whether it is what the user asked for: `CARGO_PRIMARY_PACKAGE`.
    pub primary: bool,
}

/// Codegen options: what Cargo calls a profile.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Codegen {
    /// `-C opt-level`: `0` to `3`, `s`, `z`.
    pub opt_level: String,
    /// `-C codegen-units`, where not rustc's default.
    pub codegen_units: Option<u64>,
    /// `-C debuginfo`, where not none.
    pub debug_info: Option<String>,
    /// Link-time optimisation.
    pub lto: Lto,
    /// Whether a panic ends the process at once, rather than to unwind.
    pub panic_abort: bool,
    /// `-C overflow-checks`.
    pub overflow_checks: bool,
    /// `-C debug-assertions`.
    pub debug_assertions: bool,
}

/// Link-time optimisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Lto {
    /// Within the crate, where rustc sees fit. A library holds machine code alone.
    Local,
    /// None at all. A library holds machine code alone.
    Off,
    /// Left to the programs: a library holds bitcode alone.
    Left,
    /// Of a program, over all its libraries, in parallel.
    Thin,
    /// Of a program, over all its libraries as one.
    Fat,
}

impl Codegen {
    /// The class of every crate that ends up in an app: Cargo's release defaults.
    pub fn target() -> Self {
        Self::class("3")
    }

    /// The class of build scripts, proc macros and what they use: Cargo's `build-override`.
    pub fn host() -> Self {
        Self::class("0")
    }

    /// Returns what a build script is told of the way its package is compiled, and no more: runs
    /// are shared by all that agree in it.
    #[must_use]
    pub fn of_script(&self) -> Self {
        Self {
            debug_info: self.debug_info.clone(),
            ..Self::class(&self.opt_level)
        }
    }

    fn class(opt_level: &str) -> Self {
        Self {
            opt_level: opt_level.to_owned(),
            codegen_units: None,
            debug_info: None,
            lto: Lto::Local,
            panic_abort: false,
            overflow_checks: false,
            debug_assertions: false,
        }
    }
}

impl RustcCall {
    pub(super) fn inputs(&self) -> BTreeSet<StorePath> {
        let mut inputs = BTreeSet::from([
            self.tools.compiler.clone(),
            self.tools.c_tools.clone(),
            self.source.clone(),
        ]);
        inputs.extend(self.libraries.iter().map(|library| library.object.clone()));
        inputs.extend(self.script.iter().cloned());
        inputs.extend(self.reachable_scripts.iter().cloned());
        inputs.extend(self.natives.iter().cloned());
        inputs
    }

    pub(super) fn references(&self) -> BTreeSet<StorePath> {
        match self.kind {
            // A program's link set is linked against all of them; a library is compiled against
            // and linked with all of them.
            CrateKind::Library | CrateKind::Program { .. } | CrateKind::Plugin => {
                let mut references: BTreeSet<_> = self
                    .libraries
                    .iter()
                    .map(|library| library.object.clone())
                    .collect();
                references.extend(self.script.iter().cloned());
                references.extend(self.reachable_scripts.iter().cloned());
                references.extend(self.natives.iter().cloned());
                references
            }
            // These are closed files.
            CrateKind::ProcMacro | CrateKind::BuildScript | CrateKind::CLibrary(_) => {
                self.natives.clone()
            }
        }
    }

    /// Whether the call ends in a real link, so that the C tools are part of its key.
    fn links(&self) -> bool {
        matches!(
            self.kind,
            CrateKind::ProcMacro | CrateKind::BuildScript | CrateKind::CLibrary(_)
        )
    }
}

impl ContentHash for RustcCall {
    fn hash(&self, hasher: &mut Hasher) {
        let links = self.links();
        let Self {
            tools,
            source,
            package,
            kind,
            crate_name,
            path,
            edition,
            features,
            declared_features,
            externs,
            libraries,
            script,
            reachable_scripts,
            natives,
            has_library,
            codegen,
            environment,
        } = self;
        tools.compiler.hash(hasher);
        links.then_some(&tools.c_tools).hash(hasher);
        tools.isolation.hash(hasher);
        source.hash(hasher);
        package.hash(hasher);
        kind.hash(hasher);
        crate_name.hash(hasher);
        path.hash(hasher);
        edition.hash(hasher);
        features.hash(hasher);
        declared_features.hash(hasher);
        externs.hash(hasher);
        libraries.hash(hasher);
        script.hash(hasher);
        reachable_scripts.hash(hasher);
        natives.hash(hasher);
        has_library.hash(hasher);
        codegen.hash(hasher);
        environment.hash(hasher);
    }
}

impl ContentHash for Lto {
    fn hash(&self, hasher: &mut Hasher) {
        hasher.integer(match self {
            Self::Local => 0,
            Self::Off => 1,
            Self::Left => 2,
            Self::Thin => 3,
            Self::Fat => 4,
        });
    }
}

impl ContentHash for CrateKind {
    fn hash(&self, hasher: &mut Hasher) {
        match self {
            Self::Library => hasher.integer(0),
            Self::ProcMacro => hasher.integer(1),
            Self::BuildScript => hasher.integer(2),
            Self::Program { name } => {
                hasher.integer(3);
                name.hash(hasher);
            }
            Self::Plugin => hasher.integer(4),
            Self::CLibrary(library) => {
                hasher.integer(5);
                NATIVE_NAMES.hash(hasher);
                library.hash(hasher);
            }
        }
    }
}

content_hash!(CLibrary {
    headers,
    pkg_config
});
content_hash!(Extern { name, library });
content_hash!(Library {
    object,
    crate_name,
    proc_macro
});
content_hash!(Codegen {
    opt_level,
    codegen_units,
    debug_info,
    lto,
    panic_abort,
    overflow_checks,
    debug_assertions,
});
content_hash!(PackageTexts {
    name,
    version,
    authors,
    description,
    homepage,
    repository,
    license,
    license_file,
    rust_version,
    readme,
    primary,
});
