//! What a TLS 1.3 handshake costs a target: connections that are opened, greeted and closed,
//! full ones and ones resumed with a ticket.
//!
//! Nothing is asked on them, so that the figure is the handshake's: accepting, the handshake
//! itself, the tickets, closing. The client insists on TLS 1.3 with X25519, and on the kind that
//! is counted; anything else is an error.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::lineup::Contender;
use super::rounds::{Meter, WARM_UP};
use crate::machine::Cores;
use crate::report::Sample;
use crate::transport::tls::{HOST, client_config};
use crate::{Done, spawn};

/// Handshakes in flight: more than one core of a target can be busy with.
const IN_FLIGHT: usize = 8;
/// Time that a connection has from its beginning to its end.
const LONGEST: Duration = Duration::from_secs(5);

/// Which handshakes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Handshakes {
    /// With certificate and signature.
    Full,
    /// With a ticket of the connection before.
    Resumed,
}

impl Handshakes {
    /// In place of a protocol, in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Full => "handshake-full",
            Self::Resumed => "handshake-resumed",
        }
    }

    /// One cell.
    pub(crate) async fn cell(
        self,
        contender: &Contender,
        certificate: &Path,
        cores: Cores,
        length: Duration,
    ) -> Done<Sample> {
        let tally = Rc::new(Tally::default());
        for _ in 0..IN_FLIGHT {
            let caller = Caller::new(self, contender, certificate)?;
            let tally = Rc::clone(&tally);
            tally.running.set(tally.running.get() + 1);
            spawn(async move {
                if let Err(said) = caller.repeat(&tally).await {
                    tally.error.borrow_mut().get_or_insert(said);
                }
                tally.running.set(tally.running.get() - 1);
            });
        }
        sleep(WARM_UP).await;
        let (meter, before) = (Meter::start(contender, cores)?, tally.count.get());
        sleep(length).await;
        let sample = meter.stop(tally.count.get() - before)?;
        tally.stop.set(true);
        while tally.running.get() > 0 {
            // Each ends within the time that a connection has.
            sleep(Duration::from_millis(5)).await;
        }
        let error = tally.error.borrow_mut().take();
        error.map_or(Ok(Sample { p50_us: f64::NAN, ..sample }), Err)
    }
}

#[derive(Default)]
struct Tally {
    count: Cell<u64>,
    running: Cell<usize>,
    stop: Cell<bool>,
    error: RefCell<Option<String>>,
}

/// One connection after the other; each caller has the tickets of its own connections.
struct Caller {
    kind: Handshakes,
    address: std::net::SocketAddr,
    connector: TlsConnector,
}

impl Caller {
    fn new(kind: Handshakes, contender: &Contender, certificate: &Path) -> Done<Self> {
        let mut config: ClientConfig = client_config(certificate, b"http/1.1")?;
        config.resumption = match kind {
            Handshakes::Full => Resumption::disabled(),
            Handshakes::Resumed => Resumption::in_memory_sessions(1),
        };
        Ok(Self { kind, address: contender.target.address, connector: TlsConnector::from(Arc::new(config)) })
    }

    async fn repeat(&self, tally: &Tally) -> Done {
        if self.kind == Handshakes::Resumed {
            self.once(HandshakeKind::Full).await?;
        }
        let expected = match self.kind {
            Handshakes::Full => HandshakeKind::Full,
            Handshakes::Resumed => HandshakeKind::Resumed,
        };
        while !tally.stop.get() {
            self.once(expected).await?;
            tally.count.set(tally.count.get() + 1);
        }
        Ok(())
    }

    async fn once(&self, expected: HandshakeKind) -> Done {
        let whole = timeout(LONGEST, self.connection(expected)).await;
        whole.map_err(|_| format!("a connection did not end within {} s", LONGEST.as_secs()))?
    }

    async fn connection(&self, expected: HandshakeKind) -> Done {
        let told = |error: std::io::Error| format!("no handshake with {}: {error}", self.address);
        let name = ServerName::try_from(HOST).map_err(|error| error.to_string())?;
        let stream = TcpStream::connect(self.address).await.map_err(told)?;
        stream.set_nodelay(true).map_err(told)?;
        let mut stream = self.connector.connect(name, stream).await.map_err(told)?;
        let (_, session) = stream.get_ref();
        let group = session.negotiated_key_exchange_group().map(rustls::crypto::SupportedKxGroup::name);
        let had = (session.handshake_kind(), session.protocol_version(), group);
        if had != (Some(expected), Some(ProtocolVersion::TLSv1_3), Some(NamedGroup::X25519)) {
            return Err(format!("{expected:?} with TLS 1.3 and X25519 was wanted, there was {had:?}"));
        }
        // The server's tickets come after the handshake, and end with its side of the connection.
        stream.shutdown().await.map_err(told)?;
        let mut rest = [0; 256];
        loop {
            match stream.read(&mut rest).await {
                // Some end without a word of TLS, or with a reset; that is an end too.
                Ok(0) | Err(_) => return Ok(()),
                Ok(_) => {}
            }
        }
    }
}
