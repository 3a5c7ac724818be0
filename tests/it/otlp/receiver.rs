//! A collector of OpenTelemetry, as far as a test needs one: it reads what comes by the official definitions,
//! keeps it, and answers as it is told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// How the collector answers a request; where nothing is said, it takes it.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Of the request, so many records are rejected.
    Rejects(i64),
    /// A status of HTTP, and in how many seconds to come again.
    Status(u16, Option<u32>),
    /// A status of gRPC, with that one of HTTP being 200.
    Grpc(u32),
    /// Nothing for that long, and then what was taken for granted.
    Silence(Duration),
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Got {
    pub path: String,
    pub headers: HeaderMap,
    pub told: Told,
    pub at: Instant,
}

/// What it told.
#[derive(Clone, Debug)]
pub enum Told {
    Spans(ExportTraceServiceRequest),
    Logs(ExportLogsServiceRequest),
    Metrics(ExportMetricsServiceRequest),
}

/// A running collector; dropping it stops it.
pub struct Receiver {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    got: Mutex<Vec<Got>>,
    replies: Mutex<VecDeque<Reply>>,
}

impl Receiver {
    /// One that speaks gRPC, or HTTP, over TLS where there is something to prove itself with.
    pub fn start(grpc: bool, tls: Option<Arc<ServerConfig>>) -> Self {
        Self::over(TcpListener::bind("127.0.0.1:0").unwrap(), grpc, tls)
    }

    pub fn over(listener: TcpListener, grpc: bool, tls: Option<Arc<ServerConfig>>) -> Self {
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let shared = Arc::<Shared>::default();
        let (stop, mut stopped) = watch::channel(false);
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = tokio::select! {
                        accepted = listener.accept() => accepted.unwrap(),
                        _ = stopped.wait_for(|stop| *stop) => return,
                    };
                    let (shared, tls) = (Arc::clone(&serving), tls.clone());
                    tokio::spawn(async move {
                        match tls {
                            None => serve(stream, grpc, shared).await,
                            Some(config) => {
                                if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                                    serve(stream, grpc, shared).await;
                                }
                            }
                        }
                    });
                }
            });
        });
        Self { address, shared, stop, thread: Some(thread) }
    }

    /// Answers the next requests so.
    pub fn answer(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.replies.lock().unwrap().extend(replies);
    }

    pub fn got(&self) -> Vec<Got> {
        self.shared.got.lock().unwrap().clone()
    }

    /// Waits until what arrived is enough.
    pub fn await_got<T>(&self, what: &str, enough: impl Fn(&[Got]) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let got = self.got();
            if let Some(found) = enough(&got) {
                return found;
            }
            assert!(Instant::now() < deadline, "the collector did not get {what}: {got:#?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    grpc: bool,
    shared: Arc<Shared>,
) {
    let stream = TokioIo::new(stream);
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(request, grpc, &shared).await) }
    });
    if grpc {
        let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await;
    } else {
        let _ = http1::Builder::new().serve_connection(stream, service).await;
    }
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

async fn answer(request: Request<Incoming>, grpc: bool, shared: &Shared) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let (path, media) = (head.uri.path().to_owned(), head.headers["content-type"].clone());
    let message = if grpc {
        assert_eq!([&media, &head.headers["te"]], ["application/grpc", "trailers"]);
        assert_eq!((body[0], &body[1..5]), (0, &(body.len() as u32 - 5).to_be_bytes()[..]));
        body.slice(5..)
    } else {
        assert_eq!(media, "application/x-protobuf");
        body
    };
    let told = match path.as_str() {
        path if path.contains("trace") => Told::Spans(ExportTraceServiceRequest::decode(message).unwrap()),
        path if path.contains("logs") => Told::Logs(ExportLogsServiceRequest::decode(message).unwrap()),
        _ => Told::Metrics(ExportMetricsServiceRequest::decode(message).unwrap()),
    };
    shared.got.lock().unwrap().push(Got { path, headers: head.headers, told, at: Instant::now() });
    let reply = shared.replies.lock().unwrap().pop_front();
    if let Some(Reply::Silence(long)) = reply {
        tokio::time::sleep(long).await;
    }
    if grpc { over_grpc(reply.as_ref()) } else { over_http(reply.as_ref()) }
}

/// The response of all three kinds, which have the same fields.
fn taken(reply: Option<&Reply>) -> Vec<u8> {
    let partial_success = match reply {
        Some(Reply::Rejects(rejected_spans)) => Some(ExportTracePartialSuccess {
            rejected_spans: *rejected_spans,
            error_message: "too old".into(),
        }),
        _ => None,
    };
    ExportTraceServiceResponse { partial_success }.encode_to_vec()
}

fn over_http(reply: Option<&Reply>) -> Response<Body> {
    let mut answer = Response::new(Full::from(taken(reply)).boxed_unsync());
    if let Some(Reply::Status(status, after)) = reply {
        *answer.status_mut() = StatusCode::from_u16(*status).unwrap();
        if let Some(after) = after {
            answer.headers_mut().insert("retry-after", HeaderValue::from(*after));
        }
    }
    answer.headers_mut().insert("content-type", HeaderValue::from_static("application/x-protobuf"));
    answer
}

fn over_grpc(reply: Option<&Reply>) -> Response<Body> {
    let mut answer = match reply {
        // As gRPC has it where there is no message: a status among the headers.
        Some(Reply::Grpc(status)) => {
            let mut answer = Response::new(Full::default().boxed_unsync());
            answer.headers_mut().insert("grpc-status", HeaderValue::from(*status));
            answer
        }
        reply => {
            let message = taken(reply);
            let framed = [&[0][..], &(message.len() as u32).to_be_bytes(), &message].concat();
            let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from(0))]);
            Response::new(Full::from(framed).with_trailers(async { Some(Ok(trailers)) }).boxed_unsync())
        }
    };
    answer.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    answer
}

impl Got {
    pub fn resource(&self) -> Resource {
        match &self.told {
            Told::Spans(told) => told.resource_spans[0].resource.clone().unwrap(),
            Told::Logs(told) => told.resource_logs[0].resource.clone().unwrap(),
            Told::Metrics(told) => told.resource_metrics[0].resource.clone().unwrap(),
        }
    }

    pub fn spans(&self) -> Vec<Span> {
        let Told::Spans(told) = &self.told else { return Vec::new() };
        told.resource_spans.iter().flat_map(|of| &of.scope_spans).flat_map(|of| of.spans.clone()).collect()
    }

    pub fn logs(&self) -> Vec<LogRecord> {
        let Told::Logs(told) = &self.told else { return Vec::new() };
        told.resource_logs
            .iter()
            .flat_map(|of| &of.scope_logs)
            .flat_map(|of| of.log_records.clone())
            .collect()
    }

    pub fn metrics(&self) -> Vec<Metric> {
        let Told::Metrics(told) = &self.told else { return Vec::new() };
        told.resource_metrics
            .iter()
            .flat_map(|of| &of.scope_metrics)
            .flat_map(|of| of.metrics.clone())
            .collect()
    }
}

/// Everything of one kind that arrived.
pub fn all<T>(got: &[Got], of: fn(&Got) -> Vec<T>) -> Vec<T> {
    got.iter().flat_map(of).collect()
}

/// An attribute as a text; empty where it is not there.
pub fn attribute(attributes: &[KeyValue], key: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    match found.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        Some(other) => format!("{other:?}"),
        None => String::new(),
    }
}
