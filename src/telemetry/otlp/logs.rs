//! Log records: a line of the audit log each, as it was written.

use super::fields::text;
use crate::wire::protobuf::Writer;

/// The severity of what is no trouble.
const INFO: u64 = 9;

/// Writes a record: the line, when it is from, in nanoseconds since 1970, and of which trace it is, 0 for none.
pub(super) fn record(record: &mut Writer, line: &str, at: u64, trace: u128) {
    record.fixed64(1, at);
    record.number(2, INFO);
    record.text(3, "INFO");
    record.message(5, |any| any.some_text(1, line));
    text(record, 6, "tollgate.log", "audit");
    if trace != 0 {
        record.text(9, trace.to_be_bytes());
    }
    record.fixed64(11, at);
    record.text(12, "tollgate.audit");
}
