//! Protocol versions: what a server offers is cut down to what the gateway speaks as well, and
//! the table of eras, read top down.

use crate::world::{Answer, META, World, call_headers, legacy_headers};

fn discover(world: &World, script: &str) -> Answer {
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut headers = call_headers("");
    headers.retain(|(name, _)| !name.starts_with("Mcp-"));
    headers.extend([
        ("Mcp-Method", "server/discover".into()),
        ("Authorization", format!("Bearer {key}")),
        ("X-Request-Id", script.into()),
    ]);
    let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"server/discover","params":{{{META}}}}}"#);
    gateway.connect().request("POST", "/crm/mcp", &headers, &body)
}

#[test]
fn discovery_offers_what_both_speak_and_nothing_else_changes() {
    let world = World::new("", "");
    let json = discover(&world, "discover_json");
    assert_eq!(
        json.text(),
        r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"x":1e999}}}"#
    );
    let sse = discover(&world, "discover_sse");
    assert!(sse.text().starts_with("event: message\ndata: {") && sse.text().ends_with("}\n\n"));
    assert!(sse.text().contains(r#""supportedVersions":["2026-07-28"]"#), "{}", sse.text());
}

#[test]
fn a_discovery_that_cannot_be_cut_is_withheld() {
    let world = World::new("", "");
    for script in ["discover_odd", "discover_twice", "discover_words"] {
        let odd = discover(&world, script);
        assert_eq!((odd.status, odd.reason().as_str()), (502, "result_withheld"), "{script}");
    }
}

#[test]
fn a_servers_refusal_of_a_version_is_cut_as_well() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let answer = connection.call(&key, "crm.read_unsupported");
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["data"]["supported"], serde_json::json!(["2026-07-28"]), "{answer:?}");
    // Another error's `supported` is none of ours, and teaches nothing.
    let other = connection.call(&key, "crm.read_other_400");
    assert_eq!(other.status, 400);
    assert_eq!(other.json()["error"]["data"]["supported"], serde_json::json!(["json", "xml"]));
}

/// One row of the table of eras: headers, body, and what comes of it.
struct Row {
    version: Option<&'static str>,
    method: Option<&'static str>,
    body: String,
    expected: (u16, i64),
}

fn row(version: Option<&'static str>, method: Option<&'static str>, body: &str, expected: (u16, i64)) -> Row {
    Row { version, method, body: body.replace("META", META), expected }
}

#[test]
fn the_table_of_versions_and_eras() {
    const MODERN: Option<&str> = Some("2026-07-28");
    let rows = [
        // initialize belongs to the old era alone.
        row(
            MODERN,
            Some("initialize"),
            r#"{"jsonrpc":"2.0","id":7,"method":"initialize","params":{"protocolVersion":"2026-07-28"}}"#,
            (404, -32601),
        ),
        row(
            None,
            None,
            r#"{"jsonrpc":"2.0","id":7,"method":"initialize","params":{"protocolVersion":"2026-07-28",META}}"#,
            (404, -32601),
        ),
        // A modern header wants the modern _meta of requests; notifications have none.
        row(
            MODERN,
            Some("ping"),
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{}}"#,
            (400, -32602),
        ),
        row(
            MODERN,
            Some("notifications/cancelled"),
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
            (202, 0),
        ),
        // A method of the other era is unknown in this one, whatever its parameters lack.
        row(
            MODERN,
            Some("resources/subscribe"),
            r#"{"jsonrpc":"2.0","id":7,"method":"resources/subscribe","params":{META}}"#,
            (404, -32601),
        ),
        row(
            Some("2025-11-25"),
            None,
            r#"{"jsonrpc":"2.0","id":7,"method":"subscriptions/listen","params":{}}"#,
            (200, -32601),
        ),
        // Header and body that disagree.
        row(
            Some("2025-11-25"),
            None,
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{META}}"#,
            (400, -32020),
        ),
        row(
            MODERN,
            Some("tools/call"),
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{META}}"#,
            (400, -32020),
        ),
        // An unknown version: told which there are, or that the message is no good.
        row(
            Some("2027-01-01"),
            Some("tools/list"),
            &r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{META}}"#
                .replace("META", &META.replace("2026-07-28", "2027-01-01")),
            (400, -32022),
        ),
        row(Some("1999-01-01"), None, r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#, (400, -32600)),
        // Batches, in every era.
        row(
            MODERN,
            Some("tools/list"),
            r#"[{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{META}}]"#,
            (400, -32600),
        ),
        row(Some("2025-03-26"), None, r#"[{"jsonrpc":"2.0","id":7,"method":"tools/list"}]"#, (400, -32600)),
        // And what both eras do on one path, one after the other.
        row(
            MODERN,
            Some("tools/list"),
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{META}}"#,
            (200, 0),
        ),
        row(Some("2025-03-26"), None, r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#, (200, 0)),
        row(Some("2025-06-18"), None, r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#, (200, 0)),
        row(None, None, r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#, (200, 0)),
    ];
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    for Row { version, method, body, expected } in rows {
        let mut headers = legacy_headers(&key);
        headers.extend(version.map(|version| ("MCP-Protocol-Version", version.to_owned())));
        headers.extend(method.map(|method| ("Mcp-Method", method.to_owned())));
        let answer = connection.request("POST", "/crm/mcp", &headers, &body);
        let code =
            if answer.body.is_empty() { 0 } else { answer.json()["error"]["code"].as_i64().unwrap_or(0) };
        assert_eq!((answer.status, code), expected, "{version:?} {method:?} {body}: {answer:?}");
    }
}

#[test]
fn the_transport_of_2024_gets_a_clear_answer() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let headers = legacy_headers(&key);
    for (method, path) in [("GET", "/crm/mcp"), ("GET", "/crm/sse"), ("POST", "/crm/messages")] {
        let answer = connection.request(method, path, &headers, "");
        assert_eq!((answer.status, answer.reason().as_str()), (405, "method_not_allowed"), "{method} {path}");
        assert!(answer.text().contains("2024-11-05"), "{}", answer.text());
        assert!(answer.header("allow").is_some());
    }
    assert!(world.recorder.seen().is_empty());
}
