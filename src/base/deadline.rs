//! A deadline that is moved far more often than it passes.
//!
//! A timer of the runtime costs a lock and a list operation each time it is armed and disarmed.
//! This one stays armed while its deadline moves later, and is armed again only when it fires
//! early: once per limit instead of once per request.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// One deadline. It must be made, set and polled within a runtime.
pub struct Deadline {
    at: Instant,
    armed: Pin<Box<Sleep>>,
}

impl Deadline {
    /// A deadline.
    pub fn new(at: Instant) -> Self {
        Self { at, armed: Box::pin(sleep_until(at)) }
    }

    /// Moves it, in either direction.
    #[inline]
    pub fn set(&mut self, at: Instant) {
        self.at = at;
        if at < self.armed.deadline() {
            self.armed.as_mut().reset(at);
        }
    }

    /// Ready once it has passed.
    #[inline]
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.armed.as_mut().poll(cx));
            if Instant::now() >= self.at {
                return Poll::Ready(());
            }
            self.armed.as_mut().reset(self.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Deadline;

    #[test]
    fn it_passes_when_it_was_last_set_to() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let begun = Instant::now();
            let after = |ms| begun + Duration::from_millis(ms);
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
