//! [`Member`]: what is linked together or not at all, and what it defines and asks for.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use orlop_store::StorePath;
use serde::{Deserialize, Serialize};

use crate::object::{ObjectError, Strength, objects};

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
    pub fn read(file: &[u8]) -> Result<Self, ObjectError> {
        let mut all = Self::default();
        let mut strong = BTreeSet::new();
        for object in objects(file)? {
            for symbol in object.symbols()? {
                match (symbol.defined, symbol.strength) {
                    (false, Strength::Strong) => {
                        strong.insert(symbol.name);
                    }
                    (false, Strength::Weak | Strength::WeakVariable) => {
                        all.weak.insert(symbol.name.to_owned());
                    }
                    (true, Strength::WeakVariable) if symbol.hidden => {
                        all.merged.insert(symbol.name.to_owned());
                    }
                    (true, _) => {}
                }
                all.add(symbol.name, symbol.defined, symbol.hidden);
            }
            for section in object.sections()? {
                all.bytes = all.bytes.saturating_add(section.bytes);
                if is_c_identifier(section.name) {
                    all.gatherable.insert(section.name.to_owned());
                }
                // A C library's constructor prepares the library itself and does no harm where
                // the library is not used; what Rust code does there others can see.
                all.runs_before_main |=
                    object.name.ends_with(".rcgu.o") && is_constructor(section.name);
            }
        }
        all.weak.retain(|name| !strong.contains(name.as_str()));
        all.settle();
        Ok(all)
    }

    /// Puts several together as if they were one.
    pub fn merge(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        let mut strong = BTreeSet::new();
        for part in parts {
            let asked = part.undefined.keys();
            strong.extend(asked.filter(|name| !part.weak.contains(*name)).cloned());
            for (name, hidden) in part.defined {
                all.add(&name, true, hidden);
            }
            for (name, hidden) in part.undefined {
                all.add(&name, false, hidden);
            }
            all.merged.extend(part.merged);
            all.weak.extend(part.weak);
            all.gatherable.extend(part.gatherable);
            all.runs_before_main |= part.runs_before_main;
            all.bytes = all.bytes.saturating_add(part.bytes);
        }
        all.weak.retain(|name| !strong.contains(name));
        all.settle();
        all
    }

    /// Returns the names of sections that it wants gathered.
    pub fn gathers(&self) -> impl Iterator<Item = &str> {
        self.undefined
            .keys()
            .filter_map(|name| GATHER.iter().find_map(|prefix| name.strip_prefix(prefix)))
    }

    fn add(&mut self, name: &str, defined: bool, hidden: bool) {
        let names = if defined {
            &mut self.defined
        } else {
            &mut self.undefined
        };
        match names.get_mut(name) {
            // One visible definition is enough; one hidden reference is enough.
            Some(known) => {
                *known = if defined {
                    *known && hidden
                } else {
                    *known || hidden
                }
            }
            None => {
                names.insert(name.to_owned(), hidden);
            }
        }
    }

    fn settle(&mut self) {
        let defined = &self.defined;
        self.undefined.retain(|name, _| !defined.contains_key(name));
        self.weak.retain(|name| !defined.contains_key(name));
    }
}

fn is_c_identifier(name: &str) -> bool {
    !name.starts_with(|letter: char| letter.is_ascii_digit())
        && !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_constructor(name: &str) -> bool {
    [".init_array", ".preinit_array", ".ctors"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::tests::{archive, object};

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
        let symbols = Symbols::read(&file).unwrap();
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
        assert!(Symbols::read(&rust).unwrap().runs_before_main);
        assert!(!Symbols::read(&c).unwrap().runs_before_main);
    }
}
