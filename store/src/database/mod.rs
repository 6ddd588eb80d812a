//! [`Database`]: which objects are valid, and what is known of them. The only module that knows
//! `SQLite`.
//!
//! An object is valid once it is registered here, and it is registered only after its tree is on
//! disk under its final name. Nothing in here is the only truth about a tree: if the file is
//! missing or damaged, it is made again from the store folder, see [`crate::reference`].
//!
//! | module | holds |
//! |---|---|
//! | `open` | how the file is opened, and made where it is missing or damaged |
//! | `record` | [`Record`]: what is registered of one object, sealed against damage |
//! | `forget` | how many objects at once are forgotten |
//! | `graph` | [`Graph`]: who refers to whom, of all objects at once |
//!
//! Write-ahead logging, so that readers do not wait for writers. `synchronous = FULL`, so that a
//! registration is on disk when [`Database::register`] returns: with `NORMAL` a power cut could
//! take back the registration of an object that a generation already shows. The price is one
//! `fsync` per object, about a millisecond beside a compilation.

mod forget;
mod graph;
mod open;
mod record;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use camino::{Utf8Path, Utf8PathBuf};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, TransactionBehavior};
use rusqlite::{Row, Transaction, ffi, params};

pub(crate) use self::graph::{Graph, Id, Reached, Sizes};
pub(crate) use self::record::Record;
use crate::derivation::Derivation;
use crate::error::{Context as _, StoreError};
use crate::path::StorePath;
use crate::store::ObjectInfo;
use crate::tree::Content;

/// The register of objects.
#[derive(Debug)]
pub(crate) struct Database {
    path: Utf8PathBuf,
    connection: Mutex<Connection>,
    /// How often something was registered through this connection.
    registrations: AtomicU64,
}

/// A state of the register: another one if somebody has registered something since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    by_others: i64,
    by_us: u64,
}

impl Database {
    fn with(path: &Utf8Path, connection: Connection) -> Self {
        Self {
            path: path.to_owned(),
            connection: Mutex::new(connection),
            registrations: AtomicU64::new(0),
        }
    }

    /// Registers objects, all or none, each in place of what was registered under its path.
    pub(crate) fn register(&self, records: &[Record]) -> Result<(), StoreError> {
        let registered = self.change("register objects", |transaction| {
            records
                .iter()
                .try_for_each(|record| record.insert(transaction))
        });
        // Only now: who asks meanwhile is told too much, not too little.
        self.registrations.fetch_add(1, Ordering::SeqCst);
        registered
    }

    /// Returns the version.
    pub(crate) fn version(&self) -> Result<Version, StoreError> {
        let by_us = self.registrations.load(Ordering::SeqCst);
        let by_others = self.run("read the version", |connection| {
            connection.pragma_query_value(None, "data_version", |row| row.get(0))
        })?;
        Ok(Version { by_others, by_us })
    }

    /// Makes objects invalid that nothing registered refers to, all or none, and forgets them. A
    /// power cut may take that back until [`Database::sync`]: an object whose tree is gone is
    /// absent all the same.
    pub(crate) fn forget(&self, paths: &BTreeSet<StorePath>) -> Result<(), StoreError> {
        self.run("forget objects", |connection| {
            let forgotten = forget::prepare(connection).and_then(|()| {
                transact(connection, |transaction| forget::forget(transaction, paths))
            });
            let restored = forget::restore(connection);
            forgotten.and(restored)
        })
    }

    /// Brings to disk what was not waited for: out of the log into the database, as whoever closes
    /// it last would do, and be waited for.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        let complete = self.run("write to disk", |connection| {
            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                let (busy, frames, written): (bool, i64, i64) =
                    (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(!busy && frames == written)
            })
        })?;
        if complete { Ok(()) } else { self.sync_log() }
    }

    /// What others read at this moment stays in the log.
    fn sync_log(&self) -> Result<(), StoreError> {
        // The log, never the database itself: its locks would go with the file that is closed here.
        let log = Utf8PathBuf::from(format!("{}-wal", self.path));
        match fs_err::File::open(&log) {
            Ok(file) => file.sync_data().context("write to disk", &log),
            // What is in the database was brought there by way of the disk.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error).context("open", &log),
        }
    }

    /// Looks for damage in the file itself; returns what `SQLite` says of the first.
    pub(crate) fn damage(&self) -> Result<Option<String>, StoreError> {
        let verdict: String = self.run("check", |connection| {
            connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        })?;
        if verdict != "ok" {
            return Ok(Some(verdict));
        }
        let stray: Option<String> = self.run("check", |connection| {
            connection
                .query_row("PRAGMA foreign_key_check", [], |row| row.get(0))
                .optional()
        })?;
        Ok(stray.map(|table| format!("a row of its table `{table}` belongs to no object")))
    }

    /// Whether an object is registered.
    pub(crate) fn contains(&self, path: &StorePath) -> Result<bool, StoreError> {
        self.run("look for an object", |connection| {
            connection
                .prepare_cached("SELECT 1 FROM objects JOIN paths USING (id) WHERE path = ?")?
                .exists([path.to_string()])
        })
    }

    /// Returns the paths of all registered objects.
    pub(crate) fn paths(&self) -> Result<BTreeSet<StorePath>, StoreError> {
        self.run("list objects", |connection| {
            let mut select =
                connection.prepare("SELECT path FROM objects JOIN paths USING (id)")?;
            let rows = select.query_map([], |row| parsed(row, 0))?;
            rows.collect()
        })
    }

    /// Returns the paths of registered objects that begin like this.
    pub(crate) fn paths_beginning(&self, text: &str) -> Result<Vec<StorePath>, StoreError> {
        self.run("look for objects", |connection| {
            let mut select = connection.prepare(
                "SELECT path FROM objects JOIN paths USING (id) WHERE path >= ? AND path < ?",
            )?;
            let rows = select.query_map([text, &format!("{text}\u{7f}")], |row| parsed(row, 0))?;
            rows.collect()
        })
    }

    /// Returns what an object refers to; nothing if it is not registered.
    pub(crate) fn references(&self, path: &StorePath) -> Result<BTreeSet<StorePath>, StoreError> {
        self.run("look for references", |connection| {
            record::references(connection, path)
        })
    }

    /// Returns all that is registered of an object, with its seal.
    pub(crate) fn sealed(&self, path: &StorePath) -> Result<Option<(Record, String)>, StoreError> {
        let Some(info) = self.info(path)? else {
            return Ok(None);
        };
        let record = Record {
            info,
            derivation: self.derivation(path)?,
            files: Vec::new(),
        };
        let seal = self.run("look for an object", |connection| {
            connection.query_row(
                "SELECT seal FROM objects JOIN paths USING (id) WHERE path = ?",
                [path.to_string()],
                |row| row.get(0),
            )
        })?;
        Ok(Some((record, seal)))
    }

    /// Returns what is known of an object.
    pub(crate) fn info(&self, path: &StorePath) -> Result<Option<ObjectInfo>, StoreError> {
        let info = self.run("look for an object", |connection| {
            connection
                .prepare_cached(&format!("{SELECT_INFO} WHERE path = ?"))?
                .query_row([path.to_string()], info)
                .optional()
        })?;
        info.map(|info| self.with_references(info)).transpose()
    }

    /// Returns what is known of all objects, in the order of their paths.
    pub(crate) fn infos(&self) -> Result<Vec<ObjectInfo>, StoreError> {
        self.run("list objects", |connection| {
            // One for all: to lock the file takes longer than to look.
            let transaction = connection.transaction()?;
            let mut select = transaction.prepare(&format!("{SELECT_INFO} ORDER BY path"))?;
            let rows = select.query_map([], info)?;
            rows.map(|row| {
                let mut info = row?;
                info.references = record::references(&transaction, &info.path)?;
                Ok(info)
            })
            .collect()
        })
    }

    fn with_references(&self, mut info: ObjectInfo) -> Result<ObjectInfo, StoreError> {
        info.references = self.references(&info.path)?;
        Ok(info)
    }

    /// Returns the step that made an object, if it is known.
    pub(crate) fn derivation(&self, path: &StorePath) -> Result<Option<Derivation>, StoreError> {
        let text = self.run("look for a derivation", |connection| {
            connection
                .prepare_cached(
                    "SELECT derivation FROM derivations JOIN paths ON object = id WHERE path = ?",
                )?
                .query_row([path.to_string()], |row| row.get::<_, String>(0))
                .optional()
        })?;
        text.map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|error| StoreError::Database {
                action: "read a derivation",
                path: self.path.clone(),
                source: error.into(),
            })
    }

    /// Returns a file with this content: its object, and its path inside.
    pub(crate) fn file(
        &self,
        content: &Content,
    ) -> Result<Option<(StorePath, String)>, StoreError> {
        self.run("look for a file", |connection| {
            connection
                .prepare_cached(
                    "SELECT paths.path, files.path FROM files JOIN paths ON object = id
                     WHERE hash = ? AND executable = ? LIMIT 1",
                )?
                .query_row(
                    params![content.hash.as_bytes(), content.executable],
                    |row| Ok((parsed(row, 0)?, row.get(1)?)),
                )
                .optional()
        })
    }

    /// Returns what more than one file holds.
    pub(crate) fn repeated(&self) -> Result<Vec<(blake3::Hash, bool)>, StoreError> {
        self.run("look for equal files", |connection| {
            let mut select = connection.prepare(
                "SELECT hash, executable FROM files GROUP BY hash, executable HAVING count(*) > 1",
            )?;
            let rows = select.query_map([], |row| {
                let hash: [u8; 32] = row.get(0)?;
                Ok((blake3::Hash::from_bytes(hash), row.get(1)?))
            })?;
            rows.collect()
        })
    }

    /// Returns all files that hold this, as [`Database::file`] does one.
    pub(crate) fn files(
        &self,
        (hash, executable): (blake3::Hash, bool),
    ) -> Result<Vec<(StorePath, String)>, StoreError> {
        self.run("look for equal files", |connection| {
            let mut select = connection.prepare_cached(
                "SELECT paths.path, files.path FROM files JOIN paths ON object = id
                 WHERE hash = ? AND executable = ? ORDER BY object, files.path",
            )?;
            let rows = select.query_map(params![hash.as_bytes(), executable], |row| {
                Ok((parsed(row, 0)?, row.get(1)?))
            })?;
            rows.collect()
        })
    }

    fn change(
        &self,
        action: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        self.run(action, |connection| transact(connection, work))
    }

    fn run<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        work(&mut self.connection()).map_err(|error| failed(action, &self.path, error))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A thread that panicked has rolled its transaction back.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does something to the tables as a whole or not at all.
fn transact(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    work(&transaction)?;
    transaction.commit()
}

const SELECT_INFO: &str = "SELECT path, content, bytes, files, registered, isolation
     FROM objects JOIN paths USING (id)";

/// Reads a row of [`SELECT_INFO`], without the references.
fn info(row: &Row<'_>) -> rusqlite::Result<ObjectInfo> {
    let content: String = row.get(1)?;
    let isolation: String = row.get(5)?;
    Ok(ObjectInfo {
        path: parsed(row, 0)?,
        content: crate::digest::Digest::from_text(&content).ok_or_else(|| unreadable(1))?,
        references: BTreeSet::new(),
        bytes: row.get(2)?,
        files: row.get(3)?,
        registered: parsed(row, 4)?,
        isolation: record::isolation(&isolation).ok_or_else(|| unreadable(5))?,
    })
}

fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error: T::Err| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            Box::new(error),
        )
    })
}

fn unreadable(column: usize) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(column, "text".to_owned(), rusqlite::types::Type::Text)
}

fn failed(action: &'static str, path: &Utf8Path, error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::DatabaseDamaged {
            path: path.to_owned(),
        },
        Some(ErrorCode::DiskFull) => StoreError::DatabaseFull {
            path: path.to_owned(),
        },
        Some(ErrorCode::SystemIoFailure) if is_of_writing(&error) => {
            StoreError::DatabaseUnwritten {
                action,
                path: path.to_owned(),
                source: Box::new(error),
            }
        }
        _ => StoreError::Database {
            action,
            path: path.to_owned(),
            source: Box::new(error),
        },
    }
}

fn is_of_writing(error: &rusqlite::Error) -> bool {
    let of_writing = [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_SHMSIZE];
    let error = error.sqlite_error();
    error.is_some_and(|error| of_writing.contains(&error.extended_code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::derivation::{Isolation, Source, Step};
    use crate::store::Store;
    use crate::testing::{self, Home, path};

    fn file(home: &Home) -> Utf8PathBuf {
        home.path().join("db.sqlite")
    }

    #[test]
    fn a_derivation_is_kept() {
        let home = Home::new();
        let store = home.open();
        let source = Source {
            name: "a".into(),
            version: "1.0.0".into(),
            checksum: "00".into(),
            origin: crate::derivation::Origin::Registry,
        };
        let derivation = Derivation {
            name: "a-1.0.0-src".into(),
            step: Step::Unpack(source),
        };
        let mut registration = testing::registration(&[]);
        registration.derivation = Some(derivation.clone());
        let path = derivation.path();
        store
            .add(store.stage().unwrap(), &path, &registration)
            .unwrap();
        assert_eq!(store.derivation(&path).unwrap(), Some(derivation));
        assert_eq!(store.derivation(&home.add("b", &[])).unwrap(), None);
    }

    #[test]
    fn a_missing_or_damaged_database_is_made_again() {
        let damages: [&dyn Fn(&Home); 4] = [
            &|home| fs_err::remove_file(file(home)).unwrap(),
            &|home| fs_err::write(file(home), "").unwrap(),
            &|home| fs_err::write(file(home), "x".repeat(5000)).unwrap(),
            &|home| {
                let length = fs_err::metadata(file(home)).unwrap().len();
                let database = fs_err::OpenOptions::new()
                    .write(true)
                    .open(file(home))
                    .unwrap();
                database.set_len(length / 2).unwrap();
            },
        ];
        for damage in damages {
            let home = Home::new();
            let library = home.add("library", &[]);
            let linked = path("linked");
            let store = home.open();
            let page = format!("see {}", library.short());
            testing::add(&store, &linked, &[&library], &[("page", &page)]).unwrap();
            let mut known = store.objects().unwrap();
            drop(store);
            damage(&home);
            let store = home.open();
            for info in &mut known {
                info.isolation = Isolation::None;
            }
            assert_eq!(store.objects().unwrap(), known);
            home.add("further", &[&library]);
            assert_eq!(home.open().objects().unwrap().len(), 3);
        }
    }

    #[test]
    fn a_damaged_database_in_use_is_left_alone() {
        let home = Home::new();
        drop(home.open());
        fs_err::write(file(&home), "x".repeat(5000)).unwrap();
        let other =
            crate::lock::UseGuard::new(&home.path(), &crate::lock::Users::default()).unwrap();
        let error = Store::open(&home.path(), testing::now()).unwrap_err();
        assert!(
            matches!(error, StoreError::DatabaseDamaged { .. }),
            "{error}"
        );
        drop(other);
        home.open();
    }

    #[test]
    fn a_newer_database_is_not_touched() {
        let home = Home::new();
        drop(home.open());
        let connection = Connection::open(file(&home)).unwrap();
        connection.pragma_update(None, "user_version", 7).unwrap();
        drop(connection);
        let error = Store::open(&home.path(), testing::now()).unwrap_err();
        assert!(
            matches!(error, StoreError::DatabaseNewer { found: 7, .. }),
            "{error}"
        );
    }

    #[test]
    fn gc_frees_a_full_disk() {
        let home = Home::new();
        let store = home.open();
        let object = home.add("dead", &[]);
        let full = "
            CREATE TEMP TRIGGER full BEFORE DELETE ON objects BEGIN
                INSERT INTO files VALUES (zeroblob(1000000), 0, old.id, 'filler');
            END;
            PRAGMA max_page_count = 1;
        ";
        store
            .database()
            .unwrap()
            .connection()
            .execute_batch(full)
            .unwrap();
        let error = store
            .gc(&crate::GcOptions::default(), &mut |_| {})
            .unwrap_err();
        assert!(matches!(error, StoreError::DatabaseFull { .. }), "{error}");
        assert!(!store.object(&object).exists());
        assert_eq!(store.objects().unwrap(), []);
        // With what was freed there is room again.
        store
            .database()
            .unwrap()
            .connection()
            .execute_batch("DROP TRIGGER full")
            .unwrap();
        assert_eq!(
            store
                .gc(&crate::GcOptions::default(), &mut |_| {})
                .unwrap()
                .removed,
            BTreeSet::from([object])
        );
        assert_eq!(store.database().unwrap().paths().unwrap(), BTreeSet::new());
    }

    #[test]
    fn many_first_openers_make_one_database() {
        let home = Home::new();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let home = &home;
                scope.spawn(move || home.add(&number.to_string(), &[]));
            }
        });
        assert_eq!(home.open().objects().unwrap().len(), 8);
    }
}
