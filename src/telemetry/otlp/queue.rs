//! What waits to be sent: records in batches, bounded in bytes, for each kind apart.
//!
//! Whoever puts a record in never waits for the collector: what finds no room is counted and gone.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::kind::{Kind, OtlpCells, add};
use crate::wire::protobuf::Writer;

/// Records of one request, at most; what the SDKs of OpenTelemetry send.
const BATCH_RECORDS: u64 = 512;
/// Bytes from which on a batch takes no more records; receivers take 4 MiB over gRPC.
pub(super) const BATCH_BYTES: usize = 512 * 1024;
/// The longest record, in bytes; longer ones count as without room.
pub(super) const RECORD_BYTES: usize = 1024 * 1024;
/// In the message that tells one resource's records of one scope, the field of each.
pub(super) const RECORD_FIELD: u32 = 2;

/// Records as they are sent, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The records, each with its field.
    pub(super) records: Writer,
    /// How many.
    pub(super) count: u64,
}

impl Batch {
    pub(super) fn push(&mut self, record: &[u8]) {
        self.records.some_text(RECORD_FIELD, record);
        self.count += 1;
    }

    fn is_full(&self) -> bool {
        self.count >= BATCH_RECORDS || self.records.bytes().len() >= BATCH_BYTES
    }
}

/// What waits of one kind.
#[derive(Debug)]
pub(super) struct Queue {
    kind: Kind,
    /// Most bytes that wait.
    most: usize,
    waiting: Mutex<Waiting>,
    cells: Arc<OtlpCells>,
    /// Told whenever a batch became full.
    pub(super) filled: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    /// All but the last are full.
    batches: VecDeque<Batch>,
    bytes: usize,
}

impl Queue {
    pub(super) fn new(kind: Kind, most: usize, cells: Arc<OtlpCells>) -> Self {
        Self { kind, most, waiting: Mutex::default(), cells, filled: Notify::new() }
    }

    /// Whether there is room for a record. One that is too long is lost wherever it waits.
    pub(super) fn has_room_for(&self, record: &[u8]) -> bool {
        record.len() > RECORD_BYTES || self.lock().bytes + record.len() <= self.most
    }

    /// Puts a record in, where there is room.
    pub(super) fn push(&self, record: &[u8]) {
        let mut waiting = self.lock();
        if record.len() > RECORD_BYTES || waiting.bytes + record.len() > self.most {
            drop(waiting);
            return add(&self.cells.of(self.kind).full, 1);
        }
        let mut last = waiting.batches.pop_back().unwrap_or_default();
        if last.is_full() {
            waiting.batches.push_back(std::mem::take(&mut last));
        }
        let before = last.records.bytes().len();
        last.push(record);
        waiting.bytes += last.records.bytes().len() - before;
        let full = last.is_full();
        waiting.batches.push_back(last);
        drop(waiting);
        if full {
            self.filled.notify_one();
        }
    }

    /// Takes the oldest batch: a full one only, or any.
    pub(super) fn take(&self, any: bool) -> Option<Batch> {
        let mut waiting = self.lock();
        if !any && !waiting.batches.front().is_some_and(Batch::is_full) {
            return None;
        }
        let batch = waiting.batches.pop_front()?;
        waiting.bytes -= batch.records.bytes().len();
        Some(batch)
    }

    /// Gives up what waits still, and counts it.
    pub(super) fn abandon(&self) {
        while let Some(batch) = self.take(true) {
            add(&self.cells.of(self.kind).undelivered, batch.count);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{BATCH_RECORDS, Kind, OtlpCells, Queue, RECORD_BYTES};
    use std::sync::Arc;
    use std::sync::atomic::Ordering::Relaxed;

    #[test]
    fn what_finds_no_room_is_counted_and_what_waits_is_bounded() {
        let cells = Arc::new(OtlpCells::default());
        let queue = Queue::new(Kind::Logs, 1 << 20, Arc::clone(&cells));
        let record = [b'x'; 1_000];
        (0..2_000).for_each(|_| queue.push(&record));
        queue.push(&vec![b'x'; RECORD_BYTES + 1]);
        let full = cells.of(Kind::Logs).full.load(Relaxed);
        assert!(queue.lock().bytes <= (1 << 20) + 3);
        let mut counts = Vec::new();
        while let Some(batch) = queue.take(false) {
            assert_eq!(batch.records.bytes().len() as u64, batch.count * 1_003);
            counts.push(batch.count);
        }
        assert_eq!(counts, [BATCH_RECORDS; 2], "none but full ones");
        let rest = queue.take(true).unwrap().count;
        assert_eq!(counts.iter().sum::<u64>() + rest + full, 2_001);
        assert!(full > 900 && queue.take(true).is_none() && queue.lock().bytes == 0);
        queue.push(&record);
        assert_eq!((queue.take(true).unwrap().count, cells.of(Kind::Spans).full.load(Relaxed)), (1, 0));
    }

    #[test]
    fn a_long_record_goes_alone() {
        let queue = Queue::new(Kind::Logs, 1 << 30, Arc::default());
        let long = vec![b'x'; RECORD_BYTES];
        (0..3).for_each(|_| queue.push(&long));
        assert_eq!((0..3).filter(|_| queue.take(false).is_some_and(|batch| batch.count == 1)).count(), 3);
    }
}
