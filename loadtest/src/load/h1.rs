//! HTTP/1.1 clients: a request written whole, an answer read by its length.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Protocol, Target};
use crate::Done;
use crate::call::{self, ANSWER};
use crate::stub::{HEADERS, content_length};
use crate::tls::HOST;

/// A client and its connection.
pub(super) struct Client {
    target: Target,
    call: Vec<u8>,
    stream: Option<Stream>,
    read: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Client {
    /// With the key whose turn it is; not connected yet.
    pub(super) fn new(target: &Target, number: usize) -> Self {
        let call = call::http1(HOST, target.key(number));
        Self { target: target.clone(), call, stream: None, read: Vec::with_capacity(4096) }
    }

    /// Connects, where it is not connected.
    pub(super) async fn connect(&mut self) -> Done {
        if self.stream.is_none() {
            let stream = if self.target.protocol == Protocol::H1 {
                Stream::Plain(connect(&self.target).await?)
            } else {
                Stream::Tls(Box::new(connect_tls(&self.target).await?))
            };
            self.stream = Some(stream);
        }
        Ok(())
    }

    /// One call. After an error, and after an answer that says so, the connection is given up.
    pub(super) async fn call(&mut self) -> Done {
        self.connect().await?;
        let outcome = match &mut self.stream {
            Some(Stream::Plain(stream)) => exchange(stream, &self.call, &mut self.read).await,
            Some(Stream::Tls(stream)) => exchange(stream, &self.call, &mut self.read).await,
            None => Err("no connection".to_owned()),
        };
        if !matches!(outcome, Ok(Keep::Alive)) {
            self.stream = None;
        }
        outcome.map(|_| ())
    }
}

/// What becomes of a connection after an answer.
enum Keep {
    Alive,
    Closed,
}

/// A TCP connection to the target.
async fn connect(target: &Target) -> Done<TcpStream> {
    let stream = TcpStream::connect(target.address).await;
    let stream = stream.map_err(|error| format!("cannot connect to {}: {error}", target.address))?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    Ok(stream)
}

/// A TLS connection to the target.
pub(super) async fn connect_tls(target: &Target) -> Done<TlsStream<TcpStream>> {
    let stream = connect(target).await?;
    let name = ServerName::try_from(HOST).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(Arc::clone(&target.tls));
    connector.connect(name, stream).await.map_err(|error| format!("no TLS with {}: {error}", target.address))
}

async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    call: &[u8],
    read: &mut Vec<u8>,
) -> Done<Keep> {
    stream.write_all(call).await.map_err(|error| format!("a request could not be sent: {error}"))?;
    // TLS keeps what the socket did not take at once.
    stream.flush().await.map_err(|error| format!("a request could not be sent: {error}"))?;
    read.clear();
    loop {
        let count = stream.read_buf(read).await.map_err(|error| format!("an answer broke off: {error}"))?;
        if count == 0 {
            return Err("the connection was closed before an answer".to_owned());
        }
        if let Some(answer) = answer(read)? {
            answer.expected()?;
            return Ok(if answer.closes { Keep::Closed } else { Keep::Alive });
        }
    }
}

/// An answer, read whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer<'b> {
    pub(super) status: u16,
    pub(super) body: &'b [u8],
    /// The server ends the connection with it.
    pub(super) closes: bool,
}

impl Answer<'_> {
    /// Whether it is the one that the stub gives.
    pub(super) fn expected(&self) -> Done {
        if self.status == 200 && self.body == ANSWER.as_bytes() {
            return Ok(());
        }
        Err(format!("status {} with: {}", self.status, String::from_utf8_lossy(self.body)))
    }
}

/// The answer, once it is there whole.
pub(super) fn answer(read: &[u8]) -> Done<Option<Answer<'_>>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let head = match response.parse(read).map_err(|error| format!("no HTTP: {error}"))? {
        httparse::Status::Complete(head) => head,
        httparse::Status::Partial => return Ok(None),
    };
    let length = content_length(response.headers).ok_or("an answer without Content-Length")?;
    let body = read.get(head..).unwrap_or_default();
    if body.len() > length {
        return Err("more bytes than the answer has".to_owned());
    }
    let closes = response.headers.iter().any(|header| {
        header.name.eq_ignore_ascii_case("connection") && header.value.eq_ignore_ascii_case(b"close")
    });
    Ok((body.len() == length).then_some(Answer { status: response.code.unwrap_or(0), body, closes }))
}
