//! [`Natives`]: the recipes that others name among their native libraries. Several versions of one
//! are there side by side; who comes later goes first.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::needs::{Need, Needs};
use super::{CdylibRecipe, LibraryRecipe};
use crate::name::PackageName;
use crate::text::requirement_text;

/// A recipe that others name among their native libraries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NativeRecipe {
    /// It is built by a script or a build system.
    Library(Box<LibraryRecipe>),
    /// It is compiled from a crate.
    Cdylib(CdylibRecipe),
}

/// Why no recipe is what another one needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmet {
    /// Nothing goes by the name.
    #[error("the native library `{name}`, for which there is no recipe")]
    NoRecipe {
        /// The name.
        name: PackageName,
    },
    /// What goes by the name has other versions.
    #[error(
        "the native library `{name}` in a version `{requirement}`, and there are recipes of {}",
        .versions.join(", ")
    )]
    NoVersion {
        /// The name.
        name: PackageName,
        /// What is asked for.
        requirement: String,
        /// What there is.
        versions: Vec<String>,
    },
    /// A library without features is asked for some.
    #[error("features of the native library `{name}` {version}, which has none: it is no crate")]
    NoFeatures {
        /// The name.
        name: PackageName,
        /// Its version.
        version: String,
    },
}

impl Unmet {
    /// Returns the name of what is needed.
    pub fn name(&self) -> &PackageName {
        match self {
            Self::NoRecipe { name }
            | Self::NoVersion { name, .. }
            | Self::NoFeatures { name, .. } => name,
        }
    }
}

impl NativeRecipe {
    /// Returns its name.
    pub fn name(&self) -> &PackageName {
        match self {
            Self::Library(library) => &library.name,
            Self::Cdylib(cdylib) => &cdylib.name,
        }
    }

    /// Returns its version, as its authors write it.
    pub fn version(&self) -> Cow<'_, str> {
        match self {
            Self::Library(library) => library.version.as_str().into(),
            Self::Cdylib(cdylib) => cdylib.version.to_string().into(),
        }
    }

    /// Returns the native libraries that it needs itself; those of a crate are those of its crates.
    pub fn native(&self) -> Option<&Needs> {
        match self {
            Self::Library(library) => Some(&library.native),
            Self::Cdylib(_) => None,
        }
    }

    /// Returns it with the features that are asked for.
    fn with_features(&self, need: &Need) -> Result<Cow<'_, Self>, Unmet> {
        match self {
            _ if !need.asks_for_features() => Ok(Cow::Borrowed(self)),
            Self::Library(library) => Err(Unmet::NoFeatures {
                name: library.name.clone(),
                version: library.version.clone(),
            }),
            Self::Cdylib(cdylib) => {
                let mut cdylib = cdylib.clone();
                cdylib.features.extend(need.features.iter().cloned());
                cdylib.features.sort();
                cdylib.features.dedup();
                cdylib.default_features &= need.default_features;
                Ok(Cow::Owned(Self::Cdylib(cdylib)))
            }
        }
    }
}

/// Recipes by name. Of each name the last one goes first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Natives(BTreeMap<PackageName, Vec<NativeRecipe>>);

impl Natives {
    /// Adds a recipe, in place of one of the same version.
    pub(super) fn add(&mut self, recipe: NativeRecipe) {
        let same = self.0.entry(recipe.name().clone()).or_default();
        same.retain(|known| known.version() != recipe.version());
        same.push(recipe);
    }

    /// Lets a version go first.
    pub(super) fn prefer(&mut self, name: &PackageName, version: &str) {
        if let Some(known) = self.0.get_mut(name) {
            known.sort_by_key(|recipe| recipe.version() == version);
        }
    }

    /// Returns the recipe that goes first.
    pub(super) fn first(&self, name: &PackageName) -> Option<&NativeRecipe> {
        self.0.get(name)?.last()
    }

    /// Returns the recipe that goes first of those that are what is needed.
    pub(super) fn find(
        &self,
        name: &PackageName,
        need: &Need,
    ) -> Result<Cow<'_, NativeRecipe>, Unmet> {
        let known = self
            .0
            .get(name)
            .ok_or_else(|| Unmet::NoRecipe { name: name.clone() })?;
        let known = || known.iter().rev();
        known()
            .find(|recipe| need.fits(&recipe.version()))
            .ok_or_else(|| Unmet::NoVersion {
                name: name.clone(),
                requirement: requirement_text(&need.requirement),
                versions: known().map(|one| one.version().into_owned()).collect(),
            })?
            .with_features(need)
    }

    /// Returns all of them, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = &NativeRecipe> {
        self.0.values().flatten()
    }

    /// Returns all of them, to be changed.
    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut NativeRecipe> {
        self.0.values_mut().flatten()
    }

    /// Returns all names.
    pub(super) fn names(&self) -> impl Iterator<Item = &PackageName> {
        self.0.keys()
    }
}
