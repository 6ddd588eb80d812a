//! Whether each rustc and each build script gets from Orlop what Cargo gives it.
//!
//! An app is installed by both. Cargo tells with `-vv` what it runs, Orlop in the logs of its
//! builds; [`check`] compares them command by command: every argument and every variable. What
//! differs on purpose is written down, with the reason, in `intended.toml`.
//!
//! | module | holds |
//! |---|---|
//! | [`command`] | one command line with its environment, read from text for a shell |
//! | [`cargo`] | what Cargo runs |
//! | [`orlop`] | what Orlop runs |
//! | [`unit`] | commands that can be compared: names in the place of paths and digests |
//! | [`intended`] | the differences that are meant |
//! | [`compare`] | the differences |
//! | [`real`] | real apps, by hand |

pub(crate) mod cargo;
mod command;
mod compare;
mod intended;
mod orlop;
mod real;
pub(crate) mod unit;

use crate::support::Env;
use cargo::CargoBuild;
use intended::Intended;
use unit::{Unit, Units};

/// What both did for one app.
pub(crate) struct Parity {
    pub(crate) cargo: Units,
    pub(crate) orlop: Units,
    /// Where Cargo installed the app.
    pub(crate) cargo_build: CargoBuild,
}

impl Parity {
    /// Compares two recorded builds.
    pub(crate) fn differences(&self) -> Vec<String> {
        compare::differences(&self.cargo, &self.orlop, &Intended::read())
    }

    /// The command that Orlop ran for a unit.
    #[track_caller]
    pub(crate) fn unit(&self, name: &str) -> &Unit {
        self.orlop.find(name)
    }
}

/// Installs an app of the test's registry with both, and panics where they differ.
#[track_caller]
pub(crate) fn check(env: &Env, app: &str) -> Parity {
    check_with(env, app, &[])
}

/// As [`check`], with further arguments that both understand.
#[track_caller]
pub(crate) fn check_with(env: &Env, app: &str, arguments: &[&str]) -> Parity {
    env.orlop(
        ["install", app, "--linkage", "static", "--policy", "latest"]
            .iter()
            .chain(arguments),
    )
    .success();
    let cargo_build = CargoBuild::offline(env, app, arguments);
    let parity = Parity {
        cargo: Units::of(&cargo_build.commands()),
        orlop: Units::of(&orlop::commands(&env.home())),
        cargo_build,
    };
    assert!(!parity.cargo.0.is_empty(), "Cargo told nothing");
    let differences = parity.differences();
    assert!(
        differences.is_empty(),
        "`{app}` is built otherwise than by Cargo:\n{}",
        differences.join("\n")
    );
    parity
}
