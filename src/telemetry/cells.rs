//! Metric cells: one row of counters for each label, one cache line or more for each worker.
//!
//! A worker adds to its own cells only, so nobody waits for anybody, and an addition is a load and
//! a store instead of a locked instruction; the reader sums. Labels
//! are interned once for each configuration, bounded, and survive reloads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

use prometheus_client::metrics::histogram::Histogram;

use crate::base::{Denial, UnderWay, denial};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// Answered by the upstream, to the end.
    Answered,
    /// Refused by the gateway.
    Denied,
    /// The upstream failed, before or in the middle of its answer.
    UpstreamFailed,
    /// The client went away first.
    ClientGone,
}

impl Outcome {
    /// Every outcome, in the order of the enum.
    pub const ALL: [Self; 4] = [Self::Answered, Self::Denied, Self::UpstreamFailed, Self::ClientGone];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Denied => "denied",
            Self::UpstreamFailed => "upstream_failed",
            Self::ClientGone => "client_gone",
        }
    }
}

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Protocol {
    /// HTTP/1.1
    Http1,
    /// HTTP/2
    Http2,
}

impl Protocol {
    /// Every protocol, in the order of the enum.
    pub const ALL: [Self; 2] = [Self::Http1, Self::Http2];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Http1 => "h1",
            Self::Http2 => "h2",
        }
    }
}

/// Why a connection was closed before anything was said, where proxies announce their clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Shut {
    /// It came from none of the proxies.
    Stranger,
    /// It did not begin, in time, with a header of the PROXY protocol, version 2.
    Unannounced,
}

impl Shut {
    /// Every reason, in the order of the enum.
    pub const ALL: [Self; 2] = [Self::Stranger, Self::Unannounced];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Unannounced => "unannounced",
        }
    }
}

/// Counters of one worker, on cache lines of their own.
#[repr(align(64))]
#[derive(Debug)]
struct Line<const N: usize>([AtomicU64; N]);

/// One row of `N` counters, for each worker.
#[derive(Debug)]
pub struct Cells<const N: usize>(Box<[Line<N>]>);

impl<const N: usize> Cells<N> {
    fn new(workers: usize) -> Self {
        let line = || Line(std::array::from_fn(|_| AtomicU64::new(0)));
        Self(std::iter::repeat_with(line).take(workers.max(1)).collect())
    }

    /// Adds one to a counter of a worker; only that worker's thread may.
    #[inline]
    pub fn add(&self, worker: usize, index: usize) {
        if let Some(cell) = self.0.get(worker).and_then(|line| line.0.get(index)) {
            // Nobody else writes here.
            cell.store(cell.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        }
    }

    /// Takes one from a counter of a worker: for gauges.
    pub fn take(&self, worker: usize, index: usize) {
        if let Some(cell) = self.0.get(worker).and_then(|line| line.0.get(index)) {
            cell.store(cell.load(Ordering::Relaxed).wrapping_sub(1), Ordering::Relaxed);
        }
    }

    /// The sum over all workers.
    pub fn sum(&self, index: usize) -> u64 {
        let cells = self.0.iter().filter_map(|line| line.0.get(index));
        cells.fold(0, |sum, cell| sum.wrapping_add(cell.load(Ordering::Relaxed)))
    }
}

/// Requests of one (server, tool) by outcome.
pub type RequestCells = Cells<{ Outcome::ALL.len() }>;
/// Refusals of one server by reason.
pub type DenialCells = Cells<{ denial::COUNT }>;

/// What of one server is under way, by kind; gauges.
pub type UnderWayCells = Cells<{ UnderWay::ALL.len() }>;

/// The cells of one server.
#[derive(Clone, Debug)]
pub struct ServerCells {
    /// Refusals.
    pub denials: Arc<DenialCells>,
    /// Requests that fall under no rule over tools.
    pub other: Arc<RequestCells>,
    /// What is under way.
    pub under_way: Arc<UnderWayCells>,
}

/// Cells laid out like a policy: by its servers' and rules' numbers.
#[derive(Debug, Default)]
pub struct PolicyCells {
    /// By the server's number.
    pub servers: Vec<ServerCells>,
    /// By the rule's number.
    pub rules: Vec<Arc<RequestCells>>,
}

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
        *self.overshoot.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = limits;
    }

    /// The same, read.
    pub fn overshoot(&self) -> Vec<(String, u64)> {
        self.overshoot.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// All metrics of the process.
pub struct Metrics {
    workers: usize,
    labels: Mutex<Labels>,
    /// Refusals of requests that reached no server.
    pub unrouted: DenialCells,
    /// Open connections by protocol; a gauge.
    pub connections: Cells<2>,
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
}

#[derive(Default)]
struct Labels {
    requests: BTreeMap<(String, String), Arc<RequestCells>>,
    denials: BTreeMap<String, Arc<DenialCells>>,
    under_way: BTreeMap<String, Arc<UnderWayCells>>,
}

/// Labels, or pairs of them, of each kind that the process keeps over all reloads; those that come when
/// there are so many share `_other`.
const LABELS: usize = 16_384;
const OTHER: &str = "_other";

/// The cells under a label, the same ones for the same label.
fn interned<K: Ord, const N: usize>(
    known: &mut BTreeMap<K, Arc<Cells<N>>>,
    label: K,
    other: K,
    workers: usize,
) -> Arc<Cells<N>> {
    let label = if known.len() < LABELS || known.contains_key(&label) { label } else { other };
    Arc::clone(known.entry(label).or_insert_with(|| Arc::new(Cells::new(workers))))
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
        }
    }

    /// The cells of a (server, tool) label pair, the same ones for the same pair.
    pub fn requests(&self, server: &str, tool: &str) -> Arc<RequestCells> {
        let mut labels = self.labels.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let other = (OTHER.to_owned(), OTHER.to_owned());
        interned(&mut labels.requests, (server.to_owned(), tool.to_owned()), other, self.workers)
    }

    /// The cells of a server's refusals.
    pub fn denials(&self, server: &str) -> Arc<DenialCells> {
        let mut labels = self.labels.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        interned(&mut labels.denials, server.to_owned(), OTHER.to_owned(), self.workers)
    }

    /// The cells of what of a server is under way.
    pub fn under_way(&self, server: &str) -> Arc<UnderWayCells> {
        let mut labels = self.labels.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        interned(&mut labels.under_way, server.to_owned(), OTHER.to_owned(), self.workers)
    }

    /// Calls `each` with server, kind and how much of it is under way.
    pub fn each_under_way(&self, mut each: impl FnMut(&str, UnderWay, u64)) {
        let labels = self.labels.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (server, cells) in &labels.under_way {
            for what in UnderWay::ALL {
                each(server, what, cells.sum(what as usize));
            }
        }
    }

    /// Calls `each` with server, tool, outcome and count, for every count above zero.
    pub fn each_request(&self, mut each: impl FnMut(&str, &str, Outcome, u64)) {
        let labels = self.labels.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for ((server, tool), cells) in &labels.requests {
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
        let labels = self.labels.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let named = labels.denials.iter().map(|(server, cells)| (server.as_str(), &**cells));
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
    use super::{LABELS, Metrics, OTHER, Outcome};
    use crate::base::{Denial, UnderWay};
    use std::sync::Arc;

    #[test]
    fn labels_of_many_reloads_are_bounded_and_the_rest_share_one() {
        let metrics = Metrics::new(1);
        let first = metrics.denials("server-0");
        for number in 0..LABELS + 100 {
            let server = format!("server-{number}");
            metrics.denials(&server).add(0, Denial::ScopeMissing.index());
            metrics.requests(&server, "a").add(0, Outcome::Denied as usize);
            metrics.under_way(&server).add(0, UnderWay::Call as usize);
        }
        assert!(Arc::ptr_eq(&first, &metrics.denials("server-0")), "who is known stays known");
        let (mut denials, mut requests, mut under_way) = (Vec::new(), Vec::new(), 0);
        metrics.each_denial(|server, _, count| denials.push((server.to_owned(), count)));
        metrics.each_request(|server, _, _, count| requests.push((server.to_owned(), count)));
        metrics.each_under_way(|_, _, _| under_way += 1);
        assert_eq!(under_way, UnderWay::ALL.len() * (LABELS + 1));
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
