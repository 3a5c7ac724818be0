//! The load: a fixed number of calls in flight, each followed by the next (a closed loop), or
//! calls at times that are fixed beforehand ([`open()`]).
//!
//! One thread. Every answer is compared whole; anything unexpected is an error, and a cell
//! with errors is no result. A closed loop finds the CPU per request and the throughput; only
//! an open one tells of latency. It must never know what serves its target, and starts nothing.

mod alarm;
mod answer;
mod client;
mod dial;
mod feed;
mod h1;
mod h2;
mod measured;
mod open;
#[cfg(test)]
mod open_tests;
mod schedule;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustls::ClientConfig;

use self::client::Client;
use self::dial::Dial;
pub(crate) use self::dial::Handshakes;
pub(crate) use self::measured::Measured;
pub(crate) use self::open::{open, open_with};
pub(crate) use self::schedule::Schedule;
use crate::traffic::Traffic;
use crate::transport::Protocol;
use crate::{Done, spawn};

/// Streams on one HTTP/2 connection.
const STREAMS: usize = 4;
/// Time that calls in flight have to end after a stop.
const WIND_DOWN: Duration = Duration::from_secs(5);
/// The longest latency that is told apart; a call that takes longer counts as this.
const LONGEST_NS: u64 = 60_000_000_000;

/// Where the load goes.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) protocol: Protocol,
    pub(crate) tls: Arc<ClientConfig>,
    /// The calls in flight take turns with these.
    pub(crate) keys: Rc<[String]>,
}

/// What happened so far.
pub(crate) struct Tally {
    requests: Cell<u64>,
    errors: Cell<u64>,
    first_error: RefCell<Option<String>>,
    latency: RefCell<Histogram<u64>>,
    stop: Cell<bool>,
    running: Cell<usize>,
}

impl Tally {
    fn new() -> Done<Rc<Self>> {
        let latency = Histogram::new_with_max(LONGEST_NS, 3).map_err(|error| error.to_string())?;
        Ok(Rc::new(Self {
            requests: Cell::new(0),
            errors: Cell::new(0),
            first_error: RefCell::default(),
            latency: RefCell::new(latency),
            stop: Cell::new(false),
            running: Cell::new(0),
        }))
    }

    fn answered(&self, took: Duration) {
        self.requests.set(self.requests.get() + 1);
        let took = u64::try_from(took.as_nanos()).unwrap_or(LONGEST_NS);
        self.latency.borrow_mut().saturating_record(took);
    }

    fn failed(&self, error: String) {
        self.errors.set(self.errors.get() + 1);
        self.first_error.borrow_mut().get_or_insert(error);
    }

    fn stopped(&self) -> bool {
        self.stop.get()
    }
}

/// A running load; it ends with [`Load::stop`].
pub(crate) struct Load(Rc<Tally>);

/// What a load has counted since a moment.
pub(crate) struct Counted {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    /// Microseconds.
    pub(crate) p50_us: f64,
}

impl Load {
    /// Starts `in_flight` calls, each on a connection of its own, or on HTTP/2 by fours.
    pub(crate) fn start(target: &Target, in_flight: usize) -> Done<Self> {
        Self::start_with(target, &Traffic::default(), in_flight)
    }

    /// The same with other traffic.
    pub(crate) fn start_with(target: &Target, traffic: &Traffic, in_flight: usize) -> Done<Self> {
        let tally = Tally::new()?;
        let (dial, plan) = (Dial::new(target, traffic), traffic.plan(Rc::clone(&target.keys))?);
        for client in Client::several(&dial, &plan, in_flight, STREAMS) {
            let tally = Rc::clone(&tally);
            tally.running.set(tally.running.get() + 1);
            spawn(async move {
                if let Err(error) = repeat(client, &tally).await {
                    tally.failed(error);
                }
                tally.running.set(tally.running.get() - 1);
            });
        }
        Ok(Self(tally))
    }

    /// Forgets what was counted: the warm-up is over.
    pub(crate) fn begin(&self) {
        self.0.requests.set(0);
        self.0.latency.borrow_mut().reset();
    }

    /// What was counted since [`Self::begin`]; errors since the start.
    pub(crate) fn counted(&self) -> Counted {
        Counted {
            requests: self.0.requests.get(),
            errors: self.0.errors.get(),
            first_error: self.0.first_error.borrow().clone(),
            p50_us: Duration::from_nanos(self.0.latency.borrow().value_at_quantile(0.5)).as_secs_f64() * 1e6,
        }
    }

    /// Lets the calls in flight end.
    pub(crate) async fn stop(self) -> Done {
        self.0.stop.set(true);
        let ended = async {
            while self.0.running.get() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(WIND_DOWN, ended).await.map_err(|_| "calls in flight did not end".to_owned())
    }
}

/// Calls one after the other until the tally says stop; at least one.
async fn repeat(mut client: Client, tally: &Tally) -> Done {
    loop {
        let begun = Instant::now();
        client.call().await?;
        tally.answered(begun.elapsed());
        if tally.stopped() {
            return Ok(());
        }
    }
}

/// One call, whose answer must be the expected one.
pub(crate) async fn check(target: &Target) -> Done {
    check_with(target, &Traffic::default()).await
}

/// The same with other traffic: the first call of each of its clients to come.
pub(crate) async fn check_with(target: &Target, traffic: &Traffic) -> Done {
    let (dial, plan) = (Dial::new(target, traffic), traffic.plan(Rc::clone(&target.keys))?);
    for mut client in Client::several(&dial, &plan, 1, 1) {
        client.call().await?;
    }
    Ok(())
}

/// A client whose calls somebody else times, and whose errors are no end of it.
pub(crate) struct Caller(Client);

impl Caller {
    /// One call, whose answer must be the expected one; it connects where it has to.
    pub(crate) async fn call(&mut self) -> Done {
        self.0.call().await
    }
}

/// So many clients with a connection each, not connected yet.
pub(crate) fn callers(target: &Target, traffic: &Traffic, count: usize) -> Done<Vec<Caller>> {
    let (dial, plan) = (Dial::new(target, traffic), traffic.plan(Rc::clone(&target.keys))?);
    Ok(Client::several(&dial, &plan, count, 1).into_iter().map(Caller).collect())
}

/// Connections that are held open and asked nothing.
pub(crate) struct Held {
    _callers: Vec<Caller>,
}

/// Opens so many connections, with one call on each.
pub(crate) async fn hold(target: &Target, count: usize) -> Done<Held> {
    let mut callers = callers(target, &Traffic::default(), count)?;
    for caller in &mut callers {
        caller.call().await?;
    }
    Ok(Held { _callers: callers })
}
