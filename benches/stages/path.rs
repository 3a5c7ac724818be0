//! The whole path of one request in memory, all checks on.
//!
//! `path`: from the bytes of a call to the bytes of its answer, beside the naive version of the
//! same. `path of`: every case from its head that was read to the end of its answer, against an
//! upstream whose answer's head was read. No sockets, no TLS, no limits of time in either.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group};

use crate::world::cases::{CASES, World};
use crate::world::{BODY, KEYS, Reaction, Sent, exchange, large_body, naive, upstream, worker};

/// Requests between two times that the queue of records is emptied, which would be full otherwise.
const TURN: u64 = 1_024;

fn call(c: &mut Criterion) {
    let (worker, raw) = worker(KEYS);
    let naive = naive::gateway([(raw.clone(), 0)]);
    // Time limits are armed only by waiting, but they want a clock to be there.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _clock = runtime.enter();
    let answer = upstream::result();
    let ready = || worker.upstream.give(Reaction::Sends(upstream::result()));
    let mut group = c.benchmark_group("path");
    for (size, body) in [("249 B", BODY), ("4 KiB", &large_body())] {
        let arrived = Sent::modern(&raw, body).bytes();
        ready();
        let ended =
            |left: &[u8]| left.starts_with(b"HTTP/1.1 200 OK") && left.ends_with(upstream::RESULT.as_bytes());
        assert!(ended(&exchange(&worker, &arrived)) && ended(&naive.exchange(&arrived, answer.bytes())));
        group.bench_function(format!("call of {size}"), |b| {
            b.iter_batched(ready, |()| exchange(&worker, black_box(&arrived)), BatchSize::SmallInput);
        });
        group.bench_function(format!("call of {size}, naive"), |b| {
            b.iter(|| naive.exchange(black_box(&arrived), answer.bytes()));
        });
    }
    group.finish();
}

/// Every case that has its instructions and allocations counted.
fn cases(c: &mut Criterion) {
    let world = World::new();
    let mut group = c.benchmark_group("path of");
    // Two seconds for each of many cases; their instructions are counted besides.
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_millis(1_500));
    for name in CASES {
        world.run(&mut world.warm(name));
        group.bench_function(name.replace('_', " "), |b| {
            let run = |mut ready| {
                world.run(black_box(&mut ready));
                ready
            };
            b.iter_batched(|| world.ready(name), run, BatchSize::NumIterations(TURN));
        });
    }
    group.finish();
}

criterion_group!(benches, call, cases);
