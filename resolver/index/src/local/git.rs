//! A commit of a repository as a folder.

use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest as _, Sha256};

use super::{LocalError, Workshop};
use crate::download::hex;

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

/// Returns the folder with the files of a commit; it is fetched if it is not here.
pub(super) fn checkout(
    workshop: &Workshop,
    address: &str,
    rev: &str,
) -> Result<Utf8PathBuf, LocalError> {
    let place = hex(&Sha256::digest(address)[..8]);
    let all = workshop.home.join("downloads/git");
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
    let run = |arguments: &[&str]| run(git, work, arguments);
    let fetched = run(&["init", "--quiet"])
        // Servers may refuse to give out single commits; then everything is asked for.
        .and_then(|_| {
            run(&["fetch", "--quiet", "--depth=1", "--", &address, rev])
                .or_else(|_| run(&["fetch", "--quiet", "--", &address, "+refs/*:refs/all/*"]))
        })
        .and_then(|_| run(&["checkout", "--quiet", "--detach", rev]));
    if let Err(reason) = fetched {
        let rev = rev.to_owned();
        return Err(LocalError::Git {
            address,
            rev,
            reason,
        });
    }
    match fs_err::rename(work, &folder) {
        Ok(()) => drop(scratch.keep()),
        // Somebody else has fetched it in the meantime.
        Err(_) if folder.is_dir() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(folder)
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
        .args([
            "-c",
            "protocol.ext.allow=never",
            "-c",
            "core.symlinks=false",
        ])
        .args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "core.autocrlf=false",
        ])
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
