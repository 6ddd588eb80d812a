//! What there is to do for packages: the [`Steps`] behind them, with the recipes that each chooses.

use std::collections::BTreeSet;

use jiff::Timestamp;
use orlop_index::Registry;
use orlop_plan::{AppRequest, Cdylibs, Product, Steps, Surroundings};
use orlop_recipes::{LinkageChoice, RecipeSet};
use orlop_resolver::Index;
use orlop_store::Compiler;

use super::{Resolved, Work};
use crate::error::CommandError;
use crate::fetch::Archives;
use crate::request::{self, on_platform};
use crate::{cdylibs, toolchain};

impl Work<'_> {
    /// Lowers packages.
    pub(super) fn with_steps<T>(
        &self,
        packages: &[(&Resolved<'_>, Product<'_>)],
        (snapshot, registry, archives): (Timestamp, &Registry<'_>, &Archives<'_>),
        act: impl FnOnce(&Steps<'_>) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let recipes = self.chosen(packages.iter().map(|(app, _)| *app))?;
        let apps = packages.iter().zip(&recipes);
        let cdylibs =
            apps.map(|((app, _), recipes)| self.cdylibs(app, recipes, snapshot, registry));
        let cdylibs = cdylibs.collect::<Result<Vec<_>, _>>()?;
        let recipes = packages.iter().zip(&recipes).zip(&cdylibs);
        let recipes = recipes.map(|(((app, _), recipes), cdylibs)| {
            let resolutions = std::iter::once(&app.resolution).chain(cdylibs.values());
            let needs = resolutions.flat_map(|one| orlop_plan::native_needs(one, recipes));
            request::packed(self.context, recipes, needs)
        });
        let recipes = recipes.collect::<Result<Vec<_>, _>>()?;
        let requests: Vec<_> = packages
            .iter()
            .zip(&recipes)
            .zip(&cdylibs)
            .map(|(((app, product), recipes), cdylibs)| AppRequest {
                cdylibs,
                resolution: &app.resolution,
                recipes,
                product: *product,
                tools: &app.tools,
                codegen: app.wanted.codegen,
                alone: app.wanted.linkage == LinkageChoice::Static,
            })
            .collect();
        let asked = requests.iter().flat_map(|app| {
            let resolutions = std::iter::once(app.resolution).chain(app.cdylibs.values());
            resolutions.map(|resolution| (resolution, app.recipes))
        });
        let tool_sets = toolchain::tool_sets(self.context, self.store, self.progress, asked)?;
        act(&Steps::of_packages(
            &requests,
            Surroundings {
                tool_sets: &tool_sets,
                store: self.store,
                fetcher: archives,
            },
        )?)
    }

    /// Returns the recipes of each app with the native libraries that it chooses, and says what
    /// cannot be had.
    fn chosen<'r>(
        &self,
        apps: impl Iterator<Item = &'r Resolved<'r>>,
    ) -> Result<Vec<RecipeSet>, CommandError> {
        let apps: Vec<_> = apps.collect();
        let mut used = BTreeSet::new();
        let mut refused = BTreeSet::new();
        let mut sets = Vec::new();
        for app in &apps {
            let natives = &app.wanted.natives;
            let compiler = self.compiler(app)?;
            let recipes = on_platform(self.recipes, &compiler).with_natives(natives);
            for variant in app.resolution.graph.node_weights() {
                let change = recipes.override_for(&variant.name, &variant.version);
                let Some(change) = change else {
                    continue;
                };
                used.extend(change.native.keys().cloned());
                for library in change.instead.keys().filter(|name| natives.contains(*name)) {
                    used.insert(library.clone());
                    refused.insert(format!(
                        "`{} {}` of `{}` keeps the library it carries: its recipe knows no way to \
                         build it against this `{library}`",
                        variant.name, variant.version, app.wanted.name
                    ));
                }
            }
            sets.push(recipes);
        }
        let named: BTreeSet<_> = apps.iter().flat_map(|app| &app.wanted.natives).collect();
        let unused = named.into_iter().filter(|name| !used.contains(*name));
        refused.extend(unused.map(|library| {
            format!("the native library `{library}` is not used: no crate is built against it")
        }));
        for line in refused {
            self.context.ui.warning(line);
        }
        Ok(sets)
    }

    /// Returns the compiler of an app.
    pub(super) fn compiler(&self, app: &Resolved<'_>) -> Result<Compiler, CommandError> {
        let name = Some(app.compiler.as_str());
        let compiler = toolchain::compiler(self.context, self.store, self.progress, name)?;
        Ok(compiler.compiler)
    }

    /// Resolves the libraries for C that an app needs.
    fn cdylibs(
        &self,
        app: &Resolved<'_>,
        recipes: &RecipeSet,
        snapshot: Timestamp,
        index: &dyn Index,
    ) -> Result<Cdylibs, CommandError> {
        let needed = orlop_plan::cdylibs(&app.resolution, recipes);
        cdylibs::resolved(needed, &self.compiler(app)?, snapshot, recipes, index)
    }
}
