//! Follows the registry on a thread of its own: loads all keys, then publishes each change,
//! and writes last uses down.
//!
//! When the registry cannot be read, the keys that are known stay in force and it is tried
//! again; the snapshot's age tells. An unreadable record denies its key.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::publish::Publisher;
use crate::base::{Clock, KeyId, bounds};
use crate::policy::KeyEntry;
use crate::policy::keys::Change as KeyChange;
use crate::registry::{Change, Changes, Fault, Position, Registry, Stored, Used, key_entry};
use crate::state::Sealer;
use crate::telemetry::Metrics;

/// How often the sealing keys are looked at: well within the time that the sealer gives a new
/// one to become known.
const SEALING_LOOK: Duration = Duration::from_secs(30);
/// Half of the niceness that there is: a tenth of a core beside a worker that wants all of it.
const NICE: i32 = 10;
/// How long a sealing key seals.
const SEALING_RENEWAL: Duration = Duration::from_secs(86_400);

/// Last uses that a worker hands over.
pub type UsedBatch = Vec<Used>;

/// A running follower; dropping it stops the thread after it has written what it holds.
pub struct Follower {
    queue: Option<SyncSender<UsedBatch>>,
    thread: Option<JoinHandle<()>>,
}

/// The follower could not be started.
#[derive(Debug, thiserror::Error)]
pub enum FollowerFault {
    /// The registry could not be loaded.
    #[error(transparent)]
    Registry(#[from] Fault),
    /// No thread.
    #[error("no thread for the registry: {0}")]
    Thread(#[from] std::io::Error),
}

impl Follower {
    /// Loads all keys, publishes them, and follows from there.
    pub fn start(
        mut registry: Box<dyn Registry>,
        publisher: Publisher,
        metrics: Arc<Metrics>,
        clock: Clock,
        poll: Duration,
        session: Duration,
    ) -> Result<Self, FollowerFault> {
        let position = load(registry.as_mut(), &publisher)?;
        seal(registry.as_mut(), &publisher, &clock, session)?;
        metrics.registry_seen_ms.store(clock.now_ms(), Ordering::Relaxed);
        let (queue, batches) = sync_channel(bounds::USED_BATCHES);
        let sealed = Instant::now();
        let mut follow =
            Follow { registry, publisher, metrics, clock, position, failing: false, session, sealed };
        let thread =
            std::thread::Builder::new().name("registry".into()).spawn(move || follow.run(&batches, poll))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Where workers hand their last uses over. A full queue refuses, and the worker counts.
    pub fn used_queue(&self) -> impl Fn(UsedBatch) -> Result<(), usize> + Clone + Send + 'static {
        let queue = self.queue.clone();
        move |batch: UsedBatch| {
            let Some(queue) = &queue else { return Err(batch.len()) };
            queue.try_send(batch).map_err(|refused| match refused {
                TrySendError::Full(batch) | TrySendError::Disconnected(batch) => batch.len(),
            })
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // The thread ends when the last sender is gone: workers have stopped before.
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Follow {
    registry: Box<dyn Registry>,
    publisher: Publisher,
    metrics: Arc<Metrics>,
    clock: Clock,
    position: Position,
    failing: bool,
    /// How long a session lives.
    session: Duration,
    /// When the sealing keys were looked at.
    sealed: Instant,
}

impl Follow {
    fn run(&mut self, batches: &Receiver<UsedBatch>, poll: Duration) {
        give_way();
        loop {
            match batches.recv_timeout(poll) {
                Ok(batch) => self.write_used(&batch),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            match self.look() {
                Ok(()) => {
                    if self.failing {
                        tracing::info!("registry can be read again");
                    }
                    self.failing = false;
                    self.metrics.registry_seen_ms.store(self.clock.now_ms(), Ordering::Relaxed);
                }
                Err(fault) => {
                    // Once for each outage: the age of the snapshot tells the rest.
                    if !self.failing {
                        tracing::error!(%fault, "registry cannot be read, known keys stay in force");
                    }
                    self.failing = true;
                }
            }
        }
    }

    fn look(&mut self) -> Result<(), Fault> {
        if self.sealed.elapsed() >= SEALING_LOOK {
            self.sealed = Instant::now();
            seal(self.registry.as_mut(), &self.publisher, &self.clock, self.session)?;
        }
        loop {
            match self.registry.changes(self.position)? {
                Changes::Lost => {
                    tracing::warn!("registry's change log does not reach back, loading all keys");
                    self.position = load(self.registry.as_mut(), &self.publisher)?;
                }
                Changes::Since(changes, _) if changes.is_empty() => return Ok(()),
                Changes::Since(changes, position) => {
                    let changes: Vec<KeyChange> = changes.into_iter().map(change).collect();
                    self.publisher.change_keys(&changes);
                    self.position = position;
                    tracing::debug!(changes = changes.len(), "keys changed");
                }
            }
        }
    }

    fn write_used(&mut self, batch: &UsedBatch) {
        if let Err(fault) = self.registry.note_used(batch) {
            tracing::warn!(%fault, uses = batch.len(), "last uses of keys were not written");
            self.metrics.used_dropped.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
    }
}

/// Lets a worker that has a request to serve go first where both want one core: what this thread
/// does in a tenth of a millisecond may take a whole one. Where the system does not allow it,
/// nothing is lost.
fn give_way() {
    // On Linux this is the niceness of the calling thread (setpriority(2), C library differences).
    let _ = rustix::process::setpriority_process(None, NICE);
}

/// Publishes the sealing keys; they are kept for as long as a session of theirs may live.
fn seal(
    registry: &mut dyn Registry,
    publisher: &Publisher,
    clock: &Clock,
    session: Duration,
) -> Result<(), Fault> {
    let now = clock.now();
    let keys = registry.sealing_keys(now, SEALING_RENEWAL, SEALING_RENEWAL + session)?;
    publisher.replace_sealer(Sealer::new(keys, session, now));
    Ok(())
}

fn load(registry: &mut dyn Registry, publisher: &Publisher) -> Result<Position, Fault> {
    let begun = Instant::now();
    let mut keys = publisher.load();
    let position = registry.entries(&mut |(id, entry)| keys.put(id, readable(id, entry).as_ref()))?;
    let count = publisher.replace_keys(keys);
    tracing::info!(keys = count, ms = begun.elapsed().as_millis(), "keys loaded");
    Ok(position)
}

fn change(change: Change) -> KeyChange {
    match change {
        Change::Gone(id) => (id, None),
        Change::Put(stored) => {
            let Stored { id, record } = *stored;
            let entry = record.and_then(|record| key_entry(&record).map_err(|fault| fault.to_string()));
            (id, readable(id, entry))
        }
    }
}

fn readable(id: KeyId, entry: Result<KeyEntry, String>) -> Option<KeyEntry> {
    if let Err(fault) = &entry {
        tracing::warn!(key_id = %id, fault, "record cannot be read, its key is denied");
    }
    entry.ok()
}
