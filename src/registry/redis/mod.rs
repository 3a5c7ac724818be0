//! The registry in Redis, which replicas share: a hash of records, and a feed that a change
//! enters in the same transaction.
//!
//! One connection, opened when it is needed and again after it broke. Nothing here waits longer
//! than the limits of `link`, and nothing of it is on the request path. What a gateway keeps on
//! its own disk, and what wins where the two differ, is not this module's affair.

mod claims;
mod feed;
mod link;
mod load;
mod names;
mod roster;
mod sealing;
mod used;
mod write;

use std::time::Duration;

use redis::{Connection, RedisError, RedisResult};

use super::contract::{Change, Changes, Edit, Fault, Feed, Loaded, Position, Registry, Stored, Used};
use crate::base::{KeyId, SealingKey, UnixSeconds};
use names::Names;

pub use claims::Claim;
pub use feed::Epoch;
pub(super) use feed::Said;
pub use link::{Node, RedisParams, Topology};
pub use roster::{Applied, Peer};

/// How long a look at the feed waits for a change: the heartbeat of a replica.
const HEARTBEAT: Duration = Duration::from_millis(250);

/// The registry in Redis.
pub struct Redis {
    params: RedisParams,
    names: Names,
    link: Option<Connection>,
    /// Connections opened so far: a watch holds on one of them only.
    opened: u64,
    /// How long a look at the feed waits.
    wait: Duration,
}

impl Redis {
    /// The registry at a place. Connects at the first use.
    pub fn new(params: RedisParams) -> Self {
        let names = Names::new(&params.prefix);
        Self { params, names, link: None, opened: 0, wait: Duration::ZERO }
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

    /// Which registry this is.
    pub fn epoch(&mut self) -> Result<Epoch, Fault> {
        self.ask(feed::end).map(|end| end.epoch)
    }

    /// A record's text.
    pub(super) fn text(&mut self, id: KeyId) -> Result<Option<String>, Fault> {
        self.ask(|connection, names| {
            redis::cmd("HGET").arg(&names.keys).arg(&id.to_text()[..]).query(connection)
        })
    }

    fn fault(&self, reason: &str) -> Fault {
        Fault::Unavailable { place: self.place(), reason: reason.to_owned() }
    }

    /// Does something over the connection, opening it where there is none. After a failure of the
    /// connection the next use opens another.
    fn ask<T>(&mut self, what: impl FnOnce(&mut Connection, &Names) -> RedisResult<T>) -> Result<T, Fault> {
        if self.link.is_none() {
            let opened = self.params.connect(&self.names.keys);
            self.link = Some(opened.map_err(|error| self.fault(&reason(&error)))?);
            self.opened += 1;
        }
        let Some(connection) = &mut self.link else { return Err(self.fault("there is no connection")) };
        what(connection, &self.names).map_err(|error| self.failed(&error))
    }

    /// Notes a failure: a connection that is broken, or leads to the wrong server, is closed.
    fn failed(&mut self, error: &RedisError) -> Fault {
        use redis::{ErrorKind, ServerErrorKind as Server};
        let elsewhere = [Server::ReadOnly, Server::Moved, Server::MasterDown, Server::ClusterDown];
        let kind = error.kind();
        if kind == ErrorKind::Io
            || kind == ErrorKind::Parse
            || elsewhere.into_iter().any(|server| kind == ErrorKind::Server(server))
        {
            self.link = None;
        }
        self.fault(&reason(error))
    }
}

/// What Redis or the driver says, in words for the operator; never a credential.
fn reason(error: &RedisError) -> String {
    use redis::{ErrorKind, ServerErrorKind};
    match error.kind() {
        ErrorKind::AuthenticationFailed => "it does not accept the user and the password".into(),
        ErrorKind::Server(ServerErrorKind::NoPerm) => {
            format!("the user lacks a right ({error}); docs/OPERATIONS.md has the lines for ACL SETUSER")
        }
        ErrorKind::Server(ServerErrorKind::BusyLoading) => "it is still loading its data".into(),
        _ if error.is_timeout() => "it does not answer in time".into(),
        _ if error.is_connection_refusal() => "nothing listens there".into(),
        _ => error.to_string(),
    }
}

impl Feed for Redis {
    fn entries(&mut self, each: &mut dyn FnMut(Loaded)) -> Result<Position, Fault> {
        self.load_texts(&mut |id, text| each((id, super::brief::read(id, text))))
    }

    fn changes(&mut self, since: Position) -> Result<Changes, Fault> {
        let Some((entries, position)) = self.follow(since)? else { return Ok(Changes::Lost) };
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
        self.load_texts(&mut |id, text| each(Stored::read(id, text))).map(drop)
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
