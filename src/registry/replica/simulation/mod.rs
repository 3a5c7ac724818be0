//! Replicas on a registry that fails in every way that Redis may: in schedules that a seed makes,
//! in which keys are issued, narrowed, rotated and revoked, replicas are cut off, stop and start
//! again, some without their disk, the feed is trimmed, and a failover, a flush or an older copy takes
//! the registry back, with the roster in it.
//!
//! Held after every step: no replica accepts what was taken away once all live replicas had
//! applied that; one that waits to be confirmed accepts nothing. Held at the end, when everybody is connected and what was lost is restored: all
//! replicas have what the registry has.

mod registry;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::contract::{Change, Changes, Fault, Feed as _, Position, Registry as _, Stored};
use super::super::operations::{self, Amendment, Wish};
use super::super::record::KeyRecord;
use super::{Replica, ReplicaParams};
use crate::base::digest::Hasher;
use crate::base::key::Env;
use crate::base::{Clock, KeyId, UnixSeconds};
use crate::policy::KeyEntry;
use crate::policy::keys::Status;
use registry::{Desk, Shared, Simulated, Store};

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

/// A replica, what it has in force, and where it stands.
struct Running {
    replica: Replica<Simulated>,
    in_force: BTreeMap<KeyId, KeyEntry>,
    position: Position,
}

impl Running {
    fn start(source: Simulated, path: &std::path::Path) -> Option<Self> {
        let params = ReplicaParams {
            name: source.who.clone(),
            path: path.to_owned(),
            max_staleness: None,
            clock: Clock::manual(Arc::clone(&source.seconds)),
        };
        let mut replica = Replica::over(source, params).unwrap();
        let mut in_force = BTreeMap::new();
        let position = load(&mut replica, &mut in_force).ok()?;
        Some(Self { replica, in_force, position })
    }

    /// One look, as the follower makes them; it says on the roster each time that it is there.
    fn look(&mut self) {
        self.replica.registered = None;
        match self.replica.changes(self.position) {
            Err(_) => {}
            Ok(Changes::Lost) => {
                let mut in_force = BTreeMap::new();
                if let Ok(position) = load(&mut self.replica, &mut in_force) {
                    (self.position, self.in_force) = (position, in_force);
                }
            }
            Ok(Changes::Since(changes, position)) => {
                for change in changes {
                    match change {
                        Change::Gone(id) => drop(self.in_force.remove(&id)),
                        Change::Put(stored) => {
                            let entry = stored.record.ok().and_then(|r| super::super::key_entry(&r).ok());
                            self.in_force.remove(&stored.id);
                            self.in_force.extend(entry.map(|entry| (stored.id, entry)));
                        }
                    }
                }
                self.position = position;
            }
        }
    }
}

fn load(
    replica: &mut Replica<Simulated>,
    in_force: &mut BTreeMap<KeyId, KeyEntry>,
) -> Result<Position, Fault> {
    replica.entries(&mut |(id, entry)| {
        in_force.remove(&id);
        in_force.extend(entry.ok().map(|entry| (id, entry)));
    })
}

/// Something that was taken away, and is so for good.
#[derive(Clone, PartialEq)]
enum Taken {
    Key(KeyId),
    Secret(KeyId, crate::base::digest::KeyHash),
    Scope(KeyId, String),
}

impl Taken {
    /// Whether it is accepted by what is in force.
    fn is_back(&self, in_force: &BTreeMap<KeyId, KeyEntry>) -> bool {
        let active = |id: &KeyId| in_force.get(id).filter(|entry| entry.status == Status::Active);
        match self {
            Self::Key(id) => active(id).is_some(),
            Self::Secret(id, hash) => active(id).is_some_and(|entry| entry.hash == *hash),
            Self::Scope(id, scope) => {
                let scope = crate::policy::Scope::parse(scope).unwrap();
                active(id).is_some_and(|entry| entry.scopes.grants(&scope))
            }
        }
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
            15..35 => self.take_away(),
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

    fn hold(&self, seed: u64) {
        for running in self.replicas.iter().flatten().filter(|running| running.replica.confirmed) {
            for taken in &self.confirmed {
                assert!(!taken.is_back(&running.in_force), "seed {seed}");
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
            self.hold(seed);
            // What was claimed to a registry that is gone is claimed again after a while.
            if round < 15 {
                self.shared.lock().unwrap().restore();
                self.seconds.fetch_add(60, Ordering::Relaxed);
            }
        }
        let shared = self.shared.lock().unwrap();
        for running in self.replicas.iter().flatten() {
            assert!(running.replica.confirmed, "seed {seed}: {}", running.replica.params.name);
            for (id, text) in &shared.primary.keys {
                let record = KeyRecord::parse(text).unwrap();
                let entry = super::super::key_entry(&record).unwrap();
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
    }
}

/// Seeds of the everyday run, or the ten thousand of the full one.
fn seeds() -> u64 {
    if std::env::var("TOLLGATE_TEST_STRENGTH").as_deref() == Ok("full") { 10_000 } else { 300 }
}

#[test]
fn nothing_comes_back_in_any_schedule_and_all_agree_at_the_end() {
    let (mut confirmed, mut restarted) = (0, 0);
    for seed in 0..seeds() {
        let mut world = World::new(seed);
        world.begin();
        for _ in 0..20 + world.random.below(100) {
            world.step();
            world.hold(seed);
        }
        world.come_to_rest(seed);
        confirmed += world.confirmed.len();
        restarted += usize::from(world.shared.lock().unwrap().clock > 0);
    }
    assert!(confirmed as u64 > seeds() && restarted > 0, "the schedules did something: {confirmed}");
}
