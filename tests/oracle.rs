//! Cargo's own answers on a frozen index, for a few small apps.
//!
//! `tests/data/frozen-index.tar.gz` holds whole index entries of every package in reach, what their
//! archives say of them, and what Cargo chose and compiled; `tests/bench/oracle.py --extract` made
//! it, and the same script compares all apps of the whole index by hand.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

/// Name, version, features, side.
type Unit = (String, String, Vec<String>, String);

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn packages(
    answer: &Value,
    name: impl Fn(&Value) -> (&Value, &Value),
) -> BTreeSet<(String, String)> {
    let packages = answer["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let (name, version) = name(package);
            (text(name), text(version))
        })
        .collect()
}

fn units(answer: &Value, keys: [&dyn Fn(&Value) -> Value; 4]) -> BTreeSet<Unit> {
    let units = answer["units"].as_array().unwrap().iter();
    units
        .map(|unit| {
            let [name, version, features, side] = keys.map(|key| key(unit));
            let features = features.as_array().unwrap().iter().map(text).collect();
            (text(&name), text(&version), features, text(&side))
        })
        .collect()
}

#[test]
fn answers_on_a_frozen_index_are_those_of_cargo() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let data = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/frozen-index.tar.gz"
    );
    let packed = flate2::read::GzDecoder::new(std::fs::File::open(data).unwrap());
    tar::Archive::new(packed).unpack(folder.path()).unwrap();
    let mut apps = 0;
    for entry in std::fs::read_dir(folder.path().join("answers")).unwrap() {
        let path = entry.unwrap().path();
        let app = path.file_stem().unwrap().to_str().unwrap();
        let cargo: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_orlop"))
            .arg("--home")
            .arg(folder.path().join("home"))
            .arg("--index")
            .arg(folder.path().join("index"))
            .args([
                "--offline",
                "--json",
                "resolve",
                "--policy",
                "latest",
                "--rust-version",
                "1.999.0",
            ])
            .arg(format!("{app}@={}", cargo["version"].as_str().unwrap()))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let orlop: Value = serde_json::from_slice(&output.stdout).unwrap();
        let orlop = &orlop["apps"][0];
        assert_eq!(
            packages(orlop, |package| (&package["name"], &package["version"])),
            packages(&cargo, |package| (&package[0], &package[1])),
            "{app}"
        );
        let named = |key: &'static str| move |unit: &Value| unit[key].clone();
        let placed = |place: usize| move |unit: &Value| unit[place].clone();
        assert_eq!(
            units(
                orlop,
                [
                    &named("name"),
                    &named("version"),
                    &named("features"),
                    &named("kind")
                ]
            ),
            units(&cargo, [&placed(0), &placed(1), &placed(2), &placed(3)]),
            "{app}"
        );
        apps += 1;
    }
    assert_eq!(apps, 5);
}
