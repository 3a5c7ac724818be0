//! The workers: one thread and one single-threaded runtime each, with its own listener and
//! upstream connections.
//!
//! A worker waits for nobody. When told to stop it takes no more connections, lets requests
//! in flight finish within a limit, and ends.

use std::cell::Cell;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::base::Clock;
use crate::config::Bounds;
use crate::gateway::{RequestBounds, Worker, serve};
use crate::net::{ConnectionParams, TlsListener, serve_connection, task};
use crate::registry::Used;
use crate::state::SnapshotCell;
use crate::telemetry::Metrics;
use crate::upstream::{Trust, Upstream, UpstreamParams};

/// Time that requests in flight have to finish after a stop.
pub(super) const DRAIN: Duration = Duration::from_secs(10);
/// How often last uses are handed over and idle connections closed.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// Pause after a failed accept: the process is out of descriptors, and trying again at once
/// would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What every worker is started with.
#[derive(Clone)]
pub(super) struct WorkerParams<Q> {
    pub(super) bounds: Bounds,
    pub(super) clock: Clock,
    pub(super) metrics: Arc<Metrics>,
    pub(super) snapshot: SnapshotCell,
    pub(super) tls: Option<TlsListener>,
    pub(super) trust: Trust,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) used: Q,
}

/// Starts one worker over its listening socket.
pub(super) fn start<Q>(
    number: usize,
    listener: TcpListener,
    params: WorkerParams<Q>,
) -> std::io::Result<JoinHandle<()>>
where
    Q: Fn(Vec<Used>) -> Result<(), usize> + Send + 'static,
{
    let thread = std::thread::Builder::new().name(format!("worker-{number}"));
    thread.spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default());
        match runtime {
            Ok(runtime) => runtime.block_on(run(number, listener, params)),
            Err(error) => tracing::error!(%error, "worker has no runtime"),
        }
    })
}

async fn run<Q>(number: usize, listener: TcpListener, params: WorkerParams<Q>)
where
    Q: Fn(Vec<Used>) -> Result<(), usize> + 'static,
{
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "worker cannot listen"),
    };
    let worker = Rc::new(worker(number, &params));
    let connections = Rc::new(Cell::new(0_usize));
    let mut stop = params.stop.clone();
    let mut housekeeping = interval(HOUSEKEEPING);
    housekeeping.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let connection_params = Rc::new(ConnectionParams {
        handshake: params.bounds.handshake,
        head: params.bounds.head,
        worker: number,
    });
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => accept(stream, &worker, &connection_params, &params, &connections),
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            _ = housekeeping.tick() => keep_house(&worker, &params),
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    drop(listener);
    let deadline = Instant::now() + DRAIN;
    while connections.get() > 0 && Instant::now() < deadline {
        sleep(Duration::from_millis(10)).await;
    }
    keep_house(&worker, &params);
}

fn worker<Q>(number: usize, params: &WorkerParams<Q>) -> Worker<Upstream> {
    let upstream = Upstream::new(UpstreamParams {
        connect: params.bounds.connect,
        first_byte: params.bounds.first_byte,
        idle: params.bounds.upstream_idle,
        trust: params.trust.clone(),
    });
    let bounds = RequestBounds { body: params.bounds.body, body_idle: params.bounds.body_idle };
    Worker::new(
        number,
        bounds,
        params.clock.clone(),
        Arc::clone(&params.metrics),
        upstream,
        params.snapshot.reader(),
    )
}

fn accept<Q>(
    stream: TcpStream,
    worker: &Rc<Worker<Upstream>>,
    connection: &Rc<ConnectionParams>,
    params: &WorkerParams<Q>,
    connections: &Rc<Cell<usize>>,
) {
    let acceptor = params.tls.as_ref().map(TlsListener::acceptor);
    let (worker, connection) = (Rc::clone(worker), Rc::clone(connection));
    let (metrics, stop) = (Arc::clone(&params.metrics), params.stop.clone());
    let counted = Counted::new(connections);
    task::spawn(async move {
        let _counted = counted;
        let service = move |request| {
            let worker = Rc::clone(&worker);
            async move { serve(&worker, request).await }
        };
        serve_connection(stream, acceptor, &connection, &metrics, stop, service).await;
    });
}

fn keep_house<Q>(worker: &Worker<Upstream>, params: &WorkerParams<Q>)
where
    Q: Fn(Vec<Used>) -> Result<(), usize>,
{
    worker.upstream.sweep();
    let (notes, mut dropped) = worker.used.take();
    if !notes.is_empty() {
        let batch = notes
            .into_iter()
            .map(|(id, last)| Used { id, at: Some(last.at), previous_at: last.previous_at })
            .collect();
        dropped += (params.used)(batch).err().unwrap_or(0) as u64;
    }
    if dropped > 0 {
        params.metrics.used_dropped.fetch_add(dropped, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Counts a connection while its task lives.
struct Counted(Rc<Cell<usize>>);

impl Counted {
    fn new(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
