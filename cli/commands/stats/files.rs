//! How much room programs and libraries take: [`Files`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Compared, DiskStatistics, LibraryStatistics, Pair};

/// A file, whatever its names.
type Identity = (u64, u64);

/// The programs and libraries of all apps.
#[derive(Debug, Default)]
pub(super) struct Files {
    apps: BTreeMap<String, AppFiles>,
    /// Every file once, with its size.
    all: Compared<BTreeMap<Identity, u64>>,
}

#[derive(Debug, Default)]
struct AppFiles {
    programs: Compared<u64>,
    /// By name: the libraries of crates that it loads.
    libraries: BTreeMap<String, u64>,
}

impl Files {
    pub(super) fn of(pairs: &[Pair]) -> io::Result<Self> {
        let mut files = Self::default();
        for pair in pairs {
            let app = files.apps.entry(pair.app.clone()).or_default();
            let Compared {
                installed,
                r#static,
            } = &pair.path;
            app.programs.installed += add(installed, &mut files.all.installed)?;
            app.programs.r#static += add(r#static, &mut files.all.r#static)?;
            for library in libraries(&pair.path)? {
                let bytes = add(&library, &mut files.all.installed)?;
                let name = library.file_name().unwrap_or_default().to_owned();
                app.libraries.insert(name, bytes);
            }
        }
        Ok(files)
    }

    /// What an app's programs take.
    pub(super) fn programs(&self, app: &str) -> Compared<u64> {
        self.apps
            .get(app)
            .map_or_else(Compared::default, |app| app.programs)
    }

    /// The libraries of crates that an app loads, with their sizes.
    pub(super) fn loaded(&self, app: &str) -> BTreeMap<String, u64> {
        let app = self.apps.get(app);
        app.map_or_else(BTreeMap::new, |app| app.libraries.clone())
    }

    pub(super) fn libraries(&self) -> Vec<LibraryStatistics> {
        let mut found: BTreeMap<&String, (u64, BTreeSet<&String>)> = BTreeMap::new();
        for (name, app) in &self.apps {
            for (library, bytes) in &app.libraries {
                let entry = found.entry(library).or_default();
                entry.0 = *bytes;
                entry.1.insert(name);
            }
        }
        found
            .into_iter()
            .map(|(name, (bytes, apps))| LibraryStatistics {
                name: name.clone(),
                bytes,
                apps: apps.into_iter().cloned().collect(),
            })
            .collect()
    }

    pub(super) fn disk(&self) -> DiskStatistics {
        let alone = |app: &AppFiles| app.programs.installed + app.libraries.values().sum::<u64>();
        DiskStatistics {
            all: Compared {
                installed: self.all.installed.values().sum(),
                r#static: self.all.r#static.values().sum(),
            },
            each_alone: self.apps.values().map(alone).sum(),
        }
    }
}

/// Notes a file and returns its size.
fn add(file: &Utf8Path, all: &mut BTreeMap<Identity, u64>) -> io::Result<u64> {
    let metadata = fs_err::metadata(file)?;
    all.insert((metadata.dev(), metadata.ino()), metadata.len());
    Ok(metadata.len())
}

/// The libraries of crates that a program loads: those of its view that its counterpart does not
/// have, too.
fn libraries(path: &Compared<Utf8PathBuf>) -> io::Result<Vec<Utf8PathBuf>> {
    let both: BTreeSet<_> = beside(&path.r#static)?
        .iter()
        .filter_map(|library| library.file_name().map(str::to_owned))
        .collect();
    let mut found = beside(&path.installed)?;
    found.retain(|library| !library.file_name().is_some_and(|name| both.contains(name)));
    Ok(found)
}

/// What lies in the `lib` of a program's view.
fn beside(program: &Utf8Path) -> io::Result<Vec<Utf8PathBuf>> {
    let Some(view) = program.parent().and_then(Utf8Path::parent) else {
        return Ok(Vec::new());
    };
    let entries = match fs_err::read_dir(view.join("lib")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        found.push(Utf8PathBuf::try_from(entry?.path()).map_err(io::Error::other)?);
    }
    found.sort();
    Ok(found)
}
