//! What it costs to put a request's time into the books.

use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group};
use tollgate::telemetry::histogram::BOUNDS;
use tollgate::telemetry::{Metrics, Stage};

use crate::world::naive::state as naive;

/// Times that are looked at in turn: as many as make the branches of a walk hard to foresee.
const TIMES: usize = 4_096;

fn observe(c: &mut Criterion) {
    let metrics = Metrics::new(2);
    let cells = metrics.server("crm").seconds;
    // From a microsecond to a minute, every order of magnitude as often.
    let times: Vec<u64> = (0..TIMES as u64)
        .map(|number| {
            let drawn = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            1_000_u64.saturating_add((drawn | (1 << 63)) >> (28 + drawn % 26))
        })
        .collect();
    let place = Cell::new(0);
    let next = || {
        place.set((place.get() + 1) % TIMES);
        times[place.get()]
    };
    let seconds = |nanos| Duration::from_nanos(nanos).as_secs_f64();
    let naive = naive::Times::new(BOUNDS.map(seconds).to_vec());
    let mut group = c.benchmark_group("histogram");
    group.bench_function("observe", |b| b.iter(|| cells.observe(black_box(0), Stage::Gateway, next())));
    group.bench_function("close a request", |b| {
        b.iter(|| cells.close(black_box(0), black_box(900_000), Some(next())));
    });
    group.bench_function("observe, naive", |b| {
        b.iter(|| naive.observe("crm", "gateway", seconds(next())));
    });
    group.finish();
}

criterion_group!(benches, observe);
