//! How far a run is, on standard error: a bar on a terminal, otherwise a line for each step.
//!
//! It draws where a step begins and never while one goes on: what it spent then would be
//! spent on the core of the load.

use std::cell::Cell;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Characters of the bar.
const BAR: usize = 24;
/// Columns of a terminal that does not say how wide it is.
const COLUMNS: usize = 80;
/// Back to the beginning of the line, and nothing on it (ECMA-48).
const CLEAR: &str = "\r\x1b[2K";

/// The progress of one run; what it drew goes when this is dropped, so that the sentence of an
/// error stands on a line of its own.
pub(crate) struct Progress {
    steps: usize,
    begun_steps: Cell<usize>,
    /// What a step should take, until one has ended.
    each: Duration,
    begun: Instant,
    terminal: bool,
    drawn: Cell<bool>,
}

impl Progress {
    /// Of `steps` steps of about equal length, `each` by the options of the run.
    pub(crate) fn new(steps: usize, each: Duration) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            steps,
            begun_steps: Cell::new(0),
            each,
            begun: Instant::now(),
            terminal,
            drawn: Cell::new(false),
        }
    }

    /// A step begins: "tollgate, h1, round 2 of 5".
    pub(crate) fn step(&self, what: &str) {
        let line = self.line(what, self.begun.elapsed());
        self.begun_steps.set(self.begun_steps.get() + 1);
        // Progress that nobody can be told is no reason to stop measuring.
        let mut stderr = std::io::stderr().lock();
        let _ = if self.terminal {
            let line: String = line.chars().take(columns().saturating_sub(1)).collect();
            self.drawn.set(true);
            write!(stderr, "{CLEAR}{line}").and_then(|()| stderr.flush())
        } else {
            writeln!(stderr, "{line}")
        };
    }

    /// The run is over.
    pub(crate) fn done(self) {
        drop(self);
    }

    fn line(&self, what: &str, elapsed: Duration) -> String {
        let (ended, steps) = (self.begun_steps.get(), self.steps.max(1));
        if !self.terminal {
            return format!("{}/{steps} {what}", ended + 1);
        }
        let full = (BAR * ended / steps).min(BAR);
        let bar = format!("{}{}", "█".repeat(full), "░".repeat(BAR - full));
        format!("{bar} {what}, {} left", clock(self.left(elapsed)))
    }

    /// By the steps that ended, or by what one should take before the first has.
    fn left(&self, elapsed: Duration) -> Duration {
        let ended = u32::try_from(self.begun_steps.get()).unwrap_or(u32::MAX);
        let each = elapsed.checked_div(ended).unwrap_or(self.each);
        let remaining = self.steps.saturating_sub(self.begun_steps.get());
        each.saturating_mul(u32::try_from(remaining).unwrap_or(u32::MAX))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.get() {
            let _ = write!(std::io::stderr().lock(), "{CLEAR}");
        }
    }
}

fn columns() -> usize {
    rustix::termios::tcgetwinsize(std::io::stderr())
        .map_or(COLUMNS, |size| if size.ws_col == 0 { COLUMNS } else { usize::from(size.ws_col) })
}

/// Minutes and seconds.
fn clock(time: Duration) -> String {
    let seconds = (time + Duration::from_millis(500)).as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::{Cell, Duration, Instant, Progress};

    fn after(ended: usize, steps: usize, terminal: bool) -> Progress {
        let each = Duration::from_secs(4);
        Progress {
            steps,
            begun_steps: Cell::new(ended),
            each,
            begun: Instant::now(),
            terminal,
            drawn: Cell::new(false),
        }
    }

    #[test]
    fn time_left_follows_the_steps_that_ended() {
        let line = |ended, elapsed| after(ended, 4, true).line("floor", Duration::from_secs(elapsed));
        assert!(line(0, 1).ends_with("floor, 0:16 left"), "{}", line(0, 1));
        assert!(line(2, 200).ends_with("floor, 3:20 left"), "{}", line(2, 200));
        assert!(line(2, 200).starts_with(&format!("{}{}", "█".repeat(12), "░".repeat(12))));
    }

    #[test]
    fn more_steps_than_announced_are_no_fault() {
        assert!(after(9, 4, true).line("floor", Duration::from_secs(9)).ends_with("0:00 left"));
        assert!(after(0, 0, true).line("floor", Duration::ZERO).ends_with("0:00 left"));
    }

    #[test]
    fn elsewhere_each_step_is_a_plain_line() {
        assert_eq!(after(2, 8, false).line("floor, h1", Duration::ZERO), "3/8 floor, h1");
    }
}
