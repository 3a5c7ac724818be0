//! Sessions of the revisions up to 2025-11-25: sealed, bound to their key, and outliving the
//! process.

use crate::world::{Answer, Connection, Gateway, World, legacy_call, legacy_headers};

/// Begins a session and returns the id that the client was told.
fn begin(gateway: &Gateway, key: &str) -> String {
    let answer = send(&mut gateway.connect(), key, None, &legacy_call("crm.read_x"), "session");
    answer.header("mcp-session-id").unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

fn send(connection: &mut Connection, key: &str, session: Option<&str>, body: &str, script: &str) -> Answer {
    let mut headers = legacy_headers(key);
    headers.push(("X-Request-Id", script.into()));
    headers.extend(session.map(|id| ("Mcp-Session-Id", id.to_owned())));
    connection.request("POST", "/crm/mcp", &headers, body)
}

#[test]
fn a_session_serves_its_own_key_alone() {
    let world = World::new("", "");
    let (key, id) = world.issue(&["crm:read"]);
    let (other, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let session = begin(&gateway, &key);
    assert!(!session.contains("upstream-session") && session.bytes().all(|byte| byte.is_ascii_graphic()));
    let mut connection = gateway.connect();
    assert_eq!(send(&mut connection, &key, Some(&session), &legacy_call("crm.read_x"), "").status, 200);
    assert!(world.recorder.last_head().contains("mcp-session-id: upstream-session"));
    let requests = world.recorder.seen().len();
    // Another key's, a forged, a cut and an invented one, and the upstream's own: one answer.
    let forged = session.replacen(|byte: char| byte.is_ascii_lowercase(), "A", 1);
    let attempts = [
        (&other, session.as_str()),
        (&key, &forged),
        (&key, &session[..session.len() - 1]),
        (&key, "00000000-0000-0000-0000-000000000000"),
        (&key, "upstream-session"),
    ];
    let refused = attempts
        .map(|(key, session)| send(&mut connection, key, Some(session), &legacy_call("crm.read_x"), ""));
    for answer in &refused {
        assert_eq!((answer.status, answer.reason().as_str()), (404, "session_unknown"));
        assert_eq!(answer.body, refused[0].body);
    }
    // GET and DELETE hold to the same.
    for method in ["GET", "DELETE"] {
        for (key, status) in [(&other, 404), (&key, 200)] {
            let mut headers = legacy_headers(key);
            headers
                .extend([("Mcp-Session-Id", session.clone()), ("MCP-Protocol-Version", "2025-11-25".into())]);
            assert_eq!(connection.request(method, "/crm/mcp", &headers[1..], "").status, status, "{method}");
        }
    }
    assert_eq!(world.recorder.seen().len(), requests + 2);
    // A rotated key is the same key.
    let rotated = world.run(&["key", "rotate", &id, "--json"]).json();
    let rotated = rotated["key"].as_str().unwrap();
    let begun = std::time::Instant::now();
    while send(&mut connection, rotated, Some(&session), &legacy_call("crm.read_x"), "").status != 200 {
        assert!(begun.elapsed().as_secs() < 5);
    }
}

#[test]
fn a_session_outlives_the_gateway_and_serves_on_another_replica() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let mut first = world.serve();
    let session = begin(&first, &key);
    let beside = world.serve();
    assert_eq!(send(&mut beside.connect(), &key, Some(&session), &legacy_call("crm.read_x"), "").status, 200);
    assert!(first.stop());
    let after = world.serve();
    assert_eq!(send(&mut after.connect(), &key, Some(&session), &legacy_call("crm.read_x"), "").status, 200);
}

#[test]
fn a_session_is_of_its_server_and_ends_with_its_time() {
    let extra = "[bounds]\nsession = \"1s\"\n";
    let world = World::new(extra, "");
    let text = std::fs::read_to_string(world.config()).unwrap();
    let second = text.split_once("[[servers]]").unwrap().1.replace("\"crm\"", "\"erp\"");
    std::fs::write(world.config(), format!("{text}\n[[servers]]{second}")).unwrap();
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let session = begin(&gateway, &key);
    let mut headers = legacy_headers(&key);
    headers.push(("Mcp-Session-Id", session.clone()));
    let mut connection = gateway.connect();
    let elsewhere = connection.request("POST", "/erp/mcp", &headers, &legacy_call("crm.read_x"));
    assert_eq!((elsewhere.status, elsewhere.reason().as_str()), (404, "session_unknown"));
    assert_eq!(connection.request("POST", "/crm/mcp", &headers, &legacy_call("crm.read_x")).status, 200);
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    let late = connection.request("POST", "/crm/mcp", &headers, &legacy_call("crm.read_x"));
    assert_eq!((late.status, late.reason().as_str()), (404, "session_unknown"));
}

#[test]
fn an_answer_to_the_server_needs_the_session_of_its_request() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let session = begin(&gateway, &key);
    let mut connection = gateway.connect();
    for response in [
        r#"{"jsonrpc":"2.0","id":"s1","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":3,"error":{"code":-1,"message":"no"}}"#,
    ] {
        let without = send(&mut connection, &key, None, response, "");
        assert_eq!((without.status, without.reason().as_str()), (400, "invalid_request"));
        assert_eq!(send(&mut connection, &key, Some(&session), response, "").status, 200);
        assert!(world.recorder.seen().last().unwrap().ends_with(response));
    }
}

#[test]
fn modern_requests_have_no_session() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let session = begin(&gateway, &key);
    let mut headers = crate::world::call_headers("crm.read_odd_headers");
    headers.extend([("Authorization", format!("Bearer {key}")), ("Mcp-Session-Id", session)]);
    let answer =
        gateway.connect().request("POST", "/crm/mcp", &headers, &crate::world::call("crm.read_odd_headers"));
    assert_eq!((answer.status, answer.header("mcp-session-id")), (200, None));
    assert!(!world.recorder.last_head().contains("mcp-session-id"));
}
