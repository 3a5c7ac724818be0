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
