//! The ledger of shared limits in Redis: one key for each bucket that is not full, changed by one script
//! that gives tokens, takes them back and books what was spent on credit. Time is Redis' own.
//!
//! In a Cluster the buckets are spread over all nodes. A question whose answer did not come is answered
//! with nothing: whether Redis got it, nobody knows, and it must never be asked again as it was.

use std::time::Duration;

use redis::ErrorKind::{self, Server};
use redis::{Connection, Pipeline, RedisError, RedisResult, ServerErrorKind};

use crate::base::Limit;
use crate::base::digest::push_hex;
use crate::base::lease::{Ask, LeaseId, Told};
use crate::base::redis::{Node, RedisParams, Topology};
use crate::link::{self, Cluster};

/// Takes, gives and books tokens of one bucket.
pub(crate) const LEASE: &str = include_str!("lease.lua");
const PRESENT: &str = include_str!("present.lua");
/// Time for an answer: tokens that come later are of no use any more.
const ANSWER: Duration = Duration::from_millis(500);
/// Time for all answers to what is asked in one go: the thread has other servers to ask, and a stop to heed.
const ANSWERS: Duration = Duration::from_secs(1);
/// A replica that was silent for so long is gone.
const GONE_MS: u64 = 10_000;
/// Slots of a Cluster.
const SLOTS: u16 = 16_384;

/// The ledger, over connections of its own.
pub struct Ledger {
    params: RedisParams,
    /// This process among the replicas.
    own: String,
    lease: Script,
    present: Script,
    link: Option<Connection>,
    cluster: Cluster,
    /// Questions that were sent.
    asked: u64,
    /// What went wrong last.
    trouble: Option<String>,
}

/// What many buckets say.
#[derive(Debug)]
pub struct Answers {
    /// Each, in the order of the questions; nothing where nobody knows what became of it.
    pub told: Vec<Option<Told>>,
    /// Whether every server was reached that was asked.
    pub reached: bool,
}

/// A script, and the name under which a server that has seen it keeps it.
struct Script {
    text: &'static str,
    sha1: String,
}

impl Script {
    fn new(text: &'static str) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let mut sha1 = String::new();
        push_hex(&mut sha1, digest.as_ref());
        Self { text, sha1 }
    }

    fn call(&self, pipeline: &mut Pipeline, known: bool, key: &str, arguments: &[u64]) {
        let call =
            if known { pipeline.cmd("EVALSHA").arg(&self.sha1) } else { pipeline.cmd("EVAL").arg(self.text) };
        call.arg(1).arg(key).arg(arguments);
    }
}

impl Ledger {
    /// The ledger at a place, for one process; `own` tells it from all others. Connects at the first use.
    pub fn new(params: RedisParams, own: u64) -> Self {
        Self {
            params,
            own: format!("{own:016x}"),
            lease: Script::new(LEASE),
            present: Script::new(PRESENT),
            link: None,
            cluster: Cluster::default(),
            asked: 0,
            trouble: None,
        }
    }

    /// Questions that were sent to Redis so far.
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// Says that this replica is here, and counts all that are.
    pub fn present(&mut self) -> Option<u32> {
        let told = self.meet("1");
        let (told, trouble) = (told.as_ref().ok().copied(), told.err());
        self.trouble = trouble;
        told
    }

    /// Looks whether limits could be shared, as somebody who is no replica: a bucket that nobody has, and how
    /// many replicas there are.
    pub fn look(&mut self) -> Option<u32> {
        let limit = Limit::new(1, Duration::from_secs(1), 1)?;
        let nobody = Ask { id: LeaseId { key: None, limit: 0 }, limit, debt: 0, back: 0, want: 0 };
        self.ask(&[nobody]).told.first().copied().flatten()?;
        let told = self.meet("0");
        told.map_err(|error| self.trouble = Some(error)).ok()
    }

    /// Says that this replica goes.
    pub fn leave(&mut self) {
        // One that is not heard is forgotten after a while.
        let _ = self.meet("0");
    }

    fn meet(&mut self, stays: &str) -> Result<u32, String> {
        let key = format!("{}:lease:replicas", self.params.prefix);
        let (script, own) = (self.present.text, self.own.clone());
        self.asked += 1;
        let count = self.at(&key, |connection| {
            let mut call = redis::cmd("EVAL");
            call.arg(script).arg(1).arg(&key).arg(&own).arg(GONE_MS).arg(stays);
            call.query::<u32>(connection)
        });
        count.map_err(|error| error.to_string())
    }

    /// Asks for many buckets; what each says, in their order. A bucket whose slot is moving, or that holds
    /// something else, says nothing; where a whole server did not answer, `reached` is false.
    pub fn ask(&mut self, asks: &[Ask]) -> Answers {
        let mut reached = true;
        let names: Vec<String> = asks.iter().map(|ask| self.name(ask.id)).collect();
        let mut told = vec![None; asks.len()];
        for together in self.by_node(&names) {
            let chosen: Vec<(&str, &Ask)> = together
                .iter()
                .filter_map(|place| Some((names.get(*place)?.as_str(), asks.get(*place)?)))
                .collect();
            let Some((first, _)) = chosen.first() else { continue };
            self.asked += chosen.len() as u64;
            let script = Script { text: self.lease.text, sha1: self.lease.sha1.clone() };
            let answers = self.at(first, |connection| settle(connection, &script, &chosen));
            match answers {
                Ok((answers, moved)) => {
                    if moved {
                        self.cluster.outdated();
                    }
                    for (place, answer) in together.iter().zip(answers) {
                        if let Some(told) = told.get_mut(*place) {
                            *told = answer;
                        }
                    }
                }
                Err(error) => {
                    reached = false;
                    self.trouble = Some(error.to_string());
                    tracing::debug!(%error, "shared limits cannot be looked up");
                }
            }
        }
        Answers { told, reached }
    }

    /// What Redis, or the way there, said when it last did not answer.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// What a bucket is called in Redis.
    fn name(&self, id: LeaseId) -> String {
        match id.key {
            Some(key) => format!("{}:lease:{key}:{:016x}", self.params.prefix, id.limit),
            None => format!("{}:lease:tool:{:016x}", self.params.prefix, id.limit),
        }
    }

    /// Places of names in groups that lie on one node, as far as that is known.
    fn by_node(&mut self, names: &[String]) -> Vec<Vec<usize>> {
        if !matches!(self.params.topology, Topology::Cluster(_)) {
            return if names.is_empty() { Vec::new() } else { vec![(0..names.len()).collect()] };
        }
        if let Some(first) = names.first() {
            // Without an answer nobody knows where they lie, and none of them is answered.
            let _ = self.cluster.learn(&self.params, first);
        }
        let mut groups: Vec<(Option<Node>, Vec<usize>)> = Vec::new();
        for (place, name) in names.iter().enumerate() {
            let holder = self.cluster.holder(slot(name));
            match groups.iter_mut().find(|(known, _)| known.as_ref() == holder) {
                Some((_, group)) => group.push(place),
                None => groups.push((holder.cloned(), vec![place])),
            }
        }
        groups.into_iter().map(|(_, group)| group).collect()
    }

    /// Does something where a key lies. After a failure the next use opens another connection.
    fn at<T>(&mut self, key: &str, what: impl FnOnce(&mut Connection) -> RedisResult<T>) -> RedisResult<T> {
        let timed = |connection: &mut Connection| {
            connection.set_read_timeout(Some(ANSWER))?;
            // A server that hangs does not take all of many questions either.
            connection.set_write_timeout(Some(ANSWER))?;
            what(connection)
        };
        if matches!(self.params.topology, Topology::Cluster(_)) {
            return self.cluster.ask(&self.params, key, slot(key), timed);
        }
        let mut connection = match self.link.take() {
            Some(connection) => connection,
            None => self.params.connect(key, &mut self.cluster)?,
        };
        let done = timed(&mut connection)?;
        self.link = Some(connection);
        Ok(done)
    }
}

/// Asks one server: what each bucket says, and whether one has moved to another. A script that it does not know, as after a failover, is sent whole: that server has
/// not carried the question out.
fn settle(
    connection: &mut Connection,
    script: &Script,
    asks: &[(&str, &Ask)],
) -> RedisResult<(Vec<Option<Told>>, bool)> {
    let mut answers = send(connection, script, true, asks)?;
    let unknown = Server(ServerErrorKind::NoScript);
    let missed: Vec<usize> = (0..)
        .zip(&answers)
        .filter(|(_, answer)| matches!(answer, Err(error) if error.kind() == unknown))
        .map(|(place, _)| place)
        .collect();
    let again: Vec<(&str, &Ask)> = missed.iter().filter_map(|place| asks.get(*place).copied()).collect();
    if !again.is_empty() {
        for (place, answer) in missed.iter().zip(send(connection, script, false, &again)?) {
            if let Some(known) = answers.get_mut(*place) {
                *known = answer;
            }
        }
    }
    let mut failed = answers.iter().filter_map(|answer| answer.as_ref().err());
    if let Some(error) = failed.clone().find(|error| !is_of_one_bucket(error)) {
        return Err((error.kind(), "a shared limit was not changed", error.to_string()).into());
    }
    let moved = failed.any(|error| error.kind() == Server(ServerErrorKind::Moved));
    Ok((answers.into_iter().map(Result::ok).collect(), moved))
}

/// Whether what a server says concerns one bucket: its slot is elsewhere, or on its way there, or what
/// stands under its name is no bucket. Everything else concerns the server: it takes no writes, or gives no
/// rights.
fn is_of_one_bucket(error: &RedisError) -> bool {
    use ServerErrorKind::{Ask, CrossSlot, Moved, TryAgain};
    matches!(error.kind(), Server(Ask | CrossSlot | Moved | TryAgain) | ErrorKind::UnexpectedReturnType)
        || error.code() == Some("WRONGTYPE")
}

fn send(
    connection: &mut Connection,
    script: &Script,
    known: bool,
    asks: &[(&str, &Ask)],
) -> RedisResult<Vec<RedisResult<Told>>> {
    let mut pipeline = redis::pipe();
    for (key, ask) in asks {
        let numbers = [ask.debt, ask.back, ask.want].map(u64::from);
        let [debt, back, want] = numbers;
        let arguments = [ask.limit.interval(), u64::from(ask.limit.burst()), debt, back, want];
        script.call(&mut pipeline, known, key, &arguments);
    }
    let answers: Vec<RedisResult<(u32, i64)>> = link::query(connection, pipeline.ignore_errors(), ANSWERS)?;
    let told = |(granted, level)| Told { granted, level };
    Ok(answers.into_iter().map(|answer| answer.map(told)).collect())
}

/// The slot of a name without a hash tag: CRC-16/XMODEM of its bytes (Redis Cluster specification,
/// "Key distribution model").
pub(super) fn slot(name: &str) -> u16 {
    let crc =
        name.bytes().fold(0_u16, |crc, byte| {
            (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
            })
        });
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use super::slot;

    #[test]
    fn slots_are_those_of_the_specification() {
        // CRC-16 of "123456789" is 0x31C3 there.
        assert_eq!(slot("123456789"), 0x31C3);
        assert_eq!(slot("foo"), 12_182);
        assert_eq!(slot("bar"), 5_061);
    }
}
