//! From a manifest to what is asked of the resolver: recipes and defaults filled in.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use orlop_build::log::quoted;
use orlop_index::Locals;
use orlop_link::Role;
use orlop_plan::Product;
use orlop_recipes::{
    AppRecipe, AppSpec, CodegenChoice, CrateSource, FeatureName, LinkageChoice, Manifest, Need,
    PackageName, PackageRequest, Policy, Recipe, RecipeError, RecipeSet, Version, VersionReq, Wish,
};
use orlop_resolver::{Platform, Request};
use orlop_store::{Compiler, PlannedApp};

use crate::context::Context;
use crate::error::CommandError;
use crate::{files, gone, needed};

/// One app that a manifest asks for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The name in the manifest.
    pub(crate) name: PackageName,
    /// The package in the registry.
    pub(crate) package: PackageName,
    pub(crate) requirement: VersionReq,
    pub(crate) features: Vec<FeatureName>,
    pub(crate) default_features: bool,
    pub(crate) policy: Policy,
    pub(crate) linkage: LinkageChoice,
    pub(crate) codegen: CodegenChoice,
    /// The name of its compiler; none means the default one.
    pub(crate) compiler: Option<String>,
    /// Native libraries that its crates are built against in place of what they carry.
    pub(crate) natives: BTreeSet<PackageName>,
    /// The programs to build; none means all.
    pub(crate) programs: Option<BTreeSet<String>>,
    /// The packages whose crates it has in common with its plugins.
    pub(crate) plugins: BTreeSet<PackageName>,
    /// Packages that its recipe takes from elsewhere than the registry.
    pub(crate) locals: Locals,
    /// Its recipe, if it has one.
    pub(crate) recipe: Option<AppRecipe>,
}

impl Wanted {
    /// What is made of it.
    pub(crate) fn product(&self) -> Product<'_> {
        Product::App {
            programs: self.programs.as_ref(),
            plugins: &self.plugins,
        }
    }

    /// What it has to do with plugins.
    pub(crate) fn role(&self, planned: &PlannedApp) -> Role {
        if self.plugins.is_empty() {
            return Role::Alone;
        }
        Role::Host {
            open: planned.open.clone(),
        }
    }

    /// Whether it starts programs of another app.
    pub(crate) fn starts(&self, app: &PackageName) -> bool {
        let mut recipe = self.recipe.iter();
        recipe.any(|recipe| recipe.needs.run.contains_key(app))
    }

    /// The question to the resolver.
    pub(crate) fn request(
        &self,
        compiler: &Compiler,
        snapshot: Timestamp,
    ) -> Result<Request, CommandError> {
        Ok(Request {
            features: self.features.clone(),
            default_features: self.default_features,
            ..plain_request(&self.package, self.requirement.clone(), compiler, snapshot)?
        })
    }
}

/// The question for a package with its default features, without preferences.
pub(crate) fn plain_request(
    package: &PackageName,
    requirement: VersionReq,
    compiler: &Compiler,
    snapshot: Timestamp,
) -> Result<Request, CommandError> {
    Ok(Request {
        app: package.clone(),
        requirement,
        features: Vec::new(),
        default_features: true,
        platform: platform(compiler),
        rust_version: release(&compiler.release)?,
        allow_newer_compiler: false,
        snapshot,
        preferred: BTreeMap::new(),
    })
}

pub(crate) fn platform(compiler: &Compiler) -> Platform {
    Platform {
        triple: compiler.host.clone(),
        cfg: compiler.cfg.clone(),
    }
}

/// The recipes as they are for what a compiler compiles for.
pub(crate) fn on_platform(recipes: &RecipeSet, compiler: &Compiler) -> RecipeSet {
    let platform = platform(compiler);
    recipes.on_platform(&|condition| platform.is(condition))
}

/// The release of a compiler without `-nightly` and the like: a nightly can do what its release
/// will.
fn release(text: &str) -> Result<Version, CommandError> {
    let plain = text.split_once('-').map_or(text, |(plain, _)| plain);
    plain.parse().map_err(|error| {
        CommandError::failed(format!(
            "the compiler's release `{text}` is not a version: {error}"
        ))
    })
}

/// The line of a manifest that asks for an app, counted from 1.
pub(crate) fn line(manifest: &str, app: &PackageName) -> Option<usize> {
    let file = toml::de::DeTable::parse(manifest).ok()?;
    let packages = file.get_ref().get("packages")?.get_ref().as_table()?;
    let (key, _) = packages
        .iter()
        .find(|(key, _)| key.get_ref() == app.as_str())?;
    let before = manifest.get(..key.span().start)?;
    Some(before.matches('\n').count() + 1)
}

/// The shipped recipes and those that the manifest names: its sources, then its files. Who comes
/// later goes first.
pub(crate) fn recipes(context: &Context, manifest: &Manifest) -> Result<RecipeSet, CommandError> {
    let mut recipes = RecipeSet::shipped();
    for (name, source) in &manifest.recipe_sources {
        recipes.add_all(recipes_of(context, source).map_err(gone::source(name))?);
    }
    let files = manifest.recipes.iter();
    let read = files.map(|(name, path)| read_recipe(context, path).map_err(gone::recipe(name)));
    recipes.add_all(read.collect::<Result<_, _>>()?);
    Ok(recipes)
}

/// Reads all recipes of a source. Those of a repository elsewhere name nothing of this machine.
pub(crate) fn recipes_of(
    context: &Context,
    source: &CrateSource,
) -> Result<Vec<Recipe>, CommandError> {
    let parse = if source.is_here() {
        Recipe::parse
    } else {
        Recipe::parse_remote
    };
    let files = recipe_files(context, source)?;
    let read = files.iter().map(|file| read_with(file, parse));
    read.collect()
}

/// The files of the recipes of a source, by name: `*.toml` in its folder.
pub(crate) fn recipe_files(
    context: &Context,
    source: &CrateSource,
) -> Result<Vec<Utf8PathBuf>, CommandError> {
    let folder = context.workshop().files(source)?;
    let read = || -> std::io::Result<Vec<Utf8PathBuf>> {
        let mut files = Vec::new();
        for entry in folder.read_dir()? {
            // A manifest cannot name any other.
            let Ok(path) = Utf8PathBuf::from_path_buf(entry?.path()) else {
                continue;
            };
            if path.extension() == Some("toml") && path.is_file() {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    };
    read().map_err(|error| CommandError::failed(format!("read the recipes in `{folder}`: {error}")))
}

/// What is said to who asks for one thing in two ways: neither is more right than the other.
pub(crate) fn asked_twice(name: &PackageName, earlier: &AppSpec, later: &AppSpec) -> CommandError {
    CommandError::usage(format!(
        "`{name}` is asked for twice: as `{earlier}` and as `{later}`"
    ))
}

/// Refuses the name of a program, which is easily taken for the app's: `rg` for `ripgrep`. `verb` is
/// the command that was typed.
pub(crate) fn refuse_program(
    recipes: &RecipeSet,
    name: &PackageName,
    verb: &str,
) -> Result<(), CommandError> {
    let owner = recipes.apps().find(|app| {
        app.name != *name && (app.aliases.contains(name) || app.binaries.contains(name.as_str()))
    });
    match owner {
        Some(app) if recipes.app(name).is_none() => Err(CommandError::failed(format!(
            "`{name}` is a program of the app `{}`",
            app.name
        ))
        .hint(format!("name the app: `orlop {verb} {}`", app.name))),
        _ => Ok(()),
    }
}

/// The hint to who takes a project for a recipe.
fn for_project(folder: &Utf8Path) -> String {
    format!(
        "write a recipe for the project in it: `orlop recipe import {}`",
        quoted(folder.as_str())
    )
}

/// Reads a recipe from disk.
pub(crate) fn read_recipe(context: &Context, path: &str) -> Result<Recipe, CommandError> {
    let path = context.absolute(Utf8Path::new(path))?;
    if path.is_dir() {
        let text = format!("`{path}` is a folder, not the file of a recipe");
        return Err(CommandError::usage(text).hint(for_project(&path)));
    }
    if path.file_name() == Some("Cargo.toml") && path.is_file() {
        let text = format!("`{path}` is the manifest of a package, not a recipe");
        let folder = path.parent().unwrap_or(Utf8Path::new("/"));
        return Err(CommandError::usage(text).hint(for_project(folder)));
    }
    read_with(&path, Recipe::parse)
}

/// Reads the recipe in a file; what it names begins at its folder.
fn read_with(
    path: &Utf8Path,
    parse: impl FnOnce(&str, &str) -> Result<Recipe, RecipeError>,
) -> Result<Recipe, CommandError> {
    let text = files::read(path)?;
    let mut recipe = parse(path.as_str(), &text)?;
    let folder = path.parent().unwrap_or(Utf8Path::new("/")).as_str();
    let sources: Vec<_> = match &mut recipe {
        Recipe::App(app) => app
            .source
            .iter_mut()
            .chain(app.patch.values_mut())
            .collect(),
        Recipe::Plugin(plugin) => plugin.source.iter_mut().collect(),
        Recipe::Library(library) => {
            library.source.move_to(folder);
            Vec::new()
        }
        Recipe::Crate(_) | Recipe::Cdylib(_) | Recipe::Compiler(_) => Vec::new(),
    };
    for source in sources {
        *source = source.seen_from(folder);
    }
    Ok(recipe)
}

/// The recipes with archives in place of the folders and commits that are the sources of native
/// libraries, of those that are needed.
pub(crate) fn packed<'a>(
    context: &Context,
    recipes: &'a RecipeSet,
    needs: impl Iterator<Item = (&'a PackageName, &'a Need)>,
) -> Result<RecipeSet, CommandError> {
    let workshop = context.workshop();
    recipes.packed(needs, &|library| {
        let (source, filter) = library.source.unpacked().expect("others are not packed");
        Ok(workshop.pack_files((&library.name, &library.version), &source, filter)?)
    })
}

/// The apps of a manifest, and those that they start.
pub(crate) fn wanted(
    context: &Context,
    manifest: &Manifest,
    recipes: &RecipeSet,
) -> Result<Vec<Wanted>, CommandError> {
    let manifest = &needed::with_needed(context, manifest, recipes)?;
    manifest
        .packages
        .keys()
        .map(|name| one(context, manifest, recipes, name))
        .collect()
}

fn one(
    context: &Context,
    manifest: &Manifest,
    recipes: &RecipeSet,
    name: &PackageName,
) -> Result<Wanted, CommandError> {
    let asked = manifest
        .request(name)
        .expect("the name comes from the manifest");
    let mut recipe = app_recipe(context, &asked, recipes, name)?;
    if let Some(recipe) = &mut recipe {
        needed::keep_needed_here(context, recipe, asked.compiler.as_deref())?;
    }
    let request = recipe
        .as_ref()
        .map_or_else(|| asked.clone(), |recipe| recipe.request(&asked));
    let linkage = linkage(name, manifest, &request)?;
    let plugins = recipe
        .as_ref()
        .map(|recipe| recipe.plugins.clone())
        .unwrap_or_default();
    if linkage == LinkageChoice::Static && !plugins.is_empty() {
        return Err(CommandError::usage(format!(
            "`{name}` takes plugins, which share crates with it, so it cannot have the linkage \
             `static`"
        ))
        .about(Wish::Linkage(name.clone())));
    }
    let locals = match &recipe {
        Some(recipe) => context
            .workshop()
            .pack(&recipe.package, recipe.source.as_ref(), &recipe.patch)
            .map_err(|error| gone::app(name)(error.into()))?,
        None => Locals::default(),
    };
    Ok(Wanted {
        name: name.clone(),
        package: recipe
            .as_ref()
            .map_or_else(|| name.clone(), |recipe| recipe.package.clone()),
        requirement: request.requirement,
        features: request.features,
        default_features: request.default_features,
        policy: request.policy.unwrap_or_default(),
        linkage,
        codegen: request.codegen,
        compiler: request.compiler,
        natives: natives(name, request.natives, recipes)?,
        programs: recipe
            .as_ref()
            .map(|recipe| recipe.binaries.clone())
            .filter(|binaries| !binaries.is_empty()),
        plugins,
        locals,
        recipe,
    })
}

/// The native libraries that an app chooses: each must have a recipe.
fn natives(
    app: &PackageName,
    chosen: BTreeSet<PackageName>,
    recipes: &RecipeSet,
) -> Result<BTreeSet<PackageName>, CommandError> {
    let known = || recipes.libraries().map(|library| library.name.as_str());
    match chosen.iter().find(|name| recipes.library(name).is_none()) {
        None => Ok(chosen),
        Some(name) => {
            let error = CommandError::usage(format!(
                "`{app}` is to be built against `{name}`, for which there is no recipe of a native \
                 library"
            ))
            .about(Wish::Native(name.clone()));
            Err(
                error.hint(match orlop_recipes::closest(name.as_str(), known()) {
                    Some(close) => format!("did you mean `{close}`?"),
                    None => format!("there are: {}", known().collect::<Vec<_>>().join(", ")),
                }),
            )
        }
    }
}

/// The recipe of an app: its own file, or the one that goes by its name.
pub(crate) fn app_recipe(
    context: &Context,
    asked: &PackageRequest,
    recipes: &RecipeSet,
    name: &PackageName,
) -> Result<Option<AppRecipe>, CommandError> {
    let Some(path) = &asked.recipe else {
        return Ok(recipes.app(name).cloned());
    };
    match read_recipe(context, path).map_err(gone::app(name))? {
        Recipe::App(recipe) => Ok(Some(recipe)),
        _ => Err(CommandError::usage(format!(
            "`{path}` is not the recipe of an app"
        ))),
    }
}

/// The linkage of an app. One with codegen options of its own has nothing to share, so the
/// manifest's choice for all is not for it.
fn linkage(
    name: &PackageName,
    manifest: &Manifest,
    request: &PackageRequest,
) -> Result<LinkageChoice, CommandError> {
    let own = manifest.packages.get(name).and_then(|own| own.linkage);
    match (request.codegen, own) {
        (CodegenChoice::App, None | Some(LinkageChoice::Static)) => Ok(LinkageChoice::Static),
        (CodegenChoice::App, Some(other)) => Err(CommandError::usage(format!(
            "`{name}` cannot have the codegen `app` and the linkage `{other}`: crates that are \
             compiled for one app are not shared"
        ))
        .about(Wish::Codegen(name.clone()))),
        (CodegenChoice::Shared, _) => Ok(request.linkage.unwrap_or(LinkageChoice::Shared)),
    }
}
