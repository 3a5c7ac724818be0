//! All metrics of the process, and the cells of each label that there is.
//!
//! Labels are interned once for each configuration, bounded, and survive reloads. Whoever counts on the
//! request path holds its cells already: nothing here that locks may be called there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use prometheus_client::metrics::histogram::Histogram;

use super::audit::Counters;
use super::books::Standing;
use super::cells::{Cells, DenialCells, RequestCells, ServerCells};
use super::histogram::{Observed, StageCells};
use super::labels::{Lent, Outcome, Protocol, Shut, Stage};
use super::names::Names;
use super::otlp::OtlpCells;
use crate::base::{Denial, UnderWay, denial};

/// How limits that replicas share are kept here.
#[derive(Debug, Default)]
pub struct LeaseCells {
    /// Whether Redis is reached.
    pub is_reached: AtomicBool,
    /// Replicas that share.
    pub replicas: AtomicU32,
    /// Tokens that are leased and not spent.
    pub tokens: AtomicU64,
    /// Questions that were sent.
    pub questions: AtomicU64,
    /// Questions without an answer.
    pub lost: AtomicU64,
    overshoot: Mutex<Vec<(String, u64)>>,
}

impl LeaseCells {
    /// By how many tokens all replicas together can exceed each limit, by its place in the configuration.
    pub fn set_overshoot(&self, limits: Vec<(String, u64)>) {
        *self.overshoot.lock().unwrap_or_else(PoisonError::into_inner) = limits;
    }

    /// The same, read.
    pub fn overshoot(&self) -> Vec<(String, u64)> {
        self.overshoot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// All metrics of the process.
pub struct Metrics {
    workers: usize,
    labels: Mutex<Labels>,
    /// Refusals of requests that reached no server.
    pub unrouted: DenialCells,
    /// Open connections by protocol; a gauge.
    pub connections: Cells<{ Protocol::ALL.len() }>,
    /// Connections that were closed for want of a proxy's word, by reason.
    pub shut: Cells<{ Shut::ALL.len() }>,
    /// Keys in the snapshot.
    pub keys: AtomicI64,
    /// Snapshots published.
    pub swaps: AtomicU64,
    /// When the registry was last known to have nothing newer, in Unix milliseconds.
    pub registry_seen_ms: AtomicU64,
    /// Time from a change's entry in the registry to its being in force here and on the disk.
    pub revocation: Histogram,
    /// Keys in force that the registry has lost.
    pub registry_lost: AtomicU64,
    /// Whether nobody vouched yet that the registry is whole.
    pub registry_unconfirmed: AtomicBool,
    /// Buckets of the limiter; a gauge.
    pub limiter_buckets: AtomicU64,
    /// Calls for which the limiter had no room for a bucket.
    pub limiter_full: AtomicU64,
    /// Addresses that the limiter holds a bucket of; a gauge.
    pub limiter_addresses: AtomicU64,
    /// Requests without a right key that were counted together for want of room.
    pub limiter_addresses_full: AtomicU64,
    /// Requests beyond a limit that is counted only.
    pub limits_warned: AtomicU64,
    /// Leases of limits that replicas share.
    pub leases: LeaseCells,
    /// Last-used times that could not be kept until they were written.
    pub used_dropped: AtomicU64,
    /// Whether the registry is in Redis: only then is there a Redis to tell of.
    pub registry_in_redis: AtomicBool,
    /// Whether the last look at the registry succeeded.
    pub registry_reached: AtomicBool,
    /// What is known of the audit log, once one is kept.
    pub audit: OnceLock<AuditNumbers>,
    /// What the process has, and may have.
    pub process: ProcessCells,
    /// What became of what is sent to a collector.
    pub otlp: Arc<OtlpCells>,
    /// Names of the configuration, by the numbers that events carry.
    pub names: Arc<Names>,
}

/// What is known of the audit log.
#[derive(Debug)]
pub struct AuditNumbers {
    /// What waits, what was lost, and whether it fails.
    pub standing: Arc<Standing>,
    /// What was written.
    pub counters: Arc<Counters>,
    /// Whether requests are refused that cannot be written down.
    pub refuses: bool,
    /// Records that wait in one worker's queue before it counts as full.
    pub capacity: u64,
}

/// What the process has, and may have.
#[derive(Debug, Default)]
pub struct ProcessCells {
    /// When it began to serve, in Unix milliseconds.
    pub started_ms: AtomicU64,
    /// Its resident memory, in bytes.
    pub resident: AtomicU64,
    /// Above how much resident memory new requests are refused, in bytes.
    pub memory_ceiling: AtomicU64,
    /// Above how many connections new ones are refused.
    pub connections_ceiling: AtomicU64,
}

#[derive(Default)]
struct Labels {
    requests: BTreeMap<(String, String), Arc<RequestCells>>,
    servers: BTreeMap<String, ServerCells>,
}

/// Labels, or pairs of them, of each kind that the process keeps over all reloads; those that come when
/// there are so many share `_other`.
const LABELS: usize = 16_384;
const OTHER: &str = "_other";

/// The cells under a label, the same ones for the same label.
fn interned<K: Ord, C: Clone>(known: &mut BTreeMap<K, C>, label: K, other: K, new: impl FnOnce() -> C) -> C {
    let label = if known.len() < LABELS || known.contains_key(&label) { label } else { other };
    known.entry(label).or_insert_with(new).clone()
}

/// Seconds: around the promise of 50 ms, and up to a replica that was away.
const REVOCATION: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 60.0, 300.0];

impl Metrics {
    /// Metrics for this many workers.
    pub fn new(workers: usize) -> Self {
        Self {
            workers,
            labels: Mutex::default(),
            unrouted: Cells::new(workers),
            connections: Cells::new(workers),
            shut: Cells::new(workers),
            keys: AtomicI64::new(0),
            swaps: AtomicU64::new(0),
            registry_seen_ms: AtomicU64::new(0),
            revocation: Histogram::new(REVOCATION),
            registry_lost: AtomicU64::new(0),
            registry_unconfirmed: AtomicBool::new(false),
            limiter_buckets: AtomicU64::new(0),
            limiter_full: AtomicU64::new(0),
            limiter_addresses: AtomicU64::new(0),
            limiter_addresses_full: AtomicU64::new(0),
            limits_warned: AtomicU64::new(0),
            leases: LeaseCells::default(),
            used_dropped: AtomicU64::new(0),
            registry_in_redis: AtomicBool::new(false),
            registry_reached: AtomicBool::new(false),
            audit: OnceLock::new(),
            process: ProcessCells::default(),
            names: Arc::default(),
            otlp: Arc::default(),
        }
    }

    fn labels(&self) -> MutexGuard<'_, Labels> {
        self.labels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cells of a (server, tool) label pair, the same ones for the same pair.
    pub fn requests(&self, server: &str, tool: &str) -> Arc<RequestCells> {
        let pair = |server: &str, tool: &str| (server.to_owned(), tool.to_owned());
        let new = || Arc::new(Cells::new(self.workers));
        interned(&mut self.labels().requests, pair(server, tool), pair(OTHER, OTHER), new)
    }

    /// The cells of a server, the same ones for the same name.
    pub fn server(&self, server: &str) -> ServerCells {
        let (other, workers) = (self.requests(server, OTHER), self.workers);
        let new = || ServerCells {
            denials: Arc::new(Cells::new(workers)),
            other: Arc::clone(&other),
            under_way: Arc::new(Cells::new(workers)),
            seconds: Arc::new(StageCells::new(workers)),
            upstream: Arc::new(Cells::new(workers)),
        };
        let cells = interned(&mut self.labels().servers, server.to_owned(), OTHER.to_owned(), new);
        // There may be room for a server's name and none for its pair, or the other way round.
        ServerCells { other, ..cells }
    }

    fn each_server(&self, mut each: impl FnMut(&str, &ServerCells)) {
        self.labels().servers.iter().for_each(|(server, cells)| each(server, cells));
    }

    /// Calls `each` with server, kind and how much of it is under way.
    pub fn each_under_way(&self, mut each: impl FnMut(&str, UnderWay, u64)) {
        self.each_server(|server, cells| {
            for what in UnderWay::ALL {
                each(server, what, cells.under_way.sum(what as usize));
            }
        });
    }

    /// Calls `each` with server, stage and what was observed of it.
    pub fn each_stage(&self, mut each: impl FnMut(&str, Stage, &Observed)) {
        self.each_server(|server, cells| {
            for stage in Stage::ALL {
                each(server, stage, &cells.seconds.observed(stage));
            }
        });
    }

    /// Calls `each` with server, state and how many connections to its upstream are in it.
    pub fn each_upstream(&self, mut each: impl FnMut(&str, Lent, u64)) {
        self.each_server(|server, cells| {
            for state in Lent::ALL {
                each(server, state, cells.upstream.sum(state as usize));
            }
        });
    }

    /// Calls `each` with server, tool, outcome and count, for every count above zero.
    pub fn each_request(&self, mut each: impl FnMut(&str, &str, Outcome, u64)) {
        for ((server, tool), cells) in &self.labels().requests {
            for outcome in Outcome::ALL {
                let count = cells.sum(outcome as usize);
                if count > 0 {
                    each(server, tool, outcome, count);
                }
            }
        }
    }

    /// Calls `each` with server, reason and count, for every count above zero. Requests that
    /// reached no server are told under `_none`.
    pub fn each_denial(&self, mut each: impl FnMut(&str, Denial, u64)) {
        let labels = self.labels();
        let named = labels.servers.iter().map(|(server, cells)| (server.as_str(), &*cells.denials));
        for (server, cells) in named.chain(std::iter::once(("_none", &self.unrouted))) {
            for row in &denial::TABLE {
                let count = cells.sum(row.denial.index());
                if count > 0 {
                    each(server, row.denial, count);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LABELS, Metrics, OTHER, Outcome, Stage};
    use crate::base::{Denial, UnderWay};
    use std::sync::Arc;

    #[test]
    fn labels_of_many_reloads_are_bounded_and_the_rest_share_one() {
        let metrics = Metrics::new(1);
        let first = metrics.server("server-0").denials;
        for number in 0..LABELS + 100 {
            let server = format!("server-{number}");
            let cells = metrics.server(&server);
            cells.denials.add(0, Denial::ScopeMissing.index());
            cells.other.add(0, Outcome::Denied as usize);
            cells.under_way.add(0, UnderWay::Call as usize);
            cells.seconds.observe(0, Stage::Whole, 1);
        }
        assert!(Arc::ptr_eq(&first, &metrics.server("server-0").denials), "who is known stays known");
        let (mut denials, mut requests, mut under_way, mut stages) = (Vec::new(), Vec::new(), 0, 0);
        metrics.each_denial(|server, _, count| denials.push((server.to_owned(), count)));
        metrics.each_request(|server, _, _, count| requests.push((server.to_owned(), count)));
        metrics.each_under_way(|_, _, _| under_way += 1);
        metrics.each_stage(|_, _, _| stages += 1);
        assert_eq!(under_way, UnderWay::ALL.len() * (LABELS + 1));
        assert_eq!(stages, Stage::ALL.len() * (LABELS + 1));
        for seen in [denials, requests] {
            assert_eq!(seen.len(), LABELS + 1);
            assert_eq!(seen.iter().map(|(_, count)| count).sum::<u64>(), LABELS as u64 + 100);
            assert!(seen.contains(&(OTHER.to_owned(), 100)) && seen.contains(&("server-0".to_owned(), 1)));
        }
    }

    #[test]
    fn workers_add_apart_and_are_read_together() {
        let metrics = Metrics::new(2);
        let cells = metrics.requests("crm", "crm.*");
        assert!(Arc::ptr_eq(&cells, &metrics.requests("crm", "crm.*")));
        cells.add(0, Outcome::Denied as usize);
        cells.add(1, Outcome::Denied as usize);
        cells.add(7, Outcome::Denied as usize);
        metrics.unrouted.add(0, Denial::RouteUnknown.index());
        let mut seen = Vec::new();
        metrics.each_request(|server, tool, outcome, count| {
            seen.push((server.to_owned(), tool.to_owned(), outcome, count));
        });
        assert_eq!(seen, [("crm".into(), "crm.*".into(), Outcome::Denied, 2)]);
        let mut denials = Vec::new();
        metrics.each_denial(|server, denial, count| denials.push((server.to_owned(), denial, count)));
        assert_eq!(denials, [("_none".into(), Denial::RouteUnknown, 1)]);
    }
}
