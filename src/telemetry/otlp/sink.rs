//! A sink of the audit log: each line goes to the collector as a log record.
//!
//! It waits for room in the queue, on the thread that the audit log gives it, so that what is missed is counted
//! there, and as seldom as possible.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use super::logs;
use super::queue::Queue;
use crate::base::moment::{Calendar, Moment};
use crate::telemetry::audit::sink::{Batch, Sink};
use crate::telemetry::event::Trace;
use crate::wire::jsonrpc::slow::{At, value_at};
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
        for line in lines.lines() {
            let line = std::str::from_utf8(&line).map_err(io::Error::other)?.trim_end();
            self.record.clear();
            logs::record(&mut self.record, line, time_of(line), &trace_of(line));
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

/// A text of a line.
fn text<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let At::Value(_, value) = value_at(line, &[name]) else { return None };
    value.strip_prefix('"')?.strip_suffix('"')
}

/// When a line says that it is from, in nanoseconds since 1970; now, where it does not say.
fn time_of(line: &str) -> u64 {
    let told = text(line, "time").and_then(|time| humantime::parse_rfc3339(time).ok());
    let since = told.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let nanos = since.and_then(|since| u64::try_from(since.as_nanos()).ok());
    nanos.unwrap_or_else(|| Calendar::new().unix_nanos(Moment::now()))
}

/// Of which trace a line is.
fn trace_of(line: &str) -> Trace {
    let id = text(line, "trace").and_then(|id| u128::from_str_radix(id, 16).ok()).unwrap_or(0);
    Trace { id, ..Trace::default() }
}

#[cfg(test)]
mod tests {
    use super::{LogSink, Queue, time_of, trace_of};
    use crate::telemetry::audit::sink::{Batch, Sink};
    use crate::telemetry::otlp::{Kind, OtlpCells};
    use bytes::Bytes;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    const LINE: &str =
        r#"{"time":"2026-11-28T02:00:00.25Z","seq":7,"trace":"4bf92f3577b34da6a3ce929d0e0e4736"}"#;

    #[test]
    fn a_line_says_when_it_is_from_and_of_which_trace() {
        assert_eq!(time_of(LINE), 1_795_831_200_250_000_000);
        assert_eq!(trace_of(LINE).id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert!(time_of("no JSON") > 1_577_836_800_000_000_000 && trace_of("{}").id == 0);
    }

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
