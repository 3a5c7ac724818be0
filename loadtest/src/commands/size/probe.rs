//! What a request, a connection, a handshake and a key cost the gateway, measured now.
//!
//! One worker on a core of its own. Costs of requests come from an open loop at two rates: what
//! a worker takes at all and what each request adds are told apart by the difference.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::plan::Estimate;
use crate::load::{Load, Measured, Schedule, check_with, hold, open_with};
use crate::measure::handshakes::Handshakes;
use crate::measure::lineup::{Contender, Lineup};
use crate::report::{MemoryCurve, MemoryPoint};
use crate::traffic::Traffic;
use crate::transport::Protocol;
use crate::{Done, runtime};

/// Connections of the load.
const CONNECTIONS: u16 = 32;
/// Parts of a worker's capacity that are tried, the largest first: the first at which the p99
/// holds is the most that a core may be used for.
const SHARES: [f64; 4] = [0.5, 0.35, 0.2, 0.1];
/// The lower rate, as a part of the upper.
const LOWER: f64 = 0.3;
/// Idle connections that are held; enough that each is well above a page of memory's noise.
const HELD: u32 = 600;
/// Time until a server has settled after connections were opened.
const SETTLE: Duration = Duration::from_millis(300);

/// One gateway under measurement.
pub(super) struct Probe<'p> {
    pub(super) lineup: &'p Lineup,
    pub(super) protocol: Protocol,
    pub(super) traffic: &'p Traffic,
    pub(super) length: Duration,
    pub(super) rounds: u8,
}

/// How far a core may be used.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Share {
    /// The p99 held at this part.
    Holds(f64),
    /// It held at none.
    None,
    /// No run was a result, for the generator's sake.
    Untold,
}

/// Requests.
pub(super) struct Requests {
    /// Microseconds.
    pub(super) cost: Estimate,
    /// The part of a core that a worker takes beside them.
    pub(super) worker: Estimate,
    /// The most of a core that may be used so that the p99 holds.
    pub(super) share: Share,
    /// Why larger ones were not taken.
    pub(super) refused: Vec<String>,
    /// Requests per second that a worker answers when its core is full.
    pub(super) capacity: f64,
}

/// Idle connections.
pub(super) struct Connections {
    pub(super) bytes: Estimate,
    /// Microseconds per second.
    pub(super) cpu: Estimate,
    pub(super) curve: MemoryCurve,
}

impl Probe<'_> {
    /// A gateway with one worker, started now.
    pub(super) fn gateway(&self) -> Done<Contender> {
        self.lineup.gateway(self.protocol)
    }

    /// What requests cost, and how far a core may be used.
    pub(super) fn requests(&self, gateway: &Contender, p99: Duration) -> Done<Requests> {
        runtime()?.block_on(async {
            check_with(&gateway.target, self.traffic).await?;
            let capacity = self.capacity(gateway).await?;
            let (mut share, mut refused) = (Share::Untold, Vec::new());
            for tried in SHARES {
                let (measured, _) = self.at(gateway, capacity * tried, self.length).await?;
                match holds(&measured, p99) {
                    Ok(()) => {
                        share = Share::Holds(tried);
                        break;
                    }
                    Err(said) if measured.valid.is_ok() => {
                        share = Share::None;
                        refused.push(format!("{:.0} % of a core: {said}", tried * 100.0));
                    }
                    Err(said) => refused.push(format!("{:.0} % of a core: {said}", tried * 100.0)),
                }
            }
            let upper = capacity * if let Share::Holds(share) = share { share } else { LOWER };
            let (mut costs, mut workers) = (Vec::new(), Vec::new());
            for _ in 0..self.rounds {
                let (_, low) = self.at(gateway, upper * LOWER, self.length).await?;
                let (_, high) = self.at(gateway, upper, self.length).await?;
                let each = (high.busy - low.busy) / (high.rate - low.rate);
                costs.push(each * 1e6);
                workers.push(low.busy - each * low.rate);
            }
            let (cost, worker) = (Estimate::of(costs), Estimate::of(workers));
            Ok(Requests { cost, worker, share, refused, capacity })
        })
    }

    /// Requests per second of a full core.
    async fn capacity(&self, gateway: &Contender) -> Done<f64> {
        let load = Load::start_with(&gateway.target, self.traffic, usize::from(CONNECTIONS))?;
        sleep(self.length / 3).await;
        load.begin();
        let before = gateway.server()?.figures()?.cpu;
        sleep(self.length).await;
        let (counted, cpu) = (load.counted(), gateway.server()?.figures()?.cpu.saturating_sub(before));
        load.stop().await?;
        if let Some(error) = counted.first_error {
            return Err(error);
        }
        let requests = f64::from(u32::try_from(counted.requests).unwrap_or(u32::MAX));
        if requests < 10.0 || cpu.is_zero() {
            return Err("the gateway answered next to nothing".to_owned());
        }
        Ok(requests / cpu.as_secs_f64())
    }

    /// One run at a rate, and what it took.
    pub(super) async fn at(
        &self,
        gateway: &Contender,
        rate: f64,
        length: Duration,
    ) -> Done<(Measured, Taken)> {
        let schedule = Schedule {
            rate,
            poisson: true,
            seconds: length.as_secs_f64(),
            warm_up: 0.2,
            connections: usize::from(CONNECTIONS) / if self.protocol == Protocol::H2Tls { 4 } else { 1 },
            seed: self.traffic.seed,
            ..Schedule::default()
        };
        let (begun, before) = (Instant::now(), gateway.server()?.figures()?.cpu);
        let measured = open_with(&gateway.target, self.traffic, &schedule).await?;
        let (took, cpu) = (begun.elapsed(), gateway.server()?.figures()?.cpu.saturating_sub(before));
        if let Some(error) = &measured.first_error {
            return Err(error.clone());
        }
        let sent = f64::from(u32::try_from(measured.sent_in_all).unwrap_or(u32::MAX));
        let busy = cpu.as_secs_f64() / took.as_secs_f64();
        Ok((measured, Taken { rate: sent / took.as_secs_f64(), busy }))
    }

    /// What idle connections hold, and what they cost while nothing is asked on them.
    pub(super) fn connections(&self, gateway: &Contender) -> Done<Connections> {
        runtime()?.block_on(async {
            let server = gateway.server()?;
            let mut points = Vec::new();
            let begun = Instant::now();
            let mut point = |open: u32| {
                let rss_bytes = server.resident();
                let seconds = begun.elapsed().as_secs_f64();
                points.push(MemoryPoint { seconds, rss_bytes, connections: Some(u64::from(open)) });
                rss_bytes
            };
            // The first call costs more than a connection.
            check_with(&gateway.target, &Traffic::default()).await?;
            let mut last = point(0);
            let idle = cpu_of(gateway, self.length).await?;
            let (mut held, mut bytes) = (Vec::new(), Vec::new());
            for part in 1..=4 {
                held.push(hold(&gateway.target, HELD as usize / 4).await?);
                sleep(SETTLE).await;
                let now = point(HELD * part / 4);
                bytes.push(difference(now, last) / f64::from(HELD / 4));
                last = now;
            }
            let busy = cpu_of(gateway, self.length).await?;
            drop(held);
            let curve = MemoryCurve {
                target: gateway.name.clone(),
                load: format!("idle connections, {}", self.protocol.name()),
                points,
            };
            let cpu = Estimate::of(vec![(busy - idle) * 1e6 / f64::from(HELD)]);
            Ok(Connections { bytes: Estimate::of(bytes), cpu, curve })
        })
    }

    /// What a handshake costs, in microseconds.
    pub(super) fn handshakes(&self, gateway: &Contender, kind: Handshakes) -> Done<Estimate> {
        let (certificate, cores) = (self.lineup.certificate(), self.lineup.cores);
        let mut costs = Vec::new();
        for _ in 0..self.rounds {
            let cell = kind.cell(gateway, &certificate, cores, self.length);
            costs.push(runtime()?.block_on(cell)?.cpu_us);
        }
        Ok(Estimate::of(costs))
    }

    /// What a key takes of memory: a gateway that starts with `count` more beside one without.
    pub(super) fn keys(&self, count: u32) -> Done<(Estimate, f64)> {
        let resident = || -> Done<u64> {
            let gateway = self.gateway()?;
            runtime()?.block_on(async {
                check_with(&gateway.target, &Traffic::default()).await?;
                sleep(SETTLE).await;
                Ok(gateway.server()?.figures()?.resident)
            })
        };
        let few = resident()?;
        self.lineup.fill(count)?;
        let many = resident()?;
        Ok((Estimate::exactly(difference(many, few) / f64::from(count)), difference(few, 0)))
    }
}

/// What a run took.
pub(super) struct Taken {
    /// Requests per second.
    rate: f64,
    /// Part of a core.
    pub(super) busy: f64,
}

/// Whether a run is a result and its p99 holds.
pub(super) fn holds(measured: &Measured, p99: Duration) -> Done {
    measured.valid.clone()?;
    let (found, asked) = (measured.latency_us(0.99), p99.as_secs_f64() * 1e6);
    if found > asked { Err(format!("p99 was {found:.0} µs, {asked:.0} is asked")) } else { Ok(()) }
}

/// The part of a core that a server takes while nobody asks.
async fn cpu_of(gateway: &Contender, length: Duration) -> Done<f64> {
    let (begun, before) = (Instant::now(), gateway.server()?.figures()?.cpu);
    sleep(length).await;
    let cpu = gateway.server()?.figures()?.cpu.saturating_sub(before);
    Ok(cpu.as_secs_f64() / begun.elapsed().as_secs_f64())
}

/// Bytes more; none where there are fewer.
#[expect(clippy::cast_precision_loss, reason = "bytes of memory lie far below 2^52")]
fn difference(more: u64, less: u64) -> f64 {
    more.saturating_sub(less) as f64
}
