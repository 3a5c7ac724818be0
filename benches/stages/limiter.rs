//! Taking a token from three buckets, of the key, of the key with the tool, and of the tool: beside a
//! well-kept library's, and a map behind a mutex.

use std::collections::HashMap;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group};
use governor::{Quota, RateLimiter};
use tollgate::base::lease::WhenGone;
use tollgate::base::{KeyId, Limit, Tick};
use tollgate::policy::Applied;
use tollgate::state::Limiter;
use tollgate::state::limiter::{Asked, ToolBucket};

/// Keys that take turns.
const KEYS: usize = 10_000;
const RATE: u32 = 1_000_000;

/// A bucket as one would write it first.
type Naive = Mutex<HashMap<String, (f64, Instant)>>;

fn naive_take(buckets: &Naive, name: &str) -> bool {
    let mut buckets = buckets.lock().unwrap();
    let now = Instant::now();
    let (tokens, since) = buckets.entry(name.to_owned()).or_insert((f64::from(RATE), now));
    *tokens = (*tokens + since.elapsed().as_secs_f64() * f64::from(RATE)).min(f64::from(RATE));
    *since = now;
    let there = *tokens >= 1.0;
    if there {
        *tokens -= 1.0;
    }
    there
}

fn take(c: &mut Criterion) {
    let limit = Limit::new(RATE, Duration::from_secs(1), RATE).unwrap();
    let [key, pair, tool] = ["key", "pair", "tool"].map(|name| Applied::new(&[name], limit, true));
    let keys: Vec<KeyId> = (0..KEYS).map(|n| format!("mcp_live_{n:016}").parse().unwrap()).collect();
    let names: Vec<String> = keys.iter().map(ToString::to_string).collect();
    let (limiter, bucket) = (Limiter::new(1_000_000), ToolBucket::default());
    let asked = |key_id: KeyId, of_pair, of_tool| Asked {
        key: key_id,
        of_key: Some(&key),
        of_pair,
        of_tool,
        cost: 1,
        when_gone: WhenGone::default(),
    };
    let mut group = c.benchmark_group("limits");
    let mut turn = 0;
    let mut next = move || {
        turn = (turn + 1) % KEYS;
        turn
    };
    // So much later each time that there is a token again: a call that is refused takes nothing.
    let mut now = Tick::now().nanos();
    let mut later = move || {
        now.0 += 1_000_000_000 / u64::from(RATE);
        black_box(now)
    };
    let admit = |asked: &Asked<'_>, now| assert!(limiter.take_at(asked, now).is_ok());
    group.bench_function("one bucket", |b| {
        b.iter(|| admit(&asked(keys[next()], None, None), later()));
    });
    group.bench_function("three buckets", |b| {
        b.iter(|| admit(&asked(keys[next()], Some(&pair), Some((&tool, &bucket))), later()));
    });
    group.bench_function("three buckets of one hot key", |b| {
        b.iter(|| admit(&asked(keys[0], Some(&pair), Some((&tool, &bucket))), later()));
    });
    group.bench_function("the time for it", |b| b.iter(|| Tick::now().nanos()));
    group.bench_function("none", |b| {
        let none = Asked { of_key: None, ..asked(keys[0], None, None) };
        b.iter(|| limiter.take(black_box(&none)).is_ok());
    });
    let quota = Quota::per_second(NonZeroU32::new(RATE).unwrap());
    let (of_key, of_pair) = (RateLimiter::keyed(quota), RateLimiter::keyed(quota));
    let of_tool = RateLimiter::direct(quota);
    group.bench_function("three buckets, governor", |b| {
        b.iter(|| {
            let key = &keys[next()];
            of_key.check_key(key).is_ok()
                && of_pair.check_key(&(*key, 7_u32)).is_ok()
                && of_tool.check().is_ok()
        });
    });
    let [of_key, of_pair, of_tool]: [Naive; 3] = std::array::from_fn(|_| Mutex::default());
    group.bench_function("three buckets, naive", |b| {
        b.iter(|| {
            let name = &names[next()];
            naive_take(&of_key, name)
                && naive_take(&of_pair, &format!("{name} tool"))
                && naive_take(&of_tool, "tool")
        });
    });
    group.finish();
}

criterion_group!(benches, take);
