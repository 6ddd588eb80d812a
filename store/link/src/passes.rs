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
//!
//! A program that is settled is not linked at all. A library from before gives all that it gave, so
//! that settled programs find what they found; it is only linked again when more is asked of it.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use orlop_loader::elf::Object;
use orlop_store::{Registration, Staged, StorePath};

use crate::App;
use crate::command::{self, Against, Target};
use crate::copies::Copies;
use crate::error::LinkError;
use crate::group::Group;
use crate::input::Program;
use crate::record::{RecordedApp, RecordedGroup, RecordedLibrary};
use crate::session::Session;
use crate::tools::Tools;
use crate::views::New;

/// Links programs of their own, without libraries.
pub(crate) fn alone(
    programs: &[Program<'_>],
    tools: &Tools,
    session: &Session<'_>,
) -> Result<RecordedGroup, LinkError> {
    let all = programs.iter().enumerate().collect();
    let none = vec![Needs::new(); programs.len()];
    let apps = link_apps(all, &none, tools, None, session)?;
    Ok(RecordedGroup {
        libraries: Vec::new(),
        apps,
    })
}

/// Links a group's libraries and programs.
pub(crate) fn together(
    group: &Group<'_>,
    session: &Session<'_>,
) -> Result<RecordedGroup, LinkError> {
    let copies = Copies::new(group, session)?;
    let unsettled = group.unsettled();
    let rough = rough_libraries(group, &unsettled, &copies, session)?;
    let against = Against {
        group,
        copies: &copies,
        files: &rough,
    };
    let needs = rough_programs(&unsettled, &against, session)?;
    let done = final_libraries(&against, union(needs.iter().cloned()), session)?;
    let against = Against {
        group,
        copies: &copies,
        files: &done.files,
    };
    let mut apps = group.settled.clone();
    apps.extend(link_apps(
        unsettled,
        &needs,
        group.tools,
        Some(&against),
        session,
    )?);
    let libraries = done.libraries.into_values().collect();
    Ok(RecordedGroup { libraries, apps })
}

/// The final libraries, by their position.
#[derive(Debug, Default)]
struct Final {
    /// In the working folder.
    files: BTreeMap<usize, Utf8PathBuf>,
    libraries: BTreeMap<usize, RecordedLibrary>,
}

/// The names asked of each library.
type Needs = BTreeMap<usize, BTreeSet<String>>;

/// Pass A.
fn rough_libraries(
    group: &Group<'_>,
    unsettled: &[(usize, &Program<'_>)],
    copies: &Copies,
    session: &Session<'_>,
) -> Result<BTreeMap<usize, Utf8PathBuf>, LinkError> {
    let against = Against {
        group,
        copies,
        files: &BTreeMap::new(),
    };
    let below = unsettled
        .iter()
        .flat_map(|(_, program)| group.below(&program.app.id()));
    let indices: Vec<_> = below.collect::<BTreeSet<_>>().into_iter().collect();
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

/// Pass B: returns what each program needs.
fn rough_programs(
    unsettled: &[(usize, &Program<'_>)],
    against: &Against<'_>,
    session: &Session<'_>,
) -> Result<Vec<Needs>, LinkError> {
    let group = against.group;
    session.parallel(unsettled, |(index, program)| {
        let output = Utf8PathBuf::from(format!("rough/program-{index}"));
        let target = Target {
            exports: &group.given(*index),
            output: &output,
        };
        let args = command::program(program, group.tools, Some(against), &target, session)?;
        session.link(program.name, &output, args, &program.inputs())?;
        needs(group, &session.host(output))
    })
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
            let asked = needs.get(&index).cloned().unwrap_or_default();
            final_library(index, asked, against, session)
        })?;
        for (index, library) in ready.into_iter().zip(linked) {
            done.files.extend(library.file.map(|file| (index, file)));
            done.libraries.insert(index, library.recorded);
            needs = union([needs, library.needs]);
            pending.remove(&index);
        }
    }
    Ok(done)
}

/// A library that will not change any more.
struct FinalLibrary {
    /// In the working folder; none if nobody asks for anything in it.
    file: Option<Utf8PathBuf>,
    recorded: RecordedLibrary,
    /// What it asks of lower ones.
    needs: Needs,
}

/// Makes a library that exports what is asked of it, and all that it exported before.
fn final_library(
    index: usize,
    mut exports: BTreeSet<String>,
    against: &Against<'_>,
    session: &Session<'_>,
) -> Result<FinalLibrary, LinkError> {
    let group = against.group;
    let shared = &group.libraries[index];
    if shared.open {
        exports.clone_from(&shared.offered);
    }
    let file = Utf8PathBuf::from(format!("final/{}", shared.soname));
    if let Some(earlier) = &shared.earlier {
        exports.extend(earlier.exports.iter().cloned());
        if let Some(needs) = reusable(earlier, &exports, group, session)? {
            let file = keep(earlier, file, session)?;
            let recorded = earlier.clone();
            return Ok(FinalLibrary {
                file,
                recorded,
                needs,
            });
        }
    }
    let mut recorded = RecordedLibrary {
        soname: shared.soname.clone(),
        object: None,
        members: shared.recorded_members(group),
        flags: shared.flags.clone(),
        exports,
        needs: BTreeMap::new(),
    };
    if recorded.exports.is_empty() {
        let needs = Needs::new();
        return Ok(FinalLibrary {
            file: None,
            recorded,
            needs,
        });
    }
    let needs = session.told(&shared.soname, || {
        let target = Target {
            exports: &recorded.exports,
            output: &file,
        };
        library(index, &target, against, session)?;
        needs(group, &session.host(&file))
    })?;
    recorded.needs = named(&needs, group);
    recorded.object = Some(add_library(&recorded, &file, group.tools, session)?);
    Ok(FinalLibrary {
        file: Some(file),
        recorded,
        needs,
    })
}

/// Says what an earlier library asks of others, if it can stay as it is: it gives all that is
/// asked, and what it loads itself stays too.
fn reusable(
    earlier: &RecordedLibrary,
    exports: &BTreeSet<String>,
    group: &Group<'_>,
    session: &Session<'_>,
) -> Result<Option<Needs>, LinkError> {
    let there = match &earlier.object {
        Some(object) => session.context.store.contains(object)?,
        None => exports.is_empty(),
    };
    if !there || earlier.exports != *exports {
        return Ok(None);
    }
    let needs = earlier.needs.iter().map(|(soname, names)| {
        let mut libraries = group.libraries.iter();
        let index = libraries.position(|shared| shared.soname == *soname);
        index.map(|index| (index, names.clone()))
    });
    Ok(needs.collect())
}

/// Puts an earlier library where programs are linked against it.
fn keep(
    earlier: &RecordedLibrary,
    file: Utf8PathBuf,
    session: &Session<'_>,
) -> Result<Option<Utf8PathBuf>, LinkError> {
    let Some(object) = &earlier.object else {
        return Ok(None);
    };
    let stored = session.context.store.object(object);
    let bytes = fs_err::read(stored.join("lib").join(&earlier.soname))?;
    session.write(&file, &bytes)?;
    Ok(Some(file))
}

/// Adds a library to the store.
fn add_library(
    recorded: &RecordedLibrary,
    file: &Utf8Path,
    tools: &Tools,
    session: &Session<'_>,
) -> Result<StorePath, LinkError> {
    let RecordedLibrary {
        soname,
        flags,
        exports,
        needs,
        ..
    } = recorded;
    let key = ((soname, flags), (exports, needs));
    let object = StorePath::new(tools.key("orlop-library", key), soname);
    if !session.context.store.contains(&object)? {
        let staged = session.context.store.stage()?;
        let folder = staged.folder().join("lib");
        fs_err::create_dir_all(&folder)?;
        fs_err::copy(session.host(file), folder.join(soname))?;
        add(staged, &object, session)?;
    }
    Ok(object)
}

/// Pass D, and the only pass for programs without libraries. `needs` are what each program takes
/// from libraries.
fn link_apps(
    programs: Vec<(usize, &Program<'_>)>,
    needs: &[Needs],
    tools: &Tools,
    against: Option<&Against<'_>>,
    session: &Session<'_>,
) -> Result<BTreeMap<String, RecordedApp>, LinkError> {
    let mut apps = BTreeMap::<String, Linking<'_>>::new();
    for ((index, program), needs) in programs.into_iter().zip(needs) {
        let linking = apps.entry(program.app.id()).or_insert_with(|| Linking {
            app: program.app,
            programs: Vec::new(),
            needs: Needs::new(),
        });
        linking.programs.push((index, program));
        linking.needs = union([std::mem::take(&mut linking.needs), needs.clone()]);
    }
    let apps: Vec<_> = apps.into_iter().collect();
    let linked = session.parallel(&apps, |(id, linking)| {
        let below = against.map_or_else(Vec::new, |against| against.group.below(id));
        let (recorded, new) = linking.run(&below, tools, against, session)?;
        Ok(((id.clone(), recorded), new))
    })?;
    let (linked, new): (_, Vec<_>) = linked.into_iter().unzip();
    // All at once: what is added is written to disk before it counts, and that is waited for once.
    let new = new.into_iter().flatten().collect();
    session.context.store.add_all(new)?;
    Ok(linked)
}

/// An app on its way.
struct Linking<'a> {
    app: &'a App,
    programs: Vec<(usize, &'a Program<'a>)>,
    needs: Needs,
}

impl Linking<'_> {
    /// Links the app, unless the very same is there already; also returns what is new.
    fn run(
        &self,
        below: &[usize],
        tools: &Tools,
        against: Option<&Against<'_>>,
        session: &Session<'_>,
    ) -> Result<(RecordedApp, Option<New>), LinkError> {
        let programs = self.app.link_sets();
        let sonames: Vec<_> = against.map_or_else(Vec::new, |against| {
            let libraries = &against.group.libraries;
            below
                .iter()
                .map(|&index| &libraries[index].soname)
                .collect()
        });
        let needs = against.map_or_else(BTreeMap::new, |against| named(&self.needs, against.group));
        let key = tools.key("orlop-linked", (&programs, (sonames, needs)));
        let name = format!("{}-{}-linked", self.app.name, self.app.version);
        let object = StorePath::new(key, &name);
        let new = if session.context.store.contains(&object)? {
            None
        } else {
            let name = format!("{} {}", self.app.name, self.app.version);
            let staged = session.told(&name, || self.link(&object, tools, against, session))?;
            Some((staged, object.clone(), bare(session)))
        };
        let recorded = RecordedApp {
            programs,
            object,
            libraries: below.len(),
        };
        Ok((recorded, new))
    }

    fn link(
        &self,
        object: &StorePath,
        tools: &Tools,
        against: Option<&Against<'_>>,
        session: &Session<'_>,
    ) -> Result<Staged, LinkError> {
        let staged = session.context.store.stage()?;
        let folder = staged.folder().join(self.app.folder());
        fs_err::create_dir_all(&folder)?;
        for (index, program) in &self.programs {
            let output = Utf8PathBuf::from(format!("final/{object}-{index}"));
            let target = Target {
                exports: &against.map_or_else(BTreeSet::new, |against| against.group.given(*index)),
                output: &output,
            };
            let args = command::program(program, tools, against, &target, session)?;
            session.link(program.name, &output, args, &program.inputs())?;
            fs_err::copy(session.host(&output), folder.join(program.name))?;
        }
        Ok(staged)
    }
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
    let members = shared
        .members
        .iter()
        .filter_map(|key| group.members.get(key));
    let parts = members.flat_map(|member| &member.parts);
    let inputs = parts
        .map(|part| &part.place.object)
        .chain([&group.tools.identity.compiler]);
    let inputs = inputs.cloned().collect();
    session.link(&shared.soname, target.output, args, &inputs)
}

/// Adds an object that refers to no other.
pub(crate) fn add(
    staged: Staged,
    path: &StorePath,
    session: &Session<'_>,
) -> Result<(), LinkError> {
    Ok(session.context.store.add(staged, path, &bare(session))?)
}

/// What is known of an object that refers to no other.
fn bare(session: &Session<'_>) -> Registration {
    Registration {
        references: BTreeSet::new(),
        derivation: None,
        isolation: session.context.runner.isolation(),
    }
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

/// Names the libraries.
fn named(needs: &Needs, group: &Group<'_>) -> BTreeMap<String, BTreeSet<String>> {
    let needs = needs.iter();
    needs
        .map(|(index, names)| (group.libraries[*index].soname.clone(), names.clone()))
        .collect()
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
