//! One client connection: what its proxy says of it, handshake, then HTTP/2 where TLS negotiated it,
//! else HTTP/1.1.
//!
//! Every wait has a limit. Errors of one connection concern that client alone, who sees them:
//! nothing is logged that a client could flood.

use std::net::IpAddr;
use std::rc::Rc;

use bytes::Bytes;
use http::Request;
use http_body::Body;
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::http1::{self, RequestBody};
use super::http2;
use super::params::{ClientStream, ConnectionParams};
use super::proxy::{self, Begun};
use super::stop::Stop;
use crate::telemetry::{Metrics, Protocol, Shut};
use crate::wire::head::{Reply, RequestHead};
use crate::wire::http1::HeadFault;

/// What answers the requests of a connection. HTTP/2 has a type of body of its own, and its
/// heads are judged by h2; those of HTTP/1.1 may be faulty.
pub trait Service {
    /// An answer's body.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + 'static;

    /// Answers a request of HTTP/1.1 over a connection of `from`, or says why its head was not read.
    fn http1(
        self: Rc<Self>,
        from: IpAddr,
        request: Result<(RequestHead, RequestBody), HeadFault>,
    ) -> impl Future<Output = Reply<Self::Body>>;

    /// Answers a request of HTTP/2 over a connection of `from`.
    fn http2(
        self: Rc<Self>,
        from: IpAddr,
        request: Request<Incoming>,
    ) -> impl Future<Output = Reply<Self::Body>>;
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Whoever has this address.
    Client(IpAddr),
    /// A proxy with this address, which begins by saying whose connection it is.
    Proxy(IpAddr),
}

/// Serves one connection to its end. `stop` turning true lets requests in flight finish.
pub async fn serve_connection<S: Service + 'static>(
    (stream, peer): (TcpStream, Peer),
    tls: Option<TlsAcceptor>,
    params: &ConnectionParams,
    metrics: &Metrics,
    stop: watch::Receiver<bool>,
    service: Rc<S>,
) {
    // Without it, a small answer may wait 40 ms for an acknowledgement.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut stop = Stop::new(stop);
    let (stream, from) = match (peer, tls) {
        (Peer::Client(from), None) => (ClientStream::Plain(stream), from),
        // Boxed: what beginning needs is not kept for as long as the connection lives.
        (peer, tls) => {
            let begun = Box::pin(begin(stream, peer, tls, params, metrics));
            // Nothing was asked yet that a stop would have to wait for.
            tokio::select! {
                begun = begun => match begun {
                    Some(begun) => begun,
                    None => return,
                },
                () = &mut stop => return,
            }
        }
    };
    let negotiated = match &stream {
        ClientStream::Tls(tls) => tls.get_ref().1.alpn_protocol() == Some(b"h2"),
        ClientStream::Plain(_) => false,
    };
    if negotiated {
        let _open = Open::count(metrics, params.worker, Protocol::Http2);
        let service = move |request| Rc::clone(&service).http2(from, request);
        Box::pin(http2::serve(stream, params, stop, service)).await;
    } else {
        let _open = Open::count(metrics, params.worker, Protocol::Http1);
        let service = move |request| Rc::clone(&service).http1(from, request);
        http1::serve(stream, params, stop, service).await;
    }
}

/// What comes before the first request, in one limit of time: what a proxy says, then TLS.
async fn begin(
    mut stream: TcpStream,
    peer: Peer,
    tls: Option<TlsAcceptor>,
    params: &ConnectionParams,
    metrics: &Metrics,
) -> Option<(ClientStream, IpAddr)> {
    let deadline = Instant::now() + params.handshake;
    let from = match peer {
        Peer::Client(from) => from,
        Peer::Proxy(own) => match timeout_at(deadline, proxy::header(&mut stream)).await {
            Ok(Begun::Announced(client)) => client.unwrap_or(own),
            Ok(Begun::Nothing) => return None,
            Ok(Begun::Otherwise) | Err(_) => {
                metrics.shut.add(params.worker, Shut::Unannounced as usize);
                return None;
            }
        },
    };
    let Some(acceptor) = tls else { return Some((ClientStream::Plain(stream), from)) };
    let shaken = timeout_at(deadline, handshake(stream, acceptor)).await.ok()??;
    Some((ClientStream::Tls(Box::new(shaken)), from))
}

/// The TLS handshake. Its state, some ten KiB, is made when the client has sent something: those
/// that only connect cost next to nothing.
async fn handshake(stream: TcpStream, acceptor: TlsAcceptor) -> Option<TlsStream<TcpStream>> {
    match stream.peek(&mut [0]).await {
        Ok(1..) => acceptor.accept(stream).await.ok(),
        _ => None,
    }
}

/// Counts a connection while it lives.
struct Open<'m> {
    metrics: &'m Metrics,
    worker: usize,
    protocol: Protocol,
}

impl<'m> Open<'m> {
    fn count(metrics: &'m Metrics, worker: usize, protocol: Protocol) -> Self {
        metrics.connections.add(worker, protocol as usize);
        Self { metrics, worker, protocol }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.metrics.connections.take(self.worker, self.protocol as usize);
    }
}
