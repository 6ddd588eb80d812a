//! What the recipe of an app says of it beside how it is built: man pages and completions, caveats,
//! deprecation.

use std::collections::BTreeMap;
use std::error::Error as StdError;

use orlop_index::{Archive, Registry};
use orlop_link::{Files, Share, SharedFile};
use orlop_recipes::{AppRecipe, ShareOrigin};
use orlop_resolver::Variant;
use orlop_store::{Generation, Profile};

use crate::context::Context;
use crate::error::CommandError;
use crate::request::Wanted;

/// The files that an app's recipe puts beside its programs.
pub(crate) fn of(wanted: &Wanted, app: &Variant) -> Share {
    let describes = |recipe: &&AppRecipe| !recipe.share.is_empty() && recipe.shares(&app.version);
    let Some(recipe) = wanted.recipe.as_ref().filter(describes) else {
        return Share::default();
    };
    let files = recipe.share.iter().map(|(place, origin)| {
        let file = match origin {
            ShareOrigin::File { file } => SharedFile::Package(file.clone()),
            ShareOrigin::Run { run } => SharedFile::Printed(run.clone()),
        };
        (place.clone(), file)
    });
    Share {
        package: app.checksum.clone(),
        files: files.collect(),
    }
}

/// The files of the packages of apps, out of their archives.
pub(crate) struct PackageFiles<'a> {
    registry: &'a Registry<'a>,
    /// By the names of the apps: name, version and checksum of the package.
    packages: BTreeMap<String, (String, String, String)>,
}

impl<'a> PackageFiles<'a> {
    pub(crate) fn new<'w>(
        registry: &'a Registry<'a>,
        apps: impl Iterator<Item = (&'w Wanted, &'w Variant)>,
    ) -> Self {
        let packages = apps.map(|(wanted, app)| {
            let package = (
                app.name.to_string(),
                app.version.to_string(),
                app.checksum.clone(),
            );
            (wanted.name.to_string(), package)
        });
        Self {
            registry,
            packages: packages.collect(),
        }
    }
}

impl Files for PackageFiles<'_> {
    fn read(
        &self,
        app: &str,
        file: &str,
    ) -> Result<Option<Vec<u8>>, Box<dyn StdError + Send + Sync>> {
        let Some((name, version, checksum)) = self.packages.get(app) else {
            return Ok(None);
        };
        let archive = Archive {
            name,
            version,
            checksum,
        };
        Ok(self.registry.file_of(&archive, file)?)
    }
}

/// Warns of apps that come in although their recipes advise against them.
pub(crate) fn warn_of_deprecated(
    context: &Context,
    profile: &Profile,
    wanted: &[Wanted],
) -> Result<(), CommandError> {
    let current = profile.current()?;
    let is_here = |name: &str| {
        let mut apps = current.iter().flat_map(|current| &current.apps);
        apps.any(|app| app.name == name)
    };
    for wanted in wanted
        .iter()
        .filter(|wanted| !is_here(wanted.name.as_str()))
    {
        let recipe = wanted.recipe.as_ref();
        if let Some(reason) = recipe.and_then(|recipe| recipe.deprecated.as_deref()) {
            context
                .ui
                .warning(format!("`{}` is deprecated: {reason}", wanted.name));
        }
    }
    Ok(())
}

/// Says what people should know of apps that are new, or of which there is something new to know.
pub(crate) fn show_caveats(context: &Context, before: Option<&Generation>, after: &Generation) {
    for app in &after.apps {
        let mut earlier = before.iter().flat_map(|before| &before.apps);
        let known =
            earlier.any(|earlier| earlier.name == app.name && earlier.caveats == app.caveats);
        if let Some(caveats) = app.caveats.as_deref().filter(|_| !known) {
            context
                .ui
                .status(format!("{}: {}", app.name, caveats.trim()));
        }
    }
}
