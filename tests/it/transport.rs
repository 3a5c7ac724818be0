//! What passes, byte for byte, in both directions, and what ends when a side leaves.

use std::time::{Duration, Instant};

use crate::world::{ANSWER, World, call, call_bytes, call_headers};

#[test]
fn the_body_passes_unchanged_and_headers_by_allow_list() {
    let world = World::new("", "");
    let (key, id) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut headers = call_headers("crm.read_x");
    headers.extend([
        ("Authorization", format!("Bearer {key}")),
        ("Mcp-Param-Region", "eu".into()),
        ("X-Request-Id", "r1".into()),
        ("traceparent", "00-1-2-03".into()),
        ("Mcp-Session-Id", "stray".into()),
        ("X-Tollgate-Key-Id", "forged".into()),
        ("X-Tollgate-Owner", "forged".into()),
        ("Cookie", "a=b".into()),
        ("Proxy-Authorization", "Basic x".into()),
        ("X-Forwarded-Authorization", "x".into()),
        ("X-Anything", "x".into()),
        ("Origin", "https://agent.example.com".into()),
        ("Accept-Encoding", "gzip".into()),
    ]);
    let body = call("crm.read_x").replace(
        "\"arguments\":{}",
        "\"arguments\":{\"n\":1e999,\"big\":123456789012345678901234567890,\"s\":\"\\u00e9 é\"}",
    );
    let answer = gateway.connect().request("POST", "/crm/mcp", &headers, &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    let seen = world.recorder.seen();
    assert!(seen[0].ends_with(&format!("\r\n\r\n{body}")), "{}", seen[0]);
    let head = world.recorder.last_head();
    assert!(head.starts_with("post /mcp http/1.1\r\n"), "{head}");
    for line in [
        format!("host: {}", world.recorder.address),
        "authorization: bearer upstream-credential".into(),
        format!("x-tollgate-key-id: {}", id.to_lowercase()),
        "x-tollgate-owner: zo%c3%ab".into(),
        "mcp-param-region: eu".into(),
        "x-request-id: r1".into(),
        "traceparent: 00-1-2-03".into(),
        "mcp-name: crm.read_x".into(),
        "mcp-protocol-version: 2026-07-28".into(),
        "accept: application/json, text/event-stream".into(),
        "accept-encoding: identity".into(),
    ] {
        assert!(head.contains(&line), "{line} in {head}");
    }
    for word in
        ["forged", "cookie", "proxy-", "x-forwarded", "x-anything", "origin", "stray", "gzip", "x-api-key"]
    {
        assert!(!head.contains(word), "{word} in {head}");
    }
    assert_eq!(head.matches("authorization").count(), 1);
}

#[test]
fn answers_pass_with_their_status_and_listed_headers() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let odd = connection.call(&key, "crm.read_odd_headers");
    assert_eq!((odd.status, odd.header("x-request-id")), (200, Some("r1")));
    for name in
        ["ratelimit", "set-cookie", "server", "access-control-allow-origin", "keep-alive", "mcp-session-id"]
    {
        assert_eq!(odd.header(name), None, "{name}");
    }
    // The upstream's 401 is the gateway's trouble, and its OAuth is nobody's business here.
    let denied = connection.call(&key, "crm.read_unauthorized");
    assert_eq!(
        (denied.status, denied.reason().as_str(), denied.header("www-authenticate")),
        (502, "upstream_denied", None)
    );
    let broken = connection.call(&key, "crm.read_close");
    assert_eq!(
        (broken.status, broken.reason().as_str(), broken.header("retry-after")),
        // The call may have been carried out: nobody is told to try again.
        (502, "upstream_unreachable", None)
    );
    assert_eq!(broken.json()["id"], 7);
    // Legacy: the session id passes both ways.
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"crm.read_odd_headers"}}"#;
    let first = [("Content-Type", "application/json".into()), ("Authorization", format!("Bearer {key}"))];
    let legacy = connection.request("POST", "/crm/mcp", &first, body);
    let session = legacy.header("mcp-session-id").unwrap().to_owned();
    let headers = [first.as_slice(), &[("Mcp-Session-Id", session.clone())]].concat();
    // The client's own id comes back while the session is the same.
    let again = connection.request("POST", "/crm/mcp", &headers, body);
    assert_eq!(again.header("mcp-session-id"), Some(session.as_str()));
    assert!(world.recorder.last_head().contains("mcp-session-id: stray"));
    let deleted = connection.request("DELETE", "/crm/mcp", &headers[1..], "");
    assert_eq!(deleted.status, 200);
    assert!(world.recorder.last_head().starts_with("delete /mcp"));
    let notified = connection.request(
        "POST",
        "/crm/mcp",
        &headers,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    );
    assert_eq!((notified.status, notified.body.len()), (202, 0));
    let responded =
        connection.request("POST", "/crm/mcp", &headers, r#"{"jsonrpc":"2.0","id":"s1","result":{}}"#);
    assert_eq!(responded.status, 200);
}

#[test]
fn events_pass_as_they_come_with_every_byte() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    connection.send_call(&key, "crm.read_events");
    let begun = Instant::now();
    let head = connection.head();
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    let (mut whole, mut times) = (Vec::new(), Vec::new());
    while let Some(chunk) = connection.chunk() {
        times.push(begun.elapsed());
        whole.extend(chunk);
    }
    assert_eq!(
        String::from_utf8(whole).unwrap(),
        "id: 1\r\ndata:\r\n\r\n: comment\n\nretry: 5\n\nevent: message\ndata: {\"a\":1}\n\n"
    );
    // The upstream pauses 100 ms after each event: a buffered stream would come at once.
    assert!(times.len() >= 4 && times[3] > times[0] + Duration::from_millis(150), "{times:?}");
    assert_eq!(connection.call(&key, "crm.read_x").status, 200, "the connection serves on");
}

#[test]
fn a_cut_stream_is_never_a_complete_answer() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    connection.send_call(&key, "crm.read_cut");
    assert_eq!(connection.head().status, 200);
    assert_eq!(connection.chunk().unwrap(), b"data:");
    // No closing chunk: the connection ends, and the client knows.
    assert!(connection.closed());
    wait_for_metric(&gateway, r#"tool="crm.read_*",outcome="upstream_failed"} 1"#);
}

#[test]
fn long_bodies_pass_whole_in_both_directions() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    let mut headers = call_headers("crm.read_long");
    headers.push(("Authorization", format!("Bearer {key}")));
    // Above what is joined with a head, gathered, or read at once; then again on the same
    // connections.
    for length in [16 * 1024, 20_000, 1_000_000] {
        let filled = format!(r#""arguments":{{"text":"{}"}}"#, "x".repeat(length));
        let body = call("crm.read_long").replace(r#""arguments":{}"#, &filled);
        let answer = connection.request("POST", "/crm/mcp", &headers, &body);
        assert_eq!((answer.status, answer.body.len()), (200, body.len()), "{length}");
        assert!(answer.body == body.as_bytes(), "{length}");
        assert!(world.recorder.seen().last().unwrap().ends_with(&body), "{length}");
    }
    assert!(world.recorder.closed().is_empty(), "one connection served them all");
}

#[test]
fn one_answer_never_reaches_another_call() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    for (tool, status) in [
        ("crm.read_surplus", 200),
        ("crm.read_early", 200),
        ("crm.read_until_close", 200),
        ("crm.read_two_lengths", 502),
        ("crm.read_both_framings", 502),
        ("crm.read_close", 502),
    ] {
        let odd = connection.call(&key, tool);
        assert_eq!(odd.status, status, "{tool}: {}", odd.text());
        // Time for what follows the answer to arrive on the connection that was given back.
        std::thread::sleep(Duration::from_millis(100));
        let next = connection.call(&key, "crm.read_x");
        assert_eq!((next.status, next.text()), (200, ANSWER), "after {tool}");
        if status == 200 {
            assert_eq!(odd.text(), ANSWER, "{tool}");
        } else {
            assert_eq!(odd.reason(), "upstream_unreachable", "{tool}");
        }
    }
}

#[test]
fn a_client_that_leaves_cancels_the_upstream() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    // While the answer is awaited, and in the middle of a stream.
    let post = call_bytes(&key, "crm.read_silence");
    let get = format!(
        "GET /crm/mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nLast-Event-ID: silence\r\nAuthorization: Bearer {key}\r\n\r\n"
    );
    for (number, request) in [post, get].iter().enumerate() {
        let mut connection = gateway.connect();
        connection.send(request.as_bytes());
        let begun = Instant::now();
        while world.recorder.seen().len() <= number {
            assert!(begun.elapsed() < Duration::from_secs(5));
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(world.recorder.closed().len(), number, "closed before the client left");
        let left = Instant::now();
        drop(connection);
        while world.recorder.closed().len() <= number {
            assert!(left.elapsed() < Duration::from_secs(1), "the upstream was not cancelled");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    wait_for_metric(&gateway, r#"tool="crm.read_*",outcome="client_gone"} 1"#);
}

#[test]
fn time_limits_end_what_hangs() {
    let world = World::new("[bounds]\nfirst_byte = \"300ms\"\nbody_idle = \"300ms\"\nhead = \"300ms\"\n", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let late = gateway.connect().call(&key, "crm.read_silence");
    assert_eq!((late.status, late.reason().as_str()), (504, "upstream_timeout"));
    // A body that stops in the middle, and a head that never ends.
    let mut slow = gateway.connect();
    slow.send(format!("POST /crm/mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer {key}\r\nContent-Length: 100\r\n\r\n{{").as_bytes());
    let answer = slow.answer();
    assert_eq!((answer.status, answer.reason().as_str()), (408, "request_timeout"));
    let mut headless = gateway.connect();
    headless.send(b"POST /crm/mcp HTTP/1.1\r\nHost: ");
    let begun = Instant::now();
    let answer = headless.answer();
    assert_eq!((answer.status, answer.reason().as_str()), (408, "request_timeout"));
    assert!(headless.closed() && begun.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_stop_lets_requests_in_flight_finish() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let mut gateway = world.serve();
    let (address, caller) = (gateway.address, key.clone());
    let streaming =
        std::thread::spawn(move || crate::world::Connection::open(address).call(&caller, "crm.read_events"));
    while world.recorder.seen().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(gateway.stop());
    let answer = streaming.join().unwrap();
    assert!(answer.text().ends_with("data: {\"a\":1}\n\n"), "{answer:?}");
}

#[test]
fn connections_to_the_upstream_are_kept_and_an_unreachable_one_is_told() {
    let world = World::new("", "");
    let (key, _) = world.issue(&["crm:read"]);
    let gateway = world.serve();
    let mut connection = gateway.connect();
    for _ in 0..20 {
        assert_eq!(connection.call(&key, "crm.read_x").status, 200);
    }
    assert!(world.recorder.closed().is_empty(), "one connection should have served all");
    let text = std::fs::read_to_string(world.config()).unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    std::fs::write(world.config(), text.replace(&world.recorder.address.to_string(), &nobody.to_string()))
        .unwrap();
    gateway.signal("HUP");
    gateway.await_said("configuration reloaded");
    let answer = connection.call(&key, "crm.read_x");
    assert_eq!((answer.status, answer.reason().as_str()), (502, "upstream_unreachable"));
    let doctor = world.run(&["doctor"]);
    assert!(!doctor.ok && doctor.out.contains("WRONG  server crm"), "{}", doctor.out);
}

fn wait_for_metric(gateway: &crate::world::Gateway, line: &str) {
    let begun = Instant::now();
    loop {
        let page = crate::admin::get(gateway, "/metrics");
        if page.text().contains(line) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{line} in {}", page.text());
        std::thread::sleep(Duration::from_millis(20));
    }
}
