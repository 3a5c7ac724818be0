//! A registry that lost what it had: FLUSHALL, an older copy restored, entries and records that
//! nobody can read. Nothing that was taken away is accepted, by a gateway that runs or by one
//! that is started anew.

use std::time::{Duration, Instant};

use super::fleet::{Fleet, call, until};
use super::server::Server;
use crate::world::{Gateway, World};

const SOON: Duration = Duration::from_secs(5);

/// The feed, the hash and all the rest as they are in a file.
fn backup(server: &Server) -> Vec<u8> {
    assert!(server.ask(&["SAVE"]).contains("OK"));
    std::fs::read(server.folder().join("dump.rdb")).unwrap()
}

/// Puts an older copy in place, as from a backup.
fn restore(server: &mut Server, copy: &[u8]) {
    server.kill();
    std::fs::write(server.folder().join("dump.rdb"), copy).unwrap();
    server.restart();
}

/// Keys that are taken away, each in its way, and one that is not.
pub(super) struct Keys {
    pub kept: String,
    pub revoked: String,
    pub rotated: String,
    pub narrowed: String,
    ids: [String; 3],
}

impl Keys {
    pub fn issue(world: &World) -> Self {
        let [kept, revoked, rotated, narrowed] = std::array::from_fn(|_| world.issue(&["crm:read"]));
        let ids = [revoked.1, rotated.1, narrowed.1];
        Self { kept: kept.0, revoked: revoked.0, rotated: rotated.0, narrowed: narrowed.0, ids }
    }

    /// The id of the key that is revoked.
    pub fn revoked_id(&self) -> &str {
        &self.ids[0]
    }

    /// Takes them away; every gateway of the fleet has it when this returns.
    pub fn take_away(&self, fleet: &Fleet) {
        let [revoked, rotated, narrowed] = &self.ids;
        for arguments in [
            vec!["key", "revoke", revoked],
            vec!["key", "rotate", rotated, "--overlap", "0s"],
            vec!["key", "set", narrowed, "--scope", "other:scope"],
        ] {
            let ran = fleet.run(&arguments);
            assert!(ran.ok, "{}", ran.err);
        }
    }

    pub fn hold(&self, gateway: &Gateway) {
        assert_eq!(call(gateway, &self.revoked), "revoked_key");
        assert_eq!(call(gateway, &self.rotated), "invalid_key");
        assert_eq!(call(gateway, &self.narrowed), "scope_missing");
    }
}

fn alarms(gateway: &Gateway) -> usize {
    gateway.said().matches("registry went back in time").count()
}

/// A key that was revoked and then purged is in an old copy as it was before. Who saw it go denies it,
/// and says so; once that is restored, nobody takes it, without having seen anything.
pub(super) fn purged() {
    let mut server = Server::with(&[]);
    let fleet = Fleet::new(&server, 2, "");
    let [purged, kept] = std::array::from_fn(|_| fleet.worlds[0].issue(&["crm:read"]));
    let old = backup(&server);
    let mut gateways = fleet.serve();
    until(&gateways[1], &purged.0, "", SOON);
    assert!(fleet.run(&["key", "revoke", &purged.1]).ok);
    let gone = fleet.run(&["key", "purge", "--revoked-before", "2100-01-01T00:00:00Z"]);
    assert!(gone.ok, "{}", gone.err);
    for gateway in &gateways {
        until(gateway, &purged.0, "invalid_key", SOON);
    }
    restore(&mut server, &old);
    for gateway in &gateways {
        gateway.await_said("registry went back in time");
        assert_eq!(call(gateway, &purged.0), "invalid_key");
    }
    let claims = fleet.run(&["registry", "status", "--json"]).json()["claims"].to_string();
    assert!(claims.contains(&purged.1), "{claims}");
    assert!(gateways[1].stop());
    std::fs::remove_file(fleet.worlds[1].folder.path().join("tollgate.replica")).unwrap();
    gateways[1] = fleet.worlds[1].serve();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(call(&gateways[1], &kept.0), "stale_registry", "nobody vouches for it");
    assert!(fleet.run(&["registry", "restore"]).ok);
    until(&gateways[1], &kept.0, "", SOON);
    assert_eq!(call(&gateways[1], &purged.0), "revoked_key");
    until(&gateways[0], &purged.0, "invalid_key", SOON);
}

/// A registry was accepted on purpose once. A copy of that time is no word of today.
pub(super) fn accepted_once() {
    let mut server = Server::with(&[]);
    let fleet = Fleet::new(&server, 1, "");
    let (first, _) = fleet.worlds[0].issue(&["crm:read"]);
    let day_0 = backup(&server);
    let gateways = fleet.serve();
    until(&gateways[0], &first, "", SOON);
    let (lost, _) = fleet.worlds[0].issue(&["crm:read"]);
    until(&gateways[0], &lost, "", SOON);
    restore(&mut server, &day_0);
    gateways[0].await_said("registry went back in time");
    std::thread::sleep(Duration::from_millis(1_200));
    assert!(fleet.run(&["registry", "accept"]).ok);
    until(&gateways[0], &lost, "invalid_key", SOON);
    let (key, id) = fleet.worlds[0].issue(&["crm:read"]);
    until(&gateways[0], &key, "", SOON);
    let day_1 = backup(&server);
    assert!(fleet.run(&["key", "revoke", &id]).ok);
    for copy in [&day_0, &day_1] {
        let told = alarms(&gateways[0]);
        restore(&mut server, copy);
        let begun = Instant::now();
        while alarms(&gateways[0]) == told {
            assert!(begun.elapsed() < SOON, "no alarm");
            assert_eq!(call(&gateways[0], &key), "revoked_key");
        }
        for _ in 0..50 {
            assert_eq!(call(&gateways[0], &key), "revoked_key");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

pub(super) fn comes_back() {
    let mut server = Server::with(&[]);
    let fleet = Fleet::new(&server, 2, "");
    let keys = Keys::issue(&fleet.worlds[0]);
    let old = backup(&server);
    let mut gateways = fleet.serve();
    for gateway in &gateways {
        until(gateway, &keys.narrowed, "", SOON);
    }
    keys.take_away(&fleet);
    for gateway in &gateways {
        keys.hold(gateway);
    }
    let losses: [&dyn Fn(&mut Server); 2] = [&|server| restore(server, &old), &|server| {
        server.ask(&["FLUSHALL"]);
    }];
    for lose in losses {
        let told: Vec<usize> = gateways.iter().map(alarms).collect();
        lose(&mut server);
        for (gateway, told) in gateways.iter().zip(told) {
            let begun = Instant::now();
            while alarms(gateway) == told {
                assert!(begun.elapsed() < SOON, "no alarm");
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        for _ in 0..50 {
            for gateway in &gateways {
                keys.hold(gateway);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(call(&gateways[0], &keys.kept), "", "what was not taken away is served on");
        // Started anew, with its disk and without Redis' memory of it.
        assert!(gateways[1].stop());
        gateways[1] = fleet.worlds[1].serve();
        keys.hold(&gateways[1]);
        assert_eq!(call(&gateways[1], &keys.kept), "");
    }
}

pub(super) fn restored_or_accepted() {
    let server = Server::with(&[]);
    let fleet = Fleet::new(&server, 1, "");
    let (kept, kept_id) = fleet.worlds[0].issue(&["crm:read"]);
    let (revoked, revoked_id) = fleet.worlds[0].issue(&["crm:read"]);
    let gateways = fleet.serve();
    assert!(fleet.run(&["key", "revoke", &revoked_id]).ok);
    server.ask(&["FLUSHALL"]);
    gateways[0].await_said("registry went back in time");
    let status = fleet.run(&["registry", "status", "--json"]).json();
    let claims = status["claims"].as_array().unwrap();
    assert!(claims.len() == 2 && claims.contains(&serde_json::json!(kept_id)), "{status}");
    assert!(fleet.run(&["registry", "restore"]).ok);
    assert!(fleet.run(&["key", "list"]).out.contains(&kept_id));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(
        (call(&gateways[0], &kept), call(&gateways[0], &revoked)),
        (String::new(), "revoked_key".into())
    );
    // Given up on purpose.
    server.ask(&["FLUSHALL"]);
    let (other, _) = fleet.worlds[0].issue(&["crm:read"]);
    until(&gateways[0], &other, "", SOON);
    assert_eq!(call(&gateways[0], &kept), "");
    std::thread::sleep(Duration::from_millis(1_200));
    assert!(fleet.run(&["registry", "accept"]).ok);
    until(&gateways[0], &kept, "invalid_key", SOON);
    assert_eq!(
        (call(&gateways[0], &other), call(&gateways[0], &revoked)),
        (String::new(), "invalid_key".into())
    );
}

/// Entries and records as nobody should write them.
pub(super) fn odd() {
    let server = Server::with(&[]);
    let fleet = Fleet::new(&server, 1, "");
    let world: &World = &fleet.worlds[0];
    let [good, bad, newer] = std::array::from_fn(|_| world.issue(&["crm:read"]));
    let gateways = fleet.serve();
    let gateway = &gateways[0];
    until(gateway, &newer.0, "", SOON);
    let head = || server.ask(&["GET", "{tollgate}:head"]);
    let add = |fields: &[&str]| {
        let entry = "0123456789abcdef";
        let before = head();
        server.ask(&[&["XADD", "{tollgate}:feed", "*", "entry", entry, "prev", &before], fields].concat());
        server.ask(&["SET", "{tollgate}:head", entry]);
    };
    let record = |id: &str| server.ask(&["HGET", "{tollgate}:keys", id]);
    let write = |id: &str, text: &str| server.ask(&["HSET", "{tollgate}:keys", id, text]);
    // The entry that revokes cannot be read: the record tells.
    let revoked =
        record(&bad.1).replace("\"active\"", "\"revoked\"").replace("\"version\":1", "\"version\":2");
    write(&bad.1, &revoked);
    add(&["key_id", &bad.1, "version", "2"]);
    until(gateway, &bad.0, "revoked_key", SOON);
    // A member that nobody knows is kept, and does no harm.
    let unknown = record(&newer.1).replace("\"version\":1", "\"version\":2,\"colour\":\"blue\"");
    write(&newer.1, &unknown);
    add(&["key_id", &newer.1, "version", "2", "record", &unknown]);
    assert!(fleet.run(&["key", "set", &newer.1, "--name", "renamed"]).ok);
    assert!(record(&newer.1).contains("\"colour\":\"blue\""));
    assert_eq!(call(gateway, &newer.0), "");
    // An entry that names no key leads to a look at everything; a record too large is denied.
    let large = record(&newer.1).replace("\"renamed\"", &format!("\"{}\"", "x".repeat(70_000)));
    write(&newer.1, &large);
    add(&["nonsense", "1"]);
    until(gateway, &newer.0, "invalid_key", SOON);
    assert_eq!(call(gateway, &good.0), "", "the others are unharmed");
    assert_eq!(call(gateway, &bad.0), "revoked_key");
    // An older entry of a revoked key, well formed and chained: it does not come back.
    let active = revoked.replace("\"revoked\"", "\"active\"").replace("\"version\":2", "\"version\":1");
    write(&bad.1, &active);
    add(&["key_id", &bad.1, "version", "1", "record", &active]);
    gateway.await_said("older record of a key");
    assert_eq!(call(gateway, &bad.0), "revoked_key");
    // The feed trimmed beyond where the gateway stands.
    gateway.signal("STOP");
    assert!(fleet.run(&["key", "set", &good.1, "--scope", "other:scope", "--no-wait"]).ok);
    server.ask(&["XTRIM", "{tollgate}:feed", "MAXLEN", "0"]);
    gateway.signal("CONT");
    until(gateway, &good.0, "scope_missing", SOON);
    assert_eq!(call(gateway, &bad.0), "revoked_key");
}
