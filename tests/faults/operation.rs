//! What is done to a store while it is broken.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, ExitCode};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use orlop_store::derivation::Isolation;
use orlop_store::{
    Digest, GcOptions, GenerationApp, Keep, NewGeneration, Registration, Store, StoreError,
    StorePath, Subject,
};

/// What is tried, and what a user would have typed.
pub(crate) const OPERATIONS: [&str; 10] = [
    "install", "upgrade", "rollback", "remove", "gc", "repair", "rebuild", "import", "pin",
    "optimise",
];

/// Exit code of an operation that said no.
const REFUSED: u8 = 1;
/// Exit code of `check` for a store that is not well.
const BROKEN: u8 = 3;

pub(crate) fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

pub(crate) fn open(home: &Utf8Path) -> Result<Store, StoreError> {
    Store::open(home, now())
}

pub(crate) fn path(name: &str) -> StorePath {
    StorePath::new(Digest::of("faults", name), name)
}

/// This program, doing one operation.
pub(crate) fn command(operation: &str, home: &Utf8Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["operation", operation, home.as_str()]);
    command
}

/// The other half of [`command`].
pub(crate) fn main(operation: &str, home: &Utf8Path, rest: &[String]) -> ExitCode {
    match operation {
        "cuts" => {
            crate::power::print(crate::power::inside(rest[0].parse().unwrap()));
            return ExitCode::SUCCESS;
        }
        "reflinks" => {
            crate::power::print(crate::reflink::inside());
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    // System calls are counted per thread: one thread makes them all.
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .use_current_thread();
    pool.build_global().unwrap();
    let done = match operation {
        "check" => {
            let findings = open(home)
                .and_then(|store| store.verify())
                .map(|all| all.findings);
            return match findings {
                Ok(findings) if findings.is_empty() => ExitCode::SUCCESS,
                bad => {
                    drop(writeln!(std::io::stderr(), "{bad:?}"));
                    ExitCode::from(BROKEN)
                }
            };
        }
        "free" => Store::open_to_free(home, now()).and_then(|store| {
            store.gc(&GcOptions::default(), &mut |_| {})?;
            assert!(!store.contains(&path("dead-1"))?);
            Ok(())
        }),
        "storm" => crate::storm::part(home, rest),
        _ => run(operation, home),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(
                std::io::stderr(),
                "{error}: {:?}",
                std::error::Error::source(&error)
            ));
            ExitCode::from(REFUSED)
        }
    }
}

/// Does an operation; doing it again changes nothing more.
pub(crate) fn run(operation: &str, home: &Utf8Path) -> Result<(), StoreError> {
    if operation == "rebuild" {
        // A program that another thread is just starting has our locks until it runs.
        let mut tries = 0..100;
        while !Store::discard_database(home)? {
            assert!(tries.next().is_some(), "somebody uses the store");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
    let store = open(home)?;
    match operation {
        "install" => install(&store, "default", "3"),
        "upgrade" => {
            install(&store, "default", "4")?;
            install(&store, "default", "5")
        }
        "rollback" => {
            let profile = store.profile("default")?;
            let _lock = profile.lock(&mut |_| {})?;
            profile.restore(&profile.generation(1)?)
        }
        "remove" => {
            let profile = store.profile("default")?;
            let lock = profile.lock(&mut |_| {})?;
            match profile.remove(1) {
                Err(StoreError::NoGeneration { .. }) => {}
                other => other?,
            }
            drop(lock);
            store.gc(&GcOptions::default(), &mut |_| {}).map(drop)
        }
        "gc" => {
            let keep = Keep {
                newest: Some(1),
                since: None,
            };
            let options = GcOptions {
                keep,
                ..GcOptions::default()
            };
            store.gc(&options, &mut |_| {}).map(drop)
        }
        "repair" => repair(&store),
        "rebuild" => Ok(()),
        "import" => {
            add(&store, "compiler-2", &[], 12)?;
            store.set_root("compilers/2", &path("compiler-2"))?;
            store.remove_root("compilers/1").map(drop)
        }
        "pin" => store.profile("default")?.pin(1),
        "optimise" => store.share_files(&mut |_| {}).map(drop),
        other => panic!("there is no operation `{other}`"),
    }
}

/// Makes the home that operations start from: two generations, a compiler, some that are dead.
pub(crate) fn prepare(home: &Utf8Path) {
    let store = open(home).unwrap();
    add(&store, "compiler-1", &[], 6).unwrap();
    store.set_root("compilers/1", &path("compiler-1")).unwrap();
    install(&store, "default", "1").unwrap();
    install(&store, "default", "2").unwrap();
    add(&store, "dead-1", &[], 2).unwrap();
    add(&store, "dead-2", &["dead-1"], 2).unwrap();
    // As if they had been added before there was sharing.
    for name in ["library-1", "library-2"] {
        set_apart(&store.object(&path(name)).join("file-0"));
    }
}

fn set_apart(file: &Utf8Path) {
    let folder = file.parent().unwrap();
    let metadata = std::fs::metadata(file).unwrap();
    let bytes = std::fs::read(file).unwrap();
    let closed = std::fs::metadata(folder).unwrap();
    set_mode(folder, 0o755);
    std::fs::remove_file(file).unwrap();
    std::fs::write(file, bytes).unwrap();
    let open = std::fs::File::open(file).unwrap();
    open.set_permissions(metadata.permissions()).unwrap();
    open.set_modified(metadata.modified().unwrap()).unwrap();
    set_mode(folder, 0o555);
    let open = std::fs::File::open(folder).unwrap();
    open.set_modified(closed.modified().unwrap()).unwrap();
}

/// Adds what an app consists of and makes a generation of it.
pub(crate) fn install(store: &Store, profile: &str, version: &str) -> Result<(), StoreError> {
    let _in_use = store.use_store()?;
    let profile = store.profile(profile)?;
    let _lock = profile.lock(&mut |_| {})?;
    let [library, crated, app] =
        ["library", "crate", "app"].map(|part| format!("{part}-{version}"));
    add(store, &library, &[], 2)?;
    add(store, &crated, &[&library], 1)?;
    add(store, &app, &[&library], 3)?;
    let view = path(&app);
    if profile
        .current()?
        .is_some_and(|current| current.apps[0].view == view)
    {
        return Ok(());
    }
    let app = GenerationApp {
        name: "app".to_owned(),
        version: version.to_owned(),
        linkage: "shared".to_owned(),
        compiler: "1".to_owned(),
        view,
        binaries: vec!["app".to_owned()],
        link_sets: BTreeSet::from([path(&crated)]),
        starts: Vec::new(),
        test: None,
        test_needs: [].into(),
        library_tests: Vec::new(),
        caveats: None,
    };
    let new = NewGeneration {
        command: "orlop install app".to_owned(),
        libraries: [(app.name.clone(), [path(&library)].into())].into(),
        apps: vec![app],
        keep: BTreeSet::from([path(&crated)]),
        manifest: format!("# {version}\n"),
        lock: format!("# {version}\n"),
    };
    profile.commit(new).map(drop)
}

/// Adds an object with a program, some files, a folder and a link.
fn add(store: &Store, name: &str, references: &[&str], files: usize) -> Result<(), StoreError> {
    let staged = store.stage()?;
    fill(staged.folder(), name, references, files).map_err(|source| StoreError::Io {
        action: "fill",
        path: staged.folder().to_owned(),
        source,
    })?;
    let registration = Registration {
        references: references.iter().map(|name| path(name)).collect(),
        derivation: None,
        isolation: Isolation::Full,
    };
    store.add(staged, &path(name), &registration)
}

fn fill(folder: &Utf8Path, name: &str, references: &[&str], files: usize) -> std::io::Result<()> {
    std::fs::create_dir_all(folder.join("bin"))?;
    let named: Vec<_> = references
        .iter()
        .map(|name| path(name).to_string())
        .collect();
    let named = named.join("\n");
    std::fs::write(folder.join("bin/app"), format!("I am {name}\n{named}"))?;
    // All objects share the first file.
    for file in 0..files {
        let text = if file == 0 { "shared" } else { name };
        std::fs::write(folder.join(format!("file-{file}")), text.repeat(700))?;
    }
    std::os::unix::fs::symlink("bin/app", folder.join("link"))
}

/// What `verify --repair` does, with `add` for the building.
fn repair(store: &Store) -> Result<(), StoreError> {
    let library = path("library-2");
    let known = store.info(&library)?;
    // Damage that is there before anything is killed would have to be copied; this is the same.
    if known.is_some() {
        store.distrust(&BTreeSet::from([library]))?;
    }
    let findings = store.verify()?.findings;
    for finding in findings {
        match finding.subject {
            // What is distrusted holds what it should here: only the mark is found.
            Subject::Object { path } | Subject::Form { path } => {
                assert_eq!(path, self::path("library-2"));
                add(store, "library-2", &[], 2)?;
            }
            other => panic!("{other}"),
        }
    }
    Ok(())
}

/// A folder that goes away, with what objects are made of in it.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        // In memory, if that is possible: whether it is on disk matters only where power is cut.
        let place = tempfile::tempdir_in("/dev/shm");
        Self(
            place
                .or_else(|_| tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")))
                .unwrap(),
        )
    }

    pub(crate) fn path(&self) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.0.path().to_owned()).unwrap()
    }

    /// A copy of a home in a folder of its own.
    pub(crate) fn copy(home: &Utf8Path) -> Self {
        let folder = Self::new();
        copy(home, &folder.path().join("home"));
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        open_up(&self.path());
    }
}

/// Makes the folders of objects writable, so that they can be removed by ordinary means.
pub(crate) fn open_up(folder: &Utf8Path) {
    for entry in walkdir::WalkDir::new(folder).into_iter().flatten() {
        if entry.file_type().is_dir() {
            set_mode(entry.path().try_into().unwrap(), 0o755);
        }
    }
}

fn set_mode(path: &Utf8Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Copies a tree with its modes, times and links, and files of one inode as such.
pub(crate) fn copy(from: &Utf8Path, to: &Utf8Path) {
    let status = Command::new("cp")
        .args(["-a", from.as_str(), to.as_str()])
        .status()
        .unwrap();
    assert!(status.success());
}
