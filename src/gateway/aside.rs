//! Work on large bodies, beside the worker's thread: one piece at a time for each worker, so
//! that clients with small ones go on being served.
//!
//! It must never be used for small bodies: handing over costs more than reading them.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// One worker's turn to have something done beside it.
pub(super) struct Aside(Arc<Semaphore>);

impl Default for Aside {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Aside {
    /// Does something on a thread of its own; `None` where there is no such thread.
    pub(super) async fn run<T, F>(&self, work: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let turn = Arc::clone(&self.0).acquire_owned().await.ok()?;
        // The turn goes with the work: a client that leaves does not end what was begun for it,
        // and clients that come and leave would otherwise have any number of pieces going.
        let piece = move || {
            let done = work();
            drop(turn);
            done
        };
        tokio::task::spawn_blocking(piece).await.ok()
    }
}
