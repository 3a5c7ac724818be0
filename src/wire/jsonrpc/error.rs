//! JSON-RPC error answers.
//!
//! The id is the client's own bytes, so that 0, "" and integers beyond 53 bits come back as
//! they were sent; `null` only where none could be read (JSON-RPC 2.0 §5.1).

use serde::Serialize;
use serde_json::value::RawValue;

/// What an error answer says.
#[derive(Serialize)]
pub struct ErrorBody<'a> {
    /// JSON-RPC error code.
    pub code: i32,
    /// One sentence.
    pub message: &'a str,
    /// Machine-readable details; always an object with `reason`.
    pub data: serde_json::Value,
}

#[derive(Serialize)]
struct Answer<'a> {
    jsonrpc: &'static str,
    id: &'a RawValue,
    error: &'a ErrorBody<'a>,
}

/// The body of an error answer. `id` is the raw JSON of the request's id.
pub fn error_body(id: Option<&str>, error: &ErrorBody<'_>) -> Vec<u8> {
    let id: &RawValue = id.and_then(|raw| serde_json::from_str(raw).ok()).unwrap_or(RawValue::NULL);
    // Serialising strings, integers and a JSON tree into memory has no way to fail.
    serde_json::to_vec(&Answer { jsonrpc: "2.0", id, error }).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{ErrorBody, error_body};

    #[test]
    fn ids_come_back_as_they_were_sent() {
        let error =
            ErrorBody { code: 40301, message: "no", data: serde_json::json!({"reason": "scope_missing"}) };
        for id in ["0", "\"\"", "123456789012345678901234567890", "-0", "\"\\u0041\""] {
            let body = String::from_utf8(error_body(Some(id), &error)).unwrap();
            assert!(body.contains(&format!("\"id\":{id},")), "{body}");
        }
        assert!(String::from_utf8(error_body(None, &error)).unwrap().contains("\"id\":null"));
    }
}
