//! `build --plugin`: what an installed app loads while it runs, built against the very crates that
//! the app has in common with it.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use orlop_link::{App, LinkedPlugin, Role};
use orlop_plan::{AppRequest, Cdylibs, Product, Surroundings};
use orlop_recipes::{
    AppSpec, CodegenChoice, LinkageChoice, Manifest, PackageName, PluginRecipe, Policy, Recipe,
    RecipeSet, Wish,
};
use orlop_resolver::{Lock, Mismatch, Resolution, Side, resolve_plugin};
use orlop_store::{
    Generation, GenerationApp, ImportedCompiler, Plan, PlannedApp, Runner, Store, StorePath,
};
use serde::Serialize;

use crate::build_args::Build;
use crate::cdylibs;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::fetch::{Archives, Fetching};
use crate::files;
use crate::progress::Progress;
use crate::request::{self, Wanted};
use crate::toolchain;
use crate::{apply, asked};

/// What was built, as data.
#[derive(Serialize)]
struct Built {
    plugin: PackageName,
    host: PackageName,
    object: StorePath,
    file: Utf8PathBuf,
    /// How many references were proved, in each program of the app.
    references: Vec<u64>,
}

pub(super) fn build(context: &Context, arguments: &Build) -> Result<(), CommandError> {
    let (path, recipe) = read(context, arguments)?;
    let out = arguments.out.as_deref();
    let out = out.map(|out| context.absolute(out)).transpose()?;
    // Before there is work that could be lost.
    out.iter().try_for_each(|out| files::replaceable(out))?;
    let (store, profile) = super::open(context)?;
    let _in_use = store.use_store()?;
    let generation = super::current(&profile)?;
    let progress = Progress::new(context.ui.clone());
    let scratch = store.scratch()?;
    let runner = context.runner(&store, scratch.folder())?;
    let host = Host::find(context, &store, &generation, &recipe, &progress)
        .map_err(|error| asked::shown_in(&path, error))?;
    let work = Work {
        context,
        store: &store,
        progress: &progress,
        runner: &*runner,
        host: &host,
        keep_failed: arguments.keep_failed,
    };
    let built = work.run(&recipe);
    progress.clear();
    let Some(linked) = built? else {
        return Ok(());
    };
    let mut file = store.object(&linked.path).join(&linked.file);
    if let Some(out) = out {
        put(&file, &out)
            .map_err(|error| CommandError::failed(format!("write `{out}`: {error}")))?;
        file = out;
    }
    if context.global.json {
        let references = linked.proofs.iter().map(|proof| proof.references);
        return context.ui.data_json(&Built {
            plugin: recipe.name.clone(),
            host: recipe.host.clone(),
            object: linked.path,
            file,
            references: references.collect(),
        });
    }
    context
        .ui
        .success(format!("Built `{}` for `{}`", recipe.name, recipe.host));
    context.ui.data(file);
    Ok(())
}

/// Puts a copy in the place of what is there, in one step: an app may have the earlier one loaded,
/// and objects of the store can only be read.
fn put(file: &Utf8Path, out: &Utf8Path) -> io::Result<()> {
    let folder = out.parent().unwrap_or(Utf8Path::new("/"));
    let mut copy = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)?;
    io::copy(&mut fs_err::File::open(file)?, &mut copy)?;
    copy.persist(out)?;
    Ok(())
}

/// Reads the recipe of a plugin; returns its path, too.
fn read(context: &Context, arguments: &Build) -> Result<(Utf8PathBuf, PluginRecipe), CommandError> {
    let AppSpec::Recipe(path) = &arguments.app else {
        return Err(
            CommandError::usage("`--plugin` takes the recipe of a plugin, as a file")
                .hint("for example: `orlop build --plugin ./hello.toml`"),
        );
    };
    match request::read_recipe(context, path)? {
        Recipe::Plugin(recipe) => Ok((context.absolute(Utf8Path::new(path))?, recipe)),
        other => Err(CommandError::usage(format!(
            "`{path}` is not the recipe of a plugin: it says what `{}` is",
            other.name()
        ))),
    }
}

/// The app that loads the plugin, as it is installed.
struct Host {
    installed: GenerationApp,
    wanted: Wanted,
    recipes: RecipeSet,
    lock: Lock,
    compiler: ImportedCompiler,
    /// Where the borders of its generation are.
    partition: StorePath,
}

impl Host {
    /// The recipes as they are for it.
    fn chosen_recipes(&self) -> RecipeSet {
        request::on_platform(&self.recipes, &self.compiler.compiler)
            .with_natives(&self.wanted.natives)
    }

    fn find(
        context: &Context,
        store: &Store,
        generation: &Generation,
        recipe: &PluginRecipe,
        progress: &Progress,
    ) -> Result<Self, CommandError> {
        let name = &recipe.host;
        let installed = super::installed(generation, name.as_str())?.clone();
        let file = generation.folder().join("manifest.toml");
        let manifest = Manifest::parse(file.as_str(), &generation.manifest()?)?;
        let recipes = request::recipes(context, &manifest)?;
        let wanted = request::wanted(context, &manifest, &recipes)?.into_iter();
        let wanted = wanted.into_iter().find(|wanted| wanted.name == *name);
        let wanted = wanted.filter(|wanted| !wanted.plugins.is_empty());
        let wanted = wanted.ok_or_else(|| {
            CommandError::failed(format!("`{name}` takes no plugins")).hint(
                "its recipe says which crates it shares with them: `plugins = [\"hello-api\"]`",
            )
        })?;
        if let Some(other) = &recipe.compiler
            && *other != installed.compiler
        {
            return Err(CommandError::new(
                Kind::Unsatisfiable,
                format!(
                    "`{}` cannot be built with the compiler {other}: `{name}` was built with {}, \
                     and a process has one Rust library",
                    recipe.name, installed.compiler
                ),
            )
            .about(Wish::Compiler(other.clone())));
        }
        let compiler = toolchain::compiler(context, store, progress, Some(&installed.compiler))?;
        let lock = super::locked(generation)?;
        let mut kept = generation.keep.iter();
        let partition = kept.find(|path| orlop_link::is_partition(path));
        let partition = partition.cloned().ok_or_else(|| {
            CommandError::failed("the generation does not say how it was linked")
                .hint("link it again: `orlop optimise`")
        })?;
        Ok(Self {
            installed,
            wanted,
            recipes,
            lock,
            compiler,
            partition,
        })
    }
}

struct Work<'a> {
    context: &'a Context,
    store: &'a Store,
    progress: &'a Progress,
    runner: &'a dyn Runner,
    host: &'a Host,
    keep_failed: bool,
}

impl Work<'_> {
    /// Resolves, plans, executes and links; nothing comes back from a dry run.
    fn run(&self, recipe: &PluginRecipe) -> Result<Option<LinkedPlugin>, CommandError> {
        let Self { context, host, .. } = self;
        let fetching = Fetching(self.progress);
        let registry = context.registry(host.lock.snapshot(), &host.recipes, &fetching)?;
        let archives = Archives::new(&registry);
        let locked = host.lock.app(&host.wanted.name).ok_or_else(|| {
            CommandError::failed(format!(
                "the lock file does not have `{}`",
                host.wanted.name
            ))
        })?;
        if !host.wanted.locals.agrees(locked, &registry)? {
            return Err(CommandError::failed(format!(
                "`{}` was installed from other files than its recipe names now",
                host.wanted.name
            ))
            .hint("install it from these: `orlop sync`"));
        }
        let index = host.wanted.locals.over(&registry);
        let host_resolution = locked.resolution(&index)?;
        let wanted = self.wanted(recipe)?;
        let index = wanted.locals.over(&index);
        let request = wanted.request(&host.compiler.compiler, host.lock.snapshot())?;
        let resolution = resolve_plugin(&request, &host_resolution, &index)?;
        let recipes = host.chosen_recipes();
        let cdylibs = |resolution| {
            let needed = orlop_plan::cdylibs(resolution, &recipes);
            let compiler = &host.compiler.compiler;
            cdylibs::resolved(needed, compiler, host.lock.snapshot(), &recipes, &registry)
        };
        let host_side = (&host_resolution, &cdylibs(&host_resolution)?);
        let plugin_side = (&resolution, &cdylibs(&resolution)?);
        let plan = self.plan(host_side, plugin_side, &archives)?;
        let [planned_host, planned] = &plan.apps[..] else {
            unreachable!("two were asked for")
        };
        let host_side = (&host_resolution, planned_host);
        let differing = differing(host_side, (&resolution, planned));
        if !differing.is_empty() {
            return Err(CommandError::new(
                Kind::Unsatisfiable,
                format!(
                    "`{}` would not have the same crates as `{}`\n  {}",
                    recipe.name,
                    recipe.host,
                    differing.join("\n  ")
                ),
            ));
        }
        if context.global.dry_run {
            if context.global.json {
                context.ui.data_json(&plan)?;
            } else {
                super::report::show_steps(context, &plan);
            }
            return Ok(None);
        }
        orlop_build::execute(
            &plan,
            &orlop_build::Context {
                store: self.store,
                runner: self.runner,
                fetcher: &archives,
                reporter: self.progress,
                jobs: context.jobs(),
                keep_failed: self.keep_failed,
            },
        )?;
        self.link(planned_host, planned).map(Some)
    }

    /// The plugin, as if a manifest asked for it.
    fn wanted(&self, recipe: &PluginRecipe) -> Result<Wanted, CommandError> {
        let workshop = self.context.workshop();
        let source = recipe.source.as_ref();
        Ok(Wanted {
            name: recipe.name.clone(),
            package: recipe.package.clone(),
            requirement: recipe.requirement.clone(),
            features: recipe.features.clone(),
            default_features: recipe.default_features,
            policy: Policy::Latest,
            linkage: LinkageChoice::Shared,
            codegen: CodegenChoice::Shared,
            compiler: Some(self.host.installed.compiler.clone()),
            natives: self.host.wanted.natives.clone(),
            programs: None,
            plugins: [].into(),
            recipe: None,
            locals: workshop.pack(&recipe.package, source, &BTreeMap::new())?,
        })
    }

    fn plan(
        &self,
        host: (&Resolution, &Cdylibs),
        plugin: (&Resolution, &Cdylibs),
        archives: &Archives<'_>,
    ) -> Result<Plan, CommandError> {
        let Self { context, store, .. } = self;
        let tools = toolchain::tools(
            context,
            store,
            self.progress,
            self.runner,
            &self.host.compiler,
        )?;
        // What both have in common must be built against the same libraries.
        let recipes = self.host.chosen_recipes();
        let both = [host, plugin].into_iter();
        let all = both.flat_map(|(one, cdylibs)| std::iter::once(one).chain(cdylibs.values()));
        let needs = all.flat_map(|one| orlop_plan::native_needs(one, &recipes));
        let recipes = request::packed(context, &recipes, needs)?;
        let asked = [host, plugin].into_iter();
        let asked = asked
            .flat_map(|(resolution, cdylibs)| std::iter::once(resolution).chain(cdylibs.values()));
        let asked = asked.map(|resolution| (resolution, &recipes));
        let tool_sets = toolchain::tool_sets(context, store, self.progress, asked)?;
        let of = |(resolution, cdylibs), product| AppRequest {
            cdylibs,
            resolution,
            recipes: &recipes,
            product,
            tools: &tools,
            codegen: CodegenChoice::Shared,
            alone: false,
        };
        let requests = [
            of(host, self.host.wanted.product()),
            of(plugin, Product::Plugin),
        ];
        let around = Surroundings {
            tool_sets: &tool_sets,
            store,
            fetcher: archives,
        };
        Ok(orlop_plan::plan(&requests, around)?)
    }

    fn link(&self, host: &PlannedApp, plugin: &PlannedApp) -> Result<LinkedPlugin, CommandError> {
        let app = |name: &str, planned: &PlannedApp, role| App {
            name: name.to_owned(),
            version: planned.version.clone(),
            linkage: apply::linkage(self.host.wanted.linkage),
            programs: planned.programs.clone(),
            compiler: planned.compiler.clone(),
            share: orlop_link::Share::default(),
            role,
        };
        let wanted = &self.host.wanted;
        let c_tools = toolchain::c_tools(self.context, self.store, self.progress)?;
        Ok(orlop_link::link_plugin(
            &app(&plugin.name, plugin, Role::Plugin),
            &app(wanted.name.as_str(), host, wanted.role(host)),
            &self.host.partition,
            &orlop_link::Context {
                store: self.store,
                runner: self.runner,
                c_tools: &c_tools,
                files: &orlop_link::NoFiles,
                reporter: self.progress,
                jobs: self.context.jobs(),
            },
        )?)
    }
}

/// Returns the crates that host and plugin have in common and that are not the same in both, each
/// with the reason.
fn differing(
    (host, planned_host): (&Resolution, &PlannedApp),
    (plugin, planned): (&Resolution, &PlannedApp),
) -> Vec<String> {
    let used = |name: &PackageName| {
        let mut variants = plugin.graph.node_weights();
        variants.any(|variant| variant.name == *name && variant.side == Side::Target)
    };
    let mut reasons = Vec::new();
    let in_host = host.graph.node_weights();
    for variant in in_host.filter(|variant| variant.side == Side::Target && used(&variant.name)) {
        let label = format!("{}-{}", variant.name, variant.version);
        let mut open = planned_host.open.iter();
        let differs = |path: &StorePath| !planned.libraries.contains(path);
        if open.any(|path| path.name() == label && differs(path)) {
            let mismatch = Mismatch::of(&variant.name, host, plugin);
            let follows = mismatch == Mismatch::Dependencies;
            reasons.push((follows, format!("`{}`: {mismatch}", variant.name)));
        }
    }
    // What differs only because something below it does explains nothing.
    let causes = reasons.iter().any(|(follows, _)| !follows);
    reasons.retain(|(follows, _)| !(causes && *follows));
    reasons.sort();
    reasons.into_iter().map(|(_, line)| line).collect()
}
