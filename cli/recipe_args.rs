//! The command line of `orlop recipe`. Doc comments here are the help texts.

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};
use orlop_recipes::{PackageName, RecipeKind};

/// Commands about recipes.
#[derive(Debug, Subcommand)]
pub(crate) enum RecipeCommand {
    /// Write an empty recipe: its TODOs say what is missing
    New(NewRecipe),
    /// Write the recipe of an app from its package: programs, licence, native needs
    Import(ImportRecipe),
    /// Look for what is allowed in recipes and still wrong
    Lint(LintRecipes),
    /// Lay recipes out in the usual way, comments kept
    Fmt(FormatRecipes),
    /// Run the tests of installed apps: those they were installed with, or those of recipes
    Test(TestRecipes),
    /// Move recipes to the newest version of what they build, comments kept
    Bump(RecipeFiles),
    /// Folders and Git repositories of recipes
    #[command(subcommand)]
    Source(SourceCommand),
    /// Print the JSON schema of recipes, for editors
    Schema,
}

/// Commands about sources of recipes.
#[derive(Debug, Subcommand)]
pub(crate) enum SourceCommand {
    /// Take the recipes of a folder or a Git repository into the profile
    Add(AddSource),
    /// List the sources of the profile
    #[command(visible_alias = "ls")]
    List,
    /// Forget a source; what was installed with its recipes stays until the next change
    #[command(visible_alias = "rm")]
    Remove {
        /// The name of the source
        #[arg(value_name = "NAME")]
        name: PackageName,
    },
    /// Move repositories to their newest commits
    Update {
        /// The names of sources; none means all
        #[arg(value_name = "NAME")]
        names: Vec<PackageName>,
    },
}

/// Arguments of `recipe source add`.
#[derive(Debug, Args)]
pub(crate) struct AddSource {
    /// A folder, or the address of a Git repository
    #[arg(value_name = "FOLDER|URL")]
    pub(crate) place: String,
    /// What to call it [default: its last part]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<PackageName>,
    /// The commit of the repository [default: the newest]
    #[arg(long, value_name = "COMMIT")]
    pub(crate) rev: Option<String>,
    /// The folder of the recipes in the repository [default: the top]
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<String>,
}

/// Arguments of `recipe new`.
#[derive(Debug, Args)]
pub(crate) struct NewRecipe {
    /// The name of what it builds
    #[arg(value_name = "NAME")]
    pub(crate) name: PackageName,
    /// What it builds: app, crate, library, cdylib, plugin or compiler
    #[arg(long, value_name = "KIND", default_value = "app")]
    pub(crate) kind: RecipeKind,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Where a new recipe goes.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// The file to write; `-` prints the recipe [default: NAME.toml]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<Utf8PathBuf>,
    /// Replace the file if there is one
    #[arg(long)]
    pub(crate) force: bool,
}

/// Arguments of `recipe import`.
#[derive(Debug, Args)]
pub(crate) struct ImportRecipe {
    /// A package of the registry (NAME or NAME@VERSION), a folder with a Cargo project (`./kit`),
    /// or the address of a Git repository
    #[arg(value_name = "CRATE|FOLDER|URL")]
    pub(crate) source: String,
    /// The folder of the package in the project or the repository [default: the one with programs]
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<String>,
    /// The commit of the repository [default: the newest]
    #[arg(long, value_name = "COMMIT")]
    pub(crate) rev: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Arguments of `recipe lint`.
#[derive(Debug, Args)]
pub(crate) struct LintRecipes {
    /// Recipes
    #[arg(required_unless_present = "explain", value_name = "FILE")]
    pub(crate) files: Vec<Utf8PathBuf>,
    /// Mend what can be mended
    #[arg(long)]
    pub(crate) fix: bool,
    /// Also hold recipes against the packages they are for
    #[arg(long)]
    pub(crate) online: bool,
    /// Fail on warnings, too
    #[arg(long)]
    pub(crate) strict: bool,
    /// Say what a rule wants, with a bad and a good example
    #[arg(long, value_name = "RULE", conflicts_with_all = ["files", "fix", "online", "strict"])]
    pub(crate) explain: Option<String>,
}

/// Arguments of `recipe fmt`.
#[derive(Debug, Args)]
pub(crate) struct FormatRecipes {
    /// Recipes
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<Utf8PathBuf>,
    /// Write nothing: fail if a file is laid out in another way
    #[arg(long)]
    pub(crate) check: bool,
}

/// Arguments of `recipe test`.
#[derive(Debug, Args)]
pub(crate) struct TestRecipes {
    /// Installed apps, native libraries that these are built against, or recipes of such; none
    /// means all that have a test
    #[arg(value_name = "APP|FILE")]
    pub(crate) apps: Vec<String>,
}

/// Files of recipes.
#[derive(Debug, Args)]
pub(crate) struct RecipeFiles {
    /// Recipes
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<Utf8PathBuf>,
}
