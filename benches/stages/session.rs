//! Session ids: sealed for a client, opened for its key.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group};
use tollgate::base::{KeyId, SealingKey, UnixSeconds};
use tollgate::state::{Holder, Sealer};

use crate::world::naive::state as naive;

const NOW: UnixSeconds = UnixSeconds(1_900_000_000);

fn seal_and_open(c: &mut Criterion) {
    let bytes = [7; 32];
    let sealer = Sealer::new(
        vec![SealingKey { id: 1, bytes, made: UnixSeconds::EPOCH }],
        Duration::from_secs(86_400),
        NOW,
    );
    let key: KeyId = "mcp_live_0000000000000001".parse().unwrap();
    let holder = Holder { server: "crm", endpoint: "http://127.0.0.1:9/mcp", key };
    let upstream = "0f8e2c9a7b6d4e1f0f8e2c9a7b6d4e1f";
    let sealed = sealer.seal(upstream.as_bytes(), holder, NOW).unwrap();
    let session = || naive::Session {
        server: "crm".to_owned(),
        key: key.to_string(),
        upstream: upstream.to_owned(),
        issued: NOW.0,
    };
    let sealed_naively = naive::seal(&bytes, &session());
    let holder_told = key.to_string();
    assert_eq!(sealer.open(sealed.as_bytes(), holder, NOW).unwrap(), upstream);
    assert_eq!(naive::open(&bytes, &sealed_naively, "crm", &holder_told).unwrap(), upstream);
    let mut group = c.benchmark_group("session");
    group.bench_function("open", |b| b.iter(|| sealer.open(black_box(sealed.as_bytes()), holder, NOW)));
    group.bench_function("open, naive", |b| {
        b.iter(|| naive::open(&bytes, black_box(&sealed_naively), "crm", &holder_told));
    });
    group.bench_function("seal", |b| b.iter(|| sealer.seal(black_box(upstream.as_bytes()), holder, NOW)));
    group.bench_function("seal, naive", |b| b.iter(|| naive::seal(&bytes, black_box(&session()))));
    let forged = "A".repeat(sealed.len());
    assert!(sealer.open(forged.as_bytes(), holder, NOW).is_none());
    group.bench_function("refuse", |b| b.iter(|| sealer.open(black_box(forged.as_bytes()), holder, NOW)));
    group.finish();
}

criterion_group!(benches, seal_and_open);
