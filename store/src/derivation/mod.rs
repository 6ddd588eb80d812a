//! [`Derivation`]: one exact step, hashed. Users read "build".
//!
//! A derivation holds everything that may influence its output, and nothing else; the digest over
//! it names the output. What a step needs from other steps it names by store path, so a key covers
//! its whole history.
//!
//! | module | holds |
//! |---|---|
//! | [`rustc`] | [`RustcCall`]: one crate, one program, one build script, one library for C |
//! | [`script`] | [`ScriptRun`], [`NativeBuild`]: programs and shell scripts that make a tree |

pub mod rustc;
pub mod script;

use std::collections::BTreeSet;

pub use rustc::{CLibrary, Codegen, CrateKind, Extern, Library, Lto, PackageTexts, RustcCall};
pub use script::{DependencyScript, Helpers, NativeBuild, Output, Outputs, ScriptRun};
use serde::{Deserialize, Serialize};

use crate::content_hash;
use crate::digest::{ContentHash, Digest, Hasher};
use crate::path::StorePath;

/// Version of the written hashing rules and of the shape of derivations.
pub const HASH_FORMAT: u64 = 2;

/// Version of what a build can see: mounts, devices, environment, user and host name.
pub const SANDBOX_CONTRACT: u64 = 3;

/// Version of the names that shared libraries of native builds are given.
pub const NATIVE_NAMES: u64 = 2;

/// One exact step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derivation {
    /// For people, and the end of the store path: `ripgrep-15.1.0-src`.
    pub name: String,
    /// What is done.
    pub step: Step,
}

/// What a derivation does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Unpacks one archive; its checksum fixes the output.
    Unpack(Source),
    /// Calls rustc once.
    Rustc(Box<RustcCall>),
    /// Runs a package's compiled build script.
    Script(Box<ScriptRun>),
    /// Runs a recipe's shell script, mostly for a native library.
    Native(Box<NativeBuild>),
}

/// An archive that somebody publishes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Source {
    /// The package, in its publisher's words.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the archive, in hexadecimal.
    pub checksum: String,
    /// Where it comes from. Not part of the key: the checksum is.
    pub origin: Origin,
}

/// Where an archive comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Origin {
    /// A `.crate` file of the registry.
    Registry,
    /// A `.tar.gz` at an address from a recipe.
    Url(String),
    /// The same, with other addresses that are asked where the first fails.
    Mirrored {
        /// The first address.
        url: String,
        /// The others, in the order in which they are asked.
        mirrors: Vec<String>,
    },
    /// Packed on this machine, out of a folder or a commit that a recipe names.
    Packed,
}

impl Origin {
    /// An archive at an address and at others, if there are others.
    pub fn of_archive(url: &str, mirrors: &[String]) -> Self {
        let url = url.to_owned();
        match mirrors {
            [] => Self::Url(url),
            mirrors => Self::Mirrored {
                url,
                mirrors: mirrors.to_vec(),
            },
        }
    }
}

/// The programs a step runs with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tools {
    /// The compiler (a store object made by import).
    pub compiler: StorePath,
    /// C compiler, linker, shell, libc (a store object made by import).
    pub c_tools: StorePath,
    /// How far the step is shut off from the machine.
    pub isolation: Isolation,
}

/// How far builds are shut off from the machine they run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Isolation {
    /// Namespaces; only declared inputs are visible.
    Full,
    /// Nothing: only on explicit wish. Such outputs have keys of their own.
    None,
}

impl Derivation {
    /// Returns the path of the output.
    pub fn path(&self) -> StorePath {
        StorePath::new(Digest::of("orlop-derivation", self), &self.name)
    }

    /// Returns all store objects that the step reads.
    pub fn inputs(&self) -> BTreeSet<StorePath> {
        match &self.step {
            Step::Unpack(_) => BTreeSet::new(),
            Step::Rustc(call) => call.inputs(),
            Step::Script(run) => run.inputs(),
            Step::Native(build) => build.inputs(),
        }
    }

    /// Returns the store objects without which the output is of no use: those that a later
    /// compilation or link needs together with it. Tools, sources and build scripts are not
    /// among them.
    pub fn references(&self) -> BTreeSet<StorePath> {
        match &self.step {
            Step::Unpack(_) => BTreeSet::new(),
            Step::Rustc(call) => call.references(),
            Step::Script(run) => run.natives.iter().cloned().collect(),
            Step::Native(build) => build.natives.iter().cloned().collect(),
        }
    }
}

impl ContentHash for Derivation {
    fn hash(&self, hasher: &mut Hasher) {
        let Self { name, step } = self;
        HASH_FORMAT.hash(hasher);
        SANDBOX_CONTRACT.hash(hasher);
        name.hash(hasher);
        match step {
            Step::Unpack(source) => {
                hasher.integer(0);
                source.hash(hasher);
            }
            Step::Rustc(call) => {
                hasher.integer(1);
                call.hash(hasher);
            }
            Step::Script(run) => {
                hasher.integer(2);
                run.hash(hasher);
            }
            Step::Native(build) => {
                hasher.integer(3);
                build.hash(hasher);
            }
        }
    }
}

impl ContentHash for Source {
    fn hash(&self, hasher: &mut Hasher) {
        let Self {
            name,
            version,
            checksum,
            origin: _,
        } = self;
        name.hash(hasher);
        version.hash(hasher);
        checksum.hash(hasher);
    }
}

impl ContentHash for Isolation {
    fn hash(&self, hasher: &mut Hasher) {
        hasher.integer(match self {
            Self::Full => 0,
            Self::None => 1,
        });
    }
}

content_hash!(Tools {
    compiler,
    c_tools,
    isolation
});
