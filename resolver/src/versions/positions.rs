//! Sets of versions as the solver handles them: [`Positions`].

use std::fmt;

use pubgrub::{Ranges, VersionSet};

/// A set of places in the ascending list of a package's candidates.
///
/// A place instead of a version makes a requirement exactly the set that `VersionReq::matches`
/// accepts, pre-releases and build metadata included. All intervals are half-open, so that equal
/// sets look equal: with a closed singleton, `{3, 4}` without `3` would not be `{4}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Positions(Ranges<u32>);

impl Positions {
    /// Returns the set of some positions, given in ascending order.
    pub(crate) fn collect(ascending: impl IntoIterator<Item = u32>) -> Self {
        let mut runs: Vec<std::ops::Range<u32>> = Vec::new();
        for position in ascending {
            match runs.last_mut() {
                Some(run) if run.end == position => run.end = position + 1,
                _ => runs.push(position..position + 1),
            }
        }
        let set = runs.into_iter().map(Ranges::from_range_bounds);
        Self(set.fold(Ranges::empty(), |all, run| all.union(&run)))
    }

    /// Whether no position is in the set.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl VersionSet for Positions {
    type V = u32;

    fn empty() -> Self {
        Self(Ranges::empty())
    }

    fn full() -> Self {
        Self(Ranges::full())
    }

    fn singleton(position: u32) -> Self {
        Self(Ranges::between(position, position + 1))
    }

    fn complement(&self) -> Self {
        Self(self.0.complement())
    }

    fn intersection(&self, other: &Self) -> Self {
        Self(self.0.intersection(&other.0))
    }

    fn union(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0))
    }

    fn is_disjoint(&self, other: &Self) -> bool {
        self.0.is_disjoint(&other.0)
    }

    fn subset_of(&self, other: &Self) -> bool {
        self.0.subset_of(&other.0)
    }

    fn contains(&self, position: &u32) -> bool {
        self.0.contains(position)
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_look_equal() {
        let set = Positions::collect([1, 2, 3, 7]);
        let without = set.intersection(&Positions::singleton(2).complement());
        assert_eq!(without, Positions::collect([1, 3, 7]));
        assert!(
            Positions::collect([4])
                .intersection(&Positions::singleton(4).complement())
                .is_empty()
        );
        assert_eq!(Positions::singleton(4), Positions::collect([4]));
        assert!(Positions::collect([]).is_empty());
    }
}
