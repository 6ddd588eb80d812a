//! What of the host goes where: [`collect`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use camino::{Utf8Path, Utf8PathBuf};

use super::gcc::Gcc;
use super::{CTools, ImportError, names};
use crate::imported::{Asked, ask};
use crate::libraries::{Loader, is_like};
use crate::tree::Tree;

/// Prints the folders of Perl's own library: all but those for what others have added.
const PERL_FOLDERS: &str = r#"
    use Config;
    my %other = map { $_ => 1 } @Config{qw(vendorlibexp vendorarchexp sitelibexp sitearchexp)};
    print map { "$_\n" } grep { !$other{$_} && m{^/usr/} && !m{^/usr/local/} } @INC;
"#;

/// Prints the folders of Python's own library, of meson beside it, and the program itself.
const PYTHON_FOLDERS: &str = "
import os, sys, sysconfig, mesonbuild
print(os.path.realpath(sys.executable))
print(sysconfig.get_path('stdlib'))
print(os.path.dirname(mesonbuild.__file__))
";

/// The files chosen so far.
#[derive(Debug, Default)]
pub(super) struct Collection {
    pub(super) tree: Tree,
    /// Folders taken whole.
    pub(super) folders: BTreeSet<Utf8PathBuf>,
}

/// Returns where a file of the host lies in the object; nowhere, if it is not part of the system.
/// Its folder may be given through links: `/bin` is `/usr/bin` on most machines.
pub(super) fn place(path: &Utf8Path) -> Option<Utf8PathBuf> {
    let folder = path.parent()?.canonicalize_utf8().ok()?;
    let real = folder.join(path.file_name()?);
    if let Ok(inside) = real.strip_prefix("/usr") {
        return Some(inside.to_owned());
    }
    // A system that keeps these apart has nothing of the same name in `/usr`.
    let inside = real.strip_prefix("/").ok()?;
    let first = inside.components().next()?.as_str();
    let apart = ["bin", "lib", "lib32", "lib64", "sbin"].contains(&first);
    apart.then(|| inside.to_owned())
}

/// Chooses everything and returns where the most important things are.
pub(super) fn collect(
    collection: &mut Collection,
    programs: &BTreeMap<&'static str, Utf8PathBuf>,
    extras: &BTreeSet<&str>,
    gcc: &Gcc<'_>,
    version: &str,
) -> Result<CTools, ImportError> {
    for (name, program) in programs {
        collection.add_program(name, program)?;
    }
    collection.add_compiler(gcc)?;
    let libraries = collection.add_libraries(gcc)?;
    collection.add_headers(gcc)?;
    if programs.contains_key("meson") {
        collection.add_meson()?;
    }
    if let Some(perl) = programs.get("perl") {
        collection.add_perl(perl)?;
    }
    if programs.contains_key("cmake") {
        collection.add_folders("/usr/share", "cmake*")?;
    }
    if programs.contains_key("protoc") {
        collection
            .add_folder("/usr/include/google/protobuf".into())
            .map_err(io())?;
    }
    if extras.contains("libclang") {
        collection.add_libclang()?;
    }
    collection
        .add_folder("/usr/lib/locale/C.utf8".into())
        .map_err(io())?;
    let loader = collection.add_loader(&programs["gcc"])?;
    collection.add_needed_libraries(&libraries);
    let find = |name: &str| {
        let mut paths = libraries.iter().map(|folder| folder.join(name));
        paths.find(|path| collection.tree.contains(path))
    };
    Ok(CTools {
        gcc: version.to_owned(),
        loader,
        libgcc: find("libgcc_s.so.1")
            .ok_or_else(|| missing("libgcc_s.so.1", "libgcc-s1", "libgcc"))?,
        libstdcxx: find("libstdc++.so.6"),
    })
}

/// Whether an entry of a folder that is taken whole stays out all the same: Perl's manual, what is
/// for embedding Perl, gcc's headers of another language, which come and go with its package, what
/// Python keeps of what it has compiled, and its own tests and packages.
fn is_left_out(path: &Utf8Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let folder = path.parent().and_then(Utf8Path::file_name);
    let of_python = folder.is_some_and(|folder| folder.starts_with("python3"))
        && ["dist-packages", "site-packages", "test"].contains(&name);
    of_python || ["CORE", "objc", "__pycache__"].contains(&name) || path.extension() == Some("pod")
}

fn io() -> impl Fn(io::Error) -> ImportError {
    ImportError::io("the C tools")
}

/// Returns the names in a folder, in order; none if it is not there.
fn entries(folder: &str) -> impl Iterator<Item = String> {
    let entries = Utf8Path::new(folder).read_dir_utf8();
    let names = entries.into_iter().flatten().flatten();
    let names: BTreeSet<String> = names.map(|entry| entry.file_name().to_owned()).collect();
    names.into_iter()
}

fn missing(file: &str, debian: &'static str, fedora: &'static str) -> ImportError {
    ImportError::Missing {
        what: file.to_owned(),
        place: "where gcc looks for libraries".to_owned(),
        debian,
        fedora,
    }
}

impl Collection {
    /// Adds a program, to be found by its name in `bin`.
    fn add_program(&mut self, name: &str, program: &Utf8Path) -> Result<(), ImportError> {
        let real = program.canonicalize_utf8().map_err(io())?;
        let by_name = Utf8Path::new("bin").join(name);
        match place(&real) {
            Some(place) => {
                self.tree.copy(&place, real);
                // In one step, where the host takes several: `cc`, `/etc/alternatives/cc`, `gcc`.
                if place != by_name {
                    self.tree.link(by_name, &place);
                }
            }
            None => self.tree.copy(by_name, real),
        }
        Ok(())
    }

    /// Adds gcc's own programs and files.
    fn add_compiler(&mut self, gcc: &Gcc<'_>) -> Result<(), ImportError> {
        for name in ["cc1", "cc1plus", "collect2", "lto1", "lto-wrapper"] {
            if let Some(program) = gcc.own_program(name)? {
                self.add(&program);
            }
        }
        match gcc.folder()? {
            Some(folder) => self
                .add_like(&folder, include_str!("compiler.txt"))
                .map_err(io()),
            None => Err(missing("libgcc.a", "gcc", "gcc")),
        }
    }

    /// Adds the C library, and the compiler's libraries beside it. Returns the folders.
    fn add_libraries(&mut self, gcc: &Gcc<'_>) -> Result<BTreeSet<Utf8PathBuf>, ImportError> {
        let mut folders = BTreeSet::new();
        for (name, debian, fedora) in [
            ("crt1.o", "libc6-dev", "glibc-devel"),
            ("libc.so", "libc6-dev", "glibc-devel"),
            ("libc.so.6", "libc6", "glibc"),
            ("libgcc_s.so.1", "libgcc-s1", "libgcc"),
        ] {
            let file = gcc
                .file(name)?
                .ok_or_else(|| missing(name, debian, fedora))?;
            folders.extend(file.parent().map(Utf8Path::to_owned));
        }
        for folder in &folders {
            self.add_like(folder, include_str!("libraries.txt"))
                .map_err(io())?;
        }
        Ok(folders.iter().filter_map(|folder| place(folder)).collect())
    }

    /// Adds gcc's C++ headers, the C library's and the kernel's.
    fn add_headers(&mut self, gcc: &Gcc<'_>) -> Result<(), ImportError> {
        let mut folders = gcc.header_folders("c")?;
        if gcc.own_program("cc1plus")?.is_some() {
            folders.extend(gcc.header_folders("c++")?);
        }
        let own = gcc.folder()?;
        for folder in folders {
            if folder
                .components()
                .any(|component| component.as_str() == "c++")
            {
                self.add_folder(&folder).map_err(io())?;
            } else if folder.starts_with("/usr/local")
                || own.as_ref().is_some_and(|own| folder.starts_with(own))
            {
                // What an administrator installed is no part of the system, and gcc's own headers
                // are there already.
            } else {
                for name in names(include_str!("headers.txt")) {
                    self.add_any(&folder.join(name)).map_err(io())?;
                }
            }
        }
        Ok(())
    }

    /// Adds Perl's own library, less its manual and what is for embedding it.
    fn add_perl(&mut self, perl: &Utf8Path) -> Result<(), ImportError> {
        let folders = ask(perl, &["-e", PERL_FOLDERS], Asked::Alone, false)?;
        for folder in folders.lines() {
            self.add_folder(folder.into()).map_err(io())?;
        }
        Ok(())
    }

    /// Adds meson's own folder, which it is a script for, and the Python that runs it.
    fn add_meson(&mut self) -> Result<(), ImportError> {
        let python = Utf8Path::new("/usr/bin/python3");
        let places = ask(python, &["-c", PYTHON_FOLDERS], Asked::Alone, false)?;
        for (number, path) in places.lines().map(Utf8Path::new).enumerate() {
            if number == 0 {
                self.add_program("python3", path)?;
            } else {
                self.add_folder(path).map_err(io())?;
            }
        }
        Ok(())
    }

    /// Adds the folders of a folder that fit a pattern.
    fn add_folders(&mut self, folder: &str, pattern: &str) -> Result<(), ImportError> {
        for name in entries(folder) {
            if is_like(&name, pattern) {
                let folder = Utf8Path::new(folder).join(name);
                self.add_folder(&folder).map_err(io())?;
            }
        }
        Ok(())
    }

    /// Adds the newest libclang, if there is one, and the headers that belong to it.
    fn add_libclang(&mut self) -> Result<(), ImportError> {
        let mut folders: Vec<_> = entries("/usr/lib")
            .filter_map(|name| {
                let version: u32 = name.strip_prefix("llvm-")?.parse().ok()?;
                Some((version, Utf8Path::new("/usr/lib").join(name).join("lib")))
            })
            .collect();
        // Fedora has one version, among the other libraries.
        folders.push((0, "/usr/lib64".into()));
        folders.sort();
        for (_, folder) in folders.into_iter().rev() {
            let Some(place) = self.add(&folder.join("libclang.so")) else {
                continue;
            };
            self.add_clang_headers(&folder)?;
            let usual = Utf8Path::new("lib/libclang.so");
            if place != usual {
                self.tree.link(usual, &place);
            }
            return Ok(());
        }
        Ok(())
    }

    /// Adds the headers of the compiler itself, `stddef.h` and the like, wherever the libclang of a
    /// folder looks for them: beside itself, on Fedora in `/usr/lib/clang`; Debian's knows its own
    /// only as `/usr/include/clang`, where other versions have links to theirs, too.
    fn add_clang_headers(&mut self, folder: &Utf8Path) -> Result<(), ImportError> {
        let beside = folder.join("clang");
        for resources in [
            beside.as_path(),
            "/usr/lib/clang".into(),
            "/usr/include/clang".into(),
        ] {
            for version in entries(resources.as_str()) {
                let headers = resources.join(version).join("include");
                let real = headers.canonicalize_utf8().unwrap_or_default();
                if real.starts_with(&beside) || real.starts_with("/usr/lib/clang") {
                    self.add_folder(&headers).map_err(io())?;
                }
            }
        }
        Ok(())
    }

    /// Adds the dynamic loader under the name by which programs ask for it.
    fn add_loader(&mut self, program: &Utf8Path) -> Result<Utf8PathBuf, ImportError> {
        let bytes = fs_err::read(program).map_err(io())?;
        let elf = goblin::elf::Elf::parse(&bytes).ok();
        let loader = elf
            .as_ref()
            .and_then(|elf| elf.interpreter)
            .map(Utf8Path::new);
        let lacking = || missing("ld-linux.so", "libc6", "glibc");
        let loader = loader.ok_or_else(lacking)?;
        self.add(loader).ok_or_else(lacking)
    }

    /// Adds the shared libraries that everything so far needs to run. `libraries` are the folders
    /// where the loader looks; one that the host is told to look for elsewhere is linked there.
    fn add_needed_libraries(&mut self, libraries: &BTreeSet<Utf8PathBuf>) {
        let files: Vec<_> = self.tree.sources().map(Utf8Path::to_owned).collect();
        let needed = Loader::of_machine().libraries(files, &|_| true);
        for (name, program) in &needed.missing {
            tracing::debug!("{program} needs {name}, which the host does not have");
        }
        let Some(usual) = libraries.first() else {
            return;
        };
        for (name, path) in needed.found {
            let usual = usual.join(&name);
            let Some(place) = self.add(&path) else {
                self.tree.copy(usual, path);
                continue;
            };
            let folder = place.parent().unwrap_or(&place);
            if !libraries.contains(folder) && folder != "lib" && folder != "lib64" {
                self.tree.link(usual, &place);
            }
        }
    }

    /// Adds the entries of a folder that fit a pattern of a list.
    fn add_like(&mut self, folder: &Utf8Path, list: &'static str) -> io::Result<()> {
        for entry in folder.read_dir_utf8()? {
            let entry = entry?;
            if names(list).any(|pattern| is_like(entry.file_name(), pattern)) {
                self.add_any(entry.path())?;
            }
        }
        Ok(())
    }

    /// Adds a folder with all it holds, if it is there.
    fn add_folder(&mut self, folder: &Utf8Path) -> io::Result<()> {
        let Ok(real) = folder.canonicalize_utf8() else {
            return Ok(());
        };
        let (Some(place), Some(real_place)) = (place(folder), place(&real)) else {
            return Ok(());
        };
        if place != real_place {
            self.tree.link(place, &real_place);
        }
        if !self.folders.insert(real.clone()) {
            return Ok(());
        }
        for entry in real.read_dir_utf8()? {
            let entry = entry?;
            if is_left_out(entry.path()) {
                continue;
            }
            if entry.file_type()?.is_file() {
                // Without following links, of which there are none: most files come this way.
                self.tree
                    .copy(real_place.join(entry.file_name()), entry.path());
            } else {
                self.add_any(entry.path())?;
            }
        }
        Ok(())
    }

    fn add_any(&mut self, path: &Utf8Path) -> io::Result<()> {
        if path.is_dir() {
            return self.add_folder(path);
        }
        self.add(path);
        Ok(())
    }

    /// Adds a file where it is on the host, and if it is a link, what it leads to. Returns where it
    /// lies; nowhere, if it is not there or not part of the system.
    fn add(&mut self, path: &Utf8Path) -> Option<Utf8PathBuf> {
        let real = path
            .canonicalize_utf8()
            .ok()
            .filter(|real| real.is_file())?;
        let by_name = place(path)?;
        match place(&real) {
            Some(place) if place != by_name => {
                self.tree.copy(&place, real);
                self.tree.link(&by_name, &place);
            }
            _ => self.tree.copy(&by_name, real),
        }
        Some(by_name)
    }
}
