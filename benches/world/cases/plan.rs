//! What each case sends, what the upstream does with it, and what has to come of it.

use tollgate::gateway::Unread;
use tollgate::upstream::SendFault;
use tollgate::wire::http1::HeadFault;

use super::{EXPIRED, REVOKED, UNKNOWN, World};
use crate::world::upstream::{self, Arriving};
use crate::world::{BODY, LEGACY, Sent, large_body, raw, with_wrong_secret};

/// How it arrives.
pub(super) enum Arrives {
    Whole(Sent),
    AtFull(Sent),
    /// At a worker that notes its requests.
    AtNoting(Sent),
    Unread(Unread),
}

/// One case: what arrives, what the upstream does, and what has to come of it.
pub(super) struct Plan {
    pub(super) arrives: Arrives,
    pub(super) reaction: Option<Result<Arriving, SendFault>>,
    pub(super) status: u16,
    pub(super) reason: &'static str,
}

fn allowed(sent: Sent, answer: Arriving) -> Plan {
    Plan { arrives: Arrives::Whole(sent), reaction: Some(Ok(answer)), status: 200, reason: "" }
}

fn refused(status: u16, reason: &'static str, sent: Sent) -> Plan {
    Plan { arrives: Arrives::Whole(sent), reaction: None, status, reason }
}

fn failed(status: u16, reason: &'static str, sent: Sent, reaction: Result<Arriving, SendFault>) -> Plan {
    Plan { reaction: Some(reaction), ..refused(status, reason, sent) }
}

fn unread(status: u16, reason: &'static str, why: Unread) -> Plan {
    Plan { arrives: Arrives::Unread(why), reaction: None, status, reason }
}

/// What a case is, by its name.
pub(super) fn plan(name: &str, world: &World) -> Plan {
    let key = &world.key;
    let call = || Sent::modern(key, BODY);
    let method = |method| Sent::modern(key, &BODY.replace("tools/call", method)).but("Mcp-Method", method);
    let session = |number: usize| Sent::legacy(key, LEGACY).with("Mcp-Session-Id", &world.sessions[number]);
    let named = |tool: &str| Sent::modern(key, &BODY.replace("search", tool));
    match name {
        "modern_json" => allowed(call(), upstream::result()),
        "modern_json_noted" => {
            Plan { arrives: Arrives::AtNoting(call()), ..allowed(call(), upstream::result()) }
        }
        "modern_json_limited" => allowed(named("counted").but("Mcp-Name", "counted"), upstream::result()),
        "modern_json_4k" => allowed(Sent::modern(key, &large_body()), upstream::result()),
        "modern_sse" => allowed(call(), upstream::events(2)),
        "modern_discover" => {
            allowed(method("server/discover").without("Mcp-Name"), upstream::discovery("application/json"))
        }
        "modern_api_key" => {
            allowed(call().without("Authorization").with("X-API-Key", key), upstream::result())
        }
        "legacy_json" => allowed(Sent::legacy(key, LEGACY), upstream::result()),
        "legacy_session_json" => allowed(session(0), upstream::result()),
        "legacy_session_sse" => allowed(session(0), upstream::events(2)),
        "legacy_initialize" => {
            let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1.0.0"}}}"#;
            let sent = Sent::legacy(key, body).without("MCP-Protocol-Version");
            allowed(sent, upstream::json("200 OK", "mcp-session-id: 0f8e2c9a7b6d4e1f\r\n", upstream::RESULT))
        }
        _ => refusal_by_client(name, world).unwrap_or_else(|| refusal_by_gateway(name, world)),
    }
}

/// Refusals of who calls: key, origin, host, scope, session.
fn refusal_by_client(name: &str, world: &World) -> Option<Plan> {
    let key = &world.key;
    let call = || Sent::modern(key, BODY);
    let by = |key: &str| Sent::modern(key, BODY);
    let tool = |tool: &str| Sent::modern(key, &BODY.replace("search", tool));
    let method = |method| Sent::modern(key, &BODY.replace("tools/call", method)).but("Mcp-Method", method);
    let session = |id: &str| Sent::legacy(key, LEGACY).with("Mcp-Session-Id", id);
    Some(match name {
        "missing_key" => refused(401, "missing_key", call().without("Authorization")),
        "invalid_key_malformed" => refused(401, "invalid_key", by(&key.replace('.', "-"))),
        "invalid_key_unknown" => refused(401, "invalid_key", by(&raw(UNKNOWN))),
        "invalid_key_wrong_secret" => refused(401, "invalid_key", by(&with_wrong_secret(0))),
        "expired_key" => refused(401, "expired_key", by(&raw(EXPIRED))),
        "revoked_key" => refused(401, "revoked_key", by(&raw(REVOKED))),
        "conflicting_keys" => refused(400, "conflicting_keys", call().with("X-API-Key", &raw(1))),
        "origin_denied" => refused(403, "origin_denied", call().with("Origin", "https://evil.example")),
        "host_denied" => refused(421, "host_denied", call().but("Host", "evil.example")),
        "scope_missing" => refused(403, "scope_missing", tool("tool_29").but("Mcp-Name", "tool_29")),
        "method_denied" => refused(403, "method_denied", method("tasks/get").without("Mcp-Name")),
        "rate_limited" => refused(429, "rate_limited", tool("limited").but("Mcp-Name", "limited")),
        "not_configured" => refused(403, "not_configured", tool("unlisted").but("Mcp-Name", "unlisted")),
        "session_unknown_forged" => refused(404, "session_unknown", session("0f8e2c9a7b6d4e1f")),
        "session_unknown_of_another" => refused(404, "session_unknown", session(&world.sessions[1])),
        _ => return None,
    })
}

/// Refusals of what is sent, and of what the upstream or the gateway cannot do.
fn refusal_by_gateway(name: &str, world: &World) -> Plan {
    use SendFault::{Broken, TimedOut, Unreachable};
    let key = &world.key;
    let call = || Sent::modern(key, BODY);
    let body = |body: &str| Sent::modern(key, body);
    let method = |method| Sent::modern(key, &BODY.replace("tools/call", method)).but("Mcp-Method", method);
    let sse = Sent::new("GET /crm/mcp", key);
    match name {
        "route_unknown" => refused(404, "route_unknown", call().to("POST /other/mcp")),
        "method_not_allowed" => refused(405, "method_not_allowed", call().to("PUT /crm/mcp")),
        "method_not_allowed_old_transport" => refused(405, "method_not_allowed", sse),
        "request_timeout" => unread(408, "request_timeout", Unread::Head(HeadFault::TooSlow)),
        "headers_too_large" => unread(431, "headers_too_large", Unread::Head(HeadFault::TooLarge)),
        "malformed_request_head" => {
            unread(400, "malformed_request", Unread::Head(HeadFault::Malformed("Host must be there once")))
        }
        "malformed_request_forwarded_key" => {
            refused(400, "malformed_request", call().with("Traceparent", &raw(1)))
        }
        "body_too_large" => refused(413, "body_too_large", body("").with("Content-Length", "5242880")),
        "unsupported_media_type" => {
            refused(415, "unsupported_media_type", call().but("Content-Type", "text/plain"))
        }
        "upstream_unreachable" => failed(502, "upstream_unreachable", call(), Err(Unreachable)),
        "upstream_unreachable_broken" => failed(502, "upstream_unreachable", call(), Err(Broken)),
        "upstream_timeout" => failed(504, "upstream_timeout", call(), Err(TimedOut)),
        "upstream_denied" => {
            failed(502, "upstream_denied", call(), Ok(upstream::json("401 Unauthorized", "", "{}")))
        }
        "result_withheld" => {
            let sent = method("server/discover").without("Mcp-Name");
            failed(502, "result_withheld", sent, Ok(upstream::discovery("text/html")))
        }
        "overloaded" => Plan { arrives: Arrives::AtFull(call()), ..refused(503, "overloaded", call()) },
        "overloaded_connections" => unread(503, "overloaded", Unread::NoRoom),
        "parse_error" => refused(400, "parse_error", body("{\"jsonrpc\":\"2.0\",")),
        "invalid_request_batch" => refused(400, "invalid_request", body(&format!("[{BODY}]"))),
        "invalid_request_ambiguous" => {
            let twice = BODY.replace("\"id\":1", "\"id\":1,\"method\":\"tools/list\"");
            refused(400, "invalid_request", body(&twice))
        }
        "method_unknown_modern" => refused(404, "method_unknown", method("tools/fly").without("Mcp-Name")),
        "method_unknown_legacy" => {
            refused(200, "method_unknown", Sent::legacy(key, &LEGACY.replace("tools/call", "tools/fly")))
        }
        "invalid_params" => refused(400, "invalid_params", body(LEGACY)),
        "header_mismatch" => refused(400, "header_mismatch", call().but("Mcp-Name", "other")),
        "version_unsupported" => {
            let sent = Sent::modern(key, &BODY.replace("2026-07-28", "2099-01-01"));
            refused(400, "version_unsupported", sent.but("MCP-Protocol-Version", "2099-01-01"))
        }
        _ => panic!("no case is called {name}"),
    }
}
