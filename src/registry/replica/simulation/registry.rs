//! The registry of the simulation: what Redis holds, what its own replica has of that, an old copy, and
//! who cannot reach it; over the same contracts as Redis.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::base::{KeyId, SealingKey, UnixSeconds};
use crate::registry::contract::{Changes, Edit, Fault, Feed, Loaded, Position, Registry, Stored, Used};
use crate::registry::merge::{restored, together};
use crate::registry::record::KeyRecord;
use crate::registry::redis::{Applied, Claim, End, Entry, Epoch, Peer, Said, Source};

/// What one server holds.
#[derive(Clone, Default)]
pub(super) struct Store {
    pub(super) epoch: u64,
    pub(super) head: u64,
    pub(super) feed: Vec<Entry>,
    pub(super) keys: BTreeMap<KeyId, String>,
    pub(super) claims: Vec<Claim>,
    /// What each replica said last, and when.
    pub(super) roster: BTreeMap<String, (Applied, u64)>,
}

/// Redis: a primary, what its replica has of it, an old copy, and who cannot reach it.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) primary: Store,
    pub(super) follower: Store,
    pub(super) backup: Store,
    pub(super) cut_off: BTreeSet<String>,
    /// Whether somebody says of every replica that waits that the registry is whole.
    pub(super) accepting: bool,
    /// Servers that were the primary: each is reached over a connection of its own.
    pub(super) servers: u64,
    /// Counts; ids, nonces, epochs and the registry's milliseconds come of it.
    pub(super) clock: u64,
}

#[derive(Clone)]
pub(super) struct Simulated {
    pub(super) shared: Arc<Mutex<Shared>>,
    pub(super) seconds: Arc<AtomicU64>,
    pub(super) who: String,
}

impl Simulated {
    fn with<T>(&self, what: impl FnOnce(&mut Shared) -> T) -> Result<T, Fault> {
        let mut shared = self.shared.lock().unwrap();
        if shared.cut_off.contains(&self.who) {
            return Err(Fault::Unavailable { place: "the simulation".into(), reason: "cut off".into() });
        }
        Ok(what(&mut shared))
    }
}

impl Shared {
    fn next(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    pub(super) fn end(&self) -> End {
        let last = self.primary.feed.last();
        End {
            epoch: Epoch { own: self.primary.epoch, accepted: None },
            entry: last.map_or((0, 0), |entry| entry.id),
            nonce: self.primary.head,
        }
    }

    pub(super) fn write(&mut self, record: &KeyRecord) {
        let text = record.to_json();
        self.append(Said::Put(record.key_id, text.clone()));
        self.primary.keys.insert(record.key_id, text);
    }

    fn append(&mut self, said: Said) {
        let link = (self.next(), self.end().nonce);
        let id = (self.next(), 0);
        if self.primary.epoch == 0 {
            self.primary.epoch = self.next();
        }
        self.primary.feed.push(Entry { id, link: Some(link), said });
        self.primary.head = link.0;
    }
}

impl Source for Simulated {
    fn end_now(&mut self) -> Result<End, Fault> {
        self.with(|shared| shared.end())
    }

    fn after(&mut self, last: (u64, u64), _: bool) -> Result<Vec<Entry>, Fault> {
        self.with(|shared| {
            let later = shared.primary.feed.iter().filter(|entry| entry.id > last);
            later.take(3).cloned().collect()
        })
    }

    fn load_texts(&mut self, each: &mut dyn FnMut(KeyId, &str)) -> Result<Position, Fault> {
        let (end, keys) = self.with(|shared| (shared.end(), shared.primary.keys.clone()))?;
        for (id, text) in &keys {
            each(*id, text);
        }
        Ok(end.position())
    }

    fn text(&mut self, id: KeyId) -> Result<Option<String>, Fault> {
        self.with(|shared| shared.primary.keys.get(&id).cloned())
    }

    fn claim(&mut self, _: &str, claims: &[Claim]) -> Result<(), Fault> {
        self.with(|shared| shared.primary.claims.extend_from_slice(claims))
    }

    fn up_to(&mut self, id: (u64, u64)) -> Result<Option<Entry>, Fault> {
        self.with(|shared| shared.primary.feed.iter().rfind(|entry| entry.id <= id).cloned())
    }

    fn is_claimed(&mut self) -> Result<bool, Fault> {
        self.with(|shared| !shared.primary.claims.is_empty())
    }

    fn register(&mut self, name: &str, applied: &Applied) -> Result<(bool, u64), Fault> {
        self.with(|shared| {
            let now = shared.next();
            shared.primary.roster.insert(name.into(), (applied.clone(), now));
            (shared.accepting, now)
        })
    }

    fn peers(&mut self) -> Result<Vec<Peer>, Fault> {
        self.with(|shared| {
            let now = shared.clock;
            let peer = |(name, (applied, seen)): (&String, &(Applied, u64))| Peer {
                name: name.clone(),
                applied: applied.clone(),
                seen: Duration::from_millis(now - seen),
                seen_ms: *seen,
            };
            shared.primary.roster.iter().map(peer).collect()
        })
    }

    fn sign_off(&mut self, name: &str, identity: u64) -> Result<(), Fault> {
        self.with(|shared| {
            let own = shared.primary.roster.get(name).is_some_and(|(line, _)| line.identity == identity);
            if own {
                shared.primary.roster.remove(name);
            }
        })
    }

    fn connection(&self) -> u64 {
        self.shared.lock().unwrap().servers
    }

    fn sealing(&mut self, _: UnixSeconds, _: Duration, _: Duration) -> Result<Vec<SealingKey>, Fault> {
        Ok(Vec::new())
    }

    fn write_used(&mut self, _: &[Used]) -> Result<(), Fault> {
        Ok(())
    }
}

/// The administrator's side, for the operations as they are.
pub(super) struct Desk(pub(super) Arc<Mutex<Shared>>);

impl Feed for Desk {
    fn entries(&mut self, _: &mut dyn FnMut(Loaded)) -> Result<Position, Fault> {
        Ok(self.0.lock().unwrap().end().position())
    }

    fn changes(&mut self, _: Position) -> Result<Changes, Fault> {
        Ok(Changes::Lost)
    }

    fn sealing_keys(&mut self, _: UnixSeconds, _: Duration, _: Duration) -> Result<Vec<SealingKey>, Fault> {
        Ok(Vec::new())
    }

    fn note_used(&mut self, _: &[Used]) -> Result<(), Fault> {
        Ok(())
    }
}

impl Registry for Desk {
    fn load(&mut self, each: &mut dyn FnMut(Stored)) -> Result<(), Fault> {
        let keys = self.0.lock().unwrap().primary.keys.clone();
        for (id, text) in &keys {
            each(Stored::read(*id, text));
        }
        Ok(())
    }

    fn get(&mut self, id: KeyId) -> Result<Option<Stored>, Fault> {
        Ok(self.0.lock().unwrap().primary.keys.get(&id).map(|text| Stored::read(id, text)))
    }

    fn change(&mut self, edits: &mut dyn Iterator<Item = (KeyId, Edit<'_>)>) -> Result<(), Fault> {
        let mut shared = self.0.lock().unwrap();
        for (id, edit) in edits {
            let before = shared.primary.keys.get(&id).map(|text| KeyRecord::parse(text).unwrap());
            if let Some(after) = edit(before)? {
                shared.write(&after);
            }
        }
        Ok(())
    }

    fn purge(&mut self, ids: &[KeyId]) -> Result<(), Fault> {
        let mut shared = self.0.lock().unwrap();
        for id in ids {
            if shared.primary.keys.remove(id).is_some() {
                shared.append(Said::Gone(*id));
            }
        }
        Ok(())
    }

    fn used(&mut self, _: Option<KeyId>) -> Result<Vec<Used>, Fault> {
        Ok(Vec::new())
    }
}

impl Shared {
    /// Whether the feed still has an entry.
    pub(super) fn holds(&self, position: &Position) -> bool {
        let mut entries = self.primary.feed.iter();
        entries.any(|entry| {
            entry.id == position.entry && entry.link.is_some_and(|(own, _)| own == position.nonce)
        })
    }

    /// Redis' own replica takes over what the primary has.
    pub(super) fn catch_up(&mut self) {
        self.follower = self.primary.clone();
    }

    /// As `registry restore` does.
    pub(super) fn restore(&mut self) {
        let mut claims: BTreeMap<KeyId, KeyRecord> = BTreeMap::new();
        for claim in std::mem::take(&mut self.primary.claims) {
            let record = KeyRecord::parse(&claim.record).unwrap();
            let all = match claims.remove(&claim.id) {
                Some(known) => together(known, record),
                None => record,
            };
            claims.insert(claim.id, all);
        }
        for (id, claim) in claims {
            let before = self.primary.keys.get(&id).map(|text| KeyRecord::parse(text).unwrap());
            if let Some(record) = restored(before.as_ref(), &claim) {
                self.write(&record);
            }
        }
    }
}
