//! Begins an audit log, or goes on with the one that is there, and ends it.
//!
//! What is found of the process before is said, in the log and in its first record. A stop never waits for ever for
//! a disk.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use super::begun::Beginnings;
use super::chain::Head;
use super::checkpoint::Signer;
use super::files::{FileParams, Files};
use super::folder::{Folder, FolderFault};
use super::log::Log;
use super::record::Scribe;
use super::recover::recover;
use super::sink::{LAST, Outlet, Sink};
use super::writer::{Times, Writer};
use super::{Counters, own};
use crate::base::Tick;
use crate::base::key::random;
use crate::base::moment::Calendar;
use crate::telemetry::books::{Reader, Standing};
use crate::telemetry::event::Event;
use crate::telemetry::names::Names;

/// How long a stop waits for a disk that does not answer: twice what is given to one that fails.
const GIVEN_UP: Duration = LAST.saturating_mul(2);
/// How often a stop looks whether the thread has ended.
const LOOK: Duration = Duration::from_millis(5);

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
        let times = Times { fsync: params.fsync, checkpoint: params.checkpoint };
        let observers = std::mem::take(&mut params.observers);
        let log = begin(params)?;
        let (stop, counters) = (Arc::new(AtomicBool::new(false)), Arc::clone(&log.counters));
        let standing = Arc::clone(reader.standing());
        let writer = Writer::new(log, reader, observers, times);
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
                return self.standing.waiting() + self.standing.in_hand.load(Ordering::Relaxed);
            }
            std::thread::park_timeout(LOOK);
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
            let beginnings = Beginnings::new(&place.0, key);
            (Some(Files::new(folder, files, before, beginnings).map_err(failed)?), place)
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
            "the audit log was changed: behind this byte stands what no gateway wrote there; the log goes on from it, and 'tollgate audit verify' tells the place"
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
