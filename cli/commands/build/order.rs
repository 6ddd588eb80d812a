//! What is to be made when somebody names an app, or the file of a recipe.

use camino::Utf8Path;
use orlop_build::log::quoted;
use orlop_recipes::{
    AppSpec, LibraryOutput, Manifest, ManifestEditor, PackageRequest, Recipe, VersionReq,
};

use crate::apply::{Goal, Order};
use crate::commands::change;
use crate::context::Context;
use crate::error::CommandError;
use crate::{request, toolchain};

/// Returns what is to be made, in a manifest that is the profile's but for it; without a name all
/// its apps are. `verb` is the command that was typed.
pub(crate) fn order(
    context: &Context,
    (verb, spec): (&str, Option<&AppSpec>),
    keep_failed: bool,
) -> Result<Order, CommandError> {
    let store = context.store()?;
    let profile = context.existing_profile(&store)?;
    let path = profile.manifest_path();
    let text = change::manifest_text(context, &profile)?;
    let mut editor = ManifestEditor::new(path.as_str(), &text)?;
    let manifest = Manifest::parse(path.as_str(), &editor.to_string())?;
    let known = |name| manifest.packages.get(name).cloned();
    let goal = match spec {
        None => Goal::Apps,
        Some(AppSpec::Registry { name, requirement }) => {
            let mut request = if let Some(known) = known(name) {
                known
            } else {
                let recipes = request::recipes(context, &manifest)?;
                request::refuse_program(&recipes, name, verb)?;
                PackageRequest::default()
            };
            if *requirement != VersionReq::STAR {
                request.requirement = requirement.clone();
            }
            editor.set(name, &request);
            Goal::App(name.clone())
        }
        Some(AppSpec::Recipe(file)) => {
            let file = context.absolute(Utf8Path::new(file))?.into_string();
            match request::read_recipe(context, &file)? {
                Recipe::App(recipe) => {
                    let mut request = known(&recipe.name).unwrap_or_default();
                    request.recipe = Some(file);
                    editor.set(&recipe.name, &request);
                    Goal::App(recipe.name)
                }
                Recipe::Crate(recipe) => {
                    editor.set_recipe(&recipe.name, &file);
                    let mut request = known(&recipe.name).unwrap_or_default();
                    request.requirement = recipe.versions;
                    editor.set(&recipe.name, &request);
                    Goal::Crate(recipe.name)
                }
                Recipe::Library(recipe) => {
                    editor.set_recipe(&recipe.name, &file);
                    Goal::Library(recipe.name, recipe.version, LibraryOutput::Dev)
                }
                Recipe::Cdylib(recipe) => {
                    editor.set_recipe(&recipe.name, &file);
                    Goal::Library(recipe.name, recipe.version.to_string(), LibraryOutput::Dev)
                }
                Recipe::Plugin(_) => {
                    return Err(CommandError::usage(format!(
                        "`{file}` is the recipe of a plugin, which is built for an app"
                    ))
                    .hint(format!(
                        "build it: `orlop build --plugin {}`",
                        quoted(&file)
                    )));
                }
                Recipe::Compiler(_) => return Err(toolchain::no_app(&file)),
            }
        }
    };
    Ok(Order {
        manifest: editor.to_string(),
        goal,
        keep_failed,
    })
}
