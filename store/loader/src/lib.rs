//! orlop-loader: proves that a program loads what it was linked against.
//!
//! Two libraries that define the same name clash silently: the loader binds every reference to the
//! first definition it meets. [`prove`] simulates glibc for one program: which files it loads and
//! in which order, and to which definition every symbol reference of every file binds. The program
//! is accepted if each is the definition the file was linked against, and refused otherwise, with
//! the culprits named.
//!
//! | module | purpose |
//! |---|---|
//! | [`elf`] | reads programs and libraries: [`elf::Object`] |
//! | `load` | which files are loaded, in which order |
//! | `bind` | which definition each reference binds to, and which it should |
//! | `glibc` | which libraries are glibc's own: [`is_glibc`] |
//! | `report` | [`Proof`] and [`Refusal`] |
//!
//! The rules are those of glibc on 64-bit machines (its `elf/dl-load.c`, `dl-version.c` and
//! `dl-lookup.c`), held against what glibc itself reports. glibc's own libraries are one unit: what
//! they bind among themselves is their business. Of `dlopen` one call is modelled, by the program
//! itself ([`prove_plugin`]). Not modelled: more of them, and the environment of the user
//! (`LD_PRELOAD`, `LD_LIBRARY_PATH`). What else is not modelled is refused, never assumed harmless.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

mod bind;
pub mod elf;
mod glibc;
mod load;
mod report;
#[cfg(test)]
mod tests;

pub use glibc::{is_glibc, is_loader};
pub use report::{
    BoundSymbol, Chain, Proof, ProvedObject, Provider, Refusal, RefusedBinding, RepeatedName,
};

/// Where libraries may come from that the program's search paths do not lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// The folders of the system, in order: where glibc's own libraries come from.
    pub system: Vec<Utf8PathBuf>,
    /// The SONAMEs of further libraries that may come from these folders. Empty for a program that
    /// brings everything but glibc along.
    pub allowed: BTreeSet<String>,
}

/// Where distributions keep glibc. Files for other machines are passed over, as glibc does.
const STANDARD: [&str; 8] = [
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];

impl Default for Search {
    fn default() -> Self {
        Self {
            system: STANDARD.map(Utf8PathBuf::from).to_vec(),
            allowed: BTreeSet::new(),
        }
    }
}

/// Proves that every symbol reference of a program and of the libraries it loads binds to the
/// definition it was linked against.
pub fn prove(program: &Utf8Path, search: &Search) -> Result<Proof, Refusal> {
    let process = load::load(program, search)?;
    let bindings = bind::bind(&process);
    report::judge(&process, &bindings)
}

/// Proves the same of a plugin, which a program loads while it runs, and of the libraries that come
/// with it: each reference binds to the definition it was linked against, in the program and the
/// libraries it has loaded already, or else among the plugin's own (`RTLD_LOCAL`).
pub fn prove_plugin(
    program: &Utf8Path,
    plugin: &Utf8Path,
    search: &Search,
) -> Result<Proof, Refusal> {
    let process = load::load_with_plugin(program, plugin, search)?;
    let bindings = bind::bind(&process);
    report::judge(&process, &bindings)
}

/// Returns where every reference of a program and of the libraries it loads binds to, right or
/// wrong, in the order in which glibc binds them.
pub fn bindings(program: &Utf8Path, search: &Search) -> Result<Vec<BoundSymbol>, Refusal> {
    let process = load::load(program, search)?;
    let bindings = bind::bind(&process);
    Ok(report::bound(&process, &bindings))
}
