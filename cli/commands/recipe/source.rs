//! `recipe source …`: folders and repositories of recipes, in the manifest of the profile.

use camino::Utf8Path;
use orlop_recipes::{CrateSource, Manifest, PackageName};
use serde::Serialize;

use crate::commands::change::{self, Session};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::progress::count_text;
use crate::recipe_args::{AddSource, SourceCommand};
use crate::request;

/// One source, as data.
#[derive(Serialize)]
struct Entry<'a> {
    name: &'a PackageName,
    place: &'a str,
    rev: Option<&'a str>,
    folder: Option<&'a str>,
    /// How many; unknown if it cannot be read.
    recipes: Option<usize>,
}

/// A source that moved, as data.
#[derive(Serialize)]
struct Moved<'a> {
    name: &'a PackageName,
    from: &'a str,
    to: String,
}

pub(super) fn run(context: &Context, command: &SourceCommand) -> Result<(), CommandError> {
    match command {
        SourceCommand::Add(arguments) => add(context, arguments),
        SourceCommand::List => list(context),
        SourceCommand::Remove { name } => remove(context, name),
        SourceCommand::Update { names } => update(context, names),
    }
}

fn add(context: &Context, arguments: &AddSource) -> Result<(), CommandError> {
    let session = Session::begin_new(context)?;
    let place = arguments.place.trim_end_matches('/');
    let source = if place.contains("://") {
        let rev = match &arguments.rev {
            Some(rev) => rev.clone(),
            None => context.workshop().head(place)?,
        };
        CrateSource::commit(place, &rev, arguments.folder.as_deref())
            .map_err(|error| CommandError::new(Kind::Usage, error))?
    } else {
        if arguments.rev.is_some() || arguments.folder.is_some() {
            return Err(CommandError::usage(
                "`--rev` and `--folder` are for repositories",
            ));
        }
        let path = context.absolute(Utf8Path::new(place))?.into_string();
        CrateSource::Path { path }
    };
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => usual_name(&source)?,
    };
    let mut editor = session.editor()?;
    if editor.manifest().recipe_sources.contains_key(&name) {
        return Err(
            CommandError::failed(format!("there is a source `{name}` already"))
                .hint("call it otherwise: `--name NAME`")
                .hint(format!(
                    "forget the old one: `orlop recipe source remove {name}`"
                )),
        );
    }
    editor.set_recipe_source(&name, &source);
    // What cannot be read must not get into the manifest.
    let count = checked(context, &source)?;
    let words = ("Would add", "Added");
    let what = format!("{name} with {}", count_text(count, "recipe"));
    save(context, &session, &editor.to_string(), words, &what)
}

/// Reads all recipes of a source; returns how many there are.
fn checked(context: &Context, source: &CrateSource) -> Result<usize, CommandError> {
    let recipes = request::recipes_of(context, source)?;
    if recipes.is_empty() {
        return Err(CommandError::failed(
            "there are no recipes: no file `*.toml`",
        ));
    }
    Ok(recipes.len())
}

fn usual_name(source: &CrateSource) -> Result<PackageName, CommandError> {
    let last = match source {
        CrateSource::Git { git, .. } => git.rsplit('/').next(),
        // Also of `.`, which is the end of an absolute path here.
        CrateSource::Path { path } => Utf8Path::new(path).file_name(),
    };
    let last = last.unwrap_or_default();
    last.trim_end_matches(".git")
        .parse()
        .map_err(|error| CommandError::new(Kind::Usage, error).hint("name it: `--name NAME`"))
}

fn list(context: &Context) -> Result<(), CommandError> {
    let (_store, profile) = context.open_profile()?;
    let path = profile.manifest_path();
    let text = change::manifest_text(context, &profile)?;
    let manifest = if text.is_empty() {
        Manifest::default()
    } else {
        Manifest::parse(path.as_str(), &text)?
    };
    let mut entries = Vec::new();
    for (name, source) in &manifest.recipe_sources {
        let recipes = match request::recipe_files(context, source) {
            Ok(files) => Some(files.len()),
            // One that is gone must not hide the others.
            Err(error) => {
                let reason = error.reason();
                context
                    .ui
                    .warning(format!("the source `{name}` cannot be read: {reason}"));
                None
            }
        };
        entries.push(match source {
            CrateSource::Path { path } => Entry {
                name,
                place: path,
                rev: None,
                folder: None,
                recipes,
            },
            CrateSource::Git { git, rev, folder } => Entry {
                name,
                place: git,
                rev: Some(rev),
                folder: folder.as_deref(),
                recipes,
            },
        });
    }
    if context.global.json {
        return context.ui.data_json(&entries);
    }
    if entries.is_empty() {
        context.ui.status("The profile has no sources of recipes");
        context
            .ui
            .hint("add one: `orlop recipe source add FOLDER|URL`");
        return Ok(());
    }
    let mut table = crate::commands::table(&["source", "recipes", "commit", "place"]);
    for entry in entries {
        let rev = entry.rev.and_then(|rev| rev.get(..12)).unwrap_or("–");
        table.add_row(vec![
            entry.name.to_string(),
            entry
                .recipes
                .map_or_else(|| "–".to_owned(), |count| count.to_string()),
            rev.to_owned(),
            entry.place.to_owned(),
        ]);
    }
    context.ui.data(table.trim_fmt());
    Ok(())
}

fn remove(context: &Context, name: &PackageName) -> Result<(), CommandError> {
    let session = Session::begin(context)?;
    let mut editor = session.editor()?;
    if !editor.remove_recipe_source(name) {
        return Err(unknown(name));
    }
    let words = ("Would remove", "Removed");
    save(context, &session, &editor.to_string(), words, name.as_str())
}

fn update(context: &Context, names: &[PackageName]) -> Result<(), CommandError> {
    let session = Session::begin(context)?;
    let mut editor = session.editor()?;
    let sources = editor.manifest().recipe_sources.clone();
    if let Some(name) = names.iter().find(|name| !sources.contains_key(*name)) {
        return Err(unknown(name));
    }
    let mut moved = Vec::new();
    for (name, source) in &sources {
        let CrateSource::Git { git, rev, folder } = source else {
            continue;
        };
        if !names.is_empty() && !names.contains(name) {
            continue;
        }
        let new = context.workshop().head(git)?;
        if new == *rev {
            context.ui.status(format!("{name} is up to date"));
            continue;
        }
        let source = CrateSource::commit(git, &new, folder.as_deref());
        let source = source.map_err(|error| CommandError::new(Kind::Failed, error))?;
        checked(context, &source)?;
        editor.set_recipe_source(name, &source);
        moved.push(Moved {
            name,
            from: rev,
            to: new,
        });
    }
    if !moved.is_empty() {
        let names: Vec<_> = moved.iter().map(|moved| moved.name.as_str()).collect();
        let what = names.join(", ");
        let words = ("Would move", "Moved");
        save(context, &session, &editor.to_string(), words, &what)?;
    }
    if context.global.json {
        return context.ui.data_json(&moved);
    }
    for Moved { name, from, to } in &moved {
        context
            .ui
            .data(format!("{name} {} → {}", &from[..12], &to[..12]));
    }
    Ok(())
}

fn unknown(name: &PackageName) -> CommandError {
    CommandError::failed(format!("there is no source `{name}`"))
        .hint("see which there are: `orlop recipe source list`")
}

/// Writes the manifest, and says what was done; or what would be.
fn save(
    context: &Context,
    session: &Session,
    manifest: &str,
    (would, did): (&str, &str),
    what: &str,
) -> Result<(), CommandError> {
    Manifest::parse("orlop.toml", manifest)?;
    if context.global.dry_run {
        context.ui.status(format!("{would} {what}"));
        return Ok(());
    }
    change::write(&session.profile.manifest_path(), manifest)?;
    context.ui.success(format!("{did} {what}"));
    context
        .ui
        .hint("use it for what is installed: `orlop sync`");
    Ok(())
}
