//! [`Record`]: what was linked from what, so that nothing is linked twice.
//!
//! A record is a store object of its own. Its key covers everything the views follow from, so that
//! it is found by the next link of the same; each view keeps it alive.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use orlop_store::digest::{ContentHash, Hasher};
use orlop_store::{Digest, StorePath};
use serde::{Deserialize, Serialize};

use crate::error::LinkError;
use crate::passes;
use crate::session::Session;
use crate::tools::FORMAT;
use crate::{App, Context, Linkage};

/// The file that holds the record.
const FILE: &str = "partition.json";

/// The views of several apps that were linked together.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// By the apps' ids.
    pub(crate) views: BTreeMap<String, RecordedView>,
}

/// One of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordedView {
    /// Its object.
    pub(crate) path: StorePath,
    /// The objects of its libraries.
    pub(crate) libraries: BTreeSet<StorePath>,
}

impl Record {
    /// Returns where the record of these apps is, or would be.
    pub(crate) fn path(apps: &[App], context: &Context<'_>) -> StorePath {
        let mut apps: Vec<_> = apps.iter().collect();
        apps.sort_by_key(|app| app.id());
        let key = (
            FORMAT,
            (apps, (context.c_tools, context.runner.isolation())),
        );
        StorePath::new(Digest::of("orlop-partition", &key), "partition")
    }

    /// Returns the record, if it is there with all its views.
    pub(crate) fn find(path: &StorePath, context: &Context<'_>) -> Result<Option<Self>, LinkError> {
        if !context.store.contains(path)? {
            return Ok(None);
        }
        let file = context.store.object(path).join(FILE);
        let record: Self = serde_json::from_slice(&fs_err::read(&file)?)
            .map_err(|source| LinkError::Json { file, source })?;
        let views = record
            .views
            .values()
            .map(|view| view.path.clone())
            .collect();
        Ok(context.store.missing(&views)?.is_empty().then_some(record))
    }

    /// Returns an app's view.
    pub(crate) fn view(&self, app: &App) -> Result<&RecordedView, LinkError> {
        let view = self.views.get(&app.id());
        view.ok_or_else(|| LinkError::NotRecorded {
            app: app.name.clone(),
        })
    }

    /// Adds the record to the store.
    pub(crate) fn add(&self, path: &StorePath, session: &Session<'_>) -> Result<(), LinkError> {
        if session.context.store.contains(path)? {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(self).map_err(|source| LinkError::Json {
            file: Utf8PathBuf::from(FILE),
            source,
        })?;
        let staged = session.context.store.stage()?;
        fs_err::write(staged.folder().join(FILE), text)?;
        passes::add(staged, path, session)
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
        } = self;
        (name, version).hash(hasher);
        (linkage, compiler).hash(hasher);
        hasher.integer(programs.len() as u64);
        for program in programs {
            (&program.name, &program.link_set).hash(hasher);
        }
    }
}
