//! [`RecipeSet`]: recipes by name.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::natives::{NativeRecipe, Natives, Unmet};
use super::needs::{Condition, Need, Needs, comparable};
use super::{AppRecipe, CrateOverride, LibraryRecipe, LibrarySource, Recipe, shipped};
use crate::name::PackageName;
use crate::{Version, closest};

/// Recipes by name. One that is added later goes before those that were there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecipeSet {
    apps: BTreeMap<PackageName, AppRecipe>,
    /// The newest last.
    overrides: BTreeMap<PackageName, Vec<CrateOverride>>,
    natives: Natives,
}

impl RecipeSet {
    /// Returns the recipes that Orlop is shipped with.
    pub fn shipped() -> Self {
        let mut set = Self::default();
        let read = |&(file_name, text): &(&str, &str)| {
            Recipe::parse(file_name, text).expect("a test reads every shipped recipe")
        };
        set.add_all(shipped::FILES.iter().map(read).collect());
        set
    }

    /// Adds recipes of one origin: of those by one name, the one of the highest version comes last.
    pub fn add_all(&mut self, mut recipes: Vec<Recipe>) {
        recipes.sort_by_cached_key(|recipe| match recipe {
            Recipe::Library(library) => comparable(&library.version),
            Recipe::Cdylib(cdylib) => Some(cdylib.version.clone()),
            Recipe::App(_) | Recipe::Crate(_) | Recipe::Plugin(_) | Recipe::Compiler(_) => None,
        });
        for recipe in recipes {
            self.add(recipe);
        }
    }

    /// Adds a recipe.
    pub fn add(&mut self, recipe: Recipe) {
        match recipe {
            Recipe::App(app) => {
                self.apps.insert(app.name.clone(), app);
            }
            Recipe::Crate(change) => {
                self.overrides
                    .entry(change.name.clone())
                    .or_default()
                    .push(change);
            }
            Recipe::Library(library) => self.natives.add(NativeRecipe::Library(Box::new(library))),
            Recipe::Cdylib(cdylib) => self.natives.add(NativeRecipe::Cdylib(cdylib)),
            // They are built and imported by their files; no other recipe names one.
            Recipe::Plugin(_) | Recipe::Compiler(_) => {}
        }
    }

    /// Returns the recipe of an app.
    pub fn app(&self, name: &PackageName) -> Option<&AppRecipe> {
        self.apps.get(name)
    }

    /// Returns the recipes of all apps, by name.
    pub fn apps(&self) -> impl Iterator<Item = &AppRecipe> {
        self.apps.values()
    }

    /// Returns the app that is probably meant by a name that is not an app's: the one that goes
    /// by it as well (`rg`), or the one whose name is close to it.
    pub fn suggest(&self, name: &str) -> Option<&AppRecipe> {
        let goes_by = |app: &&AppRecipe| app.aliases.contains(name) || app.binaries.contains(name);
        self.apps.values().find(goes_by).or_else(|| {
            let names = self.apps.keys().map(PackageName::as_str);
            closest(name, names).and_then(|name| self.apps.get(name))
        })
    }

    /// Returns the recipes by which crates are built against these native libraries, wherever they
    /// can be, in place of what they carry.
    #[must_use]
    pub fn with_natives(&self, chosen: &BTreeSet<PackageName>) -> Self {
        let mut set = self.clone();
        for changes in set.overrides.values_mut() {
            let both = |change: &CrateOverride| {
                let instead = change.instead.iter();
                let instead = instead.filter(|(library, _)| chosen.contains(*library));
                let others: Vec<_> = instead
                    .map(|(library, instead)| change.built_against(library, instead))
                    .collect();
                [change.clone()].into_iter().chain(others)
            };
            *changes = changes.iter().flat_map(both).collect();
        }
        set
    }

    /// Returns what a version of a crate needs beyond what Cargo gives it.
    pub fn override_for(&self, name: &PackageName, version: &Version) -> Option<&CrateOverride> {
        self.overrides
            .get(name)?
            .iter()
            .rev()
            .find(|change| change.applies_to(version))
    }

    /// Returns all changes to crates, by the names of their packages.
    pub fn overrides(&self) -> impl Iterator<Item = &CrateOverride> {
        self.overrides.values().flatten()
    }

    /// Returns the recipe of a native library of any version, if it is not compiled from a crate.
    pub fn library(&self, name: &PackageName) -> Option<&LibraryRecipe> {
        match self.natives.first(name)? {
            NativeRecipe::Library(library) => Some(library),
            NativeRecipe::Cdylib(_) => None,
        }
    }

    /// Returns the recipe of a native library that is what another recipe needs, with the features
    /// that it asks for.
    pub fn native(&self, name: &PackageName, need: &Need) -> Result<Cow<'_, NativeRecipe>, Unmet> {
        self.natives.find(name, need)
    }

    /// Returns the native libraries that recipes need, and those that these need to be built, as far
    /// as there are recipes of them.
    pub fn natives<'a>(
        &'a self,
        needs: impl Iterator<Item = (&'a PackageName, &'a Need)>,
    ) -> Vec<Cow<'a, NativeRecipe>> {
        let mut open: Vec<_> = needs.collect();
        let mut found = Vec::new();
        while let Some((name, need)) = open.pop() {
            let Ok(recipe) = self.native(name, need) else {
                continue;
            };
            if found.contains(&recipe) {
                continue;
            }
            if let Cow::Borrowed(NativeRecipe::Library(library)) = &recipe {
                open.extend(&library.native);
                open.extend(&library.needs.build);
            }
            found.push(recipe);
        }
        found
    }

    /// Returns the recipes with archives in place of the folders and commits that are the sources of
    /// native libraries, of those that are needed. `pack` returns the checksum of the archive.
    pub fn packed<'a, E>(
        &'a self,
        needs: impl Iterator<Item = (&'a PackageName, &'a Need)>,
        pack: &dyn Fn(&LibraryRecipe) -> Result<String, E>,
    ) -> Result<Self, E> {
        let mut packed = Vec::new();
        for native in self.natives(needs) {
            if let NativeRecipe::Library(library) = &*native
                && library.source.unpacked().is_some()
            {
                packed.push((native.clone(), pack(library)?));
            }
        }
        let mut set = self.clone();
        for native in set.natives.all_mut() {
            let known = packed.iter().find(|(one, _)| **one == *native);
            if let (NativeRecipe::Library(library), Some((_, checksum))) = (native, known) {
                library.source = LibrarySource::Packed {
                    checksum: checksum.clone(),
                    folder: library.source.folder().map(str::to_owned),
                };
            }
        }
        Ok(set)
    }

    /// Returns the names of all that crates can ask for as native libraries.
    pub fn native_names(&self) -> impl Iterator<Item = &PackageName> {
        self.natives.names()
    }

    /// Returns the recipes of all native libraries that are not compiled from crates, by name.
    pub fn libraries(&self) -> impl Iterator<Item = &LibraryRecipe> {
        self.natives.all().filter_map(|native| match native {
            NativeRecipe::Library(library) => Some(&**library),
            NativeRecipe::Cdylib(_) => None,
        })
    }

    /// Returns the recipes with one version of a native library before all others.
    #[must_use]
    pub fn preferring(&self, name: &PackageName, version: &str) -> Self {
        let mut set = self.clone();
        set.natives.prefer(name, version);
        set
    }

    /// Returns the recipes as they are for a platform: without what is needed elsewhere. `holds`
    /// tells which conditions hold there.
    #[must_use]
    pub fn on_platform(&self, holds: &dyn Fn(&Condition) -> bool) -> Self {
        let mut set = self.clone();
        let here = |needs: &mut Needs| {
            needs.retain(|_, need| need.when.as_ref().is_none_or(holds));
        };
        for change in set.overrides.values_mut().flatten() {
            here(&mut change.native);
            here(&mut change.needs.build);
        }
        for native in set.natives.all_mut() {
            if let NativeRecipe::Library(library) = native {
                here(&mut library.native);
                here(&mut library.needs.build);
                here(&mut library.needs.test);
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> PackageName {
        text.parse().unwrap()
    }

    #[track_caller]
    fn added(texts: &[&str]) -> RecipeSet {
        let mut set = RecipeSet::default();
        for text in texts {
            set.add(Recipe::parse("x.toml", &format!("schema = 1\n{text}")).unwrap());
        }
        set
    }

    #[test]
    fn a_program_leads_to_its_app() {
        let set = RecipeSet::shipped();
        let suggested = |text| set.suggest(text).map(|app| app.name.as_str());
        assert_eq!(suggested("rg"), Some("ripgrep"));
        assert_eq!(suggested("fd"), Some("fd-find"));
        assert_eq!(suggested("rip-grep"), Some("ripgrep"));
        assert_eq!(suggested("something-else"), None);
        assert!(set.app(&name("rg")).is_none());
    }

    #[test]
    fn the_later_recipe_goes_first() {
        let mut set = added(&[
            "[crate]\nname = \"a-sys\"\nenvironment = { A = \"any\" }",
            "[crate]\nname = \"a-sys\"\nversions = \"2\"\nenvironment = { A = \"two\" }",
        ]);
        let value = |set: &RecipeSet, version: &str| {
            let version = Version::parse(version).unwrap();
            set.override_for(&name("a-sys"), &version)
                .map(|found| found.environment["A"].clone())
        };
        assert_eq!(value(&set, "1.0.0").as_deref(), Some("any"));
        assert_eq!(value(&set, "1.0.0-rc.1+native-3").as_deref(), Some("any"));
        assert_eq!(value(&set, "2.1.0+native-3").as_deref(), Some("two"));
        for text in ["one", "two"] {
            let text = format!("schema = 1\n[app]\nname = \"b\"\nsummary = \"{text}\"");
            set.add(Recipe::parse("b.toml", &text).unwrap());
        }
        assert_eq!(set.app(&name("b")).unwrap().summary.as_deref(), Some("two"));
        assert!(
            set.override_for(&name("b-sys"), &Version::new(1, 0, 0))
                .is_none()
        );
    }

    #[test]
    fn versions_of_a_library_are_side_by_side() {
        let library = |version: &str, rest: &str| {
            format!(
                "[library]\nname = \"z\"\nversion = \"{version}\"\nscript = \"make\"\n{rest}\
                 source = {{ url = \"https://x.y/z\", sha256 = \"{}\" }}\n",
                "a".repeat(64)
            )
        };
        let when = "native = { y = { when = 'cfg(windows)' } }\n";
        let (two, one) = (library("2.1", ""), library("1.9", when));
        let cdylib = "[cdylib]\nname = \"c\"\nversion = \"1.0.0\"\nfeatures = [\"b\"]\n";
        let set = added(&[&two, &one, cdylib]);
        let found = |text: &str, need: &str, features: &[&str]| {
            let need = Need {
                requirement: need.parse().unwrap(),
                features: features.iter().map(|one| one.parse().unwrap()).collect(),
                ..Need::any()
            };
            match set.native(&name(text), &need) {
                Ok(found) => match &*found {
                    NativeRecipe::Library(library) => library.version.clone(),
                    NativeRecipe::Cdylib(cdylib) => format!("{:?}", cdylib.features),
                },
                Err(unmet) => unmet.to_string(),
            }
        };
        assert_eq!(found("z", "*", &[]), "1.9");
        assert_eq!(found("z", "2", &[]), "2.1");
        assert_eq!(
            found("z", "3, <4", &[]),
            "the native library `z` in a version `3, <4`, and there are recipes of 1.9, 2.1"
        );
        assert_eq!(
            found("z", "1", &["x"]),
            "features of the native library `z` 1.9, which has none: it is no crate"
        );
        assert_eq!(
            found("c", "1", &["b", "a"]),
            "[FeatureName(\"a\"), FeatureName(\"b\")]"
        );
        assert_eq!(
            found("y", "*", &[]),
            "the native library `y`, for which there is no recipe"
        );
        assert_eq!(set.on_platform(&|_| true), set);
        let here = set.on_platform(&|_| false);
        assert!(here.library(&name("z")).unwrap().native.is_empty());
    }

    #[test]
    fn what_is_chosen_goes_before_what_is_carried() {
        let set = added(&[
            "[crate]\nname = \"a-sys\"\nversions = \">=1\"\nnative = [\"b\"]\ntools = [\"make\"]\n\
             environment = { STATIC = \"1\" }\n[crate.instead.a]\nversions = \"<3\"\n\
             environment = { SYSTEM = \"1\" }",
        ]);
        let of = |set: &RecipeSet, major: u64| {
            let version = Version::new(major, 0, 0);
            let change = set.override_for(&name("a-sys"), &version)?;
            let texts = |names: Vec<&str>| names.join(" ");
            let native = change.native.keys().map(PackageName::as_str);
            let environment = change.environment.keys().map(String::as_str);
            let words = native.chain(environment).collect();
            Some(format!("{} {}", texts(words), change.tools.len()))
        };
        let chosen = set.with_natives(&[name("a"), name("other")].into());
        for (major, carried, instead) in [
            (0, None, None),
            (1, Some("b STATIC 1"), Some("a b SYSTEM 0")),
            (3, Some("b STATIC 1"), Some("b STATIC 1")),
        ] {
            assert_eq!(of(&set, major).as_deref(), carried);
            assert_eq!(of(&chosen, major).as_deref(), instead);
        }
        assert_eq!(set.with_natives(&[name("other")].into()), set);
    }
}
