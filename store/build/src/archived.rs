//! Rust compilers out of archives: [`Archived::import`].
//!
//! The archives are laid over each other, into a folder like the one that rustup installs a compiler
//! in; what becomes the object is decided as for any other ([`compiler`]). So a compiler has one
//! digest, whoever brought it.
//!
//! Nobody vouches for what is in an archive but who wrote down its digest. So the compiler is asked
//! what it is where builds run it, and all that it loads must come out of the archives, or with the C
//! tools.

use std::collections::BTreeSet;
use std::io;

use camino::Utf8Path;
use goblin::elf::header::machine_to_str;
use orlop_store::derivation::{Isolation, Source};
use orlop_store::{
    Digest, Fetcher, Finished, ImportedCompiler, Job, Reporter, Runner, Store, StorePath,
};

use crate::compiler::{self, OBJECT};
use crate::imported::{ImportError, Origin, reported, with_causes};
use crate::libraries::{Loader, machine};
use crate::tree::Tree;
use crate::unpack::{Rules, unpack};

/// The folder in the scratch folder that is put together.
const SYSROOT: &str = "sysroot";
/// The folder beside it in which one archive is unpacked.
const UNPACKED: &str = "unpacked";
/// The compiler in a sysroot.
const RUSTC: &str = "bin/rustc";

/// A compiler in archives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// The name it is promised to have.
    pub name: String,
    /// The archives, each laid over those before it.
    pub parts: Vec<Part>,
}

/// One archive of a compiler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The archive.
    pub source: Source,
    /// The folder in it that counts, below the one on its top; none means that one.
    pub folder: Option<String>,
}

/// Who and what takes part in an import.
pub struct Hands<'a> {
    /// The store that the compiler goes into.
    pub store: &'a Store,
    /// Who brings the archives.
    pub fetcher: &'a dyn Fetcher,
    /// What the compiler is asked in.
    pub runner: &'a dyn Runner,
    /// The C tools that it runs beside.
    pub c_tools: &'a StorePath,
    /// Who is told of it.
    pub reporter: &'a dyn Reporter,
}

impl Archived {
    /// Imports the compiler, unless it is in the store already.
    pub fn import(&self, hands: &Hands<'_>) -> Result<ImportedCompiler, ImportError> {
        let _no_gc = hands.store.use_store()?;
        let from = self.content();
        let origin = Origin {
            kind: "archives",
            from: &from,
        };
        let path = match origin.known(hands.store)? {
            Some(path) => path,
            None => self.make(origin, hands)?,
        };
        self.check_name(compiler::name(&path))?;
        compiler::keep_and_read(hands.store, &path)
    }

    /// Returns what decides what comes out, as text.
    fn content(&self) -> String {
        let lines = self.parts.iter().map(|part| {
            let folder = part.folder.as_deref().unwrap_or_default();
            format!("{} {folder}\n", part.source.checksum)
        });
        lines.collect()
    }

    fn make(&self, origin: Origin<'_>, hands: &Hands<'_>) -> Result<StorePath, ImportError> {
        let fetch = |part: &Part| hands.fetcher.fetch(&part.source, hands.reporter);
        let archives: Vec<_> = self.parts.iter().map(fetch).collect::<Result<_, _>>()?;
        reported(hands.reporter, format!("rustc {}", self.name), || {
            let scratch = hands.store.scratch()?;
            let io = ImportError::io("the compiler");
            let sysroot = scratch.folder().join(SYSROOT);
            fs_err::create_dir(&sysroot).map_err(&io)?;
            for (part, archive) in self.parts.iter().zip(&archives) {
                part.lay(archive, scratch.folder())?;
            }
            // What is compared below must not lead through links of the machine.
            let sysroot = sysroot.canonicalize_utf8().map_err(&io)?;
            let tree = self.collect(&sysroot, hands)?;
            let name = format!("{OBJECT}{}", self.name);
            origin.add(hands.store, &name, &tree, &BTreeSet::new())
        })
    }

    /// Decides what of a sysroot goes into the object.
    fn collect(&self, sysroot: &Utf8Path, hands: &Hands<'_>) -> Result<Tree, ImportError> {
        let rustc = sysroot.join(RUSTC);
        if !rustc.is_file() {
            return Err(ImportError::NoRustc {
                name: self.name.clone(),
            });
        }
        check_machine(&rustc)?;
        let question = |arguments: &[&str]| ask(arguments, sysroot, hands);
        let (name, compiler) = compiler::describe_by(Utf8Path::new(RUSTC), &question)?;
        self.check_name(&name)?;
        if !has_standard_library(&sysroot.join(compiler::target(&compiler)).join("lib")) {
            return Err(ImportError::NoStandardLibrary {
                name,
                host: compiler.host,
            });
        }
        let inside = |path: &Utf8Path| path.strip_prefix(sysroot).unwrap_or(path).to_owned();
        let tree = match compiler::collect(sysroot, compiler, &Loader::of_nothing()) {
            Err(ImportError::Library { program, library }) => {
                return Err(ImportError::NotInArchives {
                    program: inside(&program),
                    library,
                });
            }
            other => other?,
        };
        // A run path may lead anywhere.
        let is_outside = |path: &&Utf8Path| {
            let real = path.canonicalize_utf8();
            !real.is_ok_and(|real| real.starts_with(sysroot))
        };
        let outside = tree.sources().find(is_outside).map(Utf8Path::to_owned);
        match outside {
            Some(path) => Err(ImportError::Outside { path }),
            None => Ok(tree),
        }
    }

    fn check_name(&self, name: &str) -> Result<(), ImportError> {
        if name == self.name {
            return Ok(());
        }
        Err(ImportError::OtherCompiler {
            promised: self.name.clone(),
            actual: name.to_owned(),
        })
    }
}

impl Part {
    /// Unpacks an archive and lays what counts of it over the sysroot.
    fn lay(&self, archive: &Utf8Path, scratch: &Utf8Path) -> Result<(), ImportError> {
        let title = format!("{} {}", self.source.name, self.source.version);
        let io = ImportError::io(&title);
        let unpacked = scratch.join(UNPACKED);
        fs_err::create_dir(&unpacked).map_err(&io)?;
        // Rust's own archives have none.
        let rules = Rules {
            links: false,
            ..Rules::of(&self.source)
        };
        unpack(archive, &unpacked, &rules).map_err(|source| ImportError::Unpack {
            archive: archive.file_name().unwrap_or(&title).to_owned(),
            source,
        })?;
        let folder = match &self.folder {
            None => unpacked.clone(),
            Some(folder) => unpacked.join(folder),
        };
        if !folder.is_dir() {
            return Err(ImportError::NoFolder {
                archive: archive.file_name().unwrap_or(&title).to_owned(),
                folder: self.folder.clone().unwrap_or_default(),
                others: folders(&unpacked).map_err(&io)?,
            });
        }
        merge(&folder, &scratch.join(SYSROOT)).map_err(&io)?;
        fs_err::remove_dir_all(&unpacked).map_err(&io)
    }
}

/// Moves what is in a folder into another. What is there already goes.
fn merge(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    for entry in from.read_dir_utf8()? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() && target.is_dir() {
            merge(entry.path(), &target)?;
        } else {
            fs_err::rename(entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Returns the names of the folders in a folder.
fn folders(folder: &Utf8Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in folder.read_dir_utf8()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Refuses a program that this machine cannot start, with a better reason than the system has. What
/// is not ELF is left to the system.
fn check_machine(rustc: &Utf8Path) -> Result<(), ImportError> {
    let own = machine(Utf8Path::new("/proc/self/exe"));
    match (machine(rustc), own) {
        (Some(found), Some(own)) if found != own => Err(ImportError::OtherMachine {
            program: RUSTC.into(),
            found: machine_to_str(found.2),
            own: machine_to_str(own.2),
        }),
        _ => Ok(()),
    }
}

fn has_standard_library(folder: &Utf8Path) -> bool {
    let is_std = |file: &Utf8Path| {
        file.file_stem()
            .is_some_and(|name| name.starts_with("libstd-"))
            && file.extension() == Some("rlib")
    };
    folder
        .read_dir_utf8()
        .is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(|entry| is_std(entry.path()))))
}

/// Asks a compiler as a build would run it: it can read itself, and change nothing.
fn ask(arguments: &[&str], sysroot: &Utf8Path, hands: &Hands<'_>) -> Result<String, ImportError> {
    let failed = |reason: String| ImportError::Ask {
        program: RUSTC.into(),
        question: arguments.join(" "),
        reason,
    };
    let scratch = hands.store.scratch()?;
    let work = scratch.folder().join("work");
    fs_err::create_dir(&work).map_err(ImportError::io("the compiler"))?;
    // Beside it: what is read afterwards is not a link that was put there.
    let said = scratch.folder().join("said");
    let view = hands.runner.view();
    let place = StorePath::new(Digest::of("orlop-import", sysroot.as_str()), "rustc");
    let seen = match hands.runner.isolation() {
        Isolation::Full => view.object(&place),
        // Nothing can be shown elsewhere than where it is.
        Isolation::None => sysroot.to_owned(),
    };
    let variables = [("LC_ALL", "C"), ("PATH", "/usr/bin:/bin")];
    let job = Job {
        name: "rustc".to_owned(),
        program: seen.join(RUSTC),
        args: arguments.iter().map(Into::into).collect(),
        environment: variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        folder: view.scratch(&work),
        c_tools: hands.c_tools.clone(),
        inputs: [].into(),
        copies: Vec::new(),
        unfinished: [(place, sysroot.to_owned())].into(),
        output: None,
        scratch: work,
        log: said.clone(),
        capture_stdout: true,
        messages: None,
        attended: false,
        slots: None,
    };
    let Finished { status, stdout } = hands
        .runner
        .run(&job)
        .map_err(|error| failed(with_causes(&error)))?;
    if status.success() {
        return String::from_utf8(stdout).map_err(|_| failed("the answer is not UTF-8".to_owned()));
    }
    let text = fs_err::read(&said).unwrap_or_default();
    Err(failed(format!("{status}: {}", shown(&text))))
}

/// What a stranger's program said, so that a terminal can show it.
fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let plain = text.trim().chars().filter(|c| !c.is_control());
    plain.take(300).collect()
}
