//! A recipe's shell script: [`build`].
//!
//! While it runs, the compiler finds this program in place of the linker, which gives shared
//! libraries names that no others have; afterwards it checks and completes what was made.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use orlop_store::derivation::NativeBuild;
use orlop_store::job::{COMPLETER, LOADED_FOLDER, NATIVE_VARIABLE};
use orlop_store::{JobSlots, StorePath};

use crate::environment::{self, Environment, folders, joined};
use crate::error::BuildError;
use crate::outputs;
use crate::script::NUM_JOBS;
use crate::workplace::{Command, Seen, Workplace};

/// The folder of the writable copy of the source.
const SOURCE: &str = "source";

/// Runs the script in a writable copy of its source; `$out` takes what it makes.
pub(crate) fn build(build: &NativeBuild, place: &Workplace<'_>) -> Result<(), BuildError> {
    place.run(command(build, place)?, &build.tools)?;
    if place.io(is_empty(place.staged()))? {
        return Err(place.failed("the script put nothing into `$out`"));
    }
    let completer = place.seen.view.linkers.join(COMPLETER);
    let args = completed(&build.natives, place);
    place.run(in_source(completer, args, build, place), &build.tools)?;
    outputs::keep(&build.outputs, place)
}

/// Returns what the completer is told: what was made, where, and with which libraries.
pub(crate) fn completed(natives: &BTreeSet<StorePath>, place: &Workplace<'_>) -> Vec<String> {
    let natives = natives.iter().map(|native| place.seen.object(native));
    let places = [place.seen.output(), place.seen.scratch.clone()];
    places
        .into_iter()
        .chain(natives)
        .map(String::from)
        .collect()
}

/// Gets the working folder ready; returns what is run in it.
pub(crate) fn command(build: &NativeBuild, place: &Workplace<'_>) -> Result<Command, BuildError> {
    place.io(copy_tree(
        &place.object(&build.source),
        &place.scratch().join(SOURCE),
    ))?;
    script(build, SOURCE, place)
}

/// The same for somebody who comes to see it: they stand where the script begins, so its first line,
/// if that leads into a folder of the source, has been followed already.
pub(crate) fn visited(build: &NativeBuild, place: &Workplace<'_>) -> Result<Command, BuildError> {
    let whole = command(build, place)?;
    let is_there = |folder: &str| place.scratch().join(SOURCE).join(folder).is_dir();
    let Some((folder, rest)) = entered(&build.script).filter(|(folder, _)| is_there(folder)) else {
        return Ok(whole);
    };
    let build = NativeBuild {
        script: rest.to_owned(),
        ..build.clone()
    };
    script(&build, &format!("{SOURCE}/{folder}"), place)
}

/// Splits a script whose first line is no more than `cd FOLDER`, as that of a recipe is that names a
/// folder of its source.
fn entered(script: &str) -> Option<(&str, &str)> {
    let (first, rest) = script.split_once('\n')?;
    let folder = first.strip_prefix("cd ")?;
    // A shell would take any other letter for more than itself.
    let plain = |c: char| c.is_ascii_alphanumeric() || "/.+-_".contains(c);
    let is_plain = folder.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    (is_plain && folder.chars().all(plain)).then_some((folder, rest))
}

/// Returns what runs the script in a folder of the working folder.
pub(crate) fn script(
    build: &NativeBuild,
    folder: &str,
    place: &Workplace<'_>,
) -> Result<Command, BuildError> {
    place.io(fs_err::write(
        place.scratch().join("script.sh"),
        &build.script,
    ))?;
    let script = place.seen.scratch.join("script.sh");
    let args = vec!["-eu".into(), script.into()];
    Ok(Command {
        folder: place.seen.scratch.join(folder),
        ..in_source("/bin/sh".into(), args, build, place)
    })
}

fn in_source(
    program: Utf8PathBuf,
    args: Vec<String>,
    build: &NativeBuild,
    place: &Workplace<'_>,
) -> Command {
    Command {
        program,
        args,
        environment: environment(build, &place.seen),
        folder: place.seen.scratch.join(SOURCE),
        capture_stdout: false,
        copies: Vec::new(),
        slots: JobSlots::MAKE,
    }
}

fn environment(build: &NativeBuild, seen: &Seen) -> Environment {
    let mut environment = environment::standard(seen);
    environment::add_natives(&mut environment, &build.natives, seen);
    environment.insert("NUM_JOBS".into(), NUM_JOBS.into());
    environment.insert(NATIVE_VARIABLE.into(), seen.path.to_string());
    // Where gcc looks for a linker first; and for those who call `ld` themselves.
    let linkers = &seen.view.linkers;
    environment.insert("COMPILER_PATH".into(), linkers.to_string());
    let path = environment.remove("PATH").unwrap_or_default();
    environment.insert("PATH".into(), format!("{linkers}:{path}"));
    environment.insert("out".into(), seen.output().into());
    for (name, folder) in [
        ("CPATH", "include"),
        ("LIBRARY_PATH", "lib"),
        ("LD_LIBRARY_PATH", LOADED_FOLDER),
    ] {
        // An empty entry would mean the working folder.
        if !build.natives.is_empty() {
            environment.insert(name.into(), list(&build.natives, folder, seen));
        }
    }
    environment::add_helpers(&mut environment, &build.helpers, seen);
    let objects = build.natives.iter().chain(build.helpers.keys());
    environment::add_recipe(&mut environment, &build.environment, objects, seen);
    environment
}

fn list(natives: &BTreeSet<StorePath>, folder: &str, seen: &Seen) -> String {
    joined(&folders(natives, &[folder], seen))
}

fn is_empty(folder: &Utf8Path) -> io::Result<bool> {
    Ok(fs_err::read_dir(folder)?.next().is_none())
}

/// Copies a tree so that the copy can be written to.
pub(crate) fn copy_tree(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    fs_err::create_dir(to)?;
    for entry in fs_err::read_dir(from)? {
        let entry = entry?;
        let source = Utf8PathBuf::try_from(entry.path()).map_err(io::Error::other)?;
        let target = to.join(source.file_name().unwrap_or_default());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&source, &target)?;
        } else if kind.is_symlink() {
            fs_err::os::unix::fs::symlink(fs_err::read_link(&source)?, &target)?;
        } else {
            copy_file(&source, &target)?;
        }
    }
    Ok(())
}

fn copy_file(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::copy(from, to)?;
    let executable = fs_err::metadata(from)?.permissions().mode() & 0o100;
    let mode = if executable == 0 { 0o644 } else { 0o755 };
    fs_err::set_permissions(to, std::fs::Permissions::from_mode(mode))?;
    // One time for all files, as in the store: `make` must not take a shipped `configure` for
    // older than what it was made from.
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    fs_err::OpenOptions::new()
        .write(true)
        .open(to)?
        .file()
        .set_modified(time)
}
