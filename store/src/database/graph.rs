//! [`Graph`]: who refers to whom, of all objects at once.
//!
//! Every question about what is live or why goes through all references, so they are kept packed,
//! one row per object, and read whole: a hundred thousand objects with a million references take
//! some ten milliseconds, where a row per reference would take a second.

use std::collections::BTreeSet;

use super::{Database, parsed};
use crate::error::StoreError;
use crate::path::StorePath;

/// The number of a path. Numbers are never given twice, so they have gaps, and they stay small:
/// one per object ever registered.
pub(crate) type Id = u32;

/// References by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Graph {
    /// Where the references of each number begin in `targets`; one more at the end.
    starts: Vec<usize>,
    targets: Vec<Id>,
}

/// What is reached in a graph: a mark for every number, since it may well be most of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    seen: Vec<bool>,
    /// Numbers that the graph does not have.
    others: BTreeSet<Id>,
}

impl Reached {
    pub(crate) fn contains(&self, id: Id) -> bool {
        self.seen.get(id as usize).copied().unwrap_or_default() || self.others.contains(&id)
    }

    /// Returns the numbers, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Id> {
        let seen = (0..).zip(&self.seen).filter(|(_, seen)| **seen);
        seen.map(|(id, _)| id).chain(self.others.iter().copied())
    }
}

/// The sizes of objects, by number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sizes(Vec<u64>);

impl Sizes {
    /// Returns how many bytes these objects have.
    pub(crate) fn sum(&self, ids: impl IntoIterator<Item = Id>) -> u64 {
        let sizes = ids.into_iter().filter_map(|id| self.0.get(id as usize));
        sizes.fold(0, |sum, size| sum.saturating_add(*size))
    }
}

impl Graph {
    /// Makes a graph from the references of each object; `objects` come in the order of their
    /// numbers.
    #[cfg(test)]
    fn new(objects: impl IntoIterator<Item = (Id, Vec<Id>)>) -> Self {
        let mut graph = Self::default();
        for (id, references) in objects {
            graph.push(id, references);
        }
        graph.close();
        graph
    }

    /// `id` is higher than those before it.
    fn push(&mut self, id: Id, references: impl IntoIterator<Item = Id>) {
        self.starts.resize(id as usize + 1, self.targets.len());
        self.targets.extend(references);
    }

    /// Gives every number that is referred to a place, and ends the last list.
    fn close(&mut self) {
        let highest = self.targets.iter().max().map_or(0, |id| *id as usize + 1);
        let length = self.starts.len().max(highest) + 1;
        self.starts.resize(length, self.targets.len());
    }

    /// Returns what an object refers to.
    pub(crate) fn references(&self, id: Id) -> &[Id] {
        let id = id as usize;
        match (self.starts.get(id), self.starts.get(id + 1)) {
            (Some(&start), Some(&end)) => &self.targets[start..end],
            _ => &[],
        }
    }

    /// Returns the graph with every reference turned round.
    pub(crate) fn reversed(&self) -> Self {
        let count = self.starts.len().saturating_sub(1);
        let mut starts = vec![0; count + 1];
        for &target in &self.targets {
            starts[target as usize + 1] += 1;
        }
        for index in 0..count {
            starts[index + 1] += starts[index];
        }
        let mut targets = vec![0; self.targets.len()];
        let mut next = starts.clone();
        for (id, window) in (0..).zip(self.starts.windows(2)) {
            for &target in &self.targets[window[0]..window[1]] {
                targets[next[target as usize]] = id;
                next[target as usize] += 1;
            }
        }
        Self { starts, targets }
    }

    /// Returns what is reached from `roots`, themselves included, going no further than `within`.
    pub(crate) fn reached(
        &self,
        roots: impl IntoIterator<Item = Id>,
        within: impl Fn(Id) -> bool,
    ) -> Reached {
        let mut seen = vec![false; self.starts.len()];
        let mut others = BTreeSet::new();
        let mut waiting: Vec<Id> = Vec::new();
        let mut visit = |id: Id, waiting: &mut Vec<Id>| {
            let fresh = match seen.get_mut(id as usize) {
                Some(seen) => !std::mem::replace(seen, true),
                None => others.insert(id),
            };
            if fresh && within(id) {
                waiting.push(id);
            } else if fresh && let Some(seen) = seen.get_mut(id as usize) {
                *seen = false;
            }
        };
        for id in roots {
            visit(id, &mut waiting);
        }
        while let Some(id) = waiting.pop() {
            for &reference in self.references(id) {
                visit(reference, &mut waiting);
            }
        }
        Reached { seen, others }
    }

    /// Returns one of the shortest ways from one of `from` to one of `to`, both ends included.
    pub(crate) fn way(&self, from: &BTreeSet<Id>, to: &BTreeSet<Id>) -> Option<Vec<Id>> {
        if let Some(&end) = from.intersection(to).next() {
            return Some(vec![end]);
        }
        let mut origins: Vec<Option<Id>> = vec![None; self.starts.len()];
        let mut round: Vec<Id> = from.iter().copied().collect();
        while !round.is_empty() {
            let mut following = Vec::new();
            for id in round {
                for &reference in self.references(id) {
                    let origin = &mut origins[reference as usize];
                    if origin.is_some() || from.contains(&reference) {
                        continue;
                    }
                    *origin = Some(id);
                    if to.contains(&reference) {
                        return Some(Self::walked(&origins, reference));
                    }
                    following.push(reference);
                }
            }
            round = following;
        }
        None
    }

    /// Returns the way that led to `end`.
    fn walked(origins: &[Option<Id>], end: Id) -> Vec<Id> {
        let mut way = vec![end];
        let mut next = end;
        while let Some(Some(origin)) = origins.get(next as usize) {
            way.push(*origin);
            next = *origin;
        }
        way.reverse();
        way
    }
}

impl Database {
    /// Reads all references.
    pub(crate) fn graph(&self) -> Result<Graph, StoreError> {
        self.run("read the references", |connection| {
            // Both reads see one state: others may add objects meanwhile.
            let transaction = connection.transaction()?;
            let highest: Option<Id> =
                transaction.query_row("SELECT max(id) FROM paths", [], |row| row.get(0))?;
            let mut select =
                transaction.prepare_cached("SELECT object, ids FROM refs ORDER BY object")?;
            let mut rows = select.query([])?;
            let mut graph = Graph::default();
            while let Some(row) = rows.next()? {
                let id: Id = row.get(0)?;
                // A flipped bit must not become an allocation of many gigabytes, nor take away the
                // references of those before.
                if Some(id) > highest || (id as usize) < graph.starts.len() {
                    return Err(super::unreadable(0));
                }
                let packed = row.get_ref(1)?.as_blob().unwrap_or_default();
                graph.push(id, unpack(packed));
            }
            if graph.targets.iter().max().copied() > highest {
                return Err(super::unreadable(1));
            }
            graph.close();
            Ok(graph)
        })
    }

    /// Returns the number of a path; none if it is neither registered nor referred to.
    pub(crate) fn id(&self, path: &StorePath) -> Result<Option<Id>, StoreError> {
        Ok(self.ids([path])?.pop_first())
    }

    /// Returns the numbers of those of `paths` that have one.
    pub(crate) fn ids<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a StorePath>,
    ) -> Result<BTreeSet<Id>, StoreError> {
        self.run("look for objects", |connection| {
            // One for all: to lock the file takes longer than to find a number.
            let transaction = connection.transaction()?;
            let mut select = transaction.prepare_cached("SELECT id FROM paths WHERE path = ?")?;
            let mut ids = BTreeSet::new();
            for path in paths {
                let mut rows = select.query([path.to_string()])?;
                if let Some(row) = rows.next()? {
                    ids.insert(row.get(0)?);
                }
            }
            Ok(ids)
        })
    }

    /// Returns the numbers of all registered objects.
    pub(crate) fn registered(&self) -> Result<BTreeSet<Id>, StoreError> {
        self.run("list objects", |connection| {
            let mut select =
                connection.prepare_cached("SELECT object FROM refs ORDER BY object")?;
            let rows = select.query_map([], |row| row.get(0))?;
            rows.collect()
        })
    }

    /// Returns the paths of numbers.
    pub(crate) fn paths_of(
        &self,
        ids: impl IntoIterator<Item = Id>,
    ) -> Result<Vec<StorePath>, StoreError> {
        self.run("look for objects", |connection| {
            let transaction = connection.transaction()?;
            let mut select = transaction.prepare_cached("SELECT path FROM paths WHERE id = ?")?;
            ids.into_iter()
                .map(|id| select.query_row([id], |row| parsed(row, 0)))
                .collect()
        })
    }

    /// Returns the paths of what is reached: all are read, since it may well be most of them.
    pub(crate) fn paths_reached(&self, reached: &Reached) -> Result<Vec<StorePath>, StoreError> {
        self.run("list objects", |connection| {
            let mut select = connection.prepare("SELECT id, path FROM paths")?;
            let mut rows = select.query([])?;
            let mut paths = Vec::new();
            while let Some(row) = rows.next()? {
                if reached.contains(row.get(0)?) {
                    paths.push(parsed(row, 1)?);
                }
            }
            Ok(paths)
        })
    }

    /// Takes away from names in the store folder those of registered objects.
    pub(crate) fn without_registered(
        &self,
        mut names: BTreeSet<String>,
    ) -> Result<BTreeSet<String>, StoreError> {
        self.run("list objects", |connection| {
            let mut select = connection
                .prepare("SELECT path FROM paths WHERE id IN (SELECT object FROM refs)")?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                names.remove(row.get_ref(0)?.as_str()?);
            }
            Ok(names)
        })
    }

    /// Returns the sizes of all objects that a graph has.
    pub(crate) fn sizes(&self, graph: &Graph) -> Result<Sizes, StoreError> {
        self.run("list objects", |connection| {
            let mut sizes = vec![0; graph.starts.len()];
            let mut select = connection.prepare("SELECT id, bytes FROM objects")?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let id: Id = row.get(0)?;
                // Others may have been added meanwhile.
                if let Some(size) = sizes.get_mut(id as usize) {
                    *size = row.get(1)?;
                }
            }
            Ok(Sizes(sizes))
        })
    }
}

/// Writes numbers as bytes, four each, least first.
pub(super) fn pack(ids: &[Id]) -> Vec<u8> {
    ids.iter().flat_map(|id| id.to_le_bytes()).collect()
}

/// Reads what [`pack`] wrote.
pub(super) fn unpack(bytes: &[u8]) -> impl Iterator<Item = Id> {
    bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| Id::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Home;

    fn graph() -> Graph {
        // 1 -> 2 -> 4, 1 -> 3 -> 4, 6 -> 9; 5, 7 and 8 do not exist.
        Graph::new([
            (1, vec![2, 3]),
            (2, vec![4]),
            (3, vec![4]),
            (4, vec![]),
            (6, vec![9]),
        ])
    }

    #[test]
    fn what_is_reached_from_where() {
        let graph = graph();
        let all = |reached: &Reached| -> BTreeSet<Id> { reached.iter().collect() };
        let reached = |roots: &[Id]| all(&graph.reached(roots.iter().copied(), |_| true));
        assert_eq!(reached(&[2]), BTreeSet::from([2, 4]));
        assert_eq!(reached(&[1]), BTreeSet::from([1, 2, 3, 4]));
        assert_eq!(reached(&[6, 100]), BTreeSet::from([6, 9, 100]));
        let without = graph.reached([1], |id| id != 2);
        assert_eq!(all(&without), BTreeSet::from([1, 3, 4]));
        assert!(without.contains(3) && !without.contains(2) && !without.contains(100));
        let up = graph.reversed();
        let above = |id| all(&up.reached([id], |_| true));
        assert_eq!(above(4), BTreeSet::from([1, 2, 3, 4]));
        assert_eq!(above(9), BTreeSet::from([6, 9]));
        assert_eq!(up.reversed(), graph);
    }

    #[test]
    fn ways_are_short() {
        let graph = graph();
        let way = |from: Id, to: Id| graph.way(&BTreeSet::from([from]), &BTreeSet::from([to]));
        assert_eq!(way(1, 4), Some(vec![1, 2, 4]));
        assert_eq!(way(4, 4), Some(vec![4]));
        assert_eq!(way(4, 1), None);
        assert_eq!(way(6, 9), Some(vec![6, 9]));
    }

    #[test]
    fn it_can_be_read_while_others_add() {
        let home = Home::new();
        let store = home.open();
        std::thread::scope(|scope| {
            let adding = scope.spawn(|| {
                let mut last = home.add("object-0", &[]);
                for number in 1..60 {
                    last = home.add(&format!("object-{number}"), &[&last]);
                }
            });
            while !adding.is_finished() {
                store.database().unwrap().graph().unwrap();
            }
        });
        let graph = store.database().unwrap().graph().unwrap();
        assert_eq!(graph.targets.len(), 59);
    }
}
