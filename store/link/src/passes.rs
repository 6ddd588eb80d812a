//! The links themselves.
//!
//! Which names a library must export is only known when all that load it are linked, and these
//! can only be linked against a library. So:
//!
//! | pass | what is linked | why |
//! |---|---|---|
//! | A | every library, exporting all that anybody might ask for | something to link against |
//! | B | every program, against those | its undefined versioned symbols are its exact needs |
//! | C | every library from the top down, exporting the needs collected so far | the linker drops the rest; its own needs follow |
//! | D | every program, against the final libraries | a program must also export what those ask of it |
//!
//! Passes A, B and D are parallel; in pass C a library waits for those that may need it.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use orlop_loader::elf::Object;
use orlop_store::{Registration, StorePath};

use crate::App;
use crate::command::{self, Against, Target};
use crate::copies::Copies;
use crate::error::LinkError;
use crate::group::Group;
use crate::input::Program;
use crate::session::Session;
use crate::tools::Tools;

/// What a group's links made.
#[derive(Debug, Default)]
pub(crate) struct Linked {
    /// The libraries, by their SONAMEs.
    pub(crate) libraries: BTreeMap<String, StorePath>,
    /// The object with each app's programs, by the app's id.
    pub(crate) apps: BTreeMap<String, StorePath>,
}

/// Links programs of their own, without libraries.
pub(crate) fn alone(
    programs: &[Program<'_>],
    tools: &Tools,
    session: &Session<'_>,
) -> Result<Linked, LinkError> {
    link_apps(programs, tools, None, &BTreeMap::new(), session)
}

/// Links a group's libraries and programs.
pub(crate) fn together(group: &Group<'_>, session: &Session<'_>) -> Result<Linked, LinkError> {
    let copies = Copies::new(group, session)?;
    let rough = rough_libraries(group, &copies, session)?;
    let against = Against {
        group,
        copies: &copies,
        files: &rough,
    };
    let needs = rough_programs(&against, session)?;
    let Final { files, objects } = final_libraries(&against, needs, session)?;
    let against = Against {
        group,
        copies: &copies,
        files: &files,
    };
    link_apps(
        &group.programs,
        group.tools,
        Some(&against),
        &objects,
        session,
    )
}

/// The final libraries.
#[derive(Debug, Default)]
struct Final {
    /// In the working folder, by their position.
    files: BTreeMap<usize, Utf8PathBuf>,
    /// In the store, by their SONAMEs.
    objects: BTreeMap<String, StorePath>,
}

/// The names asked of each library.
type Needs = BTreeMap<usize, BTreeSet<String>>;

/// Pass A.
fn rough_libraries(
    group: &Group<'_>,
    copies: &Copies,
    session: &Session<'_>,
) -> Result<BTreeMap<usize, Utf8PathBuf>, LinkError> {
    let against = Against {
        group,
        copies,
        files: &BTreeMap::new(),
    };
    let indices: Vec<_> = (0..group.libraries.len()).collect();
    let files = session.parallel(&indices, |&index| {
        let output = Utf8PathBuf::from(format!("rough/{}", group.libraries[index].soname));
        let exports = &group.libraries[index].offered;
        library(
            index,
            &Target {
                exports,
                output: &output,
            },
            &against,
            session,
        )?;
        Ok((index, output))
    })?;
    Ok(files.into_iter().collect())
}

/// Pass B.
fn rough_programs(against: &Against<'_>, session: &Session<'_>) -> Result<Needs, LinkError> {
    let group = against.group;
    let programs: Vec<_> = group.programs.iter().enumerate().collect();
    let each = session.parallel(&programs, |(index, program)| {
        let output = Utf8PathBuf::from(format!("rough/program-{index}"));
        let args = command::program(program, group.tools, Some(against), &output, session);
        session.link(program.name, &output, args, &program.inputs())?;
        needs(group, &session.host(output))
    })?;
    Ok(union(each))
}

/// Pass C.
fn final_libraries(
    against: &Against<'_>,
    mut needs: Needs,
    session: &Session<'_>,
) -> Result<Final, LinkError> {
    let group = against.group;
    let may_need = may_need(group);
    let mut pending: BTreeSet<usize> = (0..group.libraries.len()).collect();
    let mut done = Final::default();
    while !pending.is_empty() {
        // Libraries only need lower ones, so the highest one never waits.
        let waits = |index: &usize| {
            pending
                .iter()
                .any(|other| may_need.contains(&(*other, *index)))
        };
        let ready: Vec<_> = pending
            .iter()
            .copied()
            .filter(|index| !waits(index))
            .collect();
        let linked = session.parallel(&ready, |&index| {
            let exports = needs.get(&index);
            let link = |exports| final_library(index, exports, against, session);
            exports.map(link).transpose()
        })?;
        for library in linked.into_iter().flatten() {
            let soname = group.libraries[library.index].soname.clone();
            done.objects.insert(soname, library.object);
            done.files.insert(library.index, library.file);
            needs = union([needs, library.needs]);
        }
        for index in ready {
            pending.remove(&index);
        }
    }
    Ok(done)
}

/// A library that will not change any more.
struct FinalLibrary {
    index: usize,
    /// In the working folder.
    file: Utf8PathBuf,
    /// In the store.
    object: StorePath,
    /// What it asks of lower ones.
    needs: Needs,
}

/// Links a library that exports just what is asked of it, and adds it to the store.
fn final_library(
    index: usize,
    exports: &BTreeSet<String>,
    against: &Against<'_>,
    session: &Session<'_>,
) -> Result<FinalLibrary, LinkError> {
    let group = against.group;
    let shared = &group.libraries[index];
    session.told(&shared.soname, || {
        let file = Utf8PathBuf::from(format!("final/{}", shared.soname));
        library(
            index,
            &Target {
                exports,
                output: &file,
            },
            against,
            session,
        )?;
        let needs = needs(group, &session.host(&file))?;
        let lower: Vec<_> = needs
            .iter()
            .map(|(library, names)| (&group.libraries[*library].soname, names))
            .collect();
        let key = ((&shared.soname, &shared.flags), (exports, lower));
        let object = StorePath::new(group.tools.key("orlop-library", key), &shared.soname);
        if !session.context.store.contains(&object)? {
            let staged = session.context.store.stage()?;
            let folder = staged.folder().join("lib");
            fs_err::create_dir_all(&folder)?;
            fs_err::copy(session.host(&file), folder.join(&shared.soname))?;
            add(staged, &object, session)?;
        }
        Ok(FinalLibrary {
            index,
            file,
            object,
            needs,
        })
    })
}

/// Pass D, and the only pass for programs without libraries.
fn link_apps(
    programs: &[Program<'_>],
    tools: &Tools,
    against: Option<&Against<'_>>,
    libraries: &BTreeMap<String, StorePath>,
    session: &Session<'_>,
) -> Result<Linked, LinkError> {
    let mut apps = BTreeMap::<String, (&App, Vec<(usize, &Program<'_>)>)>::new();
    for (index, program) in programs.iter().enumerate() {
        let (_, list) = apps
            .entry(program.app.id())
            .or_insert((program.app, Vec::new()));
        list.push((index, program));
    }
    let apps: Vec<_> = apps.into_iter().collect();
    let linked = session.parallel(&apps, |(id, (app, programs))| {
        let loaded: Vec<_> = against.map_or_else(Vec::new, |against| {
            let below = against.group.below(id).into_iter();
            let sonames = below.map(|index| &against.group.libraries[index].soname);
            sonames
                .filter_map(|soname| libraries.get(soname).cloned())
                .collect()
        });
        let of_app: Vec<_> = programs
            .iter()
            .map(|(_, program)| (program.name, program.link_set.clone()))
            .collect();
        let key = tools.key("orlop-linked", (of_app, &loaded));
        let path = StorePath::new(key, &format!("{}-{}-linked", app.name, app.version));
        if !session.context.store.contains(&path)? {
            session.told(&format!("{} {}", app.name, app.version), || {
                link_app(&path, programs, tools, against, session)
            })?;
        }
        Ok((id.clone(), path))
    })?;
    Ok(Linked {
        libraries: libraries.clone(),
        apps: linked.into_iter().collect(),
    })
}

fn link_app(
    path: &StorePath,
    programs: &[(usize, &Program<'_>)],
    tools: &Tools,
    against: Option<&Against<'_>>,
    session: &Session<'_>,
) -> Result<(), LinkError> {
    let staged = session.context.store.stage()?;
    let folder = staged.folder().join("bin");
    fs_err::create_dir_all(&folder)?;
    for (index, program) in programs {
        let output = Utf8PathBuf::from(format!("final/{path}-{index}"));
        let args = command::program(program, tools, against, &output, session);
        session.link(program.name, &output, args, &program.inputs())?;
        fs_err::copy(session.host(&output), folder.join(program.name))?;
    }
    add(staged, path, session)
}

/// Links a library.
fn library(
    index: usize,
    target: &Target<'_>,
    against: &Against<'_>,
    session: &Session<'_>,
) -> Result<(), LinkError> {
    let group = against.group;
    let shared = &group.libraries[index];
    let args = command::library(index, target, against, session)?;
    let users = group
        .programs
        .iter()
        .filter(|program| shared.users.contains(&program.app.id()));
    let inputs = users.flat_map(Program::inputs).collect();
    session.link(&shared.soname, target.output, args, &inputs)
}

/// Adds an object that refers to no other.
pub(crate) fn add(
    staged: orlop_store::Staged,
    path: &StorePath,
    session: &Session<'_>,
) -> Result<(), LinkError> {
    let isolation = session.context.runner.isolation();
    let registration = Registration {
        references: BTreeSet::new(),
        derivation: None,
        isolation,
    };
    Ok(session.context.store.add(staged, path, &registration)?)
}

/// Reads what a linked file needs of the group's libraries: each has its own version node.
fn needs(group: &Group<'_>, file: &Utf8Path) -> Result<Needs, LinkError> {
    let nodes: BTreeMap<&str, usize> = group
        .libraries
        .iter()
        .enumerate()
        .map(|(index, shared)| (shared.node.as_str(), index))
        .collect();
    let mut needs = Needs::new();
    for (name, version) in Object::read(file)?.undefined_versioned() {
        if let Some(index) = nodes.get(version.name.as_str()) {
            needs.entry(*index).or_default().insert(name.to_owned());
        }
    }
    Ok(needs)
}

fn union(all: impl IntoIterator<Item = Needs>) -> Needs {
    let mut union = Needs::new();
    for (index, names) in all.into_iter().flatten() {
        union.entry(index).or_default().extend(names);
    }
    union
}

/// Returns the pairs of libraries of which the first may need the second.
fn may_need(group: &Group<'_>) -> BTreeSet<(usize, usize)> {
    let mut pairs = BTreeSet::new();
    for (upper, shared) in group.libraries.iter().enumerate() {
        let members = shared
            .members
            .iter()
            .filter_map(|key| group.members.get(key));
        let asked: BTreeSet<_> = members
            .flat_map(|member| member.symbols.undefined.keys())
            .collect();
        for lower in 0..upper {
            if asked
                .iter()
                .any(|name| group.libraries[lower].offered.contains(*name))
            {
                pairs.insert((upper, lower));
            }
        }
    }
    pairs
}
