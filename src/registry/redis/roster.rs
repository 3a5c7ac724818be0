//! The roster: what each replica has applied and put on its disk, and when it was last seen.
//!
//! Times are Redis' own, so that replicas whose clocks differ can be compared. A replica that was
//! not seen for longer than [`LIVE`] is no longer waited for; it is still named.

use std::time::Duration;

use redis::Commands as _;
use serde::{Deserialize, Serialize};

use super::claims::confirmation;
use super::feed::{entry_id, number, written};
use super::{Fault, Position, Redis};

/// How long after it was last seen a replica counts as alive. It says so four times in that time.
pub(super) const LIVE: Duration = Duration::from_secs(4);
/// By how much a replica may decide for longer than its limit after it was last seen: it says once a
/// second that it is there, and its last look may have begun just before the next time, and taken as
/// long as Redis is waited for.
const SLACK: Duration = Duration::from_secs(5);
/// Gateways of one name that are remembered beside the one that has it.
const NAMESAKES: usize = 16;
/// Longest name of a replica.
const NAME_BYTES: usize = 128;

/// What a replica has applied: in force, and on its disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The last entry.
    pub position: Position,
    /// After how long without the registry it refuses; `None` where it serves on.
    pub max_staleness: Option<Duration>,
    /// Keys that it knows and the registry has lost.
    pub lost: u64,
    /// Its run, while it waits for somebody to confirm that the registry is whole.
    pub waiting: Option<u64>,
    /// Whose file it is: tells two gateways of one name apart.
    pub identity: u64,
}

/// A replica on the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What it calls itself.
    pub name: String,
    /// What it has applied.
    pub applied: Applied,
    /// How long ago it was last seen.
    pub seen: Duration,
    /// The same as it said it, in milliseconds since 1970 by the registry's clock.
    pub seen_ms: u64,
}

impl Peer {
    /// Whether it may decide by what it knows: until it was not seen for its own limit.
    pub fn may_decide(&self) -> bool {
        self.is_live() || self.decides_for().is_none_or(|left| !left.is_zero())
    }

    /// How much longer it may; `None` without end.
    pub fn decides_for(&self) -> Option<Duration> {
        self.applied.max_staleness.map(|most| (most + SLACK).saturating_sub(self.seen))
    }

    /// Whether it is waited for.
    pub fn is_live(&self) -> bool {
        self.seen <= LIVE
    }
}

/// A peer as it is written.
#[derive(Serialize, Deserialize)]
struct Line {
    epoch: String,
    entry: String,
    nonce: String,
    seen_ms: u64,
    max_staleness_ms: Option<u64>,
    #[serde(default)]
    lost: u64,
    #[serde(default)]
    waiting: Option<String>,
    #[serde(default)]
    identity: String,
}

impl Redis {
    /// Notes what a replica has applied; whether it, waiting, was confirmed, and Redis' time in
    /// milliseconds since 1970.
    pub fn register(&mut self, name: &str, applied: &Applied) -> Result<(bool, u64), Fault> {
        let name: String = name.chars().take(NAME_BYTES).collect();
        let (known, now) = self.ask(|connection, names| {
            let known: Option<String> = connection.hget(&names.replicas, &name)?;
            Ok((known, now_ms(connection)?))
        })?;
        let other = known.as_ref().and_then(|line| read(name.clone(), line, now));
        if let (Some(line), Some(other)) =
            (known, other.filter(|other| other.applied.identity != applied.identity))
        {
            if other.is_live() {
                return Err(Fault::Refused(format!(
                    "another gateway is called {name:?}; give each a name of its own in registry.replica"
                )));
            }
            self.keep_namesake(&name, &other, &line)?;
        }
        let line = Line {
            epoch: written(applied.position.epoch),
            entry: format!("{}-{}", applied.position.entry.0, applied.position.entry.1),
            nonce: written(applied.position.nonce),
            seen_ms: now,
            max_staleness_ms: applied.max_staleness.map(|time| time.as_millis() as u64),
            lost: applied.lost,
            waiting: applied.waiting.map(written),
            identity: written(applied.identity),
        };
        let line = serde_json::to_string(&line).unwrap_or_default();
        self.ask(|connection, names| {
            let said: redis::RedisResult<()> = connection.hset(&names.replicas, &name, line);
            // Full, or unable to save: what can be read is followed all the same.
            if is_full(&said) {
                tracing::warn!("Redis is full or cannot save: this replica cannot say what it has applied");
            } else {
                said?;
            }
            // It has its name again, which another had while this one was cut off.
            connection.hdel::<_, _, ()>(&names.replicas, namesake(&name, applied.identity))?;
            let Some(run) = applied.waiting else { return Ok((false, now)) };
            // Taken off with the look: it confirms this run and no other.
            connection.hdel(&names.replicas, confirmation(run)).map(|found: u32| (found > 0, now))
        })
    }

    /// A gateway takes the name of another that was not seen for a while. Where that may only be cut off
    /// from Redis, it stays on the roster, under its name and what tells it apart.
    fn keep_namesake(&mut self, name: &str, other: &Peer, line: &str) -> Result<(), Fault> {
        let prefix = format!("{name}~");
        let mut others: Vec<Peer> =
            self.peers()?.into_iter().filter(|peer| peer.name.starts_with(&prefix)).collect();
        others.sort_by_key(|peer| peer.seen);
        let (kept, mut gone): (Vec<Peer>, Vec<Peer>) = others.into_iter().partition(Peer::may_decide);
        gone.extend(kept.into_iter().skip(NAMESAKES - 1));
        let place = namesake(name, other.applied.identity);
        self.ask(|connection, names| {
            for peer in &gone {
                connection.hdel::<_, _, ()>(&names.replicas, &peer.name)?;
            }
            let kept: redis::RedisResult<()> =
                if other.may_decide() { connection.hset(&names.replicas, place, line) } else { Ok(()) };
            if is_full(&kept) { Ok(()) } else { kept }
        })
    }

    /// Takes a replica that stops on purpose off the roster; not another of its name.
    pub fn sign_off(&mut self, name: &str, identity: u64) -> Result<(), Fault> {
        self.ask(|connection, names| {
            let line: Option<String> = connection.hget(&names.replicas, name)?;
            let own = line.and_then(|line| read(name.to_owned(), &line, 0));
            match own.filter(|peer| peer.applied.identity == identity) {
                Some(_) => connection.hdel(&names.replicas, name),
                None => connection.hdel(&names.replicas, namesake(name, identity)),
            }
        })
    }

    /// All replicas, by name, those that are gone too: until when they decide by what they know, only
    /// they can tell. `accept` forgets them.
    pub fn peers(&mut self) -> Result<Vec<Peer>, Fault> {
        self.ask(|connection, names| {
            let lines: Vec<(String, String)> = connection.hgetall(&names.replicas)?;
            let now = now_ms(connection)?;
            let mut peers: Vec<Peer> =
                lines.into_iter().filter_map(|(name, line)| read(name, &line, now)).collect();
            peers.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(peers)
        })
    }

    /// Where the feed ends now.
    pub fn end(&mut self) -> Result<Position, Fault> {
        self.ask(super::feed::end).map(|end| end.position())
    }

    /// Whether the feed still has an entry: a failover may have lost it, and gone on beyond.
    pub fn holds(&mut self, position: Position) -> Result<bool, Fault> {
        let found = self.ask(|connection, names| super::feed::at(connection, names, position.entry))?;
        Ok(found.and_then(|entry| entry.link).is_some_and(|(nonce, _)| nonce == position.nonce))
    }

    /// Waits until Redis' own replicas have what was written over this connection: how many there
    /// are, and how many have it.
    pub fn wait_durable(&mut self, timeout: Duration) -> Result<(u32, u32), Fault> {
        // WAIT is about what this very connection wrote: over another it has nothing to wait for.
        if self.link.is_none() || self.written.is_some_and(|(_, connection)| connection != self.opened) {
            return Err(self.fault(
                "the connection broke after the change was written: whether Redis' replicas have it cannot be told",
            ));
        }
        self.ask(|connection, _| {
            let role: (String, u64, Vec<redis::Value>) = redis::cmd("ROLE").query(connection)?;
            let replicas = role.2.len() as u32;
            connection.set_read_timeout(Some(timeout + crate::link::ANSWER))?;
            let ms = (timeout.as_millis() as u64).max(1);
            let got = redis::cmd("WAIT").arg(replicas).arg(ms).query(connection)?;
            connection.set_read_timeout(Some(crate::link::ANSWER))?;
            Ok((replicas, got))
        })
    }
}

/// Where a gateway stands on the roster whose name another took.
fn namesake(name: &str, identity: u64) -> String {
    format!("{name}~{}", written(identity))
}

fn is_full<T>(done: &redis::RedisResult<T>) -> bool {
    done.as_ref().is_err_and(|error| matches!(error.code(), Some("OOM" | "MISCONF")))
}

fn now_ms(connection: &mut redis::Connection) -> redis::RedisResult<u64> {
    let (seconds, micros): (u64, u64) = redis::cmd("TIME").query(connection)?;
    Ok(seconds * 1_000 + micros / 1_000)
}

fn read(name: String, line: &str, now_ms: u64) -> Option<Peer> {
    let line: Line = serde_json::from_str(line).ok()?;
    let position =
        Position { epoch: number(&line.epoch)?, entry: entry_id(&line.entry)?, nonce: number(&line.nonce)? };
    let max_staleness = line.max_staleness_ms.map(Duration::from_millis);
    let seen = Duration::from_millis(now_ms.saturating_sub(line.seen_ms));
    let applied = Applied {
        position,
        max_staleness,
        lost: line.lost,
        waiting: line.waiting.as_deref().and_then(number),
        identity: number(&line.identity).unwrap_or(0),
    };
    Some(Peer { name, applied, seen, seen_ms: line.seen_ms })
}
