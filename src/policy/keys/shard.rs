//! One shard: an immutable open-addressed table over a row of records.
//!
//! Slots hold 16-bit places, at most half full, so a lookup ends after a probe or two. The
//! ids that clients present are hashed with a seed per process: they cannot aim at one slot.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use http::HeaderValue;

use super::record::{KeyEntry, Record, Rotation};
use super::sets::ScopeSetId;
use crate::base::KeyId;
use crate::base::digest::Hasher;

/// Records that one shard may hold: places must fit 16 bits beside the empty mark.
pub(super) const MOST: usize = 32_768;

/// An immutable table of keys.
#[derive(Clone, Debug)]
pub struct Shard {
    records: Vec<Record>,
    /// Place plus one; 0 is empty. Its length is a power of two. Shared with the generation
    /// before while no record comes or goes.
    slots: Arc<[u16]>,
    /// Place 0 is [`Rotation::NONE`].
    rotations: Vec<Rotation>,
    /// Shared with the generation before while none comes or goes: copied one by one, each
    /// would be counted where it lies, and a hundred of them cost more than all the rest.
    owners: Arc<[HeaderValue]>,
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            slots: Arc::default(),
            rotations: vec![Rotation::NONE],
            owners: Arc::default(),
        }
    }
}

/// The shard has no place left; the spine must grow.
#[derive(Debug, PartialEq, Eq)]
pub struct Full;

impl Shard {
    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// All its records.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The record of an id; `hash` is the id's hash.
    #[inline]
    pub fn find(&self, id: KeyId, hash: u64) -> Option<&Record> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut slot = slot_of(hash) & mask;
        loop {
            match self.slots.get(slot) {
                None | Some(0) => return None,
                Some(place) => {
                    let record = self.records.get(usize::from(*place) - 1)?;
                    if record.id == id {
                        return Some(record);
                    }
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Some record of this shard, for an id that is in none: comparing with it touches the
    /// memory that comparing with a key's own would. `None` in an empty shard.
    #[inline]
    pub fn stand_in(&self, hash: u64) -> Option<&Record> {
        self.records.get(slot_of(hash) % self.records.len().max(1))
    }

    /// The rotation of a record of this shard, or the dummy.
    #[inline]
    pub fn rotation(&self, record: &Record) -> &Rotation {
        self.rotations.get(usize::from(record.rotation)).unwrap_or(&Rotation::NONE)
    }

    /// The owner of a record of this shard.
    #[inline]
    pub fn owner(&self, record: &Record) -> Option<&HeaderValue> {
        self.owners.get(usize::from(record.owner).checked_sub(1)?)
    }

    /// Opens a copy for changes.
    pub fn edit(&self) -> Edit {
        Edit {
            shard: self.clone(),
            added: None,
            owners: Owners::Scanned(0),
            removed: Vec::new(),
            moved: false,
            left: false,
        }
    }

    /// Drops owners and rotations that no record names any more.
    fn sweep(&mut self) {
        let (owners, rotations) = (std::mem::take(&mut self.owners), std::mem::take(&mut self.rotations));
        self.rotations.push(Rotation::NONE);
        let mut kept = Vec::with_capacity(owners.len());
        let mut moved = vec![0_u16; owners.len() + 1];
        for record in &mut self.records {
            if let Some(place) = moved.get_mut(usize::from(record.owner)).filter(|_| record.owner != 0) {
                if let (0, Some(owner)) = (*place, owners.get(usize::from(record.owner) - 1)) {
                    kept.push(owner.clone());
                    *place = u16::try_from(kept.len()).unwrap_or(0);
                }
                record.owner = *place;
            }
            if let Some(rotation) =
                rotations.get(usize::from(record.rotation)).filter(|_| record.rotation != 0)
            {
                self.rotations.push(*rotation);
                record.rotation = u16::try_from(self.rotations.len() - 1).unwrap_or(0);
            }
        }
        self.owners = kept.into();
    }

    /// Lays the slots out. Of two records of one id the later stays.
    fn lay_out(&mut self, hash: impl Fn(KeyId) -> u64) {
        let replaced = self.fill_slots(&hash);
        if !replaced.is_empty() {
            let mut place = 0_usize;
            self.records.retain(|_| {
                place += 1;
                !replaced.contains(&place)
            });
            let _ = self.fill_slots(&hash);
        }
    }

    /// Fills the slots; the places, plus one, of records that a later one replaced.
    fn fill_slots(&mut self, hash: impl Fn(KeyId) -> u64) -> Vec<usize> {
        let mut replaced = Vec::new();
        if self.records.is_empty() {
            self.slots = Arc::default();
            return replaced;
        }
        let slots = (self.records.len() * 2).next_power_of_two();
        let mut table = vec![0_u16; slots];
        for (place, record) in (1_u16..).zip(&self.records) {
            let mut slot = slot_of(hash(record.id)) & (slots - 1);
            while let Some(taken @ 1..) = table.get(slot).copied() {
                let taken = usize::from(taken);
                if self.records.get(taken - 1).is_some_and(|earlier| earlier.id == record.id) {
                    replaced.push(taken);
                    break;
                }
                slot = (slot + 1) & (slots - 1);
            }
            if let Some(free) = table.get_mut(slot) {
                *free = place;
            }
        }
        self.slots = table.into();
        replaced
    }

    fn place_of(&self, id: KeyId, hash: u64) -> Option<usize> {
        let found = self.find(id, hash)?;
        self.records.iter().position(|record| std::ptr::eq(record, found))
    }
}

/// A shard that is being changed. Each id may be put or removed once: the spine has already
/// kept only the last word on each key.
pub struct Edit {
    shard: Shard,
    /// The shard's owners and those that came, once one did.
    added: Option<Vec<HeaderValue>>,
    owners: Owners,
    removed: Vec<KeyId>,
    /// Whether records came, so that the slots have to be laid out anew.
    moved: bool,
    /// Whether a record may have left an owner or a rotation that nobody names any more.
    left: bool,
}

/// How an edit finds an owner's place: most edits are of one key, and a look at a hundred owners
/// costs less than a map of them.
enum Owners {
    /// By looking at all of them, so many times so far.
    Scanned(usize),
    /// By a map.
    Mapped(HashMap<HeaderValue, u16, RandomState>),
}

/// Owners that are looked for one by one before a map is worth its while.
const SCANS: usize = 8;

impl Edit {
    /// An empty shard with room for as many records.
    pub fn with_room(records: usize) -> Self {
        let mut edit = Shard::default().edit();
        edit.shard.records.reserve_exact(records);
        edit
    }

    /// How many records there are so far.
    pub fn len(&self) -> usize {
        self.shard.records.len()
    }

    /// Adds a key without looking whether it is there.
    pub fn append(&mut self, entry: &KeyEntry, scopes: ScopeSetId, hasher: &Hasher) {
        self.moved = true;
        let record = self.record(entry, scopes, hasher);
        self.shard.records.push(record);
    }

    /// The records as they are, for another table to be laid out of: nothing is found in it.
    pub fn unfinished(mut self) -> Shard {
        if let Some(owners) = self.added {
            self.shard.owners = owners.into();
        }
        self.shard
    }

    /// Adds or replaces a key; `hash` is the id's hash.
    pub fn put(
        &mut self,
        entry: &KeyEntry,
        hash: u64,
        scopes: ScopeSetId,
        hasher: &Hasher,
    ) -> Result<(), Full> {
        let place = self.shard.place_of(entry.id, hash);
        if place.is_none() && self.shard.records.len() == MOST {
            return Err(Full);
        }
        let record = self.record(entry, scopes, hasher);
        if let Some(old) = place.and_then(|place| self.shard.records.get_mut(place)) {
            self.left |= old.rotation != 0 || old.owner != record.owner;
            *old = record;
        } else {
            self.moved = true;
            self.shard.records.push(record);
        }
        Ok(())
    }

    fn record(&mut self, entry: &KeyEntry, scopes: ScopeSetId, hasher: &Hasher) -> Record {
        Record {
            id: entry.id,
            digest: entry.hash.digest,
            expires: entry.expires,
            scopes,
            owner: self.place_owner(entry.owner.as_ref()),
            rotation: self.place_rotation(Rotation::of(entry, hasher)),
            kind: hasher.kind(&entry.hash.scheme),
            status: entry.status,
        }
    }

    /// Takes a record over from another shard, with its owner and rotation.
    pub fn adopt(&mut self, record: &Record, from: &Shard) {
        let owner = self.place_owner(from.owner(record));
        let rotation = self.place_rotation((record.rotation != 0).then(|| *from.rotation(record)));
        self.moved = true;
        self.shard.records.push(Record { owner, rotation, ..*record });
    }

    /// Removes a key.
    pub fn remove(&mut self, id: KeyId) {
        self.removed.push(id);
    }

    /// The changed shard, laid out anew.
    pub fn finish(self, hash: impl Fn(KeyId) -> u64) -> Shard {
        let Self { mut removed, mut moved, mut left, .. } = self;
        let mut shard = self.shard;
        if let Some(owners) = self.added {
            shard.owners = owners.into();
        }
        if !removed.is_empty() {
            (moved, left) = (true, true);
            removed.sort_unstable();
            shard.records.retain(|record| removed.binary_search(&record.id).is_err());
        }
        if left {
            shard.sweep();
        }
        // Shards live long, and there are a thousand of them.
        shard.records.shrink_to_fit();
        shard.rotations.shrink_to_fit();
        if moved {
            shard.lay_out(hash);
        }
        shard
    }

    fn place_owner(&mut self, owner: Option<&HeaderValue>) -> u16 {
        let Some(owner) = owner else { return 0 };
        let owners = self.added.as_deref().unwrap_or(&self.shard.owners);
        let numbered = |owners: &[HeaderValue]| owners.iter().cloned().zip(1_u16..).collect();
        let known = match &mut self.owners {
            Owners::Scanned(SCANS) => {
                let map: HashMap<_, _, _> = numbered(owners);
                let known = map.get(owner).copied();
                self.owners = Owners::Mapped(map);
                known
            }
            Owners::Scanned(scans) => {
                *scans += 1;
                owners.iter().position(|known| known == owner).and_then(|at| u16::try_from(at + 1).ok())
            }
            Owners::Mapped(map) => map.get(owner).copied(),
        };
        if let Some(place) = known {
            return place;
        }
        let owners = self.added.get_or_insert_with(|| self.shard.owners.to_vec());
        owners.push(owner.clone());
        let place = u16::try_from(owners.len()).unwrap_or(0);
        if let Owners::Mapped(map) = &mut self.owners {
            map.insert(owner.clone(), place);
        }
        place
    }

    fn place_rotation(&mut self, rotation: Option<Rotation>) -> u16 {
        let Some(rotation) = rotation else { return 0 };
        self.shard.rotations.push(rotation);
        u16::try_from(self.shard.rotations.len() - 1).unwrap_or(0)
    }
}

/// The spine uses the low half of the hash, the slots the high half.
#[inline]
fn slot_of(hash: u64) -> usize {
    (hash >> 32) as usize
}
