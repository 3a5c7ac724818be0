//! Bringing the disk and Redis together: all records after a gap, and what the feed says.

use hashbrown::HashSet;

use super::super::contract::{Change, Fault, Loaded, Position, Stored};
use super::super::record::{KeyRecord, State};
use super::super::redis::{Claim, Said};
use super::merge::{Outcome, meet};
use super::{Merged, Replica, brief, unusable};
use crate::base::KeyId;
use foldhash::fast::RandomState;

impl Replica {
    /// All keys, merged: from the disk and what the feed says since, where it reaches back that
    /// far; else from Redis and the disk.
    pub(super) fn load(&mut self, each: &mut dyn FnMut(Loaded)) -> Result<Position, Fault> {
        let epoch = self.redis.epoch()?;
        if self.disk.mark.is_some_and(|mark| epoch.accepted == Some(mark.position.epoch)) {
            tracing::warn!(
                keys = self.disk.len(),
                "registry was accepted as it is, giving up what this replica knew"
            );
            self.disk.clear().map_err(|error| unusable(&self.params.path, &error))?;
        } else if let Some(mark) = self.disk.mark.filter(|_| self.applied.is_none())
            && let Some(position) = self.catch_up(mark.position)?
        {
            self.read_disk(each)?;
            return Ok(position);
        }
        self.load_all(each)
    }

    /// Follows the feed from the disk's mark to its end.
    fn catch_up(&mut self, mut position: Position) -> Result<Option<Position>, Fault> {
        loop {
            let Some((said, next)) = self.redis.follow(position)? else { return Ok(None) };
            if said.is_empty() {
                return Ok(Some(position));
            }
            if self.merge_said(said)?.is_none() {
                self.disk.roll_back();
                return Ok(None);
            }
            self.commit(next)?;
            position = next;
        }
    }

    /// Reads all of Redis and merges it with the disk.
    fn load_all(&mut self, each: &mut dyn FnMut(Loaded)) -> Result<Position, Fault> {
        let before = self.disk.mark.map(|mark| mark.position);
        let mut seen: HashSet<KeyId, RandomState> =
            HashSet::with_capacity_and_hasher(self.disk.len(), RandomState::default());
        let (mut claims, mut failed) = (Vec::new(), None);
        let Self { redis, disk, .. } = self;
        let mut merged = Merging { disk, claims: &mut claims };
        let position = redis.load_texts(&mut |id, text| {
            // A hash that grows while it is scanned shows some of its fields twice.
            if failed.is_some() || !seen.insert(id) {
                return;
            }
            let (entry, version) = brief::versioned(id, text);
            match merged.meet(id, text, version) {
                Ok(None) => each((id, entry)),
                Ok(Some(in_force)) => each((id, brief::read(id, &in_force))),
                Err(error) => failed = Some(error),
            }
        });
        let position = match (position, failed) {
            (Ok(position), None) => position,
            (Ok(_), Some(error)) => return Err(self.failed(&error)),
            (Err(fault), _) => {
                self.disk.roll_back();
                return Err(fault);
            }
        };
        self.keep_lost(before, position, &seen, &mut claims, each)?;
        self.lost = claims.len() as u64;
        self.commit(position)?;
        if !claims.is_empty() {
            tracing::error!(
                keys = claims.len(),
                "registry went back in time; what it lost stays in force here, see 'tollgate registry status'"
            );
            self.redis.claim(&self.params.name, &claims)?;
        }
        Ok(position)
    }

    /// Keys that only the disk knows. Of a registry that went back they are what it lost; of one
    /// that is ahead of this replica by more than its feed holds they may have been purged, and
    /// a purged key was revoked.
    fn keep_lost(
        &mut self,
        before: Option<Position>,
        now: Position,
        seen: &HashSet<KeyId, RandomState>,
        claims: &mut Vec<Claim>,
        each: &mut dyn FnMut(Loaded),
    ) -> Result<(), Fault> {
        let went_back = before.is_some_and(|before| before.epoch != now.epoch || now.entry <= before.entry);
        let unseen: Vec<KeyId> = self.disk.keys().filter(|id| !seen.contains(id)).collect();
        for id in unseen {
            let Some(place) = self.disk.place(id) else { continue };
            let text = self.disk.text(place).map_err(|error| self.failed(&error))?;
            let active = KeyRecord::parse(&text).is_ok_and(|record| record.status == State::Active);
            if active && !went_back {
                self.disk.remove(id).map_err(|error| self.failed(&error))?;
                continue;
            }
            each((id, brief::read(id, &text)));
            if active {
                claims.push(Claim { id, record: text });
            }
        }
        Ok(())
    }

    /// Merges entries of the feed; `None` where all has to be read again.
    pub(super) fn merge_said(&mut self, said: Vec<Said>) -> Result<Option<Vec<Change>>, Fault> {
        let mut changes = Vec::with_capacity(said.len());
        for said in said {
            let (id, text) = match said {
                Said::Put(id, text) => (id, text),
                Said::Unclear(id) => match self.redis.text(id)? {
                    Some(text) => (id, text),
                    None => continue,
                },
                Said::Gone(id) => {
                    self.disk.remove(id).map_err(|error| self.failed(&error))?;
                    changes.push(Change::Gone(id));
                    continue;
                }
                Said::Nothing => return Ok(None),
            };
            let (id, text) = self.merge_one(id, text)?;
            changes.push(Change::Put(Box::new(Stored::read(id, &text))));
        }
        Ok(Some(changes))
    }

    /// One record of the feed; what is in force then.
    fn merge_one(&mut self, id: KeyId, text: String) -> Result<Merged, Fault> {
        if self.disk.is_changing(id) {
            // Two changes of one key in one batch: the second meets the first.
            let position = self.applied.or(self.disk.mark.map(|mark| mark.position));
            if let Some(position) = position {
                self.commit(position)?;
            }
        }
        let mut claims = Vec::new();
        let met = Merging { disk: &mut self.disk, claims: &mut claims }.meet(
            id,
            &text,
            brief::versioned(id, &text).1,
        );
        let in_force = met.map_err(|error| self.failed(&error))?.unwrap_or(text);
        if !claims.is_empty() {
            tracing::error!(key_id = %id, "registry shows an older record of a key than this replica has; the newer one stays in force");
            self.lost += claims.len() as u64;
            self.redis.claim(&self.params.name, &claims)?;
        }
        Ok((id, in_force))
    }
}

/// A merge that goes on.
struct Merging<'a> {
    disk: &'a mut super::Disk,
    claims: &'a mut Vec<Claim>,
}

impl Merging<'_> {
    /// A record of the registry meets the replica's; the text that is in force, where it is not
    /// the registry's. `version` is that of the registry's record; 0 where it cannot be read.
    fn meet(&mut self, id: KeyId, theirs: &str, version: u64) -> std::io::Result<Option<String>> {
        let Some(place) = self.disk.place(id) else {
            // What cannot be read denies its key; it has no version, and any that can is newer.
            self.disk.put(id, version, theirs)?;
            return Ok(None);
        };
        if place.holds(theirs) {
            return Ok(None);
        }
        let text = self.disk.text(place)?;
        let (ours, read) = (KeyRecord::parse(&text), KeyRecord::parse(theirs));
        match (ours, read) {
            (Ok(ours), Ok(read)) => match meet(&ours, &read) {
                Outcome::Same => Ok(None),
                Outcome::Theirs => self.disk.put(id, read.version, theirs).map(|()| None),
                Outcome::Ours => {
                    self.claims.push(Claim { id, record: text.clone() });
                    Ok(Some(text))
                }
                Outcome::Both(both) => {
                    let both = both.to_json();
                    self.disk.put(id, read.version, &both)?;
                    self.claims.push(Claim { id, record: both.clone() });
                    Ok(Some(both))
                }
            },
            // Unreadable: the key is denied, and what is known of its version is kept.
            (Ok(_), Err(_)) => self.disk.put(id, place.version, theirs).map(|()| None),
            // Readable again: only as a newer version than the one that could not be read.
            (Err(_), Ok(read)) if read.version > place.version => {
                self.disk.put(id, read.version, theirs).map(|()| None)
            }
            (Err(_), _) => Ok(Some(text)),
        }
    }
}
