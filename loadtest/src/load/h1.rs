//! HTTP/1.1 clients: a request written whole, an answer read by its length.

use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Protocol, Tally, Target};
use crate::Done;
use crate::call::{self, ANSWER};
use crate::stub::{HEADERS, content_length};
use crate::tls::HOST;

/// Calls one after the other until the tally says stop; at least one.
pub(super) async fn connection(target: &Target, number: usize, tally: &Tally) -> Done {
    let call = call::http1(HOST, target.key(number));
    let stream = connect(target).await?;
    if target.protocol == Protocol::H1 {
        return repeat(stream, &call, tally).await;
    }
    repeat(secure(stream, target).await?, &call, tally).await
}

/// A TCP connection to the target.
async fn connect(target: &Target) -> Done<TcpStream> {
    let stream = TcpStream::connect(target.address).await;
    let stream = stream.map_err(|error| format!("cannot connect to {}: {error}", target.address))?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    Ok(stream)
}

async fn secure(stream: TcpStream, target: &Target) -> Done<TlsStream<TcpStream>> {
    let name = ServerName::try_from(HOST).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(Arc::clone(&target.tls));
    connector.connect(name, stream).await.map_err(|error| format!("no TLS with {}: {error}", target.address))
}

/// A TLS connection to the target.
pub(super) async fn connect_tls(target: &Target) -> Done<TlsStream<TcpStream>> {
    secure(connect(target).await?, target).await
}

async fn repeat<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, call: &[u8], tally: &Tally) -> Done {
    let mut read = Vec::with_capacity(4096);
    loop {
        let begun = Instant::now();
        stream.write_all(call).await.map_err(|error| format!("a request could not be sent: {error}"))?;
        read.clear();
        let whole = loop {
            let count =
                stream.read_buf(&mut read).await.map_err(|error| format!("an answer broke off: {error}"))?;
            if count == 0 {
                return Err("the connection was closed before an answer".to_owned());
            }
            if let Some(answer) = answer(&read)? {
                break answer;
            }
        };
        whole.expected()?;
        tally.answered(begun.elapsed());
        if tally.stopped() {
            return Ok(());
        }
    }
}

/// An answer, read whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer<'b> {
    pub(super) status: u16,
    pub(super) body: &'b [u8],
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
    Ok((body.len() == length).then_some(Answer { status: response.code.unwrap_or(0), body }))
}
