//! The versions of a file's symbols, from the tables of GNU symbol versioning.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use goblin::elf::dynamic;
use goblin::elf::symver::{VER_FLG_BASE, VER_FLG_WEAK, VERSYM_HIDDEN, VERSYM_VERSION};

use super::hash::system_v;
use super::read::File;
use super::source::{Parsed, half, word};
use super::{NeededVersion, SymbolVersion};

/// Version numbers have 15 bits, so no honest file has more versions.
const MAX_VERSIONS: usize = 1 << 15;

/// The versions of a file by number.
#[derive(Default)]
pub(super) struct Versions<'a> {
    by_number: BTreeMap<u16, Arc<SymbolVersion>>,
    /// See [`Object::defined_versions`](super::Object::defined_versions).
    pub(super) defined: Option<BTreeSet<String>>,
    pub(super) needed: Vec<NeededVersion>,
    /// The number of each symbol, as bytes of the version table.
    pub(super) numbers: Option<Cow<'a, [u8]>>,
}

impl<'a> Versions<'a> {
    /// Reads the versions a file needs and defines, and those of a number of symbols.
    pub(super) fn read(file: &File<'a, '_>, symbols: usize) -> Parsed<Self> {
        let mut versions = Self::default();
        versions.read_needed(file)?;
        versions.read_defined(file)?;
        // Without versions to refer to, glibc does not look at the symbols' numbers either.
        if versions.by_number.is_empty() && versions.defined.is_none() {
            return Ok(versions);
        }
        let Some(&address) = file.tags.get(&dynamic::DT_VERSYM) else {
            return Err("it has versions, but none for its symbols".into());
        };
        let table = file.region(address, "table of symbol versions")?;
        let size = symbols.saturating_mul(2);
        if size as u64 > table.length() {
            return Err("its table of symbol versions is too short".into());
        }
        versions.numbers = Some(table.read(0, size)?);
        Ok(versions)
    }

    /// Walks the list of files, and for each the list of versions needed of it.
    fn read_needed(&mut self, file: &File<'_, '_>) -> Parsed<()> {
        let Some(&address) = file.tags.get(&dynamic::DT_VERNEED) else {
            return Ok(());
        };
        let table = file.region(address, "table of needed versions")?;
        let mut from_at = 0;
        loop {
            // `version count file first next`
            let from = table.read(from_at, 16)?;
            check_format(&from)?;
            let name = file.name(word(&from, 4).into())?;
            let mut at = from_at + u64::from(word(&from, 8));
            loop {
                // `hash flags number name next`
                let version = table.read(at, 16)?;
                let number = half(&version, 6);
                let needed = NeededVersion {
                    file: name.to_owned(),
                    version: hashed(file.name(word(&version, 8).into())?, word(&version, 0))?,
                    weak: half(&version, 4) & VER_FLG_WEAK != 0,
                };
                self.insert(
                    number,
                    SymbolVersion {
                        name: needed.version.clone(),
                        file: Some(needed.file.clone()),
                        strict: number & VERSYM_HIDDEN != 0,
                    },
                );
                self.needed.push(needed);
                if self.needed.len() > MAX_VERSIONS {
                    return Err("it needs too many versions".into());
                }
                match word(&version, 12) {
                    0 => break,
                    next => at += u64::from(next),
                }
            }
            match word(&from, 12) {
                0 => return Ok(()),
                next => from_at += u64::from(next),
            }
        }
    }

    /// Walks the list of versions. Only the first name of each is of interest: the others are the
    /// versions it builds on.
    fn read_defined(&mut self, file: &File<'_, '_>) -> Parsed<()> {
        let Some(&address) = file.tags.get(&dynamic::DT_VERDEF) else {
            return Ok(());
        };
        let table = file.region(address, "table of defined versions")?;
        let mut defined = BTreeSet::new();
        let mut at = 0;
        for _ in 0..MAX_VERSIONS {
            // `version flags number count hash first next`
            let version = table.read(at, 20)?;
            check_format(&version)?;
            if half(&version, 6) == 0 {
                return Err("a version it defines has no name".into());
            }
            let name = table.word(at + u64::from(word(&version, 12)))?;
            let name = hashed(file.name(name.into())?, word(&version, 8))?;
            defined.insert(name.clone());
            // The base version is the file's own name and stands for "no version".
            if half(&version, 2) & VER_FLG_BASE == 0 {
                let version_of_symbols = SymbolVersion {
                    name,
                    file: None,
                    strict: false,
                };
                self.insert(half(&version, 4), version_of_symbols);
            }
            match word(&version, 16) {
                0 => {
                    self.defined = Some(defined);
                    return Ok(());
                }
                next => at += u64::from(next),
            }
        }
        Err("it defines too many versions".into())
    }

    fn insert(&mut self, number: u16, version: SymbolVersion) {
        self.by_number
            .insert(number & VERSYM_VERSION, Arc::new(version));
    }

    /// Returns the version of a symbol and its number, with the bit that hides it.
    pub(super) fn of(&self, symbol: usize) -> Parsed<(Option<Arc<SymbolVersion>>, u16)> {
        let Some(numbers) = &self.numbers else {
            return Ok((None, 0));
        };
        let number = half(numbers, 2 * symbol);
        let version = self.by_number.get(&(number & VERSYM_VERSION)).cloned();
        if version.is_none() && number & VERSYM_VERSION > 1 {
            return Err(format!("a symbol has the unknown version {number}").into());
        }
        Ok((version, number))
    }
}

/// glibc stops at another format of a table than the one there is.
fn check_format(entry: &[u8]) -> Parsed<()> {
    if half(entry, 0) != 1 {
        return Err("its table of versions has an unknown format".into());
    }
    Ok(())
}

/// glibc compares the hashes of versions first, and those that differ stand for different names.
fn hashed(name: &str, hash: u32) -> Parsed<String> {
    if system_v(name) != hash {
        return Err(format!("its version `{name}` has a wrong hash").into());
    }
    Ok(name.to_owned())
}
