//! What a proxy must not touch and the conformance suite does not miss: resumption, the end of
//! sessions, versions, parameters in headers, cancellation, the upstream's own refusals.

use std::time::{Duration, Instant};

use crate::world::{
    Connection, World, call, call_bytes, call_headers, legacy_call, legacy_headers, strength,
};

const VERSIONS: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];

/// Begins a session, and returns the headers of what follows in it.
fn begin(connection: &mut Connection, key: &str) -> Vec<(&'static str, String)> {
    let mut headers = legacy_headers(key);
    headers.push(("X-Request-Id", "session".into()));
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"a","version":"1"}}}"#;
    let answer = connection.request("POST", "/crm/mcp", &headers, body);
    let session = answer.header("mcp-session-id").unwrap().to_owned();
    headers.pop();
    headers.push(("Mcp-Session-Id", session));
    headers
}

/// The line of a header in the last request that the upstream saw, with its own case.
fn line(world: &World, name: &str) -> Option<String> {
    let seen = world.recorder.seen();
    let head = seen.last().unwrap().split("\r\n\r\n").next().unwrap().to_owned();
    let found = head.lines().filter(|line| line.to_lowercase().starts_with(&format!("{name}:")));
    let lines: Vec<&str> = found.collect();
    assert!(lines.len() <= 1, "{lines:?}");
    lines.first().map(|line| line.split_once(": ").map_or("", |(_, value)| value).to_owned())
}

#[test]
fn a_stream_is_resumed_where_the_client_says() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let session = begin(&mut connection, &key);
    for last in ["event-1", "17", "a b/c+d=:;\"?!~", "stream_3/00000000000000000001"] {
        let mut headers = session[1..].to_vec();
        headers[0] = ("Accept", "text/event-stream".into());
        headers.extend([("Last-Event-ID", last.to_owned()), ("MCP-Protocol-Version", "2025-11-25".into())]);
        headers.push(("X-Request-Id", "events".into()));
        let answer = connection.request("GET", "/crm/mcp", &headers, "");
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("text/event-stream")),
            "{last}"
        );
        // Priming event, comment, retry and message, each byte of them.
        assert_eq!(
            answer.text(),
            "id: 1\r\ndata:\r\n\r\n: comment\n\nretry: 5\n\nevent: message\ndata: {\"a\":1}\n\n"
        );
        assert!(world.recorder.seen().last().unwrap().starts_with("GET /mcp HTTP/1.1\r\n"));
        assert_eq!(line(&world, "last-event-id").as_deref(), Some(last));
        assert_eq!(line(&world, "accept").as_deref(), Some("text/event-stream"));
        assert_eq!(line(&world, "mcp-session-id").as_deref(), Some("upstream-session"));
    }
    // Without it, the stream is a new one.
    let mut headers = session[1..].to_vec();
    headers.push(("X-Request-Id", "events".into()));
    assert_eq!(connection.request("GET", "/crm/mcp", &headers, "").status, 200);
    assert_eq!(line(&world, "last-event-id"), None);
}

#[test]
fn the_version_of_a_legacy_request_passes_as_it_is() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let session = begin(&mut connection, &key);
    assert_eq!(line(&world, "mcp-protocol-version"), None, "initialize has none");
    let versions = VERSIONS.map(Some).into_iter().chain([None]);
    for version in versions {
        for method in ["POST", "GET", "DELETE"] {
            let mut headers = session[usize::from(method != "POST")..].to_vec();
            headers.extend(version.map(|version| ("MCP-Protocol-Version", version.to_owned())));
            let body = if method == "POST" { legacy_call("crm.read_x") } else { String::new() };
            let answer = connection.request(method, "/crm/mcp", &headers, &body);
            assert_eq!(answer.status, 200, "{method} {version:?}: {answer:?}");
            assert!(world.recorder.seen().last().unwrap().starts_with(&format!("{method} /mcp ")));
            assert_eq!(line(&world, "mcp-protocol-version").as_deref(), version, "{method}");
            assert_eq!(line(&world, "mcp-session-id").as_deref(), Some("upstream-session"), "{method}");
        }
    }
}

#[test]
fn parameters_in_headers_pass_without_being_understood() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let values = [
        "eu",
        "us west 1",
        "=?base64?SGVsbG8=?=",
        "=?BASE64?SGVsbG8=?=",
        "=?base64?SGVsbG8?=",
        "=?base64?SGVs!!!bG8=?=",
        "=?base64?SGVsbG8=",
        "42.0",
        "-0",
        "false",
        "tools/call",
        "a,b;c=\"d\"",
    ];
    let modern = (call_headers("crm.read_x"), call("crm.read_x"));
    let legacy = (legacy_headers(&key), legacy_call("crm.read_x"));
    for (era, (mut headers, body)) in [modern, legacy].into_iter().enumerate() {
        if era == 0 {
            headers.push(("Authorization", format!("Bearer {key}")));
        }
        for value in values {
            let mut headers = headers.clone();
            headers
                .extend([("Mcp-Param-Region", value.to_owned()), ("mcp-param-Customer_id.x~1", "2".into())]);
            headers.push(("Mcp-Param-Method", "not the method".into()));
            let answer = connection.request("POST", "/crm/mcp", &headers, &body);
            assert_eq!(answer.status, 200, "{value}: {answer:?}");
            assert_eq!(line(&world, "mcp-param-region").as_deref(), Some(value));
            assert_eq!(line(&world, "mcp-param-customer_id.x~1").as_deref(), Some("2"));
            assert_eq!(line(&world, "mcp-param-method").as_deref(), Some("not the method"));
        }
    }
}

#[test]
fn a_refusal_of_the_upstream_keeps_its_status_and_words() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let session = begin(&mut connection, &key);
    for status in [400, 404, 405, 406, 409, 410, 413, 415, 421, 422, 429, 500, 503] {
        let script = ("X-Request-Id", format!("status_{status}"));
        let told = format!(r#"{{"jsonrpc":"2.0","id":7,"error":{{"code":-32000,"message":"{status}"}}}}"#);
        for method in ["POST", "GET", "DELETE"] {
            let mut headers = session[usize::from(method != "POST")..].to_vec();
            headers.push(script.clone());
            let body = if method == "POST" { legacy_call("crm.read_x") } else { String::new() };
            let answer = connection.request(method, "/crm/mcp", &headers, &body);
            assert_eq!((answer.status, answer.text()), (status, told.as_str()), "{method}");
        }
        let mut headers = call_headers("crm.read_x");
        headers.extend([("Authorization", format!("Bearer {key}")), script]);
        let answer = connection.request("POST", "/crm/mcp", &headers, &call("crm.read_x"));
        assert_eq!((answer.status, answer.text()), (status, told.as_str()));
    }
}

/// In the old era a client says that it gives up, and leaving says nothing; in the new one
/// leaving is the whole of it. The gateway adds no message of its own in either.
#[test]
fn cancellation_is_what_the_client_does_and_nothing_more() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let session = begin(&mut connection, &key);
    let notice = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7,"reason":"enough é \u00e9"}}"#;
    let answer = connection.request("POST", "/crm/mcp", &session, notice);
    assert_eq!((answer.status, answer.body.len()), (202, 0));
    assert!(world.recorder.seen().last().unwrap().ends_with(&format!("\r\n\r\n{notice}")));
    let silent = legacy_call("crm.read_event");
    let lines: String = session.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
    let length = silent.len();
    let legacy = format!(
        "POST /crm/mcp HTTP/1.1\r\nHost: localhost\r\n{lines}Content-Length: {length}\r\n\r\n{silent}"
    );
    let modern = call_bytes(&key, "crm.read_event");
    for round in 0..strength(2, 50) {
        let request = if round % 2 == 0 { &legacy } else { &modern };
        let (seen, closed) = (world.recorder.seen().len(), world.recorder.closed().len());
        let mut leaving = gateway.connect();
        leaving.send(request.as_bytes());
        assert_eq!(leaving.head().status, 200);
        assert!(leaving.chunk().unwrap().starts_with(b"data: {}"));
        drop(leaving);
        let left = Instant::now();
        while world.recorder.closed().len() == closed {
            assert!(left.elapsed() < Duration::from_secs(5), "the upstream does not know: {request}");
            std::thread::sleep(Duration::from_millis(2));
        }
        // One more request, which is the last: nothing was said in the client's name.
        assert_eq!(connection.call(&key, "crm.read_x").status, 200);
        assert_eq!(world.recorder.seen().len(), seen + 2, "{request}");
    }
}
