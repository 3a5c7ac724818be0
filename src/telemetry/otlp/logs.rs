//! Log records: a line of the audit log each, as it was written.

use super::fields::text;
use crate::telemetry::event::Trace;
use crate::wire::protobuf::Writer;

/// The severity of what is no trouble.
const INFO: u64 = 9;

/// Writes a record: the line, and of which trace it is.
pub(super) fn record(record: &mut Writer, line: &str, at: u64, trace: &Trace) {
    record.fixed64(1, at);
    record.number(2, INFO);
    record.text(3, "INFO");
    record.message(5, |any| any.some_text(1, line));
    text(record, 6, "tollgate.log", "audit");
    if trace.id != 0 {
        record.fixed32(8, u32::from(trace.sampled));
        record.text(9, trace.id.to_be_bytes());
        if trace.own != 0 {
            record.text(10, trace.own.to_be_bytes());
        }
    }
    record.fixed64(11, at);
    record.text(12, "tollgate.audit");
}
