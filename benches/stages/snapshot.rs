//! The two-level table of keys beside one map: a lookup, and a change of one key among many.

use std::cell::Cell;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, criterion_group};
use foldhash::fast::RandomState;
use tollgate::base::KeyId;
use tollgate::base::digest::Hasher;
use tollgate::policy::{KeyEntry, Keys};

use crate::world::{KEYS, keys, policy};

fn lookup_and_change(c: &mut Criterion) {
    let policy = policy();
    let (changes, _) = keys(KEYS);
    let ids: Vec<KeyId> = changes.iter().map(|(id, _)| *id).collect();
    let two_levels = Keys::empty(Arc::new(Hasher::new(&[])), KEYS).with(&changes, &policy);
    let one_level: HashMap<KeyId, KeyEntry, RandomState> =
        changes.iter().map(|(id, entry)| (*id, entry.clone().unwrap())).collect();
    // A stride that visits all keys far from one another, as requests of many agents do.
    let place = Cell::new(0);
    let next = || {
        place.set((place.get() + 7_919) % KEYS);
        ids[place.get()]
    };
    let mut group = c.benchmark_group("snapshot of 100,000 keys");
    group.bench_function("find", |b| b.iter(|| two_levels.find(black_box(next())).record.digest[0]));
    group.bench_function("find, naive", |b| b.iter(|| one_level[&black_box(next())].hash.digest[0]));
    let change = [changes[17].clone()];
    group.bench_function("change one", |b| b.iter(|| two_levels.with(black_box(&change), &policy)));
    group.sample_size(10);
    group.bench_function("change one, naive", |b| {
        b.iter_batched(
            || changes[17].clone(),
            |(id, entry)| {
                let mut next = one_level.clone();
                next.insert(id, entry.unwrap());
                next
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// A published change must not cost more the more keys there are.
fn change_at_sizes(c: &mut Criterion) {
    let policy = policy();
    let mut group = c.benchmark_group("change of one key");
    for (name, count) in [("among 1,000", 1_000), ("among 100,000", 100_000), ("among 1,000,000", 1_000_000)]
    {
        let (changes, _) = keys(count);
        let mut table = Keys::empty(Arc::new(Hasher::new(&[])), 0);
        for batch in changes.chunks(65_536) {
            table = table.with(batch, &policy);
        }
        let place = Cell::new(0);
        group.bench_function(name, |b| {
            b.iter_custom(|times| {
                let mut took = Duration::ZERO;
                for _ in 0..times {
                    place.set((place.get() + 7_919) % count);
                    // A change comes from the registry's reader, fresh; only the table is cold.
                    let change = [changes[place.get()].clone()];
                    let begun = Instant::now();
                    // The one before is let go, as it is once no request holds it.
                    table = table.with(black_box(&change), &policy);
                    took += begun.elapsed();
                }
                took
            });
        });
    }
    group.finish();
}

criterion_group!(benches, lookup_and_change, change_at_sizes);
