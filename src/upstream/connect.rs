//! New connections: name, TCP, and TLS where the URL says so.
//!
//! The caller limits the time of the whole. Addresses come from the configuration only.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
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
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

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

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
