//! Names, versions, features; the recipe and the manifest: TOML to types.
//!
//! | module | holds |
//! |---|---|
//! | [`name`] | [`PackageName`], [`FeatureName`] |
//! | [`spec`] | [`AppSpec`]: an app as a user names it, `ripgrep@14` |
//! | [`additive`] | [`AdditiveFeatures`]: features that policy `shared` may switch on |
//! | [`manifest`] | [`Manifest`]: what a user declares; [`ManifestEditor`] changes the file |
//! | [`recipe`] | [`Recipe`]: how a package is built; [`RecipeSet`]: the shipped ones and more |
//! | [`choice`] | words of which exactly one is meant: [`Choice`], [`ChoiceError`] |
//! | [`mod@bump`] | [`bump()`](bump::bump): moves a recipe to a newer version |
//! | [`mod@draft`] | [`Draft`]: a new recipe, from what is known of a package |
//! | [`mod@format`] | [`format()`]: the one way a recipe is laid out |
//! | [`mod@lint`] | [`lint()`]: what is allowed and still wrong in a recipe |
//! | [`schema`] | [`recipe_schema`]: the JSON schema of recipes |
//! | [`error`] | [`RecipeError`]: what is wrong in a file, and where |
//! | [`suggest`] | [`closest`]: "did you mean" |
//! | `edit` | changes values of a file, and leaves all that stands around them |
//! | `placeholder` | names in braces, which stand for folders in some places and for nothing in others |
//! | `text` | texts that must keep a rule: requirements, points in time, checksums, file names |
//! | `reader` | walks a TOML file, remembers where everything stands |
//!
//! This crate knows neither the store nor the resolver. It reads no file either: it gets texts.

pub mod additive;
pub mod bump;
pub mod choice;
pub mod draft;
mod edit;
pub mod error;
pub mod format;
pub mod lint;
pub mod manifest;
pub mod name;
mod placeholder;
mod reader;
pub mod recipe;
pub mod schema;
pub mod spec;
pub mod suggest;
mod text;

pub use additive::AdditiveFeatures;
pub use choice::{Choice, ChoiceError};
pub use draft::Draft;
pub use error::{RecipeError, RecipeErrorKind};
pub use format::format;
pub use lint::lint;
pub use manifest::{
    CodegenChoice, LinkageChoice, Manifest, ManifestEditor, PackageRequest, Policy, Wish,
};
pub use name::{FeatureName, NameError, PackageName};
pub use recipe::{
    AppNeeds, AppRecipe, BuildNeeds, BuildSystem, CdylibRecipe, CompilerRecipe, CompilerSource,
    Condition, CrateOverride, CrateSource, Filter, Instead, LibraryNeeds, LibraryOutput,
    LibraryRecipe, LibrarySource, NativeRecipe, Need, Needs, OutputGlobs, PluginRecipe, Recipe,
    RecipeKind, RecipeSet, ShareOrigin, Tool, Unmet,
};
pub use schema::recipe_schema;
pub use semver::{Version, VersionReq};
pub use spec::{AppSpec, SpecError};
pub use suggest::closest;
pub use text::snapshot;
