//! The command line of `build`, `shell`, `env` and `export`. Doc comments here are the help texts.

use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};
use orlop_recipes::{AppSpec, LibraryOutput};

/// Arguments of `build`.
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// NAME, NAME@VERSION or NAME@REQUIREMENT of an app, or the path of a recipe
    #[arg(value_name = "APP|RECIPE")]
    pub(crate) app: AppSpec,
    /// Build a plugin, against the very crates of the installed app that will load it
    #[arg(long, conflicts_with = "check")]
    pub(crate) plugin: bool,
    /// Put a copy of the plugin here
    #[arg(long, value_name = "FILE", requires = "plugin")]
    pub(crate) out: Option<Utf8PathBuf>,
    /// The part of a native library that is built: dev, doc or man
    #[arg(long, value_name = "PART", conflicts_with = "plugin")]
    pub(crate) output: Option<LibraryOutput>,
    /// Build all of it again, and compare bit for bit with what is in the store
    #[arg(long)]
    pub(crate) check: bool,
    /// Keep the working folder of a build that fails
    #[arg(long)]
    pub(crate) keep_failed: bool,
}

/// A step of a build.
#[derive(Debug, Args)]
pub(crate) struct StepArguments {
    /// NAME, NAME@VERSION or NAME@REQUIREMENT of an app, or the path of a recipe; none means all
    /// apps of the manifest
    #[arg(value_name = "APP|RECIPE")]
    pub(crate) target: Option<AppSpec>,
    /// The crate or native library that is built, NAME or NAME@VERSION [default: the first that
    /// cannot be built, else the app or what the recipe is for]
    #[arg(long = "crate", short = 'c', value_name = "NAME")]
    pub(crate) package: Option<String>,
    /// The part of a native library that is built: dev, doc or man
    #[arg(long, value_name = "PART")]
    pub(crate) output: Option<LibraryOutput>,
}

/// Arguments of `shell`.
#[derive(Debug, Args)]
pub(crate) struct Shell {
    #[command(flatten)]
    pub(crate) step: StepArguments,
    /// Run this command in place of a shell
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) words: Vec<String>,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The name of an installed app
    #[arg(value_name = "APP")]
    pub(crate) app: String,
    /// What to write
    #[arg(long, short, value_enum, value_name = "FORMAT")]
    pub(crate) format: ExportFormat,
    /// Where to write it [default: `APP-VERSION-…` in this folder]; the ending of a tar archive
    /// chooses `.tar` or `.tar.gz`; an image is a folder unless this ends with `.tar`. A file that is
    /// there is replaced; a folder never is
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<Utf8PathBuf>,
    /// Of a Debian package: who looks after it [default: nobody, at localhost]
    #[arg(long, value_name = "NAME <MAIL>")]
    pub(crate) maintainer: Option<String>,
}

/// What an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ExportFormat {
    /// An archive that works in any folder it is unpacked to
    Tar,
    /// A Debian package
    Deb,
    /// An image for Podman, Docker and the like, with the glibc of this machine in it
    Oci,
}
