//! Changes the text of a TOML file, and leaves all that stands around what changes.

use toml_edit::{DocumentMut, Value};

/// Reads a text that was understood before, to be changed.
pub(crate) fn document(text: &str) -> DocumentMut {
    let text = text.trim_start_matches('\u{feff}');
    text.parse().expect("the text was read before")
}

/// Replaces a value where it stands; spaces and the comment beside it stay.
pub(crate) fn replace(value: &mut Value, new: Value) {
    let decor = value.decor().clone();
    *value = new;
    *value.decor_mut() = decor;
}
