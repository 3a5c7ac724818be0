//! Claims: what replicas know and the registry has lost. A gateway's role may add them; only an
//! administrator's writes them back, or accepts the registry as it is.

use std::collections::BTreeMap;

use redis::streams::StreamRangeReply;

use super::feed::{self, Epoch};
use super::{Fault, Redis};
use crate::base::KeyId;
use crate::base::key::random;
use crate::link::{self, ANSWERS, BULK};
use crate::registry::contract::Registry as _;
use crate::registry::merge::{restored, together};
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
                    // Without a limit of its own: it is as long as what was lost, as replicas claim
                    // again only where nothing is claimed.
                    let entry = added.cmd("XADD").arg(&names.claims);
                    entry.arg("*").arg("replica").arg(replica);
                    entry
                        .arg("key_id")
                        .arg(&claim.id.to_text()[..])
                        .arg("record")
                        .arg(&claim.record)
                        .ignore();
                }
                link::query::<()>(connection, &added, BULK)
            })?;
        }
        Ok(())
    }

    /// All claims, together for each key.
    pub fn claims(&mut self) -> Result<Vec<KeyRecord>, Fault> {
        self.claims_and_end().map(|(claims, _)| claims)
    }

    /// And the id of the last of them.
    fn claims_and_end(&mut self) -> Result<(Vec<KeyRecord>, Option<String>), Fault> {
        let mut end = None;
        let (mut known, mut from) = (BTreeMap::<KeyId, KeyRecord>::new(), "-".to_owned());
        loop {
            let reply: StreamRangeReply = self.ask(|connection, names| {
                let mut command = redis::cmd("XRANGE");
                command.arg(&names.claims).arg(&from).arg("+").arg("COUNT").arg(PAGE);
                command.query(connection)
            })?;
            let Some(last) = reply.ids.last() else {
                return Ok((known.into_values().collect(), end));
            };
            from = format!("({}", last.id);
            end = Some(last.id.clone());
            for entry in &reply.ids {
                let record = entry.get::<String>("record").and_then(|text| KeyRecord::parse(&text).ok());
                // No registry ever wrote a version without room above it.
                let Some(record) = record.filter(|record| record.version < u64::MAX / 2) else { continue };
                let id = record.key_id;
                let record = match known.remove(&id) {
                    Some(before) => together(before, record),
                    None => record,
                };
                known.insert(id, record);
            }
        }
    }

    /// Writes back what was lost: every claim that is newer than what the registry shows, and of
    /// two under one version what both allow, one version above. Returns how many were written.
    pub fn restore(&mut self) -> Result<usize, Fault> {
        let (claims, end) = self.claims_and_end()?;
        let mut written = 0;
        for claim in &claims {
            let mut edit = |before: Option<KeyRecord>| {
                let record = restored(before.as_ref(), claim);
                written += usize::from(record.is_some());
                Ok(record)
            };
            self.change(&mut std::iter::once((claim.key_id, &mut edit as _)))?;
        }
        // Up to the last that was read: others may have come meanwhile.
        if let Some((ms, seq)) = end.as_deref().and_then(feed::entry_id) {
            self.ask(|connection, names| {
                let next = format!("{ms}-{}", seq.saturating_add(1));
                redis::cmd("XTRIM").arg(&names.claims).arg("MINID").arg(next).exec(connection)
            })?;
        }
        Ok(written)
    }

    /// Takes the registry as it is: replicas that followed the epoch before give up what they
    /// know of it, replicas that wait are confirmed, and those that are gone are forgotten. Returns
    /// how many waited.
    pub fn accept(&mut self) -> Result<usize, Fault> {
        let peers = self.peers()?;
        let live = || peers.iter().filter(|peer| peer.is_live());
        let waiting: Vec<u64> = live().filter_map(|peer| peer.applied.waiting).collect();
        let lost = live().any(|peer| peer.applied.lost > 0);
        let (fresh, nonce) = (u64::from_be_bytes(random()?), u64::from_be_bytes(random()?));
        self.ask(|connection, names| {
            let mut change = redis::pipe();
            change.atomic();
            if lost {
                let before = feed::end(connection, names)?;
                let epoch = Epoch { own: fresh, accepted: Some(before.epoch.own) };
                change.set(&names.epoch, epoch.written()).ignore().del(&names.claims).ignore();
                // Who follows the feed reads the epoch where it says nothing else: among steady changes
                // that would be never.
                feed::append_accepted(&mut change, names, (nonce, before.nonce));
            }
            for gone in peers.iter().filter(|peer| !peer.is_live()) {
                change.hdel(&names.replicas, &gone.name).ignore();
            }
            for run in &waiting {
                change.hset(&names.replicas, confirmation(*run), "1").ignore();
            }
            link::query::<()>(connection, &change, ANSWERS)
        })?;
        Ok(waiting.len())
    }
}

/// The roster's field that confirms a run of a replica.
pub(super) fn confirmation(run: u64) -> String {
    format!("confirmed:{}", feed::written(run))
}
