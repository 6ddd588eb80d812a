//! [`Record`]: what was linked from what, so that nothing is linked twice and borders stay where
//! they are.
//!
//! A record is a store object of its own, and what the next link of the same profile starts from.
//! Its key covers everything it follows from, the record before it included.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use orlop_store::digest::{ContentHash, Hasher};
use orlop_store::{Digest, Registration, StorePath};
use serde::{Deserialize, Serialize};

use crate::error::LinkError;
use crate::group::Flags;
use crate::members::Part;
use crate::session::Session;
use crate::tools::FORMAT;
use crate::views::New;
use crate::{App, Context, Linkage, Role};

/// The file that holds the record.
const FILE: &str = "partition.json";
/// What a record's object is called.
const NAME: &str = "partition";

/// The views of several apps that were linked together, and the borders between them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// By the apps' ids.
    pub(crate) views: BTreeMap<String, RecordedView>,
    /// By what identifies the group: its linker and its linkage.
    pub(crate) groups: BTreeMap<String, RecordedGroup>,
}

/// The view of one app.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordedView {
    /// What the app was, and what it was linked with.
    pub(crate) input: String,
    /// Its object.
    pub(crate) path: StorePath,
    /// The objects of its libraries.
    pub(crate) libraries: BTreeSet<StorePath>,
}

/// The borders in a group of apps, and what is within them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordedGroup {
    /// The libraries, each needing only those before it.
    pub(crate) libraries: Vec<RecordedLibrary>,
    /// The apps, by their ids.
    pub(crate) apps: BTreeMap<String, RecordedApp>,
}

/// One library.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordedLibrary {
    pub(crate) soname: String,
    /// Where it is; nowhere if nobody asked for anything in it.
    pub(crate) object: Option<StorePath>,
    pub(crate) members: Vec<RecordedMember>,
    pub(crate) flags: Flags,
    /// The names it gives to others. They only ever become more.
    pub(crate) exports: BTreeSet<String>,
    /// What it asks of others, by their SONAMEs.
    pub(crate) needs: BTreeMap<String, BTreeSet<String>>,
}

/// A member of a library, with all it takes to link it again.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordedMember {
    key: String,
    pub(crate) name: String,
    pub(crate) parts: Vec<Part>,
}

/// One app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordedApp {
    /// Its programs' link sets.
    pub(crate) programs: BTreeMap<String, StorePath>,
    /// The object with its programs.
    pub(crate) object: StorePath,
    /// Against how many of the libraries, from the first, they were linked.
    pub(crate) libraries: usize,
}

impl RecordedGroup {
    /// Forgets what has gone from the store. Libraries can be linked again.
    pub(crate) fn forget_lost(&mut self, context: &Context<'_>) -> Result<(), LinkError> {
        let objects = self.apps.values().map(|app| app.object.clone());
        let lost = context.store.missing(&objects.collect())?;
        self.apps.retain(|_, app| !lost.contains(&app.object));
        Ok(())
    }

    /// Whether all libraries that somebody asked something of are in the store.
    pub(crate) fn has_libraries(&self, context: &Context<'_>) -> Result<bool, LinkError> {
        let objects = self
            .libraries
            .iter()
            .filter_map(|library| library.object.clone());
        Ok(context.store.missing(&objects.collect())?.is_empty())
    }
}

impl RecordedMember {
    pub(crate) fn new(key: Digest, name: &str, parts: &[Part]) -> Self {
        Self {
            key: key.to_string(),
            name: name.to_owned(),
            parts: parts.to_vec(),
        }
    }

    /// Returns what identifies it.
    pub(crate) fn key(&self) -> Option<Digest> {
        Digest::from_text(&self.key)
    }
}

impl Record {
    /// Returns where the record of these apps is, or would be.
    pub(crate) fn path(
        apps: &[App],
        previous: Option<&StorePath>,
        context: &Context<'_>,
    ) -> StorePath {
        let inputs: BTreeSet<_> = apps.iter().map(|app| app.input(context)).collect();
        let previous = previous.map(StorePath::to_string);
        StorePath::new(Digest::of("orlop-partition", &(inputs, previous)), NAME)
    }

    /// Whether an object is a record, by its name.
    pub(crate) fn is_at(path: &StorePath) -> bool {
        path.name() == NAME
    }

    /// Returns the record, if it is there.
    pub(crate) fn find(path: &StorePath, context: &Context<'_>) -> Result<Option<Self>, LinkError> {
        if !context.store.contains(path)? {
            return Ok(None);
        }
        let file = context.store.object(path).join(FILE);
        let record = serde_json::from_slice(&fs_err::read(&file)?);
        let record = record.map_err(|source| LinkError::Json { file, source })?;
        Ok(Some(record))
    }

    /// Whether all that it tells of is in the store.
    pub(crate) fn is_whole(&self, context: &Context<'_>) -> Result<bool, LinkError> {
        let views = self.views.values();
        let views = views.flat_map(|view| view.libraries.iter().chain([&view.path]));
        let all = views.cloned().chain(self.linked());
        Ok(context.store.missing(&all.collect())?.is_empty())
    }

    /// Returns every object that was linked.
    fn linked(&self) -> impl Iterator<Item = StorePath> {
        self.groups.values().flat_map(|group| {
            let libraries = group.libraries.iter();
            let libraries = libraries.filter_map(|library| library.object.clone());
            libraries.chain(group.apps.values().map(|app| app.object.clone()))
        })
    }

    /// Whether it is the record of just these apps.
    pub(crate) fn answers(&self, apps: &[App], context: &Context<'_>) -> bool {
        let same = |app: &App| {
            let view = self.views.get(&app.id());
            view.is_some_and(|view| view.input == app.input(context))
        };
        self.views.len() == apps.len() && apps.iter().all(same)
    }

    /// Returns an app's view.
    pub(crate) fn view(&self, app: &App) -> Result<&RecordedView, LinkError> {
        let view = self.views.get(&app.id());
        view.ok_or_else(|| LinkError::NotRecorded {
            app: app.name.clone(),
        })
    }

    /// Returns the views, each with the object that its programs are from, by the apps' ids.
    pub(crate) fn views_and_programs(&self) -> BTreeMap<String, (RecordedView, StorePath)> {
        let apps = self.groups.values().flat_map(|group| &group.apps);
        let found = apps.filter_map(|(id, app)| {
            let view = self.views.get(id)?.clone();
            Some((id.clone(), (view, app.object.clone())))
        });
        found.collect()
    }

    /// Makes the record's object, unless it is in the store. It keeps alive what it may be continued
    /// with: libraries, and programs as they were linked.
    pub(crate) fn stage(
        &self,
        path: &StorePath,
        session: &Session<'_>,
    ) -> Result<Option<New>, LinkError> {
        let store = session.context.store;
        if store.contains(path)? {
            return Ok(None);
        }
        let text = serde_json::to_vec_pretty(self).map_err(|source| LinkError::Json {
            file: Utf8PathBuf::from(FILE),
            source,
        })?;
        let staged = store.stage()?;
        fs_err::write(staged.folder().join(FILE), text)?;
        let registration = Registration {
            references: self.linked().collect(),
            derivation: None,
            isolation: session.context.runner.isolation(),
        };
        Ok(Some((staged, path.clone(), registration)))
    }
}

impl App {
    /// Returns what tells it from other apps of the same link.
    pub(crate) fn id(&self) -> String {
        format!("{} {} {}", self.name, self.version, self.compiler)
    }

    /// Returns the link sets of its programs.
    pub(crate) fn link_sets(&self) -> BTreeMap<String, StorePath> {
        let programs = self.programs.iter();
        programs
            .map(|program| (program.name.clone(), program.link_set.clone()))
            .collect()
    }

    /// Hashes it with all that it is linked with.
    pub(crate) fn input(&self, context: &Context<'_>) -> String {
        let surroundings = (FORMAT, (context.c_tools, context.runner.isolation()));
        Digest::of("orlop-link-input", &(surroundings, self)).to_string()
    }
}

impl ContentHash for Linkage {
    fn hash(&self, hasher: &mut Hasher) {
        hasher.integer(match self {
            Self::Static => 0,
            Self::Shared => 1,
            Self::Crate => 2,
        });
    }
}

impl ContentHash for App {
    fn hash(&self, hasher: &mut Hasher) {
        let Self {
            name,
            version,
            linkage,
            programs,
            compiler,
            role,
            share,
        } = self;
        match role {
            Role::Alone => {}
            Role::Host { open } => ("host", open).hash(hasher),
            Role::Plugin => "plugin".hash(hasher),
        }
        (name, version).hash(hasher);
        (linkage, compiler).hash(hasher);
        hasher.integer(programs.len() as u64);
        for program in programs {
            (&program.name, &program.link_set).hash(hasher);
        }
        // Most apps have none, and keep the keys that they had before there was this.
        if !share.is_empty() {
            share.hash(hasher);
        }
    }
}
