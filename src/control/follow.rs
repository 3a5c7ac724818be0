//! Follows the registry on a thread of its own: loads all keys, then publishes each change,
//! and writes last uses down.
//!
//! When the registry cannot be read, the keys that are known stay in force and it is tried
//! again; the snapshot's age tells. An unreadable record denies its key.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::publish::Publisher;
use crate::base::key::random;
use crate::base::thread::{HANGING, ended_by};
use crate::base::{Clock, KeyId, Tick, bounds};
use crate::policy::KeyEntry;
use crate::policy::keys::Change as KeyChange;
use crate::registry::{Change, Changes, Fault, Feed, Position, Standing, Stored, Used, key_entry};
use crate::state::Sealer;
use crate::telemetry::Metrics;

/// How often the sealing keys are looked at: well within the time that the sealer gives a new
/// one to become known.
const SEALING_LOOK: Duration = Duration::from_secs(30);
/// And when that failed.
const SEALING_AGAIN: Duration = Duration::from_secs(1);
/// Half of the niceness that there is: a tenth of a core beside a worker that wants all of it.
const NICE: i32 = 10;
/// How long a sealing key seals.
const SEALING_RENEWAL: Duration = Duration::from_secs(86_400);

/// The first pause after a look that failed, and the longest: a registry that is back is seen
/// within a second and a half.
const AGAIN: Duration = Duration::from_millis(25);
const AGAIN_AT_MOST: Duration = Duration::from_secs(1);

/// After how long a name that a gateway left by crashing is free: what it counts as alive for, and a
/// look more.
const NAME_FREE: Duration = Duration::from_secs(5);

/// Last uses that a worker hands over.
pub type UsedBatch = Vec<Used>;

/// A running follower; dropping it stops the thread after it has written what it holds, and leaves it where it
/// hangs in a call of its disk or of Redis.
pub struct Follower {
    queue: Option<SyncSender<UsedBatch>>,
    thread: Option<JoinHandle<()>>,
    /// Until when it may take to end.
    until: Option<Instant>,
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
        mut registry: Box<dyn Feed>,
        publisher: Publisher,
        metrics: Arc<Metrics>,
        clock: Clock,
        pace: Pace,
    ) -> Result<Self, FollowerFault> {
        let asked = Asked::now(&clock);
        let position = load(registry.as_mut(), &publisher)?;
        let (queue, batches) = sync_channel(bounds::USED_BATCHES);
        let mut follow = Follow {
            registry,
            publisher,
            metrics,
            clock,
            position,
            failing: 0,
            pace,
            disk_seen: None,
            seal_at: Instant::now(),
        };
        // Whatever comes of the first look: what was loaded holds from when it was asked for.
        let standing = follow.registry.standing();
        follow.hold(asked, &standing);
        match follow.first_look() {
            Err(fault @ Fault::Refused(_)) => return Err(fault.into()),
            Err(fault) => follow.failed(&fault),
            Ok(seen) => follow.seen(seen),
        }
        let thread =
            std::thread::Builder::new().name("registry".into()).spawn(move || follow.run(&batches))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), until: None })
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

    /// Tells the thread to end, which it does when the last sender is gone: workers have stopped before. It is
    /// waited for when this is dropped, and its time counts from now.
    pub fn end(&mut self) {
        self.queue = None;
        self.until.get_or_insert_with(|| Instant::now() + HANGING);
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.end();
        let until = self.until.unwrap_or_else(Instant::now);
        if self.thread.take().is_some_and(|thread| !ended_by(thread, until)) {
            tracing::error!(
                "the registry, or the disk that it is on, does not answer, and is not waited for any longer: \
                 last uses of keys may be missing"
            );
        }
    }
}

/// How a registry is followed.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often a registry is looked at that does not wait for changes itself.
    pub poll: Duration,
    /// How long what it showed holds; `None` for ever.
    pub holds: Option<Duration>,
    /// How long a session lives.
    pub session: Duration,
}

/// When the registry was asked, by both clocks: that of the wall goes on while the machine sleeps, the
/// other is not set back.
#[derive(Clone, Copy)]
struct Asked {
    ms: u64,
    tick: Tick,
}

impl Asked {
    fn now(clock: &Clock) -> Self {
        Self { ms: clock.now_ms(), tick: Tick::now() }
    }

    /// At a time that is written down: how long ago only the wall clock can say.
    fn before(ms: u64, clock: &Clock) -> Self {
        let ago = Duration::from_millis(clock.now_ms().saturating_sub(ms));
        Self { ms, tick: Tick::now().before(ago) }
    }
}

struct Follow {
    registry: Box<dyn Feed>,
    publisher: Publisher,
    metrics: Arc<Metrics>,
    clock: Clock,
    position: Position,
    /// Looks that failed since the last that did not.
    failing: u32,
    pace: Pace,
    /// When the registry had shown what was read from a disk.
    disk_seen: Option<Asked>,
    /// When the sealing keys are to be looked at.
    seal_at: Instant,
}

impl Follow {
    fn run(&mut self, batches: &Receiver<UsedBatch>) {
        give_way();
        loop {
            match batches.recv_timeout(self.pause()) {
                Ok(batch) => self.write_used(batch, batches),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            match self.look() {
                Ok(seen) => self.seen(seen),
                Err(fault) => self.failed(&fault),
            }
        }
    }

    /// The first look, which a registry refuses while another gateway of the same name seems to live.
    /// One that crashed and is started anew without its disk is that other itself, for a few seconds.
    fn first_look(&mut self) -> Result<Option<Asked>, Fault> {
        let begun = Instant::now();
        loop {
            match self.look() {
                Err(Fault::Refused(said)) if begun.elapsed() < NAME_FREE => {
                    tracing::warn!(said, "trying again");
                    pause(AGAIN_AT_MOST);
                }
                done => return done,
            }
        }
    }

    /// A look came to its end; where the registry showed all that it has, it was asked at a time: what
    /// it showed is that old, however long the answer took.
    fn seen(&mut self, asked: Option<Asked>) {
        if self.failing > 0 {
            tracing::info!("registry can be read again");
        }
        self.failing = 0;
        self.metrics.registry_reached.store(true, Ordering::Relaxed);
        let standing = self.registry.standing();
        if let Some(delay) = standing.delay {
            self.metrics.revocation.observe(delay.as_secs_f64());
        }
        if let Some(asked) = asked {
            self.hold(asked, &standing);
        }
        self.metrics.registry_lost.store(standing.lost, Ordering::Relaxed);
    }

    /// What is known holds from a time on, but for a registry that nobody vouched for: it may be an
    /// old copy, in which a revoked key still lives.
    fn hold(&self, seen: Asked, standing: &Standing) {
        self.metrics.registry_unconfirmed.store(standing.unconfirmed, Ordering::Relaxed);
        if standing.unconfirmed {
            return self.publisher.hold_back();
        }
        self.metrics.registry_seen_ms.store(seen.ms, Ordering::Relaxed);
        self.publisher.renew(seen.ms, seen.tick, self.pace.holds);
    }

    fn failed(&mut self, fault: &Fault) {
        // Once for each outage: the age of the snapshot tells the rest.
        if self.failing == 0 {
            tracing::error!(%fault, "registry cannot be read, known keys stay in force");
        }
        self.failing = self.failing.saturating_add(1);
        self.metrics.registry_reached.store(false, Ordering::Relaxed);
        let standing = self.registry.standing();
        // What was handed over came from a disk, and is as old as that says; how old in ticks is told once.
        if let Some(seen_ms) = standing.disk_seen_ms {
            let seen = self.disk_seen.filter(|seen| seen.ms == seen_ms);
            let seen = seen.unwrap_or_else(|| Asked::before(seen_ms, &self.clock));
            self.disk_seen = Some(seen);
            self.hold(seen, &standing);
        }
    }

    /// How long to wait before the next look: not at all for a registry that waits itself, longer
    /// and longer for one that cannot be reached.
    fn pause(&self) -> Duration {
        let usual = if self.registry.waits() { Duration::ZERO } else { self.pace.poll };
        if self.failing == 0 {
            return usual;
        }
        let longest = AGAIN.saturating_mul(1 << self.failing.min(10)).min(AGAIN_AT_MOST);
        // Replicas that lost one registry together must not come back to it together.
        let part = random().map_or(u32::from(u8::MAX), |[byte]: [u8; 1]| u32::from(byte));
        usual.max(longest / 2 + longest / 2 * part / u32::from(u8::MAX))
    }

    /// Publishes what changed. When the registry was asked that showed nothing more, or `None` where
    /// there may be more: a steady stream of changes must not keep the rest waiting.
    fn look(&mut self) -> Result<Option<Asked>, Fault> {
        if Instant::now() >= self.seal_at {
            self.seal();
        }
        loop {
            let asked = Asked::now(&self.clock);
            match self.registry.changes(self.position)? {
                Changes::Lost => {
                    tracing::warn!("registry's change log does not reach back, loading all keys");
                    self.position = load(self.registry.as_mut(), &self.publisher)?;
                }
                Changes::Since(changes, position) if changes.is_empty() => {
                    self.position = position;
                    return Ok(Some(asked));
                }
                Changes::Since(changes, position) => {
                    let all = changes.len() < bounds::CHANGES_AT_ONCE;
                    let changes: Vec<KeyChange> = changes.into_iter().map(change).collect();
                    self.publisher.change_keys(&changes);
                    self.position = position;
                    tracing::debug!(changes = changes.len(), "keys changed");
                    if self.registry.waits() {
                        return Ok(all.then_some(asked));
                    }
                }
            }
        }
    }

    /// Publishes the sealing keys; they are kept for as long as a session of theirs may live.
    /// Without them sessions cannot be opened, which is no reason to stop following keys.
    fn seal(&mut self) {
        let (now, session) = (self.clock.now(), self.pace.session);
        match self.registry.sealing_keys(now, SEALING_RENEWAL, SEALING_RENEWAL + session) {
            Ok(keys) => {
                self.publisher.replace_sealer(Sealer::new(keys, session, now));
                self.seal_at = Instant::now() + SEALING_LOOK;
            }
            Err(fault) => {
                tracing::warn!(%fault, "sealing keys cannot be read, sessions are those that were known");
                self.seal_at = Instant::now() + SEALING_AGAIN;
            }
        }
    }

    /// Writes what workers handed over, all of it at once: there are as many workers as cores, and one
    /// look at the registry for each of their batches would leave most of them waiting.
    fn write_used(&mut self, first: UsedBatch, more: &Receiver<UsedBatch>) {
        let mut latest: BTreeMap<KeyId, Used> = BTreeMap::new();
        for used in std::iter::once(first).chain(more.try_iter().take(bounds::USED_BATCHES)).flatten() {
            let known = latest.entry(used.id).or_insert(used);
            (known.at, known.previous_at) = (known.at.max(used.at), known.previous_at.max(used.previous_at));
        }
        let together: UsedBatch = latest.into_values().collect();
        if let Err(fault) = self.registry.note_used(&together) {
            tracing::warn!(%fault, uses = together.len(), "last uses of keys were not written");
            self.metrics.used_dropped.fetch_add(together.len() as u64, Ordering::Relaxed);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing is served yet, and nobody waits but the start")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Lets a worker that has a request to serve go first where both want one core: what this thread
/// does in a tenth of a millisecond may take a whole one. Where the system does not allow it,
/// nothing is lost.
fn give_way() {
    // On Linux this is the niceness of the calling thread (setpriority(2), C library differences).
    let _ = rustix::process::setpriority_process(None, NICE);
}

fn load(registry: &mut dyn Feed, publisher: &Publisher) -> Result<Position, Fault> {
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
