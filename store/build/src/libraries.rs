//! [`Loader`]: which shared libraries programs of the machine would load, and from where.
//!
//! This is the dynamic loader's search, as far as an import needs it: run paths, then the folders
//! the machine configures, then the usual ones. A proof that it is right is not needed here (the
//! sandbox is: what is missing there cannot be loaded).

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use goblin::elf::Elf;
use goblin::elf::header::Header;

/// The machine's dynamic loader.
#[derive(Debug)]
pub(crate) struct Loader {
    folders: Vec<Utf8PathBuf>,
}

/// What a file asks of the loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Needs {
    /// File names of libraries.
    pub(crate) libraries: Vec<String>,
    /// Folders to search first, as written: `$ORIGIN/../lib`.
    pub(crate) run_paths: Vec<String>,
    /// Word size, byte order and machine: what must be equal for two files to work together.
    pub(crate) machine: (u8, u8, u16),
}

/// All libraries that some files load, directly or not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Libraries {
    /// By the name under which they are asked for, where each was found.
    pub(crate) found: BTreeMap<String, Utf8PathBuf>,
    /// Those found nowhere, and one file that needs each.
    pub(crate) missing: BTreeMap<String, Utf8PathBuf>,
    /// The files that take part, given or found, and what each needs.
    pub(crate) needs: BTreeMap<Utf8PathBuf, Needs>,
}

impl Loader {
    /// Reads how this machine's loader is configured.
    pub(crate) fn of_machine() -> Self {
        let mut folders = Vec::new();
        configured(Utf8Path::new("/etc/ld.so.conf"), &mut folders, 0);
        let multiarch = format!("{}-linux-gnu", std::env::consts::ARCH);
        for root in ["/lib", "/usr/lib"] {
            folders.push(Utf8Path::new(root).join(&multiarch));
            folders.push(format!("{root}64").into());
            folders.push(root.into());
        }
        Self { folders }
    }

    /// A loader that looks only where files say themselves.
    pub(crate) fn of_nothing() -> Self {
        Self {
            folders: Vec::new(),
        }
    }

    /// Finds the libraries of `files`, going into those for which `wanted` holds.
    pub(crate) fn libraries(
        &self,
        files: impl IntoIterator<Item = Utf8PathBuf>,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Libraries {
        let mut all = Libraries::default();
        let mut waiting: Vec<Utf8PathBuf> = files.into_iter().collect();
        let mut seen = BTreeSet::new();
        while let Some(file) = waiting.pop() {
            if !seen.insert(file.clone()) {
                continue;
            }
            // Scripts, archives and other files that are not loaded need nothing.
            let Some(needs) = Needs::read(&file) else {
                continue;
            };
            for name in needs.libraries.iter().filter(|name| wanted(name)) {
                if all.found.contains_key(name) {
                    continue;
                }
                match self.find(name, &file, &needs) {
                    Some(path) => {
                        waiting.push(path.clone());
                        all.missing.remove(name);
                        all.found.insert(name.clone(), path);
                    }
                    None => {
                        all.missing.insert(name.clone(), file.clone());
                    }
                }
            }
            all.needs.insert(file, needs);
        }
        all
    }

    fn find(&self, name: &str, file: &Utf8Path, needs: &Needs) -> Option<Utf8PathBuf> {
        if name.contains('/') {
            return None;
        }
        // `$ORIGIN` is where the file lies after all links.
        let file = file.canonicalize_utf8().ok()?;
        let origin = file.parent()?;
        let own = needs.run_paths.iter().map(|path| expand(path, origin));
        own.chain(self.folders.iter().cloned())
            .map(|folder| folder.join(name))
            .find(|path| machine(path) == Some(needs.machine))
    }
}

/// Replaces `$ORIGIN` in a run path.
pub(crate) fn expand(run_path: &str, origin: &Utf8Path) -> Utf8PathBuf {
    run_path
        .replace("${ORIGIN}", origin.as_str())
        .replace("$ORIGIN", origin.as_str())
        .into()
}

impl Needs {
    /// Reads what a file needs; none if it is not one that is loaded.
    pub(crate) fn read(file: &Utf8Path) -> Option<Self> {
        let machine = machine(file)?;
        let bytes = fs_err::read(file).ok()?;
        let elf = Elf::parse(&bytes).ok()?;
        elf.dynamic.as_ref()?;
        // The old kind counts only where the new kind is absent.
        let paths = if elf.runpaths.is_empty() {
            &elf.rpaths
        } else {
            &elf.runpaths
        };
        let run_paths = paths.iter().flat_map(|list| list.split(':'));
        Some(Self {
            libraries: elf.libraries.iter().map(|&name| name.to_owned()).collect(),
            run_paths: run_paths
                .filter(|path| !path.is_empty())
                .map(str::to_owned)
                .collect(),
            machine,
        })
    }
}

/// Reads the start of a file and tells for what machine it is made; none if it is not ELF.
pub(crate) fn machine(file: &Utf8Path) -> Option<(u8, u8, u16)> {
    use std::io::Read as _;
    // A header of the larger kind; every file that can be loaded is longer.
    let mut start = [0; 64];
    fs_err::File::open(file).ok()?.read_exact(&mut start).ok()?;
    let header: Header = Elf::parse_header(&start).ok()?;
    let [_, _, _, _, class, order, ..] = header.e_ident;
    Some((class, order, header.e_machine))
}

/// Reads the folders of a loader's configuration file, following its `include` lines.
fn configured(file: &Utf8Path, folders: &mut Vec<Utf8PathBuf>, depth: usize) {
    // Files that include each other would never end.
    const DEEPEST: usize = 8;
    let Ok(text) = fs_err::read_to_string(file) else {
        return;
    };
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        match line.strip_prefix("include ") {
            Some(pattern) if depth < DEEPEST => {
                for included in matching(pattern.trim()) {
                    configured(&included, folders, depth + 1);
                }
            }
            None if line.starts_with('/') => folders.push(line.into()),
            _ => {}
        }
    }
}

/// Returns the files that a pattern `/folder/*ending` names, in order.
fn matching(pattern: &str) -> Vec<Utf8PathBuf> {
    let pattern = Utf8Path::new(pattern);
    let (Some(folder), Some(name)) = (pattern.parent(), pattern.file_name()) else {
        return Vec::new();
    };
    let Ok(entries) = folder.read_dir_utf8() else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .filter_map(Result::ok)
        .filter(|entry| is_like(entry.file_name(), name))
        .map(camino::Utf8DirEntry::into_path)
        .collect();
    files.sort();
    files
}

/// Whether a name fits a pattern, in which one `*` stands for any letters.
pub(crate) fn is_like(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((start, end)) => {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        assert!(is_like("libm-2.36.a", "libm-*.a"));
        assert!(!is_like("libm.a", "libm-*.a"));
        assert!(!is_like("ab", "ab*b"));
        assert!(is_like("crt1.o", "crt1.o"));
    }

    #[test]
    fn configuration_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8Path::from_path(folder.path()).unwrap();
        fs_err::write(folder.join("b.conf"), "/b # comment\n\n/b2\n").unwrap();
        fs_err::write(
            folder.join("a.conf"),
            format!("/a\ninclude {folder}/a.conf\n"),
        )
        .unwrap();
        fs_err::write(
            folder.join("main"),
            format!("include {folder}/*.conf\n/c\nrelative\n"),
        )
        .unwrap();
        let mut folders = Vec::new();
        configured(&folder.join("main"), &mut folders, 6);
        assert_eq!(folders, ["/a", "/a", "/b", "/b2", "/c"]);
    }

    #[test]
    fn own_libraries_are_found() {
        let program = Utf8PathBuf::from_path_buf(std::env::current_exe().unwrap()).unwrap();
        let libraries = Loader::of_machine().libraries([program.clone()], &|_| true);
        assert!(libraries.found.contains_key("libc.so.6"), "{libraries:?}");
        assert_eq!(libraries.missing, BTreeMap::new());
        assert!(
            libraries.needs[&program]
                .libraries
                .contains(&"libc.so.6".to_owned())
        );
        let none = Loader {
            folders: Vec::new(),
        }
        .libraries([program], &|name| name == "libc.so.6");
        assert_eq!(none.missing.keys().collect::<Vec<_>>(), ["libc.so.6"]);
    }
}
