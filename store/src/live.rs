//! Why objects are alive: [`Root`], and what running programs use.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};
use rayon::prelude::*;
use serde::Serialize;

use crate::disk;
use crate::error::StoreError;
use crate::path::StorePath;
use crate::profile;
use crate::store::Store;

/// What keeps an object alive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Root {
    /// A name in `roots`.
    Named {
        /// The name: `compilers/1.95.0`.
        name: String,
    },
    /// The view of an app of a generation.
    App {
        /// The profile.
        profile: String,
        /// The generation.
        number: u64,
        /// The app.
        app: String,
    },
    /// What a generation keeps to link the next one from.
    Link {
        /// The profile.
        profile: String,
        /// The generation.
        number: u64,
        /// The app that is linked from it, if it is one's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        app: Option<String>,
    },
    /// A running program that was started from the object or has a file of it mapped.
    Process {
        /// Its number.
        number: u32,
    },
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named { name } => write!(f, "the root {name}"),
            Self::App {
                profile,
                number,
                app,
            } => write!(f, "{app} in generation {number} of {profile}"),
            Self::Link {
                profile,
                number,
                app,
            } => {
                let app = app.as_ref().map(|app| format!("{app} of "));
                let app = app.unwrap_or_default();
                write!(f, "linking anew {app}generation {number} of {profile}")
            }
            Self::Process { number } => write!(f, "the running process {number}"),
        }
    }
}

/// Generations by profile and number.
pub(crate) type Generations = BTreeSet<(String, u64)>;

/// Which roots count.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rule {
    /// Generations that do not.
    pub(crate) without: Generations,
    /// Whether only current generations keep what is needed for linking.
    pub(crate) drop_build_only: bool,
}

/// What is kept alive directly, and by what.
pub(crate) type Roots = BTreeMap<StorePath, BTreeSet<Root>>;

/// Returns what names, generations and running programs keep alive.
pub(crate) fn roots(store: &Store, rule: &Rule) -> Result<Roots, StoreError> {
    Ok(roots_and(store, rule, || Ok(()))?.0)
}

/// Returns the same and what `first` finds before names and generations are looked at. Meanwhile
/// others look at running programs: there are many, and it is the kernel that takes its time.
pub(crate) fn roots_and<T: Send>(
    store: &Store,
    rule: &Rule,
    first: impl FnOnce() -> Result<T, StoreError> + Send,
) -> Result<(Roots, T), StoreError> {
    let folder = store.folder();
    let (in_use, found) = rayon::join(
        || in_use(&folder),
        || first().and_then(|first| Ok((kept(store, rule)?, first))),
    );
    let (mut roots, first) = found?;
    for (path, numbers) in in_use? {
        let processes = numbers.into_iter().map(|number| Root::Process { number });
        roots.entry(path).or_default().extend(processes);
    }
    Ok((roots, first))
}

/// Returns all generations, complete or not.
pub(crate) fn generations(store: &Store) -> Result<Generations, StoreError> {
    let mut generations = Generations::new();
    for name in store.profiles()? {
        let numbers = store.profile(&name)?.numbers()?;
        generations.extend(numbers.into_iter().map(|number| (name.clone(), number)));
    }
    Ok(generations)
}

/// Returns what names and generations keep alive.
pub(crate) fn kept(store: &Store, rule: &Rule) -> Result<Roots, StoreError> {
    let mut roots = Roots::new();
    for (name, path) in store.roots()? {
        roots.entry(path).or_default().insert(Root::Named { name });
    }
    for name in store.profiles()? {
        let profile = store.profile(&name)?;
        let current = if rule.drop_build_only {
            profile.current_number()?
        } else {
            None
        };
        let skip = |number| rule.without.contains(&(name.clone(), number));
        for kept in profile::kept(&profile, &skip)? {
            let (profile, number) = (name.clone(), kept.number);
            let root = match kept.app {
                Some(app) if kept.is_view => Root::App {
                    profile,
                    number,
                    app,
                },
                _ if rule.drop_build_only && current != Some(number) => continue,
                app => Root::Link {
                    profile,
                    number,
                    app,
                },
            };
            roots.entry(kept.path).or_default().insert(root);
        }
    }
    Ok(roots)
}

/// Returns the objects that running processes of ours were started from or have files mapped of,
/// with the numbers of these processes. Others' processes cannot be looked into, and need not be:
/// they cannot have come by a path that only we know of.
pub(crate) fn in_use(folder: &Utf8Path) -> Result<BTreeMap<StorePath, BTreeSet<u32>>, StoreError> {
    let folder = folder
        .canonicalize_utf8()
        .unwrap_or_else(|_| folder.to_owned());
    let names = disk::names(Utf8Path::new("/proc"))?;
    let numbers: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    let buffer = || Vec::with_capacity(1 << 16);
    let used = numbers.par_iter().map_init(buffer, |maps, &number| {
        let objects = used_by(number, &folder, maps);
        objects.into_iter().map(|path| (path, number)).collect()
    });
    let used: Vec<Vec<_>> = used.collect();
    let mut by_object: BTreeMap<StorePath, BTreeSet<u32>> = BTreeMap::new();
    for (path, number) in used.into_iter().flatten() {
        by_object.entry(path).or_default().insert(number);
    }
    Ok(by_object)
}

/// Returns the objects that a process uses.
fn used_by(number: u32, folder: &Utf8Path, maps: &mut Vec<u8>) -> BTreeSet<StorePath> {
    let process = Utf8PathBuf::from(format!("/proc/{number}"));
    // It may end at any moment, or be another user's; the kernel's own have no program.
    let Ok(program) = fs_err::read_link(process.join("exe")) else {
        return BTreeSet::new();
    };
    let program = program.into_os_string().into_string().ok();
    let place = fs_err::read_link(process.join("cwd")).ok();
    let place = place.and_then(|path| path.into_os_string().into_string().ok());
    maps.clear();
    let read = fs_err::File::open(process.join("maps"));
    // What was read before it ended counts.
    drop(read.and_then(|file| file.into_parts().0.read_to_end(maps)));
    let maps = String::from_utf8_lossy(maps);
    let mapped = maps
        .lines()
        .filter_map(|line| line.find('/').map(|start| &line[start..]));
    let mut used = BTreeSet::new();
    let mut last = "";
    for path in mapped.chain(program.as_deref()).chain(place.as_deref()) {
        if path != last {
            used.extend(object_of(folder, path));
        }
        last = path;
    }
    used
}

/// Returns the object that a file is in.
pub(crate) fn object_of(folder: &Utf8Path, path: &str) -> Option<StorePath> {
    let inside = path.strip_prefix(folder.as_str())?.strip_prefix('/')?;
    inside.split('/').next()?.parse().ok()
}
