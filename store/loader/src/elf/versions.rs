//! The versions of a file's symbols, from the tables of GNU symbol versioning.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use goblin::elf::dynamic;
use goblin::elf::section_header::{self, SectionHeader};
use goblin::elf::symver::{VER_FLG_BASE, VER_FLG_WEAK, VERSYM_HIDDEN, VERSYM_VERSION};
use goblin::elf::{VerdefSection, VerneedSection, VersymSection};

use super::read::{File, LAYOUT, Parsed, because};
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
    pub(super) numbers: Option<VersymSection<'a>>,
}

impl<'a> Versions<'a> {
    /// Reads the versions a file needs and defines.
    pub(super) fn read(file: &File<'a>) -> Parsed<Self> {
        let mut versions = Self::default();
        versions.read_needed(file)?;
        versions.read_defined(file)?;
        // Without versions to refer to, glibc does not look at the symbols' numbers either.
        if versions.by_number.is_empty() && versions.defined.is_none() {
            return Ok(versions);
        }
        let Some(&address) = file.tags.get(&dynamic::DT_VERSYM) else {
            return Err("it has versions, but none for its symbols".to_owned());
        };
        let bytes = file.at_address(address, "table of symbol versions")?;
        let section = section(section_header::SHT_GNU_VERSYM, bytes, 0);
        versions.numbers = VersymSection::parse(bytes, &[section], LAYOUT).map_err(because)?;
        Ok(versions)
    }

    fn read_needed(&mut self, file: &File<'_>) -> Parsed<()> {
        let Some(&address) = file.tags.get(&dynamic::DT_VERNEED) else {
            return Ok(());
        };
        let bytes = file.at_address(address, "table of needed versions")?;
        let section = section(section_header::SHT_GNU_VERNEED, bytes, MAX_VERSIONS);
        let table = VerneedSection::parse(bytes, &[section], LAYOUT).map_err(because)?;
        for from in table.iter().flatten() {
            let name = file.name(from.vn_file as u64)?;
            for version in &from {
                let needed = NeededVersion {
                    file: name.to_owned(),
                    version: file.name(version.vna_name as u64)?.to_owned(),
                    weak: version.vna_flags & VER_FLG_WEAK != 0,
                };
                self.insert(
                    version.vna_other,
                    SymbolVersion {
                        name: needed.version.clone(),
                        file: Some(needed.file.clone()),
                        strict: version.vna_other & VERSYM_HIDDEN != 0,
                    },
                );
                self.needed.push(needed);
                if self.needed.len() > MAX_VERSIONS {
                    return Err("it needs too many versions".to_owned());
                }
            }
        }
        Ok(())
    }

    fn read_defined(&mut self, file: &File<'_>) -> Parsed<()> {
        let Some(&address) = file.tags.get(&dynamic::DT_VERDEF) else {
            return Ok(());
        };
        let bytes = file.at_address(address, "table of defined versions")?;
        let section = section(section_header::SHT_GNU_VERDEF, bytes, MAX_VERSIONS);
        let table = VerdefSection::parse(bytes, &[section], LAYOUT).map_err(because)?;
        let mut defined = BTreeSet::new();
        for version in table.iter().flatten() {
            let Some(name) = version.iter().next() else {
                return Err("a version it defines has no name".to_owned());
            };
            let name = file.name(name.vda_name as u64)?;
            defined.insert(name.to_owned());
            // The base version is the file's own name and stands for "no version".
            if version.vd_flags & VER_FLG_BASE == 0 {
                let version_of_symbols = SymbolVersion {
                    name: name.to_owned(),
                    file: None,
                    strict: false,
                };
                self.insert(version.vd_ndx, version_of_symbols);
            }
        }
        self.defined = Some(defined);
        Ok(())
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
        let Some(number) = numbers.get_at(symbol) else {
            return Err("its table of symbol versions is too short".to_owned());
        };
        let number = number.vs_val;
        let version = self.by_number.get(&(number & VERSYM_VERSION)).cloned();
        if version.is_none() && number & VERSYM_VERSION > 1 {
            return Err(format!("a symbol has the unknown version {number}"));
        }
        Ok((version, number))
    }
}

/// Describes a table of the dynamic section in the words of a section header, which is how goblin
/// finds its tables of versions.
fn section(kind: u32, bytes: &[u8], entries: usize) -> SectionHeader {
    let mut section = SectionHeader::new();
    section.sh_type = kind;
    section.sh_offset = 0;
    section.sh_size = bytes.len() as u64;
    section.sh_info = u32::try_from(entries).unwrap_or(u32::MAX);
    section
}
