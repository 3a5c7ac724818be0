//! The thread that keeps the leases of shared limits filled: what workers say they need is asked of Redis,
//! and what Redis gives is theirs to spend.
//!
//! Workers never wait for it. When it does not get through, limits count as out of reach after a second,
//! and what the configuration says for that holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::base::key::random;
use crate::base::redis::RedisParams;
use crate::base::thread::{HANGING, ended_by};
use crate::base::{Nanos, Tick};
use crate::cluster::Ledger;
use crate::policy::Applied;
use crate::state::SnapshotCell;
use crate::state::limiter::{Keeper, Note, Sharing};
use crate::telemetry::Metrics;

/// How often this replica says that it is here, and looks whether Redis is.
const HEARTBEAT: Duration = Duration::from_millis(250);
/// After so long without an answer limits count as out of reach: two answers may be late, or one
/// connection may have to be opened again.
const PATIENCE: Duration = Duration::from_secs(1);
/// After so long every replica has said again that it is here.
const SETTLED: Duration = Duration::from_secs(2);
/// Time for giving back what is left when the gateway stops.
const LAST: Duration = Duration::from_secs(1);
/// Questions in one go: some 100 KiB, and a millisecond of Redis' time.
const AT_ONCE: usize = 1_000;

/// What keeping leases takes.
pub struct LeaseParams {
    /// Where the ledger is.
    pub redis: RedisParams,
    /// What workers say.
    pub sharing: Arc<Sharing>,
    /// Their notes.
    pub notes: Receiver<Note>,
    /// Where it stands which limits are shared.
    pub snapshot: SnapshotCell,
    /// Where it is told how it goes.
    pub metrics: Arc<Metrics>,
}

/// The thread; it ends when this is dropped, and is left where a call of Redis hangs.
pub struct Leases {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Leases {
    /// Starts it. Redis was asked once when this returns, whether or not it answered.
    pub fn start(params: LeaseParams) -> std::io::Result<Self> {
        let own = random().map(u64::from_be_bytes).map_err(std::io::Error::other)?;
        let LeaseParams { redis, sharing, notes, snapshot, metrics } = params;
        let stop = Arc::new(AtomicBool::new(false));
        let mut keeping = Keeping {
            ledger: Ledger::new(redis, own),
            keeper: Keeper::default(),
            sharing,
            snapshot,
            metrics,
            is_away: true,
            was_lost: false,
            back: Nanos(0),
            has_warned: false,
        };
        keeping.come_back();
        let stop_thread = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("leases".into());
        let thread = thread.spawn(move || keeping.run(&notes, &stop_thread))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let until = Instant::now() + HANGING;
        if self.thread.take().is_some_and(|thread| !ended_by(thread, until)) {
            tracing::warn!(
                "redis, or the lookup of its name, does not answer, and is not waited for any longer: leases end by themselves"
            );
        }
    }
}

struct Keeping {
    ledger: Ledger,
    keeper: Keeper,
    sharing: Arc<Sharing>,
    snapshot: SnapshotCell,
    metrics: Arc<Metrics>,
    /// Whether limits are kept without the ledger.
    is_away: bool,
    /// Whether a server did not answer since the last heartbeat.
    was_lost: bool,
    /// When it was reached again.
    back: Nanos,
    /// Whether it was said that it is away.
    has_warned: bool,
}

impl Keeping {
    fn run(&mut self, notes: &Receiver<Note>, stop: &AtomicBool) {
        let mut heartbeat = after(now(), HEARTBEAT);
        while !stop.load(Ordering::Relaxed) && self.listen(notes, heartbeat) {
            if !self.is_away {
                self.round();
            }
            if now() >= heartbeat {
                heartbeat = after(now(), HEARTBEAT);
                self.beat();
                self.tell();
            }
        }
        for note in notes.try_iter() {
            self.keeper.note(note, now());
        }
        self.settle();
    }

    /// Gives back what is left; where Redis is slow or gone, it is lost.
    fn settle(&mut self) {
        let last = after(now(), LAST);
        for part in self.keeper.close().chunks(AT_ONCE) {
            if self.is_away || now() > last || !self.ledger.ask(part).reached {
                return;
            }
        }
        if !self.is_away {
            self.ledger.leave();
        }
    }

    /// Whether any limit is shared now. Where none is, this goes on all the same, so that a reload finds
    /// the ledger at hand; but nobody is told how it goes.
    fn is_needed(&self) -> bool {
        !self.snapshot.load().policy.shared().named.is_empty()
    }

    /// Takes notes until something is to be done; false when nobody writes any more.
    fn listen(&mut self, notes: &Receiver<Note>, heartbeat: Nanos) -> bool {
        let due = self.keeper.next().filter(|_| !self.is_away).unwrap_or(heartbeat).min(heartbeat);
        let wait = Duration::from_nanos(due.0.saturating_sub(now().0));
        match notes.recv_timeout(wait) {
            Ok(note) => self.keeper.note(note, now()),
            Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        // What came together is asked for together.
        for note in notes.try_iter().take(AT_ONCE) {
            self.keeper.note(note, now());
        }
        true
    }

    /// Asks for what is due; false where an answer did not come.
    fn round(&mut self) -> bool {
        let asks = self.keeper.asks(now(), AT_ONCE);
        if asks.is_empty() {
            return true;
        }
        let answers = self.ledger.ask(&asks);
        let mut lost = 0;
        for (ask, answer) in asks.iter().zip(answers.told) {
            if let Some(told) = answer {
                self.keeper.told(ask, told, now());
            } else {
                lost += 1;
                self.keeper.lost(ask, now());
            }
        }
        self.metrics.leases.lost.fetch_add(lost, Ordering::Relaxed);
        self.was_lost |= !answers.reached;
        answers.reached
    }

    /// Says that this replica is here, and whether limits can be looked up.
    fn beat(&mut self) {
        if self.is_away {
            return self.come_back();
        }
        let begun = now();
        let present = self.ledger.present();
        if let Some(replicas) = present.filter(|_| !self.was_lost) {
            self.count(replicas);
            self.sharing.reached(after(begun, PATIENCE));
        }
        self.was_lost = false;
        if !self.sharing.is_reached(now()) {
            self.is_away = true;
            self.keeper.cut();
        }
        self.warn();
    }

    /// Tries to get back: what is in use is filled before calls go by it again.
    fn come_back(&mut self) {
        let begun = now();
        let Some(replicas) = self.ledger.present() else { return self.warn() };
        self.back = begun;
        self.keeper.look_at_all(begun);
        // Calls go on meanwhile, and may leave something to ask each time.
        while self.keeper.next().is_some_and(|due| due <= begun) && now() < after(begun, PATIENCE) {
            if !self.round() {
                return self.warn();
            }
        }
        (self.is_away, self.was_lost) = (false, false);
        self.count(replicas);
        self.sharing.reached(after(now(), PATIENCE));
        if self.is_needed() {
            tracing::info!(replicas = self.sharing.replicas(), "limits are shared through redis");
        }
        self.has_warned = false;
    }

    /// A Redis that was just started has not heard from everybody yet.
    fn count(&self, replicas: u32) {
        let known = self.sharing.replicas();
        let settled = now() > after(self.back, SETTLED);
        self.sharing.count(if settled { replicas } else { replicas.max(known) });
    }

    /// Says once that shared limits are not kept through Redis, and why.
    fn warn(&mut self) {
        if !self.is_away || self.has_warned || !self.is_needed() {
            return;
        }
        self.has_warned = true;
        let (replicas, reason) =
            (self.sharing.replicas(), self.ledger.trouble().unwrap_or("no answer in time"));
        tracing::warn!(replicas, reason, "redis is out of reach, and with it the limits that replicas share");
    }

    fn tell(&self) {
        let told = &self.metrics.leases;
        told.is_reached.store(self.sharing.is_reached(now()), Ordering::Relaxed);
        told.replicas.store(self.sharing.replicas(), Ordering::Relaxed);
        told.tokens.store(self.keeper.leased(), Ordering::Relaxed);
        told.questions.store(self.ledger.asked(), Ordering::Relaxed);
        let replicas = u64::from(self.sharing.replicas());
        let snapshot = self.snapshot.load();
        let limits = snapshot.policy.shared().named.iter();
        let most = |(name, applied): &(Box<str>, Applied)| {
            Some((name.to_string(), replicas * u64::from(applied.shared?.most())))
        };
        told.set_overshoot(limits.filter_map(most).collect());
    }
}

fn now() -> Nanos {
    Tick::exact().nanos()
}

fn after(at: Nanos, time: Duration) -> Nanos {
    Nanos(at.0.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
}
