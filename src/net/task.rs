//! Tasks on a worker's own thread.
//!
//! Workers share nothing that can wait, so a task never moves to another thread. Calling it
//! outside a worker's runtime would panic; only code that a worker runs may call it.

/// Starts a task on the current worker.
pub fn spawn<F>(future: F)
where
    F: Future<Output = ()> + 'static,
{
    // The handle is dropped: what a task has to tell, it tells through what it was given.
    drop(tokio::task::spawn_local(future));
}

/// Lets hyper start its HTTP/2 streams on the worker.
#[derive(Clone, Copy, Debug)]
pub struct LocalExecutor;

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        drop(tokio::task::spawn_local(future));
    }
}
