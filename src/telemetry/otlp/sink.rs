//! A sink of the audit log: each line goes to the collector as a log record.
//!
//! It waits for room in the queue, on the thread that the audit log gives it, so that what is missed is counted
//! there, and as seldom as possible.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::logs;
use super::queue::Queue;
use crate::telemetry::audit::sink::{Batch, Sink};
use crate::wire::protobuf::Writer;

/// How often it looks whether there is room.
const LOOK: Duration = Duration::from_millis(20);

/// Takes lines of the audit log.
pub struct LogSink {
    queue: Arc<Queue>,
    record: Writer,
}

impl LogSink {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self { queue, record: Writer::new() }
    }
}

impl Sink for LogSink {
    fn name(&self) -> &'static str {
        "otlp"
    }

    fn write(&mut self, lines: &Batch, stopping: &AtomicBool) -> io::Result<()> {
        for told in lines.records() {
            let line = std::str::from_utf8(&told.line).map_err(io::Error::other)?;
            self.record.clear();
            logs::record(&mut self.record, line, told.at, told.trace);
            while !self.queue.has_room_for(self.record.bytes()) {
                if stopping.load(Ordering::Relaxed) {
                    return Err(io::Error::other("the collector does not take what waits for it"));
                }
                std::thread::park_timeout(LOOK);
            }
            self.queue.push(self.record.bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{LogSink, Queue};
    use crate::telemetry::audit::sink::{Batch, Sink};
    use crate::telemetry::otlp::{Kind, OtlpCells};
    use bytes::Bytes;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    const LINE: &str =
        r#"{"time":"2026-11-28T02:00:00.25Z","seq":7,"trace":"4bf92f3577b34da6a3ce929d0e0e4736"}"#;

    #[test]
    fn it_waits_for_room_and_not_beyond_a_stop() {
        let cells = Arc::new(OtlpCells::default());
        let queue = Arc::new(Queue::new(Kind::Logs, 64 * 1024, Arc::clone(&cells)));
        let mut sink = LogSink::new(Arc::clone(&queue));
        let batch = Batch::new(Bytes::from(format!("{LINE}\n").repeat(1_000)), 1_000);
        let stopping = AtomicBool::new(false);
        let taken = std::thread::scope(|scope| {
            let writes = scope.spawn(|| sink.write(&batch, &stopping));
            let mut taken = 0;
            while !writes.is_finished() {
                taken += queue.take(true).map_or(0, |batch| batch.count);
            }
            while let Some(batch) = queue.take(true) {
                taken += batch.count;
            }
            writes.join().unwrap().unwrap();
            taken
        });
        assert_eq!((taken, cells.of(Kind::Logs).full.load(Ordering::Relaxed)), (1_000, 0));
        stopping.store(true, Ordering::Relaxed);
        assert!(sink.write(&batch, &stopping).is_err());
    }
}
