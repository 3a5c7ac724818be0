//! From a body to what the gateway knows of it: tape on reused scratch, the strict slow
//! reader, and a whole JSON value.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group};
use tollgate::wire::jsonrpc::{Scratch, slow};

use crate::world::{BODY, large_body, naive};

fn read(c: &mut Criterion) {
    let large = large_body();
    let mut scratch = Scratch::new();
    for (size, body) in [("249 B", BODY), ("4 KiB", large.as_str())] {
        let mut group = c.benchmark_group(format!("envelope of {size}"));
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function("read", |b| b.iter(|| scratch.read(black_box(body.as_bytes())).unwrap()));
        group.bench_function("read, slow reader", |b| {
            b.iter(|| slow::read_envelope(black_box(body.as_bytes())).unwrap());
        });
        group.bench_function("read, naive", |b| {
            b.iter(|| naive::read_envelope(black_box(body.as_bytes())).unwrap());
        });
        group.finish();
    }
}

criterion_group!(benches, read);
