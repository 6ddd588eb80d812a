//! How many objects at once are forgotten.
//!
//! Table by table, without the foreign keys, which would go through all tables for each object:
//! that takes twice as long, and everybody waits.

use std::collections::BTreeSet;

use rusqlite::{Connection, Transaction};

use crate::path::StorePath;

/// Prepares a connection for it. Neither can be changed inside a transaction.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.execute_batch("CREATE TEMP TABLE IF NOT EXISTS going (id INTEGER PRIMARY KEY)")
}

/// Takes that back.
pub(super) fn restore(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "synchronous", "FULL")
}

/// Takes all there is of some objects out of all tables.
pub(super) fn forget(
    transaction: &Transaction<'_>,
    paths: &BTreeSet<StorePath>,
) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM going", [])?;
    let mut choose =
        transaction.prepare_cached("INSERT INTO going SELECT id FROM paths WHERE path = ?")?;
    for path in paths {
        choose.execute([path.to_string()])?;
    }
    transaction.execute_batch(
        "DELETE FROM files WHERE object IN going;
         DELETE FROM derivations WHERE object IN going;
         DELETE FROM refs WHERE object IN going;
         DELETE FROM objects WHERE id IN going;
         DELETE FROM paths WHERE id IN going;",
    )
}
