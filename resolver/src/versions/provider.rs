//! The solver's view of the index: [`Provider`].

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::rc::Rc;

use orlop_recipes::PackageName;
use pubgrub::{Dependencies, DependencyProvider, PackageResolutionStatistics, VersionSet as _};

use crate::index::{Index, IndexError};
use crate::request::Request;
use crate::versions::candidates::Candidates;
use crate::versions::lower::{Lowered, Unusable};
use crate::versions::node::{Bucket, Node};
use crate::versions::positions::Positions;

/// Answers the solver's questions for one request; every package is looked up once.
pub(crate) struct Provider<'a> {
    pub(crate) request: &'a Request,
    /// The app's bucket and the release that is to be installed.
    pub(crate) app: (Bucket, u32),
    index: &'a dyn Index,
    packages: RefCell<BTreeMap<PackageName, Rc<Candidates>>>,
    /// What was last known of each bucket, so that its parts follow it at once. Only a hint:
    /// the solver checks every choice.
    narrowed: RefCell<BTreeMap<Bucket, Positions>>,
    linkers: RefCell<BTreeMap<(Bucket, u32), u32>>,
}

impl<'a> Provider<'a> {
    pub(crate) fn new(
        request: &'a Request,
        index: &'a dyn Index,
        app: (Bucket, u32),
        candidates: Rc<Candidates>,
    ) -> Self {
        let packages = BTreeMap::from([(app.0.package.clone(), candidates)]);
        Self {
            request,
            app,
            index,
            packages: RefCell::new(packages),
            narrowed: RefCell::default(),
            linkers: RefCell::default(),
        }
    }

    /// Returns what may be chosen of a package.
    pub(crate) fn candidates(&self, name: &PackageName) -> Result<Rc<Candidates>, IndexError> {
        if let Some(known) = self.packages.borrow().get(name) {
            return Ok(Rc::clone(known));
        }
        let releases = self.index.releases(name)?;
        let candidates = Rc::new(Candidates::new(name, releases, self.request));
        self.packages
            .borrow_mut()
            .insert(name.clone(), Rc::clone(&candidates));
        Ok(candidates)
    }

    /// Returns what may be chosen of a package that was already looked up.
    pub(crate) fn known(&self, name: &PackageName) -> Option<Rc<Candidates>> {
        self.packages.borrow().get(name).map(Rc::clone)
    }

    /// Announces packages that will be looked up, so that they are fetched in parallel.
    pub(crate) fn expect(&self, names: &[PackageName]) -> Result<(), IndexError> {
        let unknown: Vec<PackageName> = {
            let packages = self.packages.borrow();
            names
                .iter()
                .filter(|name| !packages.contains_key(*name))
                .cloned()
                .collect()
        };
        if unknown.is_empty() {
            Ok(())
        } else {
            self.index.expect_releases(&unknown)
        }
    }

    /// Returns the position that stands for a release as the one that links a native library.
    pub(crate) fn linker(&self, bucket: &Bucket, position: u32) -> u32 {
        let mut linkers = self.linkers.borrow_mut();
        let next = u32::try_from(linkers.len()).expect("fewer releases than memory");
        *linkers.entry((bucket.clone(), position)).or_insert(next)
    }

    fn count(&self, node: &Node, range: &Positions) -> Result<usize, IndexError> {
        Ok(match node {
            Node::Bucket(bucket) | Node::Part(bucket, _) => {
                let positions = self.candidates(&bucket.package)?.bucket(bucket.number);
                positions
                    .filter(|position| range.contains(position))
                    .count()
            }
            Node::Root | Node::Wide(_) | Node::WidePart(..) | Node::Links(_) => 1,
        })
    }

    fn choose(&self, node: &Node, range: &Positions) -> Result<Option<u32>, IndexError> {
        Ok(match node {
            Node::Root => Some(0),
            Node::Bucket(bucket) => {
                let chosen = self.candidates(&bucket.package)?.best(bucket.number, range);
                if let Some(position) = chosen {
                    self.narrow(bucket, Positions::singleton(position));
                }
                chosen
            }
            Node::Part(bucket, _) => {
                let candidates = self.candidates(&bucket.package)?;
                let narrowed = self
                    .narrowed
                    .borrow()
                    .get(bucket)
                    .map(|n| n.intersection(range));
                narrowed
                    .and_then(|narrowed| candidates.best(bucket.number, &narrowed))
                    .or_else(|| candidates.best(bucket.number, range))
            }
            Node::Wide(wide) | Node::WidePart(wide, _) => {
                let candidates = self.candidates(&wide.package)?;
                let matches = candidates.matching(&wide.requirement);
                candidates.best_bucket(&matches, |bucket| range.contains(&bucket))
            }
            Node::Links(_) => {
                let count = self.linkers.borrow().len();
                (0u32..)
                    .take(count)
                    .find(|position| range.contains(position))
            }
        })
    }

    fn narrow(&self, bucket: &Bucket, range: Positions) {
        let mut narrowed = self.narrowed.borrow_mut();
        if let Some(known) = narrowed.get_mut(bucket) {
            *known = range;
        } else {
            narrowed.insert(bucket.clone(), range);
        }
    }
}

impl DependencyProvider for Provider<'_> {
    type P = Node;
    type V = u32;
    type VS = Positions;
    type M = Unusable;
    type Err = IndexError;
    /// Troublemakers first, then whole releases, then their parts, then choices of buckets: by
    /// then most are settled by somebody else's stricter requirement.
    type Priority = (u32, u8, Reverse<usize>);

    fn prioritize(
        &self,
        node: &Node,
        range: &Positions,
        statistics: &PackageResolutionStatistics,
    ) -> Self::Priority {
        let class = match node {
            Node::Root => 4,
            Node::Bucket(bucket) => {
                self.narrow(bucket, range.clone());
                3
            }
            Node::Part(..) => 2,
            Node::Wide(_) | Node::WidePart(..) => 1,
            Node::Links(_) => 0,
        };
        // The solver cannot take an error here; the same question fails again in a moment,
        // where it can.
        let count = self.count(node, range).unwrap_or_default();
        (statistics.conflict_count(), class, Reverse(count))
    }

    fn choose_version(&self, node: &Node, range: &Positions) -> Result<Option<u32>, IndexError> {
        self.choose(node, range)
    }

    fn get_dependencies(
        &self,
        node: &Node,
        version: &u32,
    ) -> Result<Dependencies<Node, Positions, Unusable>, IndexError> {
        Ok(match self.lower(node, *version)? {
            Lowered::Needs(needs) => Dependencies::Available(needs.into_iter().collect()),
            Lowered::Unusable(reason) => Dependencies::Unavailable(reason),
        })
    }
}
