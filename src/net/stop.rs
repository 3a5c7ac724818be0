//! The signal to stop, asked as seldom as can be.
//!
//! Asking the channel takes a lock, and a connection is driven several times for every
//! request: it is asked once, which has it wake the task, and again only after it changed.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::watch;

/// The signal, as one connection sees it; ready once the process is to stop.
pub(super) struct Stop {
    signal: watch::Receiver<bool>,
    waiting: Pin<Box<dyn Future<Output = ()>>>,
    asked: bool,
    set: bool,
}

impl Stop {
    pub(super) fn new(signal: watch::Receiver<bool>) -> Self {
        let mut waited = signal.clone();
        // A closed channel means that the process is ending.
        let waiting = Box::pin(async move { drop(waited.wait_for(|stop| *stop).await) });
        Self { signal, waiting, asked: false, set: false }
    }

    /// Whether the process is to stop, without being woken for it.
    pub(super) fn is_set(&self) -> bool {
        self.set || (self.signal.has_changed().unwrap_or(true) && *self.signal.borrow())
    }
}

impl Future for Stop {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.set && (!self.asked || self.signal.has_changed().unwrap_or(true)) {
            self.asked = true;
            self.set = self.waiting.as_mut().poll(cx).is_ready();
        }
        if self.set { Poll::Ready(()) } else { Poll::Pending }
    }
}
