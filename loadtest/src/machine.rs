//! What the kernel says: which cores there are, how busy they were, and what a process used.
//!
//! CPU time is that of the scheduler in nanoseconds (`/proc/PID/task/TID/schedstat`), user and
//! system together; the clock ticks of `/proc/PID/stat` are too coarse for short rounds.

use std::fs;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;

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

/// CPU time of all threads of a process.
pub(crate) fn cpu_time(pid: u32) -> Done<Duration> {
    let folder = format!("/proc/{pid}/task");
    let unreadable = |error: std::io::Error| format!("{folder}: {error}; is /proc there?");
    let mut total = 0;
    for thread in fs::read_dir(&folder).map_err(unreadable)?.flatten() {
        let text = fs::read_to_string(thread.path().join("schedstat")).map_err(unreadable)?;
        let first = text.split_ascii_whitespace().next().and_then(|number| number.parse::<u64>().ok());
        total += first.ok_or_else(|| format!("{folder}: schedstat holds no number"))?;
    }
    Ok(Duration::from_nanos(total))
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident(pid: u32) -> u64 {
    status(pid, "VmRSS:")
}

/// The most that was resident since the process began, in bytes.
pub(crate) fn peak_resident(pid: u32) -> u64 {
    status(pid, "VmHWM:")
}

/// A size from a process's status, in bytes.
fn status(pid: u32, member: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(member));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
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

#[cfg(test)]
mod tests {
    use super::{Ticks, cpu_time, resident};

    #[test]
    fn this_process_uses_time_and_memory() {
        let (before, ticks) = (cpu_time(std::process::id()).unwrap(), Ticks::of(0));
        let begun = std::time::Instant::now();
        let mut spent = 0_u64;
        while begun.elapsed().as_millis() < 50 {
            spent = std::hint::black_box(spent + 1);
        }
        assert!(cpu_time(std::process::id()).unwrap() > before);
        assert!(resident(std::process::id()) > 100_000);
        assert!((0.0..=1.0).contains(&Ticks::of(0).busy_since(ticks)));
        assert!(cpu_time(u32::MAX).is_err());
    }
}
