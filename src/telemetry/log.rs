//! The log: lines on standard error, as text or JSON.
//!
//! Messages are constant sentences, data are fields. What a client sent is never a message
//! or a target; the subscriber escapes control characters in fields.

use tracing_subscriber::EnvFilter;

/// Sets the log up for the whole process; a second call changes nothing.
pub fn init(level: &str, json: bool) {
    // The demo's MCP server takes every cancelled call for an error of its own.
    let filter = EnvFilter::new(format!("warn,rmcp=off,tollgate={level}"));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // An error here means that somebody set a subscriber up before, which is as good.
    let _ = if json { builder.json().flatten_event(true).try_init() } else { builder.try_init() };
}
