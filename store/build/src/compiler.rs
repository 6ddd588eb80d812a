//! Rust compilers: [`import`] copies one into the store, where it is an input like any other.
//!
//! The object holds no more than rustc needs, so that equal compilers have equal digests wherever
//! they were installed:
//!
//! ```text
//! bin/rustc                 the compiler, or a script that starts libexec/rustc
//! lib/                      the shared libraries it needs, but for the C tools' own
//! lib/rustlib/<host>/lib/   the standard library
//! lib/rustlib/<host>/bin/   the compiler's own linker, if it has one
//! compiler.json             orlop_store::Compiler
//! ```
//!
//! The C library, libgcc, libstdc++ and zlib are not in it: they come with the C tools, which every
//! compiler runs beside. A distribution's rustc has no run path, since its libraries lie in the
//! system's folders; it is started by a script that tells the loader where they are now.
//!
//! Compilers have names (`1.95.0`, `1.97.0-nightly-2026-11-20`), which are roots in the store:
//! `compilers/<name>`; the root `compilers/default` is another name of one of them.

use std::collections::BTreeMap;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use orlop_store::{Compiler, ImportedCompiler, Reporter, Store, StorePath};

pub use crate::imported::ImportError;
use crate::imported::{Asked, Origin, ask, reported};
use crate::libraries::{Libraries, Loader, expand, is_c_library};
use crate::tree::Tree;

/// The folder of roots that are compilers.
const ROOTS: &str = "compilers/";
/// The root of the default compiler.
const DEFAULT: &str = "compilers/default";
/// What the name of a compiler's object begins with; then comes the compiler's name.
const OBJECT: &str = "rustc-";
/// The file in a compiler's object that says what it is.
const RECORD: &str = "compiler.json";

/// Libraries beside the C library that every set of C tools brings.
const C_TOOLS_LIBRARIES: [&str; 3] = ["libgcc_s.so.1", "libstdc++.so.6", "libz.so.1"];

/// Starts a compiler whose libraries lie where no loader looks by itself.
const LAUNCHER: &str = "#!/bin/sh\n\
    here=${0%/*}/..\n\
    LD_LIBRARY_PATH=$here/lib exec \"$here/libexec/rustc\" \"$@\"\n";

/// Copies the compiler that `rustc` is, or stands for, into the store, unless it is there already.
pub fn import(
    rustc: &Utf8Path,
    store: &Store,
    reporter: &dyn Reporter,
) -> Result<ImportedCompiler, ImportError> {
    let _no_gc = store.use_store()?;
    // A shim chooses a compiler by the user's settings; whatever it chose is then asked alone.
    let sysroot = ask(rustc, &["--print", "sysroot"], Asked::AsUser, false)?;
    let sysroot = Utf8PathBuf::from(sysroot.trim());
    let origin = Origin {
        kind: "rustc",
        from: sysroot.as_str(),
    };
    let path = match origin.known(store)? {
        Some(path) => path,
        None => copy(&sysroot, origin, store, reporter)?,
    };
    let name = path
        .name()
        .strip_prefix(OBJECT)
        .unwrap_or(path.name())
        .to_owned();
    keep(store, &name, &path)?;
    read(store, name, path)
}

/// Returns all compilers in the store, in the order of their names.
pub fn list(store: &Store) -> Result<Vec<ImportedCompiler>, ImportError> {
    roots(store)?
        .into_iter()
        .map(|(name, path)| read(store, name, path))
        .collect()
}

/// Returns the compiler that is used where nothing else is said.
pub fn default(store: &Store) -> Result<Option<ImportedCompiler>, ImportError> {
    let Some(path) = store.roots()?.remove(DEFAULT) else {
        return Ok(None);
    };
    let name = roots(store)?.into_iter().find(|(_, other)| *other == path);
    name.map(|(name, path)| read(store, name, path)).transpose()
}

/// Makes a compiler the default one.
pub fn set_default(store: &Store, name: &str) -> Result<(), ImportError> {
    let path = find(store, name)?;
    Ok(store.set_root(DEFAULT, &path)?)
}

/// Lets a compiler go; gc then removes it, once no app needs it any more. The default one can go
/// only as the last.
pub fn remove(store: &Store, name: &str) -> Result<(), ImportError> {
    let path = find(store, name)?;
    if store.roots()?.get(DEFAULT) == Some(&path) {
        if roots(store)?.len() > 1 {
            return Err(ImportError::DefaultCompiler {
                name: name.to_owned(),
            });
        }
        store.remove_root(DEFAULT)?;
    }
    store.remove_root(&format!("{ROOTS}{name}"))?;
    Ok(())
}

fn roots(store: &Store) -> Result<BTreeMap<String, StorePath>, ImportError> {
    let roots = store
        .roots()?
        .into_iter()
        .filter(|(root, _)| root != DEFAULT);
    Ok(roots
        .filter_map(|(root, path)| Some((root.strip_prefix(ROOTS)?.to_owned(), path)))
        .collect())
}

fn find(store: &Store, name: &str) -> Result<StorePath, ImportError> {
    let unknown = || ImportError::UnknownCompiler {
        name: name.to_owned(),
    };
    roots(store)?.remove(name).ok_or_else(unknown)
}

/// Gives a compiler its root. One that takes the name of the default one is the default from now
/// on, so that there always is a name for it.
fn keep(store: &Store, name: &str, path: &StorePath) -> Result<(), ImportError> {
    let roots = store.roots()?;
    let root = format!("{ROOTS}{name}");
    let before = roots.get(&root);
    if before != Some(path) {
        store.set_root(&root, path)?;
        if before.is_some() && roots.get(DEFAULT) == before {
            store.set_root(DEFAULT, path)?;
        }
    }
    Ok(())
}

fn read(store: &Store, name: String, path: StorePath) -> Result<ImportedCompiler, ImportError> {
    let file = store.object(&path).join(RECORD);
    let text = fs_err::read(&file).map_err(ImportError::io("the compiler"))?;
    let compiler = serde_json::from_slice(&text)
        .map_err(|source| ImportError::Record { path: file, source })?;
    Ok(ImportedCompiler {
        name,
        path,
        compiler,
    })
}

fn copy(
    sysroot: &Utf8Path,
    origin: Origin<'_>,
    store: &Store,
    reporter: &dyn Reporter,
) -> Result<StorePath, ImportError> {
    let rustc = sysroot.join("bin/rustc");
    let (name, compiler) = describe(&rustc)?;
    reported(reporter, format!("rustc {name}"), || {
        let target = sysroot.join(target(&compiler));
        let tree = collect(sysroot, compiler)?;
        let searched = ["", "lib", "bin"].map(|folder| target.join(folder));
        let searched: Vec<_> = searched
            .into_iter()
            .filter(|folder| folder.is_dir())
            .collect();
        origin.add(store, &format!("{OBJECT}{name}"), &tree, &searched)
    })
}

/// Asks a compiler what it is.
fn describe(rustc: &Utf8Path) -> Result<(String, Compiler), ImportError> {
    const QUESTION: &str = "-vV";
    let version = ask(rustc, &[QUESTION], Asked::Alone, false)?;
    let field = |key: &str| {
        let value = version
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        value.map(str::to_owned)
    };
    let answer = |key, lack| {
        let lacking = || ImportError::Answer {
            program: rustc.to_owned(),
            question: QUESTION,
            lack,
        };
        // The release becomes a name and the host a folder.
        let plain = |text: &String| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
            !text.is_empty() && !text.starts_with('.') && text.chars().all(allowed)
        };
        field(key).filter(plain).ok_or_else(lacking)
    };
    let release = answer("release", "a release")?;
    let date = field("commit-date").filter(|date| date != "unknown" && release.contains('-'));
    let name = match date {
        Some(date) => format!("{release}-{date}"),
        None => release.clone(),
    };
    let cfg = ask(rustc, &["--print=cfg"], Asked::Alone, false)?;
    let compiler = Compiler {
        release,
        commit: field("commit-hash").unwrap_or_else(|| "unknown".to_owned()),
        host: answer("host", "a host")?,
        cfg: cfg.lines().map(str::to_owned).collect(),
        bundled_linker: None,
    };
    Ok((name, compiler))
}

/// Decides what of a sysroot goes where.
fn collect(sysroot: &Utf8Path, mut compiler: Compiler) -> Result<Tree, ImportError> {
    let io = ImportError::io("the compiler");
    let mut tree = Tree::default();
    let target = target(&compiler);
    let tools = target.join("bin");
    let linker = tools.join("gcc-ld");
    copy_folder(&mut tree, sysroot, &target.join("lib")).map_err(&io)?;
    copy_folder(&mut tree, sysroot, &target.join("codegen-backends")).map_err(&io)?;
    if sysroot.join(&linker).is_dir() {
        copy_folder(&mut tree, sysroot, &linker).map_err(&io)?;
        // The linker in the folder is a wrapper around this one.
        tree.copy(
            tools.join("rust-lld"),
            sysroot.join(&tools).join("rust-lld"),
        );
        compiler.bundled_linker = Some(linker.into_string());
    }

    let rustc = sysroot.join("bin/rustc");
    let programs = tree
        .sources()
        .filter(|file| file.extension() != Some("rlib"));
    let programs: Vec<_> = programs
        .map(Utf8Path::to_owned)
        .chain([rustc.clone()])
        .collect();
    let own = |name: &str| !is_c_library(name) && !C_TOOLS_LIBRARIES.contains(&name);
    let libraries = Loader::of_machine().libraries(programs, &own);
    if let Some((library, program)) = libraries.missing.first_key_value() {
        return Err(ImportError::Library {
            program: program.clone(),
            library: library.clone(),
        });
    }
    for (name, path) in &libraries.found {
        tree.copy(Utf8Path::new("lib").join(name), path);
    }
    if finds_libraries(&rustc, &libraries) {
        tree.copy("bin/rustc", rustc);
    } else {
        tree.copy("libexec/rustc", rustc);
        tree.text("bin/rustc", LAUNCHER.to_owned(), true);
    }
    let record = serde_json::to_string_pretty(&compiler).map_err(|source| ImportError::Record {
        path: RECORD.into(),
        source,
    })?;
    tree.text(RECORD, record, false);
    Ok(tree)
}

/// Returns the folder of the standard library and its like, relative to the sysroot.
fn target(compiler: &Compiler) -> Utf8PathBuf {
    Utf8Path::new("lib/rustlib").join(&compiler.host)
}

/// Adds the files of a folder of the sysroot and of the folders in it, if it is there.
fn copy_folder(tree: &mut Tree, sysroot: &Utf8Path, folder: &Utf8Path) -> std::io::Result<()> {
    let Ok(entries) = sysroot.join(folder).read_dir_utf8() else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        // A distribution's files may be links to where its loader finds them.
        if entry.path().is_dir() {
            copy_folder(tree, sysroot, &path)?;
        } else {
            tree.copy(path, entry.path());
        }
    }
    Ok(())
}

/// Whether rustc and its libraries find each other by their run paths where they are put.
fn finds_libraries(rustc: &Utf8Path, libraries: &Libraries) -> bool {
    let loaded = libraries
        .found
        .values()
        .map(|path| (path.as_path(), "/lib"));
    loaded.chain([(rustc, "/bin")]).all(|(file, folder)| {
        let Some(needs) = libraries.needs.get(file) else {
            return true;
        };
        let paths = needs
            .run_paths
            .iter()
            .map(|path| expand(path, folder.into()));
        needs
            .libraries
            .iter()
            .all(|name| !libraries.found.contains_key(name))
            || paths.map(|path| resolve(&path)).any(|path| path == "/lib")
    })
}

/// Takes `..` out of a path.
fn resolve(path: &Utf8Path) -> Utf8PathBuf {
    path.components()
        .fold(Utf8PathBuf::new(), |mut resolved, component| {
            match component {
                Utf8Component::ParentDir => {
                    resolved.pop();
                }
                other => resolved.push(other),
            }
            resolved
        })
}
