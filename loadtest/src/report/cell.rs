//! Cells: one target with one protocol, all rounds of a closed loop.
//!
//! Medians with their extremes; the ratio is the median of the rounds' ratios, each against
//! the floor of the same round, since absolute figures of a shared machine drift.

use serde::{Deserialize, Serialize};

use super::{figure, median, round};
use crate::transport::Protocol;

/// One round of one target. Write what was measured, and `..Sample::default()` for the rest.
#[derive(Clone, Default)]
pub(crate) struct Sample {
    /// CPU time of the target's process per request, user and system together.
    pub(crate) cpu_us: f64,
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    /// Bytes, at the end of the round.
    pub(crate) rss: u64,
    /// Part of the time that the target's core was busy, 0 to 1.
    pub(crate) target_busy: f64,
    /// The same of the core that load and upstream share.
    pub(crate) load_busy: f64,
    pub(crate) errors: u64,
    /// The parts of `cpu_us`.
    pub(crate) user_us: Option<f64>,
    pub(crate) system_us: Option<f64>,
    /// Voluntary and involuntary, per request.
    pub(crate) context_switches: Option<f64>,
    /// Of the hardware counter, in user space, per request.
    pub(crate) instructions: Option<f64>,
    /// The most that was resident since the target started, in bytes.
    pub(crate) peak_rss: Option<u64>,
    /// When the target had just begun to listen, in bytes.
    pub(crate) idle_rss: Option<u64>,
}

/// One target with one protocol, all rounds.
#[derive(Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) target: String,
    /// A protocol's name, or the name of what stands in its place: `handshake-full`.
    pub(crate) protocol: String,
    pub(crate) rounds: usize,
    pub(crate) cpu_us_per_request: Spread,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_us_per_request: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) system_us_per_request: Option<f64>,
    /// Absent where the floor was not measured in the same rounds.
    pub(crate) ratio_to_floor: Option<f64>,
    /// The ratios of the rounds; the median is `ratio_to_floor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ratio_spread: Option<Spread>,
    #[serde(deserialize_with = "figure")]
    pub(crate) requests_per_second: f64,
    #[serde(deserialize_with = "figure")]
    pub(crate) p50_us: f64,
    /// Not told by a closed loop: it leaves out the calls that it did not make meanwhile.
    pub(crate) p99_us: Option<f64>,
    pub(crate) rss_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) peak_rss_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) idle_rss_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) context_switches_per_request: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) instructions_per_request: Option<f64>,
    /// Part of the time that the target's core and the load's were busy.
    pub(crate) core_busy: CoreBusy,
    pub(crate) errors: u64,
    pub(crate) valid: bool,
}

/// How busy the two cores were, 0 to 1.
#[derive(Serialize, Deserialize)]
pub(crate) struct CoreBusy {
    #[serde(deserialize_with = "figure")]
    pub(crate) target: f64,
    #[serde(deserialize_with = "figure")]
    pub(crate) load: f64,
}

/// A median between its extremes.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Spread {
    #[serde(deserialize_with = "figure")]
    pub(crate) median: f64,
    #[serde(deserialize_with = "figure")]
    pub(crate) min: f64,
    #[serde(deserialize_with = "figure")]
    pub(crate) max: f64,
}

impl Spread {
    /// Of the figures of all rounds; of none, not a number.
    pub(crate) fn of(figures: Vec<f64>) -> Self {
        let (min, max) = (figures.iter().copied().reduce(f64::min), figures.iter().copied().reduce(f64::max));
        Self {
            min: round(min.unwrap_or(f64::NAN)),
            max: round(max.unwrap_or(f64::NAN)),
            median: round(median(figures)),
        }
    }
}

impl From<Protocol> for String {
    fn from(protocol: Protocol) -> Self {
        protocol.name().to_owned()
    }
}

impl Cell {
    /// From the rounds of a target and of the floor, pair by pair. Without a floor there is no
    /// ratio, and the cell is valid by its own errors.
    pub(crate) fn new(
        target: impl Into<String>,
        protocol: impl Into<String>,
        samples: &[Sample],
        floor: &[Sample],
    ) -> Self {
        let of = |figure: fn(&Sample) -> f64| samples.iter().map(figure).collect::<Vec<_>>();
        let ratios: Vec<f64> =
            samples.iter().zip(floor).map(|(own, floor)| own.cpu_us / floor.cpu_us).collect();
        let ratio_spread = (!ratios.is_empty()).then(|| Spread::of(ratios));
        let errors = samples.iter().map(|sample| sample.errors).sum();
        Self {
            target: target.into(),
            protocol: protocol.into(),
            rounds: samples.len(),
            cpu_us_per_request: Spread::of(of(|sample| sample.cpu_us)),
            user_us_per_request: known(samples, |sample| sample.user_us),
            system_us_per_request: known(samples, |sample| sample.system_us),
            ratio_to_floor: ratio_spread.map(|ratio| ratio.median),
            ratio_spread,
            requests_per_second: round(median(of(|sample| sample.per_second))),
            p50_us: round(median(of(|sample| sample.p50_us))),
            p99_us: None,
            rss_bytes: samples.iter().map(|sample| sample.rss).max().unwrap_or(0),
            peak_rss_bytes: samples.iter().filter_map(|sample| sample.peak_rss).max(),
            idle_rss_bytes: samples.iter().filter_map(|sample| sample.idle_rss).max(),
            context_switches_per_request: known(samples, |sample| sample.context_switches),
            instructions_per_request: known(samples, |sample| sample.instructions),
            core_busy: CoreBusy {
                target: round(median(of(|sample| sample.target_busy))),
                load: round(median(of(|sample| sample.load_busy))),
            },
            errors,
            valid: errors == 0 && !samples.is_empty() && (floor.is_empty() || samples.len() == floor.len()),
        }
    }
}

/// The median of a figure that every round has; one round without it, and it is absent.
fn known(samples: &[Sample], figure: fn(&Sample) -> Option<f64>) -> Option<f64> {
    let figures = samples.iter().map(figure).collect::<Option<Vec<_>>>()?;
    (!figures.is_empty()).then(|| round(median(figures)))
}
