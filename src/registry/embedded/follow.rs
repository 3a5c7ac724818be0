//! Reading: all records with a position, then what changed since.
//!
//! The look for changes first asks SQLite's own counter, which costs two system calls and no
//! query; most looks end there.

use rusqlite::Connection;

use super::{Change, Changes, Embedded, Fault, Position, Used, inode, stored};
use crate::base::{KeyId, UnixSeconds, bounds};

impl Embedded {
    pub(super) fn follow(&mut self, since: Position) -> Result<Changes, Fault> {
        if inode(&self.path) != self.inode {
            // The file was replaced: what this connection reads is nobody's truth any more.
            let path = self.path.clone();
            *self = Self::open(&path)?;
        }
        if since.epoch != self.epoch {
            return Ok(Changes::Lost);
        }
        let counter = self.connection.pragma_query_value(None, "data_version", |row| row.get::<_, i64>(0));
        let counter = counter.map_err(|error| self.unavailable(&error))?;
        if self.seen == Some(counter) {
            return Ok(Changes::Since(Vec::new(), since));
        }
        let changes = read_changes(&self.connection, since).map_err(|error| self.unavailable(&error))?;
        // Only a look that brought everything may be skipped next time.
        let complete = matches!(&changes, Changes::Since(list, _) if list.len() < bounds::CHANGES_AT_ONCE);
        self.seen = complete.then_some(counter);
        Ok(changes)
    }
}

fn read_changes(connection: &Connection, since: Position) -> rusqlite::Result<Changes> {
    let mut query = connection.prepare_cached(
        "SELECT entry, key_id, record FROM changes WHERE entry > ?1 ORDER BY entry LIMIT ?2",
    )?;
    let most = i64::try_from(bounds::CHANGES_AT_ONCE).unwrap_or(i64::MAX);
    let mut rows = query.query((i64::try_from(since.entry.0).unwrap_or(i64::MAX), most))?;
    let (mut changes, mut position) = (Vec::new(), since);
    while let Some(row) = rows.next()? {
        let entry = row.get::<_, i64>(0)?.unsigned_abs();
        if entry != position.entry.0 + 1 {
            return Ok(Changes::Lost);
        }
        position.entry.0 = entry;
        let id: String = row.get(1)?;
        let change = match row.get::<_, Option<String>>(2)? {
            Some(record) => stored(&id, &record).map(|stored| Change::Put(Box::new(stored))),
            None => id.parse().ok().map(Change::Gone),
        };
        changes.extend(change);
    }
    drop(rows);
    // A log that ends before the position is the log of an older copy of the file.
    let last: i64 = connection.query_row(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'changes'",
        [],
        |row| row.get(0),
    )?;
    Ok(if last.unsigned_abs() < position.entry.0 { Changes::Lost } else { Changes::Since(changes, position) })
}

/// Every record's id and text, and the log's last entry, in one read transaction.
pub(super) fn load(connection: &Connection, each: &mut dyn FnMut(&str, &str)) -> rusqlite::Result<u64> {
    let transaction = connection.unchecked_transaction()?;
    let last: i64 = transaction.query_row(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'changes'",
        [],
        |row| row.get(0),
    )?;
    {
        let mut query = transaction.prepare("SELECT key_id, record FROM keys ORDER BY key_id")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            each(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
        }
    }
    transaction.commit()?;
    Ok(last.unsigned_abs())
}

pub(super) fn used(connection: &Connection, id: Option<KeyId>) -> rusqlite::Result<Vec<Used>> {
    let mut query =
        connection.prepare("SELECT key_id, at, previous_at FROM used WHERE ?1 IS NULL OR key_id = ?1")?;
    let rows = query.query_map([id.map(|id| id.to_string())], |row| {
        let time = |index| row.get::<_, Option<u32>>(index).map(|time| time.map(UnixSeconds));
        Ok((row.get::<_, String>(0)?, time(1)?, time(2)?))
    })?;
    let mut all = Vec::new();
    for row in rows {
        let (id, at, previous_at) = row?;
        if let Ok(id) = id.parse() {
            all.push(Used { id, at, previous_at });
        }
    }
    Ok(all)
}
