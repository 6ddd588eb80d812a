//! The bridge from wishes to facts: lowers variants to derivations and splits them into what is
//! present, what must be fetched and what must be built. Reads only.
//!
//! | module | holds |
//! |---|---|
//! | [`plan()`] | the way through |
//! | `steps` | [`Steps`]: all there is to do, whether it is done or not |
//! | `derivations` | `Derivations`: what has been lowered so far |
//! | `lower` | variant → derivation: what goes into a key |
//! | `codegen` | how each crate is compiled |
//! | `native` | overrides and native libraries from recipes |
//! | `compiler` | the archives of a compiler: [`compiler_archives`] |
//! | `targets` | which targets of the own package are made |
//! | `tools` | which of the machine's programs a step sees: [`tool_sets`] |

mod codegen;
mod compiler;
mod derivations;
mod lower;
mod native;
mod steps;
mod targets;
#[cfg(test)]
mod tests;
mod tools;

use std::collections::{BTreeMap, BTreeSet};

use orlop_recipes::{
    CdylibRecipe, Choice as _, CodegenChoice, PackageName, RecipeSet, Tool, Unmet,
};
use orlop_resolver::{Resolution, distinct_variants_by};
use orlop_store::derivation::Tools;
use orlop_store::{Fetcher, Plan, Store, StoreError};

use crate::codegen::CodegenRules;
pub use crate::compiler::compiler_archives;
pub use crate::native::{cdylibs, cdylibs_of, native_needs};
pub use crate::steps::Steps;
pub use crate::targets::missing_features;
pub use crate::tools::{ToolSets, library_tool_sets, tool_sets};

/// One app to plan.
#[derive(Debug, Clone, Copy)]
pub struct AppRequest<'a> {
    /// What the app is compiled from.
    pub resolution: &'a Resolution,
    /// Overrides, as the app chooses them, and native libraries, which are the same for all apps.
    /// What is needed of them is [packed](RecipeSet::packed).
    pub recipes: &'a RecipeSet,
    /// What is made of it.
    pub product: Product<'a>,
    /// What it is compiled with; of the C tools those without extra ones.
    pub tools: &'a Tools,
    /// Whose codegen options its crates are compiled with.
    pub codegen: CodegenChoice,
    /// Whether its programs load no library that other apps load, too.
    pub alone: bool,
    /// What the libraries for C are compiled from that it needs: those that [`cdylibs`] names.
    pub cdylibs: &'a Cdylibs,
}

/// What libraries for C are compiled from, by their recipes.
pub type Cdylibs = BTreeMap<CdylibRecipe, Resolution>;

/// What is made of a package.
#[derive(Debug, Clone, Copy)]
pub enum Product<'a> {
    /// An app.
    App {
        /// The programs to build; none means all that its features allow.
        programs: Option<&'a BTreeSet<String>>,
        /// The packages whose crates it has in common with its plugins.
        plugins: &'a BTreeSet<PackageName>,
    },
    /// A plugin of an app: its library.
    Plugin,
    /// What there is to a package whose crate others use: its library and the run of its build
    /// script, or else its programs.
    Crate,
}

/// Where a plan looks to see what is there already.
#[derive(Clone, Copy)]
#[expect(missing_debug_implementations, reason = "a fetcher has no debug form")]
pub struct Surroundings<'a> {
    /// The C tools for steps that ask for extra ones: all [`tool_sets`] of the apps.
    pub tool_sets: &'a ToolSets,
    /// What is built.
    pub store: &'a Store,
    /// What is downloaded.
    pub fetcher: &'a dyn Fetcher,
}

/// Counts the variants that apps are compiled from if crates are compiled with these codegen
/// options, those that come out the same only once.
pub fn distinct_variants(resolutions: &[&Resolution], choice: CodegenChoice) -> usize {
    distinct_variants_by(resolutions, &|resolution, node| {
        let rules = CodegenRules::new(resolution, choice, true);
        let codegen = rules.library(&resolution.graph[node], node == resolution.root);
        format!("{codegen:?}")
    })
}

/// Why apps cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A library is not an app.
    #[error("`{name}` has no programs to install: it is a library")]
    NoPrograms {
        /// The package.
        name: String,
    },
    /// A plugin without a library.
    #[error("`{name}` is no plugin: it has no library")]
    NoLibrary {
        /// The package.
        name: String,
    },
    /// A library for C without a library.
    #[error("`{name}` has no library that could be one for C")]
    NoCdylib {
        /// The package.
        name: String,
    },
    /// What an app says it has in common with its plugins is not in it.
    #[error(
        "`{name}` does not use `{package}`, which it is said to have in common with its plugins"
    )]
    NotInCommon {
        /// The app's package.
        name: String,
        /// The package.
        package: String,
    },
    /// All programs are behind features.
    #[error("no program of `{name}` can be built with these features: {}", lacking(.programs))]
    ProgramsNeedFeatures {
        /// The package.
        name: String,
        /// The features that each program lacks.
        programs: BTreeMap<String, BTreeSet<String>>,
    },
    /// A program that is asked for is behind features.
    #[error(
        "the program `{program}` of `{name}` cannot be built with these features: it needs {}",
        list(.features)
    )]
    ProgramNeedsFeatures {
        /// The package.
        name: String,
        /// The program.
        program: String,
        /// The features that it lacks.
        features: BTreeSet<String>,
    },
    /// A recipe names a program that the package does not have.
    #[error("`{name}` has no program `{program}`; it has {}", list(.known))]
    NoSuchProgram {
        /// The package.
        name: String,
        /// What was asked for.
        program: String,
        /// What it has.
        known: BTreeSet<String>,
    },
    /// No recipe is what another one needs.
    #[error("the recipe of {user} needs {unmet}")]
    Unmet {
        /// Who needs it.
        user: String,
        /// What it needs.
        unmet: Unmet,
    },
    /// Two versions of a native library would be at one place.
    #[error(
        "{user} would be built against the versions {} of the native library `{library}` at once",
        .versions.join(" and ")
    )]
    NativeTwice {
        /// Who is built against both.
        user: String,
        /// The library.
        library: String,
        /// Its versions.
        versions: [String; 2],
    },
    /// A library for C has no parts.
    #[error("`{library}` is a library for C out of a crate, which has no `{output}`")]
    NoOutput {
        /// The library.
        library: String,
        /// The part.
        output: String,
    },
    /// Programs are asked of a library for C.
    #[error(
        "the recipe of {user} needs programs of `{library}`, which is a library for C out of a crate"
    )]
    NoHelpers {
        /// Who needs them.
        user: String,
        /// The library.
        library: String,
    },
    /// Recipes of native libraries need each other in a circle.
    #[error("the native library `{library}` needs itself{}", way(.through))]
    NativeCycle {
        /// One of the circle.
        library: String,
        /// The others, with their versions, in the order in which they need each other.
        through: Vec<String>,
    },
    /// Crates need programs that this machine does not have.
    #[error("{}", .missing.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    MissingTools {
        /// Who needs what.
        missing: Vec<MissingTool>,
    },
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A program of the machine that a crate needs to be built, and that is not there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{package} {version} cannot be built without `{}`, which this machine does not have", .tool.as_str())]
pub struct MissingTool {
    /// The program.
    pub tool: Tool,
    /// The crate's package.
    pub package: String,
    /// Its version.
    pub version: String,
}

/// Says through which libraries one needs itself.
fn way(through: &[String]) -> String {
    match through {
        [] => String::new(),
        through => format!(
            ": it needs `{}`, which needs it",
            through.join("`, which needs `")
        ),
    }
}

fn list(names: &BTreeSet<String>) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn lacking(programs: &BTreeMap<String, BTreeSet<String>>) -> String {
    programs
        .iter()
        .map(|(program, features)| format!("`{program}` needs {}", list(features)))
        .collect::<Vec<_>>()
        .join("; ")
}

/// Makes the plan for apps: every step that is missing, in an order in which it can be executed.
pub fn plan(apps: &[AppRequest<'_>], around: Surroundings<'_>) -> Result<Plan, PlanError> {
    Steps::of_packages(apps, around)?.plan()
}
