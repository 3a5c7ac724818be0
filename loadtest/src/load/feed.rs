//! Hands due requests to free connections; those that find none wait, and their latency runs.
//!
//! It must never hold a request back for the server's sake, and never drop one uncounted.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::schedule::Times;

/// A request that is due.
#[derive(Clone, Copy)]
pub(super) struct Due {
    pub(super) at: Instant,
    /// How late it was released: the generator's own fault.
    pub(super) late: Duration,
    /// It had to wait for a connection: the target's fault.
    pub(super) waited: bool,
    pub(super) counted: bool,
}

/// The schedule, and who is free.
pub(super) struct Feed(RefCell<State>);

struct State {
    times: Times,
    next: Option<Instant>,
    waiting: VecDeque<Due>,
    most_waiting: usize,
    not_sent: u64,
    idle: VecDeque<usize>,
    slots: Vec<Slot>,
}

/// A connection's, or stream's, place.
#[derive(Default)]
struct Slot {
    given: Option<Due>,
    idle: bool,
    waker: Option<Waker>,
}

impl Feed {
    /// For so many connections or streams.
    pub(super) fn new(mut times: Times, slots: usize, most_waiting: usize) -> Rc<Self> {
        let next = times.next();
        let slots = (0..slots).map(|_| Slot::default()).collect();
        let (waiting, idle) = (VecDeque::new(), VecDeque::new());
        Rc::new(Self(RefCell::new(State { times, next, waiting, most_waiting, not_sent: 0, idle, slots })))
    }

    /// Releases what is due by now; says when the next is due, or that none is.
    pub(super) fn advance(&self, now: Instant) -> Option<Instant> {
        let mut state = self.0.borrow_mut();
        while let Some(at) = state.next.filter(|at| *at <= now) {
            let counted = at >= state.times.begin;
            let due = Due { at, late: now - at, waited: false, counted };
            state.release(due);
            state.next = state.times.next();
            if state.next.is_none() {
                state.wake_all();
            }
        }
        state.next
    }

    /// The next request for a slot; none when the schedule is over and nothing waits.
    pub(super) async fn take(&self, slot: usize) -> Option<Due> {
        std::future::poll_fn(|cx| {
            let mut state = self.0.borrow_mut();
            let state = &mut *state;
            let Some(own) = state.slots.get_mut(slot) else { return Poll::Ready(None) };
            if let Some(due) = own.given.take() {
                return Poll::Ready(Some(due));
            }
            if let Some(due) = state.waiting.pop_front() {
                return Poll::Ready(Some(Due { waited: true, ..due }));
            }
            if state.next.is_none() {
                return Poll::Ready(None);
            }
            if !own.idle {
                own.idle = true;
                state.idle.push_back(slot);
            }
            if !own.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                own.waker = Some(cx.waker().clone());
            }
            Poll::Pending
        })
        .await
    }

    /// Requests that were due when too many waited.
    pub(super) fn not_sent(&self) -> u64 {
        self.0.borrow().not_sent
    }

    /// Gives up what waits still; each counted one is passed to `each`.
    pub(super) fn abandon(&self, mut each: impl FnMut(Due)) {
        self.0.borrow_mut().waiting.drain(..).filter(|due| due.counted).for_each(&mut each);
    }
}

impl State {
    fn release(&mut self, due: Due) {
        // In turn, so that all connections and keys are used alike.
        let free = self.idle.pop_front().and_then(|slot| self.slots.get_mut(slot));
        if let Some(slot) = free {
            slot.idle = false;
            slot.given = Some(due);
            if let Some(waker) = &slot.waker {
                waker.wake_by_ref();
            }
        } else if self.waiting.len() < self.most_waiting {
            self.waiting.push_back(due);
        } else if due.counted {
            self.not_sent += 1;
        }
    }

    /// The schedule is over: those that wait for a request need not.
    fn wake_all(&mut self) {
        for slot in &mut self.slots {
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
        }
    }
}
