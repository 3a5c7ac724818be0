//! One client connection: handshake, protocol, requests, and an orderly end.
//!
//! HTTP/2 where TLS negotiated it, HTTP/1.1 otherwise. hyper's time limits work only with a
//! timer set, so one always is.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::task::LocalExecutor;
use super::timer::ConnectionTimer;
use crate::telemetry::{Metrics, Protocol};

/// Streams that one HTTP/2 connection may have open; what Envoy's edge profile recommends.
const STREAMS: u32 = 100;

/// What every connection of a worker is served with.
pub struct ConnectionParams {
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Time for the head of a request.
    pub head: Duration,
    /// The worker's number, for metrics.
    pub worker: usize,
}

/// Serves one connection to its end. `stop` turning true lets requests in flight finish.
pub async fn serve_connection<S, F, B>(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    params: &ConnectionParams,
    metrics: &Metrics,
    stop: watch::Receiver<bool>,
    service: S,
) where
    S: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Without it, a small answer may wait 40 ms for an acknowledgement.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Some(acceptor) = tls else {
        let _open = Open::count(metrics, params.worker, Protocol::Http1);
        return serve_http1(TokioIo::new(stream), params, stop, service).await;
    };
    // A failed or slow handshake is the client's affair: nothing is logged that it could flood.
    let Ok(Ok(stream)) = tokio::time::timeout(params.handshake, acceptor.accept(stream)).await else {
        return;
    };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        let _open = Open::count(metrics, params.worker, Protocol::Http2);
        serve_http2(TokioIo::new(stream), stop, service).await;
    } else {
        let _open = Open::count(metrics, params.worker, Protocol::Http1);
        serve_http1(TokioIo::new(stream), params, stop, service).await;
    }
}

async fn serve_http1<I, S, F, B>(io: I, params: &ConnectionParams, stop: watch::Receiver<bool>, service: S)
where
    I: Read + Write + Unpin,
    S: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let service = service_fn(move |request| {
        let answer = service(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(ConnectionTimer::default())
        .header_read_timeout(params.head)
        .serve_connection(io, service);
    // Errors of one connection concern that client alone, who sees them.
    let _ = drive(pin!(connection), stop, http1::Connection::graceful_shutdown).await;
}

async fn serve_http2<I, S, F, B>(io: I, stop: watch::Receiver<bool>, service: S)
where
    I: Read + Write + Unpin + 'static,
    S: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let service = service_fn(move |request| {
        let answer = service(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .serve_connection(io, service);
    let _ = drive(pin!(connection), stop, http2::Connection::graceful_shutdown).await;
}

/// Drives a connection to its end; told to stop, it shuts down in an orderly way first. The
/// signal is asked once, which has it wake this task, and again only after it changed: asking
/// takes a lock, and a connection is driven several times for every request.
async fn drive<C: Future>(
    mut connection: Pin<&mut C>,
    mut stop: watch::Receiver<bool>,
    shut_down: impl Fn(Pin<&mut C>),
) -> C::Output {
    let signal = stop.clone();
    // A closed channel means that the process is ending.
    let mut stopped = pin!(stop.wait_for(|stop| *stop));
    let (mut asked, mut stopping) = (false, false);
    std::future::poll_fn(|cx| {
        if !stopping && (!asked || signal.has_changed().unwrap_or(true)) {
            asked = true;
            stopping = stopped.as_mut().poll(cx).is_ready();
            if stopping {
                shut_down(connection.as_mut());
            }
        }
        connection.as_mut().poll(cx)
    })
    .await
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
