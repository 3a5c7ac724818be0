//! Claims: what replicas know and the registry has lost. A gateway's role may add them; only an
//! administrator's writes them back, or accepts the registry as it is.

use std::collections::BTreeMap;

use redis::Commands as _;
use redis::streams::StreamRangeReply;

use super::feed::{self, Epoch};
use super::{Fault, Redis};
use crate::base::key::random;
use crate::base::{KeyId, bounds};
use crate::registry::contract::Registry as _;
use crate::registry::record::KeyRecord;

/// Claims of one answer.
const PAGE: usize = 1_000;

/// A record that a replica has in force and the registry does not show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The key.
    pub id: KeyId,
    /// Its record, as text.
    pub record: String,
}

impl Redis {
    /// Adds claims, under the replica's name.
    pub fn claim(&mut self, replica: &str, claims: &[Claim]) -> Result<(), Fault> {
        for some in claims.chunks(PAGE) {
            self.ask(|connection, names| {
                let mut added = redis::pipe();
                for claim in some {
                    let entry =
                        added.cmd("XADD").arg(&names.claims).arg("MAXLEN").arg("~").arg(bounds::CHANGES_KEPT);
                    entry.arg("*").arg("replica").arg(replica);
                    entry
                        .arg("key_id")
                        .arg(&claim.id.to_text()[..])
                        .arg("record")
                        .arg(&claim.record)
                        .ignore();
                }
                added.exec(connection)
            })?;
        }
        Ok(())
    }

    /// All claims: of each key the highest version.
    pub fn claims(&mut self) -> Result<Vec<KeyRecord>, Fault> {
        let (mut highest, mut from) = (BTreeMap::<KeyId, KeyRecord>::new(), "-".to_owned());
        loop {
            let reply: StreamRangeReply = self.ask(|connection, names| {
                redis::cmd("XRANGE")
                    .arg(&names.claims)
                    .arg(&from)
                    .arg("+")
                    .arg("COUNT")
                    .arg(PAGE)
                    .query(connection)
            })?;
            let Some(last) = reply.ids.last() else { return Ok(highest.into_values().collect()) };
            from = format!("({}", last.id);
            for entry in &reply.ids {
                let record = entry.get::<String>("record").and_then(|text| KeyRecord::parse(&text).ok());
                let Some(record) = record else { continue };
                let known = highest.entry(record.key_id).or_insert_with(|| record.clone());
                if known.version < record.version {
                    *known = record;
                }
            }
        }
    }

    /// Writes back what was lost: every claim that is newer than what the registry shows, one
    /// version above it, so that every replica takes it. Returns how many were written.
    pub fn restore(&mut self) -> Result<usize, Fault> {
        let claims = self.claims()?;
        let mut written = 0;
        for claim in &claims {
            let mut edit = |before: Option<KeyRecord>| {
                if before.is_some_and(|before| before.version > claim.version) {
                    return Ok(None);
                }
                written += 1;
                Ok(Some(KeyRecord { version: claim.version + 1, ..claim.clone() }))
            };
            self.change(&mut std::iter::once((claim.key_id, &mut edit as _)))?;
        }
        self.ask(|connection, names| connection.del::<_, ()>(&names.claims))?;
        Ok(written)
    }

    /// Takes the registry as it is: replicas that followed the epoch before give up what they
    /// know of it, and replicas that wait are confirmed. Returns how many waited.
    pub fn accept(&mut self) -> Result<usize, Fault> {
        let waiting: Vec<u64> = self.peers()?.into_iter().filter_map(|peer| peer.applied.waiting).collect();
        let lost = self.peers()?.iter().any(|peer| peer.applied.lost > 0);
        let fresh = u64::from_be_bytes(random()?);
        let replaced = self.peers()?.iter().map(|peer| peer.applied.position.epoch).find(|epoch| *epoch != 0);
        self.ask(|connection, names| {
            let mut change = redis::pipe();
            change.atomic();
            if lost {
                let before = feed::end(connection, names)?.epoch.own;
                let epoch = Epoch { own: fresh, accepted: replaced.or(Some(before)) };
                change.set(&names.epoch, epoch.written()).ignore().del(&names.claims).ignore();
            }
            for run in &waiting {
                change.hset(&names.replicas, confirmation(*run), "1").ignore();
            }
            change.exec(connection)
        })?;
        Ok(waiting.len())
    }
}

/// The roster's field that confirms a run of a replica.
pub(super) fn confirmation(run: u64) -> String {
    format!("confirmed:{}", feed::written(run))
}
