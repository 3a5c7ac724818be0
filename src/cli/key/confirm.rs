//! Waiting until every replica has applied a change: in force there, and on its disk.
//!
//! A replica that does not say so in time is named, with the time until which it may still decide
//! by what it knew. Over the embedded registry there is nobody to wait for.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Desk;
use crate::base::UnixSeconds;
use crate::cli::CommandFault;
use crate::cli::args::WaitArguments;
use crate::registry::redis::Peer;
use crate::registry::{Fault, Timestamp};

/// How often the roster is read: a change is applied within milliseconds.
const LOOK: Duration = Duration::from_millis(2);

/// How the replicas took a change.
pub(super) struct Confirmed {
    /// Who has applied it, and after how long.
    applied: Vec<(String, Duration)>,
    /// Who has not, and until when it may decide by what it knew; `None` without end.
    missing: Vec<(String, Option<UnixSeconds>)>,
    /// Whether some of those hold records that the registry has lost.
    lost: bool,
}

impl Confirmed {
    pub(super) fn json(&self) -> Value {
        let applied = self
            .applied
            .iter()
            .map(|(name, took)| json!({ "name": name, "applied": true, "ms": took.as_secs_f64() * 1_000.0 }));
        let missing = self.missing.iter().map(|(name, until)| {
            let until = until.map(|until| Timestamp(until).to_string());
            json!({ "name": name, "applied": false, "may_accept_until": until })
        });
        Value::Array(applied.chain(missing).collect())
    }

    pub(super) fn text(&self, out: &mut dyn Write) -> std::io::Result<()> {
        for (name, took) in &self.applied {
            writeln!(out, "{:<22} {name} after {:.1} ms", "applied by", took.as_secs_f64() * 1_000.0)?;
        }
        Ok(())
    }

    /// A fault where somebody has not applied it.
    pub(super) fn verdict(&self) -> Result<(), CommandFault> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let names = self.missing.iter().map(|(name, until)| match until {
            Some(until) => format!("{name} (may decide by what it knew until {})", Timestamp(*until)),
            None => {
                format!("{name} (may decide by what it knew without end, as its when_stale is \"serve\")")
            }
        });
        Err(CommandFault::said(format!(
            "the change is in the registry, but not known to be applied by: {}{}",
            names.collect::<Vec<_>>().join(", "),
            if self.lost {
                "; replicas hold records that the registry has lost, see 'tollgate registry status'"
            } else {
                ""
            }
        )))
    }
}

/// Waits for the replicas; `None` where there is nothing to wait for, or nobody wants to.
pub(super) fn wait(desk: &mut Desk<'_, '_>, wait: &WaitArguments) -> Result<Option<Confirmed>, CommandFault> {
    let clock = desk.session.clock.clone();
    let Some(redis) = desk.opened.redis().filter(|_| !wait.no_wait) else { return Ok(None) };
    let begun = Instant::now();
    // The change's own entry: after a failover the feed may end before it. Where nothing had to be
    // written, all that was.
    let end = match redis.written() {
        Some(written) => written,
        None => redis.end()?,
    };
    let mut confirmed = Confirmed { applied: Vec::new(), missing: Vec::new(), lost: false };
    loop {
        let peers = redis.peers()?;
        let took = begun.elapsed();
        let mut missing = Vec::new();
        for peer in peers.iter().filter(|peer| peer.may_decide()) {
            let theirs = peer.applied.position;
            // A replica that stands further on has applied this too, if it followed this history
            // and not one that a failover ended.
            let further = theirs.epoch == end.epoch && theirs.entry >= end.entry;
            // What it holds against the registry may be this very key's.
            let against = peer.applied.lost > 0;
            if against || theirs != end && !(further && redis.holds(theirs)?) {
                missing.push(peer);
            } else if confirmed.applied.iter().all(|(name, _)| *name != peer.name) {
                confirmed.applied.push((peer.name.clone(), took));
            }
        }
        // Who is gone is not waited for, but named.
        if took >= wait.timeout || !missing.iter().any(|peer| peer.is_live() && peer.applied.lost == 0) {
            if redis.written().is_some() && !redis.holds(end)? {
                return Err(CommandFault::said(
                    "the registry has lost the change while it was waited for, as a failover of Redis may: replicas that had it keep it; make it again",
                ));
            }
            confirmed.lost = missing.iter().any(|peer| peer.applied.lost > 0);
            confirmed.missing =
                missing.iter().map(|peer| (peer.name.clone(), until(peer, clock.now()))).collect();
            return Ok(Some(confirmed));
        }
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "a command line waits for nobody but itself")]
fn pause() {
    std::thread::sleep(LOOK);
}

fn until(peer: &Peer, now: UnixSeconds) -> Option<UnixSeconds> {
    peer.decides_for().map(|left| now.plus(left))
}

/// Waits for Redis' own replicas, and says whether they have the change.
pub(super) fn durable(desk: &mut Desk<'_, '_>, wait: &WaitArguments) -> Result<(), CommandFault> {
    let Some(redis) = desk.opened.redis() else { return Ok(()) };
    let (asked, got) = redis.wait_durable(wait.timeout)?;
    if asked > 0 && got >= asked {
        if !desk.json {
            writeln!(desk.session.out, "{:<22} {got} of {asked} replicas of Redis", "stored by")?;
        }
        return Ok(());
    }
    Err(Fault::Refused(format!(
        "the change is in the registry, but {got} of {asked} replicas of Redis have it: a failover now could lose it there; the gateways above keep it"
    ))
    .into())
}
