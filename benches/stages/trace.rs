//! What a request pays for being part of a trace: the header read, ids given, the upstream's header written.
//! With traces off none of it is called.

use std::hint::black_box;

use criterion::{Criterion, criterion_group};
use tollgate::telemetry::trace::{Sampler, Tracer};
use tollgate::wire::traceparent::TraceParent;

const HEADER: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn trace(c: &mut Criterion) {
    let sampler = Sampler { ratio: 0.01, refusals: true, slow: None };
    let tracer = Tracer::new(sampler).unwrap();
    let told = TraceParent::parse(HEADER).unwrap();
    let mut group = c.benchmark_group("trace");
    group.bench_function("read", |b| b.iter(|| TraceParent::parse(black_box(HEADER)).unwrap()));
    group.bench_function("begin, told", |b| b.iter(|| tracer.begin(black_box(Some(&told)))));
    group.bench_function("begin, fresh", |b| b.iter(|| tracer.begin(black_box(None))));
    group.bench_function("write", |b| b.iter(|| black_box(told).write()));
    group.finish();
}

criterion_group!(benches, trace);
