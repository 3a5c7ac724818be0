//! Last uses: a field `last:previous` of each key, spread over 256 hashes.
//!
//! In a Cluster the hashes lie on many nodes, and each is written over a connection to its own. They may be lost: nothing is decided by them.

use std::collections::BTreeMap;

use redis::{Connection, RedisResult};

use super::names::{Names, USED_HASHES};
use super::{Fault, Redis, reason};
use crate::base::redis::{Node, Topology};
use crate::base::{KeyId, UnixSeconds};
use crate::link::{self, ANSWERS, BULK};
use crate::registry::contract::Used;

/// Keeps the later of what is there and what comes, for each key: fields, times and previous times.
const NOTE: &str = r"
for i = 1, #ARGV, 3 do
  local at, previous = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  if known then
    local known_at, known_previous = string.match(known, '^(%d+):(%d+)$')
    at = math.max(at, tonumber(known_at or 0))
    previous = math.max(previous, tonumber(known_previous or 0))
  end
  redis.call('HSET', KEYS[1], ARGV[i], string.format('%d:%d', at, previous))
end
";

/// A hash, and what belongs into it.
type Uses<'u> = (String, Vec<&'u Used>);

impl Redis {
    /// All that one node holds is written in one go. What fails does not keep the rest.
    pub(super) fn write_used(&mut self, used: &[Used]) -> Result<(), Fault> {
        let mut hashes: BTreeMap<String, Vec<&Used>> = BTreeMap::new();
        for one in used {
            hashes.entry(self.names.used(one.id)).or_default().push(one);
        }
        let hashes: Vec<Uses<'_>> = hashes.into_iter().collect();
        if !matches!(self.params.topology, Topology::Cluster(_)) {
            return self.ask(|connection, _| link::query(connection, &noted(&hashes), BULK));
        }
        let mut done = Ok(());
        for together in self.by_holder(hashes)? {
            let Some((hash, _)) = together.first() else { continue };
            let wrote = self.at(hash, |connection, _| link::query(connection, &noted(&together), BULK));
            done = done.and(wrote);
        }
        done
    }

    /// Hashes in groups that lie on one node, as far as that is known.
    fn by_holder<'u>(&mut self, hashes: Vec<Uses<'u>>) -> Result<Vec<Vec<Uses<'u>>>, Fault> {
        let learnt = self.cluster.learn(&self.params, &self.names.keys);
        learnt.map_err(|error| self.fault(&reason(&error)))?;
        let mut groups: Vec<(Option<Node>, Vec<Uses<'u>>)> = Vec::new();
        for (hash, value) in hashes {
            let slot = self.slot(&hash)?;
            let holder = self.cluster.holder(slot);
            match groups.iter_mut().find(|(known, _)| known.as_ref() == holder) {
                Some((_, group)) => group.push((hash, value)),
                None => groups.push((holder.cloned(), vec![(hash, value)])),
            }
        }
        Ok(groups.into_iter().map(|(_, group)| group).collect())
    }

    /// The slot of a hash, which never changes: all are asked for at once, and once.
    fn slot(&mut self, hash: &str) -> Result<u16, Fault> {
        if self.slots.is_empty() {
            let all: Vec<String> = (0..USED_HASHES).map(|number| self.names.used_hash(number)).collect();
            let mut asked = redis::pipe();
            for hash in &all {
                asked.cmd("CLUSTER").arg("KEYSLOT").arg(hash);
            }
            let slots: Vec<u16> = self.ask(|connection, _| link::query(connection, &asked, ANSWERS))?;
            self.slots = all.into_iter().zip(slots).collect();
        }
        self.slots.get(hash).copied().ok_or_else(|| self.fault("there is no such hash of last uses"))
    }

    pub(super) fn read_used(&mut self, id: Option<KeyId>) -> Result<Vec<Used>, Fault> {
        if let Some(id) = id {
            let hash = self.names.used(id);
            let found: Option<String> = self.at(&hash, |connection, _| {
                redis::cmd("HGET").arg(&hash).arg(&id.to_text()[..]).query(connection)
            })?;
            return Ok(found.and_then(|times| read(id, &times)).into_iter().collect());
        }
        let mut all = Vec::new();
        for number in 0..USED_HASHES {
            let hash = self.names.used_hash(number);
            let fields: Vec<(String, String)> =
                self.at(&hash, |connection, _| redis::cmd("HGETALL").arg(&hash).query(connection))?;
            all.extend(fields.iter().filter_map(|(id, times)| read(id.parse().ok()?, times)));
        }
        Ok(all)
    }

    pub(super) fn forget_used(&mut self, ids: &[KeyId]) -> Result<(), Fault> {
        for id in ids {
            let hash = self.names.used(*id);
            self.at(&hash, |connection, _| {
                redis::cmd("HDEL").arg(&hash).arg(&id.to_text()[..]).exec(connection)
            })?;
        }
        Ok(())
    }

    /// Does something where a hash lies.
    fn at<T>(
        &mut self,
        hash: &str,
        what: impl FnOnce(&mut Connection, &Names) -> RedisResult<T>,
    ) -> Result<T, Fault> {
        if !matches!(self.params.topology, Topology::Cluster(_)) {
            return self.ask(what);
        }
        let slot = self.slot(hash)?;
        let names = &self.names;
        let done = self.cluster.ask(&self.params, hash, slot, |connection| what(connection, names));
        done.map_err(|error| self.fault(&reason(&error)))
    }
}

fn noted(hashes: &[Uses<'_>]) -> redis::Pipeline {
    let mut pipe = redis::pipe();
    for (hash, used) in hashes {
        let command = pipe.cmd("EVAL").arg(NOTE).arg(1).arg(hash);
        for one in used {
            let seconds = |time: Option<UnixSeconds>| time.map_or(0, |time| time.0);
            command.arg(&one.id.to_text()[..]).arg(seconds(one.at)).arg(seconds(one.previous_at));
        }
    }
    pipe
}

fn read(id: KeyId, times: &str) -> Option<Used> {
    let (at, previous) = times.split_once(':')?;
    let time = |text: &str| text.parse().ok().filter(|seconds| *seconds > 0).map(UnixSeconds);
    Some(Used { id, at: time(at), previous_at: time(previous) })
}
