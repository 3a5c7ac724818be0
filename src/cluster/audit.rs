//! The audit log's sink in Redis: a stream that all replicas write, bounded in records, in the Redis that holds
//! the keys.
//!
//! It has a connection of its own and runs on the thread that the audit log gives it, so neither a request nor
//! the feed of keys waits for it. Records go in transactions of bounded size: of one, all arrive or none does. One
//! whose answer did not come is sent again, as nobody knows what became of it; a reader tells the second by its
//! number. It only ever adds: it has no need to read what is there, and asks for no right to.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis::{Connection, ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind};

use super::leases::slot;
use crate::base::redis::{RedisParams, Topology};
use crate::link::{ANSWERS, Cluster, answers, reason};
use crate::telemetry::audit::sink::{Batch, HeadOf, Sink};

/// Records in one transaction at most, and their bytes, unless it is one alone: Redis does nothing else meanwhile.
const RECORDS: usize = 128;
const BYTES: usize = 256 * 1024;
/// The size of a record that counts as one, and how many records a mean size is taken over.
const UNIT: u64 = 1_024;
const WINDOW: u64 = 256;
/// How long after a failure the next try is, at least and at most; the first is made at once, as Redis may have
/// closed a connection that was idle.
const SOONEST: Duration = Duration::from_millis(100);
const LATEST: Duration = Duration::from_secs(2);
/// How long nothing is sent after Redis refused to take something.
const REFUSED: Duration = Duration::from_secs(1);
/// How often a wait looks whether it should end.
const LOOK: Duration = Duration::from_millis(20);
/// How often it is said that Redis is away.
const COMPLAINT: Duration = Duration::from_secs(60);

/// Tells the audit log's records to a stream.
pub struct AuditStream {
    params: RedisParams,
    key: String,
    length: u32,
    /// Mean size of the records that were sent last, times their number.
    weight: u64,
    link: Option<Connection>,
    cluster: Cluster,
    /// When Redis refused something last.
    refused: Option<Instant>,
    /// Since when it is away, and when that was said last.
    away: Option<Instant>,
    complained: Option<Instant>,
}

/// Why a transaction is not there.
enum Failure {
    /// Nobody took it, or nobody knows.
    Away(RedisError),
    /// Redis will not have it.
    Refused(RedisError),
}

impl AuditStream {
    /// The stream at a place, which holds so many records, or as many fewer as they are larger than 1 KiB.
    /// Connects at the first use.
    pub fn new(params: RedisParams, length: u32) -> Self {
        let key = format!("{}:audit", params.prefix);
        Self {
            params,
            key,
            length,
            weight: 0,
            link: None,
            cluster: Cluster::default(),
            refused: None,
            away: None,
            complained: None,
        }
    }

    fn entry<'p>(&self, pipeline: &'p mut Pipeline) -> &'p mut Pipeline {
        pipeline.cmd("XADD").arg(&self.key).arg("MAXLEN").arg("~").arg(self.holds()).arg("*")
    }

    /// How many entries there may be now. Large records push out more than small ones, so that whoever may have
    /// large ones written cannot fill the Redis that holds the keys. What a replica sent lately stands for all:
    /// one that writes large ones cuts the stream for all others.
    fn holds(&self) -> u64 {
        let mean = (self.weight / WINDOW).max(UNIT);
        (u64::from(self.length) * UNIT / mean).max(1)
    }

    fn weigh(&mut self, size: usize) {
        self.weight = self.weight - self.weight / WINDOW + size as u64;
    }

    /// Sends entries until they are there, Redis refuses them, or it is time to stop.
    fn deliver(&mut self, entries: &Pipeline, stopping: &AtomicBool) -> io::Result<()> {
        let mut pause = Duration::ZERO;
        loop {
            match self.send(entries) {
                Ok(()) => {
                    self.arrived();
                    return Ok(());
                }
                Err(Failure::Refused(error)) => {
                    self.refused = Some(Instant::now());
                    return Err(io::Error::other(self.advice(&error)));
                }
                Err(Failure::Away(error)) => {
                    // What an idle connection ends with is no outage.
                    if !pause.is_zero() {
                        self.missed(&error);
                    }
                    if !wait(pause, stopping) {
                        return Err(io::Error::other(format!("{}: {}", self.params.place(), reason(&error))));
                    }
                }
            }
            pause = (2 * pause).clamp(SOONEST, LATEST);
        }
    }

    /// Sends entries once. After a failure the next try opens another connection.
    fn send(&mut self, entries: &Pipeline) -> Result<(), Failure> {
        let (packed, count) = (entries.get_packed_pipeline(), entries.len());
        let said = self.at(|connection| transact(connection, &packed, count));
        let error = match said {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) | Err(error) => error,
        };
        self.link = None;
        if !is_away(&error) {
            return Err(Failure::Refused(error));
        }
        self.cluster.outdated();
        Err(Failure::Away(error))
    }

    /// Does something where the stream is.
    fn at<T>(&mut self, what: impl FnOnce(&mut Connection) -> RedisResult<T>) -> RedisResult<T> {
        if matches!(self.params.topology, Topology::Cluster(_)) {
            return self.cluster.ask(&self.params, &self.key, slot(&self.key), what);
        }
        let mut connection = match self.link.take() {
            Some(connection) => connection,
            None => self.params.connect(&self.key, &mut self.cluster)?,
        };
        let done = what(&mut connection)?;
        self.link = Some(connection);
        Ok(done)
    }

    fn arrived(&mut self) {
        if let Some(since) = self.away.take() {
            tracing::info!(away_for = ?since.elapsed(), "audit records reach redis again");
        }
    }

    fn missed(&mut self, error: &RedisError) {
        self.away.get_or_insert_with(Instant::now);
        if self.complained.is_none_or(|at| at.elapsed() >= COMPLAINT) {
            self.complained = Some(Instant::now());
            let (place, reason) = (self.params.place(), reason(error));
            tracing::warn!(place, reason, "audit records wait for redis; it is tried again all the time");
        }
    }

    /// What Redis said, and what is to be done about it.
    fn advice(&self, error: &RedisError) -> String {
        let (place, key) = (self.params.place(), &self.key);
        match error.code() {
            Some("WRONGTYPE") => format!(
                "{place}: {key} holds something that is no stream: delete it, or rename it, or set another registry.prefix"
            ),
            Some("OOM") => format!(
                "{place}: it has reached its maxmemory and takes nothing: raise that, or lower audit.stream_length"
            ),
            _ => format!("{place}: {}", reason(error)),
        }
    }
}

impl Sink for AuditStream {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn write(&mut self, lines: &Batch, stopping: &AtomicBool) -> io::Result<()> {
        let left = self.refused.map_or(Duration::ZERO, |at| REFUSED.saturating_sub(at.elapsed()));
        if !wait(left, stopping) {
            return Err(io::Error::other("the gateway stops"));
        }
        self.refused = None;
        let (mut entries, mut bytes) = (transaction(), 0);
        for told in lines.records() {
            if entries.len() >= RECORDS || (!entries.is_empty() && bytes + told.line.len() > BYTES) {
                self.deliver(&entries, stopping)?;
                entries.clear();
                bytes = 0;
            }
            bytes += told.line.len();
            self.weigh(told.line.len());
            let entry = self.entry(&mut entries).arg("replica").arg(&told.replica[..]);
            entry.arg("seq").arg(told.seq).arg("kind").arg(&told.kind[..]).arg("line").arg(&told.line[..]);
        }
        if entries.is_empty() { Ok(()) } else { self.deliver(&entries, stopping) }
    }

    fn head(&mut self, head: &HeadOf) {
        // The next one tells more; of what was refused there is none to tell.
        if self.refused.is_some() {
            return;
        }
        let mut entries = transaction();
        let entry = self.entry(&mut entries).arg("replica").arg(&*head.replica).arg("seq").arg(head.head.seq);
        entry
            .arg("kind")
            .arg("head")
            .arg("chain")
            .arg(&*head.chain)
            .arg("hash")
            .arg(head.head.hash.to_string());
        if let Err(Failure::Away(error) | Failure::Refused(error)) = self.send(&entries) {
            tracing::debug!(%error, "a head of the audit log did not reach redis");
        }
    }
}

fn transaction() -> Pipeline {
    let mut entries = redis::pipe();
    entries.atomic();
    entries
}

/// Sends a packed transaction of so many commands: an error where the connection broke, else what Redis says.
fn transact(connection: &mut Connection, packed: &[u8], count: usize) -> RedisResult<RedisResult<()>> {
    // One for MULTI, one for each command, one for EXEC, which tells only that there was an error before.
    let said = answers(connection, packed, count + 2, ANSWERS)?;
    Ok(said.into_iter().try_for_each(|answer| answer.extract_error().map(drop)))
}

/// Whether another try may find another answer without anybody's doing anything about it: Redis is not reached,
/// or another server has taken over, or will.
fn is_away(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, BusyLoading, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain};
    match error.kind() {
        ErrorKind::Server(kind) => {
            [Ask, BusyLoading, ClusterDown, MasterDown, Moved, ReadOnly, TryAgain].contains(&kind)
        }
        // The last is what a sentinel is answered with that knows of no primary yet.
        ErrorKind::Io | ErrorKind::Parse | ErrorKind::InvalidClientConfig => true,
        _ => matches!(error.code(), Some("NOREPLICAS" | "BUSY" | "UNBLOCKED")),
    }
}

/// Waits so long; false where it is time to stop.
fn wait(pause: Duration, stopping: &AtomicBool) -> bool {
    let until = Instant::now() + pause;
    while !stopping.load(Ordering::Relaxed) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::park_timeout(left.min(LOOK));
    }
    false
}
