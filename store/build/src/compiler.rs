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
use orlop_loader::is_glibc;
use orlop_store::{Compiler, ImportedCompiler, Reporter, Store, StorePath};

pub use crate::imported::ImportError;
use crate::imported::{Asked, Origin, ask, reported};
use crate::libraries::{Libraries, Loader, expand};
use crate::tree::Tree;

/// The folder of roots that are compilers.
const ROOTS: &str = "compilers/";
/// The root of the default compiler.
const DEFAULT: &str = "compilers/default";
/// What the name of a compiler's object begins with; then comes the compiler's name.
pub(crate) const OBJECT: &str = "rustc-";
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
    keep_and_read(store, &path)
}

/// Returns the name of the compiler that an object is.
pub(crate) fn name(path: &StorePath) -> &str {
    path.name().strip_prefix(OBJECT).unwrap_or(path.name())
}

/// Gives the compiler that an object is its root.
pub(crate) fn keep_and_read(
    store: &Store,
    path: &StorePath,
) -> Result<ImportedCompiler, ImportError> {
    let name = name(path).to_owned();
    keep(store, &name, path)?;
    read(store, name, path.clone())
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
    let path = removable(store, name)?;
    if store.roots()?.get(DEFAULT) == Some(&path) {
        store.remove_root(DEFAULT)?;
    }
    store.remove_root(&format!("{ROOTS}{name}"))?;
    Ok(())
}

/// Returns the object of a compiler that [`remove`] would let go, or why it would not.
pub fn removable(store: &Store, name: &str) -> Result<StorePath, ImportError> {
    let path = find(store, name)?;
    if store.roots()?.get(DEFAULT) == Some(&path) && roots(store)?.len() > 1 {
        return Err(ImportError::DefaultCompiler {
            name: name.to_owned(),
        });
    }
    Ok(path)
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

/// Returns the object of a compiler.
pub fn find(store: &Store, name: &str) -> Result<StorePath, ImportError> {
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
        let tree = collect(sysroot, compiler, &Loader::of_machine())?;
        let searched = ["", "lib", "bin"].map(|folder| target.join(folder));
        let searched = searched.iter().filter(|folder| folder.is_dir());
        let watched = tree
            .sources()
            .chain(searched.map(Utf8PathBuf::as_path))
            .collect();
        origin.add(store, &format!("{OBJECT}{name}"), &tree, &watched)
    })
}

/// Asks a compiler for its name and for what it is.
pub fn describe(rustc: &Utf8Path) -> Result<(String, Compiler), ImportError> {
    describe_by(rustc, &|arguments| {
        ask(rustc, arguments, Asked::Alone, false)
    })
}

/// The same, by whoever can ask it; `rustc` is for messages.
pub(crate) fn describe_by(
    rustc: &Utf8Path,
    ask: &dyn Fn(&[&str]) -> Result<String, ImportError>,
) -> Result<(String, Compiler), ImportError> {
    const QUESTION: &str = "-vV";
    let version = ask(&[QUESTION])?;
    let field = |key: &str| {
        let value = version
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        value.map(str::to_owned)
    };
    // The release and the date become a name and the host a folder, and all are shown to people.
    let plain = |text: &String| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+');
        !text.is_empty() && !text.starts_with('.') && text.chars().all(allowed)
    };
    let field = |key| field(key).filter(plain);
    let answer = |key, lack| {
        let lacking = || ImportError::Answer {
            program: rustc.to_owned(),
            question: QUESTION,
            lack,
        };
        field(key).ok_or_else(lacking)
    };
    let release = answer("release", "a release")?;
    let date = field("commit-date").filter(|date| date != "unknown" && release.contains('-'));
    let name = match date {
        Some(date) => format!("{release}-{date}"),
        None => release.clone(),
    };
    let cfg = ask(&["--print=cfg"])?;
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
pub(crate) fn collect(
    sysroot: &Utf8Path,
    mut compiler: Compiler,
    loader: &Loader,
) -> Result<Tree, ImportError> {
    let io = ImportError::io("the compiler");
    let mut tree = Tree::default();
    let target = target(&compiler);
    let tools = target.join("bin");
    let linker = tools.join("gcc-ld");
    copy_folder(&mut tree, sysroot, &target.join("lib")).map_err(&io)?;
    copy_folder(&mut tree, sysroot, &target.join("codegen-backends")).map_err(&io)?;
    // The linkers in the folder are wrappers around this one. A distribution's lead to its own.
    let wrapped = tools.join("rust-lld");
    if sysroot.join(&wrapped).is_file() && sysroot.join(&linker).is_dir() {
        copy_folder(&mut tree, sysroot, &linker).map_err(&io)?;
        tree.copy(&wrapped, sysroot.join(&wrapped));
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
    let own = |name: &str| !is_glibc(name) && !C_TOOLS_LIBRARIES.contains(&name);
    let libraries = loader.libraries(programs, &own);
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
pub(crate) fn target(compiler: &Compiler) -> Utf8PathBuf {
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
        // A distribution's files may be links to where its loader finds them, and to packages
        // that are not installed.
        if entry.path().is_dir() {
            copy_folder(tree, sysroot, &path)?;
        } else if entry.path().is_file() {
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Mutex;

    use orlop_store::{Event, Silent};

    use super::*;
    use crate::libraries::Needs;

    /// A store, and folders for sysroots.
    struct Machine {
        folder: Utf8PathBuf,
        store: Store,
        _guard: tempfile::TempDir,
    }

    impl Machine {
        fn new() -> Self {
            let guard = tempfile::tempdir().unwrap();
            let folder = Utf8PathBuf::from_path_buf(guard.path().canonicalize().unwrap()).unwrap();
            let store = Store::open(&folder.join("home"), jiff::Timestamp::UNIX_EPOCH).unwrap();
            Self {
                folder,
                store,
                _guard: guard,
            }
        }

        /// Makes a sysroot whose compiler only answers questions.
        fn sysroot(&self, name: &str, version: &str) -> Utf8PathBuf {
            let sysroot = self.folder.join(name);
            let write = |path: &str, text: &str| {
                let path = sysroot.join(path);
                fs_err::create_dir_all(path.parent().unwrap()).unwrap();
                fs_err::write(&path, text).unwrap();
            };
            let rustc = sysroot.join("bin/rustc");
            write_script(
                &rustc,
                &format!(
                    "#!/bin/sh\ncase \"$*\" in\n\
                     '--print sysroot') echo '{sysroot}' ;;\n\
                     -vV) printf '%s\\n' '{version}' ;;\n\
                     --print=cfg) printf 'unix\\ntarget_os=\"linux\"\\n' ;;\n\
                     *) echo \"what is $*\" >&2; exit 1 ;;\nesac\n"
                ),
            );
            write("lib/rustlib/x-y-z/lib/libstd-1.rlib", "std");
            write("lib/rustlib/x-y-z/bin/gcc-ld/ld.lld", "wrapper");
            write("lib/rustlib/x-y-z/bin/rust-lld", "linker");
            write("lib/rustlib/etc/manifest", "of no use");
            write("share/doc/README", "of no use");
            rustc
        }

        fn import(&self, rustc: &Utf8Path) -> ImportedCompiler {
            import(rustc, &self.store, &Silent).unwrap()
        }
    }

    /// Writes a script. Another process does it: a file that this one has open for writing cannot be
    /// run while a thread of another test is starting a process, which has a copy of all open files.
    fn write_script(path: &Utf8Path, text: &str) {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        #[expect(clippy::disallowed_methods, reason = "see above")]
        let mut shell = std::process::Command::new("sh");
        let shell = shell.args([
            "-c",
            "printf %s \"$1\" >\"$0\" && chmod 755 \"$0\"",
            path.as_str(),
        ]);
        assert!(shell.arg(text).status().unwrap().success());
    }

    fn version(release: &str, more: &str) -> String {
        format!("rustc {release}\nhost: x-y-z\nrelease: {release}\n{more}")
    }

    fn files(folder: &Utf8Path, inside: &str, all: &mut Vec<String>) {
        for entry in folder.join(inside).read_dir_utf8().unwrap() {
            let entry = entry.unwrap();
            let path = Utf8Path::new(inside).join(entry.file_name()).into_string();
            if entry.path().is_dir() {
                files(folder, &path, all);
            } else {
                all.push(path);
            }
        }
        all.sort();
    }

    #[test]
    fn object_holds_what_rustc_needs() {
        let machine = Machine::new();
        let rustc = machine.sysroot("stable", &version("1.95.0", "commit-hash: 1234"));
        let imported = machine.import(&rustc);
        assert_eq!(imported.name, "1.95.0");
        assert_eq!(imported.path.name(), "rustc-1.95.0");
        assert_eq!(
            imported.compiler,
            Compiler {
                release: "1.95.0".to_owned(),
                commit: "1234".to_owned(),
                host: "x-y-z".to_owned(),
                cfg: vec!["unix".to_owned(), "target_os=\"linux\"".to_owned()],
                bundled_linker: Some("lib/rustlib/x-y-z/bin/gcc-ld".to_owned()),
            }
        );
        let mut all = Vec::new();
        files(&machine.store.object(&imported.path), "", &mut all);
        assert_eq!(
            all,
            [
                "bin/rustc",
                "compiler.json",
                "lib/rustlib/x-y-z/bin/gcc-ld/ld.lld",
                "lib/rustlib/x-y-z/bin/rust-lld",
                "lib/rustlib/x-y-z/lib/libstd-1.rlib",
            ]
        );
        assert_eq!(list(&machine.store).unwrap(), [imported]);
    }

    /// The digest is that of the content, wherever the compiler was installed; here the script
    /// names its folder, so that only the standard library can be compared.
    #[test]
    fn content_decides() {
        let machine = Machine::new();
        let rustc = machine.sysroot("stable", &version("1.95.0", ""));
        let first = machine.import(&rustc);
        let library = machine
            .folder
            .join("stable/lib/rustlib/x-y-z/lib/libstd-1.rlib");
        fs_err::write(&library, "other").unwrap();
        let second = machine.import(&rustc);
        assert_ne!(first.path, second.path);
        fs_err::write(&library, "std").unwrap();
        assert_eq!(machine.import(&rustc), first);
        assert_eq!(list(&machine.store).unwrap(), [first]);
    }

    /// Counts imports that were work.
    #[derive(Default)]
    struct Counter(Mutex<Cell<usize>>);

    impl Reporter for Counter {
        fn report(&self, event: Event) {
            if let Event::Finished { .. } = event {
                let count = self.0.lock().unwrap();
                count.set(count.get() + 1);
            }
        }
    }

    #[test]
    fn known_compiler_is_not_copied_again() {
        let machine = Machine::new();
        let rustc = machine.sysroot("stable", &version("1.95.0", ""));
        let counter = Counter::default();
        let import = || import(&rustc, &machine.store, &counter).unwrap();
        let first = import();
        assert_eq!(import(), first);
        assert_eq!(counter.0.lock().unwrap().get(), 1);
        remove(&machine.store, "1.95.0").unwrap();
        assert_eq!(import(), first, "it is still there, and has its name again");
        assert_eq!(counter.0.lock().unwrap().get(), 1);
        let new = machine
            .folder
            .join("stable/lib/rustlib/x-y-z/lib/libnew.rlib");
        fs_err::write(new, "new").unwrap();
        assert_ne!(import().path, first.path);
        assert_eq!(counter.0.lock().unwrap().get(), 2);
    }

    #[test]
    fn names_tell_nightlies_apart() {
        let machine = Machine::new();
        let check = |release, more, expected| {
            let rustc = machine.sysroot(expected, &version(release, more));
            assert_eq!(machine.import(&rustc).name, expected);
        };
        check(
            "1.97.0-nightly",
            "commit-date: 2026-09-20",
            "1.97.0-nightly-2026-09-20",
        );
        check(
            "1.96.0-beta.3",
            "commit-date: 2026-09-01",
            "1.96.0-beta.3-2026-09-01",
        );
        check("1.63.0", "commit-date: unknown", "1.63.0");
        check("1.95.0", "commit-date: 2026-04-14", "1.95.0");
    }

    #[test]
    fn default_is_one_of_them() {
        let machine = Machine::new();
        let store = &machine.store;
        let name = || default(store).unwrap().map(|compiler| compiler.name);
        assert_eq!(name(), None);
        let old = machine.sysroot("old", &version("1.94.0", ""));
        machine.import(&old);
        machine.import(&machine.sysroot("new", &version("1.95.0", "")));
        assert_eq!(name(), None);
        set_default(store, "1.94.0").unwrap();
        assert_eq!(name().as_deref(), Some("1.94.0"));
        // Another content under the same name takes its place.
        fs_err::write(
            machine
                .folder
                .join("old/lib/rustlib/x-y-z/lib/libstd-1.rlib"),
            "x",
        )
        .unwrap();
        let changed = machine.import(&old);
        assert_eq!(default(store).unwrap(), Some(changed));

        let refused = remove(store, "1.94.0").unwrap_err();
        assert!(
            matches!(refused, ImportError::DefaultCompiler { .. }),
            "{refused}"
        );
        remove(store, "1.95.0").unwrap();
        remove(store, "1.94.0").unwrap();
        assert_eq!((name(), list(store).unwrap()), (None, Vec::new()));
        for answer in [remove(store, "1.94.0"), set_default(store, "default")] {
            assert!(
                matches!(answer, Err(ImportError::UnknownCompiler { .. })),
                "{answer:?}"
            );
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let machine = Machine::new();
        let refusal = |name: &str, version: &str| {
            let rustc = machine.sysroot(name, version);
            let error = import(&rustc, &machine.store, &Silent)
                .unwrap_err()
                .to_string();
            error.replace(machine.folder.as_str(), "")
        };
        insta::assert_snapshot!(
            refusal("a", "no rustc"),
            @"`/a/bin/rustc` answers `-vV` without a release"
        );
        insta::assert_snapshot!(
            refusal("b", "release: ../../../x\nhost: x"),
            @"`/b/bin/rustc` answers `-vV` without a release"
        );
        insta::assert_snapshot!(
            refusal("c", "release: 1.95.0\nhost: /x"),
            @"`/c/bin/rustc` answers `-vV` without a host"
        );
        let script = machine.folder.join("script");
        write_script(&script, "#!/bin/sh\necho broken >&2; exit 3\n");
        let error = import(&script, &machine.store, &Silent)
            .unwrap_err()
            .to_string();
        insta::assert_snapshot!(
            error.replace(machine.folder.as_str(), ""),
            @"ask `/script` for `--print sysroot`: exit status: 3: broken"
        );
        assert_eq!(list(&machine.store).unwrap(), []);
    }

    #[test]
    fn launcher_is_for_compilers_without_run_path() {
        let check = |rustc_path: &[&str], driver_path: &[&str], expected| {
            let needs = |library: &str, paths: &[&str]| Needs {
                libraries: vec![library.to_owned(), "libc.so.6".to_owned()],
                run_paths: paths.iter().map(|&path| path.to_owned()).collect(),
                machine: (2, 1, 62),
            };
            let libraries = Libraries {
                found: ["libdriver.so", "libllvm.so"]
                    .map(|name| (name.to_owned(), format!("/usr/lib/{name}").into()))
                    .into(),
                missing: BTreeMap::new(),
                needs: [
                    ("/usr/bin/rustc".into(), needs("libdriver.so", rustc_path)),
                    (
                        "/usr/lib/libdriver.so".into(),
                        needs("libllvm.so", driver_path),
                    ),
                    ("/usr/lib/libllvm.so".into(), needs("libz.so.1", &[])),
                ]
                .into(),
            };
            assert_eq!(
                finds_libraries("/usr/bin/rustc".into(), &libraries),
                expected
            );
        };
        check(&["$ORIGIN/../lib"], &["$ORIGIN/../lib"], true);
        check(&["/opt", "$ORIGIN/../lib"], &["$ORIGIN"], true);
        check(&["$ORIGIN/../lib"], &[], false);
        check(&[], &["$ORIGIN"], false);
        check(&["$ORIGIN/../lib64"], &["$ORIGIN"], false);
    }
}
