//! Latency of every target at one rate that is far below what any can do, by an open loop, in
//! interleaved rounds beside the upstream itself.
//!
//! A round in which the generator was the bottleneck is never part of a figure.

use hdrhistogram::Histogram;

use super::lineup::{Contender, DIRECT};
use super::rounds::Extent;
use crate::Done;
use crate::load::{Measured, Schedule, open};
use crate::report::{Latency, Progress};
use crate::transport::Protocol;

/// Measures all; `direct` has to be among them.
pub(crate) async fn measure(
    contenders: &[Contender],
    protocol: Protocol,
    extent: &Extent,
    rate: u32,
    progress: &Progress,
) -> Vec<Latency> {
    let schedule =
        Schedule { rate: f64::from(rate), seconds: extent.length().as_secs_f64(), ..Schedule::default() };
    let what = format!("{} at {rate}/s", protocol.name());
    let outcomes = extent
        .interleave(contenders, &what, progress, async |contender| open(&contender.target, &schedule).await)
        .await;
    let told =
        |(contender, outcome): (&Contender, _)| told(&contender.name, protocol, schedule.rate, outcome);
    let figures: Vec<Latency> = contenders.iter().zip(outcomes).map(told).collect();
    let (direct, others): (Vec<_>, Vec<_>) = figures.into_iter().partition(|own| own.target == DIRECT);
    let base = direct.first().filter(|direct| direct.valid);
    let beside = |own: Latency| match base {
        Some(direct) if own.valid => own.over(direct),
        _ => own,
    };
    let mut figures: Vec<Latency> = others.into_iter().map(beside).collect();
    figures.extend(direct);
    figures
}

/// The rounds of one target that are results, where they are the most of them.
fn told(target: &str, protocol: Protocol, rate: f64, outcome: Done<Vec<Measured>>) -> Latency {
    let rounds = match outcome {
        Ok(rounds) => rounds,
        Err(said) => return Latency::new(target, protocol, rate, &[]).refused(said),
    };
    let valid: Vec<Histogram<u64>> =
        rounds.iter().filter(|round| round.valid.is_ok()).map(|round| round.latency.clone()).collect();
    let latency = Latency::new(target, protocol, rate, &valid);
    let fault = rounds.iter().find_map(|round| round.valid.as_ref().err());
    match fault.filter(|_| 2 * valid.len() <= rounds.len()) {
        Some(fault) => {
            let spoiled = rounds.len() - valid.len();
            latency.refused(format!("{spoiled} of {} rounds are no result: {fault}", rounds.len()))
        }
        None => latency,
    }
}
