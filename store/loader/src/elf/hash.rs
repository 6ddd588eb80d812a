//! The table through which glibc finds a file's symbols by their names: [`struct@Hash`]. What it does not
//! lead to is not found, whatever the symbol table says.
//!
//! | table | words | a symbol is found if |
//! |---|---|---|
//! | `DT_GNU_HASH` | `nbucket first nbloom shift bloom… bucket… chain…` | both bits of its hash are in the filter, and the chain that its bucket names has its hash at its place |
//! | `DT_HASH` | `nbucket nchain bucket… chain…` | it is on the chain that its bucket names |

use goblin::elf::dynamic;

use super::HashTable;
use super::read::{File, position};
use super::source::{Parsed, Region, word};

const BROKEN: &str = "its hash table is broken";
const BROKEN_FILTER: &str = "the filter of its hash table is broken";

/// A file's hash table.
pub(super) struct Hash {
    pub(super) kind: HashTable,
    /// How many symbols there are, as far as the table knows.
    pub(super) symbols: usize,
    table: Table,
}

enum Table {
    None,
    Gnu(Gnu),
    /// The number of buckets, and the one whose chain each symbol is on.
    SystemV(u32, Vec<Option<u32>>),
}

struct Gnu {
    /// The first symbol in the table.
    first: usize,
    shift: u32,
    filter: Vec<u64>,
    /// The symbol with which the chain of each begins, or 0.
    buckets: Vec<u32>,
    /// Of each symbol from the first one its hash, but for the lowest bit: that ends a chain.
    hashes: Vec<u32>,
    /// Of each of these where its chain begins, if a bucket names no later place.
    begins: Vec<usize>,
}

impl Hash {
    pub(super) fn read(file: &File<'_, '_>) -> Parsed<Self> {
        let region = |tag| {
            let address = file.tags.get(&tag);
            address.map(|&address| file.region(address, "hash table"))
        };
        if let Some(table) = region(dynamic::DT_GNU_HASH) {
            let (gnu, symbols) = Gnu::read(&table?)?;
            return Ok(Self {
                kind: HashTable::Gnu,
                symbols,
                table: Table::Gnu(gnu),
            });
        }
        let Some(table) = region(dynamic::DT_HASH) else {
            return Ok(Self {
                kind: HashTable::None,
                symbols: 0,
                table: Table::None,
            });
        };
        let (buckets, chained) = system_v_chains(&table?)?;
        Ok(Self {
            kind: HashTable::SystemV,
            symbols: chained.len(),
            table: Table::SystemV(buckets, chained),
        })
    }

    /// Whether a look-up of its name comes to a symbol.
    pub(super) fn leads_to(&self, symbol: usize, name: &str) -> bool {
        match &self.table {
            Table::None => false,
            Table::Gnu(gnu) => gnu.leads_to(symbol, name),
            Table::SystemV(buckets, chained) => {
                let chain = chained.get(symbol).copied().flatten();
                chain.is_some() && chain == system_v(name).checked_rem(*buckets)
            }
        }
    }
}

impl Gnu {
    /// Reads a table and counts the symbols, by walking the last chain.
    fn read(table: &Region<'_, '_>) -> Parsed<(Self, usize)> {
        let head = table.read(0, 16)?;
        let [buckets, first, bloom, shift] = [0, 4, 8, 12].map(|at| word(&head, at));
        if !bloom.is_power_of_two() || shift >= u32::BITS {
            return Err(BROKEN_FILTER.into());
        }
        let bucket = 16 + 8 * u64::from(bloom);
        let chain = bucket + 4 * u64::from(buckets);
        let filter = words(table, 16, 2 * u64::from(bloom))?;
        let filter = filter.chunks_exact(2);
        let filter = filter.map(|half| u64::from(half[1]) << 32 | u64::from(half[0]));
        let buckets = words(table, bucket, buckets.into())?;
        let mut count = 0;
        if let Some(last @ 1..) = buckets.iter().copied().max() {
            count = last.checked_sub(first).ok_or(BROKEN)?.into();
            while table.word(chain + 4 * count)? & 1 == 0 {
                count += 1;
            }
            count += 1;
        }
        let hashes = words(table, chain, count)?;
        let mut begin = 0;
        let begins = hashes.iter().enumerate().map(|(place, hash)| {
            let own = begin;
            if hash & 1 == 1 {
                begin = place + 1;
            }
            own
        });
        let begins = begins.collect();
        let gnu = Self {
            first: position(first.into())?,
            shift,
            filter: filter.collect(),
            buckets,
            hashes,
            begins,
        };
        Ok((gnu, position(u64::from(first) + count)?))
    }

    fn leads_to(&self, symbol: usize, name: &str) -> bool {
        let hash = gnu(name);
        let leads_to = || {
            let place = symbol.checked_sub(self.first)?;
            let bits = 1 << (hash % u64::BITS) | 1 << ((hash >> self.shift) % u64::BITS);
            let passes =
                self.filter[(hash / u64::BITS) as usize % self.filter.len()] & bits == bits;
            let bucket = hash.checked_rem(u32::try_from(self.buckets.len()).ok()?)?;
            let begin = (self.buckets[bucket as usize] as usize).checked_sub(self.first)?;
            let chained = (*self.begins.get(place)?..=place).contains(&begin);
            Some(passes && chained && self.hashes[place] | 1 == hash | 1)
        };
        leads_to().unwrap_or(false)
    }
}

/// Walks all chains; returns the number of buckets, and for each symbol the one it is found by.
fn system_v_chains(table: &Region<'_, '_>) -> Parsed<(u32, Vec<Option<u32>>)> {
    let head = table.read(0, 8)?;
    let [buckets, symbols] = [0, 4].map(|at| word(&head, at));
    let starts = words(table, 8, buckets.into())?;
    let next = words(table, 8 + 4 * u64::from(buckets), symbols.into())?;
    let mut chained = vec![None; next.len()];
    for (bucket, start) in (0..).zip(starts) {
        let mut symbol = start as usize;
        while symbol != 0 {
            // On two chains, or twice on one, which then has no end.
            let place = chained.get_mut(symbol).filter(|place| place.is_none());
            *place.ok_or(BROKEN)? = Some(bucket);
            symbol = next[symbol] as usize;
        }
    }
    Ok((buckets, chained))
}

/// Reads so many words.
fn words(table: &Region<'_, '_>, at: u64, count: u64) -> Parsed<Vec<u32>> {
    let bytes = table.read(at, position(4 * count)?)?;
    Ok(bytes.chunks_exact(4).map(|bytes| word(bytes, 0)).collect())
}

/// The hash of a name in `DT_GNU_HASH`.
pub(crate) fn gnu(name: &str) -> u32 {
    name.bytes().fold(5381, |hash: u32, byte| {
        hash.wrapping_mul(33).wrapping_add(u32::from(byte))
    })
}

/// The hash of a name in `DT_HASH`, and of a version.
pub(super) fn system_v(name: &str) -> u32 {
    name.bytes().fold(0, |hash: u32, byte| {
        let hash = (hash << 4).wrapping_add(byte.into());
        let high = hash & 0xf000_0000;
        (hash ^ high >> 24) & !high
    })
}
