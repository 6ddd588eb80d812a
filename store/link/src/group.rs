//! [`Group`]: programs that share libraries, and the libraries between them.

use std::collections::{BTreeMap, BTreeSet};

use orlop_store::{Digest, StorePath, content_hash};
use serde::{Deserialize, Serialize};

use crate::error::LinkError;
use crate::input::{self, Program};
use crate::line::{STD, Unread};
use crate::link_set::Item;
use crate::members::{Member, Place, Symbols};
use crate::partition::{self, Library, Previous, Redrawn, Split};
use crate::record::{RecordedApp, RecordedGroup, RecordedLibrary, RecordedMember};
use crate::references::{self, Outside, References};
use crate::session::Session;
use crate::tools::{Libraries, Tools};
use crate::{Linkage, Role};

/// The programs of one compiler and one linkage.
pub(crate) struct Group<'a> {
    pub(crate) tools: &'a Tools,
    pub(crate) programs: Vec<Program<'a>>,
    /// What each program's own objects define and ask for.
    pub(crate) own: Vec<Symbols>,
    /// The apps whose binaries stay as they are, by their ids.
    pub(crate) settled: BTreeMap<String, RecordedApp>,
    /// All members, by what identifies them.
    pub(crate) members: BTreeMap<Digest, Member>,
    /// The libraries: each needs only those before it.
    pub(crate) libraries: Vec<Shared>,
    /// What library each member is in.
    pub(crate) library_of: BTreeMap<Digest, usize>,
    /// The objects of plugins that are left out: what they define, the host defines for all.
    pub(crate) left_out: BTreeSet<Place>,
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
    /// Whether it gives away all that it defines: plugins come later.
    pub(crate) open: bool,
    /// What it was when apps that are not linked again were linked against it.
    pub(crate) earlier: Option<RecordedLibrary>,
}

/// What a library is linked with, beside its members: what its users' own command lines agree on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Flags {
    /// Flags of the machine: `-m64`.
    pub(crate) machine: Vec<String>,
    /// The strongest stripping that all of them ask for.
    pub(crate) strip: Option<String>,
    /// Folders of the C tools to search.
    pub(crate) folders: Vec<String>,
    /// Libraries to search for.
    pub(crate) libraries: Vec<String>,
}

impl<'a> Group<'a> {
    /// Reads all programs' objects and draws the borders, `before` being those drawn before.
    pub(crate) fn draw(
        programs: Vec<Program<'a>>,
        tools: &'a Tools,
        linkage: Linkage,
        before: &RecordedGroup,
        session: &Session<'_>,
    ) -> Result<Self, LinkError> {
        let members = read_members(&programs, before, session)?;
        let own = session.parallel(&programs, |program| program.symbols(session))?;
        let outside = outside(&programs, session)?;
        let views: Vec<_> = programs
            .iter()
            .zip(&own)
            .map(|(program, own)| references::Program {
                own,
                members: keys(program),
            })
            .collect();
        let references = References::new(&views, &members, &outside);
        let open = open_members(&programs, &members);
        let mut nodes = references.nodes();
        for key in &open {
            nodes.entry(*key).or_default().open = true;
        }
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
        let previous = previous(before, &programs);
        let Redrawn { libraries, settled } = partition::redraw(&nodes, &apps, split, &previous);
        let settled = settled.into_keys().filter_map(|id| {
            let app = before.apps.get(&id)?.clone();
            Some((id, app))
        });
        let settled = settled.collect();
        let mut library_of = BTreeMap::new();
        for (index, library) in libraries.iter().enumerate() {
            library_of.extend(library.members.iter().map(|member| (*member, index)));
        }
        if let Some(closed) = open.iter().find(|key| !library_of.contains_key(*key)) {
            let member = members.get(closed).map(|member| member.name.clone());
            return Err(LinkError::NotOpen {
                member: member.unwrap_or_default(),
            });
        }
        let libraries = libraries.into_iter().map(|library| {
            let earlier = library.kept.and_then(|index| before.libraries.get(index));
            let flags = if let Some(earlier) = earlier {
                earlier.flags.clone()
            } else {
                let users = programs.iter().filter(|program| library.has_user(program));
                Flags::of(users, &outside.libraries)
            };
            let mut shared = Shared::new(library, flags, &references, tools, &members);
            if shared.members.iter().any(|key| open.contains(key)) {
                shared.give_everything(&members);
            }
            if let Some(earlier) = earlier {
                shared.offered.extend(earlier.exports.iter().cloned());
                shared.earlier = Some(earlier.clone());
            }
            shared
        });
        let libraries = libraries.collect();
        drop(references);
        let left_out = left_out(&programs, &own, session)?;
        Ok(Self {
            tools,
            programs,
            own,
            settled,
            members,
            libraries,
            library_of,
            left_out,
        })
    }

    /// Returns the libraries that an app may load, uppermost first: those that have something it
    /// uses, and all that these may need.
    pub(crate) fn below(&self, app: &str) -> Vec<usize> {
        let used = |shared: &Shared| shared.users.contains(app);
        let highest = self.libraries.iter().rposition(used);
        highest.map_or_else(Vec::new, |highest| (0..=highest).rev().collect())
    }

    /// Returns the programs that have to be linked, with their positions.
    pub(crate) fn unsettled(&self) -> Vec<(usize, &Program<'a>)> {
        let programs = self.programs.iter().enumerate();
        programs
            .filter(|(_, program)| !self.settled.contains_key(&program.app.id()))
            .collect()
    }

    /// Returns the names that libraries may ask of a program: all that any of their crates asks
    /// for, so that a library can grow under a program that stays.
    pub(crate) fn given(&self, program: usize) -> BTreeSet<String> {
        if self.programs[program].app.role == Role::Plugin {
            // Its host has given it all already.
            return BTreeSet::new();
        }
        let own = &self.own[program].defined;
        let below = self.below(&self.programs[program].app.id()).into_iter();
        let members = below.flat_map(|index| &self.libraries[index].members);
        let members = members.filter_map(|key| self.members.get(key));
        let asked = members.flat_map(|member| member.symbols.undefined.keys());
        asked
            .filter(|name| own.contains_key(*name) && references::is_plain(name))
            .cloned()
            .collect()
    }
}

impl Library {
    fn has_user(&self, program: &Program<'_>) -> bool {
        self.users.contains(&program.app.id())
    }
}

impl Shared {
    fn new(
        library: Library,
        flags: Flags,
        references: &References<'_>,
        tools: &Tools,
        members: &BTreeMap<Digest, Member>,
    ) -> Self {
        let Library {
            members: keys,
            users,
            kept: _,
        } = library;
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
            open: false,
            earlier: None,
        }
    }

    /// Makes it offer every name that can be seen, to whoever comes later.
    fn give_everything(&mut self, members: &BTreeMap<Digest, Member>) {
        self.open = true;
        let members = self.members.iter().filter_map(|key| members.get(key));
        let names = members.flat_map(|member| &member.symbols.defined);
        let names = names.filter(|(name, hidden)| !**hidden && references::is_plain(name));
        self.offered.extend(names.map(|(name, _)| name.clone()));
    }

    /// Returns its members as they are recorded.
    pub(crate) fn recorded_members(&self, group: &Group<'_>) -> Vec<RecordedMember> {
        let members = self.members.iter().filter_map(|key| {
            let member = group.members.get(key)?;
            Some(RecordedMember::new(*key, &member.name, &member.parts))
        });
        members.collect()
    }
}

/// Returns the borders drawn before as far as they still count.
fn previous(before: &RecordedGroup, programs: &[Program<'_>]) -> Previous {
    let libraries = before.libraries.iter().map(|library| {
        let members = library.members.iter();
        members.filter_map(RecordedMember::key).collect()
    });
    let apps = before.apps.iter().filter(|(id, recorded)| {
        let mut programs = programs.iter();
        let same = |program: &Program<'_>| {
            program.app.id() == **id && program.app.link_sets() == recorded.programs
        };
        programs.any(same)
    });
    Previous {
        libraries: libraries.collect(),
        apps: apps.map(|(id, app)| (id.clone(), app.libraries)).collect(),
        fixed: programs
            .iter()
            .any(|program| program.app.role == Role::Plugin),
    }
}

impl Flags {
    /// Collects those of `programs`, but for the libraries `elsewhere`.
    fn of<'a>(
        programs: impl Iterator<Item = &'a Program<'a>>,
        elsewhere: &BTreeSet<String>,
    ) -> Self {
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
                    Item::SearchPath {
                        folder,
                        object: None,
                    } => add_new(&mut flags.folders, folder.to_string()),
                    // Two apps may have different libraries by one name in the store, so what
                    // needs one of those stays in the binaries.
                    Item::Library { name } if !elsewhere.contains(name) => {
                        add_new(&mut flags.libraries, name.clone());
                    }
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

/// Returns the members that hosts have in common with their plugins: the crates they say, and the
/// compiler's own.
fn open_members(programs: &[Program<'_>], members: &BTreeMap<Digest, Member>) -> BTreeSet<Digest> {
    let mut open = BTreeSet::new();
    for program in programs {
        let Role::Host { open: libraries } = &program.app.role else {
            continue;
        };
        let in_common = |key: &Digest| {
            members.get(key).is_some_and(|member| {
                let objects = member.parts.iter().map(|part| &part.place.object);
                member.name == STD || objects.into_iter().any(|object| libraries.contains(object))
            })
        };
        open.extend(keys(program).into_iter().filter(in_common));
    }
    open
}

/// Returns the objects of plugins that define nothing that their host does not define as well: the
/// shim through which all crates of a process reach one allocator.
fn left_out(
    programs: &[Program<'_>],
    own: &[Symbols],
    session: &Session<'_>,
) -> Result<BTreeSet<Place>, LinkError> {
    let mut left_out = BTreeSet::new();
    let with_own = || programs.iter().zip(own);
    let hosts: Vec<_> = with_own()
        .filter(|(program, _)| matches!(program.app.role, Role::Host { .. }))
        .map(|(_, own)| &own.defined)
        .collect();
    let plugins = programs
        .iter()
        .filter(|program| program.app.role == Role::Plugin);
    for place in plugins.flat_map(Program::own) {
        if place.file.extension() != Some("o") {
            continue;
        }
        let defined = input::symbols(&place, session)?.defined;
        let in_hosts = |name: &String| hosts.iter().all(|host| host.contains_key(name));
        if !defined.is_empty() && defined.keys().all(in_hosts) {
            left_out.insert(place);
        }
    }
    Ok(left_out)
}

/// Returns what identifies a program's members, in order.
fn keys(program: &Program<'_>) -> Vec<Digest> {
    program
        .line
        .members
        .iter()
        .map(|member| member.key)
        .collect()
}

/// Reads every member once: those of the programs, and those of earlier libraries that are still
/// there.
fn read_members(
    programs: &[Program<'_>],
    before: &RecordedGroup,
    session: &Session<'_>,
) -> Result<BTreeMap<Digest, Member>, LinkError> {
    let mut first = BTreeMap::new();
    for (index, program) in programs.iter().enumerate() {
        for (position, member) in program.line.members.iter().enumerate() {
            first.entry(member.key).or_insert((index, position));
        }
    }
    let mut unread: BTreeMap<Digest, Unread> = first
        .into_iter()
        .map(|(key, (index, position))| (key, programs[index].line.members[position].clone()))
        .collect();
    for member in before.libraries.iter().flat_map(|library| &library.members) {
        let Some(key) = member.key().filter(|key| !unread.contains_key(key)) else {
            continue;
        };
        let objects = member.parts.iter().map(|part| part.place.object.clone());
        if session
            .context
            .store
            .missing(&objects.collect())?
            .is_empty()
        {
            let (name, parts) = (member.name.clone(), member.parts.clone());
            unread.insert(key, Unread { name, key, parts });
        }
    }
    let unread: Vec<_> = unread.into_values().collect();
    let members = session.parallel(&unread, |unread| Ok((unread.key, unread.read(session)?)))?;
    Ok(members.into_iter().collect())
}

/// Returns every name that a library from outside defines.
fn outside(programs: &[Program<'_>], session: &Session<'_>) -> Result<Outside, LinkError> {
    let items = || programs.iter().flat_map(|program| program.line.set.items());
    let names: BTreeSet<_> = items()
        .filter_map(|item| match item {
            Item::Library { name } => Some(name.as_str()),
            _ => None,
        })
        .collect();
    let folders = search_folders(items(), session);
    let in_store = |name: &str| {
        let files = [format!("lib{name}.so"), format!("lib{name}.a")];
        let mut paths = folders
            .iter()
            .flat_map(|folder| files.iter().map(move |file| folder.join(file)));
        paths.any(|path| path.exists())
    };
    let (stored, others): (BTreeSet<_>, BTreeSet<_>) =
        names.iter().copied().partition(|name| in_store(name));
    let libraries = stored.into_iter().map(str::to_owned).collect();
    // The C tools may have another library by the name of one of the store.
    let system = Libraries::of(session.context).names(others)?;
    let native = Libraries::default().behind(folders.clone()).names(names)?;
    Ok(Outside {
        libraries,
        native: native.difference(&system).cloned().collect(),
        system,
    })
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
