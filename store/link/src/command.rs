//! The command lines of the linker.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use crate::choice::Choice;
use crate::copies::Copies;
use crate::error::LinkError;
use crate::group::{Group, Shared};
use crate::input::Program;
use crate::line::Role;
use crate::link_set::Item;
use crate::members::Place;
use crate::session::Session;
use crate::tools::Tools;

/// The search path of every program: its view's own folder of libraries. Only `DT_RPATH` also
/// counts for what the libraries themselves need.
const SEARCH: &str = "-Wl,--disable-new-dtags,-rpath,$ORIGIN/../lib";
/// Compressed relocations.
const COMPRESS: &str = "-Wl,-z,pack-relative-relocs";

/// The libraries a program is linked against in place of its shared members.
pub(crate) struct Against<'a> {
    pub(crate) group: &'a Group<'a>,
    pub(crate) copies: &'a Copies,
    /// The libraries' files, relative to the working folder, by their position.
    pub(crate) files: &'a BTreeMap<usize, Utf8PathBuf>,
}

/// Returns the command line of a program: the recorded one, with the members that are in libraries
/// replaced by these.
pub(crate) fn program(
    program: &Program<'_>,
    tools: &Tools,
    against: Option<&Against<'_>>,
    target: &Target<'_>,
    session: &Session<'_>,
) -> Result<Vec<String>, LinkError> {
    let shared = |role: &Role| match (role, against) {
        (Role::Member(index), Some(against)) => against
            .group
            .library_of
            .contains_key(&program.line.members[*index].key),
        _ => false,
    };
    let choice = Choice::new(program, against, target, session)?;
    if let Some(contested) = choice.contested().filter(|_| !tools.tells_apart) {
        return Err(LinkError::Contested {
            program: program.name.to_owned(),
            symbol: contested.to_owned(),
        });
    }
    let last = program.line.roles.iter().rposition(shared);
    let mut args = Vec::new();
    for (position, item) in program.line.set.items().iter().enumerate() {
        if !shared(&program.line.roles[position]) {
            let link = Chosen {
                program,
                against,
                choice: &choice,
            };
            word(item, &link, session, &mut args);
        } else if let Some(against) = against.filter(|_| last == Some(position)) {
            let below = against.group.below(&program.app.id());
            args.extend(libraries(&below, against.files, session));
        }
    }
    args.extend(tools.linker.iter().cloned());
    args.push(SEARCH.to_owned());
    if against.is_some() && tools.compressed_relocations {
        args.push(COMPRESS.to_owned());
    }
    let Target { exports, output } = target;
    if !exports.is_empty() {
        let list = format!("{output}.given");
        session.write(Utf8Path::new(&list), dynamic_list(exports).as_bytes())?;
        args.push(format!("-Wl,--dynamic-list={}", session.seen(list)));
    }
    args.extend(choice.hide(output, session)?);
    Ok(args)
}

/// A program, and what it is linked with.
struct Chosen<'a> {
    program: &'a Program<'a>,
    against: Option<&'a Against<'a>>,
    choice: &'a Choice,
}

impl Chosen<'_> {
    /// Whether a file is not linked, as the host of a plugin has the same.
    fn left_out(&self, place: &Place) -> bool {
        let group = self.against.map(|against| against.group);
        group.is_some_and(|group| group.left_out.contains(place))
    }

    /// Returns the file to link for a place, as a job sees it: a copy if there is one.
    fn seen(&self, place: &Place, session: &Session<'_>) -> Utf8PathBuf {
        match (self.choice.copy(place, session), self.against) {
            (Some(copy), _) => copy,
            (None, Some(against)) => against.copies.seen(place, session),
            (None, None) => session.stored(&place.object, &place.file),
        }
    }
}

/// Adds the words of a recorded item.
fn word(item: &Item, link: &Chosen<'_>, session: &Session<'_>, args: &mut Vec<String>) {
    match item {
        Item::Library { name } => args.extend(link.choice.library(name)),
        Item::SearchPath { folder, object } => {
            let folder = match object {
                Some(object) => session.stored(object, folder),
                None => folder.clone(),
            };
            args.push(format!("-L{folder}"));
        }
        Item::Flag { text } => args.push(text.clone()),
        Item::Object { .. } | Item::Archive { .. } | Item::Stored { .. } | Item::File { .. } => {
            let before = match item {
                Item::File { before, .. } => before.as_str(),
                _ => "",
            };
            if let Some(place) = link
                .program
                .place(item)
                .filter(|place| !link.left_out(place))
            {
                let path = link.seen(&place, session);
                args.push(format!("{before}{path}"));
            }
        }
    }
}

/// Returns the words that name libraries, uppermost first.
fn libraries(
    below: &[usize],
    files: &BTreeMap<usize, Utf8PathBuf>,
    session: &Session<'_>,
) -> Vec<String> {
    let files = below.iter().filter_map(|library| files.get(library));
    let mut words = vec!["-Wl,--push-state,-Bdynamic,--as-needed".to_owned()];
    words.extend(files.map(|file| session.seen(file).into_string()));
    words.push("-Wl,--pop-state".to_owned());
    words
}

/// What a library or a program exports, and where it goes.
pub(crate) struct Target<'a> {
    pub(crate) exports: &'a BTreeSet<String>,
    /// The file, relative to the working folder.
    pub(crate) output: &'a Utf8Path,
}

/// Writes what a library's command line refers to, and returns the command line.
pub(crate) fn library(
    index: usize,
    target: &Target<'_>,
    against: &Against<'_>,
    session: &Session<'_>,
) -> Result<Vec<String>, LinkError> {
    let group = against.group;
    let shared = &group.libraries[index];
    let Target { exports, output } = target;
    let script = format!("{output}.version");
    let wanted = format!("{output}.wanted");
    session.write(
        Utf8Path::new(&script),
        version_script(shared, exports).as_bytes(),
    )?;
    session.write(Utf8Path::new(&wanted), wanted_script(exports).as_bytes())?;

    let mut args = shared.flags.machine.clone();
    args.extend(
        [
            "-shared",
            "-nodefaultlibs",
            "-Wl,--gc-sections,-Bsymbolic,-O1",
        ]
        .map(str::to_owned),
    );
    args.extend(["-Wl,--eh-frame-hdr", "-Wl,-z,noexecstack,-z,relro,-z,now"].map(str::to_owned));
    args.extend(shared.flags.strip.clone());
    args.extend(
        group
            .tools
            .compressed_relocations
            .then(|| COMPRESS.to_owned()),
    );
    args.push(format!("-Wl,-soname={}", shared.soname));
    args.push(format!("-Wl,--version-script={}", session.seen(script)));
    args.push(session.seen(wanted).into_string());
    args.extend(archives(shared, against, session));
    let below: Vec<_> = (0..index).rev().collect();
    args.extend(libraries(&below, against.files, session));
    args.push("-Wl,--as-needed".to_owned());
    let folders = shared.flags.folders.iter();
    args.extend(folders.map(|folder| format!("-L{folder}")));
    args.extend(
        shared
            .flags
            .libraries
            .iter()
            .map(|name| format!("-l{name}")),
    );
    args.extend(group.tools.linker.iter().cloned());
    Ok(args)
}

/// Returns the words that name a library's archives. They may need each other either way.
fn archives(shared: &Shared, against: &Against<'_>, session: &Session<'_>) -> Vec<String> {
    let mut words = vec!["-Wl,--start-group".to_owned()];
    let members = shared
        .members
        .iter()
        .filter_map(|key| against.group.members.get(key));
    for part in members.flat_map(|member| &member.parts) {
        let file = against.copies.seen(&part.place, session).into_string();
        if part.whole {
            words.extend(["-Wl,--whole-archive".to_owned(), file]);
            words.push("-Wl,--no-whole-archive".to_owned());
        } else {
            words.push(file);
        }
    }
    for place in builtins(against.group) {
        words.push(session.stored(&place.object, &place.file).into_string());
    }
    words.push("-Wl,--end-group".to_owned());
    words
}

/// Returns the archives of the compiler's helper functions: all programs have the same.
fn builtins(group: &Group<'_>) -> Vec<Place> {
    let Some(program) = group.programs.first() else {
        return Vec::new();
    };
    let items = program.line.set.items().iter().zip(&program.line.roles);
    let items = items.filter(|(_, role)| **role == Role::Builtins);
    items.filter_map(|(item, _)| program.place(item)).collect()
}

/// Everything exported is under one node, which no other library has.
fn version_script(shared: &Shared, exports: &BTreeSet<String>) -> String {
    let mut text = format!("{} {{\n", shared.node);
    if !exports.is_empty() {
        text.push_str("global:\n");
        for name in exports {
            text.extend(["\"", name, "\";\n"]);
        }
    }
    text.push_str("local: *;\n};\n");
    text
}

/// What a program gives to the libraries it loads.
fn dynamic_list(exports: &BTreeSet<String>) -> String {
    let mut text = "{\n".to_owned();
    for name in exports {
        text.extend(["\"", name, "\";\n"]);
    }
    text.push_str("};\n");
    text
}

/// Makes the linker take the objects that define what is exported out of the archives: what these
/// need in turn follows, as it does in a program.
fn wanted_script(exports: &BTreeSet<String>) -> String {
    let mut text = String::new();
    for name in exports {
        text.extend(["EXTERN(\"", name, "\")\n"]);
    }
    text
}
