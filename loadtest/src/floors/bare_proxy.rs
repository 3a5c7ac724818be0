//! The floor: the least that a reverse proxy on hyper can be. One thread, its own pool, TLS
//! with the gateway's settings, no check at all.
//!
//! It must never be made slower than it has to be: every ratio is against it. It is no proxy
//! to use: it passes every header on.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::rt::{Read, Write};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::Listen;
use crate::transport::{OnThisThread, tls};
use crate::{Done, spawn};

/// `loadtest bare-proxy`
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    listen: Listen,
    /// The one upstream.
    #[arg(long)]
    upstream: SocketAddr,
    /// Certificate in PEM; plaintext without it.
    #[arg(long, requires = "key")]
    certificate: Option<PathBuf>,
    /// Its key in PEM.
    #[arg(long)]
    key: Option<PathBuf>,
}

/// Serves until the process ends.
pub(crate) fn run(options: &Options) -> Done {
    let acceptor = match (&options.certificate, &options.key) {
        (Some(certificate), Some(key)) => Some(tls::acceptor(certificate, key)?),
        _ => None,
    };
    options.listen.serve(async |listener| accept(listener, acceptor, options.upstream).await)
}

/// Accepts for ever.
pub(crate) async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, upstream: SocketAddr) {
    let pool = Rc::new(Pool { upstream, idle: RefCell::default() });
    while let Ok((stream, _)) = listener.accept().await {
        let (pool, tls) = (Rc::clone(&pool), tls.clone());
        spawn(async move {
            if stream.set_nodelay(true).is_err() {
                return;
            }
            let Some(tls) = tls else { return http1(TokioIo::new(stream), pool).await };
            let Ok(stream) = tls.accept(stream).await else { return };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                http2(TokioIo::new(stream), pool).await;
            } else {
                http1(TokioIo::new(stream), pool).await;
            }
        });
    }
}

async fn http1(io: impl Read + Write + Unpin, pool: Rc<Pool>) {
    let service = service_fn(move |request| pass(Rc::clone(&pool), request));
    // The client's end of a connection is no event here.
    drop(hyper::server::conn::http1::Builder::new().serve_connection(io, service).await);
}

async fn http2(io: impl Read + Write + Unpin + 'static, pool: Rc<Pool>) {
    let service = service_fn(move |request| pass(Rc::clone(&pool), request));
    drop(hyper::server::conn::http2::Builder::new(OnThisThread).serve_connection(io, service).await);
}

/// Idle connections to the upstream, the latest used first.
struct Pool {
    upstream: SocketAddr,
    idle: RefCell<Vec<SendRequest<Incoming>>>,
}

/// Passes one request on and its answer back.
async fn pass(pool: Rc<Pool>, mut request: Request<Incoming>) -> Result<Response<Returned>, Infallible> {
    if request.version() == Version::HTTP_2
        && let Some(authority) = request.uri().authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(HOST, host);
        *request.uri_mut() =
            request.uri().path_and_query().map_or_else(Uri::default, |path| path.clone().into());
    }
    *request.version_mut() = Version::HTTP_11;
    request.headers_mut().remove(CONNECTION);
    let answer = exchange(&pool, request).await;
    Ok(answer.unwrap_or_else(|_| {
        let mut answer = Response::new(Returned { body: None, back: None });
        *answer.status_mut() = StatusCode::BAD_GATEWAY;
        answer
    }))
}

async fn exchange(
    pool: &Rc<Pool>,
    request: Request<Incoming>,
) -> Result<Response<Returned>, Box<dyn std::error::Error>> {
    let idle = pool.idle.borrow_mut().pop();
    let mut sender = match idle {
        Some(sender) => sender,
        None => connect(pool.upstream).await?,
    };
    sender.ready().await?;
    let mut answer = sender.send_request(request).await?;
    answer.headers_mut().remove(CONNECTION);
    Ok(answer.map(|body| Returned { body: Some(body), back: Some((Rc::clone(pool), sender)) }))
}

async fn connect(upstream: SocketAddr) -> Result<SendRequest<Incoming>, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(upstream).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// An answer's body; at its end the connection goes back to the pool.
pub(crate) struct Returned {
    body: Option<Incoming>,
    back: Option<(Rc<Pool>, SendRequest<Incoming>)>,
}

impl Body for Returned {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        if frame.is_none() || body.is_end_stream() {
            self.body = None;
            if let Some((pool, sender)) = self.back.take() {
                pool.idle.borrow_mut().push(sender);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}
