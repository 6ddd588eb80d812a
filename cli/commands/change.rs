//! `install`, `remove`, `upgrade`, `sync`: edit the manifest, then make it true.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use orlop_build::log::quoted;
use orlop_recipes::{
    AppSpec, FeatureName, LinkageChoice, Manifest, ManifestEditor, NameError, NativeRecipe,
    PackageName, PackageRequest, Recipe, VersionReq,
};
use orlop_store::{Generation, Profile, ProfileLock, Store};

use crate::apply::{self, Borders, Change, Outcome, Renew};
use crate::args::{Install, LinkageArgument, Remove, Sync, Upgrade};
use crate::commands::report;
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::{files, request, toolchain};

/// A profile that this command alone may change, or only looks at in a dry run, and its manifest as
/// it is.
pub(super) struct Session {
    pub(super) store: Store,
    pub(super) profile: Profile,
    /// The manifest.
    pub(super) text: String,
    _lock: Option<ProfileLock>,
}

impl Session {
    /// Begins with a profile that is there.
    pub(super) fn begin(context: &Context) -> Result<Self, CommandError> {
        let (store, profile) = super::open(context)?;
        Self::with(context, store, profile)
    }

    /// Begins with a profile that may be new.
    pub(super) fn begin_new(context: &Context) -> Result<Self, CommandError> {
        let store = context.store()?;
        let profile = context.profile(&store)?;
        Self::with(context, store, profile)
    }

    fn with(context: &Context, store: Store, profile: Profile) -> Result<Self, CommandError> {
        let lock = lock(context, &profile)?;
        let path = profile.manifest_path();
        let text = manifest_text(context, &profile)?;
        let text = ManifestEditor::new(path.as_str(), &text)?.to_string();
        Ok(Self {
            store,
            profile,
            text,
            _lock: lock,
        })
    }

    pub(super) fn editor(&self) -> Result<ManifestEditor, CommandError> {
        Ok(ManifestEditor::new(
            self.profile.manifest_path().as_str(),
            &self.text,
        )?)
    }

    /// The text of the manifest, with another snapshot if one is wanted.
    fn manifest_with(&self, snapshot: Option<Timestamp>) -> Result<String, CommandError> {
        let mut editor = self.editor()?;
        if snapshot.is_some() {
            editor.set_snapshot(snapshot);
        }
        Ok(editor.to_string())
    }

    /// Which apps are to be solved anew, by the command of that verb: those named, else all.
    pub(super) fn renew(&self, apps: &[String], verb: &str) -> Result<Renew, CommandError> {
        let manifest = Manifest::parse(self.profile.manifest_path().as_str(), &self.text)?;
        let mut names = BTreeSet::new();
        let current = self.profile.current()?;
        // One that others start is not in the manifest.
        let is_started = |name: &PackageName| {
            let current = current.iter();
            current
                .flat_map(|current| super::users(current, name.as_str()))
                .next()
                .is_some()
        };
        for app in apps {
            let name = app.parse::<PackageName>().ok();
            let known =
                |name: &PackageName| manifest.packages.contains_key(name) || is_started(name);
            let Some(name) = name.filter(known) else {
                return Err(not_in_manifest(app, current.as_ref(), verb));
            };
            names.insert(name);
        }
        Ok(if names.is_empty() {
            Renew::Everything
        } else {
            Renew::Apps(names)
        })
    }

    /// Makes a change.
    pub(super) fn change(
        &self,
        context: &Context,
        change: &Change,
    ) -> Result<Outcome, CommandError> {
        let outcome = apply::apply(context, &self.store, &self.profile, change)?;
        // What is no change to go back from is still worth writing down: the time of a snapshot.
        if let Outcome::Unchanged(_, lock) = &outcome {
            write(&self.profile.manifest_path(), &change.manifest)?;
            write(&self.profile.lock_path(), lock)?;
        }
        Ok(outcome)
    }

    /// Makes a change and reports it.
    fn apply(&self, context: &Context, change: &Change) -> Result<(), CommandError> {
        let before = self.profile.current()?;
        let outcome = self.change(context, change)?;
        report::report(context, &self.profile, before.as_ref(), &outcome)
    }
}

/// Waits until no other command changes a profile. A dry run has nothing to wait for: it writes
/// nothing, and what it reads is replaced in one step.
pub(super) fn lock(
    context: &Context,
    profile: &Profile,
) -> Result<Option<ProfileLock>, CommandError> {
    if context.global.dry_run {
        return Ok(None);
    }
    let lock = profile.lock(&mut |holder| {
        context.ui.status(format!(
            "Waiting for {holder}, which changes `{}`",
            profile.name()
        ));
    })?;
    Ok(Some(lock))
}

pub(super) fn install(context: &Context, arguments: &Install) -> Result<(), CommandError> {
    let session = Session::begin_new(context)?;
    let mut editor = session.editor()?;
    let manifest = Manifest::parse(session.profile.manifest_path().as_str(), &session.text)?;
    let recipes = request::recipes(context, &manifest)?;
    let mut typed = BTreeMap::new();
    for spec in &arguments.apps {
        let before = editor.manifest().clone();
        let entry = match spec {
            AppSpec::Registry { name, requirement } => {
                request::refuse_program(&recipes, name, "install")?;
                let known = manifest.packages.get(name);
                let request = requested(arguments, known, requirement)?;
                editor.set(name, &request);
                Entry::Package(name.clone())
            }
            AppSpec::Recipe(path) => add_recipe(context, &mut editor, arguments, &manifest, path)?,
        };
        if let Some(earlier) = typed.insert(entry.clone(), spec)
            && *editor.manifest() != before
        {
            let (Entry::Package(name) | Entry::Recipe(name)) = &entry;
            return Err(request::asked_twice(name, earlier, spec)
                .hint("leave one out; another profile has room for it: `-p NAME`"));
        }
    }
    if arguments.snapshot.is_some() {
        editor.set_snapshot(arguments.snapshot);
    }
    session.apply(
        context,
        &Change {
            manifest: editor.to_string(),
            file: session.profile.manifest_path(),
            renew: Renew::Nothing,
            locked: false,
            borders: Borders::Keep,
        },
    )
}

/// An entry of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Entry {
    Package(PackageName),
    Recipe(PackageName),
}

/// Adds a recipe from disk: an app as a package, anything else to the manifest's recipes. Returns
/// where it stands now.
fn add_recipe(
    context: &Context,
    editor: &mut ManifestEditor,
    arguments: &Install,
    manifest: &Manifest,
    path: &str,
) -> Result<Entry, CommandError> {
    let path = context.absolute(Utf8Path::new(path))?.into_string();
    let key = match request::read_recipe(context, &path)? {
        Recipe::App(recipe) => {
            let known = manifest.packages.get(&recipe.name);
            let mut request = requested(arguments, known, &VersionReq::STAR)?;
            request.recipe = Some(path);
            editor.set(&recipe.name, &request);
            return Ok(Entry::Package(recipe.name));
        }
        Recipe::Crate(recipe) => recipe.name,
        Recipe::Library(recipe) => {
            let recipe = NativeRecipe::Library(Box::new(recipe));
            native_key(context, editor.manifest(), &recipe)?
        }
        Recipe::Cdylib(recipe) => {
            native_key(context, editor.manifest(), &NativeRecipe::Cdylib(recipe))?
        }
        Recipe::Plugin(_) => {
            return Err(CommandError::usage(format!(
                "`{path}` is the recipe of a plugin, not of an app"
            ))
            .hint(format!(
                "build it: `orlop build --plugin {}`",
                quoted(&path)
            )));
        }
        Recipe::Compiler(_) => return Err(toolchain::no_app(&path)),
    };
    editor.set_recipe(&key, &path);
    Ok(Entry::Recipe(key))
}

/// The key in the manifest for the recipe of a native library: its name. Where that stands for
/// another version, which stays beside it, the key names the version, too.
fn native_key(
    context: &Context,
    manifest: &Manifest,
    recipe: &NativeRecipe,
) -> Result<PackageName, CommandError> {
    let name = recipe.name();
    let version = recipe.version();
    let Some(known) = manifest.recipes.get(name) else {
        return Ok(name.clone());
    };
    let same = match request::read_recipe(context, known)? {
        Recipe::Library(known) => known.version == version,
        Recipe::Cdylib(known) => known.version.to_string() == version,
        _ => true,
    };
    if same {
        return Ok(name.clone());
    }
    let version = version.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    format!("{name}-{version}")
        .parse()
        .map_err(|error: NameError| CommandError::new(Kind::Usage, error))
}

/// What the command line says, over what the manifest says already.
fn requested(
    arguments: &Install,
    known: Option<&PackageRequest>,
    requirement: &VersionReq,
) -> Result<PackageRequest, CommandError> {
    let mut request = known.cloned().unwrap_or_default();
    if known.is_none() || *requirement != VersionReq::STAR {
        request.requirement = requirement.clone();
    }
    if !arguments.features.is_empty() {
        request.features = arguments
            .features
            .iter()
            .map(|feature| feature.parse::<FeatureName>())
            .collect::<Result<_, _>>()
            .map_err(|error| CommandError::new(Kind::Usage, error))?;
    }
    if arguments.no_default_features {
        request.default_features = false;
    }
    if let Some(linkage) = arguments.linkage {
        request.linkage = Some(match linkage {
            LinkageArgument::Static => LinkageChoice::Static,
            LinkageArgument::Shared => LinkageChoice::Shared,
            LinkageArgument::Crate => LinkageChoice::Crate,
        });
    }
    if let Some(codegen) = arguments.codegen {
        request.codegen = codegen;
    }
    if let Some(compiler) = &arguments.compiler {
        request.compiler = Some(compiler.clone());
    }
    if !arguments.native.is_empty() {
        request.natives = arguments.native.iter().cloned().collect();
    }
    if let Some(policy) = arguments.policy {
        request.policy = Some(policy);
    }
    Ok(request)
}

pub(super) fn remove(context: &Context, arguments: &Remove) -> Result<(), CommandError> {
    let session = Session::begin(context)?;
    let mut editor = session.editor()?;
    let current = session.profile.current()?;
    let mut recipes = Vec::new();
    let mut packages = BTreeSet::new();
    // One may be named twice.
    for app in arguments.apps.iter().collect::<BTreeSet<_>>() {
        let name = app
            .parse::<PackageName>()
            .map_err(|error| no_name(context, editor.manifest(), app, error))?;
        if editor.remove(&name) {
            packages.insert(name);
            continue;
        }
        if editor.remove_recipe(&name) {
            recipes.push(name);
            continue;
        }
        return Err(not_in_manifest(name.as_str(), current.as_ref(), "remove"));
    }
    session.apply(
        context,
        &Change {
            manifest: editor.to_string(),
            file: session.profile.manifest_path(),
            renew: Renew::Nothing,
            locked: false,
            borders: Borders::Keep,
        },
    )?;
    if context.global.json {
        return Ok(());
    }
    for name in &packages {
        let users = current.iter();
        let users = users.flat_map(|current| super::users(current, name.as_str()));
        let users = users.filter(|user| !packages.contains(user.as_str()));
        let users: Vec<_> = users.collect();
        if !users.is_empty() {
            let users = users.join("`, `");
            let text = format!("`{name}` stays without being asked for: `{users}` starts it");
            context.ui.status(text);
        }
    }
    if !context.global.dry_run {
        for recipe in recipes {
            let text = format!("The manifest names no recipe `{recipe}` any more");
            context.ui.success(text);
        }
    }
    Ok(())
}

/// The error of who names something to remove in another way than by its name, such as the one in
/// which it was installed.
fn no_name(context: &Context, manifest: &Manifest, text: &str, error: NameError) -> CommandError {
    let name = match text.parse() {
        Ok(AppSpec::Registry { name, .. }) => Some(name),
        Ok(AppSpec::Recipe(path)) => context
            .absolute(Utf8Path::new(&path))
            .ok()
            .and_then(|path| of_file(manifest, &path)),
        Err(_) => None,
    };
    let error = CommandError::new(Kind::Usage, error);
    match name {
        Some(name) => error.hint(format!("by its name: `orlop remove {name}`")),
        None => error.hint("see what is installed: `orlop list`"),
    }
}

/// Returns the name under which a manifest has a recipe file.
fn of_file(manifest: &Manifest, path: &Utf8Path) -> Option<PackageName> {
    let is_it = |known: &str| known == path.as_str();
    let mut apps = manifest.packages.iter();
    let app = apps.find(|(_, request)| request.recipe.as_deref().is_some_and(is_it));
    let mut others = manifest.recipes.iter();
    let other = || others.find(|(_, known)| is_it(known)).map(|(name, _)| name);
    app.map(|(name, _)| name).or_else(other).cloned()
}

/// The error of who names an app, to a command of that verb, that the manifest does not ask for.
fn not_in_manifest(name: &str, current: Option<&Generation>, verb: &str) -> CommandError {
    let users = current.map_or_else(Vec::new, |current| super::users(current, name));
    let app = current.and_then(|current| super::installed(current, name).ok());
    let hint = match app {
        _ if !users.is_empty() => format!(
            "`{}` starts it: `orlop {verb} {}`",
            users.join("`, `"),
            users.join(" ")
        ),
        Some(app) if app.name == name => {
            "it is installed until the manifest is made true: `orlop sync`".to_owned()
        }
        Some(app) => format!(
            "`{name}` is a program of `{0}`: `orlop {verb} {0}`",
            app.name
        ),
        None => "see what is installed: `orlop list`".to_owned(),
    };
    CommandError::failed(format!("`{name}` is not in the manifest")).hint(hint)
}

/// Makes what the current generation needs and the store has lost; the generation stays.
pub(super) fn make_again(context: &Context) -> Result<(), CommandError> {
    let session = Session::begin(context)?;
    let current = super::current(&session.profile)?;
    let change = Change {
        manifest: current.manifest()?,
        file: session.profile.manifest_path(),
        renew: Renew::Nothing,
        locked: true,
        borders: Borders::Keep,
    };
    apply::apply(context, &session.store, &session.profile, &change).map(drop)
}

pub(super) fn upgrade(context: &Context, arguments: &Upgrade) -> Result<(), CommandError> {
    let session = Session::begin(context)?;
    session.apply(
        context,
        &Change {
            renew: session.renew(&arguments.apps, "upgrade")?,
            manifest: session.manifest_with(arguments.snapshot)?,
            file: session.profile.manifest_path(),
            locked: false,
            borders: Borders::Keep,
        },
    )
}

pub(super) fn sync(context: &Context, arguments: &Sync) -> Result<(), CommandError> {
    let Some(path) = &arguments.manifest else {
        let session = Session::begin(context)?;
        let change = Change {
            manifest: session.manifest_with(arguments.snapshot)?,
            file: session.profile.manifest_path(),
            renew: Renew::Nothing,
            locked: arguments.locked,
            borders: Borders::Keep,
        };
        return session.apply(context, &change);
    };
    let path = context.absolute(path)?;
    let text = files::read(&path)?;
    let manifest = Manifest::parse(path.as_str(), &text)?;
    let lock_path = lock_beside(&path)?;
    if !arguments.locked {
        refuse_unwritable(&path, &lock_path)?;
    }
    let mut named = context.clone();
    named.global.profile = named.global.profile.or(manifest.profile);
    let session = Session::begin_new(&named)?;
    let mut editor = ManifestEditor::new(path.as_str(), &text)?;
    // The profile keeps its own copy of the manifest, elsewhere.
    let folder = path.parent().unwrap_or(Utf8Path::new("/"));
    editor.move_recipes(&|path| folder.join(path).into_string());
    if arguments.snapshot.is_some() {
        editor.set_snapshot(arguments.snapshot);
    }
    let change = Change {
        manifest: editor.to_string(),
        file: path.clone(),
        renew: Renew::Nothing,
        locked: arguments.locked,
        borders: Borders::Keep,
    };
    session.apply(&named, &change)?;
    if !context.global.dry_run && !arguments.locked {
        let lock = files::read(&session.profile.lock_path())?;
        write(&lock_path, &lock)?;
    }
    Ok(())
}

/// Where the lock file of a manifest lies.
fn lock_beside(manifest: &Utf8Path) -> Result<Utf8PathBuf, CommandError> {
    let lock = manifest.with_extension("lock");
    if lock == manifest {
        let text = format!("`{manifest}` has the name of its own lock file");
        return Err(CommandError::usage(text).hint("rename it: manifests end with `.toml`"));
    }
    Ok(lock)
}

/// Refuses a lock file that cannot be written, before anything is built or committed.
fn refuse_unwritable(manifest: &Utf8Path, lock: &Utf8Path) -> Result<(), CommandError> {
    let place = if lock.is_symlink() {
        lock.canonicalize_utf8().map_err(|error| {
            CommandError::failed(format!("write `{lock}`: follow the link: {error}"))
        })?
    } else {
        lock.to_owned()
    };
    files::replaceable(&place).map_err(|error| {
        if !lock.is_file() {
            return error;
        }
        error.hint(format!(
            "go by that lock file and leave it as it is: `orlop sync -m {} --locked`",
            quoted(manifest.as_str())
        ))
    })
}

/// The manifest of a profile. In the place of one that somebody has deleted counts that of the
/// current generation: by an empty one, the next change would take all apps away.
pub(super) fn manifest_text(context: &Context, profile: &Profile) -> Result<String, CommandError> {
    let path = profile.manifest_path();
    if let Some(text) = files::read_if_there(&path)? {
        return Ok(text);
    }
    let Some(current) = super::current_if_any(profile)? else {
        return Ok(String::new());
    };
    context.ui.warning(format!(
        "there is no `{path}`: the manifest of generation {} counts in its place",
        current.number
    ));
    Ok(current.manifest()?)
}

/// Replaces a file in one step.
pub(super) fn write(path: &Utf8Path, text: &str) -> Result<(), CommandError> {
    orlop_store::replace_file(path, text.as_bytes())?;
    Ok(())
}
