//! Command lines and environments by data.

use std::collections::{BTreeMap, BTreeSet};

use insta::assert_snapshot;
use orlop_store::derivation::{
    CLibrary, Codegen, CrateKind, Extern, Isolation, Library, Lto, PackageTexts, RustcCall, Tools,
};
use orlop_store::{Digest, JobView, StorePath};

use super::*;
use crate::script::{LinkArgument, LinkTarget, Pair};
use crate::workplace::Seen;

fn object(name: &str) -> StorePath {
    StorePath::new(Digest::of("test", name), name)
}

fn library(name: &str, proc_macro: bool) -> Library {
    Library {
        object: object(name),
        crate_name: name.replace('-', "_"),
        proc_macro,
    }
}

fn seen() -> Seen {
    Seen {
        view: JobView {
            store: "/s".into(),
            recorder: "/bin/orlop-linker".into(),
            cargo: "/bin/cargo".into(),
            linkers: "/bin/ld".into(),
            build: Some("/build".into()),
        },
        path: object("own"),
        scratch: "/build".into(),
        unfinished: BTreeSet::new(),
    }
}

fn call(kind: CrateKind) -> RustcCall {
    RustcCall {
        tools: Tools {
            compiler: object("rust"),
            c_tools: object("c-tools"),
            isolation: Isolation::Full,
        },
        source: object("net-tool-src"),
        package: PackageTexts {
            name: "net-tool".into(),
            version: "1.2.3-rc.1+4".into(),
            authors: "A <a@b.c>:B".into(),
            ..PackageTexts::default()
        },
        kind,
        crate_name: "net_tool".into(),
        path: "src/lib.rs".into(),
        edition: "2021".into(),
        features: ["std".into()].into(),
        declared_features: ["default".into(), "std".into()].into(),
        externs: vec![Extern {
            name: "log_facade".into(),
            library: library("log", false),
        }],
        libraries: [library("log", false), library("cfg-if", false)].into(),
        script: None,
        reachable_scripts: Vec::new(),
        natives: BTreeSet::new(),
        has_library: false,
        codegen: Codegen::target(),
        environment: BTreeMap::new(),
    }
}

/// What the package's own build script says.
fn own() -> Run {
    let link = |to, argument: &str| LinkArgument {
        to,
        argument: argument.into(),
    };
    Run {
        directives: Directives {
            link_libraries: vec!["static=own".into(), "z".into()],
            link_search: vec!["native=/usr/lib".into(), "native=/s/own/out/lib".into()],
            link_arguments: vec![
                link(LinkTarget::All, "-all"),
                link(LinkTarget::Programs, "-programs"),
                link(LinkTarget::Program("net".into()), "-net"),
                link(LinkTarget::Program("other".into()), "-other"),
                link(LinkTarget::CLibraries, "-c"),
                link(LinkTarget::Tests, "-t"),
            ],
            cfgs: vec!["fast".into(), "level=\"3\"".into()],
            check_cfgs: vec!["cfg(fast)".into()],
            environment: vec![Pair {
                key: "BUILT_BY".into(),
                value: "a=b c".into(),
            }],
            ..Directives::default()
        },
        out_dir: "/s/own/out".into(),
    }
}

/// What the build script of a dependency says: only where its libraries are matters.
fn dependency() -> Run {
    Run {
        directives: Directives {
            link_search: vec!["/s/dependency/out".into()],
            link_arguments: vec![LinkArgument {
                to: LinkTarget::All,
                argument: "-no".into(),
            }],
            cfgs: vec!["no".into()],
            ..own().directives
        },
        out_dir: "/s/dependency/out".into(),
    }
}

/// The command line, one option a line, without what the digests of test objects make unreadable.
fn line(call: &RustcCall, said: &Said) -> String {
    let mut text = String::new();
    for argument in arguments::arguments(call, said, &seen()) {
        let value = !argument.starts_with('-');
        text.push_str(if text.is_empty() {
            ""
        } else if value {
            " "
        } else {
            "\n"
        });
        text.push_str(&argument);
    }
    readable(&text)
}

fn readable(text: &str) -> String {
    let names = [
        "net-tool-src",
        "rust",
        "log",
        "cfg-if",
        "own",
        "script",
        "native",
        "mac",
    ];
    let own = seen().path;
    let mut text = text.replace(&own.digest().to_string(), "DIGEST");
    for name in names {
        let path = object(name);
        text = text
            .replace(&path.to_string(), name)
            .replace(&path.short(), &format!("SHORT-{name}"))
            .replace(&format!("DIGEST-{name}"), name);
    }
    text
}

fn nothing() -> Said {
    Said {
        own: None,
        reachable: Vec::new(),
    }
}

fn variables(call: &RustcCall, said: &Said) -> String {
    let environment = environment::environment(call, said, &seen());
    let lines: Vec<_> = environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    readable(&lines.join("\n"))
}

#[test]
fn a_library() {
    assert_snapshot!(line(&call(CrateKind::Library), &nothing()), @r#"
    --crate-name net_tool
    --edition=2021 /s/net-tool-src/src/lib.rs
    --error-format=json
    --json=artifacts
    --crate-type lib
    --emit=metadata,link
    -C opt-level=3
    -C embed-bitcode=no
    --cfg feature="std"
    --check-cfg cfg(docsrs,test)
    --check-cfg cfg(feature, values("default", "std"))
    -C metadata=DIGEST
    -C extra-filename=-SHORT-own
    --out-dir /s/own
    -C strip=debuginfo
    -L dependency=/s/log
    -L dependency=/s/cfg-if
    --extern log_facade=/s/log/liblog-SHORT-log.rlib
    --cap-lints allow
    --remap-path-prefix=/s/net-tool-src=net-tool-1.2.3-rc.1+4
    --remap-path-prefix=/build=build
    "#);
}

#[test]
fn a_library_with_a_build_script_and_a_native_library() {
    let call = RustcCall {
        script: Some(object("script")),
        natives: [object("native")].into(),
        ..call(CrateKind::Library)
    };
    let said = Said {
        own: Some(own()),
        reachable: vec![dependency()],
    };
    assert_snapshot!(line(&call, &said), @r#"
    --crate-name net_tool
    --edition=2021 /s/net-tool-src/src/lib.rs
    --error-format=json
    --json=artifacts
    --crate-type lib
    --emit=metadata,link
    -C opt-level=3
    -C embed-bitcode=no
    --cfg feature="std"
    --check-cfg cfg(docsrs,test)
    --check-cfg cfg(feature, values("default", "std"))
    -C metadata=DIGEST
    -C extra-filename=-SHORT-own
    --out-dir /s/own
    -C strip=debuginfo
    -L dependency=/s/log
    -L dependency=/s/cfg-if
    --extern log_facade=/s/log/liblog-SHORT-log.rlib
    --cap-lints allow
    --remap-path-prefix=/s/net-tool-src=net-tool-1.2.3-rc.1+4
    --remap-path-prefix=/s/own/out=net-tool-1.2.3-rc.1+4-out
    --remap-path-prefix=/build=build
    -L native=/s/own/out/lib
    -L /s/dependency/out
    -L native=/usr/lib
    -L native=/s/native/lib
    -l static=own
    -l z
    -C link-arg=-all
    --cfg fast
    --cfg level="3"
    --check-cfg cfg(fast)
    "#);
    assert_snapshot!(variables(&call, &said), @"
    BUILT_BY=a=b c
    CARGO=/bin/cargo
    CARGO_CRATE_NAME=net_tool
    CARGO_MANIFEST_DIR=/s/net-tool-src
    CARGO_MANIFEST_PATH=/s/net-tool-src/Cargo.toml
    CARGO_PKG_AUTHORS=A <a@b.c>:B
    CARGO_PKG_DESCRIPTION=
    CARGO_PKG_HOMEPAGE=
    CARGO_PKG_LICENSE=
    CARGO_PKG_LICENSE_FILE=
    CARGO_PKG_NAME=net-tool
    CARGO_PKG_README=
    CARGO_PKG_REPOSITORY=
    CARGO_PKG_RUST_VERSION=
    CARGO_PKG_VERSION=1.2.3-rc.1+4
    CARGO_PKG_VERSION_MAJOR=1
    CARGO_PKG_VERSION_MINOR=2
    CARGO_PKG_VERSION_PATCH=3
    CARGO_PKG_VERSION_PRE=rc.1
    HOME=/build/home
    LANG=C
    LD_LIBRARY_PATH=/s/rust/lib
    OUT_DIR=/s/own/out
    PATH=/usr/bin:/bin
    SOURCE_DATE_EPOCH=1
    TMPDIR=/build/tmp
    ");
}

#[test]
fn a_proc_macro() {
    let call = RustcCall {
        codegen: Codegen::host(),
        externs: vec![Extern {
            name: "mac".into(),
            library: library("mac", true),
        }],
        libraries: [library("mac", true)].into(),
        ..call(CrateKind::ProcMacro)
    };
    assert_snapshot!(line(&call, &nothing()), @r#"
    --crate-name net_tool
    --edition=2021 /s/net-tool-src/src/lib.rs
    --error-format=json
    --json=artifacts
    --crate-type proc-macro
    --emit=link
    -C prefer-dynamic
    -C embed-bitcode=no
    -C debug-assertions=off
    --cfg feature="std"
    --check-cfg cfg(docsrs,test)
    --check-cfg cfg(feature, values("default", "std"))
    -C metadata=DIGEST
    -C extra-filename=-SHORT-own
    --out-dir /s/own
    -C strip=debuginfo
    -L dependency=/s/mac
    --extern mac=/s/mac/libmac-SHORT-mac.so
    --extern proc_macro
    --cap-lints allow
    --remap-path-prefix=/s/net-tool-src=net-tool-1.2.3-rc.1+4
    --remap-path-prefix=/build=build
    "#);
}

#[test]
fn a_build_script() {
    let call = RustcCall {
        crate_name: "build_script_build".into(),
        path: "build.rs".into(),
        features: BTreeSet::new(),
        declared_features: BTreeSet::new(),
        externs: Vec::new(),
        libraries: BTreeSet::new(),
        codegen: Codegen::host(),
        ..call(CrateKind::BuildScript)
    };
    assert_snapshot!(line(&call, &nothing()), @"
    --crate-name build_script_build
    --edition=2021 /s/net-tool-src/build.rs
    --error-format=json
    --json=artifacts
    --crate-type bin
    --emit=link
    -C embed-bitcode=no
    -C debug-assertions=off
    --check-cfg cfg(docsrs,test)
    --check-cfg cfg(feature, values())
    -C metadata=DIGEST
    -C extra-filename=-SHORT-own
    --out-dir /s/own
    -C strip=debuginfo
    --cap-lints allow
    ");
    assert_snapshot!(variables(&call, &nothing()), @"
    CARGO=/bin/cargo
    CARGO_CRATE_NAME=build_script_build
    CARGO_MANIFEST_DIR=/s/net-tool-src
    CARGO_MANIFEST_PATH=/s/net-tool-src/Cargo.toml
    CARGO_PKG_AUTHORS=A <a@b.c>:B
    CARGO_PKG_DESCRIPTION=
    CARGO_PKG_HOMEPAGE=
    CARGO_PKG_LICENSE=
    CARGO_PKG_LICENSE_FILE=
    CARGO_PKG_NAME=net-tool
    CARGO_PKG_README=
    CARGO_PKG_REPOSITORY=
    CARGO_PKG_RUST_VERSION=
    CARGO_PKG_VERSION=1.2.3-rc.1+4
    CARGO_PKG_VERSION_MAJOR=1
    CARGO_PKG_VERSION_MINOR=2
    CARGO_PKG_VERSION_PATCH=3
    CARGO_PKG_VERSION_PRE=rc.1
    HOME=/build/home
    LANG=C
    LD_LIBRARY_PATH=/s/rust/lib
    PATH=/usr/bin:/bin
    SOURCE_DATE_EPOCH=1
    TMPDIR=/build/tmp
    ");
}

/// The call of a program with a build script.
fn program() -> (RustcCall, Said) {
    let mut call = RustcCall {
        crate_name: "net".into(),
        path: "src/main.rs".into(),
        script: Some(object("script")),
        environment: [("FROM_RECIPE".into(), "1".into())].into(),
        ..call(CrateKind::Program { name: "net".into() })
    };
    call.package.primary = true;
    let said = Said {
        own: Some(own()),
        reachable: vec![dependency()],
    };
    (call, said)
}

#[test]
fn a_program() {
    let (call, said) = program();
    assert_snapshot!(line(&call, &said), @r#"
    --crate-name net
    --edition=2021 /s/net-tool-src/src/main.rs
    --error-format=json
    --json=artifacts
    --crate-type bin
    --emit=link
    -C opt-level=3
    -C embed-bitcode=no
    --cfg feature="std"
    --check-cfg cfg(docsrs,test)
    --check-cfg cfg(feature, values("default", "std"))
    -C metadata=DIGEST
    -C extra-filename=-SHORT-own
    --out-dir /build/program
    -C linker=/bin/orlop-linker
    -C linker-flavor=gcc
    -C strip=debuginfo
    -L dependency=/s/log
    -L dependency=/s/cfg-if
    --extern log_facade=/s/log/liblog-SHORT-log.rlib
    --cap-lints allow
    --remap-path-prefix=/s/net-tool-src=net-tool-1.2.3-rc.1+4
    --remap-path-prefix=/s/own/out=net-tool-1.2.3-rc.1+4-out
    --remap-path-prefix=/build=build
    -L native=/s/own/out/lib
    -L /s/dependency/out
    -L native=/usr/lib
    -l static=own
    -l z
    -C link-arg=-all
    -C link-arg=-programs
    -C link-arg=-net
    --cfg fast
    --cfg level="3"
    --check-cfg cfg(fast)
    "#);
    assert_snapshot!(variables(&call, &said), @"
    BUILT_BY=a=b c
    CARGO=/bin/cargo
    CARGO_BIN_NAME=net
    CARGO_CRATE_NAME=net
    CARGO_MANIFEST_DIR=/s/net-tool-src
    CARGO_MANIFEST_PATH=/s/net-tool-src/Cargo.toml
    CARGO_PKG_AUTHORS=A <a@b.c>:B
    CARGO_PKG_DESCRIPTION=
    CARGO_PKG_HOMEPAGE=
    CARGO_PKG_LICENSE=
    CARGO_PKG_LICENSE_FILE=
    CARGO_PKG_NAME=net-tool
    CARGO_PKG_README=
    CARGO_PKG_REPOSITORY=
    CARGO_PKG_RUST_VERSION=
    CARGO_PKG_VERSION=1.2.3-rc.1+4
    CARGO_PKG_VERSION_MAJOR=1
    CARGO_PKG_VERSION_MINOR=2
    CARGO_PKG_VERSION_PATCH=3
    CARGO_PKG_VERSION_PRE=rc.1
    CARGO_PRIMARY_PACKAGE=1
    FROM_RECIPE=1
    HOME=/build/home
    LANG=C
    LD_LIBRARY_PATH=/s/rust/lib
    ORLOP_LINK_SET=/s/own
    OUT_DIR=/s/own/out
    PATH=/usr/bin:/bin
    SOURCE_DATE_EPOCH=1
    TMPDIR=/build/tmp
    ");
}

#[test]
fn a_program_beside_a_library_leaves_it_the_native_libraries() {
    let program = call(CrateKind::Program { name: "net".into() });
    let said = Said {
        own: Some(own()),
        reachable: Vec::new(),
    };
    let links = |has_library| {
        line(
            &RustcCall {
                has_library,
                ..program.clone()
            },
            &said,
        )
    };
    assert!(links(false).contains("\n-l static=own\n-l z\n"));
    assert!(!links(true).contains("\n-l"));
}

#[test]
fn a_library_for_c_gets_link_arguments_of_dependencies_too() {
    let library = CLibrary {
        headers: BTreeMap::new(),
        pkg_config: "net".into(),
    };
    let call = call(CrateKind::CLibrary(Box::new(library)));
    let other = || Run {
        directives: Directives {
            link_arguments: own().directives.link_arguments,
            ..dependency().directives
        },
        ..dependency()
    };
    let ends = |own| {
        let reachable = vec![other()];
        let line = line(&call, &Said { own, reachable });
        let arguments = line.lines().filter(|line| line.contains("link-arg=-"));
        arguments.map(str::to_owned).collect::<Vec<_>>()
    };
    let [driver, all, c] = ["-fuse-ld=bfd", "-all", "-c"].map(|arg| format!("-C link-arg={arg}"));
    assert_eq!(ends(None), [driver.clone(), c.clone()]);
    assert_eq!(ends(Some(own())), [driver, all, c.clone(), c]);
}

#[test]
fn other_codegen_options() {
    let codegen = Codegen {
        opt_level: "s".into(),
        codegen_units: Some(1),
        debug_info: Some("line-tables-only".into()),
        lto: Lto::Off,
        panic_abort: true,
        overflow_checks: true,
        debug_assertions: false,
    };
    let line = line(
        &RustcCall {
            codegen,
            ..call(CrateKind::Library)
        },
        &nothing(),
    );
    for option in [
        "opt-level=s",
        "codegen-units=1",
        "debuginfo=line-tables-only",
    ] {
        assert!(line.contains(&format!("-C {option}\n")), "{line}");
    }
    assert!(!line.contains("strip"), "{line}");
}

/// Returns the codegen options of a library, without what all have.
fn codegen_options(codegen: Codegen) -> String {
    let line = line(
        &RustcCall {
            codegen,
            ..call(CrateKind::Library)
        },
        &nothing(),
    );
    let options = line.lines().filter_map(|line| line.strip_prefix("-C "));
    let common = ["metadata", "extra-filename", "strip"];
    options
        .filter(|option| !common.iter().any(|common| option.starts_with(common)))
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn codegen_options_are_said_where_rustc_would_do_otherwise() {
    let target = Codegen::target;
    let lto = |lto| codegen_options(Codegen { lto, ..target() });
    assert_eq!(lto(Lto::Local), "opt-level=3 embed-bitcode=no");
    assert_eq!(lto(Lto::Off), "opt-level=3 lto=off embed-bitcode=no");
    assert_eq!(lto(Lto::Left), "opt-level=3 linker-plugin-lto");
    assert_eq!(lto(Lto::Thin), "opt-level=3 lto=thin");
    assert_eq!(lto(Lto::Fat), "opt-level=3 lto=fat");
    let abort = Codegen {
        panic_abort: true,
        ..target()
    };
    assert_eq!(
        codegen_options(abort),
        "opt-level=3 panic=abort embed-bitcode=no"
    );
    for (class, debug_assertions, overflow_checks, expected) in [
        (target(), false, false, ""),
        (target(), false, true, " overflow-checks=on"),
        (
            target(),
            true,
            false,
            " debug-assertions=on overflow-checks=off",
        ),
        (target(), true, true, " debug-assertions=on"),
        (Codegen::host(), false, false, " debug-assertions=off"),
        (
            Codegen::host(),
            false,
            true,
            " debug-assertions=off overflow-checks=on",
        ),
        (Codegen::host(), true, false, " overflow-checks=off"),
        (Codegen::host(), true, true, ""),
    ] {
        let found = codegen_options(Codegen {
            debug_assertions,
            overflow_checks,
            ..class
        });
        let (_, checks) = found.split_once("embed-bitcode=no").unwrap();
        assert_eq!(checks, expected);
    }
}
