//! [`lay_out`]: an app's files at the places where they will lie, in a folder, and proved there.
//!
//! | file | [`Place::Anywhere`] | [`Place::Debian`] | [`Place::Image`] |
//! |---|---|---|---|
//! | program | `bin/` | `usr/lib/orlop/APP/bin/`, and a link in `usr/bin/` | `usr/bin/` |
//! | library | `lib/` | `usr/lib/orlop/APP/lib/` | `usr/lib/` |
//! | man page, completion | `share/` | `usr/share/` | `usr/share/` |
//! | glibc of this machine | | | `usr/lib/` |
//!
//! A program that is started through a link still finds its libraries: the kernel tells the loader
//! where the program itself lies. Where there is no `/proc` it cannot; so an image has one folder of
//! libraries, by all the names under which loaders look for the system's.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use camino::{Utf8Path, Utf8PathBuf};
use orlop_loader::elf::{Machine, Object};
use orlop_loader::{Proof, Search, is_loader};
use walkdir::WalkDir;

use crate::error::ExportError;
use crate::glibc::Glibc;

/// An app as it is installed.
#[derive(Debug, Clone)]
pub struct App<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
    /// Its view: programs, libraries, man pages and completions.
    pub view: &'a Utf8Path,
    /// The names of its programs.
    pub programs: &'a [String],
    /// What it is, in a line.
    pub summary: Option<&'a str>,
    /// Its licence, as SPDX says it.
    pub license: Option<&'a str>,
}

/// Where an app will lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In any folder.
    Anywhere,
    /// Among the files of Debian, or of what is made from it.
    Debian,
    /// In a file system of its own, glibc included.
    Image,
}

/// An app that is laid out.
#[derive(Debug)]
pub struct Laid {
    /// The folder that stands for where it will lie.
    pub root: Utf8PathBuf,
    /// Its programs as people start them, relative to the folder.
    pub programs: Vec<Utf8PathBuf>,
    /// The machine that its code is for.
    pub machine: Machine,
    /// The oldest glibc that it runs with; none if it does without.
    pub glibc: Option<Glibc>,
    /// Those of its files that are this machine's glibc.
    pub from_machine: BTreeSet<Utf8PathBuf>,
    /// What was proved of each program where it is laid out.
    pub proofs: Vec<Proof>,
}

/// Where zsh looks for completions that packages bring, and where it does so on Debian.
const ZSH: (&str, &str) = ("zsh/site-functions", "zsh/vendor-completions");

/// The libraries of an image.
const LIBRARIES: &str = "usr/lib";
const LIBC: &str = "libc.so.6";
/// Parts of glibc that it opens by itself, to look up users and hosts. Since 2.34 they are in
/// `libc.so.6`, or as good as empty.
const OPENED_BY_GLIBC: [&str; 3] = ["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"];

/// Lays an app out in an empty folder, and proves that its programs load there what they were
/// linked against, and nothing that lies elsewhere.
pub fn lay_out(app: &App<'_>, place: Place, root: &Utf8Path) -> Result<Laid, ExportError> {
    let root = root.canonicalize_utf8()?;
    let programs = copy(app, place, &root)?;
    let proofs = prove(&root, &programs, &Search::default(), |library| {
        library.glibc
    })?;
    let mut files = Vec::new();
    for path in proved(&proofs, |library| !library.glibc) {
        files.push(Object::read(&path)?);
    }
    let machine = files
        .first()
        .map(|file| file.machine)
        .expect("an app has a program");
    let mut laid = Laid {
        glibc: Glibc::needed_by(&files)?,
        root,
        programs,
        machine,
        from_machine: BTreeSet::new(),
        proofs,
    };
    if place == Place::Image {
        laid.bring_glibc()?;
    }
    Ok(laid)
}

/// Copies an app's files; returns its programs as people start them.
fn copy(app: &App<'_>, place: Place, root: &Utf8Path) -> Result<Vec<Utf8PathBuf>, ExportError> {
    let own = match place {
        Place::Anywhere => Utf8PathBuf::new(),
        Place::Debian => Utf8Path::new("usr/lib/orlop").join(app.name),
        Place::Image => "usr".into(),
    };
    copy_tree(&app.view.join("bin"), &root.join(&own).join("bin"))?;
    copy_tree(&app.view.join("lib"), &root.join(&own).join("lib"))?;
    let share = match place {
        Place::Anywhere => root.join("share"),
        Place::Debian | Place::Image => root.join("usr/share"),
    };
    copy_tree(&app.view.join("share"), &share)?;
    if place == Place::Debian && share.join(ZSH.0).is_dir() {
        fs_err::rename(share.join(ZSH.0), share.join(ZSH.1))?;
    }
    let mut programs = Vec::new();
    for name in app.programs {
        let file = own.join("bin").join(name);
        let link = Utf8Path::new("usr/bin").join(name);
        if place == Place::Debian {
            fs_err::create_dir_all(root.join("usr/bin"))?;
            let target = Utf8Path::new("..").join(file.strip_prefix("usr").unwrap_or(&file));
            fs_err::os::unix::fs::symlink(target, root.join(&link))?;
            programs.push(link);
        } else {
            programs.push(file);
        }
    }
    Ok(programs)
}

/// Copies a tree, if it is there and holds anything: what its links lead to in place of the links.
fn copy_tree(from: &Utf8Path, to: &Utf8Path) -> Result<(), ExportError> {
    if !from.is_dir() {
        return Ok(());
    }
    for entry in WalkDir::new(from).follow_links(true).sort_by_file_name() {
        let entry = entry?;
        let path = Utf8Path::from_path(entry.path()).ok_or_else(|| {
            std::io::Error::other(format!("{}: not UTF-8", entry.path().display()))
        })?;
        let inside = path.strip_prefix(from).expect("it was found in there");
        if entry.file_type().is_file() {
            copy_file(path, &to.join(inside))?;
        } else if !entry.file_type().is_dir() {
            return Err(ExportError::Kind {
                path: path.to_owned(),
            });
        }
    }
    Ok(())
}

fn copy_file(from: &Utf8Path, to: &Utf8Path) -> Result<(), ExportError> {
    fs_err::create_dir_all(to.parent().unwrap_or(to))?;
    fs_err::copy(from, to)?;
    Ok(())
}

/// A library of a proof, and whether it belongs to glibc.
type Library = orlop_loader::ProvedObject;

/// Proves every program, as it lies in a folder. All that it loads must lie there as well, but for
/// what is `excepted`.
fn prove(
    root: &Utf8Path,
    programs: &[Utf8PathBuf],
    search: &Search,
    excepted: impl Fn(&Library) -> bool,
) -> Result<Vec<Proof>, ExportError> {
    let mut proofs = Vec::new();
    for program in programs {
        let refused = |source| ExportError::Refused {
            program: program.to_string(),
            source: Box::new(source),
        };
        let proof = orlop_loader::prove(&root.join(program), search).map_err(refused)?;
        for object in proof.objects.iter().filter(|object| !excepted(object)) {
            // A search path may lead out of the folder again.
            if !object.path.canonicalize_utf8()?.starts_with(root) {
                return Err(ExportError::Outside {
                    program: program.to_string(),
                    library: object.path.clone(),
                });
            }
        }
        proofs.push(proof);
    }
    Ok(proofs)
}

/// Returns the files that some program loads, of a kind.
fn proved(proofs: &[Proof], wanted: impl Fn(&Library) -> bool) -> BTreeSet<Utf8PathBuf> {
    let objects = proofs.iter().flat_map(|proof| &proof.objects);
    let wanted = objects.filter(|object| wanted(object));
    wanted.map(|object| object.path.clone()).collect()
}

impl Laid {
    /// Copies the glibc of this machine to the libraries, and proves the programs again, with that.
    fn bring_glibc(&mut self) -> Result<(), ExportError> {
        let mut files = proved(&self.proofs, |library| library.glibc);
        let mut system = files.iter().filter(|path| path.file_name() == Some(LIBC));
        if let Some(folder) = system.next().and_then(|path| path.parent()) {
            let more = OPENED_BY_GLIBC.map(|name| folder.join(name));
            files.extend(more.into_iter().filter(|path| path.is_file()));
        }
        let libraries = self.root.join(LIBRARIES);
        fs_err::create_dir_all(&libraries)?;
        for path in files {
            let copy = Utf8Path::new(LIBRARIES).join(path.file_name().unwrap_or_default());
            copy_file(&path, &self.root.join(&copy))?;
            self.from_machine.insert(copy);
        }
        for (link, target) in names_of_libraries(self.machine) {
            fs_err::os::unix::fs::symlink(target, self.root.join(link))?;
        }
        let temporary = self.root.join("tmp");
        fs_err::create_dir(&temporary)?;
        fs_err::set_permissions(&temporary, Permissions::from_mode(0o1777))?;
        let own = self.proofs.iter().flat_map(|proof| &proof.objects);
        let own = own.filter(|library| !library.glibc);
        let mut search = Search {
            allowed: own.map(|library| library.name.clone()).collect(),
            ..Search::default()
        };
        search.system.insert(0, libraries);
        // The program names its loader by the path it will have: it cannot be another.
        self.proofs = prove(&self.root, &self.programs, &search, |library| {
            is_loader(&library.name)
        })?;
        Ok(())
    }
}

/// The names under which loaders look for the libraries of the system: those of distributions of
/// all kinds. Each is a link.
fn names_of_libraries(machine: Machine) -> [(&'static str, &'static str); 4] {
    let triple = match machine {
        Machine::X86_64 => "usr/lib/x86_64-linux-gnu",
        Machine::Aarch64 => "usr/lib/aarch64-linux-gnu",
    };
    [
        ("lib", LIBRARIES),
        ("lib64", LIBRARIES),
        ("usr/lib64", "lib"),
        (triple, "."),
    ]
}
