//! The sink by itself, where Redis is away, hangs, is full, or holds something else under the name.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tollgate::cluster::AuditStream;
use tollgate::telemetry::audit::sink::Sink as _;

use super::{GOES_ON, KEY, batch, entries, numbers};
use crate::registry::Server;

#[test]
fn what_redis_refuses_is_told_at_once_with_what_to_do() {
    let server = Server::with(&[]);
    let mut sink = AuditStream::new(server.params(), 1_000);
    server.ask(&["SET", KEY, "odd"]);
    let refused = |sink: &mut AuditStream| {
        let begun = Instant::now();
        let said = sink.write(&batch(1..500), &GOES_ON).unwrap_err().to_string();
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        said
    };
    let said = refused(&mut sink);
    assert!(said.contains("tollgate:audit holds something that is no stream: delete it"), "{said}");
    // Whoever is refused is not asked again and again.
    let begun = Instant::now();
    refused(&mut sink);
    assert!(begun.elapsed() > Duration::from_millis(800), "{:?}", begun.elapsed());
    server.ask(&["DEL", KEY]);
    server.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let said = refused(&mut sink);
    assert!(said.contains("maxmemory") && said.contains("audit.stream_length"), "{said}");
    assert_eq!(server.ask(&["EXISTS", KEY]), "0", "all of a transaction or nothing");
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    sink.write(&batch(1..500), &GOES_ON).unwrap();
    assert_eq!(numbers(&entries(&server)), (1..500).collect::<Vec<_>>());
}

#[test]
fn a_connection_that_was_closed_for_being_idle_costs_nothing() {
    let server = Server::with(&[]);
    let mut sink = AuditStream::new(server.params(), 1_000);
    for number in 1..10 {
        sink.write(&batch(number..number + 1), &GOES_ON).unwrap();
        server.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    }
    assert_eq!(numbers(&entries(&server)), (1..10).collect::<Vec<_>>());
}

#[test]
fn a_redis_that_is_away_or_hangs_is_waited_for_until_it_is_time_to_stop() {
    let mut server = Server::start();
    let mut sink = AuditStream::new(server.params(), 1_000);
    sink.write(&batch(1..2), &GOES_ON).unwrap();
    server.kill();
    let stopping = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| sink.write(&batch(2..4), &stopping));
        std::thread::sleep(Duration::from_millis(1_500));
        assert!(!waits.is_finished());
        server.restart();
        waits.join().unwrap().unwrap();
    });
    assert_eq!(numbers(&entries(&server)), [1, 2, 3]);
    // Thousands of answers that do not come are one wait.
    server.signal("STOP");
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| sink.write(&batch(4..4_000), &stopping));
        std::thread::sleep(Duration::from_millis(500));
        stopping.store(true, Ordering::Relaxed);
        let begun = Instant::now();
        assert!(waits.join().unwrap().is_err());
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    });
    server.signal("CONT");
    // At once, as it is time to stop.
    assert!(sink.write(&batch(4..5), &stopping).is_err());
}
