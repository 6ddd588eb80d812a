//! What may be chosen of one package: its usable releases, grouped in semver buckets.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use orlop_recipes::{PackageName, Version, VersionReq};
use pubgrub::VersionSet as _;

use crate::index::Release;
use crate::request::Request;
use crate::toolchain::needs_newer;
use crate::versions::positions::Positions;

/// How gladly a release is taken; more is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    NeedsNewerCompiler,
    Fits,
    Preferred,
}

/// The releases of a package that may be chosen, oldest first.
#[derive(Debug)]
pub(crate) struct Candidates {
    releases: Arc<[Release]>,
    usable: Vec<(usize, Rank)>,
    buckets: Vec<Range<u32>>,
    matching: RefCell<Vec<(VersionReq, Rc<Matches>)>>,
}

/// The buckets that a requirement reaches, oldest first, with what it accepts in each.
pub(crate) type Matches = Vec<(u32, Positions)>;

impl Candidates {
    /// Keeps what the request allows: nothing published after the snapshot, and yanked
    /// releases only if they are preferred.
    pub(crate) fn new(name: &PackageName, releases: Arc<[Release]>, request: &Request) -> Self {
        let preferred = request.preferred.get(name).map_or(&[][..], Vec::as_slice);
        let mut usable = Vec::with_capacity(releases.len());
        let mut buckets: Vec<Range<u32>> = Vec::new();
        let mut previous: Option<&Version> = None;
        for (position, release) in releases.iter().enumerate() {
            let liked = preferred.contains(&release.version);
            if !visible(release, request) || (release.yanked && !liked) {
                continue;
            }
            let Ok(number) = u32::try_from(usable.len()) else {
                break;
            };
            usable.push((position, Rank::of(release, liked, &request.rust_version)));
            match buckets.last_mut() {
                Some(last)
                    if previous.is_some_and(|old| bucket(old) == bucket(&release.version)) =>
                {
                    last.end = number + 1;
                }
                _ => buckets.push(number..number + 1),
            }
            previous = Some(&release.version);
        }
        Self {
            releases,
            usable,
            buckets,
            matching: RefCell::default(),
        }
    }

    /// Returns every release of the index, those that may not be chosen included.
    pub(crate) fn releases(&self) -> &Arc<[Release]> {
        &self.releases
    }

    /// Returns the place of a candidate among all releases.
    pub(crate) fn place(&self, position: u32) -> usize {
        self.usable[position as usize].0
    }

    /// Returns one candidate.
    pub(crate) fn release(&self, position: u32) -> &Release {
        &self.releases[self.place(position)]
    }

    /// Returns the positions of one bucket.
    pub(crate) fn bucket(&self, number: u32) -> Range<u32> {
        self.buckets[number as usize].clone()
    }

    /// Returns what a requirement accepts.
    pub(crate) fn matching(&self, requirement: &VersionReq) -> Rc<Matches> {
        if let Some((_, known)) = self
            .matching
            .borrow()
            .iter()
            .find(|(known, _)| known == requirement)
        {
            return Rc::clone(known);
        }
        let matches = Rc::new(self.scan(requirement));
        self.matching
            .borrow_mut()
            .push((requirement.clone(), Rc::clone(&matches)));
        matches
    }

    fn scan(&self, requirement: &VersionReq) -> Matches {
        let mut matches = Matches::new();
        for (number, bucket) in (0u32..).zip(&self.buckets) {
            let accepted = Positions::collect(
                bucket
                    .clone()
                    .filter(|&p| requirement.matches(&self.release(p).version)),
            );
            if !accepted.is_empty() {
                matches.push((number, accepted));
            }
        }
        matches
    }

    /// Returns the best candidate of a bucket within `range`: a preferred one first, then the
    /// newest that works with the compiler, then the newest.
    pub(crate) fn best(&self, bucket: u32, range: &Positions) -> Option<u32> {
        self.ranked(bucket, range).map(|(_, position)| position)
    }

    /// Returns the bucket with the best candidate.
    pub(crate) fn best_bucket(
        &self,
        matches: &Matches,
        allowed: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        matches
            .iter()
            .filter(|(bucket, _)| allowed(*bucket))
            .filter_map(|(bucket, range)| Some((self.ranked(*bucket, range)?, *bucket)))
            .max()
            .map(|(_, bucket)| bucket)
    }

    fn ranked(&self, bucket: u32, range: &Positions) -> Option<(Rank, u32)> {
        let newest_first = self
            .bucket(bucket)
            .rev()
            .filter(|position| range.contains(position));
        let mut best: Option<(Rank, u32)> = None;
        for position in newest_first {
            let rank = self.usable[position as usize].1;
            if best.is_none_or(|(known, _)| rank > known) {
                best = Some((rank, position));
            }
        }
        best
    }
}

impl Rank {
    fn of(release: &Release, preferred: bool, compiler: &Version) -> Self {
        if preferred {
            Self::Preferred
        } else if needs_newer(release, compiler) {
            Self::NeedsNewerCompiler
        } else {
            Self::Fits
        }
    }
}

/// Whether the snapshot holds a release; one without a date counts as old, as in Cargo.
pub(crate) fn visible(release: &Release, request: &Request) -> bool {
    release
        .published
        .is_none_or(|published| published <= request.snapshot)
}

/// Returns what names a bucket: Cargo lets only one version of each into a program.
pub(crate) fn bucket(version: &Version) -> [u64; 3] {
    match (version.major, version.minor) {
        (0, 0) => [0, 0, version.patch],
        (0, minor) => [0, minor, 0],
        (major, _) => [major, 0, 0],
    }
}
