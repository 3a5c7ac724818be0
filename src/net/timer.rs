//! The timer of one HTTP/1.1 connection, for hyper's limit on the time of a head.
//!
//! hyper asks for a fresh sleep before every head and drops it when the head is there. All
//! sleeps of a connection share one deadline here, which stays armed in between. hyper never
//! holds two of them at a time; if it did, the later one would move the deadline of both.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

use crate::base::Deadline;

/// One connection's timer.
#[derive(Clone, Default)]
pub(super) struct ConnectionTimer(Arc<Mutex<Option<Deadline>>>);

impl Timer for ConnectionTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(UntilDeadline { at: deadline, shared: Arc::clone(&self.0) })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// A sleep that hyper holds. The lock is never contended: a connection is polled on one
/// thread; it is there because hyper's trait asks for `Sync`.
struct UntilDeadline {
    at: Instant,
    shared: Arc<Mutex<Option<Deadline>>>,
}

impl Sleep for UntilDeadline {}

impl Future for UntilDeadline {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.at.into();
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = shared.get_or_insert_with(|| Deadline::new(at));
        deadline.set(at);
        deadline.poll(cx)
    }
}
