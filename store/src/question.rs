//! Answers about the store: why an object is alive or needed, what it costs, whose a file is.
//!
//! All of them read the whole graph of references, which takes some ten milliseconds for a hundred
//! thousand objects.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use serde::Serialize;

use crate::database::{Database, Graph, Id, Sizes};
use crate::error::StoreError;
use crate::live::{self, Root, Roots, Rule};
use crate::path::StorePath;
use crate::store::Store;

/// Why an object is alive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What keeps the first object of the way alive.
    pub root: Root,
    /// From there to the object, each referring to the next.
    pub way: Vec<StorePath>,
}

/// What objects cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// The bytes of the files in the objects themselves.
    pub own: u64,
    /// Those and the bytes of everything they refer to, directly or not.
    pub closure: u64,
    /// How many objects that is.
    pub objects: u64,
    /// What no other root keeps alive of it.
    pub freed_if_removed: u64,
}

impl Store {
    /// Returns one of the shortest ways from every kind of root to an object, the shortest first;
    /// nothing if it is dead.
    pub fn why_live(&self, path: &StorePath) -> Result<Vec<Reason>, StoreError> {
        let database = self.database()?;
        let (roots, found) = live::roots_and(self, &Rule::default(), || {
            let id = database.id(path)?;
            id.map(|id| Ok((id, database.graph()?.reversed())))
                .transpose()
        })?;
        let Some((id, up)) = found else {
            let own = roots.get(path).into_iter().flatten();
            return Ok(own
                .map(|root| Reason {
                    root: root.clone(),
                    way: vec![path.clone()],
                })
                .collect());
        };
        let ends = self.numbered(&roots)?;
        let above = up.reached([id], |_| true);
        let mut reasons = Vec::new();
        for (end, path) in ends.iter().filter(|(end, _)| above.contains(**end)) {
            // Turned round, the way up is the way down.
            let way = up.way(&BTreeSet::from([id]), &BTreeSet::from([*end]));
            let way = way.unwrap_or_default().into_iter().rev();
            let way = database.paths_of(way)?;
            for root in &roots[*path] {
                reasons.push(Reason {
                    root: root.clone(),
                    way: way.clone(),
                });
            }
        }
        reasons
            .sort_by(|one, other| (one.way.len(), &one.root).cmp(&(other.way.len(), &other.root)));
        Ok(reasons)
    }

    /// Returns in words what keeps an object alive.
    pub(crate) fn users(&self, path: &StorePath) -> Result<Vec<String>, StoreError> {
        let roots = live::roots(self, &Rule::default())?;
        let above = match self.database()?.id(path)? {
            Some(id) => {
                let up = self.database()?.graph()?.reversed();
                self.database()?
                    .paths_of(up.reached([id], |_| true).iter())?
            }
            None => vec![path.clone()],
        };
        let users: BTreeSet<&Root> = above
            .iter()
            .filter_map(|path| roots.get(path))
            .flatten()
            .collect();
        Ok(users.into_iter().map(ToString::to_string).collect())
    }

    /// Returns one of the shortest ways from an object to another that it refers to, directly or
    /// not; nothing if it does not.
    pub fn why_depends(
        &self,
        from: &StorePath,
        to: &StorePath,
    ) -> Result<Option<Vec<StorePath>>, StoreError> {
        let database = self.database()?;
        let (Some(from), Some(to)) = (database.id(from)?, database.id(to)?) else {
            return Ok(None);
        };
        let way = database
            .graph()?
            .way(&BTreeSet::from([from]), &BTreeSet::from([to]));
        way.map(|way| database.paths_of(way)).transpose()
    }

    /// Returns the bytes of the files of objects and of everything they refer to, directly or not.
    pub fn closure_bytes(&self, objects: &BTreeSet<StorePath>) -> Result<u64, StoreError> {
        let database = self.database()?;
        let graph = database.graph()?;
        let closure = graph.reached(database.ids(objects)?, |_| true);
        Ok(database.sizes(&graph)?.sum(closure.iter()))
    }

    /// Reads what [`Ledger::usage`] needs to know.
    pub fn ledger(&self) -> Result<Ledger<'_>, StoreError> {
        let database = self.database()?;
        let (roots, (graph, sizes)) = live::roots_and(self, &Rule::default(), || {
            let graph = database.graph()?;
            let sizes = database.sizes(&graph)?;
            Ok((graph, sizes))
        })?;
        Ok(Ledger {
            database,
            graph,
            sizes,
            roots,
        })
    }

    /// Returns the object that a file is in, and what keeps that alive; links are followed.
    pub fn which(
        &self,
        file: &Utf8Path,
    ) -> Result<Option<(StorePath, BTreeSet<Root>)>, StoreError> {
        let real = file.canonicalize_utf8().unwrap_or_else(|_| file.to_owned());
        let folder = self.folder();
        let folder = folder.canonicalize_utf8().unwrap_or(folder);
        let Some(path) = live::object_of(&folder, real.as_str()) else {
            return Ok(None);
        };
        let reasons = self.why_live(&path)?;
        let roots = reasons.into_iter().map(|reason| reason.root).collect();
        Ok(Some((path, roots)))
    }

    /// Returns the registered objects whose names begin like this.
    pub fn paths_beginning(&self, text: &str) -> Result<Vec<StorePath>, StoreError> {
        self.database()?.paths_beginning(text)
    }

    fn numbered<'a>(
        &self,
        roots: &'a BTreeMap<StorePath, BTreeSet<Root>>,
    ) -> Result<BTreeMap<Id, &'a StorePath>, StoreError> {
        let mut numbered = BTreeMap::new();
        for path in roots.keys() {
            if let Some(id) = self.database()?.id(path)? {
                numbered.insert(id, path);
            }
        }
        Ok(numbered)
    }
}

/// Answers what many objects cost, having read the store once.
#[derive(Debug)]
pub struct Ledger<'a> {
    database: &'a Database,
    graph: Graph,
    sizes: Sizes,
    roots: Roots,
}

impl Ledger<'_> {
    /// Returns what `objects` cost together. `goes` says of each root, with its object, whether it
    /// would go if they were removed.
    pub fn usage(
        &self,
        objects: &BTreeSet<StorePath>,
        goes: &dyn Fn(&StorePath, &Root) -> bool,
    ) -> Result<Usage, StoreError> {
        let own = self.database.ids(objects)?;
        let closure = self.graph.reached(own.iter().copied(), |_| true);
        let (mut going, mut staying) = (BTreeSet::new(), BTreeSet::new());
        for (path, why) in &self.roots {
            let all = why.iter().all(|root| goes(path, root));
            let side = if all { &mut going } else { &mut staying };
            side.insert(path);
        }
        let staying = self.database.ids(staying)?;
        let going = self.database.ids(going)?;
        // What goes is kept by nothing but its roots: what names it as well, like the record of the
        // borders in a database that was made again, is another one without it.
        let stays = |id| !going.contains(&id);
        let staying = self.graph.reached(staying, stays);
        let going = self.graph.reached(going, |id| !staying.contains(id));
        Ok(Usage {
            own: self.sizes.sum(own),
            objects: closure.iter().count() as u64,
            freed_if_removed: self.sizes.sum(going.iter()),
            closure: self.sizes.sum(closure.iter()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Home, path};

    #[test]
    fn answers() {
        let home = Home::new();
        let store = home.open();
        let sized = |name: &str, references: &[&StorePath], length: usize| {
            let object = path(name);
            let text = name.chars().next().unwrap().to_string().repeat(length);
            testing::add(&store, &object, references, &[("bin/app*", &text)]).unwrap();
            object
        };
        let base = sized("base", &[], 1000);
        let shared = sized("shared", &[&base], 100);
        let own = sized("own", &[], 10);
        let one = sized("one", &[&shared, &own], 1);
        let two = sized("two", &[&shared], 2);
        let dead = sized("dead", &[&own], 3);
        testing::commit(&store, "default", &[("one", &one, &["app"])]).unwrap();
        testing::commit(&store, "other", &[("two", &two, &["app"])]).unwrap();

        let reasons = store.why_live(&base).unwrap();
        let told: Vec<_> = reasons
            .iter()
            .map(|reason| (reason.root.to_string(), reason.way.clone()))
            .collect();
        assert_eq!(
            told,
            [
                (
                    "one in generation 1 of default".to_owned(),
                    vec![one.clone(), shared.clone(), base.clone()]
                ),
                (
                    "two in generation 1 of other".to_owned(),
                    vec![two.clone(), shared.clone(), base.clone()]
                ),
            ]
        );
        assert_eq!(store.why_live(&dead).unwrap(), []);
        assert_eq!(store.why_live(&path("unknown")).unwrap(), []);
        let way = store.why_depends(&two, &base).unwrap();
        assert_eq!(way, Some(vec![two.clone(), shared, base]));
        assert_eq!(store.why_depends(&two, &own).unwrap(), None);

        let of_one =
            |_: &StorePath, root: &Root| matches!(root, Root::App { app, .. } if app == "one");
        let usage = || {
            let ledger = store.ledger().unwrap();
            ledger.usage(&[one.clone()].into(), &of_one).unwrap()
        };
        assert_eq!(store.closure_bytes(&[one.clone()].into()).unwrap(), 1111);
        let expected = Usage {
            own: 1,
            closure: 1111,
            objects: 4,
            freed_if_removed: 11,
        };
        assert_eq!(usage(), expected);

        let program = home.path().join("profiles/default/current/bin/app");
        let (object, roots) = store.which(&program).unwrap().unwrap();
        assert_eq!((object, roots.len()), (one.clone(), 1));
        assert_eq!(store.which("/etc/passwd".into()).unwrap(), None);

        // As a record of borders names the views of all apps.
        let record = sized("record", &[&one, &two], 4);
        store.set_root("record", &record).unwrap();
        assert_eq!(usage(), expected);
    }

    /// A hundred thousand objects, each referring to ten of the two hundred before it.
    fn large(store: &Store) -> Vec<StorePath> {
        let paths: Vec<_> = (0..100_000)
            .map(|number| path(&number.to_string()))
            .collect();
        let template = |path: &StorePath, references| crate::database::Record {
            info: crate::ObjectInfo {
                path: path.clone(),
                content: path.digest(),
                references,
                bytes: 1,
                files: 1,
                registered: testing::now(),
                isolation: crate::derivation::Isolation::Full,
            },
            derivation: None,
            files: Vec::new(),
        };
        let records: Vec<_> = paths
            .iter()
            .enumerate()
            .map(|(number, path)| {
                let below = number.min(200);
                let references = (0..10.min(below)).map(|step| number - 1 - step * below / 10);
                template(
                    path,
                    references.map(|number| paths[number].clone()).collect(),
                )
            })
            .collect();
        store.database().unwrap().register(&records).unwrap();
        paths
    }

    #[test]
    fn questions_are_quick() {
        // What is promised holds for what users run.
        let most = if cfg!(debug_assertions) { 20_000 } else { 50 };
        let home = Home::new();
        let store = home.open();
        let paths = large(&store);
        let (top, middle) = (&paths[99_999], &paths[50_000]);
        for (name, root) in [("top", top), ("middle", middle)] {
            fs_err::create_dir(store.object(root)).unwrap();
            store.set_root(name, root).unwrap();
        }
        let timed = |what: &str, most: u128, work: &dyn Fn()| {
            // The best of some: others use the machine as well.
            let tries = (0..5).map(|_| {
                let began = std::time::Instant::now();
                work();
                began.elapsed()
            });
            let took = tries.min().unwrap();
            println!("{what}: {:.1} ms", took.as_secs_f64() * 1e3);
            assert!(took.as_millis() < most, "{what} took {took:?}");
        };
        timed("why-live", most, &|| {
            assert_eq!(store.why_live(&paths[33_333]).unwrap().len(), 2);
        });
        timed("why-depends", most, &|| {
            let way = store.why_depends(top, &paths[7]).unwrap().unwrap();
            assert!(way.len() > 500);
        });
        timed("du", most, &|| {
            let goes = |path: &StorePath, _: &Root| path == top;
            let ledger = store.ledger().unwrap();
            let usage = ledger.usage(&BTreeSet::from([top.clone()]), &goes).unwrap();
            assert!(usage.objects > 90_000, "{usage:?}");
        });
        timed("which", most, &|| {
            assert!(store.which(&store.object(middle)).unwrap().is_some());
        });
        timed("mark", 10 * most, &|| {
            let graph = store.database().unwrap().graph().unwrap();
            let roots = store.database().unwrap().ids([top]).unwrap();
            assert!(graph.reached(roots, |_| true).iter().count() > 90_000);
        });
    }
}
