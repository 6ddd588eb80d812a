//! Opens the database, makes it, makes it again.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::{Database, Record, failed};
use crate::disk;
use crate::error::StoreError;
use crate::failpoint;
use crate::lock::{StepLock, SweepLock};

/// Version of the tables.
const FORMAT: i64 = 2;

/// How long to wait for another process's write.
const PATIENCE: Duration = Duration::from_mins(1);

const TABLES: &str = "
    -- What is registered, and what that refers to. A number is never given twice.
    CREATE TABLE paths (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        path TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE objects (
        id INTEGER PRIMARY KEY REFERENCES paths ON DELETE CASCADE,
        content TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        files INTEGER NOT NULL,
        registered TEXT NOT NULL,
        isolation TEXT NOT NULL,
        seal TEXT NOT NULL
    ) STRICT;
    -- Apart from the rest, so that all of it is read at once: the numbers of paths, packed.
    CREATE TABLE refs (
        object INTEGER PRIMARY KEY REFERENCES objects ON DELETE CASCADE,
        ids BLOB NOT NULL
    ) STRICT;
    CREATE TABLE derivations (
        object INTEGER PRIMARY KEY REFERENCES objects ON DELETE CASCADE,
        derivation TEXT NOT NULL
    ) STRICT;
    -- Files that another file with the same content can be linked to.
    CREATE TABLE files (
        hash BLOB NOT NULL,
        executable INTEGER NOT NULL,
        object INTEGER NOT NULL REFERENCES objects ON DELETE CASCADE,
        path TEXT NOT NULL,
        PRIMARY KEY (hash, executable, object, path)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX files_of_object ON files (object);
";

impl Database {
    /// Opens the database of a home. If it is missing or damaged, makes it from what `rebuild`
    /// finds in the store.
    pub(crate) fn open(
        home: &Utf8Path,
        rebuild: &dyn Fn() -> Result<Vec<Record>, StoreError>,
    ) -> Result<Self, StoreError> {
        let path = home.join("db.sqlite");
        if let Ok(Some(database)) = Self::open_present(&path) {
            return Ok(database);
        }
        let _only_maker = StepLock::new(home, "database")?;
        let _nobody_else = match Self::open_present(&path) {
            Ok(Some(database)) => return Ok(database),
            Ok(None) => None,
            Err(StoreError::DatabaseDamaged { path }) => {
                tracing::warn!("the database {path} is damaged");
                // Whoever has it open would go on writing to the file we replace.
                let lock = SweepLock::try_new(home)?;
                Some(lock.ok_or(StoreError::DatabaseDamaged { path })?)
            }
            Err(error) => return Err(error),
        };
        let records = rebuild()?;
        if !records.is_empty() {
            tracing::warn!(
                "the database {path} is made again from the store: whether its {} objects are what they \
                 were when they were made cannot be told any more",
                records.len()
            );
        }
        Self::create(&path, &records)
    }

    /// Returns none if the file does not exist or its making was interrupted.
    fn open_present(path: &Utf8Path) -> Result<Option<Self>, StoreError> {
        if !disk::exists(path)? {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Self::connect(path, flags)?;
        let found = database.run("read the format", |connection| {
            // The second statement reads all that SQLite has to know of the tables.
            let found = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
            Ok(found)
        })?;
        match found {
            0 => Ok(None),
            // What was written before the first release is made again.
            1 => Err(StoreError::DatabaseDamaged {
                path: path.to_owned(),
            }),
            FORMAT => Ok(Some(database)),
            _ => Err(StoreError::DatabaseNewer {
                path: path.to_owned(),
                found,
                known: FORMAT,
            }),
        }
    }

    /// Makes the file anew, complete or not at all.
    fn create(path: &Utf8Path, records: &[Record]) -> Result<Self, StoreError> {
        // A log without its database would be taken for the new one's.
        for ending in ["", "-wal", "-shm"] {
            disk::remove_file(&Utf8PathBuf::from(format!("{path}{ending}")))?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Self::connect(path, flags)?;
        failpoint::reached("database.file")?;
        database.run("create the tables", |connection| {
            // Stays with the file.
            connection.pragma_update(None, "journal_mode", "WAL")?;
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(TABLES)?;
            for record in records {
                record.insert(&transaction)?;
            }
            transaction.pragma_update(None, "user_version", FORMAT)?;
            transaction.commit()
        })?;
        failpoint::reached("database.tables")?;
        Ok(database)
    }

    fn connect(path: &Utf8Path, flags: OpenFlags) -> Result<Self, StoreError> {
        let connection = Connection::open_with_flags(path, flags).and_then(|connection| {
            connection.busy_timeout(PATIENCE)?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            Ok(connection)
        });
        let connection = connection.map_err(|error| failed("open the register", path, error))?;
        Ok(Self::with(path, connection))
    }
}
