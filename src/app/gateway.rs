//! A running gateway: started from settings, part by part, and stopped in the reverse order.
//!
//! Everything that can fail fails before the first connection is accepted, so a gateway
//! either serves whole or not at all.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tokio::sync::watch;

use super::books;
use super::descriptors;
use super::memory::MemoryWatch;
use super::workers::{self, WorkerParams};
use crate::admin::{AdminParams, router};
use crate::base::Clock;
use crate::base::digest::Hasher;
use crate::config::{Settings, Store, Transport};
use crate::control::{Follower, FollowerFault, LeaseParams, Leases, Pace, Publisher, compile, feed};
use crate::net::{ListenFault, TlsListener, bind, tls::TlsFault};
use crate::policy::Policy;
use crate::registry::{Fault, Used};
use crate::state::Limiter;
use crate::state::limiter::Sharing;
use crate::telemetry::Metrics;
use crate::telemetry::audit::{Audit, AuditFault};
use crate::telemetry::books::Books;
use crate::telemetry::log::LogControl;
use crate::telemetry::otlp::Exporter;
use crate::upstream::{Trust, TrustFault};

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartFault {
    /// An address.
    #[error(transparent)]
    Listen(#[from] ListenFault),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] Fault),
    /// The registry's thread.
    #[error(transparent)]
    Follower(#[from] FollowerFault),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsFault),
    /// The upstreams' certificate authorities.
    #[error(transparent)]
    Trust(#[from] TrustFault),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditFault),
    /// Threads.
    #[error("a thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// A running gateway.
pub struct Gateway {
    /// Where clients connect.
    pub address: SocketAddr,
    /// Where health and metrics are.
    pub admin: SocketAddr,
    /// Publishes snapshots.
    pub publisher: Publisher,
    /// The certificate in use; `None` with plaintext.
    pub tls: Option<TlsListener>,
    /// The upstreams' certificate authorities.
    pub trust: Trust,
    ready: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    stop_admin: watch::Sender<bool>,
    workers: Vec<JoinHandle<()>>,
    admin_thread: Option<JoinHandle<()>>,
    leases: Option<Leases>,
    audit: Option<Audit>,
    exporter: Option<Exporter>,
    // Dropped last: it writes what the workers handed over.
    follower: Option<Follower>,
}

impl Gateway {
    /// Starts all parts. The settings' certificate is taken out of them.
    pub fn start(settings: &mut Settings, workers: usize, log: &LogControl) -> Result<Self, StartFault> {
        let clock = Clock::system();
        let metrics = Arc::new(Metrics::new(workers));
        let listeners = bind(settings.listen.address, workers)?;
        let admin_listeners = bind(settings.admin, 1)?;
        settings.bounds.connections = descriptors::allow(settings.bounds.connections);
        tell(settings, &metrics, &clock);
        let address =
            listeners.first().map_or(Ok(settings.listen.address), std::net::TcpListener::local_addr)?;
        let admin = admin_listeners.first().map_or(Ok(settings.admin), std::net::TcpListener::local_addr)?;
        let tls = match std::mem::replace(&mut settings.listen.transport, Transport::Plaintext) {
            Transport::Tls(chain) => Some(TlsListener::new(chain.certificates, chain.key)?),
            Transport::Plaintext => None,
        };
        let policy = compile(settings);
        let trust = trust_of(&policy)?;
        let registry = &settings.keys.registry;
        let publisher = Publisher::new(policy, Hasher::new(&registry.peppers), Arc::clone(&metrics));
        let (feed, poll) = feed(registry, &clock)?;
        let pace = Pace { poll, holds: registry.max_staleness, session: settings.bounds.session };
        let follower = Follower::start(feed, publisher.clone(), Arc::clone(&metrics), clock.clone(), pace)?;
        let (limiter, leases) = limits(settings, &publisher, &metrics)?;
        let (stop, stopped) = watch::channel(false);
        let params = WorkerParams {
            bounds: settings.bounds,
            clock: clock.clone(),
            metrics: Arc::clone(&metrics),
            snapshot: publisher.cell().clone(),
            tls: tls.clone(),
            trust: trust.clone(),
            stop: stopped,
            used: follower.used_queue(),
            memory: MemoryWatch::new(settings.bounds.memory),
            limiter: Arc::clone(&limiter),
            workers,
        };
        let ((stop_admin, admin_stopped), ready) = (watch::channel(false), Arc::new(AtomicBool::new(false)));
        let shown = AdminParams {
            metrics,
            snapshot: publisher.cell().clone(),
            limiter,
            ready: Arc::clone(&ready),
            clock,
        };
        let exporter = super::telemetry::exporter(settings, &shown)?;
        let (books, audit) = books::keep(settings, workers, &shown.metrics, exporter.as_ref(), log)?;
        let admin_listener = admin_listeners.into_iter().next();
        let start_admin = |listener| start_admin(listener, shown, admin_stopped);
        let admin_thread = admin_listener.map(start_admin).transpose()?;
        let workers = start_workers(listeners, books, &params)?;
        ready.store(true, Ordering::Relaxed);
        Ok(Self {
            address,
            admin,
            publisher,
            tls,
            trust,
            ready,
            stop,
            stop_admin,
            workers,
            admin_thread,
            leases,
            audit,
            exporter,
            follower: Some(follower),
        })
    }

    /// Stops: no new connections, requests in flight finish within a limit, what was noted
    /// is written.
    pub fn stop(mut self) {
        self.ready.store(false, Ordering::Relaxed);
        let _ = self.stop.send(true);
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
        // Where one disk hangs, its time counts for all that is written to it.
        if let Some(follower) = &mut self.follower {
            follower.end();
        }
        // What they noted is written before the process may say that it has ended.
        if let Some(lost) = self.audit.take().map(Audit::stop).filter(|lost| *lost > 0) {
            tracing::error!(lost, "records of the audit log could not be written");
        }
        // Until here it told that the gateway is not ready, and how far it has come.
        let _ = self.stop_admin.send(true);
        if let Some(admin) = self.admin_thread.take() {
            let _ = admin.join();
        }
        drop(self.exporter.take());
        drop(self.leases.take());
        drop(self.follower.take());
    }
}

/// What metrics tell of the process that does not change while it runs.
fn tell(settings: &Settings, metrics: &Metrics, clock: &Clock) {
    let process = &metrics.process;
    process.started_ms.store(clock.now_ms(), Ordering::Relaxed);
    process.memory_ceiling.store(settings.bounds.memory as u64, Ordering::Relaxed);
    process.connections_ceiling.store(settings.bounds.connections as u64, Ordering::Relaxed);
    let in_redis = matches!(settings.keys.registry.store, Store::Redis(_));
    metrics.registry_in_redis.store(in_redis, Ordering::Relaxed);
}

/// The limiter, and who keeps the leases of shared limits, where replicas share anything.
fn limits(
    settings: &Settings,
    publisher: &Publisher,
    metrics: &Arc<Metrics>,
) -> std::io::Result<(Arc<Limiter>, Option<Leases>)> {
    let limiter = Limiter::new(settings.bounds.buckets).with_addresses(settings.bounds.addresses);
    let Store::Redis(redis) = &settings.keys.registry.store else { return Ok((Arc::new(limiter), None)) };
    let (sharing, notes) = Sharing::new();
    let leases = Leases::start(LeaseParams {
        redis: redis.params.clone(),
        sharing: Arc::clone(&sharing),
        notes,
        snapshot: publisher.cell().clone(),
        metrics: Arc::clone(metrics),
    })?;
    Ok((Arc::new(limiter.shared_by(sharing)), Some(leases)))
}

/// Whom upstreams over TLS are trusted by.
fn trust_of(policy: &Policy) -> Result<Trust, TrustFault> {
    let trust = Trust::default();
    let authorities = policy.servers().iter().map(|server| &server.endpoint.authority);
    trust.prepare(authorities.filter(|authority| authority.tls).map(|authority| authority.ca.clone()))?;
    Ok(trust)
}

fn start_workers<Q>(
    listeners: Vec<std::net::TcpListener>,
    books: Vec<Books>,
    params: &WorkerParams<Q>,
) -> std::io::Result<Vec<JoinHandle<()>>>
where
    Q: Fn(Vec<Used>) -> Result<(), usize> + Clone + Send + 'static,
{
    let each = listeners.into_iter().zip(books).enumerate();
    each.map(|(number, (listener, books))| workers::start(number, listener, books, params.clone())).collect()
}

fn start_admin(
    listener: std::net::TcpListener,
    params: AdminParams,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("admin".into()).spawn(move || {
        runtime.block_on(async move {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
            // An open connection of a scraper does not hold the stop up.
            tokio::select! {
                outcome = axum::serve(listener, router(params)) => {
                    if let Err(error) = outcome {
                        tracing::error!(%error, "admin listener ended");
                    }
                }
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
    })
}
