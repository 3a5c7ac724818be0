//! New connections: name, TCP, and TLS where the URL says so.
//!
//! The caller limits the time of the whole. Addresses come from the configuration only.

use std::io;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::trust::Trust;
use crate::policy::Authority;

/// Why there is no connection, for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ConnectFault {
    /// Name resolution or TCP failed.
    #[error("no TCP connection: {0}")]
    Tcp(io::Error),
    /// TLS failed.
    #[error("no TLS connection: {0}")]
    Tls(io::Error),
    /// The host is no name that a certificate can have.
    #[error("the host is neither a DNS name nor an IP address")]
    Name,
    /// The certificate authorities were not prepared.
    #[error("the certificate authorities are not loaded")]
    Trust,
}

/// A connected stream.
pub(super) type Stream = crate::base::Stream<TlsStream<TcpStream>>;

/// Connects.
pub(super) async fn connect(to: &Authority, trust: &Trust) -> Result<Stream, ConnectFault> {
    let host = to.host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, to.port)).await.map_err(ConnectFault::Tcp)?;
    stream.set_nodelay(true).map_err(ConnectFault::Tcp)?;
    if !to.tls {
        return Ok(Stream::Plain(stream));
    }
    let config = trust.get(to.ca.as_deref()).ok_or(ConnectFault::Trust)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| ConnectFault::Name)?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(ConnectFault::Tls)?;
    Ok(Stream::Tls(Box::new(stream)))
}
