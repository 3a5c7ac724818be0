//! The sink by itself: its rights, its bound, and a Cluster.

use std::sync::Arc;

use bytes::Bytes;
use tollgate::base::redis::{Node, RedisParams, Topology};
use tollgate::base::secret::Secret;
use tollgate::cluster::AuditStream;
use tollgate::telemetry::audit::sink::{Batch, HeadOf, Sink as _};
use tollgate::telemetry::audit::{Hash, Head};

use super::{GOES_ON, KEY, batch, entries, entries_as, numbers, until};
use crate::registry::{Server, documented_rights, params};

fn head(seq: u64) -> HeadOf {
    HeadOf { replica: Arc::from("gw"), chain: Arc::from("c1"), head: Head { seq, hash: Hash::of(b"x") } }
}

fn arrives(server: &Server) {
    let mut sink = AuditStream::new(server.params(), 100_000);
    // Several transactions, and one that is not full.
    sink.write(&batch(1..1_001), &GOES_ON).unwrap();
    sink.head(&head(1_000));
    sink.write(&batch(1_001..1_002), &GOES_ON).unwrap();
    let arrived = entries(server);
    let mut wanted: Vec<u64> = (1..=1_001).collect();
    wanted.insert(1_000, 1_000);
    assert_eq!(numbers(&arrived), wanted);
    let text = String::from_utf8(batch(7..8).bytes().to_vec()).unwrap();
    let told = ["replica", "seq", "kind", "line"].map(|field| arrived[6].get(field).unwrap());
    assert_eq!(told, ["gw", "7", "call", text.trim_end()]);
    let told = ["replica", "seq", "kind", "chain", "hash"].map(|field| arrived[1_000].get(field).unwrap());
    assert_eq!(told, ["gw", "1000", "head", "c1", &Hash::of(b"x").to_string()]);
    assert!(
        arrived.iter().filter(|entry| entry.is_head()).count() == 1 && arrived[1_000].get("line").is_none()
    );
}

#[test]
fn every_record_is_an_entry_and_so_is_a_head() {
    arrives(&Server::with(&[]));
}

#[test]
fn valkey_takes_the_same() {
    arrives(&Server::valkey(&[]));
}

#[test]
fn the_stream_holds_what_was_configured_and_the_newest_of_it() {
    let server = Server::with(&[]);
    let mut sink = AuditStream::new(server.params(), 1_000);
    for start in 0..20 {
        sink.write(&batch(start * 500..(start + 1) * 500), &GOES_ON).unwrap();
        let length: u64 = server.ask(&["XLEN", KEY]).parse().unwrap();
        // Redis drops a node of its tree at a time, a hundred entries at most.
        assert!(length <= 1_000 + 100, "{length}");
    }
    let left = numbers(&entries(&server));
    assert!(left.len() >= 1_000);
    assert_eq!(left, (10_000 - left.len() as u64..10_000).collect::<Vec<_>>());
}

#[test]
fn large_records_push_out_more() {
    let server = Server::with(&[]);
    let mut sink = AuditStream::new(server.params(), 1_000);
    let hash = "0".repeat(64);
    let large = |seq: u64| {
        let (time, tool) = ("2026-11-28T01:12:03.000000004Z", "x".repeat(16 * 1024));
        format!(
            r#"{{"time":"{time}","seq":{seq},"replica":"gw","kind":"call","tool":"{tool}","prev":"{hash}","hash":"{hash}"}}"#
        ) + "\n"
    };
    let takes =
        |server: &Server| server.ask(&["MEMORY", "USAGE", KEY, "SAMPLES", "0"]).parse::<usize>().unwrap();
    let mut most = 0;
    for start in 0..20 {
        let lines: String = (start * 50..(start + 1) * 50).map(large).collect();
        sink.write(&Batch::new(Bytes::from(lines), 50), &GOES_ON).unwrap();
        most = most.max(takes(&server));
    }
    // 16 MB were written. A mean size takes a while to be that of what is written.
    assert!(most < 3 << 20 && takes(&server) < 2 << 20, "{most}, {} at the end", takes(&server));
    // And small ones have their number again.
    for start in 0..5 {
        sink.write(&batch(start * 500..(start + 1) * 500), &GOES_ON).unwrap();
        assert!(takes(&server) < 2 << 20, "{}", takes(&server));
    }
    assert!(entries(&server).len() >= 1_000);
}

#[test]
fn it_needs_the_documented_rights_and_no_more() {
    let server = Server::with(&[]);
    for (user, words) in &documented_rights() {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(server.ask(&[&["ACL", "SETUSER", user], &words[..]].concat()), "OK");
    }
    let of = |user: &str, password: &str, prefix: &str| RedisParams {
        user: Some(user.into()),
        password: Some(Secret::new(password)),
        prefix: prefix.into(),
        ..server.params()
    };
    let mut sink = AuditStream::new(of("gateway", "GATEWAY-PASSWORD", "tollgate"), 1_000);
    sink.write(&batch(1..200), &GOES_ON).unwrap();
    sink.head(&head(199));
    let said = |mut sink: AuditStream| sink.write(&batch(1..2), &GOES_ON).unwrap_err().to_string();
    let other = said(AuditStream::new(of("gateway", "GATEWAY-PASSWORD", "other"), 1_000));
    assert!(other.contains("the user lacks a right") && other.contains("docs/OPERATIONS.md"), "{other}");
    let reader = said(AuditStream::new(of("auditor", "AUDITOR-PASSWORD", "tollgate"), 1_000));
    assert!(reader.contains("the user lacks a right"), "{reader}");
    let wrong = said(AuditStream::new(of("gateway", "no-password", "tollgate"), 1_000));
    assert!(wrong.contains("does not accept the user") && !wrong.contains("no-password"), "{wrong}");
    // Its password does not open what was written; the auditor's does.
    let may = |user: &str, password: &str, command: &[&str]| {
        let login = ["--no-auth-warning", "--user", user, "--pass", password];
        server.ask(&[&login, command].concat())
    };
    for command in
        [&["XRANGE", KEY, "-", "+"][..], &["XLEN", KEY], &["DEL", KEY], &["XTRIM", KEY, "MAXLEN", "0"]]
    {
        let said = may("gateway", "GATEWAY-PASSWORD", command);
        assert!(said.starts_with("NOPERM"), "{command:?}: {said}");
    }
    assert!(may("auditor", "AUDITOR-PASSWORD", &["HGETALL", "{tollgate}:keys"]).starts_with("NOPERM"));
    assert_eq!(may("auditor", "AUDITOR-PASSWORD", &["XLEN", KEY]), "200");
    assert_eq!(entries_as(&server, "auditor:AUDITOR-PASSWORD@").len(), 200);
}

/// Three primaries with a replica each; the one with the stream is killed.
#[test]
fn a_cluster_has_the_stream_on_one_node_and_its_failover_is_followed() {
    let mut servers = Server::cluster();
    let node = |server: &Server| Node { host: "127.0.0.1".into(), port: server.port };
    let nodes = servers.iter().map(node).collect();
    let mut sink = AuditStream::new(params(Topology::Cluster(nodes)), 1_000);
    sink.write(&batch(1..301), &GOES_ON).unwrap();
    sink.head(&head(300));
    let is_primary = |server: &Server| server.ask(&["ROLE"]).starts_with("master");
    let holds = |server: &Server| is_primary(server) && server.ask(&["EXISTS", KEY]) == "1";
    let holder = servers.iter().position(holds).unwrap();
    assert_eq!(entries(&servers[holder]).len(), 301);
    // What a replica has not got yet goes with the primary.
    assert_eq!(servers[holder].ask(&["WAIT", "1", "5000"]), "1");
    servers[holder].kill();
    sink.write(&batch(301..601), &GOES_ON).unwrap();
    let mut left = servers.iter().enumerate().filter(|(place, _)| *place != holder).map(|(_, server)| server);
    let successor = left.find(|server| holds(server)).unwrap();
    let mut wanted: Vec<u64> = (1..=600).collect();
    wanted.insert(300, 300);
    assert_eq!(numbers(&entries(successor)), wanted);
    // A slot that moves is found again.
    let slot = successor.ask(&["CLUSTER", "KEYSLOT", KEY]);
    let alive = servers.iter().enumerate().filter(|(place, _)| *place != holder).map(|(_, server)| server);
    let primaries: Vec<&Server> = alive.filter(|server| is_primary(server)).collect();
    let other = primaries.iter().find(|server| server.port != successor.port).unwrap();
    successor.ask(&["DEL", KEY]);
    let id = other.ask(&["CLUSTER", "MYID"]);
    for server in &primaries {
        assert_eq!(server.ask(&["CLUSTER", "SETSLOT", &slot, "NODE", &id]), "OK");
    }
    sink.write(&batch(601..603), &GOES_ON).unwrap();
    until("it is where the slot is", || other.ask(&["EXISTS", KEY]) == "1");
    assert_eq!(numbers(&entries(other)), [601, 602]);
}
