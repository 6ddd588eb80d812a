//! The tests of native libraries, which stay with the apps that are built against them.

use std::collections::{BTreeMap, BTreeSet};

use orlop_recipes::PackageName;
use orlop_store::{GenerationTest, PlannedApp, Step, StorePath};

use super::{Resolved, Work};
use crate::error::CommandError;
use crate::needed;
use crate::request::on_platform;

/// Name and version of native libraries.
pub(super) type Natives = BTreeMap<StorePath, (PackageName, String)>;

impl Work<'_> {
    /// Returns the tests of the native libraries that an app is built against.
    pub(super) fn library_tests(
        &self,
        app: &Resolved<'_>,
        planned: &PlannedApp,
        natives: &Natives,
    ) -> Result<Vec<GenerationTest>, CommandError> {
        let mut used = BTreeSet::new();
        for program in &planned.programs {
            let derivation = self.store.derivation(&program.link_set)?;
            if let Some(Step::Rustc(call)) = derivation.map(|derivation| derivation.step) {
                used.extend(call.natives);
            }
        }
        if used.is_empty() {
            return Ok(Vec::new());
        }
        let recipes = on_platform(self.recipes, &self.compiler(app)?);
        let tests = used.into_iter().filter_map(|object| {
            let (name, version) = natives.get(&object)?;
            let mut known = recipes.libraries();
            let recipe = known.find(|known| known.name == *name && known.version == *version)?;
            Some(GenerationTest {
                name: name.to_string(),
                version: version.clone(),
                object,
                test: recipe.test.clone()?,
                needs: needed::recorded(&recipe.needs.test),
            })
        });
        Ok(tests.collect())
    }
}
