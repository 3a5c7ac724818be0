//! The feed: how a change is written into it, and how entries are read and chained.
//!
//! Every entry carries a random nonce and the nonce before it. A follower whose last nonce is
//! not the `prev` of what it reads next has missed something, or looks at another history: it
//! is told so and never guesses. `head` holds the nonce of the last entry, so that a feed that
//! ended earlier, or is gone, is seen too.

use std::collections::HashMap;

use redis::streams::{StreamId, StreamRangeReply, StreamReadOptions, StreamReadReply};
use redis::{Commands as _, Connection, RedisResult};

use super::names::Names;
use crate::base::{KeyId, bounds};
use crate::link::{self, ANSWERS};
use crate::registry::contract::Position;
use crate::registry::record::KeyRecord;

/// A field of an entry.
const KEY_ID: &str = "key_id";
const RECORD: &str = "record";
const VERSION: &str = "version";
const ENTRY: &str = "entry";
const PREV: &str = "prev";
/// The registry was accepted as it is.
const ACCEPTED: &str = "accepted";
const PURGED: &str = "purged";

/// What one entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A record, as text.
    Put(KeyId, String),
    /// A key that is purged.
    Gone(KeyId),
    /// It names a key and says nothing of it that can be read: its record has to be read again.
    Unclear(KeyId),
    /// It does not even name a key: everything has to be read again.
    Nothing,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id in the stream.
    pub id: (u64, u64),
    /// Its nonce and the one before it; `None` where they cannot be read.
    pub link: Option<(u64, u64)>,
    /// What it says.
    pub said: Said,
}

/// A nonce or an epoch as it is written.
pub(super) fn written(number: u64) -> String {
    format!("{number:016x}")
}

/// A nonce or an epoch read.
pub(super) fn number(text: &str) -> Option<u64> {
    (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

/// Adds the commands of one entry to a transaction. Without a record the key is purged.
pub(super) fn append(
    transaction: &mut redis::Pipeline,
    names: &Names,
    id: KeyId,
    record: Option<&KeyRecord>,
    link: (u64, u64),
) {
    let id = id.to_string();
    let json = record.map(KeyRecord::to_json);
    match &json {
        Some(json) => transaction.hset(&names.keys, &id, json).ignore(),
        None => transaction.hdel(&names.keys, &id).ignore(),
    };
    let entry = transaction.cmd("XADD").arg(&names.feed).arg("MAXLEN").arg("~").arg(bounds::CHANGES_KEPT);
    entry.arg("*").arg(KEY_ID).arg(&id).arg(ENTRY).arg(written(link.0)).arg(PREV).arg(written(link.1));
    match (&json, record) {
        (Some(json), Some(record)) => entry.arg(VERSION).arg(record.version).arg(RECORD).arg(json),
        _ => entry.arg(PURGED).arg(1),
    };
}

/// Adds an entry that names no key: who reads it looks at everything again. Where a change comes in
/// between, its chain breaks, which leads to the same.
pub(super) fn append_accepted(transaction: &mut redis::Pipeline, names: &Names, link: (u64, u64)) {
    let entry = transaction.cmd("XADD").arg(&names.feed).arg("MAXLEN").arg("~").arg(bounds::CHANGES_KEPT);
    entry
        .arg("*")
        .arg(ACCEPTED)
        .arg(1)
        .arg(ENTRY)
        .arg(written(link.0))
        .arg(PREV)
        .arg(written(link.1))
        .ignore();
    transaction.set(&names.head, written(link.0)).ignore();
}

/// Where the feed ends now, from one transaction: epoch, last entry and its nonce.
pub(super) fn end(connection: &mut Connection, names: &Names) -> RedisResult<End> {
    end_by(redis::pipe().atomic(), connection, names)
}

/// The same while the head is watched, which a transaction would end; what changes meanwhile
/// breaks the watch.
pub(super) fn watched_end(connection: &mut Connection, names: &Names) -> RedisResult<End> {
    end_by(&mut redis::pipe(), connection, names)
}

fn end_by(asked: &mut redis::Pipeline, connection: &mut Connection, names: &Names) -> RedisResult<End> {
    let asked = asked
        .get(&names.epoch)
        .get(&names.head)
        .cmd("XREVRANGE")
        .arg(&names.feed)
        .arg("+")
        .arg("-")
        .arg("COUNT")
        .arg(1);
    let (epoch, head, last): (Option<String>, Option<String>, StreamRangeReply) =
        link::query(connection, asked, ANSWERS)?;
    let last = last.ids.first().map(read);
    // The entry's own word, where it has one; the head's, where the feed is empty or unreadable.
    let own = last.as_ref().and_then(|entry| entry.link).map(|(nonce, _)| nonce);
    let nonce = own.or_else(|| head.as_deref().and_then(number)).unwrap_or(0);
    Ok(End { epoch: Epoch::read(epoch.as_deref()), entry: last.map_or((0, 0), |entry| entry.id), nonce })
}

/// The feed's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Which registry.
    pub epoch: Epoch,
    /// The last entry.
    pub entry: (u64, u64),
    /// Its nonce.
    pub nonce: u64,
}

impl End {
    /// As a follower's position.
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch.own, entry: self.entry, nonce: self.nonce }
    }
}

/// Which registry this is: a random number, and the one that an administrator let it take the
/// place of, on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Its own number; 0 for a registry that nobody ever wrote to.
    pub own: u64,
    /// The number before, where what replicas knew of it was given up on purpose.
    pub accepted: Option<u64>,
}

impl Epoch {
    fn read(text: Option<&str>) -> Self {
        let (own, before) = text.map_or(("", None), |text| match text.split_once('<') {
            Some((own, before)) => (own, number(before)),
            None => (text, None),
        });
        Self { own: number(own).unwrap_or(0), accepted: before }
    }

    /// As it is written.
    pub(super) fn written(self) -> String {
        match self.accepted {
            Some(before) => format!("{}<{}", written(self.own), written(before)),
            None => written(self.own),
        }
    }
}

/// Entries after one, at most so many; waits up to `wait` milliseconds for the first.
pub(super) fn after(
    connection: &mut Connection,
    names: &Names,
    last: (u64, u64),
    wait: Option<usize>,
) -> RedisResult<Vec<Entry>> {
    let mut options = StreamReadOptions::default().count(bounds::CHANGES_AT_ONCE);
    if let Some(wait) = wait {
        options = options.block(wait);
    }
    let last = format!("{}-{}", last.0, last.1);
    let reply: Option<StreamReadReply> = connection.xread_options(&[&names.feed], &[last], &options)?;
    Ok(reply
        .into_iter()
        .flat_map(|reply| reply.keys)
        .flat_map(|stream| stream.ids)
        .map(|id| read(&id))
        .collect())
}

/// The last entry up to an id.
pub(super) fn up_to(
    connection: &mut Connection,
    names: &Names,
    id: (u64, u64),
) -> RedisResult<Option<Entry>> {
    let id = format!("{}-{}", id.0, id.1);
    let mut command = redis::cmd("XREVRANGE");
    command.arg(&names.feed).arg(id).arg("-").arg("COUNT").arg(1);
    let found: StreamRangeReply = command.query(connection)?;
    Ok(found.ids.first().map(read))
}

/// The entry with an id.
pub(super) fn at(connection: &mut Connection, names: &Names, id: (u64, u64)) -> RedisResult<Option<Entry>> {
    let id = format!("{}-{}", id.0, id.1);
    let found: StreamRangeReply =
        redis::cmd("XRANGE").arg(&names.feed).arg(&id).arg(&id).query(connection)?;
    Ok(found.ids.first().map(read))
}

/// An entry's id read.
pub(super) fn entry_id(text: &str) -> Option<(u64, u64)> {
    let (ms, seq) = text.split_once('-')?;
    Some((ms.parse().ok()?, seq.parse().ok()?))
}

fn read(entry: &StreamId) -> Entry {
    let id = entry_id(&entry.id);
    let field = |name: &str| text(&entry.map, name);
    let link = field(ENTRY).as_deref().and_then(number).zip(field(PREV).as_deref().and_then(number));
    let said = match field(KEY_ID).and_then(|id| id.parse().ok()) {
        None => Said::Nothing,
        Some(id) => match (field(RECORD), entry.map.contains_key(PURGED), entry.map.contains_key(VERSION)) {
            (Some(record), false, true) => Said::Put(id, record),
            (None, true, false) => Said::Gone(id),
            _ => Said::Unclear(id),
        },
    };
    Entry { id: id.unwrap_or((0, 0)), link, said }
}

fn text(fields: &HashMap<String, redis::Value>, name: &str) -> Option<String> {
    fields.get(name).and_then(|value| redis::from_redis_value_ref(value).ok())
}

#[cfg(test)]
mod tests {
    use super::{Epoch, number, written};

    #[test]
    fn numbers_and_epochs_are_read_as_they_were_written() {
        for value in [0, 1, u64::MAX] {
            assert_eq!(number(&written(value)), Some(value));
        }
        for odd in ["", "1", "zzzzzzzzzzzzzzzz", "00000000000000001"] {
            assert_eq!(number(odd), None, "{odd}");
        }
        for epoch in [Epoch { own: 7, accepted: None }, Epoch { own: 7, accepted: Some(9) }] {
            assert_eq!(Epoch::read(Some(&epoch.written())), epoch);
        }
        assert_eq!(Epoch::read(None), Epoch { own: 0, accepted: None });
    }
}
