//! Where records go beside the files: each sink has a queue and a thread of its own, and the files never wait
//! for any.
//!
//! A sink is handed lines that stand: where there are files, after they were synced. What finds no room in its
//! queue is counted and told, as a record; it is never waited for.

mod stdout;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, UNIX_EPOCH};
use std::{fmt, io};

use bytes::Bytes;
use memchr::memmem;

use super::chain::{Head, Line};
use super::text::read_hex;
use crate::base::thread::ended_by;
pub use stdout::Stdout;

/// Batches, and bytes of them, that wait for one sink at most.
const BATCHES: usize = 1_024;
const BYTES: usize = 8 * 1024 * 1024;
const TRACE: &[u8] = b",\"trace\":\"";
/// How often a sink that fails is spoken of.
const COMPLAINT: Duration = Duration::from_secs(60);
/// How long a stop waits for a sink to get rid of what it has.
pub(super) const LAST: Duration = Duration::from_secs(5);

/// Takes finished records. It runs on a thread of its own and may wait there.
pub trait Sink: Send {
    /// What it is called in the configuration, in records and in metrics.
    fn name(&self) -> &'static str;

    /// Takes lines. Where it fails, all of them count as dropped; who wants to try again does so in here,
    /// for as long as `stopping` is false, while others are dropped for want of room.
    fn write(&mut self, lines: &Batch, stopping: &AtomicBool) -> io::Result<()>;

    /// Is told how far a chain has come, at each checkpoint, behind the lines up to there.
    fn head(&mut self, _head: &HeadOf) {}
}

/// Finished lines that follow each other, each with its end.
#[derive(Clone, Debug)]
pub struct Batch {
    bytes: Bytes,
    count: u64,
}

impl Batch {
    /// So many lines.
    pub fn new(bytes: Bytes, count: u64) -> Self {
        Self { bytes, count }
    }

    /// All lines, as they are.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Each line with its end, without copying.
    pub fn lines(&self) -> impl Iterator<Item = Bytes> {
        let mut start = 0;
        memchr::memchr_iter(b'\n', &self.bytes).map(move |end| {
            let line = self.bytes.slice(start..=end);
            start = end + 1;
            line
        })
    }

    /// Each record, with what of it a collector wants to know apart.
    pub fn records(&self) -> impl Iterator<Item = Told> {
        self.lines().map(|line| Told::of(&line))
    }
}

/// A record as sinks tell it further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The line, without its end.
    pub line: Bytes,
    /// Its time, in nanoseconds since 1970.
    pub at: u64,
    /// The trace that it belongs to; 0 where there is none.
    pub trace: u128,
    /// Its number in its chain; 0 where it cannot be read.
    pub seq: u64,
    /// Who wrote it.
    pub replica: Bytes,
    /// What it tells.
    pub kind: Bytes,
}

impl Told {
    fn of(line: &Bytes) -> Self {
        let line = line.slice(..line.len().saturating_sub(1));
        let read = Line::read(&line);
        let time = read.and_then(|line| humantime::parse_rfc3339(line.time).ok());
        let at = time.and_then(|time| u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok());
        // What clients sent stands behind it; and a quote inside of a text is an escaped one.
        let told = memmem::find(&line, b",\"inputs\":").unwrap_or(line.len());
        let told = line.get(..told).unwrap_or_default();
        let digits =
            memmem::find(told, TRACE).and_then(|at| told.get(at + TRACE.len()..at + TRACE.len() + 32));
        let trace = digits.and_then(read_hex::<16>).map_or(0, u128::from_be_bytes);
        let part = |text: Option<&str>| text.map_or_else(Bytes::new, |text| line.slice_ref(text.as_bytes()));
        let (replica, kind) = (part(read.map(|read| read.replica)), part(read.map(|read| read.kind)));
        Self { at: at.unwrap_or(0), trace, seq: read.map_or(0, |read| read.seq), replica, kind, line }
    }
}

/// How far a chain has come.
#[derive(Clone, Debug)]
pub struct HeadOf {
    /// Whose chain.
    pub replica: Arc<str>,
    /// Which.
    pub chain: Arc<str>,
    /// Its last record.
    pub head: Head,
}

enum Message {
    Lines(Batch),
    Head(HeadOf),
}

/// A sink with its queue and thread.
pub(super) struct Outlet {
    name: &'static str,
    queue: Option<SyncSender<Message>>,
    shared: Arc<Shared>,
    /// Dropped and not told yet.
    untold: u64,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    bytes: AtomicUsize,
    /// Records that the sink failed to take, since it was looked at last.
    failed: AtomicU64,
    stopping: AtomicBool,
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outlet({})", self.name)
    }
}

impl Outlet {
    pub(super) fn start(sink: Box<dyn Sink>) -> io::Result<Self> {
        let (queue, taken) = sync_channel(BATCHES);
        let (name, shared) = (sink.name(), Arc::new(Shared::default()));
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name(format!("audit-{name}"));
        let thread = thread.spawn(move || drain(sink, &taken, &theirs))?;
        Ok(Self { name, queue: Some(queue), shared, untold: 0, thread: Some(thread) })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Hands lines over, or counts them.
    pub(super) fn give(&mut self, batch: &Batch) {
        let size = batch.bytes.len();
        let waiting = self.shared.bytes.fetch_add(size, Ordering::Relaxed);
        // One batch passes however large it is.
        let has_room = waiting == 0 || waiting + size <= BYTES;
        let message = Message::Lines(batch.clone());
        if has_room && self.queue.as_ref().is_some_and(|queue| queue.try_send(message).is_ok()) {
            return;
        }
        self.shared.bytes.fetch_sub(size, Ordering::Relaxed);
        self.untold += batch.count;
    }

    pub(super) fn tell_head(&self, head: &HeadOf) {
        if let Some(queue) = &self.queue {
            let _ = queue.try_send(Message::Head(head.clone()));
        }
    }

    /// Records that were dropped since this was asked last.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.untold) + self.shared.failed.swap(0, Ordering::Relaxed)
    }

    /// Ends the sink once it has taken what waits, or at a time; whether it had.
    pub(super) fn stop(mut self, until: Instant) -> bool {
        drop(self.queue.take());
        let Some(thread) = self.thread.take() else { return true };
        let has_ended = ended_by(thread, until);
        if !has_ended {
            // Left to itself: the process ends.
            self.shared.stopping.store(true, Ordering::Relaxed);
        }
        has_ended
    }
}

fn drain(mut sink: Box<dyn Sink>, queue: &Receiver<Message>, shared: &Shared) {
    let mut complained: Option<Instant> = None;
    loop {
        match queue.recv_timeout(Duration::from_secs(1)) {
            Ok(Message::Lines(batch)) => {
                let taken = sink.write(&batch, &shared.stopping);
                shared.bytes.fetch_sub(batch.bytes.len(), Ordering::Relaxed);
                let Err(error) = taken else { continue };
                shared.failed.fetch_add(batch.count, Ordering::Relaxed);
                if complained.is_none_or(|at| at.elapsed() >= COMPLAINT) {
                    complained = Some(Instant::now());
                    tracing::warn!(sink = sink.name(), %error, "audit records did not reach a sink");
                }
            }
            Ok(Message::Head(head)) => sink.head(&head),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BATCHES, BYTES, Batch, HeadOf, Outlet, Sink};
    use bytes::Bytes;
    use std::io;
    use std::sync::atomic::AtomicBool;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::time::{Duration, Instant};

    /// Takes a batch whenever it is let.
    struct Gate {
        open: Receiver<bool>,
        taken: SyncSender<u64>,
    }

    impl Sink for Gate {
        fn name(&self) -> &'static str {
            "gate"
        }

        fn write(&mut self, lines: &Batch, _: &AtomicBool) -> io::Result<()> {
            if self.open.recv() != Ok(true) {
                return Err(io::Error::other("shut"));
            }
            self.taken.send(lines.count()).map_err(io::Error::other)
        }

        fn head(&mut self, head: &HeadOf) {
            self.taken.send(head.head.seq).unwrap();
        }
    }

    fn gate() -> (Outlet, SyncSender<bool>, Receiver<u64>) {
        let (open, opened) = sync_channel(10_000);
        let (taken, took) = sync_channel(10_000);
        (Outlet::start(Box::new(Gate { open: opened, taken })).unwrap(), open, took)
    }

    fn batch(bytes: usize, count: u64) -> Batch {
        Batch::new(Bytes::from(vec![b'x'; bytes]), count)
    }

    #[test]
    fn a_sink_that_hangs_is_not_waited_for_and_what_it_misses_is_counted() {
        let (mut outlet, open, taken) = gate();
        (0..2 * BATCHES).for_each(|_| outlet.give(&batch(10, 3)));
        let dropped = outlet.take_dropped();
        assert!(dropped >= 3 * (BATCHES as u64 - 1) && outlet.take_dropped() == 0, "{dropped}");
        drop(open);
        assert!(outlet.stop(Instant::now() + Duration::from_secs(10)));
        assert_eq!(taken.try_recv().ok(), None);
    }

    #[test]
    fn what_waits_is_bounded_in_bytes() {
        let (mut outlet, open, taken) = gate();
        outlet.give(&batch(2 * BYTES, 7));
        outlet.give(&batch(1, 1));
        assert_eq!(outlet.take_dropped(), 1);
        open.send(true).unwrap();
        assert_eq!(taken.recv(), Ok(7), "one passes however large it is");
        let begun = Instant::now();
        let gives = |outlet: &mut Outlet| {
            outlet.give(&batch(1, 1));
            outlet.take_dropped() == 0
        };
        while !gives(&mut outlet) {
            assert!(begun.elapsed() < Duration::from_secs(10));
        }
        // And what the sink failed to take counts like what found no room.
        open.send(false).unwrap();
        while outlet.take_dropped() != 1 {
            assert!(begun.elapsed() < Duration::from_secs(10));
        }
    }

    #[test]
    fn a_record_tells_its_time_and_its_trace() {
        let hash = "0".repeat(64);
        let line = |members: &str| {
            let before = r#"{"time":"2026-11-28T01:12:03.000000004Z","seq":7,"replica":"gw","kind":"call""#;
            format!("{before}{members},\"prev\":\"{hash}\",\"hash\":\"{hash}\"}}\n")
        };
        let traced = r#","tool":",\"trace\":\"","trace":"0af7651916cd43dd8448eb211c80319c""#;
        let not = r#","inputs":{"a":1,"trace":"0af7651916cd43dd8448eb211c80319c"}"#;
        let text = [line(traced), line(not)].concat();
        let told: Vec<_> = Batch::new(Bytes::from(text.clone()), 2).records().collect();
        assert_eq!(told.iter().map(|told| told.at).collect::<Vec<_>>(), [1_795_828_323_000_000_004; 2]);
        let traces: Vec<_> = told.iter().map(|told| told.trace).collect();
        assert_eq!(traces, [0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c, 0]);
        assert_eq!(told[0].line, text.lines().next().unwrap());
        assert_eq!((told[0].seq, &told[0].replica[..], &told[0].kind[..]), (7, &b"gw"[..], &b"call"[..]));
        let odd = Batch::new(Bytes::from_static(b"odd\n"), 1).records().next().unwrap();
        assert_eq!((odd.seq, odd.at, odd.replica.len(), &odd.line[..]), (0, 0, 0, &b"odd"[..]));
    }

    #[test]
    fn lines_come_one_by_one_and_a_stop_waits_for_them() {
        let batch = Batch::new(Bytes::from_static(b"a\nbc\n"), 2);
        assert_eq!(batch.lines().collect::<Vec<_>>(), ["a\n", "bc\n"]);
        let (mut outlet, open, taken) = gate();
        (0..10).for_each(|count| outlet.give(&super::tests::batch(1, count)));
        (0..10).for_each(|_| open.send(true).unwrap());
        assert!(outlet.stop(Instant::now() + Duration::from_secs(10)));
        assert_eq!(taken.try_iter().collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
        let (mut outlet, _open, _taken) = gate();
        outlet.give(&batch);
        assert!(!outlet.stop(Instant::now() + Duration::from_millis(20)), "it does not wait for ever");
    }
}
