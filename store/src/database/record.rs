//! [`Record`]: all that is registered of one object.
//!
//! Each is sealed: with it goes a digest over all of it, so that `verify` finds a damage that
//! `SQLite` cannot see, a flipped bit in a value.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{graph, parsed};
use crate::derivation::{Derivation, Isolation};
use crate::digest::{ContentHash as _, Hasher};
use crate::path::StorePath;
use crate::store::ObjectInfo;
use crate::tree::Content;

/// All that is registered of one object.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) info: ObjectInfo,
    pub(crate) derivation: Option<Derivation>,
    /// Files worth sharing, by path inside the object. Not sealed: whoever uses one looks at it.
    pub(crate) files: Vec<(String, Content)>,
}

impl Record {
    /// Returns the digest over everything that is known of the object.
    pub(crate) fn seal(&self) -> serde_json::Result<String> {
        let mut hasher = Hasher::new();
        "orlop-record".hash(&mut hasher);
        self.info.path.hash(&mut hasher);
        self.info.content.hash(&mut hasher);
        hasher.integer(self.info.references.len() as u64);
        for reference in &self.info.references {
            reference.hash(&mut hasher);
        }
        hasher.integer(self.info.bytes);
        hasher.integer(self.info.files);
        self.info.registered.to_string().hash(&mut hasher);
        isolation_text(self.info.isolation).hash(&mut hasher);
        self.derivation_text()?.hash(&mut hasher);
        Ok(hasher.finish().to_string())
    }

    fn derivation_text(&self) -> serde_json::Result<Option<String>> {
        let derivation = self.derivation.as_ref();
        derivation.map(serde_json::to_string).transpose()
    }

    /// Registers it, in place of what was registered under its path.
    pub(super) fn insert(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let failed =
            |error: serde_json::Error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
        let info = &self.info;
        let id = id(transaction, &info.path)?;
        transaction
            .prepare_cached("DELETE FROM objects WHERE id = ?")?
            .execute([id])?;
        transaction
            .prepare_cached("INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?)")?
            .execute(params![
                id,
                info.content.to_string(),
                info.bytes,
                info.files,
                info.registered.to_string(),
                isolation_text(info.isolation),
                self.seal().map_err(failed)?,
            ])?;
        let references = info.references.iter();
        let references = references.map(|reference| self::id(transaction, reference));
        let references = references.collect::<rusqlite::Result<Vec<_>>>()?;
        transaction
            .prepare_cached("INSERT INTO refs VALUES (?, ?)")?
            .execute(params![id, graph::pack(&references)])?;
        if let Some(text) = self.derivation_text().map_err(failed)? {
            transaction
                .prepare_cached("INSERT INTO derivations VALUES (?, ?)")?
                .execute(params![id, text])?;
        }
        let mut insert = transaction.prepare_cached("INSERT INTO files VALUES (?, ?, ?, ?)")?;
        for (path, content) in &self.files {
            insert.execute(params![
                content.hash.as_bytes(),
                content.executable,
                id,
                path
            ])?;
        }
        Ok(())
    }
}

/// Returns what an object refers to; nothing if it is not registered.
pub(super) fn references(
    connection: &Connection,
    path: &StorePath,
) -> rusqlite::Result<BTreeSet<StorePath>> {
    let packed = connection
        .prepare_cached("SELECT ids FROM refs JOIN paths ON object = id WHERE path = ?")?
        .query_row([path.to_string()], |row| row.get::<_, Vec<u8>>(0))
        .optional()?;
    let mut select = connection.prepare_cached("SELECT path FROM paths WHERE id = ?")?;
    graph::unpack(&packed.unwrap_or_default())
        .map(|id| select.query_row([id], |row| parsed(row, 0)))
        .collect()
}

/// Returns the number of a path, new or old.
fn id(transaction: &Transaction<'_>, path: &StorePath) -> rusqlite::Result<graph::Id> {
    let path = path.to_string();
    let known = transaction
        .prepare_cached("SELECT id FROM paths WHERE path = ?")?
        .query_row([&path], |row| row.get(0))
        .optional()?;
    match known {
        Some(id) => Ok(id),
        None => transaction
            .prepare_cached("INSERT INTO paths (path) VALUES (?) RETURNING id")?
            .query_row([&path], |row| row.get(0)),
    }
}

fn isolation_text(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::Full => "full",
        Isolation::None => "none",
    }
}

/// Reads what [`Record::insert`] wrote.
pub(super) fn isolation(text: &str) -> Option<Isolation> {
    match text {
        "full" => Some(Isolation::Full),
        "none" => Some(Isolation::None),
        _ => None,
    }
}
