//! Text files of the user. One that holds no text is the user's to mend, as one that holds the wrong
//! text is.

use std::io::ErrorKind;

use camino::Utf8Path;

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

fn text(path: &Utf8Path, bytes: Vec<u8>) -> Result<String, CommandError> {
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.split(|byte| *byte == b'\n').count();
        CommandError::usage(format!("read `{path}`: line {line} is not UTF-8"))
    })
}
