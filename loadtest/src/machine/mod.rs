//! What the kernel says: which cores there are, how busy they were, and what a process used.
//!
//! It asks the kernel alone, and must never know what is measured or why.

mod counters;
mod process;

use std::fs;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;

pub(crate) use self::counters::Counters;
pub(crate) use self::process::{Figures, figures, resident};
use crate::Done;

/// The two cores that a measurement takes.
#[derive(Clone, Copy)]
pub(crate) struct Cores {
    /// For the target alone.
    pub(crate) target: usize,
    /// For the load and the upstream.
    pub(crate) load: usize,
}

/// The first two cores that this process may use.
pub(crate) fn cores() -> Done<Cores> {
    let allowed = sched_getaffinity(None).map_err(|error| format!("the cores are unknown: {error}"))?;
    let mut usable = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    match (usable.next(), usable.next()) {
        (Some(target), Some(load)) => Ok(Cores { target, load }),
        _ => Err("two cores are needed, one for the target and one for the load".to_owned()),
    }
}

/// The same, for a measurement that begins: from now on this thread keeps to the load's.
pub(crate) fn take_cores() -> Done<Cores> {
    let cores = cores()?;
    pin(cores.load)?;
    Ok(cores)
}

/// Keeps this thread, and the processes that it starts, on one core.
pub(crate) fn pin(core: usize) -> Done {
    let mut only = CpuSet::new();
    only.set(core);
    sched_setaffinity(None, &only).map_err(|error| format!("core {core} cannot be taken: {error}"))
}

/// The core that this thread is kept to, where it is one.
pub(crate) fn only_core() -> Option<usize> {
    let allowed = sched_getaffinity(None).ok().filter(|allowed| allowed.count() == 1)?;
    (0..CpuSet::MAX_CPU).find(|core| allowed.is_set(*core))
}

/// A core's clock ticks: busy and all.
#[derive(Clone, Copy)]
pub(crate) struct Ticks {
    busy: u64,
    all: u64,
}

impl Ticks {
    /// Of one core, since the machine started.
    pub(crate) fn of(core: usize) -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let name = format!("cpu{core} ");
        let line = text.lines().find_map(|line| line.strip_prefix(name.as_str())).unwrap_or_default();
        // user nice system idle iowait irq softirq steal (proc(5))
        let ticks: Vec<u64> =
            line.split_ascii_whitespace().take(8).filter_map(|tick| tick.parse().ok()).collect();
        let all = ticks.iter().sum();
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        Self { busy: all - idle, all }
    }

    /// Which part of the time since `before` the core was busy, 0 to 1.
    pub(crate) fn busy_since(self, before: Self) -> f64 {
        let (busy, all) = (self.busy.saturating_sub(before.busy), self.all.saturating_sub(before.all));
        Duration::from_secs(busy).as_secs_f64() / Duration::from_secs(all.max(1)).as_secs_f64()
    }
}

/// The machine, as a report names it.
#[derive(Serialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
}

impl Machine {
    /// This one.
    pub(crate) fn here() -> Self {
        let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            processor: model.map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned()),
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            kernel: format!("Linux {}", kernel.trim()),
        }
    }
}
