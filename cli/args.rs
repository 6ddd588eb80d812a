//! The command line: what can be typed, as types. Doc comments here are the help texts.

use std::num::NonZeroUsize;

use camino::Utf8PathBuf;
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use orlop_recipes::{AppSpec, CodegenChoice, PackageName, Policy, Version};

use crate::build_args::{Build, Export, Shell, StepArguments};
use crate::recipe_args::RecipeCommand;

/// Installs apps side by side and shares the Rust crates they have in common
#[derive(Debug, Parser)]
#[command(
    name = "orlop",
    version,
    arg_required_else_help = true,
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
    /// Everything Orlop keeps lies below this folder [default: `$ORLOP_HOME`, or
    /// `$XDG_DATA_HOME/orlop`]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) home: Option<Utf8PathBuf>,
    /// The set of apps to look at or change [default: the manifest's, or `default`]
    #[arg(long, short, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Print data as JSON on standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show what would be done and stop; what is needed to know that is fetched
    #[arg(long, short = 'n', global = true)]
    pub(crate) dry_run: bool,
    /// Use only what is on this machine
    #[arg(long, global = true)]
    pub(crate) offline: bool,
    /// Say less: nothing but errors and warnings
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Say more; twice: also what the libraries in Orlop say
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Colours
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    pub(crate) color: ColorChoice,
    /// No moving lines, even on a terminal
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
    /// How many builds run at once [default: one per core]
    #[arg(long, short, global = true, value_name = "N", value_parser = jobs)]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// How far builds are shut off from this machine
    #[arg(long, global = true, value_enum, default_value_t = SandboxChoice::Full, value_name = "LEVEL")]
    pub(crate) sandbox: SandboxChoice,
    /// Another registry: a folder or an address in sparse-index layout [default: `$ORLOP_INDEX`]
    #[arg(long, global = true, value_name = "DIR|URL")]
    pub(crate) index: Option<String>,
    /// If versions cannot be chosen, write down all that the resolver saw
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) save_case: Option<Utf8PathBuf>,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal that is not dumb, unless `NO_COLOR` is set
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
    /// Solve apps anew on today's registry, and show and lock what would change
    Update(Update),
    /// Write down what the manifest resolves to, without building it
    Lock(LockArguments),
    /// Show which apps have newer versions
    Outdated,
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
    /// Show who needs a crate, from the crate up to the apps
    Why(Why),
    /// Write the graph of crates of installed apps
    Graph(Graph),
    /// Show what apps would be compiled from, without installing anything
    Resolve(Resolve),
    /// Run a program of an installed app
    #[command(visible_alias = "x")]
    Run(Run),
    /// List the generations of the profile
    #[command(alias = "generations")]
    History,
    /// Go back to the generation that the current one was made from
    Rollback(Rollback),
    /// Build an app or what a recipe says, without installing it
    Build(Build),
    /// Open a shell where a step of a build is executed, in the sandbox, with all that it sees
    Shell(Shell),
    /// Show the environment in which a step of a build is executed
    Env(StepArguments),
    /// Write an installed app into a file for people without Orlop
    Export(Export),
    /// Show the log of a build: an app's, a crate's, a native library's, or of the last that failed
    Log(Log),
    /// Show why the last change of an app compiled what it compiled
    WhyRebuilt(AppArgument),
    /// Prove that every symbol of an app binds to what it was linked against
    Prove(Prove),
    /// Let equal files be one, and draw the borders between programs and shared libraries anew
    #[command(alias = "optimize")]
    Optimise,
    /// Show what changed between two generations
    Diff(Diff),
    /// Protect a generation from `gc --keep`
    Pin(GenerationArgument),
    /// Take the protection of a generation away
    Unpin(GenerationArgument),
    /// Remove store objects that no generation, root or running program reaches
    Gc(Gc),
    /// Look at every object, registration and generation whether it is what it was
    Verify(Verify),
    /// Show what keeps a store object alive
    WhyLive(ObjectArgument),
    /// Show how one store object comes to need another
    WhyDepends(WhyDepends),
    /// Show how much room apps take
    Du(Du),
    /// Show which object, app and generation a file belongs to
    Which(FileArgument),
    /// Measure what sharing crates gives and costs for the installed apps: disk, memory, start-up
    Stats(Stats),
    /// The compilers that apps are compiled with
    #[command(subcommand)]
    Compiler(CompilerCommand),
    /// Recipes: write, check, test and keep them up to date
    #[command(subcommand)]
    Recipe(RecipeCommand),
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
    /// Whose codegen options their crates are compiled with: shared (those of all apps) or app (what
    /// each publishes: LTO, panic strategy, overrides; shares no crate) [default: the manifest's, or
    /// shared]
    #[arg(long)]
    pub(crate) codegen: Option<CodegenChoice>,
    /// The compiler for these apps: a name that `orlop compiler list` prints
    #[arg(long, value_name = "NAME")]
    pub(crate) compiler: Option<String>,
    /// Native libraries that their crates are built against in place of what they carry, separated
    /// by commas
    #[arg(long, value_delimiter = ',', value_name = "LIBRARY")]
    pub(crate) native: Vec<PackageName>,
    /// How versions are chosen: latest, locked or shared [default: the manifest's,
    /// its recipe's, or shared]
    #[arg(long)]
    pub(crate) policy: Option<Policy>,
    /// See the registry as it was then, from now on: a date, or a time such as `2026-11-22T08:00`
    /// (UTC)
    #[arg(long, value_name = "DATE", value_parser = snapshot)]
    pub(crate) snapshot: Option<Timestamp>,
}

/// Arguments of `remove`.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// Apps to remove; or recipes of crates and native libraries, out of the manifest
    #[arg(required = true, value_name = "APP|RECIPE")]
    pub(crate) apps: Vec<String>,
}

/// Arguments of `upgrade`.
#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    /// Apps to upgrade; none means all
    #[arg(value_name = "APP")]
    pub(crate) apps: Vec<String>,
    /// See the registry as it was then, from now on: a date, or a time such as `2026-11-22T08:00`
    /// (UTC)
    #[arg(long, value_name = "DATE", value_parser = snapshot)]
    pub(crate) snapshot: Option<Timestamp>,
}

/// Arguments of `update`.
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// Apps to solve anew; none means all
    #[arg(value_name = "APP")]
    pub(crate) apps: Vec<String>,
    /// See the registry as it was then, from now on: a date, or a time such as `2026-11-22T08:00`
    /// (UTC)
    #[arg(long, value_name = "DATE", value_parser = snapshot)]
    pub(crate) snapshot: Option<Timestamp>,
}

/// Arguments of `lock`.
#[derive(Debug, Args)]
pub(crate) struct LockArguments {
    /// Write nothing: fail if the lock file does not answer the manifest
    #[arg(long)]
    pub(crate) check: bool,
}

/// Arguments of `why`.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The crate: NAME or NAME@VERSION
    #[arg(value_name = "CRATE")]
    pub(crate) target: String,
}

/// Arguments of `graph`.
#[derive(Debug, Args)]
pub(crate) struct Graph {
    /// An installed app; none means all
    #[arg(value_name = "APP")]
    pub(crate) app: Option<String>,
    /// What to write [default: dot; json with `--json`]
    #[arg(long, value_enum)]
    pub(crate) format: Option<GraphFormat>,
}

/// How a graph is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// For Graphviz
    Dot,
    /// A drawing
    Svg,
    /// As `orlop resolve --json` writes it
    Json,
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
    /// See the registry as it was then, from now on: a date, or a time such as `2026-11-22T08:00`
    /// (UTC)
    #[arg(long, value_name = "DATE", value_parser = snapshot)]
    pub(crate) snapshot: Option<Timestamp>,
}

/// The name of an installed app.
#[derive(Debug, Args)]
pub(crate) struct AppArgument {
    /// The app
    #[arg(value_name = "APP")]
    pub(crate) app: String,
}

/// Arguments of `resolve`.
#[derive(Debug, Args)]
pub(crate) struct Resolve {
    /// Apps: NAME, NAME@VERSION, NAME@REQUIREMENT, or the path of a recipe
    #[arg(required_unless_present = "case", value_name = "APP")]
    pub(crate) apps: Vec<AppSpec>,
    /// Features to switch on, separated by commas
    #[arg(long, short = 'F', value_delimiter = ',', value_name = "FEATURE")]
    pub(crate) features: Vec<String>,
    /// Leave the default features off
    #[arg(long)]
    pub(crate) no_default_features: bool,
    /// How versions are chosen: latest, locked or shared [default: its recipe's, or
    /// shared]
    #[arg(long)]
    pub(crate) policy: Option<Policy>,
    /// See the registry as it was then: a date, or a time such as `2026-11-22T08:00` (UTC) [default:
    /// now]
    #[arg(long, value_name = "DATE", value_parser = snapshot)]
    pub(crate) snapshot: Option<Timestamp>,
    /// Choose for this release of the compiler [default: that of the default compiler]
    #[arg(long, value_name = "VERSION", value_parser = rust_version)]
    pub(crate) rust_version: Option<Version>,
    /// Tell instead how many variants all these apps are compiled from, by policy
    #[arg(long, conflicts_with_all = ["policy", "case"])]
    pub(crate) compare: bool,
    /// Play a case again that `--save-case` wrote
    #[arg(long, value_name = "FILE", conflicts_with_all = ["apps", "features", "policy", "snapshot"])]
    pub(crate) case: Option<Utf8PathBuf>,
}

fn snapshot(text: &str) -> Result<Timestamp, String> {
    orlop_recipes::snapshot(text).map_err(|error| match error.help() {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    })
}

/// Reads a release of the compiler, whole or as in a Cargo manifest: `1.80` is 1.80.0.
fn rust_version(text: &str) -> Result<Version, String> {
    let parts = text.split('.').count();
    let whole = match parts {
        1 | 2 => format!("{text}{}", ".0".repeat(3 - parts)),
        _ => text.to_owned(),
    };
    whole
        .parse()
        .map_err(|_| "write a release as `1.80` or `1.80.0`".to_owned())
}

/// Reads how many builds run at once.
fn jobs(text: &str) -> Result<NonZeroUsize, String> {
    text.parse()
        .map_err(|_| "write how many builds may run at once: 1 or more".to_owned())
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

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The older one [default: the one that the newer was made from]
    #[arg(value_name = "A")]
    pub(crate) from: Option<u64>,
    /// The newer one [default: the current one]
    #[arg(value_name = "B")]
    pub(crate) to: Option<u64>,
}

/// A generation.
#[derive(Debug, Args)]
pub(crate) struct GenerationArgument {
    /// Its number in `orlop history`
    #[arg(value_name = "N")]
    pub(crate) generation: u64,
}

/// Arguments of `gc`.
#[derive(Debug, Args)]
pub(crate) struct Gc {
    /// Also remove generations (of all profiles, or that of `-p`), but for the newest N, the current
    /// and pinned ones
    #[arg(long, value_name = "N")]
    pub(crate) keep: Option<usize>,
    /// Also remove generations (of all profiles, or that of `-p`) that are older: `30d`, `12h`
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub(crate) keep_since: Option<jiff::Span>,
    /// Stop when so much is freed: `500M`, `2G`
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) max_freed: Option<u64>,
    /// Also remove what only compiling and linking need, but for current generations
    #[arg(long)]
    pub(crate) dev: bool,
}

/// Reads an age: `30d`. By one that lies in the future, every generation would be old.
fn age(text: &str) -> Result<jiff::Span, String> {
    let age: Option<jiff::Span> = text.parse().ok();
    age.filter(|age| !age.is_negative())
        .ok_or_else(|| "write an age as `30d` or `12h`".to_owned())
}

/// Reads a number of bytes: `500M`.
fn size(text: &str) -> Result<u64, String> {
    let upper = text.trim().to_ascii_uppercase();
    let upper = upper.trim_end_matches('B').trim_end_matches('I');
    let split = upper
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(upper.len());
    let (number, unit) = upper.split_at(split);
    let shift = match unit.trim() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err("write a size as `500M` or `2G`".to_owned()),
    };
    let number: u64 = number.parse().map_err(|error| format!("{error}"))?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "that is more than any disk has".to_owned())
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Mend what is bad, by making it again
    #[arg(long)]
    pub(crate) repair: bool,
    /// Copy what another home has as it should be, instead of making it again
    #[arg(long, value_name = "HOME", requires = "repair")]
    pub(crate) from: Vec<Utf8PathBuf>,
    /// Make the database again from the store before
    #[arg(long)]
    pub(crate) rebuild_database: bool,
}

/// A store object.
#[derive(Debug, Args)]
pub(crate) struct ObjectArgument {
    /// Its name in the store, the first digits of that, or a path in it
    #[arg(value_name = "PATH")]
    pub(crate) object: String,
}

/// Arguments of `why-depends`.
#[derive(Debug, Args)]
pub(crate) struct WhyDepends {
    /// The object that needs the other; an installed app stands for its view
    #[arg(value_name = "A")]
    pub(crate) from: String,
    /// The object that is needed
    #[arg(value_name = "B")]
    pub(crate) to: String,
}

/// Arguments of `du`.
#[derive(Debug, Args)]
pub(crate) struct Du {
    /// Apps; none means all installed apps
    #[arg(value_name = "APP")]
    pub(crate) apps: Vec<String>,
}

/// A file.
#[derive(Debug, Args)]
pub(crate) struct FileArgument {
    /// A path, or a program of the profile by its name; links are followed
    #[arg(value_name = "PATH")]
    pub(crate) path: Utf8PathBuf,
}

/// Arguments of `stats`.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// Write a page with charts for a browser
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<Utf8PathBuf>,
    /// How often to start each program
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) rounds: u16,
}

/// Arguments of `log`.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// An app, a crate or a native library, NAME or NAME@VERSION; none means the last build that
    /// failed or was stopped
    #[arg(value_name = "APP|CRATE|LIBRARY")]
    pub(crate) name: Option<String>,
}

/// Arguments of `prove`.
#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// An installed app or the path of a program; none means all installed apps
    #[arg(value_name = "APP|PATH")]
    pub(crate) target: Option<String>,
    /// With `--json`: also list every reference and the file it binds to
    #[arg(long, requires = "json")]
    pub(crate) bindings: bool,
}

/// Commands about compilers.
#[derive(Debug, Subcommand)]
pub(crate) enum CompilerCommand {
    /// Import a compiler into the store
    Add {
        /// The path of a `rustc`, the version of one that rustup has installed, or the recipe of one
        /// (`./rust.toml`)
        #[arg(value_name = "PATH|VERSION|RECIPE")]
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
