//! The log: lines on standard error, as text or JSON.
//!
//! Messages are constant sentences, data are fields. What a client sent is never a message
//! or a target; the subscriber escapes control characters in fields.

mod levels;
pub mod requests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing_subscriber::EnvFilter;

pub use levels::{LEVELS, Levels};

/// What a reload may change of the log.
#[derive(Clone)]
pub struct LogControl {
    set: Arc<dyn Fn(EnvFilter) -> bool + Send + Sync>,
    requests: Arc<AtomicBool>,
}

impl LogControl {
    /// Other levels, and whether each request is told. The levels stay where nobody set this log up.
    pub fn set(&self, levels: &Levels, requests: bool) {
        self.requests.store(requests, Ordering::Relaxed);
        let _ = (self.set)(levels.filter());
    }

    /// Whether each request is told in a line.
    pub fn tells_requests(&self) -> bool {
        self.requests.load(Ordering::Relaxed)
    }
}

/// Sets the log up for the whole process; a second call changes nothing.
pub fn init(levels: &Levels, json: bool, requests: bool) -> LogControl {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(levels.filter())
        .with_writer(std::io::stderr)
        .with_target(false);
    // An error here means that somebody set a subscriber up before, which is as good.
    let set: Arc<dyn Fn(EnvFilter) -> bool + Send + Sync> = if json {
        let builder = builder.json().flatten_event(true).with_filter_reloading();
        let handle = builder.reload_handle();
        let _ = builder.try_init();
        Arc::new(move |filter| handle.reload(filter).is_ok())
    } else {
        let builder = builder.with_filter_reloading();
        let handle = builder.reload_handle();
        let _ = builder.try_init();
        Arc::new(move |filter| handle.reload(filter).is_ok())
    };
    LogControl { set, requests: Arc::new(AtomicBool::new(requests)) }
}
