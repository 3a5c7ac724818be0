//! HTTP/1.1 clients: a request written whole, an answer read whole.

use std::rc::Rc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::answer::answer;
use super::dial::Dial;
use crate::Done;
use crate::traffic::{Choice, Chooser, Expected};
use crate::transport::Protocol;
use crate::transport::tls::HOST;

/// A client and its connection.
pub(super) struct Client {
    dial: Rc<Dial>,
    chooser: Chooser,
    /// What `bytes` is the request of; made anew only where the choice is another.
    chosen: Option<Choice>,
    bytes: Vec<u8>,
    stream: Option<Stream>,
    read: Vec<u8>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Client {
    /// Not connected yet.
    pub(super) fn new(dial: Rc<Dial>, chooser: Chooser) -> Self {
        Self { dial, chooser, chosen: None, bytes: Vec::new(), stream: None, read: Vec::with_capacity(4096) }
    }

    /// Connects, where it is not connected.
    pub(super) async fn connect(&mut self) -> Done {
        if self.stream.is_none() {
            let stream = if self.dial.target.protocol == Protocol::H1 {
                Stream::Plain(self.dial.tcp().await?)
            } else {
                Stream::Tls(Box::new(self.dial.tls().await?))
            };
            self.stream = Some(stream);
        }
        Ok(())
    }

    /// One call. After an error, and after an answer that says so, the connection is given up; an answer
    /// that came whole and is another than was to come is an error of the call alone.
    pub(super) async fn call(&mut self) -> Done {
        let choice = self.chooser.next();
        let call = self.chooser.call(choice)?;
        if self.chosen != Some(choice) {
            call.write_http1(HOST, self.chooser.key(choice), self.dial.once, &mut self.bytes);
            self.chosen = Some(choice);
        }
        // Not held over the wait: it borrows the client.
        let expected = call.expected.clone();
        self.connect().await?;
        let outcome = match &mut self.stream {
            Some(Stream::Plain(stream)) => exchange(stream, &self.bytes, &expected, &mut self.read).await,
            Some(Stream::Tls(stream)) => exchange(stream, &self.bytes, &expected, &mut self.read).await,
            None => Err("no connection".to_owned()),
        };
        if self.dial.once || !matches!(outcome, Ok((Keep::Alive, _))) {
            self.stream = None;
        }
        outcome.and_then(|(_, as_expected)| as_expected)
    }
}

/// What becomes of a connection after an answer.
enum Keep {
    Alive,
    Closed,
}

async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    call: &[u8],
    expected: &Expected,
    read: &mut Vec<u8>,
) -> Done<(Keep, Done)> {
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
            let keep = if answer.closes { Keep::Closed } else { Keep::Alive };
            return Ok((keep, answer.expect(expected)));
        }
    }
}
