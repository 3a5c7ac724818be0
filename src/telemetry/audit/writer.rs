//! The thread that keeps the audit log: takes what workers noted, writes it, makes it safe.
//!
//! One write for all that was taken at once, one sync for all that was written in an interval. Workers never
//! wait for it: while it cannot write it takes nothing, their queues fill up, and what then holds was
//! configured. It tries again until it can, and loses nothing of what it took.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant, SystemTime};

use super::chain::Head;
use super::checkpoint::Signer;
use super::files::{FileParams, Files};
use super::folder::{Folder, FolderFault};
use super::log::Log;
use super::record::Scribe;
use super::recover::recover;
use super::sink::{LAST, Outlet, Sink};
use super::{Counters, own};
use crate::base::Tick;
use crate::base::key::random;
use crate::base::moment::Calendar;
use crate::telemetry::books::{Reader, Standing};
use crate::telemetry::event::Event;
use crate::telemetry::names::Names;

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
/// How long a stop waits for a disk that does not answer: twice what is given to one that fails.
const GIVEN_UP: Duration = LAST.saturating_mul(2);
/// Records between two checkpoints at most.
const CHECKPOINT_RECORDS: u64 = 50_000;

/// What keeping the log takes.
pub struct AuditParams {
    /// Whose log.
    pub replica: String,
    /// What numbers of names mean.
    pub names: Arc<Names>,
    /// Where files are kept; `None` for nowhere.
    pub files: Option<FileParams>,
    /// Who signs checkpoints.
    pub signer: Option<Arc<Signer>>,
    /// How often checkpoints are made, while there is something new.
    pub checkpoint: Duration,
    /// For how long a record may be unsafe.
    pub fsync: Duration,
    /// Where records go besides.
    pub sinks: Vec<Box<dyn Sink>>,
    /// Who is shown each event before it is written down.
    pub observers: Vec<Observer>,
}

/// Is shown each event, with what its names and moments mean. It runs on the log's thread and must not wait.
pub type Observer = Box<dyn FnMut(&Event, &Names, &Calendar) + Send>;

/// Why a log was not begun.
#[derive(Debug, thiserror::Error)]
pub enum AuditFault {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderFault),
    /// The files in it.
    #[error("the audit log in {0} cannot be written: {1}")]
    Files(PathBuf, #[source] io::Error),
    /// Threads, or randomness.
    #[error("the audit log cannot be kept: {0}")]
    System(#[source] io::Error),
}

/// The running log.
pub struct Audit {
    stop: Arc<AtomicBool>,
    counters: Arc<Counters>,
    standing: Arc<Standing>,
    thread: Option<JoinHandle<u64>>,
    waker: Thread,
}

impl Audit {
    /// Begins or goes on with the log, and starts its thread. When this returns the first record is safe.
    pub fn start(reader: Reader, mut params: AuditParams) -> Result<Self, AuditFault> {
        let (fsync, checkpoint) = (params.fsync, params.checkpoint);
        let observers = std::mem::take(&mut params.observers);
        let log = begin(params)?;
        let (stop, counters) = (Arc::new(AtomicBool::new(false)), Arc::clone(&log.counters));
        let standing = Arc::clone(reader.standing());
        let writer = Writer {
            log,
            observers,
            reader,
            fsync,
            checkpoint,
            failing: None,
            complained: None,
            dirty_since: None,
            checked: Instant::now(),
            second: Instant::now(),
            minute: None,
        };
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("audit".into());
        let thread = thread.spawn(move || writer.run(&stopped)).map_err(AuditFault::System)?;
        let waker = thread.thread().clone();
        Ok(Self { stop, counters, standing, thread: Some(thread), waker })
    }

    /// Whom [`Books::wakes`](crate::telemetry::books::Books::wakes) takes.
    pub fn thread(&self) -> Thread {
        self.waker.clone()
    }

    /// What was written.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// What waits, what was lost, and whether it fails.
    pub fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    /// Writes what was noted until now, ends the log, and says how many records could not be written. To
    /// be called when the workers have ended; it takes some seconds where the disk is full, or it or a sink hangs.
    pub fn stop(mut self) -> u64 {
        self.end()
    }

    fn end(&mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.waker.unpark();
        let Some(thread) = self.thread.take() else { return 0 };
        let begun = Tick::now();
        while !thread.is_finished() {
            if self.standing.since_round(Tick::now()).min(Tick::now() - begun) > GIVEN_UP {
                // It cannot be ended: it is left, and the process ends without it.
                tracing::error!("the audit log's disk does not answer, and is not waited for any longer");
                return self.standing.waiting();
            }
            std::thread::park_timeout(BUSY);
        }
        thread.join().unwrap_or(0)
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.end();
        }
    }
}

fn begin(params: AuditParams) -> Result<Log, AuditFault> {
    let scribe = Scribe::new(&params.replica, params.names);
    let key = params.signer.as_ref().map(|signer| signer.public());
    let fresh = || {
        let drawn = random::<16>().map_err(|error| AuditFault::System(io::Error::other(error)))?;
        let mut chain = Vec::new();
        super::text::put_hex(&mut chain, &drawn);
        Ok::<_, AuditFault>((String::from_utf8_lossy(&chain).into_owned(), Head::default()))
    };
    let mut at = PathBuf::new();
    let (files, (chain, head)) = match params.files {
        None => (None, fresh()?),
        Some(files) => {
            at.clone_from(&files.folder);
            let failed = |error| AuditFault::Files(at.clone(), error);
            let folder = Folder::open(&files.folder, &params.replica)?;
            let recovered = recover(&folder, key).map_err(failed)?;
            let (before, place) = match recovered {
                Some(found) => (Some(found.before), (found.chain, found.head)),
                None => (None, fresh()?),
            };
            tell(before.as_ref());
            (Some(Files::new(folder, files, before).map_err(failed)?), place)
        }
    };
    let mut log = Log::new(scribe, &chain, head, params.signer);
    log.files = files;
    for sink in params.sinks {
        log.outlets.push(Outlet::start(sink).map_err(AuditFault::System)?);
    }
    log.begin().map_err(|error| AuditFault::Files(at, error))?;
    Ok(log)
}

/// Says what was found where it is not as it should be.
fn tell(before: Option<&own::Before>) {
    match before {
        Some(before) if before.state == own::State::Damaged => tracing::error!(
            file = before.file,
            behind_byte = before.bytes,
            "the audit log was changed: behind a record that is none stand signed ones; 'tollgate audit verify' tells where"
        ),
        Some(before) if before.state == own::State::Killed => {
            tracing::warn!(
                file = before.file,
                left_out = before.left_out,
                "the last audit file was not closed"
            );
        }
        _ => {}
    }
}

struct Writer {
    log: Log,
    observers: Vec<Observer>,
    reader: Reader,
    fsync: Duration,
    checkpoint: Duration,
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
    /// Keeps the log until it is told to stop; says how many records could not be written.
    fn run(mut self, stop: &AtomicBool) -> u64 {
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
        let is_next = self.log.write()?;
        let now = Instant::now();
        if now - self.second >= SECOND {
            self.second = now;
            self.log.scribe.look_at_clock();
            self.log.tell_dropped();
        }
        if self.log.is_dirty() {
            let since = *self.dirty_since.get_or_insert(now);
            if self.log.is_urgent() || now - since >= self.fsync {
                self.log.sync()?;
                self.dirty_since = None;
            }
        }
        let new = self.log.since_checkpoint();
        if new > 0 && (now - self.checked >= self.checkpoint || new >= CHECKPOINT_RECORDS) {
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
            if now < TAKEN {
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
