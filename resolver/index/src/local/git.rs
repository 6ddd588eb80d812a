//! A commit of a repository as a folder.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};
use walkdir::WalkDir;

use super::{LocalError, Workshop};
use crate::download::hex;
use crate::files;

/// Where commits are, in a home. They were in `git` as long as their links were files.
const FOLDER: &str = "downloads/commits";

/// What names a repository, whatever folder Git runs in: a hook of one runs with these, and the
/// commit would be checked out there. `git rev-parse --local-env-vars` lists them.
const OF_REPOSITORIES: [&str; 15] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// Returns the folder with the files of a commit and of its submodules; it is fetched if it is not
/// here.
pub(super) fn checkout(
    workshop: &Workshop,
    address: &str,
    rev: &str,
) -> Result<Utf8PathBuf, LocalError> {
    let place = hex(&Sha256::digest(address)[..8]);
    let all = workshop.home.join(FOLDER);
    let folder = all.join(format!("{place}-{rev}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    let address = address.to_owned();
    if workshop.offline && !address.starts_with("file:") {
        let rev = rev.to_owned();
        return Err(LocalError::Offline { address, rev });
    }
    let Some(git) = &workshop.git else {
        return Err(LocalError::NoGit { address });
    };
    fs_err::create_dir_all(&all)?;
    let scratch = tempfile::Builder::new().prefix(".new-").tempdir_in(&all)?;
    let work = Utf8Path::from_path(scratch.path()).expect("the folder around it is UTF-8");
    if let Err(reason) = fetch(git, work, &address, rev) {
        let rev = rev.to_owned();
        return Err(LocalError::Git {
            address,
            rev,
            reason,
        });
    }
    // The files are all that is wanted, and the address may hold a password.
    fs_err::remove_dir_all(work.join(".git"))?;
    keep_inside(work)?;
    // Nobody looks at them again, so they must be whole after a power cut as well.
    files::sync(&all)?;
    match fs_err::rename(work, &folder) {
        Ok(()) => drop(scratch.keep()),
        // Somebody else has fetched it in the meantime.
        Err(_) if folder.is_dir() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(folder)
}

/// Fetches a commit into an empty folder, with its submodules, as Cargo does; says why it failed.
fn fetch(git: &Utf8Path, work: &Utf8Path, address: &str, rev: &str) -> Result<(), String> {
    // Git lets no submodule name a repository of this machine; beside one that is here, it may.
    let files = if address.starts_with("file:") {
        "protocol.file.allow=always"
    } else {
        "protocol.file.allow=user"
    };
    let run = |arguments: &[&str]| run(git, work, &[&["-c", files], arguments].concat());
    run(&["init", "--quiet"])?;
    // What submodules may be relative to.
    run(&["config", "remote.origin.url", address])?;
    // Servers may refuse to give out single commits; then everything is asked for.
    run(&["fetch", "--quiet", "--depth=1", "--", address, rev])
        .or_else(|_| run(&["fetch", "--quiet", "--", address, "+refs/*:refs/all/*"]))?;
    run(&["checkout", "--quiet", "--detach", rev])?;
    if work.join(".gitmodules").is_file() {
        let modules = ["submodule", "--quiet", "update", "--init", "--recursive"];
        run(&[&modules[..], &["--depth=1"]].concat()).or_else(|_| run(&modules))?;
    }
    Ok(())
}

/// Turns the links that lead to nothing in the folder into files that say where they lead, as Git
/// does where there are no links: what is on this machine is none of the repository's.
fn keep_inside(folder: &Utf8Path) -> io::Result<()> {
    let top = fs_err::canonicalize(folder)?;
    let mut outward = Vec::new();
    for entry in WalkDir::new(&top) {
        let entry = entry?;
        let inside = |target: PathBuf| target.starts_with(&top);
        if entry.path_is_symlink() && !fs_err::canonicalize(entry.path()).is_ok_and(inside) {
            outward.push(entry.into_path());
        }
    }
    // Only now, as some may lead to others.
    for link in outward {
        let target = fs_err::read_link(&link)?;
        fs_err::remove_file(&link)?;
        fs_err::write(&link, target.as_os_str().as_bytes())?;
    }
    Ok(())
}

/// Returns the commits that names of a repository stand for now, as Git lists them: `HEAD`, then
/// tags, an annotated one once more with `^{}` behind it.
pub(super) fn names(
    workshop: &Workshop,
    address: &str,
) -> Result<Vec<(String, String)>, LocalError> {
    let address = address.to_owned();
    if workshop.offline && !address.starts_with("file:") {
        let rev = "HEAD".to_owned();
        return Err(LocalError::Offline { address, rev });
    }
    let Some(git) = &workshop.git else {
        return Err(LocalError::NoGit { address });
    };
    let wanted = ["ls-remote", "--", &address, "HEAD", "refs/tags/*"];
    let listed = run(git, Utf8Path::new("/"), &wanted).map_err(|reason| LocalError::Names {
        address: address.clone(),
        reason,
    })?;
    let line = |line: &str| {
        let (rev, name) = line.split_once('\t')?;
        Some((rev.to_owned(), name.to_owned()))
    };
    Ok(listed.lines().filter_map(line).collect())
}

/// Runs Git with no configuration but its own, no question, and no program from an address.
/// Returns what it prints.
#[expect(
    clippy::disallowed_methods,
    reason = "Git alone knows how to talk to repositories"
)]
fn run(git: &Utf8Path, folder: &Utf8Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(git);
    for variable in OF_REPOSITORIES {
        command.env_remove(variable);
    }
    let done = command
        .args(["-c", "protocol.ext.allow=never"])
        .args(["-c", "core.hooksPath=/dev/null"])
        .args(["-c", "core.autocrlf=false"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(reason(&said)
        .chars()
        .flat_map(printable)
        .take(300)
        .collect())
}

/// Returns the line with the reason of a failure; advice may stand behind it.
fn reason(said: &str) -> &str {
    let mut lines = said.lines().filter(|line| !line.trim().is_empty());
    let fatal = lines.clone().find(|line| line.starts_with("fatal: "));
    fatal
        .or(lines.next_back())
        .unwrap_or("it says nothing")
        .trim_start_matches("fatal: ")
}

/// Escapes what a terminal could obey; quotes are harmless, and Git uses them much.
fn printable(c: char) -> impl Iterator<Item = char> {
    let plain = matches!(c, '\'' | '"' | '\\');
    let escaped = (!plain).then(|| c.escape_debug());
    plain
        .then_some(c)
        .into_iter()
        .chain(escaped.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::{printable, reason};

    #[test]
    fn advice_is_no_reason() {
        let said = "fatal: '/x' does not appear to be a git repository\n\
                    fatal: Could not read from remote repository.\n\n\
                    Please make sure you have the correct access rights\n\
                    and the repository exists.\n";
        assert_eq!(reason(said), "'/x' does not appear to be a git repository");
        assert_eq!(reason("error: x\nerror: y\n\n"), "error: y");
        assert_eq!(reason(" \n"), "it says nothing");
    }

    #[test]
    fn quotes_stay_and_commands_do_not() {
        let text: String = "no 'kit' \"at\" C:\\x\u{1b}[31m\u{202e}é"
            .chars()
            .flat_map(printable)
            .collect();
        assert_eq!(text, "no 'kit' \"at\" C:\\x\\u{1b}[31m\\u{202e}é");
    }
}
