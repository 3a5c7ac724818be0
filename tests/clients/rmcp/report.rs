//! The line that the driver prints, and how it words a failure.
//!
//! It must never let the key into that line.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use rmcp::service::{ClientInitializeError, ServiceError};
use serde_json::{Value, json};

/// The one line, filled in on the way; shared, so that a timeout still shows the steps.
#[derive(Clone, Default)]
pub(super) struct Report(Arc<Mutex<serde_json::Map<String, Value>>>);

impl Report {
    pub(super) fn set(&self, name: &str, value: impl Into<Value>) {
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        line.insert(name.to_owned(), value.into());
    }

    pub(super) fn step(&self, name: &str, text: impl Into<String>) {
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let steps = line.entry("steps").or_insert_with(|| json!({}));
        if let Some(steps) = steps.as_object_mut() {
            steps.insert(name.to_owned(), Value::String(text.into()));
        }
    }

    pub(super) fn line(&self, key: &str) -> String {
        let line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = Value::Object(line.clone()).to_string();
        // A server that echoes headers must not bring the key to the output.
        if key.is_empty() { text } else { text.replace(key, "[key]") }
    }
}

/// A failure as a person would read it, with its causes.
pub(super) fn describe(fault: &(dyn Error + Send + Sync + 'static)) -> Value {
    let message = fault.to_string();
    let mut text = message.clone();
    let mut cause = cause_of(fault);
    while let Some(one) = cause {
        let said = one.to_string();
        // Each layer tends to repeat the ones below it.
        if !text.contains(&said) {
            text = format!("{text}; {said}");
        }
        cause = one.source();
    }
    json!({ "code": code_of(fault), "message": message, "text": text })
}

// A failed handshake does not name its cause as its source.
fn cause_of<'a>(fault: &'a (dyn Error + Send + Sync + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match fault.downcast_ref() {
        Some(ClientInitializeError::TransportError { error, .. }) => Some(error),
        _ => fault.source(),
    }
}

// The code of the JSON-RPC error, when the fault is one.
fn code_of(fault: &(dyn Error + Send + Sync + 'static)) -> Option<i32> {
    if let Some(ServiceError::McpError(error)) = fault.downcast_ref() {
        return Some(error.code.0);
    }
    match fault.downcast_ref() {
        Some(ClientInitializeError::JsonRpcError(error)) => Some(error.code.0),
        _ => None,
    }
}
