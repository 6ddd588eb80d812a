//! [`Line`]: a link set read as own objects and members.

use std::collections::BTreeMap;

use camino::Utf8Path;
use orlop_store::{Digest, StorePath};

use crate::error::LinkError;
use crate::link_set::{Item, LinkSet};
use crate::members::{Part, Place};

/// The name of the member made of a compiler's own crates.
pub(crate) const STD: &str = "std";

/// A link set of which every item is known to belong to the program or to a member.
#[derive(Debug)]
pub(crate) struct Line {
    /// The link set.
    pub(crate) set: LinkSet,
    /// What each item is.
    pub(crate) roles: Vec<Role>,
    /// The members, in order of their first item.
    pub(crate) members: Vec<Unread>,
}

/// What an item of a link set is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The program's own object or archive: stays in the binary.
    Own,
    /// The compiler's helper functions: an archive for every link. Hidden by design.
    Builtins,
    /// Part of the member at this position.
    Member(usize),
    /// A library to load, a folder, a flag.
    Other,
}

/// A member whose archives have not been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unread {
    /// For people.
    pub(crate) name: String,
    /// What identifies it: the same in every app.
    pub(crate) key: Digest,
    /// Its archives.
    pub(crate) parts: Vec<Part>,
}

impl Line {
    /// Reads the roles of a link set's items. `read` returns the bytes of a file.
    pub(crate) fn new(
        set: LinkSet,
        link_set: &StorePath,
        compiler: &StorePath,
        read: &dyn Fn(&Place) -> Result<Vec<u8>, LinkError>,
    ) -> Result<Self, LinkError> {
        let mut reader = Reader {
            compiler,
            whole: false,
            crate_before: None,
            known: BTreeMap::new(),
        };
        let mut members = Vec::<(String, Vec<Part>)>::new();
        let mut roles = Vec::with_capacity(set.items().len());
        for item in set.items() {
            roles.push(reader.role(item, link_set, &mut members));
        }
        let members = members.into_iter().map(|(name, parts)| {
            let key = key(&parts, link_set, read)?;
            Ok(Unread { name, key, parts })
        });
        Ok(Self {
            members: members.collect::<Result<_, LinkError>>()?,
            set,
            roles,
        })
    }
}

struct Reader<'a> {
    compiler: &'a StorePath,
    whole: bool,
    /// The crate that a native archive at this place belongs to.
    crate_before: Option<usize>,
    known: BTreeMap<Place, usize>,
}

impl Reader<'_> {
    fn role(
        &mut self,
        item: &Item,
        link_set: &StorePath,
        members: &mut Vec<(String, Vec<Part>)>,
    ) -> Role {
        let place = match item {
            Item::Object { .. } => return Role::Own,
            Item::Archive { file } => Place {
                object: link_set.clone(),
                file: file.clone(),
            },
            Item::Stored { object, file } => Place {
                object: object.clone(),
                file: file.clone(),
            },
            Item::Flag { text } => {
                self.flag(text);
                return Role::Other;
            }
            Item::Library { .. } | Item::SearchPath { .. } | Item::File { .. } => {
                return Role::Other;
            }
        };
        if let Some(&member) = self.known.get(&place) {
            return Role::Member(member);
        }
        let is_std = place.object == *self.compiler;
        let member = match place.file.extension() {
            Some("rlib") if is_std && is_builtins(&place.file) => return Role::Builtins,
            Some("rlib") if is_std => {
                self.crate_before = None;
                let std = members.iter().position(|(name, _)| name == STD);
                std.unwrap_or_else(|| add(members, STD.to_owned()))
            }
            Some("rlib") => {
                let member = add(members, crate_name(&place.file));
                self.crate_before = Some(member);
                member
            }
            Some("a") => match self.crate_before {
                Some(member) => member,
                // Before the first crate: the program's own.
                None if members.is_empty() => return Role::Own,
                // Behind the compiler's crates, where old compilers put all native archives.
                None => add(members, crate_name(&place.file)),
            },
            _ => return Role::Own,
        };
        self.known.insert(place.clone(), member);
        members[member].1.push(Part {
            place,
            whole: self.whole,
        });
        Role::Member(member)
    }

    fn flag(&mut self, text: &str) {
        for word in text.strip_prefix("-Wl,").unwrap_or_default().split(',') {
            match word {
                "--whole-archive" => self.whole = true,
                "--no-whole-archive" => self.whole = false,
                _ => {}
            }
        }
    }
}

fn add(members: &mut Vec<(String, Vec<Part>)>, name: String) -> usize {
    members.push((name, Vec::new()));
    members.len() - 1
}

fn is_builtins(file: &Utf8Path) -> bool {
    crate_name(file) == "compiler_builtins"
}

/// Returns the crate's name: `serde_core` of `lib/libserde_core-0123456789abcdfg.rlib`.
fn crate_name(file: &Utf8Path) -> String {
    let stem = file.file_stem().unwrap_or_default();
    let stem = stem.strip_prefix("lib").unwrap_or(stem);
    stem.rsplit_once('-')
        .map_or(stem, |(name, _)| name)
        .to_owned()
}

/// A stored archive is known by its place, a recorded one by its content: every app that has it
/// recorded a copy of its own.
fn key(
    parts: &[Part],
    link_set: &StorePath,
    read: &dyn Fn(&Place) -> Result<Vec<u8>, LinkError>,
) -> Result<Digest, LinkError> {
    let mut identities = Vec::with_capacity(parts.len());
    for Part { place, whole } in parts {
        let identity = if place.object == *link_set {
            let content = blake3::hash(&read(place)?);
            (Digest::from_blake3(&content).to_string(), String::new())
        } else {
            (place.object.to_string(), place.file.to_string())
        };
        identities.push((identity, *whole));
    }
    Ok(Digest::of("orlop-member", &identities))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> StorePath {
        StorePath::new(Digest::of("test", name), name)
    }

    fn stored(object: &str, file: &str) -> Item {
        Item::Stored {
            object: path(object),
            file: file.into(),
        }
    }

    fn show(items: Vec<Item>, link_set: &str) -> (String, Vec<Digest>) {
        let read = |place: &Place| Ok(place.file.as_str().as_bytes().to_vec());
        let set = LinkSet::new(items);
        let line = Line::new(set, &path(link_set), &path("rust"), &read).unwrap();
        let roles: Vec<_> = line
            .roles
            .iter()
            .map(|role| match role {
                Role::Member(member) => line.members[*member].name.clone(),
                role => format!("{role:?}"),
            })
            .collect();
        (
            roles.join(" "),
            line.members.iter().map(|member| member.key).collect(),
        )
    }

    fn items() -> Vec<Item> {
        vec![
            Item::Object {
                file: "objects/0.o".into(),
            },
            Item::Archive {
                file: "archives/0.a".into(),
            },
            stored("serde", "libserde_core-11.rlib"),
            stored("git2", "libgit2_sys-22.rlib"),
            Item::flag("-Wl,--whole-archive"),
            Item::Archive {
                file: "archives/1.a".into(),
            },
            Item::flag("-Wl,--no-whole-archive"),
            stored("rust", "lib/libstd-33.rlib"),
            stored("rust", "lib/libcore-44.rlib"),
            stored("rust", "lib/libcompiler_builtins-55.rlib"),
            stored("z", "libz.a"),
            Item::Library { name: "c".into() },
        ]
    }

    #[test]
    fn roles() {
        let (roles, _) = show(items(), "a");
        insta::assert_snapshot!(
            roles,
            @"Own Own serde_core git2_sys Other git2_sys Other std std Builtins z Other"
        );
    }

    #[test]
    fn keys_are_the_same_in_every_app() {
        assert_eq!(show(items(), "a"), show(items(), "b"));
        let mut lazy = items();
        lazy.remove(4);
        assert_ne!(show(items(), "a").1, show(lazy, "a").1);
    }
}
