//! What every connection of a worker is served with, whatever it speaks.

use std::time::Duration;

use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::date::DateCache;

/// A client's stream.
pub(super) type ClientStream = crate::base::Stream<TlsStream<TcpStream>>;

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
    /// The value of `Date`.
    pub date: DateCache,
    /// The worker's number, for metrics.
    pub worker: usize,
}
