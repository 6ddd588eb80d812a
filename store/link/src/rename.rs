//! Renaming symbols in copies of archives and objects.
//!
//! A name that an object gives a symbol may hold the version it is of: `name@NODE` asks for it,
//! `name@@NODE` and `name@NODE` define it. So a version is chosen by a longer name. The new names
//! are put, with all old ones, behind the object; the headers of its sections stay where they are.
//! An archive is written anew, its index included.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Cursor};

use ar_archive_writer::{
    ArchiveKind, DEFAULT_OBJECT_READER, NewArchiveMember, ObjectReader, write_archive_to_stream,
};
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
        let bytes = bytes.map_or(Cow::Borrowed(member.content), Cow::Owned);
        (member.name, bytes)
    });
    archive(members).map(Some).map_err(ObjectError::Write)
}

/// Writes an archive with an index, as linkers want it.
fn archive<'a>(members: impl Iterator<Item = (String, Cow<'a, [u8]>)>) -> io::Result<Vec<u8>> {
    let members = members.map(|(name, bytes)| NewArchiveMember::new(bytes, &READER, name));
    let members: Vec<_> = members.collect();
    let mut file = Cursor::new(Vec::new());
    write_archive_to_stream(&mut file, &members, ArchiveKind::Gnu, false, None)?;
    Ok(file.into_inner())
}

/// What the index of an archive is made from. The library's own reader panics at a symbol whose
/// name is broken.
static READER: ObjectReader = ObjectReader {
    get_symbols: defined,
    ..DEFAULT_OBJECT_READER
};

/// Names what an object defines. Returns whether it is one.
fn defined(bytes: &[u8], found: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<bool> {
    if elf_kind(bytes).is_none() {
        return Ok(false);
    }
    for object in objects(bytes).map_err(io::Error::other)? {
        for symbol in object.symbols().map_err(io::Error::other)? {
            if symbol.defined {
                found(symbol.name.as_bytes())?;
            }
        }
    }
    Ok(true)
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
        let file = archive(
            [
                ("lib.rmeta", b"rust".to_vec()),
                (long, object(".text", &[("one", false, 0)])),
                ("b.o", object(".text", &[("one", true, 0)])),
            ]
            .into_iter()
            .map(|(name, bytes)| (name.to_owned(), bytes.into())),
        )
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
