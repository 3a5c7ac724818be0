//! One worker's connections to all upstreams, and one exchange on one of them.
//!
//! Two authorities share a connection only when they are equal in every field. A connection is
//! lent to one exchange at a time.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout};

use super::body::UpstreamBody;
use super::connect::{ConnectFault, Driver, Lent, Sender, connect};
use super::exchange::{Exchange, SendFault};
use super::idle::Pool;
use super::trust::Trust;
use crate::base::Deadline;
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

    /// A fresh connection, for whoever wants to know whether one can be made.
    pub async fn probe(&self, to: &Authority) -> Result<(), ConnectFault> {
        connect(to, &self.params.trust, self.params.spawn).await.map(drop)
    }

    fn pool(&self, to: &Authority) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        if let Some(pool) = pools.get(to) {
            return Rc::clone(pool);
        }
        Rc::clone(pools.entry(to.clone()).or_insert_with(|| Rc::new(Pool::new())))
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

    async fn lend(&self, to: &Authority, by: Instant) -> Result<Lent, SendFault> {
        let sender = self.connect(to).await?;
        Ok(Lent { sender, deadline: Deadline::new(by) })
    }
}

/// What became of a request on one connection.
enum Attempt {
    Answered(Response<Incoming>),
    /// The connection was closed before a byte was sent.
    Unsent(Request<Full<Bytes>>),
    Failed(SendFault),
}

/// Sends on one connection and waits for the head of the answer, until the deadline.
async fn attempt(lent: &mut Lent, request: Request<Full<Bytes>>) -> Attempt {
    let Lent { sender, deadline } = lent;
    let mut exchange = pin!(async {
        // A connection that was given back a moment ago may still be finishing.
        if sender.ready().await.is_err() {
            return Attempt::Unsent(request);
        }
        match sender.try_send_request(request).await {
            Ok(response) => Attempt::Answered(response),
            Err(mut error) => match error.take_message() {
                Some(unsent) => Attempt::Unsent(unsent),
                None => Attempt::Failed(SendFault::Unreachable),
            },
        }
    });
    poll_fn(|cx| match exchange.as_mut().poll(cx) {
        Poll::Pending => deadline.poll(cx).map(|()| Attempt::Failed(SendFault::TimedOut)),
        answered @ Poll::Ready(_) => answered,
    })
    .await
}

impl Exchange for Upstream {
    type Body = UpstreamBody;

    async fn send(
        &self,
        to: &Authority,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<UpstreamBody>, SendFault> {
        let pool = self.pool(to);
        let by = Instant::now() + self.params.first_byte;
        let mut request = request;
        loop {
            let (mut lent, pooled) = match pool.take() {
                Some(lent) => (lent, true),
                None => (self.lend(to, by).await?, false),
            };
            lent.deadline.set(by);
            match attempt(&mut lent, request).await {
                Attempt::Answered(response) => {
                    return Ok(response.map(|body| UpstreamBody::new(body, pool, lent)));
                }
                // The server had closed a kept connection; the pool has finitely many of them.
                Attempt::Unsent(unsent) if pooled => request = unsent,
                Attempt::Unsent(_) => return Err(SendFault::Unreachable),
                Attempt::Failed(fault) => return Err(fault),
            }
        }
    }
}
