//! The gateway's own decisions about one call, and about bad keys, without the stages around.

use std::hint::black_box;

use criterion::{Criterion, criterion_group};

use crate::world::decisions::{Decisions, KINDS, key};

fn decide(c: &mut Criterion) {
    let mut decisions = Decisions::new();
    let mut group = c.benchmark_group("decisions on 300 B");
    for name in KINDS {
        let key = key(name, 0);
        assert_eq!(decisions.decide(&key).is_ok(), name == "good_key");
        group.bench_function(name.replace('_', " "), |b| b.iter(|| decisions.decide(black_box(&key))));
    }
    group.finish();
}

criterion_group!(benches, decide);
