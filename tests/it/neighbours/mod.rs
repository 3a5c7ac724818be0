//! An innocent client beside bad neighbours, one kind after the other: it sees no error, hardly
//! waits longer than alone, and the gateway's memory stays near what it was and comes back.
//!
//! All share one worker, so nobody is spared by living on another core. Alone is measured
//! before each kind, as the machine may have become busier.

mod clients;
mod floods;
pub mod frames;
mod http2;
mod innocent;
mod town;
mod upstreams;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::world::{MIB, strength};
use innocent::{calls, p99};
use town::Town;

/// A kind of bad neighbour: its name, how many of it there are, what each does until it is
/// told to stop.
type Kind = (&'static str, usize, fn(&Town));

/// Kinds are measured one after the other: two at once would be each other's neighbours.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Memory that may be resident beyond what was before the first kind.
const PEAK: usize = 64 * MIB;
/// Memory that may stay resident once a kind has gone: buffers that pools and the allocator
/// keep for the next request. It does not grow from kind to kind, since the base is taken once.
const KEPT: usize = 16 * MIB;

/// How often a kind is measured before it counts as a fault.
const ATTEMPTS: usize = 3;

#[test]
fn clients_that_are_slow_hang_or_vanish() {
    beside(&clients::KINDS);
}

#[test]
fn clients_that_flood() {
    beside(&floods::KINDS);
}

#[test]
fn clients_that_abuse_http2() {
    beside(&http2::KINDS);
}

#[test]
fn upstreams_that_are_slow_hang_or_lie() {
    beside(&upstreams::KINDS);
}

#[test]
fn there_are_at_least_thirty_kinds() {
    let kinds = [&clients::KINDS[..], &floods::KINDS, &http2::KINDS, &upstreams::KINDS].concat();
    let mut names: Vec<_> = kinds.iter().map(|(name, ..)| name).collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() == kinds.len() && names.len() >= 30, "{}", names.len());
}

fn beside(kinds: &[Kind]) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let only = std::env::var("TOLLGATE_TEST_KIND").unwrap_or_default();
    let town = Town::build();
    calls(&town, Duration::from_millis(300)).unwrap();
    let base = town.gateway.resident();
    let mut faults = Vec::new();
    for kind in kinds.iter().filter(|(name, ..)| name.contains(&only)) {
        // A busy machine may spoil one measurement; what the gateway does wrong spoils all.
        let mut found = Vec::new();
        for _ in 0..ATTEMPTS {
            found = measure(&town, kind, base);
            if found.is_empty() {
                break;
            }
        }
        faults.extend(found);
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn in_mib(bytes: usize) -> f64 {
    bytes as f64 / MIB as f64
}

/// One kind; what did not hold.
#[expect(clippy::print_stdout, reason = "the record is made of it")]
fn measure(town: &Town, (name, count, neighbour): &Kind, base: usize) -> Vec<String> {
    let time = |reduced, full| Duration::from_millis(strength(reduced, full) as u64);
    let alone = match calls(town, time(100, 1_000)) {
        Ok(took) => p99(&took),
        Err(error) => return vec![format!("{name}: before it: {error}")],
    };
    town.gateway.forget_peak();
    town.set_over(false);
    let (beside, peak) = std::thread::scope(|scope| {
        for _ in 0..*count {
            scope.spawn(|| neighbour(town));
        }
        let beside = calls(town, time(250, 2_000));
        // Read before they leave: what they have the gateway hold is what counts.
        let peak = town.gateway.peak();
        town.set_over(true);
        (beside, peak)
    });
    let comes_back = Instant::now() + Duration::from_secs(10);
    // The allocator gives back while it works.
    while town.gateway.resident() > base + KEPT && Instant::now() < comes_back {
        let _ = calls(town, Duration::from_millis(20));
    }
    let (peak, after) = (peak.saturating_sub(base), town.gateway.resident().saturating_sub(base));
    let mut faults = Vec::new();
    match beside {
        Err(error) => faults.push(format!("{name}: an innocent client's error: {error}")),
        Ok(took) => {
            let beside = p99(&took);
            println!(
                "{name:<32} alone {alone:>9.1?} beside {beside:>9.1?} ({} calls) memory +{:.1} MiB, then +{:.1} MiB",
                took.len(),
                in_mib(peak),
                in_mib(after)
            );
            // The everyday run is short, an unoptimised build, on a machine with other work: it
            // finds what hangs and fails. The full run holds the promise.
            let most = 2 * alone + time(300, 20);
            if beside > most {
                faults.push(format!("{name}: p99 {beside:?}, alone {alone:?}"));
            }
        }
    }
    if peak > PEAK {
        faults.push(format!("{name}: memory grew by {} MiB", peak / MIB));
    }
    if after > KEPT {
        faults.push(format!("{name}: {} MiB did not come back", after / MIB));
    }
    faults
}
