//! HTTP/1.1 messages (RFC 9112): the heads that are read and written on both sides, and how
//! the end of a body is told.
//!
//! Strict where two readers could differ: a message whose length is told in two ways is
//! malformed, and whatever follows an upstream's answer condemns its connection. No I/O.

mod answer;
mod chunked;
mod received;
mod request;
mod response;

pub use answer::{AnswerLength, LAST_CHUNK, write_answer, write_chunk};
pub use chunked::{Chunked, Piece};
pub use received::{BodyLength, HeadFault, ReceivedHead, take_received};
pub(in crate::wire) use received::{OTHER_EXPECTATION, is_continue};
pub use request::{Preamble, begin_request, end_request, write_line, write_own};
pub use response::{Framing, ResponseHead, take_head};

/// An answer that cannot be read in one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is no HTTP/1.1 that can be read in one way only: {0}")]
pub struct Malformed(pub &'static str);

/// Where the head at the front of what was read ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeadEnd {
    /// Behind its empty line.
    At(usize),
    /// It is not there yet.
    NotYet,
    /// A line before it ends with a line feed alone, here.
    BareLineFeed(usize),
}

/// Looks for the end of a head, line by line: CRLF ends each, and an empty one ends it.
#[inline]
fn head_end(read: &[u8]) -> HeadEnd {
    let mut last = usize::MAX;
    for at in memchr::memchr_iter(b'\n', read) {
        if at == 0 || read.get(at - 1) != Some(&b'\r') {
            return HeadEnd::BareLineFeed(at);
        }
        if at == last.wrapping_add(2) && last != usize::MAX {
            return HeadEnd::At(at + 1);
        }
        last = at;
    }
    HeadEnd::NotYet
}
