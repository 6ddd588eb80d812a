//! The program that answers for Cargo inside builds.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::support::{Env, Package, Run};

#[test]
fn a_proc_macro_finds_the_crate_it_expands_in() {
    let env = Env::new();
    env.registry
        .publish(
            Package::new("where-am-i", "1.0.0")
                .tables("[lib]\nproc-macro = true")
                .lib(
                    r#"use proc_macro::TokenStream;
use std::process::Command;
#[proc_macro]
pub fn here(_: TokenStream) -> TokenStream {
    let cargo = std::env::var_os("CARGO").unwrap();
    let ask = |words: &[&str]| {
        let output = Command::new(&cargo).args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let manifest = std::env::var("CARGO_MANIFEST_DIR").unwrap() + "/Cargo.toml";
    let plain = ask(&["locate-project", "--workspace", "--message-format=plain", "--manifest-path", &manifest]);
    assert_eq!(plain, manifest);
    assert!(ask(&["--version"]).starts_with("cargo 1."));
    let metadata = ask(&["metadata", "--no-deps", "--format-version", "1"]);
    assert!(metadata.contains("\"name\":\"app\""), "{metadata}");
    let text = std::fs::read_to_string(plain).unwrap();
    format!("{:?}", text.lines().find(|line| line.starts_with("name")).unwrap()).parse().unwrap()
}"#,
                ),
        )
        .publish(
            Package::new("app", "1.0.0")
                .needs("where-am-i", "1")
                .main("fn main() { println!(\"{}\", where_am_i::here!()); }"),
        );
    env.run("install app").success();
    assert_eq!(env.program("app").success().stdout, "name = \"app\"\n");
    // Without a sandbox there is one, too.
    env.run("install app --sandbox none").success();
    assert_eq!(env.program("app").success().stdout, "name = \"app\"\n");
}

fn cargo(folder: &std::path::Path, line: &str) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_orlop"))
        .arg0("cargo")
        .args(line.split_whitespace())
        .env_clear()
        .current_dir(folder)
        .output()
        .unwrap();
    output.into()
}

#[test]
fn it_answers_what_it_can_and_refuses_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let manifest = folder.join("Cargo.toml");
    std::fs::write(
        &manifest,
        "[package]\nname = \"x\"\nversion = \"1.0.0\"\n[dependencies]\ny = { package = \"z\", version = \"2\" }",
    )
    .unwrap();
    let inside = folder.join("src");
    std::fs::create_dir(&inside).unwrap();
    let path = manifest.to_str().unwrap();
    let plain = cargo(&inside, "locate-project --workspace --message-format plain").success();
    assert_eq!(plain.stdout, format!("{path}\n"));
    let root = cargo(&inside, "locate-project").success().json();
    assert_eq!(root["root"], path);
    let metadata = cargo(&inside, "metadata --format-version=1 --no-deps")
        .success()
        .json();
    assert_eq!(metadata["packages"][0]["dependencies"][0]["rename"], "y");
    assert_eq!(metadata["packages"][0]["dependencies"][0]["name"], "z");
    assert_eq!(
        metadata["workspace_members"][0],
        metadata["packages"][0]["id"]
    );
    cargo(&folder, "metadata").fails(101).says("--no-deps");
    cargo(&folder, "build --release")
        .fails(101)
        .says("there is no Cargo")
        .says("`build`");
    cargo(&folder, "locate-project --message-format=xml")
        .fails(101)
        .says("xml");
    cargo(&folder, "--version")
        .fails(101)
        .says("LD_LIBRARY_PATH");
    cargo(std::path::Path::new("/"), "locate-project")
        .fails(101)
        .says("could not find `Cargo.toml`");
}
