//! The command line against a running gateway: what it says, and how soon the gateway knows.

use std::time::{Duration, Instant};

use tollgate::base::digest::Hasher;
use tollgate::base::key::Env;
use tollgate::base::{Clock, KeyId};
use tollgate::registry::{Embedded, operations};

use crate::world::{Connection, World, strength};

/// Calls until the answer has the wanted reason ("" for success); returns the time it took.
fn until(connection: &mut Connection, key: &str, reason: &str) -> Duration {
    let begun = Instant::now();
    loop {
        let answer = connection.call(key, "crm.read_x");
        let found = if answer.status == 200 { String::new() } else { answer.reason() };
        if found == reason {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "still {found:?} instead of {reason:?}");
    }
}

#[test]
fn the_life_of_a_key_is_seen_by_a_running_gateway() {
    let world = World::new("[plans.standard]\ndescription = \"agents\"\n", "");
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let (key, id) = world.issue(&["crm:read"]);
    until(&mut connection, &key, "");
    // Rotated: both secrets work, then one.
    let rotated = world.run(&["key", "rotate", &id, "--overlap", "1h", "--json"]);
    let second = rotated.json()["key"].as_str().unwrap().to_owned();
    until(&mut connection, &second, "");
    assert_eq!(connection.call(&key, "crm.read_x").status, 200);
    assert!(!world.run(&["key", "rotate", &id]).ok, "a second rotation would cut the first off");
    assert!(world.run(&["key", "end-overlap", &id]).ok);
    until(&mut connection, &key, "invalid_key");
    assert_eq!(connection.call(&second, "crm.read_x").status, 200);
    // Narrowed and widened.
    assert!(world.run(&["key", "set", &id, "--scope", "other:scope"]).ok);
    until(&mut connection, &second, "scope_missing");
    assert!(
        world
            .run(&[
                "key",
                "set",
                &id,
                "--scope",
                "crm:**",
                "--owner",
                "new",
                "--plan",
                "standard",
                "--expires",
                "never"
            ])
            .ok
    );
    until(&mut connection, &second, "");
    // Expired, by a time that comes.
    assert!(world.run(&["key", "set", &id, "--expires", "1s"]).ok);
    until(&mut connection, &second, "expired_key");
    assert!(world.run(&["key", "set", &id, "--expires", "90d"]).ok);
    until(&mut connection, &second, "");
    // Revoked, told only to who has the secret; purged, and then nobody knows it.
    assert!(world.run(&["key", "revoke", &id]).ok);
    until(&mut connection, &second, "revoked_key");
    assert_eq!(connection.call(&key, "crm.read_x").reason(), "invalid_key");
    assert!(world.run(&["key", "purge", "--revoked-before", "2100-01-01T00:00:00Z"]).ok);
    until(&mut connection, &second, "invalid_key");
    assert!(!world.run(&["key", "show", &id]).ok);
}

#[test]
fn last_uses_are_kept_apart_for_both_secrets() {
    let world = World::new("", "");
    let (key, id) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    assert!(world.run(&["key", "show", &id, "--json"]).json()["last_used_at"].is_null());
    assert!(world.run(&["key", "rotate", &id, "--overlap", "1h"]).ok);
    let (begun, mut connection) = (Instant::now(), gateway.connect());
    loop {
        // Before the gateway has seen the rotation, this is the current secret, afterwards the previous one.
        until(&mut connection, &key, "");
        let shown = world.run(&["key", "show", &id, "--json"]).json();
        if shown["previous_last_used_at"].is_string() && shown["last_used_at"].is_string() {
            let overlap = &shown["overlap"];
            assert_eq!(overlap["can_end"], false);
            assert!(overlap["reason"].as_str().unwrap().contains("the old secret was used at"), "{shown}");
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "no last use: {shown}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn list_and_show_never_show_a_hash_in_full() {
    let world = World::new("", "");
    let (key, id) = world.issue(&["crm:read"]);
    let export = world.run(&["key", "export"]).out;
    let hash = export.split("sha256:").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(hash.len(), 64);
    for arguments in [
        vec!["key", "list"],
        vec!["key", "list", "--json"],
        vec!["key", "show", &id],
        vec!["key", "show", &id, "--json"],
        vec!["key", "revoke", &id],
        vec!["key", "revoke", &id, "--json"],
    ] {
        let ran = world.run(&arguments);
        assert!(ran.ok && ran.out.contains(&id), "{arguments:?}: {}{}", ran.out, ran.err);
        assert!(!ran.out.contains(&hash) && !ran.out.contains(&key), "{arguments:?}");
    }
}

#[test]
fn wishes_that_cannot_be_met_are_told_in_one_sentence() {
    let world =
        World::new("[scopes]\n\"crm:read\" = \"\"\n\"crm:write:activity\" = \"\"\n[plans.standard]\n", "");
    let issue = |extra: &[&str]| world.run(&[&["key", "issue", "--name", "n"], extra].concat());
    for (arguments, word) in [
        (vec!["--scope", "crm:raed"], "grants nothing"),
        (vec!["--scope", "crm::read"], "none of them empty"),
        (vec!["--scope", "crm:read", "--plan", "gold"], "no plan \"gold\"; accepted: standard"),
        (vec!["--scope", "crm:read", "--expires", "soon"], "accepted: an age"),
        (vec!["--scope", "crm:read", "--expires", "2001-01-01T00:00:00Z"], "has passed"),
    ] {
        let ran = issue(&arguments);
        assert!(
            !ran.ok && ran.err.contains(word) && ran.err.lines().count() == 1,
            "{arguments:?}: {}",
            ran.err
        );
        assert!(ran.out.is_empty());
    }
    assert!(issue(&["--scope", "crm:**"]).ok);
    let unknown = world.run(&["key", "show", "mcp_live_0123456789abcdef"]);
    assert!(!unknown.ok && unknown.err.contains("no key mcp_live_0123456789abcdef"));
    assert!(world.run(&["key", "show", "nonsense"]).err.contains("accepted: mcp_live_"));
}

#[test]
fn explain_decides_as_the_gateway_does() {
    let world = World::new("", "");
    let (key, id) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    for tool in ["crm.read_x", "crm.write_activity", "crm.unheard_of"] {
        let explained =
            world.run(&["explain", "--key", &id, "--server", "crm", "--tool", tool, "--json"]).json();
        let answer = gateway.connect().call(&key, tool);
        assert_eq!(explained["allowed"], answer.status == 200, "{explained}");
        if answer.status != 200 {
            assert_eq!(explained["reason"], answer.reason());
        }
    }
    let missing = world
        .run(&["explain", "--key", &id, "--server", "crm", "--tool", "crm.write_activity", "--json"])
        .json();
    assert_eq!(missing["missing_scopes"], serde_json::json!(["crm:write:activity"]));
    assert_eq!(missing["rule"], "servers.tools.\"crm.write_activity\"");
}

#[test]
fn a_change_is_seen_within_milliseconds() {
    let world = World::new("", "");
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let mut registry = Embedded::open(&world.folder.path().join("tollgate.db")).unwrap();
    let (hasher, clock) = (Hasher::new(&[]), Clock::system());
    let mut times = Vec::new();
    for _ in 0..strength(60, 1_000) {
        let wish = operations::Wish {
            env: Env::Live,
            name: "n".into(),
            owner: None,
            scopes: vec!["crm:read".into()],
            plan: None,
            limits: None,
            expires_at: None,
        };
        let issued = operations::issue(&mut registry, &hasher, wish, clock.now()).unwrap();
        let (id, key): (KeyId, String) = (issued.record.key_id, issued.key.reveal());
        times.push(("issue", until(&mut connection, &key, "")));
        let rotated = operations::rotate(&mut registry, &hasher, id, Duration::ZERO, clock.now()).unwrap();
        times.push(("rotate", until(&mut connection, &key, "invalid_key")));
        let key = rotated.key.reveal();
        operations::revoke(&mut registry, id, clock.now()).unwrap();
        times.push(("revoke", until(&mut connection, &key, "revoked_key")));
    }
    // The distribution is printed, not judged: a busy machine is no fault of the logic. What
    // is judged is that every change arrived (see `until`) and that none took a reload.
    for kind in ["issue", "rotate", "revoke"] {
        let mut ms: Vec<f64> =
            times.iter().filter(|(k, _)| *k == kind).map(|(_, t)| t.as_secs_f64() * 1e3).collect();
        ms.sort_by(f64::total_cmp);
        let at = |percent: usize| ms[(ms.len() - 1) * percent / 100];
        println!(
            "{kind}: {} changes, ms until seen: p50 {:.1} p90 {:.1} p99 {:.1} max {:.1}",
            ms.len(),
            at(50),
            at(90),
            at(99),
            at(100)
        );
    }
    assert!(!gateway.said().contains("loading all keys"));
}
