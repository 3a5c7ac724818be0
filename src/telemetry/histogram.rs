//! How long requests took: buckets of time for each stage, of one server.
//!
//! Counted in whole nanoseconds, by each worker in cells of its own: no lock, no allocation, no float
//! where a request is observed. Bounds never change while a process runs.

use super::cells::Cells;
use super::labels::Stage;

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000 * MICRO;
const SECOND: u64 = 1_000 * MILLI;

/// Upper bounds of the buckets, in nanoseconds, the bound included; one bucket more holds what is longer.
///
/// Three to a decade, as people read them, so that a percentile is told to within a factor of 2.5. The
/// gateway's own part of a request takes tens of microseconds on one core: the first bounds tell a
/// machine that is twice as fast from one that is twice as slow. Tools take from a millisecond to
/// seconds; beyond ten, the bounds are those that people set as time limits.
pub const BOUNDS: [u64; 22] = [
    5 * MICRO,
    10 * MICRO,
    25 * MICRO,
    50 * MICRO,
    100 * MICRO,
    250 * MICRO,
    500 * MICRO,
    MILLI,
    2_500 * MICRO,
    5 * MILLI,
    10 * MILLI,
    25 * MILLI,
    50 * MILLI,
    100 * MILLI,
    250 * MILLI,
    500 * MILLI,
    SECOND,
    2_500 * MILLI,
    5 * SECOND,
    10 * SECOND,
    30 * SECOND,
    60 * SECOND,
];

/// How many bounds are below each power of two.
const BELOW: [u8; 64] = below();

// Evaluated at compile time: an index out of bounds, or a bound less than twice the one before, fails
// the build and no request.
#[expect(clippy::indexing_slicing, reason = "evaluated at compile time")]
const fn below() -> [u8; 64] {
    let mut table = [0; 64];
    let (mut power, mut bound) = (0, 0);
    while power < table.len() {
        while bound < BOUNDS.len() && BOUNDS[bound] < 1 << power {
            assert!(bound == 0 || BOUNDS[bound] >= 2 * BOUNDS[bound - 1]);
            bound += 1;
        }
        table[power] = bound as u8;
        power += 1;
    }
    table
}

/// The bucket of a time: how many bounds are below it.
///
/// Each bound is at least twice the one before, so between two powers of two there is one at most: the
/// position of the highest bit says all but whether that one is below. One look into a table of a cache
/// line and one comparison, and no branch that depends on how long the last request took; a walk over
/// the bounds would be up to 22 comparisons, a binary search five that wait for each other.
#[inline]
fn bucket(nanos: u64) -> usize {
    let power = (nanos | 1).ilog2() as usize;
    let below = BELOW.get(power).map_or(0, |below| usize::from(*below));
    below + usize::from(BOUNDS.get(below).is_some_and(|bound| *bound < nanos))
}

/// Buckets of one stage: one for each bound, and one for what is longer.
pub const BUCKETS: usize = BOUNDS.len() + 1;
/// Behind the buckets of a stage stands the sum of its times.
const ROW: usize = BUCKETS + 1;

/// How long requests to one server took, by stage.
#[derive(Debug)]
pub struct StageCells(Cells<{ Stage::ALL.len() * ROW }>);

/// What was observed of one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Requests in each bucket, not added up.
    pub buckets: [u64; BUCKETS],
    /// The sum of their times, in nanoseconds. It starts anew after 584 years of them, which who reads
    /// it takes for a restart.
    pub nanos: u64,
}

impl StageCells {
    pub(super) fn new(workers: usize) -> Self {
        Self(Cells::new(workers))
    }

    /// Counts one request's time in a stage; only that worker's thread may.
    #[inline]
    pub fn observe(&self, worker: usize, stage: Stage, nanos: u64) {
        let row = stage as usize * ROW;
        self.0.add(worker, row + bucket(nanos));
        self.0.add_many(worker, row + BUCKETS, nanos);
    }

    /// Counts a request that is over: how long it took, and how much of that the upstream, where it was
    /// turned to. The rest is the gateway's own part.
    #[inline]
    pub fn close(&self, worker: usize, whole: u64, upstream: Option<u64>) {
        self.observe(worker, Stage::Whole, whole);
        self.observe(worker, Stage::Gateway, whole.saturating_sub(upstream.unwrap_or(0)));
        if let Some(upstream) = upstream {
            self.observe(worker, Stage::Upstream, upstream);
        }
    }

    /// What all workers observed of a stage.
    pub fn observed(&self, stage: Stage) -> Observed {
        let row = stage as usize * ROW;
        let buckets = std::array::from_fn(|bucket| self.0.sum(row + bucket));
        Observed { buckets, nanos: self.0.sum(row + BUCKETS) }
    }
}

#[cfg(test)]
mod tests {
    use super::{BOUNDS, BUCKETS, SECOND, StageCells, bucket};
    use crate::telemetry::Stage;
    use proptest::prelude::*;

    /// As one would write it first.
    fn naive(nanos: u64) -> usize {
        BOUNDS.iter().take_while(|bound| **bound < nanos).count()
    }

    #[test]
    fn each_bound_is_in_its_bucket_and_what_follows_in_the_next() {
        for (index, bound) in BOUNDS.into_iter().enumerate() {
            assert_eq!([bound - 1, bound, bound + 1].map(bucket), [index, index, index + 1], "{bound}");
        }
        assert_eq!([0, 1, u64::MAX].map(bucket), [0, 0, BUCKETS - 1]);
        assert_eq!((BOUNDS[0], BOUNDS[BOUNDS.len() - 1]), (5_000, 60 * SECOND));
        for power in 0..64 {
            let around = [(1_u64 << power) - 1, 1 << power, (1 << power) | 1];
            assert_eq!(around.map(bucket), around.map(naive));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn the_bucket_is_that_of_a_walk_over_the_bounds(bits in 0_u32..64, drawn: u64) {
            // Every order of magnitude as often.
            let nanos = drawn >> bits;
            prop_assert_eq!(bucket(nanos), naive(nanos));
        }
    }

    #[test]
    fn workers_observe_apart_and_sums_are_right() {
        let cells = StageCells::new(2);
        cells.close(0, 40_000, Some(30_000));
        cells.close(1, 7_000, None);
        // Set back clocks, and a worker that there is not.
        cells.close(1, 5, Some(9));
        cells.close(2, 5, Some(9));
        let [whole, own, upstream] = Stage::ALL.map(|stage| cells.observed(stage));
        assert_eq!((whole.nanos, own.nanos, upstream.nanos), (47_005, 17_000, 30_009));
        let told = |observed: super::Observed| {
            let buckets = observed.buckets.into_iter().enumerate();
            buckets.filter(|(_, count)| *count > 0).collect::<Vec<_>>()
        };
        assert_eq!(told(whole), [(0, 1), (1, 1), (3, 1)]);
        assert_eq!(told(own), [(0, 1), (1, 2)]);
        assert_eq!(told(upstream), [(0, 1), (3, 1)]);
    }
}
