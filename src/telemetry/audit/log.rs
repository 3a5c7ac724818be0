//! The chain as it is being written: records, the file that they go to, what is not safe yet.
//!
//! A record is told to sinks, and to who waits for it, when it is safe: synced, where there are files. What
//! is not is kept in memory, bounded. Where writing or syncing fails, the file is given up at its last
//! safe byte, and what was lost with it is written again, under new numbers, into the next one.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Counters;
use super::chain::{Head, Line};
use super::checkpoint::Signer;
use super::files::Files;
use super::own::{self, Opened, State};
use super::record::Scribe;
use super::retain::Gone;
use super::sink::{Batch, HeadOf, Outlet};
use crate::telemetry::event::{Event, Written};

/// Bytes that may be unsafe at a time before they are synced out of turn.
const UNSAFE: usize = 4 * 1024 * 1024;

pub(super) struct Log {
    pub(super) scribe: Scribe,
    pub(super) chain: Arc<str>,
    pub(super) signer: Option<Arc<Signer>>,
    pub(super) files: Option<Files>,
    pub(super) outlets: Vec<Outlet>,
    pub(super) counters: Arc<Counters>,
    /// The last record, and the last that is safe.
    head: Head,
    safe: Head,
    pending: Pending,
    waiting: Vec<oneshot::Sender<Written>>,
    /// Records since the last checkpoint.
    since_checkpoint: u64,
    /// Through which record it was told that files go.
    told_gone: u64,
}

/// Records that are not safe yet.
#[derive(Default)]
struct Pending {
    lines: Vec<u8>,
    /// Of these, bytes that were written.
    written: usize,
    count: u64,
}

impl Pending {
    fn clear(&mut self) {
        self.lines.clear();
        (self.written, self.count) = (0, 0);
    }
}

impl Log {
    /// A log whose chain goes on behind `head`.
    pub(super) fn new(scribe: Scribe, chain: &str, head: Head, signer: Option<Arc<Signer>>) -> Self {
        Self {
            scribe,
            chain: chain.into(),
            signer,
            files: None,
            outlets: Vec::new(),
            counters: Arc::default(),
            head,
            safe: head,
            pending: Pending::default(),
            waiting: Vec::new(),
            since_checkpoint: 0,
            told_gone: 0,
        }
    }

    /// Writes an event's record, in memory; not where neither files nor sinks would get it.
    pub(super) fn note(&mut self, event: &mut Event) {
        if self.files.is_none() && self.outlets.is_empty() {
            return;
        }
        self.waiting.extend(event.written.take());
        self.scribe.put(&mut self.pending.lines, &mut self.head, event);
        self.pending.count += 1;
        self.since_checkpoint += 1;
    }

    pub(super) fn since_checkpoint(&self) -> u64 {
        self.since_checkpoint
    }

    /// Whether anything is not safe.
    pub(super) fn is_dirty(&self) -> bool {
        self.pending.count > 0
    }

    /// Whether somebody waits for what is not safe, or there is too much of it.
    pub(super) fn is_urgent(&self) -> bool {
        !self.waiting.is_empty() || self.is_full()
    }

    /// Whether as much is unsafe as may be.
    pub(super) fn is_full(&self) -> bool {
        self.pending.lines.len() > UNSAFE
    }

    /// Records that are not safe.
    pub(super) fn pending_events(&self) -> u64 {
        self.pending.count
    }

    /// Begins a file, where there are any, with what is not safe. To be called first, and after a failure.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        let before = self.files.as_ref().and_then(|files| files.before().cloned());
        let opened = Opened { chain: self.chain.to_string(), before };
        let (mut head, mut begun) = (self.safe, Pending::default());
        own::put_opened(&self.scribe, &mut begun.lines, &mut head, &opened);
        own::put_checkpoint(&self.scribe, &mut begun.lines, &mut head, &self.chain, self.signer.as_deref());
        begun.count = 2;
        let unsafe_lines = self.pending.lines.split(|byte| *byte == b'\n').filter_map(Line::read);
        // What the log wrote of its own says where it stood, and is said anew.
        let is_own = |kind| [own::OPENED, own::CHECKPOINT, own::CLOSED].contains(&kind);
        for line in unsafe_lines.filter(|line| !is_own(line.kind)) {
            line.move_to(&mut begun.lines, &mut head);
            begun.count += 1;
        }
        if let Some(files) = &mut self.files {
            files.begin(self.safe.seq + 1, &begun.lines)?;
            self.counters.files.fetch_add(1, Ordering::Relaxed);
        }
        begun.written = begun.lines.len();
        self.since_checkpoint = begun.count - 2;
        (self.pending, self.head) = (begun, head);
        self.settle();
        Ok(())
    }

    /// Writes what was noted to the file, and begins the next where it is full; whether it did.
    pub(super) fn write(&mut self) -> io::Result<bool> {
        let Some(files) = &mut self.files else {
            self.settle();
            return Ok(false);
        };
        let unwritten = self.pending.lines.get(self.pending.written..).unwrap_or_default();
        if !unwritten.is_empty() {
            files.write(unwritten)?;
            self.pending.written = self.pending.lines.len();
        }
        let is_full = files.is_full();
        if is_full {
            self.close()?;
            self.begin()?;
        }
        Ok(is_full)
    }

    /// Makes what was written safe.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if let Some(files) = &mut self.files {
            let unwritten = self.pending.lines.get(self.pending.written..).unwrap_or_default();
            files.write(unwritten)?;
            self.pending.written = self.pending.lines.len();
            files.sync()?;
            self.counters.syncs.fetch_add(1, Ordering::Relaxed);
        }
        self.settle();
        Ok(())
    }

    /// A checkpoint. What it vouches for is safe before it is written, so that no crash leaves one behind
    /// a hole.
    pub(super) fn checkpoint(&mut self) -> io::Result<()> {
        self.sync()?;
        let (lines, head) = (&mut self.pending.lines, &mut self.head);
        own::put_checkpoint(&self.scribe, lines, head, &self.chain, self.signer.as_deref());
        self.pending.count += 1;
        self.sync()?;
        self.since_checkpoint = 0;
        let head =
            HeadOf { replica: self.scribe.replica().into(), chain: Arc::clone(&self.chain), head: self.head };
        self.outlets.iter().for_each(|outlet| outlet.tell_head(&head));
        Ok(())
    }

    /// Ends the current file.
    pub(super) fn close(&mut self) -> io::Result<()> {
        own::put_closed(&self.scribe, &mut self.pending.lines, &mut self.head);
        self.pending.count += 1;
        self.checkpoint()?;
        if let Some(files) = &mut self.files {
            files.end(State::Closed);
        }
        Ok(())
    }

    /// Gives the current file up. Who waits is told that nothing stands; what was noted is kept.
    pub(super) fn give_up(&mut self) {
        if let Some(files) = &mut self.files {
            files.end(State::Failed);
        }
        self.waiting.clear();
        self.counters.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Writes down what sinks missed since this was done last.
    pub(super) fn tell_dropped(&mut self) {
        for outlet in &mut self.outlets {
            let dropped = outlet.take_dropped();
            if dropped > 0 {
                self.counters.missed.fetch_add(dropped, Ordering::Relaxed);
                let (lines, head) = (&mut self.pending.lines, &mut self.head);
                own::put_dropped(&self.scribe, lines, head, outlet.name(), dropped);
                self.pending.count += 1;
            }
        }
    }

    /// Deletes files that have been kept for long enough, once it is safely written that they go.
    pub(super) fn retain(&mut self, now: SystemTime) -> io::Result<()> {
        let gone = self.files.as_mut().map(|files| files.gone(now)).unwrap_or_default();
        let untold: Vec<&Gone> = gone.iter().filter(|gone| gone.through > self.told_gone).collect();
        if let Some(last) = untold.last().map(|gone| gone.through) {
            for gone in untold {
                own::put_deleted(&self.scribe, &mut self.pending.lines, &mut self.head, gone);
                self.pending.count += 1;
            }
            self.checkpoint()?;
            self.told_gone = last;
        }
        if let Some(files) = &self.files {
            for gone in gone {
                files.delete(gone);
            }
        }
        Ok(())
    }

    /// What is pending is safe: it is told to sinks and to who waits.
    fn settle(&mut self) {
        let Pending { lines, count, .. } = &mut self.pending;
        self.counters.records.fetch_add(*count, Ordering::Relaxed);
        self.counters.bytes.fetch_add(lines.len() as u64, Ordering::Relaxed);
        if !self.outlets.is_empty() && *count > 0 {
            let batch = Batch::new(Bytes::copy_from_slice(lines), *count);
            self.outlets.iter_mut().for_each(|outlet| outlet.give(&batch));
        }
        self.pending.clear();
        self.safe = self.head;
        for waiting in self.waiting.drain(..) {
            // Who waited may have gone.
            let _ = waiting.send(Written);
        }
    }
}
