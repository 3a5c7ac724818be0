//! No secret is in anything that leaves for a collector, wherever a client puts it.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;

use super::receiver::{Got, Receiver, Told, all};
use super::{attribute, hex};
use crate::books::secrets::{Planted, holds, planted};
use crate::world::{Connection, META, World, call_headers, legacy_call, legacy_headers};

const RULES: [&str; 3] = ["none", "redacted", "full"];

/// A world that tells a collector everything that can be told, and logs a line for each request.
fn world(receiver: &Receiver, protocol: &str) -> World {
    let tools = RULES.map(|inputs| {
        format!(
            "[servers.tools.\"crm.{inputs}\"]\nscopes = [\"crm:read\"]\naudit = {{ inputs = \"{inputs}\" }}\n"
        )
    });
    let collector = format!(
        "[otlp]\nendpoint = \"http://{}\"\nprotocol = \"{protocol}\"\nqueue = \"64MiB\"\ntraces = {{ ratio = 1.0 }}\nmetrics = {{ interval = \"1s\" }}\nlogs = true\n",
        receiver.address
    );
    World::new(&format!("requests = true\n[audit]\nrefusals = 1000000\n{collector}"), &tools.concat())
}

/// A text as JSON in which nothing stands as it is.
fn escaped(text: &str) -> String {
    let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
    format!("\"{}\"", units.collect::<String>())
}

/// Sends a text wherever a client can put one; how many requests that were.
fn plant(connection: &mut Connection, key: &str, trace: &str, text: &str) -> usize {
    let mut requests = 0;
    let mut send = |headers: &mut Vec<(&'static str, String)>, path: &str, body: &str| {
        headers.push(("Traceparent", format!("00-{trace}-00f067aa0ba902b7-01")));
        requests += 1;
        connection.request("POST", path, headers, body)
    };
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    // As it is, with nothing as it is, and behind a letter that belongs to an escape.
    let values = [quoted(text), escaped(text), quoted(&format!("\n{text}"))];
    for inputs in RULES {
        for value in &values {
            let tool = format!("crm.{inputs}");
            let mut headers = call_headers(&tool);
            headers.push(("Authorization", format!("Bearer {key}")));
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":{value},"method":"tools/call","params":{{"name":"{tool}","arguments":{{"note":{value},"password":"hunter2-{inputs}","deep":[{{"a":{value}}}],{value}:1}},{META}}}}}"#
            );
            let answer = send(&mut headers, "/crm/mcp", &body);
            assert_eq!(answer.status, 200, "{body}: {answer:?}");
        }
    }
    for value in &values {
        for (method, params) in [
            ("tools/call", format!(r#""name":{value},"arguments":{{}}"#)),
            ("prompts/get", format!(r#""name":{value}"#)),
            ("resources/read", format!(r#""uri":{value}"#)),
            ("resources/subscribe", format!(r#""uri":{value}"#)),
            (
                "completion/complete",
                format!(
                    r#""ref":{{"type":"ref/prompt","name":{value}}},"argument":{{"name":{value},"value":{value}}}"#
                ),
            ),
            ("tasks/get", format!(r#""taskId":{value}"#)),
        ] {
            let body =
                format!(r#"{{"jsonrpc":"2.0","id":{value},"method":"{method}","params":{{{params}}}}}"#);
            send(&mut legacy_headers(key), "/crm/mcp", &body);
        }
        let body = format!(r#"{{"jsonrpc":"2.0","id":{value},"method":{value},"params":{{}}}}"#);
        send(&mut legacy_headers(key), "/crm/mcp", &body);
    }
    // In headers, where they can hold it; one with a key of the gateway's in it is refused.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        let mut headers = legacy_headers(key);
        headers.extend(
            ["Tracestate", "Baggage", "User-Agent", "X-Request-Id"].map(|name| (name, text.to_owned())),
        );
        let answer = send(&mut headers, "/crm/mcp", &legacy_call("crm.full"));
        assert!(matches!(answer.status, 200 | 400), "{answer:?}");
    }
    // In the path, and in the key's place.
    let path: String = text.bytes().filter(u8::is_ascii_graphic).map(char::from).collect();
    for path in [format!("/{path}/mcp"), format!("/crm/mcp?token={path}")] {
        send(&mut legacy_headers(key), &path.replace(['#', '"', '<', '>', '\\'], "_"), "{}");
    }
    let wrong = if path == key { "mcp_live_wrong" } else { &path };
    send(&mut legacy_headers(wrong), "/crm/mcp", "{}");
    requests
}

/// Everything that arrived, as a reader of the protocol sees it: texts stand in it as they are.
fn bytes(told: &Told) -> Vec<u8> {
    match told {
        Told::Spans(told) => told.encode_to_vec(),
        Told::Logs(told) => told.encode_to_vec(),
        Told::Metrics(told) => told.encode_to_vec(),
    }
}

fn no_secret_leaves(grpc: bool, protocol: &str) {
    let receiver = Receiver::start(grpc, None);
    let world = world(&receiver, protocol);
    let (key, id) = world.issue(&["crm:read"]);
    let mut gateway = world.serve();
    let mut connection = gateway.connect();
    let planted = planted(&key);
    let (mut requests, mut traces) = (0, Vec::new());
    for (number, Planted { text, .. }) in planted.iter().enumerate() {
        traces.push(format!("{:032x}", number + 1));
        requests += plant(&mut connection, &key, &traces[number], text);
    }
    // It sends what waits.
    assert!(gateway.stop());
    let (got, forwarded) = (receiver.got(), world.recorder.count());
    let (spans, logs, metrics) = (all(&got, Got::spans), all(&got, Got::logs), all(&got, Got::metrics));
    assert!(forwarded >= 9 * planted.len() && requests >= 33 * planted.len(), "{requests} {forwarded}");
    // The spans and records of these very requests: of each its server's, of each that was forwarded its client's.
    let of_kind = |kind| {
        let of_traces = spans.iter().filter(|span| traces.contains(&hex(&span.trace_id)));
        of_traces.filter(|span| span.kind() == kind).count()
    };
    assert_eq!(of_kind(SpanKind::Server), requests);
    assert!(of_kind(SpanKind::Client) >= forwarded);
    let calls = logs.iter().filter(|log| traces.contains(&hex(&log.trace_id))).count();
    assert_eq!(calls, requests);
    assert!(!metrics.is_empty());
    let arrived: Vec<(&str, Vec<u8>)> = got.iter().map(|got| (got.path.as_str(), bytes(&got.told))).collect();
    let told = arrived.iter().map(|(_, bytes)| bytes.as_slice()).collect::<Vec<_>>().concat();
    // What was looked through holds what it should: the key's id, and the places of secrets.
    assert!(spans.iter().any(|span| attribute(&span.attributes, "tollgate.key_id") == id));
    for part in ["jsonrpc.request.id", "gen_ai.tool.name", "mcp.resource.uri", "[secret:", "\"inputs\":"] {
        assert!(memchr::memmem::find(&told, part.as_bytes()).is_some(), "{part}");
    }
    let said = gateway.said();
    assert!(said.contains("\"message\":\"request\""), "{said}");
    let password = Planted { secret: "hunter2".into(), text: String::new(), kind: "password".into() };
    let mut found = Vec::new();
    for Planted { secret, kind, .. } in planted.iter().chain([&password]) {
        for (path, _) in arrived.iter().filter(|(_, bytes)| holds(bytes, secret)) {
            found.push(format!("a secret of kind {kind} was sent over {protocol} to {path}: {secret}"));
        }
        if holds(said.as_bytes(), secret) {
            found.push(format!("a secret of kind {kind} is in the log: {secret}"));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn no_secret_is_sent_to_a_collector_over_http() {
    no_secret_leaves(false, "http/protobuf");
}

#[test]
fn no_secret_is_sent_to_a_collector_over_grpc() {
    no_secret_leaves(true, "grpc");
}
