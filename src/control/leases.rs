//! The thread that keeps the leases of shared limits filled: what workers say they need is asked of Redis,
//! and what Redis gives is theirs to spend.
//!
//! Workers never wait for it. When it does not get through, limits count as out of reach after a second,
//! and what the configuration says for that holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::base::key::random;
use crate::base::redis::RedisParams;
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

/// The thread; it ends when this is dropped.
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
        };
        if keeping.has_work() {
            keeping.come_back();
        }
        let stop_thread = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("leases".into());
        let thread = thread.spawn(move || keeping.run(&notes, &stop_thread))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
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
    /// Whether a question since the last heartbeat had no answer.
    was_lost: bool,
}

impl Keeping {
    fn run(&mut self, notes: &Receiver<Note>, stop: &AtomicBool) {
        let mut heartbeat = after(now(), HEARTBEAT);
        while !stop.load(Ordering::Relaxed) && self.listen(notes, heartbeat) {
            if !self.is_away && self.has_work() {
                self.round();
            }
            if now() >= heartbeat {
                heartbeat = after(now(), HEARTBEAT);
                if self.has_work() {
                    self.beat();
                }
                self.tell();
            }
        }
        for part in self.keeper.close().chunks(AT_ONCE) {
            self.ledger.ask(part);
        }
        if self.has_work() {
            self.ledger.leave();
        }
    }

    /// Where no limit is shared, Redis hears nothing of it.
    fn has_work(&self) -> bool {
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
        for (ask, answer) in asks.iter().zip(answers) {
            if let Some(told) = answer {
                self.keeper.told(ask, told, now());
            } else {
                lost += 1;
                self.keeper.lost(ask, now());
            }
        }
        self.metrics.leases.lost.fetch_add(lost, Ordering::Relaxed);
        self.was_lost |= lost > 0;
        lost == 0
    }

    /// Says that this replica is here, and whether limits can be looked up.
    fn beat(&mut self) {
        if self.is_away {
            return self.come_back();
        }
        let begun = now();
        match self.ledger.present() {
            Ok(replicas) if !self.was_lost => {
                self.sharing.count(replicas);
                self.sharing.reached(after(begun, PATIENCE));
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(error, "redis does not keep shared limits"),
        }
        self.was_lost = false;
        if !self.sharing.is_reached(now()) {
            self.is_away = true;
            self.keeper.cut();
            let replicas = self.sharing.replicas();
            tracing::warn!(replicas, "redis is out of reach, and with it the limits that replicas share");
        }
    }

    /// Tries to get back: what is in use is filled before calls go by it again.
    fn come_back(&mut self) {
        let begun = now();
        let replicas = match self.ledger.present() {
            Ok(replicas) => replicas,
            Err(error) => return tracing::debug!(error, "redis does not keep shared limits"),
        };
        self.keeper.look_at_all(begun);
        while self.keeper.next().is_some_and(|due| due <= begun) {
            if !self.round() {
                return;
            }
        }
        (self.is_away, self.was_lost) = (false, false);
        self.sharing.count(replicas);
        self.sharing.reached(after(now(), PATIENCE));
        tracing::info!(replicas, "limits are shared through redis");
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
