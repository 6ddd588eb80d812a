//! The command line: what can be typed, as types. Doc comments here are the help texts.

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};
use orlop_recipes::AppSpec;

/// Installs apps side by side and shares the Rust crates they have in common
#[derive(Debug, Parser)]
#[command(
    name = "orlop",
    version,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of all commands.
#[derive(Debug, Clone, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "these are switches, each of its own"
)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Everything Orlop keeps lies below this folder [default: `$XDG_DATA_HOME/orlop`]
    #[arg(long, global = true, value_name = "DIR", env = "ORLOP_HOME")]
    pub(crate) home: Option<Utf8PathBuf>,
    /// The set of apps to look at or change [default: the manifest's, or `default`]
    #[arg(long, short, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Print data as JSON on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show what would be done and stop
    #[arg(long, short = 'n', global = true)]
    pub(crate) dry_run: bool,
    /// Use only what is on this machine
    #[arg(long, global = true)]
    pub(crate) offline: bool,
    /// Say less: nothing but errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Say more; twice for internals
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Colours
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    pub(crate) color: ColorChoice,
    /// No moving lines, even on a terminal
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
    /// How many builds run at once [default: one per core]
    #[arg(long, short, global = true, value_name = "N")]
    pub(crate) jobs: Option<std::num::NonZeroUsize>,
    /// How far builds are shut off from this machine
    #[arg(long, global = true, value_enum, default_value_t = SandboxChoice::Full, value_name = "LEVEL")]
    pub(crate) sandbox: SandboxChoice,
    /// Another registry: a folder or an address in sparse-index layout
    #[arg(long, global = true, value_name = "DIR|URL", env = "ORLOP_INDEX")]
    pub(crate) index: Option<String>,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How far builds are shut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SandboxChoice {
    /// Namespaces: a build sees only its declared inputs and no network
    Full,
    /// Nothing: builds run as you, with all that you can see and do
    None,
}

/// Where the crates of an app end up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LinkageArgument {
    /// Everything in each program
    Static,
    /// Crates of two or more apps in a few shared libraries
    Shared,
    /// One shared library per crate, for study
    Crate,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Install apps: adds them to the profile's manifest and makes it true
    #[command(visible_alias = "i", alias = "add")]
    Install(Install),
    /// Remove apps from the profile; earlier generations keep them
    #[command(visible_alias = "rm", alias = "uninstall")]
    Remove(Remove),
    /// Move apps to the newest versions that the manifest allows
    #[command(visible_alias = "up")]
    Upgrade(Upgrade),
    /// Make the manifest true
    Sync(Sync),
    /// List the installed apps
    #[command(visible_alias = "ls")]
    List,
    /// Show what is known of an installed app
    #[command(alias = "show")]
    Info(AppArgument),
    /// Show the crates an installed app is compiled from
    Tree(AppArgument),
    /// Run a program of an installed app
    #[command(visible_alias = "x")]
    Run(Run),
    /// List the generations of the profile
    #[command(alias = "generations")]
    History,
    /// Go back to the generation that the current one was made from
    Rollback(Rollback),
    /// Prove that every symbol of an app binds to what it was linked against
    Prove(Prove),
    /// Remove store objects that no generation reaches
    Gc,
    /// The compilers that apps are compiled with
    #[command(subcommand)]
    Compiler(CompilerCommand),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Arguments of `install`.
#[derive(Debug, Args)]
pub(crate) struct Install {
    /// Apps: NAME, NAME@VERSION, NAME@REQUIREMENT, or the path of a recipe
    #[arg(required = true, value_name = "APP")]
    pub(crate) apps: Vec<AppSpec>,
    /// Features to switch on, separated by commas
    #[arg(long, short = 'F', value_delimiter = ',', value_name = "FEATURE")]
    pub(crate) features: Vec<String>,
    /// Leave the default features off
    #[arg(long)]
    pub(crate) no_default_features: bool,
    /// Where the crates of these apps end up [default: the manifest's, or shared]
    #[arg(long, value_enum)]
    pub(crate) linkage: Option<LinkageArgument>,
    /// The compiler for these apps: a name that `orlop compiler list` prints
    #[arg(long, value_name = "NAME")]
    pub(crate) compiler: Option<String>,
}

/// Arguments of `remove`.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// Apps to remove
    #[arg(required = true, value_name = "APP")]
    pub(crate) apps: Vec<String>,
}

/// Arguments of `upgrade`.
#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    /// Apps to upgrade; none means all
    #[arg(value_name = "APP")]
    pub(crate) apps: Vec<String>,
}

/// Arguments of `sync`.
#[derive(Debug, Args)]
pub(crate) struct Sync {
    /// A manifest to adopt as the profile's own [default: the profile's own]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) manifest: Option<Utf8PathBuf>,
    /// Refuse to go on if the lock file would change
    #[arg(long)]
    pub(crate) locked: bool,
}

/// The name of an installed app.
#[derive(Debug, Args)]
pub(crate) struct AppArgument {
    /// The app
    #[arg(value_name = "APP")]
    pub(crate) app: String,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// An installed app, or one of its programs
    #[arg(value_name = "APP")]
    pub(crate) app: String,
    /// Arguments for the program, after `--`
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) arguments: Vec<std::ffi::OsString>,
}

/// Arguments of `rollback`.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// Go to this generation instead
    #[arg(long, value_name = "N")]
    pub(crate) to: Option<u64>,
}

/// Arguments of `prove`.
#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// An installed app or the path of a program; none means all installed apps
    #[arg(value_name = "APP|PATH")]
    pub(crate) target: Option<String>,
}

/// Commands about compilers.
#[derive(Debug, Subcommand)]
pub(crate) enum CompilerCommand {
    /// Import a compiler into the store
    Add {
        /// The path of a `rustc`, or the version of one that rustup has installed
        #[arg(value_name = "PATH|VERSION")]
        compiler: String,
    },
    /// List the imported compilers
    #[command(visible_alias = "ls")]
    List,
    /// Forget a compiler; what was compiled with it stays
    #[command(visible_alias = "rm")]
    Remove {
        /// A name that `orlop compiler list` prints
        name: String,
    },
    /// Show or choose the compiler of apps that name none
    Default {
        /// A name that `orlop compiler list` prints
        name: Option<String>,
    },
}
