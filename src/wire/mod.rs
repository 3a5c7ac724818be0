//! Floor 1: formats and nothing else: JSON-RPC envelopes, what MCP's revisions say, HTTP
//! header names and lists.
//!
//! No I/O, no time, no policy: bytes in, facts or a fault out. It must never guess: what two
//! readers could take differently is a fault.

pub mod fields;
pub mod head;
pub mod http;
pub mod http1;
pub mod http2;
pub mod inputs;
pub mod json;
pub mod jsonrpc;
pub mod known;
pub mod lines;
pub mod mcp;
pub mod pointer;
pub mod protobuf;
pub mod proxy;
pub mod secrets;
pub mod sse;
pub mod traceparent;
