//! The registry in Redis, which replicas share: a hash of records, and a feed that a change
//! enters in the same transaction.
//!
//! One connection, opened when it is needed and again after it broke. Nothing here waits longer
//! than the limits of `link`, and nothing of it is on the request path. What a gateway keeps on
//! its own disk, and what wins where the two differ, is not this module's affair.

mod claims;
mod feed;
mod load;
mod names;
mod roster;
mod sealing;
mod source;
mod used;
mod write;

use std::collections::HashMap;
use std::time::Duration;

use redis::{Connection, RedisError, RedisResult};

use super::contract::{Change, Changes, Edit, Fault, Feed, Loaded, Position, Registry, Stored, Used};
use crate::base::redis::RedisParams;
use crate::base::{KeyId, SealingKey, UnixSeconds};
use crate::link::{Cluster, reason};
use names::Names;

pub use claims::Claim;
pub use feed::{End, Entry, Epoch, Said};
pub use roster::{Applied, Peer};
pub use source::Source;

/// How long a look at the feed waits for a change: the heartbeat of a replica.
const HEARTBEAT: Duration = Duration::from_millis(250);

/// The registry in Redis.
pub struct Redis {
    params: RedisParams,
    names: Names,
    link: Option<Connection>,
    /// What is known of the Cluster, where it is one.
    cluster: Cluster,
    /// Slots of the hashes of last uses in it.
    slots: HashMap<String, u16>,
    /// Connections opened so far: a watch holds on one of them only.
    opened: u64,
    /// How long a look at the feed waits.
    wait: Duration,
    /// The last entry that was written through this, and over which connection.
    written: Option<(Position, u64)>,
}

impl Redis {
    /// The registry at a place. Connects at the first use.
    pub fn new(params: RedisParams) -> Self {
        let names = Names::new(&params.prefix);
        Self {
            params,
            names,
            link: None,
            cluster: Cluster::default(),
            slots: HashMap::new(),
            opened: 0,
            wait: Duration::ZERO,
            written: None,
        }
    }

    /// The same, with looks at the feed that wait for changes.
    #[must_use]
    pub fn waiting(self) -> Self {
        Self { wait: HEARTBEAT, ..self }
    }

    /// Where it is, for people.
    pub fn place(&self) -> String {
        self.params.place()
    }

    /// The last entry that was written through this, if any was.
    pub fn written(&self) -> Option<Position> {
        self.written.map(|(position, _)| position)
    }

    fn fault(&self, reason: &str) -> Fault {
        Fault::Unavailable { place: self.place(), reason: reason.to_owned() }
    }

    /// Does something over the connection, opening it where there is none. After a failure of the
    /// connection the next use opens another.
    fn ask<T>(&mut self, what: impl FnOnce(&mut Connection, &Names) -> RedisResult<T>) -> Result<T, Fault> {
        if self.link.is_none() {
            let opened = self.params.connect(&self.names.keys, &mut self.cluster);
            self.link = Some(opened.map_err(|error| self.fault(&reason(&error)))?);
            self.opened += 1;
        }
        let Some(connection) = &mut self.link else { return Err(self.fault("there is no connection")) };
        what(connection, &self.names).map_err(|error| self.failed(&error))
    }

    /// Notes a failure: a connection that is broken, or leads to the wrong server, is closed.
    fn failed(&mut self, error: &RedisError) -> Fault {
        use redis::{ErrorKind, ServerErrorKind as Server};
        // The last is a transaction's way to say one of the others, which it may have been told only at its end.
        let elsewhere =
            [Server::ReadOnly, Server::Moved, Server::MasterDown, Server::ClusterDown, Server::ExecAbort];
        let kind = error.kind();
        if kind == ErrorKind::Io
            || kind == ErrorKind::Parse
            // A primary that was cut off from its replicas, which may have one of their own by now.
            || error.code() == Some("NOREPLICAS")
            || elsewhere.into_iter().any(|server| kind == ErrorKind::Server(server))
        {
            self.link = None;
        }
        self.fault(&reason(error))
    }
}

impl Source for Redis {
    fn end_now(&mut self) -> Result<End, Fault> {
        self.ask(feed::end)
    }

    fn after(&mut self, last: (u64, u64), waits: bool) -> Result<Vec<Entry>, Fault> {
        let wait = usize::try_from(self.wait.as_millis()).ok().filter(|wait| waits && *wait > 0);
        self.ask(|connection, names| feed::after(connection, names, last, wait))
    }

    fn load_texts(&mut self, each: &mut dyn FnMut(KeyId, &str)) -> Result<Position, Fault> {
        self.read_all(each)
    }

    fn text(&mut self, id: KeyId) -> Result<Option<String>, Fault> {
        self.ask(|connection, names| {
            redis::cmd("HGET").arg(&names.keys).arg(&id.to_text()[..]).query(connection)
        })
    }

    fn claim(&mut self, replica: &str, claims: &[Claim]) -> Result<(), Fault> {
        Self::claim(self, replica, claims)
    }

    fn up_to(&mut self, id: (u64, u64)) -> Result<Option<Entry>, Fault> {
        self.ask(|connection, names| feed::up_to(connection, names, id))
    }

    fn is_claimed(&mut self) -> Result<bool, Fault> {
        let length: u64 =
            self.ask(|connection, names| redis::cmd("XLEN").arg(&names.claims).query(connection))?;
        Ok(length > 0)
    }

    fn register(&mut self, name: &str, applied: &Applied) -> Result<(bool, u64), Fault> {
        Self::register(self, name, applied)
    }

    fn peers(&mut self) -> Result<Vec<Peer>, Fault> {
        Self::peers(self)
    }

    fn sign_off(&mut self, name: &str, identity: u64) -> Result<(), Fault> {
        Self::sign_off(self, name, identity)
    }

    fn connection(&self) -> u64 {
        self.opened
    }

    fn sealing(
        &mut self,
        now: UnixSeconds,
        renew: Duration,
        keep: Duration,
    ) -> Result<Vec<SealingKey>, Fault> {
        Self::sealing(self, now, renew, keep)
    }

    fn write_used(&mut self, used: &[Used]) -> Result<(), Fault> {
        Self::write_used(self, used)
    }
}

impl Feed for Redis {
    fn entries(&mut self, each: &mut dyn FnMut(Loaded)) -> Result<Position, Fault> {
        self.read_all(&mut |id, text| each((id, super::brief::read(id, text))))
    }

    fn changes(&mut self, since: Position) -> Result<Changes, Fault> {
        let Some((entries, position)) = self.follow(since, true)? else { return Ok(Changes::Lost) };
        let mut changes = Vec::with_capacity(entries.len());
        for said in entries {
            match said {
                Said::Put(id, text) => changes.push(Change::Put(Box::new(Stored::read(id, &text)))),
                Said::Gone(id) => changes.push(Change::Gone(id)),
                Said::Unclear(id) => changes.push(match self.get(id)? {
                    Some(stored) => Change::Put(Box::new(stored)),
                    None => Change::Gone(id),
                }),
                Said::Nothing => return Ok(Changes::Lost),
            }
        }
        Ok(Changes::Since(changes, position))
    }

    fn sealing_keys(
        &mut self,
        now: UnixSeconds,
        renew: Duration,
        keep: Duration,
    ) -> Result<Vec<SealingKey>, Fault> {
        self.sealing(now, renew, keep)
    }

    fn note_used(&mut self, used: &[Used]) -> Result<(), Fault> {
        self.write_used(used)
    }
}

impl Registry for Redis {
    fn load(&mut self, each: &mut dyn FnMut(Stored)) -> Result<(), Fault> {
        self.read_all(&mut |id, text| each(Stored::read(id, text))).map(drop)
    }

    fn get(&mut self, id: KeyId) -> Result<Option<Stored>, Fault> {
        self.records(&[id]).map(|mut records| records.remove(&id))
    }

    fn change(&mut self, edits: &mut dyn Iterator<Item = (KeyId, Edit<'_>)>) -> Result<(), Fault> {
        self.write_records(edits)
    }

    fn purge(&mut self, ids: &[KeyId]) -> Result<(), Fault> {
        self.purge_records(ids)
    }

    fn used(&mut self, id: Option<KeyId>) -> Result<Vec<Used>, Fault> {
        self.read_used(id)
    }
}
