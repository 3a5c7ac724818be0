//! Replicas on a registry that fails in every way that Redis may: in schedules that a seed makes,
//! in which keys are issued, narrowed, rotated and revoked, replicas are cut off, stop and start
//! again, some without their disk, the feed is trimmed, and a failover, a flush or an older copy takes
//! the registry back, with the roster in it.
//!
//! Held after every step: no replica accepts what was taken away once all live replicas had
//! applied that; one that waits to be confirmed accepts nothing. Held at the end, when everybody is connected and what was lost is restored: all
//! replicas have what the registry has.

mod registry;
mod running;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::contract::{Position, Registry as _, Stored};
use super::super::operations::{self, Amendment, Wish};
use super::super::record::{KeyRecord, State};
use crate::base::digest::Hasher;
use crate::base::key::Env;
use crate::base::{KeyId, UnixSeconds};
use crate::policy::keys::Status;
use registry::{Desk, Shared, Simulated, Store};
use running::{Running, Taken};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

/// `SplitMix64` (Steele, Lea, Flood 2014): small, and the same for a seed on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % most as u64) as usize
    }
}

struct World {
    shared: Arc<Mutex<Shared>>,
    seconds: Arc<AtomicU64>,
    folder: tempfile::TempDir,
    replicas: Vec<Option<Running>>,
    keys: Vec<KeyId>,
    /// What was taken away, with the entry that did; `None` once all live replicas had applied it.
    pending: Vec<(Taken, Position)>,
    confirmed: Vec<Taken>,
    /// Keys that were purged.
    purged: BTreeSet<KeyId>,
    /// Whose disk somebody vouched for.
    has_disk: [bool; REPLICAS],
    random: Random,
}

const REPLICAS: usize = 3;

impl World {
    fn new(seed: u64) -> Self {
        Self {
            shared: Arc::default(),
            seconds: Arc::new(AtomicU64::new(NOW.0.into())),
            // Where files are memory: what is proved is the logic, the disk has tests of its own.
            folder: tempfile::TempDir::new_in(if std::path::Path::new("/dev/shm").is_dir() {
                "/dev/shm"
            } else {
                "/tmp"
            })
            .unwrap(),
            replicas: (0..REPLICAS).map(|_| None).collect(),
            keys: Vec::new(),
            pending: Vec::new(),
            confirmed: Vec::new(),
            purged: BTreeSet::new(),
            has_disk: [false; REPLICAS],
            random: Random(seed),
        }
    }

    fn start(&mut self, number: usize) {
        let (shared, seconds) = (Arc::clone(&self.shared), Arc::clone(&self.seconds));
        let source = Simulated { shared, seconds, who: format!("replica-{number}") };
        let path = self.path(number);
        self.replicas[number] = None;
        self.replicas[number] = Running::start(source, &path);
    }

    fn path(&self, number: usize) -> std::path::PathBuf {
        self.folder.path().join(format!("replica-{number}"))
    }

    /// The first start: somebody says that the empty registry is whole.
    fn begin(&mut self) {
        self.shared.lock().unwrap().accepting = true;
        for number in 0..REPLICAS {
            self.start(number);
            self.look(number);
        }
        self.shared.lock().unwrap().accepting = false;
        self.note_disks();
    }

    fn note_disks(&mut self) {
        for (has, running) in self.has_disk.iter_mut().zip(&self.replicas) {
            *has |= running.as_ref().is_some_and(|running| running.replica.confirmed);
        }
    }

    /// A replica starts without what it had on its disk, where another still has its own.
    fn lose_disk(&mut self, number: usize) {
        let others = self.has_disk.iter().enumerate().filter(|(other, has)| *other != number && **has);
        if others.count() > 0 {
            self.replicas[number] = None;
            self.has_disk[number] = false;
            std::fs::remove_file(self.path(number)).unwrap();
            self.start(number);
        }
    }

    /// One thing that happens.
    fn step(&mut self) {
        let number = self.random.below(REPLICAS);
        match self.random.below(100) {
            0..15 => self.issue(),
            15..32 => self.take_away(),
            32..35 => self.purge(),
            35..75 => self.look(number),
            75..79 => self.start(number),
            79 => self.lose_disk(number),
            80..84 => drop(self.shared.lock().unwrap().cut_off.insert(format!("replica-{number}"))),
            84..90 => drop(self.shared.lock().unwrap().cut_off.remove(&format!("replica-{number}"))),
            90..95 => self.shared.lock().unwrap().catch_up(),
            95..97 => self.trim(),
            _ => self.go_back(),
        }
        self.note_disks();
        self.confirm();
    }

    fn look(&mut self, number: usize) {
        match &mut self.replicas[number] {
            Some(running) => running.look(),
            None => self.start(number),
        }
    }

    fn issue(&mut self) {
        let wish = Wish {
            env: Env::Test,
            name: "simulated".into(),
            owner: None,
            scopes: vec!["a".into(), "b".into()],
            plan: None,
            limits: None,
            expires_at: None,
        };
        let mut desk = Desk(Arc::clone(&self.shared));
        let issued = operations::issue(&mut desk, &Hasher::new(&[]), wish, NOW).unwrap();
        self.keys.push(issued.record.key_id);
    }

    fn take_away(&mut self) {
        let Some(id) = self.some_key() else { return };
        let mut desk = Desk(Arc::clone(&self.shared));
        // A key that the registry has lost cannot be changed; it would be an error on the screen.
        let Ok(Some(Stored { record: Ok(before), .. })) = desk.get(id) else { return };
        let taken = match self.random.below(3) {
            0 => operations::revoke(&mut desk, id, NOW).map(|_| Taken::Key(id)),
            1 => operations::rotate(&mut desk, &Hasher::new(&[]), id, Duration::ZERO, NOW)
                .map(|_| Taken::Secret(id, before.key_hash)),
            _ => {
                let amendment = Amendment { scopes: Some(vec!["b".into()]), ..Amendment::default() };
                operations::set(&mut desk, id, &amendment).map(|_| Taken::Scope(id, "a".into()))
            }
        };
        if let Ok(taken) = taken {
            let position = self.shared.lock().unwrap().end().position();
            self.pending.push((taken, position));
        }
    }

    /// A key that was revoked is purged: only the replicas that saw it know of it from then on.
    fn purge(&mut self) {
        let Some(id) = self.some_key() else { return };
        let mut desk = Desk(Arc::clone(&self.shared));
        let Ok(Some(Stored { record: Ok(record), .. })) = desk.get(id) else { return };
        if record.status == State::Revoked {
            desk.purge(&[id]).unwrap();
            self.purged.insert(id);
        }
    }

    fn some_key(&mut self) -> Option<KeyId> {
        let place = self.random.below(self.keys.len().max(1));
        self.keys.get(place).copied()
    }

    fn trim(&mut self) {
        let mut shared = self.shared.lock().unwrap();
        let keep = self.random.below(4).min(shared.primary.feed.len());
        let gone = shared.primary.feed.len() - keep;
        shared.primary.feed.drain(..gone);
    }

    /// A failover, a flush, or an older copy; or a copy is made.
    fn go_back(&mut self) {
        let kind = self.random.below(4);
        let mut shared = self.shared.lock().unwrap();
        shared.servers += 1;
        match kind {
            0 => shared.primary = shared.follower.clone(),
            1 => shared.primary = Store::default(),
            2 => shared.primary = shared.backup.clone(),
            _ => shared.backup = shared.primary.clone(),
        }
    }

    /// As `key revoke` does: it returns once every replica has the entry, and the registry too.
    fn confirm(&mut self) {
        let running: Vec<&Running> = self.replicas.iter().flatten().collect();
        let all_run = running.len() == REPLICAS;
        let shared = self.shared.lock().unwrap();
        let (done, pending): (Vec<_>, Vec<_>) = self.pending.drain(..).partition(|(_, position)| {
            all_run
                && shared.holds(position)
                && running.iter().all(|running| {
                    let theirs = running.position;
                    // What it holds against the registry may be this very key's.
                    if running.replica.disk.lost() > 0 {
                        return false;
                    }
                    let further = theirs.epoch == position.epoch && theirs.entry >= position.entry;
                    further && shared.holds(&theirs)
                })
        });
        self.pending = pending;
        self.confirmed.extend(done.into_iter().map(|(taken, _)| taken));
    }

    /// Of a purged key only who saw it go can know, until what the registry has lost is restored.
    fn hold(&self, seed: u64, restored: bool) {
        let buried = |running: &Running, id: &KeyId| {
            let place = running.replica.disk.place(*id);
            place.is_some_and(|place| place.is_buried() || place.is_withheld())
        };
        let known = |id: &KeyId| self.replicas.iter().flatten().any(|running| buried(running, id));
        for running in self.replicas.iter().flatten().filter(|running| running.replica.confirmed) {
            for taken in &self.confirmed {
                let id = taken.id();
                let excused = self.purged.contains(id) && !buried(running, id) && !(restored && known(id));
                assert!(excused || !taken.is_back(&running.in_force), "seed {seed}");
            }
        }
    }

    /// Everybody connected, what was lost restored: all have what the registry has.
    fn come_to_rest(&mut self, seed: u64) {
        self.shared.lock().unwrap().cut_off.clear();
        for round in 0..16 {
            for number in 0..REPLICAS {
                let entries = self.shared.lock().unwrap().primary.feed.len();
                for _ in 0..entries + 3 {
                    self.look(number);
                }
            }
            self.hold(seed, round > 3);
            // What was claimed to a registry that is gone is claimed again after a while.
            if round < 15 {
                self.shared.lock().unwrap().restore();
                self.seconds.fetch_add(60, Ordering::Relaxed);
            }
        }
        let shared = self.shared.lock().unwrap();
        let mut doubtful = 0;
        for running in self.replicas.iter().flatten() {
            for (id, text) in &shared.primary.keys {
                let record = KeyRecord::parse(text).unwrap();
                let entry = super::super::key_entry(&record).unwrap();
                let place = running.replica.disk.place(*id);
                if place.is_some_and(|place| place.is_withheld() && place.lost) {
                    // Only people can say what became of it; it is denied, and they are told.
                    assert!(!running.in_force.contains_key(id), "seed {seed}");
                    doubtful += 1;
                    continue;
                }
                if place.is_some_and(|place| place.is_buried()) {
                    // What was purged is denied, whatever came back of it.
                    assert!(
                        entry.status == Status::Revoked && !running.in_force.contains_key(id),
                        "seed {seed}"
                    );
                    continue;
                }
                assert_eq!(
                    format!("{:?}", running.in_force.get(id)),
                    format!("{:?}", Some(entry)),
                    "seed {seed}"
                );
            }
            let active = running.in_force.iter().filter(|(_, entry)| entry.status == Status::Active);
            for (id, _) in active {
                assert!(shared.primary.keys.contains_key(id), "seed {seed}: {id}");
            }
        }
        let confirmed = self.replicas.iter().flatten().all(|running| running.replica.confirmed);
        assert!(confirmed || doubtful > 0, "seed {seed}");
    }
}

/// Seeds of the everyday run, or the ten thousand of the full one.
fn seeds() -> u64 {
    if std::env::var("TOLLGATE_TEST_STRENGTH").as_deref() == Ok("full") { 10_000 } else { 300 }
}

#[test]
fn nothing_comes_back_in_any_schedule_and_all_agree_at_the_end() {
    let (mut confirmed, mut purged, mut went_back) = (0, 0, 0);
    for seed in 0..seeds() {
        let mut world = World::new(seed);
        world.begin();
        for _ in 0..20 + world.random.below(100) {
            world.step();
            world.hold(seed, false);
        }
        world.come_to_rest(seed);
        confirmed += world.confirmed.len();
        purged += world.purged.len();
        went_back += world.shared.lock().unwrap().servers;
    }
    let something = confirmed as u64 > seeds() && purged as u64 > seeds() / 8 && went_back > seeds();
    assert!(something, "the schedules did something: {confirmed} {purged} {went_back}");
}
