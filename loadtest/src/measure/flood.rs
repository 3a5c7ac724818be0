//! Good calls beside ten times as many with wrong keys: an open loop of each at once, in rounds
//! with good calls alone.
//!
//! The wrong keys are well formed, those of another registry, so that each costs the gateway all
//! that a key can cost. What is told is the p99 of the good calls; it must never be told of a round in which the
//! generator was the bottleneck.

use std::rc::Rc;

use hdrhistogram::Histogram;

use super::lineup::Contender;
use super::rounds::Extent;
use crate::Done;
use crate::load::{Measured, Schedule, Target, open, open_with};
use crate::report::{Latency, Progress};
use crate::traffic::Traffic;
use crate::transport::Protocol;

/// Calls with a wrong key for each good one.
pub(crate) const TIMES: u32 = 10;

/// Latency of the good calls, alone and beside the others.
pub(crate) async fn measure(
    gateway: &Contender,
    strangers: Rc<[String]>,
    protocol: Protocol,
    extent: &Extent,
    rate: u32,
    progress: &Progress,
) -> [Latency; 2] {
    let schedule =
        Schedule { rate: f64::from(rate), seconds: extent.length().as_secs_f64(), ..Schedule::default() };
    let flood = Schedule { rate: schedule.rate * f64::from(TIMES), ..schedule.clone() };
    let wrong = Target { keys: strangers, ..gateway.target.clone() };
    let refused = Traffic { refused: Some(401), ..Traffic::default() };
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for round in 1..=extent.count() {
        progress.step(&format!("{}, alone and beside wrong keys, round {round}", gateway.name));
        // The order is reversed from round to round, as everywhere.
        for flooded in [round % 2 == 0, round % 2 != 0] {
            if flooded {
                let both =
                    tokio::join!(open(&gateway.target, &schedule), open_with(&wrong, &refused, &flood));
                beside.push(both.1.and_then(|flood| flood.valid).and(both.0));
            } else {
                alone.push(open(&gateway.target, &schedule).await);
            }
        }
    }
    let name = &gateway.name;
    [
        told(name.clone(), protocol, schedule.rate, alone),
        told(format!("{name} in a flood"), protocol, schedule.rate, beside),
    ]
}

fn told(target: String, protocol: Protocol, rate: f64, rounds: Vec<Done<Measured>>) -> Latency {
    let count = rounds.len();
    let mut faults = Vec::new();
    let mut valid: Vec<Histogram<u64>> = Vec::new();
    for round in rounds {
        match round.and_then(|round| round.valid.map(|()| round.latency)) {
            Ok(latency) => valid.push(latency),
            Err(fault) => faults.push(fault),
        }
    }
    let latency = Latency::new(target, protocol, rate, &valid);
    match faults.first() {
        Some(fault) if 2 * valid.len() <= count => {
            latency.refused(format!("{} of {count} rounds are no result: {fault}", faults.len()))
        }
        _ => latency,
    }
}
