//! [`ScriptRun`] and [`NativeBuild`]: steps that run a program or a shell script to make a tree.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Codegen, NATIVE_NAMES, PackageTexts, Tools};
use crate::content_hash;
use crate::digest::{ContentHash, Hasher};
use crate::path::StorePath;

/// The run of a compiled build script. The output holds `out/` (its `OUT_DIR`) and its parsed
/// directives; `OUT_DIR` is that stable place because crates bake its path in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptRun {
    /// Compiler, C tools, isolation.
    pub tools: Tools,
    /// The unpacked package: the working folder.
    pub source: StorePath,
    /// The package as the environment describes it.
    pub package: PackageTexts,
    /// The object that holds the compiled script.
    pub program: StorePath,
    /// The unpacked packages whose crates are in the script, and the runs of their build scripts:
    /// they may carry what it works on, and know where that lay when they were compiled. Not part
    /// of the key, as the program's covers them.
    #[serde(default)]
    pub carried: BTreeSet<StorePath>,
    /// `package.links`.
    pub links: Option<String>,
    /// The package's programs, which link arguments may name.
    pub programs: BTreeSet<String>,
    /// Active features: `CARGO_FEATURE_*`.
    pub features: BTreeSet<String>,
    /// Runs of the immediate normal dependencies that have `links`: `DEP_*`.
    pub dependencies: Vec<DependencyScript>,
    /// The options of the package's library: `OPT_LEVEL`, `DEBUG`, `PROFILE`.
    pub codegen: Codegen,
    /// Native libraries from recipes.
    pub natives: BTreeSet<StorePath>,
    /// Programs that were built before.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub helpers: Helpers,
    /// Extra environment from a recipe. One of `natives` in braces stands for its folder.
    pub environment: BTreeMap<String, String>,
}

/// Which part of what a native build makes is its object. The parts are built apart from each other,
/// so that none keeps another, and each can be made again by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outputs {
    /// The files that are documentation, by globs; a folder stands for all that is in it.
    pub doc: Vec<String>,
    /// The files that are man pages.
    pub man: Vec<String>,
    /// The part that stays.
    pub kept: Output,
}

/// A part of what a native build makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Output {
    /// What others are built against: all but the other parts.
    #[default]
    Dev,
    /// Documentation.
    Doc,
    /// Man pages.
    Man,
}

/// Objects whose programs a step starts, each with the native libraries that these load.
pub type Helpers = BTreeMap<StorePath, BTreeSet<StorePath>>;

/// A build-script run whose metadata another script sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependencyScript {
    /// The `links` value: `DEP_<LINKS>_<KEY>`.
    pub links: String,
    /// The run.
    pub run: StorePath,
}

/// A tree made by a recipe's shell script; `$out` is where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeBuild {
    /// Compiler, C tools, isolation.
    pub tools: Tools,
    /// The unpacked source, copied to a writable folder in which the script starts.
    pub source: StorePath,
    /// Run by `sh -eu`.
    pub script: String,
    /// Native libraries it uses.
    pub natives: BTreeSet<StorePath>,
    /// Programs that were built before.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub helpers: Helpers,
    /// Its environment beside the standard one.
    pub environment: BTreeMap<String, String>,
    /// What of it is the object.
    #[serde(default)]
    pub outputs: Outputs,
}

impl ScriptRun {
    pub(super) fn inputs(&self) -> BTreeSet<StorePath> {
        let mut inputs = BTreeSet::from([
            self.tools.compiler.clone(),
            self.tools.c_tools.clone(),
            self.source.clone(),
            self.program.clone(),
        ]);
        inputs.extend(self.carried.iter().cloned());
        inputs.extend(
            self.dependencies
                .iter()
                .map(|dependency| dependency.run.clone()),
        );
        inputs.extend(self.natives.iter().cloned());
        inputs.extend(of_helpers(&self.helpers));
        inputs
    }
}

impl NativeBuild {
    /// Returns all store objects that it reads.
    pub fn inputs(&self) -> BTreeSet<StorePath> {
        let mut inputs = BTreeSet::from([self.tools.c_tools.clone(), self.source.clone()]);
        inputs.extend(self.natives.iter().cloned());
        inputs.extend(of_helpers(&self.helpers));
        inputs
    }
}

fn of_helpers(helpers: &Helpers) -> impl Iterator<Item = StorePath> {
    let all = helpers
        .iter()
        .flat_map(|(object, loaded)| std::iter::once(object).chain(loaded));
    all.cloned()
}

/// Hashed last, and only where there are any: others keep the keys that they had before there were
/// any at all.
fn hash_helpers(helpers: &Helpers, hasher: &mut Hasher) {
    if !helpers.is_empty() {
        helpers.hash(hasher);
    }
}

impl ContentHash for ScriptRun {
    fn hash(&self, hasher: &mut Hasher) {
        let Self {
            tools,
            source,
            package,
            program,
            carried: _,
            links,
            programs,
            features,
            dependencies,
            codegen,
            natives,
            helpers,
            environment,
        } = self;
        tools.hash(hasher);
        source.hash(hasher);
        package.hash(hasher);
        program.hash(hasher);
        links.hash(hasher);
        programs.hash(hasher);
        features.hash(hasher);
        dependencies.hash(hasher);
        codegen.hash(hasher);
        natives.hash(hasher);
        environment.hash(hasher);
        hash_helpers(helpers, hasher);
    }
}

content_hash!(DependencyScript { links, run });

/// Hashed behind what may have no helpers, whose number is never this.
const OUTPUTS: u64 = u64::MAX;

impl Outputs {
    fn hash_some(&self, hasher: &mut Hasher) {
        let Self { doc, man, kept } = self;
        if *self == Self::default() {
            return;
        }
        hasher.integer(OUTPUTS);
        doc.hash(hasher);
        man.hash(hasher);
        hasher.integer(match kept {
            Output::Dev => 0,
            Output::Doc => 1,
            Output::Man => 2,
        });
    }
}

impl ContentHash for NativeBuild {
    fn hash(&self, hasher: &mut Hasher) {
        let Self {
            tools,
            source,
            script,
            natives,
            helpers,
            environment,
            outputs,
        } = self;
        NATIVE_NAMES.hash(hasher);
        tools.hash(hasher);
        source.hash(hasher);
        script.hash(hasher);
        natives.hash(hasher);
        environment.hash(hasher);
        hash_helpers(helpers, hasher);
        outputs.hash_some(hasher);
    }
}
