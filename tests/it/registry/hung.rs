//! A Redis that hangs: many answers that do not come are one wait, whatever was asked.

use std::time::{Duration, Instant};

use tollgate::base::digest::Hasher;
use tollgate::base::key::Env;
use tollgate::base::redis::{Node, Topology};
use tollgate::base::secret::Secret;
use tollgate::base::{KeyId, UnixSeconds};
use tollgate::registry::operations::{self, Wish};
use tollgate::registry::redis::{Claim, Redis};
use tollgate::registry::{Edit, Fault, Feed as _, KeyRecord, Registry as _, Used};

use super::server::{Server, params};

/// One answer's time is 3 s.
const WITHIN: Duration = Duration::from_secs(5);
/// As many as are claimed in one go.
const MANY: u32 = 1_000;

fn id(number: u32) -> KeyId {
    format!("mcp_test_{number:016}").parse().unwrap()
}

fn issued(registry: &mut Redis) -> KeyRecord {
    let wish = Wish {
        env: Env::Test,
        name: "t".into(),
        owner: None,
        scopes: vec!["crm:read".into()],
        plan: None,
        limits: None,
        expires_at: None,
    };
    operations::issue(registry, &Hasher::new(&[]), wish, UnixSeconds(1_800_000_000)).unwrap().record
}

fn late<T: std::fmt::Debug>(said: Result<T, Fault>) {
    let said = said.unwrap_err().to_string();
    assert!(said.contains("does not answer in time"), "{said}");
}

/// What a gateway writes and reads, and what an administrator changes.
pub(super) fn writers() {
    let server = Server::with(&[]);
    let mut registries: [Redis; 4] = std::array::from_fn(|_| server.registry());
    let record = issued(&mut registries[0]);
    for registry in &mut registries {
        registry.end().unwrap();
    }
    let [uses, claims, ends, changes] = &mut registries;
    let at = Some(UnixSeconds(1_800_000_000));
    let used: Vec<Used> =
        (0..10 * MANY).map(|number| Used { id: id(number), at, previous_at: None }).collect();
    let claimed: Vec<Claim> =
        (0..MANY).map(|number| Claim { id: id(number), record: record.to_json() }).collect();
    server.hung(WITHIN, || {
        std::thread::scope(|scope| {
            scope.spawn(|| late(uses.note_used(&used)));
            scope.spawn(|| late(claims.claim("replica", &claimed)));
            scope.spawn(|| late(ends.end()));
        });
    });
    // It hangs between what a change saw and what it writes.
    let mut edits: Vec<_> = (0..MANY)
        .map(|number| {
            let (mut after, server) = (record.clone(), &server);
            after.key_id = id(number);
            let edit = move |_| {
                if number == 0 {
                    server.signal("STOP");
                }
                Ok(Some(after.clone()))
            };
            (id(number), edit)
        })
        .collect();
    let said = server
        .goes_on(WITHIN, || changes.change(&mut edits.iter_mut().map(|(id, edit)| (*id, edit as Edit<'_>))));
    let said = said.unwrap_err().to_string();
    assert!(said.contains("making it again is safe"), "{said}");
    changes.change(&mut edits.iter_mut().skip(1).map(|(id, edit)| (*id, edit as Edit<'_>))).unwrap();
    let mut found = 0;
    changes.load(&mut |_| found += 1).unwrap();
    assert!(found >= MANY, "{found}");
}

/// Nodes of a Cluster that all hang: they are asked within one limit, and the next try begins behind them.
pub(super) fn nodes() {
    const HUNG: u8 = 12;
    const TOGETHER: Duration = Duration::from_secs(12);
    let addresses: Vec<String> = (1..=HUNG).map(|number| format!("127.0.0.{number}")).collect();
    let bound: Vec<&str> = std::iter::once("--bind").chain(addresses.iter().map(String::as_str)).collect();
    let hung = Server::with(&bound);
    let well = Server::with(&["--cluster-enabled", "yes"]);
    assert_eq!(well.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), "OK");
    while !well.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok") {
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut nodes: Vec<Node> =
        addresses.iter().map(|host| Node { host: host.clone(), port: hung.port }).collect();
    nodes.push(Node { host: "127.0.0.1".into(), port: well.port });
    let some = nodes.split_off(9);
    let mut many = Redis::new(params(Topology::Cluster([nodes, some.clone()].concat())));
    let mut few = Redis::new(params(Topology::Cluster(some)));
    hung.signal("STOP");
    hung.goes_on(2 * TOGETHER, || {
        std::thread::scope(|scope| {
            scope.spawn(|| few.end().unwrap());
            let begun = Instant::now();
            late(many.end());
            assert!(begun.elapsed() < TOGETHER, "{:?}", begun.elapsed());
            many.end().unwrap();
        });
    });
}

/// What is said to a server before it is asked anything is one wait.
pub(super) fn set_up() {
    let server = Server::with(&[]);
    assert_eq!(server.ask(&["CONFIG", "SET", "requirepass", "a-password"]), "OK");
    let mut redis = server.params();
    (redis.password, redis.database) = (Some(Secret::new("a-password")), 1);
    Redis::new(redis.clone()).end().unwrap();
    let mut registry = Redis::new(redis.clone());
    server.hung(Duration::from_secs(3), || late(registry.end()));
    registry.end().unwrap();
    redis.password = Some(Secret::new("another"));
    let said = Redis::new(redis.clone()).end().unwrap_err().to_string();
    assert!(said.contains("does not accept the user and the password"), "{said}");
    (redis.password, redis.database) = (Some(Secret::new("a-password")), 10_000);
    let said = Redis::new(redis).end().unwrap_err().to_string();
    assert!(said.contains("DB index is out of range"), "{said}");
}

/// A primary that became a replica is left, though it says so only of what a transaction would write.
pub(super) fn replica() {
    let (server, other) = (Server::with(&[]), Server::with(&[]));
    let mut registry = server.registry();
    let mut record = issued(&mut registry);
    assert_eq!(server.ask(&["REPLICAOF", "127.0.0.1", &other.port.to_string()]), "OK");
    let mut change = || {
        record.key_id = id(1);
        let mut edit = |_| Ok(Some(record.clone()));
        registry.change(&mut std::iter::once((id(1), &mut edit as Edit<'_>))).unwrap_err().to_string()
    };
    let said = change();
    assert!(said.contains("read only replica"), "{said}");
    // Only a new connection is asked what the server is.
    let said = change();
    assert!(said.contains("the server is a replica, not a primary"), "{said}");
}
