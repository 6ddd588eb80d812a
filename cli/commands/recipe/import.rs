//! `recipe import`: the recipe of an app, from its package.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use orlop_build::log::quoted;
use orlop_index::{Locals, Registry};
use orlop_recipes::recipe::share;
use orlop_recipes::{
    AppSpec, CodegenChoice, CrateSource, Draft, FeatureName, LinkageChoice, PackageName, Policy,
    RecipeSet, ShareOrigin, Version, VersionReq, lint,
};
use orlop_resolver::{BinaryTarget, Index as _, Package, Release, Resolution, Variant};

use crate::commands::recipe::package::{self, newest};
use crate::context::Context;
use crate::error::{CommandError, Kind};
use crate::fetch::Fetching;
use crate::progress::Progress;
use crate::recipe_args::ImportRecipe;
use crate::request::Wanted;
use crate::toolchain;

/// What is to be imported.
struct Wish {
    name: PackageName,
    requirement: VersionReq,
    source: Option<CrateSource>,
}

pub(super) fn import(context: &Context, arguments: &ImportRecipe) -> Result<(), CommandError> {
    let wish = wish(context, arguments)?;
    let recipes = RecipeSet::shipped();
    let progress = Progress::new(context.ui.clone());
    let draft = draft(context, &wish, &recipes, &progress);
    progress.clear();
    let draft = draft?;
    let file = format!("{}.toml", draft.name);
    let text = draft.to_text()?;
    super::write_new(context, &arguments.output, draft.name.as_str(), &text)?;
    let known = lint::Known::default();
    let findings = lint::lint(&file, &text, &known)?;
    for finding in &findings {
        context.ui.warning(format!(
            "line {}: {} ({})",
            finding.line, finding.message, finding.rule.name
        ));
    }
    Ok(())
}

fn wish(context: &Context, arguments: &ImportRecipe) -> Result<Wish, CommandError> {
    let text = &arguments.source;
    let is_folder = text.contains('/') || matches!(text.as_str(), "." | "..");
    let workshop = context.workshop();
    let source = if text.contains("://") {
        let rev = match &arguments.rev {
            Some(rev) => rev.clone(),
            None => workshop.head(text)?,
        };
        CrateSource::commit(text, &rev, arguments.folder.as_deref())
            .map_err(|error| CommandError::new(Kind::Usage, error))?
    } else if is_folder {
        if arguments.rev.is_some() {
            return Err(CommandError::usage(format!(
                "`--rev` is for repositories, and `{text}` is a folder, which is read as it is"
            )));
        }
        let mut path = text.trim_end_matches('/').to_owned();
        if let Some(folder) = &arguments.folder {
            path = format!("{path}/{folder}");
        }
        // A recipe that lies elsewhere cannot begin here.
        if arguments
            .output
            .output
            .as_ref()
            .is_some_and(|file| file != "-")
        {
            path = context.absolute(Utf8Path::new(&path))?.into_string();
        }
        CrateSource::Path { path }
    } else {
        return match text.parse() {
            Ok(AppSpec::Registry { name, requirement }) => {
                refuse_places(&name, arguments)?;
                Ok(Wish {
                    name,
                    requirement,
                    source: None,
                })
            }
            Ok(AppSpec::Recipe(_)) => {
                Err(CommandError::usage(format!("`{text}` is a recipe already")))
            }
            Err(error) => Err(CommandError::new(Kind::Usage, error)),
        };
    };
    let (source, name) = workshop.find_app(&source).map_err(|error| {
        let several = matches!(error, orlop_index::LocalError::SeveralApps { .. });
        let error = CommandError::from(error);
        if several {
            error.hint(format!(
                "name one: `orlop recipe import {} --folder DIR`",
                quoted(text)
            ))
        } else {
            error
        }
    })?;
    Ok(Wish {
        name,
        requirement: VersionReq::STAR,
        source: Some(source),
    })
}

/// Refuses what names a place in a project beside a package of the registry, which is one archive.
fn refuse_places(name: &PackageName, arguments: &ImportRecipe) -> Result<(), CommandError> {
    let (option, whose) = match (&arguments.folder, &arguments.rev) {
        (Some(_), _) => ("--folder", "folders and repositories"),
        (None, Some(_)) => ("--rev", "repositories"),
        (None, None) => return Ok(()),
    };
    let error = CommandError::usage(format!(
        "`{option}` is for {whose}, and `{name}` is a package of the registry"
    ));
    Err(if Utf8Path::new(name.as_str()).is_dir() {
        error.hint(format!(
            "the folder of that name is `./{name}`: `orlop recipe import ./{name}`"
        ))
    } else {
        error
    })
}

fn draft(
    context: &Context,
    wish: &Wish,
    recipes: &RecipeSet,
    progress: &Progress,
) -> Result<Draft, CommandError> {
    let fetching = Fetching(progress);
    let registry = context.registry(context.now, recipes, &fetching)?;
    let workshop = context.workshop();
    let locals = workshop.pack(&wish.name, wish.source.as_ref(), &BTreeMap::new())?;
    let index = locals.over(&registry);
    let release = newest(&index, &wish.name, &wish.requirement)?;
    let package = index.package(&release.name, &release.version)?;
    if package.binaries.is_empty() {
        return Err(CommandError::new(
            Kind::Unsatisfiable,
            format!(
                "`{}` has no programs to install: it is a library",
                wish.name
            ),
        ));
    }
    let mut notes = Vec::new();
    let rust_version = &package.about.rust_version;
    if !rust_version.is_empty() {
        notes.push(format!("Needs rustc {rust_version} or newer."));
    }
    let solve = |features: &[_]| resolution(context, wish, features, &locals, &registry);
    let mut features = Vec::new();
    let solved = solve(&features).and_then(|resolution| {
        notes.extend(feature_note(&release, &resolution));
        features = needed_features(&package, &resolution);
        if features.is_empty() {
            return Ok(resolution);
        }
        solve(&features)
    });
    let (binaries, mut open) = programs(&package, solved.as_ref().ok());
    match solved {
        Ok(resolution) => native_needs(&resolution, recipes, &mut notes, &mut open),
        Err(error) => {
            context.ui.error(&error);
            open.push("find out which native libraries it needs".to_owned());
        }
    }
    let share = shared_files(&registry, &release, &binaries)?;
    Ok(Draft {
        name: wish.name.clone(),
        package: wish.name.clone(),
        description: package.about.description.clone(),
        license: package.about.license.clone(),
        source: wish.source.clone(),
        features,
        requirement: wish.requirement.clone(),
        version: release.version.clone(),
        binaries,
        share,
        notes: notes.iter().map(|note| one_line(note)).collect(),
        open: open.iter().map(|open| one_line(open)).collect(),
    })
}

/// A comment is one line, whatever the package says.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// Returns the features beside the default ones that programs need, if none can be built without:
/// those of the first that asks for features of its own package alone, as no recipe can name others.
fn needed_features(package: &Package, resolution: &Resolution) -> Vec<FeatureName> {
    let lacking = package.binaries.iter();
    let mut lacking = lacking.map(|binary| orlop_plan::missing_features(resolution, binary));
    if lacking.clone().any(|features| features.is_empty()) {
        return Vec::new();
    }
    let own = |features: BTreeSet<String>| -> Option<Vec<_>> {
        let features = features.iter();
        features.map(|feature| feature.parse().ok()).collect()
    };
    lacking.find_map(own).unwrap_or_default()
}

/// Returns the programs that can be built, or all if none is known to be, and what is to be said of
/// the others.
fn programs(package: &Package, resolution: Option<&Resolution>) -> (Vec<String>, Vec<String>) {
    let can_be_built = |binary: &&BinaryTarget| match resolution {
        Some(resolution) => orlop_plan::missing_features(resolution, binary).is_empty(),
        None => binary.required_features.is_empty(),
    };
    let all = package.binaries.iter();
    let (mut now, later): (Vec<_>, Vec<_>) = all.partition(can_be_built);
    let open = later.iter().map(|binary| {
        format!(
            "the program `{}` needs the features {}",
            binary.name,
            binary.required_features.join(", ")
        )
    });
    let open = open.collect();
    if now.is_empty() {
        now = later;
    }
    (now.iter().map(|binary| binary.name.clone()).collect(), open)
}

/// Says which features an app has and which of them are on by default.
fn feature_note(release: &Release, resolution: &Resolution) -> Option<String> {
    let active = &resolution.app().features;
    let (on, off): (Vec<&str>, Vec<&str>) = release
        .features
        .keys()
        .map(AsRef::as_ref)
        .filter(|feature| *feature != "default")
        .partition(|feature| active.contains(*feature));
    let list = |features: &[&str]| match features {
        [] => "none".to_owned(),
        features => features.join(", "),
    };
    (!on.is_empty() || !off.is_empty())
        .then(|| format!("Features that are on: {}; off: {}.", list(&on), list(&off)))
}

/// Solves the app, to see what it is compiled from.
fn resolution(
    context: &Context,
    wish: &Wish,
    features: &[FeatureName],
    locals: &Locals,
    registry: &Registry<'_>,
) -> Result<Resolution, CommandError> {
    let compiler = toolchain::known(context)?;
    let wanted = Wanted {
        name: wish.name.clone(),
        package: wish.name.clone(),
        requirement: wish.requirement.clone(),
        features: features.to_vec(),
        default_features: true,
        policy: Policy::Latest,
        linkage: LinkageChoice::Shared,
        codegen: CodegenChoice::Shared,
        compiler: None,
        natives: [].into(),
        programs: None,
        plugins: [].into(),
        locals: locals.clone(),
        recipe: None,
    };
    let mut request = wanted.request(&compiler, context.now)?;
    // What can be compiled here is another question.
    request.allow_newer_compiler = true;
    locals.prefer(&mut request);
    Ok(orlop_resolver::resolve(&request, &locals.over(registry))?)
}

/// Says how native parts are built, as far as recipes say so.
fn native_needs(
    resolution: &Resolution,
    recipes: &RecipeSet,
    notes: &mut Vec<String>,
    open: &mut Vec<String>,
) {
    let mut packages: BTreeMap<(&PackageName, &Version), &Package> = BTreeMap::new();
    // Whose library another crate carries, as `openssl-src` does for `openssl-sys`.
    let mut carried = BTreeSet::new();
    for node in resolution.graph.node_indices() {
        let variant = &resolution.graph[node];
        packages.insert((&variant.name, &variant.version), &variant.package);
        let known = |other: &Variant| recipes.override_for(&other.name, &other.version).is_some();
        let mut uses = resolution.dependencies(node).into_iter();
        if uses.any(|(used, _)| known(&resolution.graph[used])) {
            carried.insert((&variant.name, &variant.version));
        }
    }
    for ((name, version), package) in packages {
        if let Some(change) = recipes.override_for(name, version) {
            notes.push(format!(
                "`{name}` is built as the recipe `{}` says.",
                change.name
            ));
        } else if let Some(links) = &package.links
            && name.as_str().ends_with("sys")
            && !carried.contains(&(name, version))
        {
            open.push(format!(
                "no recipe says how `{name} {version}` gets the native library `{links}`"
            ));
        }
    }
}

/// Finds man pages and completions among the files of the package.
fn shared_files(
    registry: &Registry<'_>,
    release: &Release,
    binaries: &[String],
) -> Result<Vec<(String, ShareOrigin)>, CommandError> {
    let files = package::files(registry, release)?;
    let mut found = BTreeMap::new();
    for file in &files {
        let Some(name) = shared_name(file, binaries) else {
            continue;
        };
        if share::place(&name).is_ok() && !found.contains_key(&name) {
            let origin = ShareOrigin::File { file: file.clone() };
            found.insert(name, origin);
        }
    }
    Ok(found.into_iter().collect())
}

/// Returns the name by which a recipe lists a file, if it is a man page or a completion of one of
/// the programs.
fn shared_name(file: &str, binaries: &[String]) -> Option<String> {
    let (folders, name) = file.rsplit_once('/').unwrap_or(("", file));
    // What tests expect and what programs are made of is not for people.
    let not_ours = ["tests", "test", "fixtures", "src", "crates"];
    if folders.split('/').any(|folder| not_ours.contains(&folder)) {
        return None;
    }
    let completion = folders
        .split('/')
        .any(|folder| folder.starts_with("complet"));
    let of_program = |stem: &str| binaries.iter().any(|binary| binary == stem);
    if let Some(stem) = name.strip_prefix('_') {
        return (completion && of_program(stem)).then(|| name.to_owned());
    }
    if completion && of_program(name) && folders.ends_with("bash") {
        return Some(format!("{name}.bash"));
    }
    let (stem, ending) = name.rsplit_once('.')?;
    let page = ending.len() == 1 && ending.bytes().all(|b| matches!(b, b'1'..=b'9'));
    let part = |binary: &String| {
        stem.strip_prefix(binary.as_str())
            .is_some_and(|rest| rest.starts_with('-'))
    };
    match ending {
        "zsh" if completion && of_program(stem) => Some(format!("_{stem}")),
        "bash" | "fish" | "elv" | "nu" if completion && of_program(stem) => Some(name.to_owned()),
        _ if page && (of_program(stem) || binaries.iter().any(part)) => Some(name.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_beside_programs_are_recognised() {
        let binaries = ["jj".to_owned()];
        let name = |file| shared_name(file, &binaries);
        for (file, expected) in [
            ("doc/jj.1", Some("jj.1")),
            ("man/jj-diff.1", Some("jj-diff.1")),
            ("completions/bash/jj", Some("jj.bash")),
            ("completions/zsh/_jj", Some("_jj")),
            ("complete/jj.fish", Some("jj.fish")),
            ("complete/jj.zsh", Some("_jj")),
            ("tests/jj.1", None),
            ("completions/_other", None),
            ("jj.zsh", None),
            ("src/complete/jj.zsh", None),
            ("src/jj.rs", None),
            ("jj", None),
        ] {
            assert_eq!(name(file).as_deref(), expected, "{file}");
        }
    }
}
