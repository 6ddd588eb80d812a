//! [`Store`]: objects under a home folder.
//!
//! The home can be moved: nothing in it holds an absolute path.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::OnceLock;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use rustix::fs::Access;
use rustix::io::Errno;

use crate::add::{self, Registration};
use crate::database::Database;
use crate::derivation::{Derivation, Isolation};
use crate::digest::Digest;
use crate::error::{Context as _, StoreError};
use crate::gc::{self, GcOptions, GcPlan, GcReport};
use crate::lock::{ObjectLock, UseGuard, Users};
use crate::path::StorePath;
use crate::profile::Profile;
use crate::staging::{self, Scratch, Staged};
use crate::tree::{self, Tree};
use crate::{disk, opening, reference, root};

/// What a home holds beside the database.
const FOLDERS: [&str; 8] = [
    "store",
    "profiles",
    "roots",
    "locks",
    staging::FOLDER,
    "logs",
    "downloads",
    "index",
];

/// A file that only takes up room, for gc to begin with on a full disk.
const RESERVE: &str = "reserve";
const RESERVE_BYTES: u64 = 512 << 10;

/// Everything under one home folder. Can be used from many threads and many processes at once.
#[derive(Debug)]
pub struct Store {
    home: Utf8PathBuf,
    now: Timestamp,
    /// Opened when it is first needed.
    database: OnceLock<Database>,
    users: Users,
}

/// What is known of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// The object.
    pub path: StorePath,
    /// The digest of its tree.
    pub content: Digest,
    /// The objects without which it is of no use.
    pub references: BTreeSet<StorePath>,
    /// The sum of its files' lengths.
    pub bytes: u64,
    /// How many files it has.
    pub files: u64,
    /// When it was added.
    pub registered: Timestamp,
    /// How far the step that made it was shut off from the machine.
    pub isolation: Isolation,
}

impl Store {
    /// Opens the store under `home`, making the folders that are missing. `now` is the time given
    /// to everything that is registered through it.
    pub fn open(home: &Utf8Path, now: Timestamp) -> Result<Self, StoreError> {
        Self::open_with(home, now, true)
    }

    fn open_with(home: &Utf8Path, now: Timestamp, set_aside: bool) -> Result<Self, StoreError> {
        let store = Self::open_folders(home, now, set_aside)?;
        store.database()?;
        Ok(store)
    }

    /// As [`Store::open`], for commands that may do with profiles alone: the database is opened
    /// only if something is asked of it.
    pub fn open_for_profiles(home: &Utf8Path, now: Timestamp) -> Result<Self, StoreError> {
        Self::open_folders(home, now, true)
    }

    /// As [`Store::open`], for commands that only look at profiles: makes nothing, so that the home
    /// may be somebody else's, on a disk that cannot be written to, or not be there.
    pub fn open_to_read(home: &Utf8Path, now: Timestamp) -> Result<Self, StoreError> {
        if !home.is_absolute() {
            return Err(StoreError::RelativeHome {
                home: home.to_owned(),
            });
        }
        Ok(Self {
            home: home.to_owned(),
            now,
            database: OnceLock::new(),
            users: Users::default(),
        })
    }

    fn open_folders(home: &Utf8Path, now: Timestamp, set_aside: bool) -> Result<Self, StoreError> {
        let store = Self::open_to_read(home, now)?;
        prepare(home, set_aside).map_err(|error| StoreError::Home {
            home: home.to_owned(),
            source: Box::new(error),
        })?;
        Ok(store)
    }

    /// As [`Store::open`], for gc: on a full disk, where not even the database can be opened, gives
    /// up the room that is kept for that.
    pub fn open_to_free(home: &Utf8Path, now: Timestamp) -> Result<Self, StoreError> {
        Self::open(home, now).or_else(|error| {
            // Where it cannot be given up, what was wrong before is what there is to say.
            let given_up = || disk::remove_file(&home.join(RESERVE)).unwrap_or(false);
            if home.is_absolute() && given_up() {
                tracing::warn!("{error}; using the room that is kept for gc");
                Self::open_with(home, now, false)
            } else {
                Err(error)
            }
        })
    }

    /// Returns the home folder.
    pub fn home(&self) -> &Utf8Path {
        &self.home
    }

    /// Returns the folder of objects.
    pub fn folder(&self) -> Utf8PathBuf {
        self.home.join("store")
    }

    /// Returns where an object is, or would be.
    pub fn object(&self, path: &StorePath) -> Utf8PathBuf {
        self.home.join("store").join(path.to_string())
    }

    /// Returns where a file of an object really lies. A build may leave links that lead anywhere,
    /// to files of the machine too, and outside of its sandbox they would be followed there: so who
    /// reads what a build has made asks this first.
    pub fn real(&self, file: &Utf8Path) -> io::Result<Utf8PathBuf> {
        let canonical = |path: &Utf8Path| {
            path.canonicalize_utf8()
                .map_err(|error| io::Error::new(error.kind(), format!("find `{path}`: {error}")))
        };
        let real = canonical(file)?;
        if real.starts_with(canonical(&self.folder())?) {
            return Ok(real);
        }
        Err(io::Error::other(format!(
            "`{file}` is a link that leads out of the store"
        )))
    }

    /// Whether an object is there and complete, as far as is known.
    pub fn contains(&self, path: &StorePath) -> Result<bool, StoreError> {
        Ok(self.database()?.contains(path)? && tree::is_trusted(&self.object(path))?)
    }

    /// Returns those of `paths` that are not there.
    pub fn missing(&self, paths: &BTreeSet<StorePath>) -> Result<BTreeSet<StorePath>, StoreError> {
        let mut missing = BTreeSet::new();
        for path in paths {
            if !self.contains(path)? {
                missing.insert(path.clone());
            }
        }
        Ok(missing)
    }

    /// Makes an empty folder for a new object.
    pub fn stage(&self) -> Result<Staged, StoreError> {
        Staged::new(&self.home.join(staging::FOLDER))
    }

    /// Makes a folder to work in, closed to other users.
    pub fn scratch(&self) -> Result<Scratch, StoreError> {
        Scratch::new(&self.home.join(staging::FOLDER))
    }

    /// Returns the digest that a staged tree will have as an object: the identity of what is
    /// imported, not built. Gives its files their canonical form.
    pub fn content(&self, staged: &Staged) -> Result<Digest, StoreError> {
        Ok(Tree::settle(staged.folder(), &self.scratch()?)?.digest())
    }

    /// Returns the digest that a folder anywhere would have as an object, changing nothing: whether
    /// it is in the store can be known without copying it.
    pub fn content_of(folder: &Utf8Path) -> Result<Digest, StoreError> {
        Ok(Tree::read(folder)?.digest())
    }

    /// Adds a staged tree. If the object is there already, that one stays and the staged one goes.
    pub fn add(
        &self,
        staged: Staged,
        path: &StorePath,
        registration: &Registration,
    ) -> Result<(), StoreError> {
        self.add_all(vec![(staged, path.clone(), registration.clone())])
    }

    /// Adds many staged trees at the cost of one: all are written to disk at once. Each may refer
    /// to those before it. If it fails, none is registered.
    pub fn add_all(&self, new: Vec<(Staged, StorePath, Registration)>) -> Result<(), StoreError> {
        add::add_all(self, new)
    }

    /// Returns what is known of an object.
    pub fn info(&self, path: &StorePath) -> Result<Option<ObjectInfo>, StoreError> {
        if self.contains(path)? {
            self.database()?.info(path)
        } else {
            Ok(None)
        }
    }

    /// Returns the step that made an object, if one did and it is known.
    pub fn derivation(&self, path: &StorePath) -> Result<Option<Derivation>, StoreError> {
        self.database()?.derivation(path)
    }

    /// Returns what is known of every object, in the order of their paths.
    pub fn objects(&self) -> Result<Vec<ObjectInfo>, StoreError> {
        let mut present = Vec::new();
        for object in self.database()?.infos()? {
            if tree::is_trusted(&self.object(&object.path))? {
                present.push(object);
            }
        }
        Ok(present)
    }

    /// Returns `roots` and everything they refer to, directly or not.
    pub fn closure(&self, roots: &BTreeSet<StorePath>) -> Result<BTreeSet<StorePath>, StoreError> {
        if let Some(path) = self.missing(roots)?.pop_first() {
            return Err(StoreError::Absent { path });
        }
        self.reachable(roots.clone())
    }

    /// Returns objects and everything they refer to, directly or not, whether it is there or not. To
    /// ask for one object, [`Store::closure`] is quicker: this reads what all refer to.
    pub fn reached(&self, roots: &BTreeSet<StorePath>) -> Result<BTreeSet<StorePath>, StoreError> {
        let database = self.database()?;
        let reached = database.graph()?.reached(database.ids(roots)?, |_| true);
        Ok(database.paths_reached(&reached)?.into_iter().collect())
    }

    /// Keeps gc away from all objects, also new ones, until the guard is dropped. Held by every
    /// command that adds objects or relies on them.
    pub fn use_store(&self) -> Result<UseGuard, StoreError> {
        UseGuard::new(&self.home, &self.users)
    }

    /// Keeps other processes and threads from making the same object, waiting if one is at it;
    /// `waiting` is told for whom: `process 4711`.
    pub fn lock_object(
        &self,
        path: &StorePath,
        waiting: &mut dyn FnMut(String),
    ) -> Result<ObjectLock, StoreError> {
        ObjectLock::new(&self.home, path, waiting)
    }

    /// Returns where the log of the step that makes an object goes.
    pub fn log_path(&self, path: &StorePath) -> Utf8PathBuf {
        self.home.join("logs").join(format!("{path}.log"))
    }

    /// Keeps an object and all it refers to alive under a name, in place of what had the name.
    /// The name may have one `/`: `compilers/1.95.0`.
    pub fn set_root(&self, name: &str, path: &StorePath) -> Result<(), StoreError> {
        if !self.contains(path)? {
            return Err(StoreError::Absent { path: path.clone() });
        }
        root::set(&self.home, name, path)
    }

    /// Returns all roots by name.
    pub fn roots(&self) -> Result<BTreeMap<String, StorePath>, StoreError> {
        root::all(&self.home)
    }

    /// Removes a root; returns whether there was one.
    pub fn remove_root(&self, name: &str) -> Result<bool, StoreError> {
        root::remove(&self.home, name)
    }

    /// Returns a profile, which need not exist yet.
    pub fn profile(&self, name: &str) -> Result<Profile, StoreError> {
        Profile::new(&self.home, name, self.now)
    }

    /// Returns the names of all profiles.
    pub fn profiles(&self) -> Result<Vec<String>, StoreError> {
        let folder = self.home.join("profiles");
        let mut names = disk::names(&folder)?;
        names.retain(|name| folder.join(name).is_dir());
        Ok(names)
    }

    /// Finds what [`Store::gc`] would remove, changing nothing.
    pub fn plan_gc(&self, options: &GcOptions) -> Result<GcPlan, StoreError> {
        gc::plan(self, options)
    }

    /// Removes generations that are not to be kept, and every object that no root, no generation
    /// and no running program reaches, waiting until nobody uses the store; `waiting` is told so.
    /// The caller must not hold a [`UseGuard`] itself.
    pub fn gc(
        &self,
        options: &GcOptions,
        waiting: &mut dyn FnMut(String),
    ) -> Result<GcReport, StoreError> {
        gc::run(self, options, waiting)
    }

    pub(crate) fn database(&self) -> Result<&Database, StoreError> {
        if let Some(database) = self.database.get() {
            return Ok(database);
        }
        // Of two threads that get here at once, one opens it for nothing.
        let rebuild = || reference::rebuild(&self.folder(), self.now);
        let database = Database::open(&self.home, &rebuild)?;
        Ok(self.database.get_or_init(|| database))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns what is reached from `roots`, whether they are in the store or not.
    pub(crate) fn reachable(
        &self,
        roots: BTreeSet<StorePath>,
    ) -> Result<BTreeSet<StorePath>, StoreError> {
        let mut waiting: Vec<StorePath> = roots.iter().cloned().collect();
        let mut reached = roots;
        while let Some(path) = waiting.pop() {
            for reference in self.database()?.references(&path)? {
                if reached.insert(reference.clone()) {
                    waiting.push(reference);
                }
            }
        }
        Ok(reached)
    }
}

/// Makes the folders of a home and removes what dead processes have left there.
fn prepare(home: &Utf8Path, set_aside: bool) -> Result<(), StoreError> {
    for name in FOLDERS {
        let folder = home.join(name);
        let access = || rustix::fs::access(folder.as_str(), Access::WRITE_OK | Access::EXEC_OK);
        let mut found = access();
        if found == Err(Errno::NOENT) {
            disk::create_folder(&folder)?;
            if name == staging::FOLDER {
                disk::spread(&folder);
            }
            found = access();
        }
        found.context("write to", &folder)?;
    }
    if set_aside && let Err(error) = reserve(&home.join(RESERVE)) {
        tracing::debug!("no room is kept for gc: {error}");
    }
    opening::close_left(home)?;
    staging::remove_leftovers(&home.join(staging::FOLDER))
}

/// Sets room aside, if there is none yet and the disk has it.
fn reserve(path: &Utf8Path) -> Result<(), StoreError> {
    if disk::exists(path)? {
        return Ok(());
    }
    let file = fs_err::File::create(path).context("create", path)?;
    let flags = rustix::fs::FallocateFlags::empty();
    let allocated = rustix::fs::fallocate(&file, flags, 0, RESERVE_BYTES);
    if allocated.is_err() {
        disk::remove_file(path)?;
    }
    allocated.context("allocate", path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Home, now, path};

    #[test]
    fn no_link_leads_out_of_the_store() {
        let home = Home::new();
        let store = home.open();
        let object = store.folder().join("object");
        fs_err::create_dir(&object).unwrap();
        fs_err::write(object.join("file"), "").unwrap();
        fs_err::write(home.path().join("secret"), "").unwrap();
        for (link, target) in [
            ("inside", "file"),
            ("beside", "../object/file"),
            ("outside", "../../secret"),
            ("nowhere", "absent"),
        ] {
            fs_err::os::unix::fs::symlink(target, object.join(link)).unwrap();
        }
        let real = |file: &str| store.real(&object.join(file));
        let file = object.join("file").canonicalize_utf8().unwrap();
        for inside in ["file", "inside", "beside"] {
            assert_eq!(real(inside).unwrap(), file);
        }
        let outside = object.join("outside");
        assert_eq!(
            real("outside").unwrap_err().to_string(),
            format!("`{outside}` is a link that leads out of the store")
        );
        assert_eq!(real("nowhere").unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_home_that_cannot_be_used_is_named() {
        let home = Home::new();
        let _store = home.open();
        let file = home.path().join("logs/file");
        fs_err::write(&file, "").unwrap();
        let error = Store::open(&file.join("home"), now()).unwrap_err();
        let StoreError::Home {
            home: named,
            source,
        } = &error
        else {
            panic!("{error}")
        };
        assert_eq!(*named, file.join("home"));
        let StoreError::Io { path, source, .. } = &**source else {
            panic!("{source}")
        };
        assert!(path.starts_with(&file), "{path}");
        assert_eq!(source.kind(), std::io::ErrorKind::NotADirectory);
        let error = Store::open("home".into(), now()).unwrap_err();
        assert!(matches!(error, StoreError::RelativeHome { .. }), "{error}");
    }

    #[test]
    fn a_home_without_write_permission_is_refused_before_anything_happens() {
        if rustix::process::geteuid().is_root() {
            // Nothing is closed to this user.
            return;
        }
        let home = Home::new();
        drop(home.open());
        let folder = home.path().join("staging");
        disk::set_mode(&folder, 0o555).unwrap();
        let error = Store::open(&home.path(), now()).unwrap_err();
        assert!(matches!(error, StoreError::Home { .. }), "{error}");
    }

    #[test]
    fn a_home_can_be_moved() {
        let home = Home::new();
        let store = home.open();
        let library = home.add("library", &[]);
        let app = path("app");
        testing::add(&store, &app, &[&library], &[("bin/app*", "program")]).unwrap();
        store.set_root("groups/app", &app).unwrap();
        testing::commit(&store, "default", &[("app", &app, &["app"])]).unwrap();
        let known = store.objects().unwrap();
        drop(store);

        let moved = home.path().with_file_name("moved");
        fs_err::rename(home.path(), &moved).unwrap();
        let store = Store::open(&moved, now()).unwrap();
        assert_eq!(store.objects().unwrap(), known);
        assert_eq!(
            store.roots().unwrap().into_values().collect::<Vec<_>>(),
            std::slice::from_ref(&app)
        );
        let generation = store
            .profile("default")
            .unwrap()
            .current()
            .unwrap()
            .unwrap();
        let program = moved.join("profiles/default/current/bin/app");
        assert_eq!(fs_err::read_to_string(program).unwrap(), "program");
        assert!(generation.folder().starts_with(&moved));
        assert_eq!(
            store.plan_gc(&GcOptions::default()).unwrap().live,
            BTreeSet::from([app, library])
        );
    }

    #[test]
    fn a_store_can_be_used_from_many_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Store>();
        let home = Home::new();
        let store = home.open();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let store = &store;
                scope.spawn(move || {
                    for number in 0..5 {
                        let object = path(&format!("{thread}-{number}"));
                        let text = "x".repeat(2000);
                        testing::add(store, &object, &[], &[("file", &text)]).unwrap();
                    }
                });
            }
        });
        assert_eq!(store.objects().unwrap().len(), 20);
    }
}
