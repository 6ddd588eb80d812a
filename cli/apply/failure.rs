//! What there is to do about a package that does not compile.

use orlop_build::BuildError;
use orlop_build::log::quoted;
use orlop_index::Registry;
use orlop_recipes::{AppSpec, Policy};
use orlop_resolver::resolve_locked;
use orlop_store::derivation::PackageTexts;
use orlop_store::{Plan, Step, StorePath};

use super::{Resolved, Work};
use crate::error::CommandError;
use crate::toolchain;

impl Work<'_> {
    /// Tells of a failure. New versions of what an app is built from may break it, while its author
    /// has built it with those of the published lock file; whether these are others is tried first.
    pub(super) fn told(
        &self,
        error: BuildError,
        (plan, apps): (&Plan, &[Resolved<'_>]),
        registry: &Registry<'_>,
    ) -> CommandError {
        let package = match &error {
            // Its versions have nothing to do with the disk.
            BuildError::Failed(failed) if !failed.lacks_room() => package(plan, &failed.path),
            _ => None,
        };
        let app = package.and_then(|package| {
            let mut users = apps.iter().filter(|app| has(app, package));
            users.find(|app| self.has_others(app, registry))
        });
        let hint = app.map(|app| {
            let spec = quoted(&self.spec(app).to_string());
            format!(
                "take the versions that its author has built it with: `orlop install {spec} \
                 --policy locked`"
            )
        });
        CommandError::from(error).hints(hint)
    }

    /// Whether an app's published lock file has other versions than it is built from.
    fn has_others(&self, app: &Resolved<'_>, registry: &Registry<'_>) -> bool {
        let wanted = app.wanted;
        if wanted.policy == Policy::Locked {
            return false;
        }
        let compiler = wanted.compiler.as_deref();
        let compiler = toolchain::compiler(self.context, self.store, self.progress, compiler);
        let snapshot = app.resolution.snapshot;
        let request = compiler.and_then(|known| wanted.request(&known.compiler, snapshot));
        let locked = request.map(|request| resolve_locked(&request, &wanted.locals.over(registry)));
        matches!(locked, Ok(Ok(locked)) if locked.packages != app.resolution.packages)
    }

    /// Returns how an app was asked for.
    fn spec(&self, app: &Resolved<'_>) -> AppSpec {
        let name = &app.wanted.name;
        let request = self.manifest.packages.get(name);
        let request = request.cloned().unwrap_or_default();
        match request.recipe {
            Some(recipe) => AppSpec::Recipe(recipe),
            None => AppSpec::Registry {
                name: name.clone(),
                requirement: request.requirement,
            },
        }
    }
}

/// Returns the package that a step of a plan builds.
fn package<'p>(plan: &'p Plan, object: &StorePath) -> Option<&'p PackageTexts> {
    let mut steps = plan.build.iter();
    let derivation = steps.find(|derivation| derivation.path() == *object)?;
    match &derivation.step {
        Step::Rustc(call) => Some(&call.package),
        Step::Script(run) => Some(&run.package),
        Step::Unpack(_) | Step::Native(_) => None,
    }
}

/// Whether an app is built from a package.
fn has(app: &Resolved<'_>, package: &PackageTexts) -> bool {
    app.resolution.packages.iter().any(|chosen| {
        chosen.name.as_str() == package.name && chosen.version.to_string() == package.version
    })
}
