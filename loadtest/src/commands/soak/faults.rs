//! Clients that behave badly: each comes, does what it does, and goes.
//!
//! None of them asks for more than a bounded number of bytes or stays longer than a bounded time.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::Done;
use crate::load::Target;
use crate::traffic::Prepared;
use crate::traffic::message::{Form, Kind};
use crate::transport::Protocol;
use crate::transport::tls::HOST;

/// Bytes of an answer that a slow reader asks for, and how it reads them: 64 KiB/s.
const LARGE: usize = 1 << 20;
const SIP: usize = 2048;
const PAUSE: Duration = Duration::from_millis(30);
/// Sips after which it has had enough, long before the end.
const SIPS: usize = 20;
/// Time that any of them waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A kind of client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// Goes in the middle of its request.
    HalfRequest,
    /// Goes before its answer.
    NoInterest,
    /// Reads a large answer slowly and goes in the middle of it.
    SlowReader,
    /// Has a key that nobody issued.
    BadKey,
}

impl Fault {
    pub(super) const ALL: [Self; 4] = [Self::HalfRequest, Self::NoInterest, Self::SlowReader, Self::BadKey];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::HalfRequest => "left in the middle of a request",
            Self::NoInterest => "left before the answer",
            Self::SlowReader => "read slowly and left",
            Self::BadKey => "with a key that nobody issued",
        }
    }
}

/// What a raw connection is.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// Where they go; they speak HTTP/1.1, whatever the others speak.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) target: Target,
    /// Offers HTTP/1.1.
    pub(super) tls: Arc<ClientConfig>,
    /// Whether the target refuses keys that nobody issued; a floor does not.
    pub(super) refuses: bool,
}

impl Place {
    /// One client of a kind, from its coming to its going.
    pub(super) async fn visit(&self, fault: Fault) -> Done {
        let key = self.target.keys.first().map_or("", String::as_str);
        let mut stream = self.connect().await?;
        match fault {
            Fault::HalfRequest => {
                let whole = Prepared::of_record(HOST, key);
                let (half, _) = whole.split_at(whole.len() / 2);
                send(&mut stream, half).await
            }
            Fault::NoInterest => send(&mut stream, &Prepared::of_record(HOST, key)).await,
            Fault::SlowReader => self.sip(&mut stream, key).await,
            Fault::BadKey => self.refused(&mut stream).await,
        }
    }

    async fn connect(&self) -> Done<Box<dyn Stream>> {
        let told = |error: std::io::Error| format!("{}: {error}", self.target.address);
        let stream = TcpStream::connect(self.target.address).await.map_err(told)?;
        stream.set_nodelay(true).map_err(told)?;
        if self.target.protocol == Protocol::H1 {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(HOST).map_err(|error| error.to_string())?;
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await.map_err(told)?;
        Ok(Box::new(stream))
    }

    async fn sip(&self, stream: &mut Box<dyn Stream>, key: &str) -> Done {
        let (mut request, mut sip) = (Vec::new(), [0; SIP]);
        let kind = Kind { answer: LARGE, form: Form::Json, ..Kind::of_record() };
        Prepared::new(&kind, None).write_http1(HOST, key, false, &mut request);
        send(stream, &request).await?;
        for _ in 0..SIPS {
            match timeout(PATIENCE, stream.read(&mut sip)).await {
                // The upstream may have gone meanwhile; that ends an answer.
                Ok(Ok(0) | Err(_)) => return Ok(()),
                Ok(Ok(_)) => sleep(PAUSE).await,
                Err(_) => return Err(format!("a slow reader got nothing for {} s", PATIENCE.as_secs())),
            }
        }
        Ok(())
    }

    async fn refused(&self, stream: &mut Box<dyn Stream>) -> Done {
        let mut read = [0; SIP];
        send(stream, &Prepared::of_record(HOST, "mcp_live_0000000000000000.nobody")).await?;
        let count = timeout(PATIENCE, stream.read(&mut read)).await;
        let count = count.map_err(|_| "a wrong key got no answer".to_owned())?.map_err(|e| e.to_string())?;
        let answer = String::from_utf8_lossy(read.get(..count).unwrap_or_default()).into_owned();
        if answer.starts_with("HTTP/1.1 401") || !self.refuses {
            return Ok(());
        }
        Err(format!("a wrong key was answered: {}", answer.lines().next().unwrap_or_default()))
    }
}

async fn send(stream: &mut Box<dyn Stream>, bytes: &[u8]) -> Done {
    stream.write_all(bytes).await.map_err(|error| format!("a request could not be sent: {error}"))?;
    stream.flush().await.map_err(|error| format!("a request could not be sent: {error}"))
}
