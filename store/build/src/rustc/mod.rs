//! One call of rustc: [`compile`].
//!
//! | module | holds |
//! |---|---|
//! | `arguments` | the command line |
//! | `c_library` | what makes a library for C of what is linked |
//! | `environment` | the variables |
//! | `messages` | what rustc says meanwhile |
//!
//! Both are Cargo's, word for word, for a package of a registry in release mode; what differs is
//! said where it differs. Both follow from the derivation and from what the build scripts named in
//! it have said, and from nothing else.

mod arguments;
mod c_library;
mod environment;
mod messages;
#[cfg(test)]
mod tests;

use camino::{Utf8Path, Utf8PathBuf};
use orlop_store::derivation::{CrateKind, Library, Lto, RustcCall};
use orlop_store::{JobSlots, StorePath};
use walkdir::WalkDir;

use crate::error::BuildError;
use crate::schedule::Moment;
use crate::script::{DIRECTIVES, Directives};
use crate::workplace::{Command, METADATA, Seen, Workplace};
use messages::Message;

/// The name of a compiled build script in its object.
const BUILD_SCRIPT: &str = "build-script";

/// What build scripts have said that concerns one call.
struct Said {
    /// The package's own.
    own: Option<Run>,
    /// Those of the libraries it reaches.
    reachable: Vec<Run>,
}

/// One run of a build script.
struct Run {
    directives: Directives,
    /// As a process sees it.
    out_dir: Utf8PathBuf,
}

/// Whether rustc only compiles: the recorder takes the place of the linker, and no code of other
/// libraries is optimised with the crate's own.
pub(crate) fn links_nothing(call: &RustcCall) -> bool {
    matches!(call.kind, CrateKind::Program { .. } | CrateKind::Plugin)
        && matches!(call.codegen.lto, Lto::Local | Lto::Off)
}

/// Calls rustc, and leaves in the staged folder exactly what the object holds. Calls `reached`, if
/// given, when other crates can be compiled that use this one.
pub(crate) fn compile(
    call: &RustcCall,
    place: &Workplace<'_>,
    reached: Option<&dyn Fn(Moment)>,
) -> Result<(), BuildError> {
    let said = Said::of(call, place)?;
    if let CrateKind::CLibrary(_) = &call.kind {
        place.io(fs_err::create_dir(place.staged().join("lib")))?;
    }
    call_rustc(call, &said, place, reached)?;
    let expected = match &call.kind {
        CrateKind::Program { .. } | CrateKind::Plugin => return check_link_set(place),
        CrateKind::CLibrary(library) => {
            check_made(&c_library::file(call), place, &|link| {
                c_library::is_name(link, call)
            })?;
            return c_library::finish(library, call, place);
        }
        CrateKind::BuildScript => {
            let file = format!("{}-{}", call.crate_name, place.seen.path.short());
            place.io(fs_err::rename(
                place.staged().join(file),
                place.staged().join(BUILD_SCRIPT),
            ))?;
            BUILD_SCRIPT.to_owned()
        }
        CrateKind::Library | CrateKind::ProcMacro => own_library(call, place).file_name(),
    };
    check_only(&expected, place)
}

/// Gets the working folder ready; returns what is run in it.
pub(crate) fn command(call: &RustcCall, place: &Workplace<'_>) -> Result<Command, BuildError> {
    command_of(call, &Said::of(call, place)?, place)
}

fn command_of(call: &RustcCall, said: &Said, place: &Workplace<'_>) -> Result<Command, BuildError> {
    place.io(fs_err::create_dir(place.scratch().join(arguments::PROGRAM)))?;
    Ok(Command {
        program: place.seen.object(&call.tools.compiler).join("bin/rustc"),
        args: arguments::arguments(call, said, &place.seen),
        environment: environment::environment(call, said, &place.seen),
        folder: place.seen.object(&call.source),
        capture_stdout: false,
        copies: Vec::new(),
        slots: JobSlots::CARGO,
    })
}

/// Offers the metadata of a library to those that use it as soon as rustc has written it.
fn call_rustc(
    call: &RustcCall,
    said: &Said,
    place: &Workplace<'_>,
    reached: Option<&dyn Fn(Moment)>,
) -> Result<(), BuildError> {
    let command = command_of(call, said, place)?;
    let file = Utf8PathBuf::from(own_library(call, place).file_name()).with_extension(METADATA);
    let mut offered = None;
    place.run_listening(command, &call.tools, &mut |line| {
        match Message::parse(line) {
            Message::Wrote { kind } if kind == "metadata" && offered.is_none() => {
                if let Some(reached) = reached {
                    offered = place.offer(&file)?;
                    if offered.is_some() {
                        reached(with_metadata(call, said, &place.seen));
                    }
                }
            }
            Message::Wrote { .. } => {}
            Message::Text(text) => place.say(text.as_bytes())?,
        }
        Ok(())
    })?;
    // A macro may claim in rustc's name that there is metadata.
    if place.take_away(&file)? != offered && offered.is_some() {
        return Err(place.failed("`rustc` wrote other metadata than it had told of"));
    }
    Ok(())
}

/// How far a library is when its metadata is there. rustc takes native libraries that are packed into
/// a library out of it again to link them; where there may be any, programs need all of it.
fn with_metadata(call: &RustcCall, said: &Said, seen: &Seen) -> Moment {
    if arguments::native_folders(call, said, seen).is_empty() {
        Moment::ForPrograms
    } else {
        Moment::ForLibraries
    }
}

/// The library that a call makes, as others will name it.
fn own_library(call: &RustcCall, place: &Workplace<'_>) -> Library {
    Library {
        object: place.seen.path.clone(),
        crate_name: call.crate_name.clone(),
        proc_macro: call.kind == CrateKind::ProcMacro,
    }
}

/// Makes sure that rustc, and the foreign macros inside it, left one file and nothing else: what is
/// done with it is done outside of the sandbox, where a link would be followed.
fn check_only(expected: &str, place: &Workplace<'_>) -> Result<(), BuildError> {
    check_made(Utf8Path::new(expected), place, &|_| false)
}

/// As [`check_only`], but for links that are allowed.
fn check_made(
    expected: &Utf8Path,
    place: &Workplace<'_>,
    allowed: &dyn Fn(&Utf8Path) -> bool,
) -> Result<(), BuildError> {
    let mut made = Vec::new();
    for entry in WalkDir::new(place.staged()).min_depth(1) {
        let entry = place.io(entry.map_err(Into::into))?;
        let inside = entry.path().strip_prefix(place.staged());
        let path = inside.unwrap_or(entry.path());
        let kind = entry.file_type();
        let link = Utf8Path::from_path(path).filter(|_| kind.is_symlink());
        if kind.is_file() {
            made.push(path.display().to_string());
        } else if kind.is_dir() && expected.starts_with(path) || link.is_some_and(allowed) {
            // As it should be.
        } else {
            made.push(format!("{} (no file)", path.display()));
        }
    }
    if made == [expected.as_str()] {
        return Ok(());
    }
    let end = format!("`rustc` should have made `{expected}` alone, but made {made:?}");
    Err(place.failed(&end))
}

/// Makes sure that the recorder was called, and that macros left no links in what it recorded.
fn check_link_set(place: &Workplace<'_>) -> Result<(), BuildError> {
    let mut empty = true;
    for entry in WalkDir::new(place.staged()).min_depth(1) {
        let entry = place.io(entry.map_err(Into::into))?;
        let kind = entry.file_type();
        if !kind.is_file() && !kind.is_dir() {
            let inside = entry.path().strip_prefix(place.staged());
            let path = inside.unwrap_or(entry.path()).display();
            let end = format!("`{path}` is no file: a macro left it in the link set");
            return Err(place.failed(&end));
        }
        empty = false;
    }
    if empty {
        let end = "`rustc` linked nothing, so that no link set was recorded";
        return Err(place.failed(end));
    }
    Ok(())
}

impl Said {
    fn of(call: &RustcCall, place: &Workplace<'_>) -> Result<Self, BuildError> {
        let read = |path: &StorePath| -> Result<Run, BuildError> {
            Ok(Run {
                directives: place.record(&place.object(path).join(DIRECTIVES))?,
                out_dir: place.seen.object(path).join("out"),
            })
        };
        Ok(Self {
            own: call.script.as_ref().map(read).transpose()?,
            reachable: call
                .reachable_scripts
                .iter()
                .filter(|path| call.script.as_ref() != Some(path))
                .map(read)
                .collect::<Result<_, _>>()?,
        })
    }

    /// All runs, the package's own first.
    fn runs(&self) -> impl Iterator<Item = &Run> {
        self.own.iter().chain(&self.reachable)
    }
}
