//! The variables that rustc sees, and with it the macros it runs.

use orlop_store::derivation::{CrateKind, RustcCall};

use super::{Said, c_library};
use crate::environment::{self, Environment};
use crate::workplace::Seen;

/// Returns the environment of a call, exactly Cargo's.
pub(super) fn environment(call: &RustcCall, said: &Said, seen: &Seen) -> Environment {
    let mut environment = environment::standard(seen);
    environment.extend(environment::package(
        &call.package,
        &seen.object(&call.source),
        seen,
    ));
    let mut set = |name: &str, value: &str| environment.insert(name.to_owned(), value.to_owned());
    set("CARGO_CRATE_NAME", &call.crate_name);
    if call.package.primary {
        set("CARGO_PRIMARY_PACKAGE", "1");
    }
    // Proc macros are libraries that load the compiler's own.
    set(
        "LD_LIBRARY_PATH",
        seen.object(&call.tools.compiler).join("lib").as_str(),
    );
    if let CrateKind::Program { name } = &call.kind {
        set("CARGO_BIN_NAME", name);
    }
    if let CrateKind::Program { .. } | CrateKind::Plugin = &call.kind {
        set("ORLOP_LINK_SET", seen.output().as_str());
    }
    if let CrateKind::CLibrary(_) = &call.kind {
        c_library::add_linkers(&mut environment, seen);
    }
    let mut set = |name: &str, value: &str| environment.insert(name.to_owned(), value.to_owned());
    if let Some(own) = &said.own {
        set("OUT_DIR", own.out_dir.as_str());
        for pair in &own.directives.environment {
            set(&pair.key, &pair.value);
        }
    }
    environment::add_recipe(&mut environment, &call.environment, &call.natives, seen);
    environment
}
