//! Which files glibc loads for a program, and in which order.
//!
//! The order is breadth first over `DT_NEEDED`. A library is known by the names it was asked for,
//! by its path, by its SONAME and by its inode: whatever is known already is not loaded again, so
//! of two libraries with one SONAME the second is silently left out.
//!
//! A name without a slash is searched for in the `DT_RPATH` of the file that needs it, of the file
//! that loaded that one, and so on up to the program (only if the file has no `DT_RUNPATH`), then
//! in its `DT_RUNPATH`, then in the folders of the system.

use std::collections::{BTreeSet, VecDeque};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;

use camino::{Utf8Path, Utf8PathBuf};

use crate::Search;
use crate::elf::{self, Machine, Object, ObjectKind, ReadError, Source};
use crate::glibc::{is_glibc, is_loader};
use crate::report::{Chain, Refusal};

/// The position of a file in [`Process::objects`].
pub(crate) type Index = usize;

/// The program, always the first file.
pub(crate) const PROGRAM: Index = 0;

/// Names of folders in which glibc looks first for variants of a library for newer processors.
const VARIANTS: [&str; 8] = [
    "glibc-hwcaps",
    "tls",
    "haswell",
    "avx512_1",
    "xeon_phi",
    "x86_64",
    "atomics",
    "aarch64",
];

/// What glibc has loaded when the program starts.
#[derive(Debug)]
pub(crate) struct Process {
    /// The files, in the order in which glibc came to know them.
    pub(crate) objects: Vec<Loaded>,
    /// The files in which symbols are looked up, in order.
    pub(crate) scope: Vec<Index>,
    /// The first file whose references are of interest: those before it were bound when the
    /// program started.
    pub(crate) first: Index,
}

/// A loaded file.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) object: Object,
    /// The names glibc knows the file by: those it was asked for by, and its path.
    pub(crate) names: BTreeSet<String>,
    /// The first file that needed it; none for the program.
    pub(crate) needed_by: Option<Index>,
    /// The files it needs itself, in order.
    pub(crate) needs: Vec<Index>,
    /// Whether it belongs to glibc.
    pub(crate) glibc: bool,
    /// What `$ORIGIN` stands for in it.
    origin: Utf8PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

/// Loads a program and all it needs.
pub(crate) fn load(program: &Utf8Path, search: &Search) -> Result<Process, Refusal> {
    let unreadable = |source| ReadError::Io {
        path: program.to_owned(),
        source,
    };
    // The kernel tells glibc the program's real path; the paths of libraries are not resolved.
    let path = program.canonicalize_utf8().map_err(unreadable)?;
    let object = Object::read(&path)?;
    let mut loader = Loader::new(search, object.machine);
    let interpreter = object.interpreter.clone();
    loader.push(object, identity(&path)?, "", None)?;
    let Some(interpreter) = interpreter else {
        return loader.into_static_process();
    };
    loader.push_interpreter(&interpreter)?;
    let scope = loader.load_needed(PROGRAM)?;
    Ok(Process {
        objects: loader.objects,
        scope,
        first: PROGRAM,
    })
}

/// Loads a program with all it needs, and then what it opens.
///
/// glibc looks up the references of what is opened in the program and its libraries, then in the
/// opened file and all that this needs, breadth first (`dl-open.c`, `_dl_map_object_deps`).
pub(crate) fn load_with_plugin(
    program: &Utf8Path,
    plugin: &Utf8Path,
    search: &Search,
) -> Result<Process, Refusal> {
    let Process {
        objects, mut scope, ..
    } = load(program, search)?;
    let first = objects.len();
    let mut loader = Loader::new(search, objects[PROGRAM].object.machine);
    loader.objects = objects;
    let object = Object::read(plugin)?;
    if object.kind == ObjectKind::Program {
        return Err(unsupported(plugin, "it is a program, not a plugin"));
    }
    let identity = identity(plugin)?;
    if loader.loaded(identity).is_some() {
        // Nothing is looked up that was not looked up before.
        return Ok(Process {
            objects: loader.objects,
            scope,
            first,
        });
    }
    loader.running = true;
    let opened = loader.push(object, identity, plugin.as_str(), Some(PROGRAM))?;
    for index in loader.load_needed(opened)? {
        if !scope.contains(&index) {
            scope.push(index);
        }
    }
    Ok(Process {
        objects: loader.objects,
        scope,
        first,
    })
}

impl Process {
    /// Returns the file that glibc knows by a name. A SONAME that nobody asked for is no such name:
    /// a version needed of it makes glibc stop.
    pub(crate) fn named(&self, name: &str) -> Option<Index> {
        self.objects
            .iter()
            .position(|loaded| loaded.names.contains(name))
    }

    /// Returns the names by which a file was brought in, from the program to the file.
    pub(crate) fn chain(&self, object: Index) -> Chain {
        chain(&self.objects, object)
    }
}

fn chain(objects: &[Loaded], object: Index) -> Chain {
    let mut names = Vec::new();
    let mut next = Some(object);
    while let Some(index) = next {
        let loaded = &objects[index];
        names.push(loaded.object.name().to_owned());
        next = loaded.needed_by;
    }
    names.reverse();
    Chain(names)
}

struct Loader<'a> {
    search: &'a Search,
    /// The system's folders as they really are.
    system: BTreeSet<Utf8PathBuf>,
    machine: Machine,
    objects: Vec<Loaded>,
    /// Whether the program runs already, and opens what is loaded now.
    running: bool,
}

impl<'a> Loader<'a> {
    fn new(search: &'a Search, machine: Machine) -> Self {
        let system = search.system.iter();
        let system = system.filter_map(|folder| folder.canonicalize_utf8().ok());
        Self {
            search,
            system: system.collect(),
            machine,
            objects: Vec::new(),
            running: false,
        }
    }

    /// Accepts a program that is linked statically: nothing is loaded for it.
    fn into_static_process(self) -> Result<Process, Refusal> {
        let object = &self.objects[PROGRAM].object;
        if !object.needed.is_empty() {
            let reason = "it needs libraries but names no loader, so it is not a program";
            return Err(unsupported(&object.path, reason));
        }
        Ok(Process {
            objects: self.objects,
            scope: vec![PROGRAM],
            first: PROGRAM,
        })
    }

    /// Loads the loader itself, which is there before any library.
    fn push_interpreter(&mut self, name: &str) -> Result<(), Refusal> {
        let path = Utf8Path::new(name);
        if !is_loader(path.file_name().unwrap_or_default()) {
            let reason = format!("its loader `{name}` is not glibc's");
            return Err(unsupported(&self.objects[PROGRAM].object.path, reason));
        }
        let object = Object::read(path)?;
        let soname = object.soname.clone();
        let index = self.push(object, identity(path)?, name, Some(PROGRAM))?;
        self.objects[index].names.extend(soname);
        Ok(())
    }

    /// Walks the needed libraries breadth first, from `start`. What was loaded before is not loaded
    /// again.
    fn load_needed(&mut self, start: Index) -> Result<Vec<Index>, Refusal> {
        let mut scope = vec![start];
        let mut queue = VecDeque::from([start]);
        while let Some(index) = queue.pop_front() {
            for name in self.objects[index].object.needed.clone() {
                let needed = self.need(index, &name)?;
                if !self.objects[index].needs.contains(&needed) {
                    self.objects[index].needs.push(needed);
                }
                if !scope.contains(&needed) {
                    scope.push(needed);
                    queue.push_back(needed);
                }
            }
        }
        Ok(scope)
    }

    /// Returns the file that a name stands for, loading it if glibc does not know it yet.
    fn need(&mut self, needed_by: Index, name: &str) -> Result<Index, Refusal> {
        let name = &self.expand(needed_by, name)?;
        if let Some(known) = self.known(name) {
            self.check_shadow(needed_by, name, known)?;
            self.objects[known].names.insert(name.to_owned());
            return Ok(known);
        }
        let (path, object) = if name.contains('/') {
            let path = self.absolute(needed_by, name)?;
            (path.clone(), Object::read(&path)?)
        } else {
            self.find(needed_by, name)?
        };
        let identity = identity(&path)?;
        if let Some(same) = self.loaded(identity) {
            self.objects[same].names.insert(name.to_owned());
            return Ok(same);
        }
        if object.kind == ObjectKind::Program {
            return Err(unsupported(
                &path,
                "it is a program, but is needed as a library",
            ));
        }
        self.push(object, identity, name, Some(needed_by))
    }

    /// Returns the library that is a file already. glibc does not know which file the program is.
    fn loaded(&self, identity: (u64, u64)) -> Option<Index> {
        let mut libraries = (PROGRAM + 1)..self.objects.len();
        libraries.find(|&index| self.objects[index].identity == identity)
    }

    fn known(&self, name: &str) -> Option<Index> {
        self.objects.iter().position(|loaded| {
            loaded.names.contains(name) || loaded.object.soname.as_deref() == Some(name)
        })
    }

    /// Refuses a name that is loaded already, when the search paths lead to another file: that
    /// would be a second variant, silently left out.
    fn check_shadow(&self, needed_by: Index, name: &str, known: Index) -> Result<(), Refusal> {
        if self.objects[known].glibc || name.contains('/') {
            return Ok(());
        }
        for folder in self.folders(needed_by)? {
            let path = folder.join(name);
            let found = fs_err::metadata(&path).map(|found| (found.dev(), found.ino()));
            if found.as_ref().ok() == Some(&self.objects[known].identity) {
                return Ok(());
            }
            if found.is_ok() && self.open(&path)?.is_some() {
                return Err(Refusal::Shadowed {
                    library: name.to_owned(),
                    path,
                    chain: chain(&self.objects, needed_by),
                    loaded: self.objects[known].object.path.clone(),
                    loaded_chain: chain(&self.objects, known),
                });
            }
        }
        Ok(())
    }

    fn push(
        &mut self,
        object: Object,
        identity: (u64, u64),
        name: &str,
        needed_by: Option<Index>,
    ) -> Result<Index, Refusal> {
        if let Some(reason) = object.unmodelled {
            return Err(unsupported(&object.path, reason));
        }
        if let Some(reason) = object.unopenable.filter(|_| self.running) {
            return Err(unsupported(&object.path, reason));
        }
        let origin = object
            .path
            .parent()
            .unwrap_or(Utf8Path::new("/"))
            .to_owned();
        // The program itself is known by no name.
        let names = match needed_by {
            None => BTreeSet::new(),
            Some(_) => BTreeSet::from([name.to_owned(), object.path.to_string()]),
        };
        let glibc = needed_by.is_some() && is_glibc(object.name());
        if !glibc && lacks_relocation_mark(&object) {
            let reason = "it has compressed relocations (DT_RELR), but does not ask glibc for \
                          them (GLIBC_ABI_DT_RELR)";
            return Err(unsupported(&object.path, reason));
        }
        let needs = Vec::new();
        self.objects.push(Loaded {
            object,
            names,
            needed_by,
            needs,
            glibc,
            origin,
            identity,
        });
        let index = self.objects.len() - 1;
        if needed_by.is_some() {
            self.check_home(index)?;
        }
        Ok(index)
    }

    /// Refuses what does not belong where it was found.
    fn check_home(&self, index: Index) -> Result<(), Refusal> {
        let loaded = &self.objects[index];
        let object = &loaded.object;
        let library = object.name().to_owned();
        let path = object.path.clone();
        let system = self.in_system(&path);
        if loaded.glibc && !system {
            return Err(Refusal::Misplaced {
                library,
                path,
                chain: chain(&self.objects, index),
            });
        }
        if system && !loaded.glibc && !self.search.allowed.contains(&library) {
            return Err(Refusal::Foreign {
                library,
                path,
                chain: chain(&self.objects, index),
            });
        }
        Ok(())
    }

    fn in_system(&self, path: &Utf8Path) -> bool {
        let opened = path
            .parent()
            .and_then(|folder| folder.canonicalize_utf8().ok());
        let real = path.canonicalize_utf8().ok();
        let real = real.as_deref().and_then(Utf8Path::parent);
        let system = |folder: Option<&Utf8Path>| folder.is_some_and(|f| self.system.contains(f));
        system(opened.as_deref()) || system(real)
    }

    fn find(&self, needed_by: Index, name: &str) -> Result<(Utf8PathBuf, Object), Refusal> {
        let own = self.folders(needed_by)?;
        for folder in &own {
            self.check_variants(folder)?;
        }
        let searched: Vec<_> = own
            .into_iter()
            .chain(self.search.system.iter().cloned())
            .collect();
        for folder in &searched {
            let path = folder.join(name);
            if let Some(object) = self.open(&path)? {
                return Ok((path, object));
            }
        }
        let chain = chain(&self.objects, needed_by);
        Err(Refusal::Missing {
            library: name.to_owned(),
            chain,
            searched,
        })
    }

    /// Returns the folders that the files' own search paths name, for what a file needs.
    fn folders(&self, needed_by: Index) -> Result<Vec<Utf8PathBuf>, Refusal> {
        if let Some(runpath) = &self.objects[needed_by].object.runpath {
            return self.split(needed_by, runpath);
        }
        let mut folders = Vec::new();
        let mut next = Some(needed_by);
        while let Some(index) = next {
            let loaded = &self.objects[index];
            if let Some(rpath) = &loaded.object.rpath {
                folders.extend(self.split(index, rpath)?);
            }
            next = loaded.needed_by;
        }
        Ok(folders)
    }

    fn split(&self, owner: Index, search_path: &str) -> Result<Vec<Utf8PathBuf>, Refusal> {
        if search_path.is_empty() {
            return Ok(Vec::new());
        }
        let entries = search_path.split(':');
        entries
            .map(|entry| {
                let folder = self.absolute(owner, &self.expand(owner, entry)?)?;
                let text = folder.as_str();
                let trimmed = text.trim_end_matches('/');
                Ok(Utf8PathBuf::from(if trimmed.is_empty() {
                    "/"
                } else {
                    trimmed
                }))
            })
            .collect()
    }

    /// Refuses what depends on the folder the program is started in.
    fn absolute(&self, owner: Index, path: &str) -> Result<Utf8PathBuf, Refusal> {
        if path.starts_with('/') {
            return Ok(Utf8PathBuf::from(path));
        }
        let reason = format!("it looks for libraries in `{path}`, seen from the current folder");
        Err(unsupported(&self.objects[owner].object.path, reason))
    }

    /// Replaces `$ORIGIN`.
    fn expand(&self, owner: Index, text: &str) -> Result<String, Refusal> {
        let owner = &self.objects[owner];
        let mut pieces = text.split('$');
        let mut expanded = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (token, rest) = token(piece);
            match token {
                "ORIGIN" => expanded.push_str(owner.origin.as_str()),
                "LIB" | "PLATFORM" => {
                    let reason = format!("it looks for libraries by `${token}`");
                    return Err(unsupported(&owner.object.path, reason));
                }
                _ => {
                    expanded.push('$');
                    expanded.push_str(piece);
                    continue;
                }
            }
            expanded.push_str(rest);
        }
        Ok(expanded)
    }

    fn check_variants(&self, folder: &Utf8Path) -> Result<(), Refusal> {
        if self.in_system(&folder.join("x")) {
            return Ok(());
        }
        for variant in VARIANTS {
            if folder.join(variant).is_dir() {
                let reason = format!("it has the folder `{variant}` for certain processors");
                return Err(unsupported(folder, reason));
            }
        }
        Ok(())
    }

    /// Reads a library if there is one for this machine at a path.
    fn open(&self, path: &Utf8Path) -> Result<Option<Object>, Refusal> {
        let source = match Source::open(path) {
            Ok(source) => source,
            Err(ReadError::Io { source, .. })
                if matches!(
                    source.kind(),
                    ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        if elf::machine(path, &source)? != Some(self.machine) {
            return Ok(None);
        }
        Ok(Some(Object::from_source(path, &source)?))
    }
}

/// Splits the text after a dollar sign into the token and what follows it.
fn token(text: &str) -> (&str, &str) {
    if let Some((token, rest)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) {
        return (token, rest);
    }
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Tells whether glibc would refuse an object, or, before 2.36, not relocate it at all.
fn lacks_relocation_mark(object: &Object) -> bool {
    object.compressed_relocations
        && !object.needed_versions.is_empty()
        && object
            .needed
            .iter()
            .any(|name| name.starts_with("libc.so."))
        && !object
            .needed_versions
            .iter()
            .any(|needed| needed.version == "GLIBC_ABI_DT_RELR")
}

fn identity(path: &Utf8Path) -> Result<(u64, u64), ReadError> {
    let unreadable = |source| ReadError::Io {
        path: path.to_owned(),
        source,
    };
    let metadata = fs_err::metadata(path).map_err(unreadable)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn unsupported(path: &Utf8Path, reason: impl Into<String>) -> Refusal {
    Refusal::Unsupported {
        path: path.to_owned(),
        reason: reason.into(),
    }
}
