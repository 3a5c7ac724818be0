//! A small world around one gateway: a folder, a configuration, the program, an upstream that
//! writes down every byte, and a client that sends what it is told.

mod answers;
mod client;
mod program;
mod resident;
mod secure;
mod upstream;

pub use answers::ANSWER;
pub use client::{Answer, Connection, call_bytes, connect_from, header_lines};
pub use program::{Gateway, Ran, World, program, tollgate};
pub use resident::MIB;
pub use secure::{Secure, Trusting};
pub use upstream::Recorder;

/// A count for the everyday run, or the full one of `cargo xtask prove`.
pub fn strength(reduced: usize, full: usize) -> usize {
    if std::env::var("TOLLGATE_TEST_STRENGTH").as_deref() == Ok("full") { full } else { reduced }
}

/// The `_meta` of a modern request.
pub const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

/// A modern call of a tool.
pub fn call(tool: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"{tool}","arguments":{{}},{META}}}}}"#
    )
}

/// The headers of a modern call.
pub fn call_headers(tool: &str) -> Vec<(&'static str, String)> {
    vec![
        ("Content-Type", "application/json".into()),
        ("Accept", "application/json, text/event-stream".into()),
        ("MCP-Protocol-Version", "2026-07-28".into()),
        ("Mcp-Method", "tools/call".into()),
        ("Mcp-Name", tool.into()),
    ]
}

/// The headers of a legacy message.
pub fn legacy_headers(key: &str) -> Vec<(&'static str, String)> {
    vec![
        ("Content-Type", "application/json".into()),
        ("Accept", "application/json, text/event-stream".into()),
        ("Authorization", format!("Bearer {key}")),
    ]
}

/// A legacy call of a tool.
pub fn legacy_call(tool: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"{tool}","arguments":{{}}}}}}"#
    )
}
