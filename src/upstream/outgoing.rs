//! A request on its way out, written once into one buffer.
//!
//! Its lines come from a head that was read or from valid headers; nothing else can be added, so
//! that no value can begin another line.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

use crate::base::bounds::JOINED_BODY_BYTES;
use crate::wire::http1::{Preamble, begin_request, end_request, write_line, write_own};
use crate::wire::lines::Line;

/// A request as it goes out: its head, with a short body behind it, and a longer body apart.
pub struct Outgoing {
    pub(super) joined: Vec<u8>,
    pub(super) apart: Bytes,
}

/// The head of a request that is being written.
pub struct OutgoingHead {
    method: Method,
    written: Vec<u8>,
}

impl OutgoingHead {
    /// Begins a request; `lines` is how many bytes of lines are likely to follow, `body` how many the
    /// body has. A body that goes apart needs no room here.
    #[inline]
    pub fn begin(method: Method, preamble: &Preamble, lines: usize, body: usize) -> Self {
        let joined = if body <= JOINED_BODY_BYTES { body } else { 0 };
        let mut written = Vec::with_capacity(preamble.size() + lines + joined);
        begin_request(&mut written, &method, preamble);
        Self { method, written }
    }

    /// Adds a line that came from the client.
    #[inline]
    pub fn pass(&mut self, line: Line<'_>) {
        write_line(&mut self.written, line);
    }

    /// Adds a line of the gateway's own.
    #[inline]
    pub fn add(&mut self, name: &HeaderName, value: &HeaderValue) {
        write_own(&mut self.written, name, value);
    }

    /// Ends the head; this is the body.
    #[inline]
    pub fn end(self, body: &Bytes) -> Outgoing {
        let Self { method, written: mut joined } = self;
        end_request(&mut joined, &method, body.len());
        if body.len() > JOINED_BODY_BYTES {
            return Outgoing { joined, apart: body.clone() };
        }
        joined.extend_from_slice(body);
        Outgoing { joined, apart: Bytes::new() }
    }
}
