//! How the books stand, for who tells it: what waits, what was lost, and whether anything is written.
//!
//! The reader may hang in a write that does not come back, and tells nothing then: it says only when it came
//! round, and whoever asks judges by that. Nobody waits for anything here.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::base::Tick;

/// How long the reader may take to come round before it counts as standing still: as long as a request waits
/// for its record at most. A disk that is only slow for a moment is back by then.
const STANDS_STILL: Duration = Duration::from_secs(5);

/// Why nothing is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwritten {
    /// The last try failed; it is tried again all the time.
    Fails,
    /// A try has not come back for more than 5 s, and records wait.
    Hangs,
}

/// What workers and the reader know of each other.
#[derive(Debug)]
pub struct Standing {
    /// Events that wait in each worker's queue: as the reader saw it when it took from there, and as the
    /// worker sees it once a second, whatever the reader does.
    waiting: Box<[AtomicU64]>,
    /// Records that the reader has taken and that are not safe yet.
    pub in_hand: AtomicU64,
    /// Requests that were not noted for want of room.
    pub lost: AtomicU64,
    /// Whether the last try to write failed.
    pub is_failing: AtomicBool,
    /// When the reader came round, in milliseconds of a [`Tick`].
    round_ms: AtomicU64,
    /// Whether somebody has said that it hangs.
    is_told: AtomicBool,
}

impl Standing {
    /// The same for so many workers. The reader counts as having come round now.
    pub(super) fn new(workers: usize) -> Self {
        Self {
            waiting: (0..workers).map(|_| AtomicU64::new(0)).collect(),
            in_hand: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
            round_ms: AtomicU64::new(Tick::now().ms()),
            is_told: AtomicBool::new(false),
        }
    }

    /// Events that wait in all queues; up to a second old where the reader hangs.
    pub fn waiting(&self) -> u64 {
        self.waiting.iter().map(|cell| cell.load(Ordering::Relaxed)).sum()
    }

    /// Events that wait in the fullest queue: each is full by itself.
    pub fn fullest(&self) -> u64 {
        self.waiting.iter().map(|cell| cell.load(Ordering::Relaxed)).max().unwrap_or(0)
    }

    pub(super) fn set_waiting(&self, worker: usize, count: usize) {
        if let Some(cell) = self.waiting.get(worker) {
            cell.store(count as u64, Ordering::Relaxed);
        }
    }

    /// The reader comes round; says for how long it had hung, where that was so and was told.
    pub fn comes_round(&self, now: Tick) -> Option<Duration> {
        let before = self.round_ms.swap(now.ms(), Ordering::Relaxed);
        let told = self.is_told.load(Ordering::Relaxed) && self.is_told.swap(false, Ordering::Relaxed);
        told.then(|| Duration::from_millis(now.ms().saturating_sub(before)))
    }

    /// Why nothing is written, where that is so.
    pub fn unwritten(&self, now: Tick) -> Option<Unwritten> {
        if self.is_failing.load(Ordering::Relaxed) {
            return Some(Unwritten::Fails);
        }
        self.hangs(now).then_some(Unwritten::Hangs)
    }

    /// Where nothing waits there is nothing that it could have written: it may delete old files, say.
    fn hangs(&self, now: Tick) -> bool {
        self.since_round(now) > STANDS_STILL && self.waiting() > 0
    }

    /// How long ago the reader came round.
    pub fn since_round(&self, now: Tick) -> Duration {
        Duration::from_millis(now.ms().saturating_sub(self.round_ms.load(Ordering::Relaxed)))
    }

    /// Whether it hangs, to whom is to say so: the first who asks.
    pub(super) fn is_to_be_told(&self, now: Tick) -> bool {
        self.hangs(now) && !self.is_told.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::{STANDS_STILL, Standing, Unwritten};
    use crate::base::Tick;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    #[test]
    fn a_reader_that_does_not_come_round_while_something_waits_hangs() {
        let standing = Standing::new(2);
        let begun = Tick::now();
        assert_eq!(standing.comes_round(begun), None);
        let late = begun + STANDS_STILL + Duration::from_millis(100);
        assert_eq!(standing.unwritten(late), None, "nothing waits");
        standing.set_waiting(0, 2);
        standing.set_waiting(1, 3);
        assert_eq!((standing.waiting(), standing.fullest()), (5, 3));
        assert_eq!(standing.unwritten(begun + STANDS_STILL), None, "a moment is no fault");
        assert_eq!(standing.unwritten(late), Some(Unwritten::Hangs));
        assert!(standing.is_to_be_told(late) && !standing.is_to_be_told(late), "once");
        assert_eq!(
            standing.comes_round(late),
            Some(late - begun).map(|hung| Duration::from_millis(hung.as_millis() as u64))
        );
        assert_eq!((standing.comes_round(late), standing.unwritten(late)), (None, None));
        standing.is_failing.store(true, Ordering::Relaxed);
        assert_eq!(standing.unwritten(late), Some(Unwritten::Fails));
    }
}
