//! The whole path of one request in memory: route to reply, all checks on, against an
//! upstream that answers at once. No sockets, no TLS, no HTTP parsing.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group};
use http::StatusCode;

use crate::world::{BODY, KEYS, at_once, large_body, naive, request, serve, worker};

fn whole(c: &mut Criterion) {
    let (worker, raw) = worker(KEYS);
    let naive = naive::gateway([(raw.clone(), 0)]);
    let wrong = raw.replace('.', "-");
    // Time limits are armed only by waiting, but they want a clock to be there.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _clock = runtime.enter();
    let large = large_body();
    assert_eq!(at_once(serve(&worker, request(&raw, BODY))).status(), StatusCode::OK);
    assert_eq!(at_once(naive.serve(request(&raw, BODY))).status(), StatusCode::OK);
    assert_eq!(at_once(serve(&worker, request(&wrong, BODY))).status(), StatusCode::UNAUTHORIZED);
    let mut group = c.benchmark_group("path");
    for (size, body) in [("249 B", BODY), ("4 KiB", large.as_str())] {
        group.bench_function(format!("call of {size}"), |b| {
            b.iter_batched(
                || request(&raw, body),
                |request| at_once(serve(&worker, black_box(request))),
                BatchSize::SmallInput,
            );
        });
        group.bench_function(format!("call of {size}, naive"), |b| {
            b.iter_batched(
                || request(&raw, body),
                |request| at_once(naive.serve(black_box(request))),
                BatchSize::SmallInput,
            );
        });
    }
    group.bench_function("a wrong key", |b| {
        b.iter_batched(
            || request(&wrong, BODY),
            |request| at_once(serve(&worker, black_box(request))),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, whole);
