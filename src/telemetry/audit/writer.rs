//! The thread that keeps the audit log: takes what workers noted, writes it, makes it safe.
//!
//! One write for all that was taken at once, one sync for all that was written in an interval. Workers never
//! wait for it: while it cannot write it takes nothing, their queues fill up, and what then holds was
//! configured. It tries again until it can, and loses nothing of what it took.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::Observer;
use super::log::Log;
use super::sink::LAST;
use crate::base::Tick;
use crate::telemetry::books::Reader;

/// Events that are written at once, and taken without looking how long their records are.
const AT_ONCE: usize = 1_024;
const TAKEN: usize = 64;
/// Pauses: while there is something to write, and where there was nothing for long. Who waits for a record wakes the
/// thread; to the others each time that it wakes is one that a worker may lose its core, and the queue of 8,192 is
/// full after 80 ms of 100,000 requests a second.
const BUSY: Duration = Duration::from_millis(5);
const IDLE: Duration = Duration::from_millis(20);
/// How often writing is tried again.
const RETRY: Duration = Duration::from_millis(250);
/// How often it is said that nothing can be written, and how often files are looked through.
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
/// Records between two checkpoints at most.
const CHECKPOINT_RECORDS: u64 = 50_000;

/// How often what is done.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// For how long a record may be unsafe.
    pub(super) fsync: Duration,
    /// How often checkpoints are made, while there is something new.
    pub(super) checkpoint: Duration,
}

pub(super) struct Writer {
    log: Log,
    observers: Vec<Observer>,
    reader: Reader,
    times: Times,
    /// Since when it fails, and when it is tried again.
    failing: Option<(Instant, Instant)>,
    complained: Option<Instant>,
    /// Since when something is not safe.
    dirty_since: Option<Instant>,
    /// When the last checkpoint was, when a second began, and when files were looked through.
    checked: Instant,
    second: Instant,
    minute: Option<Instant>,
}

impl Writer {
    /// One that begins now.
    pub(super) fn new(log: Log, reader: Reader, observers: Vec<Observer>, times: Times) -> Self {
        Self {
            log,
            observers,
            reader,
            times,
            failing: None,
            complained: None,
            dirty_since: None,
            checked: Instant::now(),
            second: Instant::now(),
            minute: None,
        }
    }

    /// Keeps the log until it is told to stop; says how many records could not be written.
    pub(super) fn run(mut self, stop: &AtomicBool) -> u64 {
        let mut pause = BUSY;
        while !stop.load(Ordering::Relaxed) {
            self.come_round();
            let taken = self.turn();
            pause = if taken > 0 { BUSY } else { (2 * pause).min(IDLE) };
            // What is full would only become fuller.
            if taken < AT_ONCE {
                std::thread::park_timeout(pause);
            }
        }
        let lost = self.finish();
        self.come_round();
        let until = Instant::now() + LAST;
        for outlet in self.log.outlets.drain(..) {
            let name = outlet.name();
            if !outlet.stop(until) {
                tracing::warn!(sink = name, "audit records still waited for a sink at the end");
            }
        }
        lost
    }

    /// Tells that it hangs nowhere.
    fn come_round(&self) {
        if let Some(hung) = self.reader.standing().comes_round(Tick::now()) {
            tracing::warn!(hung_for = ?hung, "the audit log's disk answers again");
        }
    }

    /// Takes, writes and syncs what there is; says how many events there were.
    fn turn(&mut self) -> usize {
        if let Some((_, again)) = self.failing
            && Instant::now() < again
        {
            return 0;
        }
        match self.try_turn() {
            Ok(taken) => taken,
            Err(error) => {
                self.fail(&error);
                0
            }
        }
    }

    fn try_turn(&mut self) -> io::Result<usize> {
        self.resume()?;
        let taken = self.take();
        self.reader.standing().in_hand.store(self.log.pending_events(), Ordering::Relaxed);
        let is_next = self.log.write()?;
        let now = Instant::now();
        if now - self.second >= SECOND {
            self.second = now;
            self.log.scribe.look_at_clock();
            self.log.tell_dropped();
        }
        if self.log.is_dirty() {
            let since = *self.dirty_since.get_or_insert(now);
            if self.log.is_urgent() || now - since >= self.times.fsync {
                self.log.sync()?;
                self.dirty_since = None;
            }
        }
        let new = self.log.since_checkpoint();
        if new > 0 && (now - self.checked >= self.times.checkpoint || new >= CHECKPOINT_RECORDS) {
            self.checked = now;
            self.log.checkpoint()?;
        }
        if is_next || self.minute.is_none_or(|at| now - at >= MINUTE) {
            self.minute = Some(now);
            self.retain()?;
        }
        Ok(taken)
    }

    fn take(&mut self) -> usize {
        let (log, observers, mut taken) = (&mut self.log, &mut self.observers, 0);
        while taken < AT_ONCE && !log.is_full() {
            let now = self.reader.take(TAKEN, |event| {
                log.scribe.show(event, observers);
                log.note(event);
            });
            taken += now;
            // Fewer than were asked for is not the end: a worker with nothing to tell leaves its share unused.
            if now == 0 {
                break;
            }
        }
        taken
    }

    #[expect(clippy::disallowed_methods, reason = "files have times of the system's clock")]
    fn retain(&mut self) -> io::Result<()> {
        self.log.retain(SystemTime::now())
    }

    /// Begins a new file where the last one failed.
    fn resume(&mut self) -> io::Result<()> {
        if let Some((since, _)) = self.failing {
            self.log.begin()?;
            self.failing = None;
            self.complained = None;
            self.reader.standing().is_failing.store(false, Ordering::Relaxed);
            tracing::warn!(failed_for = ?since.elapsed(), "the audit log is written again");
        }
        Ok(())
    }

    fn fail(&mut self, error: &io::Error) {
        let now = Instant::now();
        let since = self.failing.map_or(now, |(since, _)| since);
        self.failing = Some((since, now + RETRY));
        self.dirty_since = None;
        self.log.give_up();
        self.reader.standing().is_failing.store(true, Ordering::Relaxed);
        if self.complained.is_none_or(|at| now - at >= MINUTE) {
            self.complained = Some(now);
            tracing::error!(%error, "the audit log cannot be written; it is tried again all the time");
        }
    }

    /// Writes all that there is and ends the log, or gives up after some seconds.
    fn finish(&mut self) -> u64 {
        let until = Instant::now() + LAST;
        loop {
            self.come_round();
            let Err(error) = self.try_finish() else { return 0 };
            self.fail(&error);
            if Instant::now() >= until {
                break;
            }
            std::thread::park_timeout(RETRY);
        }
        let mut left = self.log.pending_events();
        while self.reader.take(AT_ONCE, |event| left += event.count) > 0 {}
        tracing::error!(records = left, "records of the audit log could not be written before the end");
        left
    }

    fn try_finish(&mut self) -> io::Result<()> {
        self.resume()?;
        loop {
            let taken = self.take();
            self.log.write()?;
            self.come_round();
            if self.log.is_full() {
                // No more is taken until what was taken is safe.
                self.log.sync()?;
            } else if taken == 0 {
                break;
            }
        }
        // Sinks are handed the last records before it is told what they missed.
        self.log.sync()?;
        self.log.tell_dropped();
        self.log.close()
    }
}
