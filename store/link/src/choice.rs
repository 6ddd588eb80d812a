//! [`Choice`]: which native library each crate of a program gets, where several have a name.
//!
//! Two crates of one program may be built against two versions of a C library, or one against a
//! shared library and the other with a copy of its own; or crates of other programs, in a library
//! that this one loads as well, have that copy. A linker looks `-lz` up in one list of
//! folders for all crates, and binds a name to the first definition it meets, whoever asks. So
//! where a name is defined more than once:
//!
//! - in copies of a crate's archives, what it asks of the library it was built against is asked by
//!   the library's version node: `inflate@ORLOP_…`;
//! - a library goes by its path instead of `-lz`;
//! - the program's own definitions are kept from preempting the library's.
//!
//! The libraries a crate was built against are those it refers to in the store.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use object::elf::ELFMAG;
use orlop_loader::elf::Object;
use orlop_store::StorePath;

use crate::command::{Against, Target};
use crate::error::LinkError;
use crate::input::{Program, symbols};
use crate::line::Role;
use crate::link_set::Item;
use crate::members::{Place, Symbols};
use crate::rename::rename;
use crate::session::Session;

/// What is linked otherwise than the recorded words say.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    /// Copies of archives and objects, relative to the working folder.
    copies: BTreeMap<Place, Utf8PathBuf>,
    /// The libraries in place of `-l` and a name, as a job sees them.
    libraries: BTreeMap<String, Vec<String>>,
    /// The names of the program's own that nobody else may see.
    hidden: BTreeSet<String>,
    /// A name that somebody asks one of several definers for.
    contested: Option<String>,
}

/// A shared library of the store that a program is linked with.
struct Library {
    object: StorePath,
    /// What follows `-l`.
    name: String,
    /// As a job sees it.
    seen: Utf8PathBuf,
    soname: String,
    /// What it defines, under which nodes.
    versions: BTreeMap<String, String>,
}

/// An archive or object that goes into a program's own binary.
struct Input {
    place: Place,
    /// The member it is part of; none for the program's own.
    member: Option<usize>,
    symbols: Symbols,
    /// What it was built against, all that this was built against included.
    reached: BTreeSet<StorePath>,
}

/// Who defines a name that somebody in a program asks for.
#[derive(Default)]
struct Definers<'a> {
    /// Libraries, by SONAME.
    libraries: BTreeMap<&'a str, &'a Library>,
    /// Members; none for the program itself.
    members: BTreeSet<Option<usize>>,
    /// Whether a crate does that the program does not have, in a library of ours that it loads.
    others: bool,
}

impl Definers<'_> {
    fn contested(&self) -> bool {
        !self.libraries.is_empty()
            && self.libraries.len() + self.members.len() + usize::from(self.others) > 1
    }
}

impl Choice {
    /// Chooses for a program.
    pub(crate) fn new(
        program: &Program<'_>,
        against: Option<&Against<'_>>,
        target: &Target<'_>,
        session: &Session<'_>,
    ) -> Result<Self, LinkError> {
        let libraries = libraries(program, session)?;
        if libraries.is_empty() {
            return Ok(Self::default());
        }
        let inputs = inputs(program, against, session)?;
        let mut definers = BTreeMap::<&str, Definers<'_>>::new();
        for library in &libraries {
            for name in library.versions.keys() {
                let definers = definers.entry(name).or_default();
                definers.libraries.insert(&library.soname, library);
            }
        }
        let own = inputs.iter().map(|input| (input.member, &input.symbols));
        for (member, symbols) in own.chain(in_libraries(program, against)) {
            let visible = symbols.defined.iter().filter(|(_, hidden)| !**hidden);
            for (name, _) in visible {
                if let Some(definers) = definers.get_mut(name.as_str()) {
                    definers.members.insert(member);
                }
            }
        }
        for name in of_others(program, against) {
            if let Some(definers) = definers.get_mut(name.as_str()) {
                definers.others = true;
            }
        }
        definers.retain(|_, definers| definers.contested());
        let hidden = definers.iter().filter(|(name, definers)| {
            !definers.members.is_empty() && !target.exports.contains(**name)
        });
        let mut choice = Self {
            copies: BTreeMap::new(),
            libraries: by_name(&libraries),
            hidden: hidden.map(|(name, _)| (*name).to_owned()).collect(),
            contested: None,
        };
        for (number, input) in inputs.iter().enumerate() {
            let asked = input.symbols.undefined.keys();
            let asked = asked.filter_map(|name| definers.get_key_value(name.as_str()));
            let mut versions = BTreeMap::new();
            for (name, definers) in asked {
                versions.extend(version(name, input, definers, program)?);
            }
            let Some((first, _)) = versions.first_key_value() else {
                continue;
            };
            choice.contested.get_or_insert_with(|| (*first).to_owned());
            let bytes = match against {
                Some(against) => against.copies.read(&input.place, session)?,
                None => session.read(&input.place)?,
            };
            let renamed = rename(&bytes, |symbol| {
                let version = versions.get(symbol.name).filter(|_| !symbol.defined)?;
                Some(format!("{}@{version}", symbol.name))
            });
            let renamed = renamed.map_err(|source| session.unreadable(&input.place, source))?;
            if let Some(bytes) = renamed {
                let ending = input.place.file.extension().unwrap_or_default();
                let copy = Utf8PathBuf::from(format!("{}.chosen/{number}.{ending}", target.output));
                session.write(&copy, &bytes)?;
                choice.copies.insert(input.place.clone(), copy);
            }
        }
        Ok(choice)
    }

    /// Returns a name that somebody asks one of several definers for, if there is one.
    pub(crate) fn contested(&self) -> Option<&str> {
        self.contested.as_deref()
    }

    /// Returns the copy that is linked in place of a file, as a job sees it.
    pub(crate) fn copy(&self, place: &Place, session: &Session<'_>) -> Option<Utf8PathBuf> {
        self.copies.get(place).map(|copy| session.seen(copy))
    }

    /// Returns the words for `-l` and a name.
    pub(crate) fn library(&self, name: &str) -> Vec<String> {
        let chosen = self.libraries.get(name).cloned();
        chosen.unwrap_or_else(|| vec![format!("-l{name}")])
    }

    /// Returns the word that hides the program's own names, whose list goes beside `output`.
    pub(crate) fn hide(
        &self,
        output: &Utf8Path,
        session: &Session<'_>,
    ) -> Result<Option<String>, LinkError> {
        if self.hidden.is_empty() {
            return Ok(None);
        }
        let script = format!("{output}.own");
        session.write(Utf8Path::new(&script), hiding(&self.hidden).as_bytes())?;
        Ok(Some(format!(
            "-Wl,--version-script={}",
            session.seen(script)
        )))
    }
}

/// Returns the node by which an input asks for a contested name, if not for one of the program's.
fn version<'a>(
    name: &'a str,
    input: &Input,
    definers: &Definers<'a>,
    program: &Program<'_>,
) -> Result<Option<(&'a str, &'a str)>, LinkError> {
    if definers.members.contains(&input.member) {
        return Ok(None);
    }
    let all = || definers.libraries.values().copied();
    let known: Vec<&Library> = all()
        .filter(|library| input.reached.contains(&library.object))
        .collect();
    let reaches = |member: usize| {
        let parts = &program.line.members[member].parts;
        parts
            .iter()
            .any(|part| input.reached.contains(&part.place.object))
    };
    let members = definers.members.iter().flatten();
    let bundled: Vec<usize> = members.copied().filter(|member| reaches(*member)).collect();
    match (&known[..], &bundled[..]) {
        ([only], []) => Ok(only.versions.get(name).map(|node| (name, node.as_str()))),
        ([], _) if !definers.members.is_empty() => Ok(None),
        // What crates of other programs define is not meant.
        ([], []) if definers.libraries.len() == 1 => Ok(all()
            .next()
            .and_then(|only| Some((name, only.versions.get(name)?.as_str())))),
        (known, bundled) => {
            let libraries =
                all().filter(|one| known.is_empty() || input.reached.contains(&one.object));
            let libraries = libraries.map(|library| library.soname.clone());
            let bundled = bundled
                .iter()
                .map(|member| &program.line.members[*member].name);
            let among: Vec<_> = libraries.chain(bundled.cloned()).collect();
            Err(LinkError::Ambiguous {
                program: program.name.to_owned(),
                symbol: name.to_owned(),
                file: input.place.file.clone(),
                definers: among.join("`, `"),
            })
        }
    }
}

/// Returns the libraries for each name after `-l` that more than one has.
fn by_name(libraries: &[Library]) -> BTreeMap<String, Vec<String>> {
    let mut by_name = BTreeMap::<&str, BTreeMap<&str, &Library>>::new();
    for library in libraries {
        let same = by_name.entry(&library.name).or_default();
        same.entry(&library.soname).or_insert(library);
    }
    by_name
        .into_iter()
        .filter(|(_, same)| same.len() > 1)
        .map(|(name, same)| {
            let seen = same.values().map(|library| library.seen.to_string());
            (name.to_owned(), seen.collect())
        })
        .collect()
}

/// Reads the shared libraries of the store that a program may be linked with.
fn libraries(program: &Program<'_>, session: &Session<'_>) -> Result<Vec<Library>, LinkError> {
    let items = || program.line.set.items().iter();
    let names: BTreeSet<&str> = items()
        .filter_map(|item| match item {
            Item::Library { name } => Some(name.as_str()),
            _ => None,
        })
        .collect();
    let folders = items().filter_map(|item| match item {
        Item::SearchPath {
            folder,
            object: Some(object),
        } => Some((object, folder)),
        _ => None,
    });
    let folders: BTreeSet<_> = folders.collect();
    let mut libraries = Vec::new();
    for (object, folder) in folders {
        for &name in &names {
            let file = folder.join(format!("lib{name}.so"));
            let path = session.context.store.object(object).join(&file);
            // A linker script may go by the name, too.
            if !path.is_file() || !fs_err::read(&path)?.starts_with(&ELFMAG) {
                continue;
            }
            let library = Object::read(&path)?;
            let versions = library
                .definitions()
                .filter(|symbol| !symbol.hidden_version);
            let versions = versions.filter_map(|symbol| {
                let version = symbol.version.as_ref()?;
                Some((symbol.name.clone(), version.name.clone()))
            });
            libraries.push(Library {
                object: object.clone(),
                name: name.to_owned(),
                seen: session.stored(object, &file),
                soname: library.name().to_owned(),
                versions: versions.collect(),
            });
        }
    }
    Ok(libraries)
}

/// Reads what goes into a program's own binary.
fn inputs(
    program: &Program<'_>,
    against: Option<&Against<'_>>,
    session: &Session<'_>,
) -> Result<Vec<Input>, LinkError> {
    let members = &program.line.members;
    let shared = |member: usize| {
        let key = &members[member].key;
        against.is_some_and(|against| against.group.library_of.contains_key(key))
    };
    let items = program.line.set.items().iter().zip(&program.line.roles);
    let places: BTreeMap<Place, Option<usize>> = items
        .filter_map(|(item, role)| match role {
            Role::Own => Some((program.place(item)?, None)),
            Role::Member(member) if !shared(*member) => Some((program.place(item)?, Some(*member))),
            _ => None,
        })
        .filter(|(place, _)| matches!(place.file.extension(), Some("o" | "a" | "rlib")))
        .collect();
    let places: Vec<_> = places.into_iter().collect();
    session.parallel(&places, |(place, member)| {
        let symbols = symbols(place, session)?;
        // An archive beside a crate was built against what the crate was built against.
        let parts = member.map_or(&[][..], |member| &members[member].parts);
        let crates = parts
            .iter()
            .filter(|part| part.place.object != *program.link_set);
        let mut roots: BTreeSet<_> = crates.map(|part| part.place.object.clone()).collect();
        if roots.is_empty() {
            roots.insert(place.object.clone());
        }
        Ok(Input {
            place: place.clone(),
            member: *member,
            symbols,
            reached: session.context.store.closure(&roots)?,
        })
    })
}

/// Returns the members that are in libraries of ours, and what they define.
fn in_libraries<'a>(
    program: &'a Program<'_>,
    against: Option<&'a Against<'_>>,
) -> impl Iterator<Item = (Option<usize>, &'a Symbols)> {
    let members = program.line.members.iter().enumerate();
    members.filter_map(move |(index, member)| {
        let group = against?.group;
        let shared = group.library_of.contains_key(&member.key);
        let member = group.members.get(&member.key).filter(|_| shared)?;
        Some((Some(index), &member.symbols))
    })
}

/// Returns the names that crates define which the program does not have, in libraries of ours that
/// it loads for others.
fn of_others<'a>(
    program: &'a Program<'_>,
    against: Option<&'a Against<'_>>,
) -> impl Iterator<Item = &'a String> {
    let own: BTreeSet<_> = program
        .line
        .members
        .iter()
        .map(|member| member.key)
        .collect();
    let group = against.map(|against| against.group);
    let keys = group.into_iter().flat_map(|group| {
        let below = group.below(&program.app.id()).into_iter();
        below.flat_map(move |index| &group.libraries[index].members)
    });
    let others = keys.filter(move |key| !own.contains(*key));
    let members = others.filter_map(move |key| group?.members.get(key));
    let defined = members.flat_map(|member| &member.symbols.defined);
    defined
        .filter(|(_, hidden)| !**hidden)
        .map(|(name, _)| name)
}

/// Returns a script that keeps a program's own names to itself. Written as patterns, because
/// linkers refuse a name that nobody defines, and not every archive's objects are linked.
fn hiding(names: &BTreeSet<String>) -> String {
    let mut text = "{\nlocal:\n".to_owned();
    let letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '$');
    for name in names.iter().filter(|name| name.chars().all(letter)) {
        let (first, rest) = name.split_at(name.len().min(1));
        text.extend(["[", first, "]", rest, ";\n"]);
    }
    text.push_str("};\n");
    text
}
