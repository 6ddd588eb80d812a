//! [`Copies`]: the archives and objects whose hidden symbols had to be made visible.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

use crate::Role;
use crate::error::LinkError;
use crate::group::{Group, Shared};
use crate::members::{Place, Symbols};
use crate::session::Session;
use crate::visibility::{Hidden, Visibility, change, changes};

/// Edited copies, relative to the working folder, by the file they stand for.
#[derive(Debug, Default)]
pub(crate) struct Copies(BTreeMap<Place, Utf8PathBuf>);

/// Where a file ends up, which decides what of it is made visible.
#[derive(Clone, Copy)]
enum Side<'a> {
    /// In a library.
    Library(&'a Shared, &'a Symbols),
    /// In binaries.
    Binary,
    /// In plugins, whose host defines what members of libraries ask programs for.
    Plugin,
}

/// The names that cross a border between a library and something else.
struct Borders<'a> {
    /// What libraries offer.
    offered: BTreeSet<&'a str>,
    /// What members of libraries ask for.
    asked: BTreeSet<&'a str>,
}

impl Copies {
    /// Makes the copies that a group needs.
    pub(crate) fn new(group: &Group<'_>, session: &Session<'_>) -> Result<Self, LinkError> {
        let in_libraries = || {
            group
                .library_of
                .keys()
                .filter_map(|key| group.members.get(key))
        };
        let borders = Borders {
            offered: strings(group.libraries.iter().flat_map(|shared| &shared.offered)),
            asked: strings(in_libraries().flat_map(|member| member.symbols.undefined.keys())),
        };
        let defined: Vec<_> = group
            .libraries
            .iter()
            .map(|shared| defined(group, shared))
            .collect();
        let mut work = Vec::new();
        for (key, member) in &group.members {
            let side = match group.library_of.get(key) {
                Some(&library) => Side::Library(&group.libraries[library], &defined[library]),
                None => Side::Binary,
            };
            if borders.touch(&member.symbols, side) {
                work.extend(member.parts.iter().map(|part| (part.place.clone(), side)));
            }
        }
        for program in &group.programs {
            let side = match program.app.role {
                Role::Plugin => Side::Plugin,
                Role::Alone | Role::Host { .. } => Side::Binary,
            };
            work.extend(program.own().into_iter().map(|place| (place, side)));
        }
        let indexed: Vec<_> = work.into_iter().enumerate().collect();
        let copies = session.parallel(&indexed, |(index, (place, side))| {
            let rule = |hidden: Hidden<'_>| borders.rule(hidden, *side);
            // In most there is nothing to change.
            if changes(&session.open(place)?, rule).is_ok_and(|changes| changes.is_empty()) {
                return Ok(None);
            }
            let mut bytes = session.read(place)?;
            let changed = change(&mut bytes, rule);
            if changed.map_err(|source| session.unreadable(place, source))? == 0 {
                return Ok(None);
            }
            let ending = place.file.extension().unwrap_or_default();
            let copy = Utf8PathBuf::from(format!("copies/{index}.{ending}"));
            session.write(&copy, &bytes)?;
            Ok(Some((place.clone(), copy)))
        })?;
        Ok(Self(copies.into_iter().flatten().collect()))
    }

    /// Reads the file to link.
    pub(crate) fn read(&self, place: &Place, session: &Session<'_>) -> Result<Vec<u8>, LinkError> {
        match self.0.get(place) {
            Some(copy) => Ok(fs_err::read(session.host(copy))?),
            None => session.read(place),
        }
    }

    /// Returns the file to link, as a job sees it: the copy if there is one.
    pub(crate) fn seen(&self, place: &Place, session: &Session<'_>) -> Utf8PathBuf {
        match self.0.get(place) {
            Some(copy) => session.seen(copy),
            None => session.stored(&place.object, &place.file),
        }
    }
}

impl Borders<'_> {
    /// Says what becomes of a hidden symbol.
    fn rule(&self, hidden: Hidden<'_>, side: Side<'_>) -> Option<Visibility> {
        match (side, hidden.defined) {
            (Side::Library(shared, _), true) => shared
                .offered
                .contains(hidden.name)
                .then_some(Visibility::Protected),
            (Side::Library(_, defined), false) => {
                (!defined.defined.contains_key(hidden.name)).then_some(Visibility::Default)
            }
            (Side::Binary | Side::Plugin, true) => self
                .asked
                .contains(hidden.name)
                .then_some(Visibility::Default),
            // One hidden reference hides the definition in another object of the same binary.
            (Side::Binary | Side::Plugin, false) => {
                let crosses =
                    self.offered.contains(hidden.name) || self.asked.contains(hidden.name);
                crosses.then_some(Visibility::Default)
            }
        }
    }

    /// Whether there is anything to change, as far as the whole member's symbols tell.
    fn touch(&self, symbols: &Symbols, side: Side<'_>) -> bool {
        let hidden = |names: &BTreeMap<String, bool>, defined| {
            let mut hidden = names.iter().filter(|(_, hidden)| **hidden);
            hidden.any(|(name, _)| self.rule(Hidden { name, defined }, side).is_some())
        };
        hidden(&symbols.defined, true) || hidden(&symbols.undefined, false)
    }
}

/// Returns what a library's members define together.
fn defined(group: &Group<'_>, shared: &Shared) -> Symbols {
    let mut all = Symbols::default();
    for member in shared
        .members
        .iter()
        .filter_map(|key| group.members.get(key))
    {
        let names = member.symbols.defined.iter();
        all.defined
            .extend(names.map(|(name, hidden)| (name.clone(), *hidden)));
    }
    all
}

fn strings<'a>(names: impl Iterator<Item = &'a String>) -> BTreeSet<&'a str> {
    names.map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in `difft` with `bat` beside it: its allocator is in one object, and another one, into
    /// which the optimizer took calls of it along, refers to it as hidden.
    #[test]
    fn an_allocator_is_hidden_by_no_object_of_its_program() {
        let borders = Borders {
            offered: ["offered"].into(),
            asked: ["__rust_realloc"].into(),
        };
        for side in [Side::Binary, Side::Plugin] {
            for defined in [true, false] {
                let rule = |name| borders.rule(Hidden { name, defined }, side);
                assert_eq!(rule("__rust_realloc"), Some(Visibility::Default));
                assert_eq!(rule("own"), None);
                let offered = (!defined).then_some(Visibility::Default);
                assert_eq!(rule("offered"), offered);
            }
        }
    }
}
