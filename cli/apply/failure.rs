//! What there is to do about a package that does not compile.

use orlop_build::BuildError;
use orlop_index::Registry;
use orlop_recipes::Policy;
use orlop_resolver::resolve_locked;

use super::{Resolved, Work};
use crate::error::CommandError;
use crate::toolchain;

impl Work<'_> {
    /// Tells of a failure. New versions of what an app is built from may break it, while its author
    /// has built it with those of the published lock file; whether these are others is tried first.
    pub(super) fn told(
        &self,
        error: BuildError,
        apps: &[Resolved<'_>],
        registry: &Registry<'_>,
    ) -> CommandError {
        let hint = match &error {
            BuildError::Failed(failed) => apps
                .iter()
                .filter(|app| has(app, &failed.name))
                .find(|app| self.has_others(app, registry))
                .map(|app| {
                    let name = &app.wanted.name;
                    format!("take the versions that its author has built it with: `orlop install {name} --policy locked`")
                }),
            _ => None,
        };
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
}

/// Whether an app is built from the package of a step.
fn has(app: &Resolved<'_>, step: &str) -> bool {
    app.resolution.packages.iter().any(|package| {
        let label = format!("{} {}", package.name, package.version);
        let after = step.strip_prefix(&label);
        after.is_some_and(|after| after.is_empty() || after.starts_with(' '))
    })
}
