//! What a running build script sees.

use camino::Utf8PathBuf;
use orlop_store::Compiler;
use orlop_store::derivation::ScriptRun;

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
    environment.extend(run.environment.clone());
    environment
}

/// Returns the `CARGO_CFG_*` variables: what rustc says of its target, and the features.
fn configuration(run: &ScriptRun, compiler: &Compiler) -> Environment {
    let features: Vec<_> = run.features.iter().map(String::as_str).collect();
    let mut configuration = Environment::from([("CARGO_CFG_FEATURE".into(), features.join(","))]);
    for line in &compiler.cfg {
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, value.trim_matches('"')),
            // A matter of the codegen options, which rustc was not asked with; they are off in all
            // of ours.
            None if line == "debug_assertions" => continue,
            None => (line.as_str(), ""),
        };
        configuration
            .entry(format!("CARGO_CFG_{}", variable(key)))
            .and_modify(|values| {
                values.push(',');
                values.push_str(value);
            })
            .or_insert_with(|| value.to_owned());
    }
    configuration
}

fn library_path(run: &ScriptRun, compiler: &Compiler, seen: &Seen) -> String {
    let mut paths: Vec<Utf8PathBuf> = folders(&run.natives, &["lib"], seen);
    let compiler_folder = seen.object(&run.tools.compiler);
    paths.push(compiler_folder.join(format!("lib/rustlib/{}/lib", compiler.host)));
    paths.push(compiler_folder.join("lib"));
    joined(&paths)
}
