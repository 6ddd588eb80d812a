//! What a running build script sees.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use orlop_store::Compiler;
use orlop_store::derivation::ScriptRun;
use orlop_store::job::LOADED_FOLDER;

use super::directives::Directives;
use crate::environment::{self, Environment, folders, joined, variable};
use crate::workplace::Seen;

/// How many jobs a script may start. The same everywhere: scripts write it into what they make, and
/// it is not part of any key.
pub(crate) const NUM_JOBS: &str = "4";

/// Returns the environment of a build script, exactly Cargo's. `dependencies` are the directives of
/// `run.dependencies`, in that order.
pub(super) fn environment(
    run: &ScriptRun,
    compiler: &Compiler,
    dependencies: &[Directives],
    seen: &Seen,
) -> Environment {
    let mut environment = environment::standard(seen);
    environment::add_natives(&mut environment, &run.natives, seen);
    environment.extend(environment::package(
        &run.package,
        &seen.object(&run.source),
        seen,
    ));
    let folder = seen.object(&run.tools.compiler);
    let debug = run
        .codegen
        .debug_info
        .as_deref()
        .is_some_and(|level| !matches!(level, "0" | "none"));
    let mut set = |name: &str, value: &str| environment.insert(name.to_owned(), value.to_owned());
    set("CARGO_ENCODED_RUSTFLAGS", "");
    set("DEBUG", if debug { "true" } else { "false" });
    set("HOST", &compiler.host);
    set("LD_LIBRARY_PATH", &library_path(run, compiler, seen));
    set("NUM_JOBS", NUM_JOBS);
    set("OPT_LEVEL", &run.codegen.opt_level);
    set("OUT_DIR", seen.output().join("out").as_str());
    set("PROFILE", "release");
    set("RUSTC", folder.join("bin/rustc").as_str());
    set("RUSTDOC", folder.join("bin/rustdoc").as_str());
    set("TARGET", &compiler.host);
    if let Some(links) = &run.links {
        set("CARGO_MANIFEST_LINKS", links);
    }
    for feature in &run.features {
        set(&format!("CARGO_FEATURE_{}", variable(feature)), "1");
    }
    for (dependency, directives) in run.dependencies.iter().zip(dependencies) {
        for pair in &directives.metadata {
            let name = format!(
                "DEP_{}_{}",
                variable(&dependency.links),
                variable(&pair.key)
            );
            set(&name, &pair.value);
        }
    }
    environment.extend(configuration(run, compiler));
    environment::add_helpers(&mut environment, &run.helpers, seen);
    environment::add_recipe(&mut environment, &run.environment, &run.natives, seen);
    environment
}

/// Returns the `CARGO_CFG_*` variables: what rustc says of its target, and the features.
fn configuration(run: &ScriptRun, compiler: &Compiler) -> Environment {
    let features = run.features.iter().map(String::as_str).collect();
    let mut configuration: BTreeMap<&str, Vec<&str>> = BTreeMap::from([("feature", features)]);
    for line in &compiler.cfg {
        match line.split_once('=') {
            Some((key, value)) => {
                configuration
                    .entry(key)
                    .or_default()
                    .push(value.trim_matches('"'));
            }
            // A matter of the codegen options, which rustc was not asked with; they are off in all
            // of ours.
            None if line == "debug_assertions" => {}
            None => {
                configuration.insert(line, Vec::new());
            }
        }
    }
    configuration
        .into_iter()
        .map(|(key, values)| (format!("CARGO_CFG_{}", variable(key)), values.join(",")))
        .collect()
}

fn library_path(run: &ScriptRun, compiler: &Compiler, seen: &Seen) -> String {
    let mut paths: Vec<Utf8PathBuf> = folders(&run.natives, &[LOADED_FOLDER], seen);
    let compiler_folder = seen.object(&run.tools.compiler);
    paths.push(compiler_folder.join(format!("lib/rustlib/{}/lib", compiler.host)));
    paths.push(compiler_folder.join("lib"));
    joined(&paths)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use insta::assert_snapshot;
    use orlop_store::derivation::{
        Codegen, DependencyScript, Isolation, PackageTexts, ScriptRun, Tools,
    };
    use orlop_store::{Digest, JobView, StorePath};

    use super::*;
    use crate::script::Pair;

    fn object(name: &str) -> StorePath {
        StorePath::new(Digest::of("test", name), name)
    }

    fn run() -> ScriptRun {
        ScriptRun {
            tools: Tools {
                compiler: object("rust"),
                c_tools: object("c-tools"),
                isolation: Isolation::Full,
            },
            source: object("source"),
            package: PackageTexts {
                name: "ssh2-sys".into(),
                version: "0.3.1".into(),
                ..PackageTexts::default()
            },
            program: object("program"),
            carried: [].into(),
            links: Some("ssh2".into()),
            programs: BTreeSet::new(),
            features: ["default".into(), "vendored-openssl".into(), "a.b+c".into()].into(),
            dependencies: vec![DependencyScript {
                links: "z-ng".into(),
                run: object("z"),
            }],
            codegen: Codegen::target(),
            natives: [object("native")].into(),
            helpers: [].into(),
            environment: [
                ("SSH2_NO_PKG_CONFIG".into(), "1".into()),
                (
                    "SSH2_FILE".into(),
                    format!("{{{}}}/lib/x.so", object("native")),
                ),
            ]
            .into(),
        }
    }

    fn compiler() -> Compiler {
        let cfg = "debug_assertions\npanic=\"unwind\"\ntarget_abi=\"\"\ntarget_feature=\"sse2\"\n\
                   target_feature=\"fxsr\"\ntarget_has_atomic\ntarget_has_atomic=\"8\"\nunix";
        Compiler {
            release: "1.95.0".into(),
            commit: "0".into(),
            host: "x86_64-unknown-linux-gnu".into(),
            cfg: cfg.lines().map(Into::into).collect(),
            bundled_linker: None,
        }
    }

    fn variables(run: &ScriptRun) -> String {
        let seen = Seen {
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
        };
        let pair = |key: &str, value: &str| Pair {
            key: key.into(),
            value: value.into(),
        };
        let dependency = Directives {
            metadata: vec![pair("include", "/s/z/include"), pair("lib-dir", "a=b c")],
            ..Directives::default()
        };
        let environment = environment(run, &compiler(), &[dependency], &seen);
        let mut text = String::new();
        for (name, value) in environment {
            text.extend([name.as_str(), "=", &value, "\n"]);
        }
        for name in ["rust", "source", "native", "own"] {
            text = text.replace(&object(name).to_string(), name);
        }
        text
    }

    #[test]
    fn a_build_script_sees_what_cargo_shows() {
        assert_snapshot!(variables(&run()), @"
        CARGO=/bin/cargo
        CARGO_CFG_FEATURE=a.b+c,default,vendored-openssl
        CARGO_CFG_PANIC=unwind
        CARGO_CFG_TARGET_ABI=
        CARGO_CFG_TARGET_FEATURE=sse2,fxsr
        CARGO_CFG_TARGET_HAS_ATOMIC=8
        CARGO_CFG_UNIX=
        CARGO_ENCODED_RUSTFLAGS=
        CARGO_FEATURE_A.B+C=1
        CARGO_FEATURE_DEFAULT=1
        CARGO_FEATURE_VENDORED_OPENSSL=1
        CARGO_MANIFEST_DIR=/s/source
        CARGO_MANIFEST_LINKS=ssh2
        CARGO_MANIFEST_PATH=/s/source/Cargo.toml
        CARGO_PKG_AUTHORS=
        CARGO_PKG_DESCRIPTION=
        CARGO_PKG_HOMEPAGE=
        CARGO_PKG_LICENSE=
        CARGO_PKG_LICENSE_FILE=
        CARGO_PKG_NAME=ssh2-sys
        CARGO_PKG_README=
        CARGO_PKG_REPOSITORY=
        CARGO_PKG_RUST_VERSION=
        CARGO_PKG_VERSION=0.3.1
        CARGO_PKG_VERSION_MAJOR=0
        CARGO_PKG_VERSION_MINOR=3
        CARGO_PKG_VERSION_PATCH=1
        CARGO_PKG_VERSION_PRE=
        DEBUG=false
        DEP_Z_NG_INCLUDE=/s/z/include
        DEP_Z_NG_LIB_DIR=a=b c
        HOME=/build/home
        HOST=x86_64-unknown-linux-gnu
        LANG=C
        LD_LIBRARY_PATH=/s/native/lib/sonames:/s/rust/lib/rustlib/x86_64-unknown-linux-gnu/lib:/s/rust/lib
        NUM_JOBS=4
        OPT_LEVEL=3
        OUT_DIR=/s/own/out
        PATH=/s/native/bin:/usr/bin:/bin
        PKG_CONFIG_LIBDIR=/s/native/lib/pkgconfig:/s/native/share/pkgconfig
        PKG_CONFIG_PATH=/s/native/lib/pkgconfig:/s/native/share/pkgconfig
        PROFILE=release
        RUSTC=/s/rust/bin/rustc
        RUSTDOC=/s/rust/bin/rustdoc
        SOURCE_DATE_EPOCH=1
        SSH2_FILE=/s/native/lib/x.so
        SSH2_NO_PKG_CONFIG=1
        TARGET=x86_64-unknown-linux-gnu
        TMPDIR=/build/tmp
        ");
    }

    #[test]
    fn debug_information_shows_in_debug() {
        let with = |debug_info: &str| {
            let codegen = Codegen {
                debug_info: Some(debug_info.into()),
                ..Codegen::host()
            };
            let run = ScriptRun {
                codegen,
                features: BTreeSet::new(),
                links: None,
                ..run()
            };
            variables(&run)
        };
        assert!(with("1").contains("\nDEBUG=true\n"));
        assert!(with("0").contains("\nDEBUG=false\n"));
        assert!(with("1").contains("\nOPT_LEVEL=0\n"));
        assert!(with("1").contains("\nCARGO_CFG_FEATURE=\n"));
        assert!(!with("1").contains("CARGO_MANIFEST_LINKS"));
    }
}
