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
        CrateSource::Git {
            git: text.clone(),
            rev,
            folder: arguments.folder.clone(),
        }
    } else if is_folder {
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
            Ok(AppSpec::Registry { name, requirement }) => Ok(Wish {
                name,
                requirement,
                source: None,
            }),
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
    let (binaries, features, mut open) = programs(&package, &release);
    if binaries.is_empty() {
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
    notes.extend(feature_note(&release));
    match resolution(context, wish, &features, &locals, &registry) {
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

/// Returns the programs that can be built, the features that the first needs if none can be built
/// without, and what is to be said of the others.
fn programs(package: &Package, release: &Release) -> (Vec<String>, Vec<FeatureName>, Vec<String>) {
    let default = closure(release, "default");
    let missing = |binary: &BinaryTarget| -> Vec<FeatureName> {
        binary
            .required_features
            .iter()
            .filter(|feature| !default.contains(feature.as_str()))
            .filter_map(|feature| feature.parse().ok())
            .collect()
    };
    let (now, later): (Vec<_>, Vec<_>) = package
        .binaries
        .iter()
        .partition(|binary| missing(binary).is_empty());
    let names = |binaries: &[&BinaryTarget]| -> Vec<String> {
        binaries.iter().map(|binary| binary.name.clone()).collect()
    };
    match (now.as_slice(), later.as_slice()) {
        ([], [first, ..]) => {
            let features = missing(first);
            let fits = |binary: &&BinaryTarget| {
                missing(binary)
                    .iter()
                    .all(|feature| features.contains(feature))
            };
            let built: Vec<_> = later.iter().copied().filter(fits).collect();
            (names(&built), features, Vec::new())
        }
        (now, later) => {
            let open = later.iter().map(|binary| {
                format!(
                    "the program `{}` needs the features {}",
                    binary.name,
                    binary.required_features.join(", ")
                )
            });
            (names(now), Vec::new(), open.collect())
        }
    }
}

/// Returns the features of the package that a feature switches on, itself included.
fn closure<'r>(release: &'r Release, feature: &'r str) -> BTreeSet<&'r str> {
    let mut found = BTreeSet::new();
    let mut rest = vec![feature];
    while let Some(feature) = rest.pop() {
        if found.insert(feature)
            && let Some(more) = release.features.get(feature)
        {
            rest.extend(more.iter().map(AsRef::as_ref));
        }
    }
    found
}

fn feature_note(release: &Release) -> Option<String> {
    let default = closure(release, "default");
    let (on, off): (Vec<&str>, Vec<&str>) = release
        .features
        .keys()
        .map(AsRef::as_ref)
        .filter(|feature| *feature != "default")
        .partition(|feature| default.contains(feature));
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
