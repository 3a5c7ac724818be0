//! What a replica needs of a registry in Redis, so that a simulation can stand in Redis' place and
//! lose, delay and reorder what Redis may; and how the feed is followed over it.

use std::time::Duration;

use super::claims::Claim;
use super::feed::{End, Entry, Said};
use super::roster::{Applied, Peer};
use super::{Fault, Position, Used};
use crate::base::{KeyId, SealingKey, UnixSeconds};

/// What a replica reads, and the little that it writes.
pub trait Source: Send {
    /// Where the feed ends now.
    fn end_now(&mut self) -> Result<End, Fault>;

    /// Entries after one; `waits` for the first, for a heartbeat at most.
    fn after(&mut self, last: (u64, u64), waits: bool) -> Result<Vec<Entry>, Fault>;

    /// Hands every record's text to `each`; the position is the feed's end before the first, so
    /// that what changes meanwhile is read again from the feed and not missed.
    fn load_texts(&mut self, each: &mut dyn FnMut(KeyId, &str)) -> Result<Position, Fault>;

    /// One record's text.
    fn text(&mut self, id: KeyId) -> Result<Option<String>, Fault>;

    /// Adds claims, under the replica's name.
    fn claim(&mut self, replica: &str, claims: &[Claim]) -> Result<(), Fault>;

    /// The last entry up to an id.
    fn up_to(&mut self, id: (u64, u64)) -> Result<Option<Entry>, Fault>;

    /// Whether there are claims.
    fn is_claimed(&mut self) -> Result<bool, Fault>;

    /// Notes what a replica has applied; whether it, waiting, was confirmed, and the registry's
    /// time in milliseconds since 1970.
    fn register(&mut self, name: &str, applied: &Applied) -> Result<(bool, u64), Fault>;

    /// All replicas.
    fn peers(&mut self) -> Result<Vec<Peer>, Fault>;

    /// Takes a replica that stops on purpose off the roster.
    fn sign_off(&mut self, name: &str, identity: u64) -> Result<(), Fault>;

    /// Which connection it is: another one may lead to another server.
    fn connection(&self) -> u64;

    /// The sealing keys, as the contract says.
    fn sealing(
        &mut self,
        now: UnixSeconds,
        renew: Duration,
        keep: Duration,
    ) -> Result<Vec<SealingKey>, Fault>;

    /// Notes last uses, as the contract says.
    fn write_used(&mut self, used: &[Used]) -> Result<(), Fault>;

    /// What the feed says after a position and where that ends, `waits` for something to say;
    /// `None` where it does not reach back, or tells another history.
    fn follow(&mut self, since: Position, waits: bool) -> Result<Option<(Vec<Said>, Position)>, Fault> {
        let mut entries = self.after(since.entry, waits)?;
        if entries.is_empty() {
            // A feed without news is that of the same registry with the same end, or another's.
            let end = self.end_now()?;
            if end.position() == since {
                return Ok(Some((Vec::new(), since)));
            }
            if end.epoch.own != since.epoch {
                return Ok(None);
            }
            entries = self.after(since.entry, false)?;
            if entries.is_empty() {
                return Ok(None);
            }
        }
        let mut position = since;
        if since.epoch == 0 {
            // The first change that this registry ever saw made it one.
            position.epoch = self.end_now()?.epoch.own;
        }
        let mut said = Vec::with_capacity(entries.len());
        for entry in entries {
            match entry.link {
                Some((nonce, prev)) if prev == position.nonce => {
                    position = Position { entry: entry.id, nonce, ..position };
                    said.push(entry.said);
                }
                link => {
                    tracing::debug!(?link, ?position, entry = ?entry.id, "feed tells another history");
                    return Ok(None);
                }
            }
        }
        Ok(Some((said, position)))
    }
}
