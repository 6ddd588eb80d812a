//! Manifests by data: archives in, packages out.

use super::*;

fn read(manifest: &str, files: &[&str]) -> Result<Package, String> {
    let header = "[package]\nname = 'my-demo'\nversion = '1.0.0'\n";
    let text = if manifest.contains("[package]") || manifest.contains("[project]") {
        manifest.to_owned()
    } else {
        format!("{header}{manifest}")
    };
    let files = files.iter().map(|file| (*file).to_owned()).collect();
    let contents = Contents {
        manifest: text,
        lock: None,
        files,
    };
    package(
        &"my-demo".parse().unwrap(),
        &"1.0.0".parse().unwrap(),
        &contents,
    )
    .map_err(|error| error.to_string())
}

/// Returns the targets of a package in few words.
fn targets(manifest: &str, files: &[&str]) -> String {
    let package = match read(manifest, files) {
        Ok(package) => package,
        Err(error) => return error,
    };
    let mut words = Vec::new();
    if let Some(library) = &package.library {
        let crate_types = library.crate_types.join("+");
        let proc_macro = if library.proc_macro { " macro" } else { "" };
        words.push(format!(
            "lib {}={} {} {crate_types}{proc_macro}",
            library.crate_name, library.path, library.edition
        ));
    }
    for program in &package.binaries {
        let required = program.required_features.join("+");
        let text = format!(
            "bin {}={} {} {required}",
            program.name, program.path, program.edition
        );
        words.push(text.trim_end().to_owned());
    }
    if let Some(script) = &package.build_script {
        words.push(format!("build {} {}", script.path, script.edition));
    }
    words.join(", ")
}

const ALL: &[&str] = &[
    "Cargo.toml",
    "build.rs",
    "src/bin/.hidden.rs",
    "src/bin/deep/main.rs",
    "src/bin/deep/other.rs",
    "src/bin/deep/er/main.rs",
    "src/bin/note.txt",
    "src/bin/tool.rs",
    "src/lib.rs",
    "src/main.rs",
];

#[test]
fn targets_are_found_by_their_places() {
    assert_eq!(
        targets("edition = '2021'", ALL),
        "lib my_demo=src/lib.rs 2021 lib, bin my-demo=src/main.rs 2021, \
         bin deep=src/bin/deep/main.rs 2021, bin tool=src/bin/tool.rs 2021, build build.rs 2021"
    );
    assert_eq!(
        targets("", &["src/lib.rs"]),
        "lib my_demo=src/lib.rs 2015 lib"
    );
    assert_eq!(
        targets("", &["src/main.rs"]),
        "bin my-demo=src/main.rs 2015"
    );
    assert_eq!(targets("", &[]), "");
}

#[test]
fn what_is_switched_off_is_not_looked_for() {
    let off = "edition = '2021'\nautolib = false\nautobins = false\nbuild = false";
    assert_eq!(targets(off, ALL), "");
    let named = format!("{off}\n[lib]\n[[bin]]\nname = 'tool'");
    assert_eq!(
        targets(&named, ALL),
        "lib my_demo=src/lib.rs 2021 lib, bin tool=src/bin/tool.rs 2021"
    );
}

#[test]
fn in_edition_2015_naming_one_program_means_naming_all() {
    let one = "[[bin]]\nname = 'tool'";
    let files = &["src/main.rs", "src/bin/tool.rs"];
    assert_eq!(targets(one, files), "bin tool=src/bin/tool.rs 2015");
    assert_eq!(
        targets(&format!("edition = '2018'\n{one}"), files),
        "bin tool=src/bin/tool.rs 2018, bin my-demo=src/main.rs 2018"
    );
    assert_eq!(
        targets(&format!("autobins = true\n{one}"), files),
        "bin tool=src/bin/tool.rs 2015, bin my-demo=src/main.rs 2015"
    );
}

#[test]
fn edition_2015_accepts_odd_places() {
    let lib = "[lib]\nname = 'odd'";
    assert_eq!(targets(lib, &["src/odd.rs"]), "lib odd=src/odd.rs 2015 lib");
    assert_eq!(
        targets(&format!("edition = '2018'\n{lib}"), &["src/odd.rs"]),
        "there is no file for its library `odd`"
    );
    let bin = "[[bin]]\nname = 'odd'";
    assert_eq!(
        targets(bin, &["src/odd.rs", "src/main.rs"]),
        "bin odd=src/odd.rs 2015"
    );
    assert_eq!(
        targets(bin, &["src/odd.rs", "src/main.rs", "src/lib.rs"]),
        "lib my_demo=src/lib.rs 2015 lib, bin odd=src/main.rs 2015"
    );
    assert_eq!(
        targets(bin, &["src/bin/main.rs"]),
        "bin odd=src/bin/main.rs 2015"
    );
    assert_eq!(
        targets(&format!("edition = '2018'\n{bin}"), &["src/odd.rs"]),
        "there is no file for its program `odd`"
    );
}

#[test]
fn written_targets_are_taken_as_written() {
    let manifest = "
        edition = '2018'
        build = './build/main.rs'
        [lib]
        name = 'other'
        path = 'lib//./other.rs'
        edition = '2021'
        crate_type = ['cdylib', 'rlib']
        [[bin]]
        name = 'my-demo'
        path = 'x/../main.rs'
        edition = '2024'
        required-features = ['cli', 'dep/color']";
    assert_eq!(
        targets(manifest, ALL),
        "lib other=lib/other.rs 2021 cdylib+rlib, bin my-demo=main.rs 2024 cli+dep/color, \
         bin deep=src/bin/deep/main.rs 2018, bin tool=src/bin/tool.rs 2018, build build/main.rs 2018"
    );
}

#[test]
fn macros_are_known_in_all_spellings() {
    let macros = "lib my_demo=src/lib.rs 2015 proc-macro macro";
    for text in [
        "proc-macro = true",
        "proc_macro = true",
        "crate-type = ['proc-macro']",
    ] {
        assert_eq!(targets(&format!("[lib]\n{text}"), &["src/lib.rs"]), macros);
    }
    let plugin = targets("[lib]\nplugin = true", &["src/lib.rs"]);
    assert_eq!(plugin, "lib my_demo=src/lib.rs 2015 dylib");
}

#[test]
fn what_cannot_be_is_said() {
    let errors = [
        targets("[lib]\nname = 'with-dash'", &["src/lib.rs"]),
        targets("[lib]\npath = '../lib.rs'", &[]),
        targets("[lib]\npath = '/etc/lib.rs'", &[]),
        targets("[lib]\npath = ''", &[]),
        targets("build = 'a/../../b.rs'", &[]),
        targets("edition = 'next'", &[]),
        targets("resolver = '9'", &[]),
        targets("[[bin]]\nname = '../evil'\npath = 'x.rs'", &[]),
        targets("[[bin]]\nname = \"a\\u001bb\"\npath = 'x.rs'", &[]),
        targets("[[bin]]\npath = 'x.rs'", &[]),
        targets(
            "[[bin]]\nname = 'a'\npath = 'x.rs'\n[[bin]]\nname = 'a'\npath = 'y.rs'",
            &[],
        ),
        targets(
            "edition = '2018'\n[[bin]]\nname = 'a'",
            &["src/bin/a.rs", "src/bin/a/main.rs"],
        ),
        targets("[package]\nname = 'other'\nversion = '1.0.0'", &[]),
        targets("[package]\nname = 'my-demo'\nversion = '1.0.1'", &[]),
        targets("[project]\nname = 'my-demo'", &[]),
        targets("[package", &[]),
    ];
    insta::assert_snapshot!(errors.join("\n"), @r"
    `lib.name` is `with-dash`: it is not a name in Rust code
    `lib.path` is `../lib.rs`: it is not inside the package
    `lib.path` is `/etc/lib.rs`: it is not inside the package
    `lib.path` is ``: it is not inside the package
    `build` is `a/../../b.rs`: it is not inside the package
    `edition` is `next`: an edition is a year
    `resolver` is `9`: only `1`, `2` and `3` are known
    `bin.name` is `../evil`: it cannot be the name of a program
    `bin.name` is `a\u{1b}b`: it cannot be the name of a program
    `bin.name` is ``: every program needs a name
    two of its programs are called `a`
    its program `a` could be `src/bin/a.rs` or `src/bin/a/main.rs`
    it is about `other 1.0.0` instead of `my-demo 1.0.0`
    it is about `my-demo 1.0.1` instead of `my-demo 1.0.0`
    TOML parse error at line 1, column 1
      |
    1 | [project]
      | ^^^^^^^^^
    missing field `version`
    TOML parse error at line 4, column 9
      |
    4 | [package
      |         ^
    unclosed table, expected `]`
    ");
}

#[test]
fn the_old_name_of_the_package_table_and_space_around_versions_are_forgiven() {
    let manifest =
        "[project]\nname = 'my-demo'\nversion = ' 1.0.0 '\n[badges]\nodd = 1\n[profile]\nx = 1";
    assert_eq!(
        targets(manifest, &["src/lib.rs"]),
        "lib my_demo=src/lib.rs 2015 lib"
    );
}

#[test]
fn optional_dependencies_are_features_unless_they_are_named() {
    let manifest = "
        [features]
        default = ['own']
        own = ['dep:named', 'plain?/x', 'strong/y']
        [dependencies]
        version-only = '1'
        not-optional = { version = '1' }
        plain = { version = '1', optional = true }
        named = { version = '1', optional = true }
        [build_dependencies]
        build = { version = '1', optional = true }
        [target.'cfg(unix)'.dependencies]
        strong = { version = '1', optional = true, package = 'real' }";
    let features = read(manifest, &[]).unwrap().declared_features;
    let expected = ["build", "default", "own", "plain", "strong"];
    assert_eq!(features, expected.map(str::to_owned).into());
}

#[test]
fn the_resolver_follows_from_the_edition() {
    let resolver = |manifest| read(manifest, &[]).unwrap().resolver;
    for (manifest, expected) in [
        ("", ResolverVersion::One),
        ("edition = '2018'", ResolverVersion::One),
        ("edition = '2021'", ResolverVersion::Two),
        ("edition = '2024'", ResolverVersion::Three),
        ("edition = '2024'\nresolver = '1'", ResolverVersion::One),
        ("resolver = '2'", ResolverVersion::Two),
        ("resolver = '3'", ResolverVersion::Three),
    ] {
        assert_eq!(resolver(manifest), expected, "{manifest}");
    }
}

#[test]
fn texts_are_as_cargo_hands_them_to_the_compiler() {
    let manifest = "
        authors = ['A <a@x.test>', 'B']
        description = 'does it'
        license-file = 'LICENSE'
        rust-version = '1.70'
        links = 'z'";
    let package = read(manifest, &["README", "README.txt"]).unwrap();
    assert_eq!(package.links.as_deref(), Some("z"));
    let expected = About {
        authors: "A <a@x.test>:B".to_owned(),
        description: "does it".to_owned(),
        license_file: "LICENSE".to_owned(),
        rust_version: "1.70".to_owned(),
        readme: "README.txt".to_owned(),
        ..About::default()
    };
    assert_eq!(package.about, expected);
    let readme = |text: &str| read(text, &["README.md"]).unwrap().about.readme;
    assert_eq!(readme(""), "README.md");
    assert_eq!(readme("readme = false"), "");
    assert_eq!(readme("readme = true"), "README.md");
    assert_eq!(readme("readme = 'doc/x.md'"), "doc/x.md");
}

/// Returns what a manifest publishes for code generation.
fn codegen(manifest: &str) -> String {
    match read(manifest, &["Cargo.toml", "src/lib.rs"]) {
        Ok(package) => serde_json::to_string(&package.codegen).unwrap(),
        Err(error) => error,
    }
}

#[test]
fn release_profiles_are_read_as_cargo_reads_them() {
    assert_eq!(
        read("", &["Cargo.toml", "src/lib.rs"]).unwrap().codegen,
        orlop_resolver::PublishedCodegen::default()
    );
    insta::assert_snapshot!(codegen(
        "[profile.dev]\nopt-level = 'nonsense'\n\
         [profile.release]\nlto = true\nopt-level = 'z'\npanic = 'abort'\ndebug = 1\nstrip = true\n\
         codegen-units = 1\noverflow-checks = true\n\
         [profile.release.package.'*']\nopt-level = 3\ndebug-assertions = true\n\
         [profile.release.package.'serde@1.0.0']\ncodegen-units = 4\n\
         [profile.release.build-override]\nopt-level = 1\n"
    ), @r#"{"all":{"opt_level":"z","codegen_units":1,"overflow_checks":true,"debug_assertions":null},"packages":{"*":{"opt_level":"3","codegen_units":null,"overflow_checks":null,"debug_assertions":true},"serde@1.0.0":{"opt_level":null,"codegen_units":4,"overflow_checks":null,"debug_assertions":null}},"build":{"opt_level":"1","codegen_units":null,"overflow_checks":null,"debug_assertions":null},"lto":"Fat","panic_abort":true}"#);
    for (lto, read) in [
        ("false", "Local"),
        ("'off'", "Off"),
        ("'no'", "Off"),
        ("'thin'", "Thin"),
        ("'fat'", "Fat"),
    ] {
        let found = codegen(&format!("[profile.release]\nlto = {lto}\n"));
        assert!(found.contains(&format!("\"lto\":\"{read}\"")), "{found}");
    }
    let refused = [
        "opt-level = 7",
        "opt-level = 'x y'",
        "lto = 'much'",
        "panic = 'never'",
    ];
    let errors: Vec<_> = refused
        .iter()
        .map(|line| codegen(&format!("[profile.release]\n{line}\n")))
        .collect();
    insta::assert_snapshot!(errors.join("\n"), @r"
    `opt-level` is `7`: only `0` to `3`, `s` and `z` are known
    `opt-level` is `x y`: only `0` to `3`, `s` and `z` are known
    `lto` is `much`: only `off`, `thin` and `fat` are known
    `panic` is `never`: only `unwind` and `abort` are known
    ");
}
