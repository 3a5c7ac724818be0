//! Work on large bodies, beside the worker's thread: one piece at a time for each worker, so
//! that clients with small ones go on being served.
//!
//! It must never be used for small bodies: handing over costs more than reading them.

use tokio::sync::Semaphore;

/// One worker's turn to have something done beside it.
pub(super) struct Aside(Semaphore);

impl Default for Aside {
    fn default() -> Self {
        Self(Semaphore::new(1))
    }
}

impl Aside {
    /// Does something on a thread of its own; `None` where there is no such thread.
    pub(super) async fn run<T, F>(&self, work: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let _turn = self.0.acquire().await.ok()?;
        tokio::task::spawn_blocking(work).await.ok()
    }
}
