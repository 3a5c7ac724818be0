//! Two workers against one: how much more of the whole path two threads get through, each with
//! keys of its own, and both with one hot key; without limits, and under one of each key.
//!
//! Requests are made a batch at a time before the clock starts, so that what is timed is the gateway
//! alone, on memory that is warm. Rounds are interleaved, since a shared machine drifts; beside the
//! median stands the ratio of the best rounds, as others on the machine can only slow one. With `--bench` it measures; as a test it runs
//! once, briefly, and holds nothing to a time.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::format_collect,
    clippy::print_stdout,
    reason = "a bench fails by panicking and says what it found"
)]
#![allow(missing_docs, unreachable_pub, reason = "read by the files beside it only")]

mod world;

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use tollgate::control::Publisher;
use tollgate::gateway::{Worker, serve};
use tollgate::state::Limiter;
use tollgate::telemetry::Metrics;

use world::{
    BODY, FROM, Reaction, Sent, Stub, at_once, keys, publisher, raw, to_its_end, upstream, worker_with,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Keys in the table.
const COUNT: usize = 10_000;
/// Keys that one worker's requests come with in turn, where they are not all of one.
const EACH: usize = 500;
/// Requests that are made at once: about a megabyte, as much as a second-level cache holds.
const BATCH: usize = 1_000;
/// Rounds of each kind.
const ROUNDS: usize = 15;

/// Which keys worker `number` is called with.
#[derive(Clone, Copy)]
enum Keys {
    Own,
    Hot,
}

/// Whose calls, and of which tool.
type Calling = (Keys, &'static str);

fn main() {
    let measure = std::env::args().any(|argument| argument == "--bench");
    let (requests, rounds) = if measure { (20_000, ROUNDS) } else { (200, 1) };
    let (changes, _) = keys(COUNT);
    let (publisher, metrics) = publisher(&changes, 2);
    // What two threads of this machine get through that have nothing at all in common: two that are one core's
    // halves get through less than twice as much, whatever they do.
    let alone: Vec<f64> = (0..rounds).map(|_| 2.0 * hashing(1, requests) / hashing(2, requests)).collect();
    let most = alone.iter().copied().fold(0.0, f64::max);
    println!("two threads against one that only hash, each for itself: best round {most:.2} times");
    let rate = |workers, calling| rate(&publisher, &metrics, workers, calling, requests);
    for (name, calling) in [
        ("keys of their own", (Keys::Own, "search")),
        ("one hot key for both", (Keys::Hot, "search")),
        ("keys of their own, each with a limit", (Keys::Own, "counted_by_key")),
        ("one hot key for both, with a limit", (Keys::Hot, "counted_by_key")),
    ] {
        let (mut ratios, mut best) = (Vec::new(), (0.0_f64, 0.0_f64));
        for _ in 0..rounds {
            // One before and one after, so that drift falls on both sides alike.
            let (before, both, after) = (rate(1, calling), rate(2, calling), rate(1, calling));
            ratios.push(both / f64::midpoint(before, after));
            best = (best.0.max(before).max(after), best.1.max(both));
        }
        ratios.sort_unstable_by(f64::total_cmp);
        let (median, least, most) = (ratios[rounds / 2], ratios[0], ratios[rounds - 1]);
        let (one, both) = best;
        println!(
            "two workers against one, {name}: {median:.2} times (min {least:.2}, max {most:.2}, {rounds} rounds); \
             best rounds {:.2} times, {one:.0} and {both:.0} requests/s",
            both / one
        );
    }
}

/// Seconds that so many threads take, each of which hashes as many blocks of its own as there are requests.
fn hashing(threads: usize, blocks: u32) -> f64 {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                let block = [thread as u8; 4096];
                for _ in 0..blocks {
                    black_box(ring::digest::digest(&ring::digest::SHA256, black_box(&block)));
                }
            });
        }
    });
    begun.elapsed().as_secs_f64()
}

/// Requests per second of so many workers together.
fn rate(publisher: &Publisher, metrics: &Arc<Metrics>, workers: u32, calling: Calling, requests: u32) -> f64 {
    let (barrier, limiter) = (Barrier::new(workers as usize), Arc::new(Limiter::new(1_000_000)));
    let took = std::thread::scope(|scope| {
        let run = |number| {
            let (barrier, limiter) = (&barrier, Arc::clone(&limiter));
            let worker = move || worker_with(publisher, metrics, number as usize, 1_000, limiter);
            scope.spawn(move || work(&worker(), number as usize, calling, requests, barrier))
        };
        let threads: Vec<_> = (0..workers).map(run).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).max().unwrap()
    });
    f64::from(workers * requests) / took.as_secs_f64()
}

fn work(
    worker: &Worker<Stub>,
    number: usize,
    (whose, tool): Calling,
    requests: u32,
    barrier: &Barrier,
) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _clock = runtime.enter();
    let keys: Vec<String> = match whose {
        Keys::Own => (0..EACH).map(|key| raw(number * EACH + key)).collect(),
        Keys::Hot => vec![raw(0)],
    };
    let body = BODY.replace("search", tool);
    let ready = |at: u32| {
        worker.upstream.give(Reaction::Answers(upstream::result().read()));
        Sent::modern_of(&keys[at as usize % keys.len()], &body, tool).request()
    };
    let mut took = Duration::ZERO;
    for first in (0..requests).step_by(BATCH) {
        let last = requests.min(first + BATCH as u32);
        let arrived: Vec<_> = (first..last).map(ready).collect();
        barrier.wait();
        let begun = Instant::now();
        for (head, body) in arrived {
            black_box(to_its_end(at_once(serve(worker, FROM, head, body))));
        }
        took += begun.elapsed();
    }
    took
}
