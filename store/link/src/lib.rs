//! Compile like Cargo, link like a distribution: draws the borders between binaries and shared
//! libraries, links, and has the result proved.
//!
//! rustc does not link an app's programs: it calls the [`recorder`], which keeps the link set.
//! [`link`] takes the link sets of all apps of a profile and makes a [`View`] of each app.
//!
//! | module | purpose |
//! |---|---|
//! | [`recorder`] | what happens when rustc calls us as its linker |
//! | [`link_set`] | [`link_set::LinkSet`]: what a program is linked from |
//! | `line` | which words of a link set belong to which member |
//! | [`members`] | [`members::Member`]: what is linked together or not at all |
//! | `objects` | reading archives and objects, and no more of them than is asked for |
//! | `references` | who asks for what of whom |
//! | [`partition`] | which member ends up in which library; pure |
//! | [`visibility`], `copies` | hidden symbols that must be seen across a border |
//! | `choice` | which native library each crate gets, where several have a name |
//! | `rename` | symbols that must go by other names |
//! | [`native`] | what happens when a recipe's build links a shared library |
//! | `input`, `group` | programs, and those that share libraries |
//! | `tools`, `session`, `command` | the linker, where it runs, its command lines |
//! | `passes` | the links themselves |
//! | [`share`] | man pages and completions in a view |
//! | `views`, `record` | what remains in the store, and how it is found again |
//! | `plugin` | what an app loads while it runs: [`link_plugin`] |
//! | [`error`] | [`LinkError`] |

mod choice;
mod command;
mod copies;
pub mod error;
mod group;
mod input;
mod line;
pub mod link_set;
pub mod members;
pub mod native;
mod objects;
pub mod partition;
mod passes;
mod plugin;
mod record;
pub mod recorder;
mod references;
mod rename;
mod session;
pub mod share;
mod tools;
mod views;
pub mod visibility;

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
pub use error::LinkError;
pub use objects::ObjectError;
use orlop_loader::{Proof, Search};
use orlop_store::{ActivityKind, Event, PlannedProgram, Reporter, Runner, Store, StorePath};
pub use plugin::{LinkedPlugin, link_plugin};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::group::{Group, search_folders};
use crate::input::Program;
use crate::record::{Record, RecordedGroup, RecordedView};
use crate::session::Session;
pub use crate::share::{Files, NoFiles, Share, SharedFile};
use crate::tools::{Libraries, Tools};
use crate::views::Planned;

/// How an app is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Linkage {
    /// Everything in its binaries.
    Static,
    /// What other apps use too in a few shared libraries.
    Shared,
    /// The same, one library for every crate.
    Crate,
}

/// An app to be linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The package name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How it is linked.
    pub linkage: Linkage,
    /// Its programs.
    pub programs: Vec<PlannedProgram>,
    /// The compiler it was compiled with.
    pub compiler: StorePath,
    /// Files beside its programs.
    pub share: Share,
    /// What it has to do with plugins.
    pub role: Role,
}

/// What an app has to do with plugins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Role {
    /// Nothing.
    #[default]
    Alone,
    /// It loads some.
    Host {
        /// The libraries that its plugins have in common with it. They are in a shared library of
        /// their own, which exports all that they define, so that later plugins find it.
        open: BTreeSet<StorePath>,
    },
    /// It is one.
    Plugin,
}

impl App {
    /// The folder of its programs, in its object and in its view.
    pub(crate) fn folder(&self) -> &'static str {
        match self.role {
            Role::Plugin => "plugins",
            Role::Alone | Role::Host { .. } => "bin",
        }
    }

    /// Tells the group it is linked in from the others: with those that may share libraries with
    /// it. An app with plugins shares with these alone.
    fn group(&self, linkage: Linkage, tools: &Tools) -> String {
        let key = match self.role {
            Role::Host { .. } => tools.key("orlop-host-group", (linkage, self.id())),
            Role::Alone | Role::Plugin => tools.key("orlop-group", linkage),
        };
        key.to_string()
    }
}

/// What links work with.
pub struct Context<'a> {
    /// Where everything is and goes.
    pub store: &'a Store,
    /// Who runs the linker.
    pub runner: &'a dyn Runner,
    /// The C tools: the linker's driver, and the linker if the compiler has none.
    pub c_tools: &'a StorePath,
    /// Who gives files of packages, for those beside programs.
    pub files: &'a dyn Files,
    /// Who is told.
    pub reporter: &'a dyn Reporter,
    /// How many links may run at once.
    pub jobs: usize,
}

/// An app's own tree, proved to load what it was linked against.
#[derive(Debug, Clone)]
pub struct View {
    /// The app's package name.
    pub app: String,
    /// Its object.
    pub path: StorePath,
    /// The names of its programs.
    pub binaries: Vec<String>,
    /// The objects of the libraries it loads, glibc's aside.
    pub libraries: Vec<StorePath>,
    /// The proof of each program, in their order.
    pub proofs: Vec<Proof>,
}

/// Apps that were linked.
#[derive(Debug, Clone)]
pub struct Linked {
    /// The apps' trees, in their order.
    pub views: Vec<View>,
    /// The object that says where the borders are: what the next link of the same profile takes as
    /// `previous`. Whoever keeps the views keeps it too.
    pub partition: StorePath,
}

/// Links apps and proves them. Every app's view is in the store afterwards; what was linked before
/// is found again by its key.
///
/// `previous` is the partition of the link before, which is changed as little as pays: the binaries
/// of its apps stay as they are unless moving borders saves much. Without it all borders are drawn
/// anew.
pub fn link(
    apps: &[App],
    previous: Option<&StorePath>,
    context: &Context<'_>,
) -> Result<Linked, LinkError> {
    if let Some(app) = apps.iter().find(|app| app.programs.is_empty()) {
        return Err(LinkError::NoProgram {
            app: app.name.clone(),
        });
    }
    let _no_gc = context.store.use_store()?;
    let before = match previous {
        Some(path) => Record::find(path, context)?.map(|record| (path, record)),
        None => None,
    };
    let (partition, record) = match before {
        Some((path, record)) if record.answers(apps, context) && record.is_whole(context)? => {
            (path.clone(), record)
        }
        before => {
            let path = Record::path(apps, previous, context);
            let record = match Record::find(&path, context)? {
                Some(record) if record.is_whole(context)? => record,
                _ => link_all(apps, before.map(|(_, record)| record), &path, context)?,
            };
            (path, record)
        }
    };
    let views: Vec<_> = apps
        .par_iter()
        .map(|app| prove(app, record.view(app)?, context))
        .collect();
    Ok(Linked {
        // The first that is refused, in their order.
        views: views.into_iter().collect::<Result<_, _>>()?,
        partition,
    })
}

/// Whether an object is a partition, by its name.
pub fn is_partition(path: &StorePath) -> bool {
    Record::is_at(path)
}

/// Links everything, and adds the record and the views to the store.
fn link_all(
    apps: &[App],
    before: Option<Record>,
    path: &StorePath,
    context: &Context<'_>,
) -> Result<Record, LinkError> {
    let mut before = before.unwrap_or_default();
    let earlier = before.views_and_programs();
    let session = Session::new(context)?;
    context.reporter.report(Event::Planned {
        kind: ActivityKind::Link,
        count: apps.len(),
    });
    let mut groups = BTreeMap::<_, (Tools, Vec<Program<'_>>)>::new();
    let mut folders = BTreeMap::new();
    for app in apps {
        let programs = Program::of(app, &session)?;
        let items = programs.iter().flat_map(|program| program.line.set.items());
        folders.insert(app.id(), search_folders(items, &session));
        let linkage = linkage(app, &programs)?;
        let tools = Tools::new(context, &app.compiler)?;
        groups
            .entry((app.group(linkage, &tools), linkage))
            .or_insert_with(|| (tools, Vec::new()))
            .1
            .extend(programs);
    }
    let mut record = Record::default();
    for ((id, linkage), (tools, mut programs)) in groups {
        programs.sort_by_key(|program| (program.app.id(), program.name));
        let mut before = before.groups.remove(&id).unwrap_or_default();
        before.forget_lost(context)?;
        let group = link_group(programs, linkage, &before, &tools, &session)?;
        record.groups.insert(id, group);
    }
    let planned = plan_views(apps, &record, &folders, &session)?;
    record.views = planned
        .iter()
        .map(|view| (view.app.id(), view.recorded(context)))
        .collect();
    // All at once: what is added is written to disk before it counts, and that is waited for once.
    let mut new = session.parallel(&planned, |view| {
        view.stage(earlier.get(&view.app.id()), &session)
    })?;
    new.push(record.stage(path, &session)?);
    context.store.add_all(new.into_iter().flatten().collect())?;
    Ok(record)
}

/// Returns how an app can be linked.
fn linkage(app: &App, programs: &[Program<'_>]) -> Result<Linkage, LinkError> {
    let shared = app.linkage != Linkage::Static && programs.iter().all(Program::can_share);
    match app.role {
        _ if shared => Ok(app.linkage),
        Role::Alone => Ok(Linkage::Static),
        Role::Host { .. } | Role::Plugin => Err(LinkError::Closed {
            app: app.name.clone(),
        }),
    }
}

/// Links the programs of one compiler and one linkage.
fn link_group(
    programs: Vec<Program<'_>>,
    linkage: Linkage,
    before: &RecordedGroup,
    tools: &Tools,
    session: &Session<'_>,
) -> Result<RecordedGroup, LinkError> {
    let apps: BTreeMap<_, _> = programs
        .iter()
        .map(|program| (program.app.id(), program.app.link_sets()))
        .collect();
    let whole = before.has_libraries(session.context)?;
    let settled = apps.iter().map(|(id, programs)| {
        let app = before.apps.get(id).filter(|app| app.programs == *programs);
        app.map(|app| (id.clone(), app.clone()))
    });
    let settled = settled.collect::<Option<_>>();
    if let Some(apps) = settled.filter(|_| whole) {
        let libraries = before.libraries.clone();
        return Ok(RecordedGroup { libraries, apps });
    }
    let is_host = |program: &Program<'_>| matches!(program.app.role, Role::Host { .. });
    if linkage == Linkage::Static || apps.len() < 2 && !programs.iter().any(is_host) {
        return passes::alone(&programs, tools, session);
    }
    let group = Group::draw(programs, tools, linkage, before, session)?;
    passes::together(&group, session)
}

/// Finds what every app loads.
fn plan_views<'a>(
    apps: &'a [App],
    record: &Record,
    folders: &BTreeMap<String, Vec<Utf8PathBuf>>,
    session: &Session<'_>,
) -> Result<Vec<Planned<'a>>, LinkError> {
    let groups = || record.groups.values();
    let libraries = groups().flat_map(|group| &group.libraries);
    let libraries = libraries
        .filter_map(|library| Some((library.soname.clone(), library.object.clone()?)))
        .collect();
    let linked: BTreeMap<_, _> = groups().flat_map(|group| &group.apps).collect();
    let planned = apps.iter().filter_map(|app| {
        let object = linked.get(&app.id())?.object.clone();
        // Each app has libraries from elsewhere of its own, maybe by the same names.
        let own = folders.get(&app.id()).into_iter().flatten().cloned();
        let others = Libraries::of(session.context).behind(own);
        Some(Planned::new(app, object, &libraries, &others, session))
    });
    planned.collect()
}

/// Proves every program of a view.
fn prove(app: &App, view: &RecordedView, context: &Context<'_>) -> Result<View, LinkError> {
    let folder = context.store.object(&view.path).join("bin");
    let proofs = app.programs.iter().map(|program| {
        orlop_loader::prove(&folder.join(&program.name), &Search::default()).map_err(|refusal| {
            LinkError::Refused {
                app: format!("{} {}", app.name, app.version),
                program: program.name.clone(),
                source: Box::new(refusal),
            }
        })
    });
    Ok(View {
        app: app.name.clone(),
        path: view.path.clone(),
        binaries: app
            .programs
            .iter()
            .map(|program| program.name.clone())
            .collect(),
        libraries: view.libraries.iter().cloned().collect(),
        proofs: proofs.collect::<Result<_, _>>()?,
    })
}
