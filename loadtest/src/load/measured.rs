//! What an open-loop run found, and whether it is a result.
//!
//! A run in which the generator itself was late, or short of time, says nothing of the target
//! and is never called valid.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::Handshakes;
use crate::Done;

/// The generator's own lateness that is borne at the 99th percentile: some times what waking
/// from an idle core takes (30 to 100 µs on virtual machines), and below what a call takes.
pub(crate) const LATE_P99: Duration = Duration::from_micros(500);
/// The part of a core that the generator's thread may use. From here on its own queue grows.
pub(crate) const BUSY: f64 = 0.8;
/// The part of the time that the one core it is kept to may be busy, with what runs beside it.
pub(crate) const CORE_BUSY: f64 = 0.95;

/// An open-loop run. Times are nanoseconds from the moment at which a request was due.
#[derive(Clone)]
pub(crate) struct Measured {
    /// Requests due in the time that counts and handed to a connection.
    pub(crate) sent: u64,
    /// The same with the warm-up.
    pub(crate) sent_in_all: u64,
    /// With the expected answer.
    pub(crate) answered: u64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    /// Due when too many waited already.
    pub(crate) not_sent: u64,
    /// Without an answer some seconds after the schedule's end; in the histogram as they were.
    pub(crate) unanswered: u64,
    /// Of expected answers, and of the unanswered.
    pub(crate) latency: Histogram<u64>,
    /// How late the generator itself sent.
    pub(crate) late: Histogram<u64>,
    /// The time that counted, seconds.
    pub(crate) seconds: f64,
    /// The generator's thread: CPU time by wall time.
    pub(crate) generator_busy: f64,
    /// The generator's core, where it is kept to one.
    pub(crate) core_busy: Option<f64>,
    /// Since the clients connected, the warm-up included.
    pub(crate) handshakes: Handshakes,
    /// Or why it is no result.
    pub(crate) valid: Done,
}

impl Measured {
    /// Answers per second.
    pub(crate) fn per_second(&self) -> f64 {
        // Below 2^32 for any run that ends within a day.
        f64::from(u32::try_from(self.answered).unwrap_or(u32::MAX)) / self.seconds
    }

    /// Latency at a quantile (0 to 1), microseconds.
    pub(crate) fn latency_us(&self, quantile: f64) -> f64 {
        microseconds(self.latency.value_at_quantile(quantile))
    }

    /// The generator's lateness at a quantile (0 to 1), microseconds.
    pub(crate) fn late_us(&self, quantile: f64) -> f64 {
        microseconds(self.late.value_at_quantile(quantile))
    }

    /// The latency's percentile curve: percentile (0 to 100) and microseconds, both ascending,
    /// denser towards the tail.
    pub(crate) fn curve(&self) -> Vec<(f64, f64)> {
        let steps = self.latency.iter_quantiles(5);
        steps.map(|step| (step.quantile() * 100.0, microseconds(step.value_iterated_to()))).collect()
    }

    /// Whether it is a result; otherwise the reason that weighs most.
    pub(super) fn judge(&self) -> Done {
        let late = self.late_us(0.99);
        let bound = LATE_P99.as_secs_f64() * 1e6;
        if let Some(error) = &self.first_error {
            return Err(format!("{} of {} requests failed, the first: {error}", self.errors, self.sent));
        }
        if self.not_sent > 0 {
            return Err(format!("{} requests were not sent: too many waited already", self.not_sent));
        }
        if self.unanswered > 0 {
            return Err(format!("{} requests had no answer at the end", self.unanswered));
        }
        if self.answered == 0 {
            return Err("no request was due".to_owned());
        }
        if self.generator_busy > BUSY {
            return Err(format!(
                "the generator was the bottleneck: its thread used {:.0} % of a core, {:.0} % is accepted",
                self.generator_busy * 100.0,
                BUSY * 100.0
            ));
        }
        if let Some(busy) = self.core_busy.filter(|busy| *busy > CORE_BUSY) {
            return Err(format!(
                "the generator's core was the bottleneck: busy for {:.0} % of the time, {:.0} % is accepted",
                busy * 100.0,
                CORE_BUSY * 100.0
            ));
        }
        if late > bound {
            return Err(format!(
                "the generator was the bottleneck: at the 99th percentile it sent {late:.0} µs late, {bound:.0} is accepted"
            ));
        }
        Ok(())
    }
}

fn microseconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;

    use super::super::Handshakes;
    use super::Measured;

    fn run() -> Measured {
        let mut latency = Histogram::new(3).unwrap();
        for microseconds in 1..=1000 {
            latency.record(microseconds * 1000).unwrap();
        }
        let mut late = Histogram::new(3).unwrap();
        late.record_n(20_000, 1000).unwrap();
        Measured {
            sent: 1000,
            sent_in_all: 1100,
            answered: 1000,
            errors: 0,
            first_error: None,
            not_sent: 0,
            unanswered: 0,
            latency,
            late,
            seconds: 2.0,
            generator_busy: 0.3,
            core_busy: Some(0.5),
            handshakes: Handshakes::default(),
            valid: Ok(()),
        }
    }

    #[test]
    fn a_run_that_the_generator_spoiled_is_no_result() {
        run().judge().unwrap();
        let mut late = run();
        late.late.record_n(600_000, 11).unwrap();
        assert!(late.judge().unwrap_err().contains("µs late"));
        assert!(Measured { generator_busy: 0.85, ..run() }.judge().unwrap_err().contains("its thread"));
        assert!(Measured { core_busy: Some(0.99), ..run() }.judge().unwrap_err().contains("core was"));
        Measured { core_busy: None, ..run() }.judge().unwrap();
    }

    #[test]
    fn a_run_with_requests_that_are_missing_is_no_result() {
        assert!(Measured { not_sent: 1, ..run() }.judge().unwrap_err().contains("not sent"));
        assert!(Measured { unanswered: 1, ..run() }.judge().unwrap_err().contains("no answer"));
        assert!(Measured { answered: 0, ..run() }.judge().is_err());
        let failed = Measured { errors: 3, first_error: Some("status 502".to_owned()), ..run() };
        assert!(failed.judge().unwrap_err().contains("3 of 1000 requests failed, the first: status 502"));
    }

    #[test]
    fn the_curve_ascends_to_the_slowest() {
        let run = run();
        assert!((run.latency_us(0.5) - 500.0).abs() < 2.0);
        assert!((run.per_second() - 500.0).abs() < 1e-9);
        let curve = run.curve();
        assert!(curve.is_sorted_by(|one, next| one.0 <= next.0 && one.1 <= next.1));
        let (percentile, slowest) = *curve.last().unwrap();
        assert!((percentile - 100.0).abs() < 1e-9 && (slowest - 1000.0).abs() < 2.0);
    }
}
