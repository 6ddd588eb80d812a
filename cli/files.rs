//! Text files of the user. One that holds no text is the user's to mend, as one that holds the wrong
//! text is.

use std::io::{self, ErrorKind};

use camino::Utf8Path;
use rustix::fs::{Access, access};

use crate::error::{CommandError, Kind};

/// Reads a file.
pub(crate) fn read(path: &Utf8Path) -> Result<String, CommandError> {
    let bytes = fs_err::read(path).map_err(|error| CommandError::new(Kind::Failed, error))?;
    text(path, bytes)
}

/// Reads a file that may be missing.
pub(crate) fn read_if_there(path: &Utf8Path) -> Result<Option<String>, CommandError> {
    match fs_err::read(path) {
        Ok(bytes) => text(path, bytes).map(Some),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(CommandError::new(Kind::Failed, error)),
    }
}

/// Makes sure that a file can be put there later, in one step and in the place of an earlier one: who
/// finds out behind the work has lost it. Writes nothing.
pub(crate) fn replaceable(path: &Utf8Path) -> Result<(), CommandError> {
    if is_folder(path) {
        return Err(unwritable(path, "it is a folder"));
    }
    let folder = path.parent().unwrap_or(Utf8Path::new("/"));
    takes_files(folder).map_err(|reason| unwritable(path, &reason))
}

/// The same of a file that is written where it is: it may be a pipe or a terminal.
pub(crate) fn writable(path: &Utf8Path) -> Result<(), CommandError> {
    if is_folder(path) || !path.exists() {
        return replaceable(path);
    }
    access(path.as_str(), Access::WRITE_OK)
        .map_err(|errno| unwritable(path, &io::Error::from(errno).to_string()))
}

/// Makes sure that a file whose name is not known yet can be put into a folder.
pub(crate) fn fillable(folder: &Utf8Path) -> Result<(), CommandError> {
    takes_files(folder).map_err(CommandError::failed)
}

fn takes_files(folder: &Utf8Path) -> Result<(), String> {
    access(folder.as_str(), Access::WRITE_OK | Access::EXEC_OK).map_err(|errno| {
        let error = io::Error::from(errno);
        format!("nothing can be put into `{folder}`: {error}")
    })
}

/// Whether a path means a folder: one that is there, or one by its words.
pub(crate) fn is_folder(path: &Utf8Path) -> bool {
    path.as_str().ends_with('/') || path.is_dir()
}

fn unwritable(path: &Utf8Path, reason: &str) -> CommandError {
    CommandError::failed(format!("write `{path}`: {reason}"))
}

fn text(path: &Utf8Path, bytes: Vec<u8>) -> Result<String, CommandError> {
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        CommandError::usage(format!("read `{path}`: line {line} is not UTF-8"))
    })
}
