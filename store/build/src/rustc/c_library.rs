//! What makes a library for C of what rustc links: its names, its headers, and what pkg-config is
//! told of it.
//!
//! The driver that rustc calls finds this program in place of the linker, as in a native build, and
//! afterwards the library is checked as one of these.

use camino::{Utf8Path, Utf8PathBuf};
use orlop_store::JobSlots;
use orlop_store::derivation::{CLibrary, PackageTexts, RustcCall};
use orlop_store::job::{COMPLETER, NATIVE_VARIABLE};

use crate::environment::{self, Environment};
use crate::error::BuildError;
use crate::workplace::{Command, Seen, Workplace};

/// Where a build script's own files are in the object of its run.
const OUT: &str = "out";

/// Lets the driver find this program in place of the linker.
pub(super) fn add_linkers(environment: &mut Environment, seen: &Seen) {
    let linkers = &seen.view.linkers;
    environment.insert(NATIVE_VARIABLE.into(), seen.path.to_string());
    environment.insert("COMPILER_PATH".into(), linkers.to_string());
}

/// The library, in its object.
pub(super) fn file(call: &RustcCall) -> Utf8PathBuf {
    format!("lib/lib{}.so", call.crate_name).into()
}

/// Whether a link can be that by the name that the library is loaded by, which the linker puts beside
/// it.
pub(super) fn is_name(link: &Utf8Path, call: &RustcCall) -> bool {
    let start = format!("lib{}-", call.crate_name);
    link.parent() == Some("lib".into())
        && link
            .file_name()
            .is_some_and(|name| name.starts_with(&start))
}

/// Puts beside the library what its users need, and has it checked.
pub(super) fn finish(
    library: &CLibrary,
    call: &RustcCall,
    place: &Workplace<'_>,
) -> Result<(), BuildError> {
    for (to, from) in &library.headers {
        let header = header(from, call, place)?;
        put(&header, &place.staged().join("include").join(to), place)?;
    }
    let folder = place.staged().join("lib/pkgconfig");
    place.io(fs_err::create_dir_all(&folder))?;
    place.io(fs_err::write(
        folder.join(format!("{}.pc", library.pkg_config)),
        description(&library.pkg_config, &call.crate_name, &call.package),
    ))?;
    place.run(
        Command {
            program: place.seen.view.linkers.join(COMPLETER),
            args: crate::native::completed(&call.natives, place),
            environment: {
                let mut environment = environment::standard(&place.seen);
                add_linkers(&mut environment, &place.seen);
                environment
            },
            folder: place.seen.scratch.clone(),
            capture_stdout: false,
            copies: Vec::new(),
            slots: JobSlots::CARGO,
        },
        &call.tools,
    )?;
    Ok(())
}

/// Finds a header in the package, or else in what its build script made.
fn header(from: &str, call: &RustcCall, place: &Workplace<'_>) -> Result<Utf8PathBuf, BuildError> {
    let source = place.object(&call.source).join(from);
    let made = call
        .script
        .as_ref()
        .map(|run| place.object(run).join(OUT).join(from));
    let found = [Some(source), made].into_iter().flatten();
    // A script's link to a file of the machine leads nowhere.
    let mut found = found.filter_map(|file| place.real(&file).ok());
    found.find(|file| file.is_file()).ok_or_else(|| {
        place.failed(&format!(
            "the recipe names the header `{from}`, which neither the package nor its build script \
             has"
        ))
    })
}

fn put(from: &Utf8Path, to: &Utf8Path, place: &Workplace<'_>) -> Result<(), BuildError> {
    if let Some(folder) = to.parent() {
        place.io(fs_err::create_dir_all(folder))?;
    }
    place.io(fs_err::read(from).and_then(|bytes| fs_err::write(to, bytes)))
}

/// Returns what pkg-config reads. Paths begin at the file itself: the store can be anywhere.
fn description(name: &str, crate_name: &str, package: &PackageTexts) -> String {
    let plain = |text: &str| {
        let words: Vec<_> = text.split_whitespace().collect();
        // A `$` begins a variable, a `#` a comment.
        words.join(" ").replace('$', "$$").replace('#', "")
    };
    let about = match plain(&package.description) {
        empty if empty.is_empty() => name.to_owned(),
        about => about,
    };
    format!(
        "prefix=${{pcfiledir}}/../..\n\
         \n\
         Name: {name}\n\
         Description: {about}\n\
         Version: {}\n\
         Libs: -L${{prefix}}/lib -l{crate_name}\n\
         Cflags: -I${{prefix}}/include\n",
        plain(&package.version)
    )
}

#[cfg(test)]
mod tests {
    use orlop_store::Derivation;
    use orlop_store::derivation::CrateKind;

    use super::*;
    use crate::testing::{Lab, call, run, rustc, script, source};

    /// A library for C with one header.
    fn library(header: &str, script: Option<&Derivation>) -> Derivation {
        let library = CLibrary {
            headers: [("leaf.h".to_owned(), header.to_owned())].into(),
            pkg_config: "leaf".to_owned(),
        };
        rustc(RustcCall {
            script: script.map(Derivation::path),
            ..call("leaf", CrateKind::CLibrary(Box::new(library)), &[])
        })
    }

    #[test]
    fn a_library_has_what_its_users_need() {
        let lab = Lab::new();
        let library = library("Cargo.toml", None);
        lab.execute(&[&source("leaf"), &library]).unwrap();
        assert_eq!(lab.read(&library, "include/leaf.h"), "[package]");
        assert!(
            lab.read(&library, "lib/pkgconfig/leaf.pc")
                .contains("-lleaf")
        );
    }

    /// Macros run inside rustc; what is put beside the library is put there outside of the sandbox.
    #[test]
    fn no_macro_says_where_headers_go() {
        for place in ["include", "lib/pkgconfig"] {
            let mut lab = Lab::new();
            let victim = lab.store.home().join("victim");
            fs_err::create_dir(&victim).unwrap();
            let link = (place, victim.clone());
            lab.runner.links.insert("leaf 1.0.0 (library for C)", link);
            let library = library("Cargo.toml", None);
            let end = lab.execute(&[&source("leaf"), &library]);
            assert_eq!(fs_err::read_dir(&victim).unwrap().count(), 0, "{place}");
            let error = end.unwrap_err().to_string();
            assert!(
                error.contains("`rustc` should have made `lib/libleaf.so` alone, but made"),
                "{error}"
            );
        }
    }

    #[test]
    fn no_script_takes_a_file_of_the_machine_for_a_header() {
        let mut lab = Lab::new();
        let secret = lab.store.home().join("secret");
        fs_err::write(&secret, "secret").unwrap();
        let link = ("out/made.h", secret);
        let name = "leaf 1.0.0 (build script run)";
        lab.runner.links.insert(name, link);
        let program = rustc(call("leaf", CrateKind::BuildScript, &[]));
        let run = script(run("leaf", &program));
        let library = library("made.h", Some(&run));
        let error = lab
            .execute(&[&source("leaf"), &program, &run, &library])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "build `leaf 1.0.0 (library for C)`: the recipe names the header `made.h`, which \
             neither the package nor its build script has"
        );
    }

    #[test]
    fn the_description_is_one_that_pkg_config_can_read() {
        let package = PackageTexts {
            version: "1.2.3".to_owned(),
            description: "Costs\n  $1 # a lot".to_owned(),
            ..PackageTexts::default()
        };
        insta::assert_snapshot!(description("tiny-1", "tiny", &package), @r"
        prefix=${pcfiledir}/../..

        Name: tiny-1
        Description: Costs $$1  a lot
        Version: 1.2.3
        Libs: -L${prefix}/lib -ltiny
        Cflags: -I${prefix}/include
        ");
        let bare = description("tiny", "tiny", &PackageTexts::default());
        assert!(bare.contains("Description: tiny\n"), "{bare}");
    }
}
