//! [`Member`]: what is linked together or not at all, and what it defines and asks for.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use orlop_store::StorePath;
use serde::{Deserialize, Serialize};

use crate::objects::{ObjectError, Source, Strength, Symbol, objects};

/// A crate with the native archives that belong to it, or all of a compiler's own crates.
///
/// The compiler's own crates refer to each other in a circle, so they are one member. A native
/// archive on the command line belongs to the crate before it: they call each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// For people: `serde`, `std`.
    pub name: String,
    /// Its archives, in the order of the command line.
    pub parts: Vec<Part>,
    /// What they define and ask for.
    pub symbols: Symbols,
}

/// One archive of a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Where it is.
    pub place: Place,
    /// Whether all its objects are linked, asked for or not.
    pub whole: bool,
}

/// Where a file is, independent of the machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The store object.
    pub object: StorePath,
    /// The file in it.
    pub file: Utf8PathBuf,
}

/// What an archive, an object or several of them define and ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Symbols {
    /// Names that are defined, and whether only inside their image.
    pub defined: BTreeMap<String, bool>,
    /// Of the names that are defined only inside their image, those of variables that others may
    /// define, too: one image has one of them.
    pub merged: BTreeSet<String>,
    /// Names that are asked for and not defined here, and whether they may only come from the
    /// same image.
    pub undefined: BTreeMap<String, bool>,
    /// Of these, the names that nobody has to define: all who ask for them do so weakly.
    pub weak: BTreeSet<String>,
    /// Sections whose names are C identifiers: somebody may gather all of that name.
    pub gatherable: BTreeSet<String>,
    /// Whether compiled Rust code runs before `main`.
    pub runs_before_main: bool,
    /// The memory it takes.
    pub bytes: u64,
}

/// The prefixes of the names by which a linker gives the borders of gathered sections.
const GATHER: [&str; 2] = ["__start_", "__stop_"];

impl Symbols {
    /// Reads an archive or an object.
    pub(crate) fn read<'a>(file: impl Source<'a>) -> Result<Self, ObjectError> {
        let objects = objects(file)?;
        let mut names = Names::default();
        let mut all = Self::default();
        for object in &objects {
            for symbol in object.symbols()? {
                let Symbol { name, hidden, .. } = symbol;
                if symbol.defined {
                    names.defined.push((name, hidden));
                    if hidden && symbol.strength == Strength::WeakVariable {
                        all.merged.insert(name.to_owned());
                    }
                } else {
                    let weak = symbol.strength != Strength::Strong;
                    names.undefined.push((name, Asked { hidden, weak }));
                }
            }
            for section in object.sections()? {
                all.bytes = all.bytes.saturating_add(section.bytes);
                if let Some(name) = c_identifier(section.name) {
                    all.gatherable.insert(name.to_owned());
                }
                // A C library's constructor prepares the library itself and does no harm where
                // the library is not used; what Rust code does there others can see.
                all.runs_before_main |=
                    object.name.ends_with(".rcgu.o") && is_constructor(section.name);
            }
        }
        names.settle(&mut all);
        Ok(all)
    }

    /// Puts several together as if they were one.
    pub fn merge(mut parts: Vec<Self>) -> Self {
        if parts.len() == 1 {
            return parts.swap_remove(0);
        }
        let mut names = Names::default();
        let mut all = Self::default();
        for part in &parts {
            let defined = part.defined.iter();
            names
                .defined
                .extend(defined.map(|(name, &hidden)| (&**name, hidden)));
            let undefined = part.undefined.iter().map(|(name, &hidden)| {
                let weak = part.weak.contains(name);
                (&**name, Asked { hidden, weak })
            });
            names.undefined.extend(undefined);
            all.merged.extend(part.merged.iter().cloned());
            all.gatherable.extend(part.gatherable.iter().cloned());
            all.runs_before_main |= part.runs_before_main;
            all.bytes = all.bytes.saturating_add(part.bytes);
        }
        names.settle(&mut all);
        all
    }

    /// Returns the names of sections that it wants gathered.
    pub fn gathers(&self) -> impl Iterator<Item = &str> {
        self.undefined
            .keys()
            .filter_map(|name| GATHER.iter().find_map(|prefix| name.strip_prefix(prefix)))
    }
}

/// Names as they come, those that are defined with whether they are hidden. They are long and alike, so
/// to sort them once takes a fraction of what it takes to look each one up.
#[derive(Default)]
struct Names<'a> {
    defined: Vec<(&'a str, bool)>,
    undefined: Vec<(&'a str, Asked)>,
}

/// How a name is asked for.
#[derive(Clone, Copy)]
struct Asked {
    hidden: bool,
    weak: bool,
}

impl Names<'_> {
    /// Says once of each name what is defined, and what is asked for and not defined.
    fn settle(self, all: &mut Symbols) {
        // One visible definition is enough; one hidden reference is enough, and so is one that is
        // not weak.
        let defined = once_each(self.defined, |one, other| one && other);
        let mut undefined = once_each(self.undefined, |one, other| Asked {
            hidden: one.hidden || other.hidden,
            weak: one.weak && other.weak,
        });
        undefined.retain(|(name, _)| {
            let found = defined.binary_search_by_key(name, |(name, _)| name);
            found.is_err()
        });
        let weak = undefined.iter().filter(|(_, asked)| asked.weak);
        all.weak = weak.map(|(name, _)| (*name).to_owned()).collect();
        let undefined = undefined.into_iter();
        all.undefined = undefined
            .map(|(name, asked)| (name.to_owned(), asked.hidden))
            .collect();
        let defined = defined.into_iter();
        all.defined = defined
            .map(|(name, hidden)| (name.to_owned(), hidden))
            .collect();
    }
}

/// Sorts names and puts together what is said of the same one.
fn once_each<T: Copy>(mut names: Vec<(&str, T)>, together: impl Fn(T, T) -> T) -> Vec<(&str, T)> {
    names.sort_unstable_by_key(|(name, _)| *name);
    names.dedup_by(|other, kept| {
        let same = other.0 == kept.0;
        if same {
            kept.1 = together(kept.1, other.1);
        }
        same
    });
    names
}

/// Returns a section's name if it is a C identifier.
fn c_identifier(name: &[u8]) -> Option<&str> {
    let name = str::from_utf8(name).ok()?;
    let first = name.chars().next()?;
    let letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    (!first.is_ascii_digit() && name.chars().all(letter)).then_some(name)
}

fn is_constructor(name: &[u8]) -> bool {
    let prefixes: [&[u8]; 3] = [b".init_array", b".preinit_array", b".ctors"];
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::tests::{archive, object};

    #[test]
    fn objects_of_an_archive_are_one() {
        let file = archive(&[
            (
                "a.rcgu.o",
                object(".text", &[("f", true, 2), ("g", false, 2), ("h", false, 0)]),
            ),
            (
                "b.rcgu.o",
                object(
                    "linkme_X",
                    &[("g", true, 0), ("__start_linkme_X", false, 2)],
                ),
            ),
        ]);
        let symbols = Symbols::read(&file[..]).unwrap();
        assert_eq!(
            symbols.defined,
            BTreeMap::from([("f".into(), true), ("g".into(), false)])
        );
        let undefined = BTreeMap::from([("h".into(), false), ("__start_linkme_X".into(), true)]);
        assert_eq!(symbols.undefined, undefined);
        assert_eq!(symbols.gatherable, BTreeSet::from(["linkme_X".to_owned()]));
        assert_eq!(symbols.gathers().collect::<Vec<_>>(), ["linkme_X"]);
        assert!(!symbols.runs_before_main);
        assert_eq!(symbols.bytes, 32);
    }

    #[test]
    fn only_rust_code_before_main_is_noted() {
        let constructor = || object(".init_array.00099", &[]);
        let rust = archive(&[("a.rcgu.o", constructor())]);
        let c = archive(&[("cpuid.o", constructor())]);
        assert!(Symbols::read(&rust[..]).unwrap().runs_before_main);
        assert!(!Symbols::read(&c[..]).unwrap().runs_before_main);
    }
}
