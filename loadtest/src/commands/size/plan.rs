//! From costs to cores, memory and replicas: arithmetic alone, measured nowhere.

use std::time::Duration;

/// A figure and the range that it was found in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Estimate {
    /// The middle of several, and their extremes; negative ones are noise about nothing.
    pub(super) fn of(mut figures: Vec<f64>) -> Self {
        figures.retain(|figure| figure.is_finite());
        for figure in &mut figures {
            *figure = figure.max(0.0);
        }
        figures.sort_by(f64::total_cmp);
        let at = |index: usize| figures.get(index).copied().unwrap_or(0.0);
        Self { value: at(figures.len() / 2), low: at(0), high: at(figures.len().saturating_sub(1)) }
    }

    /// One that was measured once.
    pub(super) fn exactly(value: f64) -> Self {
        Self { value, low: value, high: value }
    }

    pub(super) fn times(self, factor: f64) -> Self {
        Self { value: self.value * factor, low: self.low * factor, high: self.high * factor }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self { value: self.value + other.value, low: self.low + other.low, high: self.high + other.high }
    }
}

/// The traffic that is asked about.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) requests_per_second: f64,
    pub(super) p99: Duration,
    pub(super) connections: f64,
    pub(super) full_handshakes_per_second: f64,
    pub(super) resumed_handshakes_per_second: f64,
    pub(super) keys: f64,
    /// Cores that a replica has.
    pub(super) replica_cores: u32,
    /// The part of cores and memory that the traffic may use, 0 to 1.
    pub(super) share: f64,
}

/// What things cost here.
#[derive(Clone, Debug)]
pub(super) struct Costs {
    /// Microseconds.
    pub(super) request: Estimate,
    /// The part of a core that a worker takes beside: one that is not full wakes up more often.
    /// It holds between the two rates that were measured, not at rest.
    pub(super) worker: Estimate,
    pub(super) full_handshake: Estimate,
    pub(super) resumed_handshake: Estimate,
    /// Microseconds per second.
    pub(super) connection: Estimate,
    /// Bytes.
    pub(super) connection_bytes: Estimate,
    pub(super) key_bytes: Estimate,
    pub(super) base_bytes: f64,
}

/// What the traffic needs.
#[derive(Debug)]
pub(super) struct Needed {
    /// Cores that are busy at the stated traffic.
    pub(super) busy: Estimate,
    /// Cores to have, a worker on each.
    pub(super) cores: u32,
    pub(super) cores_low: u32,
    pub(super) cores_high: u32,
    pub(super) replicas: u32,
    /// Bytes in use by each replica.
    pub(super) used_bytes: Estimate,
    /// Bytes to have in each replica.
    pub(super) memory: Estimate,
    /// Requests per second of each worker.
    pub(super) worker_rate: f64,
    /// The part of the others' cores that is busy when one replica is gone.
    pub(super) one_gone: f64,
}

/// At least two, so that one may fail or be replaced.
const FEWEST_REPLICAS: u32 = 2;

/// What the traffic needs, where each core may be used for `share` of its time.
pub(super) fn plan(asked: &Asked, costs: &Costs, share: f64) -> Needed {
    let work = costs
        .request
        .times(asked.requests_per_second / 1e6)
        .plus(costs.full_handshake.times(asked.full_handshakes_per_second / 1e6))
        .plus(costs.resumed_handshake.times(asked.resumed_handshakes_per_second / 1e6))
        .plus(costs.connection.times(asked.connections / 1e6));
    // Each core also bears its worker's idling.
    let cores = |work: f64, idling: f64| whole(work / (share - idling).max(share / 10.0));
    let least = cores(work.value, costs.worker.value);
    let replicas = least.div_ceil(asked.replica_cores.max(1)).max(FEWEST_REPLICAS);
    // Replicas are alike.
    let alike = |cores: u32| cores.div_ceil(replicas) * replicas;
    let cores_needed = alike(least);
    let each = f64::from(replicas);
    let used_bytes = Estimate::exactly(costs.base_bytes)
        .plus(costs.connection_bytes.times(asked.connections / each))
        .plus(costs.key_bytes.times(asked.keys));
    let busy = work.plus(costs.worker.times(f64::from(cores_needed)));
    Needed {
        busy,
        cores: cores_needed,
        cores_low: alike(cores(work.low, costs.worker.low)),
        cores_high: alike(cores(work.high, costs.worker.high)),
        replicas,
        used_bytes,
        memory: used_bytes.times(1.0 / asked.share),
        worker_rate: asked.requests_per_second / f64::from(cores_needed),
        one_gone: busy.value / f64::from(cores_needed) * each / (each - 1.0),
    }
}

/// The next whole number, at least one.
fn whole(figure: f64) -> u32 {
    #[expect(clippy::cast_sign_loss, reason = "at least one, and a cast ends at the largest")]
    let whole = figure.ceil().max(1.0) as u32;
    whole
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Asked, Costs, Estimate, plan};

    fn asked() -> Asked {
        Asked {
            requests_per_second: 50_000.0,
            p99: Duration::from_millis(1),
            connections: 10_000.0,
            full_handshakes_per_second: 0.0,
            resumed_handshakes_per_second: 0.0,
            keys: 1_000_000.0,
            replica_cores: 4,
            share: 0.5,
        }
    }

    fn costs() -> Costs {
        let nothing = Estimate::exactly(0.0);
        Costs {
            request: Estimate { value: 20.0, low: 19.0, high: 25.0 },
            worker: nothing,
            full_handshake: Estimate::exactly(200.0),
            resumed_handshake: Estimate::exactly(50.0),
            connection: nothing,
            connection_bytes: Estimate::exactly(20_000.0),
            key_bytes: Estimate::exactly(100.0),
            base_bytes: 20e6,
        }
    }

    #[test]
    fn estimates_are_medians_with_extremes() {
        assert_eq!(Estimate::of(vec![3.0, 1.0, 2.0]), Estimate { value: 2.0, low: 1.0, high: 3.0 });
        assert_eq!(Estimate::of(vec![-1.0]), Estimate::exactly(0.0));
        assert_eq!(Estimate::of(Vec::new()), Estimate::exactly(0.0));
    }

    #[test]
    fn half_of_every_core_is_left() {
        // 50,000 times 20 µs are one core, so two at half; two replicas with one core each.
        let needed = plan(&asked(), &costs(), 0.5);
        assert_eq!((needed.cores, needed.replicas), (2, 2));
        assert!((needed.busy.value - 1.0).abs() < 1e-9 && (needed.one_gone - 1.0).abs() < 1e-9);
        assert_eq!((needed.cores_low, needed.cores_high), (2, 4));
        assert!((needed.worker_rate - 25_000.0).abs() < 1e-6);
        // 20 MB, 5,000 connections, a million keys; and as much again.
        assert!((needed.used_bytes.value - 220e6).abs() < 1.0 && (needed.memory.value - 440e6).abs() < 1.0);
    }

    #[test]
    fn everything_that_is_asked_for_costs() {
        let base = plan(&asked(), &costs(), 0.5);
        let more = Asked { full_handshakes_per_second: 5000.0, ..asked() };
        assert!((plan(&more, &costs(), 0.5).busy.value - base.busy.value - 1.0).abs() < 1e-9);
        let more = Asked { resumed_handshakes_per_second: 20_000.0, ..asked() };
        assert!((plan(&more, &costs(), 0.5).busy.value - base.busy.value - 1.0).abs() < 1e-9);
        let idling = Costs { worker: Estimate::exactly(0.1), ..costs() };
        assert_eq!(plan(&asked(), &idling, 0.5).cores, 4);
        // A p99 that only a quarter of a core holds.
        assert_eq!(plan(&asked(), &costs(), 0.25).cores, 4);
        let large = Asked { requests_per_second: 500_000.0, ..asked() };
        let needed = plan(&large, &costs(), 0.5);
        assert_eq!((needed.cores, needed.replicas), (20, 5));
        assert!(needed.one_gone < 0.7);
    }
}
