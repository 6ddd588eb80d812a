//! House rules that a machine can hold: the import table, file sizes, module maps, lints, and
//! pages of the book that must agree with the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who may import whom: the table of the architecture page. Development dependencies follow it too.
const IMPORTS: [(&str, &str, &[&str]); 10] = [
    ("recipes", "orlop-recipes", &[]),
    ("resolver", "orlop-resolver", &["orlop-recipes"]),
    (
        "resolver/index",
        "orlop-index",
        &["orlop-recipes", "orlop-resolver"],
    ),
    (
        "resolver/plan",
        "orlop-plan",
        &["orlop-recipes", "orlop-resolver", "orlop-store"],
    ),
    ("store", "orlop-store", &[]),
    ("store/loader", "orlop-loader", &["orlop-store"]),
    ("store/link", "orlop-link", &["orlop-store", "orlop-loader"]),
    (
        "store/build",
        "orlop-build",
        &["orlop-store", "orlop-loader"],
    ),
    ("store/export", "orlop-export", &["orlop-loader"]),
    (
        ".",
        "orlop",
        &[
            "orlop-recipes",
            "orlop-resolver",
            "orlop-index",
            "orlop-plan",
            "orlop-store",
            "orlop-loader",
            "orlop-link",
            "orlop-build",
            "orlop-export",
        ],
    ),
];

const MAX_LINES: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<PathBuf> {
    let folders = ["cli", "recipes", "resolver", "store", "tests"];
    let mut files: Vec<_> = folders
        .iter()
        .flat_map(|folder| walkdir::WalkDir::new(root().join(folder)))
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "rs"))
        .collect();
    files.sort();
    files
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn crates_import_only_what_the_table_allows() {
    for (folder, package, allowed) in IMPORTS {
        let manifest: toml::Table = read(&root().join(folder).join("Cargo.toml"))
            .parse()
            .unwrap();
        assert_eq!(manifest["package"]["name"].as_str(), Some(package));
        assert_eq!(
            manifest["lints"]["workspace"].as_bool(),
            Some(true),
            "{package}"
        );
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(table).and_then(toml::Value::as_table) else {
                continue;
            };
            for name in dependencies.keys().filter(|name| name.starts_with("orlop")) {
                assert!(
                    allowed.contains(&name.as_str()) || name == package,
                    "{package} must not import {name}"
                );
            }
        }
    }
}

#[test]
fn the_workspace_is_the_table() {
    let manifest: toml::Table = read(&root().join("Cargo.toml")).parse().unwrap();
    let members: BTreeSet<_> = manifest["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| member.as_str().unwrap())
        .collect();
    let expected: BTreeSet<_> = IMPORTS
        .iter()
        .map(|(folder, ..)| *folder)
        .filter(|folder| *folder != ".")
        .collect();
    assert_eq!(members, expected);
}

#[test]
fn files_are_small() {
    let is_test = |path: &PathBuf| {
        path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs")
    };
    for path in sources().into_iter().filter(|path| !is_test(path)) {
        let text = read(&path);
        let code = text
            .split("\n#[cfg(test)]\nmod tests")
            .next()
            .unwrap()
            .lines()
            .count();
        assert!(code <= MAX_LINES, "{} has {code} lines", path.display());
    }
}

#[test]
fn modules_open_with_a_map() {
    for path in sources() {
        let text = read(&path);
        assert!(
            text.starts_with("//!"),
            "{} does not say what it is",
            path.display()
        );
        let without_tests = text.replace("#[cfg(test)]\nmod ", "");
        let modules: Vec<_> = without_tests
            .lines()
            .filter_map(|line| line.trim_end_matches(';').split_once("mod "))
            .filter(|(before, _)| matches!(*before, "" | "pub " | "pub(crate) "))
            .map(|(_, name)| name)
            .filter(|name| !name.contains(' '))
            .collect();
        let top = path.ends_with("src/lib.rs") || path.ends_with("cli/main.rs");
        if top && modules.len() > 2 {
            let map: String = text
                .lines()
                .take_while(|line| line.starts_with("//!"))
                .collect();
            for module in modules {
                assert!(
                    map.contains(module),
                    "{}: `{module}` is not on the map",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn no_module_file_beside_its_folder() {
    for path in sources() {
        let folder = path.with_extension("");
        assert!(
            !folder.is_dir(),
            "{} belongs into {}/mod.rs",
            path.display(),
            folder.display()
        );
    }
}

/// The commands of the page of the command line.
const COMMANDS: &[&str] = &[
    "",
    "install",
    "remove",
    "upgrade",
    "update",
    "lock",
    "outdated",
    "sync",
    "list",
    "info",
    "tree",
    "why",
    "graph",
    "resolve",
    "run",
    "history",
    "rollback",
    "build",
    "shell",
    "env",
    "export",
    "log",
    "why-rebuilt",
    "prove",
    "diff",
    "pin",
    "unpin",
    "gc",
    "verify",
    "why-live",
    "why-depends",
    "du",
    "which",
    "stats",
    "compiler",
    "compiler add",
    "compiler list",
    "compiler remove",
    "compiler default",
    "recipe",
    "recipe new",
    "recipe import",
    "recipe lint",
    "recipe fmt",
    "recipe test",
    "recipe bump",
    "recipe source",
    "recipe source add",
    "recipe source list",
    "recipe source remove",
    "recipe source update",
    "recipe schema",
    "completions",
];

#[test]
fn the_page_of_the_command_line_is_what_help_prints() {
    let path = root().join("book/src/reference/cli.md");
    let mut page = String::from("# Command line\n\nWhat `-h` prints, command by command.\n\n");
    for command in COMMANDS {
        let output = Command::new(env!("CARGO_BIN_EXE_orlop"))
            .env_clear()
            .args(command.split_whitespace())
            .arg(if command.is_empty() { "--help" } else { "-h" })
            .output()
            .unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        let own = help.split("\nGlobal options:").next().unwrap();
        let text = if command.is_empty() {
            help.as_str()
        } else {
            own
        };
        let title = format!("orlop {command}");
        write!(
            page,
            "## `{}`\n\n```text\n{}\n```\n\n",
            title.trim(),
            text.trim_end()
        )
        .unwrap();
    }
    if std::env::var_os("ORLOP_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    // Both texts would be pages long.
    assert!(
        read(&path) == page,
        "run the test with ORLOP_BLESS=1 to write the page anew"
    );
}

#[test]
fn the_page_of_exit_codes_names_each() {
    let page = read(&root().join("book/src/reference/exit-codes.md"));
    let source = read(&root().join("cli/error.rs"));
    let mut documented = BTreeMap::new();
    for line in page
        .lines()
        .filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit())
    {
        let mut cells = line.split('|').map(str::trim).skip(1);
        documented.insert(
            cells.next().unwrap().to_owned(),
            cells.next().unwrap().to_owned(),
        );
    }
    for code in source.lines().filter_map(|line| {
        line.trim()
            .strip_prefix("Self::Kind")
            .or_else(|| line.trim().strip_prefix("Kind::"))
    }) {
        if let Some((_, number)) = code.split_once(" => ")
            && let Ok(number) = number.trim_end_matches(',').parse::<u8>()
        {
            assert!(
                documented.contains_key(&number.to_string()),
                "exit code {number}"
            );
        }
    }
    assert!(documented.len() >= 7, "{documented:?}");
}

#[test]
fn every_page_of_the_book_is_in_its_summary_and_links_lead_somewhere() {
    let book = root().join("book/src");
    let summary = read(&book.join("SUMMARY.md"));
    for entry in walkdir::WalkDir::new(&book) {
        let path = entry.unwrap().into_path();
        if path.extension().is_none_or(|ending| ending != "md") {
            continue;
        }
        let inside = path
            .strip_prefix(&book)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            inside == "SUMMARY.md" || summary.contains(&inside),
            "{inside} is not listed"
        );
        for target in read(&path)
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let file = target.split('#').next().unwrap();
            if file.is_empty() || target.contains("://") {
                continue;
            }
            let linked = path.parent().unwrap().join(file);
            assert!(
                linked.exists(),
                "{inside} links to {target}, which is not there"
            );
        }
    }
}

#[test]
fn no_address_of_a_registry_is_written_down() {
    // Put together here so that this file does not hold one itself.
    let hosts = [
        ["index.", "crates.io"].concat(),
        ["static.", "crates.io"].concat(),
    ];
    for entry in walkdir::WalkDir::new(root())
        .into_iter()
        .filter_entry(|entry| !matches!(entry.file_name().to_str(), Some("target" | ".git")))
    {
        let path = entry.unwrap().into_path();
        if let Ok(text) = std::fs::read_to_string(&path) {
            for host in &hosts {
                assert!(!text.contains(host), "{} holds {host}", path.display());
            }
        }
    }
}
