//! Names that people give: they become file names, so they are checked before.

use crate::error::StoreError;

/// Leaves room for what is put around a name in a 255-byte file name.
const LONGEST: usize = 200;

/// Accepts what is one plain file name: letters, digits, `-`, `_`, `.`, `+`, beginning with a
/// letter, a digit or `_`.
pub(crate) fn check(kind: &'static str, name: &str) -> Result<(), StoreError> {
    let refuse = |reason| {
        let name = name.escape_debug().take(80).collect();
        Err(StoreError::Name { kind, name, reason })
    };
    let Some(first) = name.chars().next() else {
        return refuse("it is empty");
    };
    if name.len() > LONGEST {
        return refuse("it is too long");
    }
    if !first.is_ascii_alphanumeric() && first != '_' {
        return refuse("it does not begin with a letter or digit");
    }
    if !name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+'))
    {
        return refuse("only letters, digits, `-`, `_`, `.` and `+` can be in it");
    }
    Ok(())
}

/// Accepts what is one file name and can be typed: programs may be called `[` or `foo bar`.
pub(crate) fn check_program(name: &str) -> Result<(), StoreError> {
    let refuse = |reason| {
        let name = name.escape_debug().take(80).collect();
        Err(StoreError::Name {
            kind: "a program",
            name,
            reason,
        })
    };
    match name {
        "" => refuse("it is empty"),
        "." | ".." => refuse("it means a folder"),
        _ if name.len() > LONGEST => refuse("it is too long"),
        _ if name.contains('/') => refuse("it has a `/`"),
        _ if name.chars().any(char::is_control) => refuse("it has a control character"),
        _ => Ok(()),
    }
}
