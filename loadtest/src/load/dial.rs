//! Connections to the target, and how their handshakes went.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use rustls::HandshakeKind;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Target;
use crate::Done;
use crate::traffic::Traffic;
use crate::transport::tls::HOST;

/// Makes the connections of one load.
pub(super) struct Dial {
    pub(super) target: Target,
    connector: TlsConnector,
    /// Each request has a connection of its own.
    pub(super) once: bool,
    full: Cell<u64>,
    resumed: Cell<u64>,
}

/// TLS handshakes of a load: how many there were of each kind.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(crate) struct Handshakes {
    pub(crate) full: u64,
    pub(crate) resumed: u64,
}

impl Dial {
    /// As the traffic asks for.
    pub(super) fn new(target: &Target, traffic: &Traffic) -> Rc<Self> {
        let mut tls = Arc::clone(&target.tls);
        if traffic.no_resumption {
            Arc::make_mut(&mut tls).resumption = Resumption::disabled();
        }
        let (target, connector) = (target.clone(), TlsConnector::from(tls));
        let once = traffic.connection_per_request;
        Rc::new(Self { target, connector, once, full: Cell::new(0), resumed: Cell::new(0) })
    }

    /// A TCP connection.
    pub(super) async fn tcp(&self) -> Done<TcpStream> {
        let address = self.target.address;
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(|error| format!("cannot connect to {address}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(stream)
    }

    /// A TLS connection.
    pub(super) async fn tls(&self) -> Done<TlsStream<TcpStream>> {
        let stream = self.tcp().await?;
        let name = ServerName::try_from(HOST).map_err(|error| error.to_string())?;
        let stream = self.connector.connect(name, stream).await;
        let stream = stream.map_err(|error| format!("no TLS with {}: {error}", self.target.address))?;
        let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
        let count = if resumed { &self.resumed } else { &self.full };
        count.set(count.get() + 1);
        Ok(stream)
    }

    /// So far.
    pub(super) fn handshakes(&self) -> Handshakes {
        Handshakes { full: self.full.get(), resumed: self.resumed.get() }
    }
}
