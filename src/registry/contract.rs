//! The contract that every registry keeps.
//!
//! Records change in transactions; each change leaves one entry in a log, in order, and a
//! gateway that follows the log misses none, or is told that it did. Last-used times are kept
//! apart and may be lost; records may not.

use std::time::Duration;

use super::record::KeyRecord;
use crate::base::{KeyId, SealingKey, UnixSeconds};
use crate::policy::KeyEntry;

/// Where in the change log a follower stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Random, made with the registry: another value is another registry.
    pub epoch: u64,
    /// The last entry that was seen: a row's number, or an id of a stream in Redis.
    pub entry: (u64, u64),
    /// The nonce of that entry; 0 where entries have none.
    pub nonce: u64,
}

/// A record as it lies in the registry.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The key.
    pub id: KeyId,
    /// Its record, or why it cannot be read; the key is then denied.
    pub record: Result<KeyRecord, String>,
}

impl Stored {
    /// What lies under a key's id. A record that names another key is none of this one.
    pub(super) fn read(id: KeyId, text: &str) -> Self {
        let record = match KeyRecord::parse(text) {
            Ok(record) if record.key_id == id => Ok(record),
            Ok(_) => Err("it names another key".into()),
            Err(fault) => Err(fault.to_string()),
        };
        Self { id, record }
    }
}

/// What a gateway needs of a record: the entry, or why there is none; the key is then denied.
pub type Loaded = (KeyId, Result<KeyEntry, String>);

/// One change: a key's record as it is now, or that it is gone.
#[derive(Clone, Debug)]
pub enum Change {
    /// Written.
    Put(Box<Stored>),
    /// Purged.
    Gone(KeyId),
}

/// What a look at the change log gave.
#[derive(Clone, Debug)]
pub enum Changes {
    /// Changes since the position, in order, perhaps none; and the new position.
    Since(Vec<Change>, Position),
    /// The log no longer reaches back to the position, or it is another registry's: load all.
    Lost,
}

/// When a key was last used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// The key.
    pub id: KeyId,
    /// Last use of any of its secrets.
    pub at: Option<UnixSeconds>,
    /// Last use of the secret before the last rotation.
    pub previous_at: Option<UnixSeconds>,
}

/// What cannot be done, for the person who asked.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The registry cannot be reached or read.
    #[error("the registry {place} cannot be used: {reason}")]
    Unavailable {
        /// Which registry.
        place: String,
        /// What its store says.
        reason: String,
    },
    /// The key is not there.
    #[error("no key {0} in the registry; 'tollgate key list' shows those that are")]
    NoSuchKey(KeyId),
    /// The change would break a rule.
    #[error("{0}")]
    Refused(String),
}

/// What an edit makes of a record: `None` to leave things as they are.
pub type Edit<'a> = &'a mut dyn FnMut(Option<KeyRecord>) -> Result<Option<KeyRecord>, Fault>;

/// How far what a gateway read can be relied on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Keys in force that the registry has lost.
    pub lost: u64,
    /// When the registry showed what was handed over, in milliseconds since 1970, where that came
    /// from a disk because the registry was away.
    pub disk_seen_ms: Option<u64>,
    /// How long after it was made the last change came into force, where that was since asked.
    pub delay: Option<Duration>,
    /// Nobody vouched yet that the registry is whole: the gateway is not ready.
    pub unconfirmed: bool,
}

/// What a gateway follows.
pub trait Feed: Send {
    /// Hands what a gateway needs of every record to `each` and returns the position from which
    /// to follow: no change falls between the two.
    fn entries(&mut self, each: &mut dyn FnMut(Loaded)) -> Result<Position, Fault>;

    /// Changes since a position. Cheap when there are none: it is called many times a second, or
    /// waits for some itself.
    fn changes(&mut self, since: Position) -> Result<Changes, Fault>;

    /// The keys that session ids are sealed with, made and renewed as needed: the newest is at
    /// most `renew` old, none is older than `keep`. Every gateway over one registry gets the
    /// same ones.
    fn sealing_keys(
        &mut self,
        now: UnixSeconds,
        renew: Duration,
        keep: Duration,
    ) -> Result<Vec<SealingKey>, Fault>;

    /// Notes last uses; a later time never gives way to an earlier one.
    fn note_used(&mut self, used: &[Used]) -> Result<(), Fault>;

    /// Whether [`Feed::changes`] waits for changes itself.
    fn waits(&self) -> bool {
        false
    }

    /// Whether what was read can be relied on.
    fn standing(&mut self) -> Standing {
        Standing::default()
    }
}

/// A registry.
pub trait Registry: Feed {
    /// Hands every record to `each`.
    fn load(&mut self, each: &mut dyn FnMut(Stored)) -> Result<(), Fault>;

    /// One record.
    fn get(&mut self, id: KeyId) -> Result<Option<Stored>, Fault>;

    /// Changes records in one transaction, all or none. Each edit sees its key's record and
    /// returns the new one; an unreadable record is a fault.
    fn change(&mut self, edits: &mut dyn Iterator<Item = (KeyId, Edit<'_>)>) -> Result<(), Fault>;

    /// Removes a record for good.
    fn purge(&mut self, ids: &[KeyId]) -> Result<(), Fault>;

    /// Last uses of one key, or of all.
    fn used(&mut self, id: Option<KeyId>) -> Result<Vec<Used>, Fault>;
}
