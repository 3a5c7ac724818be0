//! A connection to the collector: HTTP/1.1 or, for gRPC, HTTP/2, with TLS where the endpoint says so.
//!
//! One request at a time. What comes back is bounded in time and size. It follows no redirect.

use std::io;
use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST, TE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::answer::{Verdict, over_grpc, over_http};
use super::kind::Kind;
use super::params::{Endpoint, OtlpParams, OtlpProtocol};
use crate::base::{Clock, Stream};

/// Bytes of an answer that are read; what it says in more is not worth knowing.
const ANSWER_BYTES: usize = 64 * 1024;

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkFault {
    #[error("no TCP connection: {0}")]
    Tcp(io::Error),
    #[error("no TLS connection: {0}")]
    Tls(io::Error),
    #[error("the host is neither a DNS name nor an IP address")]
    Name,
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("no answer in time")]
    TimedOut,
    #[error("an answer of more than 64 KiB")]
    TooLong,
    #[error("a request that cannot be made: {0}")]
    Request(#[from] http::Error),
}

/// How connections are made.
#[derive(Debug)]
pub(super) struct Connecting {
    pub(super) params: OtlpParams,
    /// For `https`.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

/// An open connection. Dropping it closes it.
pub(super) struct Link {
    sender: Sender,
    driver: JoinHandle<()>,
}

enum Sender {
    Http(http1::SendRequest<Full<Bytes>>),
    Grpc(http2::SendRequest<Full<Bytes>>),
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connecting {
    /// Connects. Only a runtime of one thread may call it.
    pub(super) async fn open(&self) -> Result<Link, LinkFault> {
        let stream = TokioIo::new(self.stream().await?);
        Ok(match self.params.protocol {
            OtlpProtocol::Http => {
                let (sender, connection) = http1::handshake(stream).await?;
                let driver = tokio::task::spawn_local(async move { drop(connection.await) });
                Link { sender: Sender::Http(sender), driver }
            }
            OtlpProtocol::Grpc => {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder.timer(TokioTimer::new());
                let (sender, connection) = builder.handshake(stream).await?;
                let driver = tokio::task::spawn_local(async move { drop(connection.await) });
                Link { sender: Sender::Grpc(sender), driver }
            }
        })
    }

    async fn stream(&self) -> Result<Stream<TlsStream<TcpStream>>, LinkFault> {
        let Endpoint { tls, host, port, .. } = &self.params.endpoint;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, *port)).await.map_err(LinkFault::Tcp)?;
        stream.set_nodelay(true).map_err(LinkFault::Tcp)?;
        let Some(config) = self.tls.as_ref().filter(|_| *tls) else { return Ok(Stream::Plain(stream)) };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| LinkFault::Name)?;
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
        Ok(Stream::Tls(Box::new(stream.map_err(LinkFault::Tls)?)))
    }

    fn request(&self, kind: Kind, message: Vec<u8>) -> Result<Request<Full<Bytes>>, LinkFault> {
        let Endpoint { tls, authority, path, .. } = &self.params.endpoint;
        let mut request = Request::builder().method(Method::POST);
        let body = match self.params.protocol {
            OtlpProtocol::Http => {
                request = request
                    .uri(format!("{path}{}", kind.path()))
                    .header(HOST, authority)
                    .header(CONTENT_TYPE, "application/x-protobuf");
                Bytes::from(message)
            }
            OtlpProtocol::Grpc => {
                let scheme = if *tls { "https" } else { "http" };
                let uri = Uri::builder().scheme(scheme).authority(authority.as_str());
                request = request
                    .uri(uri.path_and_query(kind.method()).build()?)
                    .header(TE, "trailers")
                    .header(CONTENT_TYPE, "application/grpc");
                framed(&message)
            }
        };
        let agent = HeaderValue::from_static(concat!("tollgate/", env!("CARGO_PKG_VERSION")));
        request = request.header(USER_AGENT, agent);
        let mut request = request.body(Full::new(body))?;
        for (name, value) in &self.params.headers {
            request.headers_mut().insert(name, value.clone());
        }
        Ok(request)
    }
}

/// A message as gRPC sends it: uncompressed, and how long it is.
fn framed(message: &[u8]) -> Bytes {
    let mut body = BytesMut::with_capacity(5 + message.len());
    body.put_u8(0);
    body.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    body.put_slice(message);
    body.freeze()
}

impl Link {
    /// Sends a request and says what became of it.
    pub(super) async fn send(
        &mut self,
        connecting: &Connecting,
        kind: Kind,
        message: Vec<u8>,
    ) -> Result<Verdict, LinkFault> {
        let request = connecting.request(kind, message)?;
        let is_grpc = matches!(self.sender, Sender::Grpc(_));
        let answer = match &mut self.sender {
            Sender::Http(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Sender::Grpc(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        let (status, headers, body) = whole(answer).await?;
        Ok(if is_grpc {
            over_grpc(status, &headers, &body)
        } else {
            over_http(status, &headers, &body, Clock::system().now_ms() / 1_000)
        })
    }

    /// Whether it was closed meanwhile.
    pub(super) fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http(sender) => sender.is_closed(),
            Sender::Grpc(sender) => sender.is_closed(),
        }
    }
}

/// An answer to its end, trailers among its headers.
async fn whole(answer: Response<Incoming>) -> Result<(StatusCode, HeaderMap, Vec<u8>), LinkFault> {
    let (head, mut incoming) = answer.into_parts();
    let (mut headers, mut body) = (head.headers, Vec::new());
    while let Some(frame) = incoming.frame().await {
        match frame?.into_data() {
            Ok(data) if body.len() + data.len() > ANSWER_BYTES => return Err(LinkFault::TooLong),
            Ok(data) => body.extend_from_slice(&data),
            Err(frame) => headers.extend(frame.into_trailers().unwrap_or_default()),
        }
    }
    Ok((head.status, headers, body))
}
