//! Real apps, from the real registry: run by hand, see the book's page on parity.

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
            .args(["install", app, "--codegen", "app", "--home"])
            .arg(&home)
            .output()
            .unwrap()
            .into();
        run.success();
        let cargo_build = CargoBuild::online(folder.path(), app);
        let parity = Parity {
            cargo: Units::of(&cargo_build.commands()),
            orlop: Units::of(&orlop::commands(&home)),
            cargo_build,
        };
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
