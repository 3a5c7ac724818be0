//! From a parsed key to its record: digest, lookup among many, constant-time comparison.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group};
use tollgate::base::UnixSeconds;
use tollgate::base::digest::Hasher;
use tollgate::base::key::RawKey;
use tollgate::policy::{Keys, authenticate};

use crate::world::{KEYS, keys, naive, policy, raw as raw_key};

fn known_and_unknown(c: &mut Criterion) {
    let (changes, raw) = keys(KEYS);
    let stranger = raw_key(KEYS);
    let keys = Keys::empty(Arc::new(Hasher::new(&[])), KEYS).with(&changes, &policy());
    let naive = naive::gateway([(raw.clone(), 0)]);
    let now = UnixSeconds(1_900_000_000);
    let verify = |raw: &str| {
        let key = RawKey::parse(raw.as_bytes()).unwrap();
        authenticate(&keys, key.id(), &keys.hasher().digests(key.secret()), now)
    };
    assert!(verify(&raw).is_ok() && verify(&stranger).is_err());
    let mut group = c.benchmark_group("authenticate");
    group.bench_function("known", |b| b.iter(|| verify(black_box(&raw)).is_ok()));
    group.bench_function("unknown", |b| b.iter(|| verify(black_box(&stranger)).is_err()));
    group.bench_function("known, naive", |b| {
        b.iter(|| {
            let (_, secret) = naive::parse_key(black_box(&raw)).unwrap();
            naive.authenticate(&secret).unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, known_and_unknown);
