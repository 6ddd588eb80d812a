//! Changing the visibility of hidden symbols in copies of archives and objects.
//!
//! A border between a binary and a library can cut through what was meant to end in one image:
//! the allocator shim of an app, a C function that one crate defines and another calls. Such
//! symbols are made visible. A hidden definition becomes *protected*, not default: its own object
//! addresses it directly, which is only right as long as nobody can put another in its place.

use crate::objects::{ObjectError, Source, objects};

/// What a hidden symbol becomes. The numbers are those of ELF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// It can be seen, and another image's definition may come first.
    Default = 0,
    /// It can be seen, and its own image always uses it.
    Protected = 3,
}

/// A hidden symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hidden<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether the object defines it; it asks for it otherwise.
    pub defined: bool,
}

/// The bits of `st_other` that hold the visibility.
const MASK: u8 = 3;

/// Changes hidden symbols in an archive or object as `rule` says; none leaves a symbol as it is.
/// Lengths and offsets stay, so an archive's index stays right. Returns how many were changed.
pub fn change(
    file: &mut [u8],
    rule: impl Fn(Hidden<'_>) -> Option<Visibility>,
) -> Result<usize, ObjectError> {
    let changes = changes(&*file, rule)?;
    for &(at, visibility) in &changes {
        file[at] = file[at] & !MASK | visibility as u8;
    }
    Ok(changes.len())
}

/// Returns what [`change`] changes: the places of visibilities in the file, and what they become.
pub(crate) fn changes<'a>(
    file: impl Source<'a>,
    rule: impl Fn(Hidden<'_>) -> Option<Visibility>,
) -> Result<Vec<(usize, Visibility)>, ObjectError> {
    let mut changes = Vec::new();
    for object in objects(file)? {
        for symbol in object.symbols()?.into_iter().filter(|symbol| symbol.hidden) {
            let hidden = Hidden {
                name: symbol.name,
                defined: symbol.defined,
            };
            changes.extend(rule(hidden).map(|visibility| (symbol.other_at, visibility)));
        }
    }
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::tests::{archive, object};

    fn visibilities(file: &[u8]) -> Vec<u8> {
        let objects = objects(file).unwrap();
        let symbols = objects.iter().flat_map(|object| object.symbols().unwrap());
        symbols.map(|symbol| file[symbol.other_at]).collect()
    }

    #[test]
    fn only_what_the_rule_says_is_changed() {
        let symbols = [
            ("one", true, 2),
            ("two", true, 2),
            ("three", false, 2),
            ("four", true, 0),
        ];
        let original = archive(&[("odd", vec![1]), ("a.o", object(".text", &symbols))]);
        let mut file = original.clone();
        let changed = change(&mut file, |hidden| match (hidden.name, hidden.defined) {
            ("one", true) => Some(Visibility::Protected),
            ("three", false) => Some(Visibility::Default),
            ("four", _) => panic!("`four` is not hidden"),
            _ => None,
        });
        assert_eq!(changed.unwrap(), 2);
        assert_eq!(visibilities(&original), [2, 2, 2, 0]);
        assert_eq!(visibilities(&file), [3, 2, 0, 0]);
        let differing = original
            .iter()
            .zip(&file)
            .filter(|(one, other)| one != other);
        assert_eq!(differing.count(), 2);
    }

    #[test]
    fn other_bits_stay() {
        let mut file = object(".text", &[("one", true, 0xf2)]);
        change(&mut file, |_| Some(Visibility::Protected)).unwrap();
        assert_eq!(visibilities(&file), [0xf3]);
    }
}
