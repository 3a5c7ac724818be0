//! What every connection of a worker is served with, whatever it speaks.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::date::DateCache;
use crate::base::bounds::READ_BYTES;

/// A client's stream.
pub(super) type ClientStream = crate::base::Stream<TlsStream<TcpStream>>;

/// Where a worker's connections read into before it is known how much there is: a buffer of the
/// right size is made for what came, and none for a connection that waits.
#[derive(Clone)]
pub struct ReadScratch(pub(super) Rc<RefCell<Box<[u8]>>>);

impl Default for ReadScratch {
    fn default() -> Self {
        Self(Rc::new(RefCell::new(vec![0; READ_BYTES].into())))
    }
}

/// What every connection of a worker is served with.
pub struct ConnectionParams {
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Time for the head of a request.
    pub head: Duration,
    /// Largest head of a request, in bytes.
    pub head_size: usize,
    /// Time that a connection may be open without a request.
    pub idle: Duration,
    /// Longest pause of a client that reads an answer.
    pub write_idle: Duration,
    /// Where connections read into.
    pub scratch: ReadScratch,
    /// The value of `Date`.
    pub date: DateCache,
    /// The worker's number, for metrics.
    pub worker: usize,
}
