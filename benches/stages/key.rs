//! From the header's text to the parts of a key: length, alphabet, checksum.

use std::hint::black_box;

use criterion::{Criterion, criterion_group};
use tollgate::base::key::RawKey;

use crate::world::{keys, naive};

fn parse(c: &mut Criterion) {
    let (_, raw) = keys(1);
    let wrong = raw.replace('.', "-");
    let mut group = c.benchmark_group("key");
    group.bench_function("parse", |b| b.iter(|| RawKey::parse(black_box(raw.as_bytes())).unwrap().id()));
    group.bench_function("parse, naive", |b| b.iter(|| naive::parse_key(black_box(&raw)).unwrap()));
    group.bench_function("refuse", |b| b.iter(|| RawKey::parse(black_box(wrong.as_bytes())).is_none()));
    group.bench_function("refuse, naive", |b| b.iter(|| naive::parse_key(black_box(&wrong)).is_none()));
    group.finish();
}

criterion_group!(benches, parse);
