//! What one process used: CPU time, memory, switches, descriptors.
//!
//! CPU time is that of the scheduler in nanoseconds (`/proc/PID/task/TID/schedstat`), user and
//! system together; the clock ticks of `/proc/PID/stat` are too coarse for short rounds, and
//! tell only how the time is divided. A process that is gone has no figures, not zeros.

use std::fs;
use std::time::Duration;

use crate::Done;

/// CPU time of all threads of a process that have not ended.
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
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// All figures of a process at one moment, since it began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// User and system together, nanoseconds of the scheduler.
    pub(crate) cpu: Duration,
    /// User and system time in clock ticks: how `cpu` is divided.
    ticks: (u64, u64),
    /// Bytes now, and the most there were.
    pub(crate) resident: u64,
    pub(crate) peak: u64,
    /// It waited for something; it was made to wait. All its threads.
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
    pub(crate) descriptors: u64,
}

/// All figures of a process now.
pub(crate) fn figures(pid: u32) -> Done<Figures> {
    let read = |name: &str| {
        let file = format!("/proc/{pid}/{name}");
        fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))
    };
    let (stat, status) = (read("stat")?, read("status")?);
    // The name in brackets may hold anything; user and system time are the 12th and 13th field
    // after it (proc(5)).
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_ascii_whitespace()).into_iter().flatten();
    let mut ticks = fields.skip(11).map_while(|field| field.parse::<u64>().ok());
    let ticks = ticks.next().zip(ticks.next()).ok_or_else(|| format!("/proc/{pid}/stat has no times"))?;
    let (mut voluntary_switches, mut involuntary_switches) = (0, 0);
    let folder = format!("/proc/{pid}/task");
    for thread in fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?.flatten() {
        // A thread may have ended meanwhile.
        let text = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        voluntary_switches += field(&text, "voluntary_ctxt_switches:").unwrap_or(0);
        involuntary_switches += field(&text, "nonvoluntary_ctxt_switches:").unwrap_or(0);
    }
    let folder = format!("/proc/{pid}/fd");
    let descriptors = fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?.count() as u64;
    let memory = |name: &str| field(&status, name).unwrap_or(0) * 1024;
    Ok(Figures {
        cpu: cpu_time(pid)?,
        ticks,
        resident: memory("VmRSS:"),
        peak: memory("VmHWM:"),
        voluntary_switches,
        involuntary_switches,
        descriptors,
    })
}

impl Figures {
    /// Of two processes that do one thing together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            cpu: self.cpu + other.cpu,
            ticks: (self.ticks.0 + other.ticks.0, self.ticks.1 + other.ticks.1),
            resident: self.resident + other.resident,
            peak: self.peak + other.peak,
            voluntary_switches: self.voluntary_switches + other.voluntary_switches,
            involuntary_switches: self.involuntary_switches + other.involuntary_switches,
            descriptors: self.descriptors + other.descriptors,
        }
    }

    /// Of the CPU time since `before`, user and system apart; none where it was less than a
    /// clock tick.
    pub(crate) fn divided_since(&self, before: &Self) -> Option<(Duration, Duration)> {
        let user = self.ticks.0.saturating_sub(before.ticks.0);
        let all = user + self.ticks.1.saturating_sub(before.ticks.1);
        let cpu = self.cpu.saturating_sub(before.cpu);
        let share = Duration::from_secs(user).as_secs_f64() / Duration::from_secs(all).as_secs_f64();
        (all > 0).then(|| (cpu.mul_f64(share), cpu.mul_f64(1.0 - share)))
    }
}

/// A number after a name, of a file with a name on each line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::Ticks;
    use super::{cpu_time, figures, resident};

    #[test]
    fn a_busy_process_uses_time_and_memory() {
        // Not this one: tests end threads beside this one, and their time goes with them.
        let mut busy =
            std::process::Command::new("/bin/sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let (pid, begun) = (busy.id(), std::time::Instant::now());
        let (before, ticks) = (figures(pid).unwrap(), Ticks::of(0));
        let after = loop {
            let now = figures(pid).unwrap();
            if now.cpu > before.cpu + std::time::Duration::from_millis(100) || begun.elapsed().as_secs() > 20
            {
                break now;
            }
            std::thread::yield_now();
        };
        let used = cpu_time(pid).unwrap();
        busy.kill().unwrap();
        busy.wait().unwrap();
        assert!(used >= after.cpu && after.cpu > before.cpu);
        let (user, system) = after.divided_since(&before).unwrap();
        let sum = after.cpu.saturating_sub(before.cpu);
        assert!((user + system).abs_diff(sum) < std::time::Duration::from_micros(1));
        assert!(user > system, "{user:?} {system:?}");
        assert!(after.peak >= after.resident && after.resident > 100_000 && after.descriptors > 0);
        assert!(after.involuntary_switches > 0);
        assert!((0.0..=1.0).contains(&Ticks::of(0).busy_since(ticks)));
        assert!(resident(std::process::id()) > 100_000);
    }

    #[test]
    fn a_process_that_is_not_there_has_no_figures() {
        assert!(cpu_time(u32::MAX).is_err());
        assert!(figures(u32::MAX).unwrap_err().contains("/proc/"));
    }
}
