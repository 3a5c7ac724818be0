//! Metric cells: one row of counters for each label, one cache line or more for each worker.
//!
//! A worker adds to its own cells only, so nobody waits for anybody, and an addition is a load and
//! a store instead of a locked instruction; the reader sums.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::histogram::StageCells;
use super::labels::{Lent, Outcome};
use super::names::NameId;
use crate::base::{UnderWay, denial};

/// Counters of one worker, on cache lines of their own.
#[repr(align(64))]
#[derive(Debug)]
struct Line<const N: usize>([AtomicU64; N]);

/// One row of `N` counters, for each worker.
#[derive(Debug)]
pub struct Cells<const N: usize>(Box<[Line<N>]>);

impl<const N: usize> Cells<N> {
    pub(super) fn new(workers: usize) -> Self {
        let line = || Line(std::array::from_fn(|_| AtomicU64::new(0)));
        Self(std::iter::repeat_with(line).take(workers.max(1)).collect())
    }

    #[inline]
    fn cell(&self, worker: usize, index: usize) -> Option<&AtomicU64> {
        self.0.get(worker)?.0.get(index)
    }

    /// Adds one to a counter of a worker; only that worker's thread may.
    #[inline]
    pub fn add(&self, worker: usize, index: usize) {
        self.add_many(worker, index, 1);
    }

    /// Adds a number to a counter of a worker.
    #[inline]
    pub fn add_many(&self, worker: usize, index: usize, many: u64) {
        if let Some(cell) = self.cell(worker, index) {
            // Nobody else writes here.
            cell.store(cell.load(Ordering::Relaxed).wrapping_add(many), Ordering::Relaxed);
        }
    }

    /// Takes one from a counter of a worker: for gauges.
    pub fn take(&self, worker: usize, index: usize) {
        if let Some(cell) = self.cell(worker, index) {
            cell.store(cell.load(Ordering::Relaxed).wrapping_sub(1), Ordering::Relaxed);
        }
    }

    /// Sets a counter of a worker: for gauges that are looked at once in a while.
    pub fn set(&self, worker: usize, index: usize, value: u64) {
        if let Some(cell) = self.cell(worker, index) {
            cell.store(value, Ordering::Relaxed);
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
/// Connections to one server's upstream by what they do; gauges.
pub type UpstreamCells = Cells<{ Lent::ALL.len() }>;

/// The cells of one server.
#[derive(Clone, Debug)]
pub struct ServerCells {
    /// Refusals.
    pub denials: Arc<DenialCells>,
    /// Requests that fall under no rule over tools.
    pub other: Arc<RequestCells>,
    /// What is under way.
    pub under_way: Arc<UnderWayCells>,
    /// How long requests took.
    pub seconds: Arc<StageCells>,
    /// Connections to its upstream.
    pub upstream: Arc<UpstreamCells>,
}

/// Cells laid out like a policy: by its servers' and rules' numbers.
#[derive(Debug, Default)]
pub struct PolicyCells {
    /// By the server's number.
    pub servers: Vec<ServerCells>,
    /// By the rule's number.
    pub rules: Vec<Arc<RequestCells>>,
    /// Names of a server and of its endpoint, by the server's number.
    pub server_names: Vec<(NameId, NameId)>,
    /// By the rule's number.
    pub rule_names: Vec<NameId>,
}
