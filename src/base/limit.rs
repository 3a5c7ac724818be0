//! A limit in numbers: how many tokens a bucket holds and how fast they come, and what follows from
//! that for a bucket of which only the arrival time is kept.
//!
//! The arithmetic of the generic cell rate algorithm (ITU-T I.371, 2004, annex A; virtual scheduling).
//! Pure: no clock, no bucket.

use std::time::Duration;

/// Nanoseconds since some moment before the process served anything; never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub u64);

/// What a bucket holds and how fast it fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// Nanoseconds in which one token comes.
    interval: u64,
    /// The same for a whole bucket.
    whole: u64,
    /// Both in one number, by which a bucket knows whether it was reckoned with another limit: the interval
    /// as a float of 32 bits, and tokens of a whole bucket in the lowest 20.
    terms: u64,
}

/// Most tokens that come in a second, and that a bucket holds: at the highest rate one comes in a
/// microsecond, and at the lowest of one an hour a whole bucket takes 114 years.
const MOST_PER_SECOND: u64 = 1_000_000;
const MOST_BURST: u32 = 1_000_000;
const SECOND: u128 = 1_000_000_000;
const NANOS: u64 = 1_000_000_000;
const HOUR: u64 = 3_600_000_000_000;
/// The times of a rate, by the letters they are written with, in seconds.
const UNITS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
/// A bucket that fills in less has to be told the time more exactly than the kernel's note of it does:
/// ten milliseconds of what comes would be more than a tenth of what it holds.
const FINE: u64 = 100_000_000;

/// Why a rate and a burst make no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitFault {
    /// The rate is no number in a time.
    #[error("a rate is a number in a time, e.g. 100/s, 30/m, 5/h, 24/d")]
    Rate,
    /// It is one, and nobody can keep it.
    #[error("a rate is from 1/h to 1000000/s, and a burst from 1 to 1000000")]
    Range,
}

/// Bits that hold the tokens of a whole bucket: a million is less than 2^20.
const BURST_BITS: u32 = 20;

fn terms(interval: u64, burst: u32) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "limits that differ in the eighth digit are the same")]
    let interval = interval as f32;
    u64::from(interval.to_bits()) << BURST_BITS | u64::from(burst)
}

/// The interval in terms, as rounded there: two limits that take turns round each other's alike.
fn interval_of(terms: u64) -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "what stands above the tokens has 32 bits")]
    let bits = (terms >> BURST_BITS) as u32;
    f64::from(f32::from_bits(bits)).max(1.0)
}

impl Limit {
    /// Reads a rate such as `100/s`, `30/m`, `5/h`, `24/d`, beside how many tokens a bucket holds.
    pub fn parse(rate: &str, burst: u32) -> Result<Self, LimitFault> {
        let (tokens, time) = read_rate(rate).ok_or(LimitFault::Rate)?;
        Self::new(tokens, time, burst).ok_or(LimitFault::Range)
    }

    /// So many tokens in a time, and a bucket that holds `burst`. `None` for a rate of none, above a
    /// million a second or below one an hour, and for a burst of none or above a million. The interval
    /// is rounded up, so that a limit is never exceeded: by a nanosecond at most.
    pub fn new(tokens: u32, time: Duration, burst: u32) -> Option<Self> {
        let time = u64::try_from(time.as_nanos()).ok()?;
        let interval = time.checked_add(u64::from(tokens).checked_sub(1)?)? / u64::from(tokens);
        // Compared before rounding.
        let slow_enough = u128::from(tokens) * SECOND <= u128::from(MOST_PER_SECOND) * u128::from(time);
        let legal = slow_enough && interval <= HOUR && (1..=MOST_BURST).contains(&burst);
        legal.then(|| Self { interval, whole: interval * u64::from(burst), terms: terms(interval, burst) })
    }

    /// The rate as it is written: in the shortest time of which it is a whole number, e.g. `1/s` for
    /// what was written as `60/m`.
    pub fn rate(self) -> String {
        let written = UNITS.iter().find_map(|(unit, seconds)| {
            let time = Duration::from_secs(*seconds);
            let tokens = u32::try_from(seconds * NANOS / self.interval).ok()?;
            // The interval was rounded up, so that a token more may come to the same.
            [tokens, tokens.checked_add(1)?].into_iter().find_map(|tokens| {
                let same = Self::new(tokens, time, 1)?.interval == self.interval;
                same.then(|| format!("{tokens}/{unit}"))
            })
        });
        written.unwrap_or_else(|| format!("1/{:?}", Duration::from_nanos(self.interval)))
    }

    /// Whether its tokens come more slowly than another's.
    pub fn is_slower_than(self, other: Self) -> bool {
        self.interval > other.interval
    }

    /// How many tokens a full bucket holds.
    pub fn burst(self) -> u32 {
        u32::try_from(self.whole / self.interval).unwrap_or(u32::MAX)
    }

    /// Nanoseconds in which one token comes.
    pub fn interval(self) -> u64 {
        self.interval
    }

    /// What one of so many has of the limit; a bucket that holds `weight` tokens at the least, so that a
    /// call which takes so many can be made at all.
    #[must_use]
    pub fn share(self, of: u32, weight: u32) -> Self {
        let of = of.max(1);
        let interval = self.interval.saturating_mul(u64::from(of));
        let burst = (self.burst() / of).max(weight).max(1);
        // Far from the end of time, where nothing could be told apart.
        let whole = interval.saturating_mul(u64::from(burst)).min(u64::MAX / 4);
        Self { interval, whole, terms: terms(interval, burst) }
    }

    /// The time in which an empty bucket fills.
    pub fn window(self) -> Duration {
        Duration::from_nanos(self.whole)
    }

    /// Whether the time has to be exact.
    #[inline]
    pub fn is_fine(self) -> bool {
        self.whole < FINE
    }

    /// The time in which so many tokens come, in nanoseconds.
    #[inline]
    pub fn time_of(self, weight: u32) -> u64 {
        self.interval.saturating_mul(u64::from(weight))
    }

    /// The arrival time after `weight` tokens are taken, or how long until there are so many.
    #[inline]
    pub fn after(self, arrival: Nanos, now: Nanos, weight: u32) -> Result<Nanos, Duration> {
        let next = arrival.0.max(now.0).saturating_add(self.time_of(weight));
        let ahead = next - now.0;
        if ahead <= self.whole { Ok(Nanos(next)) } else { Err(Duration::from_nanos(ahead - self.whole)) }
    }

    /// What tells this limit from another in a bucket that is reckoned with it; never 0.
    #[inline]
    pub fn terms(self) -> u64 {
        self.terms
    }

    /// The arrival time under this limit of a bucket that was reckoned with another of these terms: as many
    /// tokens are taken as were, also where that is more than it holds now. Forgiven, they would be there
    /// again whenever two limits take turns, as while replicas are given another configuration one by one.
    #[must_use]
    pub fn instead_of(self, terms: u64, arrival: Nanos, now: Nanos) -> Nanos {
        let (before, interval) = (interval_of(terms), interval_of(self.terms));
        if before.to_bits() == interval.to_bits() {
            return arrival;
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a float is cut to what an integer holds, and a token more or less in ten million is none"
        )]
        let ahead = (arrival.0.saturating_sub(now.0) as f64 / before * interval) as u64;
        Nanos(now.0.saturating_add(ahead.min(u64::MAX / 4)))
    }

    /// Tokens in a bucket with this arrival time.
    pub fn tokens(self, arrival: Nanos, now: Nanos) -> u32 {
        let ahead = arrival.0.saturating_sub(now.0);
        u32::try_from(self.whole.saturating_sub(ahead) / self.interval).unwrap_or(u32::MAX)
    }
}

/// Reads `100/s`: how many in what time.
fn read_rate(text: &str) -> Option<(u32, Duration)> {
    let (tokens, unit) = text.split_once('/')?;
    let (_, seconds) = UNITS.iter().find(|(known, _)| *known == unit)?;
    // `parse` would take a sign.
    let digits = !tokens.is_empty() && tokens.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| Some((tokens.parse().ok()?, Duration::from_secs(*seconds))))?
}

#[cfg(test)]
mod tests {
    use super::{Limit, LimitFault, read_rate};
    use proptest::prelude::{prop_assert_eq, proptest};
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn only_limits_that_can_be_kept_are_made() {
        assert!(Limit::new(0, SECOND, 1).is_none() && Limit::new(1, SECOND, 0).is_none());
        assert!(Limit::new(1_000_001, SECOND, 1).is_none() && Limit::new(1, SECOND, 1_000_001).is_none());
        assert!(
            Limit::new(1, Duration::from_secs(3_601), 1).is_none()
                && Limit::new(1, Duration::ZERO, 1).is_none()
        );
        let three = Limit::new(3, SECOND, 10).unwrap();
        assert_eq!((three.burst(), three.window()), (10, Duration::from_nanos(3_333_333_340)));
        assert!(
            Limit::new(1_000_000, SECOND, 1_000_000).is_some()
                && Limit::new(1, SECOND * 3_600, 1_000_000).is_some()
        );
    }

    #[test]
    fn rates_are_a_number_in_a_time() {
        assert_eq!(read_rate("100/s"), Some((100, SECOND)));
        assert_eq!(read_rate("24/d"), Some((24, SECOND * 86_400)));
        for bad in ["100", "/s", "100/", "+1/s", "-1/s", "1.5/s", "1/sec", "1 /s", "99999999999/s"] {
            assert_eq!(Limit::parse(bad, 1), Err(LimitFault::Rate), "{bad}");
        }
        assert_eq!(Limit::parse("1/d", 1), Err(LimitFault::Range));
        assert_eq!(Limit::parse("1/s", 0), Err(LimitFault::Range));
    }

    #[test]
    fn a_rate_is_told_as_it_is_written() {
        for (written, told) in [
            ("100/s", "100/s"),
            ("3/s", "3/s"),
            ("60/m", "1/s"),
            ("7/m", "7/m"),
            ("1/h", "1/h"),
            ("25/d", "25/d"),
            ("1000000/s", "1000000/s"),
        ] {
            assert_eq!(Limit::parse(written, 1).unwrap().rate(), told);
        }
    }

    proptest! {
        /// What is told is the same limit.
        #[test]
        fn what_is_told_is_read_again(tokens in 1_u32..1_000_000, unit in 0_usize..4) {
            let written = format!("{tokens}/{}", ["s", "m", "h", "d"][unit]);
            if let Ok(limit) = Limit::parse(&written, 5) {
                prop_assert_eq!(Limit::parse(&limit.rate(), 5), Ok(limit));
            }
        }
    }
}
