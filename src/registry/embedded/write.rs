//! Writing: records with their change log entries, purges, last uses.
//!
//! A transaction that writes takes the write lock at its beginning, so that what an edit saw
//! is still so when it is written.

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use super::{Edit, Embedded, Fault, Used, stored};
use crate::base::{KeyId, bounds};
use crate::registry::record::KeyRecord;

impl Embedded {
    pub(super) fn write_records(
        &mut self,
        edits: &mut dyn Iterator<Item = (KeyId, Edit<'_>)>,
    ) -> Result<(), Fault> {
        let place = self.path.display().to_string();
        let fault = |error: rusqlite::Error| Fault::Unavailable {
            place: place.clone(),
            reason: super::reason(&error),
        };
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
        for (id, edit) in edits {
            let before = read(&transaction, id).map_err(fault)?;
            let before = match before
                .and_then(|text| stored(&id.to_string(), &text))
                .map(|stored| stored.record)
            {
                Some(Err(why)) => {
                    return Err(Fault::Refused(format!(
                        "the record of {id} cannot be read: {why}; export, mend and import it with --force"
                    )));
                }
                Some(Ok(record)) => Some(record),
                None => None,
            };
            if let Some(after) = edit(before)? {
                put(&transaction, &after).map_err(fault)?;
            }
        }
        trim(&transaction).map_err(fault)?;
        transaction.commit().map_err(fault)
    }
}

fn read(transaction: &Transaction<'_>, id: KeyId) -> rusqlite::Result<Option<String>> {
    transaction
        .prepare_cached("SELECT record FROM keys WHERE key_id = ?1")?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()
}

fn put(transaction: &Transaction<'_>, record: &KeyRecord) -> rusqlite::Result<()> {
    let (id, json) = (record.key_id.to_string(), record.to_json());
    transaction
        .prepare_cached("INSERT OR REPLACE INTO keys (key_id, record) VALUES (?1, ?2)")?
        .execute((&id, &json))?;
    transaction
        .prepare_cached("INSERT INTO changes (key_id, record) VALUES (?1, ?2)")?
        .execute((&id, &json))?;
    Ok(())
}

/// The log keeps its last entries; a follower that is further behind loads everything.
fn trim(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM changes WHERE entry <= (SELECT max(seq) FROM sqlite_sequence WHERE name = 'changes') - ?1")?
        .execute([bounds::CHANGES_KEPT])?;
    Ok(())
}

pub(super) fn purge(connection: &mut Connection, ids: &[KeyId]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for id in ids {
        let id = id.to_string();
        if transaction.prepare_cached("DELETE FROM keys WHERE key_id = ?1")?.execute([&id])? > 0 {
            transaction
                .prepare_cached("INSERT INTO changes (key_id, record) VALUES (?1, NULL)")?
                .execute([&id])?;
        }
        transaction.prepare_cached("DELETE FROM used WHERE key_id = ?1")?.execute([&id])?;
    }
    trim(&transaction)?;
    transaction.commit()
}

pub(super) fn note_used(connection: &mut Connection, used: &[Used]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for one in used {
        // Keys purged in the meantime get no row; a later time never gives way.
        transaction
            .prepare_cached(
                "INSERT INTO used (key_id, at, previous_at)
                 SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM keys WHERE key_id = ?1)
                 ON CONFLICT (key_id) DO UPDATE SET
                   at = max(coalesce(at, 0), coalesce(excluded.at, at, 0)),
                   previous_at = nullif(max(coalesce(previous_at, 0), coalesce(excluded.previous_at, 0)), 0)",
            )?
            .execute((one.id.to_string(), one.at.map(|t| t.0), one.previous_at.map(|t| t.0)))?;
    }
    transaction.commit()
}
