//! Changes of keys that go on whatever happens to Redis, and the comparison at the end: what every
//! gateway decides, and what is on every replica's disk, against the registry, record by record.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tollgate::base::digest::Hasher;
use tollgate::base::key::Env;
use tollgate::base::redis::{Node, RedisParams, Topology};
use tollgate::base::{Clock, KeyId};
use tollgate::policy::KeyEntry;
use tollgate::registry::operations::{self, Amendment, Issued, Wish};
use tollgate::registry::redis::Redis;
use tollgate::registry::replica::{Replica, ReplicaParams};
use tollgate::registry::{Fault, Feed as _, KeyRecord, Registry as _, State};

use super::fleet::{Fleet, call};
use super::server::params;
use crate::world::Gateway;

/// A raw key that was issued, or came of a rotation.
#[derive(Clone)]
pub struct Known {
    pub id: KeyId,
    pub key: String,
}

/// A thread that issues, rotates, narrows and revokes; it ends when it is stopped, or dropped.
pub struct Churn {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Done>>,
}

/// What it did.
#[derive(Default)]
pub struct Done {
    pub known: Vec<Known>,
    pub changes: usize,
    /// Changes that Redis did not take, or of which nobody knows.
    pub failed: usize,
}

impl Churn {
    /// About so many changes a second.
    pub fn start(params: RedisParams, per_second: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || run(Redis::new(params), Duration::from_secs(1) / per_second, &stop))
        };
        Self { stop, thread: Some(thread) }
    }

    pub fn stop(mut self) -> Done {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(mut redis: Redis, pause: Duration, stop: &AtomicBool) -> Done {
    let mut done = Done::default();
    for turn in 0_usize.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        match change(&mut redis, turn, &mut done.known) {
            Ok(()) => done.changes += 1,
            Err(_) => done.failed += 1,
        }
        std::thread::sleep(pause);
    }
    done
}

/// Half of the turns issue a key; the others take something of an earlier one away.
fn change(redis: &mut Redis, turn: usize, known: &mut Vec<Known>) -> Result<(), Fault> {
    let (now, hasher) = (Clock::system().now(), Hasher::new(&[]));
    let some = known.get(turn * 7 % known.len().max(1)).map(|known| known.id);
    let mut keep = |issued: Issued| {
        known.push(Known { id: issued.record.key_id, key: issued.key.reveal().clone() });
    };
    if turn.is_multiple_of(2) {
        return operations::issue(redis, &hasher, wish(), now).map(keep);
    }
    let Some(id) = some else { return Ok(()) };
    match turn % 6 {
        1 => operations::rotate(redis, &hasher, id, Duration::ZERO, now).map(&mut keep),
        3 => {
            let narrowed = Amendment { scopes: Some(vec!["other:scope".into()]), ..Amendment::default() };
            operations::set(redis, id, &narrowed).map(drop)
        }
        _ => operations::revoke(redis, id, now).map(drop),
    }
}

fn wish() -> Wish {
    Wish {
        env: Env::Test,
        name: "churn".into(),
        owner: None,
        scopes: vec!["crm:read".into()],
        plan: None,
        limits: None,
        expires_at: None,
    }
}

/// All records of the registry.
pub fn records(redis: &mut Redis) -> BTreeMap<KeyId, KeyRecord> {
    let mut all = BTreeMap::new();
    let loaded = redis.load(&mut |stored| drop(all.insert(stored.id, stored.record.unwrap())));
    loaded.unwrap_or_else(|fault| panic!("{fault}"));
    all
}

/// What a raw key should come to, by the registry's record.
fn expected(record: Option<&KeyRecord>, known: &Known) -> &'static str {
    let Some(record) = record else { return "invalid_key" };
    let raw = tollgate::base::key::RawKey::parse(known.key.as_bytes()).unwrap();
    if Hasher::new(&[]).hash_new(raw.secret()) != record.key_hash {
        "invalid_key"
    } else if record.status == State::Revoked {
        "revoked_key"
    } else if record.scopes.iter().any(|scope| scope == "crm:read") {
        ""
    } else {
        "scope_missing"
    }
}

/// Waits until every gateway decides by what the registry has, for every raw key.
pub fn agree(gateways: &[Gateway], redis: &mut Redis, known: &[Known]) {
    let (begun, records) = (Instant::now(), records(redis));
    for gateway in gateways {
        for known in known {
            let expected = expected(records.get(&known.id), known);
            loop {
                let found = call(gateway, &known.key);
                if found == expected {
                    break;
                }
                let patient = begun.elapsed() < Duration::from_secs(10);
                assert!(patient, "{}: {found:?} instead of {expected:?}", known.id);
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }
}

/// Stops the gateways and compares what is on each replica's disk with the registry.
pub fn disks_agree(fleet: &Fleet, gateways: Vec<Gateway>, redis: &mut Redis) {
    let records = records(redis);
    let wanted: BTreeMap<KeyId, String> = records
        .values()
        .map(|record| (record.key_id, shown(&tollgate::registry::key_entry(record).unwrap())))
        .collect();
    for (mut gateway, world) in gateways.into_iter().zip(&fleet.worlds) {
        assert!(gateway.stop());
        let nowhere = params(Topology::Standalone(Node { host: "127.0.0.1".into(), port: 1 }));
        let path = world.folder.path().join("tollgate.replica");
        assert!(path.exists(), "{}", path.display());
        let own = ReplicaParams { name: "reader".into(), path, max_staleness: None, clock: Clock::system() };
        let mut found = BTreeMap::new();
        let mut replica = Replica::open(nowhere, own).unwrap();
        replica.entries(&mut |(id, entry)| drop(found.insert(id, shown(&entry.unwrap())))).unwrap();
        assert_eq!(found, wanted);
    }
}

fn shown(entry: &KeyEntry) -> String {
    format!("{entry:?}")
}
