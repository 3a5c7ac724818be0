//! Every refusal that a client can meet: status, code, word, id, headers.

use serde_json::json;

use crate::world::{META, World, call, call_headers};

fn refused(answer: &crate::world::Answer, status: u16, code: i64, reason: &str) {
    let body = answer.json();
    assert_eq!(
        (answer.status, body["error"]["code"].as_i64(), answer.reason().as_str()),
        (status, Some(code), reason),
        "{answer:?}"
    );
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(body["jsonrpc"], "2.0");
    assert!(body["error"]["message"].as_str().unwrap().len() > 10);
}

#[test]
fn keys_that_are_missing_wrong_or_conflicting() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let post = |connection: &mut crate::world::Connection, auth: &[(&'static str, String)]| {
        let headers = [call_headers("crm.read_x"), auth.to_vec()].concat();
        connection.request("POST", "/crm/mcp", &headers, &call("crm.read_x"))
    };
    let missing = post(&mut connection, &[]);
    refused(&missing, 401, 40100, "missing_key");
    let challenge = missing.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer realm=\"tollgate\"") && !challenge.contains("resource_metadata"));
    assert_eq!(missing.json()["id"], json!(null));
    // Malformed, unknown and wrong are one answer.
    let (other, _) = World::new("", "").issue(&["crm:read"]);
    let (head, tail) = key.split_at(key.len() - 1);
    let mistyped = format!("{head}{}", if tail == "a" { "b" } else { "a" });
    let answers = ["short", &other, &mistyped]
        .map(|key| post(&mut connection, &[("Authorization", format!("Bearer {key}"))]));
    for answer in &answers {
        refused(answer, 401, 40101, "invalid_key");
        assert_eq!(answer.body, answers[0].body);
    }
    refused(&post(&mut connection, &[("Authorization", "Basic abc".into())]), 401, 40101, "invalid_key");
    refused(
        &post(&mut connection, &[("Authorization", format!("Bearer {key}")), ("X-API-Key", other)]),
        400,
        40001,
        "conflicting_keys",
    );
    assert_eq!(post(&mut connection, &[("X-API-Key", key.clone())]).status, 200);
    assert_eq!(
        post(&mut connection, &[("X-API-Key", key.clone()), ("Authorization", format!("bearer {key}"))])
            .status,
        200
    );
    // A key in the query is never read.
    let in_query = connection.request(
        "POST",
        &format!("/crm/mcp?key={key}"),
        &call_headers("crm.read_x"),
        &call("crm.read_x"),
    );
    refused(&in_query, 401, 40100, "missing_key");
}

#[test]
fn permission_is_decided_by_the_body_and_names_what_is_missing() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:write"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let answer = connection.call(&key, "crm.write_activity");
    refused(&answer, 403, 40301, "scope_missing");
    assert_eq!(answer.json()["error"]["data"]["missing_scopes"], json!(["crm:read"]));
    assert_eq!(answer.json()["id"], json!(7));
    refused(&connection.call(&key, "crm.unheard_of"), 403, 40306, "not_configured");
    assert!(world.recorder.seen().is_empty(), "a refused call reached the upstream");
    let metrics = crate::admin::get(&gateway, "/metrics").text().to_owned();
    assert!(
        metrics.contains(r#"tollgate_denials_total{server="crm",reason="scope_missing"} 1"#),
        "{metrics}"
    );
    assert!(
        metrics.contains(
            r#"tollgate_requests_total{server="crm",tool="crm.write_activity",outcome="denied"} 1"#
        )
    );
    assert!(!metrics.contains("unheard_of"), "a client's word is a label");
}

#[test]
fn every_way_to_a_thing_needs_the_thing() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let mut ask = |method: &str, params: &str, name: Option<&str>| {
        let mut headers = call_headers(name.unwrap_or_default());
        headers.retain(|(n, _)| *n != "Mcp-Method" && (*n != "Mcp-Name" || name.is_some()));
        headers.extend([("Mcp-Method", method.to_owned()), ("Authorization", format!("Bearer {key}"))]);
        let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{{params}{META}}}}}"#);
        connection.request("POST", "/crm/mcp", &headers, &body)
    };
    assert_eq!(ask("tools/list", "", None).status, 200);
    assert_eq!(ask("prompts/get", r#""name":"p","#, Some("p")).status, 200);
    assert_eq!(ask("resources/read", r#""uri":"crm://public/a","#, Some("crm://public/a")).status, 200);
    assert_eq!(
        ask("resources/read", r#""uri":"crm://secret/a","#, Some("crm://secret/a")).reason(),
        "not_configured"
    );
    assert_eq!(
        ask("resources/read", r#""uri":"crm://public/../secret","#, Some("crm://public/../secret")).reason(),
        "not_configured"
    );
    assert_eq!(
        ask("completion/complete", r#""ref":{"type":"ref/resource","uri":"crm://secret/a"},"#, None).reason(),
        "not_configured"
    );
    assert_eq!(ask("completion/complete", r#""ref":{"type":"ref/prompt","name":"p"},"#, None).status, 200);
    let listen = |uri: &str| {
        format!(r#""notifications":{{"toolsListChanged":true,"resourceSubscriptions":["{uri}"]}},"#)
    };
    assert_eq!(ask("subscriptions/listen", &listen("crm://public/a"), None).status, 200);
    assert_eq!(ask("subscriptions/listen", &listen("crm://secret/a"), None).reason(), "not_configured");
    assert_eq!(
        ask("subscriptions/listen", r#""notifications":{"taskIds":["t"]},"#, None).reason(),
        "method_denied"
    );
    assert_eq!(ask("tasks/get", r#""taskId":"t","#, None).reason(), "method_denied");
    let unknown = ask("made/up", "", None);
    assert_eq!((unknown.status, unknown.json()["error"]["code"].as_i64()), (404, Some(-32601)));
}

#[test]
fn a_key_that_may_do_nothing_here_gets_no_lists() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["other:scope"]);
    let gateway = world.serve();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
    let headers = [("Content-Type", "application/json".into()), ("Authorization", format!("Bearer {key}"))];
    refused(&gateway.connect().request("POST", "/crm/mcp", &headers, body), 403, 40301, "scope_missing");
    let get = [headers[1].clone(), ("MCP-Protocol-Version", "2025-11-25".into())];
    refused(&gateway.connect().request("GET", "/crm/mcp", &get, ""), 403, 40301, "scope_missing");
}

#[test]
fn host_origin_route_method_and_media_type() {
    let world = World::new("[bounds]\nbody = \"2KiB\"\n", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let with = |extra: &[(&'static str, &str)]| {
        let mut headers = call_headers("crm.read_x");
        headers.push(("Authorization", format!("Bearer {key}")));
        for (name, value) in extra {
            headers.retain(|(known, _)| known != name);
            headers.push((name, (*value).to_owned()));
        }
        headers
    };
    let post = |path: &str, extra: &[(&'static str, &str)], body: &str| {
        gateway.connect().request("POST", path, &with(extra), body)
    };
    let body = call("crm.read_x");
    refused(&post("/crm/mcp", &[("Host", "evil.example.com")], &body), 421, 42100, "host_denied");
    refused(&post("/crm/mcp", &[("Host", "127.0.0.1@evil")], &body), 421, 42100, "host_denied");
    assert_eq!(post("/crm/mcp", &[("Host", "LOCALHOST:1")], &body).status, 200);
    refused(&post("/crm/mcp", &[("Origin", "https://evil.example.com")], &body), 403, 40300, "origin_denied");
    refused(&post("/crm/mcp", &[("Origin", "null")], &body), 403, 40300, "origin_denied");
    assert_eq!(post("/crm/mcp", &[("Origin", "https://agent.example.com")], &body).status, 200);
    refused(&post("/other/mcp", &[], &body), 404, 40401, "route_unknown");
    refused(&post("/crm/mcp/", &[], &body), 404, 40401, "route_unknown");
    refused(
        &post("/crm/mcp", &[("Content-Type", "text/plain")], &body),
        415,
        41500,
        "unsupported_media_type",
    );
    refused(&post("/crm/mcp", &[("Content-Encoding", "gzip")], &body), 415, 41500, "unsupported_media_type");
    assert_eq!(post("/crm/mcp", &[("Content-Type", "Application/JSON; charset=utf-8")], &body).status, 200);
    let large = body.replace("{}", &format!("{{\"a\":\"{}\"}}", "x".repeat(3_000)));
    refused(&post("/crm/mcp", &[], &large), 413, 41300, "body_too_large");
    let put = gateway.connect().request("PUT", "/crm/mcp", &with(&[]), "");
    refused(&put, 405, 40500, "method_not_allowed");
    assert_eq!(put.header("allow"), Some("POST, GET, DELETE"));
    let get = gateway.connect().request("GET", "/crm/mcp", &with(&[]), "");
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    for path in [
        "/.well-known/oauth-protected-resource/crm/mcp",
        "/.well-known/oauth-authorization-server",
        "/authorize",
        "/",
    ] {
        refused(&gateway.connect().request("GET", path, &[], ""), 404, 40401, "route_unknown");
    }
}

#[test]
fn headers_must_repeat_the_body() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let mut post = |change: &[(&'static str, Option<&str>)], body: &str| {
        let mut headers = call_headers("crm.read_x");
        headers.push(("Authorization", format!("Bearer {key}")));
        for (name, value) in change {
            headers.retain(|(known, _)| known != name);
            headers.extend(value.map(|value| (*name, value.to_owned())));
        }
        let answer = connection.request("POST", "/crm/mcp", &headers, body);
        (answer.status, answer.json()["error"]["code"].as_i64().unwrap_or(0), answer.json()["id"].as_i64())
    };
    let body = call("crm.read_x");
    let mismatch = (400, -32020, Some(7));
    assert_eq!(post(&[], &body).0, 200);
    assert_eq!(post(&[("Mcp-Name", Some("crm.read_y"))], &body), mismatch);
    assert_eq!(post(&[("Mcp-Name", Some("CRM.READ_X"))], &body), mismatch);
    assert_eq!(post(&[("Mcp-Name", None)], &body), mismatch);
    assert_eq!(post(&[("Mcp-Name", Some("=?base64?Y3JtLnJlYWRfeA==?="))], &body).0, 200);
    assert_eq!(post(&[("Mcp-Name", Some("=?base64?Y3JtLnJlYWRfeA?="))], &body), mismatch);
    assert_eq!(post(&[("Mcp-Method", Some("TOOLS/CALL"))], &body), mismatch);
    assert_eq!(post(&[("Mcp-Method", None)], &body), mismatch);
    assert_eq!(post(&[("MCP-Protocol-Version", None)], &body), mismatch);
    assert_eq!(post(&[("MCP-Protocol-Version", Some("2025-11-25"))], &body), mismatch);
    assert_eq!(post(&[("MCP-Protocol-Version", Some("2030-01-01"))], &body), (400, -32022, Some(7)));
    let legacy = body.replace(&format!(",{META}"), "");
    assert_eq!(post(&[("MCP-Protocol-Version", Some("2030-01-01"))], &legacy), (400, -32600, Some(7)));
    assert_eq!(post(&[], &legacy), (400, -32602, Some(7)));
    // A legacy request may not carry a mirror that lies, either.
    assert_eq!(post(&[("MCP-Protocol-Version", None), ("Mcp-Name", Some("crm.read_y"))], &legacy), mismatch);
    assert_eq!(post(&[("MCP-Protocol-Version", None)], &legacy).0, 200);
    // Unknown methods: 200 in the legacy era, since its clients read errors there.
    let made_up = r#"{"jsonrpc":"2.0","id":7,"method":"made/up"}"#;
    assert_eq!(
        post(&[("MCP-Protocol-Version", None), ("Mcp-Name", None), ("Mcp-Method", None)], made_up),
        (200, -32601, Some(7))
    );
}

#[test]
fn bodies_with_two_readings_are_refused_with_their_id() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let mut post = |body: &str| {
        let headers =
            [("Content-Type", "application/json".into()), ("Authorization", format!("Bearer {key}"))];
        let answer = connection.request("POST", "/crm/mcp", &headers, body);
        (answer.status, answer.json()["error"]["code"].as_i64().unwrap(), answer.json()["id"].clone())
    };
    assert_eq!(post("{"), (400, -32700, json!(null)));
    assert_eq!(post("\u{feff}{}"), (400, -32700, json!(null)));
    assert_eq!(
        post(r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"crm.read_x"}}]"#),
        (400, -32600, json!(null))
    );
    assert_eq!(
        post(r#"{"jsonrpc":"2.0","id":"a","method":"ping","method":"tools/call"}"#),
        (400, -32600, json!("a"))
    );
    assert_eq!(post(r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#), (400, -32600, json!(null)));
    assert_eq!(
        post(
            r#"{"jsonrpc":"2.0","id":0,"method":"tools/call","params":{"name":"crm.read_x","Name":"crm.write"}}"#
        ),
        (400, -32600, json!(0))
    );
    assert_eq!(
        post(r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"crm.read_x"}}"#),
        (400, -32600, json!(null))
    );
    assert!(world.recorder.seen().is_empty());
}

#[test]
fn a_server_may_answer_denied_calls_with_status_200() {
    let world = World::new("", "denied_calls = \"jsonrpc\"");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let answer = gateway.connect().call(&key, "crm.unheard_of");
    assert_eq!((answer.status, answer.reason().as_str()), (200, "not_configured"));
    // Authentication keeps its status: it is no answer to a call.
    assert_eq!(gateway.connect().call("nonsense", "crm.read_x").status, 401);
}
