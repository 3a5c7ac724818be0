//! OTLP: spans, metrics and audit records to a collector of OpenTelemetry, over HTTP or gRPC.
//!
//! One thread, a connection for each kind. No request ever waits for it: whoever has a record puts it in a
//! bounded queue, and what finds no room, or is not taken in the end, is counted and gone. Messages are written
//! field by field: there are few, and the official definitions come with a whole SDK. No secret leaves
//! this way: texts of clients are looked through first.

mod answer;
mod fields;
mod kind;
mod lane;
mod link;
mod logs;
mod metrics;
mod params;
mod queue;
mod reach;
mod sink;
mod spans;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tokio::sync::watch;

use super::event::{Event, Part};
use super::names::Names;
use super::trace::Sampler;
use crate::base::moment::{Calendar, Moment};
use crate::base::random::Numbers;
use crate::base::thread::{HANGING, ended_by};
use crate::wire::protobuf::Writer;
use fields::Source;
pub use kind::{Kind, KindCells, OtlpCells};
use lane::Lane;
use link::Connecting;
use metrics::When;
pub use params::{Endpoint, OtlpParams, OtlpProtocol};
use queue::Queue;
pub use reach::reach;
pub use sink::LogSink;

/// Time that what waits has to be sent after a stop.
const STOP: Duration = Duration::from_secs(5);

/// The protocol of HTTP that TLS agrees on, for gRPC and for HTTP.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// A running exporter. Dropping it stops it; what waits has some seconds to be sent.
pub struct Exporter {
    spans: Option<(Arc<Queue>, Sampler)>,
    logs: Option<Arc<Queue>>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// What the exporter is started with.
pub struct OtlpParts {
    /// What, where to, and how.
    pub params: OtlpParams,
    /// Whom an `https` endpoint is trusted by.
    pub tls: Option<Arc<ClientConfig>>,
    /// Counters of what becomes of it.
    pub cells: Arc<OtlpCells>,
    /// The page of metrics, in `OpenMetrics` text.
    pub page: Box<dyn Fn() -> String + Send>,
}

impl Exporter {
    /// Starts one.
    pub fn start(parts: OtlpParts) -> io::Result<Self> {
        let OtlpParts { params, tls, cells, page } = parts;
        cells.is_in_use.store(true, Ordering::Relaxed);
        let queue = |kind| Arc::new(Queue::new(kind, params.queue, Arc::clone(&cells)));
        let spans = params.traces.map(|sampler| (queue(Kind::Spans), sampler));
        let logs = params.logs.then(|| queue(Kind::Logs));
        let (stop, stopped) = watch::channel(false);
        let every = params.metrics;
        let source = Arc::new(Source::new(&params.instance));
        let tls = tls.map(|config| Arc::new(with_alpn(&config, params.protocol)));
        let connecting = Arc::new(Connecting { params, tls });
        let lane = |kind| -> io::Result<Lane> {
            Ok(Lane {
                kind,
                connecting: Arc::clone(&connecting),
                source: Arc::clone(&source),
                cells: Arc::clone(&cells),
                numbers: Numbers::new().map_err(io::Error::other)?,
                stop: stopped.clone(),
                link: None,
            })
        };
        let of_queue = |queue: Option<&Arc<Queue>>, kind| -> io::Result<Option<(Lane, Arc<Queue>)>> {
            queue.map(|queue| Ok((lane(kind)?, Arc::clone(queue)))).transpose()
        };
        let lanes = Lanes {
            spans: of_queue(spans.as_ref().map(|(queue, _)| queue), Kind::Spans)?,
            logs: of_queue(logs.as_ref(), Kind::Logs)?,
            metrics: every.map(|every| Ok::<_, io::Error>((lane(Kind::Metrics)?, every))).transpose()?,
            page,
            stop: stopped.clone(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread();
        let thread = std::thread::Builder::new().name("otlp".into()).spawn(move || run(runtime, lanes))?;
        Ok(Self { spans, logs, stop, thread: Some(thread) })
    }

    /// Where spans go; `None` where none are told.
    pub fn spans(&self) -> Option<Spans> {
        let (queue, sampler) = self.spans.as_ref()?;
        Some(Spans { queue: Arc::clone(queue), sampler: *sampler, span: Writer::new() })
    }

    /// The sink that audit records go to; `None` where none are told.
    pub fn sink(&self) -> Option<LogSink> {
        self.logs.as_ref().map(|queue| LogSink::new(Arc::clone(queue)))
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
        let until = Instant::now() + HANGING;
        if self.thread.take().is_some_and(|thread| !ended_by(thread, until)) {
            tracing::warn!("telemetry hangs, and is not waited for any longer");
        }
    }
}

/// Takes the spans of requests, for one thread.
pub struct Spans {
    queue: Arc<Queue>,
    sampler: Sampler,
    span: Writer,
}

impl Spans {
    /// Tells a request that is over, where it is one of those that are recorded: in one span, or in two where it
    /// went to its upstream.
    pub fn tell(&mut self, event: &Event, names: &Names, calendar: &Calendar) {
        if event.part != Part::Whole || !self.sampler.records(event) {
            return;
        }
        self.span.clear();
        spans::server(&mut self.span, event, names, calendar);
        self.queue.push(self.span.bytes());
        self.span.clear();
        if spans::client(&mut self.span, event, names, calendar) {
            self.queue.push(self.span.bytes());
        }
    }
}

struct Lanes {
    spans: Option<(Lane, Arc<Queue>)>,
    logs: Option<(Lane, Arc<Queue>)>,
    metrics: Option<(Lane, Duration)>,
    page: Box<dyn Fn() -> String + Send>,
    stop: watch::Receiver<bool>,
}

fn run(mut runtime: tokio::runtime::Builder, lanes: Lanes) {
    let runtime = runtime.enable_all().build_local(tokio::runtime::LocalOptions::default());
    match runtime {
        Ok(runtime) => {
            runtime.block_on(lanes.run());
            // A name that is being looked up may take longer than anybody waits.
            runtime.shutdown_timeout(Duration::ZERO);
        }
        Err(error) => tracing::error!(%error, "telemetry is not sent: no runtime"),
    }
}

impl Lanes {
    async fn run(self) {
        let Self { spans, logs, metrics, page, mut stop } = self;
        let queues = [&spans, &logs].map(|lane| lane.as_ref().map(|(_, queue)| Arc::clone(queue)));
        let of_queue = async |lane: Option<(Lane, Arc<Queue>)>| {
            if let Some((lane, queue)) = lane {
                lane.run(queue).await;
            }
        };
        let of_metrics = async {
            let Some((lane, every)) = metrics else { return };
            let started = Calendar::new().unix_nanos(Moment::now());
            let make = || {
                let now = Calendar::new().unix_nanos(Moment::now());
                metrics::batches(&page(), When { started, now })
            };
            lane.run_every(every, make).await;
        };
        let all = async { tokio::join!(of_queue(spans), of_queue(logs), of_metrics) };
        let ends = async {
            let _ = stop.wait_for(|stop| *stop).await;
            tokio::time::sleep(STOP).await;
        };
        tokio::select! {
            _ = all => {}
            () = ends => tracing::warn!("some telemetry was not sent before the stop"),
        }
        queues.into_iter().flatten().for_each(|queue| queue.abandon());
    }
}

fn with_alpn(config: &ClientConfig, protocol: OtlpProtocol) -> ClientConfig {
    let mut config = config.clone();
    let [grpc, http] = ALPN;
    let spoken = if protocol == OtlpProtocol::Grpc { grpc } else { http };
    config.alpn_protocols = vec![spoken.to_vec()];
    config
}
