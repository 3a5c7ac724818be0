//! Pages of browsers: preflights and readable answers for listed origins, nothing for others.

use crate::world::{World, call, call_headers};

const LISTED: &str = "https://agent.example.com";

#[test]
fn a_listed_origin_may_ask_and_read() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let asked = "authorization, content-type, mcp-session-id, mcp-protocol-version, mcp-method, mcp-param-region, x-request-id, cookie, x-anything";
    let preflight = connection.request(
        "OPTIONS",
        "/crm/mcp",
        &[
            ("Origin", LISTED.into()),
            ("Access-Control-Request-Method", "POST".into()),
            ("Access-Control-Request-Headers", asked.into()),
        ],
        "",
    );
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, Some(LISTED)));
    assert_eq!(preflight.header("access-control-allow-methods"), Some("POST, GET, DELETE"));
    assert_eq!(preflight.header("access-control-allow-credentials"), None);
    assert_eq!(
        preflight.header("access-control-allow-headers"),
        Some(
            "authorization, content-type, mcp-session-id, mcp-protocol-version, mcp-method, mcp-param-region, x-request-id"
        )
    );
    let mut headers = call_headers("crm.read_x");
    headers.extend([("Authorization", format!("Bearer {key}")), ("Origin", LISTED.into())]);
    let answer = connection.request("POST", "/crm/mcp", &headers, &call("crm.read_x"));
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(LISTED)));
    let exposed = answer.header("access-control-expose-headers").unwrap();
    for name in ["mcp-session-id", "www-authenticate", "retry-after"] {
        assert!(exposed.contains(name), "{exposed}");
    }
    assert_eq!(answer.header("vary"), Some("origin"));
    // A refusal can be read as well: the page shows its person why.
    headers[5] = ("Authorization", "Bearer nonsense".into());
    let refused = connection.request("POST", "/crm/mcp", &headers, &call("crm.read_x"));
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, Some(LISTED)));
}

#[test]
fn other_origins_learn_nothing() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    for origin in [
        "https://evil.example.com",
        "null",
        "https://agent.example.com.evil.com",
        "http://agent.example.com",
        "https://agent.example.com:444",
        "",
    ] {
        let ask = [("Origin", origin.to_owned()), ("Access-Control-Request-Method", "POST".into())];
        let preflight = connection.request("OPTIONS", "/crm/mcp", &ask, "");
        let mut headers = call_headers("crm.read_x");
        headers.extend([("Authorization", format!("Bearer {key}")), ("Origin", origin.into())]);
        let answer = connection.request("POST", "/crm/mcp", &headers, &call("crm.read_x"));
        for told in [&preflight, &answer] {
            assert_eq!((told.status, told.reason().as_str()), (403, "origin_denied"), "{origin}");
            assert!(!told.headers.iter().any(|(name, _)| name.starts_with("access-control")), "{told:?}");
        }
    }
    assert!(world.recorder.seen().is_empty());
    // Who is no page gets none of it.
    let mut headers = call_headers("crm.read_x");
    headers.push(("Authorization", format!("Bearer {key}")));
    let plain = connection.request("POST", "/crm/mcp", &headers, &call("crm.read_x"));
    assert!(!plain.headers.iter().any(|(name, _)| name.starts_with("access-control")), "{plain:?}");
    assert_eq!(connection.request("OPTIONS", "/crm/mcp", &[], "").status, 405);
}
