//! [`Overlay`]: a registry in which some packages come from elsewhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use orlop_recipes::{PackageName, Version};
use orlop_resolver::case::Recorder;
use orlop_resolver::{Index, IndexError, LockedApp, Package, Release, Request, Resolution};

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

    /// Makes a request prefer the patches, also to what was locked.
    pub fn prefer(&self, request: &mut Request) {
        for (name, version) in &self.patches {
            request.prefer(name, version);
        }
    }

    /// Whether a locked app was made of the very same files, where it takes packages from here. One
    /// that may come from here and has another version here is that of the registry, or was from
    /// here as well when it was locked, and is gone.
    pub fn agrees(&self, locked: &LockedApp, index: &dyn Index) -> Result<bool, IndexError> {
        let names: BTreeSet<_> = self.packages.keys().map(|(name, _)| name).collect();
        let variants = locked.variants().iter();
        for variant in variants.filter(|variant| names.contains(&variant.name)) {
            let is_it = |release: &Release| {
                release.version == variant.version
                    && release.checksum.to_string() == variant.checksum
            };
            let is_there = match self.get(&variant.name, &variant.version) {
                Some(local) => is_it(&local.release),
                None if self.only.contains(&variant.name) => false,
                None => index.releases(&variant.name)?.iter().any(is_it),
            };
            if !is_there {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether there is a patch that a locked app does not take. Whether it could take it now, only
    /// an answer tells.
    pub fn has_more_patches(&self, locked: &LockedApp) -> bool {
        let packages = locked.packages();
        let mut patches = self.patches.iter();
        patches.any(|(name, version)| !packages.contains(&(name, version)))
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
