//! Hardware counters of a process, through `perf stat`, where the program and the counters are.
//!
//! Many virtual machines have none. Then there is no figure, and a sentence that says why;
//! never a zero.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::Done;

/// What is counted; user and kernel apart, since only the user's part is the program's own.
const EVENTS: [&str; 4] = ["instructions:u", "instructions:k", "cycles:u", "cycles:k"];

/// A running count; it ends when this is dropped.
pub(crate) struct Counters(Child);

impl Counters {
    /// Begins to count for a process and its threads.
    pub(crate) fn start(pid: u32) -> Done<Self> {
        let mut command = Command::new("perf");
        command.args(["stat", "-x", ",", "-e", &EVENTS.join(","), "-p", &pid.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| format!("no hardware counters: perf: {error}"))?;
        Ok(Self(child))
    }

    /// The names and counts since the start.
    pub(crate) fn stop(mut self) -> Done<Vec<(&'static str, u64)>> {
        self.interrupt();
        let mut text = String::new();
        if let Some(mut said) = self.0.stderr.take() {
            said.read_to_string(&mut text).map_err(|error| error.to_string())?;
        }
        read(&text)
    }

    /// It writes its counts when it is interrupted.
    fn interrupt(&self) {
        if let Some(pid) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::INT);
        }
    }
}

impl Drop for Counters {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What `perf stat -x,` wrote: the count, its unit, the event.
fn read(text: &str) -> Done<Vec<(&'static str, u64)>> {
    let of = |event: &'static str| {
        let line = text.lines().find(|line| line.split(',').nth(2) == Some(event));
        let count = line.and_then(|line| line.split(',').next()?.parse().ok());
        let found = line.and_then(|line| line.split(',').next()).unwrap_or_else(|| text.trim());
        count.map(|count| (event, count)).ok_or_else(|| format!("no hardware counters: {event}: {found}"))
    };
    EVENTS.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::{Counters, read};

    #[test]
    fn counts_are_read_and_missing_ones_are_no_zeros() {
        let whole = "# started\n\n120,,instructions:u,99,100.00,,\n7,,instructions:k,99,100.00,,\n\
                     50,,cycles:u,99,100.00,,\n9,,cycles:k,99,100.00,,\n";
        assert_eq!(read(whole).unwrap()[..2], [("instructions:u", 120), ("instructions:k", 7)]);
        let none = "<not supported>,,instructions:u,0,100.00,,\n<not supported>,,instructions:k,0,100.00,,\n";
        assert_eq!(read(none).unwrap_err(), "no hardware counters: instructions:u: <not supported>");
        assert!(read("").is_err());
    }

    #[test]
    fn a_count_of_this_process_is_a_number_or_a_reason() {
        let counted = Counters::start(std::process::id()).and_then(|counters| {
            // Until it has attached there is nothing to interrupt.
            let begun = std::time::Instant::now();
            while begun.elapsed().as_millis() < 300 {
                std::thread::yield_now();
            }
            counters.stop()
        });
        match counted {
            Ok(counts) => assert!(counts.iter().all(|(_, count)| *count > 0), "{counts:?}"),
            Err(said) => assert!(said.starts_with("no hardware counters: "), "{said}"),
        }
    }
}
