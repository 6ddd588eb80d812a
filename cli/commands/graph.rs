//! `why`, `graph`: how the crates of installed apps hang together.

use std::collections::{BTreeMap, BTreeSet};

use layout::backends::svg::SVGWriter;
use layout::gv::{DotParser, GraphBuilder};
use orlop_recipes::{PackageName, Version};
use orlop_resolver::{DependencyKind, Lock, LockedApp, LockedVariant, Side};
use serde::Serialize;

use crate::args::{Graph, GraphFormat, Why};
use crate::commands::answer;
use crate::context::Context;
use crate::error::{CommandError, Kind};

/// The lock of the current generation.
fn lock(context: &Context) -> Result<Lock, CommandError> {
    let (_store, profile) = context.read_profile()?;
    super::locked(&super::current(&profile)?)
}

/// One use of the crate, as data.
#[derive(Serialize)]
struct Need<'a> {
    app: &'a PackageName,
    name: &'a PackageName,
    version: &'a Version,
    side: Side,
    features: Vec<&'a str>,
    /// Who uses it directly, and a shortest way from the app to each of them.
    users: Vec<User>,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the JSON has these names")]
struct User {
    user: String,
    build: bool,
    way: Vec<String>,
}

pub(super) fn why(context: &Context, arguments: &Why) -> Result<(), CommandError> {
    let (name, version) = target(&arguments.target)?;
    let lock = lock(context)?;
    let is_meant = |variant: &LockedVariant| {
        variant.name == name
            && version
                .as_ref()
                .is_none_or(|known| *known == variant.version)
    };
    let mut needs = Vec::new();
    for app in lock.apps() {
        let reverse = Reverse::new(app);
        let places = (0..app.variants().len()).filter(|place| is_meant(reverse.variant(*place)));
        for place in places {
            needs.push(reverse.need(place));
            if !context.global.json {
                reverse.print(context, place, ("", ""), &mut BTreeSet::new());
            }
        }
    }
    if needs.is_empty() {
        return Err(CommandError::failed(format!(
            "no installed app is compiled from `{}`",
            arguments.target
        ))
        .hint("see what an app is compiled from: `orlop tree APP`"));
    }
    if context.global.json {
        return context.ui.data_json(&needs);
    }
    Ok(())
}

fn target(text: &str) -> Result<(PackageName, Option<Version>), CommandError> {
    let (name, version) = match text.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (text, None),
    };
    let name = name
        .parse()
        .map_err(|error: orlop_recipes::NameError| CommandError::new(Kind::Usage, error))?;
    let version = version.map(str::parse).transpose().map_err(|error| {
        CommandError::usage(format!("`{text}` does not end with a version: {error}"))
            .hint("write `NAME@1.2.3`, or `NAME` for all versions")
    })?;
    Ok((name, version))
}

/// Who uses whom in an app, the other way round.
struct Reverse<'a> {
    app: &'a LockedApp,
    users: BTreeMap<usize, Vec<(usize, DependencyKind)>>,
    /// For each variant, the next one on a shortest way to the app.
    towards: BTreeMap<usize, usize>,
}

impl<'a> Reverse<'a> {
    fn new(app: &'a LockedApp) -> Self {
        let mut users: BTreeMap<usize, Vec<(usize, DependencyKind)>> = BTreeMap::new();
        for (user, variant) in app.variants().iter().enumerate() {
            for used in &variant.dependencies {
                users
                    .entry(used.variant)
                    .or_default()
                    .push((user, used.kind));
            }
        }
        let mut towards = BTreeMap::new();
        let mut wave = vec![app.root()];
        while !wave.is_empty() {
            let mut next = Vec::new();
            for user in wave {
                for used in &app.variants()[user].dependencies {
                    if used.variant != app.root() && !towards.contains_key(&used.variant) {
                        towards.insert(used.variant, user);
                        next.push(used.variant);
                    }
                }
            }
            wave = next;
        }
        Self {
            app,
            users,
            towards,
        }
    }

    fn variant(&self, place: usize) -> &'a LockedVariant {
        &self.app.variants()[place]
    }

    fn users(&self, place: usize) -> &[(usize, DependencyKind)] {
        self.users.get(&place).map_or(&[], Vec::as_slice)
    }

    fn need(&self, place: usize) -> Need<'a> {
        let variant = self.variant(place);
        let users = self.users(place).iter().map(|(user, kind)| {
            let mut way = vec![title(self.variant(*user))];
            let mut at = *user;
            while let Some(next) = self.towards.get(&at) {
                way.push(title(self.variant(*next)));
                at = *next;
            }
            way.reverse();
            User {
                user: title(self.variant(*user)),
                build: *kind == DependencyKind::Build,
                way,
            }
        });
        Need {
            app: &self.app.app,
            name: &variant.name,
            version: &variant.version,
            side: variant.side,
            features: variant.features.iter().map(AsRef::as_ref).collect(),
            users: users.collect(),
        }
    }

    /// Prints all ways from a variant up to the app; what was shown before is marked and not
    /// opened again. The two texts go before its own line and before those below it.
    fn print(
        &self,
        context: &Context,
        place: usize,
        (own, below): (&str, &str),
        seen: &mut BTreeSet<usize>,
    ) {
        let is_new = seen.insert(place);
        let users = self.users(place);
        let note = if place == self.app.root() {
            " (installed)"
        } else if is_new {
            ""
        } else {
            " (*)"
        };
        context
            .ui
            .data(format!("{own}{}{note}", title(self.variant(place))));
        if !is_new {
            return;
        }
        for (number, (user, kind)) in users.iter().enumerate() {
            let last = number + 1 == users.len();
            let mark = if *kind == DependencyKind::Build {
                "(build) "
            } else {
                ""
            };
            let own = format!("{below}{}{mark}", if last { "└── " } else { "├── " });
            let next = format!("{below}{}", if last { "    " } else { "│   " });
            self.print(context, *user, (&own, &next), seen);
        }
    }
}

fn title(variant: &LockedVariant) -> String {
    let side = match variant.side {
        Side::Host => " (host)",
        Side::Target => "",
    };
    format!("{} {}{side}", variant.name, variant.version)
}

pub(super) fn graph(context: &Context, arguments: &Graph) -> Result<(), CommandError> {
    let format = match (arguments.format, context.global.json) {
        (None, false) => GraphFormat::Dot,
        (None | Some(GraphFormat::Json), true) => GraphFormat::Json,
        (Some(format), false) => format,
        (Some(GraphFormat::Dot | GraphFormat::Svg), true) => {
            return Err(CommandError::usage(
                "`--json` and `--format` ask for two forms of one graph",
            )
            .hint("leave out `--json`"));
        }
    };
    let lock = lock(context)?;
    let apps: Vec<&LockedApp> = match &arguments.app {
        None => lock.apps().collect(),
        Some(name) => vec![lock.app_by_name(name).ok_or_else(|| {
            CommandError::failed(format!("`{name}` is not installed"))
                .hint("see what is installed: `orlop list`")
        })?],
    };
    match format {
        GraphFormat::Dot => context.ui.data(dot(&apps).trim_end()),
        GraphFormat::Svg => context.ui.data(svg(&dot(&apps))?.trim_end()),
        GraphFormat::Json => {
            return context.ui.data_json(&answer::Answer {
                apps: apps.into_iter().map(|app| answer::app(app, None)).collect(),
                sharing: None,
            });
        }
    }
    Ok(())
}

/// Writes graphs for Graphviz. Variants that look the same are one node, so that what apps share
/// shows.
fn dot(apps: &[&LockedApp]) -> String {
    let mut nodes: BTreeMap<String, String> = BTreeMap::new();
    let mut edges: BTreeSet<(String, String, bool)> = BTreeSet::new();
    for app in apps {
        let name = |place: usize| {
            let variant = &app.variants()[place];
            let features: Vec<_> = variant.features.iter().map(AsRef::as_ref).collect();
            format!("{} [{}]", title(variant), features.join(" "))
        };
        for (place, variant) in app.variants().iter().enumerate() {
            let shape = if place == app.root() {
                "box"
            } else {
                "ellipse"
            };
            nodes.insert(
                name(place),
                format!("label=\"{}\", shape={shape}", title(variant)),
            );
            for used in &variant.dependencies {
                let is_build = used.kind == DependencyKind::Build;
                edges.insert((name(place), name(used.variant), is_build));
            }
        }
    }
    let numbers: BTreeMap<&String, usize> = nodes.keys().zip(0..).collect();
    let mut text = "digraph {\n".to_owned();
    for (name, attributes) in &nodes {
        let node = format!("    n{} [{attributes}];\n", numbers[name]);
        text.push_str(&node);
    }
    for (user, used, is_build) in &edges {
        let style = if *is_build { " [style=dashed]" } else { "" };
        let (user, used) = (numbers[user], numbers[used]);
        let edge = format!("    n{user} -> n{used}{style};\n");
        text.push_str(&edge);
    }
    text.push_str("}\n");
    text
}

fn svg(dot: &str) -> Result<String, CommandError> {
    let graph = DotParser::new(dot)
        .process()
        .map_err(|error| CommandError::failed(format!("draw the graph: {error}")))?;
    let mut builder = GraphBuilder::new();
    builder.visit_graph(&graph);
    let mut writer = SVGWriter::new();
    builder.get().do_it(false, false, false, &mut writer);
    Ok(writer.finalize())
}
