//! The client's key is in nothing that the upstream receives, wherever else the client put it:
//! the request goes without that header, or not at all.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Ground;
use super::h2::{Client, END_HEADERS, END_STREAM, HEADERS, block, frame, request};
use super::http2::borrowed;
use crate::world::{call, legacy_call};

/// Headers that never pass: the call is served without them.
const DROPPED: [&str; 27] = [
    "X-API-Key",
    "Cookie",
    "Set-Cookie",
    "Proxy-Authorization",
    "Proxy-Authenticate",
    "X-Authorization",
    "X-Forwarded-Authorization",
    "X-Auth-Token",
    "X-Access-Token",
    "X-Amz-Security-Token",
    "Apikey",
    "Api-Key",
    "X-Api-Token",
    "Authentication",
    "WWW-Authenticate",
    "Referer",
    "From",
    "Via",
    "Forwarded",
    "X-Forwarded-For",
    "X-Real-IP",
    "X-Tollgate-Key-Id",
    "X-Tollgate-Owner",
    "Mcp-Session-Id",
    "Last-Event-ID",
    "X-Anything",
    "Priority",
];

/// Headers that pass: not with a key in them.
const PASSING: [&str; 9] = [
    "Accept-Language",
    "Baggage",
    "Mcp-Param-Key",
    "Mcp-Anything",
    "Traceparent",
    "Tracestate",
    "User-Agent",
    "X-Request-Id",
    "Accept",
];

/// Ways to write the key into a value.
fn written(key: &str) -> [String; 5] {
    [
        key.into(),
        format!("Bearer {key}"),
        format!("a=b; key={key}; c=d"),
        format!("x{key}y"),
        format!("=?base64?{}?=", STANDARD.encode(format!("key {key}"))),
    ]
}

/// The key, its secret alone, and what base64 makes of it at each of three offsets.
fn traces(key: &str) -> Vec<String> {
    let mut traces = vec![key.to_owned(), key.split('.').nth(1).unwrap().to_owned()];
    for offset in 0..3 {
        let encoded = STANDARD.encode(format!("{}{key}", "x".repeat(offset)));
        // Without the ends, which depend on what stands beside.
        traces.push(encoded[4..encoded.len() - 8].to_owned());
    }
    traces
}

fn search(ground: &Ground, from: usize, place: &str) {
    for request in &ground.world.recorder.seen()[from..] {
        for trace in traces(&ground.key) {
            assert!(!request.contains(&trace), "{place}: {trace} is in {request}");
        }
    }
}

#[test]
fn the_key_goes_nowhere_over_http1() {
    let ground = Ground::new("");
    let key = ground.key.clone();
    let (body, mut refused) = (call("crm.read_x"), 0);
    let usual = "Content-Type: application/json\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: crm.read_x\r\n";
    let length = body.len();
    let mut send = |place: &str, bytes: &str| {
        let before = ground.seen();
        let mut connection = ground.gateway.connect();
        connection.send(bytes.as_bytes());
        let answer = connection.answer();
        assert!(!String::from_utf8_lossy(&answer.body).contains(&key), "{place}: {answer:?}");
        let served = ground.arrived(before, place);
        assert_eq!(served, usize::from(answer.status == 200), "{place}");
        search(&ground, before, place);
        refused += 1 - served;
        served == 1
    };
    let post = |target: &str, lines: &str| {
        format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\n{usual}Authorization: Bearer {key}\r\n{lines}Content-Length: {length}\r\n\r\n{body}"
        )
    };
    for header in DROPPED {
        for value in written(&key) {
            let served = send(header, &post("/crm/mcp", &format!("{header}: {value}\r\n")));
            // Another key, or the same one written otherwise, is a conflict.
            assert!(served || header == "X-API-Key", "{header}: {value}");
        }
    }
    for header in PASSING {
        for value in written(&key) {
            let served = send(header, &post("/crm/mcp", &format!("{header}: {value}\r\n")));
            assert_eq!(served, header == "Mcp-Anything", "{header}: {value}");
        }
    }
    for target in [
        format!("/crm/mcp?api_key={key}"),
        format!("/crm/mcp?{key}"),
        format!("http://localhost/crm/mcp?a&k={key}"),
    ] {
        assert!(send(&target, &post(&target, "")), "{target}");
    }
    for target in [
        format!("/{key}/mcp"),
        format!("/crm/mcp/{key}"),
        format!("/crm/mcp;{key}"),
        format!("/crm/mcp#{key}"),
        format!("http://{key}@localhost/crm/mcp"),
    ] {
        assert!(!send(&target, &post(&target, "")), "{target}");
    }
    for (place, lines) in [
        ("Host", format!("Host: {key}\r\n")),
        ("Origin", format!("Origin: https://{key}\r\n")),
        ("Expect", format!("Expect: {key}\r\n")),
        ("Connection", format!("Connection: {key}\r\n")),
        ("a header's name", format!("{key}: x\r\n")),
        ("a passing header's name", format!("Mcp-Param-{key}: x\r\n")),
    ] {
        send(place, &post("/crm/mcp", &lines));
    }
    let typed =
        post("/crm/mcp", "").replace("application/json\r\n", &format!("application/json; k={key}\r\n"));
    assert!(!send("Content-Type", &typed));
    let chunks =
        post("/crm/mcp", "").replace(&format!("Content-Length: {length}"), "Transfer-Encoding: chunked");
    let chunks = chunks.replace(
        &body,
        &format!("{length:x};k={key}\r\n{body}\r\n0\r\nAuthorization: {key}\r\nX-Request-Id: {key}\r\n\r\n"),
    );
    assert!(send("extensions and trailers", &chunks));
    // The name that the body asks for, told literally and behind the marker.
    for tool in [format!("crm.read_{key}"), format!("crm.read_é{key}")] {
        let body = call(&tool);
        for name in [tool.clone(), format!("=?base64?{}?=", STANDARD.encode(&tool))] {
            let named = format!(
                "POST /crm/mcp HTTP/1.1\r\nHost: localhost\r\n{}X-API-Key: {key}\r\nContent-Length: {}\r\n\r\n{body}",
                usual.replace("crm.read_x", &name),
                body.len()
            );
            let before = ground.seen();
            let mut connection = ground.gateway.connect();
            connection.send(named.as_bytes());
            assert_eq!((connection.answer().status, ground.seen()), (400, before), "{name}");
        }
    }
    let old =
        format!("Host: localhost\r\nAuthorization: Bearer {key}\r\nMCP-Protocol-Version: 2025-06-18\r\n");
    let body = legacy_call("crm.read_x");
    assert!(!send(
        "Mcp-Session-Id",
        &format!(
            "POST /crm/mcp HTTP/1.1\r\n{old}Content-Type: application/json\r\nMcp-Session-Id: {key}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    ));
    assert!(!send("Last-Event-ID", &format!("GET /crm/mcp HTTP/1.1\r\n{old}Last-Event-ID: {key}\r\n\r\n")));
    assert!(!send("DELETE", &format!("DELETE /crm/mcp HTTP/1.1\r\n{old}Mcp-Session-Id: {key}\r\n\r\n")));
    assert!(refused >= 50, "{refused}");
}

#[test]
fn the_key_goes_nowhere_over_http2() {
    let ground = Ground::tls("");
    let key = ground.key.clone();
    let mut client = Client::open(ground.gateway.address);
    let usual = ground.fields("crm.read_x");
    let body = call("crm.read_x");
    let mut send = |place: &str, frames: &dyn Fn(u32) -> Vec<u8>| {
        let before = ground.seen();
        let stream = client.stream();
        client.send(&frames(stream));
        let outcome = client.outcome(stream);
        if client.ended() {
            client = Client::open(ground.gateway.address);
        }
        search(&ground, before, place);
        let served = ground.arrived(before, place);
        assert_eq!(served, usize::from(outcome.reason().0 == 200), "{place}: {outcome:?}");
        served == 1
    };
    for (header, passes) in
        DROPPED.map(|name| (name, false)).into_iter().chain(PASSING.map(|name| (name, true)))
    {
        for value in written(&key) {
            let mut fields = usual.clone();
            fields.push((header.to_lowercase(), value));
            let served = send(header, &|stream| request(stream, &borrowed(&fields), &body));
            let known = ["X-API-Key", "Mcp-Anything"].contains(&header);
            assert!(known || served != passes, "{header}");
        }
    }
    for (name, value, want) in [
        (":path", format!("/crm/mcp?api_key={key}"), true),
        (":path", format!("/crm/mcp/{key}"), false),
        (":authority", format!("{key}@localhost"), false),
        (":authority", key.clone(), false),
        ("content-type", format!("application/json; k={key}"), false),
    ] {
        let mut fields = usual.clone();
        fields.iter_mut().filter(|field| field.0 == name).for_each(|field| field.1.clone_from(&value));
        assert_eq!(send(name, &|stream| request(stream, &borrowed(&fields), &body)), want, "{name}: {value}");
    }
    let trailers = block(&[("authorization", &key), ("x-request-id", &key)]);
    let served = send("trailers", &|stream| {
        let mut frames = request(stream, &borrowed(&usual), &body);
        let data = frames.len() - body.len() - 5;
        frames[data] &= !END_STREAM;
        frames.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &trailers));
        frames
    });
    assert!(served);
}
