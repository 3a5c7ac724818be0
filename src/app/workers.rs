//! The workers: one thread and one single-threaded runtime each, with its own listener and
//! upstream connections.
//!
//! A worker waits for nobody. When told to stop it takes no more connections, lets requests
//! in flight finish within a limit, and ends.

use std::net::{IpAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::gauges::Gauges;
use super::memory::MemoryWatch;
use super::service::{Connections, Place, Serving};
use crate::base::Clock;
use crate::base::bounds::ACCEPTED_AT_ONCE;
use crate::base::network::unmapped;
use crate::config::Bounds;
use crate::gateway::{Pauses, RequestBounds, Shared, Worker};
use crate::net::{ConnectionParams, DateCache, Peer, ReadScratch, TlsListener, serve_connection, task};
use crate::policy::Entrance;
use crate::registry::Used;
use crate::state::limiter::SHARDS;
use crate::state::{Ceilings, Limiter, Load, SnapshotCell};
use crate::telemetry::books::Books;
use crate::telemetry::{Metrics, Shut};
use crate::upstream::{Trust, Upstream, UpstreamParams};

/// Time that requests in flight have to finish after a stop.
pub(super) const DRAIN: Duration = Duration::from_secs(10);
/// How often last uses are handed over and idle connections closed.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// How often the process's memory is looked at.
const LOOK: Duration = Duration::from_millis(250);
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
    pub(super) memory: MemoryWatch,
    pub(super) limiter: Arc<Limiter>,
    /// How many workers there are.
    pub(super) workers: usize,
}

/// Starts one worker over its listening socket.
pub(super) fn start<Q>(
    number: usize,
    listener: TcpListener,
    books: Books,
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
            Ok(runtime) => {
                runtime.block_on(run(number, listener, books, params));
                // A name that is being looked up may take longer than anybody waits.
                runtime.shutdown_timeout(Duration::ZERO);
            }
            Err(error) => tracing::error!(%error, "worker has no runtime"),
        }
    })
}

async fn run<Q>(number: usize, listener: TcpListener, books: Books, params: WorkerParams<Q>)
where
    Q: Fn(Vec<Used>) -> Result<(), usize> + 'static,
{
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "worker cannot listen"),
    };
    let worker = Rc::new(worker(number, books, &params));
    let connections = Connections::new(params.share(params.bounds.connections));
    let serving = |room| Rc::new(Serving { worker: Rc::clone(&worker), room });
    let (roomy, full) = (serving(true), serving(false));
    let mut stop = params.stop.clone();
    let (mut housekeeping, mut look) = (interval(HOUSEKEEPING), interval(LOOK));
    housekeeping.set_missed_tick_behavior(MissedTickBehavior::Skip);
    look.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let connection_params = Rc::new(connection_params(number, &params));
    let mut gauges = Gauges::new(number);
    let mut accepted_now = 0;
    loop {
        if accepted_now >= ACCEPTED_AT_ONCE {
            accepted_now = 0;
            yield_now().await;
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    accepted_now += 1;
                    if let Some(peer) = peer(&worker, address.ip())
                        && let Some(place) = connections.enter()
                    {
                        let service = Rc::clone(if place.room { &roomy } else { &full });
                        accept((stream, peer), place, service, &connection_params, &params);
                    }
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            _ = housekeeping.tick() => keep_house(&worker, &params, &mut gauges),
            // One worker looks for all.
            _ = look.tick(), if number == 0 => look_at_memory(&params),
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    drop(listener);
    let deadline = Instant::now() + DRAIN;
    while !connections.is_empty() && Instant::now() < deadline {
        sleep(Duration::from_millis(10)).await;
    }
    keep_house(&worker, &params, &mut gauges);
    worker.books.close();
}

impl<Q> WorkerParams<Q> {
    /// A worker's share of what the process may have.
    fn share(&self, whole: usize) -> usize {
        whole.div_ceil(self.workers.max(1))
    }
}

fn worker<Q>(number: usize, books: Books, params: &WorkerParams<Q>) -> Worker<Upstream> {
    let bounds = &params.bounds;
    let upstream = Upstream::new(UpstreamParams {
        connect: bounds.connect,
        first_byte: bounds.first_byte,
        idle: bounds.upstream_idle,
        trust: params.trust.clone(),
    });
    let request_bounds = RequestBounds {
        body: bounds.body,
        body_idle: bounds.body_idle,
        body_total: bounds.body_total,
        pauses: Pauses {
            answer: bounds.answer_idle,
            stream: bounds.stream_idle,
            comment: bounds.stream_comment,
        },
    };
    let ceilings = Ceilings {
        requests: params.share(bounds.requests),
        streams: params.share(bounds.streams),
        // No worker may be without room for one body.
        bodies: params.share(bounds.bodies).max(bounds.body),
    };
    Worker::new(
        number,
        request_bounds,
        Load::new(ceilings, params.memory.full()),
        Shared {
            clock: params.clock.clone(),
            metrics: Arc::clone(&params.metrics),
            limiter: Arc::clone(&params.limiter),
        },
        books,
        upstream,
        params.snapshot.reader(),
    )
}

fn connection_params<Q>(number: usize, params: &WorkerParams<Q>) -> ConnectionParams {
    let bounds = &params.bounds;
    ConnectionParams {
        handshake: bounds.handshake,
        head: bounds.head,
        head_size: bounds.head_size,
        idle: bounds.idle,
        write_idle: bounds.write_idle,
        scratch: ReadScratch::default(),
        date: DateCache::new(params.clock.clone()),
        worker: number,
    }
}

/// Who connects from this address, by the configuration of this moment; `None` for who may not.
fn peer(worker: &Worker<Upstream>, address: IpAddr) -> Option<Peer> {
    let address = unmapped(address);
    match worker.snapshot().policy.clients().source.entrance(address) {
        Entrance::Open => Some(Peer::Client(address)),
        Entrance::Announced => Some(Peer::Proxy(address)),
        Entrance::Closed => {
            worker.metrics.shut.add(worker.number, Shut::Stranger as usize);
            None
        }
    }
}

fn accept<Q>(
    connected: (TcpStream, Peer),
    place: Place,
    service: Rc<Serving>,
    connection: &Rc<ConnectionParams>,
    params: &WorkerParams<Q>,
) {
    let acceptor = params.tls.as_ref().map(TlsListener::acceptor);
    let connection = Rc::clone(connection);
    let (metrics, stop) = (Arc::clone(&params.metrics), params.stop.clone());
    task::spawn(async move {
        let _place = place;
        serve_connection(connected, acceptor, &connection, &metrics, stop, service).await;
    });
}

/// Shards that are looked through each second: all of them in sixteen.
const SHARDS_A_SECOND: usize = SHARDS / 16;

/// Drops buckets that are full, and says how many there are.
fn tend(limiter: &Limiter, metrics: &Metrics) {
    (0..SHARDS_A_SECOND).for_each(|_| limiter.collect());
    metrics.limiter_buckets.store(limiter.len() as u64, Ordering::Relaxed);
    metrics.limiter_full.store(limiter.full(), Ordering::Relaxed);
    let addresses = &limiter.addresses;
    metrics.limiter_addresses.store(addresses.len() as u64, Ordering::Relaxed);
    metrics.limiter_addresses_full.store(addresses.full(), Ordering::Relaxed);
    metrics.limits_warned.store(limiter.warned(), Ordering::Relaxed);
}

fn look_at_memory<Q>(params: &WorkerParams<Q>) {
    if let Some(resident) = params.memory.look() {
        params.metrics.process.resident.store(resident as u64, Ordering::Relaxed);
    }
}

fn keep_house<Q>(worker: &Worker<Upstream>, params: &WorkerParams<Q>, gauges: &mut Gauges)
where
    Q: Fn(Vec<Used>) -> Result<(), usize>,
{
    worker.upstream.sweep();
    worker.books.tell_counted();
    gauges.tell(&worker.snapshot(), &worker.upstream);
    if worker.number == 0 {
        tend(&worker.limiter, &params.metrics);
    }
    let (notes, mut dropped) = worker.used.take();
    if !notes.is_empty() {
        let batch = notes
            .into_iter()
            .map(|(id, last)| Used { id, at: Some(last.at), previous_at: last.previous_at })
            .collect();
        dropped += (params.used)(batch).err().unwrap_or(0) as u64;
    }
    if dropped > 0 {
        params.metrics.used_dropped.fetch_add(dropped, Ordering::Relaxed);
    }
}
