//! When requests are due. The times depend on the rate and the seed alone, never on answers.

use std::time::{Duration, Instant};

use crate::traffic::Random;

/// What an open-loop load is to send.
#[derive(Clone)]
pub(crate) struct Schedule {
    /// Requests per second.
    pub(crate) rate: f64,
    /// Gaps as of independent clients (exponential) in place of equal ones.
    pub(crate) poisson: bool,
    /// Seconds that count, after the warm-up.
    pub(crate) seconds: f64,
    /// Seconds before, with the same load, that do not count.
    pub(crate) warm_up: f64,
    /// Connections.
    pub(crate) connections: usize,
    /// Streams on each connection, with HTTP/2.
    pub(crate) streams: usize,
    /// Due requests that may wait for a connection. One more is not sent, and the run invalid.
    pub(crate) most_waiting: usize,
    /// What the gaps, calls and keys are drawn with.
    pub(crate) seed: u64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self {
            rate: 1000.0,
            poisson: false,
            seconds: 5.0,
            warm_up: 0.5,
            connections: 16,
            streams: super::STREAMS,
            // 32 bytes each; a server that is this far behind does not hold the rate.
            most_waiting: 65_536,
            seed: 1,
        }
    }
}

impl Schedule {
    /// The times, from now on.
    pub(super) fn times(&self) -> Times {
        let start = Instant::now();
        let warm_up = Duration::from_secs_f64(self.warm_up);
        let until = start + warm_up + Duration::from_secs_f64(self.seconds);
        let gap = 1.0 / self.rate;
        let random = self.poisson.then(|| Random::seeded(self.seed));
        Times { start, begin: start + warm_up, until, gap, after: 0.0, random }
    }
}

/// Due times, ascending; it ends with the schedule.
pub(super) struct Times {
    start: Instant,
    /// Requests due from here on count.
    pub(super) begin: Instant,
    /// None is due from here on.
    pub(super) until: Instant,
    /// Seconds, on average.
    gap: f64,
    /// The next, in gaps after the start: a sum of whole numbers does not drift.
    after: f64,
    random: Option<Random>,
}

impl Iterator for Times {
    type Item = Instant;

    fn next(&mut self) -> Option<Instant> {
        let due = self.start + Duration::from_secs_f64(self.after * self.gap);
        self.after += self.random.as_mut().map_or(1.0, Random::exponential);
        (due < self.until).then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn as_many_are_due_as_the_rate_says() {
        let schedule =
            Schedule { rate: 4000.0, seconds: 1.5, warm_up: 0.5, poisson: false, ..Schedule::default() };
        let times = schedule.times();
        let begin = times.begin;
        let due: Vec<_> = times.collect();
        assert!(due.is_sorted());
        assert_eq!(due.len(), 8000);
        assert_eq!(due.iter().filter(|due| **due >= begin).count(), 6000);
        let poisson = Schedule { poisson: true, ..schedule };
        let due: Vec<_> = poisson.times().collect();
        // Seven standard deviations of a Poisson count.
        assert!(due.is_sorted() && due.len().abs_diff(8000) < 630, "{}", due.len());
    }
}
