//! Writing records: each change with its feed entry in one transaction.
//!
//! Optimistic: `head` is watched, which every writer changes, so what an edit saw is still so
//! when it is written, or it is done again. A set of changes that is too large for one
//! transaction is written in several; each is whole, and all edits were asked before the first.

use std::collections::HashMap;

use redis::Connection;

use super::{Redis, feed};
use crate::base::key::random;
use crate::base::{KeyId, bounds};
use crate::link::{self, BULK};
use crate::registry::contract::{Edit, Fault, Position, Stored};
use crate::registry::record::KeyRecord;

/// Records of one transaction: some 5 MB, which Redis takes in a few tens of milliseconds.
const AT_ONCE: usize = 10_000;
/// How often a change is done again because another was written meanwhile.
const TRIES: u32 = 50;

/// A record to write; `None` to purge.
type Written = (KeyId, Option<KeyRecord>);

/// The end of the feed that a change was decided on, watched on one connection.
#[derive(Clone, Copy)]
struct Watch {
    /// Which registry; 0 for one that nobody ever wrote to.
    epoch: u64,
    head: u64,
    /// The connection's number: on another one nothing is watched.
    connection: u64,
}

impl Redis {
    /// Changes records as the contract says.
    pub(super) fn write_records(
        &mut self,
        edits: &mut dyn Iterator<Item = (KeyId, Edit<'_>)>,
    ) -> Result<(), Fault> {
        let mut edits: Vec<(KeyId, Edit<'_>)> = edits.collect();
        for _ in 0..TRIES {
            let watch = self.watch()?;
            let after = match self.edited(&mut edits) {
                Ok(after) => after,
                Err(fault) => {
                    self.unwatch();
                    return Err(fault);
                }
            };
            if after.is_empty() {
                self.unwatch();
                return Ok(());
            }
            if self.write_all(watch, &after)? {
                return Ok(());
            }
        }
        Err(self.fault("others are writing to it without a pause; try again"))
    }

    /// Purges records that are there.
    pub(super) fn purge_records(&mut self, ids: &[KeyId]) -> Result<(), Fault> {
        for _ in 0..TRIES {
            let watch = self.watch()?;
            let known = self.records(ids)?;
            let gone: Vec<Written> =
                ids.iter().filter(|id| known.contains_key(id)).map(|id| (*id, None)).collect();
            if gone.is_empty() {
                self.unwatch();
            }
            if gone.is_empty() || self.write_all(watch, &gone)? {
                return self.forget_used(ids);
            }
        }
        Err(self.fault("others are writing to it without a pause; try again"))
    }

    fn watch(&mut self) -> Result<Watch, Fault> {
        let end = self.ask(|connection, names| {
            redis::cmd("WATCH").arg(&names.head).exec(connection)?;
            feed::watched_end(connection, names)
        })?;
        Ok(Watch { epoch: end.epoch.own, head: end.nonce, connection: self.opened })
    }

    fn unwatch(&mut self) {
        // Where it fails the connection is gone, and with it the watch.
        let _ = self.ask(|connection, _| redis::cmd("UNWATCH").exec(connection));
    }

    /// What the edits make of the records as they are now. Several edits of one key see each
    /// other's outcome.
    fn edited(&mut self, edits: &mut [(KeyId, Edit<'_>)]) -> Result<Vec<Written>, Fault> {
        let ids: Vec<KeyId> = edits.iter().map(|(id, _)| *id).collect();
        let mut known = self.records(&ids)?;
        let mut after = Vec::new();
        for (id, edit) in edits {
            let before = match known.get(id).map(|stored| &stored.record) {
                Some(Err(why)) => {
                    return Err(Fault::Refused(format!(
                        "the record of {id} cannot be read: {why}; export, mend and import it with --force"
                    )));
                }
                Some(Ok(record)) => Some(record.clone()),
                None => None,
            };
            if let Some(record) = edit(before)? {
                known.insert(*id, Stored { id: *id, record: Ok(record.clone()) });
                after.push((*id, Some(record)));
            }
        }
        Ok(after)
    }

    /// Records of these keys, read in pages.
    pub(super) fn records(&mut self, ids: &[KeyId]) -> Result<HashMap<KeyId, Stored>, Fault> {
        let mut known = HashMap::with_capacity(ids.len());
        for page in ids.chunks(AT_ONCE) {
            let texts: Vec<Option<String>> = self.ask(|connection, names| {
                let mut command = redis::cmd("HMGET");
                command.arg(&names.keys);
                for id in page {
                    command.arg(&id.to_text()[..]);
                }
                command.query(connection)
            })?;
            let stored = page.iter().zip(texts).filter_map(|(id, text)| Some(Stored::read(*id, &text?)));
            known.extend(stored.map(|stored| (stored.id, stored)));
        }
        Ok(known)
    }

    /// Writes all; false where another writer came first, before anything was written.
    fn write_all(&mut self, mut watch: Watch, changes: &[Written]) -> Result<bool, Fault> {
        for (number, page) in changes.chunks(AT_ONCE).enumerate() {
            let expected = watch.head;
            if number > 0 {
                watch = self.watch()?;
            }
            let written = if watch.head == expected { self.write_page(watch, page)? } else { None };
            let Some(head) = written else {
                if number == 0 {
                    return Ok(false);
                }
                return Err(Fault::Refused(format!(
                    "another writer came between the parts of this change; the first {} of its {} records are written, repeat it for the rest",
                    number * AT_ONCE,
                    changes.len()
                )));
            };
            watch.head = head;
        }
        Ok(true)
    }

    /// One transaction; the nonce of its last entry, or `None` where the watch was broken.
    fn write_page(&mut self, watch: Watch, page: &[Written]) -> Result<Option<u64>, Fault> {
        if self.link.is_none() || self.opened != watch.connection {
            return Ok(None);
        }
        let nonces = page.iter().map(|_| random().map(u64::from_be_bytes)).collect::<Result<Vec<_>, _>>()?;
        let fresh = u64::from_be_bytes(random()?);
        let epoch = feed::Epoch { own: fresh, accepted: None }.written();
        let mut transaction = redis::pipe();
        transaction.atomic();
        transaction.cmd("SET").arg(&self.names.epoch).arg(epoch).arg("NX").ignore();
        let mut prev = watch.head;
        for ((id, record), nonce) in page.iter().zip(nonces) {
            feed::append(&mut transaction, &self.names, *id, record.as_ref(), (nonce, prev));
            prev = nonce;
        }
        transaction.set(&self.names.head, feed::written(prev)).ignore();
        let done = self.ask(|connection, _| Ok(committed(connection, &transaction)))?;
        match done {
            Ok(None) => Ok(None),
            Ok(Some(ids)) => {
                let epoch = if watch.epoch == 0 { fresh } else { watch.epoch };
                let entry = ids.last().and_then(|id| feed::entry_id(id)).unwrap_or((0, 0));
                self.written = Some((Position { epoch, entry, nonce: prev }, watch.connection));
                Ok(Some(prev))
            }
            Err(error) => {
                let unsure = error.is_io_error();
                let fault = self.failed(&error);
                let said = "the connection broke while the change was being written: whether it is there 'tollgate key show' tells, and making it again is safe";
                Err(if unsure { self.fault(said) } else { fault })
            }
        }
    }
}

/// Carries a transaction out; the ids of its entries. Redis answers nil where a watched key changed.
fn committed(
    connection: &mut Connection,
    transaction: &redis::Pipeline,
) -> redis::RedisResult<Option<Vec<String>>> {
    link::query(connection, transaction, BULK)
}

const _: () = assert!(AT_ONCE < bounds::CHANGES_KEPT as usize);
