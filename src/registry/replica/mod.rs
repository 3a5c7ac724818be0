//! What a gateway follows where the registry is in Redis: the feed, merged with what this replica
//! holds on its own disk.
//!
//! Nothing that was taken away comes back, whatever Redis shows: after a failover that lost
//! writes, FLUSHALL, or a restored backup. What the registry has lost stays in force here and is
//! written to its claims. A change is on the disk before it is called applied. Nothing here is
//! on the request path.

mod disk;
mod read;
#[cfg(test)]
mod simulation;
mod sync;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::brief;
use super::contract::{Changes, Fault, Feed, Loaded, Position, Standing, Used};
use super::redis::{Applied, Redis, Source};
use crate::base::key::random;
use crate::base::redis::RedisParams;
use crate::base::{Clock, SealingKey, UnixSeconds};
use disk::{Disk, Mark};

/// How often a replica says on the roster that it is alive; four times in the time after which
/// it no longer counts as that.
const REGISTER: Duration = Duration::from_secs(1);
/// How often the time at which the registry was last seen is put on the disk, and what it has lost is
/// claimed again: claims are lost as anything else may be.
const MARK: Duration = Duration::from_secs(30);

/// By how much the clock may have been set back while a replica was stopped.
const AHEAD: Duration = Duration::from_secs(60);

/// What a replica is told of itself.
#[derive(Clone, Debug)]
pub struct ReplicaParams {
    /// What it is called on the roster.
    pub name: String,
    /// Its own file.
    pub path: PathBuf,
    /// How old the state on its disk may be to start with while Redis is away; `None` for any age.
    pub max_staleness: Option<Duration>,
    /// The time.
    pub clock: Clock,
}

/// A gateway's side of a registry in Redis.
pub struct Replica<S: Source = Redis> {
    redis: S,
    disk: Disk,
    params: ReplicaParams,
    /// What is in force, and whether the roster says so.
    applied: Option<Position>,
    registered: Option<Instant>,
    /// When the last mark was put on the disk, in milliseconds since 1970.
    marked_ms: u64,
    confirmed: bool,
    /// What the roster said when this replica first looked, and over which connection: when each was
    /// last seen.
    heard: Option<(u64, BTreeMap<String, u64>)>,
    /// Whether what was loaded is in force and not yet synced: a million records take a second, in
    /// which a gateway that starts can serve.
    unsynced: bool,
    /// Whether a look at the feed waits for changes.
    waits: bool,
    /// How long the last change took, until it is told.
    delay: Option<Duration>,
    /// The last entry that came by the feed, until it is on the roster.
    fresh: Option<(u64, u64)>,
    /// Since when what is in force was read from the disk only.
    disk_seen_ms: Option<u64>,
    /// Records were read that may be newer than the position, as new as this. Where the feed does not
    /// lead there, the registry went back in between.
    ahead: Option<Position>,
    /// Whose file it is: of two gateways with one name only one may be on the roster.
    identity: u64,
    /// This run, told apart from the one before under the same name.
    run: u64,
}

impl Replica {
    /// Opens the replica's file. Redis may be away.
    pub fn open(redis: RedisParams, params: ReplicaParams) -> Result<Self, Fault> {
        if redis.sealing.is_none() {
            let said =
                "sessions need a secret that all replicas have: set registry.sealing_file, or a pepper";
            return Err(Fault::Refused(said.into()));
        }
        Self::over(Redis::new(redis).waiting(), params)
    }
}

impl<S: Source> Replica<S> {
    fn over(redis: S, params: ReplicaParams) -> Result<Self, Fault> {
        let (disk, damage) = Disk::open(&params.path).map_err(|error| unusable(&params.path, &error))?;
        if let Some(damage) = damage {
            tracing::warn!(file = %params.path.display(), damage, "replica's file cannot be used, starting without it");
        }
        // What is on the disk vouches for itself, once somebody vouched for it.
        let confirmed = disk.mark.is_some_and(|mark| mark.seen_ms > 0);
        let identity = match disk.mark {
            Some(mark) => mark.identity,
            None => u64::from_be_bytes(random()?),
        };
        let ahead = disk.mark.map(|mark| mark.ahead);
        let run = u64::from_be_bytes(random()?);
        let marked_ms = params.clock.now_ms();
        Ok(Self {
            redis,
            disk,
            params,
            applied: None,
            registered: None,
            marked_ms,
            confirmed,
            heard: None,
            unsynced: false,
            disk_seen_ms: None,
            waits: false,
            delay: None,
            fresh: None,
            ahead,
            identity,
            run,
        })
    }

    fn mark(&self, position: Position) -> Mark {
        let seen_ms = if self.confirmed { self.params.clock.now_ms() } else { 0 };
        let ahead = self.ahead.unwrap_or(position);
        Mark { position, ahead, seen_ms, identity: self.identity }
    }

    /// Ends a batch on the disk.
    fn commit(&mut self, position: Position) -> Result<(), Fault> {
        let mark = self.mark(position);
        self.marked_ms = self.params.clock.now_ms();
        self.disk.commit_unsynced(mark).map_err(|error| self.failed(&error))?;
        self.sync();
        Ok(())
    }

    /// Puts what was committed on the disk. Where the disk fails, what was taken away is taken away all the
    /// same, and nobody is told that it is on the disk.
    fn sync(&mut self) {
        let believed = !self.disk.has_failed();
        let done = self.disk.sync();
        self.unsynced = done.is_err();
        if let Err(error) = done.map_err(|error| error.to_string())
            && believed
        {
            let file = self.params.path.display();
            tracing::error!(%file, error, "disk failed: changes are in force, and none is told to be applied until the gateway is started again");
        }
    }

    fn failed(&mut self, error: &std::io::Error) -> Fault {
        self.disk.roll_back();
        unusable(&self.params.path, error)
    }

    /// What is on the disk, while Redis cannot be reached.
    fn take_disk(&mut self, why: Fault, each: &mut dyn FnMut(Loaded)) -> Result<Position, Fault> {
        let Some(mark) = self.disk.mark.filter(|mark| mark.seen_ms > 0) else { return Err(why) };
        let now_ms = self.params.clock.now_ms();
        if self.params.max_staleness.is_some() && mark.seen_ms > now_ms + AHEAD.as_millis() as u64 {
            return Err(Fault::Refused(format!(
                "{why}, and how old what is on this replica's disk is cannot be told: it is of a time to come, so the clock was set back"
            )));
        }
        let age = Duration::from_millis(now_ms.saturating_sub(mark.seen_ms));
        if self.params.max_staleness.is_some_and(|most| age > most) {
            return Err(Fault::Refused(format!(
                "{why}, and what is on this replica's disk is {} old, more than registry.max_staleness",
                humantime::format_duration(Duration::from_secs(age.as_secs()))
            )));
        }
        tracing::warn!(%why, age_s = age.as_secs(), keys = self.disk.len(), "registry is away, starting with what is on the disk");
        self.read_disk(each)?;
        self.disk_seen_ms = Some(mark.seen_ms);
        Ok(mark.position)
    }

    fn read_disk(&mut self, each: &mut dyn FnMut(Loaded)) -> Result<(), Fault> {
        let read = self.disk.each(&mut |id, text| each((id, brief::read(id, text))));
        read.map_err(|error| unusable(&self.params.path, &error))
    }

    /// Says on the roster what is in force; called once it is.
    fn register(&mut self) -> Result<(), Fault> {
        let Some(position) = self.applied else { return Ok(()) };
        // What is not on the disk is not applied: who changes a key waits for it.
        let told = if self.unsynced { Position { entry: (0, 0), nonce: 0, ..position } } else { position };
        let applied = Applied {
            position: told,
            max_staleness: self.params.max_staleness,
            lost: self.disk.lost() as u64,
            waiting: (!self.confirmed).then_some(self.run),
            identity: self.identity,
        };
        let asked = Instant::now();
        let (confirmed, now_ms) = self.redis.register(&self.params.name, &applied)?;
        if let Some((made_ms, _)) = self.fresh.take() {
            // Both times are Redis' own.
            self.delay = Some(Duration::from_millis(now_ms.saturating_sub(made_ms)));
        }
        if !self.confirmed && (confirmed || self.vouched(position)?) {
            tracing::info!("registry is confirmed");
            self.confirmed = true;
            self.commit(position)?;
        }
        self.registered = Some(asked);
        Ok(())
    }

    /// Whether another replica follows the very history that this one read from Redis, and none on
    /// the roster knows another or a longer one. The roster may be as old as the rest: after a failover
    /// it shows replicas as they were before. So only what a replica says there after this one has
    /// looked, over one connection, counts for it; no clock is asked.
    fn vouched(&mut self, position: Position) -> Result<bool, Fault> {
        let peers = self.redis.peers()?;
        let connection = self.redis.connection();
        if self.heard.as_ref().is_none_or(|(over, _)| *over != connection) {
            self.heard = Some((connection, BTreeMap::new()));
        }
        let mut vouched = false;
        for peer in peers {
            // A name that was not there before says something new only when it speaks again: the line may
            // be that of one that is dead, under another name.
            let before = match &mut self.heard {
                Some((_, heard)) => heard.insert(peer.name.clone(), peer.seen_ms),
                None => None,
            };
            if peer.name == self.params.name || peer.applied.waiting.is_some() || !peer.may_decide() {
                continue;
            }
            let theirs = peer.applied.position;
            if peer.applied.lost > 0 || theirs.epoch != position.epoch || theirs.entry > position.entry {
                return Ok(false);
            }
            if before.is_some_and(|before| before != peer.seen_ms) {
                let found = self.redis.up_to(theirs.entry)?;
                let follows = found.is_some_and(|entry| {
                    entry.id == theirs.entry && entry.link.is_some_and(|(nonce, _)| nonce == theirs.nonce)
                });
                // In an empty feed, or beyond its beginning, the end is all that can be compared.
                if !follows && theirs != position {
                    return Ok(false);
                }
                vouched = true;
            }
        }
        Ok(vouched)
    }
}

impl<S: Source> Feed for Replica<S> {
    fn entries(&mut self, each: &mut dyn FnMut(Loaded)) -> Result<Position, Fault> {
        (self.registered, self.heard, self.waits) = (None, None, false);
        let loaded = self.load(each);
        if loaded.is_err() {
            // Half a batch is none.
            self.disk.roll_back();
        }
        let position = match loaded {
            Ok(position) => position,
            // Once it runs, what is in force stays in force without being handed over again.
            Err(fault @ Fault::Unavailable { .. }) if self.applied.is_none() => {
                self.take_disk(fault, each)?
            }
            Err(fault) => return Err(fault),
        };
        self.applied = Some(position);
        Ok(position)
    }

    fn changes(&mut self, since: Position) -> Result<Changes, Fault> {
        let changes = self.look(since);
        if !matches!(changes, Ok(Changes::Since(..))) {
            // Half a batch is none: what is staged of it may be of a history that has ended.
            self.disk.roll_back();
        }
        changes
    }

    fn sealing_keys(
        &mut self,
        now: UnixSeconds,
        renew: Duration,
        keep: Duration,
    ) -> Result<Vec<SealingKey>, Fault> {
        self.redis.sealing(now, renew, keep)
    }

    fn note_used(&mut self, used: &[Used]) -> Result<(), Fault> {
        self.redis.write_used(used)
    }

    fn waits(&self) -> bool {
        true
    }

    fn standing(&mut self) -> Standing {
        Standing {
            lost: self.disk.lost() as u64,
            disk_seen_ms: self.disk_seen_ms,
            delay: self.delay.take(),
            unconfirmed: !self.confirmed,
        }
    }
}

impl<S: Source> Replica<S> {
    /// One look at the feed.
    fn look(&mut self, since: Position) -> Result<Changes, Fault> {
        if self.unsynced && self.registered.is_some() && !self.disk.has_failed() {
            self.sync();
            self.registered = None;
        }
        if self.registered.is_none_or(|at| at.elapsed() >= REGISTER) {
            self.register()?;
        }
        // The first look shows what came since the load; only the next ones wait for something to come.
        let waits = std::mem::replace(&mut self.waits, true);
        let Some((said, position)) = self.redis.follow(since, waits)? else { return Ok(Changes::Lost) };
        let Some(mut changes) = self.merge_said(said, position)? else { return Ok(Changes::Lost) };
        if !self.led_ahead(position, changes.is_empty())? {
            return Ok(Changes::Lost);
        }
        let since_mark = self.params.clock.now_ms().saturating_sub(self.marked_ms);
        let due = Duration::from_millis(since_mark) >= MARK;
        if due {
            changes.extend(self.claim_again()?);
        }
        if due || !changes.is_empty() {
            self.commit(position)?;
        }
        self.disk.tidy();
        self.disk_seen_ms = None;
        if position != since {
            (self.applied, self.registered, self.fresh) = (Some(position), None, Some(position.entry));
        }
        Ok(Changes::Since(changes, position))
    }
}

impl<S: Source> Drop for Replica<S> {
    fn drop(&mut self) {
        // A replica that stops on purpose is not waited for; one that crashed is, for a while.
        let _ = self.redis.sign_off(&self.params.name, self.identity);
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> Fault {
    Fault::Unavailable { place: format!("file {}", path.display()), reason: error.to_string() }
}
