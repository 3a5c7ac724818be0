//! One kind on its way: gathered, sent, sent again, or given up and counted.
//!
//! Kinds do not wait for each other: each has a connection of its own. What cannot be sent is kept for about a
//! minute, with growing pauses or those that the collector asks for; meanwhile what comes waits in the
//! queue, and is counted as lost where that is full.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::answer::Verdict;
use super::fields::Source;
use super::kind::{Kind, KindCells, OtlpCells, add};
use super::link::{Connecting, Link, LinkFault};
use super::queue::{Batch, Queue};
use crate::base::random::Numbers;

/// How long a record waits for others to be sent with.
const LINGER: Duration = Duration::from_secs(1);
/// The first pause; each is twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest pause of ours.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause that a collector may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(300);
/// How often a batch is tried; with the pauses above for about a minute.
const TRIES: u32 = 8;

/// One kind's way to the collector.
pub(super) struct Lane {
    pub(super) kind: Kind,
    pub(super) connecting: Arc<Connecting>,
    pub(super) source: Arc<Source>,
    pub(super) cells: Arc<OtlpCells>,
    pub(super) numbers: Numbers,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) link: Option<Link>,
}

/// What is on its way; dropped so, it was not delivered.
struct Pending {
    cells: Arc<OtlpCells>,
    kind: Kind,
    count: u64,
}

impl Drop for Pending {
    fn drop(&mut self) {
        add(&self.cells.of(self.kind).undelivered, self.count);
    }
}

/// What became of one try.
enum Tried {
    Done,
    /// To be tried again, after that time where the collector named one.
    Again(Option<Duration>, String),
}

impl Lane {
    /// Sends what comes through a queue until told to stop, and then what is left, once.
    pub(super) async fn run(mut self, queue: Arc<Queue>) {
        let mut tick = interval(LINGER);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = self.stop.clone();
        loop {
            let (any, stopped) = tokio::select! {
                _ = tick.tick() => (true, false),
                () = queue.filled.notified() => (false, false),
                _ = stop.wait_for(|stop| *stop) => (true, true),
            };
            while let Some(batch) = queue.take(false) {
                self.deliver(batch).await;
            }
            if let Some(batch) = queue.take(any) {
                self.deliver(batch).await;
            }
            if stopped {
                return;
            }
        }
    }

    /// Sends what is made anew every so often, and once more at the end.
    pub(super) async fn run_every(mut self, every: Duration, make: impl Fn() -> Vec<Batch>) {
        let mut tick = interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = self.stop.clone();
        // The first comes at once, when there is nothing to tell.
        tick.tick().await;
        loop {
            let stopped = tokio::select! {
                _ = tick.tick() => false,
                _ = stop.wait_for(|stop| *stop) => true,
            };
            for batch in make() {
                self.deliver(batch).await;
            }
            if stopped {
                return;
            }
        }
    }

    /// Sends a batch, again if need be; afterwards it is counted as sent or lost.
    async fn deliver(&mut self, batch: Batch) {
        let Batch { records, count } = batch;
        let request = self.source.request(&records);
        drop(records);
        let mut pending = Pending { cells: Arc::clone(&self.cells), kind: self.kind, count };
        for tries in 1..=TRIES {
            // One that was open already may have been closed by the collector meanwhile: its fault is no try.
            let was_open = self.link.as_ref().is_some_and(|link| !link.is_closed());
            let mut tried = self.attempt(&request, count).await;
            if was_open && self.link.is_none() && matches!(tried, Tried::Again(None, _)) {
                tried = self.attempt(&request, count).await;
            }
            let (after, why) = match tried {
                Tried::Done => return pending.count = 0,
                Tried::Again(after, why) => (after, why),
            };
            self.cells().fail(self.kind, &why);
            if tries == TRIES || self.stopped_during(self.pause(tries, after)).await {
                return;
            }
        }
    }

    async fn attempt(&mut self, request: &[u8], count: u64) -> Tried {
        let patience = self.connecting.params.timeout;
        let outcome = timeout(patience, self.exchange(request)).await;
        let verdict = match outcome.unwrap_or(Err(LinkFault::TimedOut)) {
            Ok(verdict) => verdict,
            Err(fault) => {
                self.link = None;
                return Tried::Again(None, fault.to_string());
            }
        };
        let cells = self.cells();
        match verdict {
            Verdict::Taken { rejected, why } => {
                let rejected = rejected.min(count);
                add(&cells.sent, count - rejected);
                add(&cells.rejected, rejected);
                if !why.is_empty() {
                    tracing::debug!(kind = self.kind.label(), rejected, why, "the collector took a part");
                }
                cells.well(self.kind);
                Tried::Done
            }
            Verdict::Refused(why) => {
                add(&cells.undelivered, count);
                cells.fail(self.kind, &why);
                Tried::Done
            }
            Verdict::Again(after, why) => Tried::Again(after, why),
        }
    }

    async fn exchange(&mut self, request: &[u8]) -> Result<Verdict, LinkFault> {
        let mut link = match self.link.take().filter(|link| !link.is_closed()) {
            Some(link) => link,
            None => self.connecting.open().await?,
        };
        let verdict = link.send(&self.connecting, self.kind, request.to_vec()).await?;
        self.link = Some(link);
        Ok(verdict)
    }

    /// The collector's, or one of ours: between half of it and the whole, so that replicas come apart.
    fn pause(&self, tries: u32, asked: Option<Duration>) -> Duration {
        if let Some(asked) = asked {
            return asked.min(LONGEST_ASKED);
        }
        let whole = PAUSE.saturating_mul(1 << (tries - 1).min(16)).min(LONGEST_PAUSE);
        let half = whole / 2;
        let spread = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).max(1);
        half + Duration::from_nanos(self.numbers.draw() % spread)
    }

    /// Waits, and says whether it was told to stop meanwhile.
    async fn stopped_during(&mut self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        tokio::time::timeout_at(until, self.stop.wait_for(|stop| *stop)).await.is_ok()
    }

    fn cells(&self) -> &KindCells {
        self.cells.of(self.kind)
    }
}

impl KindCells {
    /// Tells the log, where the last request went well.
    fn fail(&self, kind: Kind, why: &str) {
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(kind = kind.label(), why, "telemetry cannot be sent");
        }
    }

    fn well(&self, kind: Kind) {
        if self.is_failing.swap(false, Ordering::Relaxed) {
            tracing::info!(kind = kind.label(), "telemetry is sent again");
        }
    }
}
