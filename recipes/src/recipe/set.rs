//! [`RecipeSet`]: recipes by name.

use std::collections::{BTreeMap, BTreeSet};

use super::{AppRecipe, CdylibRecipe, CrateOverride, LibraryRecipe, Recipe, shipped};
use crate::name::PackageName;
use crate::{Version, closest};

/// Recipes by name. One that is added later goes before those that were there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecipeSet {
    apps: BTreeMap<PackageName, AppRecipe>,
    /// The newest last.
    overrides: BTreeMap<PackageName, Vec<CrateOverride>>,
    libraries: BTreeMap<PackageName, LibraryRecipe>,
    cdylibs: BTreeMap<PackageName, CdylibRecipe>,
}

impl RecipeSet {
    /// Returns the recipes that Orlop is shipped with.
    pub fn shipped() -> Self {
        let mut set = Self::default();
        for (file_name, text) in shipped::FILES {
            set.add(Recipe::parse(file_name, text).expect("a test reads every shipped recipe"));
        }
        set
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
            // Both go by the same names: the later one is meant.
            Recipe::Library(library) => {
                self.cdylibs.remove(&library.name);
                self.libraries.insert(library.name.clone(), library);
            }
            Recipe::Cdylib(cdylib) => {
                self.libraries.remove(&cdylib.name);
                self.cdylibs.insert(cdylib.name.clone(), cdylib);
            }
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

    /// Returns the recipe of a native library.
    pub fn library(&self, name: &PackageName) -> Option<&LibraryRecipe> {
        self.libraries.get(name)
    }

    /// Returns the recipe of a library for C out of a crate.
    pub fn cdylib(&self, name: &PackageName) -> Option<&CdylibRecipe> {
        self.cdylibs.get(name)
    }

    /// Returns the names of all that crates can ask for as native libraries.
    pub fn native_names(&self) -> impl Iterator<Item = &PackageName> {
        self.libraries.keys().chain(self.cdylibs.keys())
    }

    /// Returns the recipes of all native libraries, by name.
    pub fn libraries(&self) -> impl Iterator<Item = &LibraryRecipe> {
        self.libraries.values()
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
            let native = change.native.iter().map(PackageName::as_str);
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
