//! Latency at a rate that is held: from the moment at which a request was due.
//!
//! Only an open loop may fill these; a closed loop leaves out the calls that it did not make
//! while it waited.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::{figure, median, named_protocol, protocol_name, round};
use crate::transport::Protocol;

/// Points of a curve for each nine: enough that a step shows as one.
const POINTS_PER_NINE: u32 = 20;

/// The quantiles of one distribution that people ask for, in microseconds.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    #[serde(rename = "p50_us", deserialize_with = "figure")]
    pub(crate) p50: f64,
    #[serde(rename = "p90_us", deserialize_with = "figure")]
    pub(crate) p90: f64,
    #[serde(rename = "p99_us", deserialize_with = "figure")]
    pub(crate) p99: f64,
    #[serde(rename = "p999_us", deserialize_with = "figure")]
    pub(crate) p999: f64,
    #[serde(rename = "max_us", deserialize_with = "figure")]
    pub(crate) max: f64,
}

/// One target with one protocol at one rate, all rounds.
#[derive(Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) target: String,
    #[serde(serialize_with = "protocol_name", deserialize_with = "named_protocol")]
    pub(crate) protocol: Protocol,
    /// Requests per second that were due.
    pub(crate) rate: f64,
    pub(crate) rounds: usize,
    /// Medians over the rounds, but the worst of all rounds as the maximum.
    #[serde(flatten)]
    pub(crate) percentiles: Percentiles,
    /// What each lies above the same figure without anything between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) added_over_direct: Option<Percentiles>,
    /// Quantile (0 to 1, without 1) and microseconds, of all rounds together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) curve: Vec<(f64, f64)>,
    pub(crate) valid: bool,
    /// One sentence, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why_not: Option<String>,
}

/// One target with one protocol under one load: throughput against latency.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct LoadPoint {
    pub(crate) target: String,
    #[serde(serialize_with = "protocol_name", deserialize_with = "named_protocol")]
    pub(crate) protocol: Protocol,
    /// Requests per second that were due.
    pub(crate) offered_per_second: f64,
    /// Answers per second that came.
    pub(crate) requests_per_second: f64,
    pub(crate) p50_us: f64,
    #[serde(default)]
    pub(crate) p99_us: Option<f64>,
    pub(crate) valid: bool,
}

#[allow(dead_code, reason = "the open loop that fills it comes with its own command")]
impl Percentiles {
    /// Of a histogram in nanoseconds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| microseconds(histogram.value_at_quantile(quantile));
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: microseconds(histogram.max()),
        }
    }

    fn over(self, base: Self) -> Self {
        Self {
            p50: round(self.p50 - base.p50),
            p90: round(self.p90 - base.p90),
            p99: round(self.p99 - base.p99),
            p999: round(self.p999 - base.p999),
            max: round(self.max - base.max),
        }
    }
}

#[allow(dead_code, reason = "the open loop that fills it comes with its own command")]
impl Latency {
    /// From the histograms of all rounds, in nanoseconds; none of them makes it invalid.
    pub(crate) fn new(
        target: impl Into<String>,
        protocol: Protocol,
        rate: f64,
        rounds: &[Histogram<u64>],
    ) -> Self {
        let each: Vec<Percentiles> = rounds.iter().map(Percentiles::of).collect();
        let of = |figure: fn(&Percentiles) -> f64| round(median(each.iter().map(figure).collect()));
        let worst = each.iter().map(|round| round.max).reduce(f64::max);
        Self {
            target: target.into(),
            protocol,
            rate,
            rounds: rounds.len(),
            percentiles: Percentiles {
                p50: of(|round| round.p50),
                p90: of(|round| round.p90),
                p99: of(|round| round.p99),
                p999: of(|round| round.p999),
                max: worst.unwrap_or(f64::NAN),
            },
            added_over_direct: None,
            curve: curve(rounds),
            valid: !rounds.is_empty(),
            why_not: rounds.is_empty().then(|| "nothing was measured".to_owned()),
        }
    }

    /// States what each figure lies above the direct one.
    pub(crate) fn over(mut self, direct: &Self) -> Self {
        self.added_over_direct = Some(self.percentiles.over(direct.percentiles));
        self
    }

    /// No result, and why: a generator that was late, errors, a target that fell behind.
    pub(crate) fn refused(mut self, why: impl Into<String>) -> Self {
        (self.valid, self.why_not) = (false, Some(why.into()));
        self
    }
}

/// The quantile curve of all rounds together, as far as the number of requests reaches: the
/// last quantile is one that a request lies above.
fn curve(rounds: &[Histogram<u64>]) -> Vec<(f64, f64)> {
    let Some((first, others)) = rounds.split_first() else { return Vec::new() };
    let mut all = first.clone();
    for other in others {
        // Histograms of one shape add up; one that does not fit leaves the curve to the rest.
        let _ = all.add(other);
    }
    let mut curve = Vec::new();
    for step in 0.. {
        let above = 10_f64.powf(-f64::from(step) / f64::from(POINTS_PER_NINE));
        let requests = std::time::Duration::from_secs(all.len()).as_secs_f64();
        if above * requests < 1.0 {
            break;
        }
        curve.push((1.0 - above, microseconds(all.value_at_quantile(1.0 - above))));
    }
    curve
}

fn microseconds(nanoseconds: u64) -> f64 {
    round(std::time::Duration::from_nanos(nanoseconds).as_secs_f64() * 1e6)
}
