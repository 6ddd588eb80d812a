//! The C tools: [`import`] makes one object of the host's C compiler, linker, shell, basic programs
//! and C library, which a job sees as `/usr`, and with that nothing else of the host.
//!
//! | module | holds |
//! |---|---|
//! | this | [`import`], [`CTools`]: what there is to know of such an object |
//! | `collect` | what of the host goes where |
//! | `gcc` | what the host's gcc says of itself |
//! | `*.txt` | the names of what is taken: programs, headers, files of libraries, gcc's own files |
//!
//! Every file lies where it lies below the host's `/usr`, since compilers, linker scripts and Perl
//! know their own places; only programs found elsewhere in `PATH` get a link in `bin`. What the
//! host does not have is not there. Of headers and libraries only the C library's and the
//! compiler's own are taken: whatever other development packages are installed, a build that needs
//! one of those must declare it.
//!
//! Not in the object, though part of what a job sees: `/etc` and the like, which the
//! [sandbox](crate::sandbox) makes.

mod collect;
mod gcc;

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use orlop_store::{Reporter, Store, StorePath};
use serde::{Deserialize, Serialize};

use self::collect::Collection;
use self::gcc::Gcc;
pub use crate::imported::ImportError;
use crate::imported::{Origin, reported};

/// The root of the C tools that builds use, if they ask for no extra ones.
const ROOT: &str = "tools/c";
/// The file in the object that says what is where.
const RECORD: &str = "c-tools.json";

/// Programs without which nothing can be built, and the packages that bring them.
const NEEDED: [(&str, &str, &str); 5] = [
    ("gcc", "gcc", "gcc"),
    ("as", "binutils", "binutils"),
    ("ld", "binutils", "binutils"),
    ("ar", "binutils", "binutils"),
    ("sh", "dash", "bash"),
];

/// What is only in an object that is asked for it, as few steps need it: what these packages bring
/// can then change without another key for everything that is linked or run.
pub const EXTRAS: [&str; 8] = [
    "cmake", "libclang", "m4", "make", "meson", "ninja", "perl", "protoc",
];

/// What there is to know of C tools in the store. Paths are relative to the object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CTools {
    /// The version of gcc: `12.2.0`.
    pub gcc: String,
    /// The dynamic loader: `lib64/ld-linux-x86-64.so.2`.
    pub loader: Utf8PathBuf,
    /// `libgcc_s.so.1`, which every Rust program needs to unwind.
    pub libgcc: Utf8PathBuf,
    /// `libstdc++.so.6`, where the host has it.
    pub libstdcxx: Option<Utf8PathBuf>,
}

/// Copies the host's C tools into the store, unless they are there already. `search` are the
/// folders of `PATH`; of those, the ones below `/usr` count. `extras` are those of [`EXTRAS`] that
/// are to be among them, if the host has them.
pub fn import(
    search: &[Utf8PathBuf],
    extras: &BTreeSet<&str>,
    store: &Store,
    reporter: &dyn Reporter,
) -> Result<StorePath, ImportError> {
    let _no_gc = store.use_store()?;
    let search = system_folders(search);
    let from = search.iter().map(|folder| folder.as_str());
    let from: Vec<_> = from.chain(extras.iter().copied()).collect();
    let from = from.join(":");
    let origin = Origin {
        kind: "c-tools",
        from: &from,
    };
    let names: Vec<_> = ["the C tools"].iter().chain(extras).copied().collect();
    let import = || copy(&search, extras, origin, store);
    let path = match origin.known(store)? {
        Some(path) => path,
        None => reported(reporter, names.join(" + "), import)?,
    };
    // With extra ones they can be put together again when a step asks for them.
    if extras.is_empty() && store.roots()?.get(ROOT) != Some(&path) {
        store.set_root(ROOT, &path)?;
    }
    Ok(path)
}

/// Returns what there is to know of C tools in the store.
pub fn read(store: &Store, path: &StorePath) -> Result<CTools, ImportError> {
    let path = store.object(path).join(RECORD);
    let text = fs_err::read(&path).map_err(ImportError::io("the C tools"))?;
    serde_json::from_slice(&text).map_err(|source| ImportError::Record { path, source })
}

fn copy(
    search: &[Utf8PathBuf],
    extras: &BTreeSet<&str>,
    origin: Origin<'_>,
    store: &Store,
) -> Result<StorePath, ImportError> {
    let programs = find_programs(search, extras)?;
    let gcc = Gcc::new(&programs["gcc"]);
    let version = gcc.version()?;
    let mut collection = Collection::default();
    let tools = collect::collect(&mut collection, &programs, extras, &gcc, &version)?;
    let record = serde_json::to_string_pretty(&tools).map_err(|source| ImportError::Record {
        path: RECORD.into(),
        source,
    })?;
    collection.tree.text(RECORD, record, false);
    let own = gcc.folder()?;
    let whole = &collection.folders;
    let alone = |file: &&Utf8Path| !file.parent().is_some_and(|folder| whole.contains(folder));
    let watched = collection.tree.sources().filter(alone);
    // A program that appears in these folders later belongs to the tools, too.
    let folders = search
        .iter()
        .chain(&own)
        .chain(whole)
        .map(Utf8PathBuf::as_path);
    let watched = watched.chain(folders).collect();
    let extras = extras.iter().map(|extra| format!("-{extra}"));
    let name = format!("c-tools-{version}{}", extras.collect::<String>());
    origin.add(store, &name, &collection.tree, &watched)
}

/// Returns the folders that hold the system's own programs, each once.
fn system_folders(search: &[Utf8PathBuf]) -> Vec<Utf8PathBuf> {
    let mut folders: Vec<Utf8PathBuf> = Vec::new();
    for folder in search
        .iter()
        .filter_map(|folder| folder.canonicalize_utf8().ok())
    {
        if collect::place(&folder.join("x")).is_some() && !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

/// Finds every program of the list that the host has; of the extra ones, those asked for.
fn find_programs(
    search: &[Utf8PathBuf],
    extras: &BTreeSet<&str>,
) -> Result<BTreeMap<&'static str, Utf8PathBuf>, ImportError> {
    let mut programs = BTreeMap::new();
    let wanted = |name: &&str| !EXTRAS.contains(name) || extras.contains(name);
    for name in names(include_str!("programs.txt")).filter(wanted) {
        if let Some(program) = search
            .iter()
            .map(|folder| folder.join(name))
            .find(is_usable)
        {
            programs.insert(name, program);
        }
    }
    match NEEDED
        .iter()
        .find(|(name, ..)| !programs.contains_key(name))
    {
        None => Ok(programs),
        Some((name, debian, fedora)) => {
            let folders: Vec<_> = search.iter().map(|folder| folder.as_str()).collect();
            let folders = match folders[..] {
                [] => "of which there is none".to_owned(),
                _ => folders.join(", "),
            };
            Err(ImportError::Missing {
                what: (*name).to_owned(),
                place: format!("in the folders of `PATH` below `/usr` ({folders})"),
                debian,
                fedora,
            })
        }
    }
}

/// Whether a path is a program that works alone: not a wrapper that looks for the real one, and
/// not one whose files lie outside the system.
fn is_usable(program: &Utf8PathBuf) -> bool {
    const WRAPPERS: [&str; 4] = ["ccache", "colorgcc", "distcc", "sccache"];
    program.canonicalize_utf8().is_ok_and(|real| {
        real.is_file()
            && collect::place(&real).is_some()
            && !real
                .file_name()
                .is_some_and(|name| WRAPPERS.contains(&name))
    })
}

/// Returns the entries of a list: its lines, less comments and empty ones.
fn names(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libraries::is_like;

    #[test]
    fn what_is_needed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let folder = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
        fs_err::write(folder.join("gcc"), "").unwrap();
        // A folder outside the system does not count, whatever it holds.
        let search = system_folders(&["/usr/share".into(), folder, "/absent".into()]);
        assert_eq!(search, ["/usr/share"]);
        let error = find_programs(&search, &BTreeSet::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`gcc` is missing: it was looked for in the folders of `PATH` below `/usr` (/usr/share)"
        );
        assert!(error.hint().unwrap().contains("apt install gcc"));
        let error = find_programs(&[], &BTreeSet::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`gcc` is missing: it was looked for in the folders of `PATH` below `/usr` (of which there \
             is none)"
        );
    }

    #[test]
    fn folders_count_once() {
        let folders = system_folders(&["/bin".into(), "/usr/bin".into(), "/bin".into()]);
        assert_eq!(folders.iter().collect::<BTreeSet<_>>().len(), folders.len());
        assert!(folders.contains(&Utf8Path::new("/bin").canonicalize_utf8().unwrap()));
    }

    #[test]
    fn place_is_that_below_usr() {
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(
                collect::place(path.into()),
                expected.map(Utf8PathBuf::from),
                "{path}"
            );
        };
        check("/usr/bin/env", Some("bin/env"));
        check("/bin/../bin/env", Some("bin/env"));
        check("/usr/local/bin/x", Some("local/bin/x"));
        check("/etc/passwd", None);
        check("/tmp/x", None);
        check("/absent/x", None);
        check("/", None);
    }

    /// It is left out of what is imported beside the C tools. The loader has a way of its own.
    #[test]
    fn what_is_glibcs_comes_along() {
        for name in [
            "libBrokenLocale.so.1",
            "libanl.so.1",
            "libc.so.6",
            "libdl.so.2",
            "libm.so.6",
            "libmvec.so.1",
            "libpthread.so.0",
            "libresolv.so.2",
            "librt.so.1",
            "libutil.so.1",
        ] {
            assert!(orlop_loader::is_glibc(name), "{name}");
            let mut patterns = names(include_str!("libraries.txt"));
            assert!(patterns.any(|pattern| is_like(name, pattern)), "{name}");
        }
    }

    /// Later releases of the C library add headers, and each list is kept by hand.
    #[test]
    fn lists_are_in_order() {
        for list in [include_str!("compiler.txt"), include_str!("libraries.txt")] {
            assert!(names(list).all(|pattern| pattern.matches('*').count() < 2));
        }
        for list in [include_str!("headers.txt"), include_str!("programs.txt")] {
            let all: Vec<_> = names(list).collect();
            let unique: BTreeSet<_> = all.iter().collect();
            assert_eq!(unique.len(), all.len());
            assert!(
                all.iter()
                    .all(|name| !name.contains("..") && name.trim() == *name)
            );
        }
        let headers: Vec<_> = names(include_str!("headers.txt")).collect();
        assert!(headers.is_sorted());
        for name in ["stdio.h", "sys/types.h", "linux", "bits", "netinet/in.h"] {
            assert!(headers.contains(&name), "{name}");
        }
        for name in ["zlib.h", "sys", "openssl", "curses.h", "sys/acl.h"] {
            assert!(!headers.contains(&name), "{name}");
        }
        let programs: Vec<_> = names(include_str!("programs.txt")).collect();
        assert!(NEEDED.iter().all(|(name, ..)| programs.contains(name)));
    }
}
