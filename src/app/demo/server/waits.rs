//! What became of the demo's slow waits, so that a test or a person can see a
//! cancellation arrive.
//!
//! It must never miss an end: a wait that is dropped, for whatever reason, is
//! counted as cancelled.

use std::sync::atomic::{AtomicU64, Ordering};

/// What became of the calls of `slow_wait`.
#[derive(Debug, Default)]
pub(super) struct Waits {
    started: AtomicU64,
    finished: AtomicU64,
    cancelled: AtomicU64,
}

/// What [`Waits`] held at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts {
    pub(super) started: u64,
    pub(super) finished: u64,
    pub(super) cancelled: u64,
}

impl Waits {
    pub(super) fn counts(&self) -> Counts {
        Counts {
            started: self.started.load(Ordering::Relaxed),
            finished: self.finished.load(Ordering::Relaxed),
            cancelled: self.cancelled.load(Ordering::Relaxed),
        }
    }

    /// Counts a wait from now on, until what it returns is finished or dropped.
    pub(super) fn begin(&self) -> Wait<'_> {
        self.started.fetch_add(1, Ordering::Relaxed);
        Wait { waits: self, done: false }
    }
}

/// One wait; dropped unfinished it counts as cancelled, however it ended.
pub(super) struct Wait<'a> {
    waits: &'a Waits,
    done: bool,
}

impl Wait<'_> {
    pub(super) fn finish(mut self) {
        self.done = true;
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if self.done {
            self.waits.finished.fetch_add(1, Ordering::Relaxed);
        } else {
            self.waits.cancelled.fetch_add(1, Ordering::Relaxed);
            tracing::info!("a slow wait of the demo was cancelled");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Waits;

    #[test]
    fn every_end_is_counted_once() {
        let waits = Waits::default();
        waits.begin().finish();
        drop(waits.begin());
        let counts = waits.counts();
        assert_eq!((counts.started, counts.finished, counts.cancelled), (2, 1, 1));
    }
}
