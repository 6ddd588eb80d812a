//! The command line of rustc.

use orlop_store::derivation::{Codegen, CrateKind, Lto, RustcCall};

use super::{Run, Said};
use crate::environment::folders;
use crate::script::{Directives, LinkArgument, LinkTarget};
use crate::workplace::Seen;

/// The folder in the scratch folder that takes what a program's link would make: nothing, since
/// the recorder takes the place of the linker.
pub(super) const PROGRAM: &str = "program";

/// A command line being written.
#[derive(Default)]
struct Arguments(Vec<String>);

impl Arguments {
    fn add(&mut self, argument: impl Into<String>) {
        self.0.push(argument.into());
    }

    fn pair(&mut self, option: &str, value: impl Into<String>) {
        self.0.extend([option.to_owned(), value.into()]);
    }
}

/// Returns the arguments of a call, in Cargo's order.
///
/// Left away against Cargo: colours, since people read the log, and `--emit=dep-info`, since nothing
/// here reads it. Added: the remapping of paths, where Cargo puts
/// `RUSTFLAGS`.
pub(super) fn arguments(call: &RustcCall, said: &Said, seen: &Seen) -> Vec<String> {
    let mut arguments = Arguments::default();
    add_what(&mut arguments, call, seen);
    add_codegen(&mut arguments, call);
    add_features(&mut arguments, call);
    add_output(&mut arguments, call, seen);
    add_libraries(&mut arguments, call, seen);
    arguments.pair("--cap-lints", "allow");
    add_remapping(&mut arguments, call, said, seen);
    add_native(&mut arguments, call, said, seen);
    if let Some(Run { directives, .. }) = &said.own {
        for cfg in &directives.cfgs {
            arguments.pair("--cfg", cfg);
        }
        for cfg in &directives.check_cfgs {
            arguments.pair("--check-cfg", cfg);
        }
    }
    arguments.0
}

fn add_what(arguments: &mut Arguments, call: &RustcCall, seen: &Seen) {
    arguments.pair("--crate-name", &call.crate_name);
    arguments.add(format!("--edition={}", call.edition));
    arguments.add(seen.object(&call.source).join(&call.path));
    let crate_type = match &call.kind {
        CrateKind::Library => "lib",
        CrateKind::ProcMacro => "proc-macro",
        CrateKind::BuildScript | CrateKind::Program { .. } => "bin",
        CrateKind::Plugin | CrateKind::CLibrary(_) => "cdylib",
    };
    arguments.add("--error-format=json");
    arguments.add("--json=artifacts");
    arguments.pair("--crate-type", crate_type);
    arguments.add(match call.kind {
        // Other libraries can use it from the moment its metadata is there.
        CrateKind::Library => "--emit=metadata,link",
        CrateKind::ProcMacro
        | CrateKind::BuildScript
        | CrateKind::Program { .. }
        | CrateKind::Plugin
        | CrateKind::CLibrary(_) => "--emit=link",
    });
}

fn add_codegen(arguments: &mut Arguments, call: &RustcCall) {
    if call.kind == CrateKind::ProcMacro {
        arguments.pair("-C", "prefer-dynamic");
    }
    let codegen = &call.codegen;
    if codegen.opt_level != "0" {
        arguments.pair("-C", format!("opt-level={}", codegen.opt_level));
    }
    if codegen.panic_abort {
        arguments.pair("-C", "panic=abort");
    }
    match codegen.lto {
        Lto::Local => arguments.pair("-C", "embed-bitcode=no"),
        Lto::Off => {
            arguments.pair("-C", "lto=off");
            arguments.pair("-C", "embed-bitcode=no");
        }
        Lto::Left => arguments.pair("-C", "linker-plugin-lto"),
        Lto::Thin => arguments.pair("-C", "lto=thin"),
        Lto::Fat => arguments.pair("-C", "lto=fat"),
    }
    if let Some(units) = codegen.codegen_units {
        arguments.pair("-C", format!("codegen-units={units}"));
    }
    if let Some(level) = &codegen.debug_info {
        arguments.pair("-C", format!("debuginfo={level}"));
    }
    add_checks(arguments, codegen);
}

/// Says what rustc would not do by itself: without optimisation it switches debug assertions on,
/// and with them checks for overflow.
fn add_checks(arguments: &mut Arguments, codegen: &Codegen) {
    let assertions_implied = codegen.opt_level == "0";
    if codegen.debug_assertions != assertions_implied {
        let value = on_or_off(codegen.debug_assertions);
        arguments.pair("-C", format!("debug-assertions={value}"));
    }
    let checks_implied = codegen.debug_assertions;
    if codegen.overflow_checks != checks_implied {
        let value = on_or_off(codegen.overflow_checks);
        arguments.pair("-C", format!("overflow-checks={value}"));
    }
}

fn on_or_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn add_features(arguments: &mut Arguments, call: &RustcCall) {
    for feature in &call.features {
        arguments.pair("--cfg", format!("feature=\"{feature}\""));
    }
    let declared: Vec<_> = call
        .declared_features
        .iter()
        .map(|feature| format!("\"{feature}\""))
        .collect();
    arguments.pair("--check-cfg", "cfg(docsrs,test)");
    arguments.pair(
        "--check-cfg",
        format!("cfg(feature, values({}))", declared.join(", ")),
    );
}

fn add_output(arguments: &mut Arguments, call: &RustcCall, seen: &Seen) {
    arguments.pair("-C", format!("metadata={}", seen.path.digest()));
    // The linker gives a library for C a name that no other has; its file is called as in C.
    if !matches!(call.kind, CrateKind::CLibrary(_)) {
        arguments.pair("-C", format!("extra-filename=-{}", seen.path.short()));
    }
    match call.kind {
        CrateKind::Program { .. } | CrateKind::Plugin => {
            arguments.pair("--out-dir", seen.scratch.join(PROGRAM));
            arguments.pair("-C", format!("linker={}", seen.view.recorder));
            arguments.pair("-C", "linker-flavor=gcc");
        }
        CrateKind::CLibrary(_) => {
            arguments.pair("--out-dir", format!("{}/lib", seen.output()));
            // Of linkers that call themselves nothing is known: the driver is to call the one that
            // stands for `ld`.
            arguments.pair("-C", "link-arg=-fuse-ld=bfd");
        }
        CrateKind::Library | CrateKind::ProcMacro | CrateKind::BuildScript => {
            arguments.pair("--out-dir", seen.output());
        }
    }
    if call.codegen.debug_info.is_none() {
        // There is still that of the standard library.
        arguments.pair("-C", "strip=debuginfo");
    }
}

fn add_libraries(arguments: &mut Arguments, call: &RustcCall, seen: &Seen) {
    for library in &call.libraries {
        arguments.pair("-L", format!("dependency={}", seen.object(&library.object)));
    }
    for dependency in &call.externs {
        let file = seen.library(&dependency.library);
        arguments.pair("--extern", format!("{}={file}", dependency.name));
    }
    if call.kind == CrateKind::ProcMacro {
        arguments.pair("--extern", "proc_macro");
    }
}

/// Takes the places of this build out of messages and debug information.
fn add_remapping(arguments: &mut Arguments, call: &RustcCall, said: &Said, seen: &Seen) {
    // A build script goes nowhere, and may look for files beside its `file!()`.
    if call.kind == CrateKind::BuildScript {
        return;
    }
    let package = format!("{}-{}", call.package.name, call.package.version);
    let mut remap =
        |from: &str, to: &str| arguments.add(format!("--remap-path-prefix={from}={to}"));
    remap(seen.object(&call.source).as_str(), &package);
    if let Some(own) = &said.own {
        remap(own.out_dir.as_str(), &format!("{package}-out"));
    }
    remap(seen.scratch.as_str(), "build");
}

/// Returns where rustc looks for native libraries, as `-L` takes it.
pub(super) fn native_folders(call: &RustcCall, said: &Said, seen: &Seen) -> Vec<String> {
    let runs = said
        .runs()
        .map(|run| (&run.directives, run.out_dir.as_path()));
    let mut found = Directives::search_paths(runs);
    let recipes = folders(&call.natives, &["lib"], seen).into_iter();
    found.extend(recipes.map(|folder| format!("native={folder}")));
    found
}

/// Adds what build scripts and recipes say about native libraries.
fn add_native(arguments: &mut Arguments, call: &RustcCall, said: &Said, seen: &Seen) {
    for folder in native_folders(call, said, seen) {
        arguments.pair("-L", folder);
    }
    // A program gets them through its package's library, if there is one.
    let takes_libraries = match call.kind {
        CrateKind::Library | CrateKind::ProcMacro | CrateKind::Plugin | CrateKind::CLibrary(_) => {
            true
        }
        CrateKind::Program { .. } => !call.has_library,
        CrateKind::BuildScript => false,
    };
    if let Some(Run { directives, .. }) = said.own.as_ref().filter(|_| takes_libraries) {
        for library in &directives.link_libraries {
            arguments.pair("-l", library);
        }
    }
    let own = said.own.iter().map(|run| (run, true));
    let others = said.reachable.iter().map(|run| (run, false));
    for (Run { directives, .. }, is_own) in own.chain(others) {
        for LinkArgument { to, argument } in &directives.link_arguments {
            // Cargo once passed those of dependencies on by mistake, and has kept to that for
            // libraries for C alone.
            if (is_own || *to == LinkTarget::CLibraries) && applies(to, &call.kind) {
                arguments.pair("-C", format!("link-arg={argument}"));
            }
        }
    }
}

fn applies(to: &LinkTarget, kind: &CrateKind) -> bool {
    match (to, kind) {
        (_, CrateKind::BuildScript) => false,
        (LinkTarget::All, _)
        | (LinkTarget::Programs, CrateKind::Program { .. })
        | (LinkTarget::CLibraries, CrateKind::CLibrary(_)) => true,
        (LinkTarget::Program(wanted), CrateKind::Program { name }) => wanted == name,
        _ => false,
    }
}
