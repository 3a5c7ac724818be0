//! The whole path of one request in memory: route to the end of the answer, all checks on,
//! against an upstream that answers at once. No sockets, no TLS, no HTTP parsing.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group};
use http::StatusCode;
use tollgate::gateway::serve;

use crate::world::cases::{CASES, World};
use crate::world::{BODY, KEYS, Sent, at_once, large_body, naive, to_its_end, upstream, worker};

fn call(c: &mut Criterion) {
    let (worker, raw) = worker(KEYS);
    let naive = naive::gateway([(raw.clone(), 0)]);
    // Time limits are armed only by waiting, but they want a clock to be there.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _clock = runtime.enter();
    let large = large_body();
    let ready = |body: &str| {
        worker.upstream.give(Ok(upstream::result()));
        Sent::modern(&raw, body).request()
    };
    assert_eq!(at_once(serve(&worker, ready(BODY))).status(), StatusCode::OK);
    assert_eq!(at_once(naive.serve(&worker.upstream, ready(BODY))).status(), StatusCode::OK);
    let mut group = c.benchmark_group("path");
    for (size, body) in [("249 B", BODY), ("4 KiB", large.as_str())] {
        group.bench_function(format!("call of {size}"), |b| {
            let run = |request| to_its_end(at_once(serve(&worker, black_box(request))));
            b.iter_batched(|| ready(body), run, BatchSize::SmallInput);
        });
        group.bench_function(format!("call of {size}, naive"), |b| {
            let run = |request| at_once(naive.serve(&worker.upstream, black_box(request)));
            b.iter_batched(|| ready(body), run, BatchSize::SmallInput);
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
        world.run(world.warm(name));
        group.bench_function(name.replace('_', " "), |b| {
            b.iter_batched(|| world.ready(name), |ready| world.run(black_box(ready)), BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, call, cases);
