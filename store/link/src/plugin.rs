//! [`link_plugin`]: links what an app loads while it runs, against the app as it is installed.
//!
//! The crates that both have in common are in a library of the host, which exports all that they
//! define. The plugin is linked against that library as one more program of the group; everything
//! else it uses goes into its own file. The allocator is the host's. Nothing of the host changes.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use orlop_loader::{Proof, Search};
use orlop_store::StorePath;

use crate::error::LinkError;
use crate::input::Program;
use crate::record::{Record, RecordedGroup};
use crate::session::Session;
use crate::tools::Tools;
use crate::{App, Context, link_group, linkage};

/// A plugin that was linked.
#[derive(Debug, Clone)]
pub struct LinkedPlugin {
    /// Its object.
    pub path: StorePath,
    /// The file to load, relative to the object.
    pub file: Utf8PathBuf,
    /// What was proved of it in each program of its host.
    pub proofs: Vec<Proof>,
}

/// Links a plugin for `host`, as that was linked when `partition` was made, and proves that each of
/// its references binds to the definition it was linked against.
pub fn link_plugin(
    plugin: &App,
    host: &App,
    partition: &StorePath,
    context: &Context<'_>,
) -> Result<LinkedPlugin, LinkError> {
    let _no_gc = context.store.use_store()?;
    let not_recorded = || LinkError::NotRecorded {
        app: host.name.clone(),
    };
    let record = Record::find(partition, context)?.ok_or_else(not_recorded)?;
    let session = Session::new(context)?;
    let tools = Tools::new(context, &host.compiler)?;
    let mut programs = Program::of(host, &session)?;
    let linkage = linkage(host, &programs)?;
    let group = record.groups.get(&host.group(linkage, &tools));
    let before = group.ok_or_else(not_recorded)?;
    programs.extend(Program::of(plugin, &session)?);
    let linked = link_group(programs, linkage, before, &tools, &session)?;
    let Some(app) = linked.apps.get(&plugin.id()) else {
        return Err(LinkError::NoProgram {
            app: plugin.name.clone(),
        });
    };
    if libraries(&linked) != libraries(before)
        || linked.apps.get(&host.id()) != before.apps.get(&host.id())
    {
        return Err(LinkError::HostChanges {
            host: host.name.clone(),
            plugin: plugin.name.clone(),
        });
    }
    let program = plugin.programs.first().ok_or_else(not_recorded)?;
    let file = Utf8PathBuf::from(plugin.folder()).join(&program.name);
    let opened = context.store.object(&app.object).join(&file);
    let view = context.store.object(&record.view(host)?.path);
    let proofs = host.programs.iter().map(|program| {
        let loading = view.join(host.folder()).join(&program.name);
        orlop_loader::prove_plugin(&loading, &opened, &Search::default()).map_err(|refusal| {
            LinkError::Refused {
                app: format!("{} {}", plugin.name, plugin.version),
                program: program.name.clone(),
                source: Box::new(refusal),
            }
        })
    });
    Ok(LinkedPlugin {
        path: app.object.clone(),
        file,
        proofs: proofs.collect::<Result<_, _>>()?,
    })
}

/// The objects of a group's libraries, by SONAME.
fn libraries(group: &RecordedGroup) -> BTreeMap<&str, Option<&StorePath>> {
    let libraries = group.libraries.iter();
    libraries
        .map(|library| (library.soname.as_str(), library.object.as_ref()))
        .collect()
}
