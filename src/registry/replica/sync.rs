//! Bringing the disk and Redis together: all records after a gap, and what the feed says.

use hashbrown::HashSet;

use super::super::contract::{Change, Fault, Loaded, Position, Stored};
use super::super::merge::{Outcome, meet};
use super::super::record::{KeyRecord, State};
use super::super::redis::{Claim, Said, Source};
use super::disk::Place;
use super::read::{self, Read};
use super::{Replica, brief, unusable};
use crate::base::KeyId;
use crate::base::bounds;
use foldhash::fast::RandomState;

impl<S: Source> Replica<S> {
    /// All keys, merged: from the disk and what the feed says since, where it reaches back that
    /// far; else from Redis and the disk.
    pub(super) fn load(&mut self, each: &mut dyn FnMut(Loaded)) -> Result<Position, Fault> {
        let epoch = self.redis.end_now()?.epoch;
        // An old copy in which a registry was once accepted is no new word.
        let accepted = self.disk.mark.is_some_and(|mark| epoch.accepted == Some(mark.position.epoch))
            && !self.disk.has_followed(epoch.own);
        if accepted {
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
            let Some((said, next)) = self.redis.follow(position, false)? else { return Ok(None) };
            // What comes while this goes on is followed like any change.
            let all = said.len() < bounds::CHANGES_AT_ONCE;
            if !said.is_empty() && self.merge_said(said, next)?.is_none() {
                return Ok(None);
            }
            if !self.led_ahead(next, all)? {
                self.disk.roll_back();
                return Ok(None);
            }
            self.commit(next)?;
            if all {
                return Ok(Some(next));
            }
            position = next;
        }
    }

    /// Reads all of Redis and merges it with the disk.
    fn load_all(&mut self, each: &mut dyn FnMut(Loaded)) -> Result<Position, Fault> {
        self.disk.roll_back();
        let now = self.redis.end_now()?.position();
        let went_back = match self.ahead.or(self.disk.mark.map(|mark| mark.position)) {
            Some(before) => self.went_back(before, now)?,
            None => false,
        };
        let first = self.disk.len() == 0;
        let mut seen: HashSet<KeyId, RandomState> =
            HashSet::with_capacity_and_hasher(self.disk.len(), RandomState::default());
        let (mut claims, mut failed) = (Vec::new(), None);
        let Self { redis, disk, .. } = self;
        let mut merged = Merging { disk, claims: &mut claims, went_back };
        let position = read::all(redis, &mut |Read { id, text, entry, version }| {
            // A hash that grows while it is scanned shows some of its fields twice.
            let again = if first { merged.disk.is_changing(id) } else { !seen.insert(id) };
            if failed.is_some() || again {
                return;
            }
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
        let end = self.redis.end_now()?.position();
        if end.epoch != now.epoch || position.entry < now.entry || end.entry < position.entry {
            self.disk.roll_back();
            let (place, reason) = ("registry".into(), "it went back in time while it was read".into());
            return Err(Fault::Unavailable { place, reason });
        }
        self.keep_lost(went_back, &seen, &mut claims, each)?;
        self.ahead = Some(end);
        if self.applied.is_none() {
            let mark = self.mark(position);
            self.disk.commit_unsynced(mark).map_err(|error| self.failed(&error))?;
            self.unsynced = true;
        } else {
            self.commit(position)?;
        }
        if !claims.is_empty() {
            tracing::error!(
                keys = claims.len(),
                "registry went back in time; what it lost stays in force here, see 'tollgate registry status'"
            );
            self.claim(&claims);
        }
        Ok(position)
    }

    /// Whether the feed, followed to a position, leads where records were read ahead of it. `all`:
    /// it says no more now.
    pub(super) fn led_ahead(&mut self, position: Position, all: bool) -> Result<bool, Fault> {
        let Some(ahead) = self.ahead.filter(|ahead| *ahead != position) else {
            self.ahead = None;
            return Ok(true);
        };
        if position.entry < ahead.entry {
            return Ok(!all);
        }
        let led = !self.went_back(ahead, position)?;
        if led {
            self.ahead = None;
        }
        Ok(led)
    }

    /// Whether the registry's history is another one than that in which this replica stood at a
    /// position. Where the feed does not reach back that far nobody can tell, and it is taken for
    /// the same.
    fn went_back(&mut self, before: Position, now: Position) -> Result<bool, Fault> {
        if before.epoch != now.epoch || now.entry < before.entry {
            return Ok(true);
        }
        let found = self.redis.up_to(before.entry)?;
        Ok(found.is_some_and(|entry| entry.link.is_none_or(|(nonce, _)| nonce != before.nonce)))
    }

    /// Keys that only the disk knows. Of a registry that went back they are what it lost; of one
    /// that is ahead of this replica by more than its feed holds they may have been purged, and a purged
    /// key was revoked: they are denied, also where an old copy should show them again, until a newer
    /// version comes.
    fn keep_lost(
        &mut self,
        went_back: bool,
        seen: &HashSet<KeyId, RandomState>,
        claims: &mut Vec<Claim>,
        each: &mut dyn FnMut(Loaded),
    ) -> Result<(), Fault> {
        let unseen: Vec<KeyId> = self.disk.keys().filter(|id| !seen.contains(id)).collect();
        for id in unseen {
            let Some(place) = self.disk.place(id) else { continue };
            if place.is_buried() {
                // The registry has it no more, as it should be.
                if place.lost {
                    self.disk.bury(id, false).map_err(|error| self.failed(&error))?;
                }
                continue;
            }
            if place.is_withheld() {
                if place.lost {
                    self.disk.put(id, place.version, "", false).map_err(|error| self.failed(&error))?;
                }
                each((id, brief::read(id, "")));
                continue;
            }
            let text = self.disk.text(place).map_err(|error| self.failed(&error))?;
            let active = KeyRecord::parse(&text).is_ok_and(|record| record.status == State::Active);
            if active && !went_back && !place.lost {
                self.disk.put(id, place.version, "", false).map_err(|error| self.failed(&error))?;
                continue;
            }
            each((id, brief::read(id, &text)));
            if went_back && !place.lost {
                self.disk.put(id, place.version, &text, true).map_err(|error| self.failed(&error))?;
            }
            if went_back || place.lost {
                claims.push(Claim { id, record: text });
            }
        }
        Ok(())
    }

    /// Claims what the registry has lost; where that fails it is done again later, as what is lost
    /// stands on the disk.
    fn claim(&mut self, claims: &[Claim]) {
        if let Err(fault) = self.redis.claim(&self.params.name, claims) {
            tracing::warn!(%fault, keys = claims.len(), "what the registry has lost could not be claimed yet");
        }
    }

    /// Merges entries of the feed up to a position; `None` where all has to be read again.
    pub(super) fn merge_said(
        &mut self,
        said: Vec<Said>,
        end: Position,
    ) -> Result<Option<Vec<Change>>, Fault> {
        let mut changes = Vec::with_capacity(said.len());
        for said in said {
            match self.merge_one(said, end) {
                Ok(Some(change)) => changes.push(change),
                // Half a batch is none: what is staged of it may be of a history that has ended.
                Ok(None) => {
                    self.disk.roll_back();
                    return Ok(None);
                }
                Err(fault) => {
                    self.disk.roll_back();
                    return Err(fault);
                }
            }
        }
        Ok(Some(changes))
    }

    /// One entry of the feed; what is in force then.
    fn merge_one(&mut self, said: Said, end: Position) -> Result<Option<Change>, Fault> {
        let (id, text) = match said {
            Said::Put(id, text) => (id, Some(text)),
            Said::Unclear(id) => (id, None),
            Said::Gone(id) => {
                self.disk.bury(id, false).map_err(|error| self.failed(&error))?;
                return Ok(Some(Change::Gone(id)));
            }
            Said::Nothing => return Ok(None),
        };
        // An entry that cannot be read says that there is something to read.
        let text = match text.filter(|text| brief::versioned(id, text).1 > 0) {
            Some(text) => text,
            None => self.read_ahead(id)?.unwrap_or_default(),
        };
        if self.disk.is_changing(id) {
            // Two changes of one key in one batch: the second meets the first, which is then on the
            // disk before the position is.
            if self.ahead.is_none_or(|ahead| ahead.entry < end.entry) {
                self.ahead = Some(end);
            }
            let position = self.applied.or(self.disk.mark.map(|mark| mark.position));
            if let Some(position) = position {
                self.commit(position)?;
            }
        }
        if let Some(ours) = self.disk.place(id)
            && ours.version > brief::versioned(id, &text).1
        {
            // An entry that is told again: the registry has what it led to.
            match self.read_ahead(id)? {
                Some(now) if brief::versioned(id, &now).1 >= ours.version => {
                    return self.met(id, now).map(Some);
                }
                None if ours.is_buried() => return Ok(Some(Change::Gone(id))),
                _ => {}
            }
        }
        self.met(id, text).map(Some)
    }

    /// A record as it is now, which may be newer than where the feed was followed to.
    fn read_ahead(&mut self, id: KeyId) -> Result<Option<String>, Fault> {
        let text = self.redis.text(id)?;
        self.ahead = Some(self.redis.end_now()?.position());
        Ok(text)
    }

    /// A record of the registry meets the replica's.
    fn met(&mut self, id: KeyId, text: String) -> Result<Change, Fault> {
        let (version, mut claims) = (brief::versioned(id, &text).1, Vec::new());
        let met =
            Merging { disk: &mut self.disk, claims: &mut claims, went_back: false }.meet(id, &text, version);
        let in_force = met.map_err(|error| self.failed(&error))?.unwrap_or(text);
        if !claims.is_empty() {
            tracing::error!(key_id = %id, "registry shows an older record of a key than this replica has; the newer one stays in force");
            self.claim(&claims);
        }
        Ok(Change::Put(Box::new(Stored::read(id, &in_force))))
    }

    /// Looks again at what the registry has lost, and claims what is still missing where no claim is
    /// there; what came back is in force then.
    pub(super) fn claim_again(&mut self) -> Result<Vec<Change>, Fault> {
        if self.disk.lost() == 0 || self.redis.is_claimed()? {
            return Ok(Vec::new());
        }
        let places = self.disk.keys().filter_map(|id| self.disk.place(id).map(|place| (id, place)));
        let lost: Vec<_> = places.filter(|(_, place)| place.lost).take(LOOKED_AT).collect();
        let (mut claims, mut changes) = (Vec::new(), Vec::new());
        for (id, place) in lost {
            if self.disk.is_changing(id) {
                continue;
            }
            if let Some(now) = self.read_ahead(id)? {
                // Claims by itself what is still lost.
                changes.push(self.met(id, now)?);
            } else if place.is_buried() || place.is_withheld() {
                let gone = self.disk.put(id, place.version, "", false);
                gone.map_err(|error| unusable(&self.params.path, &error))?;
            } else {
                let record = self.disk.text(place).map_err(|error| unusable(&self.params.path, &error))?;
                claims.push(Claim { id, record });
            }
        }
        self.claim(&claims);
        Ok(changes)
    }
}

/// Keys that the registry has lost which are looked at in one go.
const LOOKED_AT: usize = 1_000;

/// A merge that goes on.
struct Merging<'a> {
    disk: &'a mut super::Disk,
    claims: &'a mut Vec<Claim>,
    /// Whether the registry's history is another one: no record of it can be known to stand on what
    /// this replica has, however high its version.
    went_back: bool,
}

impl Merging<'_> {
    /// A key that was purged is denied for good. A registry that shows it in force has gone back: what
    /// others are to know of it is that it was revoked.
    fn meet_buried(&mut self, id: KeyId, place: Place, theirs: &str) -> std::io::Result<Option<String>> {
        let active = |record: &KeyRecord| record.key_id == id && record.status == State::Active;
        let back = KeyRecord::parse(theirs).ok().filter(active);
        if place.lost != back.is_some() {
            self.disk.bury(id, back.is_some())?;
        }
        if let Some(record) = back {
            let (previous_hash, previous_until) = (None, None);
            let revoked = KeyRecord { status: State::Revoked, previous_hash, previous_until, ..record };
            self.claims.push(Claim { id, record: revoked.to_json() });
        }
        Ok(Some(String::new()))
    }

    /// A record of the registry meets the replica's; the text that is in force, where it is not
    /// the registry's. `version` is that of the registry's record; 0 where it cannot be read.
    fn meet(&mut self, id: KeyId, theirs: &str, version: u64) -> std::io::Result<Option<String>> {
        let Some(place) = self.disk.place(id) else {
            // What cannot be read denies its key; it has no version, and any that can is newer.
            self.disk.put(id, version, theirs, false)?;
            return Ok(None);
        };
        if place.is_buried() {
            return self.meet_buried(id, place, theirs);
        }
        if place.holds(theirs) {
            // The registry may have it again.
            let again = if place.lost { self.disk.put(id, place.version, theirs, false) } else { Ok(()) };
            return again.map(|()| None);
        }
        let text = self.disk.text(place)?;
        let (ours, read) = (KeyRecord::parse(&text), KeyRecord::parse(theirs));
        match (ours, read) {
            (Ok(ours), Ok(read)) => match meet(&ours, &read, place.lost || self.went_back) {
                Outcome::Same | Outcome::Theirs => {
                    self.disk.put(id, read.version, theirs, false).map(|()| None)
                }
                Outcome::Ours => {
                    if !place.lost {
                        self.disk.put(id, place.version, &text, true)?;
                    }
                    self.claims.push(Claim { id, record: text.clone() });
                    Ok(Some(text))
                }
                Outcome::Both(both) => {
                    let version = both.version;
                    let both = both.to_json();
                    self.disk.put(id, version, &both, true)?;
                    self.claims.push(Claim { id, record: both.clone() });
                    Ok(Some(both))
                }
            },
            // Unreadable: the key is denied, and what is known of its version is kept.
            (Ok(_), Err(_)) => self.disk.put(id, place.version, theirs, false).map(|()| None),
            // Readable again: only as a newer version than the one that could not be read.
            (Err(_), Ok(read)) if read.version > place.version => {
                self.disk.put(id, read.version, theirs, false).map(|()| None)
            }
            // What was absent when it should have been there, and is there as it was: perhaps it was purged.
            // That is for people to say, by accepting the registry, or with a newer version.
            (Err(_), Ok(read)) if place.is_withheld() => {
                let doubtful = read.status == State::Active;
                if place.lost != doubtful {
                    self.disk.put(id, place.version, "", doubtful)?;
                }
                Ok(Some(text))
            }
            (Err(_), _) => Ok(Some(text)),
        }
    }
}
