//! Real apps, from the real registry: run by hand, see the book's page on parity.

use std::collections::BTreeMap;

use orlop_recipes::RecipeSet;

use super::cargo::CargoBuild;
use super::unit::Units;
use super::{Parity, orlop};

/// Compares the apps that `ORLOP_PARITY` names, separated by commas.
#[test]
#[ignore = "needs the network, and minutes: ORLOP_PARITY=ripgrep,just"]
fn network_parity() {
    let apps = std::env::var("ORLOP_PARITY").unwrap_or_else(|_| "ripgrep".to_owned());
    let mut all = Vec::new();
    for app in apps.split(',') {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        let run: crate::support::Run = std::process::Command::new(env!("CARGO_BIN_EXE_orlop"))
            .args([
                "install",
                app,
                "--codegen",
                "app",
                "--policy",
                "latest",
                "--home",
            ])
            .arg(&home)
            .output()
            .unwrap()
            .into();
        run.success();
        let switches = switches();
        let cargo_build = CargoBuild::online(folder.path(), app, &switches);
        let mut parity = Parity {
            cargo: Units::of(&cargo_build.commands()),
            orlop: Units::of(&orlop::commands(&home)),
            cargo_build,
        };
        parity.orlop.leave_out(&switches);
        let count: usize = parity.cargo.0.values().map(Vec::len).sum();
        let differences = parity.differences();
        println!("{app}: {count} commands, {} differences", differences.len());
        for line in differences {
            println!("  {line}");
            all.push(format!("{app}: {line}"));
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// What shipped recipes say to build scripts: the choice between a library of the machine and the
/// one that a crate carries, which Cargo leaves to whoever calls it. Cargo gets the same words in
/// its environment, and tells nothing of what it inherits.
fn switches() -> BTreeMap<String, String> {
    let recipes = RecipeSet::shipped();
    let environments = recipes.overrides().map(|change| change.environment.clone());
    environments.flatten().collect()
}
