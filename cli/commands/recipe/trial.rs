//! What tests of recipes are run with: programs that nobody else needs, and native libraries.

use camino::Utf8PathBuf;
use orlop_build::{LibraryTest, Tried, try_library};
use orlop_recipes::{LibraryOutput, ManifestEditor, Needs, PackageName, RecipeSet};
use orlop_store::job::LOADED_FOLDER;
use orlop_store::{GenerationTest, Store};

use crate::apply::{self, Goal, Making, Order};
use crate::context::Context;
use crate::error::CommandError;
use crate::{needed, request};

/// The text of a manifest that has the recipes for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct World<'a> {
    pub(super) context: &'a Context,
    pub(super) store: &'a Store,
    pub(super) manifest: &'a str,
}

/// Where programs are, and the libraries that they load.
#[derive(Debug, Default)]
pub(super) struct Programs {
    pub(super) folders: Vec<Utf8PathBuf>,
    pub(super) libraries: Vec<Utf8PathBuf>,
}

impl World<'_> {
    /// Makes what a test needs that is run outside of the sandbox: programs of native libraries where
    /// there are recipes of these, else of apps.
    pub(super) fn programs(&self, needs: &Needs, user: &str) -> Result<Programs, CommandError> {
        let mut programs = Programs::default();
        if needs.is_empty() {
            return Ok(programs);
        }
        let recipes = self.recipes()?;
        let (libraries, apps): (Needs, Needs) = needs
            .clone()
            .into_iter()
            .partition(|(name, _)| recipes.native_names().any(|known| known == name));
        if !libraries.is_empty() {
            let goal = Goal::Helpers(libraries, user.to_owned());
            self.make(self.manifest.to_owned(), goal, |making| {
                making.execute(&making.steps.plan()?)?;
                for (object, loaded) in &making.helpers {
                    let folder = self.store.object(object);
                    programs.folders.push(folder.join("bin"));
                    let all = std::iter::once(object).chain(loaded);
                    let all = all.map(|path| self.store.object(path).join(LOADED_FOLDER));
                    programs.libraries.extend(all);
                }
                Ok(())
            })?;
        }
        for (name, need) in apps {
            let mut editor = ManifestEditor::new("orlop.toml", self.manifest)?;
            let known = editor.manifest().packages.get(&name).cloned();
            editor.set(&name, &needed::joined(known.unwrap_or_default(), need));
            self.make(editor.to_string(), Goal::App(name), |making| {
                let plan = making.steps.plan()?;
                making.execute(&plan)?;
                let views = making.link(&plan)?.into_iter();
                let folders = views.map(|view| self.store.object(&view.path).join("bin"));
                programs.folders.extend(folders);
                Ok(())
            })?;
        }
        Ok(programs)
    }

    /// Runs the test of a native library in the sandbox. One that is not in the store is made again.
    pub(super) fn library(&self, test: &GenerationTest) -> Result<Tried, CommandError> {
        if !self.store.contains(&test.object)? {
            self.make_again(test)?;
        }
        let user = format!("{} {}", test.name, test.version);
        let needs = needed::of_record(&test.needs)?;
        let goal = Goal::Helpers(needs, user.clone());
        self.make(self.manifest.to_owned(), goal, |making| {
            making.execute(&making.steps.plan()?)?;
            let tools = making.tools.expect("native libraries are built with some");
            let test = LibraryTest {
                name: format!("{user} (test)"),
                object: test.object.clone(),
                script: test.test.clone(),
                helpers: making.helpers.clone(),
                tools: tools.clone(),
            };
            Ok(try_library(&test, &making.executor)?)
        })
    }

    fn make_again(&self, test: &GenerationTest) -> Result<(), CommandError> {
        let name: PackageName = test
            .name
            .parse()
            .map_err(|error| CommandError::new(crate::error::Kind::Failed, error))?;
        let goal = Goal::Library(name, test.version.clone(), LibraryOutput::Dev);
        self.make(self.manifest.to_owned(), goal, |making| {
            if !making.steps.wanted().contains(&test.object) {
                return Err(CommandError::failed(format!(
                    "`{}` {} is not in the store, and its recipe makes another one by now",
                    test.name, test.version
                ))
                .hint("build apps against that: `orlop sync`"));
            }
            making.execute(&making.steps.plan()?)
        })
    }

    fn recipes(&self) -> Result<RecipeSet, CommandError> {
        let editor = ManifestEditor::new("orlop.toml", self.manifest)?;
        request::recipes(self.context, editor.manifest())
    }

    fn make<T>(
        &self,
        manifest: String,
        goal: Goal,
        act: impl FnOnce(&Making<'_>) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let order = Order {
            manifest,
            goal,
            keep_failed: false,
        };
        apply::make(self.context, &order, |making| {
            let made = act(making);
            making.progress.clear();
            made
        })
    }
}
