//! The audit log's stream in Redis: what arrives there, in which order, and what becomes of it where Redis is
//! away, full, in the way, or another server.

mod gateways;
mod places;
mod trouble;

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tollgate::telemetry::audit::sink::Batch;

use crate::registry::Server;

const KEY: &str = "tollgate:audit";
static GOES_ON: AtomicBool = AtomicBool::new(false);

/// What an entry of the stream holds.
struct Entry(Vec<(String, String)>);

impl Entry {
    fn get(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_str())
    }

    fn is_head(&self) -> bool {
        self.get("kind") == Some("head")
    }
}

/// All that the stream holds.
fn entries(server: &Server) -> Vec<Entry> {
    entries_as(server, "")
}

/// The same, as `user:password@` may read it.
fn entries_as(server: &Server, user: &str) -> Vec<Entry> {
    let client = redis::Client::open(format!("redis://{user}127.0.0.1:{}", server.port)).unwrap();
    let mut connection = client.get_connection().unwrap();
    let found: Vec<(String, Vec<(String, String)>)> =
        redis::cmd("XRANGE").arg(KEY).arg("-").arg("+").query(&mut connection).unwrap();
    found.into_iter().map(|(_, fields)| Entry(fields)).collect()
}

/// The lines of one replica, in the stream's order.
fn lines(entries: &[Entry], replica: &str) -> Vec<String> {
    let own = entries.iter().filter(|entry| entry.get("replica") == Some(replica));
    own.filter_map(|entry| entry.get("line").map(ToOwned::to_owned)).collect()
}

/// Records that follow each other, from one number to another.
fn batch(numbers: std::ops::Range<u64>) -> Batch {
    let hash = "0".repeat(64);
    let line = |seq| {
        format!(
            r#"{{"time":"2026-11-28T01:12:03.000000004Z","seq":{seq},"replica":"gw","kind":"call","prev":"{hash}","hash":"{hash}"}}"#
        ) + "\n"
    };
    let count = numbers.end - numbers.start;
    Batch::new(Bytes::from(numbers.map(line).collect::<String>()), count)
}

/// The numbers of what arrived, in the stream's order.
fn numbers(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.get("seq").unwrap().parse().unwrap()).collect()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
