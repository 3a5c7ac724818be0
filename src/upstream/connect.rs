//! New connections: name, TCP, TLS where the URL says so, then HTTP/1.1.
//!
//! The caller limits the time of the whole. Addresses come from the configuration only.

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::trust::Trust;
use crate::base::Deadline;
use crate::policy::Authority;

/// Why there is no connection, for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ConnectFault {
    /// Name resolution or TCP failed.
    #[error("no TCP connection: {0}")]
    Tcp(std::io::Error),
    /// TLS failed.
    #[error("no TLS connection: {0}")]
    Tls(std::io::Error),
    /// The host is no name that a certificate can have.
    #[error("the host is neither a DNS name nor an IP address")]
    Name,
    /// The certificate authorities were not prepared.
    #[error("the certificate authorities are not loaded")]
    Trust,
    /// HTTP could not be begun.
    #[error("no HTTP connection: {0}")]
    Http(hyper::Error),
}

/// The sending half of a connection.
pub(super) type Sender = SendRequest<Full<Bytes>>;

/// A connection, with the deadline of the exchange that it serves.
pub(super) struct Lent {
    pub(super) sender: Sender,
    pub(super) deadline: Deadline,
}

/// Connects. The connection's own work goes on in a task that ends with it.
pub(super) async fn connect(
    to: &Authority,
    trust: &Trust,
    spawn: fn(Driver),
) -> Result<Sender, ConnectFault> {
    let host = to.host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, to.port)).await.map_err(ConnectFault::Tcp)?;
    stream.set_nodelay(true).map_err(ConnectFault::Tcp)?;
    if !to.tls {
        return handshake(TokioIo::new(stream), spawn).await;
    }
    let config = trust.get(to.ca.as_deref()).ok_or(ConnectFault::Trust)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| ConnectFault::Name)?;
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(ConnectFault::Tls)?;
    handshake(TokioIo::new(stream), spawn).await
}

/// The task that drives a connection.
pub(super) type Driver = std::pin::Pin<Box<dyn Future<Output = ()>>>;

async fn handshake<I>(io: I, spawn: fn(Driver)) -> Result<Sender, ConnectFault>
where
    I: Read + Write + Unpin + 'static,
{
    let (sender, connection) = Builder::new().handshake(io).await.map_err(ConnectFault::Http)?;
    // An error here reaches the request in flight through its own channel.
    spawn(Box::pin(async move { drop(connection.await) }));
    Ok(sender)
}
