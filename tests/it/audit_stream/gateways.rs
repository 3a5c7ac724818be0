//! Gateways that tell their audit log to a stream: what is read there is what their files hold.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Entry, KEY, entries, lines, until};
use crate::admin;
use crate::registry::{Fleet, Server};
use crate::world::{Gateway, World, tollgate};

/// Gateways with files and a stream, and a key that all of them know.
fn fleet(server: &Server, count: usize, audit: &str) -> (Fleet, Vec<Gateway>, String) {
    let audit = format!("[audit]\nfolder = \"audit\"\nsinks = [\"redis\"]\n{audit}");
    let fleet = Fleet::new(server, count, &format!("when_stale = \"serve\"\n{audit}"));
    let gateways = fleet.serve();
    let issued = fleet.run(&["key", "issue", "--json", "--name", "a", "--owner", "b", "--scope", "crm:read"]);
    assert!(issued.ok, "{}", issued.err);
    let key = issued.json()["key"].as_str().unwrap().to_owned();
    for gateway in &gateways {
        until("the key arrives", || gateway.connect().call(&key, "crm.read_x").status == 200);
    }
    (fleet, gateways, key)
}

/// The lines of all files of a gateway, in their order.
fn files(world: &World) -> Vec<String> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(world.folder.path().join("audit"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl" || extension == "zst"))
        .collect();
    paths.sort();
    let texts = paths.iter().map(|path| crate::audit::text_of(path));
    texts.flat_map(|text| text.lines().map(ToOwned::to_owned).collect::<Vec<_>>()).collect()
}

/// Makes files of lines again: one begins with each `opened`.
fn written(lines: &[String], replica: &str) -> tempfile::TempDir {
    let folder = tempfile::TempDir::new().unwrap();
    let (mut path, mut text) = (None, String::new());
    for line in lines {
        let record: Value = serde_json::from_str(line).unwrap();
        if record["kind"] == "opened" {
            if let Some(path) = path.take() {
                std::fs::write(path, std::mem::take(&mut text)).unwrap();
            }
            path =
                Some(folder.path().join(format!("{replica}-{:020}.jsonl", record["seq"].as_u64().unwrap())));
        }
        text += line;
        text.push('\n');
    }
    std::fs::write(path.unwrap(), text).unwrap();
    folder
}

fn missed(gateway: &Gateway) -> u64 {
    let page = admin::get(gateway, "/metrics").text().to_owned();
    let line = page.lines().find(|line| line.starts_with("tollgate_audit_missed_total ")).unwrap();
    line.split(' ').nth(1).unwrap().trim_end_matches(".0").parse().unwrap()
}

/// The last head of a replica.
fn head(entries: &[Entry], replica: &str) -> String {
    let own = |entry: &&Entry| entry.is_head() && entry.get("replica") == Some(replica);
    entries.iter().rfind(own).unwrap().get("hash").unwrap().to_owned()
}

#[test]
fn the_stream_holds_every_line_of_every_replica_once_and_they_verify() {
    let server = Server::with(&[]);
    let (fleet, mut gateways, key) = fleet(&server, 2, "rotate_size = \"64KiB\"\nrefusals = 1000");
    for gateway in &gateways {
        let mut connection = gateway.connect();
        for _ in 0..150 {
            assert_eq!(connection.call(&key, "crm.read_x").status, 200);
            assert_eq!(connection.call(&key, "crm.write_activity").status, 403);
        }
    }
    // What waits is delivered by a stop, also where Redis hangs meanwhile.
    server.signal("STOP");
    assert_eq!(gateways[0].connect().call(&key, "crm.read_x").status, 200);
    std::thread::scope(|scope| {
        let stops: Vec<_> = gateways.iter_mut().map(|gateway| scope.spawn(|| gateway.stop())).collect();
        std::thread::sleep(Duration::from_millis(1_500));
        server.signal("CONT");
        assert!(stops.into_iter().all(|stop| stop.join().unwrap()));
    });
    let entries = entries(&server);
    for (number, world) in fleet.worlds.iter().enumerate() {
        let replica = format!("replica-{number}");
        let (there, here) = (lines(&entries, &replica), files(world));
        assert!(there.len() > 300);
        assert_eq!(there, here);
        let folder = written(&there, &replica);
        let head = head(&entries, &replica);
        let verified = tollgate(&["audit", "verify", folder.path().to_str().unwrap(), "--head", &head]);
        assert!(verified.ok, "{}{}", verified.out, verified.err);
        assert!(
            there.last().unwrap().ends_with(&format!("\"hash\":\"{head}\"}}")),
            "the head is that of the end"
        );
        assert!(std::fs::read_dir(folder.path()).unwrap().count() > 1, "a file was full meanwhile");
    }
}

/// Redis is killed and started again under load, for longer than records wait.
#[test]
fn calls_go_on_while_redis_is_away_and_what_the_stream_missed_is_told() {
    let mut server = Server::start();
    let (fleet, mut gateways, key) = fleet(&server, 1, "fsync = \"1ms\"");
    let gateway = &gateways[0];
    let (stop, calls, slowest) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut connection = gateway.connect();
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    let status = connection.call(&key, "crm.read_x").status;
                    slowest.fetch_max(begun.elapsed().as_millis() as u64, Ordering::Relaxed);
                    if status != 200 {
                        stop.store(true, Ordering::Relaxed);
                    }
                    assert_eq!(status, 200);
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(Duration::from_millis(500));
        server.kill();
        until("records are missed", || missed(gateway) > 100 || stop.load(Ordering::Relaxed));
        gateway.await_said("audit records wait for redis");
        server.restart();
        gateway.await_said("audit records reach redis again");
        let (counted, begun) = (missed(gateway), calls.load(Ordering::Relaxed));
        until("it goes on", || calls.load(Ordering::Relaxed) > begun + 500);
        assert!(counted > 0);
        stop.store(true, Ordering::Relaxed);
    });
    assert!(slowest.load(Ordering::Relaxed) < 2_000, "nothing waits for it: {slowest:?} ms");
    // What was dropped until a stop is told, and not what is dropped in the midst of it.
    until("what waited is there", || {
        lines(&entries(&server), "replica-0").last() == files(&fleet.worlds[0]).last()
    });
    assert!(gateways[0].stop());
    let here = files(&fleet.worlds[0]);
    let count = |record: &Value| record["count"].as_u64().unwrap();
    let records: Vec<Value> = here.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let dropped = records.iter().filter(|record| record["kind"] == "dropped" && record["sink"] == "redis");
    let told: u64 = dropped.map(count).sum();
    let there = lines(&entries(&server), "replica-0");
    let mut seen = HashSet::new();
    let first: Vec<&String> = there.iter().filter(|line| seen.insert(*line)).collect();
    // One transaction may be there twice, as its answer did not come.
    assert!(there.len() - first.len() <= 128, "{} entries, {} records", there.len(), first.len());
    assert_eq!(first.len() as u64 + told, here.len() as u64, "each is there or counted");
    assert_eq!(here.last(), there.last(), "it went on to the end");
    let mut rest = here.iter();
    assert!(
        first.iter().all(|line| rest.any(|known| known == *line)),
        "as they were written, in their order"
    );
    let made =
        records.iter().filter(|record| record["kind"] == "call" && record["status"] == 200).count() as u64;
    assert!(made >= calls.load(Ordering::Relaxed), "the files have all");
    let folder = fleet.worlds[0].folder.path().join("audit");
    assert!(tollgate(&["audit", "verify", folder.to_str().unwrap()]).ok);
}

#[test]
fn what_redis_refuses_is_in_the_log_and_in_the_metric_until_it_is_mended() {
    let server = Server::with(&[]);
    server.ask(&["SET", KEY, "odd"]);
    let (_fleet, gateways, key) = fleet(&server, 1, "");
    gateways[0].await_said("audit records did not reach a sink");
    assert!(gateways[0].said().contains("tollgate:audit holds something that is no stream: delete it"));
    until("it is counted", || missed(&gateways[0]) > 0);
    assert_eq!(gateways[0].connect().call(&key, "crm.read_x").status, 200);
    server.ask(&["DEL", KEY]);
    until("records arrive", || {
        gateways[0].connect().call(&key, "crm.read_x");
        let arrived = lines(&entries(&server), "replica-0");
        arrived.iter().any(|line| line.contains(r#""kind":"dropped","sink":"redis""#))
    });
}

/// A gateway that is told to stop while Redis is away ends in time, and says what is left.
#[test]
fn a_stop_does_not_wait_for_redis_for_ever() {
    let mut server = Server::with(&[]);
    let (fleet, mut gateways, key) = fleet(&server, 1, "");
    server.kill();
    assert_eq!(gateways[0].connect().call(&key, "crm.read_x").status, 200);
    let begun = Instant::now();
    assert!(gateways[0].stop());
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    gateways[0].await_said("audit records still waited for a sink at the end");
    let last = files(&fleet.worlds[0]);
    assert!(last[last.len() - 2].contains(r#""kind":"closed""#), "the files are whole");
}
