//! The open loop: requests are sent when they are due, whatever became of those before.
//!
//! Latency counts from the due time, so a target that stands still for a while shows it in
//! every request that was due meanwhile, as its users would notice it. The schedule never
//! slows down; what cannot be sent is counted and spoils the run.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};
use tokio::task::JoinSet;

use super::alarm::Alarm;
use super::client::Client;
use super::dial::Dial;
use super::feed::{Due, Feed};
use super::measured::Measured;
use super::schedule::Schedule;
use super::{LONGEST_NS, Target, WIND_DOWN};
use crate::Done;
use crate::machine::{Ticks, only_core};
use crate::traffic::{Plan, Traffic};
use crate::transport::Protocol;

/// Time that all connections together have to be made before the schedule begins.
const CONNECT: Duration = Duration::from_secs(10);

/// Sends what the schedule says; ends with it and the answers, or some seconds later.
pub(crate) async fn open(target: &Target, schedule: &Schedule) -> Done<Measured> {
    open_with(target, &Traffic::default(), schedule).await
}

/// The same with other traffic.
pub(crate) async fn open_with(target: &Target, traffic: &Traffic, schedule: &Schedule) -> Done<Measured> {
    let (dial, plan) = (Dial::new(target, traffic), traffic.plan(Rc::clone(&target.keys))?);
    let clients = connected(&dial, &plan, schedule).await?;
    let times = schedule.times();
    let (begin, until) = (times.begin, times.until);
    let feed = Feed::new(times, clients.len(), schedule.most_waiting);
    let count = Rc::new(RefCell::new(Count::new(clients.len())?));
    let mut running = JoinSet::new();
    for (slot, client) in clients.into_iter().enumerate() {
        running.spawn_local(serve(client, slot, Rc::clone(&feed), Rc::clone(&count)));
    }
    let alarm = Alarm::new()?;
    release(&feed, &alarm, begin).await?;
    let use_before = Use::now();
    release(&feed, &alarm, until).await?;
    let used = use_before.until_now();
    // Until all have ended; what has not by then is dropped with the set.
    let ended = async { while running.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(WIND_DOWN, ended).await;
    drop(running);
    let count = count.replace(Count::new(0)?);
    Ok(Measured { handshakes: dial.handshakes(), ..finish(count, &feed, schedule, used) })
}

/// Releases requests as they fall due, until a time.
async fn release(feed: &Feed, alarm: &Alarm, until: Instant) -> Done {
    loop {
        let now = Instant::now();
        let next = feed.advance(now).unwrap_or(until).min(until);
        if now >= until {
            return Ok(());
        }
        alarm.until(next).await?;
    }
}

/// All clients, connected: the schedule finds them ready.
async fn connected(dial: &Rc<Dial>, plan: &Rc<Plan>, schedule: &Schedule) -> Done<Vec<Client>> {
    let streams = if dial.target.protocol == Protocol::H2Tls { schedule.streams } else { 1 };
    let mut clients = Client::several(dial, plan, schedule.connections * streams, streams);
    if dial.once {
        return Ok(clients);
    }
    let connect = async {
        for client in &mut clients {
            client.connect().await?;
        }
        Ok(())
    };
    let address = dial.target.address;
    let timeout = |_| Err(format!("{address} did not take {} connections", schedule.connections));
    tokio::time::timeout(CONNECT, connect).await.unwrap_or_else(timeout)?;
    Ok(clients)
}

/// Calls when a request is due, until the schedule is over.
async fn serve(mut client: Client, slot: usize, feed: Rc<Feed>, count: Rc<RefCell<Count>>) {
    while let Some(due) = feed.take(slot).await {
        count.borrow_mut().sent(slot, &due, Instant::now());
        let outcome = client.call().await;
        let now = Instant::now();
        count.borrow_mut().ended(slot, &due, outcome, now);
        // Answers may keep the thread from the alarm for a while.
        feed.advance(now);
    }
}

/// What happened so far to requests that count.
struct Count {
    sent: u64,
    /// Before the time that counts.
    warmed_up: u64,
    answered: u64,
    errors: u64,
    first_error: Option<String>,
    latency: Histogram<u64>,
    late: Histogram<u64>,
    /// By slot.
    in_flight: Vec<Option<Due>>,
}

impl Count {
    fn new(slots: usize) -> Done<Self> {
        let histogram = || Histogram::new_with_max(LONGEST_NS, 3).map_err(|error| error.to_string());
        Ok(Self {
            sent: 0,
            warmed_up: 0,
            answered: 0,
            errors: 0,
            first_error: None,
            latency: histogram()?,
            late: histogram()?,
            in_flight: vec![None; slots],
        })
    }

    fn sent(&mut self, slot: usize, due: &Due, now: Instant) {
        if !due.counted {
            self.warmed_up += 1;
            return;
        }
        self.sent += 1;
        // Where it waited for a connection, only its release was the generator's affair.
        let late = if due.waited { due.late } else { now - due.at };
        self.late.saturating_record(nanoseconds(late));
        if let Some(in_flight) = self.in_flight.get_mut(slot) {
            *in_flight = Some(*due);
        }
    }

    fn ended(&mut self, slot: usize, due: &Due, outcome: Done, now: Instant) {
        if !due.counted {
            return;
        }
        if let Some(in_flight) = self.in_flight.get_mut(slot) {
            *in_flight = None;
        }
        match outcome {
            Ok(()) => {
                self.answered += 1;
                self.latency.saturating_record(nanoseconds(now - due.at));
            }
            Err(error) => {
                self.errors += 1;
                self.first_error.get_or_insert(error);
            }
        }
    }
}

fn finish(mut count: Count, feed: &Feed, schedule: &Schedule, used: (f64, Option<f64>)) -> Measured {
    let now = Instant::now();
    let mut unanswered = 0;
    let mut left = |due: &Due| {
        unanswered += 1;
        count.latency.saturating_record(nanoseconds(now - due.at));
    };
    count.in_flight.iter().flatten().for_each(&mut left);
    feed.abandon(|due| left(&due));
    let mut measured = Measured {
        sent: count.sent,
        sent_in_all: count.sent + count.warmed_up,
        answered: count.answered,
        errors: count.errors,
        first_error: count.first_error,
        not_sent: feed.not_sent(),
        unanswered,
        latency: count.latency,
        late: count.late,
        seconds: schedule.seconds,
        generator_busy: used.0,
        core_busy: used.1,
        handshakes: super::Handshakes::default(),
        valid: Ok(()),
    };
    measured.valid = measured.judge();
    measured
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(LONGEST_NS)
}

/// What the generator had used of its core at a moment.
struct Use {
    at: Instant,
    thread: Duration,
    core: Option<(usize, Ticks)>,
}

impl Use {
    fn now() -> Self {
        let core = only_core().map(|core| (core, Ticks::of(core)));
        Self { at: Instant::now(), thread: thread_time(), core }
    }

    /// The parts of the time since then that the thread ran, and that its core was busy.
    fn until_now(&self) -> (f64, Option<f64>) {
        let busy = thread_time().saturating_sub(self.thread).as_secs_f64() / self.at.elapsed().as_secs_f64();
        (busy, self.core.map(|(core, before)| Ticks::of(core).busy_since(before)))
    }
}

/// CPU time of this thread.
fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
