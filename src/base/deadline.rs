//! A deadline that is moved far more often than it passes.
//!
//! A timer of the runtime costs a lock and a list operation each time it is armed and disarmed.
//! This one stays armed while its deadline moves later, and is armed again only when it fires
//! early: once per limit instead of once per request.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::Tick;
use super::tick::BEHIND;

/// One deadline. It must be made, set and polled within a runtime. It passes up to 20 ms late
/// and never early.
pub struct Deadline {
    at: Tick,
    armed_for: Tick,
    armed: Pin<Box<Sleep>>,
}

impl Deadline {
    /// A deadline.
    pub fn new(at: Tick) -> Self {
        let at = at + BEHIND;
        Self { at, armed_for: at, armed: Box::pin(sleep_until(Instant::now() + (at - Tick::now()))) }
    }

    /// Moves it, in either direction.
    #[inline]
    pub fn set(&mut self, at: Tick) {
        self.at = at + BEHIND;
        if self.at < self.armed_for {
            self.arm();
        }
    }

    /// Ready once it has passed.
    #[inline]
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.armed.as_mut().poll(cx));
            if Tick::now() >= self.at {
                return Poll::Ready(());
            }
            self.arm();
        }
    }

    fn arm(&mut self) {
        self.armed_for = self.at;
        self.armed.as_mut().reset(Instant::now() + (self.at - Tick::now()));
    }
}

/// The outcome of a future, or `None` after a time. No timer is made for one that is ready at
/// once, as nearly all are that this is for, nor is there room kept for one.
pub async fn within<F: Future + Unpin>(limit: impl FnOnce() -> Duration, mut future: F) -> Option<F::Output> {
    let at_once = poll_fn(|cx| Poll::Ready(Pin::new(&mut future).poll(cx)));
    if let Poll::Ready(outcome) = at_once.await {
        return Some(outcome);
    }
    Box::pin(timeout(limit(), future)).await.ok()
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Deadline;
    use crate::base::Tick;

    #[test]
    fn it_passes_when_it_was_last_set_to() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let begun = Instant::now();
            let first = Tick::now();
            let after = |ms| first + Duration::from_millis(ms);
            let mut deadline = Deadline::new(after(10));
            deadline.set(after(40));
            poll_fn(|cx| deadline.poll(cx)).await;
            assert!(begun.elapsed() >= Duration::from_millis(40), "later than first said");
            deadline.set(after(60_000));
            deadline.set(after(60));
            poll_fn(|cx| deadline.poll(cx)).await;
            let took = begun.elapsed();
            assert!(took >= Duration::from_millis(60) && took < Duration::from_secs(30), "{took:?}");
        });
    }
}
