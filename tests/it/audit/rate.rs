//! How many records a second the writer keeps up with, on one core beside whoever notes them.

use std::time::{Duration, Instant};

use super::Place;
use crate::world::strength;

/// Built without optimisation it does some 20,000; what is promised of the release is 50,000, which
/// `cargo bench --bench audit` measures.
#[test]
fn the_writer_keeps_up() {
    let place = Place::new();
    let running = place.start();
    let calls = strength(20_000, 500_000) as u64;
    let begun = Instant::now();
    running.note(calls);
    running.await_records(calls + 2);
    let took = begun.elapsed();
    assert_eq!(running.stop(), 0);
    let (rate, size) = (per_second(calls, took), per_second(place_size(&place), took));
    println!("{rate} records a second, {size} bytes a second");
    assert!(rate > 4_000, "{rate} records a second");
    // Beside them stand the log's own: checkpoints every 50,000 records, and those of each file.
    assert!(place.sound().0 >= calls + 4);
    assert_eq!(place.calls().len() as u64, calls);
}

/// Workers that have nothing to tell must not hold up the one that has.
#[test]
fn one_busy_worker_among_many_is_kept_up_with() {
    let mut place = Place::new();
    place.workers = 16;
    let running = place.start();
    let (calls, begun) = (20_000, Instant::now());
    running.note(calls);
    running.await_records(calls + 2);
    let rate = per_second(calls, begun.elapsed());
    assert!(rate > 4_000, "{rate} records a second");
    assert_eq!(running.stop(), 0);
}

/// More than may be unsafe at a time.
#[test]
fn a_stop_writes_all_that_waits() {
    let mut place = Place::new();
    (place.queue, place.fsync) = (50_000, Duration::from_secs(60));
    let running = place.start();
    running.note(30_000);
    assert_eq!(running.stop(), 0);
    assert_eq!(place.sound().0, 30_000 + 4);
    assert_eq!(place.calls(), (0..30_000).collect::<Vec<_>>());
}

fn per_second(count: u64, took: Duration) -> u64 {
    count * 1_000 / took.as_millis().max(1) as u64
}

fn place_size(place: &Place) -> u64 {
    let files = super::list(&place.path()).unwrap();
    files.iter().map(|file| file.path.metadata().unwrap().len()).sum()
}
