//! Compilers and C tools: which one an app is built with, imported when first needed.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use orlop_build::archived::{Archived, Hands, Part};
use orlop_build::log::quoted;
use orlop_build::{c_tools as c, compiler};
use orlop_plan::ToolSets;
use orlop_recipes::{Choice as _, CompilerRecipe, Recipe, RecipeSet, Tool, Version, Wish};
use orlop_resolver::Resolution;
use orlop_store::derivation::Tools;
use orlop_store::{Compiler, ImportedCompiler, Reporter, Runner, Store, StorePath};

use crate::context::Context;
use crate::error::CommandError;
use crate::fetch::{Archives, Fetching};
use crate::progress::Progress;
use crate::request;

/// Returns the compiler of that name, else the default one. The first `rustc` in `PATH` is imported
/// if it is the one of that name, or when there is no default; which it becomes then.
pub(crate) fn compiler(
    context: &Context,
    store: &Store,
    reporter: &dyn Reporter,
    name: Option<&str>,
) -> Result<ImportedCompiler, CommandError> {
    if let Some(name) = name {
        let stored = compiler::list(store)?;
        if let Some(found) = stored.iter().find(|known| known.name == name) {
            return Ok(found.clone());
        }
        let Some((rustc, _)) = in_path(context, name) else {
            return Err(unknown(context, &stored, name));
        };
        return import(store, reporter, &rustc);
    }
    if let Some(default) = compiler::default(store)? {
        return Ok(default);
    }
    let rustc = context.find_program("rustc").ok_or_else(|| {
        CommandError::failed("there is no Rust compiler: no `rustc` in `PATH`, none in the store")
            .hint("install Rust, or import a compiler: `orlop compiler add PATH`")
    })?;
    import(store, reporter, &rustc)
}

/// Imports a compiler, which becomes the default one if there is none.
fn import(
    store: &Store,
    reporter: &dyn Reporter,
    rustc: &Utf8Path,
) -> Result<ImportedCompiler, CommandError> {
    let imported = compiler::import(rustc, store, reporter)?;
    if compiler::default(store)?.is_none() {
        compiler::set_default(store, &imported.name)?;
    }
    Ok(imported)
}

/// Returns the first `rustc` in `PATH` and what it is, if it goes by that name.
fn in_path(context: &Context, name: &str) -> Option<(Utf8PathBuf, Compiler)> {
    let rustc = context.find_program("rustc")?;
    let (its, compiler) = compiler::describe(&rustc).ok()?;
    (its == name).then_some((rustc, compiler))
}

/// Returns what is known of the compiler of a name, without importing it.
pub(crate) fn known_as(context: &Context, name: &str) -> Result<Compiler, CommandError> {
    let stored = compiler::list(&context.store()?)?;
    if let Some(found) = stored.iter().find(|known| known.name == name) {
        return Ok(found.compiler.clone());
    }
    let found = in_path(context, name).map(|(_, compiler)| compiler);
    found.ok_or_else(|| unknown(context, &stored, name))
}

/// There is no compiler of a name among those in the store.
fn unknown(context: &Context, stored: &[ImportedCompiler], name: &str) -> CommandError {
    let error = CommandError::failed(format!("there is no compiler `{name}` in the store"))
        .about(Wish::Compiler(name.to_owned()));
    // What rustup calls `nightly` has its release and its date for a name here.
    let known = toolchains(context).into_iter().map(|toolchain| {
        let described = compiler::describe(&toolchain.rustc);
        (toolchain, described.ok().map(|(name, _)| name))
    });
    let meant = |(toolchain, its): &(Toolchain, Option<String>)| {
        toolchain.is_called(name) || its.as_deref() == Some(name)
    };
    let error = match known.into_iter().find(meant) {
        Some((_, Some(its))) if stored.iter().any(|known| known.name == its) => {
            error.hint(format!("it is there as `{its}`: say `--compiler {its}`"))
        }
        Some((toolchain, Some(its))) if its != name => error.hint(format!(
            "import it, after which it is called `{its}`: `orlop compiler add {}`",
            toolchain.name
        )),
        Some((toolchain, _)) => {
            let wanted = if toolchain.is_called(name) {
                name
            } else {
                &toolchain.name
            };
            error.hint(format!("import it: `orlop compiler add {wanted}`"))
        }
        None if is_released(name) && context.find_program("rustup").is_some() => {
            error.hint(format!(
                "install and import it: `rustup toolchain install {name} && orlop compiler add \
                 {name}`"
            ))
        }
        None => error.hint("import one from where it is: `orlop compiler add PATH`"),
    };
    error.hint("see which there are: `orlop compiler list`")
}

/// Whether a toolchain of that name can be had, by all appearances.
fn is_released(name: &str) -> bool {
    let channel = ["stable", "beta", "nightly"]
        .iter()
        .find_map(|channel| name.strip_prefix(channel));
    match channel {
        Some(date) => date.is_empty() || date.starts_with("-2"),
        // The name of a nightly one is not rustup's.
        None => name
            .parse::<Version>()
            .is_ok_and(|version| version.pre.is_empty()),
    }
}

/// Returns what is known of the compiler that apps are compiled with, without importing one.
pub(crate) fn known(context: &Context) -> Result<Compiler, CommandError> {
    if context.home.join("store").is_dir()
        && let Some(default) = compiler::default(&context.store()?)?
    {
        return Ok(default.compiler);
    }
    let rustc = context.find_program("rustc").ok_or_else(|| {
        CommandError::failed("there is no Rust compiler: no `rustc` in `PATH`, none in the store")
            .hint("install Rust, or import a compiler: `orlop compiler add PATH`")
    })?;
    Ok(compiler::describe(&rustc)?.1)
}

/// Returns the C tools of this machine without extra ones, imported when they changed.
pub(crate) fn c_tools(
    context: &Context,
    store: &Store,
    reporter: &dyn Reporter,
) -> Result<StorePath, CommandError> {
    let none = BTreeSet::new();
    Ok(c::import(&context.search_path, &none, store, reporter)?)
}

/// Returns the C tools of this machine with the extra ones that some apps' steps ask for.
pub(crate) fn tool_sets<'a>(
    context: &Context,
    store: &Store,
    reporter: &dyn Reporter,
    apps: impl Iterator<Item = (&'a Resolution, &'a RecipeSet)>,
) -> Result<ToolSets, CommandError> {
    let sets = apps.flat_map(|(resolution, recipes)| orlop_plan::tool_sets(resolution, recipes));
    import_sets(context, store, reporter, sets)
}

/// Imports the C tools with each of some sets of extra ones.
pub(crate) fn import_sets(
    context: &Context,
    store: &Store,
    reporter: &dyn Reporter,
    sets: impl Iterator<Item = BTreeSet<Tool>>,
) -> Result<ToolSets, CommandError> {
    let sets: BTreeSet<_> = sets.filter(|set| !set.is_empty()).collect();
    let imported = sets.into_iter().map(|set| {
        let names = set.iter().map(|tool| tool.as_str()).collect();
        let path = c::import(&context.search_path, &names, store, reporter)?;
        Ok((set, path))
    });
    imported.collect()
}

/// Returns everything that a build of this compiler runs with.
pub(crate) fn tools(
    context: &Context,
    store: &Store,
    reporter: &dyn Reporter,
    runner: &dyn Runner,
    compiler: &ImportedCompiler,
) -> Result<Tools, CommandError> {
    Ok(Tools {
        compiler: compiler.path.clone(),
        c_tools: c_tools(context, store, reporter)?,
        isolation: runner.isolation(),
    })
}

/// Reads the recipe of a compiler.
pub(crate) fn compiler_recipe(
    context: &Context,
    path: &str,
) -> Result<CompilerRecipe, CommandError> {
    match request::read_recipe(context, path)? {
        Recipe::Compiler(recipe) => Ok(recipe),
        _ => Err(CommandError::usage(format!(
            "`{path}` is not the recipe of a compiler"
        ))),
    }
}

/// Imports the compiler that a recipe says.
pub(crate) fn import_recipe(
    context: &Context,
    store: &Store,
    progress: &Progress,
    path: &str,
) -> Result<ImportedCompiler, CommandError> {
    let recipe = compiler_recipe(context, path)?;
    let fetching = Fetching(progress);
    let registry = context.registry(context.now, &RecipeSet::default(), &fetching)?;
    let scratch = store.scratch()?;
    let runner = context.runner(store, scratch.folder())?;
    let parts = orlop_plan::compiler_archives(&recipe)
        .into_iter()
        .map(|(source, folder)| Part { source, folder })
        .collect();
    let archived = Archived {
        name: recipe.version,
        parts,
    };
    Ok(archived.import(&Hands {
        store,
        fetcher: &Archives::new(&registry),
        runner: &*runner,
        c_tools: &c_tools(context, store, progress)?,
        reporter: progress,
    })?)
}

/// The error of who takes the recipe of a compiler for that of an app.
pub(crate) fn no_app(path: &str) -> CommandError {
    CommandError::usage(format!(
        "`{path}` is the recipe of a compiler, not of an app"
    ))
    .hint(format!("import it: `orlop compiler add {}`", quoted(path)))
}

/// A toolchain of rustup.
struct Toolchain {
    /// What rustup calls it: `nightly-x86_64-unknown-linux-gnu`.
    name: String,
    rustc: Utf8PathBuf,
}

impl Toolchain {
    /// Whether that is its name, with or without what machine it is for.
    fn is_called(&self, name: &str) -> bool {
        let rest = self.name.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

/// Returns the toolchains that rustup has installed, short names first.
fn toolchains(context: &Context) -> Vec<Toolchain> {
    let homes = context.rustup_home.iter();
    let folders = homes.filter_map(|home| home.join("toolchains").read_dir_utf8().ok());
    let toolchains = folders.flatten().flatten().map(|entry| Toolchain {
        name: entry.file_name().to_owned(),
        rustc: entry.path().join("bin/rustc"),
    });
    let mut toolchains: Vec<_> = toolchains
        .filter(|toolchain| toolchain.rustc.is_file())
        .collect();
    // `nightly` is first of all the one without a date.
    toolchains.sort_by_key(|toolchain| (toolchain.name.len(), toolchain.name.clone()));
    toolchains
}

/// Finds the `rustc` that a user means by a path, by the version of an installed toolchain, or by
/// the name of one.
pub(crate) fn find_rustc(context: &Context, wanted: &str) -> Result<Utf8PathBuf, CommandError> {
    if wanted.contains('/') {
        let path = context.absolute(wanted.into())?;
        for candidate in [path.join("bin/rustc"), path.clone()] {
            if candidate.is_file() {
                return Ok(candidate);
            }
        }
        return Err(CommandError::failed(format!(
            "there is no `rustc` at `{path}`"
        )));
    }
    let known = toolchains(context);
    if let Some(found) = known.iter().find(|toolchain| toolchain.is_called(wanted)) {
        return Ok(found.rustc.clone());
    }
    let known: Vec<_> = known.into_iter().map(|toolchain| toolchain.name).collect();
    let error = CommandError::failed(format!("no installed Rust compiler is called `{wanted}`"));
    Err(if known.is_empty() {
        error.hint("give the path of a `rustc`: `orlop compiler add /path/to/rustc`")
    } else {
        error.hint(format!("installed are: {}", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recipes and the import must agree on what is extra.
    #[test]
    fn extra_tools_are_those_of_the_import() {
        let extras = Tool::ALL.iter().filter(|tool| tool.is_extra());
        let mut extras: Vec<_> = extras.map(|tool| tool.as_str()).collect();
        extras.sort_unstable();
        assert_eq!(extras, c::EXTRAS);
    }
}
