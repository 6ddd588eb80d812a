//! Renaming symbols in copies of archives and objects.
//!
//! A name that an object gives a symbol may hold the version it is of: `name@NODE` asks for it,
//! `name@@NODE` and `name@NODE` define it. So a version is chosen by a longer name. The new names
//! are put, with all old ones, behind the object; the headers of its sections stay where they are.
//! An archive is written anew, its index included.

use std::collections::BTreeMap;

use object::archive::MAGIC;

use crate::objects::{ObjectError, elf_kind, members, objects};

/// A symbol that may be renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Whether the object defines it; it asks for it otherwise.
    pub(crate) defined: bool,
}

/// The longest name that fits into the header of an archive's member, with the stroke behind it.
const SHORT: usize = 15;

/// Renames symbols of an archive or object as `rule` says; none leaves a symbol as it is. Returns
/// the file with the new names, or none if nothing is renamed.
pub(crate) fn rename(
    file: &[u8],
    rule: impl Fn(Named<'_>) -> Option<String>,
) -> Result<Option<Vec<u8>>, ObjectError> {
    let mut changed = BTreeMap::new();
    for object in objects(file)? {
        let mut names = BTreeMap::new();
        for symbol in object.symbols()? {
            let named = Named {
                name: symbol.name,
                defined: symbol.defined,
            };
            if let Some(name) = rule(named) {
                names.insert(symbol.at, name);
            }
        }
        if !names.is_empty() {
            changed.insert(object.start(), object.renamed(&names)?);
        }
    }
    if changed.is_empty() {
        return Ok(None);
    }
    if !file.starts_with(&MAGIC) {
        return Ok(changed.into_values().next());
    }
    let members = members(file)?.into_iter().map(|member| {
        let bytes = changed.remove(&member.start);
        (
            member.name,
            bytes.unwrap_or_else(|| member.content.to_vec()),
        )
    });
    archive(&members.collect::<Vec<_>>()).map(Some)
}

/// Writes an archive as GNU's tools do: an index of the symbols, the long names, the members.
fn archive(members: &[(String, Vec<u8>)]) -> Result<Vec<u8>, ObjectError> {
    let mut long = Vec::new();
    let mut headers = Vec::with_capacity(members.len());
    for (name, _) in members {
        headers.push(if name.len() <= SHORT {
            format!("{name}/")
        } else {
            let at = long.len();
            long.extend(name.bytes().chain(*b"/\n"));
            format!("/{at}")
        });
    }
    let mut index = Vec::new();
    for (number, (_, bytes)) in members.iter().enumerate() {
        if elf_kind(bytes).is_some() {
            for object in objects(&bytes[..])? {
                let symbols = object
                    .symbols()?
                    .into_iter()
                    .filter(|symbol| symbol.defined);
                index.extend(symbols.map(|symbol| (number, symbol.name.to_owned())));
            }
        }
    }
    let names: usize = index.iter().map(|(_, name)| name.len() + 1).sum();
    let mut at = MAGIC.len() + padded(4 + 4 * index.len() + names) + HEADER;
    if !long.is_empty() {
        at += padded(long.len()) + HEADER;
    }
    let mut starts = Vec::with_capacity(members.len());
    for (_, bytes) in members {
        starts.push(at);
        at += padded(bytes.len()) + HEADER;
    }
    let mut table = big(index.len())?.to_vec();
    for (number, _) in &index {
        table.extend(big(starts[*number])?);
    }
    for (_, name) in &index {
        table.extend(name.bytes().chain([0]));
    }
    let mut file = MAGIC.to_vec();
    member(&mut file, "/", &table);
    if !long.is_empty() {
        member(&mut file, "//", &long);
    }
    for ((_, bytes), header) in members.iter().zip(&headers) {
        member(&mut file, header, bytes);
    }
    Ok(file)
}

/// The length of the header of an archive's member.
const HEADER: usize = 60;

fn member(file: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    let size = bytes.len();
    let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 644);
    file.extend(header.bytes().chain(bytes.iter().copied()));
    file.extend((size % 2 == 1).then_some(b'\n'));
}

fn padded(length: usize) -> usize {
    length + length % 2
}

/// The index counts in four bytes.
fn big(number: usize) -> Result<[u8; 4], ObjectError> {
    u32::try_from(number)
        .map(u32::to_be_bytes)
        .map_err(|_| ObjectError::TooLong {
            name: String::new(),
        })
}

#[cfg(test)]
mod tests {
    use object::read::archive::ArchiveFile;

    use super::*;
    use crate::objects::tests::{archive as plain_archive, object};

    fn symbols(file: &[u8]) -> Vec<(String, bool)> {
        let objects = objects(file).unwrap();
        let symbols = objects.iter().flat_map(|object| object.symbols().unwrap());
        symbols
            .map(|symbol| (symbol.name.to_owned(), symbol.defined))
            .collect()
    }

    fn versioned(named: Named<'_>) -> Option<String> {
        (named.name == "one" && !named.defined).then(|| "one@NODE".to_owned())
    }

    #[test]
    fn an_object_gets_the_new_names() {
        let file = object(".text", &[("one", false, 0), ("two", true, 0)]);
        let renamed = rename(&file, versioned).unwrap().unwrap();
        let expected = [("one@NODE", false), ("two", true)];
        assert_eq!(symbols(&renamed), expected.map(|(n, d)| (n.to_owned(), d)));
        assert_eq!(rename(&renamed, versioned).unwrap(), None);
    }

    #[test]
    fn an_archive_keeps_what_is_no_object_and_has_an_index() {
        let long = "a-name-that-is-longer-than-a-header-takes.o";
        let file = archive(&[
            ("lib.rmeta".to_owned(), b"rust".to_vec()),
            (long.to_owned(), object(".text", &[("one", false, 0)])),
            ("b.o".to_owned(), object(".text", &[("one", true, 0)])),
        ])
        .unwrap();
        let renamed = rename(&file, versioned).unwrap().unwrap();
        let names: Vec<_> = members(&renamed[..])
            .unwrap()
            .into_iter()
            .map(|member| member.name)
            .collect();
        assert_eq!(names, ["lib.rmeta", long, "b.o"]);
        let expected = [("one@NODE", false), ("one", true)];
        assert_eq!(symbols(&renamed), expected.map(|(n, d)| (n.to_owned(), d)));
        let index = ArchiveFile::parse(&renamed[..]).unwrap();
        let mut symbols = index.symbols().unwrap().unwrap();
        let (symbol, none) = (symbols.next().unwrap().unwrap(), symbols.next());
        assert!(symbol.name() == b"one" && none.is_none());
        assert_eq!(index.member(symbol.offset()).unwrap().name(), b"b.o");
    }

    #[test]
    fn nothing_to_rename_is_nothing_to_write() {
        let file = plain_archive(&[("a.o", object(".text", &[("one", true, 0)]))]);
        assert_eq!(rename(&file, versioned).unwrap(), None);
    }
}
