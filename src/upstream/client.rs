//! One worker's connections to all upstreams, and one exchange on one of them.
//!
//! Two authorities share a connection only when they are equal in every field. A connection is
//! lent to one exchange at a time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use tokio::time::{Instant, timeout};

use super::body::UpstreamBody;
use super::connect::{ConnectFault, Stream, connect};
use super::connection::{Broken, Connection};
use super::exchange::{Exchange, SendFault};
use super::idle::{Pool, Pooled};
use super::outgoing::Outgoing;
use super::trust::Trust;
use crate::base::Tick;
use crate::policy::Authority;
use crate::wire::head::Reply;
use crate::wire::http1::ResponseHead;

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
}

/// One worker's upstream connections.
#[derive(Clone)]
pub struct Upstream {
    params: Rc<UpstreamParams>,
    pools: Rc<RefCell<HashMap<Authority, Rc<Pool>, RandomState>>>,
}

impl Upstream {
    /// No connections yet.
    pub fn new(params: UpstreamParams) -> Self {
        Self { params: Rc::new(params), pools: Rc::default() }
    }

    /// Closes connections that have idled too long; the worker calls it about once a second.
    pub fn sweep(&self) {
        let (now, idle) = (Instant::now(), self.params.idle);
        let mut pools = self.pools.borrow_mut();
        pools.values().for_each(|pool| pool.sweep(now, idle));
        // An authority that the configuration no longer has leaves no pool behind.
        pools.retain(|_, pool| Rc::strong_count(pool) > 1 || !pool.is_empty());
    }

    /// How many connections to an authority this worker has now.
    pub fn count(&self, to: &Authority) -> Pooled {
        self.pools.borrow().get(to).map_or_else(Pooled::default, |pool| pool.count())
    }

    /// A fresh connection, for whoever wants to know whether one can be made.
    pub async fn probe(&self, to: &Authority) -> Result<(), ConnectFault> {
        connect(to, &self.params.trust).await.map(drop)
    }

    fn pool(&self, to: &Authority) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        if let Some(pool) = pools.get(to) {
            return Rc::clone(pool);
        }
        Rc::clone(pools.entry(to.clone()).or_insert_with(|| Rc::new(Pool::new())))
    }

    async fn connect(&self, to: &Authority) -> Result<Stream, SendFault> {
        match timeout(self.params.connect, connect(to, &self.params.trust)).await {
            Ok(Ok(stream)) => Ok(stream),
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
}

impl Exchange for Upstream {
    type Body = UpstreamBody;

    async fn send(
        &self,
        to: &Authority,
        request: Outgoing,
        first_byte: Option<Duration>,
    ) -> Result<Reply<UpstreamBody>, SendFault> {
        let pool = self.pool(to);
        let by = Tick::now() + first_byte.unwrap_or(self.params.first_byte);
        loop {
            let (mut connection, pooled) = if let Some(connection) = pool.take() {
                (connection, true)
            } else {
                // Boxed: the exchange keeps no room for what only a new connection needs.
                let stream = Box::pin(self.connect(to)).await?;
                (Box::new(Connection::new(stream, by, pool.open())), false)
            };
            match connection.exchange(&request, by).await {
                Ok(head) => return Ok(answer(head, connection, pool)),
                // The server had closed a kept connection; the pool has finitely many of them.
                Err(Broken::Unsent) if pooled => {}
                Err(Broken::TimedOut) => return Err(SendFault::TimedOut),
                Err(Broken::Unsent) => return Err(SendFault::Unreachable),
                Err(Broken::Closed) => return Err(SendFault::Broken),
                Err(Broken::Malformed(fault)) => {
                    tracing::warn!(host = %to.host, port = to.port, %fault, "upstream answers wrongly");
                    return Err(SendFault::Broken);
                }
            }
        }
    }
}

fn answer(head: ResponseHead, connection: Box<Connection>, pool: Rc<Pool>) -> Reply<UpstreamBody> {
    let back = head.reusable.then_some(pool);
    let body = UpstreamBody::new(head.framing, connection, back);
    Reply { passed: head.lines, ..Reply::new(head.status, body) }
}
