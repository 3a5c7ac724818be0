//! HTTP/1.1 messages towards upstreams (RFC 9112): a request's bytes, an answer's head, and
//! how the end of its body is told.
//!
//! Strict where two readers could differ: an answer whose length is told in two ways is
//! malformed, and whatever follows an answer condemns its connection. No I/O.

mod chunked;
mod request;
mod response;

pub use chunked::{Chunked, Piece};
pub use request::write_request;
pub use response::{Framing, ResponseHead, take_head};

/// An answer that cannot be read in one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is no HTTP/1.1 that can be read in one way only: {0}")]
pub struct Malformed(pub &'static str);
