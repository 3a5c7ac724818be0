//! One client connection: handshake, protocol, requests, and an orderly end.
//!
//! HTTP/2 where TLS negotiated it, HTTP/1.1 otherwise. hyper's time limits work only with a
//! timer set, so one always is.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::task::LocalExecutor;
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
        return http1(TokioIo::new(stream), params, stop, service).await;
    };
    // A failed or slow handshake is the client's affair: nothing is logged that it could flood.
    let Ok(Ok(stream)) = tokio::time::timeout(params.handshake, acceptor.accept(stream)).await else {
        return;
    };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        let _open = Open::count(metrics, params.worker, Protocol::Http2);
        http2(TokioIo::new(stream), stop, service).await;
    } else {
        let _open = Open::count(metrics, params.worker, Protocol::Http1);
        http1(TokioIo::new(stream), params, stop, service).await;
    }
}

async fn http1<I, S, F, B>(io: I, params: &ConnectionParams, mut stop: watch::Receiver<bool>, service: S)
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
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(params.head)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    tokio::select! {
        // Errors of one connection concern that client alone, who sees them.
        _ = connection.as_mut() => return,
        () = stopped(&mut stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn http2<I, S, F, B>(io: I, mut stop: watch::Receiver<bool>, service: S)
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
    let connection = hyper::server::conn::http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stopped(&mut stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A closed channel means that the process is ending.
    let _ = stop.wait_for(|stop| *stop).await;
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
