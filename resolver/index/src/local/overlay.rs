//! [`Overlay`]: a registry in which some packages come from elsewhere.

use std::sync::Arc;

use orlop_recipes::{PackageName, Version};
use orlop_resolver::case::Recorder;
use orlop_resolver::{
    Index, IndexError, LockedApp, LockedVariant, Package, Release, Request, Resolution,
};

use super::{LocalPackage, Locals};

/// A registry with packages over it that come from folders and repositories.
pub struct Overlay<'a> {
    index: &'a dyn Index,
    locals: &'a Locals,
}

impl Locals {
    /// Lays the packages over a registry.
    pub fn over<'a>(&'a self, index: &'a dyn Index) -> Overlay<'a> {
        Overlay {
            index,
            locals: self,
        }
    }

    /// Whether nothing comes from elsewhere.
    pub fn is_empty(&self) -> bool {
        self.packages.is_empty()
    }

    /// Makes a request prefer the patches, also to what a lock had before there were any.
    pub fn prefer(&self, request: &mut Request) {
        for (name, version) in &self.patches {
            request.prefer(name, version);
        }
    }

    /// Whether a locked app was made of the very same files, where it takes packages from here, and
    /// of all patches. It may have no use for one: then it is asked for again in vain.
    pub fn agrees(&self, locked: &LockedApp) -> bool {
        let is_same = |variant: &LockedVariant| {
            self.get(&variant.name, &variant.version)
                .is_none_or(|local| local.release.checksum.to_string() == variant.checksum)
        };
        let has = |(name, version): &(PackageName, Version)| {
            let mut variants = locked.variants().iter();
            variants.any(|variant| variant.name == *name && variant.version == *version)
        };
        locked.variants().iter().all(is_same) && self.patches.iter().all(has)
    }

    /// Adds the packages to what a case holds.
    pub fn record(&self, recorder: &Recorder<'_>) {
        for (name, version) in self.packages.keys() {
            recorder.note(&self.over(recorder), name, version);
        }
    }

    /// Returns the patches that an answer has no use for.
    pub fn unused<'l>(
        &'l self,
        resolution: &'l Resolution,
    ) -> impl Iterator<Item = &'l (PackageName, Version)> {
        self.patches.iter().filter(|(name, version)| {
            let mut packages = resolution.packages.iter();
            !packages.any(|package| package.name == *name && package.version == *version)
        })
    }

    fn get(&self, name: &PackageName, version: &Version) -> Option<&LocalPackage> {
        self.packages.get(&(name.clone(), version.clone()))
    }
}

impl Index for Overlay<'_> {
    fn releases(&self, name: &PackageName) -> Result<Arc<[Release]>, IndexError> {
        let locals = self.locals.packages.iter();
        let own: Vec<&Release> = locals
            .filter(|((known, _), _)| known == name)
            .map(|(_, local)| &local.release)
            .collect();
        if own.is_empty() {
            return self.index.releases(name);
        }
        let mut releases: Vec<Release> = if self.locals.only.contains(name) {
            Vec::new()
        } else {
            let all = self.index.releases(name)?;
            let others = all
                .iter()
                .filter(|release| own.iter().all(|own| own.version != release.version));
            others.cloned().collect()
        };
        releases.extend(own.into_iter().cloned());
        releases.sort_by(|a, b| a.version.cmp(&b.version));
        Ok(releases.into())
    }

    fn expect_releases(&self, names: &[PackageName]) -> Result<(), IndexError> {
        let far = names
            .iter()
            .filter(|name| !self.locals.only.contains(*name));
        self.index
            .expect_releases(&far.cloned().collect::<Vec<_>>())
    }

    fn package(&self, name: &PackageName, version: &Version) -> Result<Arc<Package>, IndexError> {
        match self.locals.get(name, version) {
            Some(local) => Ok(Arc::clone(&local.package)),
            None => self.index.package(name, version),
        }
    }

    fn published_lock(
        &self,
        name: &PackageName,
        version: &Version,
    ) -> Result<Option<String>, IndexError> {
        match self.locals.get(name, version) {
            Some(local) => Ok(local.lock.clone()),
            None => self.index.published_lock(name, version),
        }
    }

    fn expect(&self, wanted: &[(PackageName, Version)]) -> Result<(), IndexError> {
        let far = wanted
            .iter()
            .filter(|(name, version)| self.locals.get(name, version).is_none());
        self.index.expect(&far.cloned().collect::<Vec<_>>())
    }

    fn similar(&self, name: &PackageName) -> Vec<PackageName> {
        self.index.similar(name)
    }
}
