//! One worker's connections to all upstreams.
//!
//! Idle connections are kept per authority, the latest used first, up to a bound and for a
//! time that is below what common servers keep them. Two authorities share a connection only
//! when they are equal in every field. A connection is lent to one exchange at a time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::timeout;

use super::body::UpstreamBody;
use super::connect::{ConnectFault, Driver, Sender, connect};
use super::exchange::{Exchange, SendFault};
use super::trust::Trust;
use crate::base::bounds::IDLE_PER_ENDPOINT;
use crate::policy::Authority;

/// What upstreams are spoken to with.
#[derive(Clone)]
pub struct UpstreamParams {
    /// Time to connect, TLS included.
    pub connect: Duration,
    /// Time until the head of an answer.
    pub first_byte: Duration,
    /// Time that an idle connection is kept.
    pub idle: Duration,
    /// Whom to trust.
    pub trust: Trust,
    /// How a task is started on this worker.
    pub spawn: fn(Driver),
}

/// One worker's upstream connections.
#[derive(Clone)]
pub struct Upstream {
    params: Rc<UpstreamParams>,
    pools: Rc<RefCell<HashMap<Authority, Rc<Pool>, RandomState>>>,
}

/// Idle connections to one authority.
#[derive(Default)]
pub(super) struct Pool(RefCell<Vec<(Sender, Instant)>>);

impl Pool {
    /// Takes a connection back after a complete exchange.
    pub(super) fn put(&self, sender: Sender) {
        let mut idle = self.0.borrow_mut();
        if idle.len() < IDLE_PER_ENDPOINT && !sender.is_closed() {
            idle.push((sender, Instant::now()));
        }
    }

    fn take(&self) -> Option<Sender> {
        let mut idle = self.0.borrow_mut();
        while let Some((sender, _)) = idle.pop() {
            if !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    fn sweep(&self, older_than: Instant) {
        self.0.borrow_mut().retain(|(sender, since)| *since > older_than && !sender.is_closed());
    }
}

impl Upstream {
    /// No connections yet.
    pub fn new(params: UpstreamParams) -> Self {
        Self { params: Rc::new(params), pools: Rc::default() }
    }

    /// Closes connections that have idled too long; the worker calls it about once a second.
    pub fn sweep(&self) {
        if let Some(older_than) = Instant::now().checked_sub(self.params.idle) {
            let mut pools = self.pools.borrow_mut();
            pools.values().for_each(|pool| pool.sweep(older_than));
            // An authority that the configuration no longer has leaves no pool behind.
            pools.retain(|_, pool| Rc::strong_count(pool) > 1 || !pool.0.borrow().is_empty());
        }
    }

    /// A fresh connection, for whoever wants to know whether one can be made.
    pub async fn probe(&self, to: &Authority) -> Result<(), ConnectFault> {
        connect(to, &self.params.trust, self.params.spawn).await.map(drop)
    }

    fn pool(&self, to: &Authority) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        if let Some(pool) = pools.get(to) {
            return Rc::clone(pool);
        }
        Rc::clone(pools.entry(to.clone()).or_default())
    }

    async fn connect(&self, to: &Authority) -> Result<Sender, SendFault> {
        let attempt = timeout(self.params.connect, connect(to, &self.params.trust, self.params.spawn)).await;
        match attempt {
            Ok(Ok(sender)) => Ok(sender),
            Ok(Err(fault)) => {
                tracing::warn!(host = %to.host, port = to.port, %fault, "upstream cannot be reached");
                Err(SendFault::Unreachable)
            }
            Err(_) => {
                tracing::warn!(host = %to.host, port = to.port, "upstream does not accept the connection in time");
                Err(SendFault::Unreachable)
            }
        }
    }

    async fn attempt(
        &self,
        to: &Authority,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<UpstreamBody>, SendFault> {
        let pool = self.pool(to);
        loop {
            let (mut sender, pooled) = match pool.take() {
                Some(sender) => (sender, true),
                None => (self.connect(to).await?, false),
            };
            // A connection that was given back a moment ago may still be finishing.
            if sender.ready().await.is_err() {
                if pooled {
                    continue;
                }
                return Err(SendFault::Unreachable);
            }
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(response.map(|body| UpstreamBody::new(body, pool, sender))),
                Err(mut error) => match error.take_message() {
                    // The server had closed a kept connection before a byte was sent.
                    Some(unsent) if pooled => request = unsent,
                    _ => return Err(SendFault::Unreachable),
                },
            }
        }
    }
}

impl Exchange for Upstream {
    type Body = UpstreamBody;

    async fn send(
        &self,
        to: &Authority,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<UpstreamBody>, SendFault> {
        match timeout(self.params.first_byte, self.attempt(to, request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(SendFault::TimedOut),
        }
    }
}
