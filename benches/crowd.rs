//! More clients than the limiter has room for: five times as many pairs of a key and a tool as it may hold,
//! offered by two workers while full buckets are collected as in the gateway. What it holds in memory,
//! and how long a call waits that comes in between.
//!
//! A pause in which the kernel ran somebody else on this core is the machine's and not the limiter's:
//! it is counted apart. With `--bench` it measures and holds the figures to their limits; as a test it
//! runs with a twentieth and holds the memory only.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench fails by panicking and says what it found"
)]
#![allow(clippy::cast_possible_truncation, reason = "counts of a bench")]
#![allow(missing_docs, reason = "a bench has no readers but people")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tollgate::base::lease::WhenGone;
use tollgate::base::{KeyId, Limit};
use tollgate::policy::Applied;
use tollgate::state::Limiter;
use tollgate::state::limiter::{Asked, SHARDS};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Buckets that there is room for, and pairs that are offered for each.
const ROOM: usize = 1_000_000;
const OFFERED: usize = 5;
/// Tools that each key calls.
const TOOLS: usize = 50;
/// How often a sixteenth of the buckets is looked through.
const COLLECTED_EVERY: Duration = Duration::from_millis(20);
/// The longest that a call may wait.
const LONGEST: Duration = Duration::from_millis(1);
/// Bytes that a bucket may take, with its place in the table, when the table is full (docs/LIMITS.md).
const EACH: usize = 120;

/// What one worker met.
#[derive(Default)]
struct Met {
    admitted: usize,
    refused: usize,
    longest: Duration,
    interrupted: usize,
}

fn main() {
    let measure = std::env::args().any(|argument| argument == "--bench");
    let room = if measure { ROOM } else { ROOM / 20 };
    let limiter = Limiter::new(room);
    // An hour's buckets do not fill by themselves, those of a tenth of a second do: both are offered.
    let slow = Limit::new(1, Duration::from_secs(3_600), 1).unwrap();
    let quick = Limit::new(100, Duration::from_secs(1), 10).unwrap();
    let before = resident();
    let most = AtomicUsize::new(0);
    let met: Vec<Met> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                let (limiter, most) = (&limiter, &most);
                scope.spawn(move || offer(limiter, worker, room * OFFERED / 2, slow, quick, most))
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    let grown = resident().saturating_sub(before);
    let admitted: usize = met.iter().map(|met| met.admitted).sum();
    let refused: usize = met.iter().map(|met| met.refused).sum();
    let longest = met.iter().map(|met| met.longest).max().unwrap();
    let interrupted: usize = met.iter().map(|met| met.interrupted).sum();
    let most = most.load(Ordering::Relaxed).max(limiter.len());
    println!(
        "measured: {} pairs offered to room for {room}: at most {most} held, {refused} refused for want of it, {} MiB more resident ({} bytes for each that is held); the longest call waited {} us ({interrupted} pauses in which the core ran something else)",
        admitted + refused,
        grown >> 20,
        grown / most,
        longest.as_micros()
    );
    assert!(most <= room.next_multiple_of(SHARDS), "{most} buckets");
    assert!(refused > 0, "there was room for all");
    if measure {
        assert!(grown <= room * EACH, "{grown} bytes for {room} buckets");
        assert!(longest <= LONGEST, "a call waited {longest:?}");
    }
}

fn offer(
    limiter: &Limiter,
    worker: usize,
    pairs: usize,
    slow: Limit,
    quick: Limit,
    most: &AtomicUsize,
) -> Met {
    let mut met = Met::default();
    let (mut switches, mut collected) = (interruptions(), Instant::now());
    for pair in 0..pairs {
        // The first worker collects, as in the gateway, and here fifty times as often.
        if worker == 0 && collected.elapsed() >= COLLECTED_EVERY {
            collected = Instant::now();
            (0..SHARDS / 16).for_each(|_| limiter.collect());
            most.fetch_max(limiter.len(), Ordering::Relaxed);
        }
        let key: KeyId = format!("mcp_live_{:016}", (pair / TOOLS) * 2 + worker).parse().unwrap();
        let tool = format!("tool-{}", pair % TOOLS);
        let limit = if pair % 4 == 0 { quick } else { slow };
        let of_pair = Applied::new(&["crowd", &tool], limit, true);
        let asked = Asked {
            key,
            of_key: None,
            of_pair: Some(&of_pair),
            of_tool: None,
            cost: 1,
            when_gone: WhenGone::default(),
        };
        let begun = Instant::now();
        let taken = limiter.take(&asked);
        let took = begun.elapsed();
        if taken.is_ok() {
            met.admitted += 1;
        } else {
            met.refused += 1;
        }
        if took > met.longest.max(LONGEST / 10) {
            let now = interruptions();
            if now == switches {
                met.longest = took;
            } else {
                met.interrupted += 1;
            }
            switches = now;
        }
    }
    met
}

/// How often the kernel took the core away from a thread of this process: from this one, or from another
/// that this one may have waited for.
fn interruptions() -> u64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    threads
        .map(|thread| status(&format!("{}/status", thread.path().display()), "nonvoluntary_ctxt_switches:"))
        .sum()
}

/// Bytes that this process has in memory.
fn resident() -> usize {
    status("/proc/self/status", "VmRSS:") as usize * 1_024
}

fn status(file: &str, name: &str) -> u64 {
    let status = std::fs::read_to_string(file).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
