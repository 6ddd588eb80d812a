//! [`Group`]: programs that share libraries, and the libraries between them.

use std::collections::{BTreeMap, BTreeSet};

use orlop_store::{Digest, StorePath, content_hash};

use crate::Linkage;
use crate::error::LinkError;
use crate::input::Program;
use crate::link_set::Item;
use crate::members::Member;
use crate::partition::{self, Library, Split};
use crate::references::{self, References};
use crate::session::Session;
use crate::tools::{Libraries, Tools};

/// The programs of one compiler and one linkage.
pub(crate) struct Group<'a> {
    pub(crate) tools: &'a Tools,
    pub(crate) programs: Vec<Program<'a>>,
    /// All members, by what identifies them.
    pub(crate) members: BTreeMap<Digest, Member>,
    /// The libraries: each needs only those before it.
    pub(crate) libraries: Vec<Shared>,
    /// What library each member is in.
    pub(crate) library_of: BTreeMap<Digest, usize>,
}

/// A library between programs.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The name it is loaded by: a key over its members and the linker.
    pub(crate) soname: String,
    /// Its version node, as unique as its name.
    pub(crate) node: String,
    /// Its members.
    pub(crate) members: Vec<Digest>,
    /// The apps that use one of them.
    pub(crate) users: BTreeSet<String>,
    /// The names it may have to give to others.
    pub(crate) offered: BTreeSet<String>,
    /// What it is linked with.
    pub(crate) flags: Flags,
}

/// What a library is linked with, beside its members: what its users' own command lines agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flags {
    /// Flags of the machine: `-m64`.
    pub(crate) machine: Vec<String>,
    /// The strongest stripping that all of them ask for.
    pub(crate) strip: Option<String>,
    /// Folders to search; those of a store object are relative to it.
    pub(crate) folders: Vec<(Option<StorePath>, String)>,
    /// Libraries to search for.
    pub(crate) libraries: Vec<String>,
}

impl<'a> Group<'a> {
    /// Reads all programs' objects and draws the borders.
    pub(crate) fn draw(
        programs: Vec<Program<'a>>,
        tools: &'a Tools,
        linkage: Linkage,
        session: &Session<'_>,
    ) -> Result<Self, LinkError> {
        let members = read_members(&programs, session)?;
        let own = session.parallel(&programs, |program| program.symbols(session))?;
        let system = system_names(&programs, session)?;
        let views: Vec<_> = programs
            .iter()
            .zip(&own)
            .map(|(program, own)| references::Program {
                own,
                members: keys(program),
            })
            .collect();
        let references = References::new(&views, &members, &system);
        let mut apps = BTreeMap::<String, BTreeSet<Digest>>::new();
        for program in &programs {
            apps.entry(program.app.id())
                .or_default()
                .extend(keys(program));
        }
        let split = match linkage {
            Linkage::Crate => Split::Everywhere,
            Linkage::Static | Linkage::Shared => Split::Cheapest,
        };
        let libraries = partition::draw(&references.nodes(), &apps, split);
        let mut library_of = BTreeMap::new();
        for (index, library) in libraries.iter().enumerate() {
            library_of.extend(library.members.iter().map(|member| (*member, index)));
        }
        let libraries = libraries
            .into_iter()
            .map(|library| Shared::new(library, &references, &members, &programs, tools))
            .collect();
        drop(references);
        Ok(Self {
            tools,
            programs,
            members,
            libraries,
            library_of,
        })
    }

    /// Returns the libraries that an app may load, uppermost first: those that have something it
    /// uses, and all that these may need.
    pub(crate) fn below(&self, app: &str) -> Vec<usize> {
        let used = |shared: &Shared| shared.users.contains(app);
        let highest = self.libraries.iter().rposition(used);
        highest.map_or_else(Vec::new, |highest| (0..=highest).rev().collect())
    }
}

impl Shared {
    fn new(
        library: Library,
        references: &References<'_>,
        members: &BTreeMap<Digest, Member>,
        programs: &[Program<'_>],
        tools: &Tools,
    ) -> Self {
        let Library {
            members: keys,
            users,
        } = library;
        let flags = Flags::of(
            programs
                .iter()
                .filter(|program| users.contains(&program.app.id())),
        );
        let inside: BTreeSet<_> = keys.iter().copied().collect();
        let key = tools.key("orlop-library-name", (&keys, &flags)).to_string();
        let key = &key[..16];
        let label = match &keys[..] {
            [only] => members.get(only).map_or("crates", |member| &member.name),
            _ => "crates",
        };
        Self {
            soname: format!("lib{label}-{key}.so"),
            node: format!("ORLOP_{key}"),
            offered: references.offered(&inside),
            members: keys,
            users,
            flags,
        }
    }
}

impl Flags {
    fn of<'a>(programs: impl Iterator<Item = &'a Program<'a>>) -> Self {
        let mut flags = Self {
            machine: Vec::new(),
            strip: None,
            folders: Vec::new(),
            libraries: Vec::new(),
        };
        let mut strip = Vec::new();
        for program in programs {
            let set = &program.line.set;
            for flag in set.flags().filter(|flag| flag.starts_with("-m")) {
                add_new(&mut flags.machine, flag.to_owned());
            }
            strip.push(Strip::of(set.flags()));
            for item in set.items() {
                match item {
                    Item::SearchPath { folder, object } => {
                        add_new(&mut flags.folders, (object.clone(), folder.to_string()));
                    }
                    Item::Library { name } => add_new(&mut flags.libraries, name.clone()),
                    _ => {}
                }
            }
        }
        flags.strip = strip
            .into_iter()
            .min()
            .and_then(Strip::flag)
            .map(str::to_owned);
        flags
    }
}

fn add_new<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

/// What is left out of a linked file, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strip {
    Nothing,
    Debug,
    All,
}

impl Strip {
    fn of<'a>(flags: impl Iterator<Item = &'a str>) -> Self {
        let words = flags.flat_map(|flag| flag.strip_prefix("-Wl,").unwrap_or(flag).split(','));
        let strips = words.map(|word| match word {
            "--strip-all" | "-s" => Self::All,
            "--strip-debug" | "-S" => Self::Debug,
            _ => Self::Nothing,
        });
        strips.max().unwrap_or(Self::Nothing)
    }

    fn flag(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Debug => Some("-Wl,--strip-debug"),
            Self::All => Some("-Wl,--strip-all"),
        }
    }
}

content_hash!(Flags {
    machine,
    strip,
    folders,
    libraries
});

/// Returns what identifies a program's members, in order.
fn keys(program: &Program<'_>) -> Vec<Digest> {
    program
        .line
        .members
        .iter()
        .map(|member| member.key)
        .collect()
}

/// Reads every member once.
fn read_members(
    programs: &[Program<'_>],
    session: &Session<'_>,
) -> Result<BTreeMap<Digest, Member>, LinkError> {
    let mut first = BTreeMap::new();
    for (index, program) in programs.iter().enumerate() {
        for (position, member) in program.line.members.iter().enumerate() {
            first.entry(member.key).or_insert((index, position));
        }
    }
    let first: Vec<_> = first.into_iter().collect();
    let members = session.parallel(&first, |(key, (index, position))| {
        Ok((*key, programs[*index].member(*position, session)?))
    })?;
    Ok(members.into_iter().collect())
}

/// Returns every name that a library from outside defines.
fn system_names(
    programs: &[Program<'_>],
    session: &Session<'_>,
) -> Result<BTreeSet<String>, LinkError> {
    let items = || programs.iter().flat_map(|program| program.line.set.items());
    let names: BTreeSet<_> = items()
        .filter_map(|item| match item {
            Item::Library { name } => Some(name.as_str()),
            _ => None,
        })
        .collect();
    Libraries::of(session.context)
        .behind(search_folders(items(), session))
        .names(names)
}

/// Returns the folders of the store, on the host, that items have searched.
pub(crate) fn search_folders<'a>(
    items: impl Iterator<Item = &'a Item>,
    session: &Session<'_>,
) -> Vec<camino::Utf8PathBuf> {
    let folders = items.filter_map(|item| match item {
        Item::SearchPath {
            folder,
            object: Some(object),
        } => Some((object, folder)),
        _ => None,
    });
    let folders: BTreeSet<(&StorePath, _)> = folders.collect();
    folders
        .into_iter()
        .map(|(object, folder)| session.context.store.object(object).join(folder))
        .collect()
}
